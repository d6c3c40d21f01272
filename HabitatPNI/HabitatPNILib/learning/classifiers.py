"""Logistic models of few terms: the clinical one and the combined one behind the nomogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import CohortError
from .checks import check_outcome, stratified_folds

if TYPE_CHECKING:
    import pandas as pd

_RIDGE_GRID = np.geomspace(10.0, 1e-5, 31)


@dataclass(frozen=True)
class LogisticModel:
    """Logistic regression on the terms' own units: ``log odds = intercept + sum(coefficient * term)``.

    Attributes
    ----------
    terms : names of the columns
    coefficients : (terms,) log odds per unit
    intercept : log odds where every term is 0
    standard_errors, p_values : (terms,) Wald; NaN for a penalised fit, which has none
    confidence : (terms, 2) 95 % Wald interval of the coefficients; NaN likewise
    intercept_standard_error : NaN likewise
    ridge : penalty ``lambda`` of ``-(1/n) log-likelihood + lambda/2 * sum of squared coefficients per standard deviation``; 0 without
    """

    terms: tuple[str, ...]
    coefficients: np.ndarray
    intercept: float
    standard_errors: np.ndarray
    p_values: np.ndarray
    confidence: np.ndarray
    intercept_standard_error: float
    ridge: float = 0.0

    @property
    def odds_ratios(self) -> np.ndarray:
        """(terms,) odds ratio per unit."""
        return np.exp(self.coefficients)

    def linear_predictor(self, table: pd.DataFrame) -> np.ndarray:
        """(patients,) log odds.

        Raises
        ------
        CohortError
            when a term is not a column of `table` or has missing values
        """
        return self.intercept + _values(table, self.terms) @ self.coefficients

    def probability(self, table: pd.DataFrame) -> np.ndarray:
        """(patients,) probability of the outcome; errors as in `linear_predictor`."""
        from scipy.special import expit

        return expit(self.linear_predictor(table))


def univariate_screen(clinical: pd.DataFrame, y: Any) -> pd.DataFrame:
    """Logistic regression of the outcome on each candidate alone (maximum likelihood, statsmodels).

    Parameters
    ----------
    clinical : (patients, candidates) numbers; a graded variable (PI-RADS, mrT) counts as one term, its odds ratio is per grade
    y : (patients,) of 0 and 1

    Returns
    -------
    one row a candidate: coefficient, standard_error, odds_ratio, low, high (95 % interval of the odds ratio), p; interval and p are Wald's

    Raises
    ------
    CohortError
        for a candidate with missing values, without variation, or that separates the outcome
    """
    import pandas as pd

    outcome = check_outcome(y, len(clinical))
    rows = []
    for name in clinical.columns:
        model = _maximum_likelihood(_values(clinical, (name,)), outcome, (str(name),))
        (low, high), (coefficient,) = np.exp(model.confidence[0]), model.coefficients
        rows.append((coefficient, model.standard_errors[0], np.exp(coefficient), low, high, model.p_values[0]))
    columns = ["coefficient", "standard_error", "odds_ratio", "low", "high", "p"]
    return pd.DataFrame(rows, index=pd.Index(clinical.columns, name="candidate"), columns=columns)


def fit_clinical(clinical: pd.DataFrame, y: Any, candidates: Sequence[str], p: float = 0.05) -> LogisticModel:
    """Clinical model: the candidates with univariate ``p`` below the limit enter one multivariate logistic regression together.

    (pca-pni study, Methods, clinical model.)

    Raises
    ------
    CohortError
        as `univariate_screen`; when no candidate passes; when those that pass separate the outcome
    """
    missing = [name for name in candidates if name not in clinical.columns]
    if missing:
        raise CohortError(f"The clinical table lacks the candidates {', '.join(missing)}")
    found_p = dict(zip(candidates, univariate_screen(clinical[list(candidates)], y)["p"].to_numpy(), strict=True))
    passed = tuple(name for name in candidates if found_p[name] < p)
    if not passed:
        found = ", ".join(f"{name} p = {value:.3f}" for name, value in found_p.items())
        raise CohortError(
            f"No clinical candidate has a univariate p below {p:g} ({found}) with {int(np.sum(y))} events: more patients with the "
            "outcome are needed, or other candidates or another limit in the protocol (clinical.candidates, clinical.univariate_p)"
        )
    return _maximum_likelihood(_values(clinical, passed), check_outcome(y, len(clinical)), passed)


def fit_combined(
    terms: pd.DataFrame, y: Any, penalty: Literal["ridge", "none"] = "ridge", folds: int = 10, seed: int = 0, groups: Any = None
) -> LogisticModel:
    """Combined model of clinical predictors and radscores.

    With ``ridge`` the terms are standardised (inside every fold) and the penalty with the lowest mean negative log-likelihood of held-out
    patients in stratified cross-validation is taken from 31 values between 10 and 1e-5; coefficients come back in the terms' own units,
    without standard errors. ``none`` is maximum likelihood with Wald intervals.

    Parameters
    ----------
    terms : (patients, terms) complete; absent regions filled in beforehand
    y : (patients,) of 0 and 1
    groups : (patients,) rows of equal groups stay in one fold

    Raises
    ------
    CohortError
        for missing or constant terms; fewer than 2 patients of a kind in a fold; separation where there is no penalty
    """
    names = tuple(str(name) for name in terms.columns)
    outcome = check_outcome(y, len(terms))
    values = _values(terms, names)
    if penalty == "none":
        return _maximum_likelihood(values, outcome, names)
    if penalty != "ridge":
        raise ValueError(f"penalty must be ridge or none, not {penalty}")
    _refuse_constant(values, names)
    fold_of = stratified_folds(outcome, folds, seed, groups)
    losses = np.zeros(len(_RIDGE_GRID))
    for fold in range(folds):
        seen = fold_of != fold
        coefficients, intercepts = _ridge_path(values[seen], outcome[seen], _RIDGE_GRID)
        log_odds = values[~seen] @ coefficients.T + intercepts
        losses += (np.logaddexp(0, log_odds) - outcome[~seen, None] * log_odds).sum(axis=0)
    best = int(np.argmin(losses))
    coefficients, intercepts = _ridge_path(values, outcome, _RIDGE_GRID[: best + 1])
    unknown = np.full(len(names), np.nan)
    return LogisticModel(
        terms=names,
        coefficients=coefficients[best],
        intercept=float(intercepts[best]),
        standard_errors=unknown,
        p_values=unknown,
        confidence=np.full((len(names), 2), np.nan),
        intercept_standard_error=np.nan,
        ridge=float(_RIDGE_GRID[best]),
    )


def youden_cut_off(y: Any, p: Any) -> float:
    """Cut-off with the highest sensitivity + specificity - 1, a patient at or above it being called positive.

    It lies half-way between two neighbouring values of `p`, so that rounding of a probability moves nobody across; of equal ones the
    lowest (most sensitive) is taken.

    Raises
    ------
    CohortError
        for NaN scores, an outcome that is not 0/1, or scores that are all equal
    """
    from sklearn.metrics import roc_curve

    scores = np.asarray(p, dtype=np.float64)
    outcome = check_outcome(y, len(scores))
    if not np.isfinite(scores).all():
        raise CohortError(f"Scores are missing or infinite in {(~np.isfinite(scores)).sum()} of {len(scores)} rows: no cut-off can be set")
    levels = np.unique(scores)
    if len(levels) == 1:
        raise CohortError("All scores are equal: no cut-off tells the patients apart")
    false_positive, true_positive, thresholds = roc_curve(outcome, scores, drop_intermediate=False)
    index = np.where(true_positive - false_positive >= (true_positive - false_positive).max() - 1e-12)[0][-1]
    position = int(np.searchsorted(levels, thresholds[index]))
    if position == 0 or not np.isfinite(thresholds[index]):
        raise CohortError("The scores rank no better than chance: no cut-off separates patients with the outcome from those without")
    return float((levels[position - 1] + levels[position]) / 2)


def _values(table: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise CohortError(f"The table lacks the columns {', '.join(missing)} (it has {', '.join(map(str, table.columns))})")
    try:
        values = table[list(names)].to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise CohortError(f"Columns {', '.join(names)} must hold numbers: code categories beforehand ({error})") from error
    for column, name in enumerate(names):
        gone = np.flatnonzero(~np.isfinite(values[:, column]))
        if len(gone):
            rows = ", ".join(str(row) for row in gone[:5])
            raise CohortError(f"Column {name} is missing or not finite in {len(gone)} of {len(values)} rows (first rows: {rows})")
    return values


def _refuse_constant(values: np.ndarray, names: Sequence[str]) -> None:
    for column, name in enumerate(names):
        if np.ptp(values[:, column]) <= 1e-12 * np.abs(values[:, column]).max():
            raise CohortError(f"Column {name} has the same value in all {len(values)} patients: leave it out")


def _maximum_likelihood(values: np.ndarray, y: np.ndarray, names: tuple[str, ...]) -> LogisticModel:
    import statsmodels.api as sm
    from scipy.stats import norm

    _refuse_constant(values, names)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    design = np.column_stack([np.ones(len(y)), (values - mean) / scale])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise CohortError(f"Columns {', '.join(names)} are linearly dependent: leave one of them out")
    if _separates(design, y):
        raise CohortError(
            f"{', '.join(names)} separate the outcome of the {len(y)} patients: odds ratios would be infinite; "
            "leave candidates out or use a ridge penalty"
        )
    fit = sm.Logit(y, design).fit(method="newton", maxiter=200, tol=1e-12, disp=0)
    # Back to own units: linear in the parameters, so the covariance follows.
    back = np.zeros((design.shape[1], design.shape[1]))
    back[0, 0], back[0, 1:] = 1.0, -mean / scale
    back[np.arange(1, len(back)), np.arange(1, len(back))] = 1 / scale
    parameters = back @ fit.params
    errors = np.sqrt(np.diag(back @ fit.cov_params() @ back.T))
    half = norm.ppf(0.975) * errors[1:]
    return LogisticModel(
        terms=names,
        coefficients=parameters[1:],
        intercept=float(parameters[0]),
        standard_errors=errors[1:],
        p_values=2 * norm.sf(np.abs(parameters[1:] / errors[1:])),
        confidence=np.column_stack([parameters[1:] - half, parameters[1:] + half]),
        intercept_standard_error=float(errors[0]),
    )


def _separates(design: np.ndarray, y: np.ndarray) -> bool:
    """Whether some combination of the columns orders the classes, ties allowed (Konis 2007: a linear programme finds it)."""
    from scipy.optimize import linprog

    signed = design * np.where(y == 1, 1.0, -1.0)[:, None]
    found = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(y)), bounds=[(-1, 1)] * design.shape[1], method="highs")
    return bool(found.status == 0 and -found.fun > 1e-7)


def _ridge_path(values: np.ndarray, y: np.ndarray, strengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (strengths, terms) and intercepts (strengths,), in the terms' own units, by Newton from each solution to the next.

    Own code: hundreds of fits of a few terms each, where a library's checks take twenty times as long as the fits.
    """
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale = np.where(scale > 1e-12 * np.abs(values).max(axis=0), scale, 1.0)
    design = np.column_stack([np.ones(len(y)), (values - mean) / scale])
    parameters = np.zeros(design.shape[1])
    parameters[0] = np.log(y.mean() / (1 - y.mean()))
    solutions = np.empty((len(strengths), len(parameters)))
    for i, strength in enumerate(strengths):
        weights = np.r_[0.0, np.full(values.shape[1], strength)]
        parameters = solutions[i] = _newton_ridge(design, y, weights, parameters)
    coefficients = solutions[:, 1:] / scale
    return coefficients, solutions[:, 0] - coefficients @ mean


def _newton_ridge(design: np.ndarray, y: np.ndarray, weights: np.ndarray, parameters: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    def loss(candidate: np.ndarray) -> float:
        log_odds = design @ candidate
        return float((np.logaddexp(0, log_odds) - y * log_odds).mean() + weights @ candidate**2 / 2)

    value = loss(parameters)
    for _ in range(100):
        p = expit(design @ parameters)
        gradient = design.T @ (p - y) / len(y) + weights * parameters
        if np.abs(gradient).max() < 1e-10:
            break
        hessian = (design.T * (p * (1 - p))) @ design / len(y) + np.diag(weights)
        step = np.linalg.solve(hessian, gradient)
        candidate, lower = parameters - step, loss(parameters - step)
        while lower > value + 1e-14:
            step /= 2
            candidate, lower = parameters - step, loss(parameters - step)
        parameters, value = candidate, lower
    return parameters
