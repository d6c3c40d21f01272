"""What the tables and figures of a study rest on: every case scored once by every model of the one fitted pipeline."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort import SPLITS
from ..evaluation.discrimination import AucResult, auc_ci

if TYPE_CHECKING:
    import pandas as pd

    from ..learning.pipeline import FittedPipeline
    from .data import StudyData

SPLIT_LABELS = {"training": "Training", "internal": "Internal validation", "external": "External validation"}
HELD_OUT = ("internal", "external")
TRUTH = "true_probability"
TRUTH_LABEL = "True probability (the phantom's law)"
LEAST_PATIENTS = 2

SLOPE_CORRECTED = "optimism-corrected by the median"
"""What stands beside a calibration slope corrected by `honesty`: not Harrell's mean."""

APPARENT_NOTE = (
    "Training figures are apparent: the models are judged on the patients they were fitted on, and image models with thousands of "
    "candidate features look far better there than they are."
)


@dataclass(frozen=True)
class StudyScores:
    """Scores of all analysed cases by the models of one fitted pipeline.

    Attributes
    ----------
    data, fitted : the study, and the pipeline that was fitted on its training cases
    log_odds, probabilities : (cases, models)
    """

    data: StudyData
    fitted: FittedPipeline
    log_odds: pd.DataFrame
    probabilities: pd.DataFrame

    @property
    def models(self) -> tuple[str, ...]:
        """Models in the study's order."""
        return tuple(str(model) for model in self.log_odds.columns)

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Splits with cases, training first."""
        return tuple(split for split in SPLITS if self._where(split).any())

    @property
    def held_out(self) -> tuple[str, ...]:
        """Splits with cases that no model has seen."""
        return tuple(split for split in self.splits if split in HELD_OUT)

    @property
    def truth(self) -> pd.Series | None:
        """(cases,) probability by the law that made the outcome, of a phantom study; None for patients."""
        return self.data.cohort.loc[self.log_odds.index, TRUTH] if TRUTH in self.data.cohort else None

    def outcome(self, split: str) -> np.ndarray:
        """(cases,) 0 and 1 of a split."""
        return self._outcome[self._where(split)]

    def score(self, split: str, model: str) -> np.ndarray:
        """(cases,) log odds of a split by a model."""
        return self.log_odds[model].to_numpy(dtype=float)[self._where(split)]

    def risk(self, split: str, model: str) -> np.ndarray:
        """(cases,) probabilities of a split by a model."""
        return self.probabilities[model].to_numpy(dtype=float)[self._where(split)]

    @cached_property
    def _outcome(self) -> np.ndarray:
        return self.data.y.to_numpy(dtype=int)

    @cached_property
    def _split(self) -> np.ndarray:
        return self.data.cohort["split"].to_numpy(dtype=object)

    def _where(self, split: str) -> np.ndarray:
        return self._split == split

    def can_compare(self, split: str) -> bool:
        """Whether a split has enough patients with and without the outcome for an interval."""
        return can_rank(self.outcome(split))

    def varies(self, split: str, model: str) -> bool:
        """Whether a model tells any two patients of a split apart."""
        return bool(np.ptp(self.score(split, model)) > 0)


def study_scores(data: StudyData, fitted: FittedPipeline) -> StudyScores:
    """Score every analysed case of a study."""
    models = list(data.models)
    log_odds = fitted.log_odds(data.features, data.clinical)[models]
    probabilities = fitted.probabilities(data.features, data.clinical)[models]
    return StudyScores(data, fitted, log_odds, probabilities)


def can_rank(y: np.ndarray) -> bool:
    """Whether there are at least 2 patients with and 2 without the outcome."""
    events = int(y.sum())
    return min(events, len(y) - events) >= LEAST_PATIENTS


def auc_or_none(y: np.ndarray, score: Any) -> AucResult:
    """AUC with DeLong's interval; NaN with too few patients of a kind, 0.5 without interval for a score that is the same for all."""
    if not can_rank(y):
        return AucResult(math.nan, math.nan, math.nan, math.nan)
    values = np.asarray(score, dtype=float)
    if np.ptp(values) == 0:
        return AucResult(0.5, math.nan, math.nan, math.nan)
    return auc_ci(y, values)


def figures(name: str, value: float, low: float = math.nan, high: float = math.nan) -> dict[str, float]:
    """A number and its limits as the columns ``name, name_low, name_high``."""
    return {name: value, f"{name}_low": low, f"{name}_high": high}
