"""How far probabilities agree with what happened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .checks import check_outcome, check_probabilities, refuse_constant

_GROUPS = 10
_SPAN = 2 / 3


class HosmerLemeshow(NamedTuple):
    """Statistic of the test and its p."""

    chi2: float
    p: float


@dataclass(frozen=True)
class CalibrationCurve:
    """Smoothed share of patients with the outcome over the predicted probability.

    Attributes
    ----------
    predicted, observed : (distinct probabilities,), `predicted` rising; `observed` is a smooth and may leave [0, 1]
    """

    predicted: np.ndarray
    observed: np.ndarray


@dataclass(frozen=True)
class Calibration:
    """Agreement of probabilities with the outcome.

    Attributes
    ----------
    intercept : calibration in the large: intercept on the logit scale with the slope fixed at 1; 0 is perfect
    slope : of the logistic recalibration model; 1 is perfect, below 1 the probabilities are too extreme
    intercept_joint : intercept estimated together with the slope
    brier : mean squared difference of probability and outcome
    hosmer_lemeshow : goodness of fit over groups by deciles of the probability
    ece : expected calibration error over ten equal bins
    curve : LOWESS
    left_out : patients with a probability of exactly 0 or 1, who have no logit and are not in the first three figures
    """

    intercept: float
    slope: float
    intercept_joint: float
    brier: float
    hosmer_lemeshow: HosmerLemeshow
    ece: float
    curve: CalibrationCurve
    left_out: int


def calibration(y: Any, p: Any) -> Calibration:
    """Calibration of probabilities, in figures and as a curve.

    Probabilities of exactly 0 or 1 are left out of the logistic figures as R's rms::val.prob does, and counted. Where logits separate
    the outcome perfectly no finite slope exists: it is +inf (-inf when they do so the wrong way round) and the joint intercept NaN. Where
    leaving out leaves one kind of patient alone the intercept is +inf or -inf, and slope and joint intercept are NaN, as they are for
    logits that are all equal.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities, not all equal

    Raises
    ------
    CohortError
        naming the column and rows that cannot be used

    References
    ----------
    Cox, Biometrika 1958;45:562; Steyerberg, Clinical Prediction Models, ch. 15; Van Calster et al., BMC Med 2019;17:230; the figures are
    those of R's ``glm(y ~ offset(qlogis(p)), binomial)``, ``glm(y ~ qlogis(p), binomial)`` and rms::val.prob.
    """
    from scipy.special import logit
    from sklearn.metrics import brier_score_loss

    events = check_outcome(y)
    risk = check_probabilities(p, len(events))
    refuse_constant(risk, "Probability")
    inside = (risk > 0) & (risk < 1)
    log_odds = logit(risk[inside])
    slope, joint = _recalibration(events[inside], log_odds)
    return Calibration(
        intercept=_in_the_large(events[inside], log_odds),
        slope=slope,
        intercept_joint=joint,
        brier=float(brier_score_loss(events, risk)),
        hosmer_lemeshow=_hosmer_lemeshow(events, risk),
        ece=_expected_calibration_error(events, risk),
        curve=_lowess(events, risk),
        left_out=int((~inside).sum()),
    )


def _in_the_large(events: np.ndarray, log_odds: np.ndarray) -> float:
    """Root of ``sum(expit(a + log_odds)) = sum(events)``, the score equation of a GLM with an offset.

    It is bracketed by the logit of the prevalence less the largest and the smallest log odds, so that it is always found; iteratively
    reweighted least squares does not converge for probabilities that are far off.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    if not len(events):
        return math.nan
    prevalence = events.mean()
    target = float(logit(prevalence))
    if not math.isfinite(target):
        return target

    def excess(intercept: float) -> float:
        return float(expit(intercept + log_odds).mean() - prevalence)

    return float(brentq(excess, target - log_odds.max() - 1, target - log_odds.min() + 1, xtol=1e-13, rtol=1e-14))


