"""Which widget shows which parameter: Slicer's table of GUI connectors, as far as the panel's widgets go.

Slicer compares exact types, takes ranges from the annotations (and overwrites those of the ``.ui`` file), and refuses sliders without
a range and combo boxes without a choice. A widget that Slicer has no connector for raises here as it does there.
"""

from __future__ import annotations

import logging
import sys
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import slicer

from .validators import Choice, Maximum, Minimum, WithinRange, split_annotations

_CHECK_BOXES = ("qt.QCheckBox",)
_INTEGERS = ("qt.QSlider", "qt.QSpinBox")
_NUMBERS = (
    "qt.QDoubleSpinBox",
    "ctk.ctkSliderWidget",
    "slicer.qMRMLSliderWidget",
    "ctk.ctkDoubleSlider",
    "ctk.ctkDoubleSpinBox",
    "slicer.qMRMLSpinBox",
)
_CHOICES = ("qt.QComboBox", "ctk.ctkComboBox")


@dataclass
class Decimals:
    """Annotation: decimals of the spin box or slider."""

    value: int


@dataclass
class SingleStep:
    """Annotation: step of the spin box or slider."""

    value: float


class Connector:
    """Between one widget and one parameter: reads and writes the property, listens to the signal."""

    property_name = ""
    signal_name = ""

    def __init__(self, widget: Any) -> None:
        self._widget = widget
        self._callback: Callable[[], None] | None = None

    def widget(self) -> Any:
        return self._widget

    def read(self) -> Any:
        return getattr(self._widget, self.property_name)

    def write(self, value: Any) -> None:
        setattr(self._widget, self.property_name, value)

    def connect(self, callback: Callable[[], None]) -> None:
        self._callback = callback
        if self.signal_name:
            self._widget.connect(_signal(self._widget, self.signal_name), self._changed)

    def disconnect(self) -> None:
        self._callback = None
        if self.signal_name:
            self._widget.disconnect(_signal(self._widget, self.signal_name), self._changed)

    def _changed(self, *_: Any) -> None:
        if self._callback is not None:
            self._callback()


class _CheckBox(Connector):
    property_name, signal_name = "checked", "stateChanged"


class _Toggle(Connector):
    property_name, signal_name = "checked", "toggled"

    def __init__(self, widget: Any) -> None:
        super().__init__(widget)
        if not widget.checkable:
            logging.warning("The push button %s is made checkable for its parameter", widget.objectName)
            widget.checkable = True


class _Number(Connector):
    property_name, signal_name = "value", "valueChanged"

    def __init__(self, widget: Any, kind: type) -> None:
        super().__init__(widget)
        self.kind = kind

    def read(self) -> Any:
        return int(self._widget.value) if self.kind is int else self._widget.value

    def write(self, value: Any) -> None:
        self._widget.value = int(value) if self.kind is int else value


class _Choice(Connector):
    property_name, signal_name = "currentIndex", "currentIndexChanged"

    def __init__(self, widget: Any, choices: Any) -> None:
        super().__init__(widget)
        self.choices = list(choices)
        widget.clear()
        for choice in self.choices:
            widget.addItem(str(choice))

    def read(self) -> Any:
        return self.choices[self._widget.currentIndex]

    def write(self, value: Any) -> None:
        if value not in self.choices:
            raise ValueError(f"Unable to find value {value} in choices {self.choices}")
        self._widget.currentIndex = self.choices.index(value)


class _LineEdit(Connector):
    property_name, signal_name = "text", "textChanged"

    def write(self, value: str) -> None:
        # Writing moves the cursor to the end, which is wrong while the user types.
        if value != self._widget.text:
            self._widget.text = value


class _Label(Connector):
    property_name = "text"


class _TextEdit(Connector):
    signal_name = "textChanged"

    def read(self) -> str:
        return self._widget.toPlainText()

    def write(self, value: str) -> None:
        self._widget.setPlainText(value)


class _Node(Connector):
    signal_name = "currentNodeChanged"

    def __init__(self, widget: Any, kind: type) -> None:
        super().__init__(widget)
        widget.nodeTypes = (kind().GetClassName(),)

    def read(self) -> Any:
        return self._widget.currentNode()

    def write(self, value: Any) -> None:
        self._widget.setCurrentNode(value)


