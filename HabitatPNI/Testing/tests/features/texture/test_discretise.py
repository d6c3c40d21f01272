from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.features.texture.discretise import bin_edges, grey_levels


def test_width_gives_multiples_of_the_width_and_the_documented_example():
    """pyradiomics' documentation: values from 54 to 166 in bins of 25 have the edges 50, 75 ... 175 (and it adds one more)."""
    values = np.array([54.0, 99.9, 100.0, 166.0])
    edges = bin_edges(values, None, 25.0)
    assert edges.tolist() == [50, 75, 100, 125, 150, 175, 200]
    assert grey_levels(values, edges).tolist() == [1, 2, 3, 5]
    assert bin_edges(np.array([-30.0, 10.0]), None, 25.0)[0] == -50


def test_count_puts_the_maximum_into_the_last_bin():
    values = np.array([0.0, 1.0, 3.0, 4.0])
    assert grey_levels(values, bin_edges(values, 4, None)).tolist() == [1, 2, 4, 4]
    assert grey_levels(values, bin_edges(values, None, None)).max() == 32


def test_equal_values_by_count_lie_in_the_middle_bin():
    values = np.full(3, 7.0)
    assert set(grey_levels(values, bin_edges(values, 32, None)).tolist()) == {17}
    assert set(grey_levels(values, bin_edges(values, None, 25.0)).tolist()) == {1}


def test_too_many_levels_are_refused_before_they_take_memory():
    with pytest.raises(CaseError, match="bin_width 1e-06 cuts the ROI's intensities from 0 to 1000 into more than 65535 grey levels"):
        bin_edges(np.array([0.0, 1000.0]), None, 1e-6)


@pytest.mark.parametrize(
    "values",
    [
        np.array([2.0, 2.0000003], np.float32),
        np.array([1.0, 1 + 3e-16]),
        np.array([2.0**60, 2.0**60 + 256]),
        np.array([-1.7e308, 1.7e308]),
    ],
)
def test_intensities_that_cannot_be_cut_by_count_are_named(values):
    with pytest.raises(CaseError, match="for 32 grey levels in their precision"):
        bin_edges(values, 32, None)


@pytest.mark.parametrize(
    ("values", "width"),
    [
        (np.full(3, 1e8, np.float32), 1.0),
        (np.full(3, 1e17), 1e-3),
        (np.array([2.0**60, 2.0**60 + 256]), 5.0),
        (np.array([0.0, 1.0], np.float32), 1e-50),
        (np.array([0.0, 1.0], np.float32), 1e39),
        (np.array([0.0, 1.0]), 1e308),
    ],
)
def test_a_width_beyond_the_precision_of_the_intensities_is_named(values, width):
    with pytest.raises(CaseError, match=r"make no grey levels in the image's precision|more than 65535 grey levels"):
        bin_edges(values, None, width)
