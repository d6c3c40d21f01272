"""Figures of how well models rank and call patients: ROC, confusion matrices, learning curve, AUCs side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import GREY, INK, LOWERS, RAISES, RULE
from ..errors import CohortError
from .checks import check_outcome, check_scores
from .discrimination import ConfusionMetrics, auc_ci
from .figures_style import (
    COLUMN_MM,
    PAGE_MM,
    ROW_MM,
    SMALL,
    TEXT,
    WIDTH,
    check_models,
    diagonal,
    legend_below,
    legend_beside,
    legend_of_models,
    lines_of,
    patients_line,
    print_figure,
    stroke,
    wrapped,
)
from .resampling import LearningCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Estimate(StrEnum):
    """How an AUC came about, from the least to the most honest."""

    APPARENT = "apparent"
    CORRECTED = "optimism-corrected"
    CROSS_VALIDATED = "cross-validated"
    INTERNAL = "internal"
    EXTERNAL = "external"


@dataclass(frozen=True)
class AucRow:
    """One AUC of a forest plot.

    Attributes
    ----------
    model : its name; rows of a model stand together
    estimate : how the figure came about
    auc : 0 to 1
    low, high : limits of its interval, NaN where the estimate has none
    patients, events : whom it was taken on
    """

    model: str
    estimate: Estimate
    auc: float
    low: float
    high: float
    patients: int
    events: int


# Where the figures of a forest plot stand, in points from its axes.
_AUC_AT, _PATIENTS_AT = 4.0, 70.0
_MARKERS = {
    Estimate.APPARENT: ("o", GREY, "white"),
    Estimate.CORRECTED: ("D", GREY, GREY),
    Estimate.CROSS_VALIDATED: ("s", LOWERS, "white"),
    Estimate.INTERNAL: ("s", LOWERS, LOWERS),
    Estimate.EXTERNAL: ("o", RAISES, RAISES),
}


def roc_figure(
    y: Any, scores: Mapping[str, Any], *, title: str = "", outcome: str = "the outcome", level: float = 0.95, width_mm: float = COLUMN_MM
) -> Figure:
    """ROC curves of models on the same patients; the legend gives the AUC with DeLong's interval.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    scores : (patients,) by model, each of any scale, each of one model: not pooled over folds
    title, outcome : the cohort, and what the outcome is called in ``33 with PNI``
    level : of the intervals
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        as in `auc_ci`, or for no model
    """
    from sklearn.metrics import roc_curve

    events = check_outcome(y, each=2)
    curves = {name: check_scores(score, len(events), f"Score of {name}") for name, score in check_models(scores).items()}
    found = [auc_ci(events, score, level) for score in curves.values()]
    labels = [
        f"{wrapped(name, _name_width(width_mm))}: {a.auc:.3f} ({a.low:.3f}\u2013{a.high:.3f})"
        for name, a in zip(curves, found, strict=True)
    ]
    side = min(width_mm - 15, 85)
    height = side + 21 + (0 if legend_beside(width_mm) else ROW_MM * (lines_of(labels) + 1))
    with print_figure(width_mm, height, patients_line(events, outcome), title) as figure:
        axes = figure.add_subplot()
        diagonal(axes)
        for i, (score, label) in enumerate(zip(curves.values(), labels, strict=True)):
            false_positive, sensitivity, _ = roc_curve(events, score, drop_intermediate=False)
            axes.plot(false_positive, sensitivity, label=label, zorder=3, **stroke(i))
        axes.set_xlabel("1 \u2212 specificity")
        axes.set_ylabel("Sensitivity")
        legend_of_models(axes, width_mm, f"AUC ({100 * level:g} % CI)")
    return figure


def _name_width(width_mm: float) -> int:
    return 24 if legend_beside(width_mm) else int(0.45 * width_mm)


def confusion_figure(
    tables: Mapping[str, ConfusionMetrics], *, title: str = "", outcome: str = "the outcome", width_mm: float = PAGE_MM
) -> Figure:
    """Confusion matrices, one a model: numbers of patients, and their share of the row (of those with, and without the outcome).

    Parameters
    ----------
    tables : by model or cohort
    title, outcome, width_mm : as in `roc_figure`

    Raises
    ------
    CohortError
        for no model, or a table without patients with or without the outcome
    """
    check_models(tables)
    for name, table in tables.items():
        if not (table.tp + table.fn and table.fp + table.tn):
            raise CohortError(
                f"The confusion matrix of {name} has no patients {'with' if not table.tp + table.fn else 'without'} the outcome"
            )
    columns = min(len(tables), max(1, int(width_mm / 40)))
    rows = math.ceil(len(tables) / columns)
    totals = {(t.tp + t.fn + t.fp + t.tn, t.tp + t.fn) for t in tables.values()}
    who = [f"n = {n} patients, {events} with {outcome}." for n, events in totals]
    note = f"{who[0] if len(who) == 1 else ''} Number of patients, and percent of the row.".strip()
    side = (width_mm - 14) / columns
    with print_figure(width_mm, rows * (side + 7) + 14, note, title) as figure:
        for i, (name, table) in enumerate(tables.items()):
            axes = figure.add_subplot(rows, columns, i + 1)
            axes.set_title(wrapped(name, int(side / 1.75)), loc="left", pad=4)
            _matrix(axes, table)
            axes.tick_params(length=0)
            axes.set_xticks([0, 1], ["with", "without"])
            axes.set_yticks([0, 1], ["with", "without"] if i % columns == 0 else ["", ""], rotation=90, va="center")
            if i % columns == 0:
                axes.set_ylabel(f"Truly {outcome}" if len(outcome) < 12 else "True outcome")
            if i // columns == rows - 1 or i + columns >= len(tables):
                axes.set_xlabel("Called")
            if len(who) > 1:
                n, events = table.tp + table.fn + table.fp + table.tn, table.tp + table.fn
                axes.text(1, 1.02, f"{events}/{n}", transform=axes.transAxes, ha="right", va="bottom", fontsize=SMALL, color=GREY)
    return figure


def _matrix(axes: Axes, table: ConfusionMetrics) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list("share", ["#FFFFFF", LOWERS])
    counts = np.array([[table.tp, table.fn], [table.fp, table.tn]])
    shares = counts / counts.sum(axis=1, keepdims=True)
    for row, column in np.ndindex(2, 2):
        share = shares[row, column]
        axes.fill([column - 0.5, column + 0.5, column + 0.5, column - 0.5], [row - 0.5, row - 0.5, row + 0.5, row + 0.5], fc=shades(share))
        ink = "white" if share > 0.75 else INK
        axes.text(column, row - 0.1, str(counts[row, column]), ha="center", va="center", fontsize=TEXT + 2, weight="bold", color=ink)
        axes.text(column, row + 0.2, f"{100 * share:.1f} %", ha="center", va="center", fontsize=SMALL, color=ink)
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(1.5, -0.5)
    axes.set_box_aspect(1)
    axes.spines[["top", "right"]].set_visible(True)
    axes.axhline(0.5, color=GREY, lw=0.6)
    axes.axvline(0.5, color=GREY, lw=0.6)


def learning_curve_figure(
    curve: LearningCurve, y: Any, *, title: str = "", outcome: str = "the outcome", width_mm: float = COLUMN_MM
) -> Figure:
    """AUC by the number of training patients, with the middle 80 % of the folds: a spread, not a confidence interval.

    Parameters
    ----------
    curve : from `learning_curve`
    y : (patients,) outcome of the patients it was made on
    title, outcome, width_mm : as in `roc_figure`

    Raises
    ------
    CohortError
        for an outcome that cannot be used
    """
    from matplotlib.ticker import MaxNLocator

    events = check_outcome(y)
    splits = curve.held_out_aucs.shape[1]
    note = f"{patients_line(events, outcome)} Mean and 10th to 90th percentile of {splits} folds."
    drawn = (("apparent (training patients)", curve.apparent, curve.apparent_aucs), ("held out", curve.held_out, curve.held_out_aucs))
    with print_figure(width_mm, min(78.0, 0.72 * width_mm + 14), note, title) as figure:
        axes = figure.add_subplot()
        for (label, mean, every), (colour, dashes, marker) in zip(drawn, ((GREY, (0, (5, 1.5)), "o"), (LOWERS, "-", "s")), strict=True):
            low, high = np.quantile(every, [0.1, 0.9], axis=1)
            axes.fill_between(curve.sizes, low, high, color=colour, alpha=0.18, lw=0, zorder=1)
            face = "white" if marker == "o" else colour
            axes.plot(curve.sizes, mean, marker, ls=dashes, color=colour, lw=WIDTH, ms=3.5, mfc=face, label=label, zorder=3)
        axes.axhline(0.5, color=GREY, lw=0.7, ls=(0, (2, 2)), zorder=0)
        lowest = min(0.5, float(np.quantile(curve.held_out_aucs, 0.1, axis=1).min()))
        axes.set_ylim(math.floor((lowest - 0.02) * 10) / 10, 1.01)
        axes.xaxis.set_major_locator(MaxNLocator(7, integer=True))
        axes.set_xlabel("Training patients")
        axes.set_ylabel("AUC")
        legend_below(axes, columns=2)
    return figure


def auc_forest_figure(rows: Sequence[AucRow], *, title: str = "", intervals: str = "95 % CI", width_mm: float = PAGE_MM) -> Figure:
    """AUCs side by side: apparent, optimism-corrected, cross-validated, internal, external, model by model.

    Parameters
    ----------
    rows : in the order they are to stand, those of a model together
    title : over the figure
    intervals : what `low` and `high` are
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        for no row, or an AUC outside [0, 1] or outside its interval, naming model and estimate
    """
    from matplotlib.ticker import MultipleLocator

    _check_rows(rows)
    blocks = [(model, list(block)) for model, block in groupby(rows, key=lambda row: row.model)]
    lines = len(rows) + len(blocks)
    lowest = min(row.auc if math.isnan(row.low) else row.low for row in rows)
    left = min(0.5, math.floor(lowest * 20) / 20)
    note = f"Whiskers: {intervals}; no whisker where the estimate has none. Dotted: AUC 0.5, no discrimination."
    with print_figure(width_mm, 4.1 * lines + 24, note, title) as figure:
        axes = figure.add_subplot()
        ticks, at = [], 0
        for model, block in blocks:
            axes.text(0.01, at, model, transform=axes.get_yaxis_transform(), ha="left", va="center", weight="bold", fontsize=TEXT)
            if at:
                axes.axhline(at - 0.5, color=RULE, lw=0.5, zorder=0)
            for line, row in enumerate(block, start=at + 1):
                _auc_row(axes, row, line)
                ticks.append((line, row.estimate.value))
            at += len(block) + 1
        axes.axvline(0.5, color=GREY, lw=0.7, ls=(0, (1, 1.5)), zorder=0)
        axes.set_yticks([line for line, _ in ticks], [name for _, name in ticks])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlim(left - 0.01, 1.01)
        axes.set_ylim(at - 0.4, -1.5)
        axes.xaxis.set_major_locator(MultipleLocator(0.1 if legend_beside(width_mm) else 0.2))
        axes.set_xlabel("AUC")
        _beside(axes, -1, _AUC_AT, f"AUC ({intervals})", GREY)
        _beside(axes, -1, _PATIENTS_AT, "n (events)", GREY)
    return figure


def _check_rows(rows: Sequence[AucRow]) -> None:
    if not rows:
        raise CohortError("There is no AUC to draw: give at least one row")
    for row in rows:
        inside = 0 <= row.auc <= 1 and not row.low > row.auc and not row.high < row.auc
        if not inside or math.isnan(row.low) != math.isnan(row.high):
            raise CohortError(
                f"The {row.estimate.value} AUC of {row.model} is {row.auc:g} with limits {row.low:g} and {row.high:g}: "
                f"an AUC lies in [0, 1] and within its limits, of which both or none are given"
            )


def _auc_row(axes: Axes, row: AucRow, line: int) -> None:
    marker, edge, face = _MARKERS[row.estimate]
    figures = f"{row.auc:.3f}"
    if not math.isnan(row.low):
        axes.plot([row.low, row.high], [line, line], color=edge, lw=1.1, solid_capstyle="butt", zorder=2)
        figures += f" ({row.low:.3f}\u2013{row.high:.3f})"
    axes.plot([row.auc], [line], marker, ms=4.2, mfc=face, mec=edge, mew=1.0, zorder=3)
    _beside(axes, line, _AUC_AT, figures, INK)
    _beside(axes, line, _PATIENTS_AT, f"{row.patients} ({row.events})", INK)


def _beside(axes: Axes, line: float, points: float, text: str, colour: str) -> None:
    """`text` so many points right of the axes."""
    axes.annotate(
        text,
        (1, line),
        xycoords=axes.get_yaxis_transform(),
        xytext=(points, 0),
        textcoords="offset points",
        va="center",
        fontsize=SMALL,
        color=colour,
        annotation_clip=False,
    )
