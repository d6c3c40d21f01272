"""The cohort table: read from CSV as spreadsheets write it, and checked, every complaint naming its column and rows."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import CohortError

if TYPE_CHECKING:
    import pandas as pd

IMAGE_COLUMNS = ("t2w", "dwi", "adc", "low_b", "roi")
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
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null"})
_SHOWN = 5
_SPREADSHEET_BYTES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_SURE_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")
"""Where commas part the columns, "1,234" in quotes could be a thousand."""

_SAVE_AS_CSV = "save it as CSV (in Excel: Save As, CSV UTF-8) and give that file"


def read_cohort(path: Path) -> pd.DataFrame:
    """Cohort table, index ``case_id``.

    Columns: ``case_id``, ``split`` (training, internal, external), ``outcome`` (0/1), optionally ``centre``, ``patient_id`` (told apart
    from other patients, never shown) and ``reference_standard``; images as paths relative to the table (``t2w``, ``dwi``, ``adc``,
    ``low_b``, ``roi``; b-values in ``b_dwi``, ``b_low_b``) or a ``dicom`` folder with ``roi``; ``roi_segment`` and ``roi_on`` where the
    outline needs them; ``roi_2``, ``roi_2_segment``, ``roi_2_on`` for a second reader's outline; every other column is a clinical value.

    Commas, semicolons (then with decimal commas) or tabs between the columns; UTF-8 or UTF-16, with or without a byte order mark; any line
    ends. A column of numbers alone is one of floats, an empty cell NaN. Rows in errors are counted as in a spreadsheet: the first case is
    in row 2.

    Raises
    ------
    CohortError
        naming the column and the rows
    """
    table = _read_csv(path)
    needed = [c for c in ("case_id", "split", "outcome", "roi") if c not in table]
    if needed or not ({"t2w", "dwi"} <= set(table) or "dicom" in table):
        there = ", ".join(map(str, table.columns[:30]))
        raise CohortError(f"{path.name}: columns are missing: {', '.join(needed) or 't2w and dwi, or dicom'} (it has {there})")
    _check_rows(table["case_id"].isna(), path, "column case_id is empty in rows {rows}; give every case a name")
    repeated = table["case_id"].duplicated(keep=False)
    if repeated.any():
        names = list(dict.fromkeys(table.loc[repeated, "case_id"]))
        raise CohortError(f"{path.name}: column case_id: given more than once: {_listed(names)} (rows {_rows(table.index[repeated])})")
    outcome = table["outcome"].map(_number).astype(float)
    _check_rows(~outcome.isin([0, 1]), path, "column outcome must be 0 or 1; it is not in rows {rows}")
    _check_rows(~table["split"].isin(SPLITS), path, f"column split must be one of {', '.join(SPLITS)}; it is not in rows {{rows}}")
    for name in ("b_dwi", "b_low_b"):
        if name in table:
            wrong = table[name].map(lambda v: is_given(v) and not is_number(v))
            _check_rows(wrong, path, f"column {name} must be a b-value in s/mm2; it is not in rows {{rows}}")
    return table.assign(outcome=outcome.astype(int)).set_index("case_id")


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
        raise CohortError(f"Rejected cases are not in the cohort table: {_listed(unknown)}; check column case_id of both tables")


def is_given(value: object) -> bool:
    """Whether a cell of the table holds anything."""
    return value is not None and str(value) not in {"", "nan"}


def is_number(value: object) -> bool:
    """Whether a cell of the table is a finite number."""
    return isinstance(value, (int, float, np.number)) and bool(np.isfinite(value))


def _read_csv(path: Path) -> pd.DataFrame:
    """Cells as text or numbers, index: row in a spreadsheet; empty rows are left out."""
    import pandas as pd

    text = _text(path)
    separator = _separator((text.splitlines() or [""])[0])
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(reader, start=1)]
    except csv.Error as error:
        raise CohortError(f"{path.name} is not a readable CSV table: {error}") from error
    rows = [(number, cells) for number, cells in rows if any(cells)]
    if len(rows) < 2:
        raise CohortError(f"{path.name} holds no cases: it needs a row of column names and one row a case")
    header = rows[0][1]
    while header and not header[-1]:
        header.pop()
    _check_header(header, path)
    body = []
    for number, cells in rows[1:]:
        if len(cells) < len(header) or any(cells[len(header) :]):
            what = f"row {number} has {len(cells)} cells for {len(header)} columns"
            raise CohortError(f"{path.name}: {what}; put quotes round a cell that holds the separator {separator!r}")
        body.append(cells[: len(header)])
    table = pd.DataFrame(body, columns=header, index=[number for number, _ in rows[1:]], dtype=object)
    comma = _SURE_DECIMAL_COMMA if separator == "," else _DECIMAL_COMMA
    return pd.DataFrame({name: _typed(table[name], comma) for name in header}, index=table.index)


def _text(path: Path) -> str:
    if not path.is_file():
        raise CohortError(f"No cohort table {path}; write one with the columns case_id, split, outcome, t2w, dwi, adc, roi")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CohortError(f"{path.name} cannot be read ({error.strerror}); close it in other programs and check its permissions") from error
    if path.suffix.lower() in SPREADSHEETS or content.startswith(_SPREADSHEET_BYTES):
        raise CohortError(f"{path.name} is a spreadsheet and no CSV table; {_SAVE_AS_CSV}")
    try:
        return content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise CohortError(f"{path.name}: row {row} holds a letter that is not UTF-8; {_SAVE_AS_CSV}") from error


def _separator(header: str) -> str:
    return max((",", ";", "\t"), key=header.count)


def _check_header(header: list[str], path: Path) -> None:
    if not all(header):
        raise CohortError(f"{path.name}: column {header.index('') + 1} has no name; name it or remove it")
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice:
        raise CohortError(f"{path.name}: columns are there more than once: {_listed(twice)}; keep one of each")


def _typed(column: pd.Series, comma: re.Pattern[str]) -> pd.Series:
    """Floats where every cell that is not missing is a number; else text. Missing cells are NaN."""
    missing = column == "" if column.name == "case_id" else column.str.lower().isin(MISSING)
    given = column[~missing]
    if column.name not in TEXT_COLUMNS:
        numbers = given.map(lambda text: _number(text, comma)).astype(float)
        if numbers.notna().all():
            return numbers.reindex(column.index)
    return given.reindex(column.index)


def _number(value: Any, comma: re.Pattern[str] = _SURE_DECIMAL_COMMA) -> float:
    """Finite number of a cell, NaN for another; "63,5" is one too."""
    text = str(value)
    if comma.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return float("nan")
    return number if np.isfinite(number) and "_" not in text else float("nan")


def _check_rows(wrong: pd.Series, path: Path, text: str) -> None:
    if wrong.any():
        raise CohortError(f"{path.name}: {text.format(rows=_rows(wrong.index[wrong]))}")


def _rows(index: Iterable[Any]) -> str:
    return _listed([str(number) for number in index])


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names[:_SHOWN])) + (" ..." if len(names) > _SHOWN else "")
