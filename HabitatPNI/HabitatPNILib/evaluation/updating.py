"""Which update a model's calibration needs in a site's own patients: none, another intercept, or another intercept and slope."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..errors import CohortError
from .calibration import Calibration, calibration

Method = Literal["closed", "intercept", "slope"]
PATIENTS_PER_PARAMETER = 10
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Candidate:
    """One way to update: new log odds are ``intercept + slope * log odds``.

    Parameters
    ----------
    name : ``original``, ``intercept`` (slope fixed at 1) or ``slope`` (both estimated)
    intercept_se, slope_se : standard errors; 0 for what is not estimated
    log_likelihood : of the site's patients
    """

    name: str
    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    log_likelihood: float


@dataclass(frozen=True)
class LikelihoodRatio:
    """Test of the most extensive candidate against a smaller one."""

    larger: str
    smaller: str
    chi2: float
    df: int
    p: float


@dataclass(frozen=True)
class Update:
    """What a site's patients say about a model's calibration, and the update taken.

    Parameters
    ----------
    candidates : those for which there are enough patients
    tests : likelihood-ratio tests in the order made; none where the method was given
    chosen : the update taken
    patients, events : of the site
    before, after : calibration of the original and the updated probabilities in the same patients
    brier_left_out : Brier score with every patient left out of his own update
    auc : of the log odds; an update does not change it
    """

    candidates: tuple[Candidate, ...]
    tests: tuple[LikelihoodRatio, ...]
    chosen: Candidate
    patients: int
    events: int
    before: Calibration
    after: Calibration
    brier_left_out: float
    auc: float


def choose_update(y: Any, log_odds: Any, method: Method = "closed") -> Update:
    """Choose between the original model, a new intercept, and a new intercept and slope.

    ``closed`` is the closed testing procedure of Vergouwe et al. (Stat Med 2017;36:4529, doi 10.1002/sim.7179) without its last
    candidate, the revision of every coefficient: the most extensive candidate is tested against the original model, which is kept unless
    p < .05; then against the new intercept, which is taken unless p < .05. An estimated parameter takes 10 patients with and 10
    without the outcome (the events per variable of Peduzzi et al., J Clin Epidemiol 1996;49:1373): below 10 nothing is estimated,
    below 20 no slope.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    log_odds : (patients,) of the original model

    Raises
    ------
    CohortError
        for outcomes or log odds that cannot be used, too few patients, or a slope that is not above 0 or not finite
    """
    from scipy.special import expit
    from sklearn.metrics import brier_score_loss, roc_auc_score

    events, lp = _checked(y, log_odds)
    rarer = int(min(events.sum(), len(events) - events.sum()))
    wanted = 2 if method == "slope" else 1
    if rarer < wanted * PATIENTS_PER_PARAMETER:
        needed = wanted * PATIENTS_PER_PARAMETER
        what = "intercept and slope" if wanted == 2 else "intercept"
        instead = "; recalibrate the intercept alone (--method intercept)" if wanted == 2 and rarer >= PATIENTS_PER_PARAMETER else ""
        raise CohortError(
            f"{int(events.sum())} of {len(events)} patients have the outcome: a new {what} needs at least {needed} patients with it and as "
            f"many without{instead}"
        )
    before = calibration(events, expit(lp))
    candidates = [Candidate("original", 0.0, 1.0, 0.0, 0.0, _log_likelihood(events, lp)), _intercept_alone(events, lp, before.intercept)]
    if method == "slope" or (method == "closed" and rarer >= 2 * PATIENTS_PER_PARAMETER):
        candidates.append(_intercept_and_slope(events, lp, before))
    tests: tuple[LikelihoodRatio, ...] = ()
    chosen = candidates[-1]
    if method == "closed":
        chosen, tests = _closed_test(candidates)
    if chosen.slope <= 0:
        raise CohortError(
            f"The slope in these patients is {chosen.slope:.3f}: the model ranks them no better than chance or the wrong way round, which "
            "no recalibration mends; check the outcome's coding, or train a model of your own"
        )
    return Update(
        candidates=tuple(candidates),
        tests=tests,
        chosen=chosen,
        patients=len(events),
        events=int(events.sum()),
        before=before,
        after=calibration(events, expit(chosen.intercept + chosen.slope * lp)),
        brier_left_out=float(brier_score_loss(events, expit(_left_out(events, lp, chosen)))),
        auc=float(roc_auc_score(events, lp)),
    )


def _checked(y: Any, log_odds: Any) -> tuple[np.ndarray, np.ndarray]:
    events, lp = np.asarray(y, dtype=float), np.asarray(log_odds, dtype=float)
    if events.shape != lp.shape or events.ndim != 1:
        raise CohortError(f"{events.size} outcomes and {lp.size} log odds: one of each is needed for every patient")
    if not np.isin(events, [0, 1]).all():
        raise CohortError("Outcome must be 0 or 1 in every patient")
    if not np.isfinite(lp).all():
        raise CohortError("Log odds must be finite in every patient: a probability of exactly 0 or 1 has none")
    if len(lp) and lp.min() == lp.max():
        raise CohortError("The model gives every patient the same probability: nothing can be recalibrated")
    return events.astype(int), lp


def _intercept_alone(events: np.ndarray, lp: np.ndarray, start: float) -> Candidate:
    (intercept,), (error,) = _newton(np.ones((len(lp), 1)), lp, events, [start])
    return Candidate("intercept", intercept, 1.0, error, 0.0, _log_likelihood(events, intercept + lp))


def _intercept_and_slope(events: np.ndarray, lp: np.ndarray, start: Calibration) -> Candidate:
    if not math.isfinite(start.slope):
        raise CohortError(
            "The log odds separate patients with and without the outcome perfectly, so that no finite slope exists; "
            "recalibrate the intercept alone (--method intercept)"
        )
    design = np.column_stack([np.ones(len(lp)), lp])
    beta, error = _newton(design, np.zeros(len(lp)), events, [start.intercept_joint, start.slope])
    return Candidate("slope", beta[0], beta[1], error[0], error[1], _log_likelihood(events, design @ beta))


def _newton(design: np.ndarray, offset: np.ndarray, events: np.ndarray, start: list[float]) -> tuple[list[float], list[float]]:
    """Maximum-likelihood coefficients of a logistic model with an offset and their standard errors, from a start near them."""
    from scipy.special import expit

    beta = np.array(start, dtype=float)
    for _ in range(25):
        p = expit(offset + design @ beta)
        information = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.solve(information, design.T @ (events - p))
        beta = beta + step
        if np.abs(step).max() < 1e-12:
            break
    return beta.tolist(), np.sqrt(np.diag(np.linalg.inv(information))).tolist()


def _left_out(events: np.ndarray, lp: np.ndarray, chosen: Candidate) -> np.ndarray:
    """Updated log odds of every patient, by the chosen kind of update estimated without him."""
    if chosen.name == "original":
        return lp
    result = np.empty(len(lp))
    for i in range(len(lp)):
        kept = np.arange(len(lp)) != i
        if chosen.name == "intercept":
            (a,), _ = _newton(np.ones((len(lp) - 1, 1)), lp[kept], events[kept], [chosen.intercept])
            result[i] = a + lp[i]
        else:
            design = np.column_stack([np.ones(len(lp) - 1), lp[kept]])
            (a, b), _ = _newton(design, np.zeros(len(lp) - 1), events[kept], [chosen.intercept, chosen.slope])
            result[i] = a + b * lp[i]
    return result


def _closed_test(candidates: list[Candidate]) -> tuple[Candidate, tuple[LikelihoodRatio, ...]]:
    from scipy.stats import chi2

    largest, tests = candidates[-1], []
    for number, smaller in enumerate(candidates[:-1]):
        statistic = max(0.0, 2 * (largest.log_likelihood - smaller.log_likelihood))
        freedom = len(candidates) - 1 - number
        tests.append(LikelihoodRatio(largest.name, smaller.name, statistic, freedom, float(chi2.sf(statistic, freedom))))
        if tests[-1].p >= SIGNIFICANT:
            return smaller, tuple(tests)
    return largest, tuple(tests)


def _log_likelihood(events: np.ndarray, lp: np.ndarray) -> float:
    return float(-np.logaddexp(0.0, np.where(events == 1, -lp, lp)).sum())
