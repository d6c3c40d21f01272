"""The cohort table: read from CSV as spreadsheets write it, and checked, every complaint naming its column and rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .csv_rows import DECIMAL_COMMA, SURE_DECIMAL_COMMA, listed, number_of, read_cells, refuse, refuse_row
from .errors import CohortError

if TYPE_CHECKING:
    import re

    import pandas as pd

IMAGE_COLUMNS = ("t2w", "dwi", "adc", "low_b", "t1pv", "roi")
EXAMINATION = frozenset({"t2w", "dwi", "adc", "low_b"})
"""Sequences of one examination of the prostate: a protocol that names one of them takes all that are there, for its registration."""

_SEQUENCES = frozenset(IMAGE_COLUMNS) - {"low_b", "roi"}
SPLITS = ("training", "internal", "external")
SECOND_READER_COLUMNS = ("roi_2", "roi_2_segment", "roi_2_on")
TEXT_COLUMNS = (
    *("case_id", "patient_id", "centre", "split", "reference_standard"),
    *IMAGE_COLUMNS,
    *("dicom", "roi_segment", "roi_on"),
    *SECOND_READER_COLUMNS,
)
"""Known columns that hold text; what looks like a number in them stays as it was written."""

NUMBER_COLUMNS = ("outcome", "b_dwi", "b_low_b", "true_probability")
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null"})
_MAKE = "write one with the columns case_id, split, outcome, t2w, dwi, adc, roi"
_DICOM = "dicom"


def read_cohort(path: Path) -> pd.DataFrame:
    """Cohort table, index ``case_id``.

    Columns: ``case_id``, ``split`` (training, internal, external), ``outcome`` (0/1), optionally ``centre``, ``patient_id`` (told apart
    from other patients, never shown) and ``reference_standard``; images as paths relative to the table (``t2w``, ``dwi``, ``adc``,
    ``low_b``, ``t1pv``, ``roi``; b-values in ``b_dwi``, ``b_low_b``) or a ``dicom`` folder with ``roi``; ``roi_segment`` and ``roi_on``
    where the outline needs them; ``roi_2``, ``roi_2_segment``, ``roi_2_on`` for a second reader's outline; every other column is a clinical
    value. Whether the images are those that a protocol needs is for `require_images`.

    Commas, semicolons (then with decimal commas) or tabs between the columns; UTF-8 or UTF-16, with or without a byte order mark; any line
    ends. A column of numbers alone is one of floats, an empty cell NaN. Rows in errors are counted as in a spreadsheet: the first case is
    in row 2.

    Raises
    ------
    CohortError
        naming the column and the rows
    """
    table = _read_table(path)
    needed = [c for c in ("case_id", "split", "outcome", "roi") if c not in table]
    if needed or not (_SEQUENCES | {_DICOM}) & set(table):
        there = ", ".join(map(str, table.columns[:30]))
        named = ", ".join(needed) or "the images' (t2w and dwi, t1pv, as the protocol asks), or dicom"
        raise CohortError(f"{path.name}: columns are missing: {named} (it has {there})")
    refuse(path, "case_id", table.index[table["case_id"].isna()], "is empty", "give every case a name")
    repeated = table["case_id"].duplicated(keep=False)
    if repeated.any():
        names = list(dict.fromkeys(table.loc[repeated, "case_id"]))
        raise CohortError(f"{path.name}: column case_id: given more than once: {listed(names)} (rows {listed(table.index[repeated])})")
    outcome = table["outcome"].map(lambda value: number_of(str(value), SURE_DECIMAL_COMMA)).astype(float)
    refuse(path, "outcome", table.index[~outcome.isin([0, 1])], "must be 0 or 1; it is not")
    refuse(path, "split", table.index[~table["split"].isin(SPLITS)], f"must be one of {', '.join(SPLITS)}; it is not")
    for name in ("b_dwi", "b_low_b"):
        if name in table:
            wrong = table[name].map(lambda v: is_given(v) and not is_number(v))
            refuse(path, name, table.index[wrong.astype(bool)], "must be a b-value in s/mm2; it is not")
    return table.assign(outcome=outcome.astype(int)).set_index("case_id")


def image_columns(sequences: Iterable[str], roi_on: object = None) -> tuple[str, ...]:
    """Columns of images and outline that a protocol with these sequences reads, in the table's order.

    Parameters
    ----------
    roi_on : the sequence that a case's outline was drawn on, if its row says so
    """
    named = set(sequences)
    wanted = named | {str(roi_on), "roi"} | (EXAMINATION if named & EXAMINATION else set())
    return tuple(name for name in IMAGE_COLUMNS if name in wanted)


def require_images(table: pd.DataFrame, sequences: Iterable[str], file: str) -> None:
    """Refuse a cohort table without a column for what a protocol needs: every sequence (an ADC map may be computed), or ``dicom``.

    Raises
    ------
    CohortError
        naming the columns
    """
    missing = [name for name in sequences if name != "adc" and name not in table]
    by_dicom = EXAMINATION.issuperset(missing)
    if missing and not (by_dicom and _DICOM in table):
        there = ", ".join(map(str, (table.index.name, *table.columns[:30])))
        named = " and ".join(missing) + (", or dicom" if by_dicom else "")
        raise CohortError(f"{file}: columns are missing: {named}; the protocol needs them (it has {there})")


def clinical_columns(table: pd.DataFrame) -> list[str]:
    """Columns of a cohort table that are clinical values."""
    known = {*TEXT_COLUMNS, *NUMBER_COLUMNS}
    return [c for c in table.columns if c not in known]


def require_columns(table: pd.DataFrame, names: Sequence[str], needed_by: str) -> None:
    """Refuse a cohort table that lacks columns.

    Parameters
    ----------
    names : columns needed
    needed_by : what needs them, for the error, e.g. ``"Model pca-pni"``

    Raises
    ------
    CohortError
        naming the columns
    """
    missing = [name for name in names if name not in table]
    if missing:
        there = ", ".join(clinical_columns(table)) or "none"
        raise CohortError(
            f"The cohort table lacks the columns {', '.join(missing)} that {needed_by} needs (clinical columns it has: {there})"
        )


def check_rejected(table: pd.DataFrame, rejected: Mapping[str, str]) -> None:
    """Refuse rejections of cases that the table does not have: they are slips, or of another cohort.

    Raises
    ------
    CohortError
        naming the cases
    """
    unknown = [case for case in rejected if case not in table.index]
    if unknown:
        raise CohortError(f"Rejected cases are not in the cohort table: {listed(unknown)}; check column case_id of both tables")


def is_given(value: object) -> bool:
    """Whether a cell of the table holds anything."""
    return value is not None and str(value) not in {"", "nan"}


def is_number(value: object) -> bool:
    """Whether a cell of the table is a finite number."""
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _read_table(path: Path) -> pd.DataFrame:
    """Cells as text or numbers, index: row in a spreadsheet. A row with too few cells is refused: the table may have been cut off."""
    import pandas as pd

    header, rows, separator = read_cells(path, _MAKE)
    if not rows:
        raise CohortError(f"{path.name} holds no cases: it needs a row of column names and one row a case")
    for number, cells in rows:
        if len(cells) < len(header):
            refuse_row(path, number, cells, header, separator)
    table = pd.DataFrame([cells for _, cells in rows], columns=header, index=[number for number, _ in rows], dtype=object)
    comma = SURE_DECIMAL_COMMA if separator == "," else DECIMAL_COMMA
    return pd.DataFrame({name: _typed(table[name], comma) for name in header}, index=table.index)


def _typed(column: pd.Series, comma: re.Pattern[str]) -> pd.Series:
    """Floats where every cell that is not missing is a number; else text. Missing cells are NaN."""
    missing = column == "" if column.name == "case_id" else column.str.lower().isin(MISSING)
    given = column[~missing]
    if column.name not in TEXT_COLUMNS:
        numbers = given.map(lambda text: number_of(text, comma)).astype(float)
        if numbers.notna().all():
            return numbers.reindex(column.index)
    return given.reindex(column.index)
