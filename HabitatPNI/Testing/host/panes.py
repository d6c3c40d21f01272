"""The program's panes: a coloured bar over a picture that `views` renders, or over a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from host.views import PlotView, SliceView, ThreeDView

_SETTLE_MS = 30
_STEPS = 1000


class Pane(QtWidgets.QWidget):
    """A view with its bar; `redraw()` asks for one new picture soon, however often it is called."""

    def __init__(self, title: str, rgb: tuple[float, float, float]) -> None:
        super().__init__()
        self.bar = QtWidgets.QHBoxLayout()
        self.bar.setContentsMargins(4, 1, 4, 1)
        self.bar.addWidget(QtWidgets.QLabel(title))
        strip = QtWidgets.QWidget()
        strip.setLayout(self.bar)
        strip.setAutoFillBackground(True)
        strip.setStyleSheet(f"background-color: {QtGui.QColor.fromRgbF(*rgb).name()}; color: black;")
        strip.setFixedHeight(22)
        self.picture = QtWidgets.QLabel()
        self.picture.setMinimumSize(60, 60)
        self.picture.setSizePolicy(QtWidgets.QSizePolicy.Policy.Ignored, QtWidgets.QSizePolicy.Policy.Ignored)
        self.column = QtWidgets.QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(0)
        self.column.addWidget(strip)
        self.column.addWidget(self.picture, 1)
        self._due = QtCore.QTimer(self)
        self._due.setSingleShot(True)
        self._due.setInterval(_SETTLE_MS)
        self._due.timeout.connect(self.draw)

    def redraw(self, *_: Any) -> None:
        """Draw once, shortly."""
        if not self._due.isActive():
            self._due.start()

    def draw(self) -> None:
        """Draw now, where the pane can be seen."""
        if self.isVisible():
            pixels = self._render(self.picture.width(), self.picture.height())
            height, width, _ = pixels.shape
            image = QtGui.QImage(pixels.tobytes(), width, height, 3 * width, QtGui.QImage.Format.Format_RGB888)
            self.picture.setPixmap(QtGui.QPixmap.fromImage(image))

    def release(self) -> None:
        """Let go of the scene."""
        self._due.stop()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self.redraw()

    def showEvent(self, event: QtGui.QShowEvent) -> None:
        super().showEvent(event)
        self.redraw()

    def _render(self, width: int, height: int) -> np.ndarray:
        """Picture of this size as uint8 (height, width, 3). Abstract: each pane has its own, but one that overrides `draw`."""
        raise NotImplementedError


class SlicePane(Pane):
    """A slice view: the slider and the wheel go through the slices, the wheel with Ctrl zooms."""

    def __init__(self, logic: Any, node: Any) -> None:
        super().__init__(node.GetLayoutLabel() or node.GetName(), node.GetLayoutColor())
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setRange(0, _STEPS)
        self._slider.setStyleSheet("background-color: transparent;")
        self._where = QtWidgets.QLabel()
        self.bar.addWidget(self._slider, 1)
        self.bar.addWidget(self._where)
        self.view = SliceView(logic, node, self.redraw)
        self._slider.sliderMoved.connect(self._slide)

    def release(self) -> None:
        """Let go of the scene."""
        super().release()
        self.view.close()

    def wheelEvent(self, event: QtGui.QWheelEvent) -> None:
        turns = event.angleDelta().y() / 120.0
        if event.modifiers() & QtCore.Qt.KeyboardModifier.ControlModifier:
            x, y, z = self.view.node.GetFieldOfView()
            scale = 0.9**turns
            self.view.node.SetFieldOfView(x * scale, y * scale, z)
        else:
            low, high, step = self.view.offsets()
            offset = self.view.logic.GetSliceOffset() + turns * step
            self.view.logic.SetSliceOffset(min(max(offset, low), high))
        event.accept()

    def _slide(self, value: int) -> None:
        low, high, _ = self.view.offsets()
        self.view.logic.SetSliceOffset(low + (high - low) * value / _STEPS)

    def _render(self, width: int, height: int) -> np.ndarray:
        self.view.resize(width, height)
        low, high, _ = self.view.offsets()
        offset = self.view.logic.GetSliceOffset()
        if not self._slider.isSliderDown() and high > low:
            self._slider.setValue(round(_STEPS * (offset - low) / (high - low)))
        self._where.setText(f"{offset:.1f} mm")
        return self.view.render()


class ThreeDPane(Pane):
    """The 3D view: dragging turns it, a double click and new surfaces fit it."""

    def __init__(self, logic: Any, node: Any) -> None:
        super().__init__("3D", node.GetLayoutColor())
        self.bar.addStretch(1)
        self.view = ThreeDView(logic, node, self.redraw)
        self._fitted: tuple[str, ...] | None = None
        self._last = QtCore.QPointF()

    def release(self) -> None:
        """Let go of the scene."""
        super().release()
        self.view.close()

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        self._last = event.position()

    def mouseMoveEvent(self, event: QtGui.QMouseEvent) -> None:
        moved, self._last = event.position() - self._last, event.position()
        self.view.turn(-0.5 * moved.x(), 0.5 * moved.y())
        self.redraw()

    def mouseDoubleClickEvent(self, event: QtGui.QMouseEvent) -> None:
        self._fitted = None
        self.redraw()

    def _render(self, width: int, height: int) -> np.ndarray:
        self.view.resize(width, height)
        surfaces = self.view.surfaces()
        if surfaces != self._fitted:
            self._fitted = surfaces
            self.view.fit()
        return self.view.render()


class PlotPane(Pane):
    """The chart of the scene's first plot view."""

    def __init__(self, scene: Any) -> None:
        super().__init__("Plot", (0.87, 0.87, 0.93))
        self.bar.addStretch(1)
        self._scene = scene
        self.view = PlotView()

    def release(self) -> None:
        """Let go of the scene."""
        super().release()
        self.view.close()

    def _render(self, width: int, height: int) -> np.ndarray:
        node = self._scene.GetFirstNodeByClass("vtkMRMLPlotViewNode")
        self.view.resize(width, height)
        self.view.show(node.GetPlotChartNode() if node is not None else None)
        return self.view.render()


