"""The registration quality sheet of a cohort: every case looked at before it teaches a model anything, and what a person decided."""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from . import RESEARCH_USE_ONLY
from .case import DIFFUSION, SEQUENCE_LABELS, Case
from .cohort_run import Failed, run_cases
from .cohort_steps import PREPARED, load_case, prepared_before, prepared_key
from .cohort_table import read_cohort, require_images
from .csv_rows import number_of, read_rows, refuse
from .geometry import isotropic_grid
from .preparation import Prepared, prepare
from .progress import Progress, no_progress
from .protocol import Protocol
from .report.content import Picture
from .report.montage import Slices
from .report.quality_sheet import QualityCase, registration_montage, render_quality_sheet, small_picture
from .storage import write_file, write_text

ACCEPT, REVIEW, REJECT = "accept", "review", "reject"
SHEET, PAGE, MONTAGES = "quality.csv", "quality.html", "montages"
COLUMNS = (
    *("case_id", "decision", "comment", "registration", "warnings"),
    *("translation_mm", "rotation_deg", "displacement_mm", "agreement_mm", "metric_before", "metric_after", "field_overlap"),
    *("roi_ml", "lesions", "adc_median", "montage", "prefilled", "key"),
)
ACCEPTED, NOT_ACCEPTED, NOT_NEEDED, FAILED = "accepted", "not accepted, scanner geometry kept", "none needed", "failed"
_ORDER = {FAILED: 0, NOT_ACCEPTED: 1}
_LABELS = {
    "translation_mm": ("shift", "mm"),
    "rotation_deg": ("rotation", "\u00b0"),
    "metric_before": ("mutual information before", "nats"),
    "metric_after": ("after", "nats"),
    "agreement_mm": ("halves agree within", "mm"),
    "field_overlap": ("fields overlap", ""),
    "roi_ml": ("ROI", "mL"),
    "adc_median": ("median ADC in the ROI", "1e-6 mm\u00b2/s"),
}
_BETWEEN = " | "
_FORMAT = 1
_GRID_MM = 4.0


@dataclass(frozen=True)
class Quality:
    """What `check_quality` wrote: cases by their decision, and how many were looked at anew."""

    accepted: tuple[str, ...]
    review: tuple[str, ...]
    rejected: tuple[str, ...]
    new: int


def check_quality(
    cohort: Path, protocol: Protocol, out: Path, jobs: int = 1, progress: Progress = no_progress, features: Path | None = None
) -> Quality:
    """Write ``quality.csv``, ``quality.html`` and ``montages/`` for every case of a cohort.

    The column ``decision`` is pre-filled: ``accept``, ``review`` where there is a warning, ``reject`` for a case that cannot be prepared.
    A person overwrites it and may add a ``comment``. A second run looks only at cases that are new, changed or had failed; it never
    changes what a person wrote, and fills in anew only what nobody has touched.

    Parameters
    ----------
    cohort : table of `cohort.read_cohort`
    out : folder
    jobs : processes, each with one thread
    features : folder of `cohort.extract`: the registrations of the same files and protocol that it holds are shown, not looked for again

    Raises
    ------
    CohortError
        when the cohort or an earlier sheet cannot be used, naming columns and rows
    OutputError
        when a file cannot be written
    """
    table = read_cohort(cohort)
    require_images(table, protocol.sequences, cohort.name)
    earlier, extra = _earlier(out / SHEET, [str(c) for c in table.index])
    known = {case: row["key"] for case, row in earlier.items() if row["key"] and (out / row["montage"]).is_file()}
    tasks = [
        (str(case), row, cohort.parent, protocol, out, known.get(str(case), ""), features)
        for case, row in zip(table.index, table.to_dict("records"), strict=True)
    ]
    found: dict[str, dict[str, str]] = {}
    count = 0

    def report() -> None:
        progress(0.95 * count / max(len(tasks), 1), f"Looked at {count} of {len(tasks)} cases")

    try:
        for case_id, result in run_cases(_look, tasks, jobs, report):
            count += 1
            if result is not None:
                found[case_id] = _failed(case_id, result.reason) if isinstance(result, Failed) else result
            report()
    finally:
        # Also when stopped on the way: what was looked at need not be looked at again.
        merged = {case: _merged(earlier.get(case), found.get(case)) for case in map(str, table.index)}
        rows = [row for row in merged.values() if row is not None]
        if rows:
            write_text(out / SHEET, _csv([*COLUMNS, *extra], rows))
    progress(0.97, "Writing the sheet")
    write_text(out / PAGE, _page(cohort, rows, out))
    progress(1.0, "Quality sheet written")

    def decided(decision: str) -> tuple[str, ...]:
        return tuple(row["case_id"] for row in rows if row["decision"] == decision)

    return Quality(decided(ACCEPT), decided(REVIEW), decided(REJECT), len(found))


