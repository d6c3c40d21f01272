"""slicer.util, slicer.app, slicer.packaging and the scripted dialogs."""

from __future__ import annotations

import logging
import subprocess

import host
import numpy as np
import pytest

host.install()

import qt  # noqa: E402
import slicer  # noqa: E402
from host import dialogs, slicer_app, slicer_util  # noqa: E402
from host.slicer_packaging import Installation, pip  # noqa: E402


@pytest.fixture(autouse=True)
def fresh():
    slicer_app.reset()
    dialogs.forget()
    pip.forget()
    yield
    slicer_app.reset()
    dialogs.forget()
    pip.forget()


def test_message_boxes_are_kept_and_logged(caplog):
    dialogs.answer_with("Ok", "No", "Retry")
    with caplog.at_level(logging.INFO):
        slicer.util.errorDisplay("It failed.", detailedText="why")
        assert slicer.util.confirmYesNoDisplay("Sure?") is False
        assert slicer.util.confirmRetryCloseDisplay("Again?") is True
    shown = dialogs.shown
    assert [(d.kind, d.text, d.detailed_text, d.buttons, d.answer) for d in shown] == [
        ("error", "It failed.", "why", ("Ok",), "Ok"),
        ("question", "Sure?", "", ("Yes", "No"), "No"),
        ("error", "Again?", "", ("Retry", "Close"), "Retry"),
    ]
    assert ("root", logging.ERROR, "It failed.") in caplog.record_tuples
    dialogs.verify()


def test_message_box_nobody_expected_fails_the_test():
    with pytest.raises(dialogs.UnexpectedDialog, match="no answer was scripted for: error 'oh'"):
        slicer.util.errorDisplay("oh")
    with pytest.raises(dialogs.UnexpectedDialog, match="'oh'"):
        dialogs.verify()


def test_answer_that_is_no_button_fails_the_test():
    dialogs.answer_with("Maybe")
    with pytest.raises(dialogs.UnexpectedDialog, match=r"'Maybe' is no button of: question 'Sure\?' \[Ok, Cancel\]"):
        slicer.util.confirmOkCancelDisplay("Sure?")


def test_answer_that_no_dialog_took_fails_the_test():
    dialogs.answer_with("Ok")
    with pytest.raises(dialogs.UnexpectedDialog, match="no dialog came"):
        dialogs.verify()


def test_message_box_takes_what_slicers_takes():
    with pytest.raises(TypeError, match="no detailText"):
        slicer.util.errorDisplay("oh", detailText="x")
    with pytest.raises(TypeError, match="is a string"):
        slicer.util.errorDisplay(ValueError("oh"))


def test_testing_mode_answers_by_itself():
    slicer_app.set_testing(True)
    slicer.util.errorDisplay("oh")
    assert slicer.util.confirmOkCancelDisplay("?") is True
    assert slicer.util.confirmRetryCloseDisplay("?") is False
    assert dialogs.shown == []


def test_error_in_a_block_is_shown_and_passed_on():
    dialogs.answer_with("Ok")
    with pytest.raises(ValueError, match="inside"), slicer.util.tryWithErrorDisplay("It failed."):
        raise ValueError("inside")
    assert dialogs.shown[0].text == "It failed.\n\ninside"
    assert "Traceback" in dialogs.shown[0].detailed_text


def test_functions_that_are_not_imitated_say_so_and_others_are_not_there():
    with pytest.raises(NotImplementedError, match=r"slicer\.util\.loadVolume exists in Slicer"):
        slicer.util.loadVolume("x.nrrd")
    with pytest.raises(AttributeError):
        _ = slicer.util.loadDicom
    # slicer-core has the functions of slicer.util in slicer too; Slicer has not.
    assert not hasattr(slicer, "loadUI")
    assert not hasattr(slicer, "getNode")
    with pytest.raises(AttributeError, match="no 'mainWindow' in Slicer"):
        _ = slicer.app.mainWindow
    with pytest.raises(AttributeError):
        slicer.app.temporaryPath = "x"


def test_arrays_go_through_the_scene():
    node = slicer.util.addVolumeFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4), name="v")
    assert slicer.util.getNode("v") is node
    assert slicer.util.arrayFromVolume(node)[1, 2, 3] == 23


