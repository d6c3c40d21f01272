"""Section Tumour: the outline, its size and what would trouble an analysis, and the Segment Editor to draw it."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..errors import CaseError
from ..mrml.measure import measure_segment
from ..mrml.results import ROLE_ATTRIBUTE
from ..mrml.segmentations import TERMINOLOGY, TUMOUR_LOOK, reference_volume
from .appearance import BOX_WARNING
from .editor import Editor
from .state import State
from .texts import for_panel, size_line

_MADE_WAY = "HabitatPNI.outlineHidden"
"""Attribute of habitats for which the outline was hidden, and of an outline hidden so; a saved scene keeps both."""


class TumourSection:
    """Choice of segmentation and segment, their measure, and the embedded Segment Editor."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._painting = False
        self._entered = False
        self._source: Any = None
        self._measured: Any = None
        self._editor = Editor(ui.tumourEditorFrame, ui.tumourEditorLabel)
        for label in (ui.tumourSizeLabel, ui.tumourWarningLabel, ui.tumourEditorLabel):
            label.setVisible(False)
        ui.tumourWarningLabel.setStyleSheet(BOX_WARNING)
        ui.tumourSegmentSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._choose_segmentation)
        ui.tumourSegmentSelector.connect("currentSegmentChanged(QString)", self._choose_segment)
        ui.tumourSourceSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._choose_source)
        ui.tumourNewButton.connect("clicked(bool)", self._new_outline)
        ui.tumourButton.connect("contentsCollapsed(bool)", self._collapsed)

    def enter(self) -> None:
        """The module is shown: the Segment Editor, where it is open, takes its shortcuts."""
        self._entered = True
        self.refresh(self._panel.state)

    def exit(self) -> None:
        """The module is left: no effect stays active, no shortcut and no view observation stays behind."""
        self._entered = False
        self._editor.leave()

    def refresh(self, state: State) -> None:
        """Repaint from the parameter node and the state."""
        parameters = self._panel.parameters
        self._painting = True
        try:
            ui = self._ui
            if parameters is not None and not state.busy:
                self._make_way(parameters)
            open_to_change = parameters is not None and not state.busy
            for widget in (ui.tumourSegmentSelector, ui.tumourSourceSelector, ui.tumourEditorFrame):
                widget.setEnabled(open_to_change)
            segmentation = parameters.segmentation if parameters else None
            source = self._source_volume(parameters)
            ui.tumourSegmentSelector.setCurrentNode(segmentation)
            ui.tumourSegmentSelector.setCurrentSegmentID(parameters.segmentID if parameters else "")
            ui.tumourSourceSelector.setCurrentNode(source)
            ui.tumourNewButton.setEnabled(open_to_change and source is not None)
            self._paint_measure(state)
            if parameters is not None and self._entered and not ui.tumourButton.collapsed:
                self._editor.show()
            if state.busy:
                self._editor.put_down()
            self._editor.point_at(segmentation, source, parameters.segmentID if parameters else "")
        finally:
            self._painting = False

    def release(self) -> None:
        """Forget the scene's nodes, in the Segment Editor too."""
        self._source = self._measured = None
        self._editor.release()
        for label in (self._ui.tumourSizeLabel, self._ui.tumourWarningLabel):
            label.setVisible(False)

    def _make_way(self, parameters: Any) -> None:
        """Hide the outline once for each new result, whose own tumour is shown: it would lie where T2W was before the registration."""
        shown, outline = parameters.habitats, parameters.segmentation
        if shown is None or shown.GetAttribute(_MADE_WAY):
            return
        shown.SetAttribute(_MADE_WAY, "1")
        display = outline.GetDisplayNode() if outline is not None and not outline.GetAttribute(ROLE_ATTRIBUTE) else None
        if display is not None and display.GetVisibility():
            display.SetVisibility(False)
            outline.SetAttribute(_MADE_WAY, "1")
            self._ui.tumourButton.collapsed = True  # so that opening it is what brings the outline back

    def _bring_back(self) -> None:
        """Show the outline again if a result hid it."""
        outline = self._panel.parameters.segmentation if self._panel.parameters is not None else None
        if outline is not None and outline.GetAttribute(_MADE_WAY):
            outline.RemoveAttribute(_MADE_WAY)
            if outline.GetDisplayNode() is not None:
                outline.GetDisplayNode().SetVisibility(True)

    def _choose_segmentation(self, node: Any) -> None:
        parameters = self._panel.parameters
        if self._painting or parameters is None or parameters.segmentation is node:
            return
        modified = parameters.StartModify()
        parameters.segmentation = node
        parameters.segmentID = self._ui.tumourSegmentSelector.currentSegmentID() if node is not None else ""
        parameters.EndModify(modified)
        self._bring_back()

    def _choose_segment(self, identity: str) -> None:
        if not self._painting and self._panel.parameters is not None:
            self._panel.parameters.segmentID = identity

    def _choose_source(self, node: Any) -> None:
        if not self._painting:
            self._source = node
            self.refresh(self._panel.state)

    def _source_volume(self, parameters: Any) -> Any:
        """Volume to draw on: the one chosen, else the one the outline was drawn on, else T2W."""
        if parameters is None:
            return None
        if self._source is not None and self._source.GetScene() is slicer.mrmlScene:
            return self._source
        drawn_on = reference_volume(parameters.segmentation) if parameters.segmentation else None
        return drawn_on or parameters.t2w

    def _new_outline(self, _checked: bool = False) -> None:
        parameters = self._panel.parameters
        source = self._source_volume(parameters)
        if source is None:
            return
        look = TUMOUR_LOOK[1]
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", slicer.mrmlScene.GenerateUniqueName(_("Tumour outline")))
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(source)
        identity = node.GetSegmentation().AddEmptySegment(look.identity, look.name, [channel / 255 for channel in look.rgb])
        node.GetSegmentation().GetSegment(identity).SetTag(slicer.vtkSegment.GetTerminologyEntryTagName(), TERMINOLOGY)
        modified = parameters.StartModify()
        parameters.segmentation = node
        parameters.segmentID = identity
        parameters.EndModify(modified)

    def _paint_measure(self, state: State) -> None:
        parameters = self._panel.parameters
        node = parameters.segmentation if parameters else None
        identity = state.inputs.segment
        size, warning = "", ""
        if node is not None and identity and node.GetSegmentation().GetSegment(identity):
            size, warning = self._measure(node, identity, state)
        self._ui.tumourSizeLabel.setVisible(bool(size))
        self._ui.tumourSizeLabel.setText(size)
        self._ui.tumourWarningLabel.setVisible(bool(warning))
        self._ui.tumourWarningLabel.setText(warning)

    def _measure(self, node: Any, identity: str, state: State) -> tuple[str, str]:
        """Size and warnings in words, measured again only when the segment or the images are others."""
        parameters = self._panel.parameters
        volumes = {name: getattr(parameters, name) for name in ("t2w", "dwi", "adc") if getattr(parameters, name) is not None}
        protocol = state.model.protocol.get("preprocessing") if state.model else None
        drawn = node.GetSegmentation().GetSegment(identity).GetRepresentation("Binary labelmap")
        made_of = (
            identity,
            drawn.GetMTime() if drawn is not None else 0,
            _place(node),
            tuple((volume.GetMTime(), _place(volume)) for volume in volumes.values()),
            state.model.checksum if state.model else "",
        )
        if self._measured is None or self._measured[0] != made_of:
            try:
                found = measure_segment(node, identity, volumes, protocol)
                words = size_line(found.volume_ml, found.diameter_mm, found.voxels) if found.voxels else "", "\n".join(found.warnings)
            except CaseError as error:
                words = "", for_panel(str(error))
            self._measured = (made_of, words)
        return self._measured[1]

    def _collapsed(self, collapsed: bool) -> None:
        if collapsed:
            self._editor.leave()
        else:
            self._bring_back()
            self.refresh(self._panel.state)


def _place(node: Any) -> tuple[str, int]:
    """Identity of a node and of the transform that it lies under."""
    transform = node.GetParentTransformNode()
    return node.GetID(), transform.GetTransformToWorldMTime() if transform is not None else 0
