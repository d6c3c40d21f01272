"""Choosing an update: fits and tests against R's glm, the order of the closed test, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.updating import choose_update

# i <- 1:80; lp <- 1.7*sin(1.3*i) + .9*cos(.7*i) - .3; u <- (i*.6180339887498949) %% 1; y <- u < plogis(shift + slope*lp)
ROW = np.arange(1, 81)
LP = 1.7 * np.sin(1.3 * ROW) + 0.9 * np.cos(0.7 * ROW) - 0.3
U = (ROW * 0.6180339887498949) % 1


def outcome(shift, slope):
    risk = 1 / (1 + np.exp(-(shift + slope * LP)))
    return (risk > U).astype(int)


def test_candidates_agree_with_glm_of_r():
    """glm(y ~ 0 + offset(lp), binomial), glm(y ~ 1 + offset(lp), binomial), glm(y ~ lp, binomial); summary, logLik"""
    update = choose_update(outcome(-0.8, 0.6), LP)
    original, intercept, slope = update.candidates
    assert original.log_likelihood == pytest.approx(-52.1288102001645, abs=1e-9)
    assert (intercept.intercept, intercept.intercept_se) == pytest.approx((-0.823541216673921, 0.280037151834608), abs=1e-8)
    assert intercept.log_likelihood == pytest.approx(-47.6131201592579, abs=1e-9)
    assert (slope.intercept, slope.slope) == pytest.approx((-0.736169415807188, 0.548281773312220), abs=1e-8)
    assert (slope.intercept_se, slope.slope_se) == pytest.approx((0.255259806620167, 0.201023056421236), abs=1e-8)
    assert slope.log_likelihood == pytest.approx(-45.4277212544744, abs=1e-9)
    assert (update.patients, update.events) == (80, 25)


def test_closed_test_takes_intercept_and_slope():
    """pchisq(2*(logLik(m2) - logLik(m0)), 2, lower=FALSE), then against m1 with one degree of freedom"""
    update = choose_update(outcome(-0.8, 0.6), LP)
    assert [(t.larger, t.smaller, t.df) for t in update.tests] == [("slope", "original", 2), ("slope", "intercept", 1)]
    assert [t.chi2 for t in update.tests] == pytest.approx([13.40217789138006, 4.370797809566867], abs=1e-8)
    assert [t.p for t in update.tests] == pytest.approx([0.00122957223600676, 0.0365598709339282], abs=1e-9)
    assert update.chosen.name == "slope"
    assert (update.after.intercept, update.after.slope) == pytest.approx((0, 1), abs=1e-7)
    assert update.before.slope == pytest.approx(0.548281773312220, abs=1e-6)


def test_closed_test_takes_the_intercept_where_the_slope_adds_nothing():
    """anova(glm(y ~ 1 + offset(lp)), glm(y ~ lp), test = "LRT")"""
    update = choose_update(outcome(-1.1, 1.0), LP)
    assert update.chosen.name == "intercept"
    assert update.chosen.intercept == pytest.approx(-0.983024536126255, abs=1e-8)
    assert update.tests[1].chi2 == pytest.approx(0.146692171533729, abs=1e-8)
    assert update.tests[1].p == pytest.approx(0.701716694172897, abs=1e-8)
    assert update.after.intercept == pytest.approx(0, abs=1e-9)


def test_a_model_that_fits_is_kept():
    update = choose_update(outcome(0.0, 1.0), LP)
    assert update.chosen.name == "original"
    assert [(t.smaller, t.df) for t in update.tests] == [("original", 2)]
    assert (update.tests[0].chi2, update.tests[0].p) == pytest.approx((0.354140249595304, 0.837721037444965), abs=1e-8)
    assert update.brier_left_out == update.before.brier == update.after.brier


def test_brier_score_of_patients_left_out_agrees_with_glm_of_r():
    """mean((sapply(1:80, function(k) plogis(predict(glm(..., subset=-k), ...))) - y)^2)"""
    y = outcome(-0.8, 0.6)
    assert choose_update(y, LP, "slope").brier_left_out == pytest.approx(0.204054097744768, abs=1e-9)
    assert choose_update(y, LP, "intercept").brier_left_out == pytest.approx(0.209506632124283, abs=1e-9)
    assert choose_update(y, LP, "slope").after.brier < 0.204


def test_a_method_that_is_given_is_not_tested():
    forced = choose_update(outcome(0.0, 1.0), LP, "slope")
    assert (forced.chosen.name, forced.tests) == ("slope", ())
    assert choose_update(outcome(0.0, 1.0), LP, "intercept").chosen.slope == 1


@pytest.mark.slow
def test_how_often_a_right_model_is_changed_is_bounded():
    """The closed test changes a perfectly calibrated model in about 5 % of sites: 600 simulated ones, +-3 standard errors."""
    rng = np.random.default_rng(3)
    changed = 0
    for _ in range(600):
        lp = rng.normal(-0.5, 1.2, 150)
        y = (rng.random(150) < 1 / (1 + np.exp(-lp))).astype(int)
        changed += choose_update(y, lp).tests[0].p < 0.05
    assert changed / 600 == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 600))


def test_few_patients():
    order = np.argsort(U)
    few = np.zeros(80, int)
    few[order[:9]] = 1
    with pytest.raises(
        CohortError, match="9 of 80 patients have the outcome: a new intercept needs at least 10 patients with it and as many"
    ):
        choose_update(few, LP)
    with pytest.raises(CohortError, match="71 of 80 patients have the outcome: a new intercept needs at least 10"):
        choose_update(1 - few, LP)
    few[order[9:15]] = 1
    update = choose_update(few, LP)
    assert [c.name for c in update.candidates] == ["original", "intercept"]
    assert [(t.larger, t.smaller, t.df) for t in update.tests] == [("intercept", "original", 1)]
    with pytest.raises(CohortError, match=r"15 of 80 .* at least 20 .*recalibrate the intercept alone \(--method intercept\)"):
        choose_update(few, LP, "slope")


def test_what_cannot_be_recalibrated():
    y = outcome(0.0, 1.0)
    with pytest.raises(CohortError, match=r"slope in these patients is -.*wrong way round"):
        choose_update(y, -3 * LP)
    above = (np.median(LP) < LP).astype(int)
    with pytest.raises(CohortError, match=r"separate patients .* perfectly.*--method intercept"):
        choose_update(above, LP)
    assert np.isfinite(choose_update(above, LP, "intercept").chosen.intercept)
    with pytest.raises(CohortError, match="same probability"):
        choose_update(y, np.zeros(80))
    with pytest.raises(CohortError, match="must be finite"):
        choose_update(y, np.where(LP > 1, np.inf, LP))
    with pytest.raises(CohortError, match="Outcome must be 0 or 1"):
        choose_update(y * 2, LP)
    with pytest.raises(CohortError, match="80 outcomes and 79 log odds"):
        choose_update(y, LP[1:])
