"""The TRIPOD+AI checklist: complete, filled in with the study's numbers, and honest about what only authors know."""

import dataclasses
import re

import pytest

from HabitatPNILib.study.plan import StudyPlan
from HabitatPNILib.study.summary import summarise
from HabitatPNILib.study.tripod import Status, tripod_answers, tripod_table
from HabitatPNILib.study.tripod_items import TRIPOD_ITEMS

from .report_parts import make_honesty

MAIN = {
    **dict.fromkeys((1, 2, 4, 7, 10, 11, 13, 14, 15, 16, 17, 19, 21, 22, 24, 25, 26), 1),
    **{3: 3, 5: 2, 6: 3, 8: 3, 9: 3, 12: 7, 18: 6, 20: 3, 23: 2, 27: 3},
}


@pytest.fixture(scope="module")
def phantoms(small_study, fitted):
    return summarise(small_study, StudyPlan(), fitted, make_honesty(small_study.models))


@pytest.fixture(scope="module")
def patients(small_study, fitted):
    data = dataclasses.replace(
        small_study,
        cohort=small_study.cohort.drop(columns="true_probability").assign(reference_standard="prostatectomy"),
        extraction=dataclasses.replace(small_study.extraction, phantom=False),
        left_out={"x": "Case x: T2W is constant"},
    )
    return summarise(data, StudyPlan(repeats=4, bootstrap=80), fitted, make_honesty(data.models))


def test_it_has_the_27_items_and_52_parts_of_the_checklist():
    found: dict[int, int] = {}
    for item in TRIPOD_ITEMS:
        number = int(re.match(r"\d+", item.number)[0])
        found[number] = found.get(number, 0) + 1
    assert found == MAIN
    assert len(TRIPOD_ITEMS) == 52
    assert {item.applies for item in TRIPOD_ITEMS} == {"D", "E", "D;E"}
    assert {i.number for i in TRIPOD_ITEMS if i.applies == "E"} == {"12f", "12g", "20c", "24"}


def test_every_item_is_answered_with_its_place(patients, phantoms):
    for summary in (patients, phantoms):
        for number, answer in tripod_answers(summary).items():
            assert len(answer.text) > 15, number
            assert answer.text.endswith("."), number
            if answer.status is Status.REPORTED:
                assert answer.where not in {"", "\u2013"}, number


def test_numbers_come_from_the_study(patients):
    answers = tripod_answers(patients)
    events = patients.events
    flow = f"training 96 patients, {events['training']} with the outcome; internal 32 patients, {events['internal']} with the outcome"
    assert flow in answers["20a"].text
    assert "1 case was left out" in answers["20a"].text
    assert "4 \u00d7 5-fold nested cross-validation and 80 bootstrap samples" in answers["12c"].text
    assert "age in 3" in answers["11"].text
    assert "external 32 patients" in answers["5a"].text
    assert f"external {patients.auc('external'):.3f} (" in answers["23a"].text
    assert f"{len(patients.data.clinical.columns) + 48} candidates" in answers["10"].text
    assert "training prostatectomy 96" in answers["8a"].text
    assert "Intercept" in answers["22"].text


def test_what_only_authors_know_is_left_to_them(patients):
    answers = tripod_answers(patients)
    authors = {n for n, a in answers.items() if a.status is Status.AUTHORS}
    assert {"3a", "5b", "6b", "8b", "8c", "9c", "17", "18a", "18b", "18d", "18e", "19", "25"} <= authors
    assert {n for n, a in answers.items() if a.status is Status.NOT_APPLICABLE} == {"12f", "13", "24"}
    assert "each of the 2 centres" in answers["23b"].text


def test_without_reference_standard_the_outcome_is_open(small_study, fitted, patients):
    data = dataclasses.replace(patients.data, cohort=patients.data.cohort.drop(columns="reference_standard"))
    answer = tripod_answers(summarise(data, StudyPlan(), fitted))["8a"]
    assert answer.status is Status.AUTHORS
    assert "The reference standard is not stated." in answer.text


def test_phantoms_have_no_ethics_but_funders(phantoms):
    answers = tripod_answers(phantoms)
    assert answers["17"].status is Status.NOT_APPLICABLE
    assert "digital phantoms" in answers["17"].text
    assert answers["18a"].status is Status.AUTHORS
    assert "represent no patients" in answers["5a"].text


def test_without_held_out_patients_the_items_on_them_say_so(small_study, fitted):
    cohort = small_study.cohort[small_study.cohort["split"] == "training"]
    data = dataclasses.replace(small_study, cohort=cohort, clinical=small_study.clinical.loc[cohort.index])
    answers = tripod_answers(summarise(data, StudyPlan(), fitted))
    assert answers["20c"].status is answers["23b"].status is Status.NOT_APPLICABLE
    assert "no patients were held out" in answers["4"].text
    assert "no internal validation was run" in answers["12c"].text


def test_the_table_counts_its_items(patients):
    table = tripod_table(patients)
    assert list(table.frame.columns) == ["Item", "Part", "What it asks", "Concerns", "Status", "Where", "What was done"]
    counts = table.frame["Status"].value_counts()
    assert counts.sum() == 52
    assert f"{counts['reported']} of 52 are filled in" in table.note
    assert "10.1136/bmj-2023-078378" in table.note
    assert len(table.csv.splitlines()) == 53
