"""Slice, 3D and plot views of a scene, rendered off screen by slicer-core's own displayable managers; no Qt here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import slicer
import vtk
from vtk.util import numpy_support

# In Slicer the views register the first of these and the modules the others.
_SLICE_MANAGERS = (
    "vtkMRMLVolumeGlyphSliceDisplayableManager",
    "vtkMRMLModelSliceDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager2D",
)
_THREE_D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)
_LINES = {
    "LineStyleNone": vtk.vtkPen.NO_PEN,
    "LineStyleSolid": vtk.vtkPen.SOLID_LINE,
    "LineStyleDash": vtk.vtkPen.DASH_LINE,
    "LineStyleDot": vtk.vtkPen.DOT_LINE,
}
_SURFACE = "Closed surface"
_MARKERS = ("None", "Cross", "Plus", "Square", "Circle", "Diamond")


class _View:
    """One off-screen window; `on_change` is called, perhaps often, when what it shows may look different."""

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(True)
        self.window.SetMultiSamples(0)
        self._on_change = on_change
        self._observed: list[tuple[Any, int]] = []

    def close(self) -> None:
        """Let go of the scene."""
        for thing, tag in self._observed:
            thing.RemoveObserver(tag)
        self._observed.clear()
        self._on_change = None
        self.window.Finalize()

    def _watch(self, thing: Any, event: Any) -> None:
        self._observed.append((thing, thing.AddObserver(event, self._changed)))

    def _changed(self, *_: Any) -> None:
        if self._on_change is not None:
            self._on_change()

    def _pixels(self) -> np.ndarray:
        """What the window shows now, (height, width, 3) uint8 with the top row first."""
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.SetInputBufferTypeToRGB()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        flat = numpy_support.vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return np.ascontiguousarray(flat.reshape(height, width, 3)[::-1])


class _ManagedView(_View):
    """A view whose contents Slicer's displayable managers put into one renderer."""

    def __init__(self, factory: Any, managers: tuple[str, ...], logic: Any, node: Any, on_change: Callable[[], None] | None) -> None:
        super().__init__(on_change)
        self.node = node
        self.renderer = vtk.vtkRenderer()
        self.window.AddRenderer(self.renderer)
        # Widget managers refuse to work without one; this kind starts no event loop and needs no display.
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self.window)
        factory.SetMRMLApplicationLogic(logic)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        self._managers = factory.InstantiateDisplayableManagers(self.renderer)
        self._managers.UnRegister(None)
        self._managers.SetMRMLDisplayableNode(node)
        self._watch(self._managers, vtk.vtkCommand.UpdateEvent)

    def close(self) -> None:
        """Let go of the scene."""
        self._managers.SetMRMLDisplayableNode(None)
        super().close()


