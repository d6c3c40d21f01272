from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError, OutputError
from HabitatPNILib.mrml.exchange import ExportRequest, export_case, load_case
from HabitatPNILib.mrml.geometry import matrix_to_vtk
from HabitatPNILib.mrml.guess import guess_b_value
from HabitatPNILib.mrml.logic import HabitatPNILogic
from HabitatPNILib.mrml.scene import add_case, new_scene
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
from HabitatPNILib.mrml.undo import run
from HabitatPNILib.mrml.volumes import add_volume
from HabitatPNILib.protocol import DiffusionSection
from HabitatPNILib.workbench import read_case

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def from_files(case: dict):
    """What the worker makes of the files, after the description went through JSON."""
    return read_case(json.loads(json.dumps(case)), {}, DiffusionSection())


def same_bits(a: sitk.Image, b: sitk.Image) -> bool:
    return (
        a.GetPixelID() == b.GetPixelID()
        and a.GetSize() == b.GetSize()
        and (a.GetOrigin(), a.GetSpacing(), a.GetDirection()) == (b.GetOrigin(), b.GetSpacing(), b.GetDirection())
        and np.array_equal(sitk.GetArrayViewFromImage(a), sitk.GetArrayViewFromImage(b))
    )


def assert_same_case(a, b):
    assert a.images.keys() == b.images.keys()
    assert all(same_bits(a.images[name], b.images[name]) for name in a.images)
    assert same_bits(a.roi, b.roi)
    assert (a.roi_frame, dict(a.b_values), a.provenance, a.warnings) == (b.roi_frame, dict(b.b_values), b.provenance, b.warnings)


def test_exported_files_are_the_case_of_the_nodes(nodes, tmp_path):
    nodes.dwi.SetAttribute("b_value", "1400")
    request = ExportRequest("c1", {"t2w": nodes.t2w, "dwi": nodes.dwi, "adc": nodes.adc, "low_b": None}, nodes.segmentation)
    steps = export_case(request, tmp_path)
    messages = []
    try:
        while True:
            messages.append(next(steps))
    except StopIteration as end:
        case = end.value
    assert messages[0] == "Reading T2W"
    assert messages[-1] == "Writing the outline"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["adc.nrrd", "dwi.nrrd", "mask.nrrd", "t2w.nrrd"]
    assert (case["case_id"], case["drawn_on"], case["b_values"], case["phantom"]) == ("c1", "t2w", {"dwi": 1400.0}, None)
    expected = HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, case_id="c1")
    assert_same_case(from_files(case), expected)
    assert "DOE" not in str(case)


@pytest.mark.parametrize("kind", [sitk.sitkUInt8, sitk.sitkUInt16, sitk.sitkInt32, sitk.sitkFloat64])
def test_every_kind_of_voxel_and_a_transform_come_through(nodes, tmp_path, kind, analysis):
    move = np.eye(4)
    move[:3, :3] = np.array(sitk.Euler3DTransform((0, 0, 0), 0.1, 0.2, -0.3).GetMatrix()).reshape(3, 3)
    move[:3, 3] = 3.5, -7.25, 11
    transform = nodes.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(move))
    t2w = add_volume(nodes.scene, sitk.Cast(sitk.Clamp(analysis.images["t2w"], sitk.sitkFloat32, 0, 255), kind), "T2W")
    for node in (t2w, nodes.dwi, nodes.adc, nodes.segmentation):
        node.SetAndObserveTransformNodeID(transform.GetID())
    volumes = {"t2w": t2w, "dwi": nodes.dwi, "adc": nodes.adc}
    case = run(export_case(ExportRequest("1", volumes, nodes.segmentation, "tumour", {"dwi": 1000}), tmp_path))
    expected = HabitatPNILogic().case_from_nodes(**volumes, segmentation=nodes.segmentation, segment_id="tumour", b_values={"dwi": 1000})
    assert_same_case(from_files(case), expected)


def test_errors_of_the_export_name_the_case_and_no_node(nodes, tmp_path):
    empty = nodes.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "DOE JOHN")
    with pytest.raises(CaseError, match=r"^Case c7: ADC: the chosen volume holds no voxels"):
        run(export_case(ExportRequest("c7", {"t2w": nodes.t2w, "adc": empty}), tmp_path))
    with pytest.raises(CaseError, match=r"^Case c7: ROI: no segments are called lesion"):
        run(export_case(ExportRequest("c7", {"t2w": nodes.t2w}, nodes.segmentation, "lesion"), tmp_path))
    nodes.dwi.SetAttribute("b_value", "high")
    with pytest.raises(CaseError, match=r"^Case c7: the b-value 'high' of DWI is not a number"):
        run(export_case(ExportRequest("c7", {"dwi": nodes.dwi}), tmp_path))
    with pytest.raises(OutputError, match=r"^t2w\.nrrd could not be written"):
        run(export_case(ExportRequest("c7", {"t2w": nodes.t2w}), tmp_path / "not there"))


