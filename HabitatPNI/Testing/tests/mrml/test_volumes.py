from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.geometry import corners, grid_difference_mm
from HabitatPNILib.mrml.geometry import ijk_to_ras, lps_to_ras, matrix_to_vtk
from HabitatPNILib.mrml.volumes import add_volume, set_window, to_image

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
vtk = pytest.importorskip("vtk")

TYPES = [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.float32, np.float64]


@pytest.mark.parametrize("dtype", TYPES)
def test_round_trip_keeps_voxels_and_positions(scene, make_image, dtype):
    array = np.random.default_rng(0).integers(0, 100, (5, 6, 7)).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        array += dtype(1 / 3)
    image = make_image(array)
    node = add_volume(scene, image, "T2W")
    back = to_image(node, "T2W")
    assert back.GetPixelID() == image.GetPixelID()
    assert np.array_equal(sitk.GetArrayFromImage(back), array)
    assert grid_difference_mm(back, image) < 1e-9


def test_left_handed_grid_keeps_its_handedness(scene, make_image):
    image = make_image(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    direction = np.array(image.GetDirection()).reshape(3, 3) @ np.diag([1.0, 1.0, -1.0])
    image.SetDirection(direction.ravel().tolist())
    back = to_image(add_volume(scene, image, "T2W"), "T2W")
    assert np.linalg.det(np.array(back.GetDirection()).reshape(3, 3)) == pytest.approx(-1, abs=1e-12)
    assert grid_difference_mm(back, image) < 1e-9


def test_voxel_of_known_position_lies_there_in_ras(scene, make_image):
    image = make_image(np.zeros((5, 6, 7), np.float32), angles=(0, 0, 0))
    node = add_volume(scene, image, "T2W")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    # By hand: origin LPS (-31.25, 12.5, 77.75) + (2, 3, 4) * (0.7, 0.9, 3.1), then L -> R and P -> A change sign.
    assert matrix.MultiplyPoint((2, 3, 4, 1))[:3] == pytest.approx((31.25 - 1.4, -12.5 - 2.7, 77.75 + 12.4), abs=1e-12)


def test_slicers_own_writer_puts_the_voxels_where_simpleitk_has_them(scene, make_image, tmp_path):
    image = make_image(np.random.default_rng(1).normal(size=(5, 6, 7)).astype(np.float32))
    node = add_volume(scene, image, "T2W")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(tmp_path / "t2w.nrrd"))
    assert storage.WriteData(node) == 1
    read = sitk.ReadImage(str(tmp_path / "t2w.nrrd"))
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    assert np.abs(corners(read) - corners(image)).max() < 1e-6


def test_a_file_read_by_slicer_gives_the_image_read_by_simpleitk(shared_data, scene):
    path = shared_data / "prostate_tiny" / "ProstateX-0000_t2w.nii.gz"
    image = sitk.ReadImage(str(path))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(node) == 1
    read = to_image(node, "T2W")
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image))
    assert grid_difference_mm(read, image) < 1e-4


def test_linear_transform_is_applied_and_the_node_left_alone(scene, make_image):
    image = make_image(np.arange(60, dtype=np.float32).reshape(3, 4, 5))
    node = add_volume(scene, image, "T2W")
    rigid = vtk.vtkTransform()
    rigid.RotateWXYZ(25, 1, 2, 3)
    rigid.Translate(4, -5, 6)
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(rigid.GetMatrix())
    node.SetAndObserveTransformNodeID(transform.GetID())
    moved = to_image(node, "T2W")
    expected = [lps_to_ras(np.array(rigid.TransformPoint(*lps_to_ras(corner)))) for corner in corners(image)]
    assert np.abs(corners(moved) - expected).max() < 1e-9
    assert node.GetParentTransformNode() is transform
    copy = add_volume(scene, image, "copy")
    copy.SetAndObserveTransformNodeID(transform.GetID())
    copy.HardenTransform()
    assert grid_difference_mm(to_image(copy, "T2W"), moved) < 1e-9


def test_shearing_transform_is_refused_in_words(scene, make_image):
    node = add_volume(scene, make_image(np.zeros((3, 4, 5), np.float32)), "T2W")
    shear = np.eye(4)
    shear[0, 1] = 0.3
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(shear))
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(CaseError, match=r"T2W: the axes are not at right angles \(a shearing transform\?\); resample it"):
        to_image(node, "T2W")


def test_non_linear_transform_is_refused_in_words(scene, make_image):
    node = add_volume(scene, make_image(np.zeros((3, 4, 5), np.float32)), "T2W")
    spline = vtk.vtkThinPlateSplineTransform()
    source, target = vtk.vtkPoints(), vtk.vtkPoints()
    for i in range(5):
        source.InsertNextPoint(i, i * i, i % 3)
        target.InsertNextPoint(i + i % 2, i * i, i % 3)
    spline.SetSourceLandmarks(source)
    spline.SetTargetLandmarks(target)
    spline.SetBasisToR()
    transform = scene.AddNewNodeByClass("vtkMRMLTransformNode")
    transform.SetAndObserveTransformToParent(spline)
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(CaseError, match=r"T2W lies under a transform that is not linear; harden the transform on a copy"):
        to_image(node, "T2W")


def test_empty_and_missing_volumes_are_refused(scene):
    for node in (None, scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode"), scene.AddNewNodeByClass("vtkMRMLModelNode")):
        with pytest.raises(CaseError, match=r"ADC: the chosen volume holds no voxels; load the series"):
            to_image(node, "ADC")


def test_voxel_types_that_slicer_does_not_show_are_refused(scene, make_image):
    with pytest.raises(CaseError, match=r"T2W: 3D Slicer shows no volume of 64-bit signed integer voxels; cast it first"):
        add_volume(scene, make_image(np.zeros((3, 4, 5), np.int64)), "T2W")
    with pytest.raises(CaseError, match=r"a label map has to be uint8, not 16-bit signed integer"):
        add_volume(scene, make_image(np.zeros((3, 4, 5), np.int16)), "Labels", "vtkMRMLLabelMapVolumeNode")
    assert scene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_window_ignores_padding(scene, make_image):
    array = np.zeros((10, 10, 20), np.float32)
    array[:, :, :10] = np.linspace(100, 200, 1000).reshape(10, 10, 10)
    node = add_volume(scene, make_image(array), "T2W")
    set_window(node)
    display = node.GetDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(101, abs=0.2)
    assert display.GetWindowLevelMax() == pytest.approx(199.5, abs=0.2)


def test_matrix_is_the_one_slicer_reads_from_the_same_header(make_image):
    image = make_image(np.zeros((3, 4, 5), np.float32))
    index = (3, 1, 2)
    expected = lps_to_ras(np.array(image.TransformIndexToPhysicalPoint(index)))
    assert (ijk_to_ras(image) @ [*index, 1])[:3] == pytest.approx(expected, abs=1e-12)
