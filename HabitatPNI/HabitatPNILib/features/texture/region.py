"""The part of an image that the neighbourhoods of a region can reach, checked and turned into grey levels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ...errors import CaseError
from ...geometry import same_grid
from .discretise import bin_edges, grey_levels
from .settings import TextureSettings


@dataclass(frozen=True)
class Region:
    """Arrays (z, y, x) that hold the neighbourhood of every voxel of the region; padded so that none leaves them.

    Attributes
    ----------
    levels : uint16, grey levels, 0 where a voxel takes no part
    first_order_levels : uint16, the same for the first-order class, which pyradiomics discretises in double precision
    values : float64 intensities
    indices : int32 (n, 3), the region's voxels in the image's array
    offset : int32 (3,), what leads from there to these arrays
    radii : int64 (3,), the kernel's, not larger than the arrays need
    edges : bin edges of ``levels``
    present_levels : how many different levels there are
    voxel_volume : mm3
    """

    levels: np.ndarray
    first_order_levels: np.ndarray
    values: np.ndarray
    indices: np.ndarray
    offset: np.ndarray
    radii: np.ndarray
    edges: np.ndarray
    present_levels: int
    voxel_volume: float

    def voxels(self, start: int, stop: int) -> np.ndarray:
        """Some of the region's voxels, in order, int32 (n, 3) in these arrays."""
        return self.indices[start:stop] + self.offset

    @property
    def kernel_voxels(self) -> int:
        """Voxels of a whole neighbourhood."""
        return int(np.prod(2 * self.radii + 1))

    @property
    def width(self) -> int:
        """Most grey levels that can occur in one neighbourhood."""
        return min(self.kernel_voxels, self.present_levels)


def prepare_region(image: sitk.Image, roi: sitk.Image, settings: TextureSettings) -> Region:
    """Check image and ROI, set grey levels once over the whole region, and pad.

    With a masked kernel only the ROI's voxels take part; without, all voxels of its bounding box grown by the kernel's radius
    along every axis (as far as the image goes), which is also what grey levels are then set over.

    Raises
    ------
    CaseError
        when image and ROI do not fit, the ROI has fewer than two voxels, intensities that take part are not finite, or there
        are too many grey levels
    """
    _check_images(image, roi)
    marks = sitk.GetArrayViewFromImage(roi)
    if not np.isfinite(marks).all():
        raise CaseError("Texture: the ROI has voxels that are not finite numbers; mark the region with 1 and the rest with 0.")
    inside = marks != 0
    indices = _indices(inside)
    if len(indices) < 2:
        raise CaseError(f"Texture: the ROI has {len(indices)} voxels; texture needs at least two.")
    low, high = indices.min(axis=0), indices.max(axis=0) + 1
    if not settings.masked_kernel:
        low, high = np.maximum(low - settings.kernel_radius, 0), np.minimum(high + settings.kernel_radius, inside.shape)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    part = sitk.GetArrayViewFromImage(image)[box]
    taking_part = inside[box] if settings.masked_kernel else np.ones(part.shape, bool)
    values = part[taking_part]
    unusable = np.count_nonzero(~np.isfinite(values))
    if unusable:
        where = "the ROI" if settings.masked_kernel else "the ROI and its surroundings"
        raise CaseError(f"Texture: {unusable} voxels of {where} are not finite numbers; replace or exclude them first.")
    if not np.issubdtype(values.dtype, np.floating):
        values = values.astype(np.float64)
    edges = bin_edges(values, settings.bin_count, settings.bin_width)
    double_edges = edges
    if values.dtype != np.float64:
        double_edges = bin_edges(np.array([values.min(), values.max()], np.float64), settings.bin_count, settings.bin_width)
    moving = np.array([axis != settings.in_plane_axis for axis in range(3)])
    radii = (np.minimum(settings.kernel_radius, np.array(part.shape) - 1) * moving).astype(np.int64)
    levels = _padded(grey_levels(values, edges), taking_part, radii)
    return Region(
        levels=levels,
        first_order_levels=levels if double_edges is edges else _padded(grey_levels(values, double_edges), taking_part, radii),
        values=_padded(values, taking_part, radii, np.float64),
        indices=indices,
        offset=(radii - low).astype(np.int32),
        radii=radii,
        edges=edges,
        present_levels=len(np.unique(levels[levels > 0])),
        voxel_volume=float(np.prod(image.GetSpacing())),
    )


def _check_images(image: sitk.Image, roi: sitk.Image) -> None:
    for name, candidate in (("image", image), ("ROI", roi)):
        kind = candidate.GetPixelIDTypeAsString()
        if candidate.GetDimension() != 3 or candidate.GetNumberOfComponentsPerPixel() != 1 or "complex" in kind:
            raise CaseError(f"Texture: the {name} is no 3D image with one real number a voxel ({candidate.GetDimension()}D, {kind}).")
    if not same_grid(image, roi):
        raise CaseError(f"Texture: image {image.GetSize()} and ROI {roi.GetSize()} are on different grids; resample the ROI first.")


def _indices(inside: np.ndarray) -> np.ndarray:
    """Voxels that are True, int32 (n, 3) in raster order; slice by slice, for a whole region's 64-bit indices take 24 bytes a voxel."""
    found = np.empty((np.count_nonzero(inside), 3), np.int32)
    start = 0
    for z, plane in enumerate(inside):
        rows, columns = np.nonzero(plane)
        stop = start + len(rows)
        found[start:stop, 0], found[start:stop, 1], found[start:stop, 2] = z, rows, columns
        start = stop
    return found


def _padded(values: np.ndarray, taking_part: np.ndarray, radii: np.ndarray, dtype: type | None = None) -> np.ndarray:
    """Values of the voxels that take part as an array with a margin of the radii, 0 elsewhere."""
    array = np.zeros(np.array(taking_part.shape) + 2 * radii, dtype or values.dtype)
    array[tuple(slice(r, r + n) for r, n in zip(radii, taking_part.shape, strict=True))][taking_part] = values
    return array