def connector_for(widget: Any, hint: Any) -> Connector:
    """Connector of a widget to a parameter of an (annotated) type.

    Raises
    ------
    RuntimeError
        where Slicer has none for this pair, or needs an annotation that is missing
    """
    kind, annotations = split_annotations(hint)
    if kind is bool and _is(widget, _CHECK_BOXES):
        return _CheckBox(widget)
    if kind is bool and _is(widget, ("qt.QPushButton", "ctk.ctkCheckablePushButton")):
        return _Toggle(widget)
    if kind is int and _is(widget, _INTEGERS):
        _bound(widget, annotations, "qt.QSlider", -(2**31), 2**31 - 1)
        return _Number(widget, int)
    if kind in (int, float) and _is(widget, _NUMBERS):
        if not _is(widget, ("ctk.ctkDoubleSlider",)):
            decimals = 0 if kind is int else _find(annotations, Decimals, "value")
            if decimals is not None:
                widget.decimals = decimals
        _bound(widget, annotations, "ctk.ctkSliderWidget slicer.qMRMLSliderWidget", float("-inf"), float("inf"))
        return _Number(widget, kind)
    if kind in (int, float, str, bool) and _is(widget, _CHOICES):
        choices = _find(annotations, Choice, "choices")
        if choices is None:
            raise RuntimeError(f"{_name(widget)}: a combo box needs the Choice annotation on its parameter")
        return _Choice(widget, choices)
    if kind is str and _is(widget, ("qt.QLineEdit",)):
        return _LineEdit(widget)
    if kind is str and _is(widget, ("qt.QLabel",)):
        return _Label(widget)
    if kind is str and _is(widget, ("qt.QTextEdit",)):
        return _TextEdit(widget)
    if isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode) and _is(widget, ("slicer.qMRMLNodeComboBox",)):
        return _Node(widget, kind)
    raise RuntimeError(f"Unable to create GUI connector from datatype '{hint}' to widget type '{type(widget)}' ({_name(widget)})")


def all_child_widgets(widget: Any) -> list[Any]:
    """Every widget below one."""
    return widget.findChildren(sys.modules["qt"].QWidget)


def _bound(widget: Any, annotations: tuple[Any, ...], need_range: str, lowest: float, highest: float) -> None:
    """Range and step of the annotations; without them Slicer opens the range, whatever the ``.ui`` file says."""
    step = _find(annotations, SingleStep, "value")
    if step is not None:
        widget.singleStep = step
    minimum, maximum = _find(annotations, Minimum, "minimum"), _find(annotations, Maximum, "maximum")
    within = [a for a in annotations if isinstance(a, WithinRange)]
    if within:
        minimum, maximum = within[0].minimum, within[0].maximum
    if (minimum is None or maximum is None) and _is(widget, need_range.split()):
        raise RuntimeError(f"{_name(widget)}: a slider needs the WithinRange (or Minimum and Maximum) annotation on its parameter")
    widget.minimum = lowest if minimum is None else minimum
    widget.maximum = highest if maximum is None else maximum


def _find(annotations: tuple[Any, ...], kind: type, attribute: str) -> Any:
    return next((getattr(a, attribute) for a in annotations if isinstance(a, kind)), None)


def _signal(widget: Any, name: str) -> str:
    """The form of a signal that carries the value: of several, not the one with a text or a flag."""
    forms = sorted(s for s in type(widget)._spec.signals if s.partition("(")[0] == name)
    return next((form for form in forms if "(QString)" not in form and "(bool)" not in form), forms[0])


def _is(widget: Any, names: typing.Iterable[str]) -> bool:
    """Whether a widget is exactly of one of the classes, given by module and name."""
    for name in names:
        module, _, attribute = name.partition(".")
        if type(widget) is getattr(slicer if module == "slicer" else sys.modules.get(module), attribute, None):
            return True
    return False


def _name(widget: Any) -> str:
    return f"widget {getattr(widget, 'objectName', '')!r}"
