"""What the DICOM tags of one file say about its slices: classic and enhanced multi-frame MR, with the vendors' private tags."""

from __future__ import annotations

import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SIEMENS_B = (0x0019, 0x100C)
SIEMENS_DIRECTIONALITY = (0x0019, 0x100D)
GE_B = (0x0043, 0x1039)
PHILIPS_B = (0x2001, 0x1003)
PHILIPS_DIRECTION = (0x2001, 0x1004)
STANDARD_UIDS = "1.2.840.10008."
GE_OFFSET = 100_000
"""GE writes b + 1e9 (and other decimal flags) so that only the last five digits are the b-value."""

_NAME_B = re.compile(r"_b(\d+)(?![\d_])")
_NAME_RANGE = re.compile(r"_b\d+_\d+")
_NAME_DIRECTION = re.compile(r"#\d+")


@dataclass(frozen=True)
class Series:
    """What all slices of a series share; the patient and study fields are compared, never shown."""

    uid: str
    number: int | None
    description: str
    modality: str
    patient: tuple[str, ...]
    study: str
    frame_of_reference: str

    @property
    def label(self) -> str:
        """Series number and description, the only words about a series that appear in a message."""
        number = "without number" if self.number is None else str(self.number)
        return f"series {number} ({self.description})" if self.description else f"series {number}"


@dataclass(frozen=True)
class SliceHeader:
    """One slice: a classic DICOM file, or one frame of a multi-frame file.

    Parameters
    ----------
    frame : index of the frame in the file, from 0
    image_type : upper-case values of ImageType or FrameType
    scanning : values of ScanningSequence (``SE``, ``EP``, ``GR``, ``IR`` ...)
    tr, te, ti : repetition, echo and inversion time in ms
    b : b-value in s/mm2, and where it was read from
    direction : diffusion gradient of a single-direction image; empty for a trace or b 0 image
    position : LPS mm of the centre of the first pixel
    orientation : direction cosines of a row and of a column
    spacing : mm between rows, and between columns
    time : start of acquisition as digits, compared only
    """

    path: Path
    frame: int
    series: Series
    image_type: tuple[str, ...]
    sequence_name: str
    scanning: frozenset[str]
    tr: float | None
    te: float | None
    ti: float | None
    b: float | None
    b_source: str
    direction: str
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    spacing: tuple[float, ...]
    rows: int
    columns: int
    slope: float
    intercept: float
    time: str
    instance: int | None

    @property
    def calculated(self) -> bool:
        """Whether this is a b-value extrapolated by the scanner and not measured.

        Siemens names the b-values it started from (``ep_b50_800``); others say so in the image type.
        """
        words = {"CALC_BVALUE", "CALC", "CALCULATED", "SYNTHETIC", "CDWI", "COMPUTED"}
        by_type = any(token in words or token.startswith("CALC_B") for token in self.image_type)
        return by_type or bool(_NAME_RANGE.search(self.sequence_name))


@contextmanager
def quiet() -> Iterator[None]:
    """Keep pydicom from warning while it reads: its warnings quote the values of tags, a patient's name among them."""
    from pydicom.config import disable_value_validation

    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def slices_of(dataset: Dataset, path: Path) -> list[SliceHeader]:
    """The slices of one DICOM file, read without its pixels; empty when it holds no image placed in space.

    A file of an MR image that lacks what describes its pixels is cut: it raises `EOFError`.
    """
    if not dataset.get("SOPClassUID") or not dataset.get("SeriesInstanceUID"):
        raise EOFError("the header ends early")
    sop_class = str(dataset.SOPClassUID)
    kind = str(getattr(dataset.SOPClassUID, "name", sop_class))
    if kind == sop_class and sop_class.startswith(STANDARD_UIDS):
        raise EOFError("the header ends within its first identifier")
    if "Image Storage" not in kind:
        return []
    if not dataset.get("Rows") or not dataset.get("Columns") or not dataset.get("BitsAllocated"):
        raise EOFError("the header ends early")
    if int(dataset.get("SamplesPerPixel") or 1) != 1:
        return []
    series = _series(dataset)
    found = []
    for index, layers in enumerate(_frames(dataset)):
        header = _slice(layers, index, series, path)
        if header is not None:
            found.append(header)
    return found


