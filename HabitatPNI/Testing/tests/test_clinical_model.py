"""The published clinical model: its odds ratios, its mean risk, and the shipped copy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.clinical_model import write_clinical_model
from HabitatPNILib.errors import CaseError, ModelError
from HabitatPNILib.frozen_model import load_model

SHIPPED = Path(__file__).resolve().parents[3] / "models" / "pca-pni-clinical"


def answer(prevalence=None, **clinical):
    return analyse(Case("c", {}, clinical=clinical), load_model(SHIPPED), prevalence=prevalence)


def odds(p):
    return p / (1 - p)


def test_the_shipped_model_is_what_the_code_writes(tmp_path):
    write_clinical_model(tmp_path / "pca-pni-clinical")
    assert (tmp_path / "pca-pni-clinical" / "model.json").read_bytes() == (SHIPPED / "model.json").read_bytes()


@pytest.mark.parametrize(("name", "low", "high", "ratio"), [("age", 70, 71, 0.92), ("mrt_stage", 2, 3, 1.83), ("pi_rads", 4, 5, 3.12)])
def test_odds_ratios_are_the_published_ones(name, low, high, ratio):
    base = {"age": 70, "mrt_stage": 2, "pi_rads": 4}
    first, second = (answer(**{**base, name: value}).probability for value in (low, high))
    assert odds(second) / odds(first) == pytest.approx(ratio, rel=1e-12)


@pytest.mark.parametrize("prevalence", [None, 0.35])
def test_the_mean_risk_over_simulated_patients_is_the_prevalence(prevalence):
    rng = np.random.default_rng(4)
    n = 400_000
    age = rng.normal(74.9, 7.7, 2 * n)
    age = age[(age >= 44) & (age <= 94)][:n]
    stage = rng.choice([1, 2, 3, 4], n, p=[0.05, 0.55, 0.30, 0.10])
    score = rng.choice([3, 4, 5], n, p=[0.25, 0.35, 0.40])
    intercept = answer(prevalence, age=70, mrt_stage=2, pi_rads=4).intercept
    log_odds = intercept + math.log(0.92) * age + math.log(1.83) * stage + math.log(3.12) * score
    assert (1 / (1 + np.exp(-log_odds))).mean() == pytest.approx(prevalence or 77 / 397, abs=0.0015)


def test_a_local_prevalence_keeps_who_is_at_high_risk():
    for age in range(60, 90, 3):
        stated, local = answer(age=age, mrt_stage=3, pi_rads=4), answer(0.4, age=age, mrt_stage=3, pi_rads=4)
        assert local.probability > stated.probability
        assert local.high_risk == stated.high_risk


def test_every_output_says_where_the_intercept_comes_from():
    assert "Intercept solved for a mean risk of 19.4%" in answer(age=70, mrt_stage=2, pi_rads=4).to_dict()["notice"]
    assert "Intercept solved for a mean risk of 40.0% (local" in answer(0.4, age=70, mrt_stage=2, pi_rads=4).to_dict()["notice"]


def test_contributions_add_up_to_the_log_odds():
    result = answer(age=63, mrt_stage=3, pi_rads=5)
    log_odds = result.intercept + sum(c.coefficient * c.value for c in result.contributions)
    assert math.log(odds(result.probability)) == pytest.approx(log_odds)


def test_a_missing_predictor_and_an_impossible_prevalence():
    with pytest.raises(CaseError, match="clinical values are missing: pi_rads"):
        answer(age=63, mrt_stage=2)
    with pytest.raises(ModelError, match="not between 0 and 1"):
        answer(1.2, age=63, mrt_stage=2, pi_rads=4)
