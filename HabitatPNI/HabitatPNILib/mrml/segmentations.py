"""Slicer segmentations: a segment as a mask, and a label map as named, coloured segments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..colours import habitat_rgb
from ..errors import CaseError
from .geometry import ijk_to_ras, matrix_from_vtk, matrix_to_vtk
from .host import numpy_support, slicer, vtk
from .volumes import fill, place_image, world_matrix

BINARY = "Binary labelmap"
# SNOMED CT in the notation of Slicer's terminologies: a mass in the prostate.
TERMINOLOGY = (
    "Segmentation category and type - DICOM master list~SCT^49755003^Morphologically Altered Structure~SCT^4147007^Mass~^^"
    "~Anatomic codes - DICOM master list~SCT^41216001^Prostate~^^"
)


@dataclass(frozen=True)
class Look:
    """How one label becomes a segment: ID, name and colour (red, green, blue; 0 to 255)."""

    identity: str
    name: str
    rgb: tuple[int, int, int]


TUMOUR_LOOK: Mapping[int, Look] = {1: Look("tumour", "Tumour", (255, 255, 255))}


def habitat_looks(labels: list[int]) -> dict[int, Look]:
    """Segments ``habitat1`` .. named "Habitat 1" .. in the habitats' colours."""
    return {label: Look(f"habitat{label}", f"Habitat {label}", habitat_rgb(label)) for label in labels}


def find_segment(node: Any, segment: str | None) -> str:
    """ID of a segment given by ID or name; without either, of the only segment there is.

    Raises
    ------
    CaseError
        listing the segments that are there
    """
    if node is None or not node.IsA("vtkMRMLSegmentationNode"):
        raise CaseError("ROI: no segmentation is chosen; draw the tumour in the Segment Editor and choose its segmentation")
    segmentation = node.GetSegmentation()
    names = {identity: segmentation.GetSegment(identity).GetName() for identity in segmentation.GetSegmentIDs()}
    listed = ", ".join(names.values()) or "none"
    if segment is None:
        if len(names) != 1:
            raise CaseError(f"ROI: the segmentation holds {len(names)} segments ({listed}); choose the one that outlines the tumour")
        return next(iter(names))
    if segment in names:
        return segment
    found = [identity for identity, name in names.items() if name == segment]
    if len(found) != 1:
        raise CaseError(f"ROI: {len(found) or 'no'} segments are called {segment}; the segmentation holds: {listed}; choose one by its ID")
    return found[0]


def segment_mask(node: Any, segment: str | None = None) -> sitk.Image:
    """Mask (uint8, 1 inside) of a segment on the lattice it is stored on, cropped to the voxels it is stored with.

    Linear transforms above the node are applied to the mask; the node is left as it is.

    Raises
    ------
    CaseError
        the segment is not there, empty, without voxels to be had, or under a transform that is not linear
    """
    inside, matrix = _inside(node, find_segment(node, segment))
    if inside is None:
        raise CaseError("The ROI is empty: no voxel is marked; draw the tumour or choose another segment")
    return _mask(inside, matrix, world_matrix(node, "ROI"))


def smallest_mask(node: Any, segment: str | None = None) -> sitk.Image | None:
    """`segment_mask` cropped to the segment's own box; None where no voxel is marked.

    Raises
    ------
    CaseError
        the segment is not there, without voxels to be had, or under a transform that is not linear
    """
    inside, matrix = _inside(node, find_segment(node, segment))
    if inside is None:
        return None
    slices, lines = np.flatnonzero(inside.any(axis=(1, 2))), np.flatnonzero(inside.any(axis=(0, 2)))
    if not slices.size:
        return None
    inside = inside[slices[0] : slices[-1] + 1, lines[0] : lines[-1] + 1]
    columns = np.flatnonzero(inside.any(axis=(0, 1)))
    return _mask(inside[:, :, columns[0] : columns[-1] + 1], matrix @ _shift(columns[0], lines[0], slices[0]), world_matrix(node, "ROI"))


def _inside(node: Any, identity: str) -> tuple[np.ndarray | None, np.ndarray]:
    """Voxels of a segment (z, y, x) bool as they are stored, and the matrix (4, 4) from their indices to the node's RAS mm."""
    segmentation = node.GetSegmentation()
    if not segmentation.ContainsRepresentation(BINARY):
        copy = slicer.vtkSegmentation()
        copy.DeepCopy(segmentation)
        if not copy.CreateRepresentation(BINARY):
            raise CaseError("ROI: the segment has no binary labelmap and none can be made; create one in the module Segmentations")
        segmentation = copy
    segment = segmentation.GetSegment(identity)
    layer = segment.GetRepresentation(BINARY)
    scalars = None if layer is None or layer.GetNumberOfPoints() == 0 else layer.GetPointData().GetScalars()
    if scalars is None:
        return None, np.eye(4)
    matrix = vtk.vtkMatrix4x4()
    layer.GetImageToWorldMatrix(matrix)
    # Several segments may share one layer, each with a value of its own.
    inside = numpy_support.vtk_to_numpy(scalars).reshape(layer.GetDimensions()[::-1]) == segment.GetLabelValue()
    return inside, matrix_from_vtk(matrix) @ _shift(*layer.GetExtent()[::2])


def _mask(inside: np.ndarray, matrix: np.ndarray, world: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    place_image(image, world @ matrix, "ROI")
    return image


def _shift(i: int, j: int, k: int) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = i, j, k
    return matrix


def reference_volume(node: Any) -> Any:
    """Volume node on which a segmentation was drawn; None where it names none."""
    return node.GetNodeReference(slicer.vtkMRMLSegmentationNode.GetReferenceImageGeometryReferenceRole())


def add_segmentation(
    scene: Any,
    labels: sitk.Image,
    looks: Mapping[int, Look],
    name: str,
    reference: Any,
    *,
    fill_opacity: float,
    outline_opacity: float = 1.0,
) -> Any:
    """New segmentation node with a segment for each label that has voxels, visible over the slice views.

    Parameters
    ----------
    labels : uint8 label map; its voxels and grid become the segments' own
    looks : ID, name and colour of each label
    reference : volume node on the same grid, kept as the segmentation's reference geometry
    fill_opacity, outline_opacity : of the segments' inside and edge in the slice views, 0 to 1
    """
    array = sitk.GetArrayViewFromImage(labels)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    node.SetReferenceImageGeometryParameterFromVolumeNode(reference)
    # One layer for all segments: Slicer would merge three of them into the same, but slowly.
    layer = slicer.vtkOrientedImageData()
    fill(layer, array)
    layer.SetImageToWorldMatrix(matrix_to_vtk(ijk_to_ras(labels)))
    for label, look in looks.items():
        if not (array == label).any():
            continue
        segment = slicer.vtkSegment()
        segment.SetName(look.name)
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*(channel / 255 for channel in look.rgb))
        segment.SetColorAutoGenerated(False)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
        segment.SetLabelValue(label)
        segment.AddRepresentation(BINARY, layer)
        node.GetSegmentation().AddSegment(segment, look.identity)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility2DFill(fill_opacity > 0)
    display.SetVisibility2DOutline(outline_opacity > 0)
    display.SetOpacity2DFill(fill_opacity)
    display.SetOpacity2DOutline(outline_opacity)
    return node
