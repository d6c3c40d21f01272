"""The worker process, from the panel's side, against a process that speaks the protocol and computes nothing."""

from __future__ import annotations

import time
from pathlib import Path

import psutil
import pytest
from host.module import spin

from HabitatPNILib.gui import process
from HabitatPNILib.gui.process import DIED, Worker


class Answers:
    def __init__(self):
        self.progress, self.results, self.errors = [], [], []

    @property
    def callbacks(self):
        return (
            lambda fraction, message: self.progress.append((fraction, message)),
            self.results.append,
            lambda *error: self.errors.append(error),
        )

    @property
    def ended(self):
        return bool(self.results or self.errors)


@pytest.fixture
def worker(monkeypatch):
    monkeypatch.setattr(process, "_WORKER", Path(__file__).with_name("fake_worker.py"))
    lines = []
    made = Worker(on_log=lines.append)
    made.lines = lines
    yield made
    made.close()
    spin(lambda: not made._ending)


@pytest.fixture
def ask(worker):
    def send(name, **arguments):
        answers = Answers()
        worker.start({"command": name, **arguments}, *answers.callbacks)
        spin(lambda: answers.ended)
        return answers

    return send


def test_a_command_is_answered_with_progress_and_result(worker, ask):
    answers = ask("echo", text="µ")
    assert answers.progress == [(0.5, "half")]
    (value,) = answers.results
    assert value["text"] == "µ"
    assert Path(value["path"]) == Path(process.__file__).resolve().parents[2]
    assert not worker.busy
    assert worker.alive


def test_the_process_stays_warm_between_commands(ask):
    assert ask("echo").results[0]["pid"] == ask("echo").results[0]["pid"]


def test_lines_and_characters_cut_in_two_are_put_together(ask):
    assert ask("split").results == [{"text": "µ²—日本"}]


def test_an_exception_in_a_callback_loses_no_later_line(worker, caplog):
    first, second = Answers(), Answers()

    def broken(*_values):
        raise ValueError("in a callback")

    worker.start({"command": "list"}, broken, broken, broken, background=True)
    worker.start({"command": "echo"}, broken, *second.callbacks[1:])
    spin(lambda: second.ended)
    assert second.results
    assert caplog.text.count("in a callback") >= 2
    worker.start({"command": "die"}, broken, broken, broken, background=True)
    worker.start({"command": "echo"}, *first.callbacks)
    spin(lambda: first.ended)
    assert first.errors[0][0] == DIED


def test_a_command_that_is_no_json_leaves_the_worker_free(worker, ask):
    with pytest.raises(TypeError):
        worker.start({"command": "echo", "text": object()}, *Answers().callbacks)
    assert not worker.busy
    assert ask("echo").results


def test_an_error_comes_with_kind_line_and_detail(worker, ask):
    assert ask("fail").errors == [("CaseError", "Case 1: no", "Traceback")]
    assert ask("echo").results


def test_other_output_goes_to_the_log(worker, ask):
    assert ask("noise").results == [{}]
    spin(lambda: len(worker.lines) >= 2)
    assert set(worker.lines) == {"this is no JSON", "a line of the log"}


def test_a_process_that_dies_gives_its_last_lines_and_the_next_command_a_new_one(worker, ask):
    ((kind, message, detail),) = ask("die").errors
    assert kind == DIED
    assert "out of memory" in message
    assert "code 9" in message
    assert detail == "MemoryError: last words"
    assert not worker.alive
    assert not worker.busy
    assert ask("echo").results


def test_cancel_ends_the_whole_tree_at_once_and_nothing_is_called_any_more(worker):
    answers = Answers()
    worker.start({"command": "hang"}, *answers.callbacks)
    spin(lambda: answers.progress)
    family = [psutil.Process(int(pid)) for pid in answers.progress[0][1].split()]
    begun = time.perf_counter()
    worker.cancel()
    assert time.perf_counter() - begun < 0.3
    assert not worker.busy
    assert not worker.alive
    spin(lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family), 3.0)
    spin(None, 0.2)
    assert not answers.ended


def test_cancel_while_the_process_starts(worker, ask):
    answers = Answers()
    worker.start({"command": "echo"}, *answers.callbacks)
    worker.cancel()
    spin(None, 0.3)
    assert not answers.ended
    assert ask("echo").results


def test_without_psutil_its_end_of_stdin_ends_the_process(worker, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "psutil", None)
    answers = Answers()
    worker.start({"command": "late"}, *answers.callbacks)
    pid = worker.pid
    worker.cancel()
    spin(lambda: not worker._ending)
    monkeypatch.undo()
    assert not psutil.pid_exists(pid)


def test_one_command_at_a_time_but_one_behind_a_command_in_the_background(worker):
    first, second = Answers(), Answers()
    worker.start({"command": "late"}, *first.callbacks, background=True)
    assert not worker.busy
    worker.start({"command": "echo"}, *second.callbacks)
    with pytest.raises(RuntimeError, match="under way"):
        worker.start({"command": "echo"}, *second.callbacks)
    spin(lambda: first.ended and second.ended)
    assert len(first.results) == len(second.results) == 1


def test_a_python_that_is_not_there_is_an_error_and_no_exception():
    worker, answers = Worker(python="/no/such/PythonSlicer"), Answers()
    worker.start({"command": "echo"}, *answers.callbacks)
    spin(lambda: answers.ended)
    ((kind, message, _detail),) = answers.errors
    assert kind == DIED
    assert "could not be started" in message
    assert not worker.alive


def test_slicers_python_is_taken_where_there_is_one(monkeypatch, tmp_path):
    monkeypatch.setattr(process.shutil, "which", lambda name, path=None: None)
    assert process.python_of_slicer() == process.sys.executable
    monkeypatch.setattr(process.shutil, "which", lambda name, path=None: f"/opt/{name}" if path is None else None)
    assert process.python_of_slicer() == "/opt/PythonSlicer"
