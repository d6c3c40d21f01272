"""Geometry of image grids: lengths in mm, physical space LPS, sizes in (x, y, z), arrays in (z, y, x)."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk


def corners(image: sitk.Image) -> np.ndarray:
    """Physical positions (8, 3) in LPS mm of the centres of the corner voxels of a 3D image."""
    ends = [(0, n - 1) for n in image.GetSize()]
    return np.array([image.TransformIndexToPhysicalPoint(index) for index in itertools.product(*ends)])


def centre(image: sitk.Image) -> np.ndarray:
    """Physical centre (3,) of a 3D image in LPS mm."""
    middle = [(n - 1) / 2 for n in image.GetSize()]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(middle))


def canonical(image: sitk.Image) -> sitk.Image:
    """The same 3D image in one form: axes ordered and flipped towards L, P, S, and the last digits of its geometry rounded.

    Programs store one volume with its rows, columns or slices in other orders; what looks at slices (a network, say) must
    not see the difference. File formats and MRML's RAS matrices also give the same grid with other last bits: rounding far
    below any scanner's accuracy (origin 1e-6 mm, spacing 1e-8 mm, cosines 1e-9) makes these equal, so that an optimiser
    downstream walks the same path whichever way a case came in.
    """
    result = sitk.DICOMOrient(image, "LPS")
    result.SetOrigin([round(v, 6) for v in result.GetOrigin()])
    result.SetSpacing([round(v, 8) for v in result.GetSpacing()])
    result.SetDirection([round(v, 9) + 0.0 for v in result.GetDirection()])
    return result


def grid_difference_mm(a: sitk.Image, b: sitk.Image) -> float:
    """Largest distance in mm between the corner voxels of two grids; infinite when their sizes differ."""
    if a.GetSize() != b.GetSize():
        return float("inf")
    return float(np.linalg.norm(corners(a) - corners(b), axis=1).max())


def same_grid(a: sitk.Image, b: sitk.Image, tolerance_voxels: float = 0.1) -> bool:
    """Whether two 3D images sample the same points to within a fraction of the smallest voxel edge.

    Headers written by other programs round direction cosines (0.056 mm at the corners in the PI-CAI labels), so an
    exact comparison would refuse good masks.
    """
    return grid_difference_mm(a, b) <= tolerance_voxels * min(a.GetSpacing())


def isotropic_grid(reference: sitk.Image, spacing_mm: tuple[float, float, float]) -> sitk.Image:
    """Empty image (uint8) of the given spacing that covers the reference's voxels edge to edge, same direction.

    The outer edges of the first voxels coincide, so that the grid starts half an old voxel minus half a new voxel
    before the reference's first voxel centre.
    """
    old_spacing = np.array(reference.GetSpacing())
    new_spacing = np.array(spacing_mm, dtype=float)
    extent = np.array(reference.GetSize()) * old_spacing
    size = np.maximum(1, np.ceil(extent / new_spacing - 1e-6)).astype(int)
    direction = np.array(reference.GetDirection()).reshape(3, 3)
    origin = np.array(reference.GetOrigin()) + direction @ ((new_spacing - old_spacing) / 2)
    grid = sitk.Image([int(n) for n in size], sitk.sitkUInt8)
    grid.SetSpacing(new_spacing.tolist())
    grid.SetDirection(reference.GetDirection())
    grid.SetOrigin(origin.tolist())
    return grid


def contains_points(image: sitk.Image, points: np.ndarray, margin_voxels: float = 0.5) -> np.ndarray:
    """Which of the LPS points (n, 3) lie inside the image's voxels (n,) bool; the outermost half voxel counts as inside."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    index = (np.asarray(points) - np.array(image.GetOrigin())) @ np.linalg.inv(direction).T / np.array(image.GetSpacing())
    upper = np.array(image.GetSize()) - 1 + margin_voxels
    return np.all((index >= -margin_voxels) & (index <= upper), axis=1)


def voxel_positions(mask: sitk.Image) -> np.ndarray:
    """Physical positions (n, 3) in LPS mm of the voxels of a mask that are not 0, in (z, y, x) raster order."""
    zyx = np.argwhere(sitk.GetArrayViewFromImage(mask) != 0)
    direction = np.array(mask.GetDirection()).reshape(3, 3)
    return zyx[:, ::-1] * np.array(mask.GetSpacing()) @ direction.T + np.array(mask.GetOrigin())


def like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """Image of a (z, y, x) array on the reference's grid."""
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image
