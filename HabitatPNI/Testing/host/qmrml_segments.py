"""Segment selector and 3D button; and the Segment Editor as a labelled grey placeholder that insists on its order of calls."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .observing import Observers
from .qmrml import qMRMLNodeComboBox, qMRMLWidget

_SEGMENT_EVENTS = ("SegmentAdded", "SegmentRemoved", "SegmentModified")


def placeholder(widget: QtWidgets.QWidget, text: str, height: int) -> None:
    """Make a widget a grey box that says what would be there in Slicer."""
    widget.setStyleSheet("background: #b8b8b8; color: #303030;")
    widget.setMinimumHeight(height)
    label = QtWidgets.QLabel(text, widget)
    label.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
    label.setWordWrap(True)
    layout = QtWidgets.QVBoxLayout(widget)
    layout.addWidget(label)


class qMRMLSegmentSelectorWidget(qMRMLWidget):
    """Segmentation and one of its segments; chooses the first segment by itself."""

    SIGNALS = {"currentNodeChanged(bool)": "currentNodeThere"}  # noqa: RUF012
    currentNodeChanged = QtCore.Signal(object)
    currentNodeThere = QtCore.Signal(bool)
    currentSegmentChanged = QtCore.Signal(str)
    segmentSelectionChanged = QtCore.Signal(list)
    nodeAboutToBeEdited = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node: Any = None
        self._segment = ""
        self._none = False
        self._observers = Observers(self)
        self._nodes = qMRMLNodeComboBox(self)
        self._nodes.setNodeTypes(("vtkMRMLSegmentationNode",))
        self._segments = QtWidgets.QComboBox(self)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._nodes)
        layout.addWidget(self._segments)
        self._nodes.currentNodeChanged.connect(self._node_changed)
        self._nodes.currentNodeChanged.connect(self.currentNodeChanged)
        self._nodes.currentNodeThere.connect(self.currentNodeThere)
        self._segments.currentIndexChanged.connect(self._segment_changed)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._nodes.setMRMLScene(scene)

    def currentNode(self) -> Any:
        return self._nodes.currentNode()

    def currentNodeID(self) -> str:
        return self._nodes.currentNodeID()

    def setCurrentNode(self, node: Any) -> None:
        self._nodes.setCurrentNode(node)

    def setCurrentNodeID(self, identifier: str) -> None:
        self._nodes.setCurrentNodeID(identifier)

    def currentSegmentID(self) -> str:
        return self._segment

    def setCurrentSegmentID(self, identifier: str) -> None:
        if not identifier and self._none:
            self._segments.setCurrentIndex(0)
        index = self._segments.findData(identifier)
        if identifier and index >= 0:
            self._segments.setCurrentIndex(index)

    def segmentIDs(self) -> tuple[str, ...]:
        return tuple(self._node.GetSegmentation().GetSegmentIDs()) if self._node is not None else ()

    def noneEnabled(self) -> bool:
        return self._none

    def setNoneEnabled(self, on: bool) -> None:
        self._none = on
        self._nodes.setNoneEnabled(on)
        self._populate()

    def editEnabled(self) -> bool:
        return self._nodes.editEnabled()

    def setEditEnabled(self, on: bool) -> None:
        self._nodes.setEditEnabled(on)

    def selectNodeUponCreation(self) -> bool:
        return self._nodes.selectNodeUponCreation()

    def setSelectNodeUponCreation(self, on: bool) -> None:
        self._nodes.setSelectNodeUponCreation(on)

    def segmentationNodeSelectorVisible(self) -> bool:
        return not self._nodes.isHidden()

    def setSegmentationNodeSelectorVisible(self, on: bool) -> None:
        self._nodes.setVisible(on)

    def multiSelection(self) -> bool:
        return False

    def _node_changed(self, node: Any) -> None:
        if node is self._node:
            return
        self._observers.release()
        self._node = node
        if node is not None:
            for event in _SEGMENT_EVENTS:
                self._observers.observe(node, getattr(slicer.vtkSegmentation, event), "_populate")
        self._populate()

    def _populate(self) -> None:
        blocked = self._segments.blockSignals(True)
        self._segments.clear()
        identifiers = self.segmentIDs()
        if self._none and identifiers:
            self._segments.addItem("None", "")
        for identifier in identifiers:
            self._segments.addItem(self._node.GetSegmentation().GetSegment(identifier).GetName(), identifier)
        self._segments.setCurrentIndex(-1)
        if self._segment in identifiers or (self._none and not self._segment):
            self.setCurrentSegmentID(self._segment)
        self._segments.blockSignals(blocked)
        if identifiers and self._segments.currentIndex() < 0:
            self._segments.setCurrentIndex(int(self._none))

    def _segment_changed(self, index: int) -> None:
        if self._node is not None:
            self._segment = self._segments.itemData(index) or ""
            self.currentSegmentChanged.emit(self._segment)


class qMRMLSegmentationShow3DButton(QtWidgets.QPushButton):
    """Shows a segmentation's closed surface in the 3D views; checked while there is one."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__("Show 3D", parent)
        self.setCheckable(True)
        self.setEnabled(False)
        self._node: Any = None
        self._observers = Observers(self)
        self.toggled.connect(self._toggled)

    def segmentationNode(self) -> Any:
        return self._node

    def setSegmentationNode(self, node: Any) -> None:
        if node is self._node:
            return
        self._observers.release()
        self._node = node
        if node is not None:
            for event in ("ModifiedEvent", *(getattr(slicer.vtkSegmentation, name) for name in _SEGMENT_EVENTS[:2])):
                self._observers.observe(node, event, "_follow")
            self._observers.observe(node, slicer.vtkSegmentation.ContainedRepresentationNamesModified, "_follow")
        self._follow()

    def _follow(self) -> None:
        segmentation = self._node.GetSegmentation() if self._node is not None else None
        self.setEnabled(segmentation is not None and segmentation.GetNumberOfSegments() > 0)
        blocked = self.blockSignals(True)
        self.setChecked(segmentation is not None and segmentation.ContainsRepresentation(_surface()))
        self.blockSignals(blocked)

    def _toggled(self, on: bool) -> None:
        if self._node is None:
            return
        segmentation = self._node.GetSegmentation()
        if not on:
            segmentation.RemoveRepresentation(_surface())
        elif segmentation.CreateRepresentation(_surface()) and self._node.GetDisplayNode() is not None:
            self._node.GetDisplayNode().SetPreferredDisplayRepresentationName3D(_surface())


