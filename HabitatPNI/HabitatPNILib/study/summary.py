"""The figures that a study's report and checklist speak of: patients and events by split, and the AUC by every way of estimating it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..learning.pipeline import MODEL_COMBINED
from .dictionary import ReferenceStandard, check_reference_standard
from .tables_scores import StudyScores, auc_or_none, study_scores

if TYPE_CHECKING:
    from ..learning.pipeline import FittedPipeline
    from .data import StudyData
    from .honesty import Honesty
    from .plan import StudyPlan

APPARENT, CORRECTED, NESTED, NESTED_HABITATS, INTERNAL, EXTERNAL = WAYS = (
    "apparent",
    "corrected",
    "nested",
    "nested_habitats",
    "internal",
    "external",
)


@dataclass(frozen=True)
class Estimate:
    """An AUC and its limits: of DeLong's interval, or the lowest and highest of the repeats; NaN where there are none."""

    auc: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Summary:
    """What was measured, in the form in which it is written about.

    Parameters
    ----------
    data, plan, honesty : of the study; `honesty` is None where no resampling was done
    scores : every case scored by every model
    patients, events : by split
    estimates : AUC by model and way (`WAYS`); a way that was not gone is left out
    truth : AUC of a phantom's true probability by split; empty for patients
    reference : how the outcome was found
    """

    data: StudyData
    plan: StudyPlan
    scores: StudyScores
    honesty: Honesty | None
    patients: Mapping[str, int]
    events: Mapping[str, int]
    estimates: Mapping[str, Mapping[str, Estimate]]
    truth: Mapping[str, Estimate]
    reference: ReferenceStandard

    def auc(self, way: str, model: str = MODEL_COMBINED) -> float:
        """AUC of a model; NaN where that way was not gone."""
        found = self.estimates[model].get(way)
        return found.auc if found else math.nan

    @property
    def outside(self) -> str:
        """The way that says most about new patients: external where there is such a split, else internal, nested or apparent."""
        for way in (EXTERNAL, INTERNAL, NESTED_HABITATS, NESTED):
            if not math.isnan(self.auc(way)):
                return way
        return APPARENT

    @property
    def centres(self) -> Mapping[str, tuple[str, ...]]:
        """Centres by split; empty without the column."""
        cohort = self.data.cohort
        if "centre" not in cohort:
            return {}
        return {split: tuple(sorted(cohort.loc[self.data.rows(split), "centre"].astype(str).unique())) for split in self.data.splits}

    @property
    def candidates(self) -> int:
        """Candidate parameters: clinical columns and features, counted before any selection."""
        return len(self.data.clinical.columns) + self.data.features.shape[1]


def summarise(data: StudyData, plan: StudyPlan, fitted: FittedPipeline, honesty: Honesty | None = None) -> Summary:
    """Collect a study's figures.

    Raises
    ------
    CohortError
        for a reference standard that is neither biopsy nor prostatectomy
    """
    scores = study_scores(data, fitted)
    rows = {split: data.y.loc[data.rows(split)] for split in data.splits}
    estimates = {model: _estimates(scores, model, honesty) for model in map(str, scores.log_odds)}
    truth = scores.truth
    return Summary(
        data=data,
        plan=plan,
        scores=scores,
        honesty=honesty,
        patients={split: len(y) for split, y in rows.items()},
        events={split: int(y.sum()) for split, y in rows.items()},
        estimates=estimates,
        truth={} if truth is None else {split: _delong(y.to_numpy(), truth.loc[y.index].to_numpy()) for split, y in rows.items()},
        reference=check_reference_standard(data.cohort),
    )


def _estimates(scores: StudyScores, model: str, honesty: Honesty | None) -> dict[str, Estimate]:
    training = auc_or_none(scores.outcome("training"), scores.score("training", model)).auc
    found = {APPARENT: Estimate(training)}
    if honesty is not None:
        found[APPARENT] = Estimate(float(honesty.apparent[model]))
        if model in honesty.optimism:
            found[CORRECTED] = Estimate(honesty.optimism[model].corrected)
        if model in honesty.nested:
            found[NESTED] = _repeated(honesty.nested[model].repeat_aucs)
        if honesty.nested_habitats is not None and model in honesty.nested_habitats:
            found[NESTED_HABITATS] = _repeated(honesty.nested_habitats[model].repeat_aucs)
    return found | {split: _delong(scores.outcome(split), scores.score(split, model)) for split in scores.held_out}


def _repeated(aucs: np.ndarray) -> Estimate:
    mean = float(np.mean(aucs))
    return Estimate(mean, float(np.min(aucs)), float(np.max(aucs))) if len(aucs) > 1 else Estimate(mean)


def _delong(y: np.ndarray, score: np.ndarray) -> Estimate:
    found = auc_or_none(y, score)
    return Estimate(found.auc, found.low, found.high)
