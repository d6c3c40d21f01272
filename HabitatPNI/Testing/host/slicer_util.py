"""`slicer.util`: slicer-core's functions where they work without Slicer's desktop, the desktop's by stand-ins, all others refuse."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtWidgets

from . import dialogs, slicer_packaging, strict
from .spec import LISTING, NotInHost

# Functions of slicer-core that need neither Qt nor the application.
_KEPT = """
addVolumeFromArray array arrayFromGridTransform arrayFromGridTransformModified arrayFromMarkupsControlPointData
arrayFromMarkupsControlPoints arrayFromModelPointData arrayFromModelPoints arrayFromModelPolyIds arrayFromSegment
arrayFromSegmentBinaryLabelmap arrayFromSegmentInternalBinaryLabelmap arrayFromTableColumn arrayFromTableColumnModified
arrayFromTransformMatrix arrayFromVTKMatrix arrayFromVolume arrayFromVolumeModified computeChecksum dataframeFromTable
extractAlgoAndDigest getFilesInDirectory getFirstNodeByClassByName getFirstNodeByName getNode getNodes getNodesByClass longPath
setSliceViewerLayers settingsValue toBool toLatin1String toVTKString updateSegmentBinaryLabelmapFromArray updateTableFromArray
updateTransformMatrixFromArray updateVTKMatrixFromArray updateVolumeFromArray vtkMatrixFromArray
"""
_BOX_PROPERTIES = frozenset(LISTING["ctk.ctkMessageBox"].get("properties", ())) | frozenset(LISTING["qt.QMessageBox"].get("properties", ()))
_window: dict[str, Any] = {"main": None, "status": "", "module": ""}


def set_main_window(window: Any) -> None:
    """The window that `slicer.util.mainWindow` gives from now on, or None."""
    _window["main"] = window


def mainWindow() -> Any:
    """The main window where the stand-in runs as a program; None in tests, as in Slicer without one."""
    return _window["main"]


def _box(
    kind: str, level: int, buttons: tuple[str, ...], testing: str, text: str, windowTitle: Any = None, parent: Any = None, **more: Any
) -> str:
    """Log a message and ask; in testing mode the answer is ``testing``, as in Slicer."""
    if not isinstance(text, str):
        raise TypeError(f"the text of a message box is a string, not {type(text).__name__}")
    unknown = set(more) - _BOX_PROPERTIES - {"dontShowAgainSettingsKey"}
    if unknown:
        raise TypeError(f"a message box has no {', '.join(sorted(unknown))} in Slicer")
    logging.log(level, text)
    if slicer.app.testingEnabled():
        logging.info("Testing mode is enabled: returning %s and skipping the message box", testing)
        return testing
    details = more.get("detailedText", "")
    show = partial(_show_box, kind, text, windowTitle or "Slicer", details, buttons)
    return dialogs.ask(kind, text, title=windowTitle or "", detailed_text=details, buttons=buttons, show=show)


def _show_box(kind: str, text: str, title: str, details: str, buttons: tuple[str, ...]) -> str:
    icons = {"error": "Critical", "warning": "Warning", "question": "Question"}
    box = QtWidgets.QMessageBox(QtWidgets.QMessageBox.Icon[icons.get(kind, "Information")], title, text)
    standard = QtWidgets.QMessageBox.StandardButton
    chosen = standard.NoButton
    for name in buttons:
        chosen |= standard[name]
    box.setStandardButtons(chosen)
    box.setDetailedText(details)
    return str(standard(box.exec()).name)


def _buttons(standardButtons: Any) -> tuple[str, ...]:
    if standardButtons is None:
        return ("Ok",)
    value = int(standardButtons)
    return tuple(b.name for b in QtWidgets.QMessageBox.StandardButton if b.value & value and b.name not in ("FirstButton", "LastButton"))


def infoDisplay(text: str, windowTitle: Any = None, parent: Any = None, standardButtons: Any = None, **kwargs: Any) -> None:
    """Message box with an i."""
    _box("info", logging.INFO, _buttons(standardButtons), "Ok", text, windowTitle, parent, **kwargs)


def warningDisplay(text: str, windowTitle: Any = None, parent: Any = None, standardButtons: Any = None, **kwargs: Any) -> None:
    """Message box with a warning sign."""
    _box("warning", logging.WARNING, _buttons(standardButtons), "Ok", text, windowTitle, parent, **kwargs)


def errorDisplay(text: str, windowTitle: Any = None, parent: Any = None, standardButtons: Any = None, **kwargs: Any) -> None:
    """Message box with a cross."""
    _box("error", logging.ERROR, _buttons(standardButtons), "Ok", text, windowTitle, parent, **kwargs)


def messageBox(text: str, parent: Any = None, **kwargs: Any) -> int:
    """Message box; the pressed button's number."""
    buttons = _buttons(kwargs.pop("standardButtons", None))
    kwargs.pop("icon", None)
    answer = _box("message", logging.INFO, buttons, "Ok", text, kwargs.pop("windowTitle", None), parent, **kwargs)
    return int(QtWidgets.QMessageBox.StandardButton[answer].value)


