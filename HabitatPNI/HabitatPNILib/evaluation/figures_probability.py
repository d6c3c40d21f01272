"""Figures of what a probability is worth: calibration plot, decision curve, clinical impact curve."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..drawing import GREY, INK, LOWERS, RAISES
from ..errors import CohortError
from .calibration import Calibration, calibration
from .checks import check_level, check_outcome, check_probabilities, check_thresholds
from .figures_style import (
    COLUMN_MM,
    EVENT,
    NO_EVENT,
    ROW_MM,
    SMALL,
    WIDTH,
    check_models,
    diagonal,
    legend_below,
    legend_beside,
    legend_of_models,
    lines_of,
    minus,
    patients_line,
    print_figure,
    stroke,
    wrapped,
)
from .utility import clinical_impact, net_benefit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GROUPS = 10
_SPREAD = 0.22
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}


class CalibrationGroups(NamedTuple):
    """Patients by deciles of their probability: mean probability, share with the outcome and its Wilson limits; all (groups,)."""

    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray
    patients: np.ndarray


def calibration_groups(y: Any, p: Any, level: float = 0.95) -> CalibrationGroups:
    """The decile points of a calibration plot; equal probabilities share a group, so that there may be fewer than ten.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities
    level : of the limits

    Raises
    ------
    CohortError
        naming the column and rows that cannot be used
    """
    from statsmodels.stats.proportion import proportion_confint

    check_level(level)
    events = check_outcome(y)
    risk = check_probabilities(p, len(events))
    limits = np.unique(np.quantile(risk, np.linspace(0, 1, _GROUPS + 1)))[1:-1]
    group = np.searchsorted(limits, risk, side="left")
    patients = np.bincount(group)
    kept = patients > 0
    patients, with_outcome = patients[kept], np.bincount(group, weights=events)[kept]
    low, high = proportion_confint(with_outcome, patients, 1 - level, "wilson")
    return CalibrationGroups(np.bincount(group, weights=risk)[kept] / patients, with_outcome / patients, low, high, patients)


def calibration_figure(
    y: Any, p: Any, *, title: str = "", outcome: str = "the outcome", level: float = 0.95, width_mm: float = COLUMN_MM
) -> Figure:
    """Calibration plot: LOWESS curve, deciles with Wilson intervals, and how the probabilities are spread.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities, not all equal
    title, outcome : the cohort, and what the outcome is called in ``33 with PNI``
    level : of the intervals
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        as in `calibration`
    """
    from matplotlib.ticker import MaxNLocator

    events = check_outcome(y)
    risk = check_probabilities(p, len(events))
    found, groups = calibration(events, risk), calibration_groups(events, risk, level)
    side = min(width_mm - 15, 85)
    with print_figure(
        width_mm, 1.22 * side + 30, f"{patients_line(events, outcome)} Intervals: Wilson, {100 * level:g} %.", title
    ) as figure:
        axes, spread = figure.subplots(2, 1, height_ratios=[1, _SPREAD], sharex=True)
        diagonal(axes)
        axes.plot(found.curve.predicted, found.curve.observed, color=LOWERS, lw=1.5, label="LOWESS", zorder=3)
        reach = np.vstack([groups.observed - groups.low, groups.high - groups.observed]).clip(0)
        axes.errorbar(
            groups.predicted,
            groups.observed,
            reach,
            fmt="o",
            ms=3.5,
            color=RAISES,
            ecolor=RAISES,
            elinewidth=0.8,
            label="deciles",
            zorder=4,
        )
        axes.set_ylabel("Observed share")
        axes.text(
            0.03, 0.97, _in_figures(found), transform=axes.transAxes, va="top", fontsize=SMALL, linespacing=1.25, zorder=5, bbox=_PAPER
        )
        axes.tick_params(labelbottom=False)
        spread.set_box_aspect(_SPREAD)
        edges = np.linspace(0, 1, 21)
        shown = f"with {outcome}" if len(outcome) < 20 else "with it"
        spread.hist(risk[events], edges, color=EVENT, label=shown)
        spread.hist(risk[~events], edges, weights=np.full(int((~events).sum()), -1.0), color=NO_EVENT, label="without")
        spread.axhline(0, color=INK, lw=0.6)
        spread.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        spread.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
        spread.set_ylabel("Patients")
        spread.set_xlabel("Predicted probability")
        drawn = (part for panel in (axes, spread) for part in panel.get_legend_handles_labels()[0])
        legend_below(spread, columns=4 if legend_beside(width_mm) else 2, handles=list(drawn))
    return figure


def _in_figures(found: Calibration) -> str:
    slope = minus(f"{found.slope:.2f}") if math.isfinite(found.slope) else "not finite"
    lines = [f"Intercept {minus(f'{found.intercept:.2f}')}", f"Slope {slope}", f"Brier score {found.brier:.3f}", f"ECE {found.ece:.3f}"]
    return "\n".join(lines)


def decision_curve_figure(
    y: Any,
    probabilities: Mapping[str, Any],
    *,
    thresholds: Any = None,
    title: str = "",
    outcome: str = "the outcome",
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Net benefit over the threshold probability of models, of treating all patients, and of treating none.

    The axis ends where no model calls anybody any more, and a little below 0, since treating all falls without end.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    probabilities : (patients,) by model
    thresholds : (thresholds,) rising, from 0 to below 1; every hundredth up to the highest probability when not given
    title, outcome, width_mm : as in `calibration_figure`

    Raises
    ------
    CohortError
        as in `net_benefit`, or for no model
    """
    events = check_outcome(y)
    risks = {name: check_probabilities(p, len(events), f"Probability of {name}") for name, p in check_models(probabilities).items()}
    at = _thresholds(risks.values(), thresholds)
    curves = {name: net_benefit(events, risk, at) for name, risk in risks.items()}
    first = next(iter(curves.values()))
    beside = legend_beside(width_mm)
    labels = [wrapped(name, 32 if beside else int(0.7 * width_mm)) for name in curves]
    top = max(events.mean(), *(float(curve.model.max()) for curve in curves.values()))
    lowest = min(float(curve.model.min()) for curve in curves.values())
    height = 95 if beside else 0.68 * width_mm + 22 + ROW_MM * (lines_of(labels) + 2)
    with print_figure(width_mm, height, patients_line(events, outcome), title) as figure:
        axes = figure.add_subplot()
        axes.plot(first.thresholds, first.treat_all, color=GREY, lw=0.9, ls=(0, (4, 2)), label="treat all", zorder=2)
        axes.plot(first.thresholds, first.treat_none, color=INK, lw=0.9, label="treat none", zorder=2)
        for i, (label, curve) in enumerate(zip(labels, curves.values(), strict=True)):
            axes.plot(curve.thresholds, curve.model, label=label, zorder=3, **stroke(i))
        _threshold_axis(axes, first.thresholds)
        axes.set_ylim(-max(0.15 * top, min(-1.1 * lowest, 0.5 * top)), 1.08 * top)
        axes.yaxis.set_major_formatter(lambda value, _: minus(f"{value:.2f}"))
        axes.set_ylabel("Net benefit (true positives a patient)")
        legend_of_models(axes, width_mm)
    return figure


