"""What a result can be taken away as: HTML report, text, table, scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..mrml.views import of_class
from .state import State
from .texts import result_text


class Export:
    """The four buttons under a result."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._analysis: Any = None
        ui.resultReportButton.connect("clicked(bool)", self._report)
        ui.resultCopyButton.connect("clicked(bool)", self._copy)
        ui.resultTableButton.connect("clicked(bool)", self._table)
        ui.resultSceneButton.connect("clicked(bool)", self._scene)

    def refresh(self, state: State) -> None:
        """Buttons are there with a result; an outdated one can be looked at and saved with its scene, but not handed on."""
        self._analysis = state.analysis
        ui, parameters = self._ui, self._panel.parameters
        ui.resultExportRow.setVisible(state.analysis is not None)
        current = not state.busy and not state.stale.result
        ui.resultReportButton.setEnabled(current)
        ui.resultCopyButton.setEnabled(current)
        ui.resultTableButton.setEnabled(not state.busy and parameters is not None and parameters.resultTable is not None)
        ui.resultSceneButton.setEnabled(not state.busy)

    def _report(self, _checked: bool = False) -> None:
        command = self._panel.analysis_command()
        if command is None:
            return
        path = self._ask(_("Save the report"), _("HTML report (*.html)"), "HabitatPNI report.html", ".html")
        if path:
            written = _("Report written: {path}").format(path=path)
            self._panel.run("report", {**command, "path": path}, lambda _value: self._panel.log(written))

    def _copy(self, _checked: bool = False) -> None:
        if self._analysis is not None:
            qt.QApplication.clipboard().setText(result_text(self._analysis))
            self._panel.log(_("The result is on the clipboard."))

    def _table(self, _checked: bool = False) -> None:
        table, manager = self._panel.parameters.resultTable, slicer.app.layoutManager()
        if table is None or manager is None:
            return
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView)
        for view in of_class(slicer.mrmlScene, "vtkMRMLTableViewNode"):
            view.SetTableNodeID(table.GetID())

    def _scene(self, _checked: bool = False) -> None:
        path = self._ask(_("Save the scene with its images"), _("Slicer scene (*.mrb)"), "HabitatPNI.mrb", ".mrb")
        if not path:
            return
        if slicer.util.saveScene(path):
            self._panel.log(_("Scene written: {path}").format(path=path))
        else:
            slicer.util.errorDisplay(_("The scene could not be written to {path}; choose another folder.").format(path=path))

    def _ask(self, title: str, kind: str, name: str, suffix: str) -> str:
        """Path chosen by the user, with the suffix; empty when there is none."""
        path = qt.QFileDialog.getSaveFileName(self._ui.resultSection, title, name, kind)
        if not path or path.lower().endswith(suffix):
            return path or ""
        # The file dialog asked about the name as typed, not about the one with the suffix.
        path += suffix
        taken = _("{name} is there already. Replace it?").format(name=Path(path).name)
        return path if not Path(path).exists() or slicer.util.confirmYesNoDisplay(taken) else ""
