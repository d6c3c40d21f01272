"""The solved intercept against closed forms and an independent integration."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import truncnorm

from HabitatPNILib.errors import ModelError
from HabitatPNILib.nomogram.intercept import covariate_moments, solve_intercept

AGE = {"distribution": "normal", "mean": 74.9, "sd": 7.0, "low": 44, "high": 94}
STAGE = {"distribution": "levels", "shares": {"1": 0.1, "2": 0.5, "3": 0.3, "4": 0.1}}
PI_RADS = {"distribution": "levels", "shares": {"3": 0.2, "4": 0.4, "5": 0.4}}


def expit(x):
    return 1 / (1 + np.exp(-x))


def test_one_certain_level_has_a_closed_form():
    intercept = solve_intercept({"x": 0.7}, {"x": {"distribution": "levels", "shares": {"2": 1.0}}}, 0.194)
    assert intercept == pytest.approx(math.log(0.194 / 0.806) - 1.4, abs=1e-10)


def test_two_levels_solve_a_quadratic():
    # Mean of expit(a) and expit(a + log 4) is 1/2: with u = e^a, u/(1+u) + 4u/(1+4u) = 1, so 4u^2 = 1.
    intercept = solve_intercept({"x": math.log(4)}, {"x": {"distribution": "levels", "shares": {"0": 0.5, "1": 0.5}}}, 0.5)
    assert intercept == pytest.approx(math.log(0.5), abs=1e-10)


def test_mean_risk_is_the_prevalence_by_adaptive_quadrature():
    coefficients = {"age": math.log(0.92), "stage": math.log(1.83), "pi_rads": math.log(3.12)}
    intercept = solve_intercept(coefficients, {"age": AGE, "stage": STAGE, "pi_rads": PI_RADS}, 0.194)
    age = truncnorm((44 - 74.9) / 7, (94 - 74.9) / 7, 74.9, 7)
    mean = 0.0
    for stage, p in STAGE["shares"].items():
        for score, q in PI_RADS["shares"].items():
            rest = intercept + coefficients["stage"] * float(stage) + coefficients["pi_rads"] * float(score)
            risk = quad(lambda a, rest=rest: age.pdf(a) * expit(rest + coefficients["age"] * a), 44, 94, epsabs=1e-13, points=[75])[0]
            mean += p * q * risk
    assert mean == pytest.approx(0.194, abs=1e-10)


def test_a_narrow_normal_in_a_wide_range_is_resolved():
    narrow = {"distribution": "normal", "mean": 3.0, "sd": 0.001, "low": -1000, "high": 1000}
    assert solve_intercept({"x": 2.0}, {"x": narrow}, 0.3) == pytest.approx(math.log(0.3 / 0.7) - 6, abs=1e-5)


def test_a_higher_prevalence_asks_for_a_higher_intercept():
    found = [solve_intercept({"age": -0.08}, {"age": AGE}, p) for p in (1e-4, 0.1, 0.194, 0.5, 0.9999)]
    assert found == sorted(found)


def test_moments_of_a_truncated_normal():
    mean, sd = covariate_moments({"age": AGE})["age"]
    truth = truncnorm((44 - 74.9) / 7, (94 - 74.9) / 7, 74.9, 7)
    assert mean == pytest.approx(truth.mean(), abs=1e-9)
    assert sd == pytest.approx(truth.std(), abs=1e-9)


@pytest.mark.parametrize("prevalence", [0, 1, 19.4, -0.1, math.nan])
def test_an_impossible_prevalence_is_refused(prevalence):
    with pytest.raises(ModelError, match=r"Prevalence .* is not between 0 and 1; give the share"):
        solve_intercept({"age": 1.0}, {"age": AGE}, prevalence)


@pytest.mark.parametrize(
    ("covariates", "text"),
    [
        ({}, r"do not name the same terms \(x\)"),
        ({"x": {"distribution": "levels", "shares": {"1": 0.4, "2": 0.4}}}, "Covariate x: the levels' shares sum to 0.8"),
        ({"x": {"distribution": "uniform"}}, "Covariate x: unknown distribution 'uniform'"),
        ({"x": {"distribution": "normal", "mean": 1}}, "Covariate x: its normal distribution is not complete"),
        ({"x": {"distribution": "normal", "mean": 1, "sd": 0, "low": 0, "high": 2}}, "SD 0 has no mass between 0 and 2"),
        ({"x": {"distribution": "normal", "mean": 1, "sd": 1, "low": 90, "high": 99}}, "has no mass between 90 and 99"),
    ],
)
def test_an_unusable_distribution_is_named(covariates, text):
    with pytest.raises(ModelError, match=text):
        solve_intercept({"x": 1.0}, covariates, 0.2)
