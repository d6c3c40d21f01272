"""Grids: positions in LPS mm against SimpleITK's own transforms."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import geometry


def oblique(size=(12, 10, 6), spacing=(2.0, 2.0, 3.0), degrees=17.0, origin=(5.0, -20.0, 40.0)) -> sitk.Image:
    image = sitk.Image(list(size), sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    image.SetDirection([1, 0, 0, 0, c, -s, 0, s, c])
    return image


def test_isotropic_grid_covers_the_reference_edge_to_edge():
    reference = oblique()
    grid = geometry.isotropic_grid(reference, (1.0, 1.0, 1.0))
    assert grid.GetSize() == (24, 20, 18)
    for corner in [(-0.5, -0.5, -0.5), (11.5, 9.5, 5.5)]:
        edge = reference.TransformContinuousIndexToPhysicalPoint(corner)
        expected = [-0.5 if c < 0 else n - 0.5 for c, n in zip(corner, grid.GetSize(), strict=True)]
        assert grid.TransformPhysicalPointToContinuousIndex(edge) == pytest.approx(expected, abs=1e-9)


def test_isotropic_grid_rounds_up_when_the_extent_is_not_a_multiple():
    assert geometry.isotropic_grid(oblique(size=(3, 3, 3), spacing=(1.5, 1.5, 1.5)), (1.0, 1.0, 1.0)).GetSize() == (5, 5, 5)


def test_same_grid_forgives_rounded_cosines_but_not_a_shift():
    image = oblique()
    rounded = sitk.Image(image)
    rounded.SetDirection([round(v, 3) for v in image.GetDirection()])
    assert geometry.same_grid(image, rounded)
    shifted = sitk.Image(image)
    shifted.SetOrigin([o + 0.3 for o in image.GetOrigin()])
    assert not geometry.same_grid(image, shifted)
    assert geometry.grid_difference_mm(image, shifted) == pytest.approx(0.3 * np.sqrt(3))
    assert geometry.grid_difference_mm(image, image[:-1]) == float("inf")


def test_voxel_positions_agree_with_simpleitk():
    mask = sitk.Cast(oblique(), sitk.sitkUInt8)
    indices = [(1, 2, 3), (4, 2, 3), (0, 0, 5)]
    for index in indices:
        mask[index] = 1
    expected = [mask.TransformIndexToPhysicalPoint(index) for index in indices]
    np.testing.assert_allclose(geometry.voxel_positions(mask), expected, atol=1e-9)


def test_contains_points_counts_the_outer_half_voxel_as_inside():
    image = oblique()
    inside = image.TransformContinuousIndexToPhysicalPoint((-0.49, 4, 5.49))
    outside = image.TransformContinuousIndexToPhysicalPoint((-0.51, 4, 5))
    assert geometry.contains_points(image, np.array([inside, outside])).tolist() == [True, False]


def test_centre_is_the_middle_of_the_corners():
    image = oblique()
    np.testing.assert_allclose(geometry.centre(image), geometry.corners(image).mean(axis=0))
