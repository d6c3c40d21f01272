"""Selectors of nodes and segments over a real scene."""

from __future__ import annotations

import host
import pytest

host.install()

import slicer  # noqa: E402
from host import dialogs  # noqa: E402

SCALAR, LABELS = "vtkMRMLScalarVolumeNode", "vtkMRMLLabelMapVolumeNode"


@pytest.fixture
def scene():
    slicer.mrmlScene.Clear()
    yield slicer.mrmlScene
    slicer.mrmlScene.Clear()


@pytest.fixture
def selector(scene):
    def make(**properties):
        combo = slicer.qMRMLNodeComboBox()
        combo.nodeTypes = (SCALAR,)
        for name, value in properties.items():
            setattr(combo, name, value)
        combo.setMRMLScene(scene)
        return combo

    return make


def add(scene, name, kind=SCALAR):
    return scene.AddNewNodeByClass(kind, name)


def followed(combo):
    seen = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", lambda node: seen.append(node and node.GetName()))
    return seen


def test_without_none_the_first_node_is_chosen(scene, selector):
    first = add(scene, "first")
    add(scene, "second")
    assert selector().currentNode() is first


def test_with_none_nothing_is_chosen(scene, selector):
    add(scene, "first")
    combo = selector(noneEnabled=True)
    assert (combo.currentNode(), combo.currentNodeID, combo.nodeCount()) == (None, "", 1)


def test_an_empty_selector_without_none_waits_for_the_user(scene, selector):
    combo = selector()
    add(scene, "first")
    assert combo.currentNode() is None


def test_an_empty_selector_without_none_and_actions_takes_the_first_node(scene, selector):
    combo = selector(addEnabled=False, removeEnabled=False)
    first = add(scene, "first")
    assert combo.currentNode() is first


def test_choice_made_before_the_scene_is_there_is_kept(scene):
    volume = add(scene, "first"), add(scene, "second")
    combo = slicer.qMRMLNodeComboBox()
    assert not combo.enabled
    combo.nodeTypes = (SCALAR,)
    combo.setCurrentNode(volume[1])
    combo.setMRMLScene(scene)
    assert combo.enabled
    assert combo.currentNode() is volume[1]


def test_both_forms_of_the_signal_are_sent(scene, selector):
    combo = selector(noneEnabled=True)
    nodes, flags, identifiers = followed(combo), [], []
    combo.connect("currentNodeChanged(bool)", flags.append)
    combo.connect("currentNodeIDChanged(QString)", identifiers.append)
    volume = add(scene, "v")
    combo.setCurrentNode(volume)
    combo.setCurrentNode(volume)
    combo.currentNodeID = ""
    assert (nodes, flags, identifiers) == (["v", None], [True, False], [volume.GetID(), ""])


def test_when_the_chosen_node_goes_a_neighbour_takes_its_place(scene, selector):
    volumes = [add(scene, name) for name in "abc"]
    combo = selector(noneEnabled=True)
    combo.setCurrentNode(volumes[1])
    seen = followed(combo)
    scene.RemoveNode(volumes[1])
    assert combo.currentNode() is volumes[2]
    scene.RemoveNode(volumes[2])
    assert combo.currentNode() is volumes[0]
    scene.RemoveNode(volumes[0])
    assert combo.currentNode() is None
    assert seen[-1] is None


def test_kinds_and_hidden_nodes(scene, selector):
    add(scene, "image")
    labels = add(scene, "labels", LABELS)
    combo = selector(noneEnabled=True)
    assert combo.nodeCount() == 2
    combo.showChildNodeTypes = False
    assert combo.nodeCount() == 1
    combo.showChildNodeTypes = True
    labels.SetHideFromEditors(True)
    assert combo.nodeCount() == 1
    labels.SetHideFromEditors(False)
    assert combo.nodeCount() == 2
    combo.addAttribute(SCALAR, "role", "adc")
    assert combo.nodeCount() == 0
    labels.SetAttribute("role", "adc")
    assert combo.nodeFromIndex(0) is labels


def test_new_name_is_shown_and_told(scene, selector):
    volume = add(scene, "old")
    combo = selector()
    seen = followed(combo)
    volume.SetName("new")
    assert seen == ["new"]
    combo.renameEnabled = True
    dialogs.forget()
    dialogs.answer_with("asked for")
    combo.renameCurrentNode()
    assert volume.GetName() == "asked for"
    assert dialogs.shown[0].title == "Rename new"


