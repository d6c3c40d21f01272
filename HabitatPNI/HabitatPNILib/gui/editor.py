"""Slicer's Segment Editor inside the panel, made when it is first shown and well behaved when it is not."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

_SINGLETON = "HabitatPNI"
_UNDO_STATES = 10


class Editor:
    """Holds at most one ``qMRMLSegmentEditorWidget``; every method may be called while there is none."""

    def __init__(self, frame: Any, label: Any) -> None:
        self._frame, self._label = frame, label
        self._widget: Any = None
        self._active = False
        self._pointed: tuple[str, str] | None = None

    def show(self) -> None:
        """Make the widget if need be, and let it listen to keys and views; in words where there is no main window to draw in."""
        if self._active:
            return
        if slicer.util.mainWindow() is None:
            self._label.setText(_("Drawing needs Slicer's main window; choose a segmentation that has an outline already."))
            self._label.setVisible(True)
            return
        self._label.setVisible(False)
        if self._widget is None:
            self._widget = self._make()
            self._frame.layout().addWidget(self._widget)
        self._widget.setMRMLSegmentEditorNode(_editor_node())
        self._widget.setupViewObservations()
        self._widget.installKeyboardShortcuts()
        self._active = True

    def leave(self) -> None:
        """Put the effect down and give back shortcuts and view observations."""
        if self._widget is None or not self._active:
            return
        self.put_down()
        self._widget.uninstallKeyboardShortcuts()
        self._widget.removeViewObservations()
        self._active = False

    def put_down(self) -> None:
        """No effect is active afterwards."""
        if self._widget is not None and self._widget.activeEffect() is not None:
            self._widget.setActiveEffect(None)

    def point_at(self, segmentation: Any, source: Any, segment: str) -> None:
        """Edit this segmentation over this volume, None leaves the place empty; the user may go on to another of its segments."""
        if self._widget is None or not self._active:
            return
        if self._widget.segmentationNode() is not segmentation:
            self._widget.setSegmentationNode(segmentation)
            self._pointed = None  # the widget has chosen a segment by itself
        if self._widget.sourceVolumeNode() is not source:
            self._widget.setSourceVolumeNode(source)
        if segmentation is None:
            self._pointed = None
        elif self._pointed != (segmentation.GetID(), segment):
            self._pointed = (segmentation.GetID(), segment)
            if segment:
                self._widget.setCurrentSegmentID(segment)

    def release(self) -> None:
        """Forget the nodes of a scene that closes."""
        self.leave()
        self._pointed = None
        if self._widget is not None and self._widget.mrmlSegmentEditorNode() is not None:
            self._widget.setSegmentationNode(None)
            self._widget.setSourceVolumeNode(None)
            self._widget.setMRMLSegmentEditorNode(None)

    def _make(self) -> Any:
        widget = slicer.qMRMLSegmentEditorWidget()
        widget.setMaximumNumberOfUndoStates(_UNDO_STATES)
        # Set before the scene, so that what the widget chooses by itself is kept in the node.
        widget.setMRMLSegmentEditorNode(_editor_node())
        widget.setMRMLScene(slicer.mrmlScene)
        widget.setSegmentationNodeSelectorVisible(False)
        widget.setSourceVolumeNodeSelectorVisible(False)
        widget.setSwitchToSegmentationsButtonVisible(False)
        return widget


def _editor_node() -> Any:
    """The panel's own editor node, so that Slicer's Segment Editor module keeps its choices."""
    node = slicer.mrmlScene.GetSingletonNode(_SINGLETON, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(_SINGLETON)
        node = slicer.mrmlScene.AddNode(node)
    return node
