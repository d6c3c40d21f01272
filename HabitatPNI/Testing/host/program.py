"""The stand-in host as a program: the module's panel beside the views of its scene, on a desktop without 3D Slicer."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from host.panes import Panes

PANEL_WIDTH = 480
TITLE = "Stand-in host, not 3D Slicer"


class Window(QtWidgets.QMainWindow):
    """Main window.

    Parameters
    ----------
    panel : the module's widget
    scene : vtkMRMLScene that the views show
    logic : its vtkMRMLApplicationLogic
    """

    def __init__(self, panel: QtWidgets.QWidget, scene: Any, logic: Any) -> None:
        super().__init__()
        self.setWindowTitle(f"HabitatPNI · {TITLE}")
        self.panel_area = QtWidgets.QScrollArea()
        self.panel_area.setWidgetResizable(True)
        self.panel_area.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.panel_area.setWidget(panel)
        bar = self.panel_area.verticalScrollBar().sizeHint().width()
        self.panel_area.setVerticalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.panel_area.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.panel_area.setMinimumWidth(PANEL_WIDTH + bar)
        self.views = Panes(scene, logic)
        splitter = QtWidgets.QSplitter()
        splitter.addWidget(self.panel_area)
        splitter.addWidget(self.views)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([PANEL_WIDTH + bar, 1000])
        notice = QtWidgets.QLabel(f"{TITLE}. Research use only.")
        notice.setStyleSheet("background-color: #5b4b00; color: white; padding: 2px 6px;")
        middle = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(middle)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(notice)
        column.addWidget(splitter, 1)
        self.setCentralWidget(middle)
        self.resize(1500, 950)

    def closeEvent(self, event: QtGui.QCloseEvent) -> None:
        self.views.release()
        super().closeEvent(event)


def open_window() -> tuple[Window, Any]:
    """Install the host and open the module in a window of it.

    Returns
    -------
    the window, not shown yet, and the module's ScriptedLoadableModuleWidget, to be closed with `host.module.close_module`
    """
    import host

    host.install()
    from host.module import open_module
    from host.slicer_util import set_main_window
    from host.strict import unwrap, wrap

    module = open_module()
    window = Window(unwrap(module.parent), slicer.mrmlScene, slicer.app.applicationLogic())
    set_main_window(wrap(window))
    return window, module


def main() -> int:
    """Run until the window is closed."""
    window, module = open_window()
    from host.dialogs import set_interactive
    from host.module import close_module

    set_interactive(True)
    window.show()
    status = QtWidgets.QApplication.instance().exec()
    close_module(module)
    return int(status)
