"""Calibration against R's glm, rms::val.prob, ResourceSelection's algorithm and lowess."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.calibration import calibration


def test_logistic_figures_agree_with_r(cohort, tied):
    """glm(y ~ offset(qlogis(p)), binomial, epsilon=1e-14), glm(y ~ qlogis(p), ...), rms 6.5-0: val.prob(p, y)["Brier"]"""
    for data, intercept, slope, joint, brier in (
        (cohort, -0.1972302751672478, 2.2610000768895824, 0.0120098680962428, 0.1354144338020897),
        (tied, -0.1515618907736555, 2.0177123756735336, 0.0946918998556529, 0.1391666666666667),
    ):
        found = calibration(data.y, data.a)
        assert [found.intercept, found.slope, found.intercept_joint] == pytest.approx([intercept, slope, joint], abs=1e-8)
        assert found.brier == pytest.approx(brier, abs=1e-12)
        assert found.left_out == 0


def test_probabilities_of_0_and_1_are_left_out_as_by_val_prob(cohort):
    """p <- pmin(pmax(1.6*a - 0.3, 0), 1): val.prob deletes 16 of them; the offset model is glm's on the rest."""
    found = calibration(cohort.y, np.clip(1.6 * cohort.a - 0.3, 0, 1))
    assert found.left_out == 16
    assert [found.intercept, found.slope, found.intercept_joint] == pytest.approx(
        [-1.88244783605265e-02, 1.10203869378241, -2.69089466852741e-05], abs=1e-8
    )
    assert found.brier == pytest.approx(0.120354733379838041, abs=1e-12)
    assert found.hosmer_lemeshow == pytest.approx((14.5179522602806639, 0.0243562198280195), abs=1e-9)


# ResourceSelection's hoslem.test(y, p, g = 10), its code from the package's repository run in R: X-squared and p.
HOSLEM = [
    (60, lambda p: p, 15.7058508089229800, 0.0467890922545769),
    (51, lambda p: p, 11.128620424602939, 0.194517360053281),
    (41, lambda p: p, 12.797242402377771, 0.119018891683337),
    (31, lambda p: p.round(2), 9.269505003662799, 0.320073549591505),
    (41, lambda p: p.round(2), 13.110732870929917, 0.108096011385137),
    (51, lambda p: p.round(2), 14.341444085893071, 0.073288558404489),
    (60, lambda p: p.round(2), 13.331879168778764, 0.100929427363741),
    # Ties in plenty: 3, 4, 6, 8 and 9 groups.
    (60, lambda p: np.round(p * 4) / 4, 7.00660194174757311, 0.00812096831827372),
    (60, lambda p: np.round(p * 5) / 5, 6.0461406784936198, 0.0486516118548773),
    (60, lambda p: np.round(p * 8) / 8, 5.937277334537608, 0.203881663089617),
    (60, lambda p: np.round(p * 12) / 12, 8.581552860813273, 0.198514564660935),
    (60, lambda p: np.round(p * 20) / 20, 8.950824020663195, 0.256205999816855),
    # R gives NaN, for an interval without patients; with droplevels(cutyhat) it gives these.
    (60, lambda p: p.round(1), 7.249139749139749, 0.123293633049625),
]


@pytest.mark.parametrize(("patients", "change", "chi2", "p"), HOSLEM)
def test_hosmer_lemeshow_agrees_with_r(cohort, patients, change, chi2, p):
    found = calibration(cohort.y[:patients], change(cohort.a[:patients])).hosmer_lemeshow
    assert found.chi2 == pytest.approx(chi2, abs=1e-9)
    assert found.p == pytest.approx(p, abs=1e-8)


def test_hosmer_lemeshow_where_groups_are_few_or_nothing_is_expected():
    few = calibration([0, 1, 0, 1], [0.2, 0.2, 0.7, 0.7]).hosmer_lemeshow
    assert few.chi2 == pytest.approx(2 * (0.6**2 / 0.4 + 0.6**2 / 1.6) / 2 + (0.4**2 / 1.4 + 0.4**2 / 0.6))
    assert np.isnan(few.p)
    assert calibration([0, 1, 0, 1, 0, 1], [0, 0, 0.5, 0.5, 1, 1]).hosmer_lemeshow == (np.inf, 0)


def test_curve_agrees_with_lowess_of_r(cohort, tied):
    """lowess(a, y, iter=0), points without repeats"""
    curve = calibration(cohort.y, cohort.a).curve
    picked = [0, 1, 2, 4, 7, 29, 58, 59]
    x = [0.0754258168917727, 0.0778962287633594, 0.0795977881676912, 0.0856759068124672]
    x += [0.1330928316948300, 0.348783553379962, 0.833473408215794, 0.842598479261388]
    smooth = [-0.0316576027786341, -0.0291990778507976, -0.0275057058832084, -0.0214564042619441]
    smooth += [0.0255500414458819, 0.232417537505097, 1.125732579022782, 1.143551923160748]
    assert curve.predicted[picked] == pytest.approx(x, abs=1e-12)
    assert curve.observed[picked] == pytest.approx(smooth, abs=1e-9)
    ties = calibration(tied.y, tied.a).curve
    assert ties.predicted == pytest.approx(np.arange(1, 9) / 10)
    expected = [0.0205077762987745, 0.106529080049293, 0.16546447159991, 0.284450048849203, 0.47943677024774]
    assert ties.observed[:5] == pytest.approx(expected, abs=1e-9)
    assert ties.observed[6:] == pytest.approx([0.849487117394577, 1.02070646105222], abs=1e-9)


