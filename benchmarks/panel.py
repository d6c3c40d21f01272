"""The panel as a person uses it, in the test host: clicks and seconds to the probability, the longest pause of its window, and Cancel.

Run by `make bench`. The pause is the longest time between two turns of the event loop during Run all: "wall" as a person would notice it,
"own work" without the time that other processes took from it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "HabitatPNI" / "Testing"))

STAGES = ("starting", "registration", "trying", "deep features", "loading")
GUARD = 0.45  # a second click within 0.4 s is taken for a double click, not for Cancel


def open_panel(views: bool) -> tuple[Any, Any]:
    """The module in the host, with or without slice views beside it."""
    import host
    from host.program import open_window

    if views:
        window, module = open_window()
        window.show()
        return window, module
    host.install()
    return None, host.open_module()


def run_all(panel: Any, cold: bool) -> dict[str, float]:
    """From an empty scene: the link and the button; seconds of both, and the longest pauses."""
    import host
    from host.module import forget_turns, slowest_turn, spin

    if cold:
        panel.worker.close()
    spin(None, 0.5)
    forget_turns()
    begun = time.perf_counter()
    host.unwrap(panel.ui.tryItLabel).linkActivated.emit("#try")
    spin(lambda: panel.busy, 5)
    spin(lambda: not panel.busy, 120)
    tried = time.perf_counter()
    host.click(panel.ui.runAllButton)
    spin(lambda: not panel.busy, 300)
    ended = time.perf_counter()
    spin(None, 0.3)
    assert panel.state.analysis is not None, panel.ui.logTextEdit.plainText
    return {
        "Try it": tried - begun,
        "Run all": ended - tried,
        "both": ended - begun,
        "pause, wall": slowest_turn(),
        "pause, own work": slowest_turn(cpu=True),
        "probability": panel.state.analysis["probability"],
    }


def cancel(panel: Any, stage: str) -> float:
    """Seconds from the click on Cancel in a stage until the button is free and what computes is gone (on loading nothing computes)."""
    import host
    import psutil
    from host.module import spin

    panel.worker.close()
    spin(None, 0.3)
    panel.ui.logTextEdit.clear()
    host.click(panel.ui.runAllButton)
    spin(None, GUARD)
    if stage != "starting":
        spin(lambda: stage in (panel.ui.stageLabel.text + panel.ui.logTextEdit.plainText).lower(), 120)
    pid = panel.worker.pid if panel.worker.alive and stage != "loading" else None
    assert panel.busy, f"{stage} came and went"
    begun = time.perf_counter()
    host.click(panel.ui.runAllButton)
    spin(lambda: not panel.busy and not (pid and psutil.pid_exists(pid)), 30)
    return time.perf_counter() - begun


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", action="store_true", help="with slice views beside the panel")
    options = parser.parse_args()
    window, module = open_panel(options.views)
    from host.module import close_module

    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {'with' if window else 'without'} views")
    for title, cold in (("Cold, 2 clicks", True), ("Warm, 2 clicks", False)):
        print(title)
        for row, value in run_all(module.panel, cold).items():
            print(f"  {row:18s}{value:9.6f}" if row == "probability" else f"  {row:18s}{value:9.3f} s")
    print("Cancel")
    for stage in STAGES:
        print(f"  {stage:18s}{cancel(module.panel, stage):9.3f} s")
    if window:
        window.close()
    close_module(module)


if __name__ == "__main__":
    main()
