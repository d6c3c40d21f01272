"""What case and cohort share on the way to features: registration, analysis grid, habitats, region masks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from .case import DIFFUSION, SEQUENCE_LABELS, Case
from .frozen_model import HabitatCentroids
from .geometry import like, same_grid
from .habitat_vectors import Clustering, HabitatVoxels, cluster_voxels, habitat_voxels, kept_variance, labels_of
from .habitats.clustering import standardise
from .habitats.columns import project, select
from .habitats.validity import KCurve, k_curve
from .imaging.preprocessing import Preprocessed, preprocess
from .imaging.registration import Registration, register_rigid
from .progress import Progress, no_progress, part
from .protocol import HabitatSection, Protocol


@dataclass(frozen=True)
class Alignment:
    """Which sequences were brought together, and how.

    Parameters
    ----------
    fixed : sequence of the fixed sequence's acquisition on which the metric is computed
    moving : sequences of the other acquisition
    registration : None where nothing has to be registered, or the protocol asks for none
    warnings : sentences for the user
    """

    fixed: str
    moving: tuple[str, ...]
    registration: Registration | None
    warnings: tuple[str, ...]

    @property
    def transforms(self) -> dict[str, sitk.Transform]:
        """Transform of every sequence that was registered."""
        return dict.fromkeys(self.moving, self.registration.transform) if self.registration else {}


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
    voxels : the vectors that it was made from
    curve : validity of every number of habitats, where the number was chosen by it
    left_out : reason by column of those that did not enter where the case was clustered by itself
    """

    labels: sitk.Image
    counts: tuple[int, ...]
    absent: tuple[int, ...]
    centroids: HabitatCentroids
    voxels: HabitatVoxels | None = field(default=None, repr=False, compare=False)
    curve: KCurve | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)

    def entered(self) -> str:
        """How many texture features entered the clustering, in a sentence; empty where habitats are of intensities."""
        computed = [name for name in self.voxels.columns if "__" in name] if self.voxels else []
        if not computed:
            return ""
        entered = len(set(computed) & set(self.centroids.sequences))
        return f"{entered} of {len(computed)} texture features entered the clustering"

    def regions(self) -> dict[str, np.ndarray]:
        """Bool mask (z, y, x) by region: ``habitat1``.. and ``tumour``; the mask of an absent habitat is empty."""
        labels = sitk.GetArrayViewFromImage(self.labels)
        masks = {f"habitat{i}": (labels == i) & (i not in self.absent) for i in range(1, len(self.counts) + 1)}
        return {**masks, "tumour": labels != 0}


