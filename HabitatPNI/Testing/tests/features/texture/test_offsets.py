from __future__ import annotations

import numpy as np

from HabitatPNILib.features.texture.offsets import directions, lines, pairs


def test_thirteen_directions_in_space_four_in_a_plane():
    assert len(directions((1,), (True, True, True))) == 13
    assert directions((1,), (False, True, True)).tolist() == [[0, 0, 1], [0, 1, -1], [0, 1, 0], [0, 1, 1]]
    assert len(directions((1, 2), (True, True, True))) == (125 - 1) // 2
    assert len(directions((2,), (True, True, True))) == (125 - 27) // 2
    assert directions((1,), (False, False, False)).shape == (0, 3)


def test_pairs_are_all_pairs_an_offset_apart():
    radii = np.array([0, 2, 2])
    first, starts, shifts = pairs(directions((1,), radii > 0), radii)
    assert np.diff(starts).tolist() == [20, 16, 20, 16]
    assert shifts.tolist() == [1, 4, 5, 6]
    assert first[starts[1] : starts[2]].tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14, 16, 17, 18, 19]
    assert len(pairs(directions((4,), (True,) * 3), np.array([1, 1, 1]))[2]) == 0


def test_lines_visit_every_voxel_once():
    radii = np.array([1, 2, 2])
    for offset, order in zip(directions((1,), radii > 0), lines(directions((1,), radii > 0), radii), strict=True):
        numbers = np.where(order < 0, ~order, order)
        assert sorted(numbers) == list(range(75))
        places = np.array(np.unravel_index(numbers, 2 * radii + 1)).T
        steps = np.diff(places, axis=0)
        assert np.all(steps[order[1:] >= 0] == offset)
    assert lines(np.array([[0, 1, 1]]), np.array([0, 1, 1]))[0].tolist() == [~0, 4, 8, ~1, 5, ~2, ~3, 7, ~6]