class TablePane(Pane):
    """The table of the scene's first table view, as text."""

    def __init__(self, scene: Any) -> None:
        super().__init__("Table", (0.87, 0.87, 0.93))
        self.bar.addStretch(1)
        self._scene = scene
        self.picture.hide()
        self.table = QtWidgets.QTableWidget()
        self.table.horizontalHeader().setStretchLastSection(True)
        self.table.setEditTriggers(QtWidgets.QAbstractItemView.EditTrigger.NoEditTriggers)
        self.column.addWidget(self.table, 1)

    def draw(self) -> None:
        """Fill the table from its node."""
        view = self._scene.GetFirstNodeByClass("vtkMRMLTableViewNode")
        node = view.GetTableNode() if view is not None else None
        data = node.GetTable() if node is not None else vtk.vtkTable()
        self.table.setRowCount(data.GetNumberOfRows())
        self.table.setColumnCount(data.GetNumberOfColumns())
        self.table.setHorizontalHeaderLabels([data.GetColumnName(i) for i in range(data.GetNumberOfColumns())])
        for row in range(data.GetNumberOfRows()):
            for column in range(data.GetNumberOfColumns()):
                self.table.setItem(row, column, QtWidgets.QTableWidgetItem(data.GetValue(row, column).ToString()))
        self.table.resizeColumnsToContents()


class Panes(QtWidgets.QWidget):
    """The views of a scene's layout: those of its slice, 3D, plot and table views that its layout node shows, two a row.

    Parameters
    ----------
    scene : vtkMRMLScene; gets a layout where it has none
    logic : its vtkMRMLApplicationLogic
    """

    def __init__(self, scene: Any, logic: Any) -> None:
        super().__init__()
        self._layouts = slicer.vtkMRMLLayoutLogic()
        self._layouts.SetMRMLScene(scene)
        self._layout_node = self._layouts.GetLayoutNode()
        if self._layout_node.GetViewArrangement() in (self._layout_node.SlicerLayoutNone, self._layout_node.SlicerLayoutInitialView):
            self._layout_node.SetViewArrangement(self._layout_node.SlicerLayoutFourUpView)
        self._scene = scene
        names = ("Red", "Green", "Yellow")
        self.slices = {name: SlicePane(logic, scene.GetNodeByID(f"vtkMRMLSliceNode{name}")) for name in names}
        self.three_d = ThreeDPane(logic, scene.GetNodeByID("vtkMRMLViewNode1"))
        self.plot, self.table = PlotPane(scene), TablePane(scene)
        # As Slicer's four-up: axial, 3D (or what takes its place), coronal, sagittal.
        self._kinds: dict[Pane, tuple[str, str]] = {
            self.slices["Red"]: ("vtkMRMLSliceNode", "Red"),
            self.three_d: ("vtkMRMLViewNode", "1"),
            self.plot: ("vtkMRMLPlotViewNode", ""),
            self.slices["Green"]: ("vtkMRMLSliceNode", "Green"),
            self.slices["Yellow"]: ("vtkMRMLSliceNode", "Yellow"),
            self.table: ("vtkMRMLTableViewNode", ""),
        }
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)
        for pane in self._kinds:
            pane.setParent(self)
        self._observed = [
            (self._layout_node, self._layout_node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._arrange)),
            (scene, scene.AddObserver(scene.EndImportEvent, self._redraw_all)),
            (scene, scene.AddObserver(scene.EndCloseEvent, self._redraw_all)),
            (scene, scene.AddObserver(scene.NodeAddedEvent, self._node_added)),
        ]
        self._views_seen: set[str] = set()
        self._arrange()

    def draw(self) -> None:
        """Draw every pane that can be seen, now."""
        for pane in self._kinds:
            pane.draw()

    def release(self) -> None:
        """Let go of the scene."""
        for thing, tag in self._observed:
            thing.RemoveObserver(tag)
        self._observed.clear()
        for pane in self._kinds:
            pane.release()

    def _arrange(self, *_: Any) -> None:
        text = self._layout_node.GetCurrentLayoutDescription() or ""
        shown = [pane for pane, (kind, tag) in self._kinds.items() if _described(text, kind, tag)]
        for pane in self._kinds:
            self._grid.removeWidget(pane)
            pane.setVisible(pane in shown)
        for place, pane in enumerate(shown):
            wide = place == len(shown) - 1 and place % 2 == 0
            self._grid.addWidget(pane, place // 2, place % 2, 1, 2 if wide else 1)
        self._node_added()
        self._redraw_all()

    def _node_added(self, *_: Any) -> None:
        """Follow plot and table views as the layout makes them."""
        for pane, name in ((self.plot, "vtkMRMLPlotViewNode"), (self.table, "vtkMRMLTableViewNode")):
            node = self._scene.GetFirstNodeByClass(name)
            if node is not None and node.GetID() not in self._views_seen:
                self._views_seen.add(node.GetID())
                self._observed.append((node, node.AddObserver(vtk.vtkCommand.ModifiedEvent, pane.redraw)))

    def _redraw_all(self, *_: Any) -> None:
        for pane in self._kinds:
            pane.redraw()


def _described(layout: str, kind: str, tag: str) -> bool:
    return f'class="{kind}"' in layout and (not tag or f'class="{kind}" singletontag="{tag}"' in layout)