def _series(dataset: Dataset) -> Series:
    number = _number(dataset.get("SeriesNumber"))
    identity = _text(dataset.get("PatientID"))
    # Anonymised copies may have emptied the ID; the name and birth date then tell two patients apart.
    patient = (identity,) if identity else (_text(dataset.get("PatientName")), _text(dataset.get("PatientBirthDate")))
    return Series(
        uid=str(dataset.SeriesInstanceUID),
        number=None if number is None else int(number),
        description=" ".join(_text(dataset.get("SeriesDescription")).split())[:64],
        modality=_text(dataset.get("Modality")),
        patient=patient,
        study=_text(dataset.get("StudyInstanceUID")),
        frame_of_reference=_text(dataset.get("FrameOfReferenceUID")),
    )


def _frames(dataset: Dataset) -> Iterator[list[Dataset]]:
    """For every frame the datasets in which its tags are looked up, the most specific first."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence")
    if not per_frame:
        yield [dataset]
        return
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    for group in per_frame:
        layers: list[Dataset] = []
        for functional in (group, *shared):
            layers.append(functional)
            for element in functional:
                if element.VR == "SQ" and element.value:
                    layers.append(element.value[0])
                    layers.extend(inner.value[0] for inner in element.value[0] if inner.VR == "SQ" and inner.value)
        yield [*layers, dataset]


def _slice(layers: list[Dataset], index: int, series: Series, path: Path) -> SliceHeader | None:
    position = _numbers(_find(layers, "ImagePositionPatient"))
    orientation = _numbers(_find(layers, "ImageOrientationPatient"))
    spacing = _numbers(_find(layers, "PixelSpacing"))
    if len(position) != 3 or len(orientation) != 6 or len(spacing) != 2:
        return None
    name = _text(_find(layers, "SequenceName") or _find(layers, "PulseSequenceName"))
    image_type = tuple(str(t).upper() for t in _values(_find(layers, "FrameType") or _find(layers, "ImageType")))
    scanning = _scanning(layers)
    b, b_source = _b_value(layers, name, scanning)
    echo = _number(_find(layers, "EffectiveEchoTime"))
    slope = _number(_find(layers, "RescaleSlope"))
    instance = _number(_find(layers, "InstanceNumber"))
    return SliceHeader(
        path=path,
        frame=index,
        series=series,
        image_type=image_type,
        sequence_name=name,
        scanning=scanning,
        tr=_number(_find(layers, "RepetitionTime")),
        te=echo if echo is not None else _number(_find(layers, "EchoTime")),
        ti=_number(_find(layers, "InversionTime")),
        b=b,
        b_source=b_source,
        direction=_gradient(layers, name, b),
        position=position,
        orientation=orientation,
        spacing=spacing,
        rows=int(layers[-1].Rows),
        columns=int(layers[-1].Columns),
        slope=1.0 if slope is None else slope,
        intercept=_number(_find(layers, "RescaleIntercept")) or 0.0,
        time=_time(layers),
        instance=None if instance is None else int(instance),
    )


def _scanning(layers: list[Dataset]) -> frozenset[str]:
    """ScanningSequence, or for enhanced files its likeness made from the tags that took its place."""
    found = {str(v).upper() for v in _values(_find(layers, "ScanningSequence"))}
    pulse = _text(_find(layers, "EchoPulseSequence")).upper()
    found |= {"SPIN": {"SE"}, "GRADIENT": {"GR"}, "BOTH": {"SE", "GR"}}.get(pulse, set())
    if _text(_find(layers, "EchoPlanarPulseSequence")).upper() == "YES":
        found.add("EP")
    if _text(_find(layers, "InversionRecovery")).upper() == "YES":
        found.add("IR")
    return frozenset(found)


def _b_value(layers: list[Dataset], name: str, scanning: frozenset[str]) -> tuple[float | None, str]:
    """b-value in s/mm2 and its origin: the standard tag, then the vendors' own, then the Siemens sequence name."""
    standard = _number(_find(layers, "DiffusionBValue"))
    if standard is not None:
        return standard, "DiffusionBValue (0018,9087)"
    if _text(_find(layers, "DiffusionDirectionality")).upper() == "NONE":
        return 0.0, "DiffusionDirectionality (0018,9075)"
    siemens = _number(_private(layers, SIEMENS_B, "SIEMENS"))
    if siemens is not None:
        return siemens, "Siemens (0019,100C)"
    philips = _private(layers, PHILIPS_B, "PHILIPS")
    philips_b = _float32(philips) if isinstance(philips, bytes) and len(philips) == 4 else _number(philips)
    if philips_b is not None and philips_b >= 0:
        return philips_b, "Philips (2001,1003)"
    # GE writes this tag into every series, so that only an echo-planar one has a b-value there.
    if "EP" in scanning:
        ge = _number(_private(layers, GE_B, "GE"))
        if ge is not None and ge >= 0:
            return ge % GE_OFFSET, "GE (0043,1039)"
    match = _NAME_B.search(name)
    if match:
        return float(match.group(1)), "SequenceName (0018,0024)"
    return None, ""


