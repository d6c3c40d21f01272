"""Stand-in for Slicer's desktop, for tests and development on machines without Slicer. Never shipped.

`install()` puts `qt` and `ctk` (PySide6 in the dialect of PythonQt 4.1 on Qt 5.15) into `sys.modules` and Slicer's application,
utilities, module classes, parameter nodes and qMRML widgets into the `slicer` of slicer-core, whose MRML, logics and displayable managers
are the real ones.

Imitated:
- Names. A class, member, property or signal that neither the listing of a running Slicer (listing.json) nor allowed.py has raises
  AttributeError; what Slicer has and this host does not imitate raises NotInHost, never silently does nothing.
- Properties are values: `label.text`, `label.text = "x"`; `label.text()` raises TypeError. setX() and isX() are there where Slicer lists
  them.
- Signals: `object.signal.connect(f)` and `object.connect("signal(int)", f)` with Qt 5's signatures, overloads included; a signal with
  overloads of different arguments has to be named with its signature. A Python function is given as many arguments as it takes; what it
  raises is printed and kept in `host.signals.errors`.
- Enum values are ints on the class (qt.Qt.AlignCenter). Arguments are positional. Dynamic properties are attributes. A use of a deleted
  object raises ValueError. An object without parent ends with its last Python reference. Processes, timers, event loops and files are
  Qt's real ones.
- Modal dialogs are answered from a script (`host.dialogs`); a dialog without an answer fails the test instead of waiting for ever.
  QSettings without arguments lies in a temporary file; addresses to open are kept in `host.qt.opened`.

Not imitated: virtual functions overridden in a script's subclass, event filters written in Python, children as attributes, implicit
conversions of arguments beyond PySide6's, Qt 5 members that Qt 6 removed, QInputDialog's static functions, Slicer's style sheet and
icons.
"""

import atexit
import gc
import importlib
import sys
from types import ModuleType

_SLICER_PARTS = ("slicer_app", "slicer_util", "slicer_packaging", "parameter_node", "scripted", "sample_data")
_SHORT = {
    "user": ("click", "type_text", "choose"),
    "ui_loader": ("load_ui",),
    "strict": ("wrap", "unwrap"),
    "module": ("open_module", "close_module", "spin", "slowest_turn"),
}


def install() -> None:
    """Make this process look like Slicer's; further calls change nothing. Needs a desktop or QT_QPA_PLATFORM=offscreen."""
    if isinstance(sys.modules.get("qt"), ModuleType) and getattr(sys.modules["qt"], "__host__", False):
        return
    from host import ctk, qt, strict

    strict.application()
    qt.install()
    ctk.install()
    for name in ("qt", "ctk"):
        sys.modules[name] = qt.make_module(name)
        sys.modules[name].__dict__["__host__"] = True
    import slicer

    for part in _SLICER_PARTS:
        importlib.import_module(f"host.{part}").install(slicer, sys.modules)
    importlib.import_module("host.module").install(slicer)
    atexit.register(_end)


def _end() -> None:
    # Widgets that outlive the interpreter are deleted by Qt's application in an order that ends in a crash.
    from PySide6 import QtCore, QtWidgets

    gc.collect()
    for widget in QtWidgets.QApplication.topLevelWidgets():
        widget.close()
        widget.deleteLater()
    QtWidgets.QApplication.sendPostedEvents(None, QtCore.QEvent.Type.DeferredDelete)
    QtWidgets.QApplication.processEvents()


def __getattr__(name: str) -> object:
    # Short names for tests; imported on use, so that importing the package starts nothing.
    for module, names in _SHORT.items():
        if name in names:
            return getattr(importlib.import_module(f"host.{module}"), name)
    raise AttributeError(f"module 'host' has no attribute {name!r}")
