"""The phantom patient in the module Sample Data."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from host import dialogs
from host.sample_data import press

from HabitatPNILib.gui import sample_data
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.mrml.logic import HabitatPNILogic
from HabitatPNILib.mrml.views import of_class


@pytest.fixture(autouse=True)
def empty_scene():
    slicer.mrmlScene.Clear()
    earlier = vars(slicer.modules).pop("sampleDataSources", None)
    dialogs.forget()
    yield
    slicer.mrmlScene.Clear()
    vars(slicer.modules).pop("sampleDataSources", None)
    dialogs.forget()
    if earlier is not None:
        slicer.modules.sampleDataSources = earlier


def test_the_entry_is_there_once_with_its_picture_and_nothing_to_download():
    sample_data.register_sample_data()
    sample_data.register_sample_data()
    (source,) = slicer.modules.sampleDataSources["HabitatPNI"]
    assert source.sampleDescription == "HabitatPNI phantom"
    assert Path(source.thumbnailFileName).read_bytes().startswith(b"\x89PNG")
    assert source.uris == []


def test_its_button_adds_the_phantom_to_the_scene_and_shows_the_tumour():
    sample_data.register_sample_data()
    nodes = press("HabitatPNI", "HabitatPNI phantom")
    case, _ = phantom_case(sample_data.SEED, case_id=sample_data.SAMPLE_NAME)
    assert [node.GetClassName() for node in nodes] == ["vtkMRMLScalarVolumeNode"] * 4 + ["vtkMRMLSegmentationNode"]
    assert all(node.GetScene() is slicer.mrmlScene for node in nodes)
    read = HabitatPNILogic().case_from_nodes(*nodes[:3], nodes[4], low_b=nodes[3])
    for name, image in case.images.items():
        np.testing.assert_array_equal(sitk.GetArrayFromImage(read.images[name]), sitk.GetArrayFromImage(image))
    assert read.is_phantom
    assert dict(read.b_values) == {"dwi": 1400.0, "low_b": 50.0}
    assert nodes[0].GetDescription() == "Digital phantom, no patient. Clinical values: age 71.2, mrt_stage 2, pi_rads 5"
    composites = of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode")
    assert composites
    assert {composite.GetBackgroundVolumeID() for composite in composites} == {nodes[0].GetID()}
    (axial,) = [view for view in of_class(slicer.mrmlScene, "vtkMRMLSliceNode") if view.GetLayoutName() == "Red"]
    positions = np.argwhere(sitk.GetArrayFromImage(case.roi))[:, ::-1]
    centre = np.mean([case.roi.TransformContinuousIndexToPhysicalPoint(p.tolist()) for p in positions], axis=0) * (-1, -1, 1)
    assert abs(axial.GetSliceToRAS().GetElement(2, 3) - centre[2]) < 2.0


def test_a_failure_says_what_failed_and_leaves_the_scene(monkeypatch):
    def fail(*_, **__):
        raise MemoryError("no memory")

    monkeypatch.setattr("HabitatPNILib.imaging.phantom.phantom_case", fail)
    dialogs.answer_with("Ok")
    with pytest.raises(MemoryError):
        sample_data.add_phantom()
    (dialog,) = dialogs.shown
    assert dialog.text == "The phantom patient could not be made.\n\nno memory"
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_nothing_happens_where_slicer_runs_without_the_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "SampleData", None)
    sample_data.register_sample_data()
    assert not hasattr(slicer.modules, "sampleDataSources")
