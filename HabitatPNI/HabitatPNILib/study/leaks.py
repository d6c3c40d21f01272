"""Whether a study leaks: the pipeline on labels that mean nothing, beside one with a leak planted on purpose that must be caught."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.discrimination import auc
from ..evaluation.resampling import repeated_cv
from ..features.table import columns_of
from ..learning.pipeline import MODEL_COMBINED
from .fits import FitBook
from .plan import StudyPlan

if TYPE_CHECKING:
    import pandas as pd

    from ..protocol import Protocol

BAND = 0.05
STANDARD_ERRORS = 2.576
SHUFFLES = 5
SEPARATES = 0.98
_CHANCE = 0.05


@dataclass(frozen=True)
class ShuffledLabels:
    """Cross-validated AUCs of a pipeline under labels that were shuffled, (shuffles,)."""

    aucs: np.ndarray

    @property
    def mean(self) -> float:
        """Mean AUC."""
        return float(self.aucs.mean())

    @property
    def standard_error(self) -> float:
        """Standard deviation of the shuffles' AUCs (divisor n - 1) over the root of their number."""
        return float(self.aucs.std(ddof=1) / np.sqrt(len(self.aucs)))

    @property
    def flagged(self) -> bool:
        """Whether it leaks.

        Both must hold: the mean AUC lies outside .5 +- .05 (on either side), and it lies more than 2.576 standard errors from .5 (99 % of
        a normal distribution). Small cohorts scatter: a mean within the band is no proof that nothing leaks, only that it is too little
        to matter.
        """
        away = abs(self.mean - 0.5)
        return bool(away > BAND and away > STANDARD_ERRORS * self.standard_error)


@dataclass(frozen=True)
class LeakCheck:
    """What the leak checks found.

    Attributes
    ----------
    pipeline : the study's pipeline; it must not be flagged
    planted : the same behind a screen of features that saw all labels; it must be flagged, else the check has no power here
    suspects : AUC by column that alone separates the outcome; usually such a column was made from the outcome
    """

    pipeline: ShuffledLabels
    planted: ShuffledLabels
    suspects: pd.Series

    @property
    def passed(self) -> bool:
        """The planted leak was caught, the pipeline has none, and no column separates the outcome alone."""
        return self.planted.flagged and not self.pipeline.flagged and self.suspects.empty


def planted_leak(book: FitBook, features: pd.DataFrame, y: np.ndarray, plan: StudyPlan, protocol: Protocol) -> ShuffledLabels:
    """Cross-validation of the combined model on shuffled labels, its features screened beforehand with everybody's labels.

    The screen keeps the features of the highest F-statistic over all patients, those to be held out among them; everything after it is
    the study's own pipeline. It is the error that made noise look like a signature (Ambroise, McLachlan, PNAS 2002;99:6562).

    Parameters
    ----------
    book : of the study's fits
    features : (patients, columns) of the study
    y : (patients,) outcome; its first shuffles are those of `evaluation.permutation_test` with the plan's seed
    """
    generator = np.random.default_rng(plan.seed)
    aucs = []
    for _ in range(min(SHUFFLES, plan.permutations)):
        labels = generator.permutation(y)
        name = book.add_features(features[screened_with_all_labels(features, labels, protocol)])
        aucs.append(repeated_cv(book.fit(MODEL_COMBINED, labels, name), labels, plan.folds, 1, plan.seed).auc)
    return ShuffledLabels(np.array(aucs))


def screened_with_all_labels(features: pd.DataFrame, labels: np.ndarray, protocol: Protocol) -> list[str]:
    """Columns of the highest F-statistic in each region: one in twenty, 2 to ``selection.mrmr_features``."""
    kept: list[str] = []
    for region in protocol.regions:
        columns = columns_of(features, region=region)
        count = int(np.clip(len(columns) // 20, 2, max(2, protocol.selection.mrmr_features)))
        strength = _correlation(features[columns].to_numpy(dtype=float), labels)
        kept += [columns[i] for i in np.argsort(-strength, kind="stable")[:count]]
    return kept


def separating_columns(features: pd.DataFrame, clinical: pd.DataFrame, y: np.ndarray) -> pd.Series:
    """AUC by column of those that alone separate the outcome.

    A column is named when its AUC, turned so that it is at least .5, reaches .98, and the Mann-Whitney test finds that chance would not
    give it among so many columns (p below .05 over their number). Patients without a value are left out.

    Parameters
    ----------
    features : (patients, columns)
    clinical : (patients, candidates)
    y : (patients,) outcome, 0 or 1
    """
    import pandas as pd
    from scipy.stats import mannwhitneyu

    y = np.asarray(y)
    columns = features.shape[1] + clinical.shape[1]
    found = {}
    for table in (clinical, features):
        for name, area in _areas(table, y).items():
            if max(area, 1 - area) < SEPARATES:
                continue
            values = table[name].to_numpy(dtype=float)
            there = ~np.isnan(values)
            p = mannwhitneyu(values[there & (y == 1)], values[there & (y == 0)]).pvalue
            if p < _CHANCE / columns:
                found[str(name)] = max(area, 1 - area)
    return pd.Series(found, dtype=float)


def _areas(table: pd.DataFrame, y: np.ndarray) -> dict[Any, float]:
    """AUC by column; columns whose patients with a value are all of one kind are left out."""
    values = table.to_numpy(dtype=float)
    missing = np.isnan(values)
    areas = {}
    for i, name in enumerate(table.columns):
        there = ~missing[:, i]
        if 0 < y[there].sum() < there.sum():
            areas[name] = auc(y[there], values[there, i])
    return areas


def _correlation(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(columns,) absolute correlation with the labels, which orders them as the F-statistic does; 0 for a constant column."""
    there = ~np.isnan(values)
    count = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, values, 0.0)
    centred = np.where(there, values - filled.sum(axis=0) / count, 0.0)
    outcome = np.where(there, labels[:, None] - (there * labels[:, None]).sum(axis=0) / count, 0.0)
    norm = np.sqrt((centred**2).sum(axis=0) * (outcome**2).sum(axis=0))
    return np.divide(np.abs((centred * outcome).sum(axis=0)), norm, out=np.zeros(len(count)), where=norm > 1e-12)
