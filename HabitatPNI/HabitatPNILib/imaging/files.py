"""A case from single image files: NRRD, NIfTI, MHA/MHD, and the ROI from any file `roi.read_roi` knows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import SimpleITK as sitk

from ..case import PHANTOM, SEQUENCE_LABELS, Case, Choice
from ..errors import CaseError
from ..protocol import DiffusionSection
from .assembly import assemble_case
from .roi import attach_roi
from .volume_io import fingerprint, read_image

__all__ = ["b_value_of", "read_case_files", "read_image", "refuse_dicom"]

FILES_ALONE = ("t1pv",)
"""Sequences that no rule finds among the series of a DICOM folder."""
B_VALUE_KEYS = ("b_value", "DWMRI_b-value")


def b_value_of(image: sitk.Image) -> float | None:
    """b-value in s/mm2 that a file's metadata carries; None when it says nothing."""
    for key in B_VALUE_KEYS:
        if image.HasMetaDataKey(key):
            try:
                return float(image.GetMetaData(key))
            except ValueError:
                return None
    return None


def read_case_files(
    *,
    t2w: str | Path | None = None,
    dwi: str | Path | Mapping[float, str | Path] | None = None,
    adc: str | Path | None = None,
    low_b: str | Path | None = None,
    t1pv: str | Path | None = None,
    roi: str | Path | None = None,
    roi_segment: str | None = None,
    roi_on: str | None = None,
    clinical: Mapping[str, float] | None = None,
    b_values: Mapping[str, float] | None = None,
    case_id: str = "1",
    diffusion: DiffusionSection | None = None,
) -> Case:
    """Case from image files.

    Parameters
    ----------
    t2w, dwi, adc, low_b, t1pv : files of 3D images; `dwi` may be a mapping of b-value in s/mm2 to file, of which the highest
        becomes ``dwi`` and the lowest ``low_b``. Without `adc` a map is fitted when two b-values are there
    roi, roi_segment, roi_on : outline, its segment, and the sequence it was drawn on where its grid does not tell
    clinical : clinical values by predictor name
    b_values : b-values in s/mm2 of ``dwi`` and ``low_b``; else taken from the files' metadata (key ``b_value``)
    case_id : name used in outputs; not a patient's identifier
    diffusion : b-values wanted and the ADC fit's limit

    Raises
    ------
    CaseError
        a file is missing, damaged or no 3D scalar image, or the images and the ROI cannot be one case
    """
    diffusion = diffusion or DiffusionSection()
    images: dict[str, sitk.Image] = {}
    known = dict(b_values or {})
    choices: list[Choice] = []
    by_b: dict[float, sitk.Image] = {}
    paths = {"t2w": t2w, "dwi": None if isinstance(dwi, Mapping) else dwi, "adc": adc, "low_b": low_b, "t1pv": t1pv}
    try:
        for name, path in paths.items():
            if path is not None:
                images[name] = read_image(path, SEQUENCE_LABELS[name])
                choices.append(Choice(name, fingerprint(path), "file given by the user"))
        if isinstance(dwi, Mapping):
            by_b = {float(b): read_image(path, f"DWI b {b:g}") for b, path in sorted(dwi.items())}
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error
    if by_b and isinstance(dwi, Mapping):
        _take_b_values(by_b, {float(b): fingerprint(p) for b, p in dwi.items()}, images, known, choices)
    if images and all(image.HasMetaDataKey(PHANTOM) and image.GetMetaData(PHANTOM) == "true" for image in images.values()):
        choices.append(Choice(PHANTOM, case_id, "the files say that they are a digital phantom's"))
    for name in ("dwi", "low_b"):
        found = b_value_of(images[name]) if name in images and name not in known else None
        if found is not None:
            known[name] = found
    outline = attach_roi(images, roi, roi_segment, roi_on, case_id)
    choices += outline.choices
    return assemble_case(
        images,
        outline.roi,
        outline.frame,
        known,
        clinical=clinical,
        case_id=case_id,
        diffusion=diffusion,
        choices=choices,
        diffusion_images=by_b,
    )


def refuse_dicom(sequences: Iterable[str], case_id: str) -> None:
    """Refuse a DICOM folder as the source of a sequence that cannot be found in one.

    Raises
    ------
    CaseError
        naming the sequence and the file's option
    """
    for name in sequences:
        if name in FILES_ALONE:
            label = SEQUENCE_LABELS[name]
            raise CaseError(
                f"Case {case_id}: {label} is not looked for in a DICOM folder; save the series as NRRD or NIfTI and give the file instead "
                f"(--{name}; in a cohort table the column {name})"
            )


def _take_b_values(
    by_b: Mapping[float, sitk.Image],
    names: Mapping[float, str],
    images: dict[str, sitk.Image],
    known: dict[str, float],
    choices: list[Choice],
) -> None:
    highest, lowest = max(by_b), min(by_b)
    others = tuple(f"b {b:g}" for b in sorted(by_b) if b != highest)
    images["dwi"], known["dwi"] = by_b[highest], highest
    choices.append(Choice("dwi", f"{names[highest]}, b {highest:g}", "highest b-value given", others))
    if "low_b" not in images and lowest < highest:
        images["low_b"], known["low_b"] = by_b[lowest], lowest
        choices.append(Choice("low_b", f"{names[lowest]}, b {lowest:g}", "lowest b-value given"))
