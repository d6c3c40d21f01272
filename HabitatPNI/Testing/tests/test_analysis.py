"""A case becomes a probability in one way; what is doubtful is said, what is wrong is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.errors import Cancelled, CaseError, ModelError, WeightsError
from HabitatPNILib.frozen_model import HabitatCentroids, load_model


@pytest.fixture(scope="module")
def analysis(phantom, small_model):
    return analyse(phantom[0], small_model)


@pytest.fixture(scope="module")
def quick_model(small_model):
    """The small model without registration and with a short validity curve, where these do not matter."""
    protocol = {
        **small_model.protocol,
        "registration": {"enabled": False},
        "habitats": {**small_model.protocol["habitats"], "k_range": [2, 3]},
    }
    return dataclasses.replace(small_model, protocol=protocol)


def test_the_probability_is_the_logistic_of_its_terms(analysis, small_model):
    log_odds = small_model.intercept
    for term, contribution in zip(small_model.terms, analysis.contributions, strict=True):
        log_odds += term.coefficient * contribution.value
        assert contribution.log_odds == pytest.approx(term.coefficient * (contribution.value - term.mean))
    assert analysis.probability == pytest.approx(1 / (1 + math.exp(-log_odds)), abs=1e-15)
    assert analysis.high_risk == (analysis.probability >= 0.3)
    assert set(analysis.radscores) == {"habitat1", "tumour"}


def test_habitats_fill_the_roi_and_are_numbered_by_ascending_adc(analysis):
    roi = sitk.GetArrayViewFromImage(analysis.roi) != 0
    labels = sitk.GetArrayViewFromImage(analysis.habitat_map)
    np.testing.assert_array_equal(labels != 0, roi)
    assert labels.dtype == np.uint8
    assert [h.voxels for h in analysis.habitats] == [int((labels == i).sum()) for i in (1, 2, 3)]
    adc = [h.means["adc"] for h in analysis.habitats]
    assert adc == sorted(adc)
    assert sum(h.share for h in analysis.habitats) == pytest.approx(1)
    assert analysis.habitats[0].volume_ml == pytest.approx(analysis.habitats[0].voxels / 1000)


def test_twice_is_the_same_apart_from_times(analysis, phantom, small_model):
    again = analyse(phantom[0], small_model)
    first, second = (json.dumps({k: v for k, v in a.to_dict().items() if k != "times"}) for a in (analysis, again))
    assert first == second


def test_the_json_holds_what_others_rely_on(analysis):
    values = json.loads(json.dumps(analysis.to_dict(), allow_nan=False))
    names = {"probability", "radscores", "contributions", "habitats", "warnings", "model", "provenance", "research_use_only"}
    assert names <= set(values)
    assert values["model"]["name"] == "small"
    assert values["registration"]["accepted"] is True
    assert values["research_use_only"].startswith("Research use only")


def test_a_demonstration_model_says_so_next_to_a_real_patients_number(phantom, analysis, quick_model):
    real = dataclasses.replace(phantom[0], provenance=())
    assert "demonstration model: this number means nothing for a patient" in analyse(real, quick_model).to_dict()["notice"]
    assert "demonstration model" not in analysis.notice


@pytest.mark.parametrize(
    ("b", "text"), [(1000.0, "b = 1000 s/mm2, the model was made with b = 1400 (29% off): the radscores are less"), (1200.0, None)]
)
def test_another_b_value_is_warned(phantom, quick_model, b, text):
    case = dataclasses.replace(phantom[0], b_values={"dwi": b})
    warnings = " ".join(analyse(case, quick_model).warnings)
    assert (text in warnings) if text else ("b = " not in warnings)


def test_a_b_value_too_far_is_refused_and_an_unknown_one_said(phantom, quick_model):
    with pytest.raises(CaseError, match=r"DWI has b = 600 s/mm2, .* \(57% off\); more than 50% is refused: .*\(--dwi, --b-value\)$"):
        analyse(dataclasses.replace(phantom[0], b_values={"dwi": 600.0}), quick_model)
    assert any("b-value is not known" in w for w in analyse(dataclasses.replace(phantom[0], b_values={}), quick_model).warnings)


def test_an_absent_habitat_enters_at_the_training_mean(phantom, quick_model):
    far = quick_model.imaging.habitats
    centroids = ((-90.0, -90.0, -90.0), far.centroids[0], far.centroids[2])
    imaging = dataclasses.replace(quick_model.imaging, habitats=HabitatCentroids(far.sequences, far.mean, far.scale, centroids))
    result = analyse(phantom[0], dataclasses.replace(quick_model, imaging=imaging))
    assert result.habitats[0].absent
    assert result.radscores["habitat1"] == -0.2
    assert [c.imputed for c in result.contributions] == [False, False, False, True, False]
    assert any(w.startswith("Habitat 1 is absent in this case") for w in result.warnings)
    assert not any("rests on the clinical values alone" in w for w in result.warnings)
    assert json.dumps(result.to_dict(), allow_nan=False)


def test_a_case_without_any_region_that_counts_says_first_that_the_images_did_not_enter(phantom, quick_model):
    far = quick_model.imaging.habitats
    centroids = ((-90.0, -90.0, -90.0), far.centroids[0], far.centroids[2])
    imaging = dataclasses.replace(quick_model.imaging, habitats=HabitatCentroids(far.sequences, far.mean, far.scale, centroids))
    terms = tuple(term for term in quick_model.terms if term.name != "radscore_tumour")
    case = phantom[0].with_clinical({**phantom[0].clinical, "age": 96})
    result = analyse(case, dataclasses.replace(quick_model, imaging=imaging, terms=terms))
    sentence = "The images did not enter: none of the habitats that count was found; the probability rests on the clinical values alone"
    assert result.warnings[0] == sentence
    assert result.notice.startswith(f"{sentence}. ")


def test_a_radscore_beyond_four_standard_deviations_is_warned(phantom, quick_model):
    signature = dataclasses.replace(quick_model.imaging.signatures["tumour"], train_mean=-50.0)
    imaging = dataclasses.replace(quick_model.imaging, signatures={**quick_model.imaging.signatures, "tumour": signature})
    warnings = analyse(phantom[0], dataclasses.replace(quick_model, imaging=imaging)).warnings
    assert any(w.startswith("Radscore of tumour lies") and "SD from the training mean" in w for w in warnings)


def test_values_outside_training_and_a_kept_scanner_geometry_are_warned(phantom, small_model):
    protocol = {**small_model.protocol, "registration": {**small_model.protocol["registration"], "max_displacement_mm": 0.001}}
    case = phantom[0].with_clinical({**phantom[0].clinical, "age": 40})
    result = analyse(case, dataclasses.replace(small_model, protocol=protocol))
    assert not result.registration.accepted
    assert any(w.startswith("Registration was not accepted, scanner geometry is kept") for w in result.warnings)
    assert any(w.startswith("Age 40 years lies outside the training range") for w in result.warnings)


def test_other_weights_than_the_models_are_refused(phantom, quick_model):
    imaging = dataclasses.replace(quick_model.imaging, weights_sha256="00" * 32)
    with pytest.raises(WeightsError, match=r"field imaging\.weights_sha256: the resnet18 weights at hand \(seeded:1\) are not those"):
        analyse(phantom[0], dataclasses.replace(quick_model, imaging=imaging))


def test_a_missing_sequence_roi_or_prevalence(phantom, quick_model):
    case = phantom[0]
    with pytest.raises(CaseError, match="no ADC image"):
        analyse(dataclasses.replace(case, images={k: v for k, v in case.images.items() if k != "adc"}), quick_model)
    with pytest.raises(CaseError, match="no tumour outline"):
        analyse(dataclasses.replace(case, roi=None), quick_model)
    with pytest.raises(ModelError, match="takes no local prevalence"):
        analyse(case, quick_model, prevalence=0.3)


def test_a_clinical_model_shows_the_habitats_without_using_them(phantom):
    model = load_model("pca-pni-clinical")
    with_images = analyse(phantom[0], model)
    without = analyse(Case("c", {}, clinical=phantom[0].clinical), model)
    assert with_images.probability == without.probability
    assert with_images.habitat_map is not None
    assert without.habitat_map is None
    assert any("do not enter the probability" in w for w in with_images.warnings)


@pytest.mark.parametrize("at", [0.05, 0.3, 0.5, 0.7])
def test_cancel_stops_at_every_stage(phantom, small_model, at):
    def progress(fraction, message):
        if fraction >= at:
            raise Cancelled

    with pytest.raises(Cancelled):
        analyse(phantom[0], small_model, progress)
