"""What a result is taken away as: report, text, table, scene."""

from __future__ import annotations

import pytest
import qt
import slicer

from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui.state import State
from HabitatPNILib.mrml.views import of_class


@pytest.fixture
def opened(open_section):
    section, panel, ui = open_section("result")
    analysis = analyse(Case("1", {}, clinical={"age": 63, "mrt_stage": 2, "pi_rads": 4}), load_model("pca-pni-clinical")).to_dict()
    section.refresh(State(analysis=analysis))
    return section, panel, ui, analysis


def choose(monkeypatch, path):
    monkeypatch.setattr(qt.QFileDialog, "getSaveFileName", staticmethod(lambda *_a: str(path)), raising=False)


def test_report_goes_to_the_chosen_file_through_the_worker(opened, monkeypatch, tmp_path):
    _section, panel, ui, _analysis = opened
    choose(monkeypatch, tmp_path / "case one")
    ui.resultReportButton.click()
    assert panel.asked == [("report", {"model": "m", "path": str(tmp_path / "case one.html")})]
    assert "case one.html" in panel.lines[-1]


@pytest.mark.parametrize(("answer", "written"), [(True, 1), (False, 0)])
def test_file_that_gets_its_suffix_here_is_not_replaced_unasked(opened, monkeypatch, tmp_path, answer, written):
    _section, panel, ui, _analysis = opened
    (tmp_path / "case.1.html").write_text("earlier", encoding="utf-8")
    choose(monkeypatch, tmp_path / "case.1")
    questions = []
    monkeypatch.setattr(slicer.util, "confirmYesNoDisplay", lambda text: questions.append(text) or answer)
    ui.resultReportButton.click()
    assert questions == ["case.1.html is there already. Replace it?"]
    assert len(panel.asked) == written


def test_no_file_chosen_no_report(opened, monkeypatch):
    _section, panel, ui, _analysis = opened
    choose(monkeypatch, "")
    ui.resultReportButton.click()
    ui.resultSceneButton.click()
    assert panel.asked == []
    assert panel.lines == []


def test_text_is_on_the_clipboard(opened):
    _section, _panel, ui, analysis = opened
    ui.resultCopyButton.click()
    lines = qt.QApplication.clipboard().text().splitlines()
    assert lines[1] == f"Probability of perineural invasion: {100 * analysis['probability']:.1f} %"
    assert "Research use only" in lines[2]


def test_table_is_shown_in_the_table_view(opened):
    section, panel, ui, analysis = opened
    assert not ui.resultTableButton.enabled
    panel.parameters.resultTable = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    section.refresh(State(analysis=analysis))
    ui.resultTableButton.click()
    assert slicer.app.layoutManager().layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView
    views = of_class(slicer.mrmlScene, "vtkMRMLTableViewNode")
    assert {view.GetTableNodeID() for view in views} == {panel.parameters.resultTable.GetID()}


def test_scene_is_saved_where_the_user_says(opened, monkeypatch, tmp_path):
    _section, panel, ui, _analysis = opened
    choose(monkeypatch, tmp_path / "whole")
    saved = []
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: saved.append(path) or True)
    ui.resultSceneButton.click()
    assert saved == [str(tmp_path / "whole.mrb")]
    assert "whole.mrb" in panel.lines[-1]


def test_scene_that_cannot_be_written_is_said(opened, monkeypatch, tmp_path):
    _section, panel, ui, _analysis = opened
    choose(monkeypatch, tmp_path / "whole.mrb")
    messages = []
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: False)
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_k: messages.append(text))
    ui.resultSceneButton.click()
    assert "choose another folder" in messages[0]
    assert panel.lines == []
