"""`slicer.ScriptedLoadableModule`: the base classes of a scripted module, with the members that Slicer's have."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import types
import unittest
from typing import Any

import slicer

__all__ = ["ScriptedLoadableModule", "ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest", "ScriptedLoadableModuleWidget"]


class ScriptedLoadableModule:
    """What Slicer knows of a module before it is opened; ``parent`` holds its title, categories and help."""

    def __init__(self, parent: Any) -> None:
        super().__init__()
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""
        for extension in (".svg", ".png"):
            icon = self.resourcePath(f"Icons/{self.moduleName}{extension}")
            if os.path.isfile(icon):
                parent.icon = sys.modules["qt"].QIcon(icon)
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, filename: str) -> str:
        """Path of a file in the module's folder ``Resources``."""
        return os.path.join(os.path.dirname(self.parent.path), "Resources", filename)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        """Sentence with a link to the module's page."""
        url = slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        return f'<p>For more information, see the <a href="{url}">online documentation</a>.</p>'

    def runTest(self, msec: int = 100, **kwargs: Any) -> None:
        """Run the module's test class."""
        module = importlib.import_module(type(self).__module__)
        cls = getattr(module, f"{self.moduleName}Test", None)
        if cls is None:
            raise AssertionError(f"Test case class not found: {type(self).__module__}.{self.moduleName}Test")
        test = cls()
        test.messageDelay = msec
        test.runTest(**kwargs)


class ScriptedLoadableModuleWidget:
    """A module's panel; without a parent it makes a window of its own and sets itself up."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(sys.modules["qt"].QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename: str) -> str:
        """Path of a file in the module's folder ``Resources``."""
        return os.path.join(os.path.dirname(slicer.util.modulePath(self.moduleName)), "Resources", filename)

    def setup(self) -> None:
        """Make the widgets; the developer's section is left out."""
        self.setupDeveloperSection()

    def setupDeveloperSection(self) -> None:
        """Nothing: the stand-in has no developer mode."""

    def cleanup(self) -> None:
        """Called when the module is unloaded or reloaded."""

    def _onModuleAboutToBeUnloaded(self, moduleName: str) -> None:
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self) -> None:
        """Read the module's file again and make its panel anew."""
        logging.info("Reloading module: %s", self.moduleName)
        slicer.util.reloadScriptedModule(self.moduleName)

    def onTest(self, **kwargs: Any) -> None:
        """Run the module's self test."""
        slicer.selfTests[self.moduleName](**kwargs)

    def onReloadAndTest(self, **kwargs: Any) -> None:
        """Reload, then run the self test."""
        self.onReload()
        slicer.selfTests[self.moduleName](**kwargs)

    def onEditSource(self) -> None:
        """Nothing: the stand-in opens no editor."""


class ScriptedLoadableModuleLogic:
    """A module's logic; gives the parameter node of the scene."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node; made where there is none."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                # Closing the scene empties the node and takes this attribute too.
                if node.GetAttribute("ModuleName") != self.moduleName:
                    node.SetAttribute("ModuleName", self.moduleName)
                return node
        else:
            found = self.getAllParameterNodes()
            if found:
                return found[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """Every parameter node of the module."""
        kind = "vtkMRMLScriptedModuleNode"
        nodes = [slicer.mrmlScene.GetNthNodeByClass(i, kind) for i in range(slicer.mrmlScene.GetNumberOfNodesByClass(kind))]
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """A parameter node that is not in the scene yet."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A module's self test: methods with "test" in their names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.moduleTestNames: list[str] = []
        super().__init__(*args, **kwargs)
        self.enableScreenshots = False
        self.screenshotScaleFactor = 1.0
        self.moduleTestNames = [name for name in dir(self) if "test" in name and callable(getattr(self, name))]

    def delayDisplay(self, message: str, requestedDelay: int | None = None, msec: int | None = None) -> None:
        """Say what the test does, and let the event loop turn."""
        slicer.util.delayDisplay(message, 0)

    def takeScreenshot(self, name: str, description: str, type: int = -1) -> None:
        """Say what would be taken."""
        self.delayDisplay(description)

    def runTest(self) -> None:
        """Run every test method."""
        self.setUpClass()
        for name in self.moduleTestNames:
            self.setUp()
            logging.info("Running %s", name)
            getattr(self, name)()
            self.tearDown()
        self.tearDownClass()


def install(slicer_module: Any, sys_modules: dict[str, Any]) -> None:
    """Put ``slicer.ScriptedLoadableModule`` in its place."""
    module = types.ModuleType("slicer.ScriptedLoadableModule")
    for name in __all__:
        setattr(module, name, globals()[name])
    slicer_module.ScriptedLoadableModule = module
    sys_modules["slicer.ScriptedLoadableModule"] = module
