"""The proxies behave as PythonQt does, and know only what Slicer has."""

import gc

import pytest

pytest.importorskip("PySide6")


@pytest.fixture(scope="module")
def qt():
    from host import ctk, qt, strict

    strict.application()
    qt.install()
    ctk.install()
    return qt.make_module("qt")


def test_property_is_a_value(qt):
    label = qt.QLabel("habitats")
    assert label.text == "habitats"
    label.text = "tumour"
    assert label.text == "tumour"
    label.setText("outline")
    assert label.text == "outline"
    with pytest.raises(TypeError, match="not callable"):
        label.text()
    with pytest.raises(TypeError):
        label.visible()
    assert label.isVisible() is False


def test_methods_are_called(qt):
    label = qt.QLabel("habitats")
    label.clear()
    assert label.text == ""
    assert qt.QWidget().layout() is None
    with pytest.raises(AttributeError, match="cannot be assigned"):
        label.clear = 3
    with pytest.raises(TypeError, match="keyword"):
        label.setText(text="x")


@pytest.mark.parametrize("name", ["foo", "set_text", "text_", "setTxt", "buddyy"])
def test_unknown_member_is_refused_by_name(qt, name):
    label = qt.QLabel()
    with pytest.raises(AttributeError, match=rf"qt\.QLabel has no '{name}'"):
        getattr(label, name)
    with pytest.raises(AttributeError, match=name):
        setattr(label, name, 1)
    assert not hasattr(label, name)


def test_unknown_class_is_refused(qt):
    for name in ("QWebEngineView", "QRegExp3", "QtWidgets", "Signal"):
        with pytest.raises(AttributeError, match=name):
            getattr(qt, name)


def test_member_of_qt6_alone_is_refused(qt):
    with pytest.raises(AttributeError):
        _ = qt.QComboBox().setLabelDrawingMode
    with pytest.raises(AttributeError):
        _ = qt.QCheckBox().checkStateChanged


def test_what_slicer_has_and_the_host_has_not_says_so(qt):
    from host.spec import NotInHost

    with pytest.raises(NotInHost, match="autoCompletion exists in Slicer"):
        _ = qt.QComboBox().autoCompletion


def test_read_only_property(qt):
    with pytest.raises(AttributeError, match="read-only"):
        qt.QWidget().x = 3


def test_signal_by_name_and_by_signature(qt):
    button, seen = qt.QPushButton("Go"), []
    button.clicked.connect(lambda: seen.append("plain"))
    button.connect("clicked(bool)", lambda checked: seen.append(checked))
    button.connect("clicked()", lambda: seen.append("none"))
    button.click()
    assert seen == ["plain", False, "none"]


def test_bound_method_gets_the_arguments_it_takes(qt):
    class Receiver:
        seen: tuple = ()

        def none(self):
            self.seen += ("none",)

        def one(self, value):
            self.seen += (value,)

        def all(self, *values):
            self.seen += values

    receiver, spin = Receiver(), qt.QSpinBox()
    for slot in (receiver.none, receiver.one, receiver.all):
        spin.connect("valueChanged(int)", slot)
    spin.value = 4
    assert receiver.seen == ("none", 4, 4)


def test_disconnect(qt):
    spin, seen = qt.QSpinBox(), []
    spin.connect("valueChanged(int)", seen.append)
    assert spin.disconnect("valueChanged(int)", seen.append)
    spin.value = 1
    button = qt.QPushButton()

    def slot():
        seen.append("clicked")

    button.clicked.connect(slot)
    button.clicked.disconnect(slot)
    button.click()
    assert seen == []
    assert not button.disconnect("clicked()", slot)


def test_block_signals(qt):
    spin, seen = qt.QSpinBox(), []
    spin.connect("valueChanged(int)", seen.append)
    was = spin.blockSignals(True)
    spin.setValue(3)
    spin.blockSignals(was)
    spin.setValue(4)
    assert seen == [4]


def test_overloaded_signal_needs_its_signature(qt):
    combo, numbers, texts = qt.QComboBox(), [], []
    combo.addItems(["adc", "dwi"])
    with pytest.raises(TypeError, match="several forms"):
        combo.currentIndexChanged.connect(numbers.append)
    combo.connect("currentIndexChanged(int)", numbers.append)
    combo.connect("currentIndexChanged(QString)", texts.append)
    combo.setCurrentIndex(1)
    assert (numbers, texts) == ([1], ["dwi"])


def test_unknown_signature_is_refused(qt):
    with pytest.raises(AttributeError, match="no signal"):
        qt.QPushButton().connect("clicked(int)", print)
    with pytest.raises(AttributeError, match="no signal"):
        qt.QSpinBox().connect("changed()", print)