def read_decisions(path: Path, cases: Collection[str] | None = None) -> Mapping[str, str]:
    """Reason by case of those that a quality sheet rejects; ``review`` and an empty decision count as accepted.

    Parameters
    ----------
    path : ``quality.csv`` or its folder
    cases : names of the cohort's cases, where they are known: a sheet that names others is refused

    Raises
    ------
    CohortError
        naming the rows whose decision or case cannot be used
    """
    rows, _ = _read_sheet(path, cases)
    reasons = {}
    for row in rows.values():
        if row["decision"] == REJECT:
            failed = row.get("warnings", "") if row.get("registration") == FAILED else ""
            reason = row["comment"] or failed
            reasons[row["case_id"]] = f"rejected in the quality sheet{': ' + reason if reason else ''}"
    return reasons


def read_undecided(path: Path, cases: Collection[str]) -> tuple[str, ...]:
    """Cases that the sheet marks ``review`` or leaves without a decision, or that are not in it: they enter a study, which says so."""
    rows, _ = _read_sheet(path, cases)
    return tuple(str(case) for case in cases if str(case) not in rows or rows[str(case)]["decision"] == REVIEW)


def _look(
    case_id: str, row: Mapping[str, Any], folder: Path, protocol: Protocol, out: Path, known: str, features: Path | None
) -> dict[str, str] | None:
    """A case's row of the sheet, after its montage was written; None where nothing has changed since."""
    volumes = prepared_key(row, folder, protocol)
    key = f"{_FORMAT}-{volumes}"
    if key == known:
        return None
    case = load_case(case_id, row, folder, protocol)
    found = prepared_before(features / PREPARED / f"{volumes}.npz") if features is not None else None
    prepared = prepare(case, protocol, registration=found.registration if found is not None else None)
    fixed, moving = _shown(prepared, protocol)
    picture = registration_montage(_slices(prepared), SEQUENCE_LABELS[fixed], SEQUENCE_LABELS[moving] if moving else None)
    montage = Path(MONTAGES) / _file_name(case_id)
    write_file(out / montage, lambda temporary: temporary.write_bytes(picture))
    warnings = (*case.warnings, *prepared.warnings)
    decision = REVIEW if warnings else ACCEPT
    return {
        "case_id": case_id,
        "decision": decision,
        "comment": "",
        "warnings": _BETWEEN.join(warnings),
        **_figures(case, prepared, fixed, moving),
        "montage": montage.as_posix(),
        "prefilled": decision,
        "key": key,
    }


