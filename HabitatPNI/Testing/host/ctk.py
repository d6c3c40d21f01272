"""The module `ctk`: the widgets of the Common Toolkit that a panel uses, written anew as PySide6 classes under their listed names.

Getters and setters are Qt's (collapsed, setCollapsed); the proxies of strict.py make PythonQt's attributes of them.
"""

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from host import dialogs, strict
from host.ctk_collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox
from host.ctk_numbers import ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box that shows a default text while nothing is chosen."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._default_text = ""

    def initStyleOption(self, option: QtWidgets.QStyleOptionComboBox) -> None:
        super().initStyleOption(option)
        if self.currentIndex() < 0:
            option.currentText = self._default_text

    def defaultText(self) -> str:
        return self._default_text

    def setDefaultText(self, text: str) -> None:
        self._default_text = text
        self.update()

    def currentUserDataAsString(self) -> str:
        data = self.currentData()
        return "" if data is None else str(data)

    def setCurrentUserDataAsString(self, text: str) -> None:
        texts = [str(self.itemData(i)) for i in range(self.count())]
        self.setCurrentIndex(texts.index(text) if text in texts else -1)


class ctkPushButton(QtWidgets.QPushButton):
    """A push button; the alignment of its text is not imitated."""


class ctkCheckablePushButton(ctkPushButton):
    """A push button with a check box in it."""

    checkBoxToggled = QtCore.Signal(bool)
    checkStateChanged = QtCore.Signal(QtCore.Qt.CheckState)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._box = QtWidgets.QCheckBox(self)
        self._box.move(6, 2)
        self._controls = True
        self._box.toggled.connect(self._toggled)
        self._box.checkStateChanged.connect(self.checkStateChanged)

    def _toggled(self, checked: bool) -> None:
        if self._controls:
            self.setCheckable(checked)
            self.setChecked(checked)
        self.checkBoxToggled.emit(checked)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        super().resizeEvent(event)
        self._box.move(6, (self.height() - self._box.sizeHint().height()) // 2)

    def checkState(self) -> QtCore.Qt.CheckState:
        return self._box.checkState()

    def setCheckState(self, state: QtCore.Qt.CheckState) -> None:
        self._box.setCheckState(state)

    def checkBoxControlsButton(self) -> bool:
        return self._controls

    def setCheckBoxControlsButton(self, controls: bool) -> None:
        self._controls = controls


class ctkMenuButton(QtWidgets.QPushButton):
    """A push button with a menu beside it."""


class ctkExpandButton(QtWidgets.QToolButton):
    """A small button with a double arrow."""


class ctkSearchBox(QtWidgets.QLineEdit):
    """A line edit with a button that empties it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setPlaceholderText("Search...")
        self.setClearButtonEnabled(True)


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text browser as high as its text."""

    def sizeHint(self) -> QtCore.QSize:
        height = self.document().size().height()
        return QtCore.QSize(super().sizeHint().width(), int(height) + 2 * self.frameWidth())


class ctkMessageBox(QtWidgets.QMessageBox):
    """A message box that can be told not to come again."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._key = ""

    def dontShowAgainVisible(self) -> bool:
        return self.checkBox() is not None

    def setDontShowAgainVisible(self, visible: bool) -> None:
        self.setCheckBox(QtWidgets.QCheckBox("Don't show this message again.") if visible else None)  # type: ignore[arg-type]

    def dontShowAgain(self) -> bool:
        return self.checkBox() is not None and self.checkBox().isChecked()

    def setDontShowAgain(self, on: bool) -> None:
        self.setDontShowAgainVisible(True)
        self.checkBox().setChecked(on)

    def dontShowAgainSettingsKey(self) -> str:
        return self._key

    def setDontShowAgainSettingsKey(self, key: str) -> None:
        self._key = key
        self.setDontShowAgainVisible(True)


class ctkPathLineEdit(QtWidgets.QWidget):
    """A path to type or to choose in a dialog."""

    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._label, self._names, self._key = "", ["All files (*)"], ""
        self._filters = QtCore.QDir.Filter.AllEntries | QtCore.QDir.Filter.NoDotAndDotDot | QtCore.QDir.Filter.Readable
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Policy.Expanding, QtWidgets.QSizePolicy.Policy.Fixed)
        self._browse = QtWidgets.QToolButton(self)
        self._browse.setText("...")
        self._browse.clicked.connect(lambda: self.browse())
        self._combo.editTextChanged.connect(self._changed)
        row.addWidget(self._combo)
        row.addWidget(self._browse)

    def _changed(self, path: str) -> None:
        self.currentPathChanged.emit(path)
        self.validInputChanged.emit(QtCore.QFileInfo(path).exists())

    def currentPath(self) -> str:
        return self._combo.currentText()

    def setCurrentPath(self, path: str) -> None:
        self._combo.setEditText(path)

    def comboBox(self) -> QtWidgets.QComboBox:
        return self._combo

    def addCurrentPathToHistory(self) -> None:
        if self.currentPath() and self._combo.findText(self.currentPath()) < 0:
            self._combo.insertItem(0, self.currentPath())

    def browse(self) -> None:
        folders = bool(self._filters & QtCore.QDir.Filter.Dirs) and not self._filters & QtCore.QDir.Filter.Files

        def show() -> str:
            if folders:
                return QtWidgets.QFileDialog.getExistingDirectory(self, self._label, self.currentPath())
            return QtWidgets.QFileDialog.getOpenFileName(self, self._label, self.currentPath(), ";;".join(self._names))[0]

        path = dialogs.ask("file", self._label, buttons=(), show=show)
        if path:
            self.setCurrentPath(path)

    def filters(self) -> QtCore.QDir.Filter:
        return self._filters

    def setFilters(self, filters: QtCore.QDir.Filter) -> None:
        self._filters = filters

    def nameFilters(self) -> list[str]:
        return list(self._names)

    def setNameFilters(self, names: list[str]) -> None:
        self._names = list(names)

    def label(self) -> str:
        return self._label

    def setLabel(self, label: str) -> None:
        self._label = label

    def settingKey(self) -> str:
        return self._key

    def setSettingKey(self, key: str) -> None:
        self._key = key

    def showBrowseButton(self) -> bool:
        return not self._browse.isHidden()

    def setShowBrowseButton(self, shown: bool) -> None:
        self._browse.setVisible(shown)


WIDGETS = (
    *(ctkCollapsibleButton, ctkCollapsibleGroupBox, ctkComboBox, ctkPushButton, ctkCheckablePushButton, ctkMenuButton, ctkExpandButton),
    *(ctkSearchBox, ctkFittedTextBrowser, ctkMessageBox, ctkPathLineEdit, ctkDoubleSlider, ctkDoubleSpinBox, ctkSliderWidget),
)


def install() -> None:
    """Make the widgets known to the proxies."""
    for widget in WIDGETS:
        strict.register(f"ctk.{widget.__name__}", widget)
