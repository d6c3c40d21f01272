"""Section Images: the button waits for the images, the verdict is in words, the slider fades."""

from __future__ import annotations

from dataclasses import replace

import pytest
import slicer

from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.state import Inputs, Stale, State
from HabitatPNILib.mrml.views import of_class

REGISTRATION = {
    "accepted": True,
    "reason": "",
    "metric_before": 0.41,
    "metric_after": 0.63,
    "displacement_mm": 3.1,
    "parameters": [0.02, 0.0, 0.0, 1.0, 0.0, 2.0],
    "fixed_parameters": [0.0, 0.0, 0.0, 0.0],
}


@pytest.fixture
def model():
    return load_model("pca-pni-phantom")


def volume(name):
    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


def complete(model):
    return State(inputs=Inputs(model=model, model_name=model.name, sequences=frozenset(("t2w", "dwi", "adc"))))


def test_register_waits_for_the_images_and_for_the_worker(open_section, model):
    section, panel, ui = open_section("images")
    section.refresh(State(inputs=Inputs(model=model)))
    assert not ui.imagesRegisterButton.enabled
    section.refresh(complete(model))
    ui.imagesRegisterButton.click()
    assert panel.asked == ["register"]
    section.refresh(replace(complete(model), busy=True))
    assert not ui.imagesRegisterButton.enabled
    assert not ui.imagesT2wSelector.enabled


def test_selectors_and_parameter_node_follow_each_other(open_section):
    section, panel, ui = open_section("images")
    adc = volume("ADC")
    panel.parameters.adc = adc
    section.refresh(State())
    assert ui.imagesAdcSelector.currentNode() is adc
    ui.imagesAdcSelector.setCurrentNode(None)
    assert panel.parameters.adc is None


def test_b_value_of_the_volume_is_shown_until_one_is_typed(open_section):
    section, panel, ui = open_section("images")
    section.refresh(State())
    assert ui.imagesBValueSpinBox.text == "as the volume states"
    dwi = volume("Diffusion")
    panel.parameters.dwi = dwi
    section.refresh(State())
    assert ui.imagesBValueSpinBox.text == "not known; type it"
    dwi.SetAttribute("b_value", "1400")
    section.refresh(State())
    assert ui.imagesBValueSpinBox.text == "1400 s/mm\u00b2 (stated by the volume)"
    ui.imagesBValueSpinBox.setValue(1000)
    assert panel.parameters.dwiBValue == 1000
    assert ui.imagesBValueSpinBox.text == "1000 s/mm\u00b2"


def test_verdict_is_shown_and_greyed_when_outdated(open_section, model):
    section, _panel, ui = open_section("images")
    section.refresh(complete(model))
    assert not ui.imagesResultLabel.isVisible()
    section.refresh(replace(complete(model), registration=REGISTRATION))
    assert ui.imagesResultLabel.text.startswith("Accepted: shift 3.1 mm, rotation 1.1")
    assert ui.imagesResultLabel.isVisible()
    assert ui.imagesResultLabel.enabled
    section.refresh(replace(complete(model), registration=REGISTRATION, stale=Stale(images=True)))
    assert not ui.imagesResultLabel.enabled


def test_slider_fades_from_fixed_to_registered(open_section):
    section, panel, ui = open_section("images")
    view = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode")
    section.refresh(State())
    assert not ui.imagesFadeRow.isVisible()
    panel.parameters.fixed, panel.parameters.registered = volume("ADC"), volume("T2W registered")
    section.refresh(State())
    assert ui.imagesFadeRow.isVisible()
    ui.imagesFadeSlider.setValue(0.75)
    assert view.GetForegroundOpacity() == pytest.approx(0.75)
    assert view.GetBackgroundVolumeID() == panel.parameters.fixed.GetID()
    assert view.GetForegroundVolumeID() == panel.parameters.registered.GetID()
    assert panel.parameters.fade == pytest.approx(0.75)
    assert len(of_class(slicer.mrmlScene, "vtkMRMLSliceCompositeNode")) >= 1


def test_files_of_a_volume_are_read_once(open_section, monkeypatch):
    from HabitatPNILib.gui import images

    section, panel, ui = open_section("images")
    asked = []
    monkeypatch.setattr(images, "guess_b_value", asked.append)
    panel.parameters.dwi = volume("Diffusion")
    for _ in range(3):
        section.refresh(State())
    assert len(asked) == 1
    panel.parameters.dwi.SetAttribute("b_value", "800")
    section.refresh(State())
    assert len(asked) == 2
    assert ui.imagesBValueSpinBox.maximum == 20000


def test_section_stands_a_scene_that_closes(open_section):
    section, panel, ui = open_section("images")
    section.release()
    panel.parameters = None
    section.refresh(State())
    ui.imagesFadeSlider.setValue(0.5)
    assert not ui.imagesRegisterButton.enabled
