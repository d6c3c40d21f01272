"""Where compiled kernels are kept, also where the package's folder cannot be written."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

KERNEL = """
from HabitatPNILib.features.texture.kernels_jit import compiled

@compiled
def halve(x):
    return x / 0 if x == 1 else x / 2
"""


def load(folder: Path):
    """A kernel of its own file, compiled for a float."""
    folder.mkdir(exist_ok=True)
    (folder / "kernels_example.py").write_text(KERNEL, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("kernels_example", folder / "kernels_example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.halve(4.0) == 2
    assert module.halve(1.0) == float("inf")
    return module.halve


def kept(folder: Path) -> int:
    """How many pieces of machine code a folder holds."""
    return len(list(folder.rglob("*.nbc")))


def test_kernels_are_kept_beside_their_file_and_read_the_second_time(tmp_path):
    first = load(tmp_path / "package")
    assert kept(tmp_path / "package" / "__pycache__") == 1
    assert sum(first.stats.cache_hits.values()) == 0
    assert sum(load(tmp_path / "package").stats.cache_hits.values()) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the user's cache folder is set the Linux way")
@pytest.mark.parametrize("home_can_be_written", [True, False])
def test_a_package_that_cannot_be_written_is_compiled_all_the_same(tmp_path, monkeypatch, home_can_be_written):
    """A file in a folder's place keeps anybody from writing there, the superuser too."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__pycache__").write_text("no folder", encoding="utf-8")
    if not home_can_be_written:
        (tmp_path / "home").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    load(tmp_path / "package")
    again = load(tmp_path / "package")
    assert kept(tmp_path / "home") == home_can_be_written
    assert sum(again.stats.cache_hits.values()) == home_can_be_written
