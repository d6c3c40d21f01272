"""Folder of mixed DICOM series -> stacks of parallel slices -> volumes on a checked grid."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError
from ..progress import Progress, no_progress
from .dicom_tags import Series, SliceHeader, quiet, slices_of

DICOM_SUFFIXES = {".dcm", ".ima", ".dicom"}
SAME_PLACE_MM = 0.01
GAP_FACTOR = 1.3
"""A step between neighbouring slices of more than this many usual steps is a missing slice."""


@dataclass(frozen=True)
class Stack:
    """Parallel slices of one series, one kind, one b-value and one gradient direction, in order along their normal."""

    series: Series
    slices: tuple[SliceHeader, ...]

    @property
    def first(self) -> SliceHeader:
        """The first slice, for what all slices share."""
        return self.slices[0]

    @property
    def b(self) -> float | None:
        """b-value in s/mm2 as the tags have it."""
        return self.first.b

    @property
    def normal(self) -> np.ndarray:
        """Unit normal (3,) of the slices in LPS."""
        return _normal(self.first.orientation)

    @property
    def tilt_deg(self) -> float:
        """Angle between the slices and the true axial plane."""
        return math.degrees(math.acos(min(1.0, abs(float(self.normal[2])))))

    @property
    def started(self) -> tuple[str, int]:
        """Orders stacks by acquisition: time, then series number."""
        return min(s.time for s in self.slices), self.series.number or 0

    @property
    def label(self) -> str:
        """Series number and description, and the b-value where there is one."""
        return self.series.label if self.b is None else f"{self.series.label}, b {self.b:g}"

    def shares_grid(self, other: Stack) -> bool:
        """Whether both stacks sample the same points, to a tenth of a pixel."""
        a, b = self.first, other.first
        if (a.rows, a.columns, len(self.slices)) != (b.rows, b.columns, len(other.slices)):
            return False
        tolerance = 0.1 * min(a.spacing)
        near = [np.allclose(p.position, q.position, atol=tolerance) for p, q in ((a, b), (self.slices[-1], other.slices[-1]))]
        return all(near) and np.allclose(a.spacing, b.spacing, rtol=1e-3) and np.allclose(a.orientation, b.orientation, atol=1e-3)


def scan(path: Path, case_id: str, progress: Progress = no_progress) -> list[SliceHeader]:
    """Headers of every DICOM slice in a file or below a folder; other files and DICOMDIR are passed over.

    Raises
    ------
    CaseError
        the path cannot be read, holds no DICOM image, or a file's header is cut
    """
    files = [path] if path.is_file() else _files(path, case_id)
    found: list[SliceHeader] = []
    for n, file in enumerate(files):
        if n % 20 == 0:
            progress(n / len(files), "reading DICOM headers")
        found += _headers(file, case_id)
    if not found:
        raise CaseError(f"Case {case_id}: no DICOM image in the folder given; give the folder that holds the examination's DICOM files")
    return found


def check_one_examination(slices: Iterable[SliceHeader], case_id: str) -> None:
    """Refuse a mixture of patients or, within one patient, of MR examinations; identities are never shown."""
    patients = {s.series.patient for s in slices if any(s.series.patient)}
    if len(patients) > 1:
        raise CaseError(f"Case {case_id}: the DICOM files belong to {len(patients)} patients; give the folder of one patient")
    studies = {s.series.study for s in slices if s.series.study and s.series.modality == "MR"}
    if len(studies) > 1:
        raise CaseError(
            f"Case {case_id}: the DICOM files belong to {len(studies)} MR examinations (studies) of one patient; give the folder of one"
        )


def stacks(slices: Iterable[SliceHeader]) -> list[Stack]:
    """Sort slices into stacks, in the order of series number, b-value and acquisition."""
    groups: dict[tuple, list[list[SliceHeader]]] = {}
    for s in slices:
        te = None if s.te is None else round(s.te)
        key = (s.series.uid, s.image_type, te, s.b, s.direction, s.rows, s.columns, tuple(round(v, 3) for v in s.spacing))
        # Direction cosines vary in their last digits within a series, so that they are compared and not hashed.
        alike = groups.setdefault(key, [])
        group = next((g for g in alike if np.allclose(g[0].orientation, s.orientation, atol=1e-3)), None)
        if group is None:
            alike.append([s])
        else:
            group.append(s)
    made = []
    for group in (g for alike in groups.values() for g in alike):
        normal = _normal(group[0].orientation)
        ordered = sorted(group, key=lambda s: (float(np.dot(s.position, normal)), str(s.path), s.frame))
        made.append(Stack(ordered[0].series, tuple(ordered)))
    return sorted(made, key=lambda k: (k.series.number or 0, k.series.uid, k.b or 0, k.started))


def check_complete(stack: Stack, what: str, case_id: str) -> None:
    """Refuse a stack with missing or repeated slices, or slices that are not stacked along their normal."""
    where = f"Case {case_id}: {what}, {stack.label}"
    positions = np.array([s.position for s in stack.slices])
    along = positions @ stack.normal
    steps = np.diff(along)
    if not len(steps):
        raise CaseError(f"{where} has a single slice; give the whole series")
    repeated = int((steps < SAME_PLACE_MM).sum())
    if repeated:
        raise CaseError(f"{where} has {repeated} slices at a position that another slice has (duplicate slices); export the series again")
    usual = float(np.sort(steps)[(len(steps) - 1) // 2])
    gaps = np.flatnonzero(steps > GAP_FACTOR * usual)
    if len(gaps):
        missing = sum(max(1, round(float(steps[g]) / usual) - 1) for g in gaps)
        raise CaseError(
            f"{where} has missing slices: {missing} between slice {gaps[0] + 1} and slice {gaps[-1] + 2} of {len(along)}; "
            "export the whole series again"
        )
    uneven = float(np.abs(steps - usual).max())
    if uneven > 0.1 * usual:
        raise CaseError(f"{where} has slices at uneven distances (up to {uneven:.2f} mm off); export the series again")
    sideways = positions - positions[0] - np.outer(along - along[0], stack.normal)
    if float(np.abs(sideways).max()) > 0.5 * min(stack.first.spacing):
        raise CaseError(f"{where} has slices shifted sideways against each other, which no image volume can hold; give another series")


def read_volume(stack: Stack, what: str, case_id: str) -> sitk.Image:
    """Volume of a complete stack: LPS, oblique kept, rescaled by each slice's own slope and intercept.

    Returns
    -------
    SimpleITK.Image
        int16 where the values are such, else float32

    Raises
    ------
    CaseError
        slices are missing or repeated, a file is cut, or its compression cannot be decoded
    """
    check_complete(stack, what, case_id)
    planes = []
    opened: Path | None = None
    for s in stack.slices:
        if s.path != opened:
            frames, rescaled = _pixels(s, f"Case {case_id}: {what}, {stack.label}")
            opened = s.path
        if s.frame >= len(frames):
            raise CaseError(f"Case {case_id}: {what}, {stack.label}: file {s.path.name} holds fewer frames than its header says")
        plane = frames[s.frame]
        if not rescaled and (s.slope != 1 or s.intercept != 0):
            plane = plane * np.float64(s.slope) + np.float64(s.intercept)
        planes.append(plane)
    return _image(np.stack(planes), stack)


def mean_of_directions(images: Sequence[sitk.Image]) -> sitk.Image:
    """Trace-weighted image (float32): the geometric mean of the images of single gradient directions."""
    arrays = [np.maximum(sitk.GetArrayFromImage(image).astype(np.float64), 0) for image in images]
    with np.errstate(divide="ignore"):
        trace = np.exp(np.mean([np.log(a) for a in arrays], axis=0))
    mean = sitk.GetImageFromArray(trace.astype(np.float32))
    mean.CopyInformation(images[0])
    return mean


def _files(folder: Path, case_id: str) -> list[Path]:
    try:
        if not folder.is_dir():
            raise CaseError(f"Case {case_id}: the DICOM folder {folder.name} does not exist or is not a folder; check the path")
        next(folder.iterdir(), None)
        return sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".") and p.name.upper() != "DICOMDIR")
    except OSError as error:
        raise CaseError(f"Case {case_id}: the DICOM folder cannot be read ({error.strerror}); check its permissions") from error


def _headers(file: Path, case_id: str) -> list[SliceHeader]:
    import pydicom

    named_dicom = file.suffix.lower() in DICOM_SUFFIXES
    try:
        with file.open("rb") as stream:
            marked = stream.read(132)[128:] == b"DICM"
        if not marked and not named_dicom:
            return []
        with quiet():
            dataset = pydicom.dcmread(file, stop_before_pixels=True, force=named_dicom)
            return [] if "DirectoryRecordSequence" in dataset else slices_of(dataset, file)
    except OSError as error:
        raise CaseError(f"Case {case_id}: file {file.name} cannot be read ({error.strerror}); check its permissions") from error
    except Exception as error:  # pydicom meets damaged bytes with errors of a dozen kinds
        raise CaseError(f"Case {case_id}: DICOM file {file.name} is cut off or damaged in its header; copy or export it again") from error


def _pixels(header: SliceHeader, where: str) -> tuple[np.ndarray, bool]:
    """Frames (n, rows, columns) of a file, and whether they are rescaled already."""
    import pydicom

    cut = f"{where}: file {header.path.name} is truncated or damaged (its pixel data cannot be read); copy or export it again"
    compressed = False
    try:
        with quiet():
            dataset = pydicom.dcmread(header.path, force=True)
            compressed = dataset.file_meta.TransferSyntaxUID.is_compressed if "TransferSyntaxUID" in dataset.file_meta else False
            pixels = dataset.pixel_array
    except Exception as error:  # pydicom meets damaged bytes with errors of a dozen kinds
        # It decodes JPEG only with plug-ins that are not everywhere; ITK has its own decoder, and rescales as it reads.
        if compressed and isinstance(error, NotImplementedError | RuntimeError):
            return _pixels_by_itk(header, where), True
        raise CaseError(cut) from error
    return pixels.reshape(-1, header.rows, header.columns), False


def _pixels_by_itk(header: SliceHeader, where: str) -> np.ndarray:
    try:
        array = sitk.GetArrayFromImage(sitk.ReadImage(str(header.path)))
        return array.reshape(-1, header.rows, header.columns)
    except (RuntimeError, ValueError) as error:
        raise CaseError(
            f"{where}: file {header.path.name} is damaged or compressed in a way that cannot be decoded; export it uncompressed"
        ) from error


def _image(array: np.ndarray, stack: Stack) -> sitk.Image:
    whole = np.issubdtype(array.dtype, np.integer) or bool(np.all(array == np.round(array)))
    fits = array.min() >= np.iinfo(np.int16).min and array.max() <= np.iinfo(np.int16).max
    image = sitk.GetImageFromArray(array.astype(np.int16 if whole and fits else np.float32))
    first, last = np.array(stack.slices[0].position), np.array(stack.slices[-1].position)
    row = np.array(stack.first.orientation[:3]) / np.linalg.norm(stack.first.orientation[:3])
    step = float((last - first) @ stack.normal) / (len(stack.slices) - 1)
    image.SetOrigin(first.tolist())
    image.SetSpacing([stack.first.spacing[1], stack.first.spacing[0], step])
    column = np.cross(stack.normal, row)
    image.SetDirection(np.stack([row, column, stack.normal], axis=1).ravel().tolist())
    return image


def _normal(orientation: tuple[float, ...]) -> np.ndarray:
    normal = np.cross(orientation[:3], orientation[3:])
    return normal / (np.linalg.norm(normal) or 1.0)
