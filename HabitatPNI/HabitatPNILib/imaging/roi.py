"""The tumour outline: read from a mask, a Slicer segmentation or a DICOM SEG, and put on the grid of one sequence."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import SimpleITK as sitk

from ..case import Choice
from ..errors import CaseError
from ..geometry import same_grid
from .dicom_tags import quiet
from .roi_grid import mask_on, on_lattice, resample_roi
from .volume_io import fingerprint, is_image_file, load

FRAME_ORDER = ("dwi", "adc", "low_b", "t2w")
"""Sequences in the order in which they take an ROI that fits several of them."""

MOST_VALUES = 20
"""A file of more distinct values than this is an image and no label map."""

ALL = "all"
CHOOSE = "choose one, or take them together"
NOT_3D = "is not a 3D volume; give an outline drawn on the whole series"


@dataclass(frozen=True)
class Outline:
    """An outline as its file holds it.

    Parameters
    ----------
    mask : uint8, 1 inside, on the file's own grid
    taken : the label or segment taken, in words
    patient : PatientID of a DICOM SEG; compared, never shown
    frame_of_reference : FrameOfReferenceUID of a DICOM SEG
    """

    mask: sitk.Image
    taken: str
    patient: str = field(default="", repr=False)
    frame_of_reference: str = ""


@dataclass(frozen=True)
class AttachedRoi:
    """An outline laid on one of the case's sequences.

    Parameters
    ----------
    roi : uint8 mask on the grid of the sequence; None where no outline was given
    frame : name of the sequence
    choices : what was taken and its volume, for the case's provenance
    frame_of_reference : FrameOfReferenceUID of a DICOM SEG
    """

    roi: sitk.Image | None = None
    frame: str = "t2w"
    choices: tuple[Choice, ...] = ()
    frame_of_reference: str = ""


class _Segment(NamedTuple):
    name: str
    identity: str
    layer: int
    value: int


def read_roi(path: str | Path, segment: str | None = None) -> sitk.Image:
    """Tumour mask (uint8, 1 inside) of a label map, a Slicer ``.seg.nrrd`` or a DICOM SEG: the mask of `read_outline`."""
    return read_outline(path, segment).mask


def read_outline(path: str | Path, segment: str | None = None) -> Outline:
    """Outline of a label map, a Slicer ``.seg.nrrd`` or a DICOM SEG.

    Parameters
    ----------
    path : NRRD, NIfTI or MHA file, DICOM SEG file, or a folder that holds one DICOM SEG
    segment : name, ID or number of the segment, for a plain label map the label, or ``all`` for the union. Without it a
        file of several labels or segments is refused

    Raises
    ------
    CaseError
        the file cannot be read or is no mask, or the segment is not there or not given (the error lists them)
    """
    path = Path(path)
    if path.is_dir() or not is_image_file(path):
        return _read_dicom_seg(path, segment)
    image = load(path, "ROI")
    segments = _slicer_segments(image, path.name)
    if not segments:
        return _read_label_map(image, segment, path.name)
    if image.GetDimension() == 4:
        parts = [image[:, :, :, i] for i in range(image.GetSize()[3])]
        layers = [sitk.GetArrayFromImage(part) for part in parts]
        grid = parts[0]
    else:
        array = sitk.GetArrayFromImage(image)
        layers = [array] if image.GetNumberOfComponentsPerPixel() == 1 else list(np.moveaxis(array, -1, 0))
        grid = image
    if grid.GetDimension() != 3:
        raise CaseError(f"The ROI file {path.name} {NOT_3D}")
    chosen = _chosen(segments, segment, path.name)
    if any(not 0 <= s.layer < len(layers) for s in chosen):
        raise CaseError(f"The ROI file {path.name} is damaged: a segment's layer is not there; save the segmentation again")
    return Outline(mask_on(np.any([layers[s.layer] == s.value for s in chosen], axis=0), grid), _in_words(chosen))


def place_roi(roi: sitk.Image, images: Mapping[str, sitk.Image], roi_on: str | None = None) -> tuple[sitk.Image, str]:
    """Put the ROI on the grid of one of the case's sequences.

    An ROI on a sequence's grid takes over that sequence's header; one on the same lattice but cropped or flipped is
    pasted; any other is resampled (nearest neighbour), and only onto the sequence named by `roi_on`.

    Parameters
    ----------
    roi : uint8 mask
    images : the case's sequences
    roi_on : name of the sequence on which the ROI was drawn; found by its grid when absent

    Returns
    -------
    roi : uint8 mask on the grid of the sequence
    frame : name of the sequence

    Raises
    ------
    CaseError
        the ROI is empty, fits no sequence, or reaches outside the one named
    """
    if not np.any(sitk.GetArrayViewFromImage(roi)):
        raise CaseError("The ROI is empty: no voxel is marked; draw the tumour or choose another segment")
    if roi_on is not None and roi_on not in images:
        raise CaseError(f"The ROI is said to be drawn on {roi_on}, but the case has {', '.join(images) or 'no image'}; give one of these")
    names = [roi_on] if roi_on is not None else [*(n for n in FRAME_ORDER if n in images), *(n for n in images if n not in FRAME_ORDER)]
    for name in names:
        if same_grid(roi, images[name]):
            return mask_on(sitk.GetArrayFromImage(roi), images[name]), name
    for name in names:
        if on_lattice(roi, images[name]):
            return resample_roi(roi, images[name], name), name
    if roi_on is None:
        raise CaseError(
            "The ROI is on the grid of none of the case's sequences: is it another patient's outline? Draw it on one of them, "
            "or choose the volumes that it belongs to (--roi-on t2w, dwi, adc or t1pv where it was drawn on one of these)"
        )
    return resample_roi(roi, images[roi_on], roi_on), roi_on


def attach_roi(
    images: Mapping[str, sitk.Image],
    path: str | Path | None,
    segment: str | None,
    roi_on: str | None,
    case_id: str,
    patient: str = "",
) -> AttachedRoi:
    """Outline of a file on the grid of one of the sequences; an empty answer without a file.

    Parameters
    ----------
    images, path, segment, roi_on : as in `read_outline` and `place_roi`
    case_id : named in errors
    patient : PatientID of the images where known; a DICOM SEG of another one is refused

    Raises
    ------
    CaseError
        as `read_outline` and `place_roi`, or the DICOM SEG is another patient's
    """
    if path is None:
        return AttachedRoi()
    try:
        outline = read_outline(path, segment)
        if patient and outline.patient and outline.patient != patient:
            raise CaseError("the DICOM SEG belongs to another patient or examination; give the outline drawn on this case's images")
        roi, frame = place_roi(outline.mask, images, roi_on)
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(roi)))
    volume_ml = voxels * math.prod(roi.GetSpacing()) / 1000
    chosen = f"{fingerprint(path)}, {outline.taken}, {voxels} voxels, {volume_ml:.2f} mL"
    return AttachedRoi(roi, frame, (Choice("roi", chosen, f"on the grid of {frame}"),), outline.frame_of_reference)


def select_lesions(roi: sitk.Image, rule: Literal["union", "largest"]) -> tuple[sitk.Image, int]:
    """Lesions of the ROI that enter the analysis: all of them, or the one of most voxels.

    Lesions are connected components (26 neighbours). Of two equally large ones the first in raster order is taken.

    Returns
    -------
    roi : uint8 mask on the same grid
    n_lesions : number of lesions that the ROI has
    """
    labels = sitk.ConnectedComponent(sitk.NotEqual(roi, 0), True)
    array = sitk.GetArrayFromImage(labels)
    sizes = np.bincount(array.ravel())[1:]
    if rule == "union" or not len(sizes):
        return mask_on(array != 0, roi), len(sizes)
    return mask_on(array == 1 + int(np.argmax(sizes)), roi), len(sizes)


def _read_label_map(image: sitk.Image, wanted: str | None, file: str) -> Outline:
    """Outline of a file that says nothing of segments: one label of it, or all."""
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        kind = image.GetPixelIDTypeAsString()
        raise CaseError(f"The ROI file {file} is a colour or other many-valued image ({kind}); give a mask or label map")
    if image.GetDimension() == 4:
        if image.GetSize()[3] != 1:
            raise CaseError(f"The ROI file {file} holds {image.GetSize()[3]} volumes (4D); give one mask or label map a file")
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise CaseError(f"The ROI file {file} {NOT_3D}")
    array = sitk.GetArrayFromImage(image)
    if not np.isfinite(array).all():
        raise CaseError(f"The ROI file {file} has voxels that are not finite; give a mask or label map")
    values = np.unique(array)
    if np.any(values != np.round(values)):
        raise CaseError(f"The ROI file {file} is not a label map: its values are not whole numbers; give the tumour outline")
    if len(values) > MOST_VALUES:
        raise CaseError(f"The ROI file {file} is not a label map: it has {len(values)} distinct values; give the tumour outline")
    labels = [int(v) for v in values if v != 0]
    listed = ", ".join(map(str, labels))
    if wanted is None:
        if len(labels) > 1:
            raise CaseError(f"The ROI file {file} is a label map of several labels ({listed}); {CHOOSE} (--roi-segment LABEL or {ALL})")
    elif wanted.strip().lower() != ALL:
        if not re.fullmatch(r"-?\d+", wanted.strip()) or int(wanted) not in labels:
            raise CaseError(f"The ROI file {file} is a label map without segment {wanted}; it holds the labels: {listed or 'none'}")
        labels = [int(wanted)]
    taken = f"labels {listed} together" if len(labels) > 1 else f"label {labels[0]}" if labels else "no label"
    return Outline(mask_on(np.isin(array, labels), image), taken)


def _slicer_segments(image: sitk.Image, file: str) -> list[_Segment]:
    """Segments of a Slicer segmentation file; none for a plain label map."""
    keys = {k for k in image.GetMetaDataKeys() if re.fullmatch(r"Segment\d+_(ID|Name)", k)}
    numbers = sorted({int(re.findall(r"\d+", k)[0]) for k in keys})

    def value(number: int, key: str, default: str) -> str:
        full = f"Segment{number}_{key}"
        return " ".join(image.GetMetaData(full).split()) if image.HasMetaDataKey(full) else default

    found = []
    for n in numbers:
        identity = value(n, "ID", f"Segment_{n}")
        try:
            # Files of before Slicer 4.11 keep one segment a layer, with the value 1 and without these two keys.
            layer, label = int(value(n, "Layer", str(n))), int(value(n, "LabelValue", "1"))
        except ValueError as error:
            raise CaseError(
                f"The ROI file {file} is damaged: layer or label value of a segment is not a number; save the segmentation again"
            ) from error
        found.append(_Segment(value(n, "Name", identity), identity, layer, label))
    return found


def _chosen(segments: list[_Segment], wanted: str | None, file: str) -> list[_Segment]:
    names = ", ".join(s.name for s in segments)
    if wanted is None:
        if len(segments) > 1:
            raise CaseError(f"The ROI file {file} holds {len(segments)} segments ({names}); {CHOOSE} (--roi-segment NAME or {ALL})")
        return segments
    wanted = " ".join(wanted.split())
    matches = [s for s in segments if s.identity == wanted] or [s for s in segments if s.name.lower() == wanted.lower()]
    if len(matches) > 1:
        ids = ", ".join(s.identity for s in matches)
        raise CaseError(f"The ROI file {file} holds {len(matches)} segments named {wanted}; choose one by its ID ({ids})")
    if not matches and wanted.lower() == ALL:
        return segments
    if not matches:
        raise CaseError(f"The ROI file {file} has no segment {wanted}; it holds: {names}")
    return matches


def _in_words(chosen: list[_Segment]) -> str:
    names = ", ".join(s.name for s in chosen)
    return f"segment {names}" if len(chosen) == 1 else f"segments {names} together"


def _read_dicom_seg(path: Path, segment: str | None) -> Outline:
    import highdicom

    file = _seg_file(path)
    try:
        with quiet():
            seg = highdicom.seg.segread(file)
    except Exception as error:  # pydicom and highdicom meet other bytes with errors of a dozen kinds
        raise CaseError(
            f"The ROI file {file.name} is neither an image file (NRRD, NIfTI, MHA) nor a readable DICOM SEG; export the outline again"
        ) from error
    expected = -(-int(seg.Rows) * int(seg.Columns) * int(seg.NumberOfFrames) * int(seg.BitsAllocated) // 8)
    # highdicom unpacks frames one by one and would not miss those that a cut has taken.
    if not seg.file_meta.TransferSyntaxUID.is_compressed and len(seg.PixelData) < expected:
        raise CaseError(f"The ROI file {file.name} is a damaged DICOM SEG: it ends before its pixels do; export it again")
    descriptions = [seg.get_segment_description(int(n)) for n in seg.segment_numbers]
    segments = [_Segment(" ".join(d.segment_label.split()), str(d.segment_number), 0, int(d.segment_number)) for d in descriptions]
    chosen = _chosen(segments, segment, file.name)
    numbers = [s.value for s in chosen]
    try:
        volume = seg.get_volume(segment_numbers=numbers, combine_segments=True, skip_overlap_checks=True, allow_missing_positions=True)
    except Exception as error:  # as above
        raise CaseError(f"The ROI file {file.name} is a damaged DICOM SEG, or its slices form no volume; export it again") from error
    # highdicom's axes are (slice, row, column); an image's are (column, row, slice).
    image = sitk.GetImageFromArray((np.asarray(volume.array) != 0).astype(np.uint8))
    image.SetSpacing([float(s) for s in volume.spacing[::-1]])
    image.SetOrigin([float(p) for p in volume.position])
    image.SetDirection(np.asarray(volume.direction)[:, ::-1].ravel().tolist())
    identity, frame = (str(seg.get(tag) or "").strip(" \0") for tag in ("PatientID", "FrameOfReferenceUID"))
    return Outline(image, _in_words(chosen), identity, frame)


def _seg_file(path: Path) -> Path:
    import pydicom

    if not path.is_file() and not path.is_dir():
        raise CaseError(f"The ROI file {path.name} does not exist; check the path")
    if not path.is_dir():
        return path
    found = []
    for file in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["Modality"])
        except Exception:  # whatever else lies in the folder is not an outline
            continue
        if header.get("Modality") == "SEG":
            found.append(file)
    if len(found) != 1:
        raise CaseError(f"The ROI folder holds {len(found)} DICOM SEG files; give the one file to be used")
    return found[0]
