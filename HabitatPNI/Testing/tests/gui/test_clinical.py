"""Section Clinical: fields of the model's predictors, cautions and errors beside them, values kept over a change of model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import qt

from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.state import Inputs, State


def state_of(model, **changes):
    return replace(State(inputs=Inputs(model=model)), **changes)


@pytest.fixture
def opened(open_section):
    section, panel, ui = open_section("clinical")
    state = state_of(load_model("pca-pni-clinical"))
    section.refresh(state)

    def field(name):
        return ui.clinicalFields.findChild(qt.QWidget, f"clinicalField_{name}")

    return section, panel, ui, field, state


def test_fields_are_those_of_the_model(opened):
    _section, _panel, ui, field, _state = opened
    assert ui.clinicalFields.layout().rowCount() == 3
    assert field("age").placeholderText == "44 to 94 in training"
    assert "possible 18 to 120 years" in field("age").toolTip
    combo = field("mrt_stage")
    assert [combo.itemText(i) for i in range(combo.count)] == ["choose", "T1", "T2", "T3", "T4"]


def test_what_is_typed_reaches_the_parameter_node(opened):
    _section, panel, _ui, field, _state = opened
    field("age").setText("63")
    field("mrt_stage").setCurrentIndex(2)
    assert dict(panel.parameters.clinical) == {"age": "63", "mrt_stage": "2"}
    field("mrt_stage").setCurrentIndex(0)
    field("age").setText(" ")
    assert dict(panel.parameters.clinical) == {}


def test_value_outside_the_training_range_is_marked_and_kept(opened):
    section, panel, ui, field, state = opened
    field("age").setText("96")
    section.refresh(state)
    assert ui.clinicalWarningLabel.isVisible()
    assert "outside the training range 44 to 94" in ui.clinicalWarningLabel.text
    assert field("age").styleSheet
    assert not ui.clinicalErrorLabel.isVisible()
    assert panel.parameters.clinical["age"] == "96"
    field("age").setText("63")
    section.refresh(state)
    assert not ui.clinicalWarningLabel.isVisible()
    assert field("age").styleSheet == ""


@pytest.mark.parametrize(("text", "words"), [("200", "is impossible"), ("old", "is not a number"), ("6,350", "is not a number")])
def test_impossible_value_is_an_error_in_words(opened, text, words):
    section, _panel, ui, field, state = opened
    field("age").setText(text)
    section.refresh(state)
    assert words in ui.clinicalErrorLabel.text
    assert ui.clinicalErrorLabel.isVisible()
    assert not ui.clinicalWarningLabel.isVisible()


def test_values_from_the_scene_fill_the_fields(opened):
    section, panel, _ui, field, state = opened
    panel.parameters.clinical = {"age": "70", "mrt_stage": "T3", "pi_rads": "2"}
    section.refresh(state)
    assert field("age").text == "70"
    assert field("mrt_stage").currentText == "T3"
    assert field("pi_rads").currentText == "\u2264 3"
    assert dict(panel.parameters.clinical) == {"age": "70", "mrt_stage": "T3", "pi_rads": "2"}


def test_another_model_keeps_the_values_of_the_same_name(opened):
    section, panel, ui, field, state = opened
    field("age").setText("63")
    field("pi_rads").setCurrentIndex(1)
    smaller = replace(state.model, predictors=state.model.predictors[:2], name="smaller")
    section.refresh(state_of(smaller))
    assert ui.clinicalFields.layout().rowCount() == 2
    assert field("age").text == "63"
    section.refresh(state)
    assert field("pi_rads").currentIndex == 1
    assert dict(panel.parameters.clinical) == {"age": "63", "pi_rads": "3"}


def test_prevalence_is_asked_only_of_a_model_that_takes_one(opened):
    section, panel, ui, _field, _state = opened
    assert ui.clinicalPrevalenceRow.isVisible()
    assert ui.clinicalPrevalenceSpinBox.text == "the model's own, 19.4 %"
    ui.clinicalPrevalenceSpinBox.setValue(30)
    assert panel.parameters.prevalence == 30
    section.refresh(state_of(load_model("pca-pni-phantom")))
    assert not ui.clinicalPrevalenceRow.isVisible()


def test_typing_on_is_not_disturbed_by_a_repaint(opened):
    section, panel, _ui, field, state = opened
    field("age").setText("6")
    field("age").setCursorPosition(0)
    section.refresh(state)
    assert field("age").cursorPosition == 0
    assert panel.parameters.clinical["age"] == "6"


def test_fields_are_locked_while_something_runs_and_without_a_scene(opened):
    section, panel, ui, _field, state = opened
    section.refresh(replace(state, busy=True))
    assert not ui.clinicalFields.enabled
    section.release()
    panel.parameters = None
    section.refresh(State())
    field_count = ui.clinicalFields.layout().rowCount()
    assert field_count == 0
