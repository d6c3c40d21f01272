"""Numbers of habitats that mean the same in every patient: by a reference feature, or by the cohort's centroids."""

from __future__ import annotations

import numpy as np

from ..errors import CaseError
from ..frozen_model import HabitatCentroids
from .clustering import standardise


def order_by_mean(clusters: np.ndarray, reference: np.ndarray, k: int) -> np.ndarray:
    """Clusters by the ascending mean of a reference feature.

    Parameters
    ----------
    clusters : (voxels,) numbers 0 to k - 1
    reference : (voxels,), NaN where a voxel has no value

    Returns
    -------
    (k,) numbers of the clusters; the first becomes habitat 1. Clusters without a value come last, equal ones in their own order.
    """
    present = np.isfinite(reference)
    counts = np.bincount(clusters[present], minlength=k)
    sums = np.bincount(clusters[present], weights=reference[present], minlength=k)
    means = np.divide(sums, counts, out=np.full(k, np.inf), where=counts > 0)
    return np.argsort(means, kind="stable")


def match_to_cohort(clusters: np.ndarray, vectors: np.ndarray, names: tuple[str, ...], cohort: HabitatCentroids) -> np.ndarray:
    """Clusters of one patient matched one to one to the cohort's centroids.

    The clusters' mean vectors are scaled as the cohort's; the assignment has the smallest sum of squared distances (Hungarian
    method, Kuhn 1955).

    Parameters
    ----------
    clusters : (voxels,) numbers 0 to k - 1, k the cohort's number of habitats
    vectors : (voxels, columns) from which the clusters were made, with the cohort's columns among them
    names : of the columns

    Returns
    -------
    (k,) numbers of the clusters; the first becomes habitat 1

    Raises
    ------
    CaseError
        when a column of the cohort's is not there
    """
    from scipy.optimize import linear_sum_assignment

    missing = [name for name in cohort.sequences if name not in names]
    if missing:
        raise CaseError(f"The cohort's habitats need the voxel feature {missing[0]}, which this case's vectors lack; extract it as well")
    k = len(cohort.centroids)
    scaled = standardise(vectors[:, [names.index(name) for name in cohort.sequences]], cohort)
    means = np.stack([scaled[clusters == i].mean(axis=0) if np.any(clusters == i) else np.full(scaled.shape[1], 1e6) for i in range(k)])
    distances = ((np.array(cohort.centroids)[:, None, :] - means[None, :, :]) ** 2).sum(axis=2)
    return linear_sum_assignment(distances)[1]
