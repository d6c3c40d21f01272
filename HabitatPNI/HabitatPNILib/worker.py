"""The process that computes for the panel: commands come in on stdin, progress and results go out on stdout.

Started by this file's path (``PythonSlicer .../HabitatPNILib/worker.py``), from any folder; it needs neither Slicer nor VTK. Each
line, in and out, is one JSON object in UTF-8 that ends with a line feed. Commands are done one after the other, those that come
meanwhile wait. The process ends at once, also while it computes, when its stdin closes. Nothing but these lines is ever
written to stdout; what libraries print there comes out on stderr, which is free text for a log. Lengths are in mm, images LPS.

Out, once at the start::

    {"type": "ready", "pid": 123, "version": "0.1.0"}

In, and out again for each::

    {"id": 3, "command": "analyse", ...arguments...}
    {"id": 3, "type": "progress", "fraction": 0.4, "message": "registration: refinement"}     any number of these
    {"id": 3, "type": "result", "value": {...}}                                       and one of these two
    {"id": 3, "type": "error", "kind": "CaseError", "message": "one line", "detail": "traceback"}

``id`` is any JSON value; an error has null there where a line could not be read. ``kind`` is the name of a `HabitatPNIError`, or
``RequestError`` (a line that is no command, or one with wrong arguments), ``MemoryError`` or ``InternalError`` (a fault of the program).

Arguments of several commands::

    model     absolute folder of a frozen model
    folder    existing folder for output files, named below; images are uncompressed NRRD
    device    "cpu" (default) or "cuda"; without a usable GPU, or when its memory ends, the CPU computes and a warning says so
    case      {"case_id": "1", "images": {"t2w": path, "dwi": path, "adc": path, "low_b": path}, "mask": path or null,
               "drawn_on": "t2w" or null, "b_values": {"dwi": 1400.0}, "phantom": text of a phantom's provenance or null}
              images as far as they are there; the mask may be cropped and lie on its own lattice
    clinical  {predictor: number, or the text of a level}
    prevalence  0 to 1, or null for the model's own

``model``, ``folder``, ``case`` and ``device`` may be given to every command; one that has no use for them does not look at them.

Commands, their arguments and their results:

- ``warm {model}``: loads packages and the network. ``{}``
- ``phantom {seed, folder}``: ``{"case": case, "clinical": {name: value}, "b_values": {...}}``
- ``register {case, model, folder}``: no mask is needed. ``{"registration": {...} or null, "fixed": "adc", "moving": ["t2w"],
  "files": {"fixed": path, "registered": {"t2w": path}}, "warnings": [...]}``; ``registration`` is `Registration.to_dict`, null where
  nothing had to be registered; a registered file is the moving image in the fixed one's frame and its own resolution
- ``habitats {case, model, folder, k, vectors}``: the model's habitats where k and vectors are null, else clustered from this case alone.
  k: null for the model's number, a number, or "best" for the one that most validity indices speak for; vectors: null for the model's,
  "intensity", "hcc77" (texture in the slice) or "all93" (texture in three dimensions). ``{"case_id", "k": number found, "vectors": as
  sent, "from_model": bool, "habitats": [`HabitatSummary.to_dict`], "left_out": {feature: reason}, "k_curve": {...}, "registration": as
  above, "files": {"images": {name: path}, "roi": path, "habitat_map": path}, "warnings": [...]}``; left_out: features that did not enter
  where the case was clustered by itself
- ``analyse {case, model, folder, clinical, prevalence}``: ``{"analysis": `Analysis.to_dict`, "files": as above, null where no image
  entered, "nomogram": path of a PNG}``
- ``report {case, model, clinical, prevalence, path}``: writes the HTML report to ``path``. ``{"path": path}``
- ``weights {model, action}``: action status, download or remove (of every file fetched). ``{"needed": bool, "present": bool, "path": str,
  "megabytes": float, "source": str}``; needed: the model uses weights that have to be fetched

What one command computed is not computed again by the next: the network, registrations (by images and settings), the last prepared
cases, their texture, and analyses. Results are the same bits with and without.
"""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

COMMANDS = ("warm", "phantom", "register", "habitats", "analyse", "report", "weights")
COMMON = {"case", "model", "folder", "device"}
PROGRESS_SECONDS = 0.05
NICENESS = 5
_NO_MEMORY = ("allocate memory", "bad_alloc", "not enough memory", "out of memory")


