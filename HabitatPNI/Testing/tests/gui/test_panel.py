"""The panel in the stand-in host, driven by clicks, with a worker that repeats the real one's answers."""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import tempfile
import unittest
import weakref
from pathlib import Path

import host
import pytest
import slicer
import vtk
from host import dialogs, signals, strict
from host.module import close_module, open_module, select_another_module, select_module, spin
from host.slicer_packaging import pip

from HabitatPNILib.gui import jobs, process, run_bar
from HabitatPNILib.gui.commands import PHANTOM_MODEL

MODULE = Path(__file__).resolve().parents[3]
CLINICAL = {"age": "63", "mrt_stage": "T2", "pi_rads": "4"}


@pytest.fixture(scope="session")
def real_answers(tmp_path_factory, small_model, phantom, phantom_files):
    """Folder with what the real worker answers on the phantom case and the small model."""
    folder = tmp_path_factory.mktemp("answers")
    images = {name: str(phantom_files / f"{name}.nrrd") for name in phantom[0].images}
    case = {"case_id": "1", "images": images, "mask": str(phantom_files / "roi.nrrd"), "drawn_on": "t2w"}
    case |= {"b_values": dict(phantom[0].b_values), "phantom": "a phantom of the tests"}
    commands = [
        {"command": "register", "case": case},
        {"command": "habitats", "case": case, "k": 4},
        {"command": "analyse", "case": case, "clinical": CLINICAL, "prevalence": None},
        {"command": "weights", "action": "status"},
    ]
    lines = []
    for number, command in enumerate(commands):
        made_in = folder / f"made {command['command']}"
        made_in.mkdir()
        lines.append(json.dumps({"id": number, "model": str(small_model.folder), "folder": str(made_in), **command}))
    python = [sys.executable, str(MODULE / "HabitatPNILib" / "worker.py")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(python, **pipes, encoding="utf-8") as worker:
        worker.stdin.write("\n".join(lines) + "\n")
        worker.stdin.flush()
        answers = {}
        while len(answers) < len(commands):
            message = json.loads(worker.stdout.readline())
            assert message["type"] != "error", message
            if message["type"] == "result":
                answers[message["id"]] = message["value"]
        worker.stdin.close()
    for number, command in enumerate(commands):
        made_in = str(folder / f"made {command['command']}")
        (folder / f"{command['command']}.json").write_text(json.dumps({"folder": made_in, "value": answers[number]}), encoding="utf-8")
    phantom_value = {"case": case, "clinical": {name: float(value) for name, value in phantom[0].clinical.items()}, "b_values": {}}
    (folder / "phantom.json").write_text(json.dumps({"folder": "/nowhere", "value": phantom_value}), encoding="utf-8")
    (folder / "warm.json").write_text('{"folder": "/nowhere", "value": {}}', encoding="utf-8")
    return folder


@pytest.fixture
def answers(real_answers, monkeypatch):
    """The same, with no delay; write seconds into ``delay`` to have one."""
    (real_answers / "delay").write_text("0", encoding="utf-8")
    monkeypatch.setenv("HABITATPNI_TEST_ANSWERS", str(real_answers))
    monkeypatch.setattr(process, "_WORKER", Path(__file__).with_name("fake_worker.py"))
    return real_answers


@pytest.fixture
def clean(tmp_path, monkeypatch, small_model):
    """An empty scene, no scripted dialog; nothing may be left of them, nor a temporary folder, nor an exception in a slot."""
    models = tmp_path / "models"
    shutil.copytree(small_model.folder, models / "small")
    monkeypatch.setenv("HABITATPNI_MODELS", str(models))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    slicer.mrmlScene.Clear()
    dialogs.forget()
    pip.forget()
    signals.errors.clear()
    slicer.app.userSettings().remove("HabitatPNI/models")
    yield models
    dialogs.verify()
    assert signals.errors == []
    assert list(tmp_path.glob("HabitatPNI-*")) == []
    slicer.mrmlScene.Clear()
    pip.forget()


@pytest.fixture
def opened(answers, clean):
    widget = open_module()
    yield widget
    close_module(widget)


@pytest.fixture
def panel(opened):
    return opened.panel


def finish(panel, seconds=30):
    spin(lambda: not panel.busy, seconds)
    spin(None, 0.05)


@pytest.fixture
def ready(panel):
    """A panel with the phantom patient and the small model chosen."""
    panel.try_phantom()
    finish(panel)
    panel.parameters.model = "small"
    panel.parameters.clinical = dict(CLINICAL)
    spin(None, 0.05)
    assert panel.state.needs.result == ()
    return panel


@pytest.fixture
def analysed(ready):
    host.click(ready.ui.runAllButton)
    finish(ready)
    assert ready.state.analysis is not None
    return ready


def contents(scene=None):
    """Every node of the scene with what it says of itself, but for the times."""
    scene = scene or slicer.mrmlScene
    nodes = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
    texts = {}
    for node in nodes:
        passing = ("MTime", "Modified Time", "Count", "Observer", "Compute Time", "0x")
        texts[node.GetID()] = [line for line in str(node).splitlines() if not any(word in line for word in passing)]
    return texts


def test_the_panel_opens_and_says_what_it_needs(panel):
    ui = panel.ui
    assert [ui.modelComboBox.itemText(i) for i in range(ui.modelComboBox.count)][:2] == ["Choose a model", "small"]
    assert ui.runAllButton.text == "Run all"
    assert ui.imagesStateLabel.text == "Choose a volume for T2W, DWI, ADC."
    assert ui.useLabel.text == "Research use only"
    assert not panel.worker.alive


def test_run_all_names_what_the_first_section_needs_and_starts_nothing(panel):
    panel.ui.modelComboBox.setCurrentIndex(1)
    assert panel.parameters.model == "small"
    panel.ui.imagesButton.collapsed = True
    dialogs.answer_with("Ok")
    host.click(panel.ui.runAllButton)
    (box,) = dialogs.shown
    assert box.text == "Images:\nChoose a volume for T2W, DWI, ADC."
    assert not panel.ui.imagesButton.collapsed
    assert not panel.busy
    assert not panel.worker.alive


def test_try_it_chooses_everything_and_run_all_answers(panel):
    panel.try_phantom()
    assert panel.busy
    finish(panel)
    parameters = panel.parameters
    assert parameters.model == PHANTOM_MODEL
    assert all(getattr(parameters, name) is not None for name in ("t2w", "dwi", "adc", "lowB", "segmentation"))
    assert panel.state.needs.result == ()
    host.click(panel.ui.runAllButton)
    assert panel.busy
    finish(panel)
    assert panel.state.analysis["probability"] == pytest.approx(0.5, abs=0.5)
    assert parameters.resultText.GetScene() is slicer.mrmlScene
    assert panel.ui.runAllButton.text == "Run all"
    assert "done in" in panel.ui.stageLabel.text
    assert not panel.ui.resultButton.collapsed


def test_the_button_is_cancel_and_inputs_are_locked_while_it_runs(ready, answers):
    (answers / "delay").write_text("0.6", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    spin(lambda: "pretending" in ready.ui.stageLabel.text)
    ui = ready.ui
    assert ui.runAllButton.text == "Cancel"
    for widget in (ui.modelComboBox, ui.imagesT2wSelector, ui.tumourSegmentSelector, ui.habitatsFindButton, ui.clinicalFields):
        assert not widget.enabled
    assert 0 < ui.progressBar.value < 1000
    spin(lambda: ui.stageLabel.text == "pretending... 0 s")
    finish(ready)
    assert ui.imagesT2wSelector.enabled


@pytest.mark.parametrize("stage", ["at once", "export", "start", "compute", "load"])
def test_cancel_leaves_the_scene_as_it_was(ready, answers, stage, monkeypatch):
    monkeypatch.setattr(run_bar, "_DOUBLE_CLICK_S", -1.0)
    (answers / "delay").write_text("5" if stage == "compute" else "0.1", encoding="utf-8")
    if stage == "start":
        ready.worker.close()
    before = contents()
    host.click(ready.ui.runAllButton)
    reached = {
        "at once": lambda: True,
        "export": lambda: "Writing" in ready.ui.logTextEdit.plainText,
        "start": lambda: ready.worker.alive,
        "compute": lambda: "pretending" in ready.ui.stageLabel.text,
        "load": lambda: slicer.mrmlScene.GetNumberOfNodes() > len(before) + 4,
    }[stage]
    spin(reached)
    assert ready.busy
    host.click(ready.ui.runAllButton)
    assert not ready.busy
    spin(None, 0.1)
    assert ready.ui.stageLabel.text == "Cancelled"
    assert ready.ui.runAllButton.text == "Run all"
    assert contents() == before
    (answers / "delay").write_text("0", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    finish(ready)
    assert ready.state.analysis is not None


def test_scene_closed_half_way(ready, answers):
    (answers / "delay").write_text("5", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    spin(lambda: "pretending" in ready.ui.stageLabel.text)
    slicer.mrmlScene.Clear()
    spin(None, 0.2)
    assert not ready.busy
    assert not ready.worker.alive
    assert ready.parameters is not None
    assert ready.parameters.t2w is None
    assert ready.ui.stageLabel.text == ""
    assert ready.state.analysis is None
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_scene_closed_while_loading(ready):
    host.click(ready.ui.runAllButton)
    count = slicer.mrmlScene.GetNumberOfNodes()
    spin(lambda: slicer.mrmlScene.GetNumberOfNodes() > count + 2)
    slicer.mrmlScene.Clear()
    spin(None, 0.2)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0
    assert not ready.busy


def test_a_worker_that_dies_offers_retry_and_retry_answers(ready, answers):
    (answers / "die").touch()
    dialogs.answer_with("Retry")
    host.click(ready.ui.runAllButton)
    spin(lambda: dialogs.shown)
    finish(ready)
    (box,) = dialogs.shown
    assert "out of memory" in box.text
    assert "out of memory" in box.detailed_text
    assert ready.state.analysis is not None


def test_an_error_of_the_library_is_one_box_and_the_button_is_free(ready, answers):
    dialogs.answer_with("Ok")
    ready.run("unheard-of", {}, lambda _value: None)
    finish(ready)
    spin(lambda: dialogs.shown)
    assert dialogs.shown[0].text == "no command unheard-of"
    assert "no command unheard-of" in ready.ui.logTextEdit.plainText
    assert ready.ui.runAllButton.enabled
    assert ready.ui.runAllButton.text == "Run all"


def test_refused_packages_leave_a_message_and_a_free_panel(ready):
    pip.missing.add("torch")
    dialogs.answer_with("Cancel", "Ok")
    host.click(ready.ui.runAllButton)
    finish(ready)
    spin(lambda: len(dialogs.shown) == 2)
    assert "declined" in dialogs.shown[1].text
    assert ready.state.analysis is None
    assert ready.ui.runAllButton.text == "Run all"


def test_register_alone_shows_the_moving_image_and_habitats_alone_their_number(ready):
    ready.register()
    finish(ready)
    assert ready.state.registration["accepted"]
    assert ready.parameters.registered.GetName().startswith("T2W registered")
    assert ready.parameters.fixed is ready.parameters.adc
    ready.parameters.habitatCount = 4
    ready.find_habitats()
    finish(ready)
    assert len(ready.state.habitats) == 4
    assert not ready.state.habitats_from_model
    assert ready.parameters.habitats.GetSegmentation().GetNumberOfSegments() >= 3
    assert ready.parameters.chartCH is not None
    assert ready.state.analysis is None
    assert not any(vars(ready.state.stale).values())


def test_habitats_of_ones_own_choosing_are_asked_for_and_run_all_goes_back_to_the_model_s(ready, monkeypatch):
    asked, on_case = [], jobs.on_case

    def recorded(name, request, arguments, load=None):
        asked.append((name, arguments.get("k"), arguments.get("vectors")))
        return on_case(name, request, arguments, load)

    monkeypatch.setattr(jobs, "on_case", recorded)
    ready.find_habitats()
    finish(ready)
    ready.ui.habitatsVectorsComboBox.setCurrentIndex(2)
    ready.ui.habitatsCountComboBox.setCurrentIndex(9)
    spin(None, 0.05)
    assert ready.state.stale.habitats
    ready.find_habitats()
    finish(ready)
    assert asked == [("habitats", None, None), ("habitats", "best", "hcc77")]
    assert not any(vars(ready.state.stale).values())
    assert "do not enter the probability" in ready.ui.habitatsNoteLabel.text
    assert ready.state.shown_vectors == "hcc77"
    assert ready.ui.habitatsNoteLabel.text.startswith("Shown: habitats from texture in the slice")
    kept = json.loads(ready.parameters.habitatsJson)
    del kept["vectors"]  # a scene of before
    ready.parameters.habitatsJson = json.dumps(kept)
    spin(None, 0.05)
    assert "Shown:" not in ready.ui.habitatsNoteLabel.text
    ready.parameters.habitatVectors = ""
    spin(None, 0.05)
    assert ready.state.stale.habitats
    ready.parameters.habitatVectors = "all93"
    host.click(ready.ui.runAllButton)
    finish(ready)
    assert (ready.parameters.habitatCount, ready.parameters.habitatVectors) == (0, "")
    assert asked[2:] == [("analyse", None, None)]
    assert not any(vars(ready.state.stale).values())
    assert not ready.ui.habitatsNoteLabel.isVisible()


def test_changed_inputs_make_results_stale(analysed):
    panel, parameters = analysed, analysed.parameters
    assert not any(vars(panel.state.stale).values())
    parameters.clinical = {**CLINICAL, "age": "64"}
    spin(None, 0.05)
    assert panel.state.stale.result
    assert "Out of date" in panel.ui.resultStateLabel.text
    parameters.clinical = dict(CLINICAL)
    spin(None, 0.05)
    assert not panel.state.stale.result
    parameters.t2w.InvokeEvent(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
    spin(None, 0.05)
    assert panel.state.stale.images
    assert panel.state.stale.habitats
    assert panel.state.stale.result


def test_another_outline_makes_habitats_and_result_stale_but_not_the_registration(analysed):
    analysed.parameters.segmentation.GetSegmentation().InvokeEvent(slicer.vtkSegmentation.SourceRepresentationModified)
    spin(None, 0.05)
    stale = analysed.state.stale
    assert (stale.images, stale.habitats, stale.result) == (False, True, True)


def test_an_input_changed_during_the_run_makes_the_result_stale_on_arrival(ready, answers):
    (answers / "delay").write_text("0.3", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    spin(lambda: "pretending" in ready.ui.stageLabel.text)
    ready.parameters.t2w.InvokeEvent(slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent)
    finish(ready)
    assert ready.state.analysis is not None
    assert ready.state.stale.result


def test_running_again_replaces_the_result(analysed):
    count = slicer.mrmlScene.GetNumberOfNodes()
    old = analysed.parameters.resultTable
    host.click(analysed.ui.runAllButton)
    finish(analysed)
    assert slicer.mrmlScene.GetNumberOfNodes() == count
    assert old.GetScene() is None
    assert not any(vars(analysed.state.stale).values())


def test_a_clinical_model_runs_without_images(panel, answers):
    panel.parameters.model = "pca-pni-clinical"
    panel.parameters.clinical = dict(CLINICAL)
    spin(None, 0.05)
    assert panel.state.needs.result == ()
    dialogs.answer_with("Ok")
    panel.run("unheard-of", {}, lambda _value: None)  # the case without images goes out all the same
    finish(panel)
    spin(lambda: dialogs.shown)


def test_saved_and_loaded_the_panel_is_repainted_from_nodes_alone(analysed, tmp_path, opened):
    probability = analysed.state.analysis["probability"]
    shown = analysed.ui.resultProbabilityLabel.text
    assert slicer.util.saveScene(str(tmp_path / "case.mrb"))
    slicer.mrmlScene.Clear()
    spin(None, 0.05)
    assert analysed.state.analysis is None
    analysed.worker.close()
    slicer.util.loadScene(str(tmp_path / "case.mrb"))
    spin(None, 0.1)
    assert analysed.state.analysis["probability"] == probability
    assert analysed.ui.resultProbabilityLabel.text == shown
    assert analysed.parameters.model == "small"
    assert analysed.parameters.t2w is not None
    assert analysed.parameters.nomogram is not None
    assert len(analysed.state.habitats) == 3
    assert not any(vars(analysed.state.stale).values())
    assert not analysed.worker.alive


def test_a_scene_loaded_beside_an_open_case_changes_nothing_of_it(analysed, tmp_path):
    other = slicer.vtkMRMLScene()
    other.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "unrelated")
    assert other.Commit(str(tmp_path / "other.mrml"))
    before = {name: analysed.parameters.getValue(name) for name in analysed.parameters.allParameters}
    slicer.mrmlScene.SetURL(str(tmp_path / "other.mrml"))
    assert slicer.mrmlScene.Import()
    spin(None, 0.1)
    assert slicer.mrmlScene.GetFirstNodeByName("unrelated") is not None
    assert {name: analysed.parameters.getValue(name) for name in before} == before
    assert analysed.ui.imagesAdcSelector.currentNode() is analysed.parameters.adc
    assert not any(vars(analysed.state.stale).values())


def test_a_job_that_ends_while_a_scene_is_imported_or_another_module_is_open_keeps_its_result(ready, answers, opened):
    (answers / "delay").write_text("0.2", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    select_another_module(opened)
    spin(lambda: "pretending" in ready.ui.stageLabel.text)
    slicer.mrmlScene.InvokeEvent(slicer.vtkMRMLScene.StartImportEvent)
    assert ready.parameters is None
    finish(ready)
    slicer.mrmlScene.InvokeEvent(slicer.vtkMRMLScene.EndImportEvent)
    spin(None, 0.05)
    assert ready.state.analysis is not None
    assert not any(vars(ready.state.stale).values())


def test_earlier_wrappers_of_the_parameter_node_are_let_go(panel, opened):
    earlier = []
    for event in (None, slicer.vtkMRMLScene.StartImportEvent, None):
        earlier.append(weakref.ref(panel.parameters))
        if event is None:
            select_another_module(opened)
            select_module(opened)
        else:
            slicer.mrmlScene.InvokeEvent(event)
            slicer.mrmlScene.InvokeEvent(slicer.vtkMRMLScene.EndImportEvent)
        spin(None, 0.05)
    earlier.append(weakref.ref(panel.parameters))
    slicer.mrmlScene.Clear()
    spin(None, 0.05)
    gc.collect()
    assert [wrapper() for wrapper in earlier] == [None] * 4
    assert panel.parameters is not None


def test_a_deleted_choice_leaves_its_place_empty(ready):
    parameters = ready.parameters
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "another outline")
    spin(None, 0.05)
    for name in ("adc", "segmentation"):
        slicer.mrmlScene.RemoveNode(getattr(parameters, name))
        assert getattr(parameters, name) is None
        spin(None, 0.05)
        assert getattr(parameters, name) is None
    assert parameters.segmentID == ""
    assert parameters.dwi is not None
    assert ready.ui.imagesAdcSelector.currentNode() is None
    assert ready.ui.tumourSegmentSelector.currentNode() is None
    assert ready.ui.imagesStateLabel.text == "Choose a volume for ADC."


def test_a_proposal_that_fails_goes_to_the_log_and_the_panel_goes_on(panel, monkeypatch, caplog):
    def broken():
        raise OSError("unreadable")

    monkeypatch.setattr(panel, "guess_inputs", broken)
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "axial t2")
    panel.parameters.model = "small"
    spin(None, 0.05)
    assert panel.state.model.name == "small"
    assert "unreadable" in caplog.text
    panel.parameters.model = ""
    spin(None, 0.05)
    assert panel.state.model is None


def test_a_command_that_cannot_be_made_is_an_error_and_the_panel_is_free(ready, monkeypatch):
    def full(_folder):
        raise OSError("No space left on device")

    monkeypatch.setattr(jobs, "_outputs", full)
    dialogs.answer_with("Ok")
    host.click(ready.ui.runAllButton)
    finish(ready)
    spin(lambda: dialogs.shown)
    assert "unexpected error (OSError)" in dialogs.shown[0].text
    assert not ready.busy
    assert ready.ui.runAllButton.text == "Run all"


def test_a_double_click_on_run_all_starts_once_and_cancels_nothing(ready, answers):
    (answers / "delay").write_text("0.6", encoding="utf-8")
    host.click(ready.ui.runAllButton)
    host.click(ready.ui.runAllButton)
    assert ready.busy
    finish(ready)
    assert ready.state.analysis is not None


def test_run_all_after_the_slider_was_moved_shows_the_new_result(analysed):
    view = slicer.mrmlScene.GetFirstNodeByClass("vtkMRMLSliceCompositeNode")
    analysed.ui.imagesFadeSlider.setValue(0.5)
    assert view.GetForegroundOpacity() == pytest.approx(0.5)
    host.click(analysed.ui.runAllButton)
    finish(analysed)
    assert analysed.ui.imagesFadeSlider.value == 0.0
    assert view.GetBackgroundVolumeID() == analysed.parameters.registered.GetID()


def test_try_it_again_replaces_the_earlier_phantom_but_no_outline_of_the_user(ready):
    def count(kind):
        return slicer.mrmlScene.GetNumberOfNodesByClass(kind)

    before = count("vtkMRMLScalarVolumeNode"), count("vtkMRMLSegmentationNode")
    ready.try_phantom()
    finish(ready)
    assert (count("vtkMRMLScalarVolumeNode"), count("vtkMRMLSegmentationNode")) == before
    assert ready.parameters.segmentation.GetScene() is slicer.mrmlScene
    host.click(ready.ui.tumourNewButton)
    own = ready.parameters.segmentation
    ready.try_phantom()
    finish(ready)
    assert own.GetScene() is slicer.mrmlScene
    assert ready.parameters.segmentation is not own


def test_an_outline_too_small_or_beside_the_images_is_refused_at_once(ready):
    segment = ready.parameters.segmentation.GetSegmentation()
    ready.parameters.segmentID = segment.AddEmptySegment("none", "none")
    spin(None, 0.05)
    dialogs.answer_with("Ok", "Ok")
    host.click(ready.ui.runAllButton)
    assert "The segment is empty" in dialogs.shown[0].text
    away = vtk.vtkMatrix4x4()
    away.SetElement(0, 3, 500.0)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(away)
    ready.parameters.segmentID = segment.GetNthSegmentID(0)
    ready.parameters.segmentation.SetAndObserveTransformNodeID(transform.GetID())
    ready.find_habitats()
    assert "lies outside the" in dialogs.shown[1].text
    assert not ready.busy


def test_results_of_the_module_are_refused_as_inputs(analysed):
    parameters, result = analysed.parameters, analysed.parameters.registered
    parameters.t2w, parameters.segmentation = result, parameters.habitats
    spin(None, 0.05)
    assert analysed.ui.imagesStateLabel.text == "T2W: this is a result of HabitatPNI; choose the original volume."
    assert analysed.ui.tumourStateLabel.text == "This is a result of HabitatPNI; choose the original outline."
    dialogs.answer_with("Ok")
    host.click(analysed.ui.runAllButton)
    assert not analysed.busy


def test_a_volume_in_the_place_of_another_is_pointed_out_and_not_refused(ready):
    assert ready.ui.imagesStateLabel.text == ""
    ready.parameters.adc.SetName("AX T2W TSE")
    ready.parameters.fade = 0.1
    spin(None, 0.05)
    assert ready.ui.imagesStateLabel.text == "The volume chosen as ADC is called AX T2W TSE: check the choice."
    assert ready.ui.imagesStateLabel.styleSheet
    assert ready.state.needs.result == ()


def test_a_closed_window_of_the_model_ignores_late_answers(ready):
    host.click(ready.ui.modelInfoButton)
    info = ready._bar._info
    info.close()
    slicer.app.processEvents()
    info._show_weights({"needed": False, "present": True})
    assert info._weights is None


def test_two_cycles_leave_no_observer_behind(answers, clean):
    changed = slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent
    closing = (slicer.vtkMRMLScene.StartCloseEvent, slicer.vtkMRMLScene.EndImportEvent)

    def cycle():
        widget = open_module()
        widget.panel.parameters.t2w = volume
        select_another_module(widget)
        select_module(widget)
        spin(None, 0.1)
        observers = [widget, widget.panel, widget.panel._watch]
        assert all(observer.Observations for observer in observers)
        assert volume.HasObserver(changed)
        close_module(widget)
        spin(None, 0.05)
        assert [observer.Observations for observer in observers] == [[], [], []]

    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "axial t2")
    image = vtk.vtkImageData()
    image.SetDimensions(4, 4, 4)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    volume.SetAndObserveImageData(image)
    before = [slicer.mrmlScene.HasObserver(event) for event in closing]
    for _ in range(2):
        cycle()
        assert not volume.HasObserver(changed)
        assert [slicer.mrmlScene.HasObserver(event) for event in closing] == before


def test_reload_makes_the_panel_anew(answers, clean):
    widget = open_module()
    before = sys.modules["HabitatPNILib.gui.panel"]
    kept = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "HabitatPNILib"}
    widget.panel.parameters.model = "small"
    try:
        widget.onReload()
        again = slicer.modules.HabitatPNIWidget
        spin(None, 0.1)
        assert again is not widget
        assert widget.panel is None
        assert sys.modules["HabitatPNILib.gui.panel"] is not before
        assert again.panel.state.model.name == "small"
        again.panel.ui.modelComboBox.setCurrentIndex(0)
        again.panel.ui.imagesBValueSpinBox.setValue(1400)
        assert again.panel.parameters.dwiBValue == 1400
        widget.enter()  # of the old half nothing is asked any more
        widget.exit()
        assert widget.Observations == []
        close_module(again)
    finally:
        for name in [name for name in sys.modules if name.split(".")[0] == "HabitatPNILib"]:
            del sys.modules[name]
        sys.modules.update(kept)


def test_damaged_model_is_listed_unusable_with_its_error(clean, answers):
    text = (clean / "small" / "model.json").read_text(encoding="utf-8")
    (clean / "damaged").mkdir()
    (clean / "damaged" / "model.json").write_text(text.replace("small", "other", 1), encoding="utf-8")
    widget = open_module()
    combo = widget.panel.ui.modelComboBox
    index = [combo.itemText(i) for i in range(combo.count)].index("damaged (unusable)")
    tip = combo.itemData(index, 3)
    assert "checksum" in tip
    assert not strict.unwrap(combo).model().item(index).isEnabled()
    close_module(widget)


def test_a_model_of_a_folder_is_remembered(panel, small_model, tmp_path):
    own = tmp_path / "elsewhere" / "mine"
    shutil.copytree(small_model.folder, own)
    dialogs.answer_with(str(own))
    host.click(panel.ui.modelAddButton)
    spin(None, 0.05)
    assert panel.parameters.model == str(own.resolve())
    assert panel.state.model.name == "small"
    dialogs.answer_with(str(tmp_path), "Ok")
    host.click(panel.ui.modelAddButton)
    assert "holds no model" in dialogs.shown[-1].text
    from HabitatPNILib.gui.models import ModelList

    assert str(own.resolve()) in [offer.name for offer in ModelList()]


def test_the_card_tells_the_weights(ready):
    host.click(ready.ui.modelInfoButton)
    info = ready._bar._info
    spin(lambda: "seed" in info.weights_label.text)
    assert "Made for tests" in info.card.plainText
    assert "Research use only" in info.head.text
    assert not info.download_button.visible


def test_the_self_test_is_skipped_with_a_message_where_packages_are_missing(opened, monkeypatch):
    import HabitatPNI

    shown = []

    def run(_self):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(HabitatPNI.HabitatPNITest, "_phantom_patient", run)
    monkeypatch.setattr(HabitatPNI.HabitatPNITest, "delayDisplay", lambda _self, message: shown.append(message))
    HabitatPNI.HabitatPNITest().runTest()
    assert shown == ["Test skipped: No module named 'torch'"]


def test_the_self_test_goes_through_all_sections_of_the_panel(opened, monkeypatch):
    import HabitatPNI

    self_test = HabitatPNI.HabitatPNITest()
    with pytest.raises(unittest.SkipTest, match="needs a main window"):
        self_test.test_phantom_through_the_panel()
    shown = []
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: opened.parent)
    monkeypatch.setattr(HabitatPNI.HabitatPNITest, "_phantom_patient", lambda _self: None)
    monkeypatch.setattr(HabitatPNI.HabitatPNITest, "delayDisplay", lambda _self, message: shown.append(message))
    self_test.runTest()
    assert shown == [*(f"Panel: {job}" for job in ("try_phantom", "register", "find_habitats", "run_all")), "Test passed"]
    spin(None, 0.05)
