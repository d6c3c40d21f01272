"""The program's window follows the scene: slices, layout, charts, closing."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")


@pytest.fixture
def shown(monkeypatch):
    """Window over a scene of its own that holds one volume, brighter the higher."""
    monkeypatch.setenv("QT_QPA_PLATFORM", "offscreen")
    import host
    from host.program import Window
    from PySide6 import QtWidgets

    from HabitatPNILib.mrml.volumes import add_volume

    host.install()
    application = QtWidgets.QApplication.instance()
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    colours = slicer.vtkMRMLColorLogic()
    colours.SetMRMLScene(scene)
    array = np.broadcast_to(np.arange(20, dtype=np.int16)[:, None, None], (20, 30, 30))
    node = add_volume(scene, sitk.GetImageFromArray(np.ascontiguousarray(array)), "volume")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 20)
    window = Window(QtWidgets.QLabel("panel"), scene, logic)
    window.resize(1000, 600)
    window.show()

    def settle(seconds: float = 0.15) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            application.processEvents()

    for pane in window.views.slices.values():
        pane.view.composite.SetBackgroundVolumeID(node.GetID())
    settle()
    for pane in window.views.slices.values():
        pane.view.fit()
    settle()
    yield SimpleNamespace(window=window, scene=scene, settle=settle, colours=colours, views=window.views)
    window.close()


def _grey(pane) -> int:
    picture = pane.picture.pixmap().toImage()
    return picture.pixelColor(picture.width() // 2, picture.height() // 2).red()


def test_the_wheel_goes_through_the_slices(shown):
    from PySide6 import QtCore, QtGui, QtWidgets

    pane = shown.views.slices["Red"]
    greys = []
    for turns in (1, 1, -4):
        place = QtCore.QPointF(50, 50)
        event = QtGui.QWheelEvent(
            place,
            place,
            QtCore.QPoint(),
            QtCore.QPoint(0, 120 * turns),
            QtCore.Qt.MouseButton.NoButton,
            QtCore.Qt.KeyboardModifier.NoModifier,
            QtCore.Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        before = pane.view.logic.GetSliceOffset()
        QtWidgets.QApplication.sendEvent(pane, event)
        shown.settle()
        assert pane.view.logic.GetSliceOffset() - before == pytest.approx(turns)
        greys.append(_grey(pane))
    # One voxel of 1 mm is one step of 20 in 256 greys.
    np.testing.assert_allclose(np.diff(greys), [12.75, -4 * 12.75], atol=2)


def test_many_changes_are_one_picture(shown):
    pane = shown.views.slices["Red"]
    drawn = []
    draw = pane.view.render
    pane.view.render = lambda: drawn.append(1) or draw()
    for offset in range(12):
        pane.view.logic.SetSliceOffset(float(offset))
    shown.settle()
    assert 1 <= len(drawn) <= 3


def test_the_layout_node_decides_what_is_seen(shown):
    views, node = shown.views, shown.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    panes = {"plot": views.plot, "table": views.table, "3d": views.three_d, **views.slices}

    def seen(arrangement: int) -> set[str]:
        node.SetViewArrangement(arrangement)
        shown.settle()
        return {name for name, pane in panes.items() if pane.isVisible()}

    slices = {"Red", "Green", "Yellow"}
    assert seen(node.SlicerLayoutFourUpView) == slices | {"3d"}
    assert seen(node.SlicerLayoutFourUpPlotView) == slices | {"plot"}
    assert seen(node.SlicerLayoutFourUpTableView) == slices | {"3d", "table"}
    assert seen(node.SlicerLayoutOneUpRedSliceView) == {"Red"}


def test_a_chart_and_a_table_come_into_their_views(shown):
    from HabitatPNILib.mrml.charts import add_k_curve

    curve = {"k": [2, 3, 4], "calinski_harabasz": [10, 30, 20], "silhouette": [0.1, 0.3, 0.2], "davies_bouldin": [1.0, 0.5, 0.7]}
    chart = add_k_curve(shown.scene, curve)["silhouette"]
    layout = shown.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")
    layout.SetViewArrangement(layout.SlicerLayoutFourUpPlotView)
    shown.scene.GetFirstNodeByClass("vtkMRMLPlotViewNode").SetPlotChartNodeID(chart.GetID())
    shown.settle()
    picture = shown.views.plot.picture.pixmap().toImage()
    colours = {picture.pixelColor(x, y).name() for x in range(0, picture.width(), 2) for y in range(0, picture.height(), 2)}
    assert len(colours) > 5
    layout.SetViewArrangement(layout.SlicerLayoutFourUpTableView)
    table = chart.GetNthPlotSeriesNode(0).GetTableNode()
    shown.scene.GetFirstNodeByClass("vtkMRMLTableViewNode").SetTableNodeID(table.GetID())
    shown.settle()
    assert shown.views.table.table.rowCount() == 3


def test_scene_closed_and_window_closed(shown):
    assert _grey(shown.views.slices["Red"]) > 50
    shown.scene.Clear(0)
    shown.settle()
    assert _grey(shown.views.slices["Red"]) == 0
    shown.window.close()
    slice_node = shown.scene.GetNodeByID("vtkMRMLSliceNodeRed")
    slice_node.SetSliceOffset(4.0)
    shown.settle()
    assert "not 3D Slicer" in shown.window.windowTitle()
