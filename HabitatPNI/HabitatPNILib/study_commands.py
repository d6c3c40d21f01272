"""What the commands round a study do: quality sheet, second reader, local recalibration."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from . import RESEARCH_USE_ONLY
from .csv_rows import listed
from .errors import CohortError, ModelError
from .frozen_model import load_model
from .progress import part
from .storage import check_output_folder
from .terminal import show_progress

if TYPE_CHECKING:
    from .protocol import Protocol
    from .training import Identity

PHANTOM_WEIGHTS = "seeded:101"
"""A phantom study downloads nothing."""


def study(options: argparse.Namespace) -> None:
    """Make a study of a cohort, or of a cohort of phantoms."""
    from .phantoms import write_phantom_cohort
    from .study.plan import StudyPlan
    from .study.run import REPORT, run_study

    check_output_folder(options.output)
    plan = StudyPlan(
        folds=options.folds,
        repeats=options.repeats,
        habitat_repeats=options.habitat_repeats,
        bootstrap=options.bootstrap,
        permutations=options.permutations,
        learning_sizes=options.learning_sizes,
        controls=not options.no_controls,
        seed=options.seed,
        jobs=options.jobs,
    )
    if options.phantom == (options.cohort is not None):
        raise CohortError("A study needs a cohort table, or --phantom for a cohort of digital phantoms, and not both")
    protocol = _study_protocol(options)
    identity, columns = model_identity(options, protocol, options.phantom), reproducible(options)
    with show_progress() as progress:
        cohort = options.cohort
        if options.phantom:
            sizes, seed = tuple(options.n), options.phantom_seed
            cohort = write_phantom_cohort(options.output / "cohort", sizes, seed, options.jobs, part(progress, 0.0, 0.1))
        decided = quality_decisions(options.quality, cohort)
        found = run_study(
            cohort,
            protocol,
            identity,
            options.output,
            plan,
            features=options.features,
            rejected=decided.rejected,
            undecided=decided.undecided,
            columns=columns,
            progress=part(progress, 0.1, 1.0) if options.phantom else progress,
        )
    for way, estimate in found.summary.estimates["combined"].items():
        print(f"  AUC {estimate.auc:.3f}  combined model, {way.replace('_', ' ')}")
    for split, estimate in found.summary.truth.items():
        print(f"  AUC {estimate.auc:.3f}  the phantom's true probability, {split}")
    print(undecided_line(found.summary.data.undecided), end="")
    print(f"Report: {options.output / REPORT}")
    print(RESEARCH_USE_ONLY)


def template(options: argparse.Namespace) -> None:
    """Write an empty cohort table and the dictionary of its columns."""
    from .protocol import Protocol
    from .study.dictionary import write_cohort_template

    check_output_folder(options.output)
    for path in write_cohort_template(options.output, Protocol.load(options.protocol)):
        print(path)


def quality(options: argparse.Namespace) -> None:
    """Write the registration quality sheet of a cohort."""
    from .protocol import Protocol
    from .quality import PAGE, SHEET, check_quality

    check_output_folder(options.output)
    with show_progress() as progress:
        protocol = Protocol.load(options.protocol)
        found = check_quality(options.cohort, protocol, options.output, options.jobs, progress, options.features)
    print(f"{found.new} cases looked at: {len(found.accepted)} accept, {len(found.review)} review, {len(found.rejected)} reject")
    print(f"Look at {options.output / PAGE}, decide in {options.output / SHEET}, and give that file to later steps (--quality)")


def reader2(options: argparse.Namespace) -> None:
    """Compare a second reader's outlines with the first reader's, through to features and radscores."""
    from .second_reader import EXCELLENT, FEW_CASES, GOOD, second_reading

    check_output_folder(options.output)
    model = load_model(options.model) if options.model else None
    with show_progress() as progress:
        found = second_reading(options.cohort, options.features, options.output, model, options.kind, options.jobs, progress)
    print(f"{len(found.outlines)} cases read twice, median Dice {found.outlines['dice'].astype(float).median():.3f}")
    icc = found.features["icc"]
    shares = ", ".join(f"{(icc >= limit).mean():.0%} at least {limit:g}" for limit in (GOOD, EXCELLENT))
    print(f"ICC({found.kind}) of {len(icc)} features: {shares}")
    if found.radscores is not None:
        for name, row in found.radscores.iterrows():
            print(f"  {name}: ICC {row['icc']:.3f} ({row['low']:.3f} to {row['high']:.3f}), {int(row['cases'])} cases")
    if len(found.outlines) < FEW_CASES:
        print(f"Fewer than {FEW_CASES} cases: the intervals are wide (Koo and Li, J Chiropr Med 2016;15:155, ask for {FEW_CASES} or more)")
    if found.failures:
        print(f"{len(found.failures)} cases failed; the reasons are in {options.output / 'failures.csv'}")
    print(f"Tables: {options.output}")


def recalibrate(options: argparse.Namespace) -> None:
    """Recalibrate a frozen model to a site's own patients."""
    from .evaluation.updating import choose_update
    from .recalibration import recalibrate as write_recalibrated
    from .recalibration import recalibration_section, site_cases

    model = load_model(options.model)
    name = f"{model.name}-recalibrated" if options.name is None else options.name
    check_called(name, options.model_version)
    check_output_folder(options.output)
    with show_progress() as progress:
        cases = site_cases(model, options.table, options.features, progress)
    update = choose_update(cases["outcome"], cases["log_odds"], options.method)
    print(recalibration_section(model, update))
    if update.chosen.name == "original":
        print(f"{model.name} {model.version} fits these patients as it is: nothing is written")
        return
    new = write_recalibrated(model, update, options.output, name=name, version=options.model_version, site=options.site)
    print(f"{new.name} {new.version}: {options.output}")
    print(RESEARCH_USE_ONLY)