def _gradient(layers: list[Dataset], name: str, b: float | None) -> str:
    if not b:
        return ""
    directionality = _text(_find(layers, "DiffusionDirectionality") or _private(layers, SIEMENS_DIRECTIONALITY, "SIEMENS")).upper()
    if directionality in {"ISOTROPIC", "NONE"}:
        return ""
    vector = _numbers(_find(layers, "DiffusionGradientOrientation"))
    if any(vector):
        return "/".join(f"{v:.4f}" for v in vector)
    philips = _text(_private(layers, PHILIPS_DIRECTION, "PHILIPS")).upper()
    if philips and philips[0] not in "IO":
        return philips[0]
    match = _NAME_DIRECTION.search(name)
    return match.group(0) if match else ""


def _time(layers: list[Dataset]) -> str:
    stamp = _text(_find(layers, "FrameAcquisitionDateTime") or _find(layers, "AcquisitionDateTime"))
    if stamp:
        return stamp
    for what in ("Acquisition", "Content", "Series"):
        clock = _text(_find(layers, f"{what}Time"))
        if clock:
            return _text(_find(layers, f"{what}Date")) + clock
    return ""


def _find(layers: list[Dataset], keyword: str) -> Any:
    for layer in layers:
        if keyword in layer:
            try:
                value = layer[keyword].value
            except (ValueError, TypeError, NotImplementedError):
                continue
            if value is not None and value != "":
                return value
    return None


def _private(layers: list[Dataset], tag: tuple[int, int], vendor: str) -> Any:
    """Value of a vendor's private tag, unless the file is another vendor's, where the same number means something else."""
    for layer in layers:
        if tag not in layer:
            continue
        creator = layer.get((tag[0], 0x0010))
        maker = f"{'' if creator is None else creator.value} {layers[-1].get('Manufacturer', '')}".upper()
        if not maker.strip() or vendor in maker:
            return layer[tag].value
    return None


def _float32(value: bytes) -> float:
    return float(struct.unpack("<f", value)[0])


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, str | bytes | int | float):
        return [value]
    try:
        return list(value)
    except TypeError:
        return [value]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="replace")
    return "" if value is None else str(value).strip(" \0")


def _number(value: Any) -> float | None:
    """First of one or several numbers, text or raw bytes of text (private tags of unknown type)."""
    for item in _values(value)[:1]:
        text = _text(item).split("\\")[0]
        try:
            return float(text)
        except ValueError:
            return None
    return None


def _numbers(value: Any) -> tuple[float, ...]:
    numbers = [_number(item) for item in _values(value)]
    return tuple(n for n in numbers if n is not None)
