"""Phantom cohorts and their files."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CohortError, OutputError
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.imaging.phantom_cohort import phantom_cohort, write_phantom_case


def test_default_cohort_has_the_studys_shape():
    members = list(phantom_cohort())
    assert Counter((m.split, m.centre) for m in members) == {
        ("training", "centre1"): 173,
        ("internal", "centre1"): 74,
        ("external", "centre2"): 150,
    }
    assert len({m.case_id for m in members}) == len({m.seed for m in members}) == 397
    assert 50 < sum(m.outcome for m in members) < 110


def test_cohorts_of_ten_seeds_keep_the_design():
    from sklearn.metrics import roc_auc_score

    bayes = []
    for seed in range(10):
        members = list(phantom_cohort(seed=seed))
        bayes.append(roc_auc_score([m.outcome for m in members], [m.probability for m in members]))
    assert 0.84 < np.mean(bayes) < 0.92


def test_member_agrees_with_its_case():
    member = next(iter(phantom_cohort(n=(0, 0, 1), seed=5)))
    case, truth = phantom_case(member.seed, centre=member.centre, case_id=member.case_id)
    assert (case.case_id, dict(case.clinical)) == ("phantom-centre2-0001", member.clinical)
    assert (truth.outcome, truth.probability) == (member.outcome, member.probability)


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    case, _ = phantom_case(1, centre="centre2")
    with pytest.raises(OutputError, match=r"Cannot make the folder .*taken.*choose another output folder"):
        write_phantom_case(case, tmp_path / "taken")


def test_image_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise RuntimeError("No space left on device")

    case, _ = phantom_case(1, centre="centre2")
    monkeypatch.setattr(sitk, "WriteImage", full)
    with pytest.raises(OutputError, match=r"^t2w\.nrrd could not be written: No space left on device$"):
        write_phantom_case(case, tmp_path / "case")
    assert list((tmp_path / "case").iterdir()) == []


def test_empty_cohort_is_refused():
    with pytest.raises(CohortError, match="No phantom cohort of sizes"):
        next(iter(phantom_cohort(n=(0, 0, 0))))
