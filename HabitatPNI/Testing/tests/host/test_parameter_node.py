"""Parameter nodes: Slicer's encodings, its cache, its table of widgets."""

from __future__ import annotations

from typing import Annotated

import host
import pytest

host.install()

import ctk  # noqa: E402
import qt  # noqa: E402
import slicer  # noqa: E402
from slicer.parameterNodeWrapper import Choice, Decimals, Default, Minimum, WithinRange, parameterNodeWrapper  # noqa: E402


@parameterNodeWrapper
class Everything:
    volume: slicer.vtkMRMLScalarVolumeNode
    other: slicer.vtkMRMLScalarVolumeNode
    name: str = "a name"
    opacity: Annotated[float, WithinRange(0.0, 1.0), Decimals(3)] = 0.5
    dose: float = 1.5
    count: int = 3
    positive: Annotated[int, Minimum(0)] = 2
    on: bool = True
    colour: Annotated[str, Choice(["red", "blue"])] = "blue"
    loud: Annotated[str, Default("yes")]
    clinical: dict[str, str]


@pytest.fixture
def scene():
    slicer.mrmlScene.Clear()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear()


@pytest.fixture
def node(scene):
    return scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "parameters")


@pytest.fixture
def parameters(node):
    return Everything(node)


def widget(cls, parameter, parent, **properties):
    made = cls(parent)
    made.setProperty("SlicerParameterName", parameter)
    made.objectName = f"{parameter}Widget"
    for name, value in properties.items():
        setattr(made, name, value)
    return made


def test_values_stand_in_the_node_as_slicer_writes_them(parameters, node, scene):
    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    parameters.volume = volume
    parameters.on = False
    parameters.opacity = 0.25
    parameters.clinical = {"age": "63", "psa": "4.5"}
    written = {name: node.GetParameter(name) for name in node.GetParameterNames()}
    assert written == {
        "volume": "",
        "other": "",
        "name": "a name",
        "opacity": "0.25",
        "dose": "1.5",
        "count": "3",
        "positive": "2",
        "on": "False",
        "colour": "blue",
        "loud": "yes",
        "clinical.len": "2",
        "clinical.0.0": "age",
        "clinical.0.1": "63",
        "clinical.1.0": "psa",
        "clinical.1.1": "4.5",
    }
    assert node.GetNodeReferenceID("volume") == volume.GetID()


def test_values_in_the_node_are_kept_by_a_new_wrapper(parameters, node):
    parameters.name, parameters.count, parameters.clinical["age"] = "kept", 7, "50"
    again = Everything(node)
    assert (again.name, again.count, dict(again.clinical)) == ("kept", 7, {"age": "50"})


def test_dictionary_writes_every_change_and_is_no_dict(parameters, node):
    clinical = parameters.clinical
    clinical["age"] = "63"
    clinical["psa"] = "4"
    del clinical["age"]
    assert node.GetParameter("clinical.len") == "1"
    assert not node.HasParameter("clinical.1.0")
    assert parameters.clinical == {"psa": "4"}
    assert not isinstance(clinical, dict)
    assert clinical.get("none") is None
    with pytest.raises(TypeError):
        clinical.get("none", "")
    with pytest.raises(TypeError, match=r"must be of type <class 'str'>, is 63"):
        clinical["age"] = 63
    assert dict(parameters.clinical) == {"psa": "4"}


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("count", 1.5, TypeError),
        ("name", None, ValueError),
        ("opacity", 1.01, ValueError),
        ("positive", -1, ValueError),
        ("on", 1, TypeError),
    ],
)
def test_wrong_values_are_refused_and_change_nothing(parameters, name, value, error):
    before = getattr(parameters, name)
    with pytest.raises(error):
        setattr(parameters, name, value)
    assert getattr(parameters, name) == before


def test_node_of_another_class_is_refused(parameters, scene):
    with pytest.raises(TypeError, match="vtkMRMLScalarVolumeNode"):
        parameters.volume = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "s")


def test_unknown_names_are_refused(parameters):
    with pytest.raises(AttributeError):
        _ = parameters.opasity
    with pytest.raises(AttributeError, match="no parameter 'opasity'"):
        parameters.opasity = 1.0
    with pytest.raises(AttributeError):
        parameters.GetID()
    with pytest.raises(ValueError, match="Cannot find a param"):
        parameters.getValue("opasity")


def test_unknown_types_and_reserved_names_are_refused():
    with pytest.raises(TypeError, match=r"Wrong\.when: the stand-in has no serializer"):
        parameterNodeWrapper(type("Wrong", (), {"__annotations__": {"when": complex}}))
    with pytest.raises(ValueError, match="reserved name 'default'"):
        parameterNodeWrapper(type("Wrong", (), {"__annotations__": {"default": int}}))


def test_changes_made_to_the_node_are_seen_when_it_says_so(parameters, node):
    node.SetParameter("count", "11")
    assert parameters.count == 11
    blocked = node.StartModify()
    node.SetParameter("count", "12")
    assert parameters.count == 11
    node.EndModify(blocked)
    assert parameters.count == 12


def test_several_changes_are_one_event(parameters):
    events = []
    tag = parameters.AddObserver("ModifiedEvent", lambda *_: events.append(1))
    with slicer.util.NodeModify(parameters):
        parameters.count, parameters.name, parameters.on = 5, "b", False
        assert (parameters.count, parameters.name, parameters.on) == (5, "b", False)
    assert len(events) == 1
    parameters.RemoveObserver(tag)


