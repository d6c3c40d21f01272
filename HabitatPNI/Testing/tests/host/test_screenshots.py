"""The README's pictures: taken from the real panel after a real run, of the promised size, labelled."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="slicer-core is not installed")
pytest.importorskip("PySide6", reason="PySide6 is not installed")


@pytest.mark.slow
def test_every_picture_is_taken(tmp_path):
    from PySide6 import QtGui

    testing = Path(__file__).parents[2]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-m", "host.screenshots", str(tmp_path)],
        cwd=testing,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    sizes = {path.stem: QtGui.QImage(str(path)).size().toTuple() for path in tmp_path.glob("*.png")}
    assert set(sizes) == {"window", "images", "tumour", "habitats", "clinical", "result"}
    window = sizes.pop("window")
    assert window[0] == 1500
    assert 950 < window[1] < 1000
    for name, (width, height) in sizes.items():
        assert width == 480, name
        assert 300 < height < 1600, name
    picture = QtGui.QImage(str(tmp_path / "window.png"))
    # Habitats are colourful, the images under them grey.
    colourful = sum(
        (lambda c: max(c.getRgb()[:3]) - min(c.getRgb()[:3]) > 60)(picture.pixelColor(x, y))
        for x in range(620, 820, 2)
        for y in range(200, 320, 2)
    )
    assert colourful > 100
    strip = picture.pixelColor(5, picture.height() - 2).name()
    assert strip == "#5b4b00"


def test_the_program_runs_until_its_window_is_closed():
    testing = Path(__file__).parents[2]
    code = (
        "import os, sys\n"
        "from PySide6 import QtCore, QtWidgets\n"
        "from host import program\n"
        "from host.strict import application\n"
        "application()\n"
        "QtCore.QTimer.singleShot(0, lambda: QtCore.QTimer.singleShot(1500, QtWidgets.QApplication.closeAllWindows))\n"
        "sys.exit(program.main())\n"
    )
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run([sys.executable, "-c", code], cwd=testing, env=environment, capture_output=True, encoding="utf-8", timeout=100)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