@dataclass(frozen=True)
class HabitatSummary:
    """One habitat of a case: its label in the map, size, and mean of each sequence in scanner units (NaN without voxels)."""

    label: int
    voxels: int
    share: float
    volume_ml: float
    means: Mapping[str, float]
    absent: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; None for the mean of no voxels."""
        return {**vars(self), "means": {name: value if math.isfinite(value) else None for name, value in self.means.items()}}


def prepare(case: Case, protocol: Protocol, progress: Progress = no_progress, registration: Registration | None = None) -> Prepared:
    """Register and preprocess a case.

    Parameters
    ----------
    registration : what `align` found before for the same images and protocol; it is then not looked for again

    Raises
    ------
    CaseError
        for a missing sequence or ROI, or an ROI that is too small
    """
    case.require(protocol.sequences)
    aligned = align(case, protocol, part(progress, 0.0, 0.8), registration)
    transforms = aligned.transforms
    preprocessed = preprocess(case, protocol.sequences, protocol.fixed, transforms, protocol.preprocessing, part(progress, 0.8, 1.0))
    return Prepared(preprocessed, aligned.registration, (*aligned.warnings, *preprocessed.warnings))


def map_habitats(
    preprocessed: Preprocessed,
    settings: HabitatSection,
    sequences: tuple[str, ...],
    frozen: HabitatCentroids | None,
    progress: Progress = no_progress,
    voxels: HabitatVoxels | None = None,
    best: bool = False,
) -> HabitatMap:
    """Habitats of a prepared case: by the frozen centroids (cohort scope), or clustered from its own voxels (case scope).

    Parameters
    ----------
    frozen : a cohort's; where the protocol matches a case's own habitats to them (``match: cohort``) they give the numbers alone
    voxels : the case's vectors by the same settings where they are at hand, so that texture need not be computed again
    best : choose the number of the case's own habitats in the place of the protocol's

    Raises
    ------
    CaseError
        when there are too few distinct voxels, no texture can be computed, or the centroids need features that the protocol lacks
    """
    if voxels is None:
        voxels = habitat_voxels(preprocessed, settings, sequences, part(progress, 0.0, 0.8))
        progress = part(progress, 0.8, 1.0)
    if frozen is not None and settings.match is None:
        found = Clustering(frozen)
    else:
        found = cluster_voxels(settings, voxels, progress, frozen, best)
    labels = labels_of(voxels, found.centroids)
    inside = preprocessed.roi_array
    volume = np.zeros(inside.shape, np.uint8)
    volume[inside] = labels
    counts = np.bincount(labels, minlength=len(found.centroids.centroids) + 1)[1:]
    absent = tuple(int(i) + 1 for i in np.flatnonzero(counts < settings.min_voxels))
    progress(1.0, "Habitats")
    return HabitatMap(like(volume, preprocessed.roi), tuple(counts.tolist()), absent, found.centroids, voxels, found.curve, found.left_out)


def habitat_summaries(prepared: Prepared, habitat_map: HabitatMap) -> tuple[HabitatSummary, ...]:
    """Size and means of every habitat of a map."""
    labels = sitk.GetArrayViewFromImage(habitat_map.labels)
    images = {name: sitk.GetArrayViewFromImage(image) for name, image in prepared.preprocessed.images.items()}
    voxel_ml = float(np.prod(habitat_map.labels.GetSpacing())) / 1000
    total = sum(habitat_map.counts)
    return tuple(
        HabitatSummary(
            label=i,
            voxels=count,
            share=count / total,
            volume_ml=count * voxel_ml,
            means={name: float(values[labels == i].mean(dtype=np.float64)) if count else math.nan for name, values in images.items()},
            absent=i in habitat_map.absent,
        )
        for i, count in enumerate(habitat_map.counts, start=1)
    )


def habitat_validity(
    preprocessed: Preprocessed,
    settings: HabitatSection,
    centroids: HabitatCentroids,
    progress: Progress = no_progress,
    voxels: HabitatVoxels | None = None,
) -> KCurve:
    """Cluster validity over k of a case's own voxels, in the scaler's units of its habitats, by K-means.

    Texture is projected on the case's own principal components where it is so clustered.

    Parameters
    ----------
    voxels : the case's vectors where they are at hand (`HabitatMap.voxels`), so that texture need not be computed again
    """
    known = voxels or habitat_voxels(preprocessed, settings, tuple(preprocessed.normalised))
    vectors = standardise(select(known.values, known.columns, centroids), centroids)
    return k_curve(project(vectors, kept_variance(settings)), settings.k_range, settings.seed, progress)


def align(case: Case, protocol: Protocol, progress: Progress = no_progress, known: Registration | None = None) -> Alignment:
    """Register the one sequence (or group of one acquisition) that does not share the fixed sequence's acquisition.

    Parameters
    ----------
    case : with the protocol's sequences; an ROI is not needed
    known : registration found before for the same images and protocol
    """
    fixed, settings = protocol.fixed, protocol.registration
    others = [name for name in case.images if not case.same_acquisition(fixed, name)]
    moving = [name for name in others if (name in DIFFUSION) != (fixed in DIFFUSION)]
    warnings = [
        f"{SEQUENCE_LABELS[name]} is on another grid than {SEQUENCE_LABELS[fixed]}: it is taken as it lies in the scanner"
        for name in others
        if name not in moving
    ]
    group = [name for name in case.images if name not in others]
    if not moving or not settings.enabled:
        return Alignment(_reference(group), tuple(moving), None, tuple(warnings))
    if _reference(group) == "dwi" or _reference(moving) == "dwi":
        warnings.append(
            "Neither ADC nor low b lies on the DWI's grid: the registration rests on the high-b image, which shows little anatomy"
        )
    if case.roi_frame in group and any(same_grid(case.images[case.roi_frame], case.images[name]) for name in moving):
        warnings.append(
            f"{SEQUENCE_LABELS[moving[0]]} and {SEQUENCE_LABELS[case.roi_frame]} share one grid: the outline is taken as drawn on "
            f"{SEQUENCE_LABELS[case.roi_frame]}; check that it was drawn there (--roi-on {moving[0]} if not)"
        )
    found = known or register_rigid(case.images[_reference(group)], case.images[_reference(moving)], settings=settings, progress=progress)
    if not found.accepted:
        warnings.append(f"Registration was not accepted, scanner geometry is kept: {found.reason}")
    return Alignment(_reference(group), tuple(moving), found, tuple(warnings))


def _reference(names: list[str]) -> str:
    """Sequence of one acquisition on which the metric is computed: anatomy shows on ADC and at low b, not at high b."""
    return next((name for name in ("adc", "low_b", "t2w") if name in names), names[0])
