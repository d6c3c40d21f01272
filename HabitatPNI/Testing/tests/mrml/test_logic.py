from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import analysis as analysis_module
from HabitatPNILib.errors import CaseError, MissingDependencyError, ModelError
from HabitatPNILib.geometry import grid_difference_mm
from HabitatPNILib.mrml.logic import HabitatPNILogic
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
from HabitatPNILib.mrml.volumes import add_volume

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def test_case_from_nodes_is_the_case_that_was_put_into_the_scene(nodes, analysis):
    nodes.dwi.SetAttribute("b_value", "1400")
    case = HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, clinical={"age": 63}, case_id="c1")
    for name, image in analysis.images.items():
        assert np.array_equal(sitk.GetArrayFromImage(case.images[name]), sitk.GetArrayFromImage(image))
        assert grid_difference_mm(case.images[name], image) < 1e-6
    assert case.roi_frame == "t2w"
    assert np.array_equal(sitk.GetArrayFromImage(case.roi), sitk.GetArrayFromImage(analysis.roi))
    assert (case.case_id, dict(case.clinical), dict(case.b_values)) == ("c1", {"age": 63}, {"dwi": 1400.0})
    assert case.warnings == ()


def test_roi_lies_on_the_sequence_it_was_drawn_on(nodes, make_image):
    array = np.random.default_rng(0).normal(100, 10, (7, 8, 10)).astype(np.float32)
    coarse = make_image(array, spacing=(1.4, 1.8, 3.1))
    dwi = add_volume(nodes.scene, coarse, "DWI")
    mask = np.zeros(array.shape, np.uint8)
    mask[2:5, 2:6, 3:7] = 1
    labels = sitk.GetImageFromArray(mask)
    labels.CopyInformation(coarse)
    drawn = add_segmentation(nodes.scene, labels, TUMOUR_LOOK, "drawn on DWI", dwi, fill_opacity=0.5)
    case = HabitatPNILogic().case_from_nodes(nodes.t2w, dwi, None, drawn)
    assert case.roi_frame == "dwi"
    assert np.array_equal(sitk.GetArrayFromImage(case.roi), mask)
    drawn.SetReferenceImageGeometryParameterFromVolumeNode(None)
    assert HabitatPNILogic().case_from_nodes(nodes.t2w, dwi, None, drawn).roi_frame == "dwi"


def test_same_case_as_from_files(shared_data, scene):
    from HabitatPNILib.imaging.files import read_case_files

    folder = shared_data / "prostate_tiny"
    files = {name: folder / f"ProstateX-0000_{end}.nii.gz" for name, end in (("t2w", "t2w"), ("dwi", "b800"), ("adc", "adc"))}
    expected = read_case_files(**files, roi=folder / "ProstateX-0000_roi_findingsphere_CCBY.nii.gz")
    volumes = {}
    for name, path in files.items():
        volumes[name] = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
        storage.SetFileName(str(path))
        assert storage.ReadData(volumes[name]) == 1
    segmentation = add_segmentation(scene, expected.roi, TUMOUR_LOOK, "roi", volumes[expected.roi_frame], fill_opacity=0.5)
    case = HabitatPNILogic().case_from_nodes(**volumes, segmentation=segmentation)
    assert case.roi_frame == expected.roi_frame
    assert np.array_equal(sitk.GetArrayFromImage(case.roi), sitk.GetArrayFromImage(expected.roi))
    for name, image in expected.images.items():
        assert case.images[name].GetPixelID() == image.GetPixelID()
        assert np.array_equal(sitk.GetArrayFromImage(case.images[name]), sitk.GetArrayFromImage(image))
        assert grid_difference_mm(case.images[name], image) < 1e-4


def test_adc_unit_is_told_and_an_unknown_b_value_left_open(nodes, analysis):
    milli = add_volume(nodes.scene, sitk.Multiply(analysis.images["adc"], 1e-6), "ADC in mm2/s")
    case = HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, milli, nodes.segmentation)
    assert sitk.GetArrayFromImage(case.images["adc"]) == pytest.approx(sitk.GetArrayFromImage(analysis.images["adc"]), rel=1e-5)
    assert "adc unit" in {choice.item for choice in case.provenance}
    assert case.b_values == {}


def test_b_value_given_wins_over_the_nodes(nodes):
    nodes.dwi.SetAttribute("b_value", "1400")
    assert HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, b_values={"dwi": 800}).b_values == {"dwi": 800.0}
    nodes.dwi.SetAttribute("b_value", "high")
    with pytest.raises(CaseError, match=r"^Case c7: the b-value 'high' of DWI is not a number; give it in s/mm2$"):
        HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, case_id="c7")


def test_errors_name_the_case_and_never_a_node(nodes):
    from HabitatPNILib.mrml.geometry import matrix_to_vtk

    shear = np.eye(4)
    shear[0, 1] = 0.5
    transform = nodes.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(matrix_to_vtk(shear))
    nodes.t2w.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(CaseError, match=r"^Case c1: T2W: the axes are not at right angles") as raised:
        HabitatPNILogic().case_from_nodes(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, case_id="c1")
    assert "DOE" not in str(raised.value)


def test_run_hands_the_case_to_analyse_and_passes_errors_through(nodes, analysis, monkeypatch):
    seen = {}

    def analyse(case, model, progress, *, prevalence=None):
        progress(0.5, "Habitats")
        seen.update(case=case, model=model, prevalence=prevalence)
        return analysis

    monkeypatch.setattr(analysis_module, "analyse", analyse)
    steps = []
    inputs = {"t2w": nodes.t2w, "dwi": nodes.dwi, "adc": nodes.adc, "segmentation": nodes.segmentation, "clinical": {"age": 63}}
    before = nodes.scene.GetNumberOfNodes()
    result = HabitatPNILogic().run(**inputs, model=analysis.model, progress=lambda f, m: steps.append((f, m)), prevalence=0.2)
    assert result is analysis
    assert seen["model"] is analysis.model
    assert seen["prevalence"] == 0.2
    assert steps == [(0.5, "Habitats")]
    assert nodes.scene.GetNumberOfNodes() == before
    with pytest.raises(ModelError, match=r"^No model nobody-has-this: "):
        HabitatPNILogic().run(**inputs, model="nobody-has-this")


def test_show_needs_a_scene_outside_slicer(analysis, scene, monkeypatch):
    monkeypatch.delattr(slicer, "mrmlScene", raising=False)
    with pytest.raises(ValueError, match="no Slicer application runs here: give a scene"):
        HabitatPNILogic().show(analysis)
    assert HabitatPNILogic().show(analysis, scene).table.GetScene() is scene


def test_show_uses_slicers_scene(analysis, scene, monkeypatch):
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    assert HabitatPNILogic().show(analysis).habitats.GetScene() is scene


def test_importing_the_logic_costs_nothing():
    heavy = "SimpleITK", "numpy", "torch", "sklearn", "pandas", "pydantic", "slicer", "vtk"
    code = f"import sys, HabitatPNILib.mrml.logic; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_a_package_that_is_not_installed_is_named_with_the_way_to_install_it(monkeypatch, nodes):
    monkeypatch.setitem(sys.modules, "HabitatPNILib.analysis", None)
    with pytest.raises(MissingDependencyError, match=r"is not installed; in Slicer's Python console run slicer\.packaging\.pip_ensure\("):
        HabitatPNILogic().run(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, model="pca-pni-clinical")
