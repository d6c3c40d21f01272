"""Voxel vectors of a prepared case as the protocol asks for them, and the habitats that are learned from them.

Public: `habitat_voxels` (intensities or texture, supervoxels or not), `cluster_voxels` and its `learn` (from one case's or pooled
vectors), `labels_of`; before any image is read `check_habitats` and `texture_settings`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .errors import ProtocolError
from .frozen_model import HabitatCentroids
from .habitats.clustering import HabitatClusterer, assign
from .habitats.columns import select
from .habitats.estimators import KMeansHabitats, MixtureHabitats, SupervoxelHabitats
from .habitats.ordering import numbered_as
from .habitats.validity import KCurve
from .imaging.preprocessing import Preprocessed
from .progress import Progress, no_progress, part
from .protocol import HabitatSection, TextureSection

if TYPE_CHECKING:
    from .features.texture import TextureSettings

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


def texture_settings(section: TextureSection) -> TextureSettings:
    """Settings of the texture maps that a protocol asks for.

    Raises
    ------
    ProtocolError
        when there is no such feature, or a setting is out of range
    """
    from .features.texture import TextureSettings

    changes: dict[str, Any] = {
        "kernel_radius": section.kernel_radius,
        "in_plane_axis": 0 if section.in_plane else None,
        "bin_count": section.bin_count,
        "bin_width": section.bin_width,
    }
    named = section.features
    return TextureSettings.preset(named, **changes) if isinstance(named, str) else TextureSettings(features=named, **changes)


def check_habitats(settings: HabitatSection, sequences: tuple[str, ...]) -> None:
    """Refuse what habitats cannot be made by, before any image is read.

    Raises
    ------
    ProtocolError
        when the protocol asks for a texture feature that there is not, or numbers habitats by one it does not ask for
    """
    known = list(sequences)
    if settings.texture is not None:
        known += texture_columns(settings.texture, sequences)
    if settings.order_by not in known:
        raise ProtocolError(f"Protocol: habitats.order_by is {settings.order_by}, a texture feature that habitats.texture does not ask for")


def texture_columns(section: TextureSection, sequences: tuple[str, ...]) -> list[str]:
    """Columns of the texture of every sequence asked for, in their order: ``adc__original_glcm_Contrast``."""
    features = texture_settings(section).features
    return [f"{name}__{feature}" for name in section.sequences or sequences for feature in features]


@dataclass(frozen=True)
class Clustering:
    """Habitats that were learned, and how.

    Parameters
    ----------
    centroids : scaler and centroids
    curve : validity of every number of habitats, where the number was chosen by it
    left_out : reason by column of those that did not enter
    """

    centroids: HabitatCentroids
    curve: KCurve | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)


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
    check_habitats(settings, sequences)
    parts, columns = [], []
    if settings.texture is None or settings.texture.intensities:
        parts.append(preprocessed.voxel_vectors(sequences))
        columns += list(sequences)
    if settings.texture is not None:
        parts.append(_texture(preprocessed, settings.texture, sequences, progress))
        columns += texture_columns(settings.texture, sequences)
    values = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if settings.order_by in columns:
        reference = values[:, columns.index(settings.order_by)]
    else:
        reference = preprocessed.voxel_vectors((settings.order_by,))[:, 0]
    if settings.method == "slic":
        estimator = _estimator(settings, tuple(columns), settings.k, preprocessed.roi.GetSpacing())
        values = estimator.averaged(values, np.argwhere(preprocessed.roi_array))
    return HabitatVoxels(values, tuple(columns), reference)


def learn(
    settings: HabitatSection, voxels: HabitatVoxels, progress: Progress = no_progress, cohort: HabitatCentroids | None = None
) -> HabitatCentroids:
    """Habitats of one case's vectors, or of those pooled from several; arguments and errors as of `cluster_voxels`."""
    return cluster_voxels(settings, voxels, progress, cohort).centroids


def cluster_voxels(
    settings: HabitatSection,
    voxels: HabitatVoxels,
    progress: Progress = no_progress,
    cohort: HabitatCentroids | None = None,
    best: bool = False,
) -> Clustering:
    """Cluster one case's vectors, or those pooled from several.

    Parameters
    ----------
    cohort : the habitats are as many as these and take their numbers (`ordering.numbered_as`); None: by the reference
    best : choose the number of habitats in the place of the protocol's

    Raises
    ------
    CaseError
        when there are fewer distinct voxels than habitats, nothing varies, or the cohort's columns are not there
    """
    k = None if best else len(cohort.centroids) if cohort is not None else settings.k
    if settings.texture is None and settings.method != "gmm":
        plain = HabitatClusterer(k, voxels.columns, settings.order_by, settings.seed, settings.k_range).fit(voxels.values, progress)
        found = Clustering(plain.centroids_, plain.curve_)
    else:
        fitted = _estimator(settings, voxels.columns, k).fit(voxels.values, voxels.reference, progress)
        found = Clustering(fitted.centroids_, fitted.curve_, fitted.left_out_)
    return found if cohort is None else replace(found, centroids=numbered_as(cohort, found.centroids, voxels.values, voxels.columns))


def kept_variance(settings: HabitatSection) -> float | None:
    """Share of the variance that the principal components keep on which voxels are clustered; None: no projection."""
    if settings.texture is None:
        return None
    return settings.texture.pca or (MIXTURE_PCA if settings.method == "gmm" else None)


def labels_of(voxels: HabitatVoxels, frozen: HabitatCentroids) -> np.ndarray:
    """Labels (voxels,) uint8 in 1..k by frozen habitats.

    Raises
    ------
    CaseError
        when the frozen habitats need a column that the vectors lack
    """
    return assign(select(voxels.values, voxels.columns, frozen), frozen)


def _estimator(
    settings: HabitatSection, columns: tuple[str, ...], k: int | None, spacing_mm: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> KMeansHabitats:
    """The protocol's estimator; spacing in (x, y, z) is that of the voxels whose supervoxels it makes."""
    texture = settings.texture
    options: dict[str, Any] = {
        "k_range": settings.k_range,
        "min_variation": texture.min_variation if texture else 0.0,
        "correlation": texture.correlation if texture else None,
        "pca": kept_variance(settings),
        "seed": settings.seed,
    }
    if settings.method == "slic":
        grid = tuple(max(2, round(settings.supervoxel_mm / edge)) for edge in spacing_mm[::-1])
        return SupervoxelHabitats(k, columns, grid=(grid[0], grid[1], grid[2]), **options)
    return (MixtureHabitats if settings.method == "gmm" else KMeansHabitats)(k, columns, **options)


def _texture(preprocessed: Preprocessed, section: TextureSection, sequences: tuple[str, ...], progress: Progress) -> np.ndarray:
    """Texture (voxels, `texture_columns`), with as many threads as ITK has in this process."""
    from .features.texture import texture_maps

    wanted, named = texture_settings(section), section.sequences or sequences
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    values = []
    for i, name in enumerate(named):
        steps = part(progress, i / len(named), (i + 1) / len(named))
        values.append(texture_maps(preprocessed.habitat_image(name), preprocessed.roi, wanted, steps, threads).values)
    return np.concatenate(values, axis=1)
