"""Predictors: values as typed become the numbers of the model, or an error that says what to type."""

from __future__ import annotations

import pytest

from HabitatPNILib.errors import CaseError
from HabitatPNILib.predictors import Predictor, code_values, range_warnings
from HabitatPNILib.standard_predictors import AGE, MRT_STAGE, PI_RADS


@pytest.mark.parametrize(
    ("predictor", "typed", "coded"),
    [
        (AGE, "63", 63.0),
        (AGE, 63.5, 63.5),
        (AGE, "63,5", 63.5),
        (MRT_STAGE, "T3", 3.0),
        (MRT_STAGE, 2.0, 2.0),
        (PI_RADS, "1", 3.0),
        (PI_RADS, "2", 3.0),
        (PI_RADS, "<=3", 3.0),
        (PI_RADS, "4", 4.0),
        (PI_RADS, 5, 5.0),
    ],
)
def test_coding(predictor, typed, coded):
    assert predictor.code(typed, "c") == coded


@pytest.mark.parametrize(
    ("predictor", "typed", "text"),
    [
        (AGE, "old", "Age old is not a number; give it in years"),
        (AGE, "nan", "Age nan is not a number"),
        (AGE, "6,350", "Age 6,350 is not a number"),
        (AGE, "630", "Age 630 is impossible: 18 to 120 years"),
        (PI_RADS, "6", "PI-RADS 6 is impossible: one of 3 (≤ 3), 4 (4), 5 (5)"),
        (MRT_STAGE, "2.5", "mrT stage 2.5 is impossible: one of 1 (T1), 2 (T2)"),
    ],
)
def test_impossible_values(predictor, typed, text):
    with pytest.raises(CaseError) as error:
        predictor.code(typed, "c")
    assert text in str(error.value)


def test_missing_predictors_are_all_named():
    with pytest.raises(
        CaseError, match=r"clinical values are missing: mrt_stage, pi_rads; give them \(--clinical, e\.g\. mrt_stage=1,pi_rads=3\)$"
    ):
        code_values([AGE, MRT_STAGE, PI_RADS], {"age": 63, "pi_rads": ""}, "c")


def test_values_outside_training_are_warned_not_refused():
    coded = code_values([AGE, PI_RADS], {"age": 30, "pi_rads": 5, "psa": 4}, "c")
    assert coded == {"age": 30.0, "pi_rads": 5.0}
    (warning,) = range_warnings([AGE, PI_RADS], coded)
    assert warning.startswith("Age 30 years lies outside the training range 44 to 94")


def test_a_predictor_survives_its_own_json():
    assert Predictor.from_dict(PI_RADS.to_dict()) == PI_RADS
