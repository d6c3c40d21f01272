"""AUC, DeLong, operating points, 2 x 2 tables and the bootstrap against R's pROC and Hmisc, a published table and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.evaluation.discrimination import auc_ci, bootstrap_ci, confusion_metrics, delong_test, operating_point

# pROC 1.18.0: r <- roc(y, score, direction="<"); auc(r); ci.auc(r); var(r)
PROC = {
    ("cohort", "a"): (0.9031100478468900, 0.8259788957364144, 0.9802411999573656, 0.0015486862943423),
    ("cohort", "b"): (0.7320574162679426, 0.6034367477601045, 0.8606780847757806, 0.0043065088393721),
    ("tied", "a"): (0.88098086124401920, 0.79247131126774650, 0.96949041122029167, 0.00203931391761913),
    ("tied", "b"): (0.71232057416267947, 0.58060817881150739, 0.84403296951385132, 0.00451603307464551),
}
# roc.test(roc(y, a), roc(y, b), method="delong", paired=TRUE)
PROC_TEST = {"cohort": (2.4742708656842374, 0.0133508431500042), "tied": (2.2092916770323621, 0.0271543597294808)}


@pytest.mark.parametrize(("which", "model"), PROC)
def test_auc_and_its_interval_agree_with_proc(request, which, model):
    data = request.getfixturevalue(which)
    found = auc_ci(data.y, getattr(data, model))
    assert [found.auc, found.low, found.high, found.variance] == pytest.approx(PROC[which, model], abs=1e-12)


def test_interval_at_another_level(cohort):
    """ci.auc(r, conf.level=0.9)"""
    found = auc_ci(cohort.y, cohort.a, level=0.9)
    assert [found.low, found.high] == pytest.approx([0.8383795444801998, 0.9678405512135801], abs=1e-12)


@pytest.mark.parametrize("which", PROC_TEST)
def test_delong_agrees_with_proc(request, which):
    data = request.getfixturevalue(which)
    z, p = delong_test(data.y, data.a, data.b)
    assert [z, p] == pytest.approx(PROC_TEST[which], abs=1e-12)
    assert delong_test(data.y, data.b, data.a) == pytest.approx((-z, p))


def test_the_example_of_proc(shared_data: Path):
    """pROC's own data: ci.auc(roc(outcome, s100b)), roc.test(roc(outcome, wfns), roc(outcome, s100b)); Robin 2011 prints 0.73, p 0.027."""
    table = pd.read_csv(shared_data / "tables" / "aSAH.csv")
    y = table["outcome"] == "Poor"
    found = auc_ci(y, table["s100b"])
    assert [found.auc, found.low, found.high] == pytest.approx([0.73136856368563685, 0.63011821176162264, 0.83261891560965107], abs=1e-12)
    assert delong_test(y, table["wfns"], table["s100b"]) == pytest.approx((2.2089835914409077, 0.0271757822291882), abs=1e-12)
    assert delong_test(y, table["s100b"], table["ndka"]) == pytest.approx((1.390770025735577, 0.164295175223054), abs=1e-12)


def test_ten_thousand_patients_agree_with_proc():
    """j <- 1:10000; y <- as.integer(sin(j*1.1)+cos(j^1.5) > .4); a <- sin(j*1.1)+.8*cos(j*2.2); b <- round(cos(j^1.5)+sin(j*.9), 2)"""
    j = np.arange(1, 10001)
    y = np.sin(j * 1.1) + np.cos(j**1.5) > 0.4
    a, b = np.sin(j * 1.1) + 0.8 * np.cos(j * 2.2), np.round(np.cos(j**1.5) + np.sin(j * 0.9), 2)
    first, second = auc_ci(y, a), auc_ci(y, b)
    assert [first.auc, second.auc] == pytest.approx([7.38710563887733e-01, 7.45118403444464e-01], abs=1e-12)
    assert [first.variance, second.variance] == pytest.approx([2.28111173739654e-05, 2.43978461574853e-05], rel=1e-10)
    assert delong_test(y, a, b) == pytest.approx((-0.885323277615553, 0.375982298838196), abs=1e-10)


