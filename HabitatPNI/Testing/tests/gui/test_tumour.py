"""Section Tumour: choice and size of the outline, and a Segment Editor that leaves nothing behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from host import strict

from HabitatPNILib.gui.state import Inputs, State
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation, reference_volume
from HabitatPNILib.mrml.volumes import add_volume


@pytest.fixture
def opened(open_section):
    return open_section("tumour")


def outline(side=20):
    """A T2W volume of 1 mm voxels and a cube drawn on it."""
    array = np.zeros((40, 60, 60), np.uint8)
    array[10 : 10 + side, 20 : 20 + side, 20 : 20 + side] = 1
    labels = sitk.GetImageFromArray(array)
    grey = sitk.GetImageFromArray(np.random.default_rng(1).random(array.shape).astype(np.float32))
    volume = add_volume(slicer.mrmlScene, grey, "T2W")
    return volume, add_segmentation(slicer.mrmlScene, labels, TUMOUR_LOOK, "Outline", volume, fill_opacity=0.5)


def test_size_of_the_chosen_segment_is_said(opened):
    section, panel, ui = opened
    section.refresh(State())
    assert not ui.tumourSizeLabel.isVisible()
    panel.parameters.t2w, panel.parameters.segmentation = outline()
    panel.parameters.segmentID = "tumour"
    section.refresh(State(inputs=Inputs(segmentation=True, segment="tumour")))
    assert ui.tumourSizeLabel.text == "Volume 8.00 mL, largest in-plane diameter 28 mm, 8000 voxels"
    assert not ui.tumourWarningLabel.isVisible()
    assert ui.tumourSegmentSelector.currentNode() is panel.parameters.segmentation
    assert ui.tumourSegmentSelector.currentSegmentID() == "tumour"
    assert ui.tumourSourceSelector.currentNode() is panel.parameters.t2w


def test_small_outline_is_warned_of(opened):
    section, panel, ui = opened
    panel.parameters.t2w, panel.parameters.segmentation = outline(side=3)
    panel.parameters.segmentID = "tumour"
    section.refresh(State(inputs=Inputs(segmentation=True, segment="tumour")))
    assert ui.tumourWarningLabel.isVisible()
    assert ui.tumourWarningLabel.text


def test_outline_is_measured_again_only_when_it_changed(opened, monkeypatch):
    from HabitatPNILib.gui import tumour

    section, panel, ui = opened
    panel.parameters.t2w, node = outline()
    panel.parameters.segmentation, panel.parameters.segmentID = node, "tumour"
    calls = []
    measure = tumour.measure_segment
    monkeypatch.setattr(tumour, "measure_segment", lambda *a: calls.append(1) or measure(*a))
    state = State(inputs=Inputs(segmentation=True, segment="tumour"))
    section.refresh(state)
    section.refresh(state)
    assert len(calls) == 1
    node.GetSegmentation().GetSegment("tumour").GetRepresentation("Binary labelmap").Modified()
    section.refresh(state)
    assert len(calls) == 2
    assert "8000 voxels" in ui.tumourSizeLabel.text


def test_choice_reaches_the_parameter_node(opened):
    section, panel, ui = opened
    _volume, node = outline()
    section.refresh(State())
    ui.tumourSegmentSelector.setCurrentNode(node)
    ui.tumourSegmentSelector.setCurrentSegmentID("tumour")
    assert panel.parameters.segmentation is node
    assert panel.parameters.segmentID == "tumour"
    ui.tumourSegmentSelector.setCurrentNode(None)
    assert panel.parameters.segmentation is None
    assert panel.parameters.segmentID == ""


def test_new_outline_is_an_empty_segment_on_the_t2w(opened):
    section, panel, ui = opened
    section.refresh(State())
    assert not ui.tumourNewButton.enabled
    volume, _node = outline()
    panel.parameters.t2w = volume
    section.refresh(State())
    ui.tumourNewButton.click()
    node = panel.parameters.segmentation
    segment = node.GetSegmentation().GetSegment(panel.parameters.segmentID)
    assert segment.GetName() == "Tumour"
    assert reference_volume(node) is volume
    section.refresh(State(inputs=Inputs(segmentation=True, segment=panel.parameters.segmentID)))
    assert "empty" in ui.tumourWarningLabel.text


def test_source_volume_is_t2w_unless_another_is_chosen(opened):
    section, panel, ui = opened
    volume, _node = outline()
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "ADC")
    panel.parameters.t2w = volume
    section.refresh(State())
    assert ui.tumourSourceSelector.currentNode() is volume
    ui.tumourSourceSelector.setCurrentNode(other)
    section.refresh(State())
    assert ui.tumourSourceSelector.currentNode() is other
    section.release()
    section.refresh(State())
    assert ui.tumourSourceSelector.currentNode() is volume


def test_without_a_main_window_a_line_says_so(opened, monkeypatch):
    section, _panel, ui = opened
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: None)
    section.enter()
    assert ui.tumourEditorFrame.layout().count() == 0
    assert "main window" in ui.tumourEditorLabel.text
    assert ui.tumourEditorLabel.isVisible()
    section.exit()


@pytest.fixture
def editing(opened, monkeypatch):
    """The section with its Segment Editor open, on an outline."""
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: object())
    section, panel, ui = opened
    panel.parameters.t2w, panel.parameters.segmentation = outline()
    panel.parameters.segmentID = "tumour"
    panel.state = State(inputs=Inputs(segmentation=True, segment="tumour"))
    section.enter()
    return section, panel, ui, ui.tumourEditorFrame.layout().itemAt(0).widget()


def test_editor_edits_the_chosen_segment_on_the_source_volume(editing):
    section, panel, ui, editor = editing
    assert editor.segmentationNode() is panel.parameters.segmentation
    assert editor.sourceVolumeNode() is panel.parameters.t2w
    assert editor.currentSegmentID() == "tumour"
    assert not editor.segmentationNodeSelectorVisible
    assert not ui.tumourEditorLabel.isVisible()
    assert editor.mrmlSegmentEditorNode().GetSingletonTag() == "HabitatPNI"
    panel.parameters.segmentation.GetSegmentation().AddEmptySegment("other", "Other")
    editor.setCurrentSegmentID("other")
    section.refresh(panel.state)
    assert editor.currentSegmentID() == "other"


def test_editor_gives_everything_back(editing):
    section, panel, ui, editor = editing
    real = strict.unwrap(editor)
    assert real.shortcuts_installed
    assert real.views_observed
    editor.setActiveEffectByName("Paint")
    section.exit()
    assert (editor.activeEffect(), real.shortcuts_installed, real.views_observed) == (None, False, False)
    section.refresh(panel.state)
    assert not real.shortcuts_installed
    section.enter()
    assert real.shortcuts_installed
    assert ui.tumourEditorFrame.layout().count() == 1
    ui.tumourButton.collapsed = True
    assert (real.shortcuts_installed, real.views_observed) == (False, False)
    ui.tumourButton.collapsed = False
    assert real.shortcuts_installed


def test_effect_is_put_down_while_something_runs(editing):
    section, panel, _ui, editor = editing
    editor.setActiveEffectByName("Paint")
    section.refresh(replace(panel.state, busy=True))
    assert editor.activeEffect() is None


def test_editor_forgets_a_scene_that_closes_and_takes_up_the_next(editing):
    section, panel, _ui, editor = editing
    parameters = panel.parameters
    section.release()
    panel.parameters = None
    section.refresh(State())
    assert editor.mrmlSegmentEditorNode() is None
    assert not strict.unwrap(editor).shortcuts_installed
    panel.parameters = parameters
    section.refresh(panel.state)
    assert editor.segmentationNode() is parameters.segmentation
    assert strict.unwrap(editor).shortcuts_installed


def test_section_stands_a_scene_that_closes(opened):
    section, panel, ui = opened
    section.release()
    panel.parameters = None
    section.refresh(State())
    ui.tumourNewButton.click()
    assert not ui.tumourNewButton.enabled


def test_outline_makes_way_for_every_new_result_once_and_comes_back_when_the_section_is_opened(opened):
    section, panel, ui = opened
    panel.parameters.t2w, node = outline()
    panel.parameters.segmentation, panel.parameters.segmentID = node, "tumour"
    state = State(inputs=Inputs(segmentation=True, segment="tumour"))
    display = node.GetDisplayNode()
    section.refresh(state)
    assert display.GetVisibility()
    for _result in range(2):
        panel.parameters.habitats = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Habitats")
        section.refresh(replace(state, busy=True))
        assert display.GetVisibility()
        section.refresh(state)
        assert not display.GetVisibility()
        assert ui.tumourButton.collapsed
        ui.tumourButton.collapsed = False
        assert display.GetVisibility()
        section.refresh(state)
        assert display.GetVisibility()


def test_outline_that_the_user_hid_stays_hidden(opened):
    section, panel, ui = opened
    panel.parameters.t2w, node = outline()
    panel.parameters.segmentation, panel.parameters.segmentID = node, "tumour"
    node.GetDisplayNode().SetVisibility(False)
    panel.parameters.habitats = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Habitats")
    section.refresh(State(inputs=Inputs(segmentation=True, segment="tumour")))
    ui.tumourButton.collapsed = True
    ui.tumourButton.collapsed = False
    assert not node.GetDisplayNode().GetVisibility()
