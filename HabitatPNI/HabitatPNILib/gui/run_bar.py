"""Top of the panel: model, Run all / Cancel, progress with the stage's name and elapsed time, log."""

from __future__ import annotations

import time
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..errors import ModelError
from .messages import show_error
from .model_info import ModelInfo
from .models import ModelList
from .state import State

_TICK_MSEC = 200
_DOUBLE_CLICK_S = 0.4
"""A click on Cancel so soon after the start is the second half of a double click on Run all."""
_NOT_SELECTABLE = 255
"""Role of a combo box's item that holds its flags (Qt.UserRole - 1); a value of 0 there greys the item."""


class RunBar:
    """The widgets above the sections; it changes nothing but the parameter `model`."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._models: ModelList = panel.models
        self._info: ModelInfo | None = None
        self._listed: list[str] = []
        self._painting = False
        self._stage, self._started = "", 0.0
        self._clock = qt.QTimer()
        self._clock.setInterval(_TICK_MSEC)
        self._clock.timeout.connect(self._tick)
        ui.deviceComboBox.addItem(_("Processor (CPU)"), "cpu")
        ui.deviceComboBox.addItem(_("NVIDIA graphics card (CUDA)"), "cuda")
        ui.runAllButton.connect("clicked(bool)", lambda _checked: self._run_or_cancel())
        ui.tryItLabel.connect("linkActivated(QString)", lambda _link: panel.try_phantom())
        ui.modelComboBox.connect("currentIndexChanged(int)", self._choose)
        ui.modelAddButton.connect("clicked(bool)", lambda _checked: self._add())
        ui.modelInfoButton.connect("clicked(bool)", lambda _checked: self._show_info())

    @property
    def device(self) -> str:
        """``cpu`` or ``cuda``."""
        return str(self._ui.deviceComboBox.currentData)

    def refresh(self, state: State) -> None:
        """Show the chosen model and what the button does now."""
        self._painting = True
        try:
            self._list_models()
        finally:
            self._painting = False
        ui = self._ui
        there = self._panel.parameters is not None
        ui.runAllButton.text = _("Cancel") if state.busy else _("Run all")
        ui.runAllButton.enabled = there
        ui.runAllButton.toolTip = "" if state.busy else "\n".join(state.needs.result)
        for widget in (ui.modelComboBox, ui.modelAddButton, ui.deviceComboBox, ui.tryItLabel):
            widget.enabled = there and not state.busy
        ui.modelInfoButton.enabled = state.model is not None
        if self._info is not None:
            self._info.refresh(state)

    def begin(self, what: str) -> None:
        """Start the clock."""
        self._started = time.monotonic()
        self.progress(0.0, what)
        self._clock.start()

    def progress(self, fraction: float, stage: str) -> None:
        """Show how far it is, and the stage's name."""
        if stage != self._stage:
            self.log(stage)
        self._stage = stage
        self._ui.progressBar.value = int(1000 * min(max(fraction, 0.0), 1.0))
        self._tick()

    def end(self, what: str, done: bool) -> None:
        """Stop the clock; the bar is empty again unless everything was done."""
        self._clock.stop()
        self._stage = ""
        self._ui.progressBar.value = 1000 if done else 0
        self._ui.stageLabel.text = what

    def log(self, line: str) -> None:
        """Add a line to the log."""
        self._ui.logTextEdit.appendPlainText(line)

    def release(self) -> None:
        """Close what stands open, and start afresh."""
        if self._info is not None:
            self._info.close()
            self._info = None
        self.end("", done=False)

    def close(self) -> None:
        """The panel goes: no more ticks."""
        self.release()
        self._clock.timeout.disconnect(self._tick)

    @property
    def elapsed(self) -> float:
        """Seconds since `begin`."""
        return time.monotonic() - self._started

    def _run_or_cancel(self) -> None:
        if not self._panel.busy:
            self._panel.run_all()
        elif self.elapsed > _DOUBLE_CLICK_S:
            self._panel.cancel()

    def _tick(self) -> None:
        if self._stage:
            self._ui.stageLabel.text = _("{stage}... {seconds} s").format(stage=self._stage, seconds=int(self.elapsed))

    def _list_models(self) -> None:
        combo = self._ui.modelComboBox
        chosen = self._panel.parameters.model if self._panel.parameters is not None else ""
        self._models.find(chosen)
        offers = list(self._models)
        names = ["", *(offer.name for offer in offers)]
        if names != self._listed:
            self._listed = names
            combo.clear()
            combo.addItem(_("Choose a model"), "")
            for index, offer in enumerate(offers, start=1):
                combo.addItem(offer.label if offer.model else _("{model} (unusable)").format(model=offer.label), offer.name)
                combo.setItemData(index, offer.error or offer.model.title if offer.model else offer.error, qt.Qt.ToolTipRole)
                if offer.model is None:
                    combo.setItemData(index, 0, _NOT_SELECTABLE)
        combo.setCurrentIndex(names.index(chosen))
        offer = self._models.find(chosen)
        combo.toolTip = offer.error or (offer.model.title if offer.model else _("Choose a model"))

    def _choose(self, index: int) -> None:
        if not self._painting and self._panel.parameters is not None and 0 <= index < len(self._listed):
            self._panel.parameters.model = self._listed[index]

    def _add(self) -> None:
        folder = qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), _("Folder of a model"))
        if not folder:
            return
        try:
            offer = self._models.add(folder)
        except ModelError as error:
            show_error(_("add a model"), type(error).__name__, str(error))
            return
        if self._panel.parameters is not None:
            self._panel.parameters.model = offer.name

    def _show_info(self) -> None:
        state = self._panel.state
        if state.model is None:
            return
        if self._info is not None:
            self._info.close()
        self._info = ModelInfo(self._panel, state.model)
        self._info.refresh(state)
        self._info.show()
