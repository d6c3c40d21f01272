"""A scripted module, opened, entered, reloaded and closed in the order in which Slicer does it; and the event loop's clock."""

from __future__ import annotations

import gc
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from . import signals, strict
from .qmrml import qMRMLWidget
from .spec import LISTING

MODULES = Path(__file__).resolve().parents[2]
_TICK_MS = 5
_MODULE = LISTING["slicer.qSlicerScriptedLoadableModule"]


class Module:
    """`slicer.modules.<name>`, and the ``parent`` of the module's class: takes the properties that Slicer's has."""

    def __init__(self, name: str, path: Path) -> None:
        self.__dict__.update(
            name=name, path=str(path), title="", categories=[], dependencies=[], contributors=[], helpText="", acknowledgementText=""
        )
        self.__dict__.update(hidden=False, index=-1, icon=None, _representation=None)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in _MODULE["properties"]:
            raise AttributeError(f"slicer.qSlicerScriptedLoadableModule has no property {name!r} in Slicer")
        self.__dict__[name] = value

    def widgetRepresentation(self) -> Any:
        """The panel, made on first use."""
        if self._representation is None:
            self.__dict__["_representation"] = self.createNewWidgetRepresentation()
        return self._representation

    def createNewWidgetRepresentation(self) -> Any:
        """A panel of its own."""
        representation = slicer.qSlicerScriptedLoadableModuleWidget()
        strict.unwrap(representation).start(self)
        return representation

    def mrmlScene(self) -> Any:
        """The scene."""
        return slicer.mrmlScene

    def logic(self) -> Any:
        """The C++ logic, which a scripted module does not use."""
        return None


class ModuleWidget(qMRMLWidget):
    """The Qt half of a module's panel; `self` is the Python half."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        QtWidgets.QVBoxLayout(self)
        self._module: Any = None
        self._python: Any = None
        self._entered = False

    def start(self, module: Module) -> None:
        """Make the Python half, set it up, and give the panel its scene."""
        self._module = module
        self.reload()
        self.setMRMLScene(slicer.mrmlScene)

    def reload(self) -> None:
        """Make the Python half anew from the module that is loaded now."""
        name = f"{self._module.name}Widget"
        self._python = getattr(sys.modules[self._module.name], name)(strict.wrap(self))
        setattr(slicer.modules, name, self._python)
        self._python.setup()

    def self(self) -> Any:
        return self._python

    def module(self) -> Module:
        return self._module

    def moduleName(self) -> str:
        return str(self._module.name)

    def isEntered(self) -> bool:
        return self._entered

    def enter(self) -> None:
        self._entered = True
        if hasattr(self._python, "enter"):
            self._python.enter()

    def exit(self) -> None:
        self._entered = False
        if hasattr(self._python, "exit"):
            self._python.exit()


def open_module(file: str | Path = "HabitatPNI.py") -> Any:
    """Load a module, make its panel, show and enter it; returns the Python half of the panel.

    Parameters
    ----------
    file : path, or the name of a file in the extension's folder
    """
    path = (MODULES / file).resolve()
    module = Module(path.stem, path)
    loaded = _load(path)
    setattr(slicer.modules, path.stem.lower(), module)
    getattr(loaded, path.stem)(module)
    slicer.app.send("startupCompleted()")
    slicer.app.processEvents()
    representation = module.widgetRepresentation()
    representation.resize(480, 900)
    representation.show()
    representation.enter()
    slicer.app.processEvents()
    return representation.self()


def close_module(widget: Any) -> None:
    """Leave the module, unload it as Slicer does when it ends, and destroy its panel."""
    representation = widget.parent
    name = widget.moduleName
    real = strict.unwrap(representation)
    if real.isEntered():
        real.exit()
    slicer.app.moduleManager().send("moduleAboutToBeUnloaded(QString)", name)
    for attribute in (name.lower(), f"{name}Widget"):
        vars(slicer.modules).pop(attribute, None)
    slicer.selfTests.pop(name, None)
    sys.modules.pop(name, None)
    real._python = None
    representation.delete()
    QtWidgets.QApplication.sendPostedEvents(None, int(QtCore.QEvent.Type.DeferredDelete.value))
    slicer.app.processEvents()
    gc.collect()


def select_another_module(widget: Any) -> None:
    """What happens to the panel when the user goes to another module."""
    widget.parent.exit()


def select_module(widget: Any) -> None:
    """What happens to the panel when the user comes back to it."""
    widget.parent.enter()


def reload_module(name: str) -> ModuleType:
    """`slicer.util.reloadScriptedModule`: read the file again, clean the panel up, and make it anew in the same place."""
    path = Path(slicer.util.modulePath(name))
    loaded = _load(path)
    representation = getattr(slicer.modules, name.lower()).widgetRepresentation()
    real = strict.unwrap(representation)
    for child in real.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
        child.hide()
    widget = getattr(slicer.modules, f"{name}Widget", None)
    if widget is not None:
        widget.cleanup()
        slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", widget._onModuleAboutToBeUnloaded)
    while real.layout().count():
        real.layout().removeItem(real.layout().itemAt(0))
    representation.reload()
    return loaded


def _load(path: Path) -> ModuleType:
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded


class _Clock:
    """Longest time between two ticks of a timer in the event loop, wall and of this thread's own work."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0
        self._last = (0.0, 0.0)

    def start(self) -> None:
        self._last = (time.perf_counter(), time.thread_time())

    def tick(self) -> None:
        wall, cpu = self._last
        self.start()
        self.wall = max(self.wall, self._last[0] - wall)
        self.cpu = max(self.cpu, self._last[1] - cpu)


