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
    found = kind(3, NAMES, "size", pca=pca).fit(vectors)
    whole = np.isfinite(vectors[:, 1])
    assert (found.predict(vectors)[whole] == truth[whole] + 1).mean() >= 0.99
    assert found.left_out_["flat"] == "hardly varies"
    assert found.left_out_["double"].startswith("correlates with size")
    assert found.centroids_.sequences == ("size", "edge", "noise")
    turned = kind(3, NAMES, "size", pca=pca).fit(vectors, -vectors[:, 0])
    np.testing.assert_array_equal(turned.predict(vectors), 4 - found.predict(vectors))


@pytest.mark.parametrize("kind", [KMeansHabitats, MixtureHabitats])
def test_what_was_learned_survives_json_and_labels_others_alike(kind):
    found = kind(3, NAMES, "size", pca=0.9).fit(planted()[0])
    again = HabitatCentroids.from_dict(json.loads(json.dumps(found.centroids_.to_dict())))
    assert again == found.centroids_
    assert isinstance(again, HabitatMixture) == (kind is MixtureHabitats)
    others = planted(seed=5)[0]
    np.testing.assert_array_equal(found.predict(others), assign(others[:, :3], again))


def test_centroids_taken_back_from_principal_components_partition_as_there():
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    vectors = np.random.default_rng(3).normal(size=(400, 6)) @ np.random.default_rng(4).normal(size=(6, 6))
    found = KMeansHabitats(4, tuple("abcdef"), "a", correlation=None, pca=0.8, seed=2).fit(vectors)
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
    found = MixtureHabitats(2, ("a", "b"), "a", correlation=None, seed=3).fit(vectors)
    scaled = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    known = GaussianMixture(2, reg_covar=1e-3, n_init=3, random_state=3).fit(scaled)
    order = np.argsort([vectors[known.predict(scaled) == i, 0].mean() for i in (0, 1)])
    np.testing.assert_array_equal(found.predict(vectors), np.argsort(order)[known.predict(scaled)] + 1)


def test_for_few_plain_columns_it_is_the_intensity_clusterer():
    vectors = planted()[0][:, :2]
    old = HabitatClusterer(3, ("size", "edge"), "size", seed=4).fit(vectors)
    new = KMeansHabitats(3, ("size", "edge"), "size", correlation=None, seed=4).fit(vectors)
    np.testing.assert_array_equal(new.predict(vectors), old.predict(vectors))
    np.testing.assert_allclose(new.centroids_.centroids, old.centroids_.centroids)


def test_k_is_chosen_by_the_three_indices_and_all_curves_are_kept():
    found = KMeansHabitats(None, NAMES[:2], "size", k_range=(2, 6)).fit(planted()[0][:, :2])
    assert found.curve_.k == (2, 3, 4, 5, 6)
    assert found.curve_.voted_k == len(found.centroids_.centroids) == 3
    assert len(found.curve_.silhouette) == len(found.curve_.davies_bouldin) == 5
    assert KMeansHabitats(3, NAMES, "size").fit(planted()[0]).curve_ is None


def test_habitats_of_a_patient_take_the_cohorts_numbers():
    cohort = KMeansHabitats(3, NAMES, "size").fit(planted()[0]).centroids_
    vectors, truth = planted(seed=9)
    own = KMeansHabitats(3, NAMES, "noise").fit(vectors, cohort=cohort)
    assert (own.predict(vectors) == truth + 1).mean() >= 0.99


def test_supervoxels_are_whole_and_fall_to_the_planted_groups():
    vectors, indices, truth = blocks()
    found = SupervoxelHabitats(3, NAMES, "size", grid=(3, 3, 3)).fit(vectors, indices=indices)
    labels = found.predict(vectors, indices)
    assert (labels == truth + 1).mean() >= 0.97
    means = found.averaged(vectors, indices)
    for row in np.unique(means, axis=0):
        assert len(set(labels[(means == row).all(axis=1)])) == 1
    with pytest.raises(TypeError, match="need the voxels' indices"):
        found.predict(vectors)


def test_what_cannot_be_clustered_or_numbered_is_said():
    vectors = planted()[0]
    with pytest.raises(CaseError, match="3 habitats cannot be made from 2 distinct voxel values; ask for at most 2"):
        KMeansHabitats(3, ("a",), "a").fit(np.array([[0.0], [1.0], [1.0]]))
    with pytest.raises(CaseError, match="cannot be numbered by adc: it is not among the voxel features"):
        KMeansHabitats(3, NAMES, "adc").fit(vectors)
    with pytest.raises(CaseError, match="too few distinct voxel values for 3 habitats"):
        KMeansHabitats(None, ("a",), "a").fit(np.array([[0.0], [1.0], [1.0]]))
    frozen = KMeansHabitats(3, NAMES, "size").fit(vectors)
    frozen.columns = ("size", "noise")
    with pytest.raises(CaseError, match="The habitats need the voxel feature edge"):
        frozen.predict(vectors[:, [0, 2]])
