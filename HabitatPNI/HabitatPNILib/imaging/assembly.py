"""A case of images that are in memory already: what reading files and reading MRML nodes have in common."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import SimpleITK as sitk

from ..case import PHANTOM, SEQUENCE_LABELS, Case, Choice, check_different
from ..errors import CaseError
from ..geometry import same_grid
from ..protocol import DiffusionSection
from .adc import b_values_for_fit, fit_adc, fit_in_words, in_micro
from .roi import place_roi
from .volume_io import as_read


def case_from_outline(
    images: Mapping[str, sitk.Image],
    mask: sitk.Image | None = None,
    drawn_on: str | None = None,
    b_values: Mapping[str, float] | None = None,
    *,
    clinical: Mapping[str, float] | None = None,
    case_id: str = "1",
    diffusion: DiffusionSection | None = None,
    phantom: str | None = None,
) -> Case:
    """Case of images and an outline on a lattice of its own, as Slicer's nodes and the files written from them are.

    Parameters
    ----------
    images : ``t2w``, ``dwi``, ``adc``, ``low_b`` as far as they are there, scalar 3D, LPS
    mask : uint8 outline, 1 inside; it may be cropped, and lie on no sequence's grid where `drawn_on` says which it belongs to
    drawn_on : sequence on which it was drawn; found by its lattice when absent
    b_values : b-values in s/mm2 of ``dwi`` and ``low_b`` where known
    clinical, case_id, diffusion : as in `assemble_case`
    phantom : what the provenance says of a digital phantom; None for a patient

    Raises
    ------
    CaseError
        when they cannot be one patient's case
    """
    read = {name: as_read(image) for name, image in images.items()}
    choices = [Choice(PHANTOM, case_id, phantom)] if phantom else []
    roi, frame = None, "t2w"
    if mask is not None:
        try:
            roi, frame = place_roi(mask, read, drawn_on)
        except CaseError as error:
            raise CaseError(f"Case {case_id}: {error}") from error
        voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(roi)))
        volume_ml = voxels * math.prod(roi.GetSpacing()) / 1000
        choices.append(Choice("roi", f"segment, {voxels} voxels, {volume_ml:.2f} mL", f"on the grid of {SEQUENCE_LABELS[frame]}"))
    return assemble_case(read, roi, frame, b_values or {}, clinical=clinical, case_id=case_id, diffusion=diffusion, choices=choices)


def assemble_case(
    images: Mapping[str, sitk.Image],
    roi: sitk.Image | None,
    roi_frame: str,
    b_values: Mapping[str, float],
    *,
    clinical: Mapping[str, float] | None = None,
    case_id: str = "1",
    diffusion: DiffusionSection | None = None,
    choices: Iterable[Choice] = (),
    diffusion_images: Mapping[float, sitk.Image] | None = None,
) -> Case:
    """Case with ADC in 1e-6 mm2/s (fitted where no map but two b-values are there) and what is doubtful said.

    Parameters
    ----------
    images : ``t2w``, ``dwi``, ``adc``, ``low_b`` as far as they are there
    roi, roi_frame : mask on the grid of that sequence
    b_values : b-values in s/mm2 of ``dwi`` and ``low_b`` where known
    diffusion : b-values wanted and the ADC fit's limit
    choices : what was chosen so far
    diffusion_images : images by b-value for the ADC fit; without them ``dwi`` and ``low_b`` serve

    Raises
    ------
    CaseError
        when the images and the ROI cannot be one case
    """
    diffusion = diffusion or DiffusionSection()
    images, choices, warnings = dict(images), list(choices), []
    check_different(images, case_id)  # before a unit is changed
    _check_not_swapped(images, case_id)
    known: dict[str, float] = {name: b_values[name] for name in ("dwi", "low_b") if name in b_values and name in images}
    if known.get("dwi", diffusion.min_b) < diffusion.min_b:
        warnings.append(f"the highest b-value is {known['dwi']:g} s/mm2, below the {diffusion.min_b:g} that the protocol asks for")
    try:
        if "adc" in images:
            images["adc"], note, warning = in_micro(images["adc"])
            choices += [Choice("adc unit", "1e-6 mm2/s", note)] if note else []
            warnings += [warning] if warning else []
        else:
            _fit_missing_adc(images, known, diffusion_images or {}, diffusion, choices, warnings)
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error
    return Case(
        case_id=case_id,
        images=images,
        roi=roi,
        roi_frame=roi_frame,
        clinical=dict(clinical or {}),
        b_values=known,
        provenance=tuple(choices),
        warnings=tuple(warnings),
    )


def _check_not_swapped(images: Mapping[str, sitk.Image], case_id: str) -> None:
    """Refuse T2W on the grid of one of DWI and ADC where the other is not: ADC is computed from the DWI and lies on its grid."""
    if not {"t2w", "dwi", "adc"} <= set(images) or same_grid(images["adc"], images["dwi"]):
        return
    for found, swapped in (("dwi", "adc"), ("adc", "dwi")):
        if same_grid(images["t2w"], images[found]):
            grid, other = SEQUENCE_LABELS[found], SEQUENCE_LABELS[swapped]
            raise CaseError(
                f"Case {case_id}: T2W lies on the {grid}'s grid and {other} does not: were T2W and {other} swapped? "
                f"Choose each anew (--t2w, --{swapped})"
            )


def _fit_missing_adc(
    images: dict[str, sitk.Image],
    known: Mapping[str, float],
    by_b: Mapping[float, sitk.Image],
    diffusion: DiffusionSection,
    choices: list[Choice],
    warnings: list[str],
) -> None:
    fit = dict(by_b)
    if not fit and {"dwi", "low_b"} <= known.keys() & images.keys() and same_grid(images["dwi"], images["low_b"]):
        fit = {known[name]: images[name] for name in ("dwi", "low_b")}
    if len(fit) < 2:
        return
    used = b_values_for_fit(fit, diffusion.adc_max_b)
    images["adc"] = fit_adc({b: fit[b] for b in used})
    listed = ", ".join(f"{b:g}" for b in used)
    choices.append(Choice("adc", f"fitted from b {listed}", "no ADC map was given: one exponential, least squares of log signal"))
    warnings.append(f"no ADC map was given: {fit_in_words(used, diffusion.adc_max_b)}")
