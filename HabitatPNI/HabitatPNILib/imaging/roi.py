"""The tumour outline: read from a mask, a Slicer segmentation or a DICOM SEG, and put on the grid of one sequence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..errors import CaseError
from ..geometry import contains_points, corners, same_grid, voxel_positions
from .dicom_tags import quiet
from .volume_io import is_image_file, load

FRAME_ORDER = ("dwi", "adc", "low_b", "t2w")
"""Sequences in the order in which they take an ROI that fits several of them."""

LATTICE_TOLERANCE = 0.1


def read_roi(path: str | Path, segment: str | None = None) -> sitk.Image:
    """Tumour mask (uint8, 1 inside) of a label map, a Slicer ``.seg.nrrd`` or a DICOM SEG.

    Parameters
    ----------
    path : NRRD, NIfTI or MHA file, DICOM SEG file, or a folder that holds one DICOM SEG
    segment : name, ID or number of the segment; for a plain label map the label. Without it everything that is not 0 is
        the tumour, and a file of several segments is refused

    Raises
    ------
    CaseError
        the file cannot be read or is no mask, or the segment is not there or not given (the error lists them)
    """
    path = Path(path)
    if path.is_dir() or not is_image_file(path):
        return _read_dicom_seg(path, segment)
    image = load(path, "ROI")
    if image.GetDimension() == 4:
        parts = [image[:, :, :, i] for i in range(image.GetSize()[3])]
        layers = [sitk.GetArrayFromImage(part) for part in parts]
        grid = parts[0]
    else:
        array = sitk.GetArrayFromImage(image)
        layers = [array] if image.GetNumberOfComponentsPerPixel() == 1 else list(np.moveaxis(array, -1, 0))
        grid = image
    if grid.GetDimension() != 3:
        raise CaseError(f"The ROI file {path.name} is not a 3D volume; give an outline drawn on the whole series")
    if any(np.iscomplexobj(layer) or not np.isfinite(layer).all() for layer in layers):
        raise CaseError(f"The ROI file {path.name} has voxels that are not finite; give a mask or label map")
    segments = _slicer_segments(image)
    if segments:
        layer, value = _chosen(segments, segment, path.name)
        if layer >= len(layers):
            raise CaseError(f"The ROI file {path.name} is damaged: a segment's layer is not there; save the segmentation again")
        mask = layers[layer] == value
    elif segment is None:
        mask = np.any([layer != 0 for layer in layers], axis=0)
    else:
        mask = _label(layers, segment, path.name)
    return _mask(mask, grid)


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
            return _mask(sitk.GetArrayFromImage(roi), images[name]), name
    for name in names:
        if _on_lattice(roi, images[name]):
            return _resample(roi, images[name], name), name
    if roi_on is None:
        raise CaseError(
            "The ROI is on the grid of none of the case's sequences: is it another patient's outline? If it belongs to this case, "
            "say on which sequence it was drawn (--roi-on t2w, dwi or adc)"
        )
    return _resample(roi, images[roi_on], roi_on), roi_on


def attach_roi(
    images: Mapping[str, sitk.Image], path: str | Path | None, segment: str | None, roi_on: str | None, case_id: str
) -> tuple[sitk.Image | None, str]:
    """ROI of a file on the grid of one of the sequences, and that sequence's name; no ROI without a file.

    Raises
    ------
    CaseError
        as `read_roi` and `place_roi`, naming the case
    """
    if path is None:
        return None, "t2w"
    try:
        return place_roi(read_roi(path, segment), images, roi_on)
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error


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
        return _mask(array != 0, roi), len(sizes)
    return _mask(array == 1 + int(np.argmax(sizes)), roi), len(sizes)


def _mask(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    mask = sitk.GetImageFromArray((array != 0).astype(np.uint8))
    mask.SetSpacing(grid.GetSpacing())
    mask.SetOrigin(grid.GetOrigin())
    mask.SetDirection(grid.GetDirection())
    return mask


def _slicer_segments(image: sitk.Image) -> list[tuple[str, str, int, int]]:
    """Segments (name, ID, layer, label value) of a Slicer segmentation file; none for a plain label map."""
    keys = {k for k in image.GetMetaDataKeys() if re.fullmatch(r"Segment\d+_(ID|Name)", k)}
    numbers = sorted({int(re.findall(r"\d+", k)[0]) for k in keys})

    def value(number: int, key: str, default: str) -> str:
        full = f"Segment{number}_{key}"
        return image.GetMetaData(full).strip() if image.HasMetaDataKey(full) else default

    found = []
    for n in numbers:
        identity = value(n, "ID", f"Segment_{n}")
        # Files of before Slicer 4.11 keep one segment a layer, with the value 1 and without these two keys.
        layer, label = int(value(n, "Layer", str(n))), int(value(n, "LabelValue", "1"))
        found.append((value(n, "Name", identity), identity, layer, label))
    return found


def _chosen(segments: list[tuple[str, str, int, int]], wanted: str | None, file: str) -> tuple[int, int]:
    names = ", ".join(name for name, *_ in segments)
    if wanted is None:
        if len(segments) > 1:
            raise CaseError(f"The ROI file {file} holds {len(segments)} segments ({names}); choose one with --roi-segment")
        return segments[0][2], segments[0][3]
    matches = [s for s in segments if s[1] == wanted] or [s for s in segments if s[0].lower() == wanted.strip().lower()]
    if len(matches) > 1:
        ids = ", ".join(s[1] for s in matches)
        raise CaseError(f"The ROI file {file} holds {len(matches)} segments named {wanted}; choose one by its ID ({ids})")
    if not matches:
        raise CaseError(f"The ROI file {file} has no segment {wanted}; it holds: {names}")
    return matches[0][2], matches[0][3]


def _label(layers: list[np.ndarray], segment: str, file: str) -> np.ndarray:
    labels = sorted({int(v) for layer in layers for v in np.unique(layer) if v != 0})
    if not segment.strip().isdigit() or int(segment) not in labels:
        raise CaseError(f"The ROI file {file} is a label map without segment {segment}; it holds the labels: {', '.join(map(str, labels))}")
    return np.any([layer == int(segment) for layer in layers], axis=0)


def _on_lattice(roi: sitk.Image, image: sitk.Image) -> bool:
    """Whether the ROI's voxel centres are voxel centres of the image, extended beyond its edges."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    spacing = np.array(image.GetSpacing())
    index = (corners(roi) - np.array(image.GetOrigin())) @ direction / spacing
    if np.abs(index - np.round(index)).max() > LATTICE_TOLERANCE:
        return False
    axes = direction.T @ (np.array(roi.GetDirection()).reshape(3, 3) * np.array(roi.GetSpacing())) / spacing[:, None]
    steps = np.round(axes)
    one_a_axis = np.array_equal(np.abs(steps).sum(axis=0), [1, 1, 1]) and np.array_equal(np.abs(steps).sum(axis=1), [1, 1, 1])
    return bool(one_a_axis and np.abs(axes - steps).max() < 0.01)


