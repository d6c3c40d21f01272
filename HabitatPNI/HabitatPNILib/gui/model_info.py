"""The window behind the model's info button: its card, and its network's weights on this computer."""

from __future__ import annotations

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from .. import RESEARCH_USE_ONLY
from ..frozen_model import FrozenModel
from .state import State

_SIZE = (640, 560)


class ModelInfo:
    """Shows one model. Weights are downloaded or removed only after the user has said so to a question with source and size."""

    def __init__(self, panel: Any, model: FrozenModel) -> None:
        self._panel, self._model = panel, model
        self._weights: dict[str, Any] | None = None
        self._closed = False
        self.dialog = qt.QDialog(slicer.util.mainWindow())
        self.dialog.setWindowTitle(_("Model {name} {version}").format(name=model.name, version=model.version))
        self.dialog.resize(*_SIZE)
        self.head = qt.QLabel(head_of(model))
        self.head.wordWrap = True
        self.card = qt.QTextBrowser()
        self.card.setMarkdown(model.card)
        self.card.openExternalLinks = True
        self.weights_label = qt.QLabel(_("This model needs no network weights."))
        self.weights_label.wordWrap = True
        self.download_button = qt.QPushButton(_("Download weights..."))
        self.remove_button = qt.QPushButton(_("Remove weights..."))
        close = qt.QPushButton(_("Close"))
        buttons = qt.QHBoxLayout()
        for button in (self.download_button, self.remove_button):
            button.visible = False
            buttons.addWidget(button)
        buttons.addStretch(1)
        buttons.addWidget(close)
        layout = qt.QVBoxLayout(self.dialog)
        layout.addWidget(self.head)
        layout.addWidget(self.card)
        layout.addWidget(self.weights_label)
        layout.addLayout(buttons)
        close.connect("clicked(bool)", lambda _checked: self.dialog.hide())
        self.download_button.connect("clicked(bool)", lambda _checked: self._download())
        self.remove_button.connect("clicked(bool)", lambda _checked: self._remove())

    def show(self) -> None:
        """Open the window, and ask the worker about the weights."""
        self.dialog.show()
        if self._needs_weights:
            self.weights_label.text = _("The network's weights are shown here when nothing else runs.")
            self._panel.weights("status", self._model, self._show_weights)

    def close(self) -> None:
        """Close the window for good; an answer that comes later is not shown."""
        self._closed = True
        self.dialog.hide()
        self.dialog.deleteLater()

    def refresh(self, state: State) -> None:
        """Lock the buttons while something runs."""
        for button in (self.download_button, self.remove_button):
            button.enabled = not state.busy

    @property
    def _needs_weights(self) -> bool:
        return self._model.imaging is not None

    def _show_weights(self, value: dict[str, Any]) -> None:
        if self._closed:
            return
        self._weights = value
        if not value["needed"]:
            self.weights_label.text = _("This model needs no weights from elsewhere: they are made from a seed.")
        elif value["present"]:
            self.weights_label.text = _("Network weights: {path} ({megabytes:.0f} MB)").format(**value)
        else:
            text = _("The network's weights are not on this computer: {megabytes:.0f} MB from {source}, to {path}")
            self.weights_label.text = text.format(**value)
        self.download_button.visible = bool(value["needed"] and not value["present"])
        self.remove_button.visible = bool(value["needed"] and value["present"])

    def _download(self) -> None:
        question = _("Download {megabytes:.0f} MB from {source} to {path}? No data of yours is sent.")
        if self._weights and slicer.util.confirmOkCancelDisplay(question.format(**self._weights), windowTitle=_("HabitatPNI")):
            self._panel.weights("download", self._model, self._show_weights)

    def _remove(self) -> None:
        question = _("Remove the downloaded network weights ({path}, {megabytes:.0f} MB)? They can be fetched again from {source}.")
        if self._weights and slicer.util.confirmOkCancelDisplay(question.format(**self._weights), windowTitle=_("HabitatPNI")):
            self._panel.weights("remove", self._model, self._show_weights)


def head_of(model: FrozenModel) -> str:
    """What has to be known before the card is read: kind, notice, whom it fits, how well it did."""
    kinds = {"clinical": _("Clinical model: no image enters the probability"), "combined": _("Combined model: clinical values and images")}
    lines = [model.title, kinds.get(model.kind, model.kind), model.notice]
    if model.demonstration:
        lines.append(_("Demonstration model: its number means nothing for a patient."))
    lines += [f"{name}: {text}" for name, text in model.cohort.items()]
    for row in model.performance:
        parts = [f"{name} {_number(value)}" for name, value in row.items() if name != "cohort" and isinstance(value, (int, float))]
        lines.append(": ".join(part for part in (str(row.get("cohort", "")), ", ".join(parts)) if part))
    return "\n".join([*lines, RESEARCH_USE_ONLY])


def _number(value: float) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
