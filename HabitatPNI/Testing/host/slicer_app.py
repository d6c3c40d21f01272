"""`slicer.app`, `slicer.mrmlScene`, `slicer.modules` and the qMRML classes: slicer-core's real scene and logics under Slicer's names."""

from __future__ import annotations

import atexit
import ctypes
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import vtk

from . import qmrml, qmrml_segments, qmrml_views, signals, strict
from .ctk_numbers import ctkDoubleSpinBox, ctkSliderWidget
from .spec import LISTING, NotInHost

_APP = frozenset(LISTING["slicer.app"]["members"])
_FOUR_UP = 3


class qMRMLSliderWidget(ctkSliderWidget):
    """ctkSliderWidget with Slicer's units, which are left out."""

    def mrmlScene(self) -> Any:
        return getattr(self, "_scene", None)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene


class qMRMLSpinBox(ctkDoubleSpinBox):
    """ctkDoubleSpinBox with Slicer's units, which are left out."""

    def mrmlScene(self) -> Any:
        return getattr(self, "_scene", None)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene


class Signals:
    """Signals of an object that is no Qt object here: ``connect("name(args)", f)``, as PythonQt has it."""

    def __init__(self, *signatures: str) -> None:
        self._connected: dict[str, list[Callable[..., Any]]] = {signature: [] for signature in signatures}

    def connect(self, signature: str, function: Callable[..., Any]) -> bool:
        """Call a function whenever the signal is sent."""
        self._of(signature).append(function)
        return True

    def disconnect(self, signature: str, function: Callable[..., Any]) -> bool:
        """Stop calling it; False where it was not connected."""
        connected = self._of(signature)
        if function not in connected:
            return False
        connected.remove(function)
        return True

    def send(self, signature: str, *arguments: Any) -> None:
        """Call the connected functions."""
        for function in list(self._of(signature)):
            function(*arguments)

    def count(self, signature: str) -> int:
        """How many functions are connected."""
        return len(self._of(signature))

    def _of(self, signature: str) -> list[Callable[..., Any]]:
        if signature not in self._connected:
            raise AttributeError(f"no signal {signature!r} here; there are {', '.join(self._connected)}")
        return self._connected[signature]


class ModuleManager(Signals):
    """`slicer.app.moduleManager()`."""

    def __init__(self) -> None:
        super().__init__("moduleAboutToBeUnloaded(QString)", "moduleLoaded(QString)", "moduleUnloaded(QString)")

    def module(self, name: str) -> Any:
        """Module of a name, or None."""
        return getattr(slicer.modules, name.lower(), None)


class CommandOptions:
    """`slicer.app.commandOptions()`."""

    def __init__(self, testing: bool) -> None:
        self.testingEnabled = testing
        self.noMainWindow = True


class App(Signals):
    """`slicer.app`; what it does not have itself it takes from the Qt application, and what Slicer does not have raises."""

    def __init__(self) -> None:
        super().__init__("startupCompleted()", "aboutToQuit()", "mrmlSceneChanged(vtkMRMLScene*)")
        self._qt = strict.wrap(strict.application())
        self._testing = False
        self._folder = tempfile.mkdtemp(prefix="habitatpni-host-")
        atexit.register(shutil.rmtree, self._folder, ignore_errors=True)
        self._modules = ModuleManager()
        self._scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(self._scene)
        self._logic.GetColorLogic().SetMRMLScene(self._scene)
        self._segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
        self._segmentations.SetMRMLApplicationLogic(self._logic)
        self._segmentations.SetMRMLScene(self._scene)
        self._files = self._file_logics()
        self._layouts = slicer.vtkMRMLLayoutLogic()
        self._layouts.SetMRMLScene(self._scene)
        self._layouts.GetLayoutNode().SetViewArrangement(_FOUR_UP)
        self._slices = self._slice_logics()
        self._layout_manager: Any = None

    def _file_logics(self) -> tuple[Any, Any]:
        # Without these two a scene cannot be read from an .mrb file.
        remote, manager = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
        manager.SetMRMLApplicationLogic(self._logic)
        manager.SetAndObserveDataIOManager(remote.GetDataIOManager())
        remote.SetMRMLScene(self._scene)
        self._logic.SetMRMLSceneDataIO(self._scene, remote, manager)
        cache = remote.GetCacheManager()
        if cache is not None:
            cache.SetRemoteCacheDirectory(self._folder)
        return remote, manager

    def _slice_logics(self) -> Any:
        logics = vtk.vtkCollection()
        for index in range(self._scene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
            logic = slicer.vtkMRMLSliceLogic()
            logic.SetMRMLApplicationLogic(self._logic)
            logic.SetMRMLScene(self._scene)
            logic.SetSliceNode(self._scene.GetNthNodeByClass(index, "vtkMRMLSliceNode"))
            logics.AddItem(logic)
        self._logic.SetSliceLogics(logics)
        return logics

    # What Slicer has as properties
    slicerHome = str(Path(sys.prefix))
    majorVersion = 5
    minorVersion = 12
    revision = "stand-in"
    repositoryRevision = "stand-in"
    applicationName = "Slicer"
    mainApplicationName = "Slicer"
    applicationVersion = "5.12.3-stand-in"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/5.12/"
    os = sys.platform

    @property
    def temporaryPath(self) -> str:
        """Folder that goes with the process."""
        return self._folder

    # Methods
    def mrmlScene(self) -> Any:
        """The scene."""
        return self._scene

    def applicationLogic(self) -> Any:
        """vtkSlicerApplicationLogic of the scene."""
        return self._logic

    def layoutManager(self) -> Any:
        """The layout manager, made on first use."""
        if self._layout_manager is None:
            self._layout_manager = qmrml_views.qMRMLLayoutManager(self._scene, self._layouts)
        return strict.wrap(self._layout_manager)

    def moduleManager(self) -> ModuleManager:
        """The module manager."""
        return self._modules

    def commandOptions(self) -> CommandOptions:
        """How the application was started."""
        return CommandOptions(self._testing)

    def testingEnabled(self) -> bool:
        """Whether Slicer would run with ``--testing``: then it shows no message boxes."""
        return self._testing

    def settings(self) -> Any:
        """Settings of this process."""
        return sys.modules["qt"].QSettings()

    userSettings = settings

    def processEvents(self, *flags: Any) -> None:
        """Handle what waits in the event loop."""
        strict.application().processEvents(*(strict.unwrap(flag) for flag in flags))

    def translate(self, _context: str, text: str) -> str:
        """The text itself: the stand-in speaks English."""
        return text

    def startupEnvironment(self) -> dict[str, str]:
        """Environment that the application was started with."""
        import os

        return dict(os.environ)

    def moduleDocumentationUrl(self, name: str) -> str:
        """Address of a module's page."""
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def moduleLogic(self, name: str) -> Any:
        """Logic of a C++ module."""
        if name == "Segmentations":
            return self._segmentations
        raise NotInHost(f"slicer.app.moduleLogic({name!r}): the stand-in has no such module")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name not in _APP:
            raise AttributeError(f"slicer.app has no {name!r} in Slicer")
        try:
            return getattr(self._qt, name)
        except AttributeError:
            raise NotInHost(f"slicer.app.{name} exists in Slicer; the stand-in host does not imitate it") from None

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"slicer.app.{name} is not assigned by scripts")
        object.__setattr__(self, name, value)


