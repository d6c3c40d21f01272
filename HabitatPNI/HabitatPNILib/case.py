"""Case: one patient's named sequences, tumour outline and clinical values; refuses what cannot be one patient's case."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from .errors import CaseError
from .geometry import canonical, contains_points, corners, same_grid, voxel_positions

SEQUENCE_LABELS = {"t2w": "T2W", "dwi": "DWI", "adc": "ADC", "low_b": "low-b DWI", "t1pv": "portal venous T1W"}
HIGHEST_B = 20000.0
LARGEST_ROI = 0.5
"""Share of its image that an outline may cover: more is no tumour, but what is left of the image around one."""
DIFFUSION = frozenset({"dwi", "adc", "low_b"})
PHANTOM = "phantom"


@dataclass(frozen=True)
class Choice:
    """One decision taken while a case was read, so that a person can check and override it.

    Parameters
    ----------
    item : what was chosen, e.g. ``"t2w"`` or ``"dwi"``
    chosen : the series, file or value taken
    reason : why, in words
    alternatives : what else was there
    """

    item: str
    chosen: str
    reason: str
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One patient's case.

    Parameters
    ----------
    case_id : name used in outputs and messages; never a patient identifier
    images : sequences by name (``t2w``, ``dwi``, ``adc`` and, as registration reference, ``low_b``), each a 3D
        scalar `SimpleITK.Image` in LPS, intensities in scanner units (ADC in 1e-6 mm2/s); kept in the form of
        `geometry.canonical`, axes towards L, P, S
    roi : uint8 tumour mask on the grid of ``images[roi_frame]``, label 1 inside; None while there is no outline
    roi_frame : name of the sequence on which the ROI was drawn
    clinical : clinical values by predictor name
    b_values : b-values in s/mm2 of ``dwi`` and ``low_b`` where known
    provenance : the choices made on reading
    warnings : what a reader wants to be told about the input
    """

    case_id: str
    images: Mapping[str, sitk.Image]
    roi: sitk.Image | None = None
    roi_frame: str = "t2w"
    clinical: Mapping[str, float] = field(default_factory=dict)
    b_values: Mapping[str, float] = field(default_factory=dict)
    provenance: tuple[Choice, ...] = ()
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, image in self.images.items():
            check_image(image, SEQUENCE_LABELS.get(name, name), self.case_id)
        object.__setattr__(self, "images", {name: canonical(image) for name, image in self.images.items()})
        self._check_one_patient()
        check_different(self.images, self.case_id)
        for name, b in self.b_values.items():
            if not 0 <= b <= HIGHEST_B:
                raise CaseError(f"Case {self.case_id}: b = {b:g} s/mm2 of {SEQUENCE_LABELS.get(name, name)} cannot be; give it in s/mm2")
        if self.roi is not None:
            roi = canonical(self.roi) if self.roi.GetDimension() == 3 else self.roi
            self._check_roi(roi)
            roi.CopyInformation(self.images[self.roi_frame])
            object.__setattr__(self, "roi", roi)

    @property
    def is_phantom(self) -> bool:
        """Whether this is a digital phantom, as its provenance says, and no patient."""
        return any(choice.item == PHANTOM for choice in self.provenance)

    def with_clinical(self, clinical: Mapping[str, float]) -> Case:
        """Copy of this case with other clinical values."""
        return replace(self, clinical=dict(clinical))

    def require(self, sequences: Iterable[str]) -> None:
        """Raise `CaseError` naming the sequences that are missing, or the ROI if there is none."""
        missing = [s for s in sequences if s not in self.images]
        if missing:
            labels = " and no ".join(SEQUENCE_LABELS.get(s, s) for s in missing)
            options = ", ".join(f"--{s.replace('_', '-')}" for s in missing)
            raise CaseError(f"Case {self.case_id}: no {labels} image; give {'it' if len(missing) == 1 else 'them'} ({options})")
        if self.roi is None:
            raise CaseError(f"Case {self.case_id}: no tumour outline (ROI); draw or give one (--roi)")

    def same_acquisition(self, a: str, b: str) -> bool:
        """Whether two sequences come from one acquisition, and so must not be registered to each other.

        DWI of every b-value and the ADC map computed from them share one grid and one patient position.
        """
        return a == b or ({a, b} <= DIFFUSION and same_grid(self.images[a], self.images[b]))

    def _check_one_patient(self) -> None:
        names = list(self.images)
        for name in names[1:]:
            first, other = self.images[names[0]], self.images[name]
            if not _overlap(first, other):
                raise CaseError(
                    f"Case {self.case_id}: {SEQUENCE_LABELS.get(names[0], names[0])} and {SEQUENCE_LABELS.get(name, name)} do not "
                    "overlap in space: are they the same patient and the same examination?"
                )

    def _check_roi(self, roi: sitk.Image) -> None:
        if self.roi_frame not in self.images:
            raise CaseError(f"Case {self.case_id}: the ROI was drawn on {self.roi_frame}, which the case does not have")
        frame = self.images[self.roi_frame]
        if not same_grid(roi, frame):
            raise CaseError(
                f"Case {self.case_id}: the ROI is not on the grid of {SEQUENCE_LABELS.get(self.roi_frame, self.roi_frame)} "
                "(another patient's or a resampled image's outline?); draw it on one of this case's sequences"
            )
        marked = sitk.GetArrayViewFromImage(roi)
        if not np.any(marked):
            raise CaseError(f"Case {self.case_id}: the ROI is empty: no voxel is marked; draw the tumour or choose another segment")
        share = np.count_nonzero(marked) / marked.size
        if share > LARGEST_ROI:
            label = SEQUENCE_LABELS.get(self.roi_frame, self.roi_frame)
            raise CaseError(
                f"Case {self.case_id}: the ROI covers {100 * share:.0f} % of the {label} image (an inverted outline?); "
                "draw the tumour alone or choose another segment"
            )
        positions = voxel_positions(roi)
        for name, image in self.images.items():
            if not contains_points(image, positions).any():
                raise CaseError(
                    f"Case {self.case_id}: the ROI lies outside the {SEQUENCE_LABELS.get(name, name)} image; "
                    "check that outline and images belong together"
                )


