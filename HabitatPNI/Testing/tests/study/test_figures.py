"""Figures of a study: each is given the right patients, scores and cut-off; a few are drawn, all of them in the slow run."""

from __future__ import annotations

import io
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.metrics import confusion_matrix, roc_auc_score

import HabitatPNILib.drawing
import HabitatPNILib.evaluation.figures
from HabitatPNILib.errors import Cancelled
from HabitatPNILib.evaluation.optimism import Optimism
from HabitatPNILib.evaluation.resampling import CrossValidation, LearningCurve
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.nomogram.points import Nomogram
from HabitatPNILib.study import figures as study_figures_module
from HabitatPNILib.study.figures import HabitatCurve, study_figures

SPLITS = ("training", "internal", "external")
REGIONS = ("habitat1", "habitat2", "tumour")


@pytest.fixture(scope="module")
def honesty(small_study):
    """A resampling with numbers set by hand."""
    folds = np.full((2, 3), 0.7)
    nested = CrossValidation(0.7, folds.mean(axis=1), folds, np.zeros((2, 96)), np.zeros((2, 96), dtype=int))
    optimism = Optimism(0.9, 0.1, 0.8, np.full(4, 0.9), np.full(4, 0.8))
    curve = LearningCurve(np.array([40, 70]), np.array([0.6, 0.7]), np.array([0.98, 0.95]), np.full((2, 5), 0.6), np.full((2, 5), 0.9))
    models = small_study.models
    return SimpleNamespace(nested=dict.fromkeys(models, nested), optimism=dict.fromkeys(models, optimism), learning=curve)


@pytest.fixture
def recorded(monkeypatch):
    """Arguments by the name of the drawing function, in the order of the calls; nothing is drawn."""
    calls: dict[str, list] = {}

    def record(name):
        def draw(*args, **kwargs):
            calls.setdefault(name, []).append((args, kwargs))
            axes = SimpleNamespace(set_ylabel=lambda _: None, set_xlabel=lambda _: None)
            return SimpleNamespace(axes=[axes], clear=lambda: calls.setdefault("cleared", []).append(name))

        return draw

    for name in HabitatPNILib.evaluation.figures.__all__:
        if name.endswith("_figure"):
            monkeypatch.setattr(HabitatPNILib.evaluation.figures, name, record(name))
    monkeypatch.setattr(study_figures_module, "draw_nomogram", record("nomogram"))
    monkeypatch.setattr(HabitatPNILib.drawing, "svg_bytes", lambda figure: b"<svg/>")
    monkeypatch.setattr(HabitatPNILib.drawing, "png_bytes", lambda figure, dpi: f"png {dpi}".encode())
    return calls


def test_every_figure_is_made_and_cleared(small_study, fitted, honesty, recorded):
    curve = HabitatCurve([2, 3], np.ones((4, 2)))
    steps: list[float] = []
    found = study_figures(small_study, fitted, honesty, habitat_curve=curve, progress=lambda done, text: steps.append(done))
    expected = [f"roc_{s}" for s in SPLITS] + ["confusion_combined"] + [f"waterfall_{s}" for s in SPLITS]
    for split in SPLITS[1:]:
        expected += [
            f"calibration_combined_{split}",
            f"calibration_clinical_{split}",
            f"decision_curve_{split}",
            f"clinical_impact_{split}",
        ]
    expected += [f"{kind}_{r}" for r in REGIONS for kind in ("lasso_path", "lasso_deviance", "heat_map")]
    assert list(found) == [*expected, "nomogram", "auc_forest", "learning_curve", "calinski_harabasz"]
    assert len(recorded.pop("cleared")) == len(found) == sum(len(calls) for calls in recorded.values())
    assert (steps[0], steps[-1]) == (0.0, 1.0)
    for figure in found.values():
        assert figure.png == b"png 300"
        assert figure.caption.endswith(".")
        assert "  " not in figure.caption
    for name in ("roc_training", "waterfall_training", "heat_map_tumour", "confusion_combined"):
        assert "pparent" in found[name].caption
    assert "pparent" not in found["roc_external"].caption
    assert recorded["calinski_harabasz_figure"][0][1]["used_k"] == 2


