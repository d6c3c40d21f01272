"""Habitats of many columns: clusters that the test planted, by three methods; what is learned is a frozen partition."""

from __future__ import annotations

import json

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.frozen_model import HabitatCentroids, HabitatMixture
from HabitatPNILib.habitats.clustering import HabitatClusterer, assign
from HabitatPNILib.habitats.estimators import KMeansHabitats, MixtureHabitats, SupervoxelHabitats

NAMES = ("size", "edge", "noise", "double", "flat")


def planted(n=300, seed=0):
    """Three groups in the first two columns, then noise, a copy of the first column, and a constant."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    values = np.array([[0.0, 5.0], [4.0, 0.0], [8.0, 5.0]])[truth] + rng.normal(0, 0.4, (n, 2))
    return np.column_stack([values, rng.normal(0, 0.05, n) + 3, 2 * values[:, 0] + 1, np.ones(n)]), truth


def blocks():
    """`planted` vectors of a box whose thirds along x are the groups, and the voxels' indices."""
    indices = np.argwhere(np.ones((6, 12, 18), bool))
    truth = indices[:, 2] // 6
    drawn, groups = planted(len(indices) * 2, 1)
    vectors = np.empty((len(indices), drawn.shape[1]))
    for group in range(3):
        vectors[truth == group] = drawn[groups == group][: np.count_nonzero(truth == group)]
    return vectors, indices, truth


@pytest.mark.parametrize("kind", [KMeansHabitats, MixtureHabitats])
@pytest.mark.parametrize("pca", [None, 0.9])
def test_planted_groups_are_found_and_numbered_by_the_reference(kind, pca):
    vectors, truth = planted()
    vectors[::40, 1] = np.nan
    found = kind(3, NAMES, pca=pca).fit(vectors, vectors[:, 0])
    whole = np.isfinite(vectors[:, 1])
    assert (found.predict(vectors)[whole] == truth[whole] + 1).mean() >= 0.99
    assert found.left_out_["flat"] == "hardly varies"
    assert found.left_out_["double"].startswith("correlates with size")
    assert found.centroids_.sequences == ("size", "edge", "noise")
    turned = kind(3, NAMES, pca=pca).fit(vectors, -vectors[:, 0])
    np.testing.assert_array_equal(turned.predict(vectors), 4 - found.predict(vectors))


@pytest.mark.parametrize("kind", [KMeansHabitats, MixtureHabitats])
def test_what_was_learned_survives_json_and_labels_others_alike(kind):
    vectors = planted()[0]
    found = kind(3, NAMES, pca=0.9).fit(vectors, vectors[:, 0])
    again = HabitatCentroids.from_dict(json.loads(json.dumps(found.centroids_.to_dict())))
    assert again == found.centroids_
    assert isinstance(again, HabitatMixture) == (kind is MixtureHabitats)
    others = planted(seed=5)[0]
    np.testing.assert_array_equal(found.predict(others), assign(others[:, :3], again))


def test_centroids_taken_back_from_principal_components_partition_as_there():
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(3).normal(size=(400, 6)) @ np.random.default_rng(4).normal(size=(6, 6))
    found = KMeansHabitats(4, tuple("abcdef"), correlation=None, pca=0.8, seed=2).fit(vectors, vectors[:, 0])
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    projected = PCA(0.8, svd_solver="full").fit_transform(scaled)
    labels = found.predict(vectors)
    centres = np.stack([projected[labels == i].mean(axis=0) for i in (1, 2, 3, 4)])
    np.testing.assert_array_equal(np.argmin(((projected[:, None] - centres) ** 2).sum(axis=2), axis=1) + 1, labels)
    inertia = sum(((projected[labels == i] - centres[i - 1]) ** 2).sum() for i in (1, 2, 3, 4))
    assert inertia <= 1.01 * KMeans(4, n_init=10, random_state=0).fit(projected).inertia_


def test_a_mixture_assigns_by_scikit_learns_posterior():
    from sklearn.mixture import GaussianMixture

    wide, narrow = np.random.default_rng(1).normal(0, [1, 4], (200, 2)), np.random.default_rng(2).normal(3, 0.3, (60, 2))
    vectors = np.concatenate([wide, narrow])
    found = MixtureHabitats(2, ("a", "b"), correlation=None, seed=3).fit(vectors, vectors[:, 0])
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    known = GaussianMixture(2, reg_covar=1e-3, n_init=3, random_state=3).fit(scaled)
    order = np.argsort([vectors[known.predict(scaled) == i, 0].mean() for i in (0, 1)])
    np.testing.assert_array_equal(found.predict(vectors), np.argsort(order)[known.predict(scaled)] + 1)


def test_for_few_plain_columns_it_is_the_intensity_clusterer():
    vectors = planted()[0][:, :2]
    old = HabitatClusterer(3, ("size", "edge"), "size", seed=4).fit(vectors)
    new = KMeansHabitats(3, ("size", "edge"), correlation=None, seed=4).fit(vectors, vectors[:, 0])
    np.testing.assert_array_equal(new.predict(vectors), old.predict(vectors))
    np.testing.assert_allclose(new.centroids_.centroids, old.centroids_.centroids)


def test_k_is_chosen_by_the_three_indices_and_all_curves_are_kept():
    vectors = planted()[0][:, :2]
    plain = HabitatClusterer(None, NAMES[:2], "size", k_range=(2, 6)).fit(vectors)
    found = KMeansHabitats(None, NAMES[:2], k_range=(2, 6)).fit(vectors, vectors[:, 0])
    for chosen in (plain, found):
        assert chosen.curve_.k == (2, 3, 4, 5, 6)
        assert chosen.curve_.voted_k == len(chosen.centroids_.centroids) == 3
        assert len(chosen.curve_.silhouette) == len(chosen.curve_.davies_bouldin) == 5
    assert HabitatClusterer(3, NAMES[:2], "size").fit(vectors).curve_ is None
    assert KMeansHabitats(3, NAMES[:2]).fit(vectors, vectors[:, 0]).curve_ is None


def test_supervoxels_are_whole_and_fall_to_the_planted_groups():
    vectors, indices, truth = blocks()
    estimator = SupervoxelHabitats(3, NAMES, grid=(3, 3, 3))
    means = estimator.averaged(vectors, indices)
    labels = estimator.fit(means, vectors[:, 0]).predict(means)
    assert (labels == truth + 1).mean() >= 0.97
    for row in np.unique(means, axis=0):
        assert len(set(labels[(means == row).all(axis=1)])) == 1


def test_what_cannot_be_clustered_is_said():
    vectors, few = planted()[0], np.array([[0.0], [1.0], [1.0]])
    with pytest.raises(CaseError, match="3 habitats cannot be made from 2 distinct voxel values; ask for at most 2"):
        KMeansHabitats(3, ("a",)).fit(few, few[:, 0])
    for estimator in (KMeansHabitats(None, ("a",)), HabitatClusterer(None, ("a",), "a")):
        with pytest.raises(CaseError, match="too few distinct voxel values to compare numbers of habitats; choose a number"):
            estimator.fit(few, *([few[:, 0]] if isinstance(estimator, KMeansHabitats) else []))
    frozen = KMeansHabitats(3, NAMES).fit(vectors, vectors[:, 0])
    frozen.columns = ("size", "noise")
    with pytest.raises(CaseError, match="The habitats need the voxel feature edge"):
        frozen.predict(vectors[:, [0, 2]])
