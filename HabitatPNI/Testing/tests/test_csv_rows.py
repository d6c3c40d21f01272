"""The one reader of tables that people fill in: sheets as spreadsheets save them, and the rows that cannot be used."""

from __future__ import annotations

import math

import pytest

from HabitatPNILib.csv_rows import SURE_DECIMAL_COMMA, number_of, read_rows
from HabitatPNILib.errors import CohortError

MAKE = "write one"
TEXT = "case_id,decision,comment\na,accept,\nb,reject,moved\n"


def write(path, content: str | bytes):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\r"),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.replace(",", ";"),
        TEXT.replace(",", "\t"),
        TEXT.replace("\n", ",,\n"),
        TEXT.replace("accept,", "accept"),
        TEXT.replace("moved", '" moved "'),
    ],
    ids=["plain", "windows", "old mac", "mark", "utf-16", "semicolons", "tabs", "empty columns", "no empty cells at the end", "blanks"],
)
def test_every_way_of_writing_the_same_sheet(tmp_path, content):
    assert read_rows(write(tmp_path / "t.csv", content), ("case_id", "decision"), MAKE) == [
        (2, {"case_id": "a", "decision": "accept", "comment": ""}),
        (3, {"case_id": "b", "decision": "reject", "comment": "moved"}),
    ]


def test_a_cell_of_two_lines_is_one_row_and_empty_rows_are_counted(tmp_path):
    rows = read_rows(write(tmp_path / "t.csv", 'case_id,comment\na,"one\ntwo"\n,\n\nb,x\n'), ("case_id",), MAKE)
    assert [(number, cells["comment"]) for number, cells in rows] == [(2, "one\ntwo"), (5, "x")]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("t.xlsx", b"PK\x03\x04", "t.xlsx is a spreadsheet and no CSV table; save it as CSV"),
        ("t.csv", TEXT.replace("moved", "Gr\u00f6\u00dfe").encode("cp1252"), "row 3 holds a letter that is not UTF-8"),
        ("t.csv", TEXT.replace("moved", '"moved'), "t.csv is not a readable CSV table"),
        ("t.csv", TEXT.replace("moved", "moved, slice 3"), "row 3 has 4 cells for 3 columns; put quotes round a cell"),
        ("t.csv", TEXT.replace("comment", "decision"), "columns are there more than once: decision; keep one of each"),
        ("t.csv", TEXT.replace("decision", ""), "column 2 has no name; name it or remove it"),
        ("t.csv", TEXT.replace("b,", "a,"), "column case_id is empty or given more than once in rows 2, 3"),
        ("t.csv", "", "columns are missing: case_id, decision; write one"),
        ("t.csv", "case_id,x\n", "columns are missing: decision; write one"),
    ],
)
def test_sheets_that_cannot_be_used(tmp_path, name, content, text):
    with pytest.raises(CohortError) as error:
        read_rows(write(tmp_path / name, content), ("case_id", "decision"), MAKE)
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_numbers_of_cells():
    assert [number_of(text) for text in ("1.5", "-1,5", "3", "1e-3")] == [1.5, -1.5, 3.0, 0.001]
    assert all(math.isnan(number_of(text)) for text in ("", "x", "1,2,3", "inf", "nan", "1_000"))
    assert number_of("63,5", SURE_DECIMAL_COMMA) == 63.5
    assert math.isnan(number_of("1,234", SURE_DECIMAL_COMMA))
