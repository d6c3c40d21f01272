"""The embedded Segment Editor points at the chosen segment, whatever the widget chooses by itself."""

from __future__ import annotations

import qt
import slicer

from HabitatPNILib.gui.editor import Editor


def outline(name):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    for identity in ("first", "second"):
        node.GetSegmentation().AddEmptySegment(identity, identity)
    return node


def test_the_chosen_segment_is_set_again_after_the_widget_lost_its_segmentation(monkeypatch):
    slicer.mrmlScene.Clear()
    monkeypatch.setattr(slicer.util, "mainWindow", lambda: object())
    frame = qt.QWidget()
    qt.QVBoxLayout(frame)
    editor = Editor(frame, qt.QLabel())
    editor.show()
    widget = frame.layout().itemAt(0).widget()
    node = outline("one")
    editor.point_at(node, None, "second")
    assert widget.currentSegmentID() == "second"
    widget.setSegmentationNode(None)
    editor.point_at(node, None, "second")
    assert widget.currentSegmentID() == "second"
    editor.release()
    frame.delete()
    slicer.mrmlScene.Clear()
