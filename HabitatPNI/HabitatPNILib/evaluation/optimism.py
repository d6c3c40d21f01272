"""How much of a model's figure is optimism: bootstrap refits of the whole pipeline, Harrell's correction and the .632+ estimate.

The pipeline is given as in `resampling`. A bootstrap sample names a row as often as it was drawn: a cross-validation inside `fit` must keep
the copies of a patient in one fold, for which the rows that `fit` is given serve as its groups.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import CohortError
from ..progress import Progress, no_progress
from .checks import check_outcome
from .discrimination import auc
from .resampling import Fit, check_count, scores_of

Metric = Callable[[np.ndarray, np.ndarray], float]
Loss = Callable[[np.ndarray, np.ndarray], np.ndarray]

_MOST_FAILED = 0.1
_REDRAWS = 100


@dataclass(frozen=True)
class BootstrapFits:
    """The pipeline fitted on all patients and on bootstrap samples of them: what `harrell` and the .632+ estimators are made of.

    Attributes
    ----------
    y : (patients,) 0 and 1
    apparent : (patients,) scores of the pipeline fitted on all
    counts : (samples, patients) how often each patient was drawn
    scores : (samples, patients) scores of all patients by the pipeline fitted on that sample
    failed : one line a sample on which the pipeline could not be fitted; these are not among the samples
    """

    y: np.ndarray
    apparent: np.ndarray
    counts: np.ndarray
    scores: np.ndarray
    failed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Optimism:
    """Bootstrap correction: ``corrected = apparent - optimism``; `optimism` is the mean (Harrell) of (samples,) ``in_sample - in_all``.

    Whoever takes another middle of the samples than `harrell` does has to say so wherever it is shown.
    """

    apparent: float
    optimism: float
    corrected: float
    in_sample: np.ndarray
    in_all: np.ndarray


@dataclass(frozen=True)
class Dot632Plus:
    """Efron and Tibshirani's .632+ estimate.

    Attributes
    ----------
    apparent : on the patients the pipeline was fitted on
    left_out : on patients that were not in the bootstrap sample
    no_information : what a pipeline gives whose outcome has nothing to do with the features
    overfitting : relative overfitting rate, 0 to 1
    weight : of the figure on left-out patients, .632 to 1
    estimate : weighted mean of apparent and left-out figure
    """

    apparent: float
    left_out: float
    no_information: float
    overfitting: float
    weight: float
    estimate: float


def brier_loss(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(patients,) squared error of probabilities."""
    return (p - y) ** 2


def bootstrap_fits(fit: Fit, y: Any, samples: int = 200, seed: int = 0, progress: Progress = no_progress) -> BootstrapFits:
    """Fit the pipeline on all patients, then on bootstrap samples of them, and score all patients with each.

    A sample without 2 different patients of each outcome is drawn anew. A sample on which `fit` raises CohortError is left out and its
    reason kept; more than a tenth of such samples is an error. Cancelled, and anything else, passes through.

    Parameters
    ----------
    fit : the pipeline (see the module)
    y : (patients,) outcome, 0 or 1
    samples, seed : number of bootstrap samples, and of their draw

    Raises
    ------
    CohortError
        for an outcome that cannot be used, a pipeline that fails on too many samples, or scores that are not finite
    """
    events = check_outcome(y, each=2)
    check_count("bootstrap samples", samples)
    patients = len(events)
    everybody = np.arange(patients)
    generator = np.random.default_rng(seed)
    progress(0.0, "Bootstrap")
    apparent = scores_of(fit(everybody), everybody)
    counts, scores, failed = [], [], []
    for i in range(samples):
        progress((i + 1) / (samples + 1), "Bootstrap")
        rows = _sample(generator, events)
        try:
            of_sample = scores_of(fit(rows), everybody)
        except CohortError as error:
            failed.append(str(error))
            continue
        counts.append(np.bincount(rows, minlength=patients))
        scores.append(of_sample)
    if len(failed) > _MOST_FAILED * samples:
        raise CohortError(f"The pipeline could not be fitted on {len(failed)} of {samples} bootstrap samples; the first time: {failed[0]}")
    progress(1.0, "Bootstrap")
    return BootstrapFits(events.astype(int), apparent, np.array(counts), np.array(scores), tuple(failed))


