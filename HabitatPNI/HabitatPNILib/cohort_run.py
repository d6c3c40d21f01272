"""Cases in parallel: one function over many cases, in processes of one thread each, where no failure stops the others.

Public: `run_cases` (results as they come), `collect_cases` (results and reasons, with progress) and `Failed`.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any

import SimpleITK as sitk

from .errors import Cancelled, CaseError, HabitatPNIError
from .progress import Progress

Task = tuple[Any, ...]
"""What the function is called with; the first is the case's name."""

TICK_S = 0.3
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class Failed:
    """Why a case gave no result, in one line."""

    reason: str


def run_cases(
    function: Callable[..., Any], tasks: Sequence[Task], jobs: int, waiting: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, Any]]:
    """Call a function for many cases.

    Whatever goes wrong in one case stays there: an error becomes `Failed`, and so does the end of its process (memory). The same
    results whatever `jobs` is: every process computes with one thread, this one too when `jobs` is 1.

    Parameters
    ----------
    function : importable by its name, called with a task's values
    tasks : the first value is the case's name; everything in them can be sent to another process
    jobs : processes; 1 stays in this one
    waiting : called a few times a second while other processes compute; may raise `Cancelled`, which ends them

    Yields
    ------
    case's name, and the function's result or `Failed`; in the order in which they are done
    """
    if jobs == 1 or len(tasks) < 2:
        for task in tasks:
            waiting()
            with _one_thread_here():
                result = _guarded(function, task)
            yield task[0], result
        return
    done: set[int] = set()
    for number, result in _pooled(function, dict(enumerate(tasks)), min(jobs, len(tasks)), waiting):
        done.add(number)
        yield tasks[number][0], result
    # A process that ends takes the pool with it: those not done go on one at a time, so that only the culprit fails.
    left = [number for number in range(len(tasks)) if number not in done]
    while left:
        finished = dict(_pooled(function, {number: tasks[number] for number in left}, 1, waiting))
        for number, result in finished.items():
            yield tasks[number][0], result
        left = [number for number in left if number not in finished]
        if left:
            yield tasks[left[0]][0], Failed(f"Case {tasks[left[0]][0]}: its process ended unexpectedly (out of memory?); use fewer jobs")
            del left[0]


def collect_cases(
    function: Callable[..., Any], tasks: Sequence[Task], jobs: int, progress: Progress, what: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """`run_cases` to its end.

    Parameters
    ----------
    what : words of the progress before "3 of 10 cases"

    Returns
    -------
    results by case, and reasons of the cases that failed; both in the tasks' order
    """
    results: dict[str, Any] = {}
    count = 0

    def report() -> None:
        progress(count / len(tasks), f"{what} {count} of {len(tasks)} cases")

    for case_id, result in run_cases(function, tasks, jobs, report):
        results[case_id] = result
        count += 1
        report()
    names = [task[0] for task in tasks]
    good = {name: results[name] for name in names if not isinstance(results[name], Failed)}
    return good, {name: results[name].reason for name in names if isinstance(results[name], Failed)}


def _pooled(function: Callable[..., Any], tasks: Mapping[int, Task], jobs: int, waiting: Callable[[], None]) -> Iterator[tuple[int, Any]]:
    """Results by task number until all are done or a process has ended; at most one task waits in each process."""
    context = get_context("spawn")
    stop = context.Event()
    todo = iter(tasks.items())
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_process, initargs=(stop,)) as pool:
        running: dict[Future, int] = {}
        try:
            while True:
                while len(running) < jobs and (following := next(todo, None)):
                    running[pool.submit(_guarded, function, following[1])] = following[0]
                if not running:
                    return
                finished, _ = wait(running, timeout=TICK_S, return_when=FIRST_COMPLETED)
                waiting()
                for future in finished:
                    yield running.pop(future), future.result()
        except BrokenProcessPool:
            return
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _guarded(function: Callable[..., Any], task: Task) -> Any:
    """The result, or the reason in words: whatever goes wrong in one case must not stop the others."""
    try:
        return function(*task)
    except HabitatPNIError as error:
        reason = " ".join(str(error).split())
        return Failed(f"Case {task[0]}: {reason}" if isinstance(error, CaseError) and not reason.startswith("Case ") else reason)
    except Cancelled:
        raise
    except MemoryError:
        return Failed(f"Case {task[0]}: not enough memory; use fewer jobs")
    except OSError as error:  # its own text holds a path, which may hold a name
        return Failed(f"Case {task[0]}: a file could not be read or written ({error.strerror or type(error).__name__})")
    except Exception as error:
        return Failed(f"Case {task[0]}: unexpected {type(error).__name__}: {' '.join(str(error).split())}")


@contextmanager
def _one_thread_here() -> Iterator[None]:
    """This process with one thread for a while."""
    import torch
    from threadpoolctl import threadpool_limits

    torch_threads, itk_threads = torch.get_num_threads(), sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(torch_threads)
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(itk_threads)


def _start_process(stop: Any) -> None:
    """Start of a process: one thread, an end when asked for or with the parent, and Ctrl-C left to the parent."""
    from threadpoolctl import threadpool_limits

    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave, args=(stop,), daemon=True).start()
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    threadpool_limits(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _leave(stop: Any) -> None:
    parent = parent_process()
    while parent is not None and parent.is_alive() and not stop.wait(TICK_S):
        pass
    os._exit(1)
