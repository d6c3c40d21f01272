"""Decision and clinical impact curves against R and closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.utility import clinical_impact, net_benefit

THRESHOLDS = [0, 0.1, 0.3, 0.5, 0.8, 0.95]


def test_net_benefit_agrees_with_r(cohort, tied):
    """mean(y)*mean(p[y==1]>=t) - t/(1-t)*(1-mean(y))*mean(p[y==0]>=t), as dcurves::test_consequences has it; p >= t also where tied"""
    untied = [0.366666666666667, 0.305555555555556, 0.2142857142857142, 0.2, 0.05, 0]
    with_ties = [0.366666666666667, 0.296296296296296, 0.2, 0.2, 0.116666666666667, 0]
    everyone = [0.366666666666667, 0.296296296296296, 0.0952380952380952, -0.266666666666667, -2.16666666666667, -11.6666666666667]
    for data, expected in ((cohort, untied), (tied, with_ties)):
        found = net_benefit(data.y, data.a, THRESHOLDS)
        assert found.model == pytest.approx(expected, abs=1e-12)
        assert found.treat_all == pytest.approx(everyone, abs=1e-12)
        assert found.treat_none.tolist() == [0] * 6
        assert found.thresholds.tolist() == THRESHOLDS


def test_data_of_dcurves(shared_data: Path):
    """dcurves' df_binary, cancer by cancerpredmarker; test positives and net benefit by the same R lines"""
    table = pd.read_csv(shared_data / "tables" / "df_binary.csv")
    found = net_benefit(table["cancer"], table["cancerpredmarker"], [0.05, 0.1, 0.2, 0.35])
    assert found.model == pytest.approx([0.1055438596491228, 0.0874074074074074, 0.0673333333333333, 0.0501538461538462], abs=1e-12)
    impact = clinical_impact(table["cancer"], table["cancerpredmarker"], [0.05, 0.1, 0.2, 0.35])
    assert impact.high_risk == pytest.approx([554.6666666666667, 373.3333333333333, 230.6666666666667, 124])
    assert impact.true_positives == pytest.approx([128, 116, 100, 76])


def test_clinical_impact_counts_a_population(cohort):
    """1000*mean(p>=t), 1000*mean(p>=t & y==1)"""
    found = clinical_impact(cohort.y, cohort.a, THRESHOLDS)
    assert found.high_risk == pytest.approx([1000, 916.6666666666666, 666.6666666666666, 366.6666666666666, 50, 0])
    assert found.true_positives == pytest.approx([366.6666666666666, 366.6666666666666, 350, 283.3333333333333, 50, 0])
    assert clinical_impact(cohort.y, cohort.a, 0.5, population=60).high_risk.tolist() == [22]


def test_a_model_that_says_the_prevalence_treats_all_below_it():
    found = net_benefit([1, 0, 0, 0], [0.25] * 4, [0.1, 0.25, 0.3])
    assert found.model[:2] == pytest.approx(found.treat_all[:2])
    assert found.model[2] == 0


def test_bad_input_is_refused_in_words(cohort):
    with pytest.raises(CohortError, match="Threshold 1 cannot be used"):
        net_benefit(cohort.y, cohort.a, np.linspace(0, 1, 11))
    with pytest.raises(CohortError, match=r"Probability lies outside \[0, 1\] in 60 of 60 rows"):
        clinical_impact(cohort.y, cohort.a + 1, [0.5])
    with pytest.raises(CohortError, match="A population of 0 has no clinical impact"):
        clinical_impact(cohort.y, cohort.a, [0.5], population=0)
