"""Every figure of a study, drawn one after the other from its data, the one fitted pipeline, and its resampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..evaluation import figures as draw
from ..evaluation.discrimination import ConfusionMetrics, confusion_metrics
from ..features.table import SEPARATOR
from ..learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED
from ..nomogram.figure import draw_nomogram
from ..nomogram.points import Axis, Nomogram
from ..progress import Progress, no_progress
from .tables_models import combined_terms, term_label
from .tables_scores import SPLIT_LABELS, TRUTH_LABEL, StudyScores, auc_or_none, study_scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..frozen_model import FrozenModel
    from ..learning.pipeline import FittedPipeline
    from ..learning.signature import LassoSignature
    from .data import StudyData
    from .honesty import Honesty

OUTCOME = "the outcome"
_MOST_FEATURES = 100
_RULES = {"min": "lowest deviance", "1se": "largest within one standard error of the lowest deviance"}


@dataclass(frozen=True)
class StudyFigure:
    """A figure of a study: name of its files, what it shows and how to read it, and the figure itself, PNG in 300 dpi."""

    name: str
    caption: str
    svg: bytes
    png: bytes


class HabitatCurve(NamedTuple):
    """Calinski-Harabasz index over the number of habitats: `k` is (n,), `indices` (cases, n) or (n,), NaN where a case is too small."""

    k: Any
    indices: Any


class _Task(NamedTuple):
    name: str
    caption: str
    draw: Callable[[], Figure]


def study_figures(
    data: StudyData,
    fitted: FittedPipeline,
    honesty: Honesty | None = None,
    *,
    model: FrozenModel | None = None,
    habitat_curve: HabitatCurve | None = None,
    outcome: str = OUTCOME,
    progress: Progress = no_progress,
) -> Mapping[str, StudyFigure]:
    """All figures of a study by name, in the order of a report.

    A figure that the data do not allow (too few patients of a kind, a model without terms) is left out. Only one is in memory at a time.

    Parameters
    ----------
    data : cases of the study
    fitted : the pipeline fitted on the training cases
    honesty : the resampling; None leaves the learning curve out, and the resampled rows of the AUCs
    model : the frozen model, for its nomogram; None makes the nomogram from `fitted`
    habitat_curve : validity over the number of habitats; None leaves its figure out
    outcome : what the outcome is called in ``33 with PNI``
    """
    from ..drawing import png_bytes, svg_bytes

    scores = study_scores(data, fitted)
    tasks = [
        *_performance(scores, outcome),
        *_probabilities(scores, outcome),
        *_signatures(scores, outcome),
        *_nomogram(scores, model, outcome),
    ]
    tasks += [*_honesty(scores, honesty, outcome), *_habitats(data, habitat_curve)]
    drawn = {}
    for i, task in enumerate(tasks):
        progress(i / len(tasks), f"Drawing {task.name}")
        figure = task.draw()
        drawn[task.name] = StudyFigure(task.name, task.caption, svg_bytes(figure), png_bytes(figure, draw.PRINT_DPI))
        figure.clear()
    progress(1.0, "Figures drawn")
    return drawn


def _performance(scores: StudyScores, outcome: str) -> Iterator[_Task]:
    """ROC curves, confusion matrices and waterfalls."""
    ranked = [split for split in scores.splits if scores.can_compare(split)]
    for split in ranked:
        curves = {scores.data.label(model): scores.score(split, model) for model in _drawn(scores, split)}
        if curves:
            caption = f"ROC curves, {_where(split)}; AUC with DeLong's 95 % interval.{_apparent(split)}{_constant(scores, split)}"
            y = scores.outcome(split)
            yield _Task(f"roc_{split}", caption, partial(draw.roc_figure, y, curves, title=_title(split), outcome=outcome))
    cut_off = float(scores.fitted.cut_offs[MODEL_COMBINED])
    if math.isnan(cut_off):
        return
    both = [split for split in scores.splits if 0 < scores.outcome(split).sum() < len(scores.outcome(split))]
    tables = {_title(s): confusion_metrics(scores.outcome(s), scores.risk(s, MODEL_COMBINED) >= cut_off) for s in both}
    caption = (
        f"Confusion matrices of the combined model at the cut-off {cut_off:.3f}, which was set in training; over each the patients with "
        "the outcome, of all. The training figures are apparent."
    )
    yield _Task("confusion_combined", caption, partial(_confusion, tables, outcome))
    for split in ranked:
        caption = (
            f"Log odds of the combined model in rising order, {_where(split)}. Bars begin at the cut-off (a probability of {cut_off:.3f}, "
            f"set in training); patients at or above it are called positive.{_apparent(split)}"
        )
        yield _Task(f"waterfall_{split}", caption, partial(_waterfall, scores, split, cut_off, outcome))


def _confusion(tables: Mapping[str, ConfusionMetrics], outcome: str) -> Figure:
    figure = draw.confusion_figure(tables, outcome=outcome)
    figure.axes[0].set_ylabel("Truth")
    return figure


def _waterfall(scores: StudyScores, split: str, cut_off: float, outcome: str) -> Figure:
    """The waterfall of log odds, which the drawing function calls a radscore."""
    score, at = scores.score(split, MODEL_COMBINED), math.log(cut_off / (1 - cut_off))
    figure = draw.waterfall_figure(scores.outcome(split), score, cut_off=at, title=_combined_title(split), outcome=outcome)
    figure.axes[0].set_ylabel("Log odds")
    figure.axes[0].set_xlabel("Patients by rising log odds")
    return figure


def _probabilities(scores: StudyScores, outcome: str) -> Iterator[_Task]:
    """Calibration, decision curve and clinical impact in held-out patients."""
    for split in scores.held_out:
        y = scores.outcome(split)
        shown = _drawn(scores, split)
        if not scores.can_compare(split) or not shown:
            continue
        for model in (m for m in (MODEL_COMBINED, MODEL_CLINICAL) if m in shown):
            label = scores.data.label(model)
            caption = (
                f"Calibration of the {label.lower()} model, {_where(split)}: LOWESS curve, tenths of the patients with Wilson's 95 % "
                "intervals, and below how the probabilities are spread. Dotted: perfect agreement. Where few patients lie the curve means "
                "little."
            )
            risk, title = scores.risk(split, model), f"{label} model, {_where(split)}"
            yield _Task(f"calibration_{model}_{split}", caption, partial(draw.calibration_figure, y, risk, title=title, outcome=outcome))
        risks = {scores.data.label(model): scores.risk(split, model) for model in shown}
        caption = (
            f"Decision curves, {_where(split)}: net benefit of acting on each model over the threshold probability, against treating all "
            "and none. Differences as small as these curves' steps are single patients."
        )
        yield _Task(f"decision_curve_{split}", caption, partial(draw.decision_curve_figure, y, risks, title=_title(split), outcome=outcome))
        if MODEL_COMBINED in shown:
            caption = (
                f"Clinical impact of the combined model, {_where(split)}: of 1,000 such patients, how many each threshold calls high risk, "
                "and how many of these have the outcome."
            )
            risk, title = scores.risk(split, MODEL_COMBINED), _combined_title(split)
            yield _Task(f"clinical_impact_{split}", caption, partial(draw.clinical_impact_figure, y, risk, title=title, outcome=outcome))


def _signatures(scores: StudyScores, outcome: str) -> Iterator[_Task]:
    """LASSO path, its cross-validation, and the selected features of every region, on the training cases that have it."""
    data = scores.data
    training = data.features.loc[data.rows("training")]
    for region, signature in scores.fitted.signatures.items():
        mine = [str(name).startswith(f"{region}{SEPARATOR}") for name in training.columns]
        cases = training.index[training.loc[:, mine].notna().all(axis=1)]
        y, label = data.y.loc[cases].to_numpy(), data.label(region)
        if len(signature.lambdas_) > 1:
            yield from _lasso(signature, y, label, region, outcome)
        if 0 < signature.n_selected_ <= _MOST_FEATURES:
            names = [str(name) for name in signature.selected_]
            values, radscore = training.loc[cases, names].to_numpy(), signature.decision_function(training.loc[cases])
            caption = (
                f"Features kept for {label.lower()} in the training patients, standardised; patients by outcome and rising radscore. "
                "Apparent: the features were chosen for telling just these patients apart."
            )
            title = f"{label}, training (apparent)"
            task = partial(draw.heat_map_figure, values, names, y, radscore, title=title, outcome=outcome)
            yield _Task(f"heat_map_{region}", caption, task)


def _lasso(signature: LassoSignature, y: np.ndarray, label: str, region: str, outcome: str) -> Iterator[_Task]:
    path = signature.path_
    caption = (
        f"LASSO path of {label.lower()}: coefficients of the {len(signature.screened_)} features after mRMR along the penalty; coloured "
        f"those of the {signature.n_selected_} that are kept at the chosen penalty (dashed)."
    )
    title = f"LASSO path, {label.lower()}"
    penalty, rule = signature.lambda_, signature.rule
    task = partial(draw.lasso_path_figure, signature.lambdas_, path, y, penalty=penalty, rule=rule, title=title, outcome=outcome)
    yield _Task(f"lasso_path_{region}", caption, task)
    curve = (signature.lambdas_, signature.cv_deviance_mean_, signature.cv_deviance_se_, (path != 0).sum(axis=1), y)
    caption = (
        f"Cross-validated deviance of {label.lower()} along the penalty, with one standard error. mRMR and scaling are made anew in every "
        f"fold; the dashed line is the chosen penalty ({_RULES[signature.rule]})."
    )
    title = f"LASSO cross-validation, {label.lower()}"
    task = partial(draw.lasso_deviance_figure, *curve, penalty=penalty, rule=rule, title=title, outcome=outcome)
    yield _Task(f"lasso_deviance_{region}", caption, task)


def _nomogram(scores: StudyScores, model: FrozenModel | None, outcome: str) -> Iterator[_Task]:
    """The combined model as a sum of points."""
    if model is None and scores.fitted.combined is None:
        return
    nomogram = Nomogram.from_model(model) if model is not None else _fitted_nomogram(scores)
    caption = (
        "Nomogram of the frozen combined model: read the points of every value on the uppermost axis, add them, and read the probability "
        "under the total. The widest effect spans 0 to 100 points. Axes end where the training patients end."
    )
    label = "Probability" if outcome == OUTCOME else f"Probability of {outcome}"
    yield _Task("nomogram", caption, partial(draw_nomogram, nomogram, outcome=label))


def _fitted_nomogram(scores: StudyScores) -> Nomogram:
    combined = scores.fitted.combined
    assert combined is not None
    values = combined_terms(scores)
    predictors = {predictor.name: predictor for predictor in scores.data.predictors}
    axes = []
    for name, coefficient in zip(combined.terms, combined.coefficients, strict=True):
        levels = tuple((level.value, level.label) for level in predictors[name].levels) if name in predictors else ()
        low, high = (min(levels)[0], max(levels)[0]) if levels else (float(values[name].min()), float(values[name].max()))
        axes.append(Axis(name, term_label(scores.data, name), float(coefficient), low, high, "", levels))
    return Nomogram(float(combined.intercept), tuple(axes))


def _honesty(scores: StudyScores, honesty: Honesty | None, outcome: str) -> Iterator[_Task]:
    """AUCs side by side, and the learning curve."""
    rows = _auc_rows(scores, honesty)
    if rows:
        ways = "apparent, optimism-corrected (Harrell), nested cross-validation, internal, external" if honesty else "apparent and held out"
        caption = (
            f"AUC of every model: {ways}. Whiskers: DeLong's 95 % interval; resampled estimates have none. The fall from the apparent to "
            "the later marks is optimism, in another centre also the change of patients and scanner."
        )
        yield _Task("auc_forest", caption, partial(draw.auc_forest_figure, rows, title="AUC of the models"))
    if honesty is not None and honesty.learning is not None:
        caption = (
            "Learning curve of the combined model: AUC by the number of training patients, in patients held out and in those it was fitted "
            "on. Bands: middle 80 % of the folds, not a confidence interval."
        )
        y, title = scores.outcome("training"), "Combined model, learning curve"
        yield _Task("learning_curve", caption, partial(draw.learning_curve_figure, honesty.learning, y, title=title, outcome=outcome))


def _auc_rows(scores: StudyScores, honesty: Honesty | None) -> list[draw.AucRow]:
    rows = []
    for model in scores.models:
        label = scores.data.label(model)
        of_model = [_auc_row(scores, label, split, scores.score(split, model)) for split in scores.splits]
        if honesty is not None:
            y = scores.outcome("training")
            corrected, nested = honesty.optimism[model].corrected, honesty.nested[model].auc
            resampled = ((draw.Estimate.CORRECTED, corrected), (draw.Estimate.CROSS_VALIDATED, nested))
            of_model[1:1] = [draw.AucRow(label, way, auc, math.nan, math.nan, len(y), int(y.sum())) for way, auc in resampled]
        rows += of_model
    if scores.truth is not None:
        rows += [_auc_row(scores, TRUTH_LABEL, split, scores.truth.loc[scores.data.rows(split)].to_numpy()) for split in scores.held_out]
    return [row for row in rows if 0 <= row.auc <= 1]


def _auc_row(scores: StudyScores, label: str, split: str, score: np.ndarray) -> draw.AucRow:
    y = scores.outcome(split)
    found = auc_or_none(y, score)
    estimate = draw.Estimate.APPARENT if split == "training" else draw.Estimate(split)
    return draw.AucRow(label, estimate, found.auc, found.low, found.high, len(y), int(y.sum()))


def _habitats(data: StudyData, curve: HabitatCurve | None) -> Iterator[_Task]:
    """The number of habitats."""
    if curve is None:
        return
    used = data.protocol.habitats.k
    caption = (
        "Calinski-Harabasz index over the number of habitats; a higher index means tighter and better separated clusters. "
        f"{used} were used. The outcome has no part in it."
    )
    task = partial(draw.calinski_harabasz_figure, curve.k, curve.indices, used_k=used, title="Number of habitats")
    yield _Task("calinski_harabasz", caption, task)


def _drawn(scores: StudyScores, split: str) -> list[str]:
    """Models that rank the patients of a split, the combined one first: it gets the stroke that stands out."""
    order = (MODEL_COMBINED, *(model for model in scores.models if model != MODEL_COMBINED))
    return [model for model in order if scores.varies(split, model)]


def _title(split: str) -> str:
    return f"{SPLIT_LABELS[split]} (apparent)" if split == "training" else SPLIT_LABELS[split]


def _combined_title(split: str) -> str:
    return f"Combined model, {_title(split).lower()}"


def _where(split: str) -> str:
    return "training patients" if split == "training" else SPLIT_LABELS[split].lower()


def _apparent(split: str) -> str:
    text = " These patients are the ones that the models were fitted on: the figure is apparent and says little about new patients."
    return text if split == "training" else ""


def _constant(scores: StudyScores, split: str) -> str:
    left = [scores.data.label(model) for model in scores.models if not scores.varies(split, model)]
    return f" Without any term, and not drawn: {', '.join(left)}." if left else ""
