"""How well a score ranks patients, and how well a threshold on it calls them, with confidence intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..errors import CohortError
from ..progress import Progress, no_progress
from .checks import check_level, check_outcome, check_predicted, check_scores

# Differences of shares or probabilities below this are rounding.
_ROUNDING = 1e-12


class Interval(NamedTuple):
    """Confidence limits."""

    low: float
    high: float


@dataclass(frozen=True)
class AucResult:
    """Area under the ROC curve, its confidence limits and DeLong's variance."""

    auc: float
    low: float
    high: float
    variance: float


class DelongResult(NamedTuple):
    """Normal deviate of the difference ``AUC a - AUC b`` and its two-sided p."""

    z: float
    p: float


@dataclass(frozen=True)
class ConfusionMetrics:
    """Figures of a 2 x 2 table; one whose denominator is 0 is NaN, as is its interval.

    Attributes
    ----------
    accuracy, sensitivity, specificity, ppv, npv, f1 : shares between 0 and 1
    intervals : confidence limits by the name of the figure
    tp, fp, fn, tn : counts
    """

    accuracy: float
    sensitivity: float
    specificity: float
    ppv: float
    npv: float
    f1: float
    intervals: Mapping[str, Interval]
    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold, the patient at or above it being called positive, and the calls it makes."""

    threshold: float
    sensitivity: float
    specificity: float
    metrics: ConfusionMetrics


@dataclass(frozen=True)
class BootstrapResult:
    """A statistic, its percentile limits, and the resamples on which it was defined."""

    estimate: float
    low: float
    high: float
    resamples: int


def auc(y: Any, score: Any) -> float:
    """Area under the ROC curve; ties count half, so that a constant score has 0.5.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1, both present
    score : (patients,) finite, of any scale; neither is checked here
    """
    from scipy.stats import rankdata

    events = np.asarray(y, dtype=bool)
    count = int(events.sum())
    above = rankdata(score)[events].sum() - count * (count + 1) / 2
    return float(above / (count * (len(events) - count)))


def auc_ci(y: Any, score: Any, level: float = 0.95) -> AucResult:
    """Area under the ROC curve with DeLong's variance.

    Higher scores are taken to mean the outcome; the direction is never turned. The limits are ``auc +- z * sqrt(variance)`` cut off at
    0 and 1, as pROC::ci.auc has them. Perfect ranking has variance 0 and the limits (1, 1): no more can be said from such data.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    score : (patients,) finite, of any scale
    level : of the confidence interval

    Raises
    ------
    CohortError
        for an outcome or score that cannot be used (naming the rows), or fewer than 2 patients with or without the outcome

    References
    ----------
    DeLong, DeLong, Clarke-Pearson, Biometrics 1988;44:837. Computed from midranks in O(n log n): Sun, Xu, IEEE Signal Process Lett
    2014;21:1389.
    """
    from scipy.special import ndtri

    check_level(level)
    events = check_outcome(y, each=2)
    of_events, of_others = _placements(events, check_scores(score, len(events)))
    area, variance = float(of_events.mean()), _variance(of_events, of_others)
    half = float(ndtri((1 + level) / 2)) * math.sqrt(variance)
    return AucResult(area, max(0.0, area - half), min(1.0, area + half), variance)


def delong_test(y: Any, score_a: Any, score_b: Any) -> DelongResult:
    """Two-sided test of equal AUCs of two scores of the same patients.

    For held-out patients scored by one model each: scores pooled over cross-validation folds come from different models and break its
    assumptions. Scores that rank alike give z 0 and p 1; a difference without variance gives an infinite z and p 0.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    score_a, score_b : (patients,) finite, each of any scale

    Raises
    ------
    CohortError
        as in `auc_ci`

    References
    ----------
    As in `auc_ci`; pROC::roc.test(paired = TRUE, method = "delong").
    """
    events = check_outcome(y, each=2)
    a = _placements(events, check_scores(score_a, len(events), "Score A"))
    b = _placements(events, check_scores(score_b, len(events), "Score B"))
    of_events, of_others = a[0] - b[0], a[1] - b[1]
    return DelongResult(*normal_test(float(of_events.mean()), _variance(of_events, of_others)))


def normal_test(difference: float, variance: float) -> tuple[float, float]:
    """Deviate and two-sided p of a difference of shares; without variance (0, 1) for no difference and (+-inf, 0) for any."""
    from scipy.special import ndtr

    if variance > _ROUNDING**2:
        z = difference / math.sqrt(variance)
    else:
        z = math.copysign(math.inf, difference) if abs(difference) > _ROUNDING else 0.0
    return z, float(2 * ndtr(-abs(z)))


def confusion_metrics(y: Any, predicted: Any, level: float = 0.95) -> ConfusionMetrics:
    """Accuracy, sensitivity, specificity, predictive values and F1 of calls, with Wilson's intervals.

    F1 is no share of patients: its limits are those of Wilson for ``j = tp / (tp + fp + fn)``, carried over by ``f1 = 2 j / (1 + j)``.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    predicted : (patients,) calls, 0 or 1; all may be alike
    level : of the confidence intervals

    Raises
    ------
    CohortError
        naming the rows that are missing or neither 0 nor 1

    References
    ----------
    Wilson, J Am Stat Assoc 1927;22:209; F1: Lam, Gopal, Qian, arXiv:2309.14621 (Wilson indirect).
    """
    from sklearn.metrics import confusion_matrix

    check_level(level)
    events = check_outcome(y)
    called = check_predicted(predicted, len(events))
    tn, fp, fn, tp = (int(count) for count in confusion_matrix(events, called, labels=[False, True]).ravel())
    shares = {
        "accuracy": (tp + tn, len(events)),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    values = {name: count / of if of else math.nan for name, (count, of) in shares.items()}
    intervals = {name: _wilson(count, of, level) for name, (count, of) in shares.items()}
    overlap = _wilson(tp, tp + fp + fn, level)
    intervals["f1"] = Interval(*(2 * limit / (1 + limit) for limit in overlap))
    return ConfusionMetrics(**values, f1=2 * tp / (2 * tp + fp + fn), intervals=intervals, tp=tp, fp=fp, fn=fn, tn=tn)


def operating_point(y: Any, score: Any, rule: str | float = "youden") -> OperatingPoint:
    """A threshold on the score and what it calls.

    A threshold found from the data lies half-way between two neighbouring scores, as pROC's do, so that rounding moves nobody across it.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    score : (patients,) finite
    rule : ``"youden"`` takes the highest sensitivity + specificity, of equal ones the lowest (most sensitive) threshold;
        ``"sensitivity>=0.9"`` the highest threshold that still has this sensitivity; a number is the threshold itself

    Raises
    ------
    CohortError
        for a column that cannot be used (naming the rows), another rule, or scores that rank no better than chance at any threshold

    References
    ----------
    Youden, Cancer 1950;3:32; pROC::coords.
    """
    events = check_outcome(y)
    scores = check_scores(score, len(events))
    threshold = _threshold(events, scores, rule)
    metrics = confusion_metrics(events, scores >= threshold)
    return OperatingPoint(threshold, metrics.sensitivity, metrics.specificity, metrics)


def bootstrap_ci(
    y: Any,
    score: Any,
    statistic: Callable[[np.ndarray, np.ndarray], float] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    progress: Progress = no_progress,
) -> BootstrapResult:
    """Percentile interval of a statistic over stratified resamples of the patients.

    Patients with and without the outcome are drawn apart, so that their numbers stay. Resamples in which the statistic is not finite
    are left out and counted off.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    score : (patients,) finite
    statistic : of (outcome of 0 and 1, score); the AUC when not given
    level : of the confidence interval
    resamples : how many
    seed : of the draws

    Raises
    ------
    CohortError
        for a column that cannot be used (naming the rows), or a statistic that is defined in fewer than half of the resamples

    References
    ----------
    Efron, Tibshirani, An Introduction to the Bootstrap, ch. 13; pROC::ci.auc(method = "bootstrap", boot.stratified = TRUE).
    """
    check_level(level)
    if resamples < 1:
        raise CohortError(f"{resamples} resamples give no interval: at least 1, better 2000, are needed")
    events = check_outcome(y)
    scores = check_scores(score, len(events))
    measure = auc if statistic is None else statistic
    outcome = events.astype(int)
    groups = [np.flatnonzero(events), np.flatnonzero(~events)]
    generator = np.random.default_rng(seed)
    found = np.empty(resamples)
    rows = np.empty(len(events), dtype=int)
    for i in range(resamples):
        for group in groups:
            rows[group] = generator.choice(group, len(group))
        found[i] = measure(outcome, scores[rows])
        progress((i + 1) / resamples, "Bootstrap")
    found = found[np.isfinite(found)]
    if 2 * len(found) < resamples:
        raise CohortError(
            f"The statistic is defined in only {len(found)} of {resamples} resamples: too few patients for a bootstrap interval"
        )
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return BootstrapResult(float(measure(outcome, scores)), float(low), float(high), len(found))


def _placements(events: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of the others below each event, and of the events above each other patient; ties count half."""
    from scipy.stats import rankdata

    ranks = rankdata(score)
    count = int(events.sum())
    of_events = (ranks[events] - rankdata(score[events])) / (len(events) - count)
    of_others = 1 - (ranks[~events] - rankdata(score[~events])) / count
    return of_events, of_others