_clock = _Clock()


def spin(condition: Callable[[], Any] | None = None, seconds: float = 10.0) -> None:
    """Run the event loop until the condition holds, or for the given time where there is none.

    Raises
    ------
    TimeoutError
        when the condition does not hold in time; names what connected functions raised meanwhile
    """
    before = len(signals.errors)
    loop, timer = QtCore.QEventLoop(), QtCore.QTimer()
    timer.setTimerType(QtCore.Qt.TimerType.PreciseTimer)
    deadline = time.monotonic() + seconds
    raised: list[Exception] = []
    held: list[bool] = []

    def tick() -> None:
        _clock.tick()
        try:
            if condition is not None and condition():
                held.append(True)
        except Exception as error:
            raised.append(error)
        if held or raised or time.monotonic() > deadline:
            loop.quit()
        # The time of the test's own condition is not the panel's.
        _clock.start()

    timer.timeout.connect(tick)
    timer.start(_TICK_MS)
    _clock.start()
    loop.exec()
    timer.stop()
    if raised:
        raise raised[0]
    if condition is not None and not held:
        meanwhile = "; ".join(repr(error) for error in signals.errors[before:])
        raise TimeoutError(f"the condition did not hold within {seconds:g} s" + (f"; meanwhile: {meanwhile}" if meanwhile else ""))


def slowest_turn(*, cpu: bool = False) -> float:
    """Longest time in s that the event loop was held up while `spin` ran, since `forget_turns`.

    Parameters
    ----------
    cpu : only the time that this thread worked, which a busy machine does not change; waiting is not in it
    """
    return _clock.cpu if cpu else _clock.wall


def forget_turns() -> None:
    """Start the measurement of `slowest_turn` anew."""
    _clock.wall = _clock.cpu = 0.0


def install(slicer_module: Any) -> None:
    """Put the classes of scripted modules in their places."""
    slicer_module.qSlicerScriptedLoadableModule = Module
    slicer_module.qSlicerScriptedLoadableModuleWidget = strict.register("slicer.qSlicerScriptedLoadableModuleWidget", ModuleWidget)
