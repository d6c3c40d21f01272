"""Extraction of a small phantom cohort: every case a row, every failure a reason, nothing done twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib import cohort as cohort_module
from HabitatPNILib.cohort import extract, load_case, load_extraction, read_cohort
from HabitatPNILib.errors import CohortError
from HabitatPNILib.features.deep import DeepExtractor
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.preparation import map_habitats, prepare
from HabitatPNILib.protocol import Protocol

PROTOCOL = Protocol.from_dict(
    {**Protocol.load("pca-pni").to_dict(), "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64}}, "test"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three phantom patients and a damaged one, as files with a table."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = []
    for i, split in enumerate(["training", "training", "external", "internal"]):
        case, truth = phantom_case(700 + i)
        (folder / f"c{i}").mkdir()
        for name, image in {**case.images, "roi": case.roi}.items():
            image.SetMetaData("phantom", "true")
            sitk.WriteImage(image, str(folder / f"c{i}" / f"{name}.nrrd"))
        paths = {name: f"c{i}/{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")}
        rows.append({"case_id": f"c{i}", "split": split, "outcome": truth.outcome, **paths, "b_dwi": 1400, "b_low_b": 50, **case.clinical})
    (folder / "c3" / "dwi.nrrd").write_bytes((folder / "c3" / "dwi.nrrd").read_bytes()[:5000])
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def extracted(folder):
    return extract(folder / "cohort.csv", PROTOCOL, folder / "features")


def test_every_good_case_is_a_row_and_the_damaged_one_a_reason(extracted, folder):
    assert list(extracted.features.index) == ["c0", "c1", "c2"]
    assert extracted.features.shape[1] == 4 * 3 * 512
    assert set(extracted.failures) == {"c3"}
    failures = pd.read_csv(folder / "features" / "failures.csv")
    assert failures["case_id"].tolist() == ["c3"]
    assert "dwi.nrrd" in failures["reason"][0]
    assert extracted.b_values == {"dwi": 1400.0, "low_b": 50.0}
    assert extracted.phantom


def test_what_was_written_comes_back(extracted, folder):
    loaded = load_extraction(folder / "features")
    pd.testing.assert_frame_equal(loaded.features, extracted.features)
    assert (loaded.protocol, loaded.centroids, loaded.failures, loaded.phantom) == (
        extracted.protocol,
        extracted.centroids,
        extracted.failures,
        extracted.phantom,
    )


def test_features_are_those_of_the_whole_volumes(extracted, folder):
    """The stored cut-out round the ROI gives the same bits as the case workflow's whole volume."""
    table = read_cohort(folder / "cohort.csv")
    case = load_case("c0", dict(table.loc["c0"]), folder, PROTOCOL)
    preprocessed = prepare(case, PROTOCOL).preprocessed
    regions = map_habitats(preprocessed, PROTOCOL.habitats, PROTOCOL.sequences, extracted.centroids).regions()
    direct = DeepExtractor(PROTOCOL.deep).extract(preprocessed.normalised, regions)
    np.testing.assert_array_equal(extracted.features.loc["c0", list(direct)].to_numpy(), np.array(list(direct.values())))


def test_a_second_run_prepares_only_what_is_new(extracted, folder, monkeypatch):
    calls = []
    original = cohort_module.prepare
    monkeypatch.setattr(cohort_module, "prepare", lambda case, *rest: calls.append(case.case_id) or original(case, *rest))
    again = extract(folder / "cohort.csv", PROTOCOL, folder / "features")
    assert calls == []
    pd.testing.assert_frame_equal(again.features, extracted.features)


@pytest.mark.slow
def test_two_processes_give_the_same_features(extracted, folder, tmp_path):
    both = extract(folder / "cohort.csv", PROTOCOL, folder / "features", jobs=2)
    pd.testing.assert_frame_equal(both.features, extracted.features, rtol=1e-5)
    assert both.failures == extracted.failures


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.drop(columns="outcome"), "columns are missing: outcome"),
        (lambda t: t.drop(columns="dwi"), "columns are missing: t2w and dwi, or dicom"),
        (lambda t: t.assign(outcome=[0, 1, 2, np.nan]), "column outcome must be 0 or 1; it is not in rows 4, 5"),
        (lambda t: t.assign(split="train"), "column split must be one of training, internal, external; it is not in rows 2, 3, 4, 5"),
        (lambda t: t.assign(case_id=["a", "b", "a", "c"]), "column case_id: given more than once: a"),
    ],
)
def test_tables_that_cannot_be_used(folder, tmp_path, change, text):
    change(pd.read_csv(folder / "cohort.csv")).to_csv(tmp_path / "cohort.csv", index=False)
    with pytest.raises(CohortError) as error:
        read_cohort(tmp_path / "cohort.csv")
    assert text in str(error.value)


def test_missing_tables_and_folders(tmp_path):
    with pytest.raises(CohortError, match="No cohort table"):
        read_cohort(tmp_path / "none.csv")
    with pytest.raises(CohortError, match="run habitatpni extract first"):
        load_extraction(tmp_path)
