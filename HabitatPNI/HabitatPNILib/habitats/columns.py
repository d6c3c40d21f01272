"""Which columns of voxel vectors enter a clustering (variation and correlation filter), principal components; what frozen ones need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..frozen_model import HabitatCentroids

MAX_MISSING = 0.1


@dataclass(frozen=True)
class ColumnChoice:
    """Columns kept and left out.

    Parameters
    ----------
    kept : numbers of the columns kept, ascending
    left_out : reason by name of the others
    mean, scale : of the columns kept, without missing values
    """

    kept: tuple[int, ...]
    left_out: dict[str, str]
    mean: np.ndarray
    scale: np.ndarray


def choose_columns(vectors: np.ndarray, names: tuple[str, ...], min_variation: float, correlation: float | None) -> ColumnChoice:
    """Leave out what says nothing, or says it again.

    A column goes when more than 10 % of the voxels have no value in it, when its standard deviation is at most ``min_variation`` of
    its root mean square (which does not depend on its unit), or when the absolute Pearson correlation with a column kept before it
    exceeds ``correlation``. Correlations take a missing value for the mean.

    Parameters
    ----------
    vectors : (voxels, columns), NaN where a voxel has no value
    names : of the columns
    correlation : None keeps correlated columns

    Raises
    ------
    CaseError
        when no column is left
    """
    present = np.isfinite(vectors)
    share = 1 - present.mean(axis=0)
    mean, sd, rms = _moments(vectors, present)
    left_out = {names[i]: f"missing in {share[i]:.0%} of the voxels" for i in np.flatnonzero(share > MAX_MISSING)}
    flat = (share <= MAX_MISSING) & (sd <= min_variation * rms)
    left_out |= {names[i]: "hardly varies" for i in np.flatnonzero(flat)}
    varied = np.flatnonzero((share <= MAX_MISSING) & ~flat)
    kept = varied.tolist()
    if correlation is not None and len(kept) > 1:
        scaled = np.where(present[:, varied], (vectors[:, varied] - mean[varied]) / sd[varied], 0.0)
        matrix = np.abs(np.corrcoef(scaled, rowvar=False))
        free = np.zeros(len(varied), bool)
        for i, column in enumerate(varied):
            rivals = np.flatnonzero(free[:i] & (matrix[i, :i] > correlation))
            free[i] = not len(rivals)
            if len(rivals):
                left_out[names[column]] = f"correlates with {names[varied[rivals[0]]]} (|r| = {matrix[i, rivals[0]]:.3f})"
        kept = varied[free].tolist()
    if not kept:
        raise CaseError("No voxel feature varies inside the ROI, so that there is nothing to cluster; check the images in it")
    return ColumnChoice(tuple(kept), left_out, mean[kept], sd[kept])


def principal_axes(scaled: np.ndarray, share: float | None) -> np.ndarray:
    """Orthonormal axes (axes, columns) that together keep a share of the variance of (voxels, columns); all columns for None."""
    if share is None:
        return np.eye(scaled.shape[1])
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(scaled, rowvar=False)))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    count = int(np.searchsorted(np.cumsum(values) / values.sum(), share - 1e-12)) + 1
    return vectors[:, :count].T.copy()


def project(scaled: np.ndarray, share: float | None) -> np.ndarray:
    """Scaled vectors (voxels, columns) on their `principal_axes` (voxels, axes); themselves for None."""
    from threadpoolctl import threadpool_limits

    if share is None:
        return scaled
    with threadpool_limits(1):  # sums over several threads differ in their last bits
        return scaled @ principal_axes(scaled, share).T


def select(vectors: np.ndarray, names: tuple[str, ...], frozen: HabitatCentroids) -> np.ndarray:
    """The columns of vectors (voxels, columns) that frozen habitats need, in their order.

    Raises
    ------
    CaseError
        naming one that is not there
    """
    missing = [name for name in frozen.sequences if name not in names]
    if missing:
        raise CaseError(f"The habitats need the voxel feature {missing[0]}, which the protocol does not ask for; use the model's protocol")
    if names == frozen.sequences:
        return vectors
    return np.ascontiguousarray(vectors[:, [names.index(name) for name in frozen.sequences]])


def _moments(vectors: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, standard deviation and root mean square of each column's finite values; 0 in a column without any."""
    count = np.maximum(present.sum(axis=0), 1)
    values = np.where(present, vectors, 0.0)
    mean = values.sum(axis=0) / count
    rms = np.sqrt((values**2).sum(axis=0) / count)
    return mean, np.sqrt((np.where(present, values - mean, 0.0) ** 2).sum(axis=0) / count), rms
