"""Time to an event: survival curves, the log-rank test, Cox regression and concordance of a signature."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import CohortError
from .checks import check_level

_SHOWN = 5
_MOST_GROUPS = 10
_INFINITE = 15.0  # log hazard ratio per standard deviation, or its standard error: no finite estimate lies beyond


@dataclass(frozen=True)
class KaplanMeier:
    """Survival curve, in the time unit given.

    Attributes
    ----------
    times : (steps,) event times, rising; none without events
    at_risk, events : (steps,) patients under observation just before each time, and events at it
    survival, standard_error : (steps,) Kaplan-Meier estimate and Greenwood's standard error
    low, high : (steps,) confidence limits, of the log of survival; NaN, like the standard error, where survival is 0
    censored : (censored patients,) their times, rising
    median, median_low, median_high : time at which survival falls to one half, and where its limits do; inf where they do not
    """

    times: np.ndarray
    at_risk: np.ndarray
    events: np.ndarray
    survival: np.ndarray
    standard_error: np.ndarray
    low: np.ndarray
    high: np.ndarray
    censored: np.ndarray
    median: float
    median_low: float
    median_high: float


class LogRank(NamedTuple):
    """Chi-square of the log-rank test, its degrees of freedom (groups - 1) and p."""

    chi2: float
    degrees: int
    p: float


@dataclass(frozen=True)
class CoxModel:
    """Proportional hazards model.

    Attributes
    ----------
    terms : names
    coefficients, standard_errors : (terms,) log hazard ratio a unit of the term
    hazard_ratios, low, high : (terms,) and their Wald confidence limits
    z, p : (terms,) Wald test
    log_likelihood, log_likelihood_null : partial, with and without the terms
    likelihood_ratio, likelihood_ratio_p : test of all terms together
    patients, events : counts
    """

    terms: tuple[str, ...]
    coefficients: np.ndarray
    standard_errors: np.ndarray
    hazard_ratios: np.ndarray
    low: np.ndarray
    high: np.ndarray
    z: np.ndarray
    p: np.ndarray
    log_likelihood: float
    log_likelihood_null: float
    likelihood_ratio: float
    likelihood_ratio_p: float
    patients: int
    events: int


@dataclass(frozen=True)
class Concordance:
    """Harrell's C, its standard error and confidence limits (cut off at 0 and 1), and the pairs it was counted from."""

    concordance: float
    standard_error: float
    low: float
    high: float
    concordant: int
    discordant: int
    tied: int


def kaplan_meier(time: Any, event: Any, level: float = 0.95) -> KaplanMeier:
    """Kaplan-Meier estimate with limits on the log scale, as R's ``survival::survfit`` gives by default.

    Without events there is no step, and the median is inf.

    Parameters
    ----------
    time : (patients,) time to the event or to the end of observation, at least 0
    event : (patients,) 1 where the event came, 0 where observation ended without it
    level : of the confidence interval

    Raises
    ------
    CohortError
        for missing or impossible values, naming the column and rows

    References
    ----------
    Kaplan, Meier, J Am Stat Assoc 1958;53:457.
    """
    from scipy.special import ndtri
    from statsmodels.duration.survfunc import SurvfuncRight

    check_level(level)
    time, event = _check(time, event)
    censored = np.sort(time[~event])
    if not event.any():
        none = np.empty(0)
        return KaplanMeier(none, none.astype(int), none.astype(int), none, none, none, none, censored, math.inf, math.inf, math.inf)
    curve = SurvfuncRight(time, event.astype(int))
    step = curve.n_events > 0
    survival = np.asarray(curve.surv_prob)[step]
    error = np.where(survival > 0, np.asarray(curve.surv_prob_se)[step], np.nan)
    half = float(ndtri((1 + level) / 2)) * error / np.where(survival > 0, survival, np.nan)
    low, high = survival * np.exp(-half), np.minimum(1.0, survival * np.exp(half))
    times = np.asarray(curve.surv_times)[step]
    return KaplanMeier(
        times,
        np.asarray(curve.n_risk)[step].astype(int),
        np.asarray(curve.n_events)[step].astype(int),
        survival,
        error,
        low,
        high,
        censored,
        *(_time_at_half(times, limit) for limit in (survival, low, high)),
    )


def kaplan_meier_groups(time: Any, event: Any, group: Any, level: float = 0.95) -> dict[Any, KaplanMeier]:
    """`kaplan_meier` of every group, by the group's label in rising order; errors as there and in `logrank`."""
    time, event = _check(time, event)
    labels, of_patient = _check_group(group, len(time))
    return {label: kaplan_meier(time[of_patient == i], event[of_patient == i], level) for i, label in enumerate(labels)}


