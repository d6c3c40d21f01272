"""Intraclass correlation: how far two or more readers' outlines give the same features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from ..errors import CohortError

Kind = Literal["1,1", "2,1", "3,1", "1,k", "2,k", "3,k"]

_UPPER = 0.975


class Icc(NamedTuple):
    """Intraclass correlation and its 95 % interval; NaN where the ratings do not vary at all."""

    icc: float
    low: float
    high: float


class FeatureIccs(NamedTuple):
    """Intraclass correlations and their 95 % intervals, each (features,); NaN where the ratings do not vary at all."""

    icc: np.ndarray
    low: np.ndarray
    high: np.ndarray


def icc(ratings: Any, kind: Kind = "2,1") -> Icc:
    """Intraclass correlation of Shrout and Fleiss (1979, doi 10.1037/0033-2909.86.2.420) from the analysis of variance.

    ``1``: other raters for every subject; ``2``: the same raters, drawn from many (absolute agreement); ``3``: these raters only
    (consistency). ``1`` after the comma: one rater's value is used later; ``k``: the mean of all raters. Intervals by the F-distribution
    (ibid.; for ``2`` with Satterthwaite's degrees of freedom), as in R's ``psych::ICC(lmer = FALSE)``.

    Where subjects differ less than the readings of one subject, the negative variance components are taken as 0 (as restricted maximum
    likelihood does): the correlation is 0, with the interval that belongs to it. A bound lies at -1/(raters - 1) or above, the least
    that one rater's correlation can be (for the mean of raters: -inf). Ratings that are all the same have no correlation: NaN, which
    passes no threshold.

    Parameters
    ----------
    ratings : (subjects, raters), at least 2 of each, none missing
    kind : "1,1", "2,1", "3,1", "1,k", "2,k" or "3,k"

    Raises
    ------
    CohortError
        for missing or infinite ratings (naming the rows) or fewer than 2 subjects or raters
    """
    values = np.asarray(ratings, dtype=np.float64)
    if values.ndim != 2:
        raise CohortError(f"Ratings must be a table of subjects by raters, not of shape {values.shape}")
    found = icc_of_features(values.T[:, :, None], kind, ["ratings"])
    return Icc(float(found.icc[0]), float(found.low[0]), float(found.high[0]))


def icc_of_features(ratings: Any, kind: Kind = "2,1", names: Sequence[str] | None = None) -> FeatureIccs:
    """`icc` of every feature at once, e.g. of ``np.stack([table_of_reader_1, table_of_reader_2])``.

    Parameters
    ----------
    ratings : (raters, subjects, features), at least 2 raters and subjects, none missing
    kind : as in `icc`
    names : (features,) names for messages

    Raises
    ------
    CohortError
        as in `icc`, naming the first feature
    """
    if kind not in ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k"):
        raise ValueError(f"kind must be 1,1 2,1 3,1 1,k 2,k or 3,k, not {kind}")
    values = np.asarray(ratings, dtype=np.float64)
    _check(values, names)
    raters, subjects = values.shape[:2]
    between, within, of_raters, residual = _mean_squares(values)
    error = within if kind[0] == "1" else residual
    of_raters = np.where(between < error, np.maximum(of_raters, error), of_raters)
    between = np.maximum(between, error)
    with np.errstate(invalid="ignore", divide="ignore"):
        if kind[0] == "2":
            single = _of_drawn_raters(between, of_raters, residual, subjects, raters)
        else:
            error_freedom = subjects * (raters - 1) if kind[0] == "1" else (subjects - 1) * (raters - 1)
            single = _with_one_error(between, error, subjects - 1, error_freedom, raters)
        factor = 1 if kind.endswith("1") else raters
        floored = (np.maximum(value, -1 / (raters - 1)) for value in single)
        stepped = [factor * value / (1 + (factor - 1) * value) for value in floored]
    constant = (values == values[:1, :1]).all(axis=(0, 1))
    return FeatureIccs(*(np.where(constant, np.nan, value) for value in stepped))


def _check(values: np.ndarray, names: Sequence[str] | None) -> None:
    if values.ndim != 3 or min(values.shape[:2]) < 2 or not values.shape[2]:
        raise CohortError(
            f"An intraclass correlation needs at least 2 raters, 2 subjects and a feature; the ratings have shape {values.shape} "
            "(raters, subjects, features)"
        )
    missing = ~np.isfinite(values)
    if missing.any():
        feature = int(np.flatnonzero(missing.any(axis=(0, 1)))[0])
        rows = np.flatnonzero(missing[:, :, feature].any(axis=0))
        name = names[feature] if names is not None else f"column {feature}"
        raise CohortError(
            f"Ratings of {name} are missing or infinite in {len(rows)} of {values.shape[1]} subjects (first rows: "
            f"{', '.join(map(str, rows[:5]))}): leave these subjects out or read them again"
        )


def _mean_squares(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Mean squares (features,) between subjects, within subjects, between raters and residual, of (raters, subjects, features)."""
    raters, subjects = values.shape[:2]
    of_subject = values.mean(axis=0)
    of_rater = values.mean(axis=1)
    grand = of_subject.mean(axis=0)
    subject_effect = of_subject - grand
    rater_effect = of_rater - grand
    between = raters * (subject_effect**2).sum(axis=0) / (subjects - 1)
    within = ((values - of_subject) ** 2).sum(axis=(0, 1)) / (subjects * (raters - 1))
    of_raters = subjects * (rater_effect**2).sum(axis=0) / (raters - 1)
    rest = values - grand - subject_effect - rater_effect[:, None]
    residual = (rest**2).sum(axis=(0, 1)) / ((subjects - 1) * (raters - 1))
    return between, within, of_raters, residual


def _with_one_error(
    between: np.ndarray, error: np.ndarray, freedom: int, error_freedom: int, raters: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kinds 1 and 3: (estimate, low, high) of one rater's value; written without quotients by the error, which may be 0."""
    from scipy.special import fdtri

    def at(factor: float) -> np.ndarray:
        return (between - factor * error) / (between + (raters - 1) * factor * error)

    return at(1.0), at(fdtri(freedom, error_freedom, _UPPER)), at(1.0 / fdtri(error_freedom, freedom, _UPPER))


def _of_drawn_raters(
    between: np.ndarray, of_raters: np.ndarray, residual: np.ndarray, n: int, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Kind 2: (estimate, low, high) of one rater's value."""
    from scipy.special import fdtri

    estimate = (between - residual) / (between + (k - 1) * residual + k * (of_raters - residual) / n)
    raters_part = k * estimate * of_raters
    rest = (n * (1 + (k - 1) * estimate) - k * estimate) * residual
    freedom = (k - 1) * (n - 1) * (raters_part + rest) ** 2 / ((n - 1) * raters_part**2 + rest**2)
    freedom = np.where(np.isfinite(freedom), freedom, 1.0)
    upper, lower = fdtri(n - 1, freedom, _UPPER), fdtri(freedom, n - 1, _UPPER)
    disagreement = k * of_raters + (k * n - k - n) * residual
    low = n * (between - upper * residual) / (upper * disagreement + n * between)
    high = n * (lower * between - residual) / (disagreement + n * lower * between)
    return estimate, low, high