class Decided(NamedTuple):
    """Reason by case of those that a quality sheet rejects, and the cases on which nobody has decided."""

    rejected: dict[str, str]
    undecided: tuple[str, ...]


def quality_decisions(sheet: Path | None, cohort: Path) -> Decided:
    """What a quality sheet (``--quality``) says of the cases of a cohort; without a sheet nothing is rejected or undecided."""
    from .cohort_table import read_cohort
    from .quality import read_decisions, read_undecided

    if sheet is None:
        return Decided({}, ())
    cases = [str(case) for case in read_cohort(cohort).index]
    return Decided(dict(read_decisions(sheet, cases)), read_undecided(sheet, cases))


def undecided_line(cases: Sequence[str]) -> str:
    """A line that says how many cases count as accepted though nobody has decided; empty where there is none."""
    if not cases:
        return ""
    return f"Undecided in the quality sheet and used as if accepted: {len(cases)} cases ({listed(cases)})\n"


def reproducible(options: argparse.Namespace) -> list[str] | None:
    """Columns that two readers agree on (``--icc``); None without that option."""
    from .second_reader import reproducible_columns

    return reproducible_columns(options.icc, options.icc_min) if options.icc else None


def chosen_protocol(name: str, backbone: str | None = None, weights: str | None = None) -> Protocol:
    """A protocol, with the network or weights of the command line in place of its own."""
    from .protocol import Protocol

    protocol = Protocol.load(name)
    if not backbone and not weights:
        return protocol
    values = protocol.to_dict()
    values["deep"] |= {key: value for key, value in (("backbone", backbone), ("weights", weights)) if value}
    return Protocol.from_dict(values, "with the network given")


def _study_protocol(options: argparse.Namespace) -> Protocol:
    """The study's protocol: the one asked for, else that of the features that are given."""
    from .cohort import load_extraction

    if options.features and not options.protocol:
        if options.backbone or options.weights:
            raise CohortError("The features that are given have their network: leave it out, or say which protocol it is of (--protocol)")
        return load_extraction(options.features).protocol
    weights = options.weights or (PHANTOM_WEIGHTS if options.phantom else None)
    return chosen_protocol(options.protocol or "pca-pni", options.backbone, weights)


def check_called(name: str, version: str) -> None:
    """Refuse a new model's name or version that no folder could bear."""
    for option, value in (("--name", name), ("--model-version", version)):
        if not re.fullmatch(r"[\w.+-]{1,80}", value):
            raise ModelError(f"A model cannot be called {value[:80]!r}: give {option} letters, digits and . + - _ alone, 80 at most")


def model_identity(options: argparse.Namespace, protocol: Protocol, phantom: bool) -> Identity:
    """What a person says of a new model on the command line; a model of phantoms says so first."""
    from .training import Identity

    check_called(options.name, options.model_version)
    notice = "Trained on a local cohort: it fits patients like those, examined and outlined in the same way."
    if phantom:
        notice = (
            f"Demonstration model, trained on digital phantoms with {protocol.deep.weights} weights of "
            f"{protocol.deep.backbone}: it has never seen a patient."
        )
    return Identity(
        name=options.name,
        version=options.model_version,
        title=options.title or protocol.title,
        notice=notice,
        demonstration=phantom,
        cohort={
            "patients": options.patients,
            "laterality": options.laterality,
            "outcome": "perineural invasion, as the cohort table states it",
        },
    )