def risk_groups(signature: Any, cut: float) -> np.ndarray:
    """(patients,) "high" where the signature is at least `cut` and "low" elsewhere; the cut-off comes from training, or p means little.

    Raises
    ------
    CohortError
        for missing values, or a cut-off that leaves one group empty
    """
    values = _numbers(signature, "signature")
    _refuse(~np.isfinite(values), "signature", "missing or not a finite number")
    high = values >= cut
    if high.all() or not high.any():
        raise CohortError(f"The cut-off {cut:g} puts all {len(values)} patients into the {'high' if high.all() else 'low'} group")
    return np.where(high, "high", "low")


def logrank(time: Any, event: Any, group: Any) -> LogRank:
    """Log-rank test of equal survival in 2 to 10 groups, as R's ``survival::survdiff``.

    Parameters
    ----------
    time, event : as in `kaplan_meier`
    group : (patients,) labels

    Raises
    ------
    CohortError
        for impossible values (naming the column and rows), one group only, more than 10 (a continuous signature: see `risk_groups`), or
        no event

    References
    ----------
    Mantel, Cancer Chemother Rep 1966;50:163.
    """
    from statsmodels.duration.survfunc import survdiff

    time, event = _check(time, event)
    labels, of_patient = _check_group(group, len(time))
    if len(labels) < 2:
        raise CohortError(f"All {len(time)} patients are in the group {labels[0]}: the log-rank test compares at least 2")
    _need_events(event, "the log-rank test")
    try:
        chi2, p = survdiff(time, event.astype(int), of_patient)
    except np.linalg.LinAlgError:
        chi2 = p = math.nan
    if not math.isfinite(chi2):
        raise CohortError("The groups are never under observation at the same event: the log-rank test has nothing to compare")
    return LogRank(float(chi2), len(labels) - 1, float(p))


def cox(time: Any, event: Any, signature: Any, level: float = 0.95) -> CoxModel:
    """Cox regression with Efron's handling of ties, as R's ``survival::coxph``.

    Parameters
    ----------
    time, event : as in `kaplan_meier`
    signature : (patients,) values, or a table (patients, terms) of numbers
    level : of the confidence intervals

    Raises
    ------
    CohortError
        for impossible values (naming the column and rows), a constant term, no event, or terms that order the events perfectly or repeat
        each other (no finite hazard ratio)

    References
    ----------
    Cox, J R Stat Soc B 1972;34:187; Efron, J Am Stat Assoc 1977;72:557.
    """
    from scipy.special import chdtrc, ndtr, ndtri
    from statsmodels.duration.hazard_regression import PHReg
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    check_level(level)
    time, event = _check(time, event)
    terms, values = _terms(signature, len(time))
    _need_events(event, "Cox regression")
    scale = values.std(axis=0)
    model = PHReg(time, (values - values.mean(axis=0)) / scale, event.astype(int), ties="efron")
    names = ", ".join(terms)
    unstable = CohortError(
        f"No finite hazard ratio of {names}: these terms order the events perfectly or repeat each other; use fewer terms"
    )
    if np.linalg.matrix_rank(model.exog) < len(terms):
        raise unstable
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            fit = model.fit(method="newton", maxiter=100)
    except (np.linalg.LinAlgError, ConvergenceWarning):
        raise unstable from None
    errors = np.asarray(fit.bse)
    if not np.isfinite(errors).all() or max(np.abs(fit.params).max(), errors.max()) > _INFINITE:
        raise unstable
    coefficients, errors = fit.params / scale, errors / scale
    half = float(ndtri((1 + level) / 2)) * errors
    with_terms, without = float(fit.llf), float(model.loglike(np.zeros(len(terms))))
    ratio = max(0.0, 2 * (with_terms - without))
    z = coefficients / errors
    return CoxModel(
        terms,
        coefficients,
        errors,
        np.exp(coefficients),
        np.exp(coefficients - half),
        np.exp(coefficients + half),
        z,
        2 * ndtr(-np.abs(z)),
        with_terms,
        without,
        ratio,
        float(chdtrc(len(terms), ratio)),
        len(time),
        int(event.sum()),
    )


