"""What evaluation asks of outcomes, scores and probabilities, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CohortError

_SHOWN = 5


def check_outcome(y: Any, each: int = 1) -> np.ndarray:
    """`y` as (patients,) booleans, true where the outcome is there.

    Parameters
    ----------
    y : (patients,) of 0 and 1, or booleans
    each : how many patients with, and how many without the outcome are needed at least

    Raises
    ------
    CohortError
        naming the rows (counted from 0) that are missing or neither 0 nor 1, or the outcome that is too rare
    """
    values = numbers(y, "Outcome")
    if not len(values):
        raise CohortError("Outcome is empty: there are no patients to evaluate")
    _refuse_missing(values, "Outcome")
    _refuse_rows((values != 0) & (values != 1), values, "Outcome is neither 0 nor 1")
    events = values == 1
    count = int(events.sum())
    if count in (0, len(events)):
        raise CohortError(f"Outcome is {int(count > 0)} in all {len(events)} rows: patients with and without it are needed")
    fewest, what = min((count, "with"), (len(events) - count, "without"))
    if fewest < each:
        raise CohortError(f"Only {fewest} of {len(events)} patients {what} the outcome: at least {each} of each are needed for a variance")
    return events


def check_scores(scores: Any, patients: int, name: str = "Score") -> np.ndarray:
    """`scores` as (patients,) float64, finite and not all equal.

    Raises
    ------
    CohortError
        naming the column and its rows
    """
    values = _finite(scores, patients, name)
    refuse_constant(values, name)
    return values


def check_probabilities(p: Any, patients: int, name: str = "Probability") -> np.ndarray:
    """`p` as (patients,) float64 within [0, 1].

    Raises
    ------
    CohortError
        naming the column and its rows
    """
    values = _finite(p, patients, name)
    _refuse_rows((values < 0) | (values > 1), values, f"{name} lies outside [0, 1]")
    return values


def check_predicted(predicted: Any, patients: int) -> np.ndarray:
    """`predicted` as (patients,) booleans, true where the outcome is called.

    Raises
    ------
    CohortError
        naming the rows that are missing or neither 0 nor 1
    """
    values = _finite(predicted, patients, "Prediction")
    _refuse_rows((values != 0) & (values != 1), values, "Prediction is neither 0 nor 1")
    return values == 1


def check_thresholds(thresholds: Any) -> np.ndarray:
    """`thresholds` as (thresholds,) float64, each at least 0 and below 1 (at 1 the odds are infinite).

    Raises
    ------
    CohortError
        naming the first that is not
    """
    values = numbers(np.atleast_1d(thresholds), "Thresholds")
    wrong = ~((values >= 0) & (values < 1))
    if not len(values):
        raise CohortError("There are no thresholds: give probabilities from 0 to below 1")
    if wrong.any():
        raise CohortError(f"Threshold {values[wrong][0]:g} cannot be used: thresholds are probabilities from 0 to below 1")
    return values


def check_level(level: float) -> float:
    """`level` of a confidence interval, between 0 and 1.

    Raises
    ------
    CohortError
        for any other
    """
    if not 0 < level < 1:
        raise CohortError(f"Confidence level {level:g} does not lie between 0 and 1: give 0.95 for 95 percent")
    return float(level)


def refuse_constant(values: np.ndarray, name: str) -> None:
    """Refuse scores that do not tell any two patients apart.

    Raises
    ------
    CohortError
        with the one value that all rows hold
    """
    if values.min() == values.max():
        raise CohortError(f"{name} is {values[0]:g} in all {len(values)} rows: it does not tell the patients apart")


def numbers(column: Any, name: str) -> np.ndarray:
    """`column` as (values,) float64; what is not a number becomes NaN.

    Raises
    ------
    CohortError
        for more than one dimension
    """
    found = np.asarray(column)
    if found.ndim != 1:
        raise CohortError(f"{name} must be a single column, not of shape {found.shape}")
    try:
        return found.astype(np.float64)
    except (TypeError, ValueError):
        return np.array([_number(value) for value in found])


def _finite(column: Any, patients: int, name: str) -> np.ndarray:
    values = numbers(column, name)
    if len(values) != patients:
        raise CohortError(f"{name} has {len(values)} values for {patients} outcomes: one value a patient is needed")
    _refuse_missing(values, name)
    return values


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def _refuse_missing(values: np.ndarray, name: str) -> None:
    missing = ~np.isfinite(values)
    if missing.any():
        raise CohortError(
            f"{name} is missing or not a finite number in {missing.sum()} of {len(values)} rows (first rows: {_rows(missing)}): "
            f"complete these rows or leave them out"
        )


def _refuse_rows(wrong: np.ndarray, values: np.ndarray, what: str) -> None:
    if wrong.any():
        raise CohortError(
            f"{what} in {wrong.sum()} of {len(values)} rows (first rows: {_rows(wrong)}; the first of them holds {values[wrong][0]:g})"
        )


def _rows(wrong: np.ndarray) -> str:
    return ", ".join(str(row) for row in np.flatnonzero(wrong)[:_SHOWN])
