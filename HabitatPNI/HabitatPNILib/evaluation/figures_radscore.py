"""Figures of the patients behind a radscore: its features as a heat map, its values as a waterfall."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import GREY, INK, LOWERS, RAISES
from ..errors import CohortError
from .checks import check_outcome, check_scores
from .figures_style import (
    COLUMN_MM,
    EVENT,
    NO_EVENT,
    PAGE_MM,
    SMALL,
    legend_below,
    minus,
    patients_line,
    print_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CLIP = 3.0
_MOST_FEATURES = 100
_TALLEST_MM = 190.0


def heat_map_figure(
    features: Any,
    names: Sequence[str],
    y: Any,
    radscore: Any,
    *,
    title: str = "",
    outcome: str = "the outcome",
    width_mm: float = PAGE_MM,
) -> Figure:
    """Selected features of all patients, standardised over them; patients by outcome, then by rising radscore.

    Parameters
    ----------
    features : (patients, features), finite
    names : (features,) columns ``region__sequence__extractor__feature`` or any other names; the first stands on top
    y : (patients,) outcome, 0 or 1
    radscore : (patients,)
    title, outcome : the cohort or region, and what the outcome is called in ``33 with PNI``
    width_mm : of the figure in print

    Raises
    ------
    CohortError
        for arrays that do not fit, missing values (naming the feature), or more features than can be read
    """
    events = check_outcome(y)
    scores = check_scores(radscore, len(events), "Radscore")
    shades = _standardised(features, names, len(events))
    order = np.lexsort((scores, events))
    without = int((~events).sum())
    row_mm = min(2.9, _TALLEST_MM / len(names))
    height = row_mm * len(names) + 38
    labels = [readable(name, max(34, int(0.28 * width_mm))) for name in names]
    note = f"{patients_line(events, outcome)} Colours: standard deviations from the mean of these patients, cut off at {_CLIP:g}."
    with print_figure(width_mm, height, note, title) as figure:
        strip_mm = 9.0
        above, axes = figure.subplots(2, 1, height_ratios=[strip_mm, row_mm * len(names)], sharex=True)
        _radscore_strip(above, scores[order], events[order])
        image = axes.imshow(shades[order].T, aspect="auto", interpolation="nearest", cmap=_diverging(), vmin=-_CLIP, vmax=_CLIP)
        axes.axvline(without - 0.5, color=INK, lw=0.8)
        above.axvline(without - 0.5, color=INK, lw=0.8)
        axes.set_yticks(range(len(names)), labels, fontsize=min(SMALL, 0.8 * row_mm * 72 / 25.4))
        axes.tick_params(axis="y", length=1.5)
        axes.set_xticks([(without - 1) / 2, (without + len(scores) - 1) / 2], [f"without ({without})", f"with ({len(scores) - without})"])
        axes.tick_params(axis="x", length=0)
        axes.set_xlabel("Patients by outcome and rising radscore", loc="right")
        axes.spines[["top", "right"]].set_visible(True)
        bar = figure.colorbar(image, ax=axes, location="right", fraction=0.025, pad=0.01, aspect=30, extend="both")
        bar.set_ticks([-3, -2, -1, 0, 1, 2, 3], labels=[minus(f"{v}") for v in (-3, -2, -1, 0, 1, 2, 3)])
        bar.outline.set_linewidth(0.5)
    return figure


def _standardised(features: Any, names: Sequence[str], patients: int) -> np.ndarray:
    table = np.asarray(features, dtype=np.float64)
    if table.shape != (patients, len(names)) or not len(names):
        raise CohortError(f"Features of shape {table.shape} do not fit {patients} patients and {len(names)} names")
    if len(names) > _MOST_FEATURES:
        raise CohortError(f"{len(names)} features cannot be read in one heat map: draw at most {_MOST_FEATURES}, e.g. one region at a time")
    for name, column in zip(names, table.T, strict=True):
        if not np.isfinite(column).all():
            raise CohortError(f"Feature {name} is missing in {int((~np.isfinite(column)).sum())} of {patients} rows")
    spread = table.std(axis=0)
    return (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _radscore_strip(axes: Axes, scores: np.ndarray, events: np.ndarray) -> None:
    x = np.arange(len(scores))
    base = float(scores.min() - 0.03 * np.ptp(scores))
    axes.bar(x[~events], scores[~events] - base, bottom=base, width=1.0, color=NO_EVENT, lw=0)
    axes.bar(x[events], scores[events] - base, bottom=base, width=1.0, color=EVENT, lw=0)
    axes.set_ylim(base, None)
    axes.set_ylabel("Radscore", rotation=0, ha="right", va="center")
    axes.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
    axes.tick_params(axis="x", length=0, labelbottom=False)
    axes.spines["bottom"].set_visible(False)


def readable(name: str, characters: int = 60) -> str:
    """``habitat1__t2w__resnet101__0042`` as ``habitat 1 · T2W · resnet101 · 0042``, shortened in its middle to so many characters."""
    parts = str(name).split("__")
    if len(parts) > 2:
        region = parts[0].rstrip("0123456789")
        number = parts[0][len(region) :]
        parts = [f"{region} {number}".strip(), parts[1].upper(), *parts[2:]]
    text = " \u00b7 ".join(part.replace("_", " ") for part in parts)
    if len(text) <= characters:
        return text
    tail = (characters - 1) // 2
    return f"{text[: characters - 1 - tail].rstrip()}\u2026{text[-tail:].lstrip()}"


def _diverging() -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("diverging", [LOWERS, "#FFFFFF", RAISES])


def waterfall_figure(
    y: Any, radscore: Any, *, cut_off: float, title: str = "", outcome: str = "the outcome", width_mm: float = COLUMN_MM
) -> Figure:
    """Radscores of all patients in rising order as bars from the cut-off, coloured by the outcome.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    radscore : (patients,)
    cut_off : patients at or above it are called positive
    title, outcome, width_mm : as in `heat_map_figure`

    Raises
    ------
    CohortError
        for a column that cannot be used (naming the rows), or a cut-off that is not finite
    """
    events = check_outcome(y)
    scores = check_scores(radscore, len(events), "Radscore")
    if not np.isfinite(cut_off):
        raise CohortError(f"The cut-off {cut_off} of the waterfall is not a finite number")
    order = np.argsort(scores, kind="stable")
    bars, present = scores[order], events[order]
    x = np.arange(1, len(bars) + 1)
    called = present[bars >= cut_off]
    missed = int(events.sum() - called.sum())
    note = (
        f"{patients_line(events, outcome)} At or above the cut-off: {len(called)}, of these {int(called.sum())} with it; "
        f"{missed} with it below."
    )
    with print_figure(width_mm, min(0.6 * width_mm, 85) + 26, note, title) as figure:
        axes = figure.add_subplot()
        for mine, colour, label in ((present, EVENT, f"with {outcome}"), (~present, NO_EVENT, "without")):
            axes.bar(x[mine], bars[mine] - cut_off, bottom=cut_off, width=0.9, color=colour, lw=0, label=label, zorder=2)
        axes.axhline(cut_off, color=INK, lw=0.7, zorder=3)
        axes.annotate(
            f"cut-off {minus(f'{cut_off:.3g}')}",
            (0.5, cut_off),
            xytext=(1, 2),
            textcoords="offset points",
            va="bottom",
            fontsize=SMALL,
            color=GREY,
        )
        axes.set_xlim(0, len(bars) + 1)
        axes.set_xlabel("Patients by rising radscore")
        axes.set_ylabel("Radscore")
        axes.yaxis.set_major_formatter(lambda value, _: minus(f"{value:g}"))
        legend_below(axes, columns=2)
    return figure
