"""How much of a study's figures is optimism: apparent beside nested, bootstrap, permutation, learning curve, planted leak."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CohortError
from ..evaluation.calibration import calibration
from ..evaluation.discrimination import auc
from ..evaluation.optimism import BootstrapFits, Dot632Plus, Optimism, bootstrap_fits, dot632_plus_auc, harrell
from ..evaluation.resampling import (
    CrossValidation,
    Fit,
    LearningCurve,
    PermutationTest,
    Predict,
    learning_curve,
    permutation_test,
    repeated_cv,
)
from ..learning.pipeline import MODEL_COMBINED
from ..progress import Progress, no_progress, part
from ..protocol import Protocol
from .data import StudyData
from .fits import FitBook, Learnable
from .fold_habitats import FoldHabitats
from .leaks import LeakCheck, ShuffledLabels, planted_leak, separating_columns
from .plan import StudyPlan

if TYPE_CHECKING:
    import pandas as pd

_HABITATS_SHARE = 0.2
_LEAST_IN_PART = 6


@dataclass(frozen=True)
class Honesty:
    """Figures of the training split alone; AUCs unless said otherwise, mappings by model.

    Attributes
    ----------
    apparent : of the pipeline on the rows it was fitted on
    nested : repeated nested cross-validation; habitats are those of the whole training split, which never saw an outcome
    nested_habitats : the same folds with habitats learned inside each fold; None where that was not done
    optimism : Harrell's bootstrap correction
    dot632 : the .632+ estimate
    calibration_optimism : bootstrap correction of the combined model's calibration slope by the median of in-sample less in-all slope, over
        the samples with finite ones; NaN where there is none
    permutation : of the combined model's nested AUC (one repeat): labels shuffled, clinical values and features left as they are
    permuted_selected : (permutations,) share of each shuffle's folds in which features were selected
    bootstrap_selected : share of the bootstrap samples in which features were selected
    leak : the pipeline under shuffled labels, a planted leak, and columns that separate the outcome alone
    learning : combined model by the number of training patients; None when the plan leaves it out or there are too few patients
    fits : of the whole pipeline behind all this
    no_nested_habitats : why there are no `nested_habitats`, for the report; empty where there are
    """

    apparent: pd.Series
    nested: Mapping[str, CrossValidation]
    nested_habitats: Mapping[str, CrossValidation] | None
    optimism: Mapping[str, Optimism]
    dot632: Mapping[str, Dot632Plus]
    calibration_optimism: Optimism
    permutation: PermutationTest
    permuted_selected: np.ndarray
    bootstrap_selected: float
    leak: LeakCheck
    learning: LearningCurve | None
    fits: int
    no_nested_habitats: str = ""


def run_honesty(data: StudyData, plan: StudyPlan, folder: Path, progress: Progress = no_progress) -> Honesty:
    """Resample the whole pipeline on the training split; internal and external cases take no part.

    Parameters
    ----------
    folder : where fits are kept; a stopped study goes on where it was

    Raises
    ------
    CohortError
        when there are too few patients of an outcome for the plan's folds, or the prepared volumes of a case are not there any more
    """
    training = data.rows("training")
    features, clinical, y = data.features.loc[training], data.clinical.loc[training], data.y.loc[training].to_numpy()
    book = FitBook(Learnable(features, clinical, data.protocol), y, folder, plan.jobs)
    check_patients(y, plan)
    table_of, fits_progress = None, progress
    reason = _no_nested_habitats(data, plan)
    if not reason:
        makes = FoldHabitats(features, data.extraction, folder, plan.jobs)
        table_of = _habitats_of_folds(makes, book, training, y, plan, part(progress, 0.0, _HABITATS_SHARE))
        fits_progress = part(progress, _HABITATS_SHARE, 1.0)
    suspects = separating_columns(features, clinical, y)
    found = book.resampled(lambda: _figures(book, features, y, plan, data.protocol, table_of, suspects), fits_progress)
    return replace(found, no_nested_habitats=reason)


def _no_nested_habitats(data: StudyData, plan: StudyPlan) -> str:
    """Why habitats are not learned inside the folds; empty where they are."""
    if data.extraction.centroids is None:
        return "every patient is clustered alone, so that there is nothing to learn from others"
    if not plan.habitat_repeats:
        return "the plan leaves it out (0 habitat repeats)"
    if not data.extraction.prepared:
        return "the extraction names no prepared volumes to learn from; run habitatpni extract again"
    return ""


def learning_sizes(y: np.ndarray, plan: StudyPlan, protocol: Protocol) -> tuple[int, ...]:
    """Training sizes of the learning curve, evenly spaced up to the smallest training part; none where there is no room for two.

    The smallest holds 2 patients of the rarer outcome for each of the protocol's inner folds once a fold of the cross-fitting is left out.
    """
    events = int(min(y.sum(), len(y) - y.sum()))
    inner = 2 * protocol.selection.folds / (1 - 1 / protocol.combined.folds)
    low = int(np.ceil(np.ceil(inner + 1) * len(y) / events))
    high = len(y) - -(-len(y) // plan.folds) - 1
    sizes = np.unique(np.linspace(low, high, plan.learning_sizes).round().astype(int)) if low < high and plan.learning_sizes else ()
    return tuple(int(size) for size in sizes) if len(sizes) > 1 else ()


def check_patients(y: np.ndarray, plan: StudyPlan) -> None:
    """Refuse too few patients: every radscore would be empty, and the figures those of an empty model.

    Parameters
    ----------
    y : (patients,) outcome of the training patients, 0 or 1

    Raises
    ------
    CohortError
        saying how many there are and how many are needed
    """
    rarer = int(min(y.sum(), len(y) - y.sum()))
    left = rarer - -(-rarer // plan.folds)
    if left < _LEAST_IN_PART:
        raise CohortError(
            f"Only {rarer} training patients of the rarer outcome: {plan.folds} folds leave {left} to learn from, and a cross-validation "
            f"within a cross-validation needs {_LEAST_IN_PART}; add patients or take more folds"
        )


def _habitats_of_folds(
    makes: FoldHabitats, book: FitBook, training: pd.Index, y: np.ndarray, plan: StudyPlan, progress: Progress
) -> Callable[[np.ndarray], str]:
    """Name of the features of each fold of the plan's first repeats, by its training rows."""
    asked: list[np.ndarray] = []

    def note(rows: np.ndarray) -> Predict:
        asked.append(rows)
        return lambda which: np.zeros(len(which))

    repeated_cv(note, y, plan.folds, plan.habitat_repeats, plan.seed)
    names = {}
    for i, rows in enumerate(asked):
        step = part(progress, i / len(asked), (i + 1) / len(asked))
        table = makes.table([str(case) for case in training[rows]], step)
        names[rows.tobytes()] = book.add_features(table)
    return lambda rows: names[rows.tobytes()]


