"""Volumes of the negative controls, on blocks whose free places are known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.study.control_volumes import shape_elsewhere, shuffled_voxels

SHAPE = (24, 60, 90)


def block(free: np.ndarray | None = None) -> Preprocessed:
    """A body of 24 x 60 x 90 mm with an L-shaped tumour near its left end; `free` says where there is ADC."""
    rng = np.random.default_rng(5)
    images = {name: sitk.GetImageFromArray(rng.uniform(500, 1500, SHAPE).astype(np.float32)) for name in ("t2w", "dwi", "adc")}
    if free is not None:
        images["adc"] *= sitk.GetImageFromArray(free.astype(np.float32))
    roi = np.zeros(SHAPE, np.uint8)
    roi[8:16, 20:30, 10:16] = 1
    roi[8:16, 20:24, 16:22] = 1
    normalised = {name: (image - 1000) / 300 for name, image in images.items()}
    return Preprocessed(images, normalised, sitk.GetImageFromArray(roi), 1, ())


def first_corner(preprocessed: Preprocessed) -> list[int]:
    return np.argwhere(preprocessed.roi_array).min(axis=0).tolist()


def test_shuffled_voxels_keep_their_vectors_and_leave_their_places():
    true = block()
    shuffled = shuffled_voxels(true, 3)
    before, after = (p.voxel_vectors(("t2w", "dwi", "adc")) for p in (true, shuffled))
    order = [np.lexsort(v.T) for v in (before, after)]
    np.testing.assert_array_equal(before[order[0]], after[order[1]])
    assert (before != after).any(axis=1).mean() > 0.98
    for name in true.normalised:
        outside = ~true.roi_array
        a, b = (sitk.GetArrayFromImage(p.normalised[name])[outside] for p in (true, shuffled))
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(after, shuffled_voxels(true, 3).voxel_vectors(("t2w", "dwi", "adc")))
    assert (after != shuffled_voxels(true, 4).voxel_vectors(("t2w", "dwi", "adc"))).any()


def test_the_shape_moves_along_left_right_by_as_little_as_the_distance_allows():
    """The tumour ends at x = 21: the nearest place 10 mm from it begins at x = 31."""
    true, moved = block(), shape_elsewhere(block(), "c")
    assert first_corner(moved) == [8, 20, 31]
    np.testing.assert_array_equal(np.argwhere(moved.roi_array) - [0, 0, 21], np.argwhere(true.roi_array))


def test_the_shape_goes_elsewhere_where_left_right_is_barred():
    free = np.ones(SHAPE, bool)
    free[:, :41, 23:] = False
    moved = shape_elsewhere(block(free), "c")
    assert free[moved.roi_array].all()
    assert first_corner(moved) == [8, 0, 10]  # the tumour begins at y = 20, and the raster's steps are 2


def test_air_is_no_place():
    true = block()
    t2w = sitk.GetArrayFromImage(true.images["t2w"])
    t2w[:, :, 23:] *= 0.01
    images = {**true.images, "t2w": sitk.GetImageFromArray(t2w)}
    with_air = Preprocessed(images, true.normalised, true.roi, 1, ())
    assert first_corner(shape_elsewhere(with_air, "c"))[2] < 17


def test_no_place_is_an_error_in_words():
    free = np.zeros(SHAPE, bool)
    free[:, :, :23] = True
    free[:, 36:, :] = free[:, :8, :] = False
    with pytest.raises(CaseError, match="Case c: there is no place of the tumour's shape inside the body 10 mm or more from it"):
        shape_elsewhere(block(free), "c")


def test_a_z_score_over_the_roi_is_taken_over_the_new_place():
    moved = shape_elsewhere(block(), "c", ("dwi",))
    values = {name: sitk.GetArrayFromImage(image)[moved.roi_array] for name, image in moved.normalised.items()}
    assert values["dwi"].mean() == pytest.approx(0, abs=1e-5)
    assert values["dwi"].std() == pytest.approx(1, abs=1e-5)
    assert abs(values["adc"].std() - 1) > 0.01