def check_image(image: sitk.Image, label: str, case_id: str) -> None:
    """Refuse an image that is not a finite, varying 3D scalar volume.

    Raises
    ------
    CaseError
        naming the case, the sequence and what to do
    """
    where = f"Case {case_id}: {label}"
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        size = "x".join(str(n) for n in image.GetSize())
        raise CaseError(f"{where} is not a 3D volume (size {size}); give the whole series, not one slice")
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise CaseError(f"{where} has {image.GetNumberOfComponentsPerPixel()} components a voxel; give a scalar image")
    values = sitk.GetArrayViewFromImage(image)
    if np.issubdtype(values.dtype, np.floating) and not np.isfinite(values).all():
        count = int(np.size(values) - np.isfinite(values).sum())
        raise CaseError(f"{where} has {count} voxels that are not finite (NaN or infinity); export the series again")
    if values.min() == values.max():
        raise CaseError(f"{where} is constant (every voxel is {values.flat[0]}); the wrong or a damaged series was given")


def check_different(images: Mapping[str, sitk.Image], case_id: str) -> None:
    """Refuse one image given under two names, a slip of the hand.

    Raises
    ------
    CaseError
        naming both
    """
    for first, second in itertools.combinations(images, 2):
        a, b = (sitk.GetArrayViewFromImage(images[name]) for name in (first, second))
        if a.shape == b.shape and np.array_equal(a, b):
            labels = f"{SEQUENCE_LABELS.get(first, first)} and {SEQUENCE_LABELS.get(second, second)}"
            raise CaseError(f"Case {case_id}: {labels} are the same image; give each sequence its own")


def _overlap(a: sitk.Image, b: sitk.Image) -> bool:
    low_a, high_a = corners(a).min(axis=0), corners(a).max(axis=0)
    low_b, high_b = corners(b).min(axis=0), corners(b).max(axis=0)
    return bool(np.all(low_a <= high_b) and np.all(low_b <= high_a))
