"""Columns that cannot be evaluated are refused by name and row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.checks import check_outcome, check_predicted, check_probabilities, check_scores, check_thresholds


def test_what_may_be_an_outcome():
    expected = [True, False, True]
    for column in ([1, 0, 1], [1.0, 0.0, 1.0], [True, False, True], pd.Series([1, 0, 1], index=[7, 8, 9], dtype="Int64")):
        assert check_outcome(column).tolist() == expected


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (lambda: check_outcome([]), "Outcome is empty: there are no patients to evaluate"),
        (
            lambda: check_outcome([1, None, 0, "yes"]),
            "Outcome is missing or not a finite number in 2 of 4 rows (first rows: 1, 3): complete these rows or leave them out",
        ),
        (lambda: check_outcome(pd.Series([1, 0, pd.NA], dtype="Int64")), "in 1 of 3 rows (first rows: 2)"),
        (
            lambda: check_outcome([1, 2, 0, 2]),
            "Outcome is neither 0 nor 1 in 2 of 4 rows (first rows: 1, 3; the first of them holds 2)",
        ),
        (lambda: check_outcome([0, 0]), "Outcome is 0 in all 2 rows: patients with and without it are needed"),
        (lambda: check_outcome([0, 1, 1, 1], each=2), "Only 1 of 4 patients without the outcome"),
        (lambda: check_outcome([[0, 1]]), "Outcome must be a single column, not of shape (1, 2)"),
        (lambda: check_scores([1.0, np.inf], 2, "Radscore"), "Radscore is missing or not a finite number in 1 of 2 rows (first rows: 1)"),
        (
            lambda: check_probabilities(np.linspace(-0.5, 1, 16), 16),
            "Probability lies outside [0, 1] in 5 of 16 rows (first rows: 0, 1, 2, 3, 4; the first of them holds -0.5)",
        ),
        (lambda: check_predicted([0, 0.4], 2), "Prediction is neither 0 nor 1 in 1 of 2 rows (first rows: 1; the first of them holds 0.4)"),
        (lambda: check_thresholds([0.5, 1.0]), "Threshold 1 cannot be used: thresholds are probabilities from 0 to below 1"),
        (lambda: check_thresholds(["0.1", "often"]), "Threshold nan cannot be used"),
        (lambda: check_thresholds([]), "There are no thresholds"),
    ],
)
def test_refusals(check, message):
    with pytest.raises(CohortError) as caught:
        check()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
