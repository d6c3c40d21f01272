"""What learning asks of its inputs, in words."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import CohortError


def check_matrix(X: Any, names: list[str] | None = None) -> np.ndarray:
    """`X` as (patients, features) float64, finite.

    Raises
    ------
    CohortError
        naming the first column with missing or infinite values, and how many patients lack it
    """
    values = np.asarray(X, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] == 0:
        raise CohortError(f"Features must be a table of patients by features, not of shape {values.shape}")
    if np.isfinite(values.sum()):
        return values
    missing = ~np.isfinite(values)
    columns = np.flatnonzero(missing.any(axis=0))
    if not len(columns):
        return values
    first = columns[0]
    name = f"{first} ({names[first]})" if names else str(first)
    more = f" (and {len(columns) - 1} more columns)" if len(columns) > 1 else ""
    raise CohortError(
        f"Feature column {name} has missing or infinite values in {missing[:, first].sum()} of {len(values)} rows{more}: "
        f"extract these cases again, or leave the cases or the feature out"
    )


def check_outcome(y: Any, patients: int) -> np.ndarray:
    """`y` as (patients,) float64 of 0 and 1, both present.

    Raises
    ------
    CohortError
        saying which values were found
    """
    found = np.asarray(y)
    if found.shape != (patients,):
        raise CohortError(f"Outcome has shape {found.shape} for {patients} patients: one value a patient is needed")
    try:
        values = found.astype(np.float64)
    except (TypeError, ValueError):
        values = np.full(patients, np.nan)
    if np.isnan(values).any():
        rows = ", ".join(str(row) for row in np.flatnonzero(np.isnan(values))[:5])
        raise CohortError(f"Outcome is missing or not a number in {np.isnan(values).sum()} of {patients} rows (first rows: {rows})")
    levels = np.unique(values)
    if not np.array_equal(levels, [0.0, 1.0]):
        shown = ", ".join(f"{level:g}" for level in levels[:5])
        raise CohortError(f"Outcome must hold 0 and 1, both of them; it holds {shown}")
    return values


def stratified_folds(y: np.ndarray, folds: int, seed: int, groups: Any = None) -> np.ndarray:
    """(rows,) fold number of every row, the outcome spread evenly over the folds.

    With `groups` it is the groups that are spread, so that a patient who is in several rows lies in one fold; groups of one row each give
    the folds of no groups.

    Parameters
    ----------
    y : (rows,) of 0 and 1
    folds, seed : number of folds, and of the shuffle
    groups : (rows,) equal values stay in one fold, and have the same outcome

    Raises
    ------
    CohortError
        when a fold would hold fewer than 2 patients (groups) with or without the outcome, or a group has both outcomes
    """
    from sklearn.model_selection import StratifiedKFold

    first, member = _patients(y, groups)
    outcome = y[first]
    fewest, what = _rarer(outcome)
    if fewest < 2 * folds:
        advice = f"use at most {fewest // 2} folds or add patients" if fewest >= 4 else "add patients"
        raise CohortError(
            f"Only {fewest} of {len(outcome)} patients are {what} the outcome: {folds} folds would leave fewer than 2 in a fold; {advice}"
        )
    fold_of = np.empty(len(outcome), dtype=int)
    for number, (_, held_out) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=seed).split(outcome, outcome)):
        fold_of[held_out] = number
    return fold_of[member]


def most_folds(y: np.ndarray, wanted: int, groups: Any = None) -> int:
    """Folds that `stratified_folds` can make of these rows: `wanted`, or as many as there are patients for, at least 2."""
    first, _ = _patients(y, groups)
    return max(2, min(wanted, _rarer(y[first])[0] // 2))


def _patients(y: np.ndarray, groups: Any) -> tuple[np.ndarray, np.ndarray]:
    """First row of every patient in the order of the rows, and (rows,) the patient of each."""
    if groups is None:
        return np.arange(len(y)), np.arange(len(y))
    _, first, member = np.unique(np.asarray(groups), return_index=True, return_inverse=True)
    if len(member) != len(y):
        raise CohortError(f"{len(member)} groups are given for {len(y)} rows: one for each row is needed")
    mixed = np.flatnonzero(y[first][member] != y)
    if len(mixed):
        raise CohortError(f"Row {mixed[0]} has another outcome than the other rows of its patient: a patient has one outcome")
    order = np.argsort(first)
    return first[order], np.argsort(order)[member]


def _rarer(outcome: np.ndarray) -> tuple[int, str]:
    events = int(outcome.sum())
    return min((events, "with"), (len(outcome) - events, "without"))
