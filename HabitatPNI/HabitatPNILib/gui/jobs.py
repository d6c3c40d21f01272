"""The panel's jobs as `task.Job`: which nodes go to the worker, which command, and what is loaded of the answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from ..mrml.exchange import ExportRequest, export_case, load_case
from ..mrml.results import Results
from ..mrml.scene import registration_steps, show_steps
from ..mrml.views import present
from .task import Job, Steps

INPUTS, OUTPUTS = "inputs", "outputs"


def on_case(name: str, request: ExportRequest, arguments: Mapping[str, Any], load: Any = None) -> Job:
    """Job of a worker command on the chosen nodes."""

    def export(folder: Path) -> Steps:
        inputs = folder / INPUTS
        inputs.mkdir()
        return export_case(request, inputs)

    def command(folder: str, case: Any) -> dict[str, Any]:
        return {"command": name, "case": case, "folder": _outputs(folder), **arguments}

    return Job(command, export, load)


def without_case(name: str, arguments: Mapping[str, Any], load: Any = None) -> Job:
    """Job of a worker command that takes no images."""

    def command(folder: str, _case: Any) -> dict[str, Any]:
        return {"command": name, "folder": _outputs(folder), **arguments}

    return Job(command, None, load)


def load_analysis(scene: Any, value: dict[str, Any]) -> Steps:
    """Show the answer of ``analyse``; returns it and the new nodes."""
    yield _("Reading the result")
    results = Results.from_analyse(value)
    return value, (yield from show_steps(scene, results))


def load_habitats(scene: Any, value: dict[str, Any]) -> Steps:
    """Show the answer of ``habitats``; returns it and the new nodes."""
    yield _("Reading the habitats")
    results = Results.from_habitats(value)
    return value, (yield from show_steps(scene, results))


def load_registration(scene: Any, value: dict[str, Any]) -> Steps:
    """Show the answer of ``register``; returns it and the registered volume, or None."""
    return value, (yield from registration_steps(scene, value))


def load_phantom(scene: Any, value: dict[str, Any]) -> Steps:
    """Show the answer of ``phantom``; returns it and the nodes by the sequence's name, ``segmentation`` among them."""
    nodes = yield from load_case(scene, value["case"])
    bounds = [0.0] * 6
    nodes["segmentation"].GetRASBounds(bounds)
    present(scene, nodes["t2w"], None, np.array(bounds).reshape(3, 2).mean(axis=1))
    if slicer.app.layoutManager() is not None:
        slicer.util.resetSliceViews()
    return value, nodes


def _outputs(folder: str) -> str:
    outputs = Path(folder) / OUTPUTS
    outputs.mkdir()
    return str(outputs)