def _figures(case: Case, prepared: Prepared, fixed: str, moving: str | None) -> dict[str, str]:
    found, preprocessed = prepared.registration, prepared.preprocessed
    inside = preprocessed.roi_array
    texts = {"registration": NOT_NEEDED}
    if found is not None:
        numbers = {
            "translation_mm": float(np.linalg.norm(found.translation_mm)),
            **{name: getattr(found, name) for name in ("rotation_deg", "displacement_mm", "agreement_mm", "metric_before", "metric_after")},
        }
        texts = {name: f"{value:.3f}" if math.isfinite(value) else "" for name, value in numbers.items()}
        texts["registration"] = ACCEPTED if found.accepted else NOT_ACCEPTED
    if moving is not None:
        transform = found.transform if found is not None else sitk.Transform()
        texts["field_overlap"] = f"{field_overlap(case.images[fixed], case.images[moving], transform):.3f}"
    texts["roi_ml"] = f"{inside.sum() * np.prod(preprocessed.roi.GetSpacing()) / 1000:.3f}"
    texts["lesions"] = str(preprocessed.lesions)
    if "adc" in preprocessed.images:
        texts["adc_median"] = f"{np.median(sitk.GetArrayViewFromImage(preprocessed.images['adc'])[inside]):.0f}"
    return texts


