"""What is done for one case of a cohort, in a process of its own if need be: read, prepare, habitats, deep features.

Public: `load_case`, `prepare_case`, `prepared_before`, `stored_voxels`, `learn_habitats`, `features_of`, `descriptors_of`,
`feature_columns`, and the keys under which results are kept.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import __version__
from .case import Case
from .cohort_table import EXAMINATION, IMAGE_COLUMNS, image_columns, is_given, is_number
from .errors import CohortError
from .frozen_model import HabitatCentroids
from .habitat_vectors import HabitatVoxels, habitat_voxels, learn
from .habitats.clustering import draw_voxels
from .habitats.descriptors import describe, descriptor_columns
from .imaging.preprocessing import Preprocessed
from .preparation import HabitatMap, map_habitats, prepare
from .prepared_store import STORE_FORMAT, StoredCase, image_hashes, load_stored, load_volumes, store_case
from .protocol import DeepSection, Protocol
from .storage import write_file

if TYPE_CHECKING:
    import pandas as pd

    from .features.deep import DeepExtractor

PREPARED = "prepared"
"""Folder of the prepared volumes beside the features."""

FEATURE_FORMAT = 1
"""Raise this whenever the deep features of the same volumes change: those kept before are then made anew."""
VECTOR_FORMAT = 1
"""Raise this whenever the texture vectors of the same volumes change."""


def load_case(case_id: str, row: Mapping[str, Any], folder: Path, protocol: Protocol) -> Case:
    """Case of one row of a cohort table whose paths are relative to `folder`."""
    from .imaging.dicom import read_dicom_case
    from .imaging.files import read_case_files, refuse_dicom

    columns = image_columns(protocol.sequences, row.get("roi_on"))
    paths: dict[str, Any] = {c: _path(folder, row[c]) for c in columns if is_given(row.get(c))}
    outline: dict[str, Any] = {c: str(row[c]) for c in ("roi_segment", "roi_on") if is_given(row.get(c))}
    from_folder = is_given(row.get("dicom"))
    if from_folder:
        refuse_dicom([name for name in protocol.sequences if name not in paths], case_id)
    if from_folder and EXAMINATION & set(protocol.sequences):
        dicom = _path(folder, row["dicom"])
        return read_dicom_case(dicom, roi=paths.get("roi"), **outline, diffusion=protocol.diffusion, case_id=case_id)
    b_values = {name: float(row[f"b_{name}"]) for name in ("dwi", "low_b") if is_number(row.get(f"b_{name}"))}
    return read_case_files(**paths, **outline, b_values=b_values or None, case_id=case_id, diffusion=protocol.diffusion)


def prepare_case(case_id: str, row: Mapping[str, Any], folder: Path, protocol: Protocol, store: Path) -> StoredCase:
    """Register and resample a case of a cohort table, unless `store` holds it already.

    Parameters
    ----------
    row : of the table; its paths are relative to `folder`
    store : folder of the prepared volumes, one file a case named by `prepared_key`
    """
    path = store / f"{prepared_key(row, folder, protocol)}.npz"
    before = prepared_before(path)
    if before is not None:
        return before
    case = load_case(case_id, row, folder, protocol)
    hashes = image_hashes(case.images)
    prepared = prepare(case, protocol)
    margin, found = protocol.deep.margin_mm, prepared.registration
    store_case(prepared.preprocessed, case.b_values, case.is_phantom, margin, path, hashes=hashes, registration=found)
    return load_stored(path)


def prepared_before(path: Path) -> StoredCase | None:
    """What was stored of a case; None where it is not there, or damaged."""
    with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile):
        return load_stored(path)
    return None


def prepared_key(row: Mapping[str, Any], folder: Path, protocol: Protocol) -> str:
    """Hash of everything that decides the prepared volumes: files, protocol sections, version."""
    digest = hashlib.sha256(f"{__version__} {STORE_FORMAT}".encode())
    for section in (protocol.diffusion, protocol.registration, protocol.preprocessing):
        digest.update(section.model_dump_json().encode())
    options = [str(row.get(c)) for c in ("b_dwi", "b_low_b", "roi_segment", "roi_on")]
    digest.update(repr((protocol.sequences, protocol.fixed, protocol.deep.margin_mm, options)).encode())
    for column in (*image_columns(protocol.sequences, row.get("roi_on")), "dicom"):
        if is_given(row.get(column)):
            for file in _files(_path(folder, row[column])):
                digest.update(f"{column} {file.stat().st_size}".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def check_same_files(table: pd.DataFrame, folder: Path, prepared: Mapping[str, Path], protocol: Protocol) -> None:
    """Refuse features that were made of other images or outlines than a cohort table names, another cohort's of the same case ids, say.

    Every file of the table is read. A case none of whose files are at hand cannot be compared, and passes.

    Parameters
    ----------
    table : of `cohort_table.read_cohort`; its paths are relative to `folder`
    prepared : file of the prepared volumes by case, `cohort.Extraction.prepared`

    Raises
    ------
    CohortError
        naming the first case
    """
    for case, path in prepared.items():
        row = dict(table.loc[case]) if case in table.index else {}
        given = [row[c] for c in (*IMAGE_COLUMNS, "dicom") if is_given(row.get(c))]
        if any(_files(_path(folder, cell)) for cell in given) and path.stem != prepared_key(row, folder, protocol):
            raise CohortError(
                f"Case {case}: its images or its outline are not those that its features were made of, or another version made them; "
                "run habitatpni extract again"
            )


def learn_habitats(paths: Iterable[Path], protocol: Protocol) -> HabitatCentroids:
    """Cohort-scope habitats: scaler and centroids of the pooled voxels of training cases, equally many of each.

    Parameters
    ----------
    paths : prepared volumes (`cohort.prepared_paths`) in the order of the cohort table, on which the draw of voxels depends
    """
    return learn(protocol.habitats, pooled_voxels(paths, protocol))


def pooled_voxels(paths: Iterable[Path], protocol: Protocol) -> HabitatVoxels:
    """Voxel vectors of many cases together, equally many of each.

    Parameters
    ----------
    paths : as of `learn_habitats`
    """
    settings, drawn = protocol.habitats, []
    columns: tuple[str, ...] = ()
    for i, path in enumerate(paths):
        found = stored_voxels(path, load_volumes(path), protocol)
        rows = np.column_stack([found.values, found.reference])
        drawn.append(draw_voxels(rows, settings.voxels_per_patient, settings.seed + i))
        columns = found.columns
    pooled = np.concatenate(drawn)
    return HabitatVoxels(np.ascontiguousarray(pooled[:, :-1]), columns, pooled[:, -1])


def features_of(case_id: str, path: Path, protocol: Protocol, centroids: HabitatCentroids | None) -> dict[str, float]:
    """Deep features of a prepared case by column, NaN in the columns of an absent habitat; then its descriptors if asked for.

    Parameters
    ----------
    case_id : the case's name; `cohort_run.run_cases` asks for it
    path : its prepared volumes
    centroids : cohort-scope habitats; None clusters the case by itself
    """
    volumes = load_volumes(path)
    return features_of_volumes(volumes, protocol, centroids, stored_voxels(path, volumes, protocol))


def features_of_volumes(
    preprocessed: Preprocessed, protocol: Protocol, centroids: HabitatCentroids | None, voxels: HabitatVoxels | None = None
) -> dict[str, float]:
    """`features_of` of volumes in memory; `voxels` are their vectors where they are at hand."""
    found = map_habitats(preprocessed, protocol.habitats, protocol.sequences, centroids, voxels=voxels)
    return {**extractor(protocol.deep).extract(preprocessed.normalised, found.regions()), **descriptors_of(found, protocol)}


def descriptors_of(found: HabitatMap, protocol: Protocol) -> dict[str, float]:
    """Descriptors of a habitat map by column; none where the protocol does not ask for them."""
    return describe(found.labels, protocol.habitats.k) if protocol.habitats.descriptors else {}


def stored_voxels(path: Path, volumes: Preprocessed, protocol: Protocol) -> HabitatVoxels:
    """Voxel vectors of a prepared case; those of texture are kept beside its volumes, since no fold and no draw changes them.

    Parameters
    ----------
    path : of the prepared volumes
    volumes : what it holds
    """
    settings = protocol.habitats
    if settings.texture is None:
        return habitat_voxels(volumes, settings, protocol.sequences)
    decisive = settings.model_dump_json(include={"method", "order_by", "supervoxel_mm", "texture"})
    digest = hashlib.sha256(f"{__version__} {VECTOR_FORMAT} {protocol.sequences} {decisive}".encode()).hexdigest()
    kept = path.with_name(f"{path.stem}-vectors-{digest[:16]}.npz")
    with suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile), np.load(kept, allow_pickle=False) as stored:
        return HabitatVoxels(stored["values"], tuple(stored["columns"].tolist()), stored["reference"])
    found = habitat_voxels(volumes, settings, protocol.sequences)
    arrays: dict[str, Any] = {"values": found.values, "columns": np.array(found.columns), "reference": found.reference}
    write_file(kept, lambda temporary: np.savez(temporary, **arrays))
    return found


def store_features(case_id: str, path: Path, protocol: Protocol, centroids: HabitatCentroids | None, target: Path) -> None:
    """Write `features_of` a case with `write_features`."""
    write_features(features_of(case_id, path, protocol, centroids), protocol, target)


def write_features(features: Mapping[str, float], protocol: Protocol, target: Path) -> None:
    """Write a case's features to ``target`` (.npy), in the order of `feature_columns`."""
    values = np.array([features[name] for name in feature_columns(protocol)])
    write_file(target, lambda temporary: np.save(temporary, values, allow_pickle=False))


