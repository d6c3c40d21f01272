"""What all figures of a study share: sizes in print, colours and line styles, and the line that says whom a figure shows."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from ..drawing import GREY, RAISES, house_style, new_figure
from ..errors import CohortError
from .checks import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Transform

COLUMN_MM = 85.0
PAGE_MM = 170.0
PRINT_DPI = 300
"""For `drawing.png_bytes` of a figure that goes into print."""

EVENT = RAISES
NO_EVENT = "#56B4E9"
"""Patients with and without the outcome: in grey, the first are dark and the second light."""

TEXT = 7.0
SMALL = 6.0
WIDTH = 1.3
ROW_MM = 3.3

# Of different lengths, so that colour and stroke together repeat only after 42 curves, and strokes alone tell six apart in grey.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_STROKES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (1.2, 1.2)),
    (0, (9, 2)),
    (0, (6, 1.5, 1.2, 1.5, 1.2, 1.5)),
)
_MOST_CURVES = 12
_WIDE_MM = 120.0
_RESEARCH = "Research use only."
_CHARACTER_MM = 1.1
_BOLD_MM = 1.75
_PRINT: Any = {
    "font.size": TEXT,
    "axes.titlesize": TEXT + 0.5,
    "axes.linewidth": 0.6,
    **{f"{side}tick.labelsize": SMALL for side in "xy"},
    **{f"{side}tick.major.width": 0.6 for side in "xy"},
    **{f"{side}tick.major.size": 2.4 for side in "xy"},
    **{f"{side}tick.major.pad": 1.8 for side in "xy"},
}

_Item = TypeVar("_Item")


@contextmanager
def print_figure(width_mm: float, height_mm: float, note: str, title: str) -> Iterator[Figure]:
    """A figure to draw on, with `title` over and `note` under it.

    On leaving, its layout is made once and for all, so that every format shows the same.

    Parameters
    ----------
    width_mm, height_mm : size in print, width from 60 to 200 mm

    Raises
    ------
    CohortError
        for a width that no page has
    """
    if not 60 <= width_mm <= 200:
        raise CohortError(f"A figure {width_mm:g} mm wide cannot be read in print: give 60 to 200, e.g. {COLUMN_MM:g} or {PAGE_MM:g}")
    with house_style():
        import matplotlib
        from matplotlib.layout_engine import ConstrainedLayoutEngine
        from matplotlib.ticker import FixedLocator

        matplotlib.rcParams.update(_PRINT)
        figure = new_figure(width_mm / 25.4, height_mm / 25.4)
        # Widths of small letters are rounded to pixels: measured at a screen's resolution, labels would not fit in print.
        figure.set_dpi(PRINT_DPI)
        engine = ConstrainedLayoutEngine(w_pad=0.045, h_pad=0.045)
        figure.set_layout_engine(engine)
        lines = textwrap.wrap(f"{note} {_RESEARCH}", int(width_mm / _CHARACTER_MM))
        figure.supxlabel("\n".join(lines), x=0.012, ha="left", fontsize=SMALL, color=GREY, linespacing=1.1)
        if title:
            heading = textwrap.wrap(title, int(width_mm / _BOLD_MM))
            figure.suptitle("\n".join(heading), x=0.012, ha="left", fontsize=TEXT + 0.5, fontweight="bold")
        yield figure
        # The room for labels changes with the size of the axes, so that the first layout is a guess.
        for _ in range(2):
            engine.execute(figure)
            # How many ticks an axis gets hangs on the settings of the moment: others, when it is written, would overflow the layout.
            for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
                axis.set_major_locator(FixedLocator(list(axis.get_majorticklocs())))
        figure.set_layout_engine("none")


def stroke(i: int) -> dict[str, Any]:
    """Colour, dashes and width of the i-th curve of a figure."""
    return {"color": _COLOURS[i % len(_COLOURS)], "ls": _STROKES[i % len(_STROKES)], "lw": WIDTH}


def legend_below(axes: Axes, columns: int = 1, handles: Sequence[Any] | None = None, title: str = "") -> None:
    """Legend of what was drawn on the axes (or of `handles`) under the axis label, where no curve runs."""
    from matplotlib.transforms import ScaledTranslation

    figure = axes.get_figure(root=True)
    assert figure is not None
    down = axes.transAxes + ScaledTranslation(0, -8.5 / 25.4, figure.dpi_scale_trans)
    _legend(axes, axes.get_legend_handles_labels()[0] if handles is None else handles, title, "upper center", (0.5, 0.0), down, columns)


def legend_of_models(axes: Axes, width_mm: float, title: str = "") -> None:
    """Legend of models, one a line: beside the axes of a wide figure, else under them."""
    if legend_beside(width_mm):
        _legend(axes, axes.get_legend_handles_labels()[0], title, "upper left", (1.03, 1.0), axes.transAxes, 1)
    else:
        legend_below(axes, title=title)


def legend_beside(width_mm: float) -> bool:
    """Whether a legend of models stands beside the axes in a figure of this width."""
    return width_mm >= _WIDE_MM


def _legend(
    axes: Axes,
    handles: Sequence[Any],
    title: str,
    corner: Literal["upper center", "upper left"],
    at: tuple[float, float],
    transform: Transform,
    columns: int,
) -> None:
    axes.legend(
        handles=handles,
        loc=corner,
        bbox_to_anchor=at,
        bbox_transform=transform,
        borderaxespad=0,
        borderpad=0.2,
        frameon=False,
        fontsize=SMALL + 0.5,
        handlelength=3.2,
        labelspacing=0.35,
        columnspacing=1.4,
        ncols=columns,
        title=title or None,
        title_fontsize=SMALL + 0.5,
        alignment="left",
    )


def wrapped(name: str, characters: int) -> str:
    """`name` in lines of at most so many characters."""
    return "\n".join(textwrap.wrap(name, characters)) or name


def lines_of(names: Sequence[str]) -> int:
    """Lines that the names fill."""
    return sum(name.count("\n") + 1 for name in names)


def patients_line(events: np.ndarray, outcome: str) -> str:
    """Whom a figure shows, e.g. ``n = 173 patients, 33 with PNI.``, from (patients,) booleans."""
    return f"n = {len(events)} patients, {int(events.sum())} with {outcome}."


def check_models(models: Mapping[str, _Item]) -> Mapping[str, _Item]:
    """`models` as they are, or CohortError when there are none or more than can be told apart."""
    if not models:
        raise CohortError("There is no model to draw: give at least one")
    if len(models) > _MOST_CURVES:
        raise CohortError(f"{len(models)} models cannot be told apart in one figure: give at most {_MOST_CURVES}")
    return models


def check_curve(values: Any, name: str, points: int | None = None) -> np.ndarray:
    """`values` as (points,) finite float64.

    Raises
    ------
    CohortError
        naming the curve, when it is empty, of another length, or not finite
    """
    found = numbers(values, name)
    if not len(found):
        raise CohortError(f"{name} is empty: there is nothing to draw")
    if points is not None and len(found) != points:
        raise CohortError(f"{name} has {len(found)} values where {points} are needed")
    if not np.isfinite(found).all():
        raise CohortError(f"{name} is missing or not a finite number in {int((~np.isfinite(found)).sum())} of {len(found)} places")
    return found


def minus(text: str) -> str:
    """`text` with the sign that is as wide as a digit."""
    return text.replace("-", "\u2212")


def diagonal(axes: Axes) -> None:
    """Line of equality in the unit square, which is drawn square."""
    axes.plot([0, 1], [0, 1], color=GREY, lw=0.7, ls=(0, (2, 2)), zorder=1)
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(-0.015, 1.015)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_box_aspect(1)
