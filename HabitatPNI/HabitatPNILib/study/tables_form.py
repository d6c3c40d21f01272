"""A table of a study: its numbers in full for the CSV file, and the same numbers as they are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    import pandas as pd

Form = Literal["text", "count", "share", "signed", "ratio", "figure", "p"]

NONE = "\u2013"
_LEAST_P = 0.001


class Column(NamedTuple):
    """A printed column: where its numbers stand, its heading, and how they are written.

    Parameters
    ----------
    key : column of the numbers; where ``key_low`` and ``key_high`` are columns too, they are printed behind it in parentheses; a key that
        ends in ``_shown`` is printed and left out of the CSV file
    heading : over the printed column
    form : ``share`` has three decimals, ``signed`` as well with its sign, ``ratio`` two, ``figure`` three significant digits, ``p`` three
        decimals and nothing below 0.001
    """

    key: str
    heading: str
    form: Form = "text"


@dataclass(frozen=True)
class StudyTable:
    """A table of a study.

    Parameters
    ----------
    name, title : name of its file, and what stands over it
    frame : as it is printed, all of it text
    note : what a reader has to know, in sentences
    numbers : what the CSV file holds, in full precision; None where `frame` says all
    """

    name: str
    title: str
    frame: pd.DataFrame
    note: str = ""
    numbers: pd.DataFrame | None = None

    @property
    def csv(self) -> str:
        """The numbers as comma-separated values; what is not known is empty."""
        table = self.frame if self.numbers is None else self.numbers
        return table.to_csv(index=False, lineterminator="\n")


def study_table(
    name: str, title: str, rows: Sequence[dict[str, Any]] | pd.DataFrame, columns: Sequence[Column], note: str = ""
) -> StudyTable:
    """A table made from its numbers.

    Parameters
    ----------
    rows : the numbers; a column that no row has is empty
    columns : what is printed of them, in order
    """
    import pandas as pd

    numbers = pd.DataFrame(rows)
    for column in columns:
        if column.key not in numbers:
            numbers[column.key] = math.nan
    rows = [{str(key): value for key, value in row.items()} for row in numbers.to_dict("records")]
    printed = {column.heading: [_cell(row, column) for row in rows] for column in columns}
    kept = [key for key in numbers.columns if not str(key).endswith("_shown")]
    return StudyTable(name, title, pd.DataFrame(printed, dtype=object), note, numbers[kept])


def write_p(p: float) -> str:
    """A p-value as it is printed."""
    return NONE if math.isnan(p) else f"< {_LEAST_P}" if p < _LEAST_P else f"{p:.3f}"


def minus(text: str) -> str:
    """`text` with the sign that is as wide as a digit."""
    return text.replace("-", "\u2212")


def _cell(row: dict[str, Any], column: Column) -> str:
    value = row[column.key]
    write = _WRITE[column.form]
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return NONE
    low, high = row.get(f"{column.key}_low", math.nan), row.get(f"{column.key}_high", math.nan)
    between = " to " if column.form == "signed" else "\u2013"
    return write(value) if math.isnan(low) or math.isnan(high) else f"{write(value)} ({write(low)}{between}{write(high)})"


def _finite(form: str) -> Callable[[float], str]:
    def write(value: float) -> str:
        if not math.isfinite(value):
            return "\u221e" if value > 0 else "\u2212\u221e"
        text = format(value, form)
        return minus(text) if float(text) else text.lstrip("+-")

    return write


_WRITE: dict[Form, Callable[[Any], str]] = {
    "text": str,
    "count": lambda value: f"{int(value):d}",
    "share": _finite(".3f"),
    "signed": _finite("+.3f"),
    "ratio": _finite(".2f"),
    "figure": _finite(".3g"),
    "p": write_p,
}
