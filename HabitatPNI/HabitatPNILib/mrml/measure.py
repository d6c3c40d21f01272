"""Size of a segment, and what about it would trouble an analysis; fast enough to follow the brush."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..geometry import voxel_positions
from .geometry import lps_to_ras
from .segmentations import smallest_mask
from .volumes import world_ijk

STANDARD: Mapping[str, Any] = {"spacing_mm": (1.0, 1.0, 1.0), "min_roi_voxels": 64, "min_acquired_voxels": 30}
"""Smallest sizes of the standard protocol's preprocessing."""

LARGE_LESION_ML = 20.0
FIXED = "dwi"
"""Sequence whose acquired voxels are counted: the one that the others are registered to."""
_ANGLES = np.linspace(0, np.pi, 180, endpoint=False)
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])


@dataclass(frozen=True)
class SegmentMeasure:
    """Size of a segment.

    Parameters
    ----------
    volume_ml : of its voxels
    diameter_mm : largest in-plane (Feret) diameter: within a slice of the lattice on which it was drawn the longest
        distance between two corners of its voxels, to 0.02 %
    voxels : on that lattice
    warnings : sentences for the user
    """

    volume_ml: float
    diameter_mm: float
    voxels: int
    warnings: tuple[str, ...] = ()


def measure_segment(
    node: Any, segment_id: str | None, volumes: Mapping[str, Any], preprocessing: Mapping[str, Any] | None = None
) -> SegmentMeasure:
    """Measure a segment; an empty one has a volume of 0 and a warning.

    Parameters
    ----------
    node, segment_id : vtkMRMLSegmentationNode and the segment's ID or name (None: its only one)
    volumes : the case's volume nodes by sequence name; the segment should lie inside each of them
    preprocessing : that section of a model's protocol with its smallest sizes; without it `STANDARD`

    Raises
    ------
    CaseError
        when there is no such segment, or a node lies under a transform that is not linear
    """
    settings = {**STANDARD, **(preprocessing or {})}
    mask = smallest_mask(node, segment_id)
    if mask is None:
        return SegmentMeasure(0.0, 0.0, 0, ("The segment is empty: draw the tumour or choose another segment",))
    array = sitk.GetArrayViewFromImage(mask)
    points = _points(mask)
    volume_mm3 = len(points) * math.prod(mask.GetSpacing())
    warnings = []
    count, needed = volume_mm3 / math.prod(settings["spacing_mm"]), settings["min_roi_voxels"]
    if count < needed:
        size = "x".join(f"{s:g}" for s in settings["spacing_mm"])
        warnings.append(f"The segment is too small for a habitat analysis: about {count:.0f} voxels of {size} mm; {needed} are needed")
    if volume_mm3 / 1000 > LARGE_LESION_ML:
        warnings.append(f"The segment has {volume_mm3 / 1000:.0f} mL, more than most lesions: is it the tumour and not the gland?")
    for name, volume in volumes.items():
        if volume is not None and volume.GetImageData() is not None:
            warnings += _place_warnings(points, volume, SEQUENCE_LABELS.get(name, name), name, volume_mm3, settings)
    return SegmentMeasure(volume_mm3 / 1000, _diameter(array, mask.GetSpacing()), len(points), tuple(warnings))


def _points(mask: sitk.Image) -> np.ndarray:
    """Voxel centres (n, 3) of a mask in RAS mm."""
    return lps_to_ras(voxel_positions(mask))


def _place_warnings(points: np.ndarray, volume: Any, label: str, name: str, volume_mm3: float, settings: Mapping[str, Any]) -> list[str]:
    matrix = world_ijk(volume, label)
    index = np.linalg.solve(matrix[:3, :3], (points - matrix[:3, 3]).T).T
    inside = np.all((index >= -0.5) & (index <= np.array(volume.GetImageData().GetDimensions()) - 0.5), axis=1)
    outside = int(len(points) - inside.sum())
    if outside == len(points):
        return [f"The segment lies outside the {label} image: do outline and image belong together?"]
    if outside:
        return [f"{outside} of {len(points)} voxels of the segment lie outside the {label} image"]
    acquired, needed = volume_mm3 / abs(np.linalg.det(matrix[:3, :3])), settings["min_acquired_voxels"]
    if name == FIXED and acquired < needed:
        return [f"The segment covers about {acquired:.0f} acquired {label} voxels, fewer than {needed}: its habitats are interpolated"]
    return []


def _diameter(array: np.ndarray, spacing: tuple[float, ...]) -> float:
    """Largest width over 180 directions of the voxel corners of one slice (z, y, x), mm."""
    longest = 0.0
    for plane in array:
        rows = np.flatnonzero(plane.any(axis=1))
        if not rows.size:
            continue
        marked = plane[rows] != 0
        first = marked.argmax(axis=1)
        last = marked.shape[1] - marked[:, ::-1].argmax(axis=1)
        corners = np.concatenate([np.stack([x, y], axis=1) for x in (first, last) for y in (rows, rows + 1)]) * spacing[:2]
        along = corners @ _DIRECTIONS
        longest = max(longest, float((along.max(axis=0) - along.min(axis=0)).max()))
    return longest