@pytest.fixture
def phantom_value(phantom, tmp_path):
    """The ``case`` of the worker's command ``phantom``."""
    case = phantom[0]
    paths = {}
    for name, image in case.images.items():
        paths[name] = str(tmp_path / f"{name}.nrrd")
        sitk.WriteImage(image, paths[name])
    sitk.WriteImage(case.roi, str(tmp_path / "mask.nrrd"))
    return {
        "case_id": case.case_id,
        "images": paths,
        "mask": str(tmp_path / "mask.nrrd"),
        "drawn_on": case.roi_frame,
        "b_values": dict(case.b_values),
        "phantom": case.provenance[0].reason,
    }


def test_phantom_from_files_is_the_phantom_of_add_case(phantom, phantom_value, scene, tmp_path):
    other = new_scene()
    expected = add_case(other, phantom[0])
    nodes = run(load_case(scene, phantom_value))
    assert nodes.keys() == expected.keys()
    assert [n.GetName() for n in nodes.values()] == [n.GetName() for n in expected.values()]
    for name in phantom[0].images:
        for attribute in ("b_value", "HabitatPNI.phantom"):
            assert nodes[name].GetAttribute(attribute) == expected[name].GetAttribute(attribute)
        windows = [n[name].GetDisplayNode().GetWindowLevelMax() for n in (nodes, expected)]
        assert windows[0] == windows[1]
    logic = HabitatPNILogic()
    case = logic.case_from_nodes(**nodes, case_id="p")
    assert case.is_phantom
    assert_same_case(case, logic.case_from_nodes(**expected, case_id="p"))
    segmentation = nodes.pop("segmentation")
    (tmp_path / "export").mkdir()
    exported = run(export_case(ExportRequest("p", nodes, segmentation), tmp_path / "export"))
    assert_same_case(from_files(exported), case)
    nodes["adc"].SetAttribute("HabitatPNI.phantom", None)
    assert not logic.case_from_nodes(**nodes, segmentation=segmentation).is_phantom


def test_loading_closed_early_or_failing_leaves_the_scene(phantom_value, scene):
    ids = [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())]
    for stop in range(1, 10):
        steps = load_case(scene, phantom_value)
        for _ in range(stop):
            next(steps)
        steps.close()
        assert [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())] == ids
    Path(phantom_value["images"]["adc"]).unlink()
    with pytest.raises(OutputError, match=r"adc\.nrrd"):
        run(load_case(scene, phantom_value))
    assert [scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())] == ids


def test_the_panel_side_needs_no_package_that_computes():
    heavy = "torch", "sklearn", "pandas", "pydantic", "scipy", "matplotlib", "psutil", "yaml"
    rooms = "exchange", "results", "scene", "tables", "charts", "guess", "measure", "looks", "undo", "views", "volumes", "segmentations"
    imports = ", ".join(f"HabitatPNILib.mrml.{room}" for room in rooms)
    code = f"import sys, {imports}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_every_step_of_a_large_export_is_short(scene, tmp_path, fastest_steps):
    array = np.random.default_rng(0).integers(0, 1000, (30, 640, 640)).astype(np.int16)
    volume = add_volume(scene, sitk.GetImageFromArray(array), "T2W")
    mask = np.zeros(array.shape, np.uint8)
    mask[10:20, 300:340, 300:340] = 1
    drawn = add_segmentation(scene, sitk.GetImageFromArray(mask), TUMOUR_LOOK, "Segmentation", volume, fill_opacity=0.5)
    fastest = fastest_steps(lambda: export_case(ExportRequest("1", {"t2w": volume}, drawn), tmp_path))
    assert max(fastest.values()) < 0.06, fastest


@pytest.mark.parametrize(("name", "b_values"), [("DWI b600", {"dwi": 600.0}), ("T2 B1964", {}), ("trace", {})])
def test_the_b_value_that_is_shown_is_the_one_that_is_used(nodes, tmp_path, name, b_values):
    nodes.dwi.SetName(name)
    volumes = {"t2w": nodes.t2w, "dwi": nodes.dwi, "adc": nodes.adc}
    assert guess_b_value(nodes.dwi) == b_values.get("dwi")
    assert run(export_case(ExportRequest("c1", volumes), tmp_path))["b_values"] == b_values
    assert HabitatPNILogic().case_from_nodes(**volumes).b_values == b_values
    assert run(export_case(ExportRequest("c1", volumes, b_values={"dwi": 900}), tmp_path))["b_values"] == {"dwi": 900.0}