def harrell(fits: BootstrapFits, metric: Metric = auc) -> Optimism:
    """Bootstrap correction of a figure for optimism.

    Optimism is the mean over samples of the figure on the sample (copies counted) less the figure of the same model on all patients.

    Parameters
    ----------
    fits : from `bootstrap_fits`
    metric : of (outcome, score), e.g. `auc`

    References
    ----------
    Harrell, Lee, Mark, Stat Med 1996;15:361; R's ``rms::validate(method = "boot")``.
    """
    y = fits.y
    apparent = metric(y, fits.apparent)
    in_sample = np.array([metric(y.repeat(n), s.repeat(n)) for n, s in zip(fits.counts, fits.scores, strict=True)])
    in_all = np.array([metric(y, score) for score in fits.scores])
    optimism = float((in_sample - in_all).mean())
    return Optimism(float(apparent), optimism, float(apparent) - optimism, in_sample, in_all)


def dot632_plus(fits: BootstrapFits, loss: Loss = brier_loss) -> Dot632Plus:
    """.632+ estimate of the mean of a loss of single patients; lower is better.

    The left-out figure is the leave-one-out bootstrap: the mean over patients of their mean loss over the samples without them.

    Parameters
    ----------
    fits : from `bootstrap_fits`
    loss : of (outcome, score), patient by patient, e.g. `brier_loss`

    Raises
    ------
    CohortError
        when no patient was ever left out

    References
    ----------
    Efron, Tibshirani, J Am Stat Assoc 1997;92:548; R's ``ipred::errorest(estimator = "632plus")``.
    """
    out = fits.counts == 0
    times = out.sum(axis=0)
    if not times.any():
        raise CohortError("No patient was left out of any bootstrap sample: more samples are needed for the .632+ estimate")
    losses = np.where(out, [loss(fits.y, score) for score in fits.scores], 0.0).sum(axis=0)
    left_out = float((losses[times > 0] / times[times > 0]).mean())
    apparent = float(loss(fits.y, fits.apparent).mean())
    no_information = float(np.mean([loss(np.full(len(fits.y), outcome), fits.apparent).mean() for outcome in fits.y]))
    shown = min(left_out, no_information)
    overfitting = (shown - apparent) / (no_information - apparent) if shown > apparent else 0.0
    found = _dot632(apparent, shown, no_information, overfitting)
    beyond = 0.632 * (left_out - shown)  # equation 32 of the source bounds the left-out figure in the correction alone
    return replace(found, left_out=left_out, estimate=found.estimate + beyond)


def dot632_plus_auc(fits: BootstrapFits) -> Dot632Plus:
    """.632+ estimate of the AUC; without information it is 0.5, and a left-out AUC below counts as 0.5.

    The left-out figure is the mean over samples of the AUC on the patients not drawn; samples that leave only one outcome out are passed
    over.

    Parameters
    ----------
    fits : from `bootstrap_fits`

    Raises
    ------
    CohortError
        when no sample leaves patients of both outcomes out

    References
    ----------
    Sahiner, Chan, Hadjiiski, Med Phys 2008;35:1559 (.632+ of the AUC).
    """
    aucs = []
    for counts, scores in zip(fits.counts, fits.scores, strict=True):
        out = counts == 0
        if 0 < fits.y[out].sum() < out.sum():
            aucs.append(auc(fits.y[out], scores[out]))
    if not aucs:
        raise CohortError("No bootstrap sample leaves out patients with and without the outcome: more samples or patients are needed")
    left_out, apparent = float(np.mean(aucs)), auc(fits.y, fits.apparent)
    shown = max(left_out, 0.5)
    overfitting = (apparent - shown) / (apparent - 0.5) if shown < apparent else 0.0
    return replace(_dot632(apparent, shown, 0.5, overfitting), left_out=left_out)


def _dot632(apparent: float, left_out: float, no_information: float, overfitting: float) -> Dot632Plus:
    weight = 0.632 / (1 - 0.368 * overfitting)
    return Dot632Plus(apparent, left_out, no_information, overfitting, weight, (1 - weight) * apparent + weight * left_out)


def _sample(generator: np.random.Generator, events: np.ndarray) -> np.ndarray:
    for _ in range(_REDRAWS):
        rows = generator.integers(len(events), size=len(events))
        distinct = np.unique(rows)
        if 2 <= events[distinct].sum() <= len(distinct) - 2:
            return rows
    raise CohortError(
        f"Bootstrap samples of {len(events)} patients hold fewer than 2 of an outcome again and again: more patients are needed"
    )
