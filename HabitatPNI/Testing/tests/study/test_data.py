"""The cases of a study: those with features that were not rejected, each with its coded values and its split."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError, CohortError
from HabitatPNILib.study.data import check_before_extraction, study_data


def test_models_labels_and_splits(small_study):
    assert small_study.models == ("clinical", "habitat1", "habitat2", "tumour", "combined")
    assert [small_study.label(m) for m in small_study.models] == ["Clinical", "Habitat 1", "Habitat 2", "Whole tumour", "Combined"]
    assert small_study.splits == ("training", "internal", "external")
    assert [len(small_study.rows(s)) for s in small_study.splits] == [96, 32, 32]
    assert small_study.features.index.equals(small_study.cohort.index)
    assert small_study.y.isin([0, 1]).all()


def test_missing_values_are_nan_and_ranges_are_those_of_training(small_study):
    assert list(small_study.clinical.index[small_study.clinical["age"].isna()]) == ["p5", "p6", "p130"]
    age = small_study.predictors[0]
    ages = small_study.cohort.loc[small_study.rows("training"), "age"]
    assert (age.name, age.low, age.high) == ("age", ages.min(), ages.max())


def test_failed_and_rejected_cases_are_left_out_with_their_reason(make_study):
    whole = make_study()
    without = dataclasses.replace(whole.extraction, features=whole.extraction.features.drop(index=["p7", "p8"]), failures={"p7": "no T2W"})
    data = study_data(whole.cohort, without, {"p9": "motion"})
    assert data.left_out == {"p7": "no T2W", "p8": "no features; run habitatpni extract again", "p9": "motion"}
    assert len(data.cohort) == len(data.clinical) == len(data.features) == 157
    assert data.features.index.equals(data.cohort.index)
    assert not {"p7", "p8", "p9"} & set(data.rows("training"))


def test_cases_without_a_decision_are_used_and_kept_in_mind(make_study):
    whole = make_study()
    data = study_data(whole.cohort, whole.extraction, {"p9": "motion"}, ("p11", "p9", "p10"))
    assert data.undecided == ("p10", "p11")
    assert {"p10", "p11"} <= set(data.cohort.index)
    assert study_data(whole.cohort, whole.extraction).undecided == ()


def test_the_order_of_the_features_does_not_matter(make_study):
    whole = make_study()
    turned = dataclasses.replace(whole.extraction, features=whole.extraction.features.iloc[::-1])
    assert study_data(whole.cohort, turned).features.equals(whole.features)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.assign(split=np.where(t.index == "p0", "external", t["split"])), r"no longer training cases \(first p0\)"),
        (lambda t: t.drop(columns="pi_rads"), "lacks the clinical columns pi_rads"),
        (lambda t: t.assign(age=np.nan), "age is empty in all 96 training rows"),
        (lambda t: t.assign(outcome=t["outcome"].where(t["split"] != "internal", 1)), "outcome is 1 in all 32 cases of the split internal"),
        (lambda t: t.assign(pi_rads=9), "PI-RADS 9 is impossible"),
    ],
)
def test_cohorts_that_cannot_be_studied(make_study, change, text):
    whole = make_study()
    with pytest.raises((CohortError, CaseError), match=text):
        study_data(change(whole.cohort), whole.extraction)


def test_rejections_of_another_cohort_are_refused(make_study):
    whole = make_study()
    with pytest.raises(CohortError, match="not in the cohort table: x1"):
        study_data(whole.cohort, whole.extraction, {"x1": "motion"})
    with pytest.raises(CohortError, match="No training case is left"):
        study_data(whole.cohort, whole.extraction, dict.fromkeys(whole.rows("training"), "motion"))


def test_the_table_alone_is_checked_before_the_extraction(make_study):
    whole = make_study()
    kept = check_before_extraction(whole.cohort, whole.protocol, {"p9": "motion"})
    assert list(kept.index) == [case for case in whole.cohort.index if case != "p9"]


@pytest.mark.parametrize(
    ("change", "rejected", "text"),
    [
        (
            lambda t: t.assign(outcome=t["outcome"].where(t["split"] != "external", 0)),
            {},
            "outcome is 0 in all 32 cases of the split external",
        ),
        (lambda t: t.drop(columns="age"), {}, "lacks the clinical columns age"),
        (lambda t: t.assign(pi_rads=t["pi_rads"].where(t.index != "p3", 7)), {}, "Case p3: PI-RADS 7 is impossible"),
        (
            lambda t: t.assign(age=t["age"].where(np.arange(len(t)) > 30)),
            {},
            r"age is missing in 31 of 96 training cases \(p0, p1, p2, p3, p4 ...\)",
        ),
        (lambda t: t.assign(age=65), {}, "Column age has the same value in all 96 patients"),
        (lambda t: t.assign(patient_id=["x" if c in ("p1", "p150") else c for c in t.index]), {}, r"p1 \(training\) and p150 \(external\)"),
        (lambda t: t, {f"p{i}": "motion" for i in range(96)}, "No training case is left"),
        (lambda t: t, {"nobody": "motion"}, "Rejected cases are not in the cohort table: nobody"),
    ],
)
def test_what_the_table_alone_tells_is_refused(make_study, change, rejected, text):
    whole = make_study()
    with pytest.raises((CohortError, CaseError), match=text):
        check_before_extraction(change(whole.cohort), whole.protocol, rejected)
