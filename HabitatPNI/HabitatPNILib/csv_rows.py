"""Small CSV tables that a person fills in, as text: with commas, semicolons or tabs, as spreadsheets save them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from .errors import CohortError

Rows = list[tuple[int, dict[str, str]]]
_SHOWN = 5


def read_rows(path: Path, columns: Sequence[str], make: str) -> Rows:
    """Rows with their number in a spreadsheet (the header is row 1) and their cells by column; empty rows are left out.

    Parameters
    ----------
    columns : that must be there
    make : what to do when there is no such table, for the error

    Raises
    ------
    CohortError
        when the table is not there or not readable, lacks columns, or a case is in it twice or without a name
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CohortError(f"No table {path.name} can be read there; {make}") from error
    try:
        lines = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise CohortError(f"{path.name} is not UTF-8 text; save it as CSV (in Excel: Save As, CSV UTF-8)") from error
    separator = max((",", ";", "\t"), key=lines[0].count) if lines else ","
    try:
        table = [(number, [cell.strip() for cell in cells]) for number, cells in enumerate(csv.reader(lines, delimiter=separator), start=1)]
    except csv.Error as error:
        raise CohortError(f"{path.name} is not a readable CSV table: {error}") from error
    header = table[0][1] if table else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise CohortError(f"{path.name}: columns are missing: {', '.join(missing)}; {make}")
    rows = [(number, dict(zip(header, cells, strict=False))) for number, cells in table[1:] if any(cells)]
    rows = [(number, {name: cells.get(name, "") for name in header}) for number, cells in rows]
    if "case_id" in columns:
        names = [cells["case_id"] for _, cells in rows]
        refuse(
            path, "case_id", (n for n, c in rows if not c["case_id"] or names.count(c["case_id"]) > 1), "is empty or given more than once"
        )
    return rows


def refuse(path: Path, column: str, rows: Iterable[int], what: str) -> None:
    """Raise `CohortError` naming the column and the rows, if there are any."""
    numbers = [str(row) for row in rows]
    if numbers:
        shown = ", ".join(numbers[:_SHOWN]) + (" ..." if len(numbers) > _SHOWN else "")
        raise CohortError(f"{path.name}: column {column} {what} in rows {shown}")


def number_of(text: str) -> float:
    """A cell's number, with a point or a comma before its decimals; NaN where it is none."""
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")