def test_exception_in_a_slot_is_kept_and_the_loop_goes_on(qt, slot_errors, capsys):
    spin, seen = qt.QSpinBox(), []
    spin.connect("valueChanged(int)", lambda value: 1 // 0)
    spin.connect("valueChanged(int)", seen.append)
    spin.value = 2
    assert seen == [2]
    assert [type(error) for error in slot_errors] == [ZeroDivisionError]
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_same_object_same_proxy(qt):
    window = qt.QWidget()
    column = qt.QVBoxLayout(window)
    button = qt.QPushButton("Go", window)
    button.objectName = "go"
    column.addWidget(button)
    assert window.layout() is column
    assert window.findChild(qt.QPushButton, "go") is button
    assert window.findChild("QPushButton", "go") is button
    assert window.findChild(qt.QLabel) is None
    assert button.parent() is window
    assert button in window.children()
    assert window.findChildren(qt.QWidget) == [button]
    assert {button: 1}[window.findChild(qt.QPushButton)] == 1


def test_classes_inherit_as_in_qt(qt):
    button = qt.QPushButton()
    assert isinstance(button, qt.QWidget)
    assert isinstance(button, qt.QObject)
    assert not isinstance(button, qt.QLabel)
    assert button.className() == "QPushButton"
    assert button.inherits("QAbstractButton")
    assert not button.inherits("QLabel")


def test_dynamic_property_is_an_attribute(qt):
    spin = qt.QSpinBox()
    spin.setProperty("SlicerParameterName", "habitatCount")
    assert spin.property("SlicerParameterName") == "habitatCount"
    assert spin.SlicerParameterName == "habitatCount"
    spin.setProperty("value", 7)
    assert spin.value == spin.property("value") == 7
    assert spin.property("nothing") is None


def test_enums_are_ints_on_the_class(qt):
    label = qt.QLabel()
    label.alignment = qt.Qt.AlignRight | qt.Qt.AlignVCenter
    assert label.alignment == qt.Qt.AlignRight | qt.Qt.AlignVCenter == 130
    label.setAlignment(qt.Qt.AlignCenter)
    assert label.alignment & qt.Qt.AlignHCenter
    assert isinstance(qt.QMessageBox.Ok, int)
    assert qt.QMessageBox.Ok | qt.QMessageBox.Cancel == 0x00400400
    assert qt.QSizePolicy.Expanding == 7
    assert qt.QProcess.ProcessState(2) == qt.QProcess.Running
    assert qt.QTableWidget().SelectRows == qt.QTableWidget.SelectRows
    with pytest.raises(AttributeError, match="leave out"):
        _ = qt.QProcess.ProcessState.Running


def test_deleted_object_raises(qt):
    parent = qt.QWidget()
    label = qt.QLabel("gone", parent)
    assert label
    parent.delete()
    assert not label
    with pytest.raises(ValueError, match="destroyed"):
        _ = label.text


def test_object_without_parent_ends_with_its_last_reference(qt):
    seen, label = [], qt.QLabel("short-lived")
    label.connect("destroyed()", lambda: seen.append("label"))
    del label
    gc.collect()
    assert seen == ["label"]


def test_child_lives_with_its_parent(qt):
    parent = qt.QWidget()
    qt.QLabel("kept", parent)
    gc.collect()
    assert [child.text for child in parent.findChildren("QLabel")] == ["kept"]


def test_subclass_keeps_its_python_side(qt):
    class Row(qt.QWidget):
        def __init__(self, parent=None):
            super().__init__(parent)
            self.habitat = 3

    parent = qt.QWidget()
    Row(parent)
    gc.collect()
    assert [child.habitat for child in parent.children()] == [3]


def test_lists_of_objects_are_wrapped(qt):
    menu = qt.QMenu()
    menu.addAction("Report")
    assert [action.text for action in menu.actions()] == ["Report"]


def test_registered_class_follows_the_listing(qt):
    from host import strict
    from PySide6 import QtCore, QtWidgets

    class qMRMLColorTableView(QtWidgets.QTableView):
        SIGNALS = {"currentNodeChanged(bool)": "there"}  # noqa: RUF012
        currentNodeChanged = QtCore.Signal(object)
        there = QtCore.Signal(bool)

        def showOnlyNamedColors(self):
            return True

        def undeclared(self):
            return None

    view = strict.register("slicer.qMRMLColorTableView", qMRMLColorTableView)()
    assert isinstance(view, qt.QWidget)
    assert view.className() == "qMRMLColorTableView"
    assert view.inherits("qMRMLColorTableView")
    with pytest.raises(AttributeError, match="undeclared"):
        _ = view.undeclared
    with pytest.raises(AttributeError):
        strict.register("slicer.qMRMLNoSuchWidget", qMRMLColorTableView)


def test_every_allowed_class_exists_and_is_not_listed():
    from host.allowed import CLASSES, MEMBERS
    from host.spec import LISTING, qt_class_of

    for name, reason in CLASSES.items():
        assert name not in LISTING, name
        assert reason
        assert qt_class_of(name) is not None
    assert all(member not in LISTING[name]["members"] for name, members in MEMBERS.items() for member in members)
