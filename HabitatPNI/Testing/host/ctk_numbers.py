"""Sliders and spin boxes of the Common Toolkit for numbers that are not whole."""

from typing import Any

from PySide6 import QtCore, QtWidgets


class ctkDoubleSlider(QtWidgets.QWidget):
    """A slider over real numbers."""

    valueChanged = QtCore.Signal(float)
    sliderMoved = QtCore.Signal(float)
    rangeChanged = QtCore.Signal(float, float)
    sliderPressed = QtCore.Signal()
    sliderReleased = QtCore.Signal()

    def __init__(self, *arguments: Any) -> None:
        parent = next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None)
        super().__init__(parent)
        orientation = next((a for a in arguments if isinstance(a, QtCore.Qt.Orientation)), QtCore.Qt.Orientation.Vertical)
        self._minimum, self._maximum, self._step, self._page, self._value = 0.0, 99.0, 1.0, 10.0, 0.0
        self._slider = QtWidgets.QSlider(orientation, self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider)
        self._slider.valueChanged.connect(self._moved)
        self._slider.sliderMoved.connect(lambda ticks: self.sliderMoved.emit(self._of_ticks(ticks)))
        self._slider.sliderPressed.connect(self.sliderPressed)
        self._slider.sliderReleased.connect(self.sliderReleased)
        self._rescale()

    def _of_ticks(self, ticks: int) -> float:
        return min(self._minimum + ticks * self._step, self._maximum)

    def _rescale(self) -> None:
        value = min(max(self._value, self._minimum), self._maximum)
        blocked = self._slider.blockSignals(True)
        self._slider.setRange(0, max(0, round((self._maximum - self._minimum) / self._step)))
        self._slider.setPageStep(max(1, round(self._page / self._step)))
        self._slider.setValue(round((value - self._minimum) / self._step))
        self._slider.blockSignals(blocked)
        if value != self._value:
            self._value = value
            self.valueChanged.emit(value)

    def _moved(self, ticks: int) -> None:
        self._value = self._of_ticks(ticks)
        self.valueChanged.emit(self._value)

    def value(self) -> float:
        return self._value

    def setValue(self, value: float) -> None:
        value = min(max(float(value), self._minimum), self._maximum)
        if value == self._value:
            return
        self._value = value
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._minimum) / self._step))
        self._slider.blockSignals(blocked)
        self.valueChanged.emit(value)

    def minimum(self) -> float:
        return self._minimum

    def setMinimum(self, minimum: float) -> None:
        self._minimum, self._maximum = float(minimum), max(self._maximum, float(minimum))
        self._rescale()
        self.rangeChanged.emit(self._minimum, self._maximum)

    def maximum(self) -> float:
        return self._maximum

    def setMaximum(self, maximum: float) -> None:
        self._minimum, self._maximum = min(self._minimum, float(maximum)), float(maximum)
        self._rescale()
        self.rangeChanged.emit(self._minimum, self._maximum)

    def singleStep(self) -> float:
        return self._step

    def setSingleStep(self, step: float) -> None:
        self._step = float(step)
        self._rescale()

    def pageStep(self) -> float:
        return self._page

    def setPageStep(self, step: float) -> None:
        self._page = float(step)
        self._rescale()

    def orientation(self) -> QtCore.Qt.Orientation:
        return self._slider.orientation()

    def setOrientation(self, orientation: QtCore.Qt.Orientation) -> None:
        self._slider.setOrientation(orientation)

    def hasTracking(self) -> bool:
        return self._slider.hasTracking()

    def setTracking(self, on: bool) -> None:
        self._slider.setTracking(on)


class ctkDoubleSpinBox(QtWidgets.QDoubleSpinBox):
    """A spin box over real numbers."""

    decimalsChanged = QtCore.Signal(int)

    def setDecimals(self, decimals: int) -> None:
        super().setDecimals(decimals)
        self.decimalsChanged.emit(decimals)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider with a spin box beside it."""

    valueChanged = QtCore.Signal(float)
    valueIsChanging = QtCore.Signal(float)
    decimalsChanged = QtCore.Signal(int)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._tracking = True
        self._slider = ctkDoubleSlider(QtCore.Qt.Orientation.Horizontal, self)
        self._box = ctkDoubleSpinBox(self)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._slider, 1)
        row.addWidget(self._box)
        self._box.setMaximum(99.0)
        self._slider.sliderMoved.connect(self.valueIsChanging)
        self._slider.valueChanged.connect(self._box.setValue)
        self._box.valueChanged.connect(self._slider.setValue)
        self._box.valueChanged.connect(self.valueChanged)
        self._box.decimalsChanged.connect(self.decimalsChanged)

    def value(self) -> float:
        return self._box.value()

    def setValue(self, value: float) -> None:
        self._box.setValue(float(value))

    def minimum(self) -> float:
        return self._box.minimum()

    def setMinimum(self, minimum: float) -> None:
        self._box.setMinimum(float(minimum))
        self._slider.setMinimum(minimum)

    def maximum(self) -> float:
        return self._box.maximum()

    def setMaximum(self, maximum: float) -> None:
        self._box.setMaximum(float(maximum))
        self._slider.setMaximum(maximum)

    def singleStep(self) -> float:
        return self._box.singleStep()

    def setSingleStep(self, step: float) -> None:
        self._box.setSingleStep(float(step))
        self._slider.setSingleStep(step)

    def pageStep(self) -> float:
        return self._slider.pageStep()

    def setPageStep(self, step: float) -> None:
        self._slider.setPageStep(step)

    def decimals(self) -> int:
        return self._box.decimals()

    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    def prefix(self) -> str:
        return self._box.prefix()

    def setPrefix(self, prefix: str) -> None:
        self._box.setPrefix(prefix)

    def suffix(self) -> str:
        return self._box.suffix()

    def setSuffix(self, suffix: str) -> None:
        self._box.setSuffix(suffix)

    def hasTracking(self) -> bool:
        return self._slider.hasTracking()

    def setTracking(self, on: bool) -> None:
        self._slider.setTracking(on)

    def isSpinBoxVisible(self) -> bool:
        return not self._box.isHidden()

    def setSpinBoxVisible(self, visible: bool) -> None:
        self._box.setVisible(visible)

    def reset(self) -> None:
        self.setValue(self.minimum())
