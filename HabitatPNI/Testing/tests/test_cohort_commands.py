"""Wrong input of the cohort commands: one line on standard error, exit code 2, nothing long begun, nothing written."""

from __future__ import annotations

import pytest

from HabitatPNILib import cohort, phantoms
from HabitatPNILib.cli import main

COLUMNS = "case_id,split,outcome,t2w,dwi,adc,roi,age,mrt_stage,pi_rads"


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """The one line of a command that is refused before a case is touched; its folder must not be there afterwards."""

    def never(*_arguments):
        raise AssertionError("a long computation was begun")

    monkeypatch.setattr(cohort, "collect_cases", never)
    monkeypatch.setattr(phantoms, "collect_cases", never)

    def run(*words, out="out"):
        assert main([*map(str, words), "-o", str(tmp_path / out)]) == 2
        (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[")]
        assert line.startswith("habitatpni: ")
        assert not (tmp_path / "out").exists()
        return line

    return run


def cases(path, change=lambda number, row: row):
    """A cohort table of 40 training and 20 external cases whose images are not there."""
    rows = []
    for i in range(60):
        split, outcome, pi_rads = "training" if i < 40 else "external", i % 2, 3 + (i * 7) % 3 if i % 4 else 5 - i % 2
        row = dict(zip(COLUMNS.split(","), (f"c{i}", split, outcome, "t", "d", "a", "r", 50 + i * 7 % 30, 1 + i % 3, pi_rads), strict=True))
        rows.append(",".join(str(value) for value in change(i, row).values()))
    path.write_text("\n".join([COLUMNS, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda i, row: row | {"pi_rads": 7 if i == 4 else row["pi_rads"]}, "Case c4: PI-RADS 7.0 is impossible"),
        (lambda i, row: row | {"age": "" if i < 9 else row["age"]}, "Clinical column age is missing in 9 of 40 training cases (c0, c1, c2"),
        (lambda i, row: row | {"outcome": 1 if i >= 40 else row["outcome"]}, "outcome is 1 in all 20 cases of the split external"),
        (lambda i, row: row | {"outcome": int(i in (1, 5, 12, 45))}, "Only 3 training patients of the rarer outcome"),
    ],
)
def test_a_study_says_what_is_wrong_with_its_table_before_the_extraction(refused, tmp_path, change, text):
    (tmp_path / "easy.yaml").write_text("name: easy\ntitle: easy\nclinical: {univariate_p: 0.999}\n", encoding="utf-8")
    table = cases(tmp_path / "cohort.csv", change)
    assert text in refused("study", table, "--protocol", tmp_path / "easy.yaml", "--weights", "seeded:1")


@pytest.mark.parametrize(
    ("habitats", "text"),
    [
        ("{texture: {features: [original_glcm_Contrst]}}", "there is no feature 'original_glcm_Contrst'"),
        ("{order_by: adc__original_glszm_ZoneEntropy, texture: {}}", "order_by is adc__original_glszm_ZoneEntropy, a texture feature that"),
    ],
)
@pytest.mark.parametrize("command", ["extract", "study"])
def test_texture_that_there_is_not_is_refused_before_the_first_case(refused, tmp_path, command, habitats, text):
    (tmp_path / "wrong.yaml").write_text(f"name: w\ntitle: w\nhabitats: {habitats}\n", encoding="utf-8")
    table = cases(tmp_path / "cohort.csv", lambda i, row: row | {"outcome": 1})  # a study would refuse this too, but later
    assert text in refused(command, table, "--protocol", tmp_path / "wrong.yaml", "--weights", "seeded:1")


def test_a_table_without_training_cases_is_refused_before_the_first_case(refused, tmp_path):
    table = cases(tmp_path / "cohort.csv", lambda i, row: row | {"split": "external"})
    assert "cohort.csv: no training case is left; give column split the word training" in refused("extract", table, "--weights", "seeded:1")


def test_a_study_needs_one_cohort(refused, tmp_path):
    assert "needs a cohort table, or --phantom" in refused("study")
    assert "and not both" in refused("study", cases(tmp_path / "cohort.csv"), "--phantom")


def test_phantoms_are_not_made_for_a_study_that_cannot_be(refused, tmp_path):
    assert "No table icc.csv" in refused("study", "--phantom", "--icc", tmp_path / "icc.csv")
    assert "cannot be called 'a/b': give --name letters" in refused("study", "--phantom", "--name", "a/b")
    assert "cannot be called '': give --model-version letters" in refused("study", "--phantom", "--model-version", "")


def test_a_folder_that_cannot_be_is_found_before_the_work(refused, tmp_path):
    table = cases(tmp_path / "cohort.csv")
    for words in (["extract", table], ["train", table, "--features", tmp_path, "--name", "x"], ["phantom"]):
        assert "cohort.csv is a file; give a folder for the results" in refused(*words, out="cohort.csv")


def test_a_recalibrated_model_needs_a_name(refused, tmp_path):
    assert "cannot be called ''" in refused("recalibrate", "pca-pni-clinical", cases(tmp_path / "cohort.csv"), "--name", "")