def _figures(
    book: FitBook,
    features: pd.DataFrame,
    y: np.ndarray,
    plan: StudyPlan,
    protocol: Protocol,
    table_of: Callable[[np.ndarray], str] | None,
    suspects: pd.Series,
) -> Honesty:
    import pandas as pd

    in_samples: list[bool] = []
    fits = {model: bootstrap_fits(book.fit(model), y, plan.bootstrap, plan.seed) for model in book.models}
    fits[MODEL_COMBINED] = bootstrap_fits(_counting(book, in_samples), y, plan.bootstrap, plan.seed)
    permutation, selected = _permutation(book, y, plan)
    sizes = learning_sizes(y, plan, protocol)
    return Honesty(
        apparent=pd.Series({model: auc(y, found.apparent) for model, found in fits.items()}),
        nested={m: repeated_cv(book.fit(m), y, plan.folds, plan.repeats, plan.seed) for m in book.models},
        nested_habitats={m: repeated_cv(book.fit(m, None, table_of), y, plan.folds, plan.habitat_repeats, plan.seed) for m in book.models}
        if table_of
        else None,
        optimism={model: harrell(found) for model, found in fits.items()},
        dot632={model: dot632_plus_auc(found) for model, found in fits.items()},
        calibration_optimism=_slope_optimism(fits[MODEL_COMBINED]),
        permutation=permutation,
        permuted_selected=selected,
        bootstrap_selected=float(np.mean(in_samples[1:])),
        leak=LeakCheck(ShuffledLabels(permutation.permuted), planted_leak(book, features, y, plan, protocol), suspects),
        learning=learning_curve(book.fit(MODEL_COMBINED), y, sizes, plan.folds, 1, plan.seed) if sizes else None,
        fits=book.size,
    )


def _permutation(book: FitBook, y: np.ndarray, plan: StudyPlan) -> tuple[PermutationTest, np.ndarray]:
    """The test, and the share of each shuffle's folds in which features were selected."""
    shares: list[float] = []

    def auc_of(labels: np.ndarray) -> float:
        selected: list[bool] = []
        found = repeated_cv(_counting(book, selected, labels), labels, plan.folds, 1, plan.seed)
        shares.append(float(np.mean(selected)))
        return found.auc

    test = permutation_test(auc_of, y, plan.permutations, plan.seed)
    return test, np.array(shares[1:])


def _counting(book: FitBook, selected: list[bool], labels: np.ndarray | None = None) -> Fit:
    """Fits of the combined model that note in `selected` whether features were selected."""
    fit = book.fit(MODEL_COMBINED, labels)

    def on_rows(rows: np.ndarray) -> Predict:
        selected.append(book.fitted(rows, labels).n_selected > 0)
        return fit(rows)

    return on_rows


def _slope_optimism(fits: BootstrapFits) -> Optimism:
    """Correction of the calibration slope over the samples in which it is finite, by the median of the differences.

    Not by Harrell's mean: a sample whose model is nearly constant has a slope of any size, and one such sample would be the mean.
    """
    every = harrell(fits, _slope)
    finite = np.isfinite(every.in_sample) & np.isfinite(every.in_all)
    in_sample, in_all = every.in_sample[finite], every.in_all[finite]
    optimism = float(np.median(in_sample - in_all)) if finite.any() else np.nan
    return Optimism(every.apparent, optimism, every.apparent - optimism, in_sample, in_all)


def _slope(y: np.ndarray, log_odds: np.ndarray) -> float:
    """Calibration slope; NaN where none is finite, as of a model that tells its patients apart without a mistake."""
    from scipy.special import expit

    p = expit(log_odds)
    slope = calibration(y, p).slope if p.min() < p.max() else np.nan
    return slope if np.isfinite(slope) else np.nan
