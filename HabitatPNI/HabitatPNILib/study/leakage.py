"""Leakage check of a cohort: one patient, or one image, that stands in two splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..case import SEQUENCE_LABELS
from ..cohort_table import is_given
from ..errors import CohortError

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 3


@dataclass(frozen=True)
class LeakageReport:
    """What was compared in a cohort without leakage.

    Parameters
    ----------
    cases : in the table
    with_patient : of them, cases whose patient is known
    with_images : of them, cases whose images were compared
    shared_in_split : groups of cases of one split that share a patient or an image; a cross-validation may part them
    warnings : sentences for the report: such groups, and what could not be compared
    """

    cases: int
    with_patient: int
    with_images: int
    shared_in_split: tuple[tuple[str, ...], ...]
    warnings: tuple[str, ...]


def check_leakage(cohort: pd.DataFrame, hashes: Mapping[str, Mapping[str, str]], separator: str = "") -> LeakageReport:
    """Refuse a cohort in which what a model is tested on was, in part, there to learn from.

    Two cases belong to one patient when their ``patient_id`` is the same (case and blanks at its ends aside) or, in a table without that
    column, when `separator` is given and their ``case_id`` is the same before its last one. Two cases share an image when the decoded
    voxels of a sequence are the same, in whatever file, name or compression; a copy that was resampled or cropped is not found.

    Parameters
    ----------
    cohort : table of `read_cohort`
    hashes : `Extraction.image_hashes`, by case and sequence; cases without are not compared
    separator : e.g. ``_`` where ``p12_left`` and ``p12_right`` are one patient

    Raises
    ------
    CohortError
        naming the cases (never a patient_id) that stand in two splits
    """
    splits = {str(case): str(split) for case, split in cohort["split"].items()}
    patients = _patients(cohort, separator)
    _refuse(_pairs_across(_groups(patients.items()), splits), "are the same patient", splits, "put all cases of a patient into one split")
    shared = set(_groups_inside(_groups(patients.items()), splits))
    for name in ("t2w", "dwi", "adc", "t1pv"):
        found = _groups((str(case), hashes[case][name]) for case in cohort.index if name in hashes.get(case, {}))
        what = f"hold the identical {SEQUENCE_LABELS[name]} image"
        _refuse(_pairs_across(found, splits), what, splits, "remove one of the two, or put both into one split")
        shared |= set(_groups_inside(found, splits))
    groups = tuple(sorted(shared))
    with_images = sum(1 for case in cohort.index if hashes.get(case))
    return LeakageReport(len(cohort), len(patients), with_images, groups, tuple(_warnings(groups, len(cohort), len(patients), with_images)))


def _patients(cohort: pd.DataFrame, separator: str) -> dict[str, str]:
    if "patient_id" in cohort:
        return {str(case): str(value).strip().casefold() for case, value in cohort["patient_id"].items() if is_given(value)}
    if separator:
        return {str(case): str(case).rpartition(separator)[0] or str(case) for case in cohort.index}
    return {}


def _groups(marks: Iterable[tuple[str, Hashable]]) -> list[tuple[str, ...]]:
    """Cases that bear the same mark, where there are two or more."""
    found: dict[Hashable, list[str]] = defaultdict(list)
    for case, mark in marks:
        found[mark].append(case)
    return [tuple(cases) for cases in found.values() if len(cases) > 1]


def _pairs_across(groups: list[tuple[str, ...]], splits: Mapping[str, str]) -> list[tuple[str, str]]:
    """From every group that more than one split holds, two cases of different splits."""
    return [
        (cases[0], next(case for case in cases if splits[case] != splits[cases[0]]))
        for cases in groups
        if len({splits[case] for case in cases}) > 1
    ]


def _groups_inside(groups: list[tuple[str, ...]], splits: Mapping[str, str]) -> list[tuple[str, ...]]:
    return [cases for cases in groups if len({splits[case] for case in cases}) == 1]


def _refuse(pairs: list[tuple[str, str]], what: str, splits: Mapping[str, str], advice: str) -> None:
    if pairs:
        shown = "; ".join(f"{a} ({splits[a]}) and {b} ({splits[b]})" for a, b in pairs[:_SHOWN])
        more = f"; and {len(pairs) - _SHOWN} more pairs" if len(pairs) > _SHOWN else ""
        raise CohortError(f"Leakage between splits: {shown}{more} {what}; {advice}")


def _warnings(groups: tuple[tuple[str, ...], ...], cases: int, with_patient: int, with_images: int) -> list[str]:
    warnings = []
    if groups:
        shown = "; ".join(", ".join(group) for group in groups[:_SHOWN]) + (" ..." if len(groups) > _SHOWN else "")
        warnings.append(
            f"{len(groups)} groups of cases share a patient or an image inside one split ({shown}): the statistics count them as "
            "independent, and a cross-validation may part them"
        )
    if with_patient < cases:
        warnings.append(
            f"The patient of {cases - with_patient} of {cases} cases is not stated (column patient_id): one patient under two case names "
            "is found by identical images alone"
        )
    if with_images < cases:
        warnings.append(
            f"The images of {cases - with_images} of {cases} cases could not be compared: they failed, were rejected or were not extracted"
        )
    return warnings