def confirmOkCancelDisplay(text: str, windowTitle: Any = None, parent: Any = None, **kwargs: Any) -> bool:
    """Whether the user said OK."""
    return _box("question", logging.INFO, ("Ok", "Cancel"), "Ok", text, windowTitle, parent, **kwargs) == "Ok"


def confirmYesNoDisplay(text: str, windowTitle: Any = None, parent: Any = None, **kwargs: Any) -> bool:
    """Whether the user said yes."""
    return _box("question", logging.INFO, ("Yes", "No"), "Yes", text, windowTitle, parent, **kwargs) == "Yes"


def confirmRetryCloseDisplay(text: str, windowTitle: Any = None, parent: Any = None, **kwargs: Any) -> bool:
    """Whether the user said retry."""
    return _box("error", logging.ERROR, ("Retry", "Close"), "Close", text, windowTitle, parent, **kwargs) == "Retry"


def delayDisplay(message: str, autoCloseMsec: int = 1000, parent: Any = None, **kwargs: Any) -> None:
    """Log a message and let the event loop turn; the popup that closes itself is left out."""
    logging.info(message)
    slicer.app.processEvents()


def showStatusMessage(message: str, duration: int = 0) -> None:
    """Keep the text of the status bar."""
    _window["status"] = message


def status_message() -> str:
    """Text that stands in the status bar."""
    return str(_window["status"])


@contextmanager
def tryWithErrorDisplay(message: str | None = None, show: bool = True, waitCursor: bool = False) -> Iterator[None]:
    """Show a message box for an exception, and pass the exception on."""
    try:
        yield
    except Exception as error:
        if show and not slicer.app.testingEnabled():
            errorDisplay(f"{message}\n\n{error}" if message is not None else str(error), detailedText=traceback.format_exc())
        raise


def loadUI(path: Any) -> Any:
    """Root widget of a ``.ui`` file.

    Raises
    ------
    RuntimeError
        when there is no such file
    """
    from .ui_loader import load_ui

    if not Path(path).is_file():
        raise RuntimeError(f"Could not load UI file: file not found {path}\n\n")
    return load_ui(path)


def findChildren(widget: Any = None, name: str = "", text: str = "", title: str = "", className: str = "") -> list[Any]:
    """The widget and everything below it that has the given name or class."""
    if text or title or "*" in name or "*" in className:
        raise NotInHost("slicer.util.findChildren: the stand-in searches by whole name and class only")
    widget = widget if widget is not None else mainWindow()
    real = strict.unwrap(widget)
    found = [] if real is None else [real, *real.findChildren(QtCore.QObject)]
    proxies = [strict.wrap(one) for one in found if not name or one.objectName() == name]
    return [one for one in proxies if not className or one.className() == className]


def findChild(widget: Any, name: str, properties: Any = None) -> Any:
    """First widget of a name; RuntimeError where there is none."""
    found = findChildren(widget, name=name)
    if not found:
        raise RuntimeError(f"Widget with name={name!r} does not exist.")
    return found[0]


def childWidgetVariables(widget: Any) -> Any:
    """Object whose attributes are the named widgets below one, and itself."""
    ui = type("", (), {})()
    real = strict.unwrap(widget)
    for child in (real, *real.findChildren(QtCore.QObject)):
        # Parts of composite widgets have names of Qt's own; those of a ui file are the panel's.
        if child.objectName() and not child.objectName().startswith("qt_") and isinstance(child, QtWidgets.QWidget | QtWidgets.QLayout):
            setattr(ui, child.objectName(), strict.wrap(child))
    return ui


def tempDirectory(key: str = "__SlicerTemp__", tempDir: Any = None, includeDateTime: bool = True) -> str:
    """New folder in the temporary one; nobody removes it but the caller."""
    parent = Path(tempDir) if tempDir is not None else Path(slicer.app.temporaryPath)
    if not includeDateTime:
        (parent / key).mkdir(parents=True, exist_ok=True)
        return str(parent / key)
    return tempfile.mkdtemp(prefix=key, dir=parent)


def saveScene(filename: str, properties: Any = None) -> bool:
    """Write the scene to an ``.mrb`` or ``.mrml`` file; False (and a log entry) when that failed."""
    if not isinstance(filename, str):
        raise TypeError("slicer.util.saveScene takes the path as a string: Qt cannot convert a Path")
    path = Path(filename).absolute()
    messages = slicer.vtkMRMLMessageCollection()
    scene = slicer.mrmlScene
    scene.SetURL(str(path))
    scene.SetRootDirectory(str(path.parent))
    done = False
    if not os.access(path.parent, os.W_OK):
        messages.AddMessage(0, f"path {path.parent} is not writeable")
    elif path.suffix == ".mrml":
        done = bool(scene.Commit())
    elif path.suffix == ".mrb":
        done = bool(scene.WriteToMRB(str(path), None, messages))
        scene.SetStorableNodesModifiedSinceRead()
    else:
        raise NotInHost("slicer.util.saveScene: the stand-in writes .mrb and .mrml")
    if not done:
        logging.error("Failed to save scene to file: %s\n%s", filename, messages.GetAllMessagesAsString())
    return done


