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
from .host import slicer, vtk
from .volumes import fill, image_of, world_matrix

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
    identity = find_segment(node, segment)
    source = node
    if not node.GetSegmentation().ContainsRepresentation(BINARY):
        source = slicer.vtkMRMLSegmentationNode()
        source.GetSegmentation().DeepCopy(node.GetSegmentation())
        if not source.GetSegmentation().CreateRepresentation(BINARY):
            raise CaseError("ROI: the segment has no binary labelmap and none can be made; create one in the module Segmentations")
    data = slicer.vtkOrientedImageData()
    source.GetBinaryLabelmapRepresentation(identity, data)
    if data.GetNumberOfPoints() == 0 or data.GetPointData().GetScalars() is None:
        raise CaseError("The ROI is empty: no voxel is marked; draw the tumour or choose another segment")
    matrix = vtk.vtkMatrix4x4()
    data.GetImageToWorldMatrix(matrix)
    image = image_of(data, world_matrix(node, "ROI") @ matrix_from_vtk(matrix), "ROI")
    return sitk.Cast(sitk.NotEqual(image, 0), sitk.sitkUInt8)


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
    for label, look in looks.items():
        inside = array == label
        if not inside.any():
            continue
        data = slicer.vtkOrientedImageData()
        fill(data, inside.astype(np.uint8))
        data.SetImageToWorldMatrix(matrix_to_vtk(ijk_to_ras(labels)))
        segment = slicer.vtkSegment()
        segment.SetName(look.name)
        segment.SetNameAutoGenerated(False)
        segment.SetColor(*(channel / 255 for channel in look.rgb))
        segment.SetColorAutoGenerated(False)
        segment.SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
        segment.AddRepresentation(BINARY, data)
        node.GetSegmentation().AddSegment(segment, look.identity)
    node.GetSegmentation().CollapseBinaryLabelmaps(False)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetVisibility(True)
    display.SetVisibility2DFill(fill_opacity > 0)
    display.SetVisibility2DOutline(outline_opacity > 0)
    display.SetOpacity2DFill(fill_opacity)
    display.SetOpacity2DOutline(outline_opacity)
    return node
