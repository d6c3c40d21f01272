"""The worker process as the panel sees it: one command at a time, lines of JSON to and fro, the whole tree ended on cancel."""

from __future__ import annotations

import codecs
import json
import logging
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

DIED = "WorkerDied"
"""Kind of the error that stands for a process that ended by itself, or could not be started."""

_WORKER = Path(__file__).resolve().parents[1] / "worker.py"
_MODULE_FOLDER = Path(__file__).resolve().parents[2]
_LAST_LINES = 20
_LAST_MSEC = 2000

OnProgress = Callable[[float, str], None]
OnResult = Callable[[dict[str, Any]], None]
OnError = Callable[[str, str, str], None]


@dataclass(frozen=True)
class _Call:
    on_progress: OnProgress
    on_result: OnResult
    on_error: OnError
    background: bool


class Worker:
    """The process that computes, started with the first command and kept warm.

    Nothing here waits: answers come from the event loop. `on_log` gets every line of the process's standard error.
    """

    def __init__(self, python: str | None = None, on_log: Callable[[str], None] | None = None) -> None:
        self._python = python
        self._on_log = on_log or (lambda _line: None)
        self._process: Any = None
        self._ending: list[Any] = []
        self._calls: dict[int, _Call] = {}
        self._number = 0
        self._forget_streams()

    @property
    def alive(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    @property
    def busy(self) -> bool:
        """Whether a command that is not in the background waits for its answer."""
        return any(not call.background for call in self._calls.values())

    @property
    def pid(self) -> int:
        """Process id, 0 where there is no process; in Slicer it is a launcher's."""
        return int(self._process.processId()) if self._process is not None else 0

    def start(
        self, command: dict[str, Any], on_progress: OnProgress, on_result: OnResult, on_error: OnError, *, background: bool = False
    ) -> None:
        """Send a command; exactly one of `on_result` and `on_error` follows, unless `cancel` comes first.

        Parameters
        ----------
        command : a command of the worker's protocol, without its ``id``
        on_progress : called with the fraction done and the stage's name
        on_result : called with the answer's ``value``
        on_error : called with kind, one line for the user, and detail; kind is `DIED` where the process ended by itself
        background : another command may be sent before this one's answer is there

        Raises
        ------
        RuntimeError
            when another command is under way
        """
        if self.busy:
            raise RuntimeError("the worker has a command under way")
        self._number += 1
        line = json.dumps({"id": self._number, **command}) + "\n"
        self._calls[self._number] = _Call(on_progress, on_result, on_error, background)
        try:
            if self._process is None:
                self._launch()
            if self._process is not None:
                self._process.write(line.encode("ascii"))
        except Exception:
            self._calls.pop(self._number, None)
            raise

    def cancel(self) -> None:
        """End the process with all that it started; no callback comes afterwards. Returns at once."""
        self._calls.clear()
        process, self._process = self._process, None
        if process is None:
            return
        process.readyReadStandardOutput.disconnect(self._read_output)
        process.readyReadStandardError.disconnect(self._read_log)
        self._ending.append(process)
        _end_tree(process)
        self._forget_streams()

    def close(self) -> None:
        """`cancel`, with a moment for the process to be gone before its object is."""
        self.cancel()
        for process in self._ending:
            process.waitForFinished(_LAST_MSEC)

    def _launch(self) -> None:
        process = qt.QProcess()
        environment = qt.QProcessEnvironment.systemEnvironment()
        earlier = environment.value("PYTHONPATH")
        folder = str(_MODULE_FOLDER)
        environment.insert("PYTHONPATH", os.pathsep.join([folder, earlier]) if earlier else folder)
        environment.insert("PYTHONUTF8", "1")
        process.setProcessEnvironment(environment)
        process.readyReadStandardOutput.connect(self._read_output)
        process.readyReadStandardError.connect(self._read_log)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._failed)
        self._process = process
        process.start(self._python or python_of_slicer(), [str(_WORKER)])

    def _forget_streams(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._log_decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._partial = self._partial_log = ""
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)

    def _read_output(self) -> None:
        process = self._process
        if process is None:
            return
        text = self._partial + self._decoder.decode(_bytes(process.readAllStandardOutput()))
        *lines, self._partial = text.split("\n")
        for line in lines:
            if self._process is not process:  # a callback cancelled
                return
            try:
                self._take(line)
            except Exception:  # of a callback, or of a line that only looks like the protocol's: the later lines still count
                logging.exception("HabitatPNI")

    def _take(self, line: str) -> None:
        try:
            message: Any = json.loads(line)
        except ValueError:
            self._on_log(line)
            return
        if not isinstance(message, dict):
            self._on_log(line)
            return
        number: Any = message.get("id")
        kind = message.get("type")
        call = self._calls.get(number)
        if call is None:
            return
        if kind == "progress":
            call.on_progress(float(message["fraction"]), str(message["message"]))
        elif kind in {"result", "error"}:
            del self._calls[number]
            if kind == "result":
                call.on_result(message["value"])
            else:
                call.on_error(str(message["kind"]), str(message["message"]), str(message.get("detail") or ""))

    def _read_log(self) -> None:
        if self._process is None:
            return
        text = self._partial_log + self._log_decoder.decode(_bytes(self._process.readAllStandardError()))
        *lines, self._partial_log = text.split("\n")
        for line in lines:
            self._last_lines.append(line.rstrip("\r"))
            self._on_log(line.rstrip("\r"))

    def _finished(self, *_code_and_status: Any) -> None:
        self._forget_ended()
        process = self._process
        if process is None or process.state() != qt.QProcess.NotRunning:
            return  # an earlier one
        self._read_log()
        self._read_output()
        if process is self._process:
            code = int(process.exitCode())
            self._died(_("The computing process ended by itself (code {code}).").format(code=code))

    def _failed(self, error: Any) -> None:
        process = self._process
        if error == qt.QProcess.FailedToStart and process is not None and process.state() == qt.QProcess.NotRunning:
            self._died(_("The computing process could not be started ({reason}).").format(reason=process.errorString()))

    def _forget_ended(self) -> None:
        """Let go of ended processes, outside of their own signals."""
        qt.QTimer.singleShot(0, self._prune)

    def _prune(self) -> None:
        self._ending = [process for process in self._ending if process.state() != qt.QProcess.NotRunning]

    def _died(self, what: str) -> None:
        detail = "\n".join([*self._last_lines, self._partial_log]).strip()
        self._ending.append(self._process)
        self._forget_ended()
        self._process = None
        self._forget_streams()
        calls, self._calls = self._calls, {}
        message = _("{what} It may be out of memory: close other programs or images, then try again; the log has its last lines.")
        for call in calls.values():
            try:
                call.on_error(DIED, message.format(what=what), detail)
            except Exception:  # the other calls have to hear of it too
                logging.exception("HabitatPNI")


def python_of_slicer() -> str:
    """The Python that runs the worker: Slicer's own (``PythonSlicer``), or where there is no Slicer the one that runs."""
    home = str(getattr(slicer.app, "slicerHome", "") or "")
    places = [shutil.which("PythonSlicer"), shutil.which("PythonSlicer", path=os.path.join(home, "bin")) if home else None]
    return next((place for place in places if place), sys.executable)


def _bytes(array: Any) -> bytes:
    """Content of a QByteArray."""
    return bytes(array.data())


def _end_tree(process: Any) -> None:
    """End a process and its children; without psutil its end of stdin alone ends the interpreter behind Slicer's launcher."""
    process.closeWriteChannel()
    try:
        import psutil

        parent = psutil.Process(int(process.processId()))
        family = [*parent.children(recursive=True), parent]
    except Exception:  # psutil absent or damaged, or the process is gone
        family = []
    for member in family:
        try:
            member.kill()
        except Exception:  # it ended in the meantime
            continue
    process.kill()
