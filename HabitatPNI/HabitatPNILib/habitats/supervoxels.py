"""Supervoxels: small connected pieces of an ROI that are alike inside, as the first of two steps to habitats."""

from __future__ import annotations

import numpy as np

from ..one_thread import one_itk_thread
from .columns import choose_columns, principal_axes

CHANNELS = 3
COMPACTNESS = 1.0
_ITERATIONS = 10


def supervoxels(vectors: np.ndarray, indices: np.ndarray, grid: tuple[int, int, int]) -> np.ndarray:
    """Simple linear iterative clustering of an ROI's voxels (SLIC: Achanta et al., IEEE TPAMI 2012), by ITK.

    It works on the first three principal components of the scaled vectors, in units of the first one's standard deviation. ITK clusters
    a whole box: voxels outside the ROI take the vector of the nearest voxel inside, and are dropped afterwards.

    Parameters
    ----------
    vectors : (voxels, columns), NaN where a voxel has no value
    indices : (voxels, 3) array indices (z, y, x) of the voxels
    grid : edge in voxels (z, y, x) of a supervoxel at the start

    Returns
    -------
    (voxels,) numbers from 0 on, every one in use

    Raises
    ------
    CaseError
        when no column varies
    """
    import SimpleITK as sitk
    from scipy.ndimage import distance_transform_edt

    channels = _channels(vectors)
    low = indices.min(axis=0) - np.array(grid)
    places = tuple((indices - low).T)
    shape = tuple((indices.max(axis=0) - low + 1 + np.array(grid)).tolist())
    row = np.full(shape, -1)
    row[places] = np.arange(len(indices))
    nearest = distance_transform_edt(row < 0, return_distances=False, return_indices=True)
    image = sitk.GetImageFromArray(channels[row[tuple(nearest)]].astype(np.float32), isVector=True)
    slic = sitk.SLICImageFilter()
    slic.SetNumberOfThreads(1)
    slic.SetSuperGridSize(list(grid[::-1]))
    slic.SetSpatialProximityWeight(COMPACTNESS)
    slic.SetMaximumNumberOfIterations(_ITERATIONS)
    slic.SetEnforceConnectivity(True)
    with one_itk_thread():
        labels = sitk.GetArrayFromImage(slic.Execute(image))[places]
    return np.unique(labels, return_inverse=True)[1]


def average(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Each voxel's vector (voxels, columns) replaced by the mean over its supervoxel's voxels that have a value."""
    present = np.isfinite(vectors)
    count = int(labels.max()) + 1
    values = np.where(present, vectors, 0.0)
    result = np.empty_like(values)
    for i in range(vectors.shape[1]):
        sums = np.bincount(labels, weights=values[:, i], minlength=count)
        counts = np.bincount(labels, weights=present[:, i], minlength=count)
        result[:, i] = np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0)[labels]
    return result


def _channels(vectors: np.ndarray) -> np.ndarray:
    from threadpoolctl import threadpool_limits

    chosen = choose_columns(vectors, tuple(map(str, range(vectors.shape[1]))), 1e-6, None)
    values = vectors[:, chosen.kept]
    scaled = np.where(np.isfinite(values), (values - chosen.mean) / chosen.scale, 0.0)
    with threadpool_limits(1):  # sums over several threads differ in their last bits
        projected = scaled @ principal_axes(scaled, 1.0)[:CHANNELS].T
    return projected / projected[:, 0].std()
