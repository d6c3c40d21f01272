"""The checks of a study, each with a verdict in words and the figures behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..evaluation.sample_size import events_per_parameter
from ..report.study_content import Check, Verdict
from .leaks import BAND
from .summary import Summary
from .tables_form import Column, StudyTable, study_table

if TYPE_CHECKING:
    from ..evaluation.resampling import PermutationTest
    from .controls import ControlResult
    from .honesty import Honesty
    from .leakage import LeakageReport
    from .leaks import LeakCheck, ShuffledLabels

_CHANCE = 0.05
_LEAST_SELECTED = 0.5


def checks(summary: Summary, controls: Sequence[ControlResult], leakage: LeakageReport | None) -> tuple[Check, ...]:
    """Every check of the study, those that were not done among them.

    Parameters
    ----------
    controls : negative controls; none where they were not made
    leakage : of the search for patients in two splits; None where it was not made
    """
    honesty = summary.honesty
    if honesty is None:
        text = "Nothing was resampled in this study, so this was not checked."
        names = ("Planted leak", "Shuffled labels", "True labels against shuffled ones", "Columns that give the outcome away")
        resampled = [Check(name, Verdict.NOT_DONE, text) for name in names]
    else:
        resampled = [_planted(honesty.leak), _shuffled(honesty), _permutation(honesty.permutation), _suspects(honesty.leak)]
    found = [*resampled, *_controls(controls, summary), _splits(leakage), _sample_size(summary)]
    return (*found, _reference(summary)) if not summary.data.extraction.phantom else tuple(found)


def standing(found: Sequence[Check]) -> str:
    """One sentence on how the checks came out."""
    by = {verdict: [c.name for c in found if c.verdict is verdict] for verdict in Verdict}
    done = len(found) - len(by[Verdict.NOT_DONE])
    parts = []
    if by[Verdict.FAILED]:
        parts.append(f"{_some(by[Verdict.FAILED])} failed: the figures above cannot be trusted until the cause is found")
    if by[Verdict.ATTENTION]:
        parts.append(f"{_some(by[Verdict.ATTENTION])} {'need' if len(by[Verdict.ATTENTION]) > 1 else 'needs'} attention")
    if by[Verdict.NOT_DONE]:
        parts.append(f"not done: {_some(by[Verdict.NOT_DONE])}")
    passed = len(by[Verdict.PASSED])
    some = f"{passed} {'was' if passed == 1 else 'were'}" if passed else "none was"
    head = f"All {done} checks were passed" if passed == done == len(found) else f"Of {len(found)} checks {some} passed"
    return "; ".join([head, *parts]) + "."


def _planted(leak: LeakCheck) -> Check:
    text = (
        f"Features screened with everybody's labels before the cross-validation, labels shuffled {len(leak.planted.aucs)} times: "
        f"{_mean_auc(leak.planted)}. This error was made on purpose, and the check has to see it."
    )
    if leak.planted.flagged:
        return Check("Planted leak", Verdict.PASSED, f"Flagged, as it must be. {text}")
    return Check("Planted leak", Verdict.FAILED, f"Not flagged: in this cohort the check cannot tell a leak from chance. {text}")


def _suspects(leak: LeakCheck) -> Check:
    if leak.suspects.empty:
        return Check("Columns that give the outcome away", Verdict.PASSED, "No single feature or clinical value separates the outcome.")
    names = ", ".join(f"{name} (AUC {area:.3f})" for name, area in leak.suspects.head(5).items())
    return Check(
        "Columns that give the outcome away",
        Verdict.FAILED,
        f"{len(leak.suspects)} column(s) separate the outcome alone: {names}. Was such a column made from the outcome?",
    )


def _shuffled(honesty: Honesty) -> Check:
    """An empty model lies at 0.5 by itself: only shuffles in which features were selected count."""
    pipeline, selected = honesty.leak.pipeline, np.asarray(honesty.permuted_selected, dtype=float)
    share = float((selected > 0).mean())
    text = (
        f"The study's own pipeline on labels shuffled {len(pipeline.aucs)} times: {_mean_auc(pipeline)}, lowest "
        f"{pipeline.aucs.min():.3f}, highest "
        f"{pipeline.aucs.max():.3f}; 0.5 within {BAND:.2f} is expected. Features were selected in {100 * share:.0f} % of the shuffles and "
        f"in "
        f"{100 * selected.mean():.0f} % of their folds."
    )
    name = "Shuffled labels"
    if pipeline.flagged:
        return Check(name, Verdict.FAILED, f"Flagged: the pipeline finds something where there is nothing to find. {text}")
    if abs(pipeline.mean - 0.5) > BAND:
        return Check(name, Verdict.ATTENTION, f"Outside the band, though within what chance allows. {text}")
    if share < _LEAST_SELECTED:
        return Check(name, Verdict.ATTENTION, f"Too few shuffles selected any feature, so 0.5 says little. {text}")
    return Check(name, Verdict.PASSED, f"As expected. {text}")


def _permutation(test: PermutationTest) -> Check:
    text = f"AUC {test.observed:.3f} with the true labels; p = {test.p:.3f} over {len(test.permuted)} shuffles."
    name = "True labels against shuffled ones"
    if test.p < _CHANCE:
        return Check(name, Verdict.PASSED, f"The true labels do better than chance. {text}")
    least = 1 / (1 + len(test.permuted))
    if least >= _CHANCE:
        return Check(name, Verdict.ATTENTION, f"Too few shuffles to tell: p cannot fall below {least:.3f}. {text}")
    return Check(name, Verdict.ATTENTION, f"The true labels do not do better than chance. {text}")


def controls_table(controls: Sequence[ControlResult], summary: Summary) -> StudyTable | None:
    """AUC of every model of every negative control beside what was expected and the true images; None without controls."""
    if not controls:
        return None
    rows = [
        {
            "control": control.name.capitalize(),
            "model": model,
            "label": _label(summary, model),
            "n": control.n,
            "events": control.events,
            "auc": area,
            "standard_error": control.standard_error[model],
            "highest": control.highest[model],
            "true_auc": control.true_auc[model],
            "verdict": "above what was expected" if model in control.flagged else "as expected",
        }
        for control in controls
        for model, area in control.auc.items()
    ]
    columns = (
        *(Column("control", "Control"), Column("label", "Model"), Column("n", "n", "count"), Column("events", "Events", "count")),
        *(Column("auc", "AUC", "share"), Column("standard_error", "Standard error", "share")),
        *(Column("highest", "Highest expected", "share"), Column("true_auc", "True images", "share"), Column("verdict", "Verdict")),
    )
    note = "Radscores without clinical values, cross-validated once. " + " ".join(f"{c.name.capitalize()}: {c.sentence}" for c in controls)
    return study_table("negative_controls", "Negative controls", rows, columns, note)


def _controls(controls: Sequence[ControlResult], summary: Summary) -> list[Check]:
    if not controls:
        return [Check("Negative controls", Verdict.NOT_DONE, "No negative controls were made in this study.")]
    return [_control(control, summary) for control in controls]


def _control(control: ControlResult, summary: Summary) -> Check:
    name = f"Negative control ({control.name})"
    areas = ", ".join(
        f"{_label(summary, model)} {area:.3f} (at most {control.highest[model]:.3f} expected)" for model, area in control.auc.items()
    )
    text = f"{control.sentence} AUC in {control.n} patients: {areas}."
    if control.flagged:
        return Check(name, Verdict.ATTENTION, f"Above what was expected: {_some([_label(summary, m) for m in control.flagged])}. {text}")
    return Check(name, Verdict.PASSED, f"As expected. {text}")


def _label(summary: Summary, model: str) -> str:
    return summary.data.label(model) if model in summary.data.models else f"All {model}"


def _splits(leakage: LeakageReport | None) -> Check:
    name = "Leakage between splits"
    if leakage is None or not (leakage.with_patient or leakage.with_images):
        return Check(name, Verdict.NOT_DONE, "Whether a patient or an image is in two splits was not checked.")
    compared = [
        f"the {what} of {count} of {leakage.cases} cases"
        for what, count in (("patient pseudonyms", leakage.with_patient), ("images", leakage.with_images))
        if count
    ]
    text = f"Nobody and nothing was found in two splits, by {' and '.join(compared)}."
    doubtful = leakage.shared_in_split or max(leakage.with_patient, leakage.with_images) < leakage.cases
    return Check(name, Verdict.ATTENTION if doubtful else Verdict.PASSED, " ".join((text, *(f"{w}." for w in leakage.warnings))))


def _sample_size(summary: Summary) -> Check:
    events, patients = summary.events["training"], summary.patients["training"]
    found = events_per_parameter(events, patients - events, summary.candidates)
    name = "Events for each candidate"
    if found.warning:
        return Check(name, Verdict.ATTENTION, f"{found.warning[0].upper()}{found.warning[1:]}.")
    return Check(
        name, Verdict.PASSED, f"{found.events} patients of the rarer outcome for {found.parameters} candidates: {found.ratio:.1f} for each."
    )


def _reference(summary: Summary) -> Check:
    warnings = summary.reference.warnings
    name = "Reference standard"
    if not summary.reference.stated:
        return Check(name, Verdict.NOT_DONE, " ".join(warnings))
    if warnings:
        return Check(name, Verdict.ATTENTION, " ".join(warnings))
    return Check(name, Verdict.PASSED, "Every outcome was found in a prostatectomy specimen.")


def _mean_auc(shuffled: ShuffledLabels) -> str:
    return f"mean AUC {shuffled.mean:.3f} (standard error {shuffled.standard_error:.3f})"


def _some(names: Sequence[str]) -> str:
    return ", ".join(name[0].lower() + name[1:] for name in names)
