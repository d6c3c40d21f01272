"""Leakage between splits: one patient or one image twice."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CohortError
from HabitatPNILib.imaging.files import read_case_files
from HabitatPNILib.prepared_store import image_hashes
from HabitatPNILib.study.leakage import check_leakage


def cohort(splits: str, patients: list | None = None) -> pd.DataFrame:
    names = {"t": "training", "i": "internal", "e": "external"}
    table = pd.DataFrame({"split": [names[s] for s in splits]}, index=pd.Index([f"c{i}" for i in range(len(splits))], name="case_id"))
    return table if patients is None else table.assign(patient_id=patients)


def hashes(*marks: str) -> dict[str, dict[str, str]]:
    return {f"c{i}": {name: f"{mark}-{name}" for name in ("t2w", "dwi", "adc")} for i, mark in enumerate(marks)}


def test_a_clean_cohort_passes_and_says_what_was_compared():
    report = check_leakage(cohort("ttie", ["MRN1", "MRN2", "MRN3", "MRN4"]), hashes("a", "b", "c", "d"))
    assert (report.cases, report.with_patient, report.with_images, report.shared_in_split, report.warnings) == (4, 4, 4, (), ())


def test_one_patient_in_two_splits_is_refused_without_naming_the_patient():
    with pytest.raises(CohortError) as error:
        check_leakage(cohort("ttie", ["MRN1", "MRN2", "MRN3", " mrn2 "]), {})
    assert "c1 (training) and c3 (external) are the same patient; put all cases of a patient into one split" in str(error.value)
    assert "mrn" not in str(error.value).lower()
    assert "\n" not in str(error.value)


def test_an_identical_image_in_two_splits_is_refused():
    found = hashes("a", "b", "c", "d")
    found["c2"]["adc"] = found["c0"]["adc"]
    with pytest.raises(CohortError, match=r"c0 \(training\) and c2 \(internal\) hold the identical ADC image; remove one of the two"):
        check_leakage(cohort("ttie"), found)


def test_every_sequence_is_compared():
    found = {case: {"t1pv": "same"} for case in ("c0", "c1")}
    with pytest.raises(CohortError, match=r"c0 \(training\) and c1 \(internal\) hold the identical portal venous T1W image"):
        check_leakage(cohort("ti"), found)


def test_what_is_shared_inside_one_split_is_a_warning():
    report = check_leakage(cohort("ttie", ["1", "1", "", "2"]), hashes("a", "a", "c", "d"))
    assert report.shared_in_split == (("c0", "c1"),)
    assert "1 groups of cases share a patient or an image inside one split (c0, c1)" in report.warnings[0]
    assert "The patient of 1 of 4 cases is not stated" in report.warnings[1]


def test_patients_by_the_stem_of_the_case_name():
    table = cohort("tie").rename(index={"c0": "p1_left", "c1": "p2", "c2": "p1_right"})
    assert check_leakage(table, {}).with_patient == 0
    with pytest.raises(CohortError, match=r"p1_left \(training\) and p1_right \(external\) are the same patient"):
        check_leakage(table, {}, separator="_")


def test_many_pairs_are_counted():
    with pytest.raises(CohortError, match="and 2 more pairs are the same patient"):
        check_leakage(cohort("tttttiiiii", list("abcde") * 2), {})


def test_cases_without_images_are_counted():
    report = check_leakage(cohort("tt"), {"c0": {"t2w": "a"}})
    assert report.with_images == 1
    assert "images of 1 of 2 cases could not be compared" in report.warnings[-1]


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".nrrd"])
def test_an_image_is_told_in_every_kind_of_file(tmp_path, suffix):
    """Other name, kind, compression, voxel type, axes order and header: the same voxels give the same hash, one other voxel another."""
    rng = np.random.default_rng(3)
    t2w, dwi = (sitk.GetImageFromArray(rng.integers(0, 900, (9, 20, 24)).astype(np.int16)) for _ in range(2))
    names = {}
    for kind in ("first", "other", "changed"):
        for name, image in (("t2w", t2w), ("dwi", dwi)):
            path = tmp_path / f"{kind}-{name}{'.nrrd' if kind == 'first' else suffix}"
            written = sitk.Image(image) if kind == "first" else sitk.Cast(image, sitk.sitkFloat32)[::-1, :, :]
            if kind == "changed":
                written[3, 3, 3] = 901
            written.SetMetaData("note", kind)
            sitk.WriteImage(written, str(path), kind == "first")
            names[kind, name] = path
    found = {
        kind: image_hashes(read_case_files(t2w=names[kind, "t2w"], dwi=names[kind, "dwi"], case_id=kind).images)
        for kind in ("first", "other", "changed")
    }
    assert found["first"] == found["other"]
    assert set(found["first"]) == {"t2w", "dwi"}
    assert found["changed"]["t2w"] != found["first"]["t2w"]
