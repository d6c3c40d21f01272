"""Figures of how a signature came about: number of habitats, LASSO path and its cross-validation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import GREY, INK, LOWERS, RAISES, RULE
from ..errors import CohortError
from .checks import check_outcome
from .figures_style import (
    COLUMN_MM,
    SMALL,
    WIDTH,
    check_curve,
    legend_below,
    minus,
    patients_line,
    print_figure,
    stroke,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def calinski_harabasz_figure(k: Any, indices: Any, *, used_k: int, title: str = "", width_mm: float = COLUMN_MM) -> Figure:
    """Calinski-Harabasz index over the number of habitats: median and quartiles of the cases, and how many cases are best at each k.

    Parameters
    ----------
    k : (n,) numbers of habitats tried
    indices : (cases, n), or (n,) for one clustering of all; NaN where a case is too small for a k
    used_k : the number used, one of `k`
    title : over the figure
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        for arrays that do not fit, a k without any value, or a `used_k` that was not tried
    """
    ks = check_curve(k, "Number of habitats").astype(int)
    values = np.atleast_2d(np.asarray(indices, dtype=np.float64))
    if values.ndim != 2 or values.shape[1] != len(ks):
        raise CohortError(f"Calinski-Harabasz indices are of shape {values.shape}: one row a case and {len(ks)} columns are needed")
    if used_k not in ks:
        raise CohortError(f"{used_k} habitats were not tried: used_k must be one of {', '.join(map(str, ks))}")
    nowhere = ~np.isfinite(values).any(axis=0)
    if nowhere.any():
        raise CohortError(f"No case has a Calinski-Harabasz index at k = {ks[nowhere][0]}: leave this k out")
    values = values[np.isfinite(values).any(axis=1)]
    cases = len(values)
    note = f"{cases} cases: median and quartiles." if cases > 1 else "One clustering."
    with print_figure(width_mm, min(0.62 * width_mm, 90) + (36 if cases > 1 else 18), note, title) as figure:
        axes, *below = figure.subplots(2 if cases > 1 else 1, 1, height_ratios=[1, 0.28][: 2 if cases > 1 else 1], squeeze=False)[:, 0]
        low, median, high = np.nanquantile(values, [0.25, 0.5, 0.75], axis=0)
        for panel in (axes, *below):
            panel.axvline(used_k, color=RULE, lw=6, zorder=0)
            panel.set_xlim(ks.min() - 0.5, ks.max() + 0.5)
            panel.set_xticks(ks)
        if cases > 1:
            axes.fill_between(ks, low, high, color=LOWERS, alpha=0.2, lw=0, label="quartiles", zorder=1)
            _best_cases(below[0], ks, values)
            axes.tick_params(labelbottom=False)
        axes.plot(ks, median, "-o", color=LOWERS, lw=WIDTH, ms=3.5, label="median" if cases > 1 else "index", zorder=3)
        axes.plot([], [], color=RULE, lw=6, label=f"used: k = {used_k}")
        axes.set_ylabel("Calinski-Harabasz index")
        last = below[0] if below else axes
        last.set_xlabel("Number of habitats k")
        legend_below(last, columns=3, handles=axes.get_legend_handles_labels()[0])
    return figure


def _best_cases(axes: Axes, ks: np.ndarray, values: np.ndarray) -> None:
    from matplotlib.ticker import MaxNLocator

    best = np.nanargmax(values, axis=1)
    counts = np.bincount(best, minlength=len(ks))
    axes.bar(ks, counts, width=0.5, color=LOWERS, zorder=2)
    for x, count in zip(ks, counts, strict=True):
        axes.text(x, count + 0.03 * counts.max(), str(count), ha="center", va="bottom", fontsize=SMALL)
    axes.set_ylim(0, 1.3 * counts.max())
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_ylabel("Cases best\nat this k")


def lasso_path_figure(
    lambdas: Any,
    coefficients: Any,
    y: Any,
    *,
    penalty: float,
    rule: str = "min",
    title: str = "",
    outcome: str = "the outcome",
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Coefficients along the penalty; those that are not 0 at the chosen penalty are coloured, above stand the numbers kept.

    Parameters
    ----------
    lambdas : (steps,) penalties, above 0
    coefficients : (steps, features) per standard deviation
    y : (patients,) outcome of the patients it was fitted on
    penalty : the chosen one, within `lambdas`
    rule : by which it was chosen, for its label: ``min`` (lowest deviance) or ``1se`` (largest within a standard error of it)
    title, outcome : the region, and what the outcome is called in ``33 with PNI``
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        for arrays that do not fit or a penalty outside the path
    """
    events = check_outcome(y)
    path = _penalties(lambdas, penalty)
    table = np.asarray(coefficients, dtype=np.float64)
    if table.ndim != 2 or len(table) != len(path) or not np.isfinite(table).all():
        raise CohortError(
            f"Coefficients of shape {table.shape} do not fit {len(path)} penalties: (penalties, features), finite, are needed"
        )
    chosen = table[int(np.argmin(np.abs(np.log(path) - np.log(penalty))))] != 0
    with print_figure(width_mm, min(0.68 * width_mm, 95) + 20, patients_line(events, outcome), title) as figure:
        axes = figure.add_subplot()
        for feature in np.argsort(chosen, kind="stable"):
            if chosen[feature]:
                axes.plot(path, table[:, feature], zorder=3, **(stroke(int(chosen[:feature].sum())) | {"lw": 0.9}))
            elif table[:, feature].any():
                axes.plot(path, table[:, feature], color=RULE, lw=0.6, zorder=2)
        axes.axhline(0, color=GREY, lw=0.6, zorder=1)
        _penalty_axis(axes, path, penalty, (table != 0).sum(axis=1), f"\u03bb {rule}, {int(chosen.sum())} features")
        axes.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
        axes.set_ylabel("Coefficient (log odds per SD)")
    return figure


