"""The stand-in host, and sections of the panel without the panel."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
TESTING = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TESTING))

import host  # noqa: E402

host.install()

RESOURCES = TESTING.parent / "Resources"


class SectionPanel:
    """What a section sees of the panel; `asked` lists the jobs it was asked for, `lines` its log."""

    def __init__(self, parameters):
        from HabitatPNILib.gui.state import State

        self.parameters, self.state = parameters, State()
        self.asked, self.lines = [], []

    def register(self):
        self.asked.append("register")

    def find_habitats(self):
        self.asked.append("habitats")

    def analysis_command(self):
        return {"model": "m"}

    def run(self, name, arguments, on_done):
        self.asked.append((name, arguments))
        on_done({})

    def log(self, line):
        self.lines.append(line)


@pytest.fixture
def open_section():
    """Function from a section's name to (section, panel, widgets), with a parameter node in an empty scene."""
    import ctk
    import qt
    import slicer

    from HabitatPNILib.gui.panel import SECTION_CLASSES
    from HabitatPNILib.gui.parameters import HabitatPNIParameterNode

    opened = []
    slicer.mrmlScene.Clear()

    def open_it(name):
        root = qt.QWidget()
        outer = qt.QVBoxLayout(root)
        button = ctk.ctkCollapsibleButton()
        button.setObjectName(f"{name}Button")
        button.setText(name.capitalize())
        layout = qt.QVBoxLayout(button)
        layout.addWidget(slicer.util.loadUI(str(RESOURCES / "UI" / f"{name.capitalize()}.ui")))
        outer.addWidget(button)
        root.resize(470, 800)
        root.show()
        ui = slicer.util.childWidgetVariables(root)
        for widget in vars(ui).values():
            if widget.className().startswith("qMRML"):
                widget.setMRMLScene(slicer.mrmlScene)
        parameters = HabitatPNIParameterNode(slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScriptedModuleNode"))
        panel = SectionPanel(parameters)
        tag = parameters.connectGui(ui)
        section = SECTION_CLASSES[name](panel, ui)
        opened.append(SimpleNamespace(root=root, parameters=parameters, tag=tag, section=section, panel=panel))
        return section, panel, ui

    yield open_it
    for item in opened:
        item.panel.parameters = None
        item.parameters.disconnectGui(item.tag)
        item.section.release()
        item.root.close()
    slicer.mrmlScene.Clear()
