"""Section Habitats: from what, how many, what they are, how they are shown, and the curve that speaks for their number."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..colours import habitat_colour
from ..mrml.looks import set_overlay
from ..mrml.views import of_class
from .appearance import fit_height, pixmap, swatch
from .state import BEST, VECTORS, State
from .texts import grid_line, habitat_columns, habitat_row, shown_sequences, vector_choices

_COUNTS = (0, *range(2, 10), BEST)
_VECTORS = ("", *VECTORS)
_SWATCH = 14


class HabitatsSection:
    """What habitats are clustered from, their number, the button Find habitats, their table, their looks, and the validity curve."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._painting = False
        self._shown_looks: Any = None
        self._shown_rows: Any = None
        ui.habitatsVectorsComboBox.addItems([label for label, _help in vector_choices(None)])
        for index, (_label, explanation) in enumerate(vector_choices(None)):
            ui.habitatsVectorsComboBox.setItemData(index, explanation, qt.Qt.ToolTipRole)
        ui.habitatsCountComboBox.addItems([_("as the model"), *(str(count) for count in _COUNTS[1:-1]), _("best by the indices")])
        best = _("The number that most of the three validity indices speak for in this case")
        ui.habitatsCountComboBox.setItemData(len(_COUNTS) - 1, best, qt.Qt.ToolTipRole)
        ui.habitatsCurveComboBox.addItems([_("Calinski-Harabasz"), _("Silhouette"), _("Davies-Bouldin")])
        ui.habitatsTable.verticalHeader().setVisible(False)
        for widget in (ui.habitatsTable, ui.habitatsGridLabel, ui.habitatsLookRow, ui.habitatsCurveRow, ui.habitatsNoteLabel):
            widget.setVisible(False)
        ui.habitatsVectorsComboBox.connect("currentIndexChanged(int)", self._choose_vectors)
        ui.habitatsCountComboBox.connect("currentIndexChanged(int)", self._choose_count)
        ui.habitatsFindButton.connect("clicked(bool)", self._find)
        ui.habitatsCurveButton.connect("clicked(bool)", self._show_curve)

    def refresh(self, state: State) -> None:
        """Repaint from the parameter node and the state, and show the habitats as the sliders and boxes say."""
        parameters = self._panel.parameters
        self._painting = True
        try:
            open_to_change = parameters is not None and not state.busy
            self._ui.habitatsVectorsComboBox.setEnabled(open_to_change)
            self._ui.habitatsCountComboBox.setEnabled(open_to_change)
            self._ui.habitatsFindButton.setEnabled(open_to_change and not state.needs.habitats and state.model is not None)
            self._paint_choice(parameters, state)
            self._paint_table(state)
            node = parameters.habitats if parameters else None
            self._ui.habitatsLookRow.setVisible(node is not None)
            self._ui.habitatsCurveRow.setVisible(bool(self._charts(parameters)))
            if node is not None and not state.busy:
                self._show_looks(parameters, node)
        finally:
            self._painting = False

    def release(self) -> None:
        """Forget the scene's nodes."""
        self._shown_looks = self._shown_rows = None
        for widget in (self._ui.habitatsTable, self._ui.habitatsGridLabel, self._ui.habitatsLookRow, self._ui.habitatsCurveRow):
            widget.setVisible(False)

    def _choose_vectors(self, index: int) -> None:
        if not self._painting and self._panel.parameters is not None:
            self._panel.parameters.habitatVectors = _VECTORS[index]

    def _choose_count(self, index: int) -> None:
        if not self._painting and self._panel.parameters is not None:
            self._panel.parameters.habitatCount = _COUNTS[index]

    def _find(self, _checked: bool = False) -> None:
        self._panel.find_habitats()

    def _show_curve(self, _checked: bool = False) -> None:
        charts = self._charts(self._panel.parameters)
        chart = charts.get(self._ui.habitatsCurveComboBox.currentIndex)
        manager = slicer.app.layoutManager()
        if chart is None or manager is None:
            return
        manager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpPlotView)
        for view in of_class(slicer.mrmlScene, "vtkMRMLPlotViewNode"):
            view.SetPlotChartNodeID(chart.GetID())

    def _charts(self, parameters: Any) -> dict[int, Any]:
        """Chart nodes by their place in the combo box."""
        if parameters is None:
            return {}
        nodes = (parameters.chartCH, parameters.chartSilhouette, parameters.chartDB)
        return {i: node for i, node in enumerate(nodes) if node is not None}

    def _paint_choice(self, parameters: Any, state: State) -> None:
        count = parameters.habitatCount if parameters else 0
        vectors = parameters.habitatVectors if parameters else ""
        settings = state.model.protocol.get("habitats", {}) if state.model else {}
        own = settings.get("k")
        combo = self._ui.habitatsCountComboBox
        combo.setItemText(0, _("as the model ({count})").format(count=own) if own else _("as the model"))
        combo.setCurrentIndex(_COUNTS.index(count) if count in _COUNTS else 0)
        combo = self._ui.habitatsVectorsComboBox
        combo.setItemText(0, vector_choices(settings)[0][0])
        combo.setCurrentIndex(_VECTORS.index(vectors) if vectors in _VECTORS else 0)
        combo.setToolTip(vector_choices(settings)[combo.currentIndex][1])
        note = ""
        if vectors:
            note = _("Your own habitats are for looking only: they do not enter the probability, and Run all takes the model's habitats.")
        elif count:
            note = _("A number of your own is for looking only: it does not enter the probability, and Run all takes the model's number.")
        elif state.habitats is not None and not state.habitats_from_model:
            note = _("The habitats shown were clustered from this case alone and do not enter the probability.")
        if state.habitats is not None and state.shown_vectors:
            name = vector_choices(None)[_VECTORS.index(state.shown_vectors)][0]
            note = " ".join(line for line in (_("Shown: habitats from {vectors}.").format(vectors=name), note) if line)
        self._ui.habitatsNoteLabel.setText(note)
        self._ui.habitatsNoteLabel.setVisible(bool(note))

    def _paint_table(self, state: State) -> None:
        table, habitats = self._ui.habitatsTable, state.habitats or ()
        table.setVisible(bool(habitats))
        table.setEnabled(not state.stale.habitats)
        counted = grid_line(habitats)
        self._ui.habitatsGridLabel.setText(counted)
        self._ui.habitatsGridLabel.setVisible(bool(counted))
        if habitats == self._shown_rows:
            return
        self._shown_rows = habitats
        columns = habitat_columns(habitats)
        sequences = shown_sequences(habitats)
        table.setRowCount(len(habitats))
        table.setColumnCount(len(columns))
        table.setHorizontalHeaderLabels([title for title, _help in columns])
        for column, (_title, explanation) in enumerate(columns):
            table.horizontalHeaderItem(column).setToolTip(explanation)
        for row, habitat in enumerate(habitats):
            for column, text in enumerate(habitat_row(habitat, sequences)):
                item = qt.QTableWidgetItem(text)
                if column:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                else:
                    item.setIcon(qt.QIcon(pixmap(swatch(habitat_colour(habitat["label"]), _SWATCH))))
                table.setItem(row, column, item)
        table.horizontalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        fit_height(table)

    def _show_looks(self, parameters: Any, node: Any) -> None:
        looks = (node.GetID(), parameters.opacity, parameters.outline, parameters.surfaces)
        if looks != self._shown_looks:
            self._shown_looks = looks
            set_overlay(node, *looks[1:])
