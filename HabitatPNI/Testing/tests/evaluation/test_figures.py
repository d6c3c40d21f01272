"""Figures of a study: what is drawn is what was computed elsewhere, nothing is cut off, and the bytes are the same twice."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from sklearn.metrics import auc, confusion_matrix, roc_auc_score, roc_curve

from HabitatPNILib.drawing import house_style
from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.calibration import calibration
from HabitatPNILib.evaluation.discrimination import auc_ci, confusion_metrics
from HabitatPNILib.evaluation.figures import (
    AucRow,
    Estimate,
    auc_forest_figure,
    calibration_figure,
    calibration_groups,
    calinski_harabasz_figure,
    clinical_impact_figure,
    confusion_figure,
    decision_curve_figure,
    heat_map_figure,
    lasso_deviance_figure,
    lasso_path_figure,
    learning_curve_figure,
    png_bytes,
    readable,
    roc_figure,
    svg_bytes,
    waterfall_figure,
)
from HabitatPNILib.evaluation.figures_style import EVENT, NO_EVENT
from HabitatPNILib.evaluation.resampling import LearningCurve

from .conftest import formula_cohort

COHORT = formula_cohort()
Y, A, B = COHORT
MODELS = {"Clinical": A, "Combined (clinical variables and the radscores of all habitats)": B}
KS = np.arange(2, 7)
CH = np.array([[90, 120, 100, 80, 70], [50, 40, 30, np.nan, np.nan], [200, 260, 240, 230, 210], [10, 30, 20, 15, 12]], dtype=float)
LAMBDAS = np.geomspace(0.2, 0.002, 30)
PATH = np.maximum(0, np.log(np.array([0.2, 0.1, 0.02])) - np.log(LAMBDAS)[:, None]) * np.array([0.4, -0.3, 0.2])
DEVIANCE = 1 + 0.05 * (np.log(LAMBDAS) - np.log(LAMBDAS[18])) ** 2
FEATURES = np.column_stack([np.sin(np.arange(60) * (j + 1)) + j * Y for j in range(6)])
NAMES = [
    *(f"habitat{j + 1}__t2w__resnet101__{j:04d}" for j in range(5)),
    "tumour__adc__pyradiomics__wavelet-HHL_glcm_InverseDifferenceMoment",
]
CURVE = LearningCurve(
    np.array([20, 30, 40]),
    np.array([0.6, 0.65, 0.7]),
    np.array([0.95, 0.93, 0.9]),
    np.array([[0.5, 0.7], [0.6, 0.7], [0.65, 0.75]]),
    np.array([[0.94, 0.96], [0.92, 0.94], [0.89, 0.91]]),
)
ROWS = [
    AucRow("Clinical", Estimate.APPARENT, 0.83, 0.75, 0.91, 60, 22),
    AucRow("Clinical", Estimate.CORRECTED, 0.80, math.nan, math.nan, 60, 22),
    AucRow("Combined with radscores", Estimate.CROSS_VALIDATED, 0.86, 0.8, 0.9, 60, 22),
    AucRow("Combined with radscores", Estimate.EXTERNAL, 0.79, 0.45, 0.99, 30, 6),
]
LONG = {"title": "Training cohort of the first centre, all patients with an outline", "outcome": "perineural invasion"}

DRAWN: dict[str, Callable[..., Any]] = {
    "roc": lambda **k: roc_figure(Y, MODELS, **k),
    "calibration": lambda **k: calibration_figure(Y, A, **k),
    "decision": lambda **k: decision_curve_figure(Y, MODELS, **k),
    "impact": lambda **k: clinical_impact_figure(Y, A, **k),
    "ch": lambda outcome, **k: calinski_harabasz_figure(KS, CH, used_k=3, **k),
    "path": lambda **k: lasso_path_figure(LAMBDAS, PATH, Y, penalty=LAMBDAS[18], **k),
    "deviance": lambda **k: lasso_deviance_figure(LAMBDAS, DEVIANCE, DEVIANCE / 10, (PATH != 0).sum(axis=1), Y, penalty=LAMBDAS[18], **k),
    "heat map": lambda **k: heat_map_figure(FEATURES, NAMES, Y, A, **k),
    "waterfall": lambda **k: waterfall_figure(Y, A, cut_off=0.4, **k),
    "confusion": lambda **k: confusion_figure({name: confusion_metrics(Y, p > 0.4) for name, p in MODELS.items()}, **k),
    "learning": lambda **k: learning_curve_figure(CURVE, Y, **k),
    "forest": lambda outcome, **k: auc_forest_figure(ROWS, **k),
}


@lru_cache
def in_column(name: str) -> Any:
    """A figure 85 mm wide with the longest of texts; not to be changed."""
    return DRAWN[name](width_mm=85.0, **LONG)


def note(figure) -> str:
    return figure._supxlabel.get_text().replace("\n", " ")


def labelled(axes) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.lines if not line.get_label().startswith("_")}


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


@pytest.mark.parametrize("width", [85.0, 170.0])
@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_at_the_width_of_print(name, width):
    figure = in_column(name) if width == 85 else DRAWN[name](width_mm=width, **LONG)
    assert figure.get_figwidth() * 25.4 == pytest.approx(width)
    assert figure.get_figheight() * 25.4 < 240
    with house_style():
        box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()
    assert min(text.get_fontsize() for text in figure.findobj(lambda a: hasattr(a, "get_fontsize")) if text.get_text()) >= 6
    assert "Research use only." in note(figure)
    if name not in ("ch", "forest"):
        assert note(figure).startswith("n = 60 patients, 22 with perineural invasion.")


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_bytes_twice_and_nothing_of_the_day(name):
    figure = in_column(name)
    once = svg_bytes(figure)
    assert once == svg_bytes(DRAWN[name](width_mm=85.0, **LONG))
    assert b"<dc:date>" not in once
    assert b"Matplotlib" not in once


def test_writing_a_figure_does_not_change_it():
    figure = in_column("learning")
    png = png_bytes(figure)
    assert svg_bytes(figure) == svg_bytes(figure)
    assert png_bytes(figure) == png


def test_roc_curves_are_those_of_scikit_learn_and_the_legend_gives_the_auc():
    axes = roc_figure(Y, MODELS).axes[0]
    for line, score in zip(labelled(axes).values(), (A, B), strict=True):
        false_positive, sensitivity, _ = roc_curve(Y, score, drop_intermediate=False)
        assert line.get_xdata().tolist() == false_positive.tolist()
        assert line.get_ydata().tolist() == sensitivity.tolist()
        assert auc(line.get_xdata(), line.get_ydata()) == pytest.approx(roc_auc_score(Y, score))
    limits = auc_ci(Y, A)
    assert legend(axes)[0] == f"Clinical: {roc_auc_score(Y, A):.3f} ({limits.low:.3f}\u2013{limits.high:.3f})"
    assert axes.get_legend().get_title().get_text() == "AUC (95 % CI)"
    assert roc_figure(Y, MODELS, level=0.9).axes[0].get_legend().get_title().get_text() == "AUC (90 % CI)"


def test_models_differ_in_stroke_so_that_grey_tells_them_apart():
    lines = list(labelled(roc_figure(Y, {f"M{i}": A for i in range(6)}).axes[0]).values())
    assert len({str(line._unscaled_dash_pattern) for line in lines}) == 6
    assert len({line.get_color() for line in lines}) == 6


def test_calibration_shows_lowess_deciles_and_every_patient():
    axes, spread = calibration_figure(Y, A).axes
    curve = calibration(Y, A).curve
    assert labelled(axes)["LOWESS"].get_ydata().tolist() == curve.observed.tolist()
    groups = calibration_groups(Y, A)
    assert groups.patients.sum() == 60
    assert len(groups.patients) == 10
    order = np.argsort(A)
    assert groups.predicted == pytest.approx([A[part].mean() for part in np.array_split(order, 10)])
    assert groups.observed == pytest.approx([Y[part].mean() for part in np.array_split(order, 10)])
    dots = axes.containers[0].lines[0]
    assert dots.get_ydata().tolist() == groups.observed.tolist()
    heights = [patch.get_height() for patch in spread.patches]
    assert sum(h for h in heights if h > 0) == 22
    assert sum(h for h in heights if h < 0) == -38
    assert axes.get_xlim() == axes.get_ylim() == (-0.015, 1.015)
    text = axes.texts[0].get_text()
    assert f"Brier score {np.mean((A - Y) ** 2):.3f}" in text
    assert set(legend(spread)) == {"LOWESS", "deciles", "with the outcome", "without"}


def test_wilson_limits_of_deciles():
    """binom::binom.confint(2, 10, methods = "wilson"): 0.0566822, 0.5098375"""
    y = np.tile([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], 2)
    groups = calibration_groups(y, np.repeat([0.2, 0.6], 10))
    assert groups.low == pytest.approx([0.0566822] * 2, abs=1e-6)
    assert groups.high == pytest.approx([0.5098375] * 2, abs=1e-6)


def test_decision_curve_is_net_benefit_within_limits_that_show_it():
    axes = decision_curve_figure(Y, {"Clinical": A}).axes[0]
    lines = labelled(axes)
    at = lines["Clinical"].get_xdata()
    share = Y.mean()
    expected = [np.mean((t <= A) & (Y == 1)) - np.mean((t <= A) & (Y == 0)) * t / (1 - t) for t in at]
    assert lines["Clinical"].get_ydata() == pytest.approx(expected)
    assert lines["treat all"].get_ydata() == pytest.approx(share - (1 - share) * at / (1 - at))
    assert not lines["treat none"].get_ydata().any()
    assert axes.get_xlim() == (0, pytest.approx((math.floor(A.max() * 10) + 1) / 10))
    low, high = axes.get_ylim()
    assert -0.5 * share <= low < 0
    assert high == pytest.approx(1.08 * share)
    assert legend(axes) == ["treat all", "treat none", "Clinical"]


def test_clinical_impact_counts_a_population():
    axes = clinical_impact_figure(Y, A, thresholds=[0.1, 0.3, 0.5], outcome="PNI").axes[0]
    lines = labelled(axes)
    assert lines["called high risk"].get_ydata() == pytest.approx([1000 * np.mean(t <= A) for t in (0.1, 0.3, 0.5)])
    assert lines["of these, with PNI"].get_ydata() == pytest.approx([1000 * np.mean((t <= A) & (Y == 1)) for t in (0.1, 0.3, 0.5)])
    assert lines["all with PNI"].get_ydata()[0] == pytest.approx(1000 * 22 / 60)
    assert axes.get_ylim() == (0, 1030)
    assert axes.get_xlim() == (0.1, 0.5)


def test_calinski_harabasz_shows_median_quartiles_and_the_best_of_every_case():
    axes, best = calinski_harabasz_figure(KS, CH, used_k=3).axes
    assert labelled(axes)["median"].get_ydata().tolist() == [70, 80, 65, 80, 70]
    assert [text.get_text() for text in best.texts] == ["1", "3", "0", "0", "0"]
    assert legend(best) == ["quartiles", "median", "used: k = 3"]
    assert "4 cases" in note(axes.figure)
    (alone,) = calinski_harabasz_figure(KS, CH[0], used_k=3).axes
    assert labelled(alone)["index"].get_ydata().tolist() == CH[0].tolist()


def test_lasso_path_marks_the_penalty_and_the_features_kept():
    axes = lasso_path_figure(LAMBDAS, PATH, Y, penalty=LAMBDAS[18]).axes[0]
    curves = [line for line in axes.lines if len(line.get_xdata()) == 30]
    assert sorted(line.get_ydata()[-1] for line in curves) == pytest.approx(sorted(PATH[-1]))
    assert axes.texts[0].get_text() == f"\u03bb min, {(PATH[18] != 0).sum()} features"
    assert any(np.allclose(line.get_xdata(), LAMBDAS[18]) for line in axes.lines)
    top = axes.child_axes[0]
    assert [t.get_text() for t in top.get_xticklabels()][:: len(top.get_xticks()) - 1] == ["3", "0"]


def test_lasso_figures_name_the_rule_of_the_penalty():
    kept = (PATH != 0).sum(axis=1)
    for rule in ("min", "1se"):
        path = lasso_path_figure(LAMBDAS, PATH, Y, penalty=LAMBDAS[10], rule=rule).axes[0]
        deviance = lasso_deviance_figure(LAMBDAS, DEVIANCE, DEVIANCE / 10, kept, Y, penalty=LAMBDAS[10], rule=rule).axes[0]
        assert path.texts[0].get_text() == deviance.texts[0].get_text() == f"\u03bb {rule}, {kept[10]} features"


def test_lasso_deviance_with_its_standard_error():
    axes = lasso_deviance_figure(LAMBDAS, DEVIANCE, DEVIANCE / 10, (PATH != 0).sum(axis=1), Y, penalty=LAMBDAS[DEVIANCE.argmin()]).axes[0]
    dots, _, (bars,) = axes.containers[0].lines
    assert dots.get_ydata().tolist() == DEVIANCE.tolist()
    assert [bar[:, 1].tolist() for bar in bars.get_segments()] == [pytest.approx([d * 0.9, d * 1.1]) for d in DEVIANCE]
    assert any(np.allclose(line.get_xdata(), LAMBDAS[18]) for line in axes.lines)


def test_heat_map_is_ordered_by_outcome_and_radscore():
    axes = heat_map_figure(FEATURES, NAMES, Y, A, outcome="PNI").axes[1]
    order = np.lexsort((A, Y))
    z = (FEATURES - FEATURES.mean(axis=0)) / FEATURES.std(axis=0)
    assert np.asarray(axes.images[0].get_array()) == pytest.approx(z[order].T)
    assert axes.images[0].get_clim() == (-3, 3)
    assert [t.get_text() for t in axes.get_xticklabels()] == ["without (38)", "with (22)"]
    assert axes.get_yticklabels()[1].get_text() == "habitat 2 \u00b7 T2W \u00b7 resnet101 \u00b7 0001"


def test_names_of_features_are_made_readable():
    assert (
        readable("ring5mm__adc__pyradiomics__original_glcm_Contrast")
        == "ring5mm \u00b7 ADC \u00b7 pyradiomics \u00b7 original glcm Contrast"
    )
    assert readable("PSA") == "PSA"
    short = readable(NAMES[-1], 30)
    assert len(short) <= 30
    assert short.startswith("tumour \u00b7 ADC")
    assert short.endswith("Moment")


def test_waterfall_rises_from_the_cut_off_and_counts_the_calls():
    figure = waterfall_figure(Y, A, cut_off=0.4, outcome="PNI")
    axes = figure.axes[0]
    with_it, without = axes.containers
    assert {to_hex(bar.get_facecolor()).upper() for bar in with_it} == {EVENT}
    assert {to_hex(bar.get_facecolor()).upper() for bar in without} == {NO_EVENT}
    ends = {round(bar.get_x() + 0.45): 0.4 + bar.get_height() for bar in (*with_it, *without)}
    assert [ends[i] for i in range(1, 61)] == pytest.approx(np.sort(A))
    assert len(with_it) == 22
    called = A >= 0.4
    assert f"At or above the cut-off: {called.sum()}, of these {Y[called].sum()} with it; {Y[~called].sum()} with it below." in note(figure)


def test_confusion_matrix_gives_counts_and_percent_of_the_row():
    axes = confusion_figure({"Clinical": confusion_metrics(Y, A > 0.4)}, outcome="PNI").axes[0]
    (tn, fp), (fn, tp) = confusion_matrix(Y, A > 0.4)
    texts = [text.get_text() for text in axes.texts]
    assert texts[::2] == [str(tp), str(fn), str(fp), str(tn)]
    assert texts[1] == f"{100 * tp / 22:.1f} %"
    assert texts[7] == f"{100 * tn / 38:.1f} %"


def test_confusion_matrices_of_different_cohorts_say_whose_they_are():
    tables = {"Training": confusion_metrics(Y, A > 0.4), "External": confusion_metrics(Y[:30], A[:30] > 0.4)}
    figure = confusion_figure(tables)
    assert figure.axes[0].texts[-1].get_text() == "22/60"
    assert not note(figure).startswith("n =")


def test_learning_curve_shows_means_and_spread():
    figure = learning_curve_figure(CURVE, Y)
    lines = labelled(figure.axes[0])
    assert lines["held out"].get_ydata().tolist() == CURVE.held_out.tolist()
    assert lines["apparent (training patients)"].get_xdata().tolist() == [20, 30, 40]
    assert "10th to 90th percentile of 2 folds" in note(figure)
    assert figure.axes[0].get_ylim() == (pytest.approx(0.4), 1.01)


def test_forest_has_a_row_and_whiskers_for_every_estimate():
    axes = auc_forest_figure(ROWS).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert {"0.830 (0.750\u20130.910)", "0.800", "0.790 (0.450\u20130.990)", "30 (6)", "60 (22)", "Clinical"} <= set(texts)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["apparent", "optimism-corrected", "cross-validated", "external"]
    assert [line.get_xdata()[0] for line in axes.lines if line.get_marker() in "oDs"] == [row.auc for row in ROWS]
    whiskers = [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 2 and line.get_xdata()[0] != line.get_xdata()[1]]
    assert [w for w in whiskers if w != [0, 1]] == [[0.75, 0.91], [0.8, 0.9], [0.45, 0.99]]
    assert axes.get_xlim()[0] <= 0.45


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: roc_figure(Y, {}), "There is no model to draw"),
        (lambda: roc_figure(Y, {f"M{i}": A for i in range(13)}), "13 models cannot be told apart"),
        (lambda: roc_figure(Y, {"Clinical": A[:-1]}), "Score of Clinical has 59 values for 60 outcomes"),
        (lambda: roc_figure(Y, MODELS, width_mm=20), "20 mm wide cannot be read"),
        (lambda: calibration_figure(Y, A + 0.5), r"Probability lies outside \[0, 1\]"),
        (lambda: decision_curve_figure(Y, {"Clinical": np.where(A > 0.9, np.nan, A)} | {"B": A * np.nan}), "Probability of B is missing"),
        (lambda: decision_curve_figure(Y, {"A": A}, thresholds=[0.2, 0.1]), "Thresholds of a curve must rise"),
        (lambda: clinical_impact_figure(Y, A, thresholds=[0.2]), "at least 2 of them"),
        (lambda: calinski_harabasz_figure(KS, CH[:, :3], used_k=3), "5 columns are needed"),
        (lambda: calinski_harabasz_figure(KS, CH, used_k=9), "9 habitats were not tried"),
        (lambda: calinski_harabasz_figure(KS, CH[1], used_k=3), "No case has a Calinski-Harabasz index at k = 5"),
        (lambda: lasso_path_figure(LAMBDAS, PATH[:5], Y, penalty=0.01), "do not fit 30 penalties"),
        (lambda: lasso_path_figure(LAMBDAS, PATH, Y, penalty=1), "chosen penalty 1 lies outside the path"),
        (lambda: lasso_deviance_figure(LAMBDAS, DEVIANCE[:3], DEVIANCE, DEVIANCE, Y, penalty=0.01), "Deviance has 3 values where 30"),
        (lambda: lasso_path_figure([0.1, 0], PATH[:2], Y, penalty=0.1), "at least 2 above 0"),
        (lambda: heat_map_figure(FEATURES, NAMES[:2], Y, A), r"shape \(60, 6\) do not fit 60 patients and 2 names"),
        (lambda: heat_map_figure(np.zeros((60, 101)), ["f"] * 101, Y, A), "101 features cannot be read"),
        (lambda: heat_map_figure(np.where(FEATURES > 5, np.nan, FEATURES), NAMES, Y, A), "Feature tumour__adc.* is missing in"),
        (lambda: waterfall_figure(Y, A, cut_off=math.nan), "cut-off nan of the waterfall"),
        (
            lambda: confusion_figure({"M": replace(confusion_metrics(Y, A > 0.4), tp=0, fn=0)}),
            "matrix of M has no patients with the outcome",
        ),
        (lambda: learning_curve_figure(CURVE, [1, 1]), "Outcome is 1 in all 2 rows"),
        (lambda: auc_forest_figure([]), "There is no AUC to draw"),
        (lambda: auc_forest_figure([replace(ROWS[0], auc=0.95)]), "apparent AUC of Clinical is 0.95 with limits 0.75 and 0.91"),
    ],
)
def test_bad_input_is_refused_in_words(draw, words):
    with pytest.raises(CohortError, match=words):
        draw()
