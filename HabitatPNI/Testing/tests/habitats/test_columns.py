"""Which columns are clustered: each reason for leaving one out, and principal axes whose variances are known."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.habitats.columns import choose_columns, principal_axes, project


def test_each_column_is_left_out_for_its_own_reason():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 500))
    gaps = np.where(np.arange(500) < 100, np.nan, a)
    vectors = np.column_stack([a, b, 3 * a + 1000, gaps, np.full(500, 7.0), np.zeros(500), -a + 0.01 * b])
    found = choose_columns(vectors, ("a", "b", "affine", "gaps", "flat", "zero", "negative"), 1e-6, 0.95)
    assert found.kept == (0, 1)
    assert found.left_out["affine"] == "correlates with a (|r| = 1.000)"
    assert found.left_out["negative"].startswith("correlates with a")
    assert found.left_out["gaps"] == "missing in 20% of the voxels"
    assert found.left_out["flat"] == found.left_out["zero"] == "hardly varies"
    np.testing.assert_allclose(found.mean, [a.mean(), b.mean()])
    np.testing.assert_allclose(found.scale, [a.std(), b.std()])


def test_the_variation_that_counts_does_not_depend_on_the_unit():
    column = np.random.default_rng(1).normal(5, 1, (300, 1))
    for unit in (1e-9, 1.0, 1e9):
        assert choose_columns(column * unit, ("x",), 0.1, None).kept == (0,)
        with pytest.raises(CaseError, match="No voxel feature varies"):
            choose_columns(column * unit, ("x",), 0.5, None)


def test_a_few_missing_values_leave_mean_and_scale_to_the_others():
    column = np.arange(100.0)[:, None]
    column[:5] = np.nan
    found = choose_columns(column, ("x",), 1e-6, None)
    assert found.mean[0] == np.arange(5, 100).mean()
    assert found.scale[0] == pytest.approx(np.arange(5, 100).std())


@pytest.mark.parametrize(("share", "axes"), [(0.5, 1), (0.79, 1), (0.81, 2), (0.94, 2), (0.96, 3)])
def test_principal_axes_keep_the_share_asked_for(share, axes):
    cube = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, -1).T * np.sqrt([0.15, 0.8, 0.05])
    turned, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))
    found = principal_axes(cube @ turned, share)
    assert found.shape == (axes, 3)
    np.testing.assert_allclose(found @ found.T, np.eye(axes), atol=1e-12)
    np.testing.assert_allclose(np.abs(found[0] @ turned[1]), 1, atol=1e-12)


def test_without_a_share_every_column_is_its_own_axis():
    np.testing.assert_array_equal(principal_axes(np.zeros((4, 3)), None), np.eye(3))
    vectors = np.random.default_rng(0).normal(size=(50, 3))
    assert project(vectors, None) is vectors
    np.testing.assert_allclose(np.linalg.norm(project(vectors, 1 - 1e-9), axis=1), np.linalg.norm(vectors, axis=1))
