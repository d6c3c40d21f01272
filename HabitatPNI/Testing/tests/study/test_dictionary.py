"""The cohort table's dictionary and template, and the reference standard."""

import csv

import pandas as pd
import pytest

from HabitatPNILib.cohort import clinical_columns, read_cohort
from HabitatPNILib.errors import CohortError, OutputError
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.standard_predictors import AGE, MRT_STAGE, PI_RADS, TPSA
from HabitatPNILib.study.dictionary import (
    check_reference_standard,
    cohort_dictionary,
    dictionary_csv,
    dictionary_markdown,
    reference_table,
    write_cohort_template,
)


def cohort(*rows: tuple[str, object]) -> pd.DataFrame:
    index = pd.Index([f"c{i}" for i in range(len(rows))], name="case_id")
    return pd.DataFrame(rows, columns=["split", "reference_standard"], index=index)


def test_the_template_is_a_cohort_table(tmp_path):
    written = write_cohort_template(tmp_path / "new")
    assert [p.name for p in written] == ["cohort_template.csv", "dictionary.csv", "README.md"]
    table = read_cohort(written[0])
    assert list(table.index) == ["case-001", "case-002"]
    assert set(clinical_columns(table)) - {"reference_standard", "patient_id", "roi_2", "roi_2_segment", "roi_2_on"} == {
        *("age", "mrt_stage", "pi_rads", "tpsa", "adc_value")
    }
    for predictor in (AGE, MRT_STAGE, PI_RADS, TPSA):
        for value in table[predictor.name]:
            assert predictor.code(value, "c") is not None
    assert check_reference_standard(table).counts["training"]["prostatectomy"] == 1


def test_every_column_of_the_template_is_in_the_dictionary(tmp_path):
    template, dictionary, readme = write_cohort_template(tmp_path)
    header = next(csv.reader(template.open(encoding="utf-8")))
    entries = list(csv.DictReader(dictionary.open(encoding="utf-8")))
    assert [e["column"] for e in entries] == [*header, "dicom", "true_probability"]
    assert all(e["meaning"] and e["type"] in {"text", "number", "category", "path"} and e["needed"] for e in entries)
    text = readme.read_text(encoding="utf-8")
    assert "Research use only" in text
    assert "`case_id`, `split`, `outcome`, `roi`, `age`, `mrt_stage`, `pi_rads`" in text


def test_another_study_s_template_asks_for_its_own_images(tmp_path):
    protocol = Protocol.load("hcc-grade")
    template, _, readme = write_cohort_template(tmp_path, protocol)
    header = next(csv.reader(template.open(encoding="utf-8")))
    assert {"t1pv", "roi", "outcome"} <= set(header)
    assert not {"t2w", "dwi", "adc", "low_b", "b_dwi", "b_low_b", "dicom", "pi_rads"} & set(header)
    assert list(read_cohort(template)["t1pv"]) == ["case-001/t1pv.nrrd", "case-002/t1pv.nrrd"]
    assert "`case_id`, `split`, `outcome`, `t1pv`, `roi`" in readme.read_text(encoding="utf-8")
    by_name = {c.name: c for c in cohort_dictionary(protocol)}
    assert by_name["outcome"].meaning == f"What the study predicts: {protocol.title}"
    assert by_name["roi_on"].codes == "t1pv"
    assert "t1pv" not in {c.name for c in cohort_dictionary()}


def test_codes_and_units_are_those_of_the_predictors():
    by_name = {c.name: c for c in cohort_dictionary()}
    assert by_name["pi_rads"].codes == "3 (also 1, 2) = \u2264 3, 4 = 4, 5 = 5"
    assert by_name["mrt_stage"].codes == "1 = T1, 2 = T2, 3 = T3, 4 = T4"
    assert (by_name["age"].unit, by_name["age"].codes) == ("years", "18 to 120")
    assert by_name["tpsa"].unit == "ng/mL"
    assert by_name["outcome"].codes == "0 = no, 1 = yes"


def test_needed_follows_the_protocol():
    values = Protocol.load("pca-pni").to_dict()
    other = Protocol.from_dict({**values, "clinical": {"candidates": ["tpsa"]}}, "of the test")
    needed = {c.name: c.needed for c in cohort_dictionary(other)}
    assert (needed["tpsa"], needed["age"]) == ("yes", "no")
    needed = {c.name: c.needed for c in cohort_dictionary()}
    assert (needed["tpsa"], needed["age"]) == ("no", "yes")


def test_markdown_has_a_row_a_column():
    columns = cohort_dictionary()
    lines = dictionary_markdown(columns).splitlines()
    assert len(lines) == 2 + len(columns)
    assert {line.count("|") for line in lines} == {8}
    assert len(dictionary_csv(columns).splitlines()) == 1 + len(columns)


def test_a_template_that_may_be_filled_in_is_kept(tmp_path):
    write_cohort_template(tmp_path)
    (tmp_path / "cohort_template.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="may have been filled in; choose another folder"):
        write_cohort_template(tmp_path)
    assert (tmp_path / "cohort_template.csv").read_text(encoding="utf-8") == "mine"


def test_reference_standard_is_counted_by_split_and_a_mixture_warned_of():
    found = check_reference_standard(
        cohort(("training", "biopsy"), ("training", " prostatectomy "), ("training", "biopsy"), ("external", "prostatectomy"))
    )
    assert found.counts == {
        "training": {"biopsy": 2, "prostatectomy": 1, "not stated": 0},
        "external": {"biopsy": 0, "prostatectomy": 1, "not stated": 0},
    }
    assert found.stated
    (warning,) = found.warnings
    assert "misses perineural invasion that prostatectomy finds" in warning
    assert "training: 2 of 3 (67 %); external: 0 of 1 (0 %)" in warning
    table = reference_table(found)
    assert list(table.frame.iloc[0]) == ["Training", "3", "2 (66.7 %)", "1 (33.3 %)", "0 (0.0 %)"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (("prostatectomy", "prostatectomy"), ()),
        (("biopsy", "biopsy"), ("All stated outcomes are of biopsy",)),
        (("prostatectomy", None), ("not stated for 1 of 2",)),
        (("biopsy", ""), ("not stated for 1 of 2", "All stated outcomes are of biopsy")),
        ((None, float("nan")), ("The reference standard is not stated",)),
    ],
)
def test_warnings_of_the_reference_standard(values, words):
    warnings = check_reference_standard(cohort(*(("training", v) for v in values))).warnings
    assert len(warnings) == len(words)
    assert all(word in warning for word, warning in zip(words, warnings, strict=True))


def test_without_the_column_it_is_not_stated():
    found = check_reference_standard(cohort(("training", "biopsy")).drop(columns="reference_standard"))
    assert not found.stated
    assert found.counts == {"training": {"biopsy": 0, "prostatectomy": 0, "not stated": 1}}


def test_another_value_is_refused_with_its_cases():
    table = cohort(("training", "biopsy"), ("training", "autopsy"), ("external", "Prostatectomy"))
    with pytest.raises(
        CohortError, match=r"^Column reference_standard must be biopsy or prostatectomy, or empty; it is not in 2 cases: c1, c2$"
    ):
        check_reference_standard(table)
