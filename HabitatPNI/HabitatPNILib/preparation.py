"""What case and cohort share on the way to features: registration, analysis grid, habitats, region masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .case import DIFFUSION, SEQUENCE_LABELS, Case
from .frozen_model import HabitatCentroids
from .geometry import like, same_grid
from .habitats.clustering import HabitatClusterer, assign, standardise
from .habitats.validity import KCurve, k_curve
from .imaging.preprocessing import Preprocessed, preprocess
from .imaging.registration import Registration, register_rigid
from .progress import Progress, no_progress, part
from .protocol import HabitatSection, Protocol, RegistrationSection


@dataclass(frozen=True)
class Prepared:
    """A case on its analysis grid, and how it came there."""

    preprocessed: Preprocessed
    registration: Registration | None
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class HabitatMap:
    """Habitats of one case.

    Parameters
    ----------
    labels : uint8 image 1..k inside the ROI, 0 outside, on the analysis grid
    counts : voxels of each habitat, (k,)
    absent : labels with fewer voxels than the protocol asks for
    centroids : scaler and centroids that made the map
    """

    labels: sitk.Image
    counts: tuple[int, ...]
    absent: tuple[int, ...]
    centroids: HabitatCentroids

    def regions(self) -> dict[str, np.ndarray]:
        """Bool mask (z, y, x) by region: ``habitat1``.. and ``tumour``; the mask of an absent habitat is empty."""
        labels = sitk.GetArrayViewFromImage(self.labels)
        masks = {f"habitat{i}": (labels == i) & (i not in self.absent) for i in range(1, len(self.counts) + 1)}
        return {**masks, "tumour": labels != 0}


def prepare(case: Case, protocol: Protocol, progress: Progress = no_progress) -> Prepared:
    """Register and preprocess a case.

    Raises
    ------
    CaseError
        for a missing sequence or ROI, or an ROI that is too small
    """
    case.require(protocol.sequences)
    registration, transforms, warnings = _align(case, protocol.fixed, protocol.registration, part(progress, 0.0, 0.8))
    preprocessed = preprocess(case, protocol.sequences, protocol.fixed, transforms, protocol.preprocessing, part(progress, 0.8, 1.0))
    return Prepared(preprocessed, registration, (*warnings, *preprocessed.warnings))


def map_habitats(
    preprocessed: Preprocessed, settings: HabitatSection, sequences: tuple[str, ...], frozen: HabitatCentroids | None
) -> HabitatMap:
    """Habitats of a prepared case: by the frozen centroids (cohort scope), or clustered from its own voxels (case scope)."""
    vectors = preprocessed.voxel_vectors(sequences)
    centroids = frozen or HabitatClusterer(settings.k, sequences, settings.order_by, settings.seed).fit(vectors).centroids_
    labels = assign(vectors, centroids)
    inside = preprocessed.roi_array
    volume = np.zeros(inside.shape, np.uint8)
    volume[inside] = labels
    counts = np.bincount(labels, minlength=len(centroids.centroids) + 1)[1:]
    absent = tuple(int(i) + 1 for i in np.flatnonzero(counts < settings.min_voxels))
    return HabitatMap(like(volume, preprocessed.roi), tuple(counts.tolist()), absent, centroids)


def habitat_validity(
    preprocessed: Preprocessed, settings: HabitatSection, centroids: HabitatCentroids, progress: Progress = no_progress
) -> KCurve:
    """Cluster validity over k of a case's own voxels, in the scaler's units of its habitats."""
    vectors = preprocessed.voxel_vectors(centroids.sequences)
    return k_curve(standardise(vectors, centroids), settings.k_range, settings.seed, progress)


def _align(
    case: Case, fixed: str, settings: RegistrationSection, progress: Progress
) -> tuple[Registration | None, Mapping[str, sitk.Transform], list[str]]:
    """Register the one sequence (or group of one acquisition) that does not share the fixed sequence's acquisition."""
    others = [name for name in case.images if not case.same_acquisition(fixed, name)]
    moving = [name for name in others if (name in DIFFUSION) != (fixed in DIFFUSION)]
    warnings = [
        f"{SEQUENCE_LABELS[name]} is on another grid than {SEQUENCE_LABELS[fixed]}: it is taken as it lies in the scanner"
        for name in others
        if name not in moving
    ]
    if not moving or not settings.enabled:
        return None, {}, warnings
    group = [name for name in case.images if name not in others]
    fixed_image, moving_image = case.images[_reference(group)], case.images[_reference(moving)]
    if _reference(group) == "dwi" or _reference(moving) == "dwi":
        warnings.append(
            "Neither ADC nor low b lies on the DWI's grid: the registration rests on the high-b image, which shows little anatomy"
        )
    if case.roi_frame in group and any(same_grid(case.images[case.roi_frame], case.images[name]) for name in moving):
        warnings.append(
            f"{SEQUENCE_LABELS[moving[0]]} and {SEQUENCE_LABELS[case.roi_frame]} share one grid: the outline is taken as drawn on "
            f"{SEQUENCE_LABELS[case.roi_frame]}; if it was drawn on the other say so with --roi-on"
        )
    registration = register_rigid(fixed_image, moving_image, settings=settings, progress=progress)
    if not registration.accepted:
        warnings.append(f"Registration was not accepted, scanner geometry is kept: {registration.reason}")
    return registration, dict.fromkeys(moving, registration.transform), warnings


def _reference(names: list[str]) -> str:
    """Sequence of one acquisition on which the metric is computed: anatomy shows on ADC and at low b, not at high b."""
    return next((name for name in ("adc", "low_b", "t2w") if name in names), names[0])
