from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.colours import HABITAT_COLOURS, habitat_rgb
from HabitatPNILib.errors import CaseError
from HabitatPNILib.geometry import voxel_positions
from HabitatPNILib.imaging.roi import place_roi, read_roi
from HabitatPNILib.mrml.segmentations import add_segmentation, find_segment, habitat_looks, segment_mask
from HabitatPNILib.mrml.volumes import add_volume
from HabitatPNILib.resources import resource_folder

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")


@pytest.fixture
def habitats(scene, analysis):
    reference = add_volume(scene, analysis.images["t2w"], "T2W")
    return add_segmentation(scene, analysis.habitat_map, habitat_looks([1, 2, 3, 4]), "Habitats", reference, fill_opacity=0.5)


def test_each_label_becomes_its_segment_voxel_for_voxel(habitats, analysis):
    labels = sitk.GetArrayFromImage(analysis.habitat_map)
    for label in (1, 2, 3):
        mask, frame = place_roi(segment_mask(habitats, f"habitat{label}"), analysis.images, "t2w")
        assert frame == "t2w"
        assert np.array_equal(sitk.GetArrayFromImage(mask), labels == label)


def test_absent_labels_make_no_segment(habitats):
    assert list(habitats.GetSegmentation().GetSegmentIDs()) == ["habitat1", "habitat2", "habitat3"]


def test_names_colours_and_terminology(habitats):
    segment = habitats.GetSegmentation().GetSegment("habitat2")
    assert segment.GetName() == "Habitat 2"
    assert segment.GetColor() == pytest.approx([c / 255 for c in habitat_rgb(2)])
    tag = vtk.reference("")
    assert segment.GetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), tag)
    assert "SCT^4147007^Mass" in str(tag)
    assert "SCT^41216001^Prostate" in str(tag)


def test_file_written_by_slicer_is_read_the_same_elsewhere(habitats, analysis, tmp_path):
    path = tmp_path / "habitats.seg.nrrd"
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(habitats) == 1
    labels = sitk.GetArrayFromImage(analysis.habitat_map)
    mask = read_roi(path, "Habitat 3")
    expected = sitk.GetImageFromArray((labels == 3).astype(np.uint8))
    expected.CopyInformation(analysis.habitat_map)
    assert np.abs(voxel_positions(mask) - voxel_positions(expected)).max() < 1e-6


def test_segment_without_name_needs_to_be_the_only_one(habitats):
    with pytest.raises(CaseError, match=r"ROI: the segmentation holds 3 segments \(Habitat 1, Habitat 2, Habitat 3\); choose the one"):
        find_segment(habitats, None)
    with pytest.raises(CaseError, match=r"ROI: no segments are called tumour; the segmentation holds: Habitat 1"):
        find_segment(habitats, "tumour")
    assert find_segment(habitats, "Habitat 3") == "habitat3"


def test_no_segmentation_and_empty_segment_are_refused(scene):
    with pytest.raises(CaseError, match="ROI: no segmentation is chosen; draw the tumour"):
        segment_mask(None)
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    node.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    with pytest.raises(CaseError, match="The ROI is empty: no voxel is marked"):
        segment_mask(node)


def test_segmentation_under_a_transform_moves_with_it(habitats, scene):
    still = voxel_positions(segment_mask(habitats, "habitat1"))
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    shift = vtk.vtkMatrix4x4()
    shift.SetElement(0, 3, 5.0)
    shift.SetElement(2, 3, -2.0)
    transform.SetMatrixTransformToParent(shift)
    habitats.SetAndObserveTransformNodeID(transform.GetID())
    moved = voxel_positions(segment_mask(habitats, "habitat1"))
    # 5 mm to the right is -5 mm in LPS.
    assert np.abs(moved - still - [-5.0, 0.0, -2.0]).max() < 1e-9


def test_surface_is_turned_into_voxels_on_a_copy(habitats):
    habitats.CreateClosedSurfaceRepresentation()
    habitats.SetSourceRepresentationToClosedSurface()
    habitats.GetSegmentation().RemoveRepresentation("Binary labelmap")
    before = habitats.GetSegmentation().GetNumberOfSegments()
    mask = segment_mask(habitats, "habitat2")
    assert int(sitk.GetArrayFromImage(mask).sum()) > 0
    assert not habitats.GetSegmentation().ContainsRepresentation("Binary labelmap")
    assert habitats.GetSegmentation().GetNumberOfSegments() == before


def test_colour_table_that_ships_has_the_habitats_colours():
    table, storage = slicer.vtkMRMLColorTableNode(), slicer.vtkMRMLColorTableStorageNode()
    storage.SetFileName(str(resource_folder() / "Colors" / "HabitatPNI.ctbl"))
    assert storage.ReadData(table) == 1
    assert table.GetNumberOfColors() == 1 + len(HABITAT_COLOURS)
    colour = [0.0] * 4
    for label in HABITAT_COLOURS:
        table.GetColor(label, colour)
        assert table.GetColorName(label) == f"Habitat {label}"
        assert colour == pytest.approx([*(c / 255 for c in habitat_rgb(label)), 1.0])
    table.GetColor(0, colour)
    assert colour[3] == 0
