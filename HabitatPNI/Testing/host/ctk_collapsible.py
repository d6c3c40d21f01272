"""Sections that fold: ctkCollapsibleButton and ctkCollapsibleGroupBox."""

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

_UNLIMITED = 16777215  # Qt's QWIDGETSIZE_MAX
_EXPLICIT = QtCore.Qt.WidgetAttribute.WA_WState_ExplicitShowHide


class _Hider(QtCore.QObject):
    """Hides a widget's children while it is collapsed, and remembers which of them are to be seen again."""

    def __init__(self, owner: QtWidgets.QWidget) -> None:
        super().__init__(owner)
        self.owner, self.collapsed, self._changing = owner, False, False
        self._wanted: dict[QtWidgets.QWidget, bool] = {}

    def contents(self) -> list[QtWidgets.QWidget]:
        direct = QtCore.Qt.FindChildOption.FindDirectChildrenOnly
        return [child for child in self.owner.findChildren(QtWidgets.QWidget, options=direct) if not child.isWindow()]

    def _hide(self, child: QtWidgets.QWidget, wanted: bool) -> None:
        self._wanted[child], changing, self._changing = wanted, self._changing, True
        child.hide()
        self._changing = changing
        if wanted:
            # Otherwise Qt takes a later hide() of this hidden widget for a repetition and tells nobody.
            child.setAttribute(_EXPLICIT, False)

    def set_collapsed(self, collapsed: bool) -> None:
        self.collapsed, self._changing = collapsed, True
        for child in self.contents():
            if collapsed:
                self._hide(child, not child.isHidden() or not child.testAttribute(_EXPLICIT))
            else:
                child.setVisible(self._wanted.get(child, True))
        if not collapsed:
            self._wanted.clear()
        self._changing = False

    def added(self, event: QtCore.QChildEvent) -> None:
        child = event.child()
        if not isinstance(child, QtWidgets.QWidget):
            return
        if event.type() == QtCore.QEvent.Type.ChildRemoved:
            self._wanted.pop(child, None)
            child.removeEventFilter(self)
        elif event.type() == QtCore.QEvent.Type.ChildAdded:
            child.installEventFilter(self)
            if self.collapsed:
                self._hide(child, not (child.isHidden() and child.testAttribute(_EXPLICIT)))

    def eventFilter(self, child: QtCore.QObject, event: QtCore.QEvent) -> bool:
        shown = event.type() == QtCore.QEvent.Type.ShowToParent
        if self.collapsed and not self._changing and isinstance(child, QtWidgets.QWidget):
            if shown:
                self._hide(child, True)
            elif event.type() == QtCore.QEvent.Type.HideToParent:
                self._wanted[child] = False
        return False


class ctkCollapsibleButton(QtWidgets.QAbstractButton):
    """A title bar over contents that it folds away."""

    contentsCollapsed = QtCore.Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        parent = next((a for a in arguments if isinstance(a, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self._collapsed, self._collapsed_height = False, 10
        self._hider = _Hider(self)
        self._frame_shape = QtWidgets.QFrame.Shape.NoFrame
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QtWidgets.QSizePolicy.Policy.Minimum, QtWidgets.QSizePolicy.Policy.Preferred)
        self.setBackgroundRole(QtGui.QPalette.ColorRole.Window)
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        self._place()
        self.toggled.connect(lambda checked: self.setCollapsed(not checked))
        self.setText(next((a for a in arguments if isinstance(a, str)), ""))

    def _title_height(self) -> int:
        return self.fontMetrics().height() + 8

    def _place(self) -> None:
        self.setContentsMargins(0, self._title_height(), 0, 0)

    def collapsed(self) -> bool:
        return self._collapsed

    def setCollapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        self._hider.set_collapsed(collapsed)
        self.setMaximumHeight(self._title_height() + self._collapsed_height if collapsed else _UNLIMITED)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    def collapsedHeight(self) -> int:
        return self._collapsed_height

    def setCollapsedHeight(self, height: int) -> None:
        self._collapsed_height = height

    def contentsFrameShape(self) -> QtWidgets.QFrame.Shape:
        return self._frame_shape

    def setContentsFrameShape(self, shape: QtWidgets.QFrame.Shape) -> None:
        self._frame_shape = QtWidgets.QFrame.Shape(shape)

    def hitButton(self, position: QtCore.QPoint) -> bool:
        return position.y() < self._title_height()

    def sizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        title = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._title_height())
        if self._collapsed:
            return title + QtCore.QSize(0, self._collapsed_height)
        return title if layout is None else title.expandedTo(layout.totalSizeHint())

    def minimumSizeHint(self) -> QtCore.QSize:
        layout = self.layout()
        title = QtCore.QSize(self.fontMetrics().horizontalAdvance(self.text()) + 40, self._title_height())
        if self._collapsed:
            return title + QtCore.QSize(0, self._collapsed_height)
        return title if layout is None else title.expandedTo(layout.totalMinimumSize())

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if hasattr(self, "_hider"):
            self._hider.added(event)
        super().childEvent(event)

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.FontChange:
            self._place()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        painter = QtWidgets.QStylePainter(self)
        bar = QtWidgets.QStyleOptionButton()
        bar.initFrom(self)
        bar.rect = QtCore.QRect(0, 0, self.width(), self._title_height() - 2)
        if self.isDown():
            bar.state |= QtWidgets.QStyle.StateFlag.State_Sunken
        else:
            bar.state |= QtWidgets.QStyle.StateFlag.State_Raised
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButtonBevel, bar)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(8, (bar.rect.height() - 9) // 2, 9, 9)
        elements = QtWidgets.QStyle.PrimitiveElement
        painter.drawPrimitive(elements.PE_IndicatorArrowRight if self._collapsed else elements.PE_IndicatorArrowDown, arrow)
        role = QtGui.QPalette.ColorRole.ButtonText
        where = bar.rect.adjusted(24, 0, -8, 0)
        flags = QtCore.Qt.AlignmentFlag.AlignLeft | QtCore.Qt.AlignmentFlag.AlignVCenter | QtCore.Qt.TextFlag.TextShowMnemonic
        self.style().drawItemText(painter, where, int(flags), self.palette(), self.isEnabled(), self.text(), role)


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box whose check mark folds it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._hider = _Hider(self)
        self.setCheckable(True)
        self.setChecked(True)
        self.toggled.connect(self._fold)

    def _fold(self, checked: bool) -> None:
        self._hider.set_collapsed(not checked)
        self.setMaximumHeight(_UNLIMITED if checked else self.fontMetrics().height() + 10)

    def collapsed(self) -> bool:
        return not self.isChecked()

    def setCollapsed(self, collapsed: bool) -> None:
        self.setChecked(not collapsed)

    def childEvent(self, event: QtCore.QChildEvent) -> None:
        if hasattr(self, "_hider"):
            self._hider.added(event)
        super().childEvent(event)