outcomes_and_scores = st.lists(st.tuples(st.booleans(), st.integers(-20, 20)), min_size=6, max_size=40).filter(
    lambda rows: 2 <= sum(y for y, _ in rows) <= len(rows) - 2 and len({score for _, score in rows}) > 1
)


@settings(max_examples=60, deadline=None)
@given(outcomes_and_scores)
def test_auc_is_that_of_scikit_learn_and_of_ranks_alone(rows):
    y, score = (np.array(column) for column in zip(*rows, strict=True))
    found = auc_ci(y, score)
    assert found.auc == pytest.approx(roc_auc_score(y, score), abs=1e-12)
    assert 0 <= found.low <= found.auc <= found.high <= 1
    assert auc_ci(y, np.exp(score / 7.0) * 3 - 1) == found
    assert auc_ci(y, -score).auc == pytest.approx(1 - found.auc, abs=1e-12)
    assert delong_test(y, score, score**3) == (0, 1)


@settings(max_examples=20, deadline=None)
@given(outcomes_and_scores)
def test_variance_is_delongs_formula_over_all_pairs(rows):
    y, score = (np.array(column) for column in zip(*rows, strict=True))
    pairs = np.sign(score[y][:, None] - score[~y][None, :]) / 2 + 0.5
    expected = pairs.mean(axis=1).var(ddof=1) / y.sum() + pairs.mean(axis=0).var(ddof=1) / (~y).sum()
    assert auc_ci(y, score).variance == pytest.approx(expected, abs=1e-12)


def test_perfect_ranking_has_no_variance():
    found = auc_ci([0, 0, 0, 1, 1], [1, 2, 3, 4, 5])
    assert (found.auc, found.low, found.high, found.variance) == (1, 1, 1, 0)
    assert delong_test([0, 0, 0, 1, 1], [1, 2, 3, 4, 5], [1, 1, 1, 2, 2]) == (0, 1)
    assert delong_test([0, 0, 0, 1, 1], [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]) == (np.inf, 0)


# Table 2 of the icc-pni study: accuracy, sensitivity, specificity, PPV, NPV; 147 and 45 patients, 58 and 14 of them with the outcome.
ICC_PNI = {
    "LR train": (0.714, 0.466, 0.876, 0.711, 0.716),
    "LR test": (0.511, 0.929, 0.323, 0.382, 0.909),
    "NaiveBayes train": (0.667, 0.586, 0.719, 0.576, 0.727),
    "NaiveBayes test": (0.689, 0.643, 0.710, 0.500, 0.815),
    "KNN train": (0.701, 0.431, 0.876, 0.694, 0.703),
    "KNN test": (0.667, 0.357, 0.806, 0.455, 0.735),
    "ExtraTrees train": (0.762, 0.672, 0.820, 0.709, 0.793),
    "ExtraTrees test": (0.689, 0.643, 0.710, 0.500, 0.815),
    "MLP train": (0.701, 0.793, 0.640, 0.590, 0.826),
    "MLP test": (0.600, 0.857, 0.484, 0.429, 0.882),
}


@pytest.mark.parametrize("row", ICC_PNI)
def test_published_table_of_classifiers(row):
    """The 2 x 2 table rebuilt from the counts, sensitivity and specificity gives all five figures to the three decimals printed."""
    events, others = (58, 89) if row.endswith("train") else (14, 31)
    published = ICC_PNI[row]
    hits, passed = round(published[1] * events), round(published[2] * others)
    y = np.repeat([1, 0], [events, others])
    predicted = np.repeat([1, 0, 1, 0], [hits, events - hits, others - passed, passed])
    found = confusion_metrics(y, predicted)
    assert tuple(round(v, 3) for v in (found.accuracy, found.sensitivity, found.specificity, found.ppv, found.npv)) == published
    assert (found.tp, found.fn, found.fp, found.tn) == (hits, events - hits, others - passed, passed)
    assert found.f1 == pytest.approx(f1_score(y, predicted))


