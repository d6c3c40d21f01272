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
from .columns import choose_columns, principal_axes, select
from .ordering import order_by_mean
from .supervoxels import average, supervoxels
from .validity import choosing_curve

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
        *,
        k_range: tuple[int, int] = (3, 9),
        min_variation: float = 1e-6,
        correlation: float | None = 0.95,
        pca: float | None = None,
        seed: int = 0,
    ) -> None:
        self.k = k
        self.columns = columns
        self.k_range = k_range
        self.min_variation = min_variation
        self.correlation = correlation
        self.pca = pca
        self.seed = seed

    def fit(self, vectors: np.ndarray, reference: np.ndarray, progress: Progress = no_progress) -> KMeansHabitats:
        """Learn columns, scaler and habitats.

        Parameters
        ----------
        vectors : (voxels, columns) of `averaged`, NaN where a voxel has no value
        reference : (voxels,) whose ascending mean numbers the habitats

        Raises
        ------
        CaseError
            when no column varies, there are fewer distinct voxels than habitats, or too few to choose a number of them
        """
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):  # sums over several threads differ in their last bits
            chosen = choose_columns(vectors, self.columns, self.min_variation, self.correlation)
            values = np.ascontiguousarray(vectors[:, chosen.kept])  # products of another layout differ in their last bits
            scaled = np.where(np.isfinite(values), (values - chosen.mean) / chosen.scale, 0.0)
            axes = principal_axes(scaled, self.pca)
            projected = scaled @ axes.T if self.pca is not None else scaled
            self.curve_ = choosing_curve(projected, self.k_range, self.seed, part(progress, 0.0, 0.8)) if self.k is None else None
            k = self.curve_.voted_k if self.curve_ is not None else self.k
            assert k is not None
            distinct = len(np.unique(projected, axis=0))
            if distinct < k:
                raise CaseError(
                    f"{k} habitats cannot be made from {distinct} distinct voxel values; ask for at most {distinct} (protocol habitats.k)"
                )
            progress(0.8, "Clustering voxels")
            clusters, found = self._cluster(projected, k)
        order = order_by_mean(clusters, reference, k)
        self.left_out_ = chosen.left_out
        names = tuple(self.columns[i] for i in chosen.kept)
        self.centroids_ = self._frozen((names, _plain(chosen.mean), _plain(chosen.scale)), axes, found, order)
        progress(1.0, "Clustering voxels")
        return self

    def predict(self, vectors: np.ndarray) -> np.ndarray:
        """Labels (voxels,) uint8 in 1..k of vectors (voxels, columns) of `averaged`."""
        return assign(select(vectors, self.columns, self.centroids_), self.centroids_)

    def averaged(self, vectors: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """What is clustered of one patient's vectors (voxels, columns) at array indices (voxels, 3) in (z, y, x): themselves."""
        return vectors

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

    Supervoxels are made within each patient: `averaged` takes the voxels of one, `fit` what it gave, of one patient or of several.

    Parameters
    ----------
    grid : edge in voxels (z, y, x) of a supervoxel at the start
    others : as of `KMeansHabitats`
    """

    def __init__(self, k: int | None, columns: tuple[str, ...], *, grid: tuple[int, int, int], **others: Any) -> None:
        super().__init__(k, columns, **others)
        self.grid = grid

    def averaged(self, vectors: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """Each voxel's vector replaced by the mean over its supervoxel."""
        return average(vectors, supervoxels(vectors, indices, self.grid))


def _plain(values: np.ndarray) -> tuple:
    """Nested tuples of floats."""
    return tuple(_plain(row) for row in values) if values.ndim > 1 else tuple(values.tolist())
