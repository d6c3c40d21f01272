"""The nomogram as a figure, with one patient's points marked on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drawing import GREY, INK, RAISES, RULE, house_style, new_figure, percent
from .points import MAX_POINTS, Axis, Nomogram, TermPoints

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

OVERSHOOT = 12.0
TICK = 0.09
_PROBABILITIES = (
    *(0.5, 0.1, 0.9, 0.01, 0.99, 0.2, 0.8, 0.05, 0.95, 0.3, 0.7, 0.02, 0.98, 0.4, 0.6),
    *(0.001, 0.999, 0.005, 0.995, 0.002, 0.998),
)
_SMALL = 7.5
_LABEL_STOP = -4.0
_Tick = tuple[float, str]


@dataclass(frozen=True)
class Layout:
    """Sizes in inches: the figure's width, the room for names and figures left and right of the axes, and a row's height."""

    width: float
    left: float
    right: float
    row: float

    @property
    def scale(self) -> float:
        """Length of 100 points."""
        return self.width - self.left - self.right

    @property
    def label_x(self) -> float:
        """Where the names start, in points of the nomogram."""
        return 2 - self.left / self.scale * MAX_POINTS

    @property
    def figures_x(self) -> float:
        """Where the figures end, in points of the nomogram."""
        return MAX_POINTS * (1 + self.right / self.scale) - 1.5


PAGE = Layout(8.2, 2.0, 0.95, 0.56)
COLUMN = Layout(5.0, 1.35, 0.6, 0.56)
"""For a panel 450 pixels wide: its text is 9 to 11 pixels high there."""
COLUMN_DPI = 180


def draw_nomogram(
    nomogram: Nomogram, values: Mapping[str, float] | None = None, outcome: str = "Probability", layout: Layout = PAGE
) -> Figure:
    """Draw a nomogram: points, one axis for each predictor, total points, probability.

    Parameters
    ----------
    nomogram : what to draw
    values : a patient's values by term; they are marked with guides to the points and to the probability
    outcome : label of the probability axis
    layout : `PAGE` or `COLUMN`

    Raises
    ------
    CaseError
        when `values` lacks a term
    """
    rows = len(nomogram.axes) + 3
    height = layout.row * (rows - 0.2) + 0.25
    terms = nomogram.points(values) if values is not None else None
    with house_style():
        figure = new_figure(layout.width, height)
        # One data unit is one point across and one row down.
        axes = figure.add_axes((layout.left / layout.width, 0.2 / height, layout.scale / layout.width, layout.row * (rows - 0.2) / height))
        axes.set_xlim(0, MAX_POINTS)
        axes.set_ylim(rows - 0.5, -0.3)
        axes.axis("off")
        _rule(axes, layout, 0, "Points", [(float(p), f"{p}") for p in range(0, 101, 10)], 0, MAX_POINTS, bold=True)
        for row, axis in enumerate(nomogram.axes, start=1):
            _term_axis(axes, layout, row, nomogram, axis)
        _totals(axes, layout, nomogram, outcome, rows - 2)
        if terms is not None and values is not None:
            _mark_terms(axes, layout, nomogram, terms)
            _mark_total(axes, layout, nomogram, sum(term.points for term in terms), rows - 2)
    return figure


def _term_axis(axes: Axes, layout: Layout, row: int, nomogram: Nomogram, axis: Axis) -> None:
    ends = nomogram.axis_points(axis, axis.low), nomogram.axis_points(axis, axis.high)
    if axis.levels:
        ticks = [(nomogram.axis_points(axis, value), label) for value, label in axis.levels]
    else:
        length_in = abs(ends[1] - ends[0]) / MAX_POINTS * layout.scale
        ticks = [(nomogram.axis_points(axis, v), _number(v)) for v in _nice(axis.low, axis.high, max(1, min(8, int(length_in / 0.5))))]
    label = f"{axis.label} ({axis.unit})" if axis.unit else axis.label
    _rule(axes, layout, row, label, ticks, min(ends), max(ends), keep_all=bool(axis.levels))


def _totals(axes: Axes, layout: Layout, nomogram: Nomogram, outcome: str, row: int) -> None:
    ticks = _nice(0, nomogram.highest_total, 8)
    step = ticks[1] - ticks[0]
    top = _total_top(nomogram)
    marks = [(i * step / top * MAX_POINTS, f"{i * step:g}") for i in range(int(top / step + 1e-9) + 1)]
    _rule(axes, layout, row, "Total points", marks, 0, MAX_POINTS, bold=True)
    low, high = nomogram.probability_of_total(0), nomogram.probability_of_total(top)
    wanted: list[float] = [p for p in _PROBABILITIES if low <= p <= high]
    if len(wanted) < 4:
        wanted += [p for p in _nice(low, high, 6) if 0 < p < 1 and low <= p <= high]
    apart = 0.2415 / layout.scale * MAX_POINTS
    places: list[_Tick] = []
    for p in wanted:
        place = nomogram.total_of_probability(p) / top * MAX_POINTS
        if all(abs(place - other) >= apart for other, _ in places):
            places.append((place, f"{p:g}".removeprefix("0")))
    start, stop = (min(places)[0], max(places)[0]) if len(places) > 1 else (0.0, MAX_POINTS)
    _rule(axes, layout, row + 1, outcome, sorted(places), start, stop, bold=True)


def _total_top(nomogram: Nomogram) -> float:
    """End of the total axis: the first round number that no patient within the axes exceeds."""
    ticks = _nice(0, nomogram.highest_total, 8)
    step = ticks[1] - ticks[0]
    return ticks[-1] if ticks[-1] >= nomogram.highest_total - 1e-9 else ticks[-1] + step


def _nice(low: float, high: float, intervals: int) -> list[float]:
    """Round numbers from `low` to `high`; the ends themselves when fewer than two lie between."""
    from matplotlib.ticker import MaxNLocator

    slack = 1e-9 * (high - low)
    values = MaxNLocator(intervals, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [round(float(v), 10) for v in values if low - slack <= v <= high + slack]
    return inside if len(inside) > 1 else [float(f"{low:.3g}"), float(f"{high:.3g}")]


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def _rule(
    axes: Axes,
    layout: Layout,
    row: int,
    label: str,
    ticks: Sequence[_Tick],
    start: float,
    stop: float,
    *,
    bold: bool = False,
    keep_all: bool = False,
) -> None:
    axes.plot([start, stop], [row, row], color=INK, lw=1.0, solid_capstyle="butt", zorder=3)
    for end in (start, stop):
        axes.plot([end, end], [row - TICK / 2, row + TICK / 2], color=INK, lw=0.8, zorder=3)
    weight = "bold" if bold else "normal"
    name = axes.text(layout.label_x, row, label, ha="left", va="center", weight=weight, fontsize=9)
    left, right = _extent(axes, name)
    name.set_fontsize(9 * min(1.0, (_LABEL_STOP - layout.label_x) / (right - left)))
    for x, _ in ticks:
        axes.plot([x, x], [row, row + TICK], color=INK, lw=0.8, zorder=3)
    _labels(axes, row, sorted(ticks), max(stop, start), keep_all)


def _labels(axes: Axes, row: int, ticks: Sequence[_Tick], stop: float, keep_all: bool) -> None:
    """Tick labels under the rule; one that would touch its neighbour goes above, and if it does not fit there is left out.

    Levels of a category are never left out: they are then listed in order beside the rule's end.
    """
    right_edge = {"below": -1e9, "above": -1e9}
    placed: list[Text] = []
    for x, label in ticks:
        for side, offset, va in (("below", TICK + 0.05, "top"), ("above", -0.09, "bottom")):
            text = axes.text(x, row + offset, label, ha="center", va=va, fontsize=_SMALL, zorder=4, bbox=_paper())
            left, right = _extent(axes, text)
            if left > right_edge[side] + 1.0:
                right_edge[side] = right
                placed.append(text)
                break
            text.remove()
        else:
            if keep_all:
                for text in placed:
                    text.remove()
                joined = " · ".join(label for _, label in ticks)
                axes.text(stop + 1.5, row, joined, ha="left", va="center", fontsize=_SMALL, zorder=4, bbox=_paper())
                return


def _paper() -> dict[str, object]:
    return {"facecolor": "white", "edgecolor": "none", "pad": 0.6}


def _extent(axes: Axes, text: Text) -> tuple[float, float]:
    """Left and right end of a text in points of the nomogram."""
    box = text.get_window_extent().transformed(axes.transData.inverted())
    return float(box.x0), float(box.x1)


def _mark_terms(axes: Axes, layout: Layout, nomogram: Nomogram, terms: Sequence[TermPoints]) -> None:
    axes.text(layout.figures_x, 0, "points", ha="right", va="center", fontsize=_SMALL, color=GREY)
    for row, (term, axis) in enumerate(zip(terms, nomogram.axes, strict=True), start=1):
        x = min(max(term.points, -OVERSHOOT / 4), MAX_POINTS + OVERSHOOT)
        axes.plot([x, x], [0, row], color=RAISES, lw=0.8, ls=(0, (2, 2)), zorder=1, clip_on=False)
        if term.outside:
            end = nomogram.axis_points(axis, axis.low if term.value < axis.low else axis.high)
            axes.plot([end, x], [row, row], color=RAISES, lw=1.0, ls=(0, (1, 1)), zorder=2, clip_on=False)
        _dot(axes, x, row, hollow=term.outside)
        value = next((label for level, label in axis.levels if level == term.value), _number(float(f"{term.value:.3g}")))
        axes.text(layout.label_x, row + 0.27, f"this case: {value}", ha="left", va="center", fontsize=_SMALL, color=RAISES)
        axes.text(
            layout.figures_x, row, f"{term.points:.1f}{'*' if term.outside else ''}", ha="right", va="center", color=RAISES, fontsize=9
        )
    if any(term.outside for term in terms):
        axes.text(
            layout.label_x, len(terms) + 2.47, "* outside the axis: extrapolated", ha="left", va="center", fontsize=_SMALL, color=GREY
        )


def _mark_total(axes: Axes, layout: Layout, nomogram: Nomogram, total: float, row: int) -> None:
    top = _total_top(nomogram)
    beyond = not 0 <= total <= top
    x = min(max(total / top * MAX_POINTS, -OVERSHOOT / 4), MAX_POINTS + OVERSHOOT)
    axes.plot([x, x], [row, row + 1], color=RAISES, lw=1.0, ls=(0, (2, 2)), zorder=1, clip_on=False)
    for at in (row, row + 1):
        _dot(axes, x, at, hollow=beyond)
    probability = nomogram.probability_of_total(total)
    axes.text(layout.figures_x, row, f"{total:.1f}", ha="right", va="center", color=RAISES, weight="bold", fontsize=9)
    axes.text(layout.figures_x, row + 1, percent(probability), ha="right", va="center", color=RAISES, weight="bold", fontsize=9)
    axes.plot([layout.label_x, layout.figures_x], [row - 0.48] * 2, color=RULE, lw=0.6, clip_on=False, zorder=0)


def _dot(axes: Axes, x: float, row: int, *, hollow: bool) -> None:
    face = "white" if hollow else RAISES
    axes.plot([x], [row], "o", ms=6, mfc=face, mec=RAISES, mew=1.3, zorder=6, clip_on=False)
