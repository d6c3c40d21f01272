"""Habitats of a study's training patients: the validity of their number, and what they look like in some of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..cohort import prepared_paths
from ..cohort_steps import pooled_voxels, stored_voxels
from ..colours import habitat_colour
from ..drawing import INK, png_bytes, svg_bytes
from ..evaluation.figures_style import PAGE_MM, PRINT_DPI, print_figure
from ..habitat_vectors import kept_variance, learn
from ..habitats.clustering import standardise
from ..habitats.columns import project, select
from ..habitats.validity import k_curve
from ..preparation import HabitatMap, map_habitats
from ..prepared_store import load_volumes
from ..progress import Progress, no_progress
from .figures import HabitatCurve, StudyFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..imaging.preprocessing import Preprocessed
    from .data import StudyData

_WINDOW = (1.0, 99.0)


def cohort_k_curve(data: StudyData, progress: Progress = no_progress) -> HabitatCurve:
    """Calinski-Harabasz index over the protocol's range of k, of the training patients' pooled voxels, equally many of each.

    The voxels are those from which cohort-scope habitats are learned, standardised as there.

    Raises
    ------
    CohortError
        when the prepared volumes are not there any more
    """
    section, paths = data.protocol.habitats, prepared_paths(data.extraction)
    pooled = pooled_voxels([paths[str(case)] for case in data.rows("training")], data.protocol)
    if section.texture is None:
        scaled = (pooled.values - pooled.values.mean(axis=0)) / pooled.values.std(axis=0)
    else:
        learned = learn(section, pooled)
        scaled = project(standardise(select(pooled.values, pooled.columns, learned), learned), kept_variance(section))
    curve = k_curve(scaled, section.k_range, section.seed, progress)
    return HabitatCurve(np.array(curve.k), np.array(curve.calinski_harabasz))


def habitat_examples(data: StudyData) -> StudyFigure:
    """Three training patients at their largest cross-section: the sequences without and with the habitats.

    They are those with the smallest, the median and the largest share of habitat 1 among the training patients.

    Raises
    ------
    CohortError
        when the prepared volumes are not there any more
    """
    paths = prepared_paths(data.extraction)
    shares = {str(case): _share(paths[str(case)], data) for case in data.rows("training")}
    order = sorted(shares, key=lambda case: (shares[case], case))
    chosen = list(dict.fromkeys((order[0], order[len(order) // 2], order[-1])))
    names = data.protocol.sequences
    side = (PAGE_MM - 12) / (2 * len(names))
    note = "Window: 1st to 99th percentile of each picture."
    with print_figure(PAGE_MM, side * len(chosen) + 18, note, "Habitats of three training patients") as figure:
        grid = figure.subplots(len(chosen), 2 * len(names), squeeze=False)
        for row, case in zip(grid, chosen, strict=True):
            _draw_case(row, paths[case], data)
            row[0].set_ylabel(f"Habitat 1: {shares[case]:.0%}", fontsize=7, color=INK)
        for column, axes in enumerate(grid[0]):
            name = SEQUENCE_LABELS[names[column // 2]]
            axes.set_title(name + (" + habitats" if column % 2 else ""), fontsize=7.5)
        handles = [_patch(label) for label in range(1, data.protocol.habitats.k + 1)]
        figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=7.5)
    caption = (
        "Training patients with the smallest, the median and the largest share of habitat 1, at the largest cross-section of the tumour; "
        "each picture windowed from its own 1st to 99th percentile, the outline in white."
    )
    return StudyFigure("habitats", caption, svg_bytes(figure), png_bytes(figure, PRINT_DPI))


def _share(path: Path, data: StudyData) -> float:
    counts = _mapped(path, data)[1].counts
    return counts[0] / sum(counts)


def _mapped(path: Path, data: StudyData) -> tuple[Preprocessed, HabitatMap]:
    volumes, protocol = load_volumes(path), data.protocol
    voxels = stored_voxels(path, volumes, protocol)
    return volumes, map_habitats(volumes, protocol.habitats, protocol.sequences, data.extraction.centroids, voxels=voxels)


def _draw_case(row: np.ndarray, path: Path, data: StudyData) -> None:
    volumes, found = _mapped(path, data)
    labels, roi = sitk.GetArrayFromImage(found.labels), volumes.roi_array
    z = int(np.argmax(roi.sum(axis=(1, 2))))
    rows, columns = np.nonzero(roi[z])
    dx, dy = volumes.roi.GetSpacing()[:2]
    half = max(np.ptp(rows) * dy, np.ptp(columns) * dx) / 2 + 4
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    shown = tuple(
        slice(max(0, round(centre - half / step)), round(centre + half / step) + 1) for centre, step in zip(middle, (dy, dx), strict=True)
    )
    for column, axes in enumerate(row):
        image = sitk.GetArrayFromImage(volumes.normalised[data.protocol.sequences[column // 2]])[z]
        low, high = np.percentile(image[shown], _WINDOW)
        axes.imshow(image, cmap="gray", vmin=low, vmax=high, aspect=dy / dx, interpolation="nearest")
        if column % 2:
            _overlay(axes, labels[z], dy / dx)
        axes.contour(roi[z], levels=[0.5], colors="white", linewidths=0.5)
        axes.set_xlim(middle[1] - half / dx, middle[1] + half / dx)
        axes.set_ylim(middle[0] + half / dy, middle[0] - half / dy)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_facecolor("black")


def _overlay(axes: Axes, labels: np.ndarray, aspect: float) -> None:
    from matplotlib.colors import to_rgba

    picture = np.zeros((*labels.shape, 4))
    for label in np.unique(labels[labels > 0]):
        picture[labels == label] = to_rgba(habitat_colour(int(label)), 0.6)
    axes.imshow(picture, aspect=aspect, interpolation="nearest")


def _patch(label: int) -> object:
    from matplotlib.patches import Patch

    return Patch(color=habitat_colour(label), label=f"Habitat {label}")
