"""A scripted module's life: opened, entered, reloaded, closed; and the event loop's clock."""

from __future__ import annotations

import time

import host
import pytest

host.install()

import qt  # noqa: E402
import slicer  # noqa: E402
from host import module, sample_data, slicer_app  # noqa: E402

TOY = """
import qt
from slicer.ScriptedLoadableModule import *
from slicer.util import VTKObservationMixin
import slicer

VERSION = 1
calls = []


class Toy(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "A toy"
        slicer.app.connect("startupCompleted()", lambda: calls.append("startup"))


class ToyWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = ToyLogic()
        self.label = qt.QLabel("version %d" % VERSION)
        self.layout.addWidget(self.label)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.closing)
        calls.append("setup")

    def closing(self, caller, event):
        calls.append("closing")

    def enter(self):
        calls.append("enter")

    def exit(self):
        calls.append("exit")

    def cleanup(self):
        self.removeObservers()
        calls.append("cleanup")


class ToyLogic(ScriptedLoadableModuleLogic):
    pass


class ToyTest(ScriptedLoadableModuleTest):
    def test_something(self):
        calls.append("test")
"""


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "Toy.py").write_text(TOY, encoding="utf-8")
    widget = host.open_module(tmp_path / "Toy.py")
    yield widget
    if "ToyWidget" in vars(slicer.modules):
        host.close_module(slicer.modules.ToyWidget)


def calls(widget):
    import sys

    return sys.modules["Toy"].calls


def test_life_of_a_module(toy, tmp_path):
    events = calls(toy)
    assert events == ["startup", "setup", "enter"]
    assert slicer.modules.toy.title == "A toy"
    assert slicer.util.getModuleWidget("Toy") is toy
    assert slicer.util.getModuleLogic("Toy") is toy.logic
    assert toy.resourcePath("x.txt") == str(tmp_path / "Resources" / "x.txt")
    assert toy.parent.isEntered is True
    assert toy.label.visible
    slicer.util.selectModule("Data")
    slicer.util.selectModule("Toy")
    slicer.mrmlScene.Clear()
    host.close_module(toy)
    assert events[3:] == ["exit", "enter", "closing", "exit", "cleanup"]
    assert not hasattr(slicer.modules, "toy")
    assert slicer.app.moduleManager().count("moduleAboutToBeUnloaded(QString)") == 0
    slicer.mrmlScene.Clear()
    assert events[-1] == "cleanup"


def test_reload_reads_the_file_again(toy, tmp_path):
    old = calls(toy)
    (tmp_path / "Toy.py").write_text(TOY.replace("VERSION = 1", "VERSION = 2  # longer"), encoding="utf-8")
    toy.onReload()
    again = slicer.modules.ToyWidget
    assert again is not toy
    assert again.label.text == "version 2"
    assert again.parent == toy.parent
    assert not toy.label.visible
    assert old[-1] == "cleanup"
    assert calls(again) == ["setup"]
    assert slicer.app.moduleManager().count("moduleAboutToBeUnloaded(QString)") == 1


def test_self_test_runs(toy):
    toy.onTest()
    assert calls(toy)[-1] == "test"


def test_module_takes_slicers_properties_only():
    made = module.Module("Toy", module.MODULES / "Toy.py")
    made.acknowledgementText = "thanks"
    with pytest.raises(AttributeError, match="no property 'titel'"):
        made.titel = "x"


def test_parameter_node_is_the_only_one():
    slicer_app.reset()
    logic = slicer.ScriptedLoadableModule.ScriptedLoadableModuleLogic()
    logic.moduleName = "Toy"
    node = logic.getParameterNode()
    assert logic.getParameterNode() is node
    assert (node.GetSingletonTag(), node.GetAttribute("ModuleName"), node.GetName()) == ("Toy", "Toy", "Toy")
    slicer_app.reset()
    assert node.GetScene() is None


def test_spin_waits_for_the_condition_and_says_what_went_wrong(slot_errors):
    done = []
    qt.QTimer.singleShot(20, lambda: done.append(1))
    host.spin(lambda: done, 5)
    assert done
    qt.QTimer.singleShot(1, lambda: 1 / 0)
    with pytest.raises(TimeoutError, match=r"did not hold within 0\.1 s; meanwhile: ZeroDivisionError"):
        host.spin(lambda: False, 0.1)
    with pytest.raises(KeyError):
        host.spin(lambda: {}["x"], 1)


def test_blocked_event_loop_is_measured():
    host.spin(seconds=0.05)
    module.forget_turns()
    qt.QTimer.singleShot(10, lambda: time.sleep(0.2))
    host.spin(seconds=0.3)
    assert 0.19 < host.slowest_turn() < 1.0
    assert host.slowest_turn(cpu=True) < 0.15


def test_sample_data_entry_needs_an_address_as_in_slicer():
    import SampleData

    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    with pytest.raises(TypeError):
        register(category="Toy", sampleName="made", customDownloader=lambda source: source.sampleName)
    for _ in range(2):
        register(category="Toy", sampleName="made", uris="", fileNames="", nodeNames="", customDownloader=_name_of)
    assert len(slicer.modules.sampleDataSources["Toy"]) == 1
    assert sample_data.press("Toy", "made") == "made"
    vars(slicer.modules).pop("sampleDataSources")


def _name_of(source):
    return source.sampleName
