"""Section Clinical: one field for each predictor of the model, and the local prevalence where the model takes one."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from ..drawing import percent
from ..predictors import Level, Predictor
from .appearance import BOX_ALARM, BOX_WARNING, FIELD_CAUTION, FIELD_ERROR
from .state import State
from .texts import field_help, field_hint, field_state


class ClinicalSection:
    """Fields made from the model's predictors; a value outside the training range is marked and not blocked."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._painting = False
        self._made_for: Any = None
        self._fields: dict[str, Any] = {}
        self._form = ui.clinicalFields.layout()
        ui.clinicalWarningLabel.setStyleSheet(BOX_WARNING)
        ui.clinicalErrorLabel.setStyleSheet(BOX_ALARM)
        for widget in (ui.clinicalPrevalenceRow, ui.clinicalWarningLabel, ui.clinicalErrorLabel):
            widget.setVisible(False)

    def refresh(self, state: State) -> None:
        """Repaint from the parameter node and the state; the fields are made anew when the model is another."""
        parameters = self._panel.parameters
        predictors = state.model.predictors if state.model else ()
        self._painting = True
        try:
            if predictors != self._made_for:
                self._make_fields(predictors)
            self._ui.clinicalFields.setEnabled(parameters is not None and not state.busy)
            self._paint_prevalence(parameters, state)
            given = dict(parameters.clinical) if parameters else {}
            cautions, errors = [], []
            for predictor in predictors:
                text = given.get(predictor.name, "")
                self._show_value(predictor, text)
                found = field_state(predictor, text)
                self._mark(self._fields[predictor.name], found.caution, found.error)
                cautions += [found.caution] if found.caution else []
                errors += [found.error] if found.error else []
            self._paint_lines(self._ui.clinicalWarningLabel, cautions)
            self._paint_lines(self._ui.clinicalErrorLabel, errors)
        finally:
            self._painting = False

    def release(self) -> None:
        """Forget the scene's values; the fields stay, empty."""
        for label in (self._ui.clinicalWarningLabel, self._ui.clinicalErrorLabel):
            label.setVisible(False)

    def _make_fields(self, predictors: tuple[Predictor, ...]) -> None:
        while self._form.rowCount():
            self._form.removeRow(0)
        self._fields = {predictor.name: self._make_field(predictor) for predictor in predictors}
        self._made_for = predictors

    def _make_field(self, predictor: Predictor) -> Any:
        if predictor.levels:
            field = qt.QComboBox()
            field.addItems([_("choose"), *(level.label for level in predictor.levels)])
            field.connect("currentIndexChanged(int)", lambda index: self._choose_level(predictor, index))
        else:
            field = qt.QLineEdit()
            field.setPlaceholderText(field_hint(predictor))
            field.connect("textChanged(QString)", lambda text: self._store(predictor, text))
        field.setObjectName(f"clinicalField_{predictor.name}")
        field.setToolTip(field_help(predictor))
        unit = f" ({predictor.unit})" if predictor.unit else ""
        label = qt.QLabel(f"{predictor.label}{unit}:")
        label.setToolTip(field_help(predictor))
        self._form.addRow(label, field)
        return field

    def _choose_level(self, predictor: Predictor, index: int) -> None:
        self._store(predictor, _spelling(predictor.levels[index - 1]) if index > 0 else "")

    def _store(self, predictor: Predictor, text: str) -> None:
        parameters = self._panel.parameters
        if self._painting or parameters is None:
            return
        # Values that another model asked for are kept, so that coming back to it finds them.
        given = dict(parameters.clinical)
        if text.strip():
            given[predictor.name] = text
        else:
            given.pop(predictor.name, None)
        parameters.clinical = given

    def _show_value(self, predictor: Predictor, text: str) -> None:
        field = self._fields[predictor.name]
        if not predictor.levels:
            if field.text != text and (field.text.strip() or text):
                field.setText(text)
            return
        spellings = [_spelling(level) for level in predictor.levels]
        if text and text not in spellings and not field_state(predictor, text).error:
            value = predictor.code(text, "")
            text = next(_spelling(level) for level in predictor.levels if level.value == value)
        field.setCurrentIndex(spellings.index(text) + 1 if text in spellings else 0)

    def _mark(self, field: Any, caution: str, error: str) -> None:
        style = FIELD_ERROR if error else FIELD_CAUTION if caution else ""
        if field.styleSheet != style:
            field.setStyleSheet(style)

    def _paint_lines(self, label: Any, sentences: list[str]) -> None:
        label.setText("\n".join(sentences))
        label.setVisible(bool(sentences))

    def _paint_prevalence(self, parameters: Any, state: State) -> None:
        stated = state.model.prevalence if state.model else None
        self._ui.clinicalPrevalenceRow.setVisible(stated is not None)
        self._ui.clinicalPrevalenceRow.setEnabled(parameters is not None and not state.busy)
        if stated is not None:
            text = _("the model's own, {prevalence}").format(prevalence=percent(float(stated["value"])))
            self._ui.clinicalPrevalenceSpinBox.setSpecialValueText(text)


def _spelling(level: Level) -> str:
    """How a level is written in the parameter node."""
    return level.accepts[0] if level.accepts else f"{level.value:g}"
