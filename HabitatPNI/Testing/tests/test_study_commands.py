"""The commands round a study: what they print and write, from the options a user types."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib import cli_study, quality, second_reader, study_commands
from HabitatPNILib.clinical_model import write_clinical_model
from HabitatPNILib.errors import CohortError
from HabitatPNILib.frozen_model import load_model


def options(add, *arguments):
    parser = argparse.ArgumentParser()
    add(parser)
    return parser.parse_args([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The published clinical model, and 150 patients at whose site the outcome is more frequent."""
    folder = tmp_path_factory.mktemp("site")
    model = write_clinical_model(folder / "clinical")
    rng = np.random.default_rng(2)
    values = pd.DataFrame({"age": rng.integers(50, 90, 150), "mrt_stage": rng.integers(1, 5, 150), "pi_rads": rng.integers(3, 6, 150)})
    log_odds = model.intercept + values.to_numpy() @ np.log([0.92, 1.83, 3.12])
    for name, shift in (("more", 1.2), ("same", 0.0)):
        outcome = (rng.random(150) < 1 / (1 + np.exp(-(shift + log_odds)))).astype(int)
        values.assign(case_id=[f"v{i}" for i in range(150)], outcome=outcome).to_csv(folder / f"{name}.csv", index=False)
    return folder, model


def test_recalibrate_writes_a_model_and_prints_what_was_tested(site, tmp_path, capsys):
    folder, model = site
    given = options(cli_study.add_recalibrate, model.folder, folder / "more.csv", "--site", "clinic X", "-o", tmp_path / "new")
    study_commands.recalibrate(given)
    printed = capsys.readouterr().out
    new = load_model(tmp_path / "new")
    assert (new.name, new.version) == ("pca-pni-clinical-recalibrated", "1.0.0")
    assert new.provenance["recalibration"]["site"] == "clinic X"
    assert "taken: new intercept" in printed
    assert "chi-square" in printed
    assert f"pca-pni-clinical-recalibrated 1.0.0: {tmp_path / 'new'}" in printed
    assert "Research use only" in printed


def test_a_model_that_fits_is_left_alone(site, tmp_path, capsys):
    folder, model = site
    study_commands.recalibrate(options(cli_study.add_recalibrate, model.folder, folder / "same.csv", "-o", tmp_path / "new"))
    assert "pca-pni-clinical 1.0.0 fits these patients as it is: nothing is written" in capsys.readouterr().out
    assert not (tmp_path / "new" / "model.json").exists()


def test_a_method_can_be_asked_for(site, tmp_path):
    folder, model = site
    study_commands.recalibrate(
        options(cli_study.add_recalibrate, model.folder, folder / "same.csv", "--method", "slope", "--name", "n", "-o", tmp_path / "new")
    )
    new = load_model(tmp_path / "new")
    assert new.name == "n"
    slope = new.provenance["recalibration"]["slope"]
    assert [t.coefficient for t in new.terms] == pytest.approx([slope * t.coefficient for t in model.terms], abs=1e-15)


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    def look(case_id, row, folder, protocol, out, known, features):
        decision = "review" if case_id == "b" else "accept"
        return {"case_id": case_id, "decision": decision, "prefilled": decision, "key": "k", "registration": "accepted"}

    monkeypatch.setattr(quality, "_look", look)
    images = dict.fromkeys(("t2w", "dwi", "adc", "roi"), "x.nrrd")
    pd.DataFrame([{"case_id": c, "split": "training", "outcome": 0, **images} for c in "abc"]).to_csv(tmp_path / "cohort.csv", index=False)
    return tmp_path / "cohort.csv", tmp_path / "out"


def test_quality_says_what_to_do_next(sheet, capsys):
    cohort, out = sheet
    study_commands.quality(options(lambda p: cli_study.add_quality(p, int), cohort, "-o", out))
    printed = capsys.readouterr().out
    assert "3 cases looked at: 2 accept, 1 review, 0 reject" in printed
    assert str(out / "quality.csv") in printed


def test_decisions_are_those_of_the_sheet(sheet):
    cohort, out = sheet
    study_commands.quality(options(lambda p: cli_study.add_quality(p, int), cohort, "-o", out))
    assert study_commands.quality_decisions(None, cohort) == ({}, ())
    text = (out / "quality.csv").read_text(encoding="utf-8")
    (out / "quality.csv").write_text(text.replace("c,accept,", "c,reject,moved"), encoding="utf-8")
    given = options(cli_study.add_quality_option, "--quality", out / "quality.csv").quality
    assert study_commands.quality_decisions(given, cohort) == ({"c": "rejected in the quality sheet: moved"}, ("b",))
    assert study_commands.undecided_line(("b",)) == "Undecided in the quality sheet and used as if accepted: 1 cases (b)\n"
    assert study_commands.undecided_line(()) == ""
    table = pd.read_csv(cohort)
    table[table["case_id"] != "c"].to_csv(cohort, index=False)
    with pytest.raises(CohortError, match="names a case that the cohort does not have"):
        study_commands.quality_decisions(given, cohort)


def test_reader2_prints_shares_and_what_few_cases_mean(tmp_path, monkeypatch, capsys):
    found = second_reader.SecondReading(
        outlines=pd.DataFrame({"dice": [0.8, 0.9, 0.7]}, index=["a", "b", "c"]),
        features=pd.DataFrame({"icc": [0.9, 0.78, 0.2, np.nan]}),
        radscores=pd.DataFrame({"cases": [3], "icc": [0.85], "low": [0.1], "high": [0.99]}, index=["radscore_tumour"]),
        summary=pd.DataFrame(),
        kind="2,1",
        failures={"d": "no outline"},
    )
    monkeypatch.setattr(second_reader, "second_reading", lambda *arguments: found)
    given = options(lambda p: cli_study.add_reader2(p, int), "cohort.csv", "--features", "f", "-o", tmp_path / "out")
    study_commands.reader2(given)
    printed = capsys.readouterr().out
    assert "3 cases read twice, median Dice 0.800" in printed
    assert "ICC(2,1) of 4 features: 50% at least 0.75, 25% at least 0.8" in printed
    assert "radscore_tumour: ICC 0.850 (0.100 to 0.990), 3 cases" in printed
    assert "Fewer than 30 cases" in printed
    assert "1 cases failed" in printed


def test_features_for_training_can_be_limited():
    given = options(cli_study.add_icc_options, "--icc", "icc_features.csv")
    assert (given.icc.name, given.icc_min) == ("icc_features.csv", 0.8)