def test_removed_node_is_forgotten(parameters, scene):
    parameters.volume = volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    scene.RemoveNode(volume)
    assert parameters.volume is None


def test_observers_go_with_the_wrapper(node):
    assert not node.HasObserver("ModifiedEvent")
    parameters = Everything(node)
    assert node.HasObserver("ModifiedEvent")
    del parameters
    assert not node.HasObserver("ModifiedEvent")


def test_widgets_and_parameters_follow_each_other(parameters, scene):
    root = qt.QWidget()
    widgets = {
        "name": widget(qt.QLineEdit, "name", root),
        "opacity": widget(ctk.ctkSliderWidget, "opacity", root, maximum=100.0),
        "dose": widget(qt.QDoubleSpinBox, "dose", root, maximum=5.0),
        "count": widget(qt.QSpinBox, "count", root, minimum=1),
        "on": widget(qt.QCheckBox, "on", root),
        "colour": widget(qt.QComboBox, "colour", root),
        "volume": widget(slicer.qMRMLNodeComboBox, "volume", root, noneEnabled=True),
    }
    widgets["volume"].setMRMLScene(scene)
    tag = parameters.connectGui(slicer.util.childWidgetVariables(root))
    assert (widgets["opacity"].value, widgets["opacity"].maximum, widgets["opacity"].decimals) == (0.5, 1.0, 3)
    assert (widgets["name"].text, widgets["on"].checked, widgets["colour"].currentText) == ("a name", True, "blue")
    # Without an annotation Slicer opens the range, whatever the ui file said.
    assert (widgets["count"].minimum, widgets["count"].maximum) == (-(2**31), 2**31 - 1)
    assert widgets["volume"].nodeTypes == ("vtkMRMLScalarVolumeNode",)

    volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    parameters.volume, parameters.opacity, parameters.colour = volume, 0.75, "red"
    assert (widgets["volume"].currentNode(), widgets["opacity"].value, widgets["colour"].currentIndex) == (volume, 0.75, 0)
    widgets["name"].text = "typed"
    widgets["count"].value = 9
    widgets["on"].checked = False
    widgets["dose"].value = 2.5
    widgets["volume"].setCurrentNode(None)
    widgets["colour"].currentIndex = 1
    assert (parameters.name, parameters.count, parameters.on, parameters.dose) == ("typed", 9, False, 2.5)
    assert (parameters.volume, parameters.colour) == (None, "blue")

    parameters.disconnectGui(tag)
    widgets["name"].text = "after"
    parameters.count = 4
    assert (parameters.name, widgets["count"].value) == ("typed", 9)


def test_a_widget_is_enough_to_connect(parameters):
    root = qt.QWidget()
    line = widget(qt.QLineEdit, "name", root)
    tag = parameters.connectGui(root)
    line.text = "b"
    assert parameters.name == "b"
    parameters.disconnectGui(tag)


@pytest.mark.parametrize(
    ("cls", "parameter", "message"),
    [
        (lambda p: qt.QSlider(qt.Qt.Horizontal, p), "count", "needs the WithinRange"),
        (ctk.ctkSliderWidget, "dose", "needs the WithinRange"),
        (qt.QComboBox, "name", "needs the Choice"),
        (ctk.ctkCollapsibleButton, "on", "Unable to create GUI connector"),
        (qt.QToolButton, "on", "Unable to create GUI connector"),
        (qt.QPlainTextEdit, "name", "Unable to create GUI connector"),
        (qt.QLineEdit, "count", "Unable to create GUI connector"),
        (qt.QLineEdit, "clinical", "Unable to create GUI connector"),
    ],
)
def test_pairs_that_slicer_does_not_connect_are_refused(parameters, cls, parameter, message):
    root = qt.QWidget()
    widget(cls, parameter, root)
    with pytest.raises(RuntimeError, match=message):
        parameters.connectGui(root)


def test_widget_for_an_unknown_parameter_is_refused(parameters):
    root = qt.QWidget()
    widget(qt.QLineEdit, "nmae", root)
    with pytest.raises(ValueError, match="Cannot find a param with the given name: nmae"):
        parameters.connectGui(root)


def test_closing_the_scene_brings_the_defaults_back(parameters):
    logic = slicer.ScriptedLoadableModule.ScriptedLoadableModuleLogic()
    logic.moduleName = "Something"
    singleton = logic.getParameterNode()
    wrapped = Everything(singleton)
    wrapped.name = "changed"
    slicer.mrmlScene.Clear()
    assert logic.getParameterNode() is singleton
    assert singleton.GetAttribute("ModuleName") == "Something"
    assert wrapped.name == "a name"


def test_scene_file_brings_choices_back(scene, tmp_path):
    logic = slicer.ScriptedLoadableModule.ScriptedLoadableModuleLogic()
    logic.moduleName = "Something"
    parameters = Everything(logic.getParameterNode())
    parameters.volume = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "v")
    parameters.name, parameters.clinical["age"] = 'änd <ü> "quotes"; %3B', "63"
    parameters.count = 8
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear()
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert len(logic.getAllParameterNodes()) == 1
    again = Everything(logic.getParameterNode())
    assert (again.volume.GetName(), again.count, dict(again.clinical)) == ("v", 8, {"age": "63"})
    assert again.name == 'änd <ü> "quotes"; %3B'
