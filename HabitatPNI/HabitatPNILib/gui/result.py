"""Section Result: the notice, the probability and its class, what speaks for and against, and the nomogram."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..drawing import percent
from .appearance import BOX_ALARM, BOX_NOTE, BOX_WARNING, fit_height, pixmap, pixmap_from_bytes, probability_picture, signed_picture
from .export import Export
from .state import State
from .texts import class_line, contribution_rows, for_panel, is_alarm, model_line, notice, radscore_line, warnings_title

_NARROWEST, _WIDEST = 240, 900
_BAR_HEIGHT = 18
_SMALL_BAR = (90, 12)


class ResultSection:
    """Repaints a result when it is another one; an outdated one stays readable, greyed."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._export = Export(panel, ui)
        self._shown: Any = None
        self._nomogram: Any = None
        self._window: Any = None
        ui.resultProbabilityLabel.setStyleSheet("font-size: 30pt; font-weight: bold;")
        ui.resultClassLabel.setStyleSheet("font-weight: bold;")
        ui.resultWarningLabel.setStyleSheet(BOX_WARNING)
        ui.resultContributionsTable.verticalHeader().setVisible(False)
        ui.resultContent.setVisible(False)
        ui.resultExportRow.setVisible(False)
        ui.resultEnlargeButton.connect("clicked(bool)", self._enlarge)

    def refresh(self, state: State) -> None:
        """Repaint from the parameter node and the state."""
        analysis = state.analysis
        self._ui.resultContent.setVisible(analysis is not None)
        self._ui.resultContent.setEnabled(not state.stale.result)
        self._export.refresh(state)
        width = min(max(self._ui.resultSection.width, _NARROWEST), _WIDEST)
        node = self._panel.parameters.nomogram if self._panel.parameters else None
        shown = (analysis, width, node.GetText() if node is not None else "")
        if analysis is None or shown == self._shown:
            return
        self._shown = shown
        self._paint_answer(analysis, width)
        self._paint_contributions(analysis)
        self._paint_nomogram(shown[2], width)

    def release(self) -> None:
        """Forget the result; a window with its nomogram is closed."""
        self._shown = self._nomogram = None
        if self._window is not None:
            self._window.close()
            self._window = None
        self._ui.resultContent.setVisible(False)
        self._ui.resultExportRow.setVisible(False)

    def _paint_answer(self, analysis: Mapping[str, Any], width: int) -> None:
        ui = self._ui
        heading, text = notice(analysis)
        ui.resultNoticeLabel.setText(f"{heading}\n{text}")
        ui.resultNoticeLabel.setStyleSheet(BOX_ALARM if is_alarm(analysis) else BOX_NOTE)
        ui.resultProbabilityLabel.setText(percent(analysis["probability"]))
        ui.resultBarLabel.setPixmap(pixmap(probability_picture(analysis["probability"], analysis["cut_off"], width, _BAR_HEIGHT)))
        ui.resultClassLabel.setText(class_line(analysis))
        ui.resultClassLabel.setToolTip(_("Cut-off: {rule}").format(rule=analysis["cut_off_rule"]))
        warnings = analysis["warnings"]
        ui.resultWarningLabel.setText("\n".join((warnings_title(warnings), *(f"\u2022 {for_panel(warning)}" for warning in warnings))))
        ui.resultWarningLabel.setVisible(bool(warnings))
        ui.resultModelLabel.setText(model_line(analysis))

    def _paint_contributions(self, analysis: Mapping[str, Any]) -> None:
        table, rows = self._ui.resultContributionsTable, contribution_rows(analysis)
        reach = max((abs(row.size) for row in rows), default=0.0)
        table.setRowCount(len(rows))
        table.setColumnCount(4)
        table.setHorizontalHeaderLabels([_("Predictor"), _("Value"), _("Log odds"), _("against | for")])
        for number, row in enumerate(rows):
            for column, text in enumerate((row.label, row.value, row.log_odds)):
                item = qt.QTableWidgetItem(text)
                if column == 2:
                    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
                table.setItem(number, column, item)
            bar = qt.QLabel()
            bar.setPixmap(pixmap(signed_picture(row.size, reach, *_SMALL_BAR)))
            bar.setAlignment(qt.Qt.AlignCenter)
            table.setCellWidget(number, 3, bar)
        meaning = radscore_line(analysis)
        self._ui.resultRadscoreLabel.setText(meaning)
        self._ui.resultRadscoreLabel.setVisible(bool(meaning))
        header = table.horizontalHeader()
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        header.setSectionResizeMode(0, qt.QHeaderView.Stretch)
        fit_height(table)

    def _paint_nomogram(self, text: str, width: int) -> None:
        self._nomogram = _decoded(text)
        shown = self._nomogram is not None
        self._ui.resultNomogramLabel.setVisible(shown)
        self._ui.resultEnlargeButton.setVisible(shown)
        if shown:
            scaled = self._nomogram.scaledToWidth(2 * width, qt.Qt.SmoothTransformation)
            scaled.setDevicePixelRatio(2)
            self._ui.resultNomogramLabel.setPixmap(scaled)

    def _enlarge(self, _checked: bool = False) -> None:
        if self._nomogram is None:
            return
        window = qt.QDialog(slicer.util.mainWindow())
        window.setWindowTitle(_("Nomogram"))
        picture = qt.QLabel()
        picture.setPixmap(self._nomogram)
        area = qt.QScrollArea()
        area.setWidget(picture)
        qt.QVBoxLayout(window).addWidget(area)
        window.resize(self._nomogram.width() + 50, self._nomogram.height() + 50)
        window.show()
        self._window = window


def _decoded(text: str) -> Any:
    """Pixmap of a PNG in base64; None where it is none."""
    try:
        picture = pixmap_from_bytes(base64.b64decode(text or "", validate=True))
    except (binascii.Error, ValueError):
        return None
    return None if picture.isNull() else picture
