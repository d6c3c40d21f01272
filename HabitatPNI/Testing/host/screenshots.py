"""The README's pictures of the panel: the digital phantom is opened, analysed, and each section and the window are drawn."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

LABEL = "HabitatPNI panel in the test host (not 3D Slicer), digital phantom, research use only"
SECTIONS = ("images", "tumour", "habitats", "clinical", "result")
PANEL_WIDTH = 480
WINDOW_SIZE = (1500, 950)
_PATIENCE_S = 180.0
_DRAW_S = 0.4
_ZOOM = 0.6


def take(folder: Path) -> list[Path]:
    """Write ``window.png`` and one picture a section; returns the files.

    Raises
    ------
    RuntimeError
        when the panel gives no result, with its last dialog
    """
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from host.program import open_window

    window, module = open_window()
    from host.module import close_module, spin

    folder.mkdir(parents=True, exist_ok=True)
    window.resize(*WINDOW_SIZE)
    window.show()
    panel = module.panel
    try:
        for job in (panel.try_phantom, panel.run_all):
            job()
            spin(lambda: not panel.busy and not panel.state.busy, _PATIENCE_S)  # done, and painted
        if panel.state.analysis is None:
            raise RuntimeError(f"the panel gave no result; {_last_words()}")
        panel.parameters.surfaces = True
        for pane in window.views.slices.values():
            x, y, z = pane.view.node.GetFieldOfView()
            pane.view.node.SetFieldOfView(_ZOOM * x, _ZOOM * y, z)
        written = []
        _expand(panel, "result")
        spin(None, _DRAW_S)
        window.views.draw()
        written.append(_write(window.grab(), folder / "window.png"))
        root = window.panel_area.takeWidget()
        root.show()
        for section in SECTIONS:
            _expand(panel, section)
            root.setFixedWidth(PANEL_WIDTH)
            spin(None, _DRAW_S)
            flexible = root.hasHeightForWidth()
            root.resize(PANEL_WIDTH, root.layout().totalHeightForWidth(PANEL_WIDTH) if flexible else root.sizeHint().height())
            spin(None, _DRAW_S)
            written.append(_write(root.grab(), folder / f"{section}.png"))
    finally:
        close_module(module)
        window.close()
    return written


def _expand(panel: Any, section: str) -> None:
    for name in SECTIONS:
        getattr(panel.ui, f"{name}Button").collapsed = name != section


def _last_words() -> str:
    from host import dialogs

    return dialogs.shown[-1].text if dialogs.shown else "no dialog came"


def _write(picture: Any, path: Path) -> Path:
    """Write a picture with the label in a strip under it."""
    from PySide6 import QtCore, QtGui

    font = QtGui.QFont(QtGui.QGuiApplication.font())
    while QtGui.QFontMetrics(font).horizontalAdvance(LABEL) > picture.width() - 8:
        font.setPointSizeF(font.pointSizeF() - 0.25)
    height = QtGui.QFontMetrics(font).height() + 8
    labelled = QtGui.QPixmap(picture.width(), picture.height() + height)
    labelled.fill(QtGui.QColor("#5b4b00"))
    painter = QtGui.QPainter(labelled)
    painter.drawPixmap(0, 0, picture)
    painter.setPen(QtGui.QColor("white"))
    painter.setFont(font)
    painter.drawText(QtCore.QRect(0, picture.height(), picture.width(), height), QtCore.Qt.AlignmentFlag.AlignCenter, LABEL)
    painter.end()
    if not labelled.save(str(path)):
        raise RuntimeError(f"{path} cannot be written")
    return path


def main() -> int:
    """``python -m host.screenshots FOLDER``."""
    for path in take(Path(sys.argv[1])):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