class Pipe:
    """The stdout that the process was started with, one JSON object a line."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def send(self, message: Mapping[str, Any]) -> None:
        """Write one message; the process ends when nobody reads any more."""
        line = json.dumps(message, allow_nan=False).encode("ascii") + b"\n"
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError:
            os._exit(0)


class ThrottledProgress:
    """Progress of one command: every new message is sent, the same one again at most twenty times a second."""

    def __init__(self, pipe: Pipe, number: Any) -> None:
        self._pipe = pipe
        self._number = number
        self._message = ""
        self._next = 0.0

    def __call__(self, fraction: float, message: str) -> None:
        now = time.monotonic()
        if message == self._message and now < self._next:
            return
        self._message, self._next = message, now + PROGRESS_SECONDS
        self._pipe.send({"id": self._number, "type": "progress", "fraction": round(float(fraction), 4), "message": message})


def main() -> None:
    """Serve commands until stdin closes."""
    incoming, outgoing = _private_pipes()
    faulthandler.enable()  # a crash in compiled code leaves its place in the log
    pipe = Pipe(outgoing)
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(incoming, lines), daemon=True).start()
    _step_back()
    from . import __version__

    pipe.send({"type": "ready", "pid": os.getpid(), "version": __version__})
    bench: Any = None
    while True:
        line = lines.get()
        number: Any = None
        try:
            request = _parse(line)
            number = request.pop("id", None)
            if bench is None:
                from .workbench import Workbench

                bench = Workbench()
            command = _bound(bench, request, ThrottledProgress(pipe, number))
            answer = {"id": number, "type": "result", "value": command()}
            pipe.send(answer)
        except Exception as error:
            pipe.send({"id": number, "type": "error", **_described(error)})


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout for the protocol alone.

    File descriptor 1 leads to stderr from here on, so that what compiled code prints cannot get between the lines; 0 leads
    nowhere: on Windows a library that is loaded asks for the state of descriptor 0, and would wait for the thread that reads it.
    """
    incoming, outgoing = os.dup(0), os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        for descriptor in (incoming, outgoing):
            msvcrt.setmode(descriptor, os.O_BINARY)
    return os.fdopen(incoming, "rb"), os.fdopen(outgoing, "wb")


def _read(stream: BinaryIO, lines: queue.SimpleQueue[bytes]) -> None:
    """Queue the lines that come in; end the process when no more can come, whatever it is doing."""
    try:
        for line in stream:
            if line.strip():
                lines.put(line)
    finally:
        os._exit(0)


def _step_back() -> None:
    """Lower this process's priority, so that the panel stays smooth while it computes."""
    try:
        import psutil
    except ImportError:
        return  # nothing may be installed yet
    with suppress(psutil.Error):
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else NICENESS)


def _parse(line: bytes) -> dict[str, Any]:
    from .errors import RequestError

    try:
        request = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise RequestError("The worker was sent a line that is not JSON in UTF-8") from error
    if not isinstance(request, dict):
        raise RequestError("The worker was sent a line that is not a JSON object")
    return request


def _bound(bench: Any, request: Mapping[str, Any], progress: ThrottledProgress) -> Callable[[], Any]:
    """The command of a request with its arguments, ready to be called."""
    from .errors import RequestError

    arguments = dict(request)
    name = arguments.pop("command", None)
    if name not in COMMANDS:
        raise RequestError(f"The worker has no command {name}; it has {', '.join(COMMANDS)}")
    method = getattr(bench, name)
    signature = inspect.signature(method)
    taken = {key: value for key, value in arguments.items() if key in signature.parameters or key not in COMMON}
    try:
        signature.bind(**taken, progress=progress)
    except TypeError as error:
        raise RequestError(f"The worker's command {name} was sent with wrong arguments: {error}") from error
    return lambda: method(**taken, progress=progress)


def _described(error: Exception) -> dict[str, str]:
    """Kind, message (one line) and detail of an error."""
    from .errors import HabitatPNIError

    kind, text = type(error).__name__, str(error)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and any(word in text for word in _NO_MEMORY)):
        kind = "MemoryError"
        text = "There is not enough memory for this case; close other programs or images and run it again"
    elif isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(__package__ or "HabitatPNILib"):
        kind = "MissingDependencyError"
        text = f"The Python package {error.name} is not installed; run again and let HabitatPNI install what it needs"
    elif not isinstance(error, HabitatPNIError):
        text = f"An unexpected error ({kind}) stopped the computation; the log has the details"
        kind = "InternalError"
    detail = "".join(traceback.format_exception(error))
    return {"kind": kind, "message": " ".join(text.split()), "detail": detail}


def _run_by_path() -> None:
    """Import this file again as a part of its package, whose folder is put on the path in place of this file's own."""
    here = Path(__file__).resolve().parent
    sys.path = [str(here.parent), *(entry for entry in sys.path if entry and Path(entry).resolve() != here)]
    from HabitatPNILib.worker import main as serve

    serve()


if __name__ == "__main__":
    _run_by_path()