def _surface() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Placeholder of the Segment Editor: holds its nodes and what is set on it, draws nothing.

    Its order of calls is Slicer's: the parameter node before the scene, both before the segmentation and the volume.
    """

    segmentationNodeChanged = QtCore.Signal(object)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    currentSegmentIDChanged = QtCore.Signal(str)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        placeholder(self, "Segment Editor\n(drawing needs 3D Slicer)", 160)
        self._editor_node: Any = None
        self._effect = ""
        self._settings: dict[str, Any] = {}
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self.shortcuts_installed = False
        self.views_observed = False

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not None and self._editor_node is None:
            raise RuntimeError("qMRMLSegmentEditorWidget: setMRMLSegmentEditorNode comes before setMRMLScene")
        super().setMRMLScene(scene)
        self._logic.SetMRMLApplicationLogic(slicer.app.applicationLogic())
        self._logic.SetMRMLScene(scene)

    def mrmlSegmentEditorNode(self) -> Any:
        return self._editor_node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._editor_node = node
        self._logic.SetSegmentEditorNode(node)

    def segmentationNode(self) -> Any:
        return self._logic.GetSegmentationNode()

    def segmentationNodeID(self) -> str:
        return _id(self.segmentationNode())

    def setSegmentationNode(self, node: Any) -> None:
        self._ready("setSegmentationNode")
        if node is self.segmentationNode():
            return
        self._logic.SetSegmentationNode(node)
        self._effect = ""
        self.segmentationNodeChanged.emit(node)
        segments = node.GetSegmentation().GetSegmentIDs() if node is not None else ()
        self.setCurrentSegmentID(segments[0] if segments else "")

    def setSegmentationNodeID(self, identifier: str) -> None:
        self.setSegmentationNode(self._scene.GetNodeByID(identifier))

    def sourceVolumeNode(self) -> Any:
        return self._logic.GetSourceVolumeNode()

    def sourceVolumeNodeID(self) -> str:
        return _id(self.sourceVolumeNode())

    def setSourceVolumeNode(self, node: Any) -> None:
        self._ready("setSourceVolumeNode")
        earlier = self.sourceVolumeNode()
        self._logic.SetSourceVolumeNode(node)
        if self.sourceVolumeNode() is not earlier:
            self.sourceVolumeNodeChanged.emit(self.sourceVolumeNode())

    def setSourceVolumeNodeID(self, identifier: str) -> None:
        self.setSourceVolumeNode(self._scene.GetNodeByID(identifier))

    def currentSegmentID(self) -> str:
        return (self._editor_node.GetSelectedSegmentID() or "") if self._editor_node is not None else ""

    def setCurrentSegmentID(self, identifier: str) -> None:
        self._ready("setCurrentSegmentID")
        if identifier != self.currentSegmentID():
            self._logic.SetCurrentSegmentID(identifier)
            self.currentSegmentIDChanged.emit(identifier)

    def setActiveEffectByName(self, name: str) -> None:
        self._ready("setActiveEffectByName")
        self._effect = name
        self._editor_node.SetActiveEffectName(name)

    def setActiveEffect(self, effect: Any) -> None:
        self._ready("setActiveEffect")
        self._effect = "" if effect is None else str(effect)
        self._editor_node.SetActiveEffectName(self._effect)

    def activeEffect(self) -> Any:
        return self._effect or None

    def installKeyboardShortcuts(self, _parent: Any = None) -> None:
        self.shortcuts_installed = True

    def uninstallKeyboardShortcuts(self) -> None:
        self.shortcuts_installed = False

    def setupViewObservations(self) -> None:
        self.views_observed = True

    def removeViewObservations(self) -> None:
        self.views_observed = False

    def updateWidgetFromMRML(self) -> None:
        self._ready("updateWidgetFromMRML")

    def setEffectNameOrder(self, _names: Any) -> None:
        pass

    def _ready(self, name: str) -> None:
        if self._editor_node is None or self._scene is None:
            raise RuntimeError(f"qMRMLSegmentEditorWidget.{name}: setMRMLSegmentEditorNode and setMRMLScene come first")


def _id(node: Any) -> str:
    return node.GetID() if node is not None else ""


def _kept(cls: type, name: str, start: Any) -> None:
    """A property that is only kept."""
    setattr(cls, name, lambda self: self._settings.get(name, start))
    setattr(cls, f"set{name[0].upper()}{name[1:]}", lambda self, value: self._settings.__setitem__(name, value))


_KEPT: dict[str, Any] = {
    "segmentationNodeSelectorVisible": True,
    "sourceVolumeNodeSelectorVisible": True,
    "switchToSegmentationsButtonVisible": True,
    "addRemoveSegmentButtonsVisible": True,
    "specifyGeometryButtonVisible": True,
    "maskingSectionVisible": True,
    "show3DButtonVisible": True,
    "unorderedEffectsVisible": True,
    "autoShowSourceVolumeNode": True,
    "jumpToSelectedSegmentEnabled": False,
    "maximumNumberOfUndoStates": 0,
    "readOnly": False,
    "effectColumnCount": 0,
    "undoEnabled": True,
}
for _name, _start in _KEPT.items():
    _kept(qMRMLSegmentEditorWidget, _name, _start)
