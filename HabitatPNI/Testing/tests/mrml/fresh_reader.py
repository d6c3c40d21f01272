"""Reads an .mrb file as Slicer does, without the library, and prints what it holds as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import vtk_to_numpy


def nodes(scene, class_name):
    return [scene.GetNthNodeByClass(i, class_name) for i in range(scene.GetNumberOfNodesByClass(class_name))]


def read(path: str, cache_folder: str):
    (Path(cache_folder) / ".slicer-cache").touch()
    scene, cache, data_io = slicer.vtkMRMLScene(), slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    application = slicer.vtkSlicerApplicationLogic()
    application.SetMRMLScene(scene)
    cache.SetRemoteCacheDirectory(cache_folder)
    data_io.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(data_io)
    messages = slicer.vtkMRMLMessageCollection()
    assert scene.ReadFromMRB(path, True, messages), messages.GetAllMessagesAsString()
    assert not messages.GetAllMessagesAsString().strip(), messages.GetAllMessagesAsString()
    return scene


def volume(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    array = vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    display = node.GetDisplayNode()
    return {
        "matrix": [matrix.GetElement(r, c) for r in range(4) for c in range(4)],
        "size": node.GetImageData().GetDimensions(),
        "sum": float(array.sum(dtype=float)),
        "window": [display.GetWindowLevelMin(), display.GetWindowLevelMax()],
    }


def segments(node):
    display = node.GetDisplayNode()
    for identity in node.GetSegmentation().GetSegmentIDs():
        data = slicer.vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(identity, data)
        segment = node.GetSegmentation().GetSegment(identity)
        yield (
            identity,
            {
                "name": segment.GetName(),
                "colour": segment.GetColor(),
                "voxels": int(np.count_nonzero(vtk_to_numpy(data.GetPointData().GetScalars()))),
                "fill": display.GetOpacity2DFill() if display.GetVisibility2DFill() else 0.0,
                "outline": display.GetOpacity2DOutline() if display.GetVisibility2DOutline() else 0.0,
                "visible": bool(display.GetVisibility()),
                "reference": node.GetNodeReference("referenceImageGeometryRef").GetName(),
            },
        )


def chart(node):
    series = [node.GetNthPlotSeriesNode(i) for i in range(node.GetNumberOfPlotSeriesNodes())]
    return {
        "title": node.GetTitle(),
        "axes": [node.GetXAxisTitle(), node.GetYAxisTitle()],
        "series": [
            {
                "name": s.GetName(),
                "line": s.GetLineStyleAsString(s.GetLineStyle()),
                "points": [
                    [
                        s.GetTableNode().GetTable().GetValueByName(row, column).ToDouble()
                        for column in (s.GetXColumnName(), s.GetYColumnName())
                    ]
                    for row in range(s.GetTableNode().GetTable().GetNumberOfRows())
                ],
            }
            for s in series
        ],
    }


def main(path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        scene = read(path, folder)
        table = scene.GetFirstNodeByName("HabitatPNI results").GetTable()
        composites = nodes(scene, "vtkMRMLSliceCompositeNode")
        found = {
            "volumes": {node.GetName(): volume(node) for node in nodes(scene, "vtkMRMLScalarVolumeNode")},
            "segments": {identity: values for node in nodes(scene, "vtkMRMLSegmentationNode") for identity, values in segments(node)},
            "table": [[table.GetValue(r, c).ToString() for c in range(3)] for r in range(table.GetNumberOfRows())],
            "text": json.loads(scene.GetFirstNodeByName("HabitatPNI analysis").GetText()),
            "layout": scene.GetFirstNodeByClass("vtkMRMLLayoutNode").GetViewArrangement(),
            "backgrounds": {c.GetLayoutName(): scene.GetNodeByID(c.GetBackgroundVolumeID()).GetName() for c in composites},
            "nomogram": getattr(scene.GetFirstNodeByName("HabitatPNI nomogram"), "GetText", lambda: None)(),
            "charts": {node.GetAttribute("HabitatPNI.role"): chart(node) for node in nodes(scene, "vtkMRMLPlotChartNode")},
            "roles": sorted(
                [scene.GetNthNode(i).GetAttribute("HabitatPNI.role"), scene.GetNthNode(i).GetAttribute("HabitatPNI.case")]
                for i in range(scene.GetNumberOfNodes())
                if scene.GetNthNode(i).GetAttribute("HabitatPNI.role")
            ),
            "table_view": scene.GetFirstNodeByClass("vtkMRMLTableViewNode").GetTableNode().GetName(),
        }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