def test_add_and_remove(scene, selector):
    combo = selector(noneEnabled=True, baseName="Mine")
    node = combo.addNode()
    assert (node.GetName(), combo.currentNode()) == ("Mine", node)
    combo.removeCurrentNode()
    assert scene.GetNumberOfNodesByClass(SCALAR) == 0


def test_closed_scene_empties_the_selector(scene, selector):
    combo = selector()
    combo.setCurrentNode(add(scene, "v"))
    scene.Clear()
    assert (combo.currentNode(), combo.nodeCount()) == (None, 0)


def test_imported_scene_fills_the_selector(scene, selector, tmp_path):
    add(scene, "saved")
    assert slicer.util.saveScene(str(tmp_path / "scene.mrb"))
    scene.Clear()
    combo = selector(noneEnabled=True)
    slicer.util.loadScene(str(tmp_path / "scene.mrb"))
    assert [combo.nodeFromIndex(i).GetName() for i in range(combo.nodeCount())] == ["saved"]


def test_destroyed_selector_leaves_no_observers(scene, selector):
    volume = add(scene, "v")
    assert not volume.HasObserver("ModifiedEvent")
    combo = selector()
    assert volume.HasObserver("ModifiedEvent")
    combo.delete()
    assert not volume.HasObserver("ModifiedEvent")
    add(scene, "w")


def test_segment_selector_takes_the_first_segment(scene):
    node = add(scene, "s", "vtkMRMLSegmentationNode")
    segmentation = node.GetSegmentation()
    for name in ("tumour", "gland"):
        segmentation.AddEmptySegment(name, name.capitalize())
    widget = slicer.qMRMLSegmentSelectorWidget()
    seen = []
    widget.connect("currentSegmentChanged(QString)", seen.append)
    widget.setMRMLScene(scene)
    assert (widget.currentNode(), widget.currentSegmentID()) == (node, "tumour")
    widget.setCurrentSegmentID("gland")
    widget.setCurrentSegmentID("nobody")
    assert widget.currentSegmentID() == "gland"
    segmentation.RemoveSegment("gland")
    assert widget.currentSegmentID() == "tumour"
    assert seen == ["tumour", "gland", "tumour"]


def test_segment_editor_insists_on_its_order(scene):
    editor = slicer.qMRMLSegmentEditorWidget()
    with pytest.raises(RuntimeError, match="setMRMLSegmentEditorNode comes before setMRMLScene"):
        editor.setMRMLScene(scene)
    node = slicer.vtkMRMLSegmentEditorNode()
    node.SetSingletonTag("test")
    editor.setMRMLSegmentEditorNode(scene.AddNode(node))
    with pytest.raises(RuntimeError, match="come first"):
        editor.setSegmentationNode(None)
    editor.setMRMLScene(scene)
    segmentation, volume = add(scene, "s", "vtkMRMLSegmentationNode"), add(scene, "v")
    segmentation.GetSegmentation().AddEmptySegment("tumour")
    editor.setSegmentationNode(segmentation)
    editor.setSourceVolumeNode(volume)
    assert (editor.segmentationNode(), editor.sourceVolumeNode(), editor.currentSegmentID()) == (segmentation, volume, "tumour")
    with pytest.raises(NotImplementedError, match="setMasterVolumeNode"):
        editor.setMasterVolumeNode(volume)
    with pytest.raises(AttributeError, match="no 'setSegmentID'"):
        editor.setSegmentID("tumour")


def test_layout_brings_its_views(scene):
    manager = slicer.app.layoutManager()
    assert set(manager.sliceViewNames()) == {"Red", "Green", "Yellow"}
    volume = add(scene, "v")
    slicer.util.setSliceViewerLayers(background=volume)
    for name in manager.sliceViewNames():
        assert manager.sliceWidget(name).mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
    assert manager.plotViewCount == 1
    chart = add(scene, "chart", "vtkMRMLPlotChartNode")
    chart.SetTitle("Silhouette")
    plot = manager.plotWidget(0)
    plot.mrmlPlotViewNode().SetPlotChartNodeID(chart.GetID())
    assert plot.plotView().title == "Silhouette"
    manager.layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
    assert manager.layout == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
