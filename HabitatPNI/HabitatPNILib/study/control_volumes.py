"""Volumes of the negative controls: the tumour's voxels in disorder, and the tumour's shape where no tumour is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError
from ..geometry import like
from ..imaging.preprocessing import Preprocessed

DISTANCE_MM = 10.0
RASTER_VOXELS = 2
ANATOMY = ("t2w", "t1pv")
BODY_SHARE = 0.1
"""Of the 99th percentile of an anatomical image: smoothed signal below this share is air or bowel gas."""

BODY_SMOOTHING_MM = 2.0
_SAMPLE, _CHUNK = 64, 4096


def shuffled_voxels(preprocessed: Preprocessed, seed: int) -> Preprocessed:
    """The voxels of the ROI in random order, the same order in all sequences.

    Every voxel keeps its intensities, so that histograms, and the number of voxels of each cohort-scope habitat of intensities, stay;
    where they lie, and all texture and shape of the habitats, is gone. Habitats of texture are then those of noise.
    """
    inside = preprocessed.roi_array
    order = np.random.default_rng(seed).permutation(int(inside.sum()))

    def shuffle(images: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
        result = {}
        for name, image in images.items():
            values = sitk.GetArrayFromImage(image)
            values[inside] = values[inside][order]
            result[name] = like(values, image)
        return result

    return replace(preprocessed, images=shuffle(preprocessed.images), normalised=shuffle(preprocessed.normalised))


def shape_elsewhere(preprocessed: Preprocessed, case_id: str, roi_normalised: tuple[str, ...] = ()) -> Preprocessed:
    """The ROI's shape, voxel by voxel, where no tumour is.

    The nearest free place along left-right (where the other side of the organ lies), else the nearest one in any direction on a raster of
    2 voxels. Free is a place whose voxels all lie inside the body (smoothed T2W, or T1W, above a tenth of its 99th percentile, ADC above 0)
    and inside the field of view of every sequence, at least 10 mm from the tumour.

    Parameters
    ----------
    preprocessed : whole volumes on the analysis grid, axes towards L, P, S
    roi_normalised : sequences whose z-score is taken over the ROI: it is then taken over the new place

    Raises
    ------
    CaseError
        when there is no such place
    """
    tumour = preprocessed.roi_array
    free = _free(preprocessed)
    places = np.argwhere(tumour)
    offset = _first_free(free, places, _offsets(places, np.array(tumour.shape), np.array(preprocessed.roi.GetSpacing())[::-1]))
    if offset is None:
        raise CaseError(f"Case {case_id}: there is no place of the tumour's shape inside the body {DISTANCE_MM:g} mm or more from it")
    moved = tuple((places + offset).T)
    roi = np.zeros(tumour.shape, np.uint8)
    roi[moved] = 1
    normalised = dict(preprocessed.normalised)
    for name in roi_normalised:
        values = sitk.GetArrayFromImage(normalised[name])
        sd = values[moved].std()
        normalised[name] = like((values - values[moved].mean()) / (sd if sd > 0 else 1), normalised[name])
    return replace(preprocessed, roi=like(roi, preprocessed.roi), normalised=normalised)


def _free(preprocessed: Preprocessed) -> np.ndarray:
    """Bool (z, y, x): voxels that the moved shape may cover."""
    images = preprocessed.images
    distance = sitk.SignedMaurerDistanceMap(preprocessed.roi, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    free = sitk.GetArrayViewFromImage(distance) >= DISTANCE_MM
    # A voxel outside a sequence's own field of view is exactly 0; a measured one hardly ever, but for ADC, where 0 is no tissue.
    for image in images.values():
        free = free & (sitk.GetArrayViewFromImage(image) > 0)
    anatomy = next((images[name] for name in ANATOMY if name in images), None)
    if anatomy is not None:
        smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(anatomy, BODY_SMOOTHING_MM))
        free &= smooth > BODY_SHARE * np.percentile(sitk.GetArrayViewFromImage(anatomy), 99)
    return free


def _first_free(free: np.ndarray, places: np.ndarray, offsets: np.ndarray) -> np.ndarray | None:
    """First of the offsets (n, 3) at which all places are free."""
    few = places[:: max(1, len(places) // _SAMPLE)]
    for start in range(0, len(offsets), _CHUNK):
        chunk = offsets[start : start + _CHUNK]
        z, y, x = (few[None, :, :] + chunk[:, None, :]).transpose(2, 0, 1)
        for offset in chunk[free[z, y, x].all(axis=1)]:
            if free[tuple((places + offset).T)].all():
                return offset
    return None


def _offsets(places: np.ndarray, shape: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Offsets (n, 3) in (z, y, x) that keep the shape inside the volume: along x, then all on a raster, both by growing distance."""
    low, high = -places.min(axis=0), shape - 1 - places.max(axis=0)
    along = np.arange(low[2], high[2] + 1)
    along = along[np.argsort(np.abs(along), kind="stable")]
    axes = [np.arange(-(-a // RASTER_VOXELS) * RASTER_VOXELS, b + 1, RASTER_VOXELS) for a, b in zip(low, high, strict=True)]
    raster = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    raster = raster[np.argsort(((raster * spacing) ** 2).sum(axis=1), kind="stable")]
    return np.concatenate([np.stack([np.zeros_like(along), np.zeros_like(along), along], axis=1), raster])
