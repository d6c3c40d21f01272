"""Every table of a study, from its data, the one fitted pipeline, and its resampling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from .tables_cohort import baseline, baseline_splits, cohort_flow, missing_values
from .tables_form import StudyTable
from .tables_honesty import EXPECTED_AUC, honesty_table, learning_curve_table, permutation_table, sample_size
from .tables_models import clinical_model, combined_model, signature_features, signatures
from .tables_performance import calibration_table, comparisons, net_benefit_table, performance, reclassification, subgroups
from .tables_scores import study_scores

if TYPE_CHECKING:
    import pandas as pd

    from ..learning.pipeline import FittedPipeline
    from .data import StudyData
    from .honesty import Honesty


def study_tables(
    data: StudyData,
    fitted: FittedPipeline,
    honesty: Honesty | None = None,
    *,
    whole: pd.DataFrame | None = None,
    expected_auc: float = EXPECTED_AUC,
) -> Mapping[str, StudyTable]:
    """All tables of a study by name, in the order of a report.

    Parameters
    ----------
    data : cases of the study
    fitted : the pipeline fitted on the training cases
    honesty : the resampling; None leaves its tables and columns out
    whole : the cohort table with the cases that were left out, for the flow of the cases
    expected_auc : c-statistic assumed in the sample size calculation
    """
    scores = study_scores(data, fitted)
    found: list[StudyTable | None] = [
        cohort_flow(data, whole),
        baseline(data),
        baseline_splits(scores),
        missing_values(data),
        clinical_model(scores),
        signatures(scores),
        signature_features(scores),
        combined_model(scores),
        performance(scores),
        comparisons(scores),
        calibration_table(scores, honesty.calibration_optimism if honesty else None),
        reclassification(scores),
        net_benefit_table(scores),
        honesty_table(scores, honesty),
        permutation_table(honesty) if honesty else None,
        learning_curve_table(honesty) if honesty else None,
        subgroups(scores),
        sample_size(scores, expected_auc),
    ]
    return {table.name: table for table in found if table is not None}
