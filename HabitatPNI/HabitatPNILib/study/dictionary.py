"""The coding of a cohort table: a dictionary of its columns, a template to fill in, and the check of the reference standard."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import RESEARCH_USE_ONLY
from ..cohort_table import EXAMINATION, IMAGE_COLUMNS, SPLITS, image_columns
from ..errors import CohortError, OutputError
from ..predictors import Level, Predictor
from ..standard_predictors import ADC_VALUE, AGE, MRT_STAGE, PI_RADS, TPSA
from ..storage import output_folder
from .tables_form import StudyTable

if TYPE_CHECKING:
    import pandas as pd

    from ..protocol import Protocol

REFERENCE_STANDARD = "reference_standard"
REFERENCE_STANDARDS = ("biopsy", "prostatectomy")
TEMPLATE, DICTIONARY, README = "cohort_template.csv", "dictionary.csv", "README.md"
_PREDICTORS = (AGE, MRT_STAGE, PI_RADS, TPSA, ADC_VALUE)


@dataclass(frozen=True)
class Column:
    """One column of a cohort table.

    Parameters
    ----------
    name : as in the table's first row
    needed : ``"yes"``, ``"no"``, or on what it depends
    type : text, number, category or path
    unit : empty where it has none
    codes : values it may take
    meaning : in words
    examples : values in the two rows of the template
    """

    name: str
    needed: str
    type: str
    unit: str
    codes: str
    meaning: str
    examples: tuple[str, str]


@dataclass(frozen=True)
class ReferenceStandard:
    """How the outcome was found, by split.

    Parameters
    ----------
    counts : by split: number of patients by ``"biopsy"``, ``"prostatectomy"`` and ``"not stated"``
    warnings : sentences on what this means for the study; empty where every outcome is of prostatectomy
    """

    counts: Mapping[str, Mapping[str, int]]
    warnings: tuple[str, ...]

    @property
    def stated(self) -> bool:
        """Whether it is known of any patient."""
        return any(row[kind] for row in self.counts.values() for kind in REFERENCE_STANDARDS)


_FILES = (
    Column(
        "case_id",
        "yes",
        "text",
        "",
        "different in every row",
        "Name of the case in all outputs; a pseudonym, never a name, hospital number or date",
        ("case-001", "case-002"),
    ),
    Column(
        "patient_id",
        "no",
        "text",
        "",
        "the same in all rows of one patient",
        "Pseudonym of the patient, where one patient may have more than one row: no patient may be in two splits",
        ("patient-001", "patient-002"),
    ),
    Column("centre", "no", "text", "", "any", "Hospital or scanner; performance is also given by centre", ("centre1", "centre2")),
    Column(
        "split",
        "yes",
        "category",
        "",
        ", ".join(SPLITS),
        "training: the model is fitted here and nowhere else; internal: held out, same centre; external: another centre or period",
        ("training", "external"),
    ),
    Column("outcome", "yes", "category", "", "0 = no, 1 = yes", "Perineural invasion in the pathologist's report", ("1", "0")),
    Column(
        REFERENCE_STANDARD,
        "no",
        "category",
        "",
        f"{', '.join(REFERENCE_STANDARDS)}, or empty",
        "Specimen in which the outcome was looked for; biopsy misses perineural invasion that prostatectomy finds",
        ("prostatectomy", "biopsy"),
    ),
    Column("t2w", "yes, or dicom", "path", "", "NRRD, NIfTI or MHA", "T2-weighted volume", ("case-001/t2w.nrrd", "case-002/t2w.nrrd")),
    Column(
        "dwi",
        "yes, or dicom",
        "path",
        "",
        "NRRD, NIfTI or MHA",
        "Diffusion-weighted volume, high b",
        ("case-001/dwi.nrrd", "case-002/dwi.nrrd"),
    ),
    Column(
        "adc",
        "no",
        "path",
        "1e-6 mm2/s",
        "NRRD, NIfTI or MHA",
        "ADC map; computed from dwi and low_b where it is empty",
        ("case-001/adc.nrrd", ""),
    ),
    Column(
        "low_b",
        "where adc is empty",
        "path",
        "",
        "NRRD, NIfTI or MHA",
        "Diffusion-weighted volume, low b; it also guides the registration",
        ("case-001/low_b.nrrd", "case-002/low_b.nrrd"),
    ),
    Column("t1pv", "yes", "path", "", "NRRD, NIfTI or MHA", "Portal venous T1W volume", ("case-001/t1pv.nrrd", "case-002/t1pv.nrrd")),
    Column(
        "roi",
        "yes",
        "path",
        "",
        "NRRD, NIfTI, MHA, .seg.nrrd or DICOM SEG",
        "Tumour outline, drawn without knowledge of the outcome",
        ("case-001/roi.nrrd", "case-002/roi.nrrd"),
    ),
    Column(
        "roi_2",
        "no",
        "path",
        "",
        "as roi",
        "Outline of the same tumour by a second reader, for the agreement of features and radscores",
        ("case-001/roi_reader2.nrrd", ""),
    ),
    Column(
        "roi_segment", "no", "text", "", "name or label of a segment, or all", "Which segment of the outline's file is the tumour", ("", "")
    ),
    Column("roi_on", "no", "category", "", "t2w, dwi, adc", "Sequence the outline was drawn on, where its grid does not tell", ("", "")),
    Column("roi_2_segment", "no", "text", "", "as roi_segment", "The same for the second reader's outline", ("", "")),
    Column("roi_2_on", "no", "category", "", "t2w, dwi, adc", "The same for the second reader's outline", ("", "")),
    Column("b_dwi", "where the file does not say", "number", "s/mm2", "0 to 20000", "b-value of dwi", ("1400", "1400")),
    Column("b_low_b", "where the file does not say", "number", "s/mm2", "0 to 20000", "b-value of low_b", ("50", "50")),
)
_OF_IMAGES = frozenset({*IMAGE_COLUMNS, "b_dwi", "b_low_b"})
_ELSEWHERE = (
    Column(
        "dicom",
        "in place of t2w and dwi",
        "path",
        "",
        "a folder",
        "DICOM study of the case; add this column and leave the images out",
        ("case-001/dicom", ""),
    ),
    Column(
        "true_probability",
        "phantoms only",
        "number",
        "",
        "0 to 1",
        "Probability from which a digital phantom's outcome was drawn; no model sees it",
        ("0.194", ""),
    ),
)


def cohort_dictionary(protocol: Protocol | None = None) -> tuple[Column, ...]:
    """Every column of a cohort table, in the template's order; then those that the template leaves out.

    Parameters
    ----------
    protocol : whose images and clinical candidates are needed; by default those of ``pca-pni``
    """
    from ..protocol import Protocol as Read

    protocol = protocol or Read.load("pca-pni")
    candidates, images = protocol.clinical.candidates, image_columns(protocol.sequences)
    files = [c for c in _FILES if c.name in images or c.name.removeprefix("b_") in images or c.name not in _OF_IMAGES]
    if EXAMINATION & set(images):
        return (*files, *(_clinical(p, p.name in candidates) for p in _PREDICTORS), *_ELSEWHERE)
    drawn_on = ", ".join(protocol.sequences)
    said: dict[str, dict[str, Any]] = {
        "outcome": {"meaning": f"What the study predicts: {protocol.title}"},
        "roi_on": {"codes": drawn_on},
        "roi_2_on": {"codes": drawn_on},
    }
    files = [replace(c, **said.get(c.name, {})) for c in files]
    return (*files, *(_clinical(p, True) for p in _PREDICTORS if p.name in candidates), *(c for c in _ELSEWHERE if c.name != "dicom"))


def dictionary_csv(columns: Iterable[Column]) -> str:
    """The dictionary as a CSV table, one row a column of the cohort table."""
    return _csv([_headings(), *(_cells(column) for column in columns)])


def dictionary_markdown(columns: Iterable[Column]) -> str:
    """The dictionary as a Markdown table."""
    lines = ["| " + " | ".join(_headings()) + " |", "| " + " | ".join("---" for _ in _headings()) + " |"]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in _cells(c)) + " |" for c in columns]) + "\n"


def write_cohort_template(folder: Path, protocol: Protocol | None = None) -> tuple[Path, ...]:
    """Write ``cohort_template.csv`` (first row and two example rows), ``dictionary.csv`` and ``README.md`` into a folder.

    Raises
    ------
    OutputError
        when the folder holds a template already (it may have been filled in), or cannot be written
    """
    if (folder / TEMPLATE).exists():
        raise OutputError(f"{folder / TEMPLATE} is there already and may have been filled in; choose another folder")
    columns = cohort_dictionary(protocol)
    filled = [c for c in columns if c not in _ELSEWHERE]
    rows = [[c.name for c in filled], *([c.examples[i] for c in filled] for i in (0, 1))]
    with output_folder(folder) as temporary:
        for name, text in ((TEMPLATE, _csv(rows)), (DICTIONARY, dictionary_csv(columns)), (README, _readme(columns))):
            (temporary / name).write_bytes(text.encode("utf-8"))
    return tuple(folder / name for name in (TEMPLATE, DICTIONARY, README))


def check_reference_standard(cohort: pd.DataFrame) -> ReferenceStandard:
    """Read the column ``reference_standard`` of a cohort table, where it has one.

    Parameters
    ----------
    cohort : table with the column ``split``, index ``case_id``

    Raises
    ------
    CohortError
        for a value other than biopsy, prostatectomy or empty, naming the cases
    """
    kinds = (*REFERENCE_STANDARDS, "not stated")
    given = (
        ["" if _empty(v) else str(v).strip() for v in cohort[REFERENCE_STANDARD]] if REFERENCE_STANDARD in cohort else [""] * len(cohort)
    )
    wrong = [str(case) for case, value in zip(cohort.index, given, strict=True) if value not in {"", *REFERENCE_STANDARDS}]
    if wrong:
        more = " ..." if len(wrong) > 5 else ""
        raise CohortError(
            f"Column {REFERENCE_STANDARD} must be {' or '.join(REFERENCE_STANDARDS)}, or empty; it is not in {len(wrong)} cases: "
            f"{', '.join(wrong[:5])}{more}"
        )
    counts = {split: dict.fromkeys(kinds, 0) for split in SPLITS if (cohort["split"] == split).any()}
    for split, value in zip(cohort["split"], given, strict=True):
        counts[split][value or "not stated"] += 1
    return ReferenceStandard(counts, tuple(_warnings(counts)))


def reference_table(reference: ReferenceStandard) -> StudyTable:
    """Patients of every split by reference standard, with their share."""
    import pandas as pd

    rows = []
    for split, counts in reference.counts.items():
        patients = sum(counts.values())
        rows.append(
            {"Cohort": split.capitalize(), "Patients": str(patients)}
            | {kind.capitalize(): f"{n} ({100 * n / patients:.1f} %)" for kind, n in counts.items()}
        )
    numbers = [{"split": split, **counts} for split, counts in reference.counts.items()]
    note = "Specimen in which the outcome was looked for, as the cohort table states it."
    return StudyTable("reference_standard", "Reference standard of the outcome", pd.DataFrame(rows), note, pd.DataFrame(numbers))


def _warnings(counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    total = {kind: sum(row[kind] for row in counts.values()) for kind in (*REFERENCE_STANDARDS, "not stated")}
    patients = sum(total.values())
    if total["not stated"] == patients:
        return [
            f"The reference standard is not stated (column {REFERENCE_STANDARD}): whether biopsy or prostatectomy specimens gave the "
            f"outcome "
            "decides how much of it was missed."
        ]
    found = []
    if total["not stated"]:
        found.append(f"The reference standard is not stated for {total['not stated']} of {patients} patients.")
    missed = "Biopsy samples a small part of the prostate and misses perineural invasion that prostatectomy finds"
    if total["biopsy"] and total["prostatectomy"]:
        shares = "; ".join(f"{split}: {_share(row)}" for split, row in counts.items())
        found.append(
            f"Two reference standards are mixed. {missed}: an outcome of 0 means less after biopsy, and where patients of one kind "
            f"are also of higher risk, a model may learn who was operated on. By biopsy, {shares}."
        )
    elif total["biopsy"]:
        found.append(f"All stated outcomes are of biopsy. {missed}: some patients with outcome 0 have it.")
    return found


def _share(row: Mapping[str, int]) -> str:
    stated = row["biopsy"] + row["prostatectomy"]
    return f"{row['biopsy']} of {stated} ({100 * row['biopsy'] / stated:.0f} %)" if stated else "not stated"


def _clinical(predictor: Predictor, needed: bool) -> Column:
    codes = ", ".join(f"{_accepted(level)} = {level.label}" for level in predictor.levels)
    low, high = (predictor.levels[0], predictor.levels[-1]) if predictor.levels else (None, None)
    middle = (predictor.low + predictor.high) / 2
    numbers = f"{predictor.low + (predictor.high - predictor.low) / 4:.0f}", f"{middle:.0f}"
    return Column(
        predictor.name,
        "yes" if needed else "no",
        predictor.type,
        predictor.unit,
        codes or f"{predictor.lowest:g} to {predictor.highest:g}",
        f"{predictor.label}. {predictor.help}; empty where it is not known",
        (f"{high.value:g}", f"{low.value:g}") if low and high else numbers,
    )


def _accepted(level: Level) -> str:
    """The level's code, and other whole numbers that count as it."""
    others = [text for text in level.accepts if text.isdigit() and float(text) != level.value]
    return f"{level.value:g}" + (f" (also {', '.join(others)})" if others else "")


