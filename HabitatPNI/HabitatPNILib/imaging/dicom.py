"""A case from a folder of mixed DICOM series: finds T2W, DWI and ADC, and says what it chose and why."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import SimpleITK as sitk

from ..case import Case, Choice
from ..errors import CaseError
from ..geometry import same_grid
from ..progress import Progress, no_progress, part
from ..protocol import DiffusionSection
from . import dicom_select as select
from .adc import b_values_for_fit, fit_adc, fit_in_words, in_micro
from .dicom_select import Candidate, Diffusion, Kind, classify
from .dicom_series import Stack, check_one_examination, mean_of_directions, read_volume, scan, stacks
from .dicom_tags import SliceHeader
from .files import b_value_of
from .roi import attach_roi
from .volume_io import fingerprint, is_image_file, read_image

Override = str | int | Path | None

_WITH_B = re.compile(r"^(.*):\s*b?\s*(\d+(?:\.\d+)?)$", re.I)


def read_dicom_case(
    folder: str | Path,
    *,
    roi: str | Path | None = None,
    roi_segment: str | None = None,
    roi_on: str | None = None,
    t2w: Override = None,
    dwi: Override = None,
    adc: Override = None,
    clinical: Mapping[str, float] | None = None,
    case_id: str = "1",
    diffusion: DiffusionSection | None = None,
    progress: Progress = no_progress,
) -> Case:
    """Case from one examination's DICOM folder, searched with its sub-folders.

    T2W, DWI and ADC are told by their tags, and by the series description only where the tags are silent. Every
    choice stands in ``provenance``; what a person should check stands in ``warnings``.

    Parameters
    ----------
    folder : classic or enhanced multi-frame MR files, mixed with anything else
    roi, roi_segment, roi_on : outline (see `roi.read_roi`), its segment, and the sequence it was drawn on
    t2w, dwi, adc : instead of the automatic choice a series number, SeriesInstanceUID, sub-folder, DICOM or image file;
        `dwi` also as ``SERIES:b800``
    clinical : clinical values by predictor name
    case_id : name used in outputs; not a patient's identifier, and never taken from the files
    diffusion : b-values wanted and the ADC fit's limit (the protocol's section)
    progress : told of every step; may raise `Cancelled`

    Returns
    -------
    Case
        images ``t2w``, ``dwi``, ``adc`` (1e-6 mm2/s) and, where a lower b was measured on the same grid, ``low_b``

    Raises
    ------
    CaseError
        the folder is unreadable, holds two patients or examinations, lacks a sequence, or a series taken has missing,
        repeated or truncated slices; the outline is empty, another patient's or does not belong to the case
    """
    reader = _Reader(Path(folder), case_id, diffusion or DiffusionSection())
    reader.scan((t2w, dwi, adc), part(progress, 0.0, 0.5))
    progress(0.5, "reading T2W")
    reader.read_t2w(t2w)
    progress(0.65, "reading DWI")
    reader.read_dwi(dwi)
    progress(0.85, "reading ADC")
    reader.read_adc(adc)
    progress(0.95, "reading the outline")
    case = reader.case(roi, roi_segment, roi_on, clinical)
    progress(1.0, "case read")
    return case


@dataclass
class _Reader:
    folder: Path
    case_id: str
    section: DiffusionSection
    images: dict[str, sitk.Image] = field(default_factory=dict)
    b_values: dict[str, float] = field(default_factory=dict)
    choices: list[Choice] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    taken: dict[str, Stack] = field(default_factory=dict)
    headers: list[SliceHeader] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    diffusion: Diffusion | None = None

    def scan(self, overrides: tuple[Override, ...], progress: Progress) -> None:
        """Read all headers: the folder's, and those of files and folders named in its place."""
        self.headers = scan(self.folder, self.case_id, progress)
        known = {s.path.resolve() for s in self.headers}
        for override in overrides:
            place = self._place(override)
            if place is not None and not is_image_file(place):
                self.headers += [s for s in scan(place, self.case_id) if s.path.resolve() not in known]
                known |= {s.path.resolve() for s in self.headers}
        check_one_examination(self.headers, self.case_id)
        self.candidates = classify(stacks(s for s in self.headers if s.series.modality == "MR"))

    def read_t2w(self, override: Override) -> None:
        if self._read_file("t2w", override):
            return
        if override is None:
            best, choice, warning = select.choose_t2w(self.candidates, self._missing)
            self.warnings += [warning] if warning else []
        else:
            best, choice = self._named("t2w", override)
        self._read("t2w", best, choice)

    def read_dwi(self, override: Override) -> None:
        if self._read_file("dwi", override):
            b = b_value_of(self.images["dwi"])
            if b is not None:
                self.b_values["dwi"] = b
            return
        found = select.usable(self.candidates, "dwi")
        if override is None:
            chosen = select.choose_diffusion(self.candidates, self.section, self._missing)
        else:
            best, choice = self._named("dwi", override)
            chosen = select.with_reference(best, found, choice)
            if best.b is not None and best.b < self.section.min_b:
                self.warnings.append(f"DWI has b {best.b:g} s/mm2, below the {self.section.min_b:g} that the protocol asks for")
        self.diffusion = chosen
        self._refuse_unequal(chosen.dwi)
        self._read("dwi", chosen.dwi, chosen.choice)
        if chosen.dwi.b is not None:
            self.b_values["dwi"] = chosen.dwi.b
        if chosen.dwi.calculated:
            self.warnings.append(f"DWI of b {chosen.dwi.b:g} is calculated by the scanner and not measured")
        if chosen.low_b is None or chosen.low_b.b is None:
            self.warnings.append("no lower measured b-value on the grid of DWI: there is no low-b reference for registration")
            return
        self._read("low_b", chosen.low_b, Choice("low_b", chosen.low_b.label, "lowest measured b on the grid of DWI"))
        self.b_values["low_b"] = chosen.low_b.b

    def read_adc(self, override: Override) -> None:
        if not self._read_file("adc", override):
            if override is None:
                found = select.choose_adc(self.candidates, None if self.diffusion is None else self.diffusion.dwi.stack)
            else:
                found = self._named("adc", override)
            if found is None:
                self._fit_adc()
                return
            self._read("adc", *found)
        self.images["adc"], note, warning = in_micro(self.images["adc"])
        if note:
            self.choices.append(Choice("adc unit", "1e-6 mm2/s", note))
        self.warnings += [warning] if warning else []
        if not same_grid(self.images["adc"], self.images["dwi"]):
            self.warnings.append("the ADC map is not on the grid of DWI: check that both are of one acquisition")

    def case(self, roi: str | Path | None, segment: str | None, roi_on: str | None, clinical: Mapping[str, float] | None) -> Case:
        """The case with its outline; an error then names the series it was read from."""
        frames = {s.series.frame_of_reference for s in self.taken.values() if s.series.frame_of_reference}
        if len(frames) > 1:
            self.warnings.append("the series taken have different frames of reference: the patient may have been repositioned between them")
        try:
            outline = attach_roi(self.images, roi, segment, roi_on, self.case_id, self._patient())
            self.choices += outline.choices
            drawn_on = {self.taken[outline.frame].series.frame_of_reference} if outline.frame in self.taken else frames
            if outline.frame_of_reference and any(drawn_on) and outline.frame_of_reference not in drawn_on:
                self.warnings.append(
                    "the DICOM SEG has another frame of reference than the series it is laid on: check that it lies on the tumour"
                )
            return Case(
                case_id=self.case_id,
                images=self.images,
                roi=outline.roi,
                roi_frame=outline.frame,
                clinical=dict(clinical or {}),
                b_values=self.b_values,
                provenance=tuple(self.choices),
                warnings=tuple(self.warnings),
            )
        except CaseError as error:
            origins = ", ".join(f"{name.upper()} read from {where}" for name, where in self.origins.items())
            raise CaseError(f"{error} ({origins})") from error

    def _patient(self) -> str:
        """PatientID of the examination; empty where its files have none."""
        # A series without an ID keeps name and birth date in its place, which other software may write differently.
        return next((s.series.patient[0] for s in self.headers if len(s.series.patient) == 1), "")

    def _read(self, name: str, candidate: Candidate, choice: Choice) -> None:
        self.images[name] = self._volume(candidate, name.upper().replace("LOW_B", "low-b DWI"))
        series = candidate.stack.series
        self.taken[name] = candidate.stack
        if name != "low_b":
            self.origins[name] = series.label if series.number is None else f"series {series.number}"
        self.choices.append(choice)
        self._warn_of_ends(candidate.stack)

    def _volume(self, candidate: Candidate, what: str) -> sitk.Image:
        used = select.directions(candidate, [c.stack for c in self.candidates])
        volumes = [read_volume(stack, what, self.case_id) for stack in used]
        if len(volumes) == 1:
            return volumes[0]
        note = f"geometric mean of {len(volumes)} gradient directions, as there is no trace image"
        self.choices.append(Choice(f"{what} directions", candidate.label, note))
        return mean_of_directions(volumes)

    def _fit_adc(self) -> None:
        measured = {} if self.diffusion is None else {c.b: c for c in self.diffusion.measured if c.b is not None}
        if len(measured) < 2:
            raise self._missing("ADC map, and no two measured b-values of one grid to fit one from,")
        used = b_values_for_fit(measured, self.section.adc_max_b)
        here = {self.b_values.get(name): name for name in ("dwi", "low_b") if name in self.taken and not self._is_calculated(name)}
        fit = {b: self.images[here[b]] if b in here else self._volume(measured[b], f"DWI b {b:g}") for b in used}
        try:
            self.images["adc"] = fit_adc(fit)
        except CaseError as error:
            raise CaseError(f"Case {self.case_id}: {error}") from error
        listed = ", ".join(f"{b:g}" for b in used)
        series = ", ".join(dict.fromkeys(measured[b].stack.series.label for b in used))
        reason = f"no ADC map among the series: one exponential, least squares of log signal of {series}"
        self.choices.append(Choice("adc", f"fitted from b {listed}", reason))
        self.warnings.append(f"no ADC map among the series: {fit_in_words(used, self.section.adc_max_b)}")
        self.origins["adc"] = "the fit"

    def _is_calculated(self, name: str) -> bool:
        return name == "dwi" and self.diffusion is not None and self.diffusion.dwi.calculated

    def _read_file(self, name: str, override: Override) -> bool:
        place = self._place(override)
        if place is None or not is_image_file(place):
            return False
        try:
            self.images[name] = read_image(place, name.upper())
        except CaseError as error:
            raise CaseError(f"Case {self.case_id}: {error}") from error
        self.choices.append(Choice(name, fingerprint(place), "file given by the user"))
        self.origins[name] = place.name
        return True

    def _place(self, override: Override) -> Path | None:
        """File or folder that an override names, as it stands or inside the folder; None for a series number or UID."""
        if override is None or isinstance(override, int):
            return None
        text = str(override)
        match = _WITH_B.match(text)
        for name in (text, match.group(1)) if match else (text,):
            for path in (self.folder / name, Path(name)):
                if name and path.exists() and not (name.isdigit() and path.is_file()):
                    return path
        # A name that can only be a file's is one that is not there: reading it says so.
        return Path(text) if is_image_file(Path(text)) else None

    def _named(self, name: Kind, override: Override) -> tuple[Candidate, Choice]:
        """The candidate that the user asks for, of whatever kind it seems to be."""
        text = str(override).strip()
        match = _WITH_B.match(text) if name == "dwi" else None
        wanted_b = float(match.group(2)) if match else None
        place = self._place(override)
        if place is not None:
            inside = {s.path.resolve() for s in scan(place, self.case_id)}
            pool = [c for c in self.candidates if c.stack.first.path.resolve() in inside]
            shown = place.name
        else:
            shown = match.group(1) if match else text
            pool = [c for c in self.candidates if shown in (c.stack.series.uid, str(c.stack.series.number))]
            if len({c.stack.series.uid for c in pool}) > 1:
                raise CaseError(f"Case {self.case_id}: several series have the number {shown}; give the SeriesInstanceUID of one")
        if wanted_b is not None:
            pool = [c for c in pool if c.b == wanted_b]
            shown = f"{shown} with b {wanted_b:g}"
        if not pool:
            listed = select.seen(c.stack for c in self.candidates)
            raise CaseError(f"Case {self.case_id}: no MR series {shown} for {name.upper()}; seen: {listed}")

        def order(c: Candidate) -> tuple:
            axial = c.stack.tilt_deg <= select.MAX_TILT_DEG
            b = c.b or 0 if name == "dwi" else 0
            return (c.kind == name, axial, not c.calculated, not c.stack.first.direction, b, len(c.stack.slices), c.stack.started)

        best = replace(max(pool, key=order), kind=name)
        others = tuple(c.label for c in self.candidates if c.kind == name and c.stack != best.stack)
        return best, Choice(name, best.label, "given by the user", others)

    def _missing(self, what: str) -> CaseError:
        listed = select.seen(c.stack for c in self.candidates)
        return CaseError(f"Case {self.case_id}: no axial {what} in the DICOM folder; seen: {listed}; choose it (--t2w, --dwi or --adc)")

    def _refuse_unequal(self, dwi: Candidate) -> None:
        """Refuse b-values of one series that have different numbers of slices: some are missing at an end."""
        if dwi.stack.first.direction:
            return
        for c in self.candidates:
            same_series = c.stack.series.uid == dwi.stack.series.uid and c.kind == "dwi" and not c.stack.first.direction
            if same_series and len(c.stack.slices) != len(dwi.stack.slices):
                counts = f"{len(dwi.stack.slices)} of b {dwi.b or 0:g} and {len(c.stack.slices)} of b {c.b or 0:g}"
                raise CaseError(
                    f"Case {self.case_id}: DWI, {dwi.stack.series.label}, has missing slices: {counts}; export the whole series again"
                )

    def _warn_of_ends(self, stack: Stack) -> None:
        own = [s for s in self.headers if s.series.uid == stack.series.uid]
        numbers = {s.instance for s in own if s.instance is not None}
        absent = max(numbers, default=0) - len(numbers)
        text = f"{stack.series.label} may lack slices at an end: {absent} of its instance numbers are not there"
        if len(numbers) == len(own) and absent > 0 and text not in self.warnings:
            self.warnings.append(text)
