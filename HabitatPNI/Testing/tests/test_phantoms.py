"""A phantom cohort on disk."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import Cancelled
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.imaging.phantom_cohort import phantom_cohort
from HabitatPNILib.phantoms import write_phantom_cohort


def test_written_cohort_reads_back(tmp_path):
    table = write_phantom_cohort(tmp_path / "cohort", n=(1, 0, 1), seed=2)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [r["case_id"] for r in rows] == ["phantom-centre1-0001", "phantom-centre2-0002"]
    assert rows[0]["b_dwi"] == "1400"
    assert rows[0]["b_low_b"] == "50"
    member = next(iter(phantom_cohort(n=(1, 0, 1), seed=2)))
    case, _ = phantom_case(member.seed, centre=member.centre)
    dwi = sitk.ReadImage(str(table.parent / rows[0]["dwi"]))
    assert dwi.GetMetaData("b_value") == "1400"
    assert dwi.GetMetaData("phantom") == "true"
    assert np.array_equal(sitk.GetArrayViewFromImage(dwi), sitk.GetArrayViewFromImage(case.images["dwi"]))
    assert float(rows[0]["age"]) == member.clinical["age"]
    assert float(rows[0]["true_probability"]) == pytest.approx(member.probability, abs=1e-6)
    before = {path: path.stat().st_mtime_ns for path in table.parent.rglob("*.*")}
    assert write_phantom_cohort(tmp_path / "cohort", n=(1, 0, 1), seed=2) == table
    assert {path: path.stat().st_mtime_ns for path in table.parent.rglob("*.*")} == before
    assert not [p for p in table.parent.rglob("*") if p.name.startswith(".")]


def test_cancelled_cohort_has_no_table(tmp_path):
    def stop(fraction, message):
        if fraction > 0:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_phantom_cohort(tmp_path, n=(0, 0, 2), seed=2, progress=stop)
    assert not (tmp_path / "cohort.csv").exists()


def test_another_seed_is_another_cohort(tmp_path):
    first = write_phantom_cohort(tmp_path / "cohort", n=(0, 0, 1), seed=2).read_text(encoding="utf-8")
    second = write_phantom_cohort(tmp_path / "cohort", n=(0, 0, 1), seed=3).read_text(encoding="utf-8")
    assert first != second
