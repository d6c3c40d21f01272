"""Section Habitats: table, number, looks and curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import qt
import SimpleITK as sitk
import slicer

from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.state import BEST, VECTORS, Inputs, Needs, Stale, State
from HabitatPNILib.mrml.segmentations import add_segmentation, habitat_looks
from HabitatPNILib.mrml.views import of_class
from HabitatPNILib.mrml.volumes import add_volume

HABITATS = (
    {"label": 1, "voxels": 1056, "share": 0.3717, "volume_ml": 1.056, "means": {"t2w": 180.3, "dwi": 66.5, "adc": 736.71}, "absent": False},
    {"label": 2, "voxels": 0, "share": 0.0, "volume_ml": 0.0, "means": {"t2w": None, "dwi": None, "adc": None}, "absent": True},
)


@pytest.fixture
def opened(open_section):
    return open_section("habitats")


def add_habitats():
    array = np.zeros((10, 10, 10), np.uint8)
    array[2:5, 2:8, 2:8], array[5:8, 2:8, 2:8] = 1, 2
    labels = sitk.GetImageFromArray(array)
    reference = add_volume(slicer.mrmlScene, sitk.Cast(labels, sitk.sitkFloat32), "T2W")
    return add_segmentation(slicer.mrmlScene, labels, habitat_looks([1, 2]), "Habitats", reference, fill_opacity=0.5, outline_opacity=0.0)


def test_table_shows_every_habitat_with_its_colour(opened):
    section, _panel, ui = opened
    section.refresh(State())
    assert not ui.habitatsTable.isVisible()
    section.refresh(State(habitats=HABITATS))
    table = ui.habitatsTable
    assert (table.rowCount, table.columnCount) == (2, 7)
    assert [table.item(0, c).text() for c in range(7)] == ["Habitat 1", "1056", "37.2 %", "1.06", "180.3", "66.5", "736.7"]
    assert table.item(1, 0).text() == "Habitat 2 (absent)"
    colour = table.item(0, 0).icon().pixmap(14, 14).toImage().pixelColor(7, 7)
    assert colour.name() == "#d55e00"
    assert table.enabled
    assert table.horizontalHeaderItem(6).text() == "ADC\n(1e-6 mm\u00b2/s)"
    assert "(1 mm)" in ui.habitatsGridLabel.text
    section.refresh(State(habitats=HABITATS, stale=Stale(habitats=True)))
    assert not table.enabled


def test_find_asks_the_panel_once_nothing_is_needed(opened):
    section, panel, ui = opened
    model = load_model("pca-pni-phantom")
    section.refresh(State(inputs=Inputs(model=model), needs=Needs(habitats=("Choose the T2W volume.",))))
    assert not ui.habitatsFindButton.enabled
    section.refresh(State(inputs=Inputs(model=model)))
    ui.habitatsFindButton.click()
    assert panel.asked == ["habitats"]


def test_number_of_ones_own_says_that_it_is_for_looking_only(opened):
    section, panel, ui = opened
    state = State(inputs=Inputs(model=load_model("pca-pni-phantom")))
    section.refresh(state)
    combo = ui.habitatsCountComboBox
    assert [combo.itemText(i) for i in range(combo.count)] == ["as the model (3)", *"23456789", "best by the indices"]
    assert not ui.habitatsNoteLabel.isVisible()
    combo.setCurrentIndex(3)
    assert panel.parameters.habitatCount == 4
    section.refresh(state)
    assert "does not enter the probability" in ui.habitatsNoteLabel.text
    assert ui.habitatsNoteLabel.isVisible()
    panel.parameters.habitatCount = 0
    section.refresh(replace(state, habitats=HABITATS, habitats_from_model=False))
    assert combo.currentIndex == 0
    assert "this case alone" in ui.habitatsNoteLabel.text
    combo.setCurrentIndex(9)
    assert panel.parameters.habitatCount == BEST
    section.refresh(state)
    assert combo.currentText == "best by the indices"
    assert "does not enter the probability" in ui.habitatsNoteLabel.text


def test_what_habitats_are_clustered_from_is_chosen_and_explained(opened):
    section, panel, ui = opened
    model = load_model("pca-pni-phantom")
    section.refresh(State(inputs=Inputs(model=model)))
    combo = ui.habitatsVectorsComboBox
    own, *others = [combo.itemText(i) for i in range(combo.count)]
    assert own == "as the model (intensity)"
    assert others == ["intensity", "texture in the slice (77 features)", "texture in 3D (93 features)"]
    assert not ui.habitatsNoteLabel.isVisible()
    for index, name in enumerate(VECTORS, start=1):
        combo.setCurrentIndex(index)
        assert panel.parameters.habitatVectors == name
        section.refresh(State(inputs=Inputs(model=model)))
        assert combo.toolTip == combo.itemData(index, qt.Qt.ToolTipRole)
        assert "do not enter the probability" in ui.habitatsNoteLabel.text
    assert "half a minute longer" in combo.toolTip
    of_texture = replace(model, protocol={**model.protocol, "habitats": {**model.protocol["habitats"], "texture": {"features": "hcc77"}}})
    panel.parameters.habitatVectors = "of a later version"
    section.refresh(State(inputs=Inputs(model=of_texture)))
    assert (combo.currentIndex, combo.currentText) == (0, "as the model (texture)")
    section.refresh(State(busy=True))
    assert not combo.enabled


def test_the_note_says_what_the_shown_habitats_were_clustered_from(opened):
    section, panel, ui = opened
    state = State(inputs=Inputs(model=load_model("pca-pni-phantom")), habitats=HABITATS, habitats_from_model=False)
    section.refresh(replace(state, shown_vectors="hcc77"))
    assert ui.habitatsNoteLabel.text.startswith(
        "Shown: habitats from texture in the slice (77 features). The habitats shown were clustered"
    )
    panel.parameters.habitatVectors = "intensity"
    section.refresh(replace(state, shown_vectors="all93"))
    assert ui.habitatsNoteLabel.text.startswith("Shown: habitats from texture in 3D (93 features). Your own habitats are for looking")
    section.refresh(state)
    assert "Shown:" not in ui.habitatsNoteLabel.text


def test_choices_are_cut_off_in_no_narrow_panel(opened):
    section, _panel, ui = opened
    section.refresh(State(inputs=Inputs(model=load_model("pca-pni-phantom")), habitats=HABITATS))
    for combo in (ui.habitatsVectorsComboBox, ui.habitatsCountComboBox):
        widest = max(combo.fontMetrics().horizontalAdvance(combo.itemText(i)) for i in range(combo.count))
        assert combo.width > widest
    assert ui.habitatsVectorsComboBox.width == ui.habitatsCountComboBox.width


def test_looks_follow_slider_and_boxes(opened):
    section, panel, ui = opened
    section.refresh(State())
    assert not ui.habitatsLookRow.isVisible()
    panel.parameters.habitats = add_habitats()
    section.refresh(State())
    display = panel.parameters.habitats.GetDisplayNode()
    assert display.GetOpacity2DFill() == pytest.approx(0.5)
    ui.habitatsOpacitySlider.setValue(0.8)
    ui.habitatsOutlineCheckBox.click()
    section.refresh(State())
    assert display.GetOpacity2DOutline() == pytest.approx(0.8)
    assert display.GetVisibility2DOutline()
    assert not display.GetVisibility2DFill()
    ui.habitatsSurfacesCheckBox.click()
    section.refresh(State())
    assert display.GetVisibility3D()
    assert panel.parameters.habitats.GetSegmentation().ContainsRepresentation("Closed surface")


def test_curve_is_shown_in_a_plot_view(opened):
    section, panel, ui = opened
    section.refresh(State())
    assert not ui.habitatsCurveRow.isVisible()
    charts = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode") for _ in range(3)]
    panel.parameters.chartCH, panel.parameters.chartSilhouette, panel.parameters.chartDB = charts
    section.refresh(State())
    ui.habitatsCurveComboBox.setCurrentIndex(1)
    ui.habitatsCurveButton.click()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView
    views = of_class(slicer.mrmlScene, "vtkMRMLPlotViewNode")
    assert {view.GetPlotChartNodeID() for view in views} == {charts[1].GetID()}


def test_section_stands_a_scene_that_closes(opened):
    section, panel, ui = opened
    section.refresh(State(habitats=HABITATS))
    section.release()
    panel.parameters = None
    section.refresh(State())
    assert not ui.habitatsTable.isVisible()
    assert not ui.habitatsFindButton.enabled