def clinical_impact_figure(
    y: Any,
    p: Any,
    *,
    thresholds: Any = None,
    population: float = 1000,
    title: str = "",
    outcome: str = "the outcome",
    width_mm: float = COLUMN_MM,
) -> Figure:
    """How many of a population each threshold calls high risk, and how many of those have the outcome.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities
    thresholds : as in `decision_curve_figure`
    population : number of patients to scale to
    title, outcome, width_mm : as in `calibration_figure`

    Raises
    ------
    CohortError
        as in `clinical_impact`
    """
    events = check_outcome(y)
    risk = check_probabilities(p, len(events))
    found = clinical_impact(events, risk, _thresholds([risk], thresholds), population)
    note = f"{patients_line(events, outcome)} Scaled to {population:,g} patients."
    with print_figure(width_mm, min(0.68 * width_mm, 95) + 28, note, title) as figure:
        axes = figure.add_subplot()
        axes.plot(found.thresholds, found.high_risk, color=LOWERS, lw=WIDTH, label="called high risk", zorder=3)
        axes.plot(
            found.thresholds, found.true_positives, color=RAISES, lw=WIDTH, ls=(0, (5, 1.5)), label=f"of these, with {outcome}", zorder=3
        )
        all_events = events.mean() * population
        axes.axhline(all_events, color=GREY, lw=0.7, ls=(0, (2, 2)), label=f"all with {outcome}", zorder=1)
        _threshold_axis(axes, found.thresholds)
        axes.set_ylim(0, 1.03 * population)
        axes.set_ylabel(f"Patients of {population:,g}")
        legend_below(axes)
    return figure


def _threshold_axis(axes: Axes, thresholds: np.ndarray) -> None:
    """From the first threshold to the tenth that the last one reaches, so that the axis ends with a number."""
    axes.set_xlim(float(thresholds[0]), math.ceil(10 * round(float(thresholds[-1]), 9)) / 10)
    axes.set_xlabel("Threshold probability")


def _thresholds(risks: Iterable[np.ndarray], given: Any) -> np.ndarray:
    """Those given, or hundredths from 0 to the first tenth that nobody's probability reaches, at most 0.99."""
    if given is None:
        highest = max(float(risk.max()) for risk in risks)
        return np.arange(min(100, 10 * (math.floor(highest * 10) + 1) + 1)) / 100
    at = check_thresholds(given)
    if len(at) < 2 or (np.diff(at) <= 0).any():
        raise CohortError("Thresholds of a curve must rise, and there must be at least 2 of them")
    return at
