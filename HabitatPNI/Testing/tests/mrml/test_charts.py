from __future__ import annotations

import pytest

from HabitatPNILib.mrml.charts import add_k_curve, parts_of

pytest.importorskip("slicer", reason="slicer-core is not installed")

CURVE = {"k": [2, 3, 4], "calinski_harabasz": [90.5, 120.25, 80.0], "silhouette": [0.4, 0.5, 0.3], "davies_bouldin": [0.9, 0.7, 1.1]}


def points(series):
    table = series.GetTableNode().GetTable()
    columns = [table.GetColumnByName(name) for name in (series.GetXColumnName(), series.GetYColumnName())]
    return [tuple(column.GetValue(row) for column in columns) for row in range(table.GetNumberOfRows())]


def test_each_criterion_is_a_chart_of_its_curve_with_the_chosen_k(scene):
    charts = add_k_curve(scene, CURVE, 4)
    assert list(charts) == ["calinski_harabasz", "silhouette", "davies_bouldin"]
    for name, chart in charts.items():
        curve, mark = (chart.GetNthPlotSeriesNode(i) for i in range(2))
        assert points(curve) == list(zip(CURVE["k"], CURVE[name], strict=True))
        assert points(mark) == [(4, CURVE[name][2])] * 2
        assert mark.GetName().startswith("chosen k = 4")
        assert chart.GetXAxisTitle() == "Number of habitats k"
        assert chart.GetYAxisTitle() in chart.GetTitle()
    assert charts["davies_bouldin"].GetTitle() == "Davies-Bouldin index (lower is better)"
    assert [node.GetClassName() for node in parts_of(charts["silhouette"])] == ["vtkMRMLPlotSeriesNode"] * 2 + ["vtkMRMLTableNode"] * 2


def test_without_a_choice_the_best_k_is_marked_and_one_beyond_the_curve_is_not(scene):
    assert points(add_k_curve(scene, CURVE)["silhouette"].GetNthPlotSeriesNode(1)) == [(3, 0.5)] * 2
    assert add_k_curve(scene, CURVE, 9)["silhouette"].GetNumberOfPlotSeriesNodes() == 1


def test_no_k_tried_is_no_chart(scene):
    before = scene.GetNumberOfNodes()
    assert add_k_curve(scene, {"k": [], "calinski_harabasz": [], "silhouette": [], "davies_bouldin": []}) == {}
    assert scene.GetNumberOfNodes() == before
