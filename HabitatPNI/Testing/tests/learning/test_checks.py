"""Folds: stratified, and never parting the rows of a patient."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.learning.checks import most_folds, stratified_folds

Y = (np.arange(100) % 5 == 0).astype(float)


def test_copies_of_a_patient_stay_in_one_fold_and_different_patients_are_spread() -> None:
    rows = np.random.default_rng(1).integers(100, size=100)
    fold_of = stratified_folds(Y[rows], 3, 0, rows)
    by_patient = {row: set(fold_of[rows == row]) for row in rows}
    assert all(len(folds) == 1 for folds in by_patient.values())
    for outcome in (0, 1):
        patients = [next(iter(folds)) for row, folds in by_patient.items() if Y[row] == outcome]
        counts = np.bincount(patients, minlength=3)
        assert counts.max() - counts.min() <= 1
        assert counts.min() >= 2


def test_groups_of_one_row_are_no_groups() -> None:
    names = np.array([f"case{i}" for i in np.random.default_rng(2).permutation(100)])
    np.testing.assert_array_equal(stratified_folds(Y, 5, 7, names), stratified_folds(Y, 5, 7))


def test_it_is_different_patients_that_count() -> None:
    y, groups = np.array([0, 0, 0, 0, 1, 1, 1, 1.0]), [0, 1, 2, 3, 4, 4, 4, 5]
    assert len(stratified_folds(y, 2, 0)) == 8
    with pytest.raises(CohortError, match="Only 2 of 6 patients are with the outcome: 2 folds would leave fewer than 2 in a fold"):
        stratified_folds(y, 2, 0, groups)
    with pytest.raises(CohortError, match="Row 5 has another outcome than the other rows of its patient"):
        stratified_folds(np.array([0, 0, 0, 0, 1, 0, 1, 1.0]), 2, 0, groups)
    with pytest.raises(CohortError, match="3 groups are given for 8 rows"):
        stratified_folds(y, 2, 0, [1, 2, 3])


@pytest.mark.parametrize(("patients", "wanted", "folds"), [(100, 10, 10), (100, 5, 5), (50, 10, 5), (10, 10, 2)])
def test_as_many_folds_as_there_are_patients_for(patients: int, wanted: int, folds: int) -> None:
    assert most_folds(Y[:patients], wanted) == folds
    assert most_folds(np.tile(Y[:patients], 3), wanted, np.tile(np.arange(patients), 3)) == folds
