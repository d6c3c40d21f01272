"""From the protocol to voxel vectors: texture habitats where intensities show nothing, and every method by the protocol."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.case import Case
from HabitatPNILib.errors import CaseError, ProtocolError
from HabitatPNILib.frozen_model import HabitatCentroids, HabitatMixture
from HabitatPNILib.habitat_vectors import check_habitats, habitat_voxels, labels_of, learn, texture_settings
from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.preparation import habitat_validity, map_habitats, prepare
from HabitatPNILib.protocol import HabitatSection, Protocol

HCC = Protocol.load("hcc-grade")
FEW = ("original_firstorder_Range", "original_firstorder_Entropy", "original_glcm_DifferenceAverage", "original_glcm_JointEntropy")


def texture_phantom(seed, semi_axes=(10, 20, 24)):
    """Image and truth (1 to 3 inside the tumour) of habitats that differ in texture alone; semi-axes in voxels (z, y, x).

    Three parts of an ellipsoid hold white noise of mean 0 and standard deviations 1, 2.5 and 6.25. The contrast was fixed before any
    texture was computed: 2.5 is the largest ratio of 1.5, 2, 2.5, 3 and 4 at which K-means of the intensities, with 2 to 5 habitats,
    stays below half of the adjusted Rand index of 0.2 that it may reach.
    """
    places = np.indices([2 * n + 11 for n in semi_axes]) - np.array([n + 5 for n in semi_axes]).reshape(3, 1, 1, 1)
    inside = sum((place / n) ** 2 for place, n in zip(places, semi_axes, strict=True)) <= 1
    third = semi_axes[2] / 3
    truth = np.where(places[2] < -third, 1, np.where(places[2] <= third, 2, 3)) * inside
    noise = np.random.default_rng(seed).normal(size=truth.shape)
    values = noise * np.array([1.0, 1.0, 2.5, 6.25])[truth]
    return sitk.GetImageFromArray(values.astype(np.float32)), sitk.GetImageFromArray(truth.astype(np.uint8))


def preprocessed(seed=0, semi_axes=(5, 10, 12), names=("t1pv",)):
    images, truth = zip(*(texture_phantom(seed + i, semi_axes) for i in range(len(names))), strict=True)
    given = dict(zip(names, images, strict=True))
    return Preprocessed(given, given, truth[0] > 0, 1, ()), sitk.GetArrayFromImage(truth[0])


def section(**changes):
    texture = {"features": FEW, "correlation": None}
    return HabitatSection.model_validate({"order_by": "t1pv__original_firstorder_Range", "texture": texture, **changes})


def agreement(found, truth):
    from sklearn.metrics import adjusted_rand_score

    return adjusted_rand_score(truth[truth > 0], sitk.GetArrayFromImage(found.labels)[truth > 0])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 105))
def test_texture_habitats_of_hcc_grade_find_what_intensities_do_not_show(seed):
    """The issue's measure, with the protocol as it is, on seeds that nothing was chosen by."""
    case, truth = preprocessed(seed, (10, 20, 24))
    found = map_habitats(case, HCC.habitats, HCC.sequences, None)
    assert agreement(found, truth) >= 0.8
    intensity = HCC.habitats.model_copy(update={"texture": None})
    assert agreement(map_habitats(case, intensity, HCC.sequences, None), truth) < 0.15


