"""The Python packages that the worker needs, installed on the user's say-so when a button first needs them."""

from __future__ import annotations

import importlib
from pathlib import Path

import slicer.packaging
from slicer.i18n import tr as _

from ..errors import MissingDependencyError

TORCH = "torch>=2.8"
REQUESTER = "HabitatPNI"


def ensure_packages(requirements_path: str | Path) -> None:
    """Install what is missing, after asking; does nothing, and quickly, where nothing is missing.

    PyTorch goes first, through Slicer's PyTorch extension where that is installed: it finds the build for the graphics card.

    Raises
    ------
    MissingDependencyError
        when the user declined, or the installation failed
    """
    requirements = slicer.packaging.load_requirements(requirements_path)
    if slicer.packaging.pip_check(requirements):
        return
    try:
        if not slicer.packaging.pip_check(TORCH):
            _torch_by_its_extension()
        slicer.packaging.pip_ensure(requirements, requester=REQUESTER, prompt_restart=False)
    except RuntimeError as error:
        raise MissingDependencyError(
            _(
                "The Python packages that the computation needs were not installed because you declined; "
                "press the button again to install them, or install {path} by hand."
            ).format(path=requirements_path)
        ) from error
    except Exception as error:  # pip failed: no connection, no space, no wheel
        raise MissingDependencyError(
            _(
                "The Python packages that the computation needs could not be installed ({reason}); check the connection or the proxy, "
                "or install {path} by hand."
            ).format(reason=" ".join(str(error).split()) or type(error).__name__, path=requirements_path)
        ) from error


def _torch_by_its_extension() -> None:
    try:
        extension = importlib.import_module("PyTorchUtils")
    except ImportError:
        return
    if extension.PyTorchUtilsLogic().installTorch(askConfirmation=True, torchVersionRequirement=">=2.8") is None:
        raise RuntimeError("declined")