def test_the_right_patients_and_scores_are_drawn(small_study, fitted, honesty, recorded):
    study_figures(small_study, fitted, honesty, outcome="PNI")
    log_odds = fitted.log_odds(small_study.features, small_study.clinical)
    aucs = {}
    for split, ((y, curves), kwargs) in zip(SPLITS, recorded["roc_figure"], strict=True):
        rows = small_study.rows(split)
        assert y.tolist() == small_study.y[rows].tolist()
        assert list(curves) == ["Combined", "Clinical", "Habitat 1", "Habitat 2", "Whole tumour"]
        assert curves["Whole tumour"].tolist() == log_odds.loc[rows, "tumour"].tolist()
        assert kwargs["outcome"] == "PNI"
        aucs[split] = roc_auc_score(y, curves["Combined"])
    assert recorded["roc_figure"][0][1]["title"] == "Training (apparent)"
    for (y, p), kwargs in recorded["calibration_figure"]:
        model, split = ("clinical" if "Clinical" in kwargs["title"] else "combined"), kwargs["title"].split(", ")[1].split()[0]
        rows = small_study.rows(split)
        assert p == pytest.approx(expit(log_odds.loc[rows, model]).to_numpy())
        assert y.tolist() == small_study.y[rows].tolist()
    by_estimate = {(row.model, row.estimate.value): row for row in recorded["auc_forest_figure"][0][0][0]}
    assert [by_estimate["Combined", name].auc for name in ("apparent", "internal", "external")] == pytest.approx(list(aucs.values()))
    assert by_estimate["Combined", "optimism-corrected"].auc == 0.8
    assert by_estimate["Habitat 1", "cross-validated"].auc == 0.7
    assert math.isnan(by_estimate["Habitat 1", "cross-validated"].low)
    rows = small_study.rows("external")
    truth = by_estimate["True probability (the phantom's law)", "external"]
    assert truth.auc == pytest.approx(roc_auc_score(small_study.y[rows], small_study.cohort.loc[rows, "true_probability"]))
    assert ("True probability (the phantom's law)", "apparent") not in by_estimate


def test_calls_are_made_at_the_cut_off_of_training(small_study, fitted, recorded):
    study_figures(small_study, fitted)
    cut_off = fitted.cut_offs["combined"]
    p = fitted.probabilities(small_study.features, small_study.clinical)["combined"]
    tables = recorded["confusion_figure"][0][0][0]
    assert list(tables) == ["Training (apparent)", "Internal validation", "External validation"]
    for split, table in zip(SPLITS, tables.values(), strict=True):
        rows = small_study.rows(split)
        expected = confusion_matrix(small_study.y[rows], p[rows] >= cut_off).ravel().tolist()
        assert [table.tn, table.fp, table.fn, table.tp] == expected
    for (_, score), kwargs in recorded["waterfall_figure"]:
        assert kwargs["cut_off"] == pytest.approx(logit(cut_off))
        table = tables[
            "External validation" if "external" in kwargs["title"] else next(t for t in tables if t[:8].lower() in kwargs["title"])
        ]
        assert (score >= kwargs["cut_off"]).sum() == table.tp + table.fp


def test_signatures_are_drawn_on_the_cases_that_have_the_region(small_study, fitted, recorded):
    study_figures(small_study, fitted)
    training = small_study.rows("training")
    for region, ((values, names, y, radscore), _) in zip(REGIONS, recorded["heat_map_figure"], strict=True):
        absent = 1 if region == "habitat2" else 0
        assert values.shape == (len(training) - absent, fitted.signatures[region].n_selected_)
        assert all(name.startswith(f"{region}__") for name in names)
        expected = fitted.radscores(small_study.features.loc[training])[region].dropna()
        assert radscore == pytest.approx(expected.to_numpy())
        assert y.tolist() == small_study.y[expected.index].tolist()
    for region, ((_, path, _), kwargs) in zip(REGIONS, recorded["lasso_path_figure"], strict=True):
        assert path is fitted.signatures[region].path_
        assert kwargs["penalty"] == fitted.signatures[region].lambda_


