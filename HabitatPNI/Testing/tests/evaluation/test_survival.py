"""Survival statistics against R's survival 3.5-3 on its data sets aml (Miller 1981) and lung (Loprinzi 1994, first 60 complete rows)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.survival import concordance, cox, kaplan_meier, kaplan_meier_groups, logrank, risk_groups

AML_TIME = [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161, 5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45]
AML_EVENT = [1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1]
AML_NOT_MAINTAINED = [0] * 11 + [1] * 12

_ROWS = """
306,74,1,1 455,68,1,0 1010,56,1,0 210,57,1,1 883,60,1,0 1022,74,1,1 310,68,2,2 361,71,2,2 218,53,1,1 166,61,1,2 170,57,1,1
654,68,2,2 728,68,2,1 567,57,1,1 144,67,1,1 613,70,1,1 707,63,1,2 61,56,2,2 88,57,1,1 301,67,1,1 81,49,2,0 624,50,1,1
371,58,1,0 394,72,1,0 520,70,2,1 574,60,1,0 118,70,1,3 390,53,1,1 12,74,1,2 473,69,2,1 26,73,1,2 533,48,1,2 107,60,2,2
53,61,1,2 122,62,2,2 814,65,1,2 965,66,2,1 93,74,1,2 731,64,2,1 460,70,1,1 153,73,2,2 433,59,2,0 145,60,2,2 583,68,1,1
95,76,2,2 303,74,1,0 519,63,1,1 643,74,1,0 765,50,2,1 735,72,2,1 189,63,1,0 53,68,1,0 246,58,1,0 689,59,1,1 65,62,1,0
5,65,2,0 132,57,1,2 687,58,2,1 345,64,2,1 444,75,2,2
"""
LUNG = pd.DataFrame([row.split(",") for row in _ROWS.split()], columns=["time", "age", "sex", "ph.ecog"]).astype(int)
LUNG["status"] = [int(i not in (2, 5, 36)) for i in range(60)]


def test_kaplan_meier_of_aml():
    # s <- summary(survfit(Surv(time, status) ~ 1, aml)); s$time, n.risk, n.event, surv, std.err, lower, upper
    found = kaplan_meier(AML_TIME, AML_EVENT)
    assert found.times.tolist() == [5, 8, 9, 12, 13, 18, 23, 27, 30, 31, 33, 34, 43, 45, 48]
    assert found.at_risk.tolist() == [23, 21, 19, 18, 17, 14, 13, 11, 9, 8, 7, 6, 5, 4, 2]
    assert found.events.tolist() == [2, 2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    rows = {
        0: (0.9130434782609, 0.0587533847558, 0.8048547977830, 1.0),
        6: (0.5465838509317, 0.1072506417401, 0.3720780872492, 0.802933352802),
        14: (0.0828157349896, 0.0726618005035, 0.0148346082548, 0.462327406565),
    }
    for row, truth in rows.items():
        assert [part[row] for part in (found.survival, found.standard_error, found.low, found.high)] == pytest.approx(truth, abs=1e-9)
    assert found.censored.tolist() == [13, 16, 28, 45, 161]
    # print(survfit(Surv(time, status) ~ 1, aml)): median 27, 18 to 45
    assert (found.median, found.median_low, found.median_high) == (27, 18, 45)


def test_kaplan_meier_by_group():
    # summary(survfit(Surv(time, status) ~ x, aml))$table[, c("median", "0.95LCL", "0.95UCL")]
    found = kaplan_meier_groups(AML_TIME, AML_EVENT, np.where(AML_NOT_MAINTAINED, "none", "maintained"))
    assert {label: (c.median, c.median_low, c.median_high) for label, c in found.items()} == {
        "maintained": (31, 18, math.inf),
        "none": (23, 8, math.inf),
    }
    last = found["none"]
    assert last.survival[-2:] == pytest.approx([0.0972222222222, 0], abs=1e-12)
    assert last.standard_error[-2] == pytest.approx(0.0918663649675, abs=1e-9)
    assert np.isnan([last.standard_error[-1], last.low[-1], last.high[-1]]).all()


def test_median_lies_between_two_steps_where_the_curve_runs_along_one_half():
    assert kaplan_meier([1, 2, 3, 4], [1, 1, 1, 1]).median == 2.5  # quantile(survfit(Surv(1:4, rep(1, 4)) ~ 1), .5)


def test_without_events_the_curve_has_no_step_and_no_median():
    found = kaplan_meier([3, 1, 2], [0, 0, 0])
    assert len(found.times) == 0
    assert found.median == math.inf
    assert found.censored.tolist() == [1, 2, 3]


def test_logrank():
    # survdiff(Surv(time, status) ~ x, aml): chisq, pvalue
    assert logrank(AML_TIME, AML_EVENT, AML_NOT_MAINTAINED) == pytest.approx((3.39638869898, 1, 0.0653393220405), abs=1e-9)
    # survdiff(Surv(time, status) ~ ph.ecog, lung60)
    assert logrank(LUNG["time"], LUNG["status"], LUNG["ph.ecog"]) == pytest.approx((9.34644317621, 3, 0.0250223274846), abs=1e-8)


def test_cox_of_one_signature():
    # summary(coxph(Surv(time, status) ~ x, aml)); $loglik
    found = cox(AML_TIME, AML_EVENT, AML_NOT_MAINTAINED)
    assert found.terms == ("signature",)
    figures = [float(part[0]) for part in (found.coefficients, found.standard_errors, found.hazard_ratios, found.low, found.high, found.p)]
    truth = [0.915532575015, 0.511934275172, 2.49810532617, 0.9159072574, 6.813495766, 0.073714860639]
    assert figures == pytest.approx(truth, abs=1e-6)
    assert (found.log_likelihood_null, found.log_likelihood) == pytest.approx((-42.7248392628, -41.0326155965), abs=1e-8)
    assert found.likelihood_ratio_p == pytest.approx(0.0658142, abs=1e-6)
    assert (found.patients, found.events) == (23, 18)


def test_cox_of_several_terms():
    # m <- coxph(Surv(time, status) ~ age + sex + ph.ecog, lung60); summary(m)$coefficients, summary(m)$logtest
    found = cox(LUNG["time"], LUNG["status"], LUNG[["age", "sex", "ph.ecog"]])
    assert found.terms == ("age", "sex", "ph.ecog")
    assert found.coefficients == pytest.approx([0.00215417928793, -0.18849372012870, 0.34073890801158], abs=1e-7)
    assert found.standard_errors == pytest.approx([0.0184801874358, 0.2829126229065, 0.1979595046896], abs=1e-7)
    assert found.p == pytest.approx([0.9072032205008, 0.5052441238756, 0.0852044507111], abs=1e-6)
    assert (found.likelihood_ratio, found.likelihood_ratio_p) == pytest.approx((3.082607273049, 0.379063292236), abs=1e-7)


def test_concordance():
    # concordance(Surv(time, status) ~ age, lung60, reverse = TRUE): concordance, sqrt(var), count
    found = concordance(LUNG["time"], LUNG["status"], LUNG["age"])
    assert (found.concordance, found.standard_error) == pytest.approx((0.509343148358, 0.0441301183826), abs=1e-9)
    assert (found.concordant, found.discordant, found.tied) == (865, 832, 69)
    # concordance(Surv(time, status) ~ x, aml, reverse = TRUE)
    found = concordance(AML_TIME, AML_EVENT, AML_NOT_MAINTAINED)
    assert (found.concordance, found.standard_error) == pytest.approx((0.619047619048, 0.0631849960441), abs=1e-9)
    assert (found.concordant, found.discordant, found.tied) == (81, 31, 98)
    perfect = concordance([1, 2, 3, 4], [1, 1, 1, 0], [4, 3, 2, 1])
    assert (perfect.concordance, perfect.low, perfect.high) == (1, 1, 1)


def test_risk_groups_are_cut_at_the_cut_off():
    assert risk_groups([0.1, 0.5, 0.9], 0.5).tolist() == ["low", "high", "high"]
    with pytest.raises(CohortError, match=r"The cut-off 2 puts all 3 patients into the low group"):
        risk_groups([0.1, 0.5, 0.9], 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kaplan_meier([1, -2, None], [1, 1, 0]), "Column time is missing, infinite or negative in 2 of 3 rows (first rows: 1, 2)"),
        (lambda: kaplan_meier([1, 2, 3], [1, 2, 0]), "Column event is neither 0 nor 1 in 1 of 3 rows (first rows: 1)"),
        (lambda: kaplan_meier([1, 2, 3], [1, 0]), "Column event has shape (2,): 3 values, one a patient, are needed"),
        (lambda: kaplan_meier([], []), "Column time is empty"),
        (lambda: logrank([1, 2], [1, 1], ["a", None]), "Column group is missing in 1 of 2 rows (first rows: 1)"),
        (lambda: logrank([1, 2], [1, 1], ["a", "a"]), "All 2 patients are in the group a: the log-rank test compares at least 2"),
        (lambda: logrank([1, 2], [0, 0], ["a", "b"]), "Column event is 0 in all 2 rows: the log-rank test needs events"),
        (lambda: logrank([1, 1, 2, 2], [0, 0, 1, 1], [0, 0, 1, 1]), "The groups are never under observation at the same event"),
        (lambda: logrank(LUNG["time"], LUNG["status"], LUNG["age"]), "Column group has 25 different values: cut a continuous signature"),
        (lambda: cox([1, 2, 3], [0, 0, 0], [1, 2, 3]), "Column event is 0 in all 3 rows: Cox regression needs events"),
        (
            lambda: cox([1, 2, 3], [1, 1, 0], [1, np.nan, 3]),
            "Column signature is missing or not a finite number in 1 of 3 rows (first rows: 1)",
        ),
        (lambda: cox([1, 2, 3], [1, 1, 0], [7, 7, 7]), "Column signature is 7 in all 3 rows: a constant term has no hazard ratio"),
        (lambda: cox(range(10), [1] * 10, range(10)), "No finite hazard ratio of signature: these terms order the events perfectly"),
        (lambda: cox([1, 2, 3, 4, 5, 6], [1] * 6, [1, 1, 1, 0, 0, 0]), "No finite hazard ratio of signature"),
        (lambda: cox([1, 2, 3, 4], [1] * 4, np.c_[[1, 3, 2, 0], [2, 6, 4, 0]]), "No finite hazard ratio of term 0, term 1"),
        (lambda: concordance([1, 2, 3], [0, 0, 1], [1, 2, 3]), "No two patients can be compared"),
    ],
)
def test_what_has_no_answer_is_refused_in_one_line(call, message):
    with pytest.raises(CohortError) as error:
        call()
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