class Modules:
    """`slicer.modules`: the modules that were opened, in small letters, and ``<Name>Widget``."""

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"slicer.modules has no {name!r} here: only modules opened by host.module are there")


def set_testing(on: bool) -> None:
    """Behave as Slicer started with ``--testing``, or not."""
    slicer.app._testing = on


def reset() -> None:
    """An empty scene without any module's parameter node, the first layout, and no testing mode."""
    scene = slicer.mrmlScene
    scene.Clear(False)
    for kind in ("vtkMRMLScriptedModuleNode", "vtkMRMLSegmentEditorNode"):
        for index in reversed(range(scene.GetNumberOfNodesByClass(kind))):
            scene.RemoveNode(scene.GetNthNodeByClass(index, kind))
    slicer.app.layoutManager().setLayout(_FOUR_UP)
    set_testing(False)


def install(slicer_module: Any, sys_modules: dict[str, Any]) -> None:
    """Put ``slicer.app``, ``slicer.mrmlScene``, ``slicer.modules``, ``slicer.i18n`` and the qMRML classes in their places."""
    for name in ("qMRMLWidget", "qMRMLNodeComboBox"):
        setattr(slicer_module, name, strict.register(f"slicer.{name}", getattr(qmrml, name)))
    for module in (qmrml_segments, qmrml_views):
        for name in vars(module):
            if name.startswith("qMRML") and not hasattr(slicer_module, name):
                setattr(slicer_module, name, strict.register(f"slicer.{name}", getattr(module, name)))
    for cls in (qMRMLSliderWidget, qMRMLSpinBox):
        setattr(slicer_module, cls.__name__, strict.register(f"slicer.{cls.__name__}", cls))
    slicer_module.app = App()
    slicer_module.mrmlScene = slicer_module.app.mrmlScene()
    slicer_module.modules = Modules()
    slicer_module.selfTests = {}
    words = types.ModuleType("slicer.i18n")
    words.tr = lambda text: text  # type: ignore[attr-defined]
    words.translate = lambda _context, text: text  # type: ignore[attr-defined]
    slicer_module.i18n = words
    sys_modules["slicer.i18n"] = words
    sys.excepthook = _keep
    _make_constants_last()


def _make_constants_last() -> None:
    # Each signal that PySide6 6.12 sends takes a reference of True and None too many; before Python 3.12, which counts none for them,
    # that ends the process after some thousand signals ("bool_dealloc: deallocating True or False").
    if sys.version_info < (3, 12):
        for constant in (True, False, None):
            ctypes.c_ssize_t.from_address(id(constant)).value += 1 << 40


def _keep(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Keep what a VTK observer raised beside what slots raised: VTK prints it and goes on."""
    signals.errors.append(error)
    sys.__excepthook__(kind, error, trace)
