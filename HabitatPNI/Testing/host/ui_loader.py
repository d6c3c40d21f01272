"""Qt Designer files with ctk and qMRML widgets, as Slicer's QUiLoader reads them."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from host import strict
from host.spec import NotInHost


class UiFileError(ValueError):
    """The file cannot be loaded as it would be in Slicer."""


def load_ui(path: str | Path) -> Any:
    """The root widget of a .ui file, as a proxy without a parent.

    Every class and property in the file has to be one that Slicer has (AttributeError) and that the host imitates (NotInHost); two
    widgets with one object name are a UiFileError. Properties of ctk and qMRML widgets are set by their setters in the order of the file;
    those that the class does not have (stdset="0") stay as dynamic properties.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    custom = _check(ElementTree.fromstring(text), path.name)
    loader = QtUiTools.QUiLoader()
    for name in custom:
        loader.registerCustomWidget(_scripted(name)._implementation)
    loader.setWorkingDirectory(QtCore.QDir(str(path.parent)))
    buffer = QtCore.QBuffer()
    buffer.setData(text.encode())
    buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
    root = loader.load(buffer)
    if root is None:
        raise UiFileError(f"{path.name}: {loader.errorString()}")
    for widget in (root, *root.findChildren(QtWidgets.QWidget)):
        _set_own_properties(widget)
    return strict.wrap(root)


def _scripted(name: str) -> strict.ProxyType:
    for module in ("qt", "ctk", "slicer"):
        try:
            return strict.proxy_class(f"{module}.{name}")
        except AttributeError:
            continue
    raise AttributeError(f"{name} is not in the listing of Slicer's classes")


def _check(root: ElementTree.Element, file: str) -> list[str]:
    custom, seen = [], set()
    for element in root.iter("widget"):
        name, own = element.get("class", ""), element.get("name", "")
        if own in seen:
            raise UiFileError(f"{file}: two widgets are named {own!r}")
        seen.add(own)
        if name in ("Line", "Spacer"):
            continue
        spec = _scripted(name)._spec
        if not spec.name.startswith("qt."):
            custom.append(name)
        for found in element.findall("property"):
            pseudo = name == "QLabel" and found.get("name") == "buddy"  # for the loader, not for the label
            if found.get("name") not in spec.properties and found.get("stdset") != "0" and not pseudo:
                raise AttributeError(f"{file}: {own} is a {spec.name}, which has no property {found.get('name')!r} in Slicer")
    return sorted(set(custom))


def _set_own_properties(widget: QtWidgets.QWidget) -> None:
    spec = strict.class_for(type(widget))._spec
    for raw in widget.dynamicPropertyNames():
        name = bytes(raw.data()).decode()
        if name in spec.properties:
            value = widget.property(name)
            widget.setProperty(name, None)
            try:
                strict.write(widget, name, value)
            except NotInHost as error:
                raise NotInHost(f"{widget.objectName()}: {error}") from None
