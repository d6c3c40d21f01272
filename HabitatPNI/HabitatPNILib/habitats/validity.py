"""Cluster validity over k: Calinski-Harabasz, silhouette and Davies-Bouldin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CaseError
from ..progress import Progress, no_progress

SILHOUETTE_SAMPLE = 2000


@dataclass(frozen=True)
class KCurve:
    """Validity of K-means for each k tried; arrays of equal length (n,).

    A higher Calinski-Harabasz index and silhouette, and a lower Davies-Bouldin index, speak for a k.
    """

    k: tuple[int, ...]
    calinski_harabasz: tuple[float, ...]
    silhouette: tuple[float, ...]
    davies_bouldin: tuple[float, ...]

    @property
    def best_k(self) -> int:
        """The k of the highest Calinski-Harabasz index, the studies' criterion."""
        return self.k[int(np.argmax(self.calinski_harabasz))]

    @property
    def voted_k(self) -> int:
        """The k that most of the three indices speak for; where each has its own, that of the Calinski-Harabasz index."""
        votes = (self.best_k, self.k[int(np.argmax(self.silhouette))], self.k[int(np.argmin(self.davies_bouldin))])
        return max(votes, key=votes.count)


def choosing_curve(vectors: np.ndarray, k_range: tuple[int, int], seed: int, progress: Progress = no_progress) -> KCurve:
    """`k_curve`, from which a number of habitats is to be chosen.

    Raises
    ------
    CaseError
        when there are too few distinct voxels for the first k
    """
    curve = k_curve(vectors, k_range, seed, progress)
    if not curve.k:
        raise CaseError("The outline has too few distinct voxel values to compare numbers of habitats; choose a number")
    return curve


def k_curve(vectors: np.ndarray, k_range: tuple[int, int], seed: int, progress: Progress = no_progress) -> KCurve:
    """K-means for every k of a range, and its validity indices.

    Parameters
    ----------
    vectors : (voxels, sequences), standardised
    k_range : first and last k; a k that needs more distinct voxels than there are is left out
    seed : of K-means and of the voxels sampled for the silhouette (at most 2,000)
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
    from threadpoolctl import threadpool_limits

    distinct = len(np.unique(vectors, axis=0))
    ks = [k for k in range(k_range[0], k_range[1] + 1) if k < distinct]
    rows = []
    for i, k in enumerate(ks):
        progress(i / len(ks), f"Trying {k} habitats")
        with threadpool_limits(1):  # sums over several threads differ in their last bits
            labels = KMeans(k, n_init=4, random_state=seed).fit_predict(vectors)
        sample = min(SILHOUETTE_SAMPLE, len(vectors) - 1)
        rows.append(
            (
                float(calinski_harabasz_score(vectors, labels)),
                float(silhouette_score(vectors, labels, sample_size=sample, random_state=seed)),
                float(davies_bouldin_score(vectors, labels)),
            )
        )
    progress(1.0, "Validity of the habitats")
    ch, silhouette, db = zip(*rows, strict=True) if rows else ((), (), ())
    return KCurve(tuple(ks), ch, silhouette, db)