def test_curve_where_one_probability_fills_the_neighbourhood(cohort):
    """p <- ifelse(i <= 50, .2, .2 + i/100); lowess(p, y, iter=0): the mean outcome of the fifty, 18 of them with it"""
    i = np.arange(1, 61)
    curve = calibration(cohort.y, np.where(i <= 50, 0.2, 0.2 + i / 100)).curve
    assert curve.predicted[:3] == pytest.approx([0.2, 0.71, 0.72])
    assert curve.observed[[0, 1, 2, 10]] == pytest.approx([0.36, 0.455635648155896, 0.442948671138024, 0.345288019550836], abs=1e-9)


def test_expected_calibration_error_is_the_weighted_gap_of_the_reliability_diagram(cohort):
    share, mean = calibration_curve(cohort.y, cohort.a, n_bins=10)
    counts = np.histogram(cohort.a, np.linspace(0, 1, 11))[0]
    assert calibration(cohort.y, cohort.a).ece == pytest.approx(np.sum(counts[counts > 0] * np.abs(share - mean)) / 60, abs=1e-12)
    # By hand: 0.1 belongs to the bin below it, so that two of these four share a bin.
    assert calibration([0, 1, 0, 1], [0.05, 0.1, 0.3, 0.9]).ece == pytest.approx((0.85 + 0.3 + 0.1) / 4)


def test_perfect_separation_has_a_defined_answer():
    y = np.repeat([0, 1], 10)
    p = np.linspace(0.05, 0.95, 20)
    found = calibration(y, p)
    assert found.slope == np.inf
    assert np.isnan(found.intercept_joint)
    assert found.intercept == pytest.approx(0, abs=1e-12)
    assert calibration(1 - y, p).slope == -np.inf
    # Touching in one value is no better: the slope still grows without end.
    assert calibration([0, 0, 1, 1], [0.2, 0.5, 0.5, 0.9]).slope == np.inf


def test_nothing_left_for_the_logit():
    found = calibration([0, 1, 1], [0, 1, 1])
    assert found.left_out == 3
    assert np.isnan([found.intercept, found.slope, found.intercept_joint]).all()
    assert (found.brier, found.ece) == (0, 0)
    events_only = calibration([0, 1, 1], [0, 0.6, 0.7])
    assert events_only.intercept == np.inf
    assert np.isnan(events_only.slope)
    assert np.isnan(calibration([0, 1, 1], [0.6, 0.6, 1.0]).slope)


rows = st.lists(st.tuples(st.booleans(), st.floats(0, 1)), min_size=3, max_size=40).filter(
    lambda rows: 0 < sum(y for y, _ in rows) < len(rows) and len({p for _, p in rows}) > 1
)


@settings(max_examples=80, deadline=None)
@given(rows)
def test_figures_solve_their_score_equations(rows):
    """Whatever the probabilities, the maximum of the likelihood is found where there is one."""
    y, p = (np.array(column) for column in zip(*rows, strict=True))
    found = calibration(y, p)
    inside = (p > 0) & (p < 1)
    log_odds = np.log(p[inside]) - np.log1p(-p[inside])
    if np.isfinite(found.intercept):
        assert np.mean(1 / (1 + np.exp(-np.clip(found.intercept + log_odds, -700, 700)))) == pytest.approx(y[inside].mean(), abs=1e-9)
    if np.isfinite(found.slope):
        left = y[inside] - 1 / (1 + np.exp(-np.clip(found.intercept_joint + found.slope * log_odds, -700, 700)))
        assert [left.mean(), (left * log_odds).mean() / np.abs(log_odds).max()] == pytest.approx([0, 0], abs=1e-6)
    assert 0 <= found.brier <= 1
    assert 0 <= found.ece <= 1
    assert np.isfinite(found.curve.observed).all()
    assert found.hosmer_lemeshow.chi2 >= 0


def test_bad_input_is_refused_in_words(cohort):
    with pytest.raises(CohortError, match=r"Probability lies outside \[0, 1\] in 22 of 60 rows \(first rows: .* holds 1\.\d+\)"):
        calibration(cohort.y, 2 * cohort.a)
    with pytest.raises(CohortError, match=r"Probability is 0\.3 in all 60 rows: it does not tell the patients apart"):
        calibration(cohort.y, np.full(60, 0.3))
    with pytest.raises(CohortError, match="Outcome is 0 in all 60 rows"):
        calibration(np.zeros(60), cohort.a)