class SliceView(_ManagedView):
    """A slice view: the volumes blended by Slicer's slice logic, and over them what its displayable managers draw.

    Parameters
    ----------
    logic : vtkMRMLApplicationLogic of the scene; its slice logic for the node is used where it has one
    node : vtkMRMLSliceNode in the scene
    on_change : called when the picture may be out of date
    """

    def __init__(self, logic: Any, node: Any, on_change: Callable[[], None] | None = None) -> None:
        super().__init__(slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), _SLICE_MANAGERS, logic, node, on_change)
        known = logic.GetSliceLogic(node) if logic.GetSliceLogics() is not None else None
        self._own = known is None
        self.logic = slicer.vtkMRMLSliceLogic() if known is None else known
        if self._own:
            self.logic.SetMRMLApplicationLogic(logic)
            self.logic.SetMRMLScene(node.GetScene())
            self.logic.SetSliceNode(node)
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255.0)
        self._mapper.SetColorLevel(127.5)
        self._picture = vtk.vtkActor2D()
        self._picture.SetMapper(self._mapper)
        self._picture.GetProperty().SetDisplayLocationToBackground()
        self.renderer.AddViewProp(self._picture)
        self._watch(self.logic, vtk.vtkCommand.ModifiedEvent)
        self._watch(node, vtk.vtkCommand.ModifiedEvent)
        self._watch(self.composite, vtk.vtkCommand.ModifiedEvent)

    @property
    def composite(self) -> Any:
        """vtkMRMLSliceCompositeNode of this view: which volumes it shows and how it blends them."""
        return self.logic.GetSliceCompositeNode()

    def resize(self, width: int, height: int) -> None:
        """Size in pixels; the field of view keeps its scale."""
        if self.window.GetSize() != (width, height):
            self.window.SetSize(width, height)
            self.logic.ResizeSliceNode(width, height)

    def render(self) -> np.ndarray:
        """Picture (height, width, 3), uint8."""
        blend = self.logic.GetImageDataConnection()
        self._picture.SetVisibility(blend is not None)
        if blend is not None:
            self._mapper.SetInputConnection(blend)
        return self._pixels()

    def pixel(self, ras: Any) -> tuple[float, float]:
        """Column and row of the picture under a point in RAS mm."""
        to_ras = vtk.vtkMatrix4x4()
        to_ras.DeepCopy(self.node.GetXYToRAS())
        to_ras.Invert()
        x, y, _, _ = to_ras.MultiplyPoint((*(float(v) for v in ras), 1.0))
        return x, self.node.GetDimensions()[1] - 1 - y

    def offsets(self) -> tuple[float, float, float]:
        """Smallest and largest slice offset and the step between slices, mm."""
        limits, step = [0.0, 0.0], vtk.reference(1.0)
        self.logic.GetSliceOffsetRangeResolution(limits, step)
        return limits[0], limits[1], float(step)

    def fit(self) -> None:
        """Fit the view to its background volume."""
        self.logic.FitSliceToBackground(True)

    def close(self) -> None:
        """Let go of the scene."""
        super().close()
        if self._own:
            self.logic.SetSliceNode(None)
            self.logic.SetMRMLScene(None)


class ThreeDView(_ManagedView):
    """A 3D view of models and segmentations.

    Parameters
    ----------
    logic : vtkMRMLApplicationLogic of the scene
    node : vtkMRMLViewNode in the scene
    on_change : called when the picture may be out of date
    """

    def __init__(self, logic: Any, node: Any, on_change: Callable[[], None] | None = None) -> None:
        super().__init__(slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), _THREE_D_MANAGERS, logic, node, on_change)
        self.renderer.GradientBackgroundOn()
        self.window.SetAlphaBitPlanes(True)
        self.renderer.SetUseDepthPeeling(True)
        light = vtk.vtkLightKit()
        light.AddLightsToRenderer(self.renderer)
        self._watch(node, vtk.vtkCommand.ModifiedEvent)

    def resize(self, width: int, height: int) -> None:
        """Size in pixels."""
        self.window.SetSize(width, height)

    def surfaces(self) -> tuple[str, ...]:
        """IDs of the segmentations whose surfaces can be seen here."""
        nodes = self.node.GetScene().GetNodesByClass("vtkMRMLSegmentationNode")
        nodes.UnRegister(None)
        found = (nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems()))
        return tuple(node.GetID() for node in found if _has_surface(node))

    def fit(self) -> None:
        """Move the camera so that the segmentations' surfaces fill the view; without any, so that everything is seen."""
        box = vtk.vtkBoundingBox()
        for identity in self.surfaces():
            # The node's own bounds are those of its lattice, which may be the whole image.
            segmentation = self.node.GetScene().GetNodeByID(identity).GetSegmentation()
            for segment in segmentation.GetSegmentIDs():
                box.AddBounds(segmentation.GetSegment(segment).GetRepresentation(_SURFACE).GetBounds())
        if box.IsValid():
            bounds = [0.0] * 6
            box.GetBounds(bounds)
            self.renderer.ResetCamera(bounds)
            self.renderer.ResetCameraClippingRange()
        else:
            self.renderer.ResetCamera()

    def turn(self, azimuth: float, elevation: float) -> None:
        """Turn the camera around what it looks at, degrees."""
        camera = self.renderer.GetActiveCamera()
        camera.Azimuth(azimuth)
        camera.Elevation(elevation)
        camera.OrthogonalizeViewUp()
        self.renderer.ResetCameraClippingRange()

    def render(self) -> np.ndarray:
        """Picture (height, width, 3), uint8."""
        return self._pixels()


