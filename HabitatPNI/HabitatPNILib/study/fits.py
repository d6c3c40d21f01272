"""The book of a study's fits: what the resampling asks for is noted first, then computed by several processes and kept on disk."""

from __future__ import annotations

import hashlib
import os
import signal
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import __version__
from ..errors import CohortError
from ..evaluation.resampling import Fit, Predict
from ..learning.pipeline import fit_pipeline, model_names
from ..progress import Progress, no_progress
from ..protocol import Protocol
from ..storage import write_file

if TYPE_CHECKING:
    import pandas as pd

Result = TypeVar("Result")
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Learnable:
    """What the pipeline may learn from: rows are the patients.

    Attributes
    ----------
    features : (patients, columns) FeatureTable
    clinical : (patients, candidates) coded values, NaN where missing
    protocol : of the study
    """

    features: pd.DataFrame
    clinical: pd.DataFrame
    protocol: Protocol


@dataclass(frozen=True)
class Fitted:
    """One fit of the pipeline, as far as a study asks.

    Attributes
    ----------
    log_odds : (patients, models) of all patients, fitted on or not
    n_selected : features of all its radscores
    failure : why the pipeline could not be fitted; empty where it could
    """

    log_odds: np.ndarray
    n_selected: int
    failure: str = ""


@dataclass(frozen=True)
class _Request:
    """Rows to fit on (copies allowed), all patients' labels, and the features' name."""

    rows: np.ndarray
    labels: np.ndarray
    features: str


class FitBook:
    """Fits of the whole pipeline on rows of the same patients.

    The drivers of `evaluation` call ``fit(rows)`` one after the other; a fit of the pipeline takes up to a minute. So `resampled` runs them
    twice: first every fit is noted and answered with random scores, then the noted fits are computed side by side, then the drivers run
    with the true ones. For that, what a driver asks for must not depend on the answers. Each fit is a file of the folder, named by the
    hash of all that decides it (rows, labels, features, clinical values, protocol, the code of learning), so that a stopped study goes on
    where it was.

    Parameters
    ----------
    data : what is learned from
    y : (patients,) outcome, 0 or 1
    folder : where fits are kept
    jobs : processes, each with one thread; they do not change a figure
    """

    def __init__(self, data: Learnable, y: np.ndarray, folder: Path, jobs: int = 1) -> None:
        self.models = model_names(data.protocol.regions)
        self._data, self._folder, self._jobs = data, folder, jobs
        self._y = np.asarray(y, dtype=np.uint8)
        self._tables: dict[str, pd.DataFrame] = {"": data.features}
        self._head = _digest_of(data, self._y)
        self._digests = {"": table_digest(data.features)}
        self._done: dict[str, Fitted] = {}
        self._noted: dict[str, _Request] = {}
        self._noting = False

    @property
    def size(self) -> int:
        """Fits that are there."""
        return len(self._done)

    def add_features(self, features: pd.DataFrame) -> str:
        """Name under which fits can ask for other features of the same patients."""
        if len(features) != len(self._y):
            raise CohortError(f"A table of {len(features)} patients was given for a study of {len(self._y)}")
        digest = table_digest(features)
        self._tables[digest], self._digests[digest] = features, digest
        return digest

    def fit(self, model: str, labels: np.ndarray | None = None, features: str | Callable[[np.ndarray], str] = "") -> Fit:
        """The pipeline as the drivers want it: ``fit(rows) -> predict``, which gives the log odds of one model.

        Parameters
        ----------
        labels : (patients,) in place of the outcome
        features : name from `add_features`, or one for each set of rows
        """
        column = self.models.index(model)

        def on_rows(rows: np.ndarray) -> Predict:
            name = features(rows) if callable(features) else features
            fitted = self.fitted(rows, labels, name)
            if fitted.failure:
                raise CohortError(fitted.failure)
            return lambda which: fitted.log_odds[which, column]

        return on_rows

    def fitted(self, rows: np.ndarray, labels: np.ndarray | None = None, features: str = "") -> Fitted:
        """The fit on rows (integers from 0, copies allowed); while fits are noted, random scores."""
        request = _Request(np.asarray(rows, np.int64), self._y if labels is None else np.asarray(labels, np.uint8), features)
        key = self._key(request)
        if key in self._done:
            return self._done[key]
        if not self._noting:
            raise RuntimeError("A fit was asked for that had not been noted: the drivers ask by the answers")
        self._noted[key] = request
        scores = np.random.default_rng(len(self._noted)).normal(size=(len(self._y), len(self.models)))
        return Fitted(scores, 0)

    def resampled(self, drivers: Callable[[], Result], progress: Progress = no_progress) -> Result:
        """What `drivers` gives with the true fits.

        Raises
        ------
        CohortError
            from the drivers, or when a process ends early
        """
        self._noting = True
        try:
            drivers()
        finally:
            self._noting = False
        self._compute(progress)
        return drivers()

    def _compute(self, progress: Progress) -> None:
        todo: dict[str, _Request] = {}
        for key, request in self._noted.items():
            kept = self._load(key)
            if kept is None:
                todo[key] = request
            else:
                self._done[key] = kept
        clock = _Clock(len(self._noted), len(todo), progress)
        clock.say(0)
        if todo and self._jobs > 1:
            self._in_processes(todo, clock)
        else:
            for key, request in todo.items():
                self._keep(key, _fit(self._learnable(request), request, clock.within), clock)
        self._noted.clear()
        progress(1.0, "All fits of the study are there")

    def _in_processes(self, todo: dict[str, _Request], clock: _Clock) -> None:
        context = get_context("spawn")
        listening, held = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(min(self._jobs, len(todo)), context, _start_worker, (self._data, listening))
        try:
            waiting: dict[Future[Fitted], str] = {}
            for key, request in todo.items():
                other = self._tables[request.features] if request.features else None
                waiting[pool.submit(_fit_in_worker, request, other)] = key
            while waiting:
                finished, _ = wait(waiting, _LOOK_SECONDS, FIRST_COMPLETED)
                for future in finished:
                    self._keep(waiting.pop(future), future.result(), clock)
                clock.say(0)
        except BrokenProcessPool as error:
            raise CohortError("A process of the study ended early, perhaps for want of memory; use fewer jobs (--jobs)") from error
        finally:
            held.close()  # the workers end at once: they write nothing, and a fit would take a minute to its end
            pool.shutdown(cancel_futures=True)
            listening.close()

    def _learnable(self, request: _Request) -> Learnable:
        return Learnable(self._tables[request.features], self._data.clinical, self._data.protocol)

    def _key(self, request: _Request) -> str:
        digest = hashlib.sha256(f"{self._head} {self._digests[request.features]} {len(request.rows)} ".encode())
        digest.update(request.rows.tobytes() + request.labels[request.rows].tobytes())
        return digest.hexdigest()[:32]

    def _path(self, key: str) -> Path:
        return self._folder / f"fit-{key}.npz"

    def _keep(self, key: str, fitted: Fitted, clock: _Clock) -> None:
        arrays: dict[str, Any] = {
            "log_odds": fitted.log_odds,
            "n_selected": np.array(fitted.n_selected),
            "failure": np.array(fitted.failure),
        }
        write_file(self._path(key), lambda temporary: np.savez_compressed(temporary, **arrays))
        self._done[key] = fitted
        clock.count()

    def _load(self, key: str) -> Fitted | None:
        """The kept fit; None where there is none, or its file is damaged."""
        try:
            with np.load(self._path(key), allow_pickle=False) as kept:
                return Fitted(kept["log_odds"], int(kept["n_selected"]), str(kept["failure"]))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None


