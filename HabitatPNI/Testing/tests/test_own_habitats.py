"""Habitats of one's own choosing: the protocol that is made of a model's, and the number that the indices speak for."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError, ProtocolError, RequestError
from HabitatPNILib.habitat_vectors import habitat_voxels
from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.own_habitats import VECTORS, cluster, own_protocol
from HabitatPNILib.protocol import Protocol

PCA, HCC = Protocol.load("pca-pni"), Protocol.load("hcc-grade")
ADC = PCA.model_copy(update={"sequences": ("adc",), "fixed": "adc"})


def case_of(levels):
    """Preprocessed case of one sequence whose ROI is a block of these values, and the values."""
    image = sitk.GetImageFromArray(np.pad(np.asarray(levels, float), 2, constant_values=-5))
    roi = sitk.GetImageFromArray(np.pad(np.ones(np.shape(levels), np.uint8), 2))
    return Preprocessed({"adc": image}, {"adc": image}, roi, 1, ())


def found_in(case, k, frozen=None):
    protocol = own_protocol(ADC, k, None)
    return cluster(case, protocol, habitat_voxels(case, protocol.habitats, ("adc",)), frozen, k)


def test_nothing_asked_for_is_the_model_s_own():
    assert own_protocol(PCA, None, None) == PCA
    four = own_protocol(PCA, 4, None).habitats
    assert four == PCA.habitats.model_copy(update={"k": 4})
    assert own_protocol(PCA, "best", None).habitats == PCA.habitats


@pytest.mark.parametrize(("vectors", "features", "in_plane"), [("hcc77", 77, True), ("all93", 93, False)])
def test_texture_is_clustered_as_in_the_study_and_numbered_by_the_model_s_sequence(vectors, features, in_plane):
    case = case_of(np.random.default_rng(0).normal(size=(3, 8, 8)))
    section = own_protocol(ADC.model_copy(update={"habitats": PCA.habitats.model_copy(update={"method": "slic"})}), 5, vectors).habitats
    assert (section.method, section.k, section.k_range, section.order_by) == ("kmeans", 5, (3, 9), "adc")
    assert (section.texture.in_plane, section.texture.kernel_radius) == (in_plane, 2)
    voxels = habitat_voxels(case, section, ("adc",))
    assert voxels.values.shape == (192, features)
    np.testing.assert_array_equal(voxels.reference, case.voxel_vectors(("adc",))[:, 0])


def test_intensities_of_a_model_of_texture_and_its_numbering():
    texture = HCC.habitats.texture.model_copy(update={"correlation": 0.5})
    by_texture = {"order_by": "t1pv__original_glcm_Contrast", "texture": texture}
    model = HCC.model_copy(update={"habitats": HCC.habitats.model_copy(update=by_texture)})
    section = own_protocol(model, None, "intensity").habitats
    assert (section.texture, section.order_by, section.k) == (None, "t1pv", 3)
    assert own_protocol(model, None, "hcc77").habitats.texture.correlation == 0.95
    assert own_protocol(model, 4, None).habitats == model.habitats.model_copy(update={"k": 4})


@pytest.mark.parametrize(
    ("k", "vectors", "text"),
    [
        (None, "texture", "habitats of texture; vectors is null or one of intensity, hcc77, all93"),
        (None, ["hcc77"], r"habitats of \['hcc77'\]"),
        ("4", None, "4 habitats; k is null, a whole number or best"),
        (True, None, "True habitats"),
        (3.5, "hcc77", "3.5 habitats"),
    ],
)
def test_what_cannot_be_asked_for_is_a_wrong_request(k, vectors, text):
    with pytest.raises(RequestError, match=text):
        own_protocol(PCA, k, vectors)
    with pytest.raises(ProtocolError, match=r"with 12 habitats: habitats\.k"):
        own_protocol(PCA, 12, "hcc77")
    texture = HCC.habitats.texture.model_copy(update={"features": ("original_no_No",)})
    nothing = HCC.model_copy(update={"habitats": HCC.habitats.model_copy(update={"texture": texture})})
    with pytest.raises(ProtocolError, match="there is no feature 'original_no_No'"):
        own_protocol(nothing, 4, None)
    assert set(VECTORS) == {"intensity", "hcc77", "all93"}


def test_the_best_number_is_that_of_the_levels_that_there_are():
    rng = np.random.default_rng(4)
    truth = np.repeat([3, 1, 4, 2], 125).reshape(5, 10, 10)
    case = case_of(truth + rng.normal(scale=0.05, size=truth.shape))
    best, curve = found_in(case, "best")
    assert curve.k == (2, 3, 4, 5, 6)
    assert curve.voted_k == 4
    np.testing.assert_array_equal(sitk.GetArrayFromImage(best.labels)[2:-2, 2:-2, 2:-2], truth)
    four, same = found_in(case, 4)
    assert same == curve
    np.testing.assert_array_equal(sitk.GetArrayFromImage(four.labels), sitk.GetArrayFromImage(best.labels))
    assert len(found_in(case, 3)[0].counts) == 3


def test_without_numbers_to_compare_one_has_to_be_chosen():
    case = case_of(np.repeat([1.0, 2.0], 32).reshape(4, 4, 4))
    with pytest.raises(CaseError, match="too few distinct voxel values to compare numbers of habitats; choose a number"):
        found_in(case, "best")
    assert found_in(case, 2)[0].counts == (32, 32)