def _headings() -> list[str]:
    names = [f.name for f in fields(Column)]
    return ["column", *names[1:-1], "example"]


def _cells(column: Column) -> list[str]:
    *texts, examples = astuple(column)
    return [*texts, examples[0]]


def _csv(rows: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue()


def _readme(columns: tuple[Column, ...]) -> str:
    needed = ", ".join(f"`{c.name}`" for c in columns if c.needed == "yes")
    return (
        "# Cohort table\n\n"
        f"**{RESEARCH_USE_ONLY}**\n\n"
        f"1. Replace the two example rows of `{TEMPLATE}` by your patients, one row a patient; paths are relative to the table.\n"
        f"2. Needed: {needed}, and the images or a `dicom` folder. Columns that you do not need may be deleted; any other is ignored.\n"
        "3. Decide on `split` before anything is computed, and keep every row of one patient in one split.\n"
        "4. No names, hospital numbers or dates anywhere: `case_id` and `patient_id` are pseudonyms that only you can resolve.\n"
        f"5. State the `{REFERENCE_STANDARD}` of every patient: biopsy misses perineural invasion that prostatectomy finds.\n"
        "6. Then `habitatpni extract` and `habitatpni study`.\n\n"
        "## Dictionary\n\n" + dictionary_markdown(columns)
    )


def _empty(value: object) -> bool:
    return value is None or str(value).strip() in {"", "nan", "<NA>"}
