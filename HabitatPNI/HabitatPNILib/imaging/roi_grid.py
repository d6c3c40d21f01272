"""The tumour outline on another grid: pasted where both lie on one lattice, else resampled.

Public: `paste_roi`, `resample_roi`, `on_lattice`, `mask_on`.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..errors import CaseError
from ..geometry import canonical, contains_points, corners, same_grid, voxel_positions

LATTICE_TOLERANCE = 0.1
NUDGE_VOXELS = 1e-4


def paste_roi(roi: sitk.Image, image: sitk.Image, name: str) -> sitk.Image | None:
    """The ROI on the grid of an image on whose lattice it lies, cropped or flipped or not; None where it lies on another.

    Parameters
    ----------
    roi : uint8 mask
    name : of the image, for the error

    Raises
    ------
    CaseError
        when it reaches outside the image, or nothing is left of it
    """
    if same_grid(roi, image):
        return mask_on(sitk.GetArrayFromImage(roi), image)
    return resample_roi(roi, image, name) if on_lattice(roi, image) else None


def mask_on(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    """uint8 mask of an array (z, y, x), 1 where it is not 0, on a grid."""
    mask = sitk.GetImageFromArray((array != 0).astype(np.uint8))
    mask.SetSpacing(grid.GetSpacing())
    mask.SetOrigin(grid.GetOrigin())
    mask.SetDirection(grid.GetDirection())
    return mask


def on_lattice(roi: sitk.Image, image: sitk.Image) -> bool:
    """Whether the ROI's voxel centres are voxel centres of the image, extended beyond its edges."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    spacing = np.array(image.GetSpacing())
    index = (corners(roi) - np.array(image.GetOrigin())) @ direction / spacing
    if np.abs(index - np.round(index)).max() > LATTICE_TOLERANCE:
        return False
    axes = direction.T @ (np.array(roi.GetDirection()).reshape(3, 3) * np.array(roi.GetSpacing())) / spacing[:, None]
    steps = np.round(axes)
    one_a_axis = np.array_equal(np.abs(steps).sum(axis=0), [1, 1, 1]) and np.array_equal(np.abs(steps).sum(axis=1), [1, 1, 1])
    return bool(one_a_axis and np.abs(axes - steps).max() < 0.01)


def resample_roi(roi: sitk.Image, image: sitk.Image, name: str) -> sitk.Image:
    """The ROI on the grid of an image (nearest neighbour); CaseError when it reaches outside, or nothing is left of it."""
    label = SEQUENCE_LABELS.get(name, name)
    outside = int((~contains_points(image, voxel_positions(roi))).sum())
    if outside:
        raise CaseError(f"The ROI has {outside} voxels outside the {label} image; check that outline and images belong together")
    placed = sitk.Resample(_off_the_fence(roi), image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    if not np.any(sitk.GetArrayViewFromImage(placed)):
        raise CaseError(f"The ROI is smaller than a voxel of the {label} image: nothing is left on its grid; draw it larger")
    return mask_on(sitk.GetArrayFromImage(placed), image)


def _off_the_fence(roi: sitk.Image) -> sitk.Image:
    """The outline moved by a ten-thousandth of its voxel.

    Slicer's oversampled outlines have their voxel edges on the image's voxel centres, where the last bit of a header would
    decide which voxel is the nearest.
    """
    moved = canonical(roi)
    step = np.array(moved.GetDirection()).reshape(3, 3) @ (NUDGE_VOXELS * np.array(moved.GetSpacing()))
    moved.SetOrigin((np.array(moved.GetOrigin()) + step).tolist())
    return moved
