"""K-means habitats: voxel vectors of the sequences -> StandardScaler -> K-means -> labels that mean the same in every patient."""

from __future__ import annotations

import numpy as np

from ..errors import CaseError
from ..frozen_model import HabitatCentroids, HabitatMixture
from ..progress import Progress, no_progress
from .validity import choosing_curve


class HabitatClusterer:
    """Split voxel vectors into habitats 1..k, numbered by the ascending mean of one sequence.

    Vectors are standardised and clustered by K-means; a voxel belongs to the nearest centroid. Fitted on one case's
    voxels this is the study's case-scope clustering, on the pooled voxels of all training patients cohort scope
    (pca-pni study, Methods, steps 2 and 3).

    Parameters
    ----------
    k : number of habitats; None: the number that most of the Calinski-Harabasz index, the silhouette and the Davies-Bouldin index
        choose out of `k_range`
    sequences : names of the columns
    order_by : sequence whose mean numbers the habitats (ADC: habitat 1 is the most restricted)
    seed : of K-means and of the voxels sampled for the silhouette
    k_range : first and last k tried

    Attributes
    ----------
    centroids_ : `HabitatCentroids`, scaler and ordered centroids as a frozen model keeps them
    curve_ : `KCurve` where k was chosen, else None
    """

    def __init__(self, k: int | None, sequences: tuple[str, ...], order_by: str, seed: int = 0, k_range: tuple[int, int] = (2, 6)) -> None:
        self.k = k
        self.sequences = sequences
        self.order_by = order_by
        self.seed = seed
        self.k_range = k_range

    def fit(self, vectors: np.ndarray, progress: Progress = no_progress) -> HabitatClusterer:
        """Learn scaler and centroids from vectors (voxels, sequences).

        Raises
        ------
        CaseError
            when there are fewer distinct voxels than habitats, or too few to choose a number of them
        """
        from sklearn.cluster import KMeans
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits

        distinct = len(np.unique(vectors, axis=0))
        if self.k is not None and distinct < self.k:
            raise CaseError(
                f"{self.k} habitats cannot be made from {distinct} distinct voxel values; "
                f"ask for at most {max(distinct, 1)} (protocol habitats.k)"
            )
        scaler = StandardScaler().fit(vectors)
        scaled = scaler.transform(vectors)
        self.curve_ = choosing_curve(scaled, self.k_range, self.seed, progress) if self.k is None else None
        k = self.curve_.voted_k if self.curve_ is not None else self.k
        with threadpool_limits(1):  # sums over several threads differ in their last bits
            means = KMeans(k, n_init=10, random_state=self.seed).fit(scaled).cluster_centers_
        order = np.argsort(means[:, self.sequences.index(self.order_by)], kind="stable")
        self.centroids_ = HabitatCentroids(
            sequences=self.sequences,
            mean=tuple(scaler.mean_.tolist()),
            scale=tuple(scaler.scale_.tolist()),
            centroids=tuple(tuple(row) for row in means[order].tolist()),
        )
        return self

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels (voxels,) uint8 in 1..k of vectors (voxels, sequences)."""
        return assign(vectors, self.centroids_)


def assign(vectors: np.ndarray, frozen: HabitatCentroids) -> np.ndarray:
    """Label (voxels,) uint8 of the nearest frozen centroid for vectors (voxels, sequences); the lower label wins a tie.

    In a mixture it is the component of the highest posterior.
    """
    scaled = standardise(vectors, frozen)
    if isinstance(frozen, HabitatMixture):
        return (np.argmax(_log_posteriors(scaled, frozen), axis=0) + 1).astype(np.uint8)
    distances = [((scaled - np.array(centroid)) ** 2).sum(axis=1) for centroid in frozen.centroids]
    return (np.argmin(distances, axis=0) + 1).astype(np.uint8)


def standardise(vectors: np.ndarray, frozen: HabitatCentroids) -> np.ndarray:
    """Vectors (voxels, sequences) in the frozen scaler's units; a missing value (a texture feature's) is the mean."""
    scaled = (vectors - np.array(frozen.mean)) / np.array(frozen.scale)
    return np.where(np.isfinite(scaled), scaled, 0.0)


def _log_posteriors(scaled: np.ndarray, mixture: HabitatMixture) -> list[np.ndarray]:
    """Log posterior (voxels,) of every component, but for what all have in common."""
    from threadpoolctl import threadpool_limits

    axes = np.array(mixture.components)
    found = []
    with threadpool_limits(1):  # sums over several threads differ in their last bits
        for mean, log_weight, precision in zip(mixture.centroids, mixture.log_weights, mixture.precisions, strict=True):
            root = np.array(precision)
            away = ((scaled - np.array(mean)) @ axes.T) @ root
            found.append(log_weight + np.log(np.diag(root)).sum() - 0.5 * (away**2).sum(axis=1))
    return found


def draw_voxels(vectors: np.ndarray, count: int, seed: int) -> np.ndarray:
    """The same number of voxels from every patient (count, sequences), so that a large tumour weighs no more than a small one.

    Without replacement where there are enough voxels, else every voxel equally often and the rest drawn.
    """
    rng = np.random.default_rng(seed)
    whole, rest = divmod(count, len(vectors))
    chosen = np.concatenate([np.tile(np.arange(len(vectors)), whole), rng.permutation(len(vectors))[:rest]])
    return vectors[np.sort(chosen)]
