"""Numbers of habitats: by a reference, and by centroids of a cohort in other units."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.frozen_model import HabitatCentroids, HabitatMixture
from HabitatPNILib.habitats.clustering import assign
from HabitatPNILib.habitats.estimators import KMeansHabitats, MixtureHabitats
from HabitatPNILib.habitats.ordering import numbered_as, order_by_mean


def test_order_by_the_mean_of_a_reference():
    clusters = np.array([0, 0, 1, 1, 2, 2])
    assert order_by_mean(clusters, np.array([5.0, 7, 1, 1, np.nan, 3]), 3).tolist() == [1, 2, 0]
    assert order_by_mean(clusters, np.array([5.0, 7, 1, 1, np.nan, np.nan]), 3).tolist() == [1, 0, 2]


@pytest.mark.parametrize("kind", [KMeansHabitats, MixtureHabitats])
def test_matching_finds_the_cohorts_numbers_though_order_columns_and_units_differ(kind):
    cohort = HabitatCentroids(("b", "a"), (10.0, 100.0), (2.0, 50.0), ((-1.0, 0.0), (1.0, 1.0), (0.0, -1.0)))
    raw = np.array(cohort.centroids) * cohort.scale + cohort.mean
    truth = np.array([2, 0, 1]).repeat(20)
    vectors = raw[truth][:, ::-1] + np.random.default_rng(0).normal(0, [5, 0.2], (60, 2))
    vectors = np.column_stack([vectors[:, 0], np.zeros(60), vectors[:, 1]])
    own = kind(3, ("a", "unused", "b")).fit(vectors, np.random.default_rng(1).normal(size=60)).centroids_
    found = numbered_as(cohort, own, vectors, ("a", "unused", "b"))
    assert isinstance(found, HabitatMixture) == (kind is MixtureHabitats)
    assert found.sequences == ("a", "b")
    np.testing.assert_array_equal(assign(vectors[:, [0, 2]], found), truth + 1)


def test_matching_is_the_best_as_a_whole_and_not_one_by_one():
    cohort = HabitatCentroids(("a",), (0.0,), (1.0,), ((0.0,), (1.0,)))
    vectors = np.array([[0.9], [0.9], [3.0], [3.0]])  # both lie nearest to the second centroid
    turned = HabitatCentroids(("a",), (0.0,), (1.0,), ((3.0,), (0.9,)))
    assert numbered_as(cohort, turned, vectors, ("a",)).centroids == ((0.9,), (3.0,))


def test_a_column_that_the_case_lacks_is_named():
    cohort = HabitatCentroids(("adc",), (0.0,), (1.0,), ((0.0,), (1.0,)))
    own = HabitatCentroids(("t2w",), (0.0,), (1.0,), ((0.0,), (1.0,)))
    with pytest.raises(CaseError, match="need the voxel feature adc"):
        numbered_as(cohort, own, np.zeros((2, 1)), ("t2w",))
