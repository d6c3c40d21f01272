"""Slices of a case as a radiologist looks at them: habitats over the images, and how well the sequences lie on each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..colours import habitat_colour, habitat_rgb
from ..drawing import INK, house_style, new_figure, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OVERLAY_ALPHA = 0.55
CROP_MARGIN_MM = 10.0
CROP_MIN_MM = 40.0
CHECK_MARGIN_MM = 28.0
SQUARE_MM = 10.0
_Window = tuple[slice, slice]


@dataclass(frozen=True)
class Slices:
    """A case's images on one axial grid.

    Parameters
    ----------
    sequences : (z, y, x) arrays by the label they are shown under, in the order of display
    roi : bool (z, y, x), at least one voxel
    habitats : (z, y, x) labels 1..k, 0 outside
    spacing : mm along x, y and z
    direction : (3, 3), columns are the LPS directions of the x, y and z axes; x runs most nearly to the patient's left
        or right, y to back or front
    """

    sequences: Mapping[str, np.ndarray]
    roi: np.ndarray
    habitats: np.ndarray
    spacing: tuple[float, float, float]
    direction: np.ndarray


def edge_letters(direction: np.ndarray) -> tuple[str, str, str, str]:
    """Letters for the left, right, top and bottom edge of a displayed slice (R, L, A, P, F or H).

    Rows are drawn downwards and columns to the right, so that the right edge bears the direction of the x axis and the
    lower edge that of the y axis.
    """
    right, bottom = _letter(direction[:, 0]), _letter(direction[:, 1])
    return _letter(-direction[:, 0]), right, _letter(-direction[:, 1]), bottom


def _letter(vector: np.ndarray) -> str:
    axis = int(np.argmax(np.abs(vector)))
    return ("RL", "AP", "FH")[axis][int(vector[axis] > 0)]


def chosen_slices(roi: np.ndarray) -> tuple[int, ...]:
    """Indices of the slices shown: the one with the largest cross-section, and those halfway from it to the ROI's ends."""
    areas = roi.sum(axis=(1, 2))
    inside = np.flatnonzero(areas)
    largest = int(np.argmax(areas))
    wanted = {(int(inside[0]) + largest) // 2, largest, (largest + int(inside[-1]) + 1) // 2}
    return tuple(z for z in sorted(wanted) if areas[z] > 0)


def habitat_montage(slices: Slices) -> bytes:
    """PNG: every sequence round the ROI without and with the habitats, for the chosen slices."""
    window = crop(slices.roi, slices.spacing, CROP_MARGIN_MM, CROP_MIN_MM)
    shown = chosen_slices(slices.roi)
    names = list(slices.sequences)
    with house_style():
        panel, head, foot = 9.6 / (2 * len(names)), 0.32, 0.42
        figure = new_figure(9.6, head + foot + len(shown) * panel)
        for row, z in enumerate(shown):
            for column, name in enumerate(np.repeat(names, 2)):
                stack = slices.sequences[name]
                axes = _panel(figure, row, column, panel, head)
                limits = _limits(stack[(slice(shown[0], shown[-1] + 1), *window)])
                _grey(axes, stack[z][window], slices.spacing, limits)
                if column % 2:
                    _fill(axes, slices.habitats[z][window], slices.spacing)
                    _outline(axes, slices.roi[z][window], slices.spacing)
                _letters(axes, slices.direction)
                if row == 0:
                    axes.set_title(name + (" + habitats" if column % 2 else ""), fontsize=8.5, pad=4)
                if column == 0:
                    _scale_bar(axes, 10)
                    _note(axes, f"slice {z + 1}")
        _legend(figure, slices.habitats, foot)
    return png_bytes(figure)


def whole_field(slices: Slices) -> bytes:
    """PNG: the whole field of view of every sequence at the ROI's largest cross-section, with outline and the montage's frame."""
    from matplotlib.patches import Rectangle

    z = int(np.argmax(slices.roi.sum(axis=(1, 2))))
    window = crop(slices.roi, slices.spacing, CROP_MARGIN_MM, CROP_MIN_MM)
    dx, dy = slices.spacing[:2]
    names = list(slices.sequences)
    rows, columns = slices.roi.shape[1:]
    with house_style():
        panel, head = 9.6 / len(names), 0.32
        figure = new_figure(9.6, head + panel * rows * dy / (columns * dx))
        for column, name in enumerate(names):
            axes = _panel(figure, 0, column, panel, head, aspect=rows * dy / (columns * dx))
            image = slices.sequences[name][z]
            _grey(axes, image, slices.spacing, _limits(image))
            _outline(axes, slices.roi[z], slices.spacing)
            corner = window[1].start * dx, window[0].start * dy
            size = (window[1].stop - window[1].start) * dx, (window[0].stop - window[0].start) * dy
            axes.add_patch(Rectangle(corner, *size, fill=False, ec="white", lw=0.7, ls=(0, (4, 3))))
            _letters(axes, slices.direction, size=9)
            _scale_bar(axes, 50 if columns * dx > 120 else 20)
            axes.set_title(name, fontsize=9, pad=4)
            if column == 0:
                _note(axes, f"slice {z + 1}")
    return png_bytes(figure)


def registration_check(slices: Slices, fixed: str, moving: str) -> bytes:
    """PNG: the registered image's edges over the fixed one, and a checkerboard of both, round the ROI at its largest slice."""
    z = int(np.argmax(slices.roi.sum(axis=(1, 2))))
    window = crop(slices.roi, slices.spacing, CHECK_MARGIN_MM, 2 * CROP_MIN_MM)
    a, b = (_scaled(slices.sequences[name][z][window]) for name in (fixed, moving))
    rows, columns = np.indices(a.shape)
    squares = (rows * slices.spacing[1] // SQUARE_MM + columns * slices.spacing[0] // SQUARE_MM) % 2 == 0
    edges = _edges(b, slices.sequences[moving][z][window] != 0)
    with house_style():
        head = 0.32
        figure = new_figure(9.6, head + 2.4)
        pictures = (fixed, a), (moving, b), (f"{moving} edges on {fixed}", a), (f"Checkerboard {fixed} / {moving}", np.where(squares, a, b))
        for column, (title, picture) in enumerate(pictures):
            axes = _panel(figure, 0, column, 2.4, head)
            _grey(axes, picture, slices.spacing, (0.0, 1.0), "nearest" if column == 3 else "bilinear")
            if column == 2:
                _paint(axes, edges, (86, 180, 233), slices.spacing, 0.9)
            _letters(axes, slices.direction)
            axes.set_title(title, fontsize=8.5, pad=4)
            if column == 0:
                _scale_bar(axes, 20)
                _note(axes, f"slice {z + 1}")
    return png_bytes(figure)


def crop(roi: np.ndarray, spacing: Sequence[float], margin_mm: float, min_mm: float) -> _Window:
    """Rows and columns of a square round the ROI (over all slices) with a margin, inside the image."""
    inside = np.argwhere(roi.any(axis=0))
    low, high = inside.min(axis=0), inside.max(axis=0) + 1
    step = np.array([spacing[1], spacing[0]])
    side = max(float(((high - low) * step).max()) + 2 * margin_mm, min_mm)
    window = []
    for axis in (0, 1):
        count = min(round(side / step[axis]), roi.shape[axis + 1])
        start = round((low[axis] + high[axis]) / 2 - count / 2)
        start = min(max(start, 0), roi.shape[axis + 1] - count)
        window.append(slice(start, start + count))
    return window[0], window[1]


def _panel(figure: Figure, row: int, column: int, panel: float, head: float, aspect: float = 1.0) -> Axes:
    width, height = figure.get_size_inches()
    gap = 0.03
    bottom = height - head - (row + 1) * panel * aspect
    box = (column * panel + gap) / width, (bottom + gap) / height, (panel - 2 * gap) / width, (panel * aspect - 2 * gap) / height
    axes = figure.add_axes(box)
    axes.set_facecolor("black")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _grey(axes: Axes, image: np.ndarray, spacing: Sequence[float], limits: tuple[float, float], how: str = "bilinear") -> None:
    rows, columns = image.shape
    extent = (0, columns * spacing[0], rows * spacing[1], 0)
    axes.imshow(image, cmap="gray", vmin=limits[0], vmax=limits[1], extent=extent, interpolation=how)


def _limits(values: np.ndarray) -> tuple[float, float]:
    """Display window: 1st to 99.5th percentile of the voxels that the sequence covers (its padding is 0)."""
    covered = values[values != 0]
    if covered.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(covered, [1, 99.5])
    return float(low), float(high if high > low else low + 1)


def _scaled(image: np.ndarray) -> np.ndarray:
    low, high = _limits(image)
    return np.clip((image.astype(float) - low) / (high - low), 0, 1)


def _fill(axes: Axes, labels: np.ndarray, spacing: Sequence[float]) -> None:
    for label in np.unique(labels[labels > 0]):
        _paint(axes, labels == label, habitat_rgb(int(label)), spacing, OVERLAY_ALPHA)


def _paint(axes: Axes, where: np.ndarray, rgb: tuple[int, int, int], spacing: Sequence[float], alpha: float) -> None:
    layer = np.zeros((*where.shape, 4))
    layer[where] = (*(c / 255 for c in rgb), alpha)
    rows, columns = where.shape
    axes.imshow(layer, extent=(0, columns * spacing[0], rows * spacing[1], 0), interpolation="nearest")


def _outline(axes: Axes, mask: np.ndarray, spacing: Sequence[float]) -> None:
    """Outline along the voxels' edges, white on black so that it shows on any grey."""
    from matplotlib.collections import LineCollection

    padded = np.pad(mask.astype(bool), 1)
    dx, dy = spacing[0], spacing[1]
    down, across = np.argwhere(padded[1:, :] != padded[:-1, :]), np.argwhere(padded[:, 1:] != padded[:, :-1])
    lines = [[((x - 1) * dx, y * dy), (x * dx, y * dy)] for y, x in down]
    lines += [[(x * dx, (y - 1) * dy), (x * dx, y * dy)] for y, x in across]
    axes.add_collection(LineCollection(lines, colors="black", linewidths=2.0, capstyle="round"))
    axes.add_collection(LineCollection(lines, colors="white", linewidths=0.9, capstyle="round"))


def _edges(image: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Edges of a scaled slice (bool), one pixel wide, away from the border of what the sequence covers."""
    import SimpleITK as sitk

    inner = sitk.BinaryErode(sitk.GetImageFromArray(np.pad(covered, 1).astype(np.uint8)), [4, 4])
    picture = sitk.GetImageFromArray(image.astype(np.float32))
    gradient = sitk.GetArrayFromImage(sitk.GradientMagnitudeRecursiveGaussian(picture, 1.0))
    low, high = (float(v) for v in np.percentile(gradient, [75, 92]))
    return (
        sitk.GetArrayFromImage(sitk.CannyEdgeDetection(picture, low, high, [1.5, 1.5], [0.05, 0.05]))
        * sitk.GetArrayFromImage(inner)[1:-1, 1:-1]
        > 0
    )


def _letters(axes: Axes, direction: np.ndarray, size: float = 7) -> None:
    left, right, top, bottom = edge_letters(direction)
    for x, y, letter, ha, va in (
        (0.02, 0.5, left, "left", "center"),
        (0.98, 0.5, right, "right", "center"),
        (0.5, 0.985, top, "center", "top"),
        (0.5, 0.015, bottom, "center", "bottom"),
    ):
        _white(axes, x, y, letter, ha, va, size)


def _note(axes: Axes, text: str) -> None:
    _white(axes, 0.03, 0.975, text, "left", "top", 6.5)


def _white(axes: Axes, x: float, y: float, text: str, ha: str, va: str, size: float) -> None:
    from matplotlib.patheffects import withStroke

    effects = [withStroke(linewidth=1.6, foreground="black")]
    axes.text(x, y, text, transform=axes.transAxes, color="white", fontsize=size, ha=ha, va=va, path_effects=effects)


def _scale_bar(axes: Axes, length_mm: float) -> None:
    from matplotlib.patheffects import withStroke

    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x, y = left + 0.04 * (right - left), bottom + 0.05 * (top - bottom)
    outline = [withStroke(linewidth=3.6, foreground="black")]
    axes.plot([x, x + length_mm], [y, y], color="white", lw=2, solid_capstyle="butt", path_effects=outline)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    _white(axes, 0.04, 0.09, f"{length_mm:g} mm", "left", "bottom", 6.5)


def _legend(figure: Figure, habitats: np.ndarray, foot: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(facecolor=habitat_colour(int(i)), edgecolor=INK, lw=0.5, label=f"Habitat {i}") for i in np.unique(habitats[habitats > 0])
    ]
    handles.append(Line2D([], [], color="black", lw=1.2, label="Tumour outline (white in the images)"))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=8.5, borderaxespad=0.2)