def lasso_deviance_figure(
    lambdas: Any,
    deviance: Any,
    error: Any,
    kept: Any,
    y: Any,
    *,
    penalty: float,
    rule: str = "min",
    title: str = "",
    outcome: str = "the outcome",
    width_mm: float = COLUMN_MM,
) -> Figure:
    """Cross-validated deviance along the penalty, with one standard error, and the chosen penalty.

    Parameters
    ----------
    lambdas : (steps,) penalties, above 0
    deviance, error : (steps,) deviance a held-out patient and its standard error over the folds
    kept : (steps,) features with a coefficient
    y, penalty, rule, title, outcome, width_mm : as in `lasso_path_figure`

    Raises
    ------
    CohortError
        as in `lasso_path_figure`
    """
    events = check_outcome(y)
    path = _penalties(lambdas, penalty)
    mean, spread = check_curve(deviance, "Deviance", len(path)), check_curve(error, "Standard error of the deviance", len(path))
    numbers_kept = check_curve(kept, "Number of features kept", len(path)).astype(int)
    at = int(np.argmin(np.abs(np.log(path) - np.log(penalty))))
    with print_figure(
        width_mm, min(0.68 * width_mm, 95) + 20, f"{patients_line(events, outcome)} Bars: one standard error.", title
    ) as figure:
        axes = figure.add_subplot()
        axes.errorbar(path, mean, spread, fmt="o", ms=2.2, color=RAISES, ecolor=RULE, elinewidth=0.7, zorder=3)
        _penalty_axis(axes, path, penalty, numbers_kept, f"\u03bb {rule}, {numbers_kept[at]} features")
        axes.set_ylabel("Deviance a held-out patient")
    return figure


def _penalties(lambdas: Any, chosen: float) -> np.ndarray:
    path = check_curve(lambdas, "Penalty")
    if len(path) < 2 or (path <= 0).any():
        raise CohortError(f"A path of {len(path)} penalties, the smallest {path.min():g}, cannot be drawn: at least 2 above 0 are needed")
    if not path.min() * (1 - 1e-9) <= chosen <= path.max() * (1 + 1e-9):
        raise CohortError(f"The chosen penalty {chosen:g} lies outside the path from {path.min():g} to {path.max():g}")
    return path


def _penalty_axis(axes: Axes, path: np.ndarray, chosen: float, kept: np.ndarray, label: str) -> None:
    """Penalty on a logarithmic axis, the chosen one marked, and the number of features kept along the top."""
    from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

    axes.set_xscale("log")
    axes.set_xlim(path.min() / 1.05, path.max() * 1.05)
    few_decades = path.max() / path.min() < 1e3
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if few_decades else (1,), numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.4g}")
    axes.set_xlabel("Penalty \u03bb")
    axes.axvline(chosen, color=INK, lw=0.9, ls=(0, (4, 2)), zorder=4)
    right = np.log(chosen / path.min()) < 0.5 * np.log(path.max() / path.min())
    axes.annotate(
        label,
        (chosen, 0.97),
        xycoords=axes.get_xaxis_transform(),
        xytext=(3 if right else -3, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="top",
        fontsize=SMALL,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8},
        zorder=5,
    )
    order = np.argsort(path)
    top = axes.secondary_xaxis("top")
    places = np.geomspace(path.min(), path.max(), 7)
    nearest = [int(order[np.argmin(np.abs(np.log(path[order]) - np.log(place)))]) for place in places]
    top.set_xticks(path[nearest], [str(kept[i]) for i in nearest])
    top.xaxis.set_minor_locator(NullLocator())
    top.xaxis.set_minor_formatter(NullFormatter())
    top.set_xlabel("Features kept", fontsize=SMALL)