def _variance(of_events: np.ndarray, of_others: np.ndarray) -> float:
    return float(of_events.var(ddof=1) / len(of_events) + of_others.var(ddof=1) / len(of_others))


def _wilson(count: int, of: int, level: float) -> Interval:
    from statsmodels.stats.proportion import proportion_confint

    if not of:
        return Interval(math.nan, math.nan)
    low, high = proportion_confint(count, of, 1 - level, "wilson")
    return Interval(float(low), float(high))


def _threshold(events: np.ndarray, scores: np.ndarray, rule: str | float) -> float:
    from sklearn.metrics import roc_curve

    if not isinstance(rule, str):
        if not math.isfinite(rule):
            raise CohortError(f"Threshold {rule} is not a finite number")
        return float(rule)
    false_positive, sensitivity, thresholds = roc_curve(events, scores, drop_intermediate=False)
    wanted = re.fullmatch(r"\s*sensitivity\s*>=\s*([0-9.]+)\s*", rule)
    if wanted:
        least = _number_in(wanted[1], rule)
        index = int(np.argmax(sensitivity >= least - 1e-12))
    elif rule == "youden":
        gain = sensitivity - false_positive
        index = int(np.flatnonzero(gain >= gain.max() - 1e-12)[-1])
        if gain.max() <= 1e-12:
            raise CohortError("The scores rank no better than chance at any threshold: Youden's rule finds none")
    else:
        raise CohortError(f"Unknown rule {rule!r} for an operating point: give 'youden', 'sensitivity>=0.9' or a threshold")
    levels = np.unique(scores)
    position = int(np.searchsorted(levels, thresholds[index]))
    if position == 0:
        return float(levels[0])
    middle = (levels[position - 1] + levels[position]) / 2
    # Between two neighbouring floating-point numbers there is no middle.
    return float(middle if middle > levels[position - 1] else levels[position])


def _number_in(text: str, rule: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= 1:
        raise CohortError(f"Rule {rule!r} asks for a sensitivity that is no share: give one above 0 and at most 1, e.g. 'sensitivity>=0.9'")
    return value
