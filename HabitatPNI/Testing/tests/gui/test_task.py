"""Temporary folders of jobs go, if not at once then at the end; a job that cannot start is an error."""

from __future__ import annotations

import tempfile

import pytest
from host.module import spin

from HabitatPNILib.errors import OutputError
from HabitatPNILib.gui import task
from HabitatPNILib.gui.task import Folders, Job, Task


@pytest.fixture
def folders(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return Folders()


@pytest.fixture
def held(monkeypatch):
    """Folders cannot be removed, as on Windows while a process holds a file of theirs."""
    with monkeypatch.context() as patch:
        patch.setattr(task.shutil, "rmtree", lambda *_path, ignore_errors: None)
        yield patch


def test_a_folder_that_is_held_goes_with_the_rest(folders, held):
    folder = folders.make()
    (folder / "file").touch()
    folders.remove(folder, attempts=0)
    assert folder.exists()
    held.undo()
    folders.remove_rest()
    assert not folder.exists()


def test_a_folder_that_is_held_is_tried_again(folders, held, monkeypatch):
    monkeypatch.setattr(task, "_REMOVAL_MSEC", 10)
    folder = folders.make()
    folders.remove(folder)
    assert folder.exists()
    held.undo()
    spin(lambda: not folder.exists(), 5)
    assert not folder.exists()


class Broken:
    """A worker that cannot take a command."""

    def start(self, *_arguments):
        raise RuntimeError("cannot start")


@pytest.mark.parametrize(
    ("error", "kind"),
    [(OSError("No space left on device"), "InternalError"), (OutputError("No space is left"), "OutputError"), (None, "InternalError")],
)
def test_a_job_that_cannot_start_is_an_error(folders, tmp_path, error, kind):
    def command(_folder, _case):
        if error is not None:
            raise error
        return {}

    errors = []
    made = Task(Broken(), folders, Job(command), lambda *_: None, pytest.fail, lambda *parts: errors.append(parts))
    spin(lambda: errors)
    assert errors[0][0] == kind
    assert list(tmp_path.iterdir()) == []
    made.cancel()
