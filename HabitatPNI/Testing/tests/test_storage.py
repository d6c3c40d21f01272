"""Files are whole or not there."""

from __future__ import annotations

import errno

import pytest

from HabitatPNILib.errors import OutputError
from HabitatPNILib.storage import output_folder, write_file, write_text


def test_write_text_replaces_and_leaves_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "one\n")
    write_text(tmp_path / "a.txt", "two\n")
    assert (tmp_path / "a.txt").read_bytes() == b"two\n"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail(path):
        path.write_text("ha", encoding="utf-8")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match=r"a\.txt could not be written: No space left on device"):
        write_file(tmp_path / "a.txt", fail)
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_the_temporary_name_keeps_double_suffixes(tmp_path):
    seen = []

    def write(path):
        seen.append(path.name)
        path.write_text("x", encoding="utf-8")

    write_file(tmp_path / "habitats.seg.nrrd", write)
    assert seen[0].endswith(".seg.nrrd")
    assert (tmp_path / "habitats.seg.nrrd").is_file()


def test_output_folder_is_all_or_nothing(tmp_path):
    out = tmp_path / "out"
    with output_folder(out) as temporary:
        (temporary / "a").write_text("1", encoding="utf-8")
        (temporary / "b").write_text("1", encoding="utf-8")

    def fail_half_way():
        with output_folder(out) as temporary:
            (temporary / "a").write_text("2", encoding="utf-8")
            raise KeyError

    with pytest.raises(KeyError):
        fail_half_way()
    assert {p.name: p.read_text(encoding="utf-8") for p in out.iterdir()} == {"a": "1", "b": "1"}
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("a file", encoding="utf-8")
    with pytest.raises(OutputError, match="could not be written"), output_folder(tmp_path / "out") as temporary:
        (temporary / "a").write_text("1", encoding="utf-8")
    assert (tmp_path / "out").read_text(encoding="utf-8") == "a file"


def test_a_folder_that_is_not_there_and_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")

    def gone(path):
        raise FileNotFoundError(2, "No such file or directory", str(path))

    for path, write in ((tmp_path / "report.html", gone), (tmp_path / "file" / "report.html", lambda temporary: None)):
        with pytest.raises(OutputError, match=r"^report\.html could not be written: there is no such folder.*; choose another folder$"):
            write_file(path, write)
