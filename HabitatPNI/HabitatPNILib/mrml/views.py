"""Slice views, layout and selection of a scene: the overlays in place over T2W when it is opened."""

from __future__ import annotations

from typing import Any

import numpy as np

from .host import slicer

_FIELD_MM = 140.0


def add_views(scene: Any, background: Any, table: Any) -> None:
    """Add a layout of slice views and a table view to a scene of its own (Slicer's scene has views already).

    Slice planes are those of the background volume, which may be oblique, and show the prostate and what surrounds it.
    """
    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(scene)
    logic.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
    for view in of_class(scene, "vtkMRMLSliceNode"):
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetName(view.GetName())
        composite.SetLayoutName(view.GetLayoutName())
        composite.SetSingletonTag(view.GetSingletonTag())
        scene.AddNode(composite)
        if background is not None:
            view.RotateToVolumePlane(background)
            view.SetFieldOfView(_FIELD_MM, _FIELD_MM, min(background.GetSpacing()))
    for view in of_class(scene, "vtkMRMLTableViewNode"):
        view.SetTableNodeID(table.GetID())
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    selection.SetReferenceActiveTableID(table.GetID())
    if background is not None:
        selection.SetReferenceActiveVolumeID(background.GetID())


def present(scene: Any, background: Any, foreground: Any, focus: np.ndarray) -> None:
    """Show a volume in every slice view of a scene, centred on a point in RAS mm; `foreground` lies ready, transparent."""
    for composite in of_class(scene, "vtkMRMLSliceCompositeNode"):
        composite.SetBackgroundVolumeID(background.GetID())
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        composite.SetForegroundOpacity(0.0)
        composite.SetLabelVolumeID(None)
    for view in of_class(scene, "vtkMRMLSliceNode"):
        view.JumpSliceByCentering(*(float(x) for x in focus))


def of_class(scene: Any, class_name: str) -> list[Any]:
    """Nodes of a class in a scene."""
    found = scene.GetNodesByClass(class_name)
    found.UnRegister(None)
    return [found.GetItemAsObject(i) for i in range(found.GetNumberOfItems())]
