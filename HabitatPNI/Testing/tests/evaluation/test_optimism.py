"""Bootstrap optimism against R's rms::validate (6.5-0) and ipred::errorest, on the same bootstrap samples, and against known truths."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.evaluation.discrimination import auc
from HabitatPNILib.evaluation.optimism import BootstrapFits, bootstrap_fits, dot632_plus, dot632_plus_auc, harrell


def logistic(features: np.ndarray, y: np.ndarray):
    """``fit(rows) -> predict(rows)`` of a logistic regression by Newton's method; gives log odds."""
    design = np.column_stack([np.ones(len(y)), features])

    def fit(rows):
        beta = np.zeros(design.shape[1])
        x = design[rows]
        for _ in range(12):
            p = 1 / (1 + np.exp(-x @ beta))
            beta += np.linalg.solve((x.T * (p * (1 - p))) @ x, x.T @ (y[rows] - p))
        return lambda wanted: design[wanted] @ beta

    return fit


@pytest.fixture(scope="module")
def fits_of_r(cohort) -> BootstrapFits:
    """The 20 samples that R was given.

    d <- data.frame(y, x1=sin(i*1.7)+0.9*cos(i^2*2.3), x2=cos(i*3.1), x3=sin(i^2*0.7), x4=cos(i^2*1.9))
    idx <- lapply(1:20, function(b) 1+floor(60*frac(1000*sin(b*37.1+i*12.7)))); frac <- function(v) v-floor(v)
    """
    i = np.arange(1, 61)
    features = np.column_stack([np.sin(i * 1.7) + 0.9 * np.cos(i**2 * 2.3), np.cos(i * 3.1), np.sin(i**2 * 0.7), np.cos(i**2 * 1.9)])
    fit = logistic(features, cohort.y)
    draws = np.floor(60 * (1000 * np.sin(np.arange(1, 21)[:, None] * 37.1 + i * 12.7) % 1)).astype(int)
    scores = np.array([fit(rows)(i - 1) for rows in draws])
    return BootstrapFits(cohort.y, fit(i - 1)(i - 1), np.array([np.bincount(rows, minlength=60) for rows in draws]), scores)


def test_harrell_is_rms_validate(fits_of_r):
    # sample() of rms:::predab.resample replaced by idx; validate(lrm(y ~ x1+x2+x3+x4, d, x=TRUE, y=TRUE, eps=1e-10), B=20)["Dxy", ]
    found = harrell(fits_of_r)
    dxy = [0.8038277511962, 0.8029941730365, 0.7802631578947, 0.0227310151418]
    assert 2 * found.apparent - 1 == pytest.approx(dxy[0], abs=1e-9)
    assert 2 * found.in_sample.mean() - 1 == pytest.approx(dxy[1], abs=1e-9)
    assert 2 * found.in_all.mean() - 1 == pytest.approx(dxy[2], abs=1e-9)
    assert 2 * found.optimism == pytest.approx(dxy[3], abs=1e-9)
    # ["B", "index.corrected"]
    brier = harrell(fits_of_r, lambda y, score: float(((1 / (1 + np.exp(-score)) - y) ** 2).mean()))
    assert brier.corrected == pytest.approx(0.1386376336312, abs=1e-7)


def test_dot632_plus_is_ipred_errorest(fits_of_r):
    # errorest(y ~ ., d, model=glm(family=binomial), predict=(p >= .5), estimator="632plus", est.para=control.errorest(list.tindx=idx))
    found = dot632_plus(fits_of_r, lambda y, score: ((score >= 0) != y).astype(float))
    assert found.estimate == pytest.approx(0.20158096690212, abs=1e-12)
    # estimator = "boot": the leave-one-out bootstrap
    assert found.left_out == pytest.approx(0.21838023088023, abs=1e-12)


def test_nearest_neighbour_without_information():
    """Efron and Tibshirani 1997: one nearest neighbour, empty labels: apparent error 0, .632 gives 0.316, .632+ the true 0.5."""
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(200, 3)), np.repeat([0, 1], 100)

    def fit(rows):
        return lambda wanted: y[rows][((x[wanted, None] - x[rows]) ** 2).sum(axis=2).argmin(axis=1)]

    found = dot632_plus(bootstrap_fits(fit, y, 40, seed=1), lambda y, score: (score != y).astype(float))
    assert (found.apparent, found.no_information) == (0, 0.5)
    assert 0.368 * found.apparent + 0.632 * found.left_out == pytest.approx(0.316, abs=0.025)
    assert found.estimate == pytest.approx(0.5, abs=0.035)
    assert found.overfitting > 0.9