def test_numbered_by_a_texture_feature_the_habitats_are_the_truth():
    case, truth = preprocessed(semi_axes=(6, 14, 18))
    found = map_habitats(case, section(), ("t1pv",), None)
    labels = sitk.GetArrayFromImage(found.labels)
    core = (truth > 0) & ~np.isin(np.abs(np.indices(truth.shape)[2] - truth.shape[2] // 2), range(3, 10))
    assert (labels[core] == truth[core]).mean() >= 0.9
    assert found.centroids.sequences == tuple(f"t1pv__{name}" for name in FEW)
    again = map_habitats(case, section(), ("t1pv",), found.centroids)
    np.testing.assert_array_equal(labels, sitk.GetArrayFromImage(again.labels))
    curve = habitat_validity(case, section(k_range=(3, 4)), found.centroids, voxels=found.voxels)
    assert curve == habitat_validity(case, section(k_range=(3, 4)), found.centroids)
    assert curve.k == (3, 4)


def test_columns_of_several_sequences_with_their_intensities():
    case, _ = preprocessed(names=("adc", "t2w"))
    texture = {"features": FEW[:2], "intensities": True, "sequences": ["t2w"]}
    found = habitat_voxels(case, section(texture=texture, order_by="adc"), ("adc", "t2w"))
    assert found.columns == ("adc", "t2w", f"t2w__{FEW[0]}", f"t2w__{FEW[1]}")
    np.testing.assert_array_equal(found.values[:, :2], case.voxel_vectors(("adc", "t2w")))
    np.testing.assert_array_equal(found.reference, found.values[:, 0])
    both = habitat_voxels(case, section(texture={"features": FEW[:2]}, order_by="t2w"), ("adc", "t2w"))
    assert both.columns == (f"adc__{FEW[0]}", f"adc__{FEW[1]}", f"t2w__{FEW[0]}", f"t2w__{FEW[1]}")
    np.testing.assert_array_equal(both.reference, case.voxel_vectors(("t2w",))[:, 0])


@pytest.mark.parametrize("texture", [None, {"features": FEW}])
@pytest.mark.parametrize("method", ["kmeans", "gmm", "slic"])
def test_every_method_follows_the_protocol(method, texture):
    case, _ = preprocessed(names=("adc", "t2w"))
    settings = section(method=method, texture=texture, order_by="adc", supervoxel_mm=3)
    voxels = habitat_voxels(case, settings, ("adc", "t2w"))
    frozen = learn(settings, voxels)
    labels = labels_of(voxels, frozen)
    assert set(labels) == {1, 2, 3}
    assert isinstance(frozen, HabitatMixture) == (method == "gmm")
    means = [voxels.reference[labels == i].mean() for i in (1, 2, 3)]
    assert means == sorted(means)
    if method == "slic":
        assert len(np.unique(voxels.values, axis=0)) < len(voxels.values) / 4


def test_what_does_not_fit_the_protocol_is_named():
    case, _ = preprocessed()
    with pytest.raises(ProtocolError, match="there is no feature 'original_glcm_Nothing'"):
        habitat_voxels(case, section(texture={"features": ["original_glcm_Nothing"]}, order_by="t1pv"), ("t1pv",))
    with pytest.raises(ProtocolError, match=r"t1pv__original_glcm_Id, a texture feature that habitats\.texture does not ask for"):
        habitat_voxels(case, section(order_by="t1pv__original_glcm_Id"), ("t1pv",))
    frozen = learn(section(), habitat_voxels(case, section(), ("t1pv",)))
    with pytest.raises(CaseError, match="The habitats need the voxel feature t1pv__original_glcm_DifferenceAverage"):
        map_habitats(case, section(texture={"features": FEW[:2]}), ("t1pv",), frozen)


def test_wrong_habitats_are_refused_without_any_image():
    wrong = section(texture={"features": ["original_glcm_Nothing"]}, order_by="adc")
    with pytest.raises(ProtocolError, match="there is no feature 'original_glcm_Nothing'"):
        check_habitats(wrong, ("adc",))
    with pytest.raises(ProtocolError, match=r"t2w__original_glcm_Id, a texture feature that habitats\.texture does not ask for"):
        check_habitats(section(order_by="t2w__original_glcm_Id"), ("t2w",))
    with pytest.raises(ProtocolError, match=r"order_by is adc__original_glcm_Id"):
        check_habitats(section(texture=None, order_by="adc__original_glcm_Id"), ("adc",))
    check_habitats(section(), ("t1pv",))
    check_habitats(HCC.habitats, HCC.sequences)
    assert len(texture_settings(HCC.habitats.texture).features) == 77
    assert texture_settings(HCC.habitats.texture).in_plane_axis == 0


@pytest.mark.parametrize("method", ["kmeans", "gmm", "slic"])
@pytest.mark.parametrize("texture", [None, {"features": FEW}])
def test_a_case_s_own_habitats_take_the_numbers_of_the_cohort_s(method, texture):
    case, _ = preprocessed(names=("adc", "t2w"))
    own = section(scope="case", method=method, texture=texture, order_by="adc", supervoxel_mm=3)
    matched = own.model_copy(update={"match": "cohort"})
    alone = map_habitats(case, own, ("adc", "t2w"), None)
    frozen = alone.centroids
    turned = {name: getattr(frozen, name)[::-1] for name in ("centroids", "log_weights", "precisions") if hasattr(frozen, name)}
    cohort = HabitatCentroids.from_dict(json.loads(json.dumps(replace(frozen, **turned).to_dict())))
    found = map_habitats(case, matched, ("adc", "t2w"), cohort)
    labels = sitk.GetArrayFromImage(alone.labels)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.labels), np.where(labels > 0, 4 - labels, 0))
    # The cohort gives the numbers and not the borders, whatever its scanner's units are.
    shifted = replace(cohort, mean=tuple(m + s / 2 for m, s in zip(cohort.mean, cohort.scale, strict=True)))
    elsewhere = map_habitats(case, matched, ("adc", "t2w"), shifted)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(elsewhere.labels), sitk.GetArrayFromImage(found.labels))
    assert not np.array_equal(sitk.GetArrayFromImage(map_habitats(case, own, ("adc", "t2w"), shifted).labels), labels)


def test_cancelling_stops_texture_habitats():
    from HabitatPNILib.errors import Cancelled

    case, _ = preprocessed()

    def stop(fraction, message):
        if message == "Texture maps":
            raise Cancelled

    with pytest.raises(Cancelled):
        map_habitats(case, section(), ("t1pv",), None, stop)


def test_hcc_grade_takes_a_case_of_its_one_sequence_to_habitats():
    image, truth = texture_phantom(3, (8, 14, 16))
    case = Case("1", {"t1pv": image + 100}, roi=truth > 0, roi_frame="t1pv")
    prepared = prepare(case, HCC)
    few = HCC.habitats.model_copy(update={"texture": HCC.habitats.texture.model_copy(update={"features": FEW})})
    found = map_habitats(prepared.preprocessed, few, HCC.sequences, None)
    assert found.labels.GetSpacing() == (2, 2, 2)
    assert sum(found.counts) == int(prepared.preprocessed.roi_array.sum()) > 500
    assert min(found.counts) > 0