def concordance(time: Any, event: Any, signature: Any, level: float = 0.95) -> Concordance:
    """Harrell's C: how often, of two patients, the one with the higher signature has the event first; ties of the signature count half.

    A pair counts where the earlier time is an event; of equal times, where one is an event and the other is not. The standard error is
    the infinitesimal jackknife. As R's ``survival::concordance(Surv(time, event) ~ signature, reverse = TRUE)``.

    Parameters
    ----------
    time, event : as in `kaplan_meier`
    signature : (patients,) finite; higher means an earlier event
    level : of the confidence interval

    Raises
    ------
    CohortError
        for impossible values (naming the column and rows), or where no pair can be compared

    References
    ----------
    Harrell et al., JAMA 1982;247:2543; Therneau, vignette "Concordance" of the R package survival.
    """
    from scipy.special import ndtri

    check_level(level)
    time, event = _check(time, event)
    values = _numbers(signature, "signature", len(time))
    _refuse(~np.isfinite(values), "signature", "missing or not a finite number")
    agree, disagree, tie = (np.zeros(len(time)) for _ in range(3))
    for i in np.flatnonzero(event):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        for counts, found in (
            (agree, later & (values < values[i])),
            (disagree, later & (values > values[i])),
            (tie, later & (values == values[i])),
        ):
            counts += found
            counts[i] += found.sum()
    pairs = agree + disagree + tie
    total = pairs.sum() / 2
    if not total:
        raise CohortError("No two patients can be compared: no event comes before the end of another patient's observation")
    c = (agree + tie / 2).sum() / 2 / total
    error = math.sqrt((((agree + tie / 2 - c * pairs) / total) ** 2).sum())
    half = float(ndtri((1 + level) / 2)) * error
    counts_of = (int(count.sum() / 2) for count in (agree, disagree, tie))
    return Concordance(float(c), error, max(0.0, float(c) - half), min(1.0, float(c) + half), *counts_of)


def _time_at_half(times: np.ndarray, survival: np.ndarray) -> float:
    """First time at which the curve lies at one half or below; half-way to the next step where it runs along one half."""
    below = np.flatnonzero(survival <= 0.5 + 1e-12)
    if not len(below):
        return math.inf
    first = below[0]
    if abs(survival[first] - 0.5) < 1e-12 and first + 1 < len(times):
        return float(times[first] + times[first + 1]) / 2
    return float(times[first])


def _check(time: Any, event: Any) -> tuple[np.ndarray, np.ndarray]:
    times = _numbers(time, "time")
    if not len(times):
        raise CohortError("Column time is empty: there are no patients")
    events = _numbers(event, "event", len(times))
    _refuse(~(np.isfinite(times) & (times >= 0)), "time", "missing, infinite or negative")
    _refuse((events != 0) & (events != 1), "event", "neither 0 nor 1")
    return times, events == 1


def _check_group(group: Any, patients: int) -> tuple[list[Any], np.ndarray]:
    import pandas as pd

    column = pd.Series(np.asarray(group).ravel() if not isinstance(group, pd.Series) else group.to_numpy())
    if len(column) != patients:
        raise CohortError(f"Column group has {len(column)} rows for {patients} patients")
    _refuse(column.isna().to_numpy(), "group", "missing")
    of_patient, labels = pd.factorize(column, sort=True)
    if len(labels) > _MOST_GROUPS:
        raise CohortError(f"Column group has {len(labels)} different values: cut a continuous signature into groups first (risk_groups)")
    return list(labels), of_patient


def _terms(signature: Any, patients: int) -> tuple[tuple[str, ...], np.ndarray]:
    import pandas as pd

    table = signature if isinstance(signature, pd.DataFrame) else pd.DataFrame(np.asarray(signature))
    names = tuple(str(name) for name in table.columns)
    if not isinstance(signature, pd.DataFrame):
        names = ("signature",) if len(names) == 1 else tuple(f"term {name}" for name in names)
    columns = [_numbers(table.iloc[:, i], name, patients) for i, name in enumerate(names)]
    for name, values in zip(names, columns, strict=True):
        _refuse(~np.isfinite(values), name, "missing or not a finite number")
        if values.min() == values.max():
            raise CohortError(f"Column {name} is {values[0]:g} in all {patients} rows: a constant term has no hazard ratio")
    return names, np.column_stack(columns)


def _need_events(event: np.ndarray, what: str) -> None:
    if not event.any():
        raise CohortError(f"Column event is 0 in all {len(event)} rows: {what} needs events")


def _numbers(column: Any, name: str, patients: int | None = None) -> np.ndarray:
    """(patients,) float64; what is not a number becomes NaN."""
    import pandas as pd

    values = np.asarray(column)
    if values.ndim != 1 or (patients is not None and len(values) != patients):
        wanted = "one value a patient is" if patients is None else f"{patients} values, one a patient, are"
        raise CohortError(f"Column {name} has shape {values.shape}: {wanted} needed")
    return pd.to_numeric(pd.Series(values), errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)


def _refuse(wrong: np.ndarray, name: str, what: str) -> None:
    if wrong.any():
        rows = ", ".join(str(row) for row in np.flatnonzero(wrong)[:_SHOWN])
        raise CohortError(f"Column {name} is {what} in {wrong.sum()} of {len(wrong)} rows (first rows: {rows}): mend or leave them out")
