"""What a person does: clicks, typing, choosing; by Qt's own test events on the widget behind a proxy."""

from typing import Any

from PySide6 import QtCore, QtTest, QtWidgets

from host import strict


class CannotUse(AssertionError):
    """A person could not do this: the widget is hidden, disabled, or has no such entry."""


def _usable(widget: Any) -> Any:
    real = strict.unwrap(widget)
    if not real.isVisible() or not real.isEnabled():
        raise CannotUse(f"{real.objectName() or type(real).__name__} is {'disabled' if real.isVisible() else 'not visible'}")
    return real


def click(widget: Any) -> None:
    """Press and release the left mouse button on a widget; on the title of a collapsible one."""
    real = _usable(widget)
    place = QtCore.QPoint(12, 8) if isinstance(real, QtWidgets.QCheckBox) or hasattr(real, "collapsed") else QtCore.QPoint()
    QtTest.QTest.mouseClick(real, QtCore.Qt.MouseButton.LeftButton, QtCore.Qt.KeyboardModifier.NoModifier, place)


def type_text(widget: Any, text: str) -> None:
    """Replace the text of a line edit, spin box or editable combo box by typing, and press Enter."""
    real = _usable(widget)
    field = real if isinstance(real, QtWidgets.QLineEdit | QtWidgets.QTextEdit | QtWidgets.QPlainTextEdit) else None
    field = field or real.findChild(QtWidgets.QLineEdit)
    if field is None:
        raise CannotUse(f"{real.objectName() or type(real).__name__} takes no text")
    field.setFocus()
    field.selectAll()
    if text:
        QtTest.QTest.keyClicks(field, text)
    else:
        QtTest.QTest.keyClick(field, QtCore.Qt.Key.Key_Delete)
    if isinstance(field, QtWidgets.QLineEdit):
        QtTest.QTest.keyClick(field, QtCore.Qt.Key.Key_Return)


def choose(combo: Any, text: str) -> None:
    """Choose an entry of a combo box, as with the keyboard: the signals of a person's choice are sent too."""
    real = _usable(combo)
    box = real if isinstance(real, QtWidgets.QComboBox) else real.findChild(QtWidgets.QComboBox)
    if box is None:
        raise CannotUse(f"{real.objectName() or type(real).__name__} is no combo box")
    index = box.findText(text)
    if index < 0:
        raise CannotUse(f"{real.objectName()} offers {[box.itemText(i) for i in range(box.count())]}, not {text!r}")
    box.setCurrentIndex(index)
    box.activated.emit(index)
    box.textActivated.emit(text)