@pytest.mark.parametrize(("rule", "words"), [("min", "(lowest deviance)"), ("1se", "(largest within one standard error of")])
def test_lasso_figures_are_told_the_rule_of_the_protocol(small_study, fitted, recorded, monkeypatch, rule, words):
    for signature in fitted.signatures.values():
        monkeypatch.setattr(signature, "rule", rule)
    drawn = study_figures(small_study, fitted)
    for name in ("lasso_path_figure", "lasso_deviance_figure"):
        assert [kwargs["rule"] for _, kwargs in recorded[name]] == [rule] * len(REGIONS)
    assert words in drawn["lasso_deviance_tumour"].caption


def test_points_of_the_nomogram_give_the_model_again(small_study, fitted, recorded):
    """rms::nomogram: the widest effect spans 0 to 100 points, and the total tells the linear predictor."""
    study_figures(small_study, fitted, outcome="PNI")
    (nomogram,), kwargs = recorded["nomogram"][0]
    assert kwargs["outcome"] == "Probability of PNI"
    assert max(nomogram.axis_points(a, a.high if a.coefficient > 0 else a.low) for a in nomogram.axes) == pytest.approx(100)
    filled = small_study.clinical.fillna(fitted.medians)
    scores = fitted.radscores(small_study.features).fillna(fitted.radscore_means).add_prefix("radscore_")
    values = pd.concat([filled, scores], axis=1)
    p = fitted.probabilities(small_study.features, small_study.clinical)["combined"]
    for case in ("p0", "p3", "p120", "p159"):
        total = nomogram.total_points(dict(values.loc[case]))
        assert nomogram.probability_of_total(total) == pytest.approx(p[case], abs=1e-12)
    grades = next(axis for axis in nomogram.axes if axis.name == "pi_rads")
    assert (grades.low, grades.high, [label for _, label in grades.levels]) == (3, 5, ["\u2264 3", "4", "5"])


def test_a_frozen_models_own_nomogram_is_taken(small_study, fitted, recorded):
    model = load_model("pca-pni-clinical")
    study_figures(small_study, fitted, model=model)
    assert recorded["nomogram"][0][0][0] == Nomogram.from_model(model)


def test_models_without_terms_are_left_out(small_study, fitted, recorded, monkeypatch):
    constant = fitted.log_odds(small_study.features, small_study.clinical).assign(combined=-1.0, clinical=-1.0)
    empty = SimpleNamespace(
        regions=fitted.regions,
        signatures={},
        combined=None,
        cut_offs=fitted.cut_offs.where(fitted.cut_offs.index != "combined"),
        log_odds=lambda features, clinical: constant,
        probabilities=lambda features, clinical: expit(constant),
    )
    found = study_figures(small_study, empty)
    assert not [name for name in found if "confusion" in name or "waterfall" in name or "calibration" in name or "nomogram" in name]
    assert list(recorded["roc_figure"][0][0][1]) == ["Habitat 1", "Habitat 2", "Whole tumour"]
    assert found["roc_external"].caption.endswith("Without any term, and not drawn: Clinical, Combined.")


def test_cancelling_stops_at_once(small_study, fitted, recorded):
    def cancel(done: float, text: str) -> None:
        if done > 0.2:
            raise Cancelled

    with pytest.raises(Cancelled):
        study_figures(small_study, fitted, progress=cancel)
    assert "nomogram" not in recorded


@pytest.mark.slow
def test_all_figures_are_drawn_within_their_page(small_study, fitted, honesty):
    """Nothing that is drawn touches the edge of its picture: no number or name is cut off."""
    from matplotlib.image import imread

    curve = HabitatCurve([2, 3, 4], np.random.default_rng(0).lognormal(5, 0.3, (30, 3)))
    found = study_figures(small_study, fitted, honesty, habitat_curve=curve, outcome="PNI")
    assert len(found) == 28
    for name, figure in found.items():
        assert figure.svg.startswith(b"<?xml"), name
        picture = imread(io.BytesIO(figure.png))[..., :3]
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert edge.min() > 0.98, name
        assert picture.min() < 0.5, name
