"""The registration quality sheet of a cohort: a montage a case, and all cases on one page that opens offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from ..drawing import house_style, new_figure, png_bytes
from .content import Picture
from .html import html_page, image_html
from .montage import CHECK_MARGIN_MM, CROP_MIN_MM, SQUARE_MM, Slices, crop
from .montage import _edges as edges_of
from .montage import _grey as draw_grey
from .montage import _letters as draw_letters
from .montage import _limits as limits_of
from .montage import _note as draw_note
from .montage import _outline as draw_outline
from .montage import _paint as draw_where
from .montage import _panel as add_panel
from .montage import _scale_bar as draw_scale_bar
from .style import CSS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL, _HEAD = 2.4, 0.32
_EDGE_RGB = (86, 180, 233)
_SHEET_CSS = """
.case { border-top: 2px solid var(--rule); padding: 4px 0 10px; break-inside: avoid; }
.case h2 { border: 0; margin: 10px 0 4px; }
.case img { display: block; width: 100%; height: auto; background: #000; }
.badge { display: inline-block; margin-left: 10px; padding: 1px 10px; border-radius: 10px; font-size: 13px; font-weight: 600;
  border: 1px solid; vertical-align: 2px; }
.badge.accept { color: #1b5e20; } .badge.review { color: #7a4b00; } .badge.reject { color: #a40000; }
.figures { margin: 4px 0; font-variant-numeric: tabular-nums; }
.figures span { display: inline-block; margin-right: 22px; white-space: nowrap; }
.case ul { margin: 2px 0 6px; padding-left: 20px; color: var(--caution); }
"""


@dataclass(frozen=True)
class QualityCase:
    """One case of the sheet.

    Parameters
    ----------
    decision : ``accept``, ``review`` or ``reject``
    state : what became of the registration, in words
    figures : texts by label
    picture : the montage; None for a case that failed
    """

    case_id: str
    decision: str
    comment: str
    state: str
    figures: Mapping[str, str]
    warnings: tuple[str, ...]
    picture: Picture | None


def registration_montage(slices: Slices, fixed: str, moving: str | None) -> bytes:
    """PNG: both sequences with the outline, edges of one on the other, and checkerboards in axial and sagittal direction.

    Axial panels show the ROI's largest slice, the sagittal one the plane through its centre, where a shift along the slices shows.

    Parameters
    ----------
    slices : its habitats are not shown
    fixed, moving : labels of the two sequences; without the second only the first is drawn
    """
    z = int(np.argmax(slices.roi.sum(axis=(1, 2))))
    window = crop(slices.roi, slices.spacing, CHECK_MARGIN_MM, 2 * CROP_MIN_MM)
    slices = replace(
        slices, sequences={s: _scaled(slices.sequences[s], limits_of(slices.sequences[s][z][window])) for s in (fixed, moving) if s}
    )
    sagittal = _sagittal(slices)
    x = round(float(np.argwhere(sagittal.roi)[:, 0].mean()))
    with house_style():
        figure = new_figure(_PANEL * (5 if moving else 2), _HEAD + _PANEL)

        def panel(column: int, title: str, view: Slices, at: int, what: str) -> Axes:
            axes = add_panel(figure, 0, column, _PANEL, _HEAD)
            _draw(axes, view, at, fixed, moving, what)
            axes.set_title(title, fontsize=8.5, pad=4)
            return axes

        first = panel(0, fixed, slices, z, "fixed")
        draw_scale_bar(first, 20)
        draw_note(first, f"slice {z + 1}")
        if moving is None:
            panel(1, f"{fixed}, sagittal", sagittal, x, "fixed")
        else:
            panel(1, moving, slices, z, "moving")
            panel(2, f"{moving} edges on {fixed}", slices, z, "edges")
            panel(3, f"Checkerboard {fixed} / {moving}", slices, z, "squares")
            panel(4, "Checkerboard, sagittal", sagittal, x, "squares")
    return png_bytes(figure)


def render_quality_sheet(title: str, notes: Sequence[str], cases: Sequence[QualityCase], research_use_only: str) -> str:
    """The sheet as HTML text, cases in the order given; pictures are inside."""
    parts = [
        f"<p class='research' role='note'>{escape(research_use_only)}</p>",
        f"<header><h1>{escape(title)}</h1></header>",
        *(f"<p>{escape(note)}</p>" for note in notes),
        *(_case(case) for case in cases),
        f"<footer><p class='research'>{escape(research_use_only)}</p></footer>",
    ]
    return html_page(escape(title), CSS + _SHEET_CSS, parts)


def small_picture(png: bytes, width: int = 1100) -> bytes:
    """JPEG of a PNG, so that the sheet of some hundred cases stays a file that a browser opens."""
    import io

    from PIL import Image

    stream = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        height = round(image.height * width / image.width)
        image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS).save(stream, format="JPEG", quality=80)
    return stream.getvalue()


def _draw(axes: Axes, view: Slices, at: int, fixed: str, moving: str | None, what: str) -> None:
    window = crop(view.roi, view.spacing, CHECK_MARGIN_MM, 2 * CROP_MIN_MM)
    picture = a = view.sequences[fixed][at][window]
    if moving is not None and what != "fixed":
        b = view.sequences[moving][at][window]
        rows, columns = np.indices(a.shape)
        squares = (rows * view.spacing[1] // SQUARE_MM + columns * view.spacing[0] // SQUARE_MM) % 2 == 0
        picture = {"moving": b, "edges": a, "squares": np.where(squares, a, b)}[what]
    draw_grey(axes, picture, view.spacing, (0.0, 1.0), "nearest" if what == "squares" else "bilinear")
    if moving is not None and what == "edges":
        draw_where(axes, edges_of(b, b != 0), _EDGE_RGB, view.spacing, 0.9)
    draw_outline(axes, view.roi[at][window], view.spacing)
    draw_letters(axes, view.direction)


def _scaled(volume: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Grey values 0 to 1, the same in all planes; what a sequence does not cover stays 0."""
    low, high = limits
    return np.where(volume != 0, np.clip((volume.astype(float) - low) / (high - low), 1e-6, 1), 0)


def _sagittal(slices: Slices) -> Slices:
    """The same volumes cut along x: rows run from head to foot, columns as the y axis."""

    def turned(volume: np.ndarray) -> np.ndarray:
        return volume.transpose(2, 0, 1)[:, ::-1]

    x, y, z = slices.spacing
    direction = np.stack([slices.direction[:, 1], -slices.direction[:, 2], slices.direction[:, 0]], axis=1)
    return replace(
        slices,
        sequences={name: turned(volume) for name, volume in slices.sequences.items()},
        roi=turned(slices.roi),
        habitats=turned(slices.habitats),
        spacing=(y, z, x),
        direction=direction,
    )


def _case(case: QualityCase) -> str:
    figures = "".join(f"<span>{escape(label)} {escape(value)}</span>" for label, value in case.figures.items() if value)
    warnings = "".join(f"<li>{escape(w)}</li>" for w in case.warnings)
    comment = f"<p>Comment: {escape(case.comment)}</p>" if case.comment else ""
    return (
        f"<section class='case'><h2>{escape(case.case_id)}<span class='badge {escape(case.decision)}'>{escape(case.decision)}</span></h2>"
        f"<p>{escape(case.state)}</p>{comment}"
        + (f"<p class='figures'>{figures}</p>" if figures else "")
        + (f"<ul>{warnings}</ul>" if warnings else "")
        + (image_html(case.picture) if case.picture else "")
        + "</section>"
    )
