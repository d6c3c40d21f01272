"""One thing that the user asked for: export nodes, let the worker compute, load what comes back."""

from __future__ import annotations

import shutil
import tempfile
import traceback
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
from slicer.i18n import tr as _

from ..errors import HabitatPNIError
from .process import OnProgress, Worker
from .turns import Turns, run_in_turns

Steps = Generator[str, None, Any]

_EXPORTED, _COMPUTED = 0.04, 0.92
_REMOVALS, _REMOVAL_MSEC = 20, 500


class Folders:
    """Temporary folders. On Windows one goes only when the ended process has let go of its files."""

    def __init__(self) -> None:
        self._left: set[Path] = set()

    def make(self) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(prefix="HabitatPNI-"))

    def remove(self, folder: Path, attempts: int = _REMOVALS) -> None:
        """Remove a folder, now or a little later."""
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            self._left.discard(folder)
        else:
            self._left.add(folder)
            if attempts:
                qt.QTimer.singleShot(_REMOVAL_MSEC, lambda: self.remove(folder, attempts - 1))

    def remove_rest(self) -> None:
        """Remove what could not be removed before; for the end, when no process is left and no event loop may follow."""
        for folder in list(self._left):
            self.remove(folder, attempts=0)


@dataclass(frozen=True)
class Job:
    """What a task does.

    Parameters
    ----------
    command : worker command of the task's folder and of what `export` returned (None where there is no `export`)
    export : writes the inputs into the folder in steps, and returns the worker's ``case``
    load : puts the answer's ``value`` into the scene in steps; what it returns is the task's result
    """

    command: Callable[[str, Any], dict[str, Any]]
    export: Callable[[Path], Steps] | None = None
    load: Callable[[dict[str, Any]], Steps] | None = None


class Task:
    """A `Job` under way. Exactly one of `on_done` and `on_error` follows, unless it is cancelled.

    Its temporary folder is gone when they are called, and soon after `cancel`.
    """

    def __init__(
        self,
        worker: Worker,
        folders: Folders,
        job: Job,
        on_progress: OnProgress,
        on_done: Callable[[Any], None],
        on_error: Callable[[str, str, str], None],
    ) -> None:
        self._worker, self._folders, self._job = worker, folders, job
        self._on_progress, self._on_done, self._on_error = on_progress, on_done, on_error
        self._turns: Turns | None = None
        self._computing = False
        self._over = False
        self._folder = folders.make()
        if job.export is None:
            qt.QTimer.singleShot(0, lambda: self._compute(None))
        else:
            self._in_turns(job.export(self._folder), self._compute, 0.0, _EXPORTED)

    def cancel(self) -> None:
        """Stop: the process tree is ended, the scene is as it was; no callback comes afterwards."""
        self._over = True
        try:
            if self._turns is not None:
                self._turns.stop()
            if self._computing:
                self._worker.cancel()
        finally:
            self._folders.remove(self._folder)

    def _in_turns(self, steps: Steps, on_done: Callable[[Any], None], start: float, stop: float) -> None:
        count = 0

        def step(what_comes: str) -> None:
            nonlocal count
            count += 1
            self._on_progress(start + (stop - start) * count / (count + 4), what_comes)

        self._turns = run_in_turns(steps, on_done, self._raised, step)

    def _compute(self, case: Any) -> None:
        if self._over:
            return
        self._turns, self._computing = None, True
        try:
            command = self._job.command(str(self._folder), case)
            self._worker.start(command, self._computed_part, self._load, self._failed)
        except Exception as error:
            self._computing = False
            self._raised(error)

    def _computed_part(self, fraction: float, message: str) -> None:
        self._on_progress(_EXPORTED + (_COMPUTED - _EXPORTED) * fraction, message)

    def _load(self, value: dict[str, Any]) -> None:
        self._computing = False
        if self._job.load is None:
            self._done(value)
            return
        try:
            steps = self._job.load(value)
        except Exception as error:
            self._raised(error)
        else:
            self._in_turns(steps, self._done, _COMPUTED, 1.0)

    def _done(self, value: Any) -> None:
        self._end()
        self._on_done(value)

    def _raised(self, error: Exception) -> None:
        if isinstance(error, HabitatPNIError):
            self._failed(type(error).__name__, str(error), "")
        else:
            message = _("An unexpected error ({kind}); the log has the details.").format(kind=type(error).__name__)
            self._failed("InternalError", message, "".join(traceback.format_exception(error)))

    def _failed(self, kind: str, message: str, detail: str) -> None:
        self._end()
        self._on_error(kind, message, detail)

    def _end(self) -> None:
        self._over, self._computing, self._turns = True, False, None
        self._folders.remove(self._folder)
