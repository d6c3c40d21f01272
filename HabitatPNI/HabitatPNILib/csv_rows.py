"""Small CSV tables that a person fills in: with commas, semicolons or tabs, UTF-8 or UTF-16, as spreadsheets save them."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import CohortError

Rows = list[tuple[int, dict[str, str]]]
SPREADSHEETS = (".xlsx", ".xlsm", ".xls", ".ods", ".numbers")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
SURE_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")
"""Where commas part the columns, "1,234" in quotes could be a thousand."""

_SHOWN = 5
_SPREADSHEET_BYTES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_SAVE_AS_CSV = "save it as CSV (in Excel: Save As, CSV UTF-8) and give that file"


class Cells(NamedTuple):
    """Cells of a CSV table without the blanks round them.

    Parameters
    ----------
    header : names of the columns, all different; none for an empty file
    rows : number in a spreadsheet (the header is in row 1) and cells of every row that holds something; a row may be shorter than the
        header, as spreadsheets leave out empty cells at its end
    separator : between the columns
    """

    header: list[str]
    rows: list[tuple[int, list[str]]]
    separator: str


def read_cells(path: Path, make: str) -> Cells:
    """The one reader of CSV tables.

    Commas, semicolons or tabs between the columns; UTF-8 or UTF-16, with or without a byte order mark; any line ends. Empty rows are left
    out, and so are empty columns without a name at the end.

    Parameters
    ----------
    make : what to do when there is no such table, for the error

    Raises
    ------
    CohortError
        for a file that is not there, no CSV table, or has a column without a name, two of the same name, or cells without a column
    """
    text = _text(path, make)
    separator = max((",", ";", "\t"), key=(text.splitlines() or [""])[0].count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        rows = [(number, [cell.strip() for cell in row]) for number, row in enumerate(reader, start=1)]
    except csv.Error as error:
        raise CohortError(f"{path.name} is not a readable CSV table: {error}") from error
    rows = [(number, cells) for number, cells in rows if any(cells)]
    header = list(rows[0][1]) if rows else []
    while header and not header[-1]:
        header.pop()
    _check_header(header, path)
    for number, cells in rows[1:]:
        if any(cells[len(header) :]):
            refuse_row(path, number, cells, header, separator)
    return Cells(header, [(number, cells[: len(header)]) for number, cells in rows[1:]], separator)


def read_rows(path: Path, columns: Sequence[str], make: str) -> Rows:
    """Rows with their number in a spreadsheet and their cells by column; empty rows are left out, missing cells empty.

    Parameters
    ----------
    columns : that must be there
    make : what to do when there is no such table, for the error

    Raises
    ------
    CohortError
        as `read_cells`, or when the table lacks columns, or a case is in it twice or without a name
    """
    table = read_cells(path, make)
    missing = [name for name in columns if name not in table.header]
    if missing:
        raise CohortError(f"{path.name}: columns are missing: {', '.join(missing)}; {make}")
    rows = [(number, dict.fromkeys(table.header, "") | dict(zip(table.header, cells, strict=False))) for number, cells in table.rows]
    if "case_id" in columns:
        names = [cells["case_id"] for _, cells in rows]
        refuse(
            path, "case_id", (n for n, c in rows if not c["case_id"] or names.count(c["case_id"]) > 1), "is empty or given more than once"
        )
    return rows


def refuse(path: Path, column: str, rows: Iterable[Any], what: str, then: str = "") -> None:
    """Raise `CohortError` naming the column and the rows, if there are any; `then` says what to do."""
    numbers = list(rows)
    if numbers:
        raise CohortError(f"{path.name}: column {column} {what} in rows {listed(numbers)}{f'; {then}' if then else ''}")


def refuse_row(path: Path, number: int, cells: Sequence[str], header: Sequence[str], separator: str) -> None:
    """Raise `CohortError` for a row whose cells do not match the columns."""
    what = f"row {number} has {len(cells)} cells for {len(header)} columns"
    raise CohortError(f"{path.name}: {what}; put quotes round a cell that holds the separator {separator!r}")


def listed(names: Iterable[Any]) -> str:
    """The first few names or row numbers, as they stand in an error."""
    names = list(names)
    return ", ".join(map(str, names[:_SHOWN])) + (" ..." if len(names) > _SHOWN else "")


def number_of(text: str, comma: re.Pattern[str] = DECIMAL_COMMA) -> float:
    """A cell's finite number, with a point or a comma before its decimals; NaN where it is none.

    Parameters
    ----------
    comma : what counts as a number with a decimal comma
    """
    if comma.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) and "_" not in text else math.nan


def _text(path: Path, make: str) -> str:
    if not path.is_file():
        raise CohortError(f"No table {path.name} can be read there; {make}")
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


def _check_header(header: list[str], path: Path) -> None:
    if not all(header):
        raise CohortError(f"{path.name}: column {header.index('') + 1} has no name; name it or remove it")
    twice = [name for name in dict.fromkeys(header) if header.count(name) > 1]
    if twice:
        raise CohortError(f"{path.name}: columns are there more than once: {listed(twice)}; keep one of each")
