"""The cohort table as spreadsheets write it, and every way in which it can be wrong."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.cohort_table import clinical_columns, image_columns, read_cohort, require_columns, require_images
from HabitatPNILib.errors import CohortError

HEADER = "case_id,centre,split,outcome,patient_id,t2w,dwi,adc,roi,age,mrt_stage"
ROWS = [
    "001,A,training,0,P7,a/t2w.nrrd,a/dwi.nrrd,a/adc.nrrd,a/roi.nrrd,63.5,T2",
    "002,A,training,1,P8,b/t2w.nrrd,b/dwi.nrrd,b/adc.nrrd,b/roi.nrrd,71,3",
    "003,B,external,0,,c/t2w.nrrd,c/dwi.nrrd,,c/roi.nrrd,,2",
]


def write(path, text: str | bytes):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(change=lambda rows: rows, header: str = HEADER, end: str = "\n") -> str:
    return end.join([header, *change(list(ROWS))]) + end


def check_plain(found) -> None:
    assert list(found.index) == ["001", "002", "003"]
    assert found["outcome"].tolist() == [0, 1, 0]
    assert found["patient_id"].tolist()[:2] == ["P7", "P8"]
    np.testing.assert_array_equal(found["age"].to_numpy(), [63.5, 71.0, np.nan])
    assert found["mrt_stage"].tolist() == ["T2", "3", "2"]
    assert found.loc["003", ["adc", "patient_id"]].isna().all()


@pytest.mark.parametrize(
    "content",
    [
        table().encode(),
        table(end="\r\n").encode(),
        table(end="\r").encode(),
        table().encode("utf-8-sig"),
        table().encode("utf-16"),
        table().replace(",", ";").replace("63.5", "63,5").encode("utf-8-sig"),
        table().replace(",", "\t").encode(),
        table().replace("63.5", '"63,5"').encode(),
        table().replace(",,2", ",NA,2").replace("\n", ",,,\n").encode(),
        (table() + ",,,,,,,,,,\n\n").encode(),
        table().replace("001,A", " 001 ,A").replace("a/t2w", '"a/t2w').replace("t2w.nrrd,a/dwi", 't2w.nrrd",a/dwi').encode(),
    ],
    ids=["plain", "windows", "old mac", "mark", "utf-16", "semicolons", "tabs", "decimal comma", "NA", "empty rows", "quotes and blanks"],
)
def test_every_way_of_writing_the_same_table(tmp_path, content):
    check_plain(read_cohort(write(tmp_path / "cohort.csv", content)))


def test_known_columns_are_no_clinical_values(tmp_path):
    more = ",dicom,low_b,t1pv,b_dwi,b_low_b,roi_segment,roi_on,roi_2,roi_2_segment,roi_2_on,reference_standard,true_probability"
    text = table(lambda rows: [row + ",,,p.nrrd,1400,50,1,t2w,x.nrrd,1,t2w,biopsy,0.5" for row in rows], HEADER + more)
    found = read_cohort(write(tmp_path / "cohort.csv", text))
    assert clinical_columns(found) == ["age", "mrt_stage"]
    assert found["roi_segment"].tolist() == ["1"] * 3
    assert found["b_dwi"].tolist() == [1400.0] * 3


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.replace("outcome", "result"), "columns are missing: outcome (it has case_id, centre, split, result"),
        (
            lambda t: t.replace("t2w,dwi,adc,", "x,y,z,"),
            "columns are missing: the images' (t2w and dwi, t1pv, as the protocol asks), or dicom",
        ),
        (lambda t: t.replace("training,1", "training,"), "column outcome must be 0 or 1; it is not in rows 3"),
        (lambda t: t.replace(",0,", ",2,"), "column outcome must be 0 or 1; it is not in rows 2, 4"),
        (lambda t: t.replace(",0,", ",no,").replace(",1,", ",yes,"), "column outcome must be 0 or 1; it is not in rows 2, 3, 4"),
        (lambda t: t.replace("training", "train"), "column split must be one of training, internal, external; it is not in rows 2, 3"),
        (lambda t: t.replace("002,", "001,"), "column case_id: given more than once: 001 (rows 2, 3)"),
        (lambda t: t.replace("002,", " ,"), "column case_id is empty in rows 3; give every case a name"),
        (lambda t: t.replace("centre", "age"), "columns are there more than once: age; keep one of each"),
        (lambda t: t.replace("centre", ""), "column 2 has no name"),
        (lambda t: t.replace("71,3", "71,3,4"), "row 3 has 12 cells for 11 columns; put quotes round a cell that holds the separator ','"),
        (lambda t: t.replace(",71,3", ""), "row 3 has 9 cells for 11 columns"),
        (lambda t: t.replace("patient_id", "b_dwi"), "column b_dwi must be a b-value in s/mm2; it is not in rows 2, 3"),
        (lambda t: t.replace("63.5", '"63.5'), "cohort.csv is not a readable CSV table"),
        (lambda t: HEADER, "holds no cases"),
        (lambda t: "", "holds no cases"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, change, text):
    with pytest.raises(CohortError) as error:
        read_cohort(write(tmp_path / "cohort.csv", change(table())))
    assert text in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("cohort.xlsx", b"PK\x03\x04...", "cohort.xlsx is a spreadsheet and no CSV table; save it as CSV"),
        ("cohort.csv", b"PK\x03\x04...", "cohort.csv is a spreadsheet and no CSV table"),
        ("cohort.xls", b"\xd0\xcf\x11\xe0...", "is a spreadsheet"),
        ("cohort.csv", table().replace("T2", "Gr\u00f6\u00dfe").encode("cp1252"), "row 2 holds a letter that is not UTF-8; save it as CSV"),
    ],
)
def test_files_that_are_no_csv_are_refused_in_words(tmp_path, name, content, text):
    with pytest.raises(CohortError) as error:
        read_cohort(write(tmp_path / name, content))
    assert text in str(error.value)


def test_a_missing_table_is_said(tmp_path):
    with pytest.raises(CohortError, match=r"No table none\.csv can be read there; write one with the columns case_id, split"):
        read_cohort(tmp_path / "none.csv")


def test_columns_that_a_model_needs(tmp_path):
    found = read_cohort(write(tmp_path / "cohort.csv", table()))
    require_columns(found, ["age", "mrt_stage"], "Model m")
    with pytest.raises(
        CohortError, match=r"lacks the columns pi_rads, tpsa that Model m needs \(clinical columns it has: age, mrt_stage\)"
    ):
        require_columns(found, ["age", "pi_rads", "tpsa"], "Model m")


@pytest.mark.parametrize(
    ("change", "sequences", "missing"),
    [
        (lambda t: t, ("t2w", "dwi", "adc"), ""),
        (lambda t: t.replace(",adc,", ",x,"), ("t2w", "dwi", "adc"), ""),
        (lambda t: t.replace(",dwi,", ",dvi,"), ("t2w", "dwi", "adc"), "dwi, or dicom"),
        (lambda t: t.replace("t2w,dwi", "x,dicom"), ("t2w", "dwi", "adc"), ""),
        (lambda t: t, ("t1pv",), "t1pv"),
        (lambda t: t.replace("t2w,dwi", "x,dicom"), ("t1pv",), "t1pv"),
        (lambda t: t.replace("t2w", "t1pv"), ("t1pv",), ""),
        (lambda t: t.replace("t2w,dwi", "x,dicom"), ("t2w", "t1pv"), "t2w and t1pv"),
    ],
)
def test_images_are_asked_for_as_the_protocol_needs_them(tmp_path, change, sequences, missing):
    found = read_cohort(write(tmp_path / "cohort.csv", change(table())))
    if not missing:
        require_images(found, sequences, "cohort.csv")
        return
    with pytest.raises(CohortError) as error:
        require_images(found, sequences, "cohort.csv")
    assert f"cohort.csv: columns are missing: {missing}; the protocol needs them (it has case_id, centre" in str(error.value)


def test_a_protocol_reads_its_own_images_and_those_that_guide_its_registration():
    assert image_columns(("t2w", "dwi", "adc")) == image_columns(("t2w",)) == ("t2w", "dwi", "adc", "low_b", "roi")
    assert image_columns(("t1pv",)) == image_columns(("t1pv",), float("nan")) == ("t1pv", "roi")
    assert image_columns(("t1pv",), "t2w") == ("t2w", "t1pv", "roi")
