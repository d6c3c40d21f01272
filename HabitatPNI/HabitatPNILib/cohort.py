"""Many cases: the cohort table, and its features extracted by several processes, resumable, with every failure kept."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .case import Case
from .errors import Cancelled, CohortError, HabitatPNIError
from .frozen_model import HabitatCentroids
from .habitats.clustering import HabitatClusterer, draw_voxels
from .preparation import map_habitats, prepare
from .prepared_store import STORE_FORMAT, StoredCase, load_stored, load_volumes, store_case
from .progress import Progress, no_progress, part
from .protocol import DeepSection, Protocol
from .storage import write_text

if TYPE_CHECKING:
    import pandas as pd

    from .features.deep import DeepExtractor

IMAGE_COLUMNS = ("t2w", "dwi", "adc", "low_b", "roi")
SPLITS = ("training", "internal", "external")


@dataclass(frozen=True)
class Extraction:
    """What `extract` made of a cohort.

    Parameters
    ----------
    features : FeatureTable, one row a case, index ``case_id``
    protocol : protocol that was followed
    centroids : cohort-scope habitats of the training cases; None in case scope
    weights_sha256 : of the backbone
    b_values : median b-values in s/mm2 of ``dwi`` and ``low_b`` over the training cases
    failures : reason by case
    phantom : whether any case is a digital phantom, so that the model can only be a demonstration
    training : cases from which the habitats were learned
    """

    features: pd.DataFrame
    protocol: Protocol
    centroids: HabitatCentroids | None
    weights_sha256: str
    b_values: Mapping[str, float]
    failures: Mapping[str, str]
    phantom: bool
    training: tuple[str, ...]


def read_cohort(path: Path) -> pd.DataFrame:
    """Cohort table, index ``case_id``.

    Columns: ``case_id``, ``split`` (training, internal, external), ``outcome`` (0/1), optionally ``centre``; images as
    paths relative to the table (``t2w``, ``dwi``, ``adc``, ``low_b``, ``roi``; b-values in ``b_dwi``, ``b_low_b``) or a
    ``dicom`` folder with ``roi``; ``roi_segment`` and ``roi_on`` where the outline needs them; every other column is a
    clinical value.

    Raises
    ------
    CohortError
        naming the column and the rows
    """
    import pandas as pd

    if not path.is_file():
        raise CohortError(f"No cohort table {path}; write one with the columns case_id, split, outcome, t2w, dwi, adc, roi")
    try:
        table = pd.read_csv(path, dtype={"case_id": str})
    except (ValueError, pd.errors.ParserError) as error:
        raise CohortError(f"{path.name} is not a readable CSV table: {str(error).splitlines()[0]}") from error
    missing = [c for c in ("case_id", "split", "outcome", "roi") if c not in table]
    if missing or not ({"t2w", "dwi"} <= set(table) or "dicom" in table):
        raise CohortError(f"{path.name}: columns are missing: {', '.join(missing) or 't2w and dwi, or dicom'}")
    twice = table["case_id"][table["case_id"].duplicated()].unique()
    if len(twice):
        raise CohortError(f"{path.name}: column case_id: given more than once: {', '.join(twice[:5])}")
    rows = table.index[~table["outcome"].isin([0, 1])]
    if len(rows):
        raise CohortError(f"{path.name}: column outcome must be 0 or 1; it is not in rows {_rows(rows)}")
    rows = table.index[~table["split"].isin(SPLITS)]
    if len(rows):
        raise CohortError(f"{path.name}: column split must be one of {', '.join(SPLITS)}; it is not in rows {_rows(rows)}")
    return table.set_index("case_id")


def clinical_columns(table: pd.DataFrame) -> list[str]:
    """Columns of a cohort table that are clinical values."""
    known = {*IMAGE_COLUMNS, "dicom", "roi_segment", "roi_on", "centre", "split", "outcome", "b_dwi", "b_low_b", "true_probability"}
    return [c for c in table.columns if c not in known]


def load_case(case_id: str, row: Mapping[str, Any], folder: Path, protocol: Protocol) -> Case:
    """Case of one row of a cohort table whose paths are relative to `folder`."""
    from .imaging.dicom import read_dicom_case
    from .imaging.files import read_case_files

    paths: dict[str, Any] = {c: folder / str(row[c]) for c in IMAGE_COLUMNS if _is_given(row.get(c))}
    outline: dict[str, Any] = {c: str(row[c]) for c in ("roi_segment", "roi_on") if _is_given(row.get(c))}
    if _is_given(row.get("dicom")):
        dicom = folder / str(row["dicom"])
        return read_dicom_case(dicom, roi=paths.get("roi"), **outline, diffusion=protocol.diffusion, case_id=case_id)
    b_values = {name: float(row[f"b_{name}"]) for name in ("dwi", "low_b") if _is_number(row.get(f"b_{name}"))}
    return read_case_files(**paths, **outline, b_values=b_values or None, case_id=case_id, diffusion=protocol.diffusion)


def extract(cohort: Path, protocol: Protocol, out: Path, jobs: int = 1, progress: Progress = no_progress) -> Extraction:
    """Features of every case of a cohort table.

    First every case is registered and brought onto its analysis grid (kept in ``out/prepared``, so that a second run
    does only what is new); then the habitats are learned from the training cases alone; then the deep features are
    extracted. A case that fails is a row in ``failures.csv`` and never stops the others.

    Parameters
    ----------
    cohort : the table, see `read_cohort`
    out : folder for ``features.parquet``, ``extraction.json`` and ``failures.csv``
    jobs : processes, each with one thread

    Raises
    ------
    CohortError
        when the table cannot be used, or no training case is left
    """
    import pandas as pd

    from .features.table import write_feature_table

    table = read_cohort(cohort)
    progress(0.0, "Loading the network")
    sha256 = _extractor(protocol.deep).weights_sha256
    prepared, failures = _prepare_all(table, cohort.parent, protocol, out / "prepared", jobs, part(progress, 0.0, 0.5))
    training = [c for c in table.index if table.at[c, "split"] == "training" and c in prepared]
    if not training:
        raise CohortError(f"{cohort.name}: no training case could be prepared; see failures.csv: {next(iter(failures.values()), 'no row')}")
    centroids = _learn_habitats([prepared[c].path for c in training], protocol) if protocol.habitats.scope == "cohort" else None
    rows = _features_all({c: p.path for c, p in prepared.items()}, protocol, centroids, jobs, failures, part(progress, 0.5, 0.99))
    b_values = _median_b_values([prepared[c].b_values for c in training])
    phantom = any(p.phantom for p in prepared.values())
    features = pd.DataFrame.from_dict({c: rows[c] for c in table.index if c in rows}, orient="index")
    features.index.name = "case_id"
    write_feature_table(features, out / "features.parquet")
    extraction = Extraction(features, protocol, centroids, sha256, b_values, failures, phantom, tuple(training))
    _write_extraction(extraction, out)
    failed = pd.DataFrame({"case_id": list(failures), "reason": list(failures.values())})
    write_text(out / "failures.csv", failed.to_csv(index=False, lineterminator="\n"))
    progress(1.0, "Features written")
    return extraction


def load_extraction(out: Path) -> Extraction:
    """Read back what `extract` wrote.

    Raises
    ------
    CohortError
        when the folder does not hold an extraction
    """
    import pandas as pd

    from .features.table import read_feature_table

    try:
        values = json.loads((out / "extraction.json").read_text(encoding="utf-8"))
        protocol = Protocol.from_dict(values["protocol"], "in extraction.json")
        frozen = values["centroids"]
        centroids = None
        if frozen is not None:
            rows = tuple(tuple(row) for row in frozen["centroids"])
            centroids = HabitatCentroids(tuple(frozen["sequences"]), tuple(frozen["mean"]), tuple(frozen["scale"]), rows)
        failed = pd.read_csv(out / "failures.csv", dtype=str)
        features = read_feature_table(out / "features.parquet")
        failures = dict(zip(failed["case_id"], failed["reason"], strict=True))
        return Extraction(
            features=features,
            protocol=protocol,
            centroids=centroids,
            weights_sha256=values["weights_sha256"],
            b_values=values["b_values"],
            failures=failures,
            phantom=values["phantom"],
            training=tuple(values["training"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CohortError(
            f"{out} does not hold the features of a cohort ({error.__class__.__name__}); run habitatpni extract first"
        ) from error


def _prepare_all(
    table: pd.DataFrame, folder: Path, protocol: Protocol, store: Path, jobs: int, progress: Progress
) -> tuple[dict[str, StoredCase], dict[str, str]]:
    store.mkdir(parents=True, exist_ok=True)
    tasks = [(str(c), dict(table.loc[c]), folder, protocol, store) for c in table.index]
    failures: dict[str, str] = {}
    return _collect(_prepare_one, tasks, jobs, failures, progress, "Registered and resampled"), failures


def _features_all(
    prepared: Mapping[str, Path],
    protocol: Protocol,
    centroids: HabitatCentroids | None,
    jobs: int,
    failures: dict[str, str],
    progress: Progress,
) -> dict[str, dict[str, float]]:
    tasks = [(c, path, protocol, centroids) for c, path in prepared.items()]
    rows = _collect(_features_one, tasks, jobs, failures, progress, "Deep features of")
    if not rows:
        raise CohortError(f"No case gave features: {next(iter(failures.values()), 'the cohort is empty')}")
    return rows


def _collect(
    function: Any, tasks: list[tuple[Any, ...]], jobs: int, failures: dict[str, str], progress: Progress, what: str
) -> dict[str, Any]:
    """Results by case; the reasons of those that failed go into `failures`."""
    done: dict[str, Any] = {}
    for i, (case_id, result) in enumerate(_run(function, tasks, jobs), start=1):
        progress(i / len(tasks), f"{what} {i} of {len(tasks)} cases")
        if isinstance(result, str):
            failures[case_id] = result
        else:
            done[case_id] = result
    return done


def _run(function: Any, tasks: list[tuple[Any, ...]], jobs: int) -> Iterator[tuple[str, Any]]:
    """Results by case as they come: ``(case_id, result or reason of the failure)``."""
    if jobs == 1:
        for task in tasks:
            yield task[0], _guarded(function, task)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        futures = {pool.submit(_guarded, function, task): task[0] for task in tasks}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _guarded(function: Any, task: tuple[Any, ...]) -> Any:
    """The result, or the reason in words: whatever goes wrong in one case must not stop the others."""
    try:
        return function(*task)
    except HabitatPNIError as error:
        return str(error)
    except Cancelled:
        raise
    except Exception as error:
        return f"Case {task[0]}: unexpected {type(error).__name__}: {' '.join(str(error).split())}"


def _one_thread() -> None:
    """Start of a worker process: one thread, an end when the parent ends, and Ctrl-C left to the parent."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _prepare_one(case_id: str, row: dict[str, Any], folder: Path, protocol: Protocol, store: Path) -> StoredCase:
    path = store / f"{_key(row, folder, protocol)}.npz"
    if not path.is_file():
        case = load_case(case_id, row, folder, protocol)
        store_case(prepare(case, protocol).preprocessed, case.b_values, case.is_phantom, protocol.deep.margin_mm, path)
    return load_stored(path)


