"""Layout manager and view widgets: real MRML nodes and logics behind labelled grey placeholders."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from .observing import Observers
from .qmrml import qMRMLWidget
from .qmrml_segments import placeholder


class _View(qMRMLWidget):
    """Placeholder of a view; its node is one of the scene's."""

    label = "View"

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        placeholder(self, f"{self.label}\n(drawn by 3D Slicer)", 120)
        self._node: Any = None

    def forceRender(self) -> None:
        pass

    def scheduleRender(self) -> None:
        pass


class qMRMLSliceView(_View):
    """Placeholder of a slice view."""

    label = "Slice view"

    def mrmlSliceNode(self) -> Any:
        return self._node

    def setMRMLSliceNode(self, node: Any) -> None:
        self._node = node


class qMRMLThreeDView(_View):
    """Placeholder of a 3D view."""

    label = "3D view"

    def mrmlViewNode(self) -> Any:
        return self._node

    def setMRMLViewNode(self, node: Any) -> None:
        self._node = node

    def resetFocalPoint(self) -> None:
        pass

    def resetCamera(self) -> None:
        pass


class qMRMLPlotView(_View):
    """Plot view: names the chart that its view node shows."""

    label = "Plot"

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._observers = Observers(self)

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._observers.release()
        self._node = node
        if node is not None:
            self._observers.observe(node, "ModifiedEvent", "_follow")
        self._follow()

    def title(self) -> str:
        chart = self._node.GetPlotChartNode() if self._node is not None else None
        return (chart.GetTitle() or "") if chart is not None else ""

    def fitToContent(self) -> None:
        pass

    def _follow(self) -> None:
        self.findChild(QtWidgets.QLabel).setText(
            f"Plot: {self.title()}\n(drawn by 3D Slicer)" if self.title() else "Plot\n(drawn by 3D Slicer)"
        )


class _ViewWidget(qMRMLWidget):
    """View with its controller bar, which is left out."""

    view_class: type[_View] = _View

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._view = self.view_class(self)
        layout.addWidget(self._view)

    def setMRMLScene(self, scene: Any) -> None:
        super().setMRMLScene(scene)
        self._view.setMRMLScene(scene)

    def viewWidget(self) -> QtWidgets.QWidget:
        return self._view

    def mrmlAbstractViewNode(self) -> Any:
        return self._view._node


class qMRMLSliceWidget(_ViewWidget):
    """Slice view with its logic."""

    view_class = qMRMLSliceView

    def sliceView(self) -> QtWidgets.QWidget:
        return self._view

    def mrmlSliceNode(self) -> Any:
        return self._view._node

    def setMRMLSliceNode(self, node: Any) -> None:
        self._view._node = node

    def sliceLogic(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogic(self._view._node)

    def mrmlSliceCompositeNode(self) -> Any:
        return self.sliceLogic().GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self.sliceLogic().FitSliceToBackground()


class qMRMLThreeDWidget(_ViewWidget):
    """3D view."""

    view_class = qMRMLThreeDView

    def threeDView(self) -> QtWidgets.QWidget:
        return self._view

    def mrmlViewNode(self) -> Any:
        return self._view._node

    def setMRMLViewNode(self, node: Any) -> None:
        self._view._node = node


class qMRMLPlotWidget(_ViewWidget):
    """Plot view with its controller bar."""

    view_class = qMRMLPlotView

    def plotView(self) -> QtWidgets.QWidget:
        return self._view

    def mrmlPlotViewNode(self) -> Any:
        return self._view._node

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._view.setMRMLPlotViewNode(node)  # type: ignore[attr-defined]


class qMRMLTableView(QtWidgets.QTableView):
    """Table of a table node, read only here."""

    mrmlSceneChanged = QtCore.Signal(object)
    selectionChanged_ = QtCore.Signal()
    SIGNALS = {"selectionChanged()": "selectionChanged_"}  # noqa: RUF012

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._node: Any = None
        self._observers = Observers(self)
        self._model = _TableModel(self)
        self.setModel(self._model)

    def mrmlScene(self) -> Any:
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)

    def mrmlTableNode(self) -> Any:
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        self._observers.release()
        self._node = node
        if node is not None:
            self._observers.observe(node, "ModifiedEvent", "_follow")
        self._follow()

    def _follow(self) -> None:
        self._model.show(self._node.GetTable() if self._node is not None else None)


