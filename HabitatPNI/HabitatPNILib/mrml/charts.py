"""Cluster validity over k as Slicer plots: one chart a criterion, the chosen k marked in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..colours import habitat_rgb
from .host import slicer, vtk

CRITERIA = {
    "calinski_harabasz": ("Calinski-Harabasz index", "higher is better"),
    "silhouette": ("Silhouette", "higher is better"),
    "davies_bouldin": ("Davies-Bouldin index", "lower is better"),
}
K_COLUMN = "Number of habitats k"
CHOSEN = "chosen k"


def add_k_curve(scene: Any, k_curve: Mapping[str, Any], chosen: int | None = None) -> dict[str, Any]:
    """Add the curve of every criterion as a vtkMRMLPlotChartNode, with its series and table nodes.

    Parameters
    ----------
    k_curve : ``k``, ``calinski_harabasz``, ``silhouette`` and ``davies_bouldin``, sequences of equal length
    chosen : the k to mark, where the curve has it; without one the k of the highest Calinski-Harabasz index

    Returns
    -------
    chart nodes by criterion; none where no k was tried
    """
    ks = [int(k) for k in k_curve["k"]]
    if not ks:
        return {}
    if chosen is None:
        chosen = ks[max(range(len(ks)), key=lambda i: k_curve["calinski_harabasz"][i])]
    columns: dict[str, Sequence[float]] = {title: [float(v) for v in k_curve[name]] for name, (title, _) in CRITERIA.items()}
    curve = _table(scene, "HabitatPNI validity of k", {K_COLUMN: ks, **columns})
    mark = None
    if chosen in ks:
        at = ks.index(chosen)
        # Twice the same point: VTK complains at every painting of a series of one.
        twice = {t: [values[at]] * 2 for t, values in columns.items()}
        mark = _table(scene, "HabitatPNI chosen k", {K_COLUMN: [chosen] * 2, **twice})
    charts = {}
    for name, (title, meaning) in CRITERIA.items():
        chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode", f"HabitatPNI {title}")
        chart.SetTitle(f"{title} ({meaning})")
        chart.SetXAxisTitle(K_COLUMN)
        chart.SetYAxisTitle(title)
        chart.AddAndObservePlotSeriesNodeID(_line(scene, curve, title).GetID())
        if mark is not None:
            chart.AddAndObservePlotSeriesNodeID(_mark(scene, mark, title, chosen).GetID())
        charts[name] = chart
    return charts


def parts_of(chart: Any) -> list[Any]:
    """Series nodes of a chart and the tables they draw; a table may serve several series."""
    series = [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]
    found = [s for s in series if s is not None]
    tables = {table.GetID(): table for table in (s.GetTableNode() for s in found) if table is not None}
    return [*found, *tables.values()]


def _table(scene: Any, name: str, columns: Mapping[str, Sequence[float]]) -> Any:
    table = vtk.vtkTable()
    for title, values in columns.items():
        column = vtk.vtkDoubleArray()
        column.SetName(title)
        for value in values:
            column.InsertNextValue(float(value))
        table.AddColumn(column)
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetAndObserveTable(table)
    return node


def _line(scene: Any, table: Any, title: str) -> Any:
    series = _series(scene, table, title, title)
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleSolid)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleCircle)
    series.SetColor(*(c / 255 for c in habitat_rgb(3)))
    return series


def _mark(scene: Any, table: Any, title: str, chosen: int) -> Any:
    series = _series(scene, table, title, f"{CHOSEN} = {chosen}")
    series.SetLineStyle(slicer.vtkMRMLPlotSeriesNode.LineStyleNone)
    series.SetMarkerStyle(slicer.vtkMRMLPlotSeriesNode.MarkerStyleDiamond)
    series.SetMarkerSize(2 * series.GetMarkerSize())
    series.SetColor(*(c / 255 for c in habitat_rgb(1)))
    return series


def _series(scene: Any, table: Any, column: str, name: str) -> Any:
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", name)
    series.SetPlotType(slicer.vtkMRMLPlotSeriesNode.PlotTypeScatter)
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(K_COLUMN)
    series.SetYColumnName(column)
    return series
