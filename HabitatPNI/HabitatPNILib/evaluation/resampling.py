"""Resampling of the whole pipeline, whatever the pipeline is: repeated cross-validation, permutation test, learning curve.

Every driver takes the pipeline as ``fit(train_rows) -> predict``, where ``predict(rows)`` gives (rows,) scores, and rows are integers that
number the patients from 0. Everything that looks at the outcome or at other patients must happen inside `fit`. Cancelled, raised by the
progress callback, passes through, as does whatever `fit` raises unless a driver says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CohortError
from ..progress import Progress, no_progress
from .checks import check_outcome
from .discrimination import auc

Predict = Callable[[np.ndarray], np.ndarray]
Fit = Callable[[np.ndarray], Predict]


@dataclass(frozen=True)
class CrossValidation:
    """Repeated cross-validation.

    Attributes
    ----------
    auc : mean over all folds of all repeats
    repeat_aucs : (repeats,) means over the folds of each
    fold_aucs : (repeats, folds)
    scores : (repeats, patients) of each patient by the model that had not seen it; of another model in every fold, so not to be pooled
    fold_of : (repeats, patients) fold in which each patient was held out
    """

    auc: float
    repeat_aucs: np.ndarray
    fold_aucs: np.ndarray
    scores: np.ndarray
    fold_of: np.ndarray


@dataclass(frozen=True)
class PermutationTest:
    """AUC with the true labels, (repeats,) AUCs with shuffled ones, and the share (with the true one) that reaches the true one."""

    observed: float
    permuted: np.ndarray
    p: float


@dataclass(frozen=True)
class LearningCurve:
    """AUC by the number of training patients: on held-out patients and on the training patients themselves.

    Attributes
    ----------
    sizes : (sizes,) training patients
    held_out, apparent : (sizes,) means over folds and repeats
    held_out_aucs, apparent_aucs : (sizes, repeats * folds)
    """

    sizes: np.ndarray
    held_out: np.ndarray
    apparent: np.ndarray
    held_out_aucs: np.ndarray
    apparent_aucs: np.ndarray


def repeated_cv(fit: Fit, y: Any, folds: int = 5, repeats: int = 10, seed: int = 0, progress: Progress = no_progress) -> CrossValidation:
    """Repeated stratified cross-validation; nested where `fit` chooses its settings by a cross-validation of its own.

    The AUC is taken in each held-out fold and averaged over folds: scores of different models are never pooled.

    Parameters
    ----------
    fit : the pipeline (see the module)
    y : (patients,) outcome, 0 or 1
    folds, repeats : of the cross-validation
    seed : of the shuffles; repeat i of a seed holds out the same patients however many repeats follow

    Raises
    ------
    CohortError
        for an outcome that cannot be used, fewer than 2 patients of an outcome in a fold, or scores that are not finite; from `fit`
    """
    events = check_outcome(y)
    check_count("repeats", repeats)
    fold_of = np.array([_stratified_folds(events, folds, np.random.SeedSequence([seed, r])) for r in range(repeats)])
    scores = np.empty((repeats, len(events)))
    aucs = np.empty((repeats, folds))
    for r in range(repeats):
        for k in range(folds):
            progress((r * folds + k) / (repeats * folds), "Cross-validation")
            held_out = np.flatnonzero(fold_of[r] == k)
            scores[r, held_out] = scores_of(fit(np.flatnonzero(fold_of[r] != k)), held_out)
            aucs[r, k] = auc(events[held_out], scores[r, held_out])
    progress(1.0, "Cross-validation")
    return CrossValidation(float(aucs.mean()), aucs.mean(axis=1), aucs, scores, fold_of)


def permutation_test(
    auc_of: Callable[[np.ndarray], float], y: Any, repeats: int = 100, seed: int = 0, progress: Progress = no_progress
) -> PermutationTest:
    """Whether the pipeline's AUC could come from labels that mean nothing.

    Parameters
    ----------
    auc_of : the figure of the whole pipeline, fitted and evaluated anew for the labels (patients,) it is given, e.g. the nested AUC
    y : (patients,) outcome, 0 or 1
    repeats, seed : number of shuffles, and of their draw

    Raises
    ------
    CohortError
        for an outcome that cannot be used, or a figure that is not finite; from `auc_of`

    References
    ----------
    Phipson, Smyth, Stat Appl Genet Mol Biol 2010;9:39 (a p-value of permutations is never 0).
    """
    labels = check_outcome(y).astype(int)
    check_count("permutations", repeats)
    generator = np.random.default_rng(seed)
    progress(0.0, "Permutation test")
    observed = float(auc_of(labels))
    permuted = np.empty(repeats)
    for i in range(repeats):
        progress((i + 1) / (repeats + 1), "Permutation test")
        permuted[i] = auc_of(generator.permutation(labels))
    progress(1.0, "Permutation test")
    if not (np.isfinite(observed) and np.isfinite(permuted).all()):
        raise CohortError(f"The permuted figure is not finite in {int((~np.isfinite(permuted)).sum())} of {repeats} shuffles")
    return PermutationTest(observed, permuted, float((1 + (permuted >= observed - 1e-12).sum()) / (1 + repeats)))


def learning_curve(
    fit: Fit, y: Any, sizes: Sequence[int], folds: int = 5, repeats: int = 5, seed: int = 0, progress: Progress = no_progress
) -> LearningCurve:
    """AUC on held-out patients by the number of training patients.

    In every fold of a repeated stratified cross-validation the pipeline is fitted on growing parts of the training patients, each with
    the outcome's share kept and holding the smaller ones, and judged on the same held-out patients.

    Parameters
    ----------
    fit : the pipeline (see the module)
    y : (patients,) outcome, 0 or 1
    sizes : numbers of training patients, the largest at most the smallest training part
    folds, repeats, seed : as in `repeated_cv`

    Raises
    ------
    CohortError
        as in `repeated_cv`, or for a size that is too large or leaves fewer than 2 patients of an outcome
    """
    events = check_outcome(y)
    check_count("repeats", repeats)
    amounts = np.unique(np.asarray(sizes, dtype=int))
    fold_of = np.array([_stratified_folds(events, folds, np.random.SeedSequence([seed, r])) for r in range(repeats)])
    smallest = min(int((row != k).sum()) for row in fold_of for k in range(folds))
    share = min(events.mean(), 1 - events.mean())
    if not len(amounts) or amounts[-1] > smallest or int(amounts[0] * share) < 2:
        raise CohortError(
            f"Training sizes {', '.join(map(str, amounts)) or 'none'} do not fit: from {int(np.ceil(2 / share))} (2 patients of the rarer "
            f"outcome) to {smallest} (the smallest training part) are possible"
        )
    held_out_aucs, apparent_aucs = np.empty((2, len(amounts), repeats * folds))
    for split in range(repeats * folds):
        row = fold_of[split // folds]
        held_out = np.flatnonzero(row == split % folds)
        order = _spread_order(np.flatnonzero(row != split % folds), events, np.random.default_rng([seed, split]))
        for i, size in enumerate(amounts):
            progress((split * len(amounts) + i) / (repeats * folds * len(amounts)), "Learning curve")
            rows = np.sort(order[:size])
            predict = fit(rows)
            held_out_aucs[i, split] = auc(events[held_out], scores_of(predict, held_out))
            apparent_aucs[i, split] = auc(events[rows], scores_of(predict, rows))
    progress(1.0, "Learning curve")
    return LearningCurve(amounts, held_out_aucs.mean(axis=1), apparent_aucs.mean(axis=1), held_out_aucs, apparent_aucs)


def _spread_order(rows: np.ndarray, events: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """`rows` shuffled so that every beginning of them holds the outcome in the share of the whole."""
    shuffled = generator.permutation(rows)
    place = np.empty(len(rows))
    for present in (True, False):
        mine = events[shuffled] == present
        place[mine] = (np.arange(mine.sum()) + 0.5) / mine.sum()
    return shuffled[np.argsort(place, kind="stable")]


def _stratified_folds(events: np.ndarray, folds: int, seed: np.random.SeedSequence) -> np.ndarray:
    from sklearn.model_selection import StratifiedKFold

    if folds < 2:
        raise CohortError(f"Cross-validation needs at least 2 folds, not {folds}")
    rarer = int(min(events.sum(), (~events).sum()))
    if rarer < 2 * folds:
        raise CohortError(f"Only {rarer} patients of the rarer outcome: {folds} folds would leave fewer than 2 in a fold; use fewer folds")
    fold_of = np.empty(len(events), dtype=int)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=int(seed.generate_state(1)[0]))
    for number, (_, held_out) in enumerate(splitter.split(events, events)):
        fold_of[held_out] = number
    return fold_of


def check_count(what: str, count: int) -> None:
    """CohortError for a number of repetitions below 1."""
    if count < 1:
        raise CohortError(f"{count} {what} are too few: at least 1 is needed")


def scores_of(predict: Predict, rows: np.ndarray) -> np.ndarray:
    """(rows,) finite scores, or CohortError naming the rows."""
    scores = np.asarray(predict(rows), dtype=np.float64)
    if scores.shape != rows.shape:
        raise CohortError(f"The pipeline gave scores of shape {scores.shape} for {len(rows)} patients")
    wrong = rows[~np.isfinite(scores)]
    if len(wrong):
        raise CohortError(
            f"The pipeline's score is missing or infinite for {len(wrong)} patients (first rows: {', '.join(map(str, wrong[:5]))})"
        )
    return scores
