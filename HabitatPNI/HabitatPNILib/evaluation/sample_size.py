"""How many patients a prediction model of a yes/no outcome needs, and how many events there are for each candidate parameter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import CohortError

TRUSTED = "trust nested and held-out figures"
"""What to go by where parameters are many for the patients: there the bootstrap correction removes too little optimism as well."""

_OPTIMISM = 0.05
_MARGIN = 0.05
_PREDICTION_ERROR = 0.05
_FEW_EVENTS = 10.0
_NODES = 120


@dataclass(frozen=True)
class SampleSize:
    """Least numbers of patients, one a criterion.

    Attributes
    ----------
    n : the largest of the four below
    for_shrinkage : to shrink coefficients by no more than asked
    for_optimism : to keep apparent and adjusted Nagelkerke R2 within 0.05
    for_prevalence : to know the overall risk within +- 0.05
    for_prediction_error : to keep the mean absolute error of the probabilities at 0.05; an approximation made for up to 30 parameters
    events, events_per_parameter : expected among `n` patients
    r_squared, r_squared_max : Cox-Snell R2 assumed, and the highest that the prevalence allows
    """

    n: int
    for_shrinkage: int
    for_optimism: int
    for_prevalence: int
    for_prediction_error: int
    events: float
    events_per_parameter: float
    r_squared: float
    r_squared_max: float


@dataclass(frozen=True)
class EventsPerParameter:
    """Patients of the rarer outcome for each candidate parameter; `warning` is empty at 10 or more (Peduzzi 1996)."""

    events: int
    parameters: int
    ratio: float
    warning: str


def riley_sample_size(
    parameters: int, prevalence: float, r_squared: float | None = None, auc: float | None = None, shrinkage: float = 0.9
) -> SampleSize:
    """Least number of patients to develop a model (Riley et al. 2019, doi 10.1002/sim.7992; 2020, doi 10.1136/bmj.m441).

    The first three criteria are those of R's ``pmsampsize``; the fourth is the guidance's second step (van Smeden et al. 2019,
    doi 10.1177/0962280218784726).

    Parameters
    ----------
    parameters : candidate parameters, counted before any selection that looks at the outcome
    prevalence : expected share of patients with the outcome
    r_squared : expected Cox-Snell R2 of the model; or
    auc : expected AUC, turned into R2 by `r_squared_of_auc`
    shrinkage : least uniform shrinkage factor accepted

    Raises
    ------
    CohortError
        for values out of range, or an R2 above what the prevalence allows or the shrinkage admits
    """
    if parameters < 1:
        raise CohortError(f"A model needs at least 1 candidate parameter, not {parameters}")
    _check_share("prevalence", prevalence, 0.0, 1.0)
    _check_share("shrinkage", shrinkage, 0.0, 1.0)
    if (r_squared is None) == (auc is None):
        raise ValueError("give either r_squared or auc")
    expected = r_squared if r_squared is not None else r_squared_of_auc(float(auc or 0.0), prevalence)
    highest = 1 - math.exp(2 * (prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence)))
    if not 0 < expected < min(highest, shrinkage):
        raise CohortError(
            f"A Cox-Snell R2 of {expected:.3f} is out of range: above 0, below {highest:.3f} (the highest at a prevalence of "
            f"{prevalence:.3f}) and below the shrinkage {shrinkage:g}"
        )

    def at(least: float) -> int:
        return math.ceil(parameters / ((least - 1) * math.log1p(-expected / least)))

    sizes = (
        at(shrinkage),
        at(expected / (expected + _OPTIMISM * highest)),
        math.ceil((1.96 / _MARGIN) ** 2 * prevalence * (1 - prevalence)),
        _for_prediction_error(parameters, prevalence),
    )
    n = max(sizes)
    return SampleSize(n, *sizes, n * prevalence, n * prevalence / parameters, expected, highest)


def r_squared_of_auc(auc: float, prevalence: float) -> float:
    """Cox-Snell R2 of a calibrated model with this AUC (Riley et al. 2021, doi 10.1002/sim.8806), by quadrature instead of simulation.

    The linear predictor is taken as normal with equal variance in both groups of patients.

    Raises
    ------
    CohortError
        when `auc` is not above 0.5 and below 1, or `prevalence` not between 0 and 1
    """
    from scipy.special import log_expit, ndtri

    _check_share("AUC", auc, 0.5, 1.0)
    _check_share("prevalence", prevalence, 0.0, 1.0)
    distance = math.sqrt(2) * float(ndtri(auc))
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    base = math.log(prevalence / (1 - prevalence)) - distance**2 / 2
    with_outcome = weights @ log_expit(base + distance * (nodes + distance))
    without = weights @ log_expit(-(base + distance * nodes))
    null = prevalence * math.log(prevalence) + (1 - prevalence) * math.log1p(-prevalence)
    return float(-np.expm1(2 * (null - prevalence * with_outcome - (1 - prevalence) * without)))


def events_per_parameter(events: int, non_events: int, parameters: int) -> EventsPerParameter:
    """Patients of the rarer outcome for each candidate parameter (Peduzzi et al. 1996, doi 10.1016/S0895-4356(96)00236-3).

    Parameters
    ----------
    events, non_events : patients with and without the outcome
    parameters : candidate parameters, counted before any selection that looks at the outcome

    Raises
    ------
    CohortError
        for negative counts or no parameter
    """
    if parameters < 1 or min(events, non_events) < 0:
        raise CohortError(
            f"Events per parameter need at least 1 parameter and no negative counts, not {events} events, {non_events} non-events and "
            f"{parameters} parameters"
        )
    rarer = min(events, non_events)
    ratio = rarer / parameters
    warning = ""
    if ratio < _FEW_EVENTS:
        warning = (
            f"{rarer} patients of the rarer outcome for {parameters} candidate parameters are {ratio:.2g} for each, fewer than "
            f"{_FEW_EVENTS:g}: expect optimism, shrink the coefficients and {TRUSTED}"
        )
    return EventsPerParameter(rarer, parameters, ratio, warning)


def _for_prediction_error(parameters: int, prevalence: float) -> int:
    rarer = min(prevalence, 1 - prevalence)
    logarithm = -0.508 + 0.259 * math.log(rarer) + 0.504 * math.log(parameters) - math.log(_PREDICTION_ERROR)
    return math.ceil(math.exp(logarithm / 0.544))


def _check_share(name: str, value: float, low: float, high: float) -> None:
    if not low < value < high:
        raise CohortError(f"The {name} must lie above {low:g} and below {high:g}, not at {value:g}")
