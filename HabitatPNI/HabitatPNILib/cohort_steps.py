"""What is done for one case of a cohort, in a process of its own if need be: read, prepare, habitats, deep features.

Public: `load_case`, `prepare_case`, `prepared_before`, `check_same_files`, `stored_voxels`, `keep_voxels`, `learn_habitats`,
`features_of`, `descriptors_of`, `feature_columns`, `load_texture` (before the processes), and the keys under which results are kept.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import __version__
from .analysis import check_b_value
from .case import Case
from .cohort_table import EXAMINATION, image_columns, is_given, is_number
from .errors import CaseError, CohortError, OutputError, WeightsError
from .frozen_model import FrozenModel, HabitatCentroids, Imaging
from .habitat_vectors import HabitatVoxels, habitat_voxels, learn, texture_settings
from .habitats.clustering import draw_voxels
from .habitats.descriptors import describe, descriptor_columns
from .imaging.preprocessing import Preprocessed
from .preparation import HabitatMap, map_habitats, prepare
from .prepared_store import STORE_FORMAT, StoredCase, image_hashes, load_stored, load_volumes, store_case
from .progress import Progress, no_progress
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

_OPTIONS = ("b_dwi", "b_low_b", "roi_segment", "roi_on")
"""Columns of a cohort table that decide the prepared volumes besides the files."""


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
    return _prepared_key(tuple(str(row.get(c)) for c in _OPTIONS), _named_files(row, folder, protocol), protocol)


def _prepared_key(options: tuple[str, ...], files: Mapping[str, list[Path]], protocol: Protocol) -> str:
    digest = hashlib.sha256(f"{__version__} {STORE_FORMAT}".encode())
    for section in (protocol.diffusion, protocol.registration, protocol.preprocessing):
        digest.update(section.model_dump_json().encode())
    digest.update(repr((protocol.sequences, protocol.fixed, protocol.deep.margin_mm, list(options))).encode())
    for column, found in files.items():
        for file in found:
            digest.update(f"{column} {file.stat().st_size}".encode() + file.read_bytes())
    return digest.hexdigest()[:32]


def check_same_files(
    table: pd.DataFrame, folder: Path, prepared: Mapping[str, Path], protocol: Protocol, progress: Progress = no_progress
) -> None:
    """Refuse features that were made of other images or outlines than a cohort table names, another cohort's of the same case ids, say.

    Every file of the table is read. A case that names a file that is not at hand, or none, cannot be compared, and passes. It does
    not matter whether a cell is empty or its column is not there.

    Parameters
    ----------
    table : of `cohort_table.read_cohort`; its paths are relative to `folder`
    prepared : file of the prepared volumes by case, `cohort.Extraction.prepared`

    Raises
    ------
    CohortError
        naming the first case
    """
    # A key holds None for a column that its table did not have, nan for an empty cell; all cases of an extraction have one table.
    own = tuple("nan" if name in table else "None" for name in _OPTIONS)
    empty = sorted(product(("None", "nan"), repeat=len(_OPTIONS)), key=lambda words: words != own)
    for number, (case, path) in enumerate(prepared.items()):
        progress(number / len(prepared), f"Compared the images of {number} of {len(prepared)} cases")
        row = dict(table.loc[case]) if case in table.index else {}
        files = _named_files(row, folder, protocol)
        if not files or not all(files.values()):
            continue
        for words in empty:
            options = tuple(str(row[name]) if is_given(row.get(name)) else word for name, word in zip(_OPTIONS, words, strict=True))
            if _prepared_key(options, files, protocol) == path.stem:
                empty.remove(words)
                empty.insert(0, words)
                break
        else:
            raise CohortError(
                f"Case {case}: its images or its outline are not those that its features were made of, or another version made them; "
                "run habitatpni extract again"
            )
    progress(1.0, "Compared the images")


def other_b_values(stored: Mapping[str, StoredCase], imaging: Imaging | None) -> dict[str, str]:
    """Reason by case of those that `analysis.analyse` would refuse for their b-value."""
    reasons = {}
    for case, found in stored.items():
        try:
            if imaging is not None:
                check_b_value(case, found.b_values.get("dwi"), imaging)
        except CaseError as error:
            reasons[case] = str(error)
    return reasons


def median_b_values(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Median b-values in s/mm2 by sequence, each over the cases that have one."""
    names = sorted({name for row in rows for name in row})
    return {name: float(np.median([row[name] for row in rows if name in row])) for name in names}


