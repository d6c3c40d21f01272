"""Many cases in processes: a failure, even of a process, stays with its case."""

from __future__ import annotations

import importlib
import sys
import time

import pytest

from HabitatPNILib.cohort_run import Failed, collect_cases, run_cases
from HabitatPNILib.errors import Cancelled
from HabitatPNILib.progress import no_progress

# The processes import what they run by its name, which a file of tests does not have.
WORK = """
import os, time
from HabitatPNILib.errors import CaseError

def work(case_id, what):
    if what == "error":
        raise CaseError("no outline")
    if what == "file":
        raise PermissionError(13, "Permission denied", "/home/Jane Doe/t2w.nrrd")
    if what == "bug":
        raise KeyError("x")
    if what == "die":
        os._exit(9)
    if what == "sleep":
        time.sleep(60)
    if what == "threads":
        import torch
        return torch.get_num_threads()
    return f"{case_id} done"
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """Function that does what a task says."""
    (tmp_path / "work_of_the_tests.py").write_text(WORK, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("work_of_the_tests").work
    sys.modules.pop("work_of_the_tests")


EXPECTED = {
    "b": "Case b: no outline",
    "c": "Case c: a file could not be read or written (Permission denied)",
    "d": "Case d: unexpected KeyError: 'x'",
}


@pytest.mark.parametrize("jobs", [1, 2])
def test_failures_stay_with_their_case(work, jobs):
    tasks = [("a", "do"), ("b", "error"), ("c", "file"), ("d", "bug"), ("e", "do"), ("t", "threads")]
    told: list[tuple[float, str]] = []
    results, failures = collect_cases(work, tasks, jobs, lambda fraction, text: told.append((fraction, text)), "Worked on")
    assert results == {"a": "a done", "e": "e done", "t": 1}
    assert list(results) == ["a", "e", "t"]
    assert failures == EXPECTED
    assert told[-1] == (1.0, "Worked on 6 of 6 cases")


def test_a_process_that_dies_fails_its_own_case_alone(work):
    tasks = [("a", "do"), ("b", "die"), ("c", "do"), ("d", "error"), ("e", "do")]
    found = dict(run_cases(work, tasks, 2))
    assert {case: result for case, result in found.items() if not isinstance(result, Failed)} == {c: f"{c} done" for c in "ace"}
    assert found["b"] == Failed("Case b: its process ended unexpectedly (out of memory?); use fewer jobs")
    assert found["d"] == Failed("Case d: no outline")


def test_cancelling_ends_the_processes_at_once(work):
    started = time.monotonic()

    def cancel(fraction: float, text: str) -> None:
        if time.monotonic() - started > 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        collect_cases(work, [("a", "sleep"), ("b", "sleep"), ("c", "sleep")], 2, cancel, "Slept through")
    assert time.monotonic() - started < 15


def test_no_tasks_are_no_work(work):
    assert collect_cases(work, [], 2, no_progress, "Nothing of") == ({}, {})
