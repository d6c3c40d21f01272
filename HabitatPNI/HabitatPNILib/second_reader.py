"""A second reader's outlines, taken through to every feature, radscore and probability: how far do they depend on who drew?"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .cohort import Extraction, load_extraction
from .cohort_run import collect_cases
from .cohort_steps import features_of, prepare_case, prepared_key
from .cohort_table import is_given, read_cohort
from .csv_rows import number_of, read_rows, refuse
from .errors import CohortError
from .features.table import parse_column
from .frozen_model import FrozenModel
from .geometry import voxel_positions
from .learning.reproducibility import Kind, icc_of_features
from .prepared_store import load_volumes
from .progress import Progress, no_progress, part
from .protocol import Protocol
from .storage import write_text
from .table_prediction import LOG_ODDS, check_same_features, model_log_odds, model_radscores

if TYPE_CHECKING:
    import pandas as pd

FEATURES, RADSCORES, SUMMARY, OUTLINES, FAILURES = (
    "icc_features.csv",
    "icc_radscores.csv",
    "icc_summary.csv",
    "outlines.csv",
    "failures.csv",
)
GOOD, EXCELLENT = 0.75, 0.8
GOOD_SHARE, EXCELLENT_SHARE = f"share_{GOOD:g}", f"share_{EXCELLENT:g}"
FEW_CASES = 30
_IN_TRAINING = "icc_training"


@dataclass(frozen=True)
class SecondReading:
    """Agreement of two readers' outlines and of what follows from them.

    Parameters
    ----------
    outlines : by case: ``split``, ``dice`` of the outlines on the analysis grid, ``first_ml``, ``second_ml``
    features : by feature: ``region``, ``sequence``, ``extractor``, ``cases``, ``icc``, ``low``, ``high`` over all cases read twice, and
        ``icc_training``, ``cases_training`` over those of the training split alone, for the choice of features
    radscores : by ``radscore_<region>``, ``log_odds`` and ``probability``: ``cases``, ``icc``, ``low``, ``high``, ``mean_difference``
        (second minus first) and ``largest_difference``; None without a model
    summary : by region and sequence: features, and the shares with an ICC of at least .75 and .8
    kind : of the ICC
    failures : reason by case
    """

    outlines: pd.DataFrame
    features: pd.DataFrame
    radscores: pd.DataFrame | None
    summary: pd.DataFrame
    kind: Kind
    failures: Mapping[str, str]


def second_reading(
    cohort: Path,
    features: Path,
    out: Path,
    model: FrozenModel | None = None,
    kind: Kind = "2,1",
    jobs: int = 1,
    progress: Progress = no_progress,
) -> SecondReading:
    """Extract the cases read twice with the second outline, and compare with the first.

    Images, registration protocol, network and habitat centroids are those of the first extraction: the outline alone differs. A region
    that one of the outlines does not have is left out of its features' correlation for that case, and enters the probability at the
    training mean.

    Parameters
    ----------
    cohort : table with ``roi_2`` (and ``roi_2_segment``, ``roi_2_on``) where a second reader drew
    features : folder that `cohort.extract` wrote for the first outlines
    out : folder for the tables
    model : frozen model on these features, for radscores and probability

    Raises
    ------
    CohortError
        when fewer than 2 cases can be compared, or the cohort or features cannot be used
    ModelError
        when the features are not the model's
    """
    extraction = load_extraction(features)
    if model is not None:
        check_same_features(model, extraction)
    table = read_cohort(cohort)
    twice = [str(c) for c in table.index if is_given(table.loc[c].get("roi_2")) and c in extraction.features.index]
    if len(twice) < 2:
        raise CohortError(
            f"{cohort.name}: column roi_2: {len(twice)} cases with features have a second reader's outline; at least 2 are needed "
            f"({FEW_CASES} or more to say much)"
        )
    if model is not None:  # a clinical value that the model cannot take is found before the long part
        _radscores_of(model, table.loc[twice], extraction.features.loc[twice])
    protocol = extraction.protocol
    tasks = []
    for case in twice:
        row = {str(name): value for name, value in table.loc[case].items()}
        if _same_outline(row):
            raise CohortError(f"{cohort.name}: column roi_2: the outline of column roi is given again for case {case}")
        tasks.append((case, row, cohort.parent, protocol, extraction.prepared.get(case), out / "prepared"))
    outlines, failures = collect_cases(_prepare_both, tasks, jobs, part(progress, 0.0, 0.6), "Second outlines of")
    again, failed = collect_cases(
        features_of,
        [(case, Path(found["path"]), protocol, extraction.centroids) for case, found in outlines.items()],
        jobs,
        part(progress, 0.6, 0.95),
        "Deep features of",
    )
    failures = {**failures, **failed}
    if len(again) < 2:
        raise CohortError(f"Fewer than 2 cases could be compared; {next(iter(failures.values()), 'see failures.csv')}")
    result = compare(extraction, table, again, outlines, failures, model, kind)
    _write(result, out)
    progress(1.0, "Second reading written")
    return result


def compare(
    extraction: Extraction,
    table: pd.DataFrame,
    again: Mapping[str, Mapping[str, float]],
    outlines: Mapping[str, Mapping[str, Any]],
    failures: Mapping[str, str],
    model: FrozenModel | None,
    kind: Kind,
) -> SecondReading:
    """`SecondReading` of features by case that were extracted with the second outlines."""
    import pandas as pd

    cases = list(again)
    columns = list(extraction.features.columns)
    two = [extraction.features.loc[cases], pd.DataFrame([again[case] for case in cases], index=cases)[columns]]
    training = table.loc[cases, "split"].to_numpy() == "training"
    described = pd.DataFrame([parse_column(name)[:3] for name in columns], index=columns, columns=["region", "sequence", "extractor"])
    described.index.name = "feature"
    values = np.stack([frame.to_numpy(dtype=float) for frame in two])
    found = described.assign(**_correlations(values, columns, kind))
    of_training = _correlations(values[:, training], columns, kind)
    found = found.assign(**{_IN_TRAINING: of_training["icc"], "cases_training": of_training["cases"]})
    agreement = pd.DataFrame(
        {case: {"split": table.at[case, "split"], **{k: v for k, v in outlines[case].items() if k != "path"}} for case in cases}
    ).T
    agreement.index.name = "case_id"
    radscores = _radscores(model, table.loc[cases], two, kind) if model is not None else None
    return SecondReading(agreement, found, radscores, _summary(found), kind, dict(failures))


def reproducible_columns(path: Path, at_least: float) -> list[str]:
    """Features whose ICC in the training cases reaches a limit, in the order of ``icc_features.csv``.

    The correlation of the training cases alone is used, since a choice of features that looks at other patients belongs into the
    training split.

    Parameters
    ----------
    path : ``icc_features.csv`` or its folder
    at_least : smallest ICC, above 0 and up to 1

    Raises
    ------
    CohortError
        when the table cannot be used, too few training cases were read twice, or no feature reaches the limit
    """
    if not 0 < at_least <= 1:
        raise CohortError(f"Smallest ICC {at_least:g} is not above 0 and up to 1 (--icc-min)")
    path = path / FEATURES if path.is_dir() else path
    rows = read_rows(path, ("feature", _IN_TRAINING, "cases_training"), "write one with habitatpni reader2")
    names = [cells["feature"] for _, cells in rows]
    if len(set(names)) < len(names):
        refuse(path, "feature", (number for number, cells in rows if names.count(cells["feature"]) > 1), "repeats a name")
    limits = {cells["feature"]: number_of(cells[_IN_TRAINING]) for _, cells in rows}
    refuse(path, _IN_TRAINING, (n for n, cells in rows if limits[cells["feature"]] > 1), "is above 1, which no ICC can be")
    if all(np.isnan(value) for value in limits.values()):
        raise CohortError(f"{path.name}: fewer than 2 training cases were read twice: no features can be chosen by it")
    kept = [name for name, value in limits.items() if value >= at_least]
    if not kept:
        raise CohortError(f"{path.name}: no feature has an ICC of at least {at_least:g} in the training cases; lower --icc-min")
    return kept


def restrict_features(extraction: Extraction, columns: Collection[str]) -> Extraction:
    """The extraction with these features alone, for training.

    Raises
    ------
    CohortError
        when the extraction lacks one, or a region is left without features
    """
    wanted = set(columns)
    unknown = wanted - set(extraction.features.columns)
    if unknown:
        raise CohortError(f"The features lack {min(unknown)}, which the ICC table names: it belongs to another extraction")
    kept = [name for name in extraction.features.columns if name in wanted]
    empty = [region for region in extraction.protocol.regions if not any(parse_column(name).region == region for name in kept)]
    if empty:
        raise CohortError(f"No feature of {', '.join(empty)} is reproducible enough; lower --icc-min")
    return replace(extraction, features=extraction.features[kept])


def dice(first: sitk.Image, second: sitk.Image) -> float:
    """Overlap of two masks on windows of one grid: twice the shared voxels by the sum of both (Dice 1945), 0 to 1."""

    def voxels(mask: sitk.Image) -> set[tuple[int, ...]]:
        direction = np.array(first.GetDirection()).reshape(3, 3)
        index = (voxel_positions(mask) - np.array(first.GetOrigin())) @ direction / np.array(first.GetSpacing())
        return set(map(tuple, np.rint(index).astype(int).tolist()))

    a, b = voxels(first), voxels(second)
    return 2 * len(a & b) / (len(a) + len(b))


def _second_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """The case's row with the second reader's outline in the place of the first."""
    return {**row, "roi": row["roi_2"], "roi_segment": row.get("roi_2_segment"), "roi_on": row.get("roi_2_on")}


def _same_outline(row: Mapping[str, Any]) -> bool:
    def outline(name: str) -> tuple[str, str]:
        segment = row.get(f"{name}_segment")
        return str(row[name]), str(segment) if is_given(segment) else ""

    return outline("roi") == outline("roi_2")


def _prepare_both(
    case_id: str, row: Mapping[str, Any], folder: Path, protocol: Protocol, first: Path | None, store: Path
) -> dict[str, Any]:
    """Prepare a case with the second outline, and say how it agrees with the first, which the extraction prepared."""
    if first is None or first.stem != prepared_key(row, folder, protocol) or not first.is_file():
        raise CohortError(f"Case {case_id}: its files are not those that its features were made of; run habitatpni extract again")
    second = prepare_case(case_id, _second_row(row), folder, protocol, store).path
    masks = [load_volumes(path).roi for path in (first, second)]
    sizes = [float(sitk.GetArrayViewFromImage(m).sum() * np.prod(m.GetSpacing()) / 1000) for m in masks]
    return {"path": str(second), "dice": dice(*masks), "first_ml": sizes[0], "second_ml": sizes[1]}


def _correlations(values: np.ndarray, names: list[str], kind: Kind) -> dict[str, np.ndarray]:
    """ICC of every feature of (readers, cases, features), over the cases in which both readers have it; NaN below two of them."""
    present = np.isfinite(values).all(axis=0)
    results = {key: np.full(len(names), np.nan) for key in ("icc", "low", "high")}
    patterns, group = np.unique(present, axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        members = np.flatnonzero(group.ravel() == number)
        if pattern.sum() < 2:
            continue
        found = icc_of_features(values[:, pattern][:, :, members], kind, [names[i] for i in members])
        for key in results:
            results[key][members] = getattr(found, key)
    return {"cases": present.sum(axis=0), **results}


def _radscores(model: FrozenModel, table: pd.DataFrame, two: list[pd.DataFrame], kind: Kind) -> pd.DataFrame:
    import pandas as pd

    readings = [_radscores_of(model, table, features) for features in two]
    values = np.stack([reading.to_numpy(dtype=float) for reading in readings])
    names = [str(name) for name in readings[0].columns]
    shift = values[1] - values[0]
    result = pd.DataFrame(_correlations(values, names, kind), index=pd.Index(names, name="score"))
    differences = pd.DataFrame(shift, columns=names)
    return result.assign(mean_difference=differences.mean(), largest_difference=differences.abs().max())


def _radscores_of(model: FrozenModel, table: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """Radscores, log odds and probability of every case by the model."""
    scores = model_radscores(model, features)
    log_odds = model_log_odds(model, table, scores)
    named = scores.rename(columns=lambda region: f"radscore_{region}")
    return named.assign(**{LOG_ODDS: log_odds, "probability": 1 / (1 + np.exp(-log_odds))})


def _summary(features: pd.DataFrame) -> pd.DataFrame:
    """Shares by region and sequence, and of all; a feature without a correlation counts as not reproducible."""
    import pandas as pd

    groups = [((region, sequence), rows) for (region, sequence), rows in features.groupby(["region", "sequence"], sort=False)]
    groups.append((("all", "all"), features))
    return pd.DataFrame(
        [
            {
                "region": region,
                "sequence": sequence,
                "features": len(rows),
                "cases": int(rows["cases"].min()),
                "median_icc": rows["icc"].median(),
                GOOD_SHARE: float((rows["icc"] >= GOOD).mean()),
                EXCELLENT_SHARE: float((rows["icc"] >= EXCELLENT).mean()),
            }
            for (region, sequence), rows in groups
        ]
    ).set_index(["region", "sequence"])


def _write(result: SecondReading, out: Path) -> None:
    import pandas as pd

    tables = {
        FEATURES: result.features.assign(kind=f"ICC({result.kind})"),
        SUMMARY: result.summary.assign(kind=f"ICC({result.kind})"),
        OUTLINES: result.outlines,
        FAILURES: pd.DataFrame({"reason": result.failures}).rename_axis("case_id"),
    }
    if result.radscores is not None:
        tables[RADSCORES] = result.radscores.assign(kind=f"ICC({result.kind})")
    else:
        (out / RADSCORES).unlink(missing_ok=True)
    for name, table in tables.items():
        write_text(out / name, table.to_csv(lineterminator="\n"))