def _resample(roi: sitk.Image, image: sitk.Image, name: str) -> sitk.Image:
    label = SEQUENCE_LABELS.get(name, name)
    outside = int((~contains_points(image, voxel_positions(roi))).sum())
    if outside:
        raise CaseError(f"The ROI has {outside} voxels outside the {label} image; check that outline and images belong together")
    placed = sitk.Resample(roi, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    if not np.any(sitk.GetArrayViewFromImage(placed)):
        raise CaseError(f"The ROI is smaller than a voxel of the {label} image: nothing is left on its grid; draw it larger")
    return _mask(sitk.GetArrayFromImage(placed), image)


def _read_dicom_seg(path: Path, segment: str | None) -> sitk.Image:
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
    segments = [(str(d.segment_label), str(d.segment_number), 0, int(d.segment_number)) for d in descriptions]
    _, number = _chosen(segments, segment, file.name)
    try:
        volume = seg.get_volume(segment_numbers=[number], combine_segments=True, skip_overlap_checks=True, allow_missing_positions=True)
    except Exception as error:  # as above
        raise CaseError(f"The ROI file {file.name} is a damaged DICOM SEG, or its slices form no volume; export it again") from error
    # highdicom's axes are (slice, row, column); an image's are (column, row, slice).
    image = sitk.GetImageFromArray((np.asarray(volume.array) != 0).astype(np.uint8))
    image.SetSpacing([float(s) for s in volume.spacing[::-1]])
    image.SetOrigin([float(p) for p in volume.position])
    image.SetDirection(np.asarray(volume.direction)[:, ::-1].ravel().tolist())
    return image


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
