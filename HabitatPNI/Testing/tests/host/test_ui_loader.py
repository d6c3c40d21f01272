"""Designer files are read as in Slicer, and refused when they use what Slicer lacks."""

import pytest

pytest.importorskip("PySide6")

UI = """<?xml version="1.0" encoding="UTF-8"?>
<ui version="4.0"><class>Panel</class>
<widget class="QWidget" name="Panel"><layout class="QVBoxLayout" name="column">
 <item><widget class="ctkCollapsibleButton" name="imagesButton">
   <property name="text"><string>Images</string></property>
   <property name="collapsed"><bool>true</bool></property>
   <layout class="QFormLayout" name="form">
    <item row="0" column="0"><widget class="QLabel" name="imagesLabel"><property name="text"><string>T2W:</string></property>
      <property name="buddy"><cstring>fadeSlider</cstring></property></widget></item>
    <item row="0" column="1"><widget class="ctkSliderWidget" name="fadeSlider">
      <property name="maximum"><double>1.0</double></property>
      <property name="singleStep"><double>0.01</double></property>
      <property name="value"><double>0.5</double></property>
      <property name="SlicerParameterName" stdset="0"><string>fade</string></property>
    </widget></item>
   </layout></widget></item>
 <item><widget class="Line" name="line"><property name="orientation"><enum>Qt::Horizontal</enum></property></widget></item>
 EXTRA
</layout></widget>
<customwidgets>
 <customwidget><class>ctkCollapsibleButton</class><extends>QWidget</extends><header>ctkCollapsibleButton.h</header></customwidget>
 <customwidget><class>ctkSliderWidget</class><extends>QWidget</extends><header>ctkSliderWidget.h</header></customwidget>
</customwidgets></ui>
"""


@pytest.fixture
def load(tmp_path):
    from host import ctk, qt, strict
    from host.ui_loader import load_ui

    strict.application()
    qt.install()
    ctk.install()

    def load(extra=""):
        path = tmp_path / "Panel.ui"
        path.write_text(UI.replace("EXTRA", extra), encoding="utf-8")
        return load_ui(path)

    return load


def test_custom_widgets_get_their_properties(load):
    from host import qt

    root = load()
    slider = root.findChild("ctkSliderWidget", "fadeSlider")
    assert (slider.value, slider.maximum, slider.singleStep) == (0.5, 1.0, 0.01)
    assert slider.SlicerParameterName == "fade"
    assert not {"maximum", "value"} & {name.data().decode() for name in slider.dynamicPropertyNames()}
    button = root.findChild(qt.make_module("ctk").ctkCollapsibleButton)
    assert button.text == "Images"
    assert button.collapsed
    assert root.findChild("QLabel", "imagesLabel").text == "T2W:"
    assert root.findChild("QLabel", "imagesLabel").buddy() is slider
    root.show()
    assert not slider.visible
    button.collapsed = False
    assert slider.visible
    assert root.parent() is None


def test_widget_unknown_to_slicer_is_refused(load):
    with pytest.raises(AttributeError, match="QWebEngineView"):
        load('<item><widget class="QWebEngineView" name="page"/></item>')


def test_property_unknown_to_slicer_is_refused(load):
    with pytest.raises(AttributeError, match=r"badBox is a qt\.QSpinBox, which has no property 'minimumm'"):
        load('<item><widget class="QSpinBox" name="badBox"><property name="minimumm"><number>1</number></property></widget></item>')


def test_name_used_twice_is_refused(load):
    with pytest.raises(ValueError, match="two widgets are named 'imagesLabel'"):
        load('<item><widget class="QLabel" name="imagesLabel"/></item>')


def test_property_that_the_host_lacks_is_not_ignored(load):
    from host.spec import NotInHost

    with pytest.raises(NotInHost, match="synchronizeSiblings"):
        load(
            '<item><widget class="ctkSliderWidget" name="other">'
            '<property name="synchronizeSiblings"><number>1</number></property></widget></item>'
        )
