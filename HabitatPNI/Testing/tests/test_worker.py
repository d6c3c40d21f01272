"""The worker as a real process: its lines, its errors, its end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from HabitatPNILib import worker
from HabitatPNILib.analysis import analyse

LIBRARY = Path(worker.__file__).resolve().parent
SEED = 700  # the phantom of conftest.py
NOISY = """
import os, sys
sys.path.insert(0, sys.argv[1])
from HabitatPNILib import worker, workbench

def warm(self, model, progress):
    os.write(1, b"a library speaks\\n")
    print("and Python too", flush=True)
    if model == "memory":
        raise MemoryError
    if model == "sitk":
        raise RuntimeError("itk::ERROR: Failed to allocate memory for image.")
    if model == "package":
        import surely_not_installed
    if model == "numba":
        sys.modules["numba"] = None
        import SimpleITK
        from HabitatPNILib.features.texture import texture_maps
        block = SimpleITK.Image(4, 4, 4, SimpleITK.sitkUInt8) + 1
        texture_maps(block, block)
    if model == "fault":
        raise ValueError("two\\nlines of Jane Doe")
    return {"nan": float("nan")} if model == "nan" else {}

workbench.Workbench.warm = warm
worker.main()
"""


class Client:
    """A worker process and everything it said."""

    def __init__(self, *command: str, cwd: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "PYTHONUTF8"}}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        self.process = subprocess.Popen([sys.executable, *command], cwd=cwd, env=environment, **pipes)
        self.progress: list[tuple[float, str]] = []
        self.log: list[bytes] = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()
        self.ready = self.read()

    def read(self) -> dict:
        """Next line, which has to be JSON."""
        line = self.process.stdout.readline()
        assert line.endswith(b"\n"), (line, b"".join(self.log))
        return json.loads(line)

    def write(self, line: bytes) -> None:
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def send(self, **request) -> None:
        self.write(json.dumps(request, ensure_ascii=False).encode("utf-8"))

    def answer(self) -> dict:
        """Next result or error; the progress before it is kept."""
        self.progress.clear()
        while (message := self.read())["type"] == "progress":
            self.progress.append((message["fraction"], message["message"]))
        return message

    def ask(self, command: str, **arguments) -> dict:
        self.send(id=command, command=command, **arguments)
        message = self.answer()
        assert message["id"] == command
        return message

    def close(self) -> None:
        self.process.stdin.close()
        assert self.process.wait(timeout=5) == 0


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """Worker of a copy of the library whose path has a space and letters beyond ASCII, started from another folder."""
    place = tmp_path_factory.mktemp("place") / "Ärzte für Prostata 前立腺"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(LIBRARY, place / "HabitatPNI" / LIBRARY.name, ignore=ignored)
    shutil.copytree(LIBRARY.parent / "Resources", place / "HabitatPNI" / "Resources", ignore=ignored)
    started = Client(str(place / "HabitatPNI" / LIBRARY.name / "worker.py"), cwd=tmp_path_factory.mktemp("elsewhere"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def asked(client, small_model, tmp_path_factory):
    """Case, model and folder as arguments, in a folder whose name has a space and letters beyond ASCII."""
    folder = tmp_path_factory.mktemp("case") / "Fälle 1"
    folder.mkdir()
    made = client.ask("phantom", seed=SEED, folder=str(folder))["value"]
    return {"case": made["case"], "model": str(small_model.folder), "folder": str(folder)}


@pytest.fixture
def noisy(tmp_path):
    script = tmp_path / "noisy.py"
    script.write_text(NOISY, encoding="utf-8")
    started = Client(str(script), str(LIBRARY.parent), cwd=tmp_path)
    yield started
    started.close()


def test_it_is_ready_at_once_from_its_own_folder(client):
    assert client.ready == {"type": "ready", "pid": client.process.pid, "version": "0.1.0"}
    detail = client.ask("warm", model="no such model")["detail"]
    assert "前立腺" in detail
    assert str(LIBRARY) not in detail


def test_an_analysis_has_the_bits_of_analyse_and_uses_the_registration_before(client, asked, phantom, small_model):
    registered = client.ask("register", **asked)["value"]
    assert "registration: refinement" in {message for _, message in client.progress}
    value = client.ask("analyse", clinical=phantom[0].clinical, **asked)["value"]["analysis"]
    fractions = [fraction for fraction, _ in client.progress]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    messages = {message for _, message in client.progress}
    assert not any(message.startswith("registration") for message in messages)
    assert {"Trying 3 habitats", "Deep features: cutting out regions", "Nomogram"} <= messages
    direct = json.loads(json.dumps(analyse(phantom[0], small_model).to_dict()))
    assert registered["registration"] == direct["registration"]
    for key in ("probability", "contributions", "radscores", "habitats", "k_curve", "registration", "cut_off", "warnings", "notice"):
        assert value[key] == direct[key]
    again = client.ask("analyse", clinical=phantom[0].clinical, **asked)["value"]["analysis"]
    assert again == value


def test_what_a_user_can_mend_is_one_line(client, asked):
    for command, arguments, kind, text in (
        ("warm", {"model": "gone"}, "ModelError", "No model gone"),
        ("analyse", {**asked, "clinical": {}}, "CaseError", "clinical values are missing"),
        ("habitats", {**asked, "k": 12}, "ProtocolError", "habitats.k"),
        ("habitats", {**asked, "vectors": "texture"}, "RequestError", "habitats of texture; vectors is null or one of"),
        ("report", {**asked, "clinical": {"age": "old"}, "path": "x.html"}, "CaseError", "clinical values are missing"),
    ):
        message = client.ask(command, **arguments)
        assert (message["type"], message["kind"]) == ("error", kind)
        assert text in message["message"]
        assert "\n" not in message["message"]
        assert message["detail"].startswith("Traceback")


@pytest.mark.parametrize(
    ("line", "number", "text"),
    [
        (b"\xff\xfe garbage", None, "not JSON"),
        (b"[1, 2]", None, "not a JSON object"),
        (b'{"id": 8, "command": "explode"}', 8, "no command explode; it has warm, phantom"),
        (b'{"id": 9, "command": "phantom", "sead": 1}', 9, "phantom was sent with wrong arguments"),
        (b'{"id": 10, "command": ["phantom"]}', 10, "no command"),
    ],
)
def test_a_line_that_is_no_command_is_answered_and_survived(client, line, number, text):
    client.write(line)
    message = client.answer()
    assert (message["id"], message["type"], message["kind"]) == (number, "error", "RequestError")
    assert text in message["message"]
    assert client.process.poll() is None


def test_commands_wait_for_each_other_and_empty_lines_are_nothing(client, asked):
    client.write(b"")
    client.send(id=1, command="weights", model=asked["model"], action="status")
    client.send(id=2, command="weights", model=asked["model"], action="status", folder="unused")
    assert [client.answer()["id"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("stage", ["Making a phantom patient", "registration: refinement"])
def test_it_ends_while_computing_when_stdin_closes(asked, tmp_path, stage):
    started = Client(str(LIBRARY / "worker.py"), cwd=tmp_path)
    if stage.startswith("registration"):
        started.send(id=1, command="register", **{**asked, "folder": str(tmp_path)})
    else:
        started.send(id=1, command="phantom", seed=3, folder=str(tmp_path))
    while started.read()["message"] != stage:
        pass
    closed = time.monotonic()
    started.close()
    assert time.monotonic() - closed < 2
    assert not list(tmp_path.iterdir())


def test_what_libraries_print_stays_out_of_the_lines(noisy):
    assert noisy.ask("warm", model="")["value"] == {}
    deadline = time.monotonic() + 5
    while len(noisy.log) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [line.strip() for line in noisy.log] == [b"a library speaks", b"and Python too"]


@pytest.mark.parametrize(
    ("model", "kind", "text"),
    [
        ("memory", "MemoryError", "There is not enough memory for this case; close other programs or images and run it again"),
        ("sitk", "MemoryError", "There is not enough memory for this case"),
        ("package", "MissingDependencyError", "The Python package surely_not_installed is not installed"),
        ("numba", "MissingDependencyError", "The Python package numba is not installed; run again and let HabitatPNI install"),
        ("fault", "InternalError", "An unexpected error (ValueError) stopped the computation; the log has the details"),
        ("nan", "InternalError", "An unexpected error (ValueError)"),
    ],
)
def test_other_errors_are_named_in_one_line_and_survived(noisy, model, kind, text):
    message = noisy.ask("warm", model=model)
    assert (message["type"], message["kind"]) == ("error", kind)
    assert message["message"].startswith(text)
    assert "Jane Doe" not in message["message"]
    assert noisy.ask("warm", model="")["value"] == {}


def test_progress_is_sent_at_most_twenty_times_a_second(monkeypatch):
    sent = []
    clock = iter([0.0, 0.01, 0.02, 0.06, 0.065])
    monkeypatch.setattr(worker.time, "monotonic", lambda: next(clock))
    pipe = type("Pipe", (), {"send": lambda self, message: sent.append((message["fraction"], message["message"]))})()
    progress = worker.ThrottledProgress(pipe, 4)
    for fraction, message in ((0.0, "a"), (0.1, "a"), (0.2, "b"), (0.3, "b"), (0.4, "b")):
        progress(fraction, message)
    assert sent == [(0.0, "a"), (0.2, "b")]