class _TableModel(QtCore.QAbstractTableModel):
    """Read-only model of a vtkTable."""

    def __init__(self, parent: QtCore.QObject) -> None:
        super().__init__(parent)
        self._table: Any = None

    def show(self, table: Any) -> None:
        self.beginResetModel()
        self._table = table
        self.endResetModel()

    def rowCount(self, _parent: Any = None) -> int:
        return self._table.GetNumberOfRows() if self._table is not None else 0

    def columnCount(self, _parent: Any = None) -> int:
        return self._table.GetNumberOfColumns() if self._table is not None else 0

    def data(self, index: QtCore.QModelIndex, role: int = 0) -> Any:
        return self._table.GetValue(index.row(), index.column()).ToString() if role == 0 else None

    def headerData(self, section: int, orientation: Any, role: int = 0) -> Any:
        if role == 0 and orientation == QtCore.Qt.Orientation.Horizontal and self._table is not None:
            return self._table.GetColumnName(section)
        return None


class qMRMLLayoutManager(QtCore.QObject):
    """Layout of the views; changing it makes the view nodes that the layout names, as in Slicer."""

    SIGNALS = {"layoutChanged(int)": "layoutNumberChanged"}  # noqa: RUF012
    layoutChanged = QtCore.Signal()
    layoutNumberChanged = QtCore.Signal(int)

    def __init__(self, scene: Any, logic: Any) -> None:
        super().__init__()
        self._scene, self._logic = scene, logic
        self._layout = logic.GetLayoutNode()
        self._widgets: dict[str, Any] = {}

    def mrmlScene(self) -> Any:
        return self._scene

    def layoutLogic(self) -> Any:
        return self._logic

    def layout(self) -> int:
        return self._layout.GetViewArrangement()

    def setLayout(self, number: int) -> None:
        self._layout.SetViewArrangement(int(number))
        self.layoutChanged.emit()
        self.layoutNumberChanged.emit(int(number))

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(node.GetLayoutName() for node in self._nodes("vtkMRMLSliceNode"))

    def sliceWidget(self, name: str) -> Any:
        node = next((node for node in self._nodes("vtkMRMLSliceNode") if node.GetLayoutName() == name), None)
        return self._widget(qMRMLSliceWidget, node, "setMRMLSliceNode")

    def mrmlSliceLogics(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogics()

    def threeDViewCount(self) -> int:
        return len(self._nodes("vtkMRMLViewNode"))

    def threeDWidget(self, index: int) -> Any:
        return self._nth(qMRMLThreeDWidget, "vtkMRMLViewNode", index, "setMRMLViewNode")

    def plotViewCount(self) -> int:
        return len(self._nodes("vtkMRMLPlotViewNode"))

    def plotWidget(self, index: int) -> Any:
        return self._nth(qMRMLPlotWidget, "vtkMRMLPlotViewNode", index, "setMRMLPlotViewNode")

    def tableViewCount(self) -> int:
        return len(self._nodes("vtkMRMLTableViewNode"))

    def resetSliceViews(self) -> None:
        slicer.app.applicationLogic().FitSliceToBackground()

    def resetThreeDViews(self) -> None:
        pass

    def pauseRender(self) -> None:
        pass

    def resumeRender(self) -> None:
        pass

    def _nodes(self, kind: str) -> list[Any]:
        return [self._scene.GetNthNodeByClass(index, kind) for index in range(self._scene.GetNumberOfNodesByClass(kind))]

    def _nth(self, cls: type[_ViewWidget], kind: str, index: int, setter: str) -> Any:
        nodes = self._nodes(kind)
        return self._widget(cls, nodes[index], setter) if index < len(nodes) else None

    def _widget(self, cls: type[_ViewWidget], node: Any, setter: str) -> Any:
        if node is None:
            return None
        if node.GetID() not in self._widgets:
            widget = cls()
            widget.setMRMLScene(self._scene)
            getattr(widget, setter)(node)
            self._widgets[node.GetID()] = widget
        return self._widgets[node.GetID()]