def test_scene_file(tmp_path, caplog):
    node = slicer.util.addVolumeFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4), name="v")
    path = tmp_path / "scene.mrb"
    with pytest.raises(TypeError, match="as a string"):
        slicer.util.saveScene(path)
    assert slicer.util.saveScene(str(path))
    assert slicer.util.saveScene(str(tmp_path / "nowhere" / "scene.mrb")) is False
    assert "is not writeable" in caplog.text
    slicer.mrmlScene.Clear()
    assert node.GetScene() is None
    slicer.util.loadScene(str(path))
    assert slicer.util.arrayFromVolume(slicer.util.getNode("v")).sum() == 276
    with pytest.raises(RuntimeError, match="Failed to load node from file"):
        slicer.util.loadScene(str(tmp_path / "none.mrb"))


def test_events_of_a_closing_scene_come_in_slicers_order():
    events = []
    scene = slicer.mrmlScene
    slicer.util.addVolumeFromArray(np.zeros((2, 2, 2)), name="v")
    tags = [
        scene.AddObserver(
            scene.StartCloseEvent, lambda *_: events.append(("start", scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")))
        ),
        scene.AddObserver(scene.EndCloseEvent, lambda *_: events.append(("end", scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")))),
    ]
    scene.Clear()
    for tag in tags:
        scene.RemoveObserver(tag)
    assert events == [("start", 1), ("end", 0)]
    assert scene.GetNumberOfNodesByClass("vtkMRMLSliceNode") == 3


def test_named_widgets_are_attributes():
    root = qt.QWidget()
    root.objectName = "root"
    layout = qt.QVBoxLayout(root)
    button = qt.QPushButton("go")
    button.objectName = "goButton"
    layout.addWidget(button)
    layout.addWidget(qt.QLabel("no name"))
    ui = slicer.util.childWidgetVariables(root)
    assert sorted(vars(ui)) == ["goButton", "root"]
    assert ui.goButton is button
    assert slicer.util.findChild(root, "goButton") is button
    with pytest.raises(RuntimeError, match="does not exist"):
        slicer.util.findChild(root, "stopButton")
    with pytest.raises(RuntimeError, match="file not found"):
        slicer.util.loadUI("/nowhere/x.ui")


def test_application():
    assert slicer.app.majorVersion == 5
    assert slicer.app.applicationLogic().GetMRMLScene() is slicer.mrmlScene
    assert slicer.util.settingsValue("HabitatPNI/x", "default") == "default"
    folder = slicer.util.tempDirectory()
    assert folder.startswith(slicer.app.temporaryPath)
    assert folder != slicer.util.tempDirectory()
    slicer.util.showStatusMessage("ready")
    assert slicer_util.status_message() == "ready"
    heard = []
    slicer.app.connect("startupCompleted()", heard.append)
    slicer.app.disconnect("startupCompleted()", heard.append)
    with pytest.raises(AttributeError, match="no signal 'started"):
        slicer.app.connect("started()", print)


def test_missing_packages_are_asked_for_and_noted(tmp_path):
    (tmp_path / "requirements.txt").write_text("# heavy\nnumpy>=1\nnobody-has-this>=2  # really\n-r other.txt\n", encoding="utf-8")
    wanted = slicer.packaging.load_requirements(tmp_path / "requirements.txt")
    assert [str(one) for one in wanted] == ["numpy>=1", "nobody-has-this>=2"]
    assert slicer.packaging.pip_check("numpy>=1")
    assert not slicer.packaging.pip_check("numpy>=1000")
    dialogs.answer_with("Cancel", "Ok")
    with pytest.raises(RuntimeError, match="User declined package installation"):
        slicer.packaging.pip_ensure(wanted, requester="HabitatPNI")
    assert pip.installed == []
    slicer.packaging.pip_ensure(wanted, requester="HabitatPNI", prompt_restart=False)
    assert pip.installed == [Installation(("nobody-has-this>=2",), "HabitatPNI", False)]
    assert dialogs.shown[0].detailed_text == "- nobody-has-this>=2"
    assert dialogs.shown[0].title == "HabitatPNI - Install Python Packages"


def test_installed_package_can_count_as_missing_and_installing_can_fail():
    pip.missing.add("numpy")
    slicer_app.set_testing(True)
    slicer.packaging.pip_ensure("numpy", prompt_install=False)
    assert pip.installed == []
    slicer_app.set_testing(False)
    pip.fails = True
    with pytest.raises(subprocess.CalledProcessError):
        slicer.packaging.pip_ensure("numpy", prompt_install=False)
    pip.fails = False
    slicer.packaging.pip_ensure("numpy", prompt_install=False)
    assert slicer.packaging.pip_check("numpy")