def field_overlap(fixed: sitk.Image, moving: sitk.Image, transform: sitk.Transform) -> float:
    """Share (0 to 1) of the fixed image's field that the moving one covers, on a 4 mm grid.

    Parameters
    ----------
    transform : fixed points -> moving points, LPS mm
    """
    grid = isotropic_grid(fixed, (_GRID_MM,) * 3)
    field = sitk.Image(moving.GetSize(), sitk.sitkUInt8) + 1
    field.CopyInformation(moving)
    covered = sitk.Resample(field, grid, transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return float(sitk.GetArrayViewFromImage(covered).mean())


def _shown(prepared: Prepared, protocol: Protocol) -> tuple[str, str | None]:
    """The two sequences laid on each other: ADC of the fixed acquisition, since it shows anatomy, and one of the other acquisition."""
    names = list(prepared.preprocessed.images)
    same = [name for name in names if (name in DIFFUSION) == (protocol.fixed in DIFFUSION)]
    others = [name for name in names if name not in same]
    return ("adc" if "adc" in same else protocol.fixed), (others[0] if others else None)


def _slices(prepared: Prepared) -> Slices:
    roi = prepared.preprocessed.roi
    return Slices(
        {SEQUENCE_LABELS[name]: sitk.GetArrayFromImage(image) for name, image in prepared.preprocessed.images.items()},
        prepared.preprocessed.roi_array,
        sitk.GetArrayFromImage(roi),
        roi.GetSpacing(),
        np.array(roi.GetDirection()).reshape(3, 3),
    )


def _file_name(case_id: str) -> str:
    """A file name that no two cases share and every system takes."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", case_id)[:60]
    return f"{plain}-{hashlib.sha256(case_id.encode()).hexdigest()[:6]}.png"


def _failed(case_id: str, reason: str) -> dict[str, str]:
    return {
        "case_id": case_id,
        "decision": REJECT,
        "registration": FAILED,
        "warnings": reason.removeprefix(f"Case {case_id}: "),
        "prefilled": REJECT,
    }


def _earlier(path: Path, cases: Sequence[str]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Rows by case of an earlier sheet of the same cases, and the columns that a person added.

    A row that nobody touched is left out with its case; a person's decision on a case that the cohort no longer names is refused, since a
    spreadsheet may have altered the name (001 to 1).
    """
    if not path.is_file():
        return {}, []
    rows, extra = _read_sheet(path, cases)
    # Found out now rather than after the last case: whether the sheet can be replaced (it may be open in a spreadsheet).
    content = path.read_bytes()
    write_file(path, lambda temporary: temporary.write_bytes(content))
    return rows, extra


def _read_sheet(path: Path, cases: Collection[str] | None) -> tuple[dict[str, dict[str, str]], list[str]]:
    path = path / SHEET if path.is_dir() else path
    numbered = read_rows(path, ("case_id", "decision", "comment"), "write one with habitatpni quality")
    for _, row in numbered:
        row["decision"] = row["decision"].lower() or REVIEW
    wrong = [number for number, row in numbered if row["decision"] not in (ACCEPT, REVIEW, REJECT)]
    refuse(path, "decision", wrong, f"must be {ACCEPT}, {REVIEW} or {REJECT}; it is not")
    if cases is not None:
        there = {str(case) for case in cases}
        strange = [number for number, row in numbered if row["case_id"] not in there and _touched(row)]
        what = "names a case that the cohort does not have (a spreadsheet may have altered it: 001 to 1) beside a decision"
        refuse(path, "case_id", strange, what)
        numbered = [(number, row) for number, row in numbered if row["case_id"] in there]
    extra = [name for name in (numbered[0][1] if numbered else {}) if name and name not in COLUMNS]
    complete = {row["case_id"]: {**dict.fromkeys(COLUMNS, ""), **row} for _, row in numbered}
    return complete, extra


def _touched(row: Mapping[str, str]) -> bool:
    """Whether a person wrote something."""
    return bool(row["comment"]) or row["decision"] != row.get("prefilled", "")


def _merged(earlier: dict[str, str] | None, found: dict[str, str] | None) -> dict[str, str] | None:
    """The row to write: what was found now, and what a person wrote before."""
    if earlier is None or found is None:
        return found or earlier
    if not _touched(earlier):
        return {**earlier, **dict.fromkeys(COLUMNS, ""), **found}
    kept = {name: earlier[name] for name in ("decision", "comment", "prefilled")}
    row = {**earlier, **dict.fromkeys(COLUMNS, ""), **found, **kept}
    if earlier["key"] and earlier["key"] != row["key"]:
        again = "Images, outline or protocol changed after the decision: look again"
        row["warnings"] = _BETWEEN.join(text for text in (again, row["warnings"]) if text)
    return row


def _csv(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _page(cohort: Path, rows: Sequence[Mapping[str, str]], out: Path) -> str:
    """The sheet as HTML: failed cases first, then those not registered, those with warnings, and the least alike."""
    rows = [{**dict.fromkeys(COLUMNS, ""), **row} for row in rows]

    def badness(row: Mapping[str, str]) -> tuple[float, float]:
        metric = number_of(row["metric_after"])
        return _ORDER.get(row["registration"], 2 if row["warnings"] else 3), metric if math.isfinite(metric) else math.inf

    counts = ", ".join(f"{sum(row['decision'] == d for row in rows)} {d}" for d in (ACCEPT, REVIEW, REJECT))
    notes = (
        f"{len(rows)} cases of {cohort.name}: {counts}; the worst come first.",
        f"Decide in {SHEET}: overwrite the column decision with accept or reject, say why in the column comment, and run habitatpni "
        "quality again for this page to show it. Later steps leave out what is rejected; review counts as accepted and is reported.",
        "Edges should follow the anatomy, and structures should run on across the checkerboard's squares. White: the tumour's outline.",
    )
    return render_quality_sheet(
        "Registration quality", notes, [_page_case(row, out) for row in sorted(rows, key=badness)], RESEARCH_USE_ONLY
    )


def _page_case(row: Mapping[str, str], out: Path) -> QualityCase:
    file = out / row["montage"]
    picture = None
    if row["montage"] and file.is_file():
        picture = Picture(small_picture(file.read_bytes()), "image/jpeg", f"Registration of case {row['case_id']}")
    state = f"Registration {row['registration']}" if row["registration"] != FAILED else "Could not be prepared"
    if row["registration"] == NOT_ACCEPTED:
        state += "; the figures are of what was found and not used"
    figures = {label: f"{number_of(row[name]):.4g} {unit}".strip() for name, (label, unit) in _LABELS.items() if row[name]}
    warnings = tuple(row["warnings"].split(_BETWEEN)) if row["warnings"] else ()
    return QualityCase(row["case_id"], row["decision"], row["comment"], state, figures, warnings, picture)