def test_wilson_intervals_agree_with_r():
    """Hmisc 4.8-0: binconf(c(45, 0, 17), c(50, 12, 17), method="wilson"); 45 of 50 called, 17 of 17 true negatives."""
    y, predicted = np.repeat([1, 1, 0], [45, 5, 17]), np.repeat([1, 0, 0], [45, 5, 17])
    intervals = confusion_metrics(y, predicted).intervals
    assert intervals["sensitivity"] == pytest.approx((0.78639768562520351, 0.9565242350681097), abs=1e-12)
    assert intervals["specificity"] == pytest.approx((0.81568186499114814, 1), abs=1e-12)
    # No call is wrong, so tp / (tp + fp + fn) is the sensitivity too, and F1 is 2 j / (1 + j) of it.
    assert intervals["f1"] == pytest.approx((2 * 0.78639768562520351 / 1.78639768562520351, 2 * 0.9565242350681097 / 1.9565242350681097))
    none = confusion_metrics(np.repeat([1, 0], [12, 5]), np.zeros(17))
    assert none.intervals["sensitivity"] == pytest.approx((0, 0.2424940066552408), abs=1e-12)


def test_a_predictive_value_of_nobody_is_not_a_number():
    none, everyone = confusion_metrics([1, 0, 0], [0, 0, 0]), confusion_metrics([1, 0, 0], [1, 1, 1])
    assert np.isnan(none.ppv)
    assert np.isnan(none.intervals["ppv"]).all()
    assert (none.sensitivity, none.npv, none.f1) == (0, pytest.approx(2 / 3), 0)
    assert np.isnan(everyone.npv)
    assert (everyone.ppv, everyone.f1) == (pytest.approx(1 / 3), 0.5)


def test_operating_points_agree_with_proc(cohort, tied):
    """coords(r, "best", best.method="youden"); the last row of coords(r, "all") with sensitivity >= 0.9"""
    for data, rule, expected in (
        (cohort, "youden", (0.451121565679524, 0.818181818181818, 0.842105263157895)),
        (tied, "youden", (0.45, 0.818181818181818, 0.842105263157895)),
        (cohort, "sensitivity>=0.9", (0.33281043517535, 0.909090909090909, 0.657894736842105)),
        (tied, "sensitivity>=0.9", (0.25, 0.954545454545455, 0.447368421052632)),
    ):
        found = operating_point(data.y, data.a, rule)
        assert [found.threshold, found.sensitivity, found.specificity] == pytest.approx(expected, abs=1e-12)
        assert found.metrics.sensitivity == found.sensitivity


def test_operating_point_at_a_given_threshold_and_at_the_ends(cohort):
    found = operating_point(cohort.y, cohort.a, 0.5)
    assert (found.threshold, found.metrics.tp, found.metrics.fp) == (0.5, 17, 5)
    everyone = operating_point([1, 0, 1, 0], [0.1, 0.2, 0.3, 0.4], "sensitivity >= 1")
    assert (everyone.threshold, everyone.sensitivity, everyone.specificity) == (0.1, 1, 0)
    # Two neighbours among the floating-point numbers: the threshold is the upper one.
    close = np.array([0.3, 0.3, np.nextafter(0.3, 1), np.nextafter(0.3, 1)])
    assert operating_point([0, 0, 1, 1], close).metrics.accuracy == 1
    # Of equal Youden indices the most sensitive threshold.
    assert operating_point([0, 1, 0, 1], [1, 2, 3, 4]).threshold == 1.5


def test_bootstrap_limits_are_those_of_all_resamples_written_out():
    """Events 2, 4, 5, others 1, 3, 4; 729 stratified resamples, their percentiles 5, 22, 78 and 95 being 1/3, 5/9, 8/9 and 1."""
    y, score = [1, 1, 1, 0, 0, 0], [2, 4, 5, 1, 3, 4]
    inner, outer = bootstrap_ci(y, score, level=0.56), bootstrap_ci(y, score, level=0.9)
    assert [inner.estimate, inner.low, inner.high] == pytest.approx([6.5 / 9, 5 / 9, 8 / 9])
    assert [outer.low, outer.high] == pytest.approx([1 / 3, 1])


