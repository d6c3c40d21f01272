"""Habitats from voxel vectors of many columns (texture maps): filter, scaler, principal components, then one of three clusterings.

The estimators share `fit`, `predict` and ``centroids_`` with `clustering.HabitatClusterer`, which clusters the intensities of a few
sequences as they are. What they learn is a `HabitatCentroids` (or `HabitatMixture`), so that it can be frozen and used for others.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CaseError
from ..frozen_model import HabitatCentroids, HabitatMixture
from ..progress import Progress, no_progress, part
from .clustering import assign
from .columns import choose_columns, principal_axes
from .ordering import match_to_cohort, order_by_mean
from .supervoxels import average, supervoxels
from .validity import KCurve, k_curve

_REGULARISATION = 1e-3
"""Added to the variances of a mixture's components, in scaled units: a feature that is constant in a habitat has none."""


class KMeansHabitats:
    """K-means of scaled voxel vectors (hcc-grade study, Methods, "Pattern partition for tumor heterogeneity").

    Columns that hardly vary or correlate with an earlier one are left out (`columns.choose_columns`), the others standardised and, if
    asked for, projected on principal components. The nearest centroid there is the nearest of the centroids taken back to the columns,
    since the axes are orthonormal: components need not be kept. A missing value counts as the column's mean.

    Parameters
    ----------
    k : number of habitats; None: the number that most of the Calinski-Harabasz index, the silhouette and the Davies-Bouldin index
        choose out of `k_range`
    columns : names of the vectors' columns
    order_by : column whose ascending mean numbers the habitats; see also `fit`
    k_range : first and last k tried
    min_variation, correlation : of the filter, see `columns.choose_columns`
    pca : share of the variance that the principal components keep; None: no projection
    seed : of the clustering and of the voxels sampled for the silhouette

    Attributes
    ----------
    centroids_ : scaler and ordered centroids of the columns kept
    left_out_ : reason by name of the columns left out
    curve_ : `KCurve` where k was chosen, else None
    """

    def __init__(
        self,
        k: int | None,
        columns: tuple[str, ...],
        order_by: str | None = None,
        *,
        k_range: tuple[int, int] = (3, 9),
        min_variation: float = 1e-6,
        correlation: float | None = 0.95,
        pca: float | None = None,
        seed: int = 0,
    ) -> None:
        self.k = k
        self.columns = columns
        self.order_by = order_by
        self.k_range = k_range
        self.min_variation = min_variation
        self.correlation = correlation
        self.pca = pca
        self.seed = seed

    def fit(
        self,
        vectors: np.ndarray,
        reference: np.ndarray | None = None,
        *,
        indices: np.ndarray | None = None,
        cohort: HabitatCentroids | None = None,
        progress: Progress = no_progress,
    ) -> KMeansHabitats:
        """Learn columns, scaler and habitats.

        Parameters
        ----------
        vectors : (voxels, columns), NaN where a voxel has no value
        reference : (voxels,) whose ascending mean numbers the habitats, in the place of the column `order_by`
        indices : (voxels, 3) array indices (z, y, x), which supervoxels need
        cohort : number the habitats by matching them to these centroids instead

        Raises
        ------
        CaseError
            when no column varies, there are fewer distinct voxels than habitats, or the cohort's columns are not there
        """
        from threadpoolctl import threadpool_limits

        reference = self._reference(vectors, reference) if cohort is None else None
        vectors = self.averaged(vectors, indices)
        with threadpool_limits(1):  # sums over several threads differ in their last bits
            chosen = choose_columns(vectors, self.columns, self.min_variation, self.correlation)
            values = vectors[:, chosen.kept]
            scaled = np.where(np.isfinite(values), (values - chosen.mean) / chosen.scale, 0.0)
            axes = principal_axes(scaled, self.pca)
            projected = scaled @ axes.T if self.pca is not None else scaled
            k = self._count(projected, part(progress, 0.0, 0.8), cohort)
            distinct = len(np.unique(projected, axis=0))
            if distinct < k:
                raise CaseError(
                    f"{k} habitats cannot be made from {distinct} distinct voxel values; ask for at most {distinct} (protocol habitats.k)"
                )
            progress(0.8, "Clustering voxels")
            clusters, found = self._cluster(projected, k)
        if cohort is not None:
            order = match_to_cohort(clusters, vectors, self.columns, cohort)
        else:
            assert reference is not None
            order = order_by_mean(clusters, reference, k)
        self.left_out_ = chosen.left_out
        names = tuple(self.columns[i] for i in chosen.kept)
        self.centroids_ = self._frozen((names, _plain(chosen.mean), _plain(chosen.scale)), axes, found, order)
        progress(1.0, "Clustering voxels")
        return self

    def predict(self, vectors: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
        """Labels (voxels,) uint8 in 1..k of vectors (voxels, columns)."""
        return assign(select(self.averaged(vectors, indices), self.columns, self.centroids_), self.centroids_)

    def averaged(self, vectors: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
        """The vectors (voxels, columns) that are clustered: themselves, or each supervoxel's mean at all of its voxels."""
        return vectors

    def _count(self, projected: np.ndarray, progress: Progress, cohort: HabitatCentroids | None) -> int:
        self.curve_: KCurve | None = None
        if cohort is not None:
            return len(cohort.centroids)
        if self.k is not None:
            return self.k
        self.curve_ = k_curve(projected, self.k_range, self.seed, progress)
        if not self.curve_.k:
            raise CaseError(f"The ROI has too few distinct voxel values for {self.k_range[0]} habitats (protocol habitats.k_range)")
        return self.curve_.voted_k

    def _reference(self, vectors: np.ndarray, reference: np.ndarray | None) -> np.ndarray:
        if reference is not None:
            return reference
        if self.order_by not in self.columns:
            raise CaseError(
                f"Habitats cannot be numbered by {self.order_by}: it is not among the voxel features (protocol habitats.order_by)"
            )
        return vectors[:, self.columns.index(self.order_by)]

    def _cluster(self, projected: np.ndarray, k: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """Number of every voxel's cluster, and what describes the clusters."""
        from sklearn.cluster import KMeans

        model = KMeans(k, n_init=10, random_state=self.seed).fit(projected)
        return model.labels_, (model.cluster_centers_,)

    def _frozen(
        self, scaler: tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]], axes: np.ndarray, found: tuple, order: np.ndarray
    ) -> HabitatCentroids:
        return HabitatCentroids(*scaler, _plain(found[0][order] @ axes))


class MixtureHabitats(KMeansHabitats):
    """Gaussian mixture with full covariances in the place of K-means; parameters, `fit` and `predict` as there.

    With many columns a covariance has more entries than a small ROI has voxels: `pca` is then needed.
    """

    def _cluster(self, projected: np.ndarray, k: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        from sklearn.mixture import GaussianMixture

        model = GaussianMixture(k, reg_covar=_REGULARISATION, n_init=3, random_state=self.seed).fit(projected)
        return model.predict(projected), (model.means_, np.log(model.weights_), model.precisions_cholesky_)

    def _frozen(
        self, scaler: tuple[tuple[str, ...], tuple[float, ...], tuple[float, ...]], axes: np.ndarray, found: tuple, order: np.ndarray
    ) -> HabitatCentroids:
        means, log_weights, precisions = (values[order] for values in found)
        return HabitatMixture(*scaler, _plain(means @ axes), _plain(axes), _plain(log_weights), _plain(precisions))


class SupervoxelHabitats(KMeansHabitats):
    """Two steps: the ROI falls into supervoxels (SLIC), whose mean vectors K-means then clusters, each weighed by its voxels.

    Supervoxels are made within each patient; `fit` and `predict` therefore take the voxels of one, and their indices. To learn from
    several patients, give `KMeansHabitats` the pooled vectors of `averaged`.

    Parameters
    ----------
    grid : edge in voxels (z, y, x) of a supervoxel at the start
    others : as of `KMeansHabitats`
    """

    def __init__(
        self, k: int | None, columns: tuple[str, ...], order_by: str | None = None, *, grid: tuple[int, int, int], **others: Any
    ) -> None:
        super().__init__(k, columns, order_by, **others)
        self.grid = grid

    def averaged(self, vectors: np.ndarray, indices: np.ndarray | None = None) -> np.ndarray:
        """Each voxel's vector replaced by the mean over its supervoxel; `indices` (voxels, 3) are needed."""
        if indices is None:
            raise TypeError("supervoxels need the voxels' indices")
        return average(vectors, supervoxels(vectors, indices, self.grid))


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


def _plain(values: np.ndarray) -> tuple:
    """Nested tuples of floats."""
    return tuple(_plain(row) for row in values) if values.ndim > 1 else tuple(values.tolist())
