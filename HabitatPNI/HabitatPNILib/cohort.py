"""Many cases: the cohort table, and its features extracted by several processes, resumable, with every failure kept.

Public here or from here: `read_cohort`, `clinical_columns`, `require_columns` (the table, `cohort_table`); `extract`, `load_extraction`,
`extract_for_model`, `Extraction`, `prepared_paths` (case -> file of its prepared volumes), `check_training_cases`; `load_case`,
`learn_habitats(paths, protocol)`,
`features_of(case_id, path, protocol, centroids)`, `extractor` (one case, `cohort_steps`); `run_cases(function, tasks, jobs)`,
`collect_cases`, `Failed` (the processes, `cohort_run`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import __version__
from .cohort_run import Failed, collect_cases, run_cases
from .cohort_steps import (
    PREPARED,
    check_weights,
    extractor,
    feature_columns,
    feature_key,
    features_of,
    keep_voxels,
    learn_habitats,
    load_case,
    load_texture,
    median_b_values,
    other_b_values,
    prepare_case,
    read_features,
    store_features,
    voxels_file,
)
from .cohort_table import IMAGE_COLUMNS, SPLITS, check_rejected, clinical_columns, read_cohort, require_columns, require_images
from .errors import CohortError, ModelError
from .frozen_model import FrozenModel, HabitatCentroids
from .habitat_vectors import check_habitats
from .prepared_store import StoredCase
from .progress import Progress, no_progress, part
from .protocol import Protocol
from .storage import write_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "IMAGE_COLUMNS",
    "SPLITS",
    "Extraction",
    "Failed",
    "check_training_cases",
    "clinical_columns",
    "collect_cases",
    "extract",
    "extract_for_model",
    "extractor",
    "features_of",
    "learn_habitats",
    "load_case",
    "load_extraction",
    "prepared_paths",
    "read_cohort",
    "require_columns",
    "run_cases",
]

NO_REJECTIONS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Extraction:
    """What `extract` made of a cohort.

    Parameters
    ----------
    features : FeatureTable, one row a case, index ``case_id``
    protocol : protocol that was followed
    centroids : habitats of the training cases together, or of `model`; None where each case has its own that match none
    weights_sha256 : of the backbone
    b_values : median b-values in s/mm2 of ``dwi`` and ``low_b`` over the training cases; with `model` over all cases
    failures : reason by case of those that failed or were rejected
    phantom : whether any case is a digital phantom, so that the model can only be a demonstration
    training : cases from which the habitats were learned; none with `model`
    prepared : file of the prepared volumes by case, see `prepared_paths`
    image_hashes : `prepared_store.image_hashes` by case
    model : name and version of the frozen model whose protocol and habitats were taken (`extract_for_model`); empty where there is none
    """

    features: pd.DataFrame
    protocol: Protocol
    centroids: HabitatCentroids | None
    weights_sha256: str
    b_values: Mapping[str, float]
    failures: Mapping[str, str]
    phantom: bool
    training: tuple[str, ...]
    prepared: Mapping[str, Path] = field(default_factory=dict)
    image_hashes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    model: str = ""


def extract(
    cohort: Path,
    protocol: Protocol,
    out: Path,
    jobs: int = 1,
    progress: Progress = no_progress,
    rejected: Mapping[str, str] = NO_REJECTIONS,
) -> Extraction:
    """Features of every case of a cohort table.

    First every case is registered and brought onto its analysis grid (kept in ``out/prepared``); then the habitats are learned from the
    training cases alone; then the deep features are extracted (kept in ``out/cases``). Both are kept under a hash of all that decides
    them, files, protocol, habitats and weights, so that a second run does only what is new; habitats of other training cases make
    every case's features new. A case that fails is a row in ``failures.csv`` and never stops the others.

    Parameters
    ----------
    cohort : the table, see `read_cohort`
    out : folder for ``features.parquet``, ``extraction.json`` and ``failures.csv``
    jobs : processes, each with one thread; they do not change a bit of the features
    rejected : reason by case, as `quality.read_decisions` words it: these cases are left out, also from the habitats, and listed in
        ``failures.csv``

    Raises
    ------
    CohortError
        when the table cannot be used, or no training case is left
    ProtocolError
        when the habitats cannot be made as the protocol says
    """
    return _extract(cohort, protocol, out, jobs, progress, rejected, None)


def extract_for_model(
    cohort: Path,
    model: FrozenModel,
    out: Path,
    jobs: int = 1,
    progress: Progress = no_progress,
    rejected: Mapping[str, str] = NO_REJECTIONS,
    weights: str | None = None,
) -> Extraction:
    """Features of a cohort as a frozen model takes them: by its protocol and with its habitats, from which no case here learns anything.

    For `recalibration.site_cases` at another site, and for `second_reader`. The cohort needs no training case: its splits play no part.
    A case whose b-value the model would refuse is among the failures.

    Parameters
    ----------
    cohort, out, jobs, rejected : as in `extract`
    weights : where the model's weights are at this site (``imagenet``, ``file:PATH``, ``seeded:N``); None looks where the model says

    Raises
    ------
    CohortError
        when the table cannot be used, or no case could be prepared
    ModelError
        for a model without images
    WeightsError
        when the weights are not those the model was made with
    """
    if model.imaging is None:
        raise ModelError(f"Model {model.name} rests on clinical values alone: there are no features to extract for it")
    values = dict(model.protocol)
    if weights:
        values["deep"] = {**values.get("deep", {}), "weights": weights}
    return _extract(cohort, Protocol.from_dict(values, f"of model {model.name}"), out, jobs, progress, rejected, model)


def _extract(
    cohort: Path,
    protocol: Protocol,
    out: Path,
    jobs: int,
    progress: Progress,
    rejected: Mapping[str, str],
    model: FrozenModel | None,
) -> Extraction:
    """Features with the habitats of the training cases, or of `model`, whose protocol it then is."""
    from .features.table import write_feature_table

    check_habitats(protocol.habitats, protocol.sequences)
    table = read_cohort(cohort)
    require_images(table, protocol.sequences, cohort.name)
    check_rejected(table, rejected)
    wanted = [str(case) for case in table.index if case not in rejected]
    if model is None and "training" not in set(table.loc[wanted, "split"]):
        raise CohortError(f"{cohort.name}: no training case is left; give column split the word training in the rows to learn from")
    progress(0.0, "Loading the network")
    sha256 = extractor(protocol.deep).weights_sha256
    if model is not None:
        check_weights(model, protocol, sha256)
    failures = {case: reason or "rejected" for case, reason in rejected.items()}
    tasks = [(case, dict(table.loc[case]), cohort.parent, protocol, out / PREPARED) for case in wanted]
    stored, failed = collect_cases(prepare_case, tasks, jobs, part(progress, 0.0, 0.4), "Registered and resampled")
    failures |= failed
    if model is not None:
        failures |= other_b_values(stored, model.imaging)
        stored = {case: found for case, found in stored.items() if case not in failures}
    training = [case for case in stored if model is None and table.at[case, "split"] == "training"]
    failures |= _texture(stored, training, protocol, jobs, part(progress, 0.4, 0.5))
    stored = {case: found for case, found in stored.items() if case not in failures}
    training = [case for case in training if case in stored]
    described = training if model is None else list(stored)
    if not described:
        who = "training case" if model is None else "case"
        raise CohortError(f"{cohort.name}: no {who} could be prepared; {next(iter(failures.values()), 'the table has none')}")
    centroids = _habitats(protocol, [stored[case].path for case in training], model)
    keys = {case: feature_key(found.path, protocol, centroids, sha256) for case, found in stored.items()}
    features, failed = _features(stored, keys, protocol, centroids, out / "cases", jobs, part(progress, 0.5, 0.99))
    failures |= failed
    write_feature_table(features, out / "features.parquet", keys)
    extraction = Extraction(
        features=features,
        protocol=protocol,
        centroids=centroids,
        weights_sha256=sha256,
        b_values=median_b_values([stored[case].b_values for case in described]),
        failures={case: failures[case] for case in table.index if case in failures},
        phantom=any(found.phantom for found in stored.values()),
        training=tuple(training),
        prepared={case: found.path for case, found in stored.items()},
        image_hashes={case: found.hashes for case, found in stored.items()},
        model=f"{model.name} {model.version}" if model is not None else "",
    )
    _write_extraction(extraction, out)
    progress(1.0, "Features written")
    return extraction


def prepared_paths(extraction: Extraction) -> dict[str, Path]:
    """File of the prepared volumes (`prepared_store.load_volumes`) of every case that has features.

    Raises
    ------
    CohortError
        when some are not there any more
    """
    paths = {str(case): extraction.prepared.get(str(case)) for case in extraction.features.index}
    found = {case: path for case, path in paths.items() if path is not None and path.is_file()}
    missing = [case for case in paths if case not in found]
    if missing:
        raise CohortError(f"The prepared volumes of {len(missing)} cases are not there (first {missing[0]}); run habitatpni extract again")
    return found


def check_training_cases(extraction: Extraction, cohort: pd.DataFrame) -> None:
    """Refuse a cohort table in which a case that shaped the habitats is no training case any more, so that it would be tested on.

    Parameters
    ----------
    cohort : table of `read_cohort`, or a part of it

    Raises
    ------
    CohortError
        naming the first case; or when the habitats are a frozen model's, so that nothing can be trained on them
    """
    if extraction.model:
        raise CohortError(
            f"The features were extracted with the habitats of model {extraction.model} and serve that model alone; run habitatpni extract "
            "without --model to train another"
        )
    now = set(cohort.index[cohort["split"] == "training"])
    moved = sorted((set(extraction.training) & set(extraction.features.index)) - now)
    if moved:
        raise CohortError(
            f"{len(moved)} cases that shaped the habitats are no longer training cases (first {moved[0]}); run habitatpni extract again"
        )


def learn_by(extraction: Extraction, protocol: Protocol) -> Extraction:
    """The same features, to be learned from as another protocol says: its selection, clinical candidates and combined model.

    Raises
    ------
    CohortError
        when the protocol would have made other features, naming the sections that differ
    """
    learning = {"name", "title", "study", "selection", "clinical", "combined"}
    asked, made = protocol.to_dict(), extraction.protocol.to_dict()
    other = [section for section in asked if section not in learning and asked[section] != made[section]]
    if other:
        raise CohortError(
            f"The features were extracted by other settings than those of protocol {protocol.name} ({', '.join(other)}): extract them "
            f"again, or leave the protocol to the extraction"
        )
    return replace(extraction, protocol=protocol)


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
        centroids = HabitatCentroids.from_dict(frozen) if frozen is not None else None
        failed = pd.read_csv(out / "failures.csv", dtype=str, keep_default_na=False)
        features = read_feature_table(out / "features.parquet")
        return Extraction(
            features=features,
            protocol=protocol,
            centroids=centroids,
            weights_sha256=values["weights_sha256"],
            b_values=values["b_values"],
            failures=dict(zip(failed["case_id"], failed["reason"], strict=True)),
            phantom=values["phantom"],
            training=tuple(values["training"]),
            prepared={case: out / PREPARED / name for case, name in values["prepared"].items()},
            image_hashes=values["image_hashes"],
            model=values.get("model", ""),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CohortError(
            f"{out} does not hold the features of a cohort ({error.__class__.__name__}); run habitatpni extract first"
        ) from error


def _features(
    stored: Mapping[str, StoredCase],
    keys: Mapping[str, str],
    protocol: Protocol,
    centroids: HabitatCentroids | None,
    folder: Path,
    jobs: int,
    progress: Progress,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """FeatureTable of the prepared cases, and the reasons of those that failed; only what `folder` lacks is computed."""
    import pandas as pd

    columns = feature_columns(protocol)
    files = {case: folder / f"{key}.npy" for case, key in keys.items()}
    rows = {case: read_features(file, len(columns)) for case, file in files.items()}
    new = [case for case, row in rows.items() if row is None]
    tasks = [(case, stored[case].path, protocol, centroids, files[case]) for case in new]
    _, failures = collect_cases(store_features, tasks, jobs, progress, "Deep features of")
    rows |= {case: read_features(files[case], len(columns)) for case in new}
    found = {case: row for case, row in rows.items() if row is not None}
    if not found:
        raise CohortError(f"No case gave features: {next(iter(failures.values()), 'the cohort is empty')}")
    index = pd.Index(list(found), name="case_id")
    return pd.DataFrame(np.stack(list(found.values())), index=index, columns=columns), failures


def _texture(
    stored: Mapping[str, StoredCase], training: Sequence[str], protocol: Protocol, jobs: int, progress: Progress
) -> dict[str, str]:
    """Texture vectors of the training cases, kept beside their volumes before habitats are learned; reasons of those that failed."""
    if protocol.habitats.texture is None:
        return {}
    if not all(voxels_file(found.path, protocol).is_file() for found in stored.values()):
        load_texture(protocol, part(progress, 0.0, 0.1))
    learned_from = training if protocol.habitats.of_cohort else ()
    tasks = [(case, stored[case].path, protocol) for case in learned_from]
    return collect_cases(keep_voxels, tasks, jobs, part(progress, 0.1, 1.0), "Texture of")[1]


def _habitats(protocol: Protocol, training: list[Path], model: FrozenModel | None) -> HabitatCentroids | None:
    if model is not None:
        return model.imaging.habitats if model.imaging else None
    return learn_habitats(training, protocol) if protocol.habitats.of_cohort else None


def _write_extraction(extraction: Extraction, out: Path) -> None:
    import pandas as pd

    values = {
        "protocol": extraction.protocol.to_dict(),
        "centroids": extraction.centroids.to_dict() if extraction.centroids else None,
        "weights_sha256": extraction.weights_sha256,
        "b_values": dict(extraction.b_values),
        "phantom": extraction.phantom,
        "training": list(extraction.training),
        "prepared": {case: path.name for case, path in extraction.prepared.items()},
        "image_hashes": {case: dict(hashes) for case, hashes in extraction.image_hashes.items()},
        "model": extraction.model,
        "version": __version__,
    }
    write_text(out / "extraction.json", json.dumps(values, indent=1) + "\n")
    failed = pd.DataFrame({"case_id": list(extraction.failures), "reason": list(extraction.failures.values())})
    write_text(out / "failures.csv", failed.to_csv(index=False, lineterminator="\n"))
