"""Descriptors against a map that was counted by hand, and against a count voxel by voxel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.features.table import check_feature_table, parse_column
from HabitatPNILib.habitats.descriptors import connected_parts, describe, descriptor_columns, interaction_matrix, ith_score


def image(volume, spacing=(1.0, 1.0, 1.0)):
    result = sitk.GetImageFromArray(np.asarray(volume, np.uint8))
    result.SetSpacing(spacing)
    return result


def two_slabs():
    """A cube of 2 x 2 x 2 voxels, half habitat 1 and half habitat 2, in the middle of a larger volume."""
    volume = np.zeros((4, 4, 4), np.uint8)
    volume[1:3, 1:3, 1], volume[1:3, 1:3, 2] = 1, 2
    return volume


def test_a_cube_of_two_slabs_by_hand():
    found = {name.split("__", 2)[2]: value for name, value in describe(image(two_slabs(), (1.0, 2.0, 5.0)), 2).items()}
    assert found["volume__share_1"] == found["volume__share_2"] == 0.5
    assert found["parts__count_1"] == 1
    assert found["parts__largest_ml_1"] == found["parts__mean_ml_1"] == pytest.approx(0.04)
    # Each slab: 4 pairs inside, counted twice; 4 faces between the slabs; 12 faces of each to the outside: 36 pairs from each side.
    assert found["msi__faces_1_2"] == 4
    assert found["msi__faces_0_1"] == found["msi__faces_0_2"] == 12
    assert found["msi__inside_1"] == pytest.approx(8 / 72)
    assert found["msi__border_1_2"] == pytest.approx(8 / 72)
    assert found["msi__border_0_1"] == pytest.approx(24 / 72)
    assert found["msi__contrast"] == pytest.approx((24 * 1 + 24 * 4 + 8 * 1) / 72)
    assert found["msi__homogeneity"] == pytest.approx((16 + 24 / 2 + 24 / 5 + 8 / 2) / 72)
    assert found["msi__energy"] == pytest.approx((2 * 8**2 + 4 * 12**2 + 2 * 4**2) / 72**2)
    mean = 1.0  # a third of the pairs each in row 0, 1 and 2
    both = sum((i - mean) * (j - mean) * n for i, j, n in [(1, 1, 8), (2, 2, 8), (0, 2, 24)]) / 72
    assert found["msi__correlation"] == pytest.approx(both / (2 / 3))
    assert found["ith__score"] == 0


def test_the_interaction_matrix_is_that_of_a_count_voxel_by_voxel():
    volume = np.random.default_rng(0).integers(0, 4, (5, 6, 7))
    padded = np.pad(volume, 1)
    expected = np.zeros((4, 4), int)
    for place in np.ndindex(*volume.shape):
        here = np.array(place) + 1
        for axis in range(3):
            for step in (-1, 1):
                there = here.copy()
                there[axis] += step
                a, b = padded[tuple(here)], padded[tuple(there)]
                expected[a, b] += 1 if a and b else 0
                if a and not b:
                    expected[a, 0] += 1
                    expected[0, a] += 1
    np.testing.assert_array_equal(interaction_matrix(volume, 3), expected)


def score(volume, k):
    return ith_score([connected_parts(volume, label) for label in range(1, k + 1)], np.count_nonzero(volume))


def test_ith_score_counts_largest_parts_over_numbers_of_parts():
    volume = np.zeros((1, 9, 9), np.uint8)
    volume[0, 0:3, 0:4] = 1  # 12 voxels
    volume[0, 0:2, 6:8] = 1  # 4 voxels more: largest 12 of 2 parts
    volume[0, 4:7, 0:8] = 2  # 24 voxels in one part
    volume[0, 8, 8] = 3  # a single voxel is not counted
    assert score(volume, 3) == pytest.approx(1 - (12 / 2 + 24) / 41)
    board = np.indices((1, 8, 8)).sum(axis=0) % 2 + 1
    assert score(board, 2) == 0  # a chessboard's fields touch at their corners
    assert score(np.where(board == 1, 1, 0), 1) == 0


def test_voxels_that_touch_at_a_corner_are_one_part():
    volume = np.zeros((4, 4, 4), np.uint8)
    volume[0, 0, 0] = volume[1, 1, 1] = volume[3, 3, 3] = 1
    found = describe(image(volume), 2)
    assert found["habitats__map__parts__count_1"] == 2
    assert found["habitats__map__parts__largest_ml_1"] == pytest.approx(0.002)
    assert found["habitats__map__volume__share_2"] == found["habitats__map__parts__mean_ml_2"] == 0


@pytest.mark.parametrize("k", [2, 3, 5])
def test_the_columns_make_a_feature_table_also_where_a_habitat_is_absent(k):
    rows = [describe(image(volume), k) for volume in (two_slabs(), two_slabs() > 0)]
    assert list(rows[0]) == list(rows[1]) == descriptor_columns(k)
    table = pd.DataFrame(rows, index=pd.Index(["a", "b"], name="case_id"))
    check_feature_table(table)
    assert not table.isna().any().any()
    assert {parse_column(name).region for name in table} == {"habitats"}


def test_the_matrix_does_not_depend_on_the_field_of_view():
    tight = two_slabs()[1:3, 1:3, 1:3]
    np.testing.assert_array_equal(interaction_matrix(tight, 2), interaction_matrix(two_slabs(), 2))


@pytest.mark.parametrize(
    ("volume", "text"),
    [(np.zeros((2, 2, 2)), "The habitat map is empty"), (np.full((2, 2, 2), 4), "has the labels 4 to 4, but 3 habitats were named")],
)
def test_maps_that_cannot_be_described(volume, text):
    with pytest.raises(CaseError, match=text):
        describe(image(volume), 3)