def test_bootstrap_is_stratified_seeded_and_near_delong(cohort):
    events = []
    first = bootstrap_ci(cohort.y, cohort.a, resamples=1500, seed=3)
    assert first == bootstrap_ci(cohort.y, cohort.a, resamples=1500, seed=3)
    assert first != bootstrap_ci(cohort.y, cohort.a, resamples=1500, seed=4)
    delong = auc_ci(cohort.y, cohort.a)
    assert [first.estimate, first.low, first.high] == pytest.approx([delong.auc, delong.low, delong.high], abs=0.02)

    def mean_of_events(y, score):
        events.append(y.sum())
        return score[y == 1].mean()

    bootstrap_ci(cohort.y, cohort.a, mean_of_events, resamples=20)
    assert set(events) == {22}


def test_bootstrap_counts_off_what_is_not_defined_and_can_be_cancelled(cohort):
    values = iter([0.5, np.nan] * 30)
    assert bootstrap_ci(cohort.y, cohort.a, lambda y, s: next(values), resamples=50).resamples == 25
    with pytest.raises(CohortError, match="The statistic is defined in only 0 of 10 resamples"):
        bootstrap_ci(cohort.y, cohort.a, lambda y, s: np.nan, resamples=10)

    def stop(fraction, message):
        raise Cancelled

    with pytest.raises(Cancelled):
        bootstrap_ci(cohort.y, cohort.a, progress=stop)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: auc_ci(np.where(np.arange(60) == 7, np.nan, c.y), c.a), "Outcome is missing or not a finite number in 1 of 60 rows"),
        (lambda c: auc_ci(c.y, np.where(np.arange(60) > 57, np.nan, c.a)), r"Score is missing .* in 2 of 60 rows \(first rows: 58, 59\)"),
        (lambda c: auc_ci(c.y, c.a[1:]), "Score has 59 values for 60 outcomes"),
        (lambda c: auc_ci(np.ones(60), c.a), "Outcome is 1 in all 60 rows"),
        (lambda c: auc_ci(c.y, np.full(60, 0.25)), "Score is 0.25 in all 60 rows"),
        (lambda c: auc_ci([1, 0, 0, 0], [1, 2, 3, 4]), "Only 1 of 4 patients with the outcome: at least 2"),
        (lambda c: auc_ci(c.y, c.a, level=95), "Confidence level 95 "),
        (lambda c: delong_test(c.y, c.a, np.full(60, 2.0)), "Score B is 2 in all 60 rows"),
        (lambda c: delong_test(c.y, c.a[None], c.b), r"Score A must be a single column, not of shape \(1, 60\)"),
        (lambda c: confusion_metrics(c.y, c.y + (c.a > 0.8)), "Prediction is neither 0 nor 1 in .* holds 2"),
        (lambda c: operating_point(c.y, c.a, "best"), "Unknown rule 'best' for an operating point"),
        (lambda c: operating_point(c.y, c.a, "sensitivity>=90"), "asks for a sensitivity that is no share"),
        (lambda c: operating_point(c.y, c.a, "sensitivity>=0.9.1"), "asks for a sensitivity that is no share"),
        (lambda c: operating_point(c.y, c.a, np.nan), "Threshold nan is not a finite number"),
        (lambda c: operating_point([1, 1, 0, 0], [1, 2, 3, 4]), "The scores rank no better than chance"),
        (lambda c: bootstrap_ci(c.y, c.a, resamples=0), "0 resamples give no interval"),
    ],
)
def test_bad_input_is_refused_in_words(cohort, call, message):
    with pytest.raises(CohortError, match=message) as caught:
        call(cohort)
    assert "\n" not in str(caught.value)
