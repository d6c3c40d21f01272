"""Numbers of habitats that mean the same in every patient: by a reference feature, or by the cohort's centroids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..frozen_model import HabitatCentroids, HabitatMixture
from .clustering import assign, standardise
from .columns import select


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


def numbered_as(cohort: HabitatCentroids, own: HabitatCentroids, vectors: np.ndarray, names: tuple[str, ...]) -> HabitatCentroids:
    """One patient's habitats with the numbers of the cohort's, matched one to one.

    The habitats' mean vectors are scaled as the cohort's; the assignment has the smallest sum of squared distances (Hungarian
    method, Kuhn 1955).

    Parameters
    ----------
    cohort, own : as many habitats each; their columns may differ
    vectors : (voxels, columns) of the patient, with the columns of both among them
    names : of the columns

    Raises
    ------
    CaseError
        when a column of the cohort's is not there
    """
    from scipy.optimize import linear_sum_assignment

    k = len(cohort.centroids)
    labels = assign(select(vectors, names, own), own)
    scaled = standardise(select(vectors, names, cohort), cohort)
    means = np.stack([scaled[labels == i].mean(axis=0) if np.any(labels == i) else np.full(scaled.shape[1], 1e6) for i in range(1, k + 1)])
    distances = ((np.array(cohort.centroids)[:, None, :] - means[None, :, :]) ** 2).sum(axis=2)
    order = linear_sum_assignment(distances)[1]
    changes: dict[str, Any] = {"centroids": tuple(own.centroids[i] for i in order)}
    if isinstance(own, HabitatMixture):
        changes |= {name: tuple(getattr(own, name)[i] for i in order) for name in ("log_weights", "precisions")}
    return replace(own, **changes)
