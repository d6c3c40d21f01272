from __future__ import annotations

import math
import time

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.mrml.geometry import matrix_to_vtk
from HabitatPNILib.mrml.measure import LARGE_LESION_ML, STANDARD, measure_segment
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
from HabitatPNILib.mrml.volumes import add_volume

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

SPACING = (0.5, 0.5, 3.0)


@pytest.fixture
def drawn(scene, make_image):
    """Function that puts a mask (z, y, x) and a volume on its grid into the scene."""

    def draw(mask, spacing=SPACING):
        volume = add_volume(scene, make_image(np.random.default_rng(0).normal(100, 9, mask.shape).astype(np.float32), spacing), "T2W")
        return add_segmentation(scene, make_image(mask.astype(np.uint8), spacing), TUMOUR_LOOK, "s", volume, fill_opacity=0.5), volume

    return draw


def test_ellipse_has_its_volume_and_long_axis(drawn):
    z, y, x = np.mgrid[:12, :120, :160]
    u, v = (x - 80) * 0.5, (y - 60) * 0.5
    along, across = u * math.cos(0.6) + v * math.sin(0.6), -u * math.sin(0.6) + v * math.cos(0.6)
    mask = ((along / 15) ** 2 + (across / 6) ** 2 <= 1) & (z >= 4) & (z < 8)
    node, volume = drawn(mask)
    found = measure_segment(node, "tumour", {"t2w": volume})
    assert found.voxels == mask.sum()
    assert found.volume_ml == pytest.approx(math.pi * 15 * 6 * 12 / 1000, rel=0.01)
    assert found.diameter_mm == pytest.approx(30, abs=0.8)
    assert found.warnings == ()


def test_diameter_is_the_diagonal_of_a_box_in_plane(drawn):
    mask = np.zeros((9, 40, 50), bool)
    mask[1:8, 3:33, 4:44] = True
    assert measure_segment(drawn(mask)[0], None, {}).diameter_mm == pytest.approx(math.hypot(20, 15), rel=2e-4)


def test_empty_and_tiny_segments_are_said_to_be(drawn):
    mask = np.zeros((9, 40, 50), bool)
    mask[4, 10:15, 10:15] = True
    node, volume = drawn(mask)
    found = measure_segment(node, None, {"dwi": volume})
    assert found.warnings == (
        "The segment is too small for a habitat analysis: about 19 voxels of 1x1x1 mm; 64 are needed",
        "The segment covers about 25 acquired DWI voxels, fewer than 30: its habitats are interpolated",
    )
    easy = {"spacing_mm": [1, 1, 1], "min_roi_voxels": 10, "min_acquired_voxels": 10}
    assert measure_segment(node, None, {"dwi": volume}, easy).warnings == ()
    node.GetSegmentation().AddEmptySegment("new", "New")
    found = measure_segment(node, "new", {"t2w": volume})
    assert (found.volume_ml, found.diameter_mm, found.voxels) == (0, 0, 0)
    assert found.warnings == ("The segment is empty: draw the tumour or choose another segment",)


def test_a_segment_that_leaves_an_image_is_told_by_its_name(drawn, scene, make_image):
    mask = np.zeros((9, 40, 50), bool)
    mask[2:7, 10:30, 10:40] = True
    node, volume = drawn(mask)
    array = np.random.default_rng(1).normal(100, 9, (9, 40, 20)).astype(np.float32)
    half = add_volume(scene, make_image(array, SPACING), "ADC")
    found = measure_segment(node, None, {"t2w": volume, "adc": half, "dwi": None})
    assert found.warnings == ("2000 of 3000 voxels of the segment lie outside the ADC image",)
    away = add_volume(scene, make_image(array, SPACING, origin=(500, 0, 0)), "ADC")
    assert measure_segment(node, None, {"adc": away}).warnings[0].startswith("The segment lies outside the ADC image:")


def test_transforms_count(drawn, scene):
    mask = np.zeros((9, 40, 50), bool)
    mask[2:7, 10:30, 10:40] = True
    node, volume = drawn(mask)
    before = measure_segment(node, None, {"t2w": volume})
    move = np.diag([2.0, 2.0, 2.0, 1.0])
    transform = scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(move))
    for moved in (node, volume):
        moved.SetAndObserveTransformNodeID(transform.GetID())
    after = measure_segment(node, None, {"t2w": volume})
    assert (after.volume_ml, after.diameter_mm) == pytest.approx((8 * before.volume_ml, 2 * before.diameter_mm))
    assert not any("outside" in warning for warning in after.warnings)


def test_a_surface_alone_is_measured_through_voxels(drawn):
    mask = np.zeros((9, 40, 50), bool)
    mask[2:7, 8:32, 10:40] = True
    node, volume = drawn(mask)
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.GetSegmentation().RemoveRepresentation("Binary labelmap")
    assert measure_segment(node, None, {"t2w": volume}).volume_ml == pytest.approx(mask.sum() * 0.75 / 1000, rel=0.1)


def test_wrong_segments_are_refused(drawn):
    node, _ = drawn(np.ones((5, 5, 5), bool))
    with pytest.raises(CaseError, match="no segments are called lesion"):
        measure_segment(node, "lesion", {})
    with pytest.raises(CaseError, match="no segmentation is chosen"):
        measure_segment(None, None, {})


def test_limits_are_those_of_the_standard_protocol():
    from HabitatPNILib.imaging import preprocessing
    from HabitatPNILib.protocol import PreprocessingSection

    assert PreprocessingSection().model_dump(include=set(STANDARD)) == STANDARD
    assert preprocessing.LARGE_LESION_ML == LARGE_LESION_ML


def test_fast_enough_for_the_brush(scene):
    array = np.random.default_rng(0).integers(0, 1000, (30, 640, 640)).astype(np.int16)
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.3, 0.3, 3.0))
    volume = add_volume(scene, image, "T2W")
    z, y, x = np.ogrid[:30, :640, :640]
    mask = sitk.GetImageFromArray((((x - 300) * 0.3) ** 2 + ((y - 320) * 0.3) ** 2 + ((z - 15) * 3) ** 2 < 100).astype(np.uint8))
    mask.CopyInformation(image)
    node = add_segmentation(scene, mask, TUMOUR_LOOK, "s", volume, fill_opacity=0.5)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        assert measure_segment(node, None, {"t2w": volume, "adc": volume}).diameter_mm == pytest.approx(20, abs=0.5)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05