def test_corrected_auc_is_nearer_to_the_truth_than_the_apparent_one():
    """24 cohorts of 100 with one true and 9 empty features: mean error against the AUC of each fitted model on 20,000 new patients."""
    rng = np.random.default_rng(11)
    apparent, harrells, plus = [], [], []
    for cohort in range(24):
        y = (np.arange(20100) % 4 == 0).astype(int)
        x = rng.normal(size=(20100, 10))
        x[:, 0] += 0.9 * y
        fit, everybody = logistic(x, y), np.arange(100)
        truth = auc(y[100:], fit(everybody)(np.arange(100, 20100)))
        fits = bootstrap_fits(fit, y[:100], 25, seed=cohort)
        apparent.append(harrell(fits).apparent - truth)
        harrells.append(harrell(fits).corrected - truth)
        plus.append(dot632_plus_auc(fits).estimate - truth)
    assert np.mean(apparent) > 0.08
    assert abs(np.mean(harrells)) < 0.025
    assert abs(np.mean(plus)) < 0.025


def test_auc_without_features_is_one_half_everywhere():
    y = np.array([0, 1] * 10)
    fits = bootstrap_fits(lambda rows: lambda wanted: np.zeros(len(wanted)), y, 5)
    assert harrell(fits).corrected == 0.5
    found = dot632_plus_auc(fits)
    assert (found.estimate, found.overfitting, found.weight) == (0.5, 0, 0.632)


def test_dot632_plus_of_an_auc_below_one_half_counts_as_one_half():
    y = np.array([0, 0, 0, 1, 1, 1])
    counts = np.array([[2, 2, 0, 2, 0, 0]])
    fits = BootstrapFits(y, np.arange(6.0), counts, -np.arange(6.0)[None])
    found = dot632_plus_auc(fits)
    assert (found.apparent, found.left_out) == (1, 0)
    assert (found.overfitting, found.weight, found.estimate) == pytest.approx((1, 1, 0.5))


def test_samples_are_the_same_for_a_seed_and_failures_are_counted():
    y = np.array([0, 1, 1, 0, 1, 0, 0, 0] * 5)
    x = np.random.default_rng(0).normal(size=(40, 2))
    calls = []

    def fit(rows):
        calls.append(rows)
        if len(calls) == 7:
            raise CohortError("Only 3 patients are left")
        return logistic(x, y)(rows)

    first = bootstrap_fits(fit, y, 20, seed=4)
    assert first.failed == ("Only 3 patients are left",)
    assert first.counts.shape == first.scores.shape == (19, 40)
    assert (first.counts.sum(axis=1) == 40).all()
    again = bootstrap_fits(logistic(x, y), y, 20, seed=4)
    assert np.array_equal(np.delete(again.scores, 5, axis=0), first.scores)


def test_a_pipeline_that_often_fails_is_an_error_and_a_cancelled_one_stops():
    y = np.array([0, 1] * 20)
    calls = []

    def fails(rows):
        if len(np.unique(rows)) < 40:
            raise CohortError("too few events in fold 2")
        return lambda wanted: np.zeros(len(wanted))

    with pytest.raises(CohortError, match="could not be fitted on 10 of 10 bootstrap samples; the first time: too few events in fold 2"):
        bootstrap_fits(fails, y, 10)

    def progress(fraction, message):
        calls.append(fraction)
        if fraction > 0.4:
            raise Cancelled

    with pytest.raises(Cancelled):
        bootstrap_fits(lambda rows: lambda wanted: np.zeros(len(wanted)), y, 10, progress=progress)
    assert calls == pytest.approx(np.arange(6) / 11)


def test_bad_scores_and_outcomes_are_named():
    y = np.array([0, 1] * 10)
    with pytest.raises(CohortError, match=r"score is missing or infinite for 1 patients \(first rows: 3\)"):
        bootstrap_fits(lambda rows: lambda wanted: np.where(wanted == 3, np.nan, 0.0), y, 3)
    with pytest.raises(CohortError, match=r"gave scores of shape \(20, 2\) for 20 patients"):
        bootstrap_fits(lambda rows: lambda wanted: np.zeros((len(wanted), 2)), y, 3)
    with pytest.raises(CohortError, match="Only 1 of 4 patients with the outcome"):
        bootstrap_fits(lambda rows: lambda wanted: np.zeros(len(wanted)), [0, 0, 0, 1], 3)
    with pytest.raises(CohortError, match="0 bootstrap samples are too few"):
        bootstrap_fits(lambda rows: lambda wanted: np.zeros(len(wanted)), y, 0)