def loadScene(filename: Any, properties: Any = None) -> None:
    """Import an ``.mrb`` or ``.mrml`` file into the scene.

    Raises
    ------
    RuntimeError
        when it cannot be read
    """
    path = Path(str(filename)).absolute()
    messages = slicer.vtkMRMLMessageCollection()
    scene = slicer.mrmlScene
    if path.suffix == ".mrb":
        done = path.is_file() and scene.ReadFromMRB(str(path), bool((properties or {}).get("clear")), messages)
    else:
        scene.SetURL(str(path))
        done = path.is_file() and scene.Import(messages)
    if not done:
        raise RuntimeError(f"Failed to load node from file: {filename}\n{messages.GetAllMessagesAsString()}")


def moduleNames() -> list[str]:
    """Names of the opened modules."""
    return [module.name for module in _modules()]


def getModule(moduleName: str) -> Any:
    """Module of a name; RuntimeError where there is none."""
    module = slicer.app.moduleManager().module(moduleName)
    if module is None:
        raise RuntimeError(f"Could not find module with name '{moduleName}'")
    return module


def getModuleWidget(module: Any) -> Any:
    """The Python half of a module's panel."""
    module = getModule(module) if isinstance(module, str) else module
    return module.widgetRepresentation().self()


def getModuleLogic(module: Any) -> Any:
    """The logic of a module's panel; RuntimeError where it has none."""
    logic = getattr(getModuleWidget(module), "logic", None)
    if logic is None:
        raise RuntimeError(f"Could not find module widget representation with name '{module}'")
    return logic


def modulePath(moduleName: str) -> str:
    """Path of a module's file."""
    return str(getattr(slicer.modules, moduleName.lower()).path)


def _modules() -> list[Any]:
    return [module for name, module in vars(slicer.modules).items() if not name.endswith("Widget") and name != "sampleDataSources"]


def selectModule(module: Any) -> None:
    """Leave the module that is open and enter another; of those that only Slicer has, the name is kept."""
    name = module if isinstance(module, str) else module.name
    for other in _modules():
        panel = other.widgetRepresentation()
        if panel.isEntered and other.name != name:
            panel.exit()
    known = slicer.app.moduleManager().module(name)
    if known is not None and not known.widgetRepresentation().isEntered:
        known.widgetRepresentation().enter()
    _window["module"] = name


def selectedModule() -> str:
    """Name of the module that was selected last."""
    return str(_window["module"])


def exit(status: int = 0) -> None:
    """End the program with this exit code."""
    raise SystemExit(status)


class WaitCursor:
    """Wait cursor while a block runs."""

    def __init__(self, show: bool = True) -> None:
        self._show = show

    def __enter__(self) -> None:
        if self._show:
            QtWidgets.QApplication.setOverrideCursor(QtCore.Qt.CursorShape.WaitCursor)

    def __exit__(self, *_: object) -> None:
        if self._show:
            QtWidgets.QApplication.restoreOverrideCursor()


def _refusing(name: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise NotInHost(f"slicer.util.{name} exists in Slicer; the stand-in host does not imitate it")

    return refuse


def install(slicer_module: Any, _sys_modules: dict[str, Any]) -> None:
    """Make `slicer.util` strict."""
    from . import module

    functions = json.loads(Path(__file__).with_name("listing.json").read_text(encoding="utf-8"))["functions"]
    util = slicer_module.util
    # slicer-core puts every function of slicer.util into slicer too; in Slicer they are not there.
    for name in [name for name in vars(util) if not name.startswith("_") and vars(slicer_module).get(name) is vars(util)[name]]:
        delattr(slicer_module, name)
    own = globals()
    for full in functions:
        if not full.startswith("slicer.util."):
            continue
        name = full.removeprefix("slicer.util.")
        if name in own and callable(own[name]):
            setattr(util, name, own[name])
        elif name not in _KEPT.split():
            setattr(util, name, _refusing(name))
    util.WaitCursor = WaitCursor
    util.MessageDialog = _refusing("MessageDialog")
    util.RenderBlocker = _refusing("RenderBlocker")
    util.reloadScriptedModule = module.reload_module
    util.pip_install = slicer_packaging.pip_install
    util.startupEnvironment = lambda: dict(os.environ)
    util.resetSliceViews = lambda: slicer.app.layoutManager().resetSliceViews()
    util.resetThreeDViews = lambda: slicer.app.layoutManager().resetThreeDViews()
    util.forceRenderAllViews = lambda: None