def read_features(path: Path, count: int) -> np.ndarray | None:
    """A case's (count,) features; None where they are not kept, or their file is damaged."""
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return values if values.shape == (count,) else None


def feature_columns(protocol: Protocol) -> list[str]:
    """Columns of the protocol's FeatureTable."""
    from .features.table import column
    from .networks.resnet import FEATURE_COUNTS

    backbone = protocol.deep.backbone
    deep = [
        column(region, sequence, backbone, f"{i:04d}")
        for region in protocol.regions
        for sequence in protocol.sequences
        for i in range(FEATURE_COUNTS[backbone])
    ]
    return deep + (descriptor_columns(protocol.habitats.k) if protocol.habitats.descriptors else [])


def feature_key(path: Path, protocol: Protocol, centroids: HabitatCentroids | None, weights_sha256: str, what: str = "") -> str:
    """Hash of everything that decides the features of prepared volumes, whose file is named by a hash of all before.

    Parameters
    ----------
    what : what else was done to the volumes, for negative controls
    """
    sections = protocol.deep.model_dump_json(exclude={"weights"}) + protocol.habitats.model_dump_json(
        exclude={"k_range", "voxels_per_patient"}
    )
    parts = (__version__, FEATURE_FORMAT, path.stem, protocol.sequences, sections, centroids, weights_sha256, what)
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


@lru_cache(maxsize=1)
def extractor(settings: DeepSection) -> DeepExtractor:
    """The process's extractor: its network is loaded once for all cases."""
    from .features.deep import DeepExtractor

    return DeepExtractor(settings)


def _path(folder: Path, cell: object) -> Path:
    """Path of a table's cell; one written on Windows is read everywhere."""
    return folder / str(cell).replace("\\", "/")


def _files(path: Path) -> Iterable[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    return [path] if path.is_file() else []