def _recalibration(events: np.ndarray, log_odds: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of the logistic regression of the outcome on the log odds."""
    import statsmodels.api as sm

    if events.all() or not events.any() or log_odds.min() == log_odds.max():
        return math.nan, math.nan
    with_outcome, without = log_odds[events], log_odds[~events]
    if without.max() <= with_outcome.min():
        return math.inf, math.nan
    if with_outcome.max() <= without.min():
        return -math.inf, math.nan
    model = sm.GLM(events.astype(float), sm.add_constant(log_odds), family=sm.families.Binomial())
    with np.errstate(over="ignore"):
        intercept, slope = model.fit(tol=1e-10, tol_criterion="params").params
    return float(slope), float(intercept)


def _hosmer_lemeshow(events: np.ndarray, p: np.ndarray) -> HosmerLemeshow:
    """Hosmer-Lemeshow's test as R's ``ResourceSelection::hoslem.test(y, p, g = 10)``.

    Groups are the intervals, closed on the right, between R's (type 7) deciles of the probability; equal deciles fall together, so that
    equal probabilities share a group and there may be fewer than ten. The degrees of freedom are the groups that hold patients less 2; p
    is NaN below three. Defined here where R gives NaN: an interval without patients adds nothing. An event where none is expected gives an
    infinite statistic and p 0.
    """
    from scipy.stats import chi2

    inner = np.unique(_deciles(p))[1:-1]
    group = np.searchsorted(inner, p, side="left")
    counts = np.bincount(group)
    statistic = 0.0
    for outcome, expected_share in ((events, p), (~events, 1 - p)):
        observed, expected = (np.bincount(group, weights=w)[counts > 0] for w in (outcome, expected_share))
        off = (observed - expected) ** 2
        with np.errstate(over="ignore"):
            statistic += float(np.divide(off, expected, out=np.where(off > 0, math.inf, 0.0), where=expected > 0).sum())
    freedom = int((counts > 0).sum()) - 2
    return HosmerLemeshow(statistic, float(chi2.sf(statistic, freedom)) if freedom > 0 else math.nan)


def _deciles(p: np.ndarray) -> np.ndarray:
    """R's quantile(p, seq(0, 1, 0.1)) to the last bit: NumPy's rounding would put a probability at a limit into another group."""
    ordered = np.sort(p)
    index = 1 + (len(p) - 1) * (np.arange(_GROUPS + 1) * (1 / _GROUPS))
    below = np.floor(index)
    low, high = ordered[below.astype(int) - 1], ordered[np.ceil(index).astype(int) - 1]
    share = index - below
    return np.where(low == high, low, (1 - share) * low + share * high)


def _expected_calibration_error(events: np.ndarray, p: np.ndarray) -> float:
    """Mean over patients of the gap between mean probability and outcome in ten equal bins, closed on the right (Guo, ICML 2017)."""
    edges = np.linspace(0, 1, _GROUPS + 1)[1:-1]
    gap = np.bincount(np.searchsorted(edges, p, side="left"), weights=events - p)
    return float(np.abs(gap).sum() / len(p))


def _lowess(events: np.ndarray, p: np.ndarray) -> CalibrationCurve:
    """R's ``lowess(p, y, iter = 0)``, the smooth of rms::val.prob (Cleveland 1979), at the distinct probabilities."""
    from statsmodels.nonparametric.smoothers_lowess import lowess

    levels, first, where, counts = np.unique(p, return_index=True, return_inverse=True, return_counts=True)
    share = np.bincount(where, weights=events) / counts
    # Where equal probabilities fill a whole neighbourhood its width is 0: R takes their mean, statsmodels' value there means nothing and
    # must not be interpolated from.
    flat = counts >= int(_SPAN * len(p) + 1e-10)
    delta = 0.0 if flat.any() else 0.01 * (levels[-1] - levels[0])
    with np.errstate(invalid="ignore", divide="ignore"):
        smooth = lowess(events.astype(float), p, frac=_SPAN, it=0, delta=delta, return_sorted=False)[first]
    return CalibrationCurve(levels, np.where(flat | ~np.isfinite(smooth), share, smooth))