def _has_surface(node: Any) -> bool:
    display = node.GetDisplayNode()
    shown = display is not None and display.GetVisibility() and display.GetVisibility3D()
    return bool(shown) and node.GetSegmentation().ContainsRepresentation(_SURFACE)


class PlotView(_View):
    """A plot view: the scatter, line and bar series of a vtkMRMLPlotChartNode, drawn simply."""

    def __init__(self, on_change: Callable[[], None] | None = None) -> None:
        super().__init__(on_change)
        self._renderer = vtk.vtkRenderer()
        self._renderer.SetBackground(1.0, 1.0, 1.0)
        self.window.AddRenderer(self._renderer)
        self._actor = vtk.vtkContextActor()
        self._actor.GetScene().SetRenderer(self._renderer)
        self._renderer.AddActor(self._actor)

    def resize(self, width: int, height: int) -> None:
        """Size in pixels."""
        self.window.SetSize(width, height)

    def show(self, node: Any) -> None:
        """Draw a vtkMRMLPlotChartNode as it is now; None empties the view."""
        scene = self._actor.GetScene()
        scene.ClearItems()
        if node is None:
            return
        chart = vtk.vtkChartXY()
        for index in range(node.GetNumberOfPlotSeriesNodes()):
            series = node.GetNthPlotSeriesNode(index)
            if series is not None and series.GetTableNode() is not None:
                _add_plot(chart, series)
        if node.GetTitleVisibility():
            chart.SetTitle(node.GetTitle() or "")
        chart.SetShowLegend(bool(node.GetLegendVisibility()))
        titles = {vtk.vtkAxis.BOTTOM: node.GetXAxisTitle(), vtk.vtkAxis.LEFT: node.GetYAxisTitle()}
        for place, title in titles.items():
            axis = chart.GetAxis(place)
            axis.SetTitle(title or "")
            axis.GetTitleProperties().SetFontSize(14)
            axis.GetLabelProperties().SetFontSize(12)
            axis.SetGridVisible(bool(node.GetGridVisibility()))
        chart.GetTitleProperties().SetFontSize(16)
        scene.AddItem(chart)

    def render(self) -> np.ndarray:
        """Picture (height, width, 3), uint8."""
        return self._pixels()


def _add_plot(chart: Any, series: Any) -> None:
    bars = series.GetPlotType() in (series.PlotTypeBar, series.PlotTypeScatterBar)
    plot = chart.AddPlot(vtk.vtkChart.BAR if bars else vtk.vtkChart.LINE)
    table, y = series.GetTableNode().GetTable(), series.GetYColumnName()
    plot.SetUseIndexForXSeries(not series.IsXColumnRequired())
    plot.SetInputData(table, series.GetXColumnName() if series.IsXColumnRequired() else y, y)
    plot.SetLabel(series.GetName() or y)
    plot.SetColorF(*series.GetColor())
    plot.SetWidth(series.GetLineWidth())
    if not bars:
        lines = {getattr(series, name): pen for name, pen in _LINES.items()}
        plot.GetPen().SetLineType(lines.get(series.GetLineStyle(), vtk.vtkPen.SOLID_LINE))
        markers = {getattr(series, f"MarkerStyle{name}"): getattr(plot, name.upper()) for name in _MARKERS}
        plot.SetMarkerStyle(markers[series.GetMarkerStyle()])
        plot.SetMarkerSize(series.GetMarkerSize())
