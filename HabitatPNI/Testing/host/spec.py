"""Which members, properties and signals each class of Slicer has: the listing, and what allowed.py adds."""

import enum
import importlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PySide6 import QtCore

from host.allowed import CLASSES, MEMBERS, PROPERTIES

LISTING: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("listing.json").read_text(encoding="utf-8"))["classes"]
QT_MODULES = ("QtCore", "QtGui", "QtWidgets", "QtSvg", "QtSvgWidgets", "QtUiTools", "QtNetwork")


class NotInHost(NotImplementedError):
    """Slicer has this, the stand-in host does not imitate it."""


@dataclass(frozen=True)
class Spec:
    """What one class of Slicer has: its own names and those of the base class of its kind."""

    name: str
    members: frozenset[str]
    properties: frozenset[str]
    signals: frozenset[str]

    @property
    def signal_names(self) -> frozenset[str]:
        """Names of the signals, without arguments."""
        return frozenset(signature.partition("(")[0] for signature in self.signals)


@cache
def spec_of(name: str) -> Spec:
    """The names of a class such as "qt.QLabel"; AttributeError for a class that Slicer does not have."""
    if name in CLASSES:
        return _open_spec(name)
    if name not in LISTING or "kind" not in LISTING[name]:
        raise AttributeError(f"{name} is not in the listing of Slicer's classes")
    entry = LISTING[name]
    entries = [entry, *([LISTING[f"qt.{base}"]] if (base := {"widget": "QWidget", "object": "QObject"}.get(entry["kind"])) else [])]
    extra = {member for owner in (name, "qt.QObject") for member in MEMBERS.get(owner, ()) if owner == name or entry["kind"] != "value"}
    members = frozenset(extra.union(*(e["members"] for e in entries)))
    properties = frozenset(PROPERTIES.get(name, ())).union(*(e.get("properties", ()) for e in entries))
    signals = frozenset().union(*(e.get("signals", ()) for e in entries))
    if "properties" not in entry and entry["kind"] != "value" and name.startswith("qt."):
        # No instance of it was there to ask when the listing was made, so PySide6 says which of its members are properties and signals.
        qt_properties, qt_signals = _meta(qt_class_of(name))
        properties |= qt_properties & members
        signals |= frozenset(signature for signature in qt_signals if signature.partition("(")[0] in members)
    return Spec(name, members, properties, signals)


def _meta(qt_class: Any) -> tuple[frozenset[str], frozenset[str]]:
    meta = qt_class.staticMetaObject
    methods = [meta.method(i) for i in range(meta.methodCount())]
    return (
        frozenset(meta.property(i).name() for i in range(meta.propertyCount())),
        frozenset(bytes(m.methodSignature().data()).decode() for m in methods if m.methodType() == QtCore.QMetaMethod.MethodType.Signal),
    )


def _open_spec(name: str) -> Spec:
    qt_class = qt_class_of(name)
    names: frozenset[str] = frozenset(n for n in dir(qt_class) if not n.startswith("_")) | {"delete", "className", "inherits"}
    for found in [getattr(qt_class, n) for n in names if n[:1].isupper()]:
        if isinstance(found, type) and issubclass(found, enum.Enum):
            names |= frozenset(found.__members__)
    if not (isinstance(qt_class, type) and issubclass(qt_class, QtCore.QObject)):
        return Spec(name, names, frozenset(), frozenset())
    return Spec(name, names, *_meta(qt_class))


def qt_class_of(name: str) -> Any:
    """The PySide6 class of a name such as "qt.QLabel"; NotInHost where there is none."""
    for module in QT_MODULES:
        found = getattr(importlib.import_module(f"PySide6.{module}"), name.partition(".")[2], None)
        if found is not None:
            return found
    raise NotInHost(f"{name} exists in Slicer; PySide6 has no such class")
