"""A whole study of 40 phantoms on ResNet-18, by the command a user types: extraction, model, checks, tables, figures, report."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from HabitatPNILib.analysis import analyse
from HabitatPNILib.cli import main
from HabitatPNILib.cohort import load_case, read_cohort
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.imaging.phantom_cohort import SEEDS_PER_COHORT
from HabitatPNILib.imaging.phantom_law import draw_patient
from HabitatPNILib.protocol import Protocol

SEED = 350
SIZES = (26, 7, 7)


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """The study's command; 11 of its 26 training patients have the outcome, which is why the folds are few."""
    folder = tmp_path_factory.mktemp("study")
    values = Protocol.load("pca-pni").to_dict()
    values["preprocessing"]["spacing_mm"] = [2.0, 2.0, 2.0]
    values["deep"] |= {"backbone": "resnet18", "size": 64}
    values["selection"] |= {"mrmr_features": 10, "folds": 3}
    values["clinical"]["univariate_p"] = 0.5
    values["combined"]["folds"] = 3
    (folder / "small.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
    plan = ("--folds", 3, "--repeats", 1, "--bootstrap", 2, "--permutations", 3, "--learning-sizes", 0)
    cohort = ("--phantom", "-n", *SIZES, "--phantom-seed", SEED, "--protocol", folder / "small.yaml")
    return folder / "out", [str(word) for word in ("study", *cohort, *plan, "-o", folder / "out")]


@pytest.fixture(scope="module")
def out(command):
    """The study's folder."""
    folder, words = command
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def found(out):
    """Its central figures."""
    return json.loads((out / "study.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def patients():
    """The law's patients by split, without an image."""
    drawn = [draw_patient(SEED * SEEDS_PER_COHORT + i + 1) for i in range(sum(SIZES))]
    bounds = np.cumsum((0, *SIZES))
    return {s: drawn[a:b] for s, a, b in zip(("training", "internal", "external"), bounds[:-1], bounds[1:], strict=True)}


def test_the_patients_are_those_of_the_law(found, patients):
    assert found["patients"] == dict(zip(("training", "internal", "external"), SIZES, strict=True))
    assert found["events"] == {split: sum(p.outcome for p in drawn) for split, drawn in patients.items()}
    for split, drawn in patients.items():
        truth = roc_auc_score([p.outcome for p in drawn], [p.linear_predictor for p in drawn])
        assert found["true_probability_auc"][split]["auc"] == pytest.approx(truth, abs=1e-6)


def test_held_out_figures_are_those_of_the_probabilities_written(out, found):
    scores = pd.read_csv(out / "tables" / "probabilities.csv", index_col="case_id")
    for model in ("clinical", "habitat1", "habitat2", "habitat3", "tumour", "combined"):
        for split in ("internal", "external"):
            rows = scores[scores["split"] == split]
            expected = roc_auc_score(rows["outcome"], rows[model])
            assert found["auc"][model][split]["auc"] == pytest.approx(expected, abs=1e-6), (model, split)


def test_apparent_figures_promise_more_than_unseen_patients_keep(found):
    combined = {way: figures["auc"] for way, figures in found["auc"]["combined"].items()}
    assert combined["apparent"] > 0.9
    assert combined["nested"] < combined["apparent"] - 0.15
    assert combined["corrected"] < combined["apparent"]


def test_the_planted_leak_is_flagged_and_nobody_is_in_two_splits(found):
    assert {name: found["checks"][name] for name in ("Planted leak", "Leakage between splits")} == {
        "Planted leak": "passed",
        "Leakage between splits": "passed",
    }


def test_the_frozen_model_repeats_the_study_on_a_case_of_its_own(out):
    model = load_model(out / "model")
    assert model.demonstration
    assert model.notice.startswith("Demonstration model, trained on digital phantoms")
    scores = pd.read_csv(out / "tables" / "probabilities.csv", index_col="case_id")
    table = read_cohort(out / "cohort" / "cohort.csv")
    case_id = table.index[table["split"] == "external"][0]
    row = table.loc[case_id]
    case = load_case(case_id, row, out / "cohort", Protocol.from_dict(model.protocol, "of the model"))
    analysis = analyse(replace(case, clinical={name: float(row[name]) for name in ("age", "mrt_stage", "pi_rads")}), model)
    assert analysis.probability == pytest.approx(scores.loc[case_id, "combined"], abs=1e-5)


def test_the_report_opens_offline_and_every_file_it_speaks_of_is_there(out):
    page = (out / "report.html").read_text(encoding="utf-8")
    for heading in ("Research use only", "Demonstration on digital phantoms", "Side by side", "Checks", "TRIPOD+AI", "Limitations"):
        assert heading in page
    assert not re.search(r"(?:src|href)=[\"'](?!#|data:)", page)
    figures = {path.stem for path in (out / "figures").glob("*.png")}
    assert figures == {path.stem for path in (out / "figures").glob("*.svg")}
    assert {"habitats", "nomogram", "roc_external", "decision_curve_external", "calinski_harabasz", "auc_forest"} <= figures
    assert (out / "tables" / "performance.csv").read_text(encoding="utf-8").count("\n") > 20


@pytest.mark.slow
def test_a_second_run_makes_nothing_anew(command, out):
    def kept():
        return {path: path.stat().st_mtime_ns for name in ("cohort", "fits", "controls") for path in sorted((out / name).rglob("*.*"))}

    before, figures = kept(), (out / "study.json").read_bytes()
    assert main(command[1]) == 0
    assert kept() == before
    assert (out / "study.json").read_bytes() == figures
