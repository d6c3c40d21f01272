"""A whole study: extraction, leakage check, frozen model, honest evaluation, negative controls, tables, figures, report."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import RESEARCH_USE_ONLY
from ..analysis import versions
from ..cohort import Extraction, extract, learn_by, load_extraction, read_cohort
from ..cohort_steps import check_same_files
from ..frozen_model import FrozenModel
from ..habitat_vectors import check_habitats
from ..progress import Progress, no_progress, part
from ..protocol import Protocol
from ..second_reader import restrict_features
from ..storage import check_output_folder, write_file, write_text
from ..training import Identity, Trained, train
from .controls import ControlResult, negative_controls
from .data import check_before_extraction, study_data
from .figures import StudyFigure, study_figures
from .habitats import cohort_k_curve, habitat_examples
from .honesty import check_patients, run_honesty
from .leakage import LeakageReport, check_leakage
from .plan import StudyPlan
from .report import study_report_html
from .report_checks import checks
from .summary import Summary, summarise
from .tables import study_tables
from .tables_form import StudyTable
from .tripod import tripod_table

if TYPE_CHECKING:
    import pandas as pd

REPORT, FIGURES, TABLES, MODEL = "report.html", "figures", "tables", "model"


@dataclass(frozen=True)
class Study:
    """What a study found; everything is also in its folder.

    Parameters
    ----------
    model : the frozen combined model
    summary : patients, events and AUC by model and way of estimating it
    tables, figures : by name
    controls : negative controls; empty where the plan leaves them out
    leakage : of the search for patients and images in two splits
    """

    model: FrozenModel
    summary: Summary
    tables: Mapping[str, StudyTable]
    figures: Mapping[str, StudyFigure]
    controls: tuple[ControlResult, ...]
    leakage: LeakageReport


def run_study(
    cohort: Path,
    protocol: Protocol,
    identity: Identity,
    out: Path,
    plan: StudyPlan,
    *,
    features: Path | None = None,
    rejected: Mapping[str, str] | None = None,
    undecided: Collection[str] = (),
    columns: Collection[str] | None = None,
    progress: Progress = no_progress,
) -> Study:
    """Make a study of a cohort table; a study that was stopped goes on where it was.

    Parameters
    ----------
    cohort : the table, see `read_cohort`
    protocol : of the study; with `features` it may differ from the extraction's in what is learned from them, see `learn_by`
    identity : of the frozen model
    out : folder of ``report.html``, ``model``, ``tables``, ``figures``, ``study.json``, and of what a second run need not make again
    plan : how much is resampled
    features : folder of an extraction that is there already; None extracts into ``out/features``
    rejected : reason by case that the quality sheet rejects
    undecided : cases on which the quality sheet holds no decision; they are used, and the report says so
    columns : feature columns that may be used (reproducible between readers); None is all

    Raises
    ------
    CohortError
        for a cohort that cannot be studied: see `extract`, `learn_by`, `check_leakage`, `study_data`, `train` and `run_honesty`
    ProtocolError
        when the habitats cannot be made as the protocol says
    """
    check_output_folder(out)
    check_habitats(protocol.habitats, protocol.sequences)
    rejected = dict(rejected or {})
    table = read_cohort(cohort)
    kept = check_before_extraction(table, protocol, rejected)
    check_patients(kept.loc[kept["split"] == "training", "outcome"].to_numpy(), plan)
    extraction = _extraction(cohort, table, protocol, out, plan, features, rejected, part(progress, 0.0, 0.35))
    leakage = check_leakage(kept, extraction.image_hashes)
    if columns is not None:
        extraction = restrict_features(extraction, columns)
    data = study_data(table, extraction, rejected, undecided)
    trained = train(extraction, data.cohort, identity, out / MODEL, part(progress, 0.35, 0.4))
    honesty = run_honesty(data, plan, out / "fits", part(progress, 0.4, 0.75))
    controls: tuple[ControlResult, ...] = ()
    if plan.controls:
        controls = negative_controls(data, plan, cohort.parent, out / "controls", part(progress, 0.75, 0.9))
    summary = summarise(data, plan, trained.pipeline, honesty)
    tables = dict(study_tables(data, trained.pipeline, honesty, whole=table))
    tables["tripod"] = tripod_table(summary)
    curve = cohort_k_curve(data, part(progress, 0.9, 0.92))
    steps = part(progress, 0.92, 0.98)
    drawn = study_figures(data, trained.pipeline, honesty, model=trained.model, habitat_curve=curve, outcome="PNI", progress=steps)
    figures = {"habitats": habitat_examples(data), **drawn}
    study = Study(trained.model, summary, tables, figures, controls, leakage)
    progress(0.98, "Writing the report")
    _write(study, trained, out)
    progress(1.0, "Study written")
    return study


def _extraction(
    cohort: Path,
    table: pd.DataFrame,
    protocol: Protocol,
    out: Path,
    plan: StudyPlan,
    features: Path | None,
    rejected: Mapping[str, str],
    progress: Progress,
) -> Extraction:
    if features is not None:
        found = load_extraction(features)
        check_same_files(table, cohort.parent, found.prepared, found.protocol, progress)
        return learn_by(found, protocol)
    return extract(cohort, protocol, out / "features", plan.jobs, progress, rejected)


def _write(study: Study, trained: Trained, out: Path) -> None:
    """Every file whole or not at all; the report last, so that it never speaks of what is not there."""
    for folder in (TABLES, FIGURES):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for name, table in study.tables.items():
        write_text(out / TABLES / f"{name}.csv", table.csv)
    for name, figure in study.figures.items():
        for ending, content in (("svg", figure.svg), ("png", figure.png)):
            _write_bytes(out / FIGURES / f"{name}.{ending}", content)
    scores = trained.probabilities.join(study.summary.data.cohort[["split", "outcome"]])
    write_text(out / TABLES / "probabilities.csv", scores.to_csv(lineterminator="\n"))
    write_text(out / "study.json", json.dumps(_figures_of(study), indent=1, sort_keys=True) + "\n")
    tables = {name: table for name, table in study.tables.items() if name != "tripod"}
    page = study_report_html(
        study.summary, tables, study.figures, tripod=study.tables["tripod"], controls=study.controls, leakage=study.leakage
    )
    write_text(out / REPORT, page)


def _write_bytes(path: Path, content: bytes) -> None:
    write_file(path, lambda temporary: temporary.write_bytes(content))


def _figures_of(study: Study) -> dict[str, Any]:
    """The study's central figures for a program to read; what is not known is null."""
    summary = study.summary
    return {
        "research_use_only": RESEARCH_USE_ONLY,
        "phantom": summary.data.extraction.phantom,
        "model": {"name": study.model.name, "version": study.model.version},
        "plan": asdict(summary.plan),
        "patients": dict(summary.patients),
        "events": dict(summary.events),
        "undecided": len(summary.data.undecided),
        "auc": {model: {way: _plain(vars(e)) for way, e in ways.items()} for model, ways in summary.estimates.items()},
        "true_probability_auc": {split: _plain(vars(e)) for split, e in summary.truth.items()},
        "checks": {check.name: check.verdict.name.lower() for check in checks(summary, study.controls, study.leakage)},
        "versions": versions(),
    }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else round(value, 6) for name, value in values.items()}