def check_weights(model: FrozenModel, protocol: Protocol, sha256: str) -> None:
    """Refuse other weights than a model's before the first case rather than after the last.

    Raises
    ------
    WeightsError
        naming both
    """
    if model.imaging is not None and sha256 != model.imaging.weights_sha256:
        raise WeightsError(
            f"Model {model.name}: the {protocol.deep.backbone} weights at hand ({protocol.deep.weights}) are not those it was made with "
            f"({model.imaging.weights}, sha256 {model.imaging.weights_sha256[:16]}...); give those with --weights"
        )


def load_texture(protocol: Protocol, progress: Progress = no_progress) -> None:
    """Compile the texture kernels that a protocol needs (half a minute, once on a machine), or read them from where they are kept.

    Before the cases, so that the user is told, and that the processes find them compiled.
    """
    if protocol.habitats.texture is None:
        return
    from .features.texture import texture_maps

    settings = texture_settings(protocol.habitats.texture)
    values = np.zeros((3, 3, 3))
    values[1:] = settings.bin_width or 1.0
    roi = sitk.GetImageFromArray(np.ones(values.shape, np.uint8))
    texture_maps(sitk.GetImageFromArray(values), roi, settings, progress, threads=1)


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
    before = _voxels_before(path, protocol)
    if before is not None:
        return before
    found = habitat_voxels(volumes, settings, protocol.sequences)
    # Not compressed: that takes seconds a case for a quarter of the space.
    arrays: dict[str, Any] = {"values": found.values, "columns": np.array(found.columns), "reference": found.reference}
    with suppress(OutputError):  # what cannot be kept is computed again
        write_file(voxels_file(path, protocol), lambda temporary: np.savez(temporary, **arrays))
    return found


def keep_voxels(case_id: str, path: Path, protocol: Protocol) -> None:
    """Compute the texture vectors of a prepared case that are not kept yet: `stored_voxels` in a process of its own."""
    if _voxels_before(path, protocol) is None:
        stored_voxels(path, load_volumes(path), protocol)


def voxels_file(path: Path, protocol: Protocol) -> Path:
    """Where the texture vectors of prepared volumes are kept, under a hash of all that decides them."""
    decisive = protocol.habitats.model_dump_json(include={"method", "order_by", "supervoxel_mm", "texture"})
    digest = hashlib.sha256(f"{__version__} {VECTOR_FORMAT} {protocol.sequences} {decisive}".encode()).hexdigest()
    return path.with_name(f"{path.stem}-vectors-{digest[:16]}.npz")


def _voxels_before(path: Path, protocol: Protocol) -> HabitatVoxels | None:
    """The kept texture vectors; None where they are not there, or damaged."""
    unusable = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
    with suppress(*unusable), np.load(voxels_file(path, protocol), allow_pickle=False) as stored:
        return HabitatVoxels(stored["values"], tuple(stored["columns"].tolist()), stored["reference"])
    return None


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
    return hashlib.sha256(repr((*parts, *vector_format(protocol))).encode()).hexdigest()[:32]


def vector_format(protocol: Protocol) -> tuple[int, ...]:
    """`VECTOR_FORMAT` for the keys of what rests on texture; nothing where habitats are of intensities."""
    return () if protocol.habitats.texture is None else (VECTOR_FORMAT,)


@lru_cache(maxsize=1)
def extractor(settings: DeepSection) -> DeepExtractor:
    """The process's extractor: its network is loaded once for all cases."""
    from .features.deep import DeepExtractor

    return DeepExtractor(settings)


def _path(folder: Path, cell: object) -> Path:
    """Path of a table's cell; one written on Windows is read everywhere."""
    return folder / str(cell).replace("\\", "/")


def _named_files(row: Mapping[str, Any], folder: Path, protocol: Protocol) -> dict[str, list[Path]]:
    """Files by column of those that a row names and the protocol reads."""
    columns = (*image_columns(protocol.sequences, row.get("roi_on")), "dicom")
    return {name: _files(_path(folder, row[name])) for name in columns if is_given(row.get(name))}


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(p for p in path.rglob("*") if p.is_file())
    return [path] if path.is_file() else []
