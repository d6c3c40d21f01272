"""Voxel vectors of a prepared case as the protocol asks for them, and the habitats that are learned from them.

Public: `habitat_voxels` (intensities or texture, supervoxels or not), `learn` (from one case's or pooled vectors), `labels_of`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import ProtocolError
from .frozen_model import HabitatCentroids
from .habitats.clustering import HabitatClusterer, assign
from .habitats.estimators import KMeansHabitats, MixtureHabitats, select
from .habitats.supervoxels import average, supervoxels
from .imaging.preprocessing import Preprocessed
from .progress import Progress, no_progress, part
from .protocol import HabitatSection, TextureSection

MIXTURE_PCA = 0.95
"""Share of the variance that a mixture of texture vectors keeps where the protocol names none: its covariances need few axes."""


@dataclass(frozen=True)
class HabitatVoxels:
    """Voxel vectors of one case.

    Parameters
    ----------
    values : (voxels, columns) float64 in (z, y, x) raster order of the ROI, NaN where a voxel has no value
    columns : sequences for intensities, ``adc__original_glcm_Contrast`` for texture
    reference : (voxels,) values whose ascending mean numbers the habitats
    """

    values: np.ndarray
    columns: tuple[str, ...]
    reference: np.ndarray


def habitat_voxels(
    preprocessed: Preprocessed, settings: HabitatSection, sequences: tuple[str, ...], progress: Progress = no_progress
) -> HabitatVoxels:
    """The vectors that are clustered.

    Raises
    ------
    ProtocolError
        when the protocol asks for a texture feature that there is not, or numbers habitats by one it does not ask for
    CaseError
        when texture cannot be computed in the ROI
    """
    parts, columns = [], []
    if settings.texture is None or settings.texture.intensities:
        parts.append(preprocessed.voxel_vectors(sequences))
        columns += list(sequences)
    if settings.texture is not None:
        found, names = _texture(preprocessed, settings.texture, settings.texture.sequences or sequences, progress)
        parts.append(found)
        columns += names
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if settings.order_by in columns:
        reference = values[:, columns.index(settings.order_by)]
    elif settings.order_by in sequences:
        reference = preprocessed.voxel_vectors((settings.order_by,))[:, 0]
    else:
        raise ProtocolError(f"Protocol: habitats.order_by is {settings.order_by}, a texture feature that habitats.texture does not ask for")
    if settings.method == "slic":
        grid = tuple(max(2, round(settings.supervoxel_mm / spacing)) for spacing in preprocessed.roi.GetSpacing()[::-1])
        values = average(values, supervoxels(values, np.argwhere(preprocessed.roi_array), (grid[0], grid[1], grid[2])))
    return HabitatVoxels(values, tuple(columns), reference)


def learn(settings: HabitatSection, voxels: HabitatVoxels, progress: Progress = no_progress) -> HabitatCentroids:
    """Habitats of one case's vectors, or of those pooled from several.

    Raises
    ------
    CaseError
        when there are fewer distinct voxels than habitats, or nothing varies
    """
    texture, columns = settings.texture, voxels.columns
    if texture is None and settings.method != "gmm":
        return HabitatClusterer(settings.k, columns, settings.order_by, settings.seed).fit(voxels.values).centroids_
    pca = texture.pca if texture else None
    if texture is not None and settings.method == "gmm":
        pca = pca or MIXTURE_PCA
    estimator = MixtureHabitats if settings.method == "gmm" else KMeansHabitats
    return (
        estimator(
            settings.k,
            columns,
            min_variation=texture.min_variation if texture else 0.0,
            correlation=texture.correlation if texture else None,
            pca=pca,
            seed=settings.seed,
        )
        .fit(voxels.values, voxels.reference, progress=progress)
        .centroids_
    )


def labels_of(voxels: HabitatVoxels, frozen: HabitatCentroids) -> np.ndarray:
    """Labels (voxels,) uint8 in 1..k by frozen habitats.

    Raises
    ------
    CaseError
        when the frozen habitats need a column that the vectors lack
    """
    return assign(select(voxels.values, voxels.columns, frozen), frozen)


def _texture(
    preprocessed: Preprocessed, settings: TextureSection, sequences: tuple[str, ...], progress: Progress
) -> tuple[np.ndarray, list[str]]:
    """Texture (voxels, features of every sequence) and its columns, with as many threads as ITK has in this process."""
    from .features.texture import TextureSettings, texture_maps

    changes: dict[str, Any] = {
        "kernel_radius": settings.kernel_radius,
        "in_plane_axis": 0 if settings.in_plane else None,
        "bin_count": settings.bin_count,
        "bin_width": settings.bin_width,
    }
    named = settings.features
    wanted = TextureSettings.preset(named, **changes) if isinstance(named, str) else TextureSettings(features=named, **changes)
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    values, columns = [], []
    for i, name in enumerate(sequences):
        image = preprocessed.habitat_image(name)
        steps = part(progress, i / len(sequences), (i + 1) / len(sequences))
        values.append(texture_maps(image, preprocessed.roi, wanted, steps, threads).values)
        columns += [f"{name}__{feature}" for feature in wanted.features]
    return np.concatenate(values, axis=1), columns
