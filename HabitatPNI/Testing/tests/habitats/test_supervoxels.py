"""Supervoxels keep to the edges of what they were made from; their means are exact."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.habitats.supervoxels import average, supervoxels


def two_halves():
    z, y, x = np.indices((9, 15, 15)) - np.array([4, 7, 7]).reshape(3, 1, 1, 1)
    indices = np.argwhere((z / 4.5) ** 2 + (y / 7.5) ** 2 + (x / 7.5) ** 2 <= 1)
    half = (indices[:, 2] > 6).astype(int)
    return np.column_stack([half, -half]) + np.random.default_rng(0).normal(0, 0.1, (len(indices), 2)), indices, half


def test_a_supervoxel_lies_on_one_side_of_an_edge_and_is_small():
    vectors, indices, half = two_halves()
    labels = supervoxels(vectors, indices, (4, 4, 4))
    count = labels.max() + 1
    assert np.array_equal(np.unique(labels), np.arange(count))
    assert len(indices) / 64 / 2 <= count <= 4 * len(indices) / 64 + 20
    purity = sum(np.bincount(half[labels == i]).max() for i in range(count)) / len(half)
    assert purity >= 0.98
    assert max(np.ptp(indices[labels == i], axis=0).max() for i in range(count)) <= 11


def test_the_same_supervoxels_twice_and_wherever_the_roi_lies():
    vectors, indices, _ = two_halves()
    first = supervoxels(vectors, indices, (4, 4, 4))
    np.testing.assert_array_equal(first, supervoxels(vectors, indices, (4, 4, 4)))
    np.testing.assert_array_equal(first, supervoxels(vectors, indices + np.array([30, 2, 5]), (4, 4, 4)))
    np.testing.assert_array_equal(first, supervoxels(vectors * 100 + 7, indices, (4, 4, 4)))


def test_the_number_of_threads_of_the_process_changes_nothing(monkeypatch):
    used = []

    class Watched(sitk.SLICImageFilter):
        def Execute(self, image):
            used.append(sitk.ProcessObject.GetGlobalDefaultNumberOfThreads())
            return super().Execute(image)

    monkeypatch.setattr(sitk, "SLICImageFilter", Watched)
    indices = np.argwhere(np.ones((24, 40, 40), bool))
    vectors = np.random.default_rng(2).normal(size=(len(indices), 2)) + np.sin(indices[:, 1:] / 4)
    before, found = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), []
    try:
        for threads in (1, 4, 16):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(supervoxels(vectors, indices, (5, 5, 5)))
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert used == [1, 1, 1]
    assert found[0].max() > 100
    for others in found[1:]:
        np.testing.assert_array_equal(found[0], others)


def test_an_roi_of_one_slice_or_one_line_has_supervoxels_too():
    line = np.column_stack([np.zeros(30, int), np.zeros(30, int), np.arange(30)])
    labels = supervoxels((line[:, 2:] > 14).astype(float), line, (3, 3, 5))
    assert labels.max() >= 2
    assert not set(labels[:14]) & set(labels[16:])


def test_averages_leave_out_missing_values():
    vectors = np.array([[1.0, np.nan], [3.0, 4.0], [5.0, np.nan]])
    np.testing.assert_array_equal(average(vectors, np.array([0, 0, 1])), [[2, 4], [2, 4], [5, np.nan]])
