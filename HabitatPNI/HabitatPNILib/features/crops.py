"""The picture of a region that a backbone sees: its axial cross-sections, cut out, windowed and resized."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..protocol import DeepSection


def region_crop(normalised: sitk.Image, region: np.ndarray, settings: DeepSection) -> np.ndarray:
    """Largest axial cross-section of a region as a picture.

    The region's in-plane bounding box plus margin, made square in mm round its centre, is sampled at size x size points
    by linear interpolation; what lies beyond the image counts as the window's lower end.

    Parameters
    ----------
    normalised : z-scored sequence on the analysis grid
    region : bool (z, y, x) on the same grid, at least one voxel
    settings : size, margin in mm, window in z-values, and whether what lies outside the region is kept

    Returns
    -------
    float32 (size, size) in [0, 1]

    Raises
    ------
    ValueError
        when the region is empty or of another shape than the image
    """
    return _picture(normalised, region, largest_slice(region), settings)


def region_pictures(normalised: sitk.Image, region: np.ndarray, settings: DeepSection) -> np.ndarray:
    """All pictures of a region that ``settings.slices`` asks for, as colour images.

    ``largest``: the largest cross-section, repeated in three channels. ``mean``: every cross-section of the region, each
    in a box of its own and repeated in three channels; their features are averaged. ``2.5d``: the largest cross-section
    in the middle channel, and in the first and last the slices below and above it in the same box.

    Returns
    -------
    float32 (n, 3, size, size) in [0, 1]
    """
    middle = largest_slice(region)
    if settings.slices == "2.5d":
        return np.stack([_picture(normalised, region, z, settings, middle) for z in (middle - 1, middle, middle + 1)])[None]
    slices = [middle] if settings.slices == "largest" else np.flatnonzero(region.any(axis=(1, 2))).tolist()
    return np.stack([np.repeat(_picture(normalised, region, z, settings)[None], 3, axis=0) for z in slices])


def largest_slice(region: np.ndarray) -> int:
    """Index of the axial slice with most voxels of the region (z, y, x); the first of several."""
    counts = np.count_nonzero(region, axis=(1, 2))
    if not counts.any():
        raise ValueError("the region is empty")
    return int(np.argmax(counts))


def _picture(normalised: sitk.Image, region: np.ndarray, z: int, settings: DeepSection, box_slice: int | None = None) -> np.ndarray:
    """Slice z, in the box of the region's cross-section in `box_slice` (z itself if not given)."""
    if region.shape != normalised.GetSize()[::-1]:
        raise ValueError(f"region {region.shape} and image {normalised.GetSize()[::-1]} differ in shape (z, y, x)")
    if not 0 <= z < region.shape[0]:
        return np.zeros((settings.size, settings.size), dtype=np.float32)
    low, high = settings.window
    values = (sitk.GetArrayViewFromImage(normalised)[z].astype(np.float64) - low) / (high - low)
    values = np.clip(values, 0, 1)
    if settings.outside == "minimum":
        values[~region[z].astype(bool)] = 0
    flat = sitk.GetImageFromArray(values)
    flat.SetSpacing(normalised.GetSpacing()[:2])
    start, side = _square(region[z if box_slice is None else box_slice], normalised.GetSpacing()[:2], settings.margin_mm)
    step = side / settings.size
    sampled = sitk.Resample(
        flat,
        (settings.size, settings.size),
        sitk.Transform(2, sitk.sitkIdentity),
        sitk.sitkLinear,
        (start + step / 2).tolist(),
        (step, step),
        (1.0, 0.0, 0.0, 1.0),
        0.0,
        sitk.sitkFloat32,
    )
    return sitk.GetArrayFromImage(sampled)


def _square(section: np.ndarray, spacing: tuple[float, ...], margin_mm: float) -> tuple[np.ndarray, float]:
    """Lower corner (x, y) and side in mm of the square round a cross-section (y, x), from voxel edge to voxel edge.

    Positions are measured from the centre of the slice's first voxel along its axes.
    """
    columns = np.flatnonzero(section.any(axis=0))
    rows = np.flatnonzero(section.any(axis=1))
    scale = np.array(spacing)
    first = (np.array([columns[0], rows[0]]) - 0.5) * scale
    last = (np.array([columns[-1], rows[-1]]) + 0.5) * scale
    side = float((last - first).max()) + 2 * margin_mm
    return (first + last) / 2 - side / 2, side
