"""Missing packages: asked for once, refused in words, and nothing happens where all are there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from host import dialogs
from host.slicer_packaging import pip

from HabitatPNILib.errors import MissingDependencyError
from HabitatPNILib.gui.install import ensure_packages

REQUIREMENTS = Path(__file__).resolve().parents[3] / "Resources" / "requirements.txt"


@pytest.fixture(autouse=True)
def fresh():
    pip.forget()
    dialogs.forget()
    yield
    dialogs.verify()
    pip.forget()
    dialogs.forget()


def test_nothing_is_asked_where_all_is_there():
    ensure_packages(REQUIREMENTS)
    assert dialogs.shown == []
    assert pip.installed == []


def test_missing_packages_are_installed_after_asking():
    pip.missing.add("psutil")
    dialogs.answer_with("Ok")
    ensure_packages(REQUIREMENTS)
    (done,) = pip.installed
    assert done.requester == "HabitatPNI"
    assert done.prompt_restart is False
    assert [r.split(">")[0] for r in done.requirements] == ["psutil"]


def test_refusal_leaves_a_clear_message():
    pip.missing.add("psutil")
    dialogs.answer_with("Cancel")
    with pytest.raises(MissingDependencyError, match=r"because you declined; press the button again.*requirements\.txt"):
        ensure_packages(REQUIREMENTS)
    assert pip.installed == []


def test_a_failed_installation_says_what_to_do():
    pip.missing.add("psutil")
    pip.fails = True
    dialogs.answer_with("Ok")
    with pytest.raises(MissingDependencyError, match=r"could not be installed .* check the connection or the proxy"):
        ensure_packages(REQUIREMENTS)


@pytest.mark.parametrize("accepted", [True, False])
def test_torch_goes_first_through_its_extension(monkeypatch, accepted):
    asked = []

    def install_torch(**options):
        asked.append(options)
        pip.missing.discard("torch") if accepted else None
        return object() if accepted else None

    extension = ModuleType("PyTorchUtils")
    extension.PyTorchUtilsLogic = lambda: SimpleNamespace(installTorch=install_torch)
    monkeypatch.setitem(sys.modules, "PyTorchUtils", extension)
    pip.missing.update({"torch", "monai"})
    if accepted:
        dialogs.answer_with("Ok")
        ensure_packages(REQUIREMENTS)
        assert [r.split(">")[0] for r in pip.installed[0].requirements] == ["monai"]
    else:
        with pytest.raises(MissingDependencyError, match="declined"):
            ensure_packages(REQUIREMENTS)
        assert pip.installed == []
    assert asked == [{"askConfirmation": True, "torchVersionRequirement": ">=2.8"}]
