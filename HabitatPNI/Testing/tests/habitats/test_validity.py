"""Validity indices against their definitions, written out here."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.habitats.validity import k_curve


def test_the_planted_number_of_clusters_is_best_by_all_indices():
    rng = np.random.default_rng(1)
    vectors = np.concatenate([rng.normal(c, 0.2, (60, 2)) for c in ([0, 0], [4, 0], [0, 4], [4, 4])])
    curve = k_curve(vectors, (2, 6), seed=0)
    assert curve.k == (2, 3, 4, 5, 6)
    assert curve.best_k == 4
    assert int(np.argmax(curve.silhouette)) == 2
    assert int(np.argmin(curve.davies_bouldin)) == 2


def test_calinski_harabasz_by_its_definition():
    vectors = np.array([[0.0], [1.0], [10.0], [11.0], [12.0]])
    between = 2 * (0.5 - 6.8) ** 2 + 3 * (11 - 6.8) ** 2
    within = 2 * 0.25 + 2 * 1.0
    assert k_curve(vectors, (2, 2), seed=0).calinski_harabasz[0] == pytest.approx(between / within * 3)


def test_k_that_the_voxels_do_not_allow_is_left_out():
    assert k_curve(np.array([[0.0], [1.0], [1.0], [5.0]]), (2, 6), seed=0).k == (2,)
