"""Sample sizes against R's pmsampsize 1.1.3 and the published examples."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.sample_size import events_per_parameter, r_squared_of_auc, riley_sample_size


@pytest.mark.parametrize(
    ("parameters", "prevalence", "r_squared", "sizes"),
    [  # pmsampsize(type = "b", csrsquared = , parameters = , prevalence = )$results_table[1:3, "Samp_size"]
        (24, 0.174, 0.288, (623, 662, 221)),
        (24, 0.174, 0.55, (255, 532, 221)),
        (36, 0.174, 0.288, (934, 992, 221)),
        (24, 0.25, 0.288, (623, 590, 289)),
        (30, 0.05, 0.05, (5249, 1770, 73)),
    ],
)
def test_first_three_criteria_are_those_of_pmsampsize(parameters, prevalence, r_squared, sizes):
    found = riley_sample_size(parameters, prevalence, r_squared)
    assert (found.for_shrinkage, found.for_optimism, found.for_prevalence) == sizes
    assert found.n == max(*sizes, found.for_prediction_error)


def test_published_example_of_pre_eclampsia():
    """Riley et al., BMJ 2020;368:m441: 30 parameters, 5 % outcome, R2 0.05 of at most 0.33."""
    found = riley_sample_size(30, 0.05, 0.05)
    assert found.n == 5249
    assert found.for_prediction_error == 544
    assert found.r_squared_max == pytest.approx(0.3276864713, abs=1e-9)
    assert (found.events, found.events_per_parameter) == (pytest.approx(262.45), pytest.approx(8.748, abs=1e-3))


def test_r_squared_of_an_auc():
    # mean and spread of cstat2rsq(cstatistic, prevalence, seed = 1:6), a simulation of a million patients each
    assert r_squared_of_auc(0.81, 0.77) == pytest.approx(0.21217, abs=6e-4)
    assert r_squared_of_auc(0.81, 77 / 397) == pytest.approx(0.19168, abs=6e-4)
    assert r_squared_of_auc(0.89, 0.174) == pytest.approx(0.29079, abs=6e-4)
    assert r_squared_of_auc(0.5001, 0.2) == pytest.approx(0, abs=1e-6)
    # A perfect model explains all there is
    highest = 1 - np.exp(2 * (0.3 * np.log(0.3) + 0.7 * np.log(0.7)))
    assert r_squared_of_auc(1 - 1e-9, 0.3) == pytest.approx(highest, abs=1e-4)


def test_sample_size_from_an_auc_is_close_to_the_simulated_one():
    # pmsampsize(type = "b", cstatistic = 0.81, parameters = 8, prevalence = 77/397): 337, 227, 241 (R2 0.1906 by simulation)
    found = riley_sample_size(8, 77 / 397, auc=0.81)
    assert (found.for_shrinkage, found.for_optimism, found.for_prevalence) == (335, 226, 241)


def test_events_per_parameter_warn_below_10():
    few = events_per_parameter(34, 139, 24576)
    assert few.ratio == pytest.approx(34 / 24576)
    assert few.warning.startswith("34 patients of the rarer outcome for 24576 candidate parameters are 0.0014 for each, fewer than 10")
    assert few.warning.endswith("expect optimism, shrink the coefficients and trust nested and held-out figures")
    assert events_per_parameter(200, 30, 3).warning == ""
    assert events_per_parameter(200, 30, 3).events == 30


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: riley_sample_size(8, 0.2, 0.7), r"A Cox-Snell R2 of 0.700 is out of range: above 0, below 0.632"),
        (lambda: riley_sample_size(8, 0.5, 0.6, shrinkage=0.5), r"below the shrinkage 0.5"),
        (lambda: riley_sample_size(8, 1.2, 0.1), "The prevalence must lie above 0 and below 1, not at 1.2"),
        (lambda: riley_sample_size(8, 0.2, auc=0.5), "The AUC must lie above 0.5 and below 1, not at 0.5"),
        (lambda: riley_sample_size(0, 0.2, 0.1), "at least 1 candidate parameter, not 0"),
        (lambda: events_per_parameter(3, 4, 0), "Events per parameter need at least 1 parameter"),
    ],
)
def test_impossible_designs_are_refused(call, message):
    with pytest.raises(CohortError, match=message):
        call()
