"""Section Images: which volumes are the sequences, their registration, and a slider that fades over it."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from ..case import SEQUENCE_LABELS
from ..mrml.guess import guess_b_value
from ..mrml.looks import fade
from ..mrml.scene import ROLE_ATTRIBUTE
from .state import State, image_needs
from .texts import registration_help, registration_line

_CHOSEN = ("t2w", "dwi", "adc")


class ImagesSection:
    """Choice of T2W, DWI and ADC, the button Register, its result in words, and the fade slider."""

    def __init__(self, panel: Any, ui: Any) -> None:
        self._panel, self._ui = panel, ui
        self._painting = False
        self._stated: tuple[Any, str] = ((), "")
        self._faded: tuple[Any, Any] = (None, None)
        self._selectors = (ui.imagesT2wSelector, ui.imagesDwiSelector, ui.imagesAdcSelector, ui.imagesLowBSelector)
        ui.imagesResultLabel.setVisible(False)
        ui.imagesFadeRow.setVisible(False)
        ui.imagesRegisterButton.connect("clicked(bool)", self._register)
        ui.imagesFadeSlider.connect("valueChanged(double)", self._fade)

    def refresh(self, state: State) -> None:
        """Repaint from the parameter node and the state."""
        parameters = self._panel.parameters
        self._painting = True
        try:
            open_to_change = parameters is not None and not state.busy
            for widget in (*self._selectors, self._ui.imagesBValueSpinBox):
                widget.setEnabled(open_to_change)
            self._ui.imagesRegisterButton.setEnabled(open_to_change and not image_needs(state.inputs) and state.model is not None)
            self._ui.imagesBValueSpinBox.setSpecialValueText(self._stated_by(parameters.dwi if parameters else None))
            self._paint_result(state)
            self._paint_fade(parameters)
        finally:
            self._painting = False

    def release(self) -> None:
        """Forget the scene's nodes."""
        self._stated, self._faded = ((), ""), (None, None)
        self._ui.imagesFadeRow.setVisible(False)
        self._ui.imagesResultLabel.setVisible(False)

    def _register(self, _checked: bool = False) -> None:
        self._panel.register()

    def _fade(self, fraction: float) -> None:
        parameters = self._panel.parameters
        if self._painting or parameters is None or parameters.fixed is None or parameters.registered is None:
            return
        if self._faded != (parameters.fixed, parameters.registered):  # a new result moved the slider, not the user
            return
        fade(slicer.mrmlScene, parameters.fixed, parameters.registered, fraction)

    def _stated_by(self, volume: Any) -> str:
        """What stands in the field while no b-value is typed; a volume's files are read once."""
        key = (volume.GetID(), volume.GetMTime()) if volume is not None else None
        if self._stated[0] != key:
            self._stated = (key, _stated(volume))
        return self._stated[1]

    def _paint_result(self, state: State) -> None:
        label = self._ui.imagesResultLabel
        label.setVisible(state.registration is not None)
        label.setEnabled(not state.stale.images)
        label.setText(registration_line(state.registration) if state.registration is not None else "")
        label.setToolTip(registration_help(state.registration) if state.registration is not None else "")

    def _paint_fade(self, parameters: Any) -> None:
        fixed = parameters.fixed if parameters else None
        registered = parameters.registered if parameters else None
        self._faded = (fixed, registered)
        self._ui.imagesFadeRow.setVisible(fixed is not None and registered is not None)
        self._ui.imagesFadeSlider.setValue(parameters.fade if parameters else 0.0)
        if fixed is not None and registered is not None:
            self._ui.imagesFixedLabel.setText(_sequence(fixed, parameters, _("Fixed")))
            self._ui.imagesFixedLabel.setToolTip(fixed.GetName())
            self._ui.imagesRegisteredLabel.setText(_sequence(registered, parameters, _("Registered")))
            self._ui.imagesRegisteredLabel.setToolTip(registered.GetName())


def _stated(volume: Any) -> str:
    """What stands in the field while no b-value is typed."""
    if volume is None:
        return _("as the volume states")
    b_value = guess_b_value(volume)
    return _("not known; type it") if b_value is None else _("{b:g} s/mm\u00b2 (stated by the volume)").format(b=b_value)


def _sequence(node: Any, parameters: Any, otherwise: str) -> str:
    """Sequence that a volume shows, by its choice or by its role among the results."""
    for name in _CHOSEN:
        if getattr(parameters, name) is node:
            return SEQUENCE_LABELS[name]
    return SEQUENCE_LABELS.get(node.GetAttribute(ROLE_ATTRIBUTE) or "", otherwise)
