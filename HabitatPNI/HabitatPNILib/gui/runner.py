"""Runs one job at a time, with progress, Cancel and error message; whatever happens, the panel is free afterwards."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

import qt
from slicer.i18n import tr as _

from ..errors import MissingDependencyError
from .install import ensure_packages
from .messages import show_error
from .process import Worker
from .run_bar import RunBar
from .task import Folders, Job, Task
from .texts import for_panel


class Runner:
    """The panel's one job under way.

    Parameters
    ----------
    worker, bar : the process, and where progress is shown
    requirements : path of the file of packages that the worker needs
    on_change : called whenever `busy` changes
    """

    def __init__(self, worker: Worker, bar: RunBar, requirements: str, on_change: Callable[[], None]) -> None:
        self._worker, self._bar, self._requirements, self._on_change = worker, bar, requirements, on_change
        self._task: Task | None = None
        self._folders = Folders()
        self._preparing = False
        self._closed = False
        self._stops = 0

    @property
    def busy(self) -> bool:
        """Whether a job is under way."""
        return self._preparing or self._task is not None

    def start(self, what: str, job: Job, on_done: Callable[[Any], None], again: Callable[[], None]) -> None:
        """Start a job unless one is under way.

        Parameters
        ----------
        what : the job in a few words, for progress and messages
        job : what to do
        on_done : called with the job's result
        again : what Retry does after the process has died
        """
        if self.busy or self._closed:
            return
        self._preparing = True
        self._bar.begin(what)
        self._on_change()
        task, stops = None, self._stops
        try:
            ensure_packages(self._requirements)
            if stops == self._stops:  # the scene may have been closed while the user was asked
                task = Task(
                    self._worker,
                    self._folders,
                    job,
                    self._bar.progress,
                    lambda value: self._done(what, on_done, value),
                    lambda kind, message, detail: self._failed(what, again, kind, message, detail),
                )
        except MissingDependencyError as error:
            self._later_error(what, again, type(error).__name__, str(error), "")
        except Exception as error:
            self._later_error(what, again, *_unexpected(error))
        finally:
            self._preparing, self._task = False, task
            if task is None:
                self._bar.end("", done=False)
                self._on_change()

    def cancel(self, message: str = "") -> None:
        """Stop the job; nothing of it stays. `message` stands in the place of the stage's name."""
        self._stops += 1
        task, self._task = self._task, None
        if task is None:
            return
        try:
            task.cancel()
        finally:
            if message:
                self._bar.log(message)
            self._bar.end(message, done=False)
            self._on_change()

    def close(self) -> None:
        """Stop for good: the process ends, no temporary folder stays."""
        self._closed = True
        self.cancel()
        self._worker.close()
        self._folders.remove_rest()

    def _done(self, what: str, on_done: Callable[[Any], None], value: Any) -> None:
        self._task = None
        text = _("{what}: done in {seconds:.1f} s").format(what=what, seconds=self._bar.elapsed)
        try:
            on_done(value)
        except Exception as error:
            self._bar.end("", done=False)
            self._later_error(what, lambda: None, *_unexpected(error))
        else:
            self._bar.end(text, done=True)
            self._bar.log(text)
        finally:
            self._on_change()

    def _failed(self, what: str, again: Callable[[], None], kind: str, message: str, detail: str) -> None:
        self._task = None
        self._bar.end(_("{what}: failed").format(what=what), done=False)
        self._on_change()
        self._later_error(what, again, kind, message, detail)

    def _later_error(self, what: str, again: Callable[[], None], kind: str, message: str, detail: str) -> None:
        """Show a message outside of the process's own signals: they do not come again while a box is open inside one."""
        self._bar.log("\n".join(part for part in (f"{kind}: {for_panel(message)}", detail) if part))

        def show() -> None:
            if not self._closed and show_error(what, kind, message, detail):
                again()

        qt.QTimer.singleShot(0, show)


def _unexpected(error: Exception) -> tuple[str, str, str]:
    logging.error("HabitatPNI", exc_info=error)
    message = _("An unexpected error ({kind}); the log has the details.").format(kind=type(error).__name__)
    return "InternalError", message, "".join(traceback.format_exception(error))
