"""Habitats against clusters that the test itself planted."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.frozen_model import HabitatCentroids
from HabitatPNILib.habitats.clustering import HabitatClusterer, assign, draw_voxels

SEQUENCES = ("t2w", "dwi", "adc")
CENTRES = np.array([[0.5, -1.0, 1.5], [-1.0, 2.0, -1.5], [0.0, 0.5, 0.0]])


def planted(n=400, noise=0.15, seed=3):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    return CENTRES[truth] + rng.normal(0, noise, (n, 3)), truth


def test_planted_clusters_are_found_and_numbered_by_ascending_adc():
    vectors, truth = planted()
    labels = HabitatClusterer(3, SEQUENCES, "adc").fit(vectors).predict(vectors)
    by_adc = np.argsort(np.argsort(CENTRES[:, 2])) + 1
    np.testing.assert_array_equal(labels, by_adc[truth])


def test_labels_do_not_depend_on_the_order_of_voxels_or_the_seed():
    vectors, _ = planted()
    first = HabitatClusterer(3, SEQUENCES, "adc", seed=1).fit(vectors).predict(vectors)
    turned = HabitatClusterer(3, SEQUENCES, "adc", seed=2).fit(vectors[::-1]).predict(vectors)
    np.testing.assert_array_equal(first, turned)


def test_frozen_centroids_partition_another_patient():
    vectors, truth = planted()
    frozen = HabitatClusterer(3, SEQUENCES, "adc").fit(vectors).centroids_
    low = vectors[truth == 1][:50]
    np.testing.assert_array_equal(assign(low, frozen), np.ones(50, np.uint8))


def test_assignment_is_to_the_nearest_centroid_in_scaled_units():
    frozen = HabitatCentroids(("t2w",), (10.0,), (2.0,), ((-1.0,), (1.0,)))
    np.testing.assert_array_equal(assign(np.array([[8.1], [9.9], [10.0], [10.1]]), frozen), [1, 1, 1, 2])


def test_more_habitats_than_distinct_voxels_is_refused():
    with pytest.raises(CaseError, match="5 habitats cannot be made from 2 distinct voxel values; ask for at most 2"):
        HabitatClusterer(5, ("adc",), "adc").fit(np.array([[1.0], [2.0], [1.0]]))


@pytest.mark.parametrize("available", [30, 100, 250])
def test_every_patient_gives_the_same_number_of_voxels(available):
    vectors = np.arange(available, dtype=float)[:, None]
    drawn = draw_voxels(vectors, 100, seed=1)
    assert drawn.shape == (100, 1)
    counts = np.unique(drawn, return_counts=True)[1]
    assert counts.max() - counts.min() <= 1
    assert len(counts) == min(available, 100)
