"""`slicer.packaging` and `slicer.util.pip_install`: installs nothing, keeps what would have been installed."""

from __future__ import annotations

import logging
import re
import subprocess
import types
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import slicer
from packaging.requirements import Requirement

__all__ = ["Installation", "install", "pip"]


@dataclass(frozen=True)
class Installation:
    """One call that would have installed packages."""

    requirements: tuple[str, ...]
    requester: str | None
    prompt_restart: bool


@dataclass
class Pip:
    """What the stand-in's pip is told by a test, and what it was asked for.

    Parameters
    ----------
    missing : names of packages that count as not installed, whatever is installed
    fails : installing raises, as pip does without a network
    installed : every installation asked for, in order
    """

    missing: set[str] = field(default_factory=set)
    fails: bool = False
    installed: list[Installation] = field(default_factory=list)

    def forget(self) -> None:
        """Back to the start."""
        self.missing.clear()
        self.installed.clear()
        self.fails = False


pip = Pip()


def load_requirements(path: str | Path) -> list[Requirement]:
    """Requirements of a requirements.txt; options and comments are left out."""
    lines = (line.split(" #")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def pip_check(req: Any, _seen: Any = None) -> bool:
    """Whether a requirement (or all of a list) is installed in a version that it allows."""
    if isinstance(req, list):
        return all(pip_check(one) for one in req)
    requirement = Requirement(req) if isinstance(req, str) else req
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    if requirement.name.lower() in {name.lower() for name in pip.missing}:
        return False
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False


def pip_ensure(
    requirements: Any,
    constraints: Any = None,
    skip_packages: list[str] | None = None,
    prompt_install: bool = True,
    prompt_restart: bool = True,
    requester: str | None = None,
    skip_in_testing: bool = True,
    show_progress: bool = True,
) -> None:
    """Ask the user for what is missing, then note it as installed.

    Raises
    ------
    RuntimeError
        when the user declines
    subprocess.CalledProcessError
        when installing fails
    """
    missing = [one for one in _as_list(requirements) if not pip_check(one)]
    if not missing:
        return
    if skip_in_testing and slicer.app.testingEnabled():
        logging.info("Testing mode is enabled: skipping pip_ensure for %s", [str(one) for one in missing])
        return
    title = f"{requester} - Install Python Packages" if requester else "Install Python Packages"
    text = f"{len(missing)} Python package(s) need to be installed.\n\nThis will modify Slicer's Python environment. Continue?"
    details = "\n".join(f"- {one}" for one in missing)
    if prompt_install and not slicer.util.confirmOkCancelDisplay(text, title, detailedText=details):
        raise RuntimeError("User declined package installation")
    _install([str(one) for one in missing], requester, prompt_restart)


def pip_install(
    requirements: str | list[str],
    constraints: Any = None,
    no_deps_requirements: Any = None,
    skip_packages: list[str] | None = None,
    blocking: bool = True,
    show_progress: bool = True,
    requester: str | None = None,
    parent: Any = None,
    logCallback: Any = None,
    completedCallback: Any = None,
) -> None:
    """Note packages as installed.

    Raises
    ------
    ValueError
        for requirements that are no string and no list
    subprocess.CalledProcessError
        when installing fails
    """
    if not isinstance(requirements, str | list):
        raise ValueError("pip_install requirement input must be string or list")
    _install(requirements.split() if isinstance(requirements, str) else requirements, requester, False)
    if completedCallback is not None:
        completedCallback(0)


def isPipInstallInProgress() -> bool:
    """Never: the stand-in's installations take no time."""
    return False


def _install(requirements: Iterable[str], requester: str | None, prompt_restart: bool) -> None:
    pip.installed.append(Installation(tuple(requirements), requester, prompt_restart))
    if pip.fails:
        raise subprocess.CalledProcessError(1, "pip install")
    for one in requirements:
        pip.missing.discard(re.split(r"[^\w.-]", one)[0])


def _as_list(requirements: Any) -> list[Requirement]:
    if isinstance(requirements, str):
        return [Requirement(one) for one in requirements.split()]
    if isinstance(requirements, Requirement):
        return [requirements]
    return [Requirement(one) if isinstance(one, str) else one for one in requirements]


def install(slicer_module: Any, sys_modules: dict[str, Any]) -> None:
    """Put ``slicer.packaging`` in its place."""
    module = types.ModuleType("slicer.packaging")
    for function in (load_requirements, pip_check, pip_ensure, pip_install, isPipInstallInProgress):
        setattr(module, function.__name__, function)
    slicer_module.packaging = module
    sys_modules["slicer.packaging"] = module
