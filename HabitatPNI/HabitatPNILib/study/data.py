"""What a study is made from: the cases that have features and were not rejected, with their outcome and coded clinical values."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ..cohort import SPLITS, Extraction, check_training_cases
from ..cohort_table import check_rejected
from ..csv_rows import listed
from ..errors import CohortError
from ..learning.classifiers import fit_clinical
from ..learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED, MOST_MISSING, model_names
from ..predictors import Predictor
from ..protocol import Protocol
from ..training import coded_clinical
from .leakage import check_leakage

if TYPE_CHECKING:
    import pandas as pd

_LABELS = {MODEL_CLINICAL: "Clinical", MODEL_COMBINED: "Combined", "tumour": "Whole tumour"}


@dataclass(frozen=True)
class StudyData:
    """Cases of a study.

    Attributes
    ----------
    cohort : table of `read_cohort` without the cases left out, index ``case_id``
    extraction : features and habitats of the cohort
    clinical : (cases, candidates) coded values, NaN where missing
    predictors : the candidates with their training ranges
    left_out : reason by case: its features failed, or it was rejected in the quality sheet
    undecided : cases among them that nobody has accepted or rejected in the quality sheet
    """

    cohort: pd.DataFrame
    extraction: Extraction
    clinical: pd.DataFrame
    predictors: tuple[Predictor, ...]
    left_out: Mapping[str, str]
    undecided: tuple[str, ...] = ()

    @property
    def protocol(self) -> Protocol:
        """Protocol that the extraction followed."""
        return self.extraction.protocol

    @property
    def models(self) -> tuple[str, ...]:
        """``clinical``, the protocol's regions, ``combined``."""
        return model_names(self.protocol.regions)

    @property
    def splits(self) -> tuple[str, ...]:
        """Splits that hold cases: ``training``, ``internal``, ``external``."""
        return tuple(split for split in SPLITS if (self.cohort["split"] == split).any())

    @property
    def y(self) -> pd.Series:
        """(cases,) outcome, 0 or 1."""
        return self.cohort["outcome"].astype(int)

    @cached_property
    def features(self) -> pd.DataFrame:
        """FeatureTable of the cases, in the order of `cohort`."""
        found = self.extraction.features
        return found if found.index.equals(self.cohort.index) else found.loc[self.cohort.index]

    def rows(self, split: str) -> pd.Index:
        """Cases of a split."""
        return self.cohort.index[self.cohort["split"] == split]

    def label(self, model: str) -> str:
        """A model's name for print, e.g. ``Habitat 1``."""
        return _LABELS.get(model) or model.replace("habitat", "Habitat ")


def study_data(
    cohort: pd.DataFrame, extraction: Extraction, rejected: Mapping[str, str] | None = None, undecided: Collection[str] = ()
) -> StudyData:
    """Bring a cohort table, its extraction and the quality sheet's verdicts together.

    Parameters
    ----------
    cohort : table of `read_cohort`
    extraction : of the same cohort
    rejected : reason by case that the quality sheet rejects
    undecided : cases on which the quality sheet holds no decision; they are used

    Raises
    ------
    CohortError
        for a rejected case that the cohort does not know, a case that shaped the habitats and is no longer a training case, missing
        clinical columns, or a split whose cases all have the same outcome
    CaseError
        for a clinical value that cannot be
    """
    rejected = dict(rejected or {})
    check_rejected(cohort, rejected)
    check_training_cases(extraction, cohort)
    left_out = dict(rejected)
    for case in cohort.index.difference(extraction.features.index, sort=False):
        left_out.setdefault(str(case), extraction.failures.get(str(case), "no features; run habitatpni extract again"))
    table = cohort.loc[[case for case in cohort.index if str(case) not in left_out]]
    _check_outcomes(table)
    predictors, clinical = coded_clinical(table, extraction.protocol)
    return StudyData(table, extraction, clinical, tuple(predictors), left_out, tuple(c for c in map(str, table.index) if c in undecided))


def check_before_extraction(cohort: pd.DataFrame, protocol: Protocol, rejected: Mapping[str, str]) -> pd.DataFrame:
    """Find out before hours of extraction what the cohort table alone tells.

    Parameters
    ----------
    cohort : table of `read_cohort`
    protocol : of the study
    rejected : reason by case that the quality sheet rejects

    Returns
    -------
    the table without the rejected cases

    Raises
    ------
    CohortError, CaseError
        as `study_data` and the clinical part of `fit_pipeline`, and for a patient who stands in two splits
    """
    check_rejected(cohort, rejected)
    table = cohort.loc[[case for case in cohort.index if str(case) not in rejected]]
    _check_outcomes(table)
    check_leakage(table, {})
    training = table["split"] == "training"
    clinical = coded_clinical(table, protocol)[1].loc[training]
    gaps = clinical.isna()
    for name in gaps.columns[gaps.mean() > MOST_MISSING]:
        rows = clinical.index[gaps[name]]
        raise CohortError(
            f"Clinical column {name} is missing in {len(rows)} of {len(clinical)} training cases ({listed(rows)}); at most "
            f"{MOST_MISSING:.0%} are filled with the median: complete it, or take it out of the protocol (clinical.candidates)"
        )
    fit_clinical(
        clinical.fillna(clinical.median()),
        table.loc[training, "outcome"],
        list(protocol.clinical.candidates),
        protocol.clinical.univariate_p,
    )
    return table


def _check_outcomes(table: pd.DataFrame) -> None:
    if not (table["split"] == "training").any():
        raise CohortError("No training case is left: all failed or were rejected")
    for split, outcomes in table.groupby("split", sort=False)["outcome"]:
        if outcomes.nunique() < 2:
            only = int(outcomes.iloc[0])
            raise CohortError(f"Column outcome is {only} in all {len(outcomes)} cases of the split {split}: both kinds are needed")