def _key(row: Mapping[str, Any], folder: Path, protocol: Protocol) -> str:
    """Hash of everything that decides the prepared volumes: files, protocol sections, version."""
    digest = hashlib.sha256(f"{__version__} {STORE_FORMAT}".encode())
    for section in (protocol.diffusion, protocol.registration, protocol.preprocessing):
        digest.update(section.model_dump_json().encode())
    options = [row.get(c) for c in ("b_dwi", "b_low_b", "roi_segment", "roi_on")]
    digest.update(repr((protocol.sequences, protocol.fixed, protocol.deep.margin_mm, options)).encode())
    for column in (*IMAGE_COLUMNS, "dicom"):
        if _is_given(row.get(column)):
            for file in _files(folder / str(row[column])):
                digest.update(column.encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def _files(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    return [path] if path.is_file() else []


def _learn_habitats(paths: list[Path], protocol: Protocol) -> HabitatCentroids:
    settings = protocol.habitats
    vectors = [
        draw_voxels(load_volumes(path).voxel_vectors(protocol.sequences), settings.voxels_per_patient, settings.seed + i)
        for i, path in enumerate(paths)
    ]
    clusterer = HabitatClusterer(settings.k, protocol.sequences, settings.order_by, settings.seed)
    return clusterer.fit(np.concatenate(vectors)).centroids_


@lru_cache(maxsize=1)
def _extractor(settings: DeepSection) -> DeepExtractor:
    """The process's extractor: its network is loaded once for all cases."""
    from .features.deep import DeepExtractor

    return DeepExtractor(settings)


def _features_one(case_id: str, path: Path, protocol: Protocol, centroids: HabitatCentroids | None) -> dict[str, float]:
    extractor = _extractor(protocol.deep)
    preprocessed = load_volumes(path)
    regions = map_habitats(preprocessed, protocol.habitats, protocol.sequences, centroids).regions()
    return dict(extractor.extract(preprocessed.normalised, regions))


def _median_b_values(rows: list[Mapping[str, float]]) -> dict[str, float]:
    names = sorted({name for row in rows for name in row})
    return {name: float(np.median([row[name] for row in rows if name in row])) for name in names}


def _write_extraction(extraction: Extraction, out: Path) -> None:
    values = {
        "protocol": extraction.protocol.to_dict(),
        "centroids": vars(extraction.centroids) if extraction.centroids else None,
        "weights_sha256": extraction.weights_sha256,
        "b_values": dict(extraction.b_values),
        "phantom": extraction.phantom,
        "training": list(extraction.training),
        "version": __version__,
    }
    write_text(out / "extraction.json", json.dumps(values, indent=1) + "\n")


def _rows(index: Iterable[Any]) -> str:
    numbers = [str(int(i) + 2) for i in index]
    return ", ".join(numbers[:5]) + (" ..." if len(numbers) > 5 else "")


def _is_given(value: object) -> bool:
    return value is not None and str(value) not in {"", "nan"}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))
