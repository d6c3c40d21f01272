"""The ctk widgets a panel uses, and what a person does with them."""

import pytest

pytest.importorskip("PySide6")


@pytest.fixture(scope="module")
def modules():
    from host import ctk, qt, strict

    strict.application()
    qt.install()
    ctk.install()
    return qt.make_module("qt"), qt.make_module("ctk")


def section(qt, ctk):
    button = ctk.ctkCollapsibleButton()
    button.text = "Images"
    column = qt.QVBoxLayout(button)
    labels = [qt.QLabel(text) for text in ("first", "second")]
    for label in labels:
        column.addWidget(label)
    return button, labels


def test_collapsible_button_folds_its_contents(modules):
    qt, ctk = modules
    button, labels = section(qt, ctk)
    labels[1].visible = False
    seen = []
    button.connect("contentsCollapsed(bool)", seen.append)
    button.show()
    tall = button.sizeHint.height()
    assert labels[0].visible
    button.collapsed = True
    assert not labels[0].visible
    assert button.sizeHint.height() < tall
    assert not button.checked
    button.collapsed = False
    assert labels[0].visible
    assert not labels[1].visible
    assert seen == [True, False]
    with pytest.raises(AttributeError):
        _ = button.setCollapsed


def test_collapsible_button_remembers_what_was_shown_while_folded(modules):
    qt, ctk = modules
    button, labels = section(qt, ctk)
    button.show()
    button.collapsed = True
    labels[0].visible = False
    labels[1].visible = False
    labels[1].visible = True
    late = qt.QLabel("late")
    button.layout().addWidget(late)
    assert not labels[1].visible
    button.collapsed = False
    assert [label.visible for label in (*labels, late)] == [False, True, True]


def test_person_folds_by_the_title_only(modules):
    from host.user import click

    qt, ctk = modules
    button, labels = section(qt, ctk)
    button.resize(200, 100)
    button.show()
    click(button)
    assert button.collapsed
    click(button)
    assert not button.collapsed
    click(labels[0])
    assert not button.collapsed


def test_person_cannot_use_what_is_disabled_or_hidden(modules):
    from host.user import CannotUse, choose, click, type_text

    qt, _ctk = modules
    button = qt.QPushButton("Run")
    with pytest.raises(CannotUse, match="not visible"):
        click(button)
    button.show()
    button.enabled = False
    with pytest.raises(CannotUse, match="disabled"):
        click(button)
    combo = qt.QComboBox()
    combo.addItem("3")
    combo.show()
    with pytest.raises(CannotUse, match="not '4'"):
        choose(combo, "4")
    check = qt.QCheckBox("on")
    check.show()
    with pytest.raises(CannotUse, match="no text"):
        type_text(check, "x")


def test_person_clicks_types_and_chooses(modules):
    from host.user import choose, click, type_text

    qt, _ctk = modules
    check, line, spin, combo, seen = qt.QCheckBox("A long text beside it"), qt.QLineEdit("old"), qt.QDoubleSpinBox(), qt.QComboBox(), []
    combo.addItems(["2", "3"])
    for widget in (check, line, spin, combo):
        widget.show()
    line.connect("textEdited(QString)", seen.append)
    line.editingFinished.connect(lambda: seen.append("finished"))
    combo.connect("activated(int)", seen.append)
    click(check)
    assert check.checked
    type_text(line, "63")
    assert (line.text, seen) == ("63", ["6", "63", "finished"])
    type_text(line, "")
    assert line.text == ""
    type_text(spin, "12.5")
    assert spin.value == 12.5
    choose(combo, "3")
    assert (combo.currentText, seen[-1]) == ("3", 1)


def test_slider_widget(modules):
    _qt, ctk = modules
    slider, seen = ctk.ctkSliderWidget(), []
    slider.minimum, slider.maximum, slider.singleStep, slider.decimals = 0.0, 1.0, 0.05, 2
    slider.connect("valueChanged(double)", seen.append)
    slider.value = 0.35
    slider.value = 0.35
    assert slider.value == pytest.approx(0.35)
    assert seen == pytest.approx([0.35])
    slider.setValue(7)
    assert slider.value == 1.0
    slider.spinBoxVisible = False
    assert not slider.spinBoxVisible
    with pytest.raises(AttributeError):
        _ = slider.setRange


def test_double_slider(modules):
    qt, ctk = modules
    slider, seen = ctk.ctkDoubleSlider(qt.Qt.Horizontal), []
    slider.maximum, slider.singleStep = 2.0, 0.5
    slider.connect("valueChanged(double)", seen.append)
    slider.value = 1.5
    slider.maximum = 1.0
    assert slider.orientation == qt.Qt.Horizontal
    assert seen == [1.5, 1.0]


def test_path_line_edit(modules, tmp_path):
    from host import dialogs

    qt, ctk = modules
    path, seen = ctk.ctkPathLineEdit(), []
    path.filters = qt.QDir.Dirs
    path.connect("currentPathChanged(QString)", seen.append)
    dialogs.forget()
    dialogs.answer_with(str(tmp_path))
    path.browse()
    assert path.currentPath == str(tmp_path)
    assert seen == [str(tmp_path)]
    dialogs.forget()


def test_combo_box_and_checkable_button(modules):
    qt, ctk = modules
    combo = ctk.ctkComboBox()
    combo.defaultText = "Choose a model"
    combo.addItem("Phantom", "pca-pni-phantom")
    assert combo.currentUserDataAsString == "pca-pni-phantom"
    assert isinstance(combo, qt.QComboBox)
    button, seen = ctk.ctkCheckablePushButton(), []
    button.connect("checkBoxToggled(bool)", seen.append)
    button.checkState = qt.Qt.Checked
    assert seen == [True]
    assert button.checked


def test_widget_that_slicer_has_and_the_host_lacks(modules):
    from host.spec import NotInHost

    _qt, ctk = modules
    with pytest.raises(NotInHost, match="ctkVTKSliceView"):
        _ = ctk.ctkVTKSliceView
    with pytest.raises(AttributeError):
        _ = ctk.ctkNothing


def test_collapsible_button_draws_title_and_arrow(modules):
    qt, ctk = modules
    button, _labels = section(qt, ctk)
    button.resize(200, 80)
    image = button.grab().toImage()
    colours = {image.pixel(x, y) for x in range(200) for y in range(20)}
    assert len(colours) > 3
