"""Selectors of MRML nodes and segments, with the manners of Slicer's: what they choose by themselves, and when.

A node combo box without "None" chooses the first node when it is given its scene; when the chosen node goes, it moves to a neighbour; after
a scene was imported it fills itself anew and may have let go of its node; renaming the chosen node sends currentNodeChanged.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from . import dialogs
from .observing import Observers

_ID_ROLE = int(QtCore.Qt.ItemDataRole.UserRole) + 1
_ACTION_ROLE = _ID_ROLE + 1


class qMRMLWidget(QtWidgets.QWidget):
    """Widget that knows a scene."""

    mrmlSceneChanged = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Selector of nodes of the scene."""

    SIGNALS = {"currentNodeChanged(bool)": "currentNodeThere"}  # noqa: RUF012
    currentNodeChanged = QtCore.Signal(object)
    currentNodeThere = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    currentNodeRenamed = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeAboutToBeEdited = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAddedByUserAction = QtCore.Signal(object)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._types: tuple[str, ...] = ()
        self._attributes: list[tuple[str, str, str | None]] = []
        self._options = {"none": False, "add": True, "remove": True, "edit": False, "rename": False}
        self._show_children, self._show_hidden, self._hidden_types = True, False, ()
        self._select_new, self._none_display, self._base_name = True, "None", ""
        self._requested = ""
        self._switching = False
        self._observers = Observers(self)
        self._nodes_observed: set[Any] = set()
        self._model = QtGui.QStandardItemModel(self)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setModel(self._model)
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._combo.setMinimumContentsLength(8)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Fixed)
        self._combo.currentTextChanged.connect(self._index_changed)
        self._combo.activated.connect(self._activated)
        self._model.rowsRemoved.connect(self._let_go_when_hidden)
        self.setEnabled(False)

    # Scene
    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is self._scene:
            return
        had_nodes, earlier = self.nodeCount() > 0, self.currentNodeID()
        self._observers.release()
        self._nodes_observed.clear()
        self._scene = scene
        self._switching = True
        self._fill()
        self._switching = False
        self._update_extra_items()
        if scene is not None:
            events = slicer.vtkMRMLScene
            self._observers.observe(scene, events.NodeAddedEvent, "_node_added", priority=10.0, call_data=True)
            self._observers.observe(scene, events.NodeAboutToBeRemovedEvent, "_node_about_to_be_removed", priority=-10.0, call_data=True)
            self._observers.observe(scene, events.EndImportEvent, "_fill")
            self._observers.observe(scene, events.EndCloseEvent, "_fill")
        first = self.nodeFromIndex(0) if not self._options["none"] else None
        wanted = earlier if had_nodes else self._requested or (first.GetID() if first is not None else "")
        self._requested = ""
        # From nothing, so that the choice is told: Slicer's selector does so each time it is given a scene.
        self._switching = True
        self._combo.setCurrentIndex(-1)
        self._switching = False
        self.setCurrentNodeID(wanted)
        self.setEnabled(scene is not None)

    def _fill(self) -> None:
        for node in [node for node in self._nodes_observed if node.GetScene() is not self._scene]:
            self._observers.forget(node)
            self._nodes_observed.discard(node)
        # All at once, as Slicer does: row by row the choice would wander through the neighbours.
        self._model.removeRows(self._none_rows(), self.nodeCount())
        if self._scene is not None:
            for index in range(self._scene.GetNumberOfNodes()):
                self._insert(self._scene.GetNthNode(index))

    def _node_added(self, node: Any) -> None:
        if not self._scene.IsImporting():
            self._insert(node)

    def _node_about_to_be_removed(self, node: Any) -> None:
        if self._scene.IsClosing():
            return
        if node in self._nodes_observed:
            self._observers.forget(node)
            self._nodes_observed.discard(node)
        row = self._row_of(node.GetID())
        if row >= 0:
            self.nodeAboutToBeRemoved.emit(node)
            self._model.removeRow(row)

    def _insert(self, node: Any) -> None:
        if node is None or not self._of_my_types(node):
            return
        if node not in self._nodes_observed:
            # A node shows up, changes its name or goes when it is hidden: any of this comes as ModifiedEvent.
            self._observers.observe(node, "ModifiedEvent", "_nodes_modified")
            self._nodes_observed.add(node)
        if self._accepts(node) and self._row_of(node.GetID()) < 0:
            item = QtGui.QStandardItem(node.GetName() or "")
            item.setData(node.GetID(), _ID_ROLE)
            self._model.insertRow(self._none_rows() + self.nodeCount(), item)
            if not self._switching:
                self.nodeAdded.emit(node)

    def _nodes_modified(self) -> None:
        if self._scene is None or self._scene.IsClosing() or self._scene.IsImporting():
            return
        for node in list(self._nodes_observed):
            if node.GetScene() is not self._scene:
                continue
            row = self._row_of(node.GetID())
            if row >= 0 and not self._accepts(node):
                self._model.removeRow(row)
            elif row >= 0 and self._model.item(row).text() != (node.GetName() or ""):
                self._model.item(row).setText(node.GetName() or "")
            elif row < 0:
                self._insert(node)

    def _of_my_types(self, node: Any) -> bool:
        if self._show_children:
            return any(node.IsA(kind) for kind in self._types) and not any(node.IsA(kind) for kind in self._hidden_types)
        return node.GetClassName() in self._types

    def _accepts(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self._show_hidden:
            return False
        wanted = [(name, value) for kind, name, value in self._attributes if node.IsA(kind)]
        return all(node.GetAttribute(name) is not None and value in (None, node.GetAttribute(name)) for name, value in wanted)

    # Current node
    def currentNode(self) -> Any:
        identifier = self.currentNodeID()
        return self._scene.GetNodeByID(identifier) if identifier and self._scene is not None else None

    def currentNodeID(self) -> str:
        return self._combo.currentData(_ID_ROLE) or ""

    def setCurrentNode(self, node: Any) -> None:
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, identifier: str) -> None:
        if self._scene is None:
            self._requested = identifier or ""
        row = self._row_of(identifier)
        self._combo.setCurrentIndex(row if row >= 0 else self._nothing())

    def setCurrentNodeIndex(self, index: int) -> None:
        index = index if index < self.nodeCount() else -1
        self._combo.setCurrentIndex(index + self._none_rows())

    def nodeCount(self) -> int:
        return sum(bool(self._model.item(row).data(_ID_ROLE)) for row in range(self._model.rowCount()))

    def nodeFromIndex(self, index: int) -> Any:
        item = self._model.item(index + self._none_rows())
        return self._scene.GetNodeByID(item.data(_ID_ROLE)) if item is not None and item.data(_ID_ROLE) else None

    def _row_of(self, identifier: str | None) -> int:
        if not identifier:
            return -1
        return next((row for row in range(self._model.rowCount()) if self._model.item(row).data(_ID_ROLE) == identifier), -1)

    def _nothing(self) -> int:
        return self._none_rows() - 1

    def _none_rows(self) -> int:
        # Before there is a scene there is no row for "None" either.
        first = self._model.item(0)
        return int(first is not None and not first.data(_ID_ROLE) and not first.data(_ACTION_ROLE))

    def _index_changed(self, *_: Any) -> None:
        if self._switching:
            return
        node = self.currentNode()
        if node is None and self._combo.currentIndex() != self._nothing():
            last = self.nodeFromIndex(self.nodeCount() - 1)
            if last is not None:
                self.setCurrentNode(last)
            return
        self.currentNodeChanged.emit(node)
        self.currentNodeThere.emit(node is not None)
        self.currentNodeIDChanged.emit(node.GetID() if node is not None else "")

    def _let_go_when_hidden(self, *_: Any) -> None:
        if self.currentNode() is None and not self._switching:
            self.setCurrentNode(None)

    def _activated(self, index: int) -> None:
        action = self._model.item(index).data(_ACTION_ROLE)
        if action is None:
            self.nodeActivated.emit(self.currentNode())
        elif action == "CREATE":
            node = self.addNode()
            if node is not None:
                self.setCurrentNode(node)
                self.nodeAddedByUserAction.emit(node)
        elif action == "DELETE":
            self.removeCurrentNode()
        elif action == "RENAME":
            self.renameCurrentNode()

    # Actions
    def addNode(self, kind: str = "") -> Any:
        kind = kind or (self._types[0] if self._types else "")
        if self._scene is None or kind not in self._types:
            return None
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(self._base_name or kind.removeprefix("vtkMRML")))
        if self._select_new:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self) -> None:
        self._scene.RemoveNode(self.currentNode())

    def renameCurrentNode(self) -> None:
        node = self.currentNode()
        if node is None:
            return
        title = f"Rename {node.GetName()}"
        shown = partial(QtWidgets.QInputDialog.getText, self, title, "New name:", text=node.GetName())
        name = dialogs.ask("input", "New name:", title=title, buttons=(), show=lambda: shown()[0])
        if name:
            node.SetName(name)
            self.currentNodeRenamed.emit(name)

    def addAttribute(self, kind: str, name: str, value: str | None = None) -> None:
        self._attributes.append((kind, name, value))
        self._refill()

    def removeAttribute(self, kind: str, name: str) -> None:
        self._attributes = [entry for entry in self._attributes if entry[:2] != (kind, name)]
        self._refill()

    def _refill(self) -> None:
        if self._scene is not None:
            earlier = self.currentNodeID()
            self._fill()
            self._update_extra_items()
            if earlier and self._row_of(earlier) >= 0:
                self.setCurrentNodeID(earlier)

    def _update_extra_items(self) -> None:
        """ "None" before the nodes, the actions after them; the choice stays."""
        was_switching, self._switching = self._switching, True
        current = self.currentNodeID()
        for row in reversed(range(self._model.rowCount())):
            if not self._model.item(row).data(_ID_ROLE):
                self._model.removeRow(row)
        if self._scene is not None:
            if self._options["none"]:
                self._model.insertRow(0, QtGui.QStandardItem(self._none_display))
            labels = {"rename": "Rename current", "add": "Create new", "remove": "Delete current"}
            data = {"rename": "RENAME", "add": "CREATE", "remove": "DELETE"}
            for name, label in labels.items():
                if self._options[name]:
                    item = QtGui.QStandardItem(f"{label} {(self._types or ('node',))[0].removeprefix('vtkMRML').removesuffix('Node')}")
                    item.setData(data[name], _ACTION_ROLE)
                    self._model.appendRow(item)
        row = self._row_of(current)
        self._combo.setCurrentIndex(row if row >= 0 else self._nothing())
        self._switching = was_switching

    # Properties
    def nodeTypes(self) -> tuple[str, ...]:
        return self._types

    def setNodeTypes(self, types: Any) -> None:
        self._types = tuple(kind for kind in types if kind)
        self._refill()

    def noneDisplay(self) -> str:
        return self._none_display

    def setNoneDisplay(self, text: str) -> None:
        self._none_display = text
        self._update_extra_items()

    def baseName(self) -> str:
        return self._base_name

    def setBaseName(self, name: str, _kind: str = "") -> None:
        self._base_name = name

    def showChildNodeTypes(self) -> bool:
        return self._show_children

    def setShowChildNodeTypes(self, on: bool) -> None:
        self._show_children = on
        self._refill()

    def hideChildNodeTypes(self) -> tuple[str, ...]:
        return self._hidden_types

    def setHideChildNodeTypes(self, types: Any) -> None:
        self._hidden_types = tuple(types)
        self._refill()

    def showHidden(self) -> bool:
        return self._show_hidden

    def setShowHidden(self, on: bool) -> None:
        self._show_hidden = on
        self._refill()

    def selectNodeUponCreation(self) -> bool:
        return self._select_new

    def setSelectNodeUponCreation(self, on: bool) -> None:
        self._select_new = on


def _option(name: str) -> tuple[Any, Any]:
    def get(self: qMRMLNodeComboBox) -> bool:
        return self._options[name]

    def put(self: qMRMLNodeComboBox, on: bool) -> None:
        if self._options[name] != on:
            self._options[name] = on
            self._update_extra_items()

    return get, put


for _name in ("none", "add", "remove", "edit", "rename"):
    _get, _put = _option(_name)
    setattr(qMRMLNodeComboBox, f"{_name}Enabled", _get)
    setattr(qMRMLNodeComboBox, f"set{_name.capitalize()}Enabled", _put)