class _Clock:
    """Says how many fits are done and how long the others will take."""

    def __init__(self, total: int, todo: int, progress: Progress) -> None:
        self._total, self._todo, self._done, self._progress = total, todo, 0, progress
        self._started = time.monotonic()

    def count(self) -> None:
        self._done += 1
        self.say(0)

    def within(self, fraction: float, text: str) -> None:
        """Progress of a fit in this process."""
        self.say(fraction)

    def say(self, fraction: float) -> None:
        there = self._total - self._todo + self._done
        left = ""
        if 0 < self._done < self._todo:
            seconds = (time.monotonic() - self._started) / self._done * (self._todo - self._done)
            left = f", about {_duration(seconds)} left"
        self._progress(
            (there + fraction) / max(self._total, 1), f"Fit {min(there + 1, self._total)} of {self._total} of the pipeline{left}"
        )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"


def table_digest(table: pd.DataFrame) -> str:
    """sha256 of a table's columns and values."""
    digest = hashlib.sha256("\n".join(map(str, table.columns)).encode())
    digest.update(np.ascontiguousarray(table.to_numpy(dtype=np.float64)).tobytes())
    return digest.hexdigest()


def _digest_of(data: Learnable, y: np.ndarray) -> str:
    """Hash of what all fits of a book share: clinical values, protocol, and the code of learning."""
    protocol = data.protocol
    digest = hashlib.sha256(f"{__version__} {_code()} {len(y)} {protocol.regions} {table_digest(data.clinical)}".encode())
    for section in (protocol.selection, protocol.clinical, protocol.combined):
        digest.update(section.model_dump_json().encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _code() -> str:
    """Hash of the learning room's code: a kept fit of older code is made anew."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parents[1] / "learning").glob("*.py")):
        digest.update(path.read_text(encoding="utf-8").encode())
    return digest.hexdigest()


def _fit(data: Learnable, request: _Request, progress: Progress = no_progress) -> Fitted:
    import scipy.linalg  # noqa: F401  (its BLAS can be limited only once it is there)
    from threadpoolctl import threadpool_limits

    rows = request.rows
    groups = rows if len(np.unique(rows)) < len(rows) else None
    with threadpool_limits(1):  # the same sums, whatever the number of processes
        try:
            fitted = fit_pipeline(
                data.features.iloc[rows],
                data.clinical.iloc[rows],
                request.labels[rows].astype(int),
                data.protocol,
                groups=groups,
                strict=False,
                progress=progress,
            )
        except CohortError as error:
            return Fitted(np.empty((0, 0)), 0, str(error))
        log_odds = fitted.log_odds(data.features, data.clinical)
    return Fitted(log_odds[list(model_names(data.protocol.regions))].to_numpy(dtype=np.float64), int(fitted.n_selected))


_worker_data: Learnable


def _start_worker(data: Learnable, parent: Connection) -> None:
    """Start of a worker: its data once, an end when the parent lets go, and Ctrl-C left to the parent."""
    global _worker_data
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _worker_data = data
    Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: Connection) -> None:
    try:
        parent.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _fit_in_worker(request: _Request, features: pd.DataFrame | None) -> Fitted:
    data = _worker_data
    return _fit(data if features is None else Learnable(features, data.clinical, data.protocol), request)
