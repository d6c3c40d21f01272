"""Section Result: the notice before the number, the number, its class, contributions, nomogram; greyed when outdated."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest
import slicer

from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.drawing import png_bytes
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.state import Stale, State
from HabitatPNILib.nomogram.figure import draw_nomogram
from HabitatPNILib.nomogram.points import Nomogram


@pytest.fixture(scope="module")
def analysis():
    model = load_model("pca-pni-clinical")
    return analyse(Case("1", {}, clinical={"age": 96, "mrt_stage": 2, "pi_rads": 4}), model)


@pytest.fixture
def values(analysis):
    return json.loads(json.dumps(analysis.to_dict()))


@pytest.fixture
def opened(open_section):
    return open_section("result")


def shown_width(label):
    """Width of a label's picture as it is shown, whatever the density of the display."""
    return label.pixmap.width() / label.pixmap.devicePixelRatio()


def test_nothing_is_shown_without_a_result(opened):
    section, _panel, ui = opened
    section.refresh(State())
    assert not ui.resultContent.isVisible()
    assert not ui.resultExportRow.isVisible()


def test_answer_is_the_number_with_its_notice_class_and_model(opened, values):
    section, _panel, ui = opened
    section.refresh(State(analysis=values))
    assert ui.resultContent.isVisible()
    assert ui.resultProbabilityLabel.text == f"{100 * values['probability']:.1f} %"
    assert ui.resultNoticeLabel.text.startswith("About this number\n")
    assert "Research use only" in ui.resultNoticeLabel.text
    assert ui.resultNoticeLabel.y < ui.resultProbabilityLabel.y
    assert ui.resultClassLabel.text == "Lower risk: below the cut-off of 19.4 %"
    assert ui.resultWarningLabel.text.startswith("1 warning\n\u2022 Age 96 years lies outside")
    assert ui.resultModelLabel.text.startswith("Model pca-pni-clinical 1.0.0: ")
    assert ui.resultBarLabel.pixmap.width() > 0


def test_demonstration_model_on_a_patient_raises_the_alarm(opened, values):
    section, _panel, ui = opened
    section.refresh(State(analysis=values))
    calm = ui.resultNoticeLabel.styleSheet
    section.refresh(State(analysis={**values, "model": {**values["model"], "demonstration": True}}))
    assert ui.resultNoticeLabel.text.startswith("Do not use this number\n")
    assert ui.resultNoticeLabel.styleSheet != calm


def test_every_predictor_has_a_row_and_a_bar(opened, values):
    section, _panel, ui = opened
    section.refresh(State(analysis=values))
    table = ui.resultContributionsTable
    assert table.rowCount == len(values["contributions"]) == 3
    largest = max(values["contributions"], key=lambda c: abs(c["log_odds"]))
    assert table.item(0, 0).text() == largest["label"]
    assert table.item(0, 2).text() == f"{largest['log_odds']:+.2f}".replace("-", "\u2212")
    assert [shown_width(table.cellWidget(row, 3)) for row in range(3)] == [90, 90, 90]


def test_nomogram_is_drawn_as_wide_as_the_section_and_enlarged(opened, analysis, values):
    section, panel, ui = opened
    section.refresh(State(analysis=values))
    assert not ui.resultNomogramLabel.isVisible()
    figure = draw_nomogram(
        Nomogram.from_model(analysis.model, analysis.intercept), {c.name: c.value for c in analysis.contributions}, "PNI"
    )
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    node.SetText(base64.b64encode(png_bytes(figure)).decode())
    panel.parameters.nomogram = node
    section.refresh(State(analysis=values))
    assert ui.resultNomogramLabel.isVisible()
    assert shown_width(ui.resultNomogramLabel) == ui.resultSection.width
    ui.resultEnlargeButton.click()
    assert section._window.isVisible()
    section.release()
    assert section._window is None


def test_images_that_did_not_enter_raise_the_alarm_and_a_radscore_is_explained(opened, values):
    section, _panel, ui = opened
    section.refresh(State(analysis=values))
    calm = ui.resultNoticeLabel.styleSheet
    assert not ui.resultRadscoreLabel.isVisible()
    radscore = {**values["contributions"][0], "name": "radscore_habitat1", "label": "Radscore habitat 1", "imputed": True}
    section.refresh(State(analysis={**values, "contributions": [*values["contributions"], radscore]}))
    assert ui.resultNoticeLabel.text.startswith("Not an answer of the images\n")
    assert ui.resultNoticeLabel.styleSheet != calm
    assert ui.resultRadscoreLabel.isVisible()


@pytest.mark.parametrize("text", ["", "no base64!", "aGFiaXRhdA=="])
def test_nomogram_that_is_none_is_left_out(opened, values, text):
    section, panel, ui = opened
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode")
    node.SetText(text)
    panel.parameters.nomogram = node
    section.refresh(State(analysis=values))
    assert ui.resultContent.isVisible()
    assert not ui.resultEnlargeButton.isVisible()


def test_outdated_result_is_greyed_and_not_handed_on(opened, values):
    section, _panel, ui = opened
    state = State(analysis=values)
    section.refresh(state)
    assert ui.resultContent.enabled
    assert ui.resultReportButton.enabled
    section.refresh(replace(state, stale=Stale(result=True)))
    assert not ui.resultContent.enabled
    assert not ui.resultReportButton.enabled
    assert not ui.resultCopyButton.enabled
    assert ui.resultSceneButton.enabled


def test_section_stands_a_scene_that_closes(opened, values):
    section, panel, ui = opened
    section.refresh(State(analysis=values))
    section.release()
    panel.parameters = None
    section.refresh(State())
    assert not ui.resultContent.isVisible()
