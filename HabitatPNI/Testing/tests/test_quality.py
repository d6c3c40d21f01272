"""The quality sheet: figures against the phantom's truth, and a person's decisions, which nothing may change."""

from __future__ import annotations

import csv
import re

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib import preparation, quality
from HabitatPNILib.cohort_run import Failed
from HabitatPNILib.cohort_steps import prepare_case
from HabitatPNILib.cohort_table import read_cohort
from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.imaging.phantom_cohort import write_phantom_case
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.quality import check_quality, field_overlap, read_decisions, read_undecided

PROTOCOL = Protocol.load("pca-pni")
SHIFT, ANGLE = (3.0, -2.0, 1.5), 4.0
KEYS = {"a": "1-a", "b": "1-b", "c": "1-c"}


def write_cohort(folder, names, **images):
    paths = {name: images.get(name, "x.nrrd") for name in ("t2w", "dwi", "adc", "low_b", "roi")}
    rows = [{"case_id": name, "split": "training", "outcome": i % 2, **paths} for i, name in enumerate(names)]
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


def write(path, rows, delimiter=","):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(next(iter(rows.values()))), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows.values())


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory):
    """A phantom whose misalignment is known, and a case without its DWI."""
    folder = tmp_path_factory.mktemp("cohort")
    case, truth = phantom_case(700, misalignment=(SHIFT, (0.0, 0.0, ANGLE)))
    write_phantom_case(case, folder / "p")
    cohort = write_cohort(folder, ["p"], **{name: f"p/{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")})
    table = pd.read_csv(cohort)
    pd.concat([table, table.assign(case_id="no/dwi", dwi="none.nrrd")]).assign(b_dwi=1400).to_csv(cohort, index=False)
    out = folder / "quality"
    return cohort, out, check_quality(cohort, PROTOCOL, out), case, truth


def test_figures_are_those_of_the_phantom(looked_at):
    _, out, found, case, truth = looked_at
    assert (found.accepted, found.review, found.rejected, found.new) == (("p",), (), ("no/dwi",), 2)
    row = read(out / "quality.csv")["p"]
    assert row["registration"] == "accepted"
    assert float(row["rotation_deg"]) == pytest.approx(ANGLE, abs=2.0)
    # The gland's centre and the image's lie apart, so that the shift found is that of the true transform at the image's centre.
    middle = np.array(case.images["adc"].TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in case.images["adc"].GetSize()]))
    moved = np.linalg.norm(np.array(truth.transform.TransformPoint(middle.tolist())) - middle)
    assert float(row["translation_mm"]) == pytest.approx(moved, abs=1.0)
    assert float(row["metric_after"]) > float(row["metric_before"])
    volume = sitk.GetArrayViewFromImage(truth.habitats).astype(bool).sum() / 1000
    assert float(row["roi_ml"]) == pytest.approx(volume, rel=0.1)
    inside = sitk.GetArrayFromImage(sitk.Resample(truth.habitats, case.images["adc"], sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    assert float(row["adc_median"]) == pytest.approx(np.median(sitk.GetArrayFromImage(case.images["adc"])[inside]), rel=0.1)


def test_the_sheet_opens_offline_with_the_worst_first(looked_at):
    _, out, *_ = looked_at
    page = (out / "quality.html").read_text(encoding="utf-8")
    assert page.index("no/dwi") < page.index("<h2>p<")
    assert "The DWI file none.nrrd does not exist" in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert not re.search(r"https?://|<script", page)
    assert "Research use only" in page
    montage = sitk.ReadImage(str(out / read(out / "quality.csv")["p"]["montage"]))
    assert montage.GetSize() == (1920, 435)
    # The outline (white on black) and the edges (blue) were drawn.
    pixels = sitk.GetArrayFromImage(montage)[..., :3]
    assert (np.abs(pixels.astype(int) - (86, 180, 233)).max(axis=-1) < 40).sum() > 500


def test_a_second_run_looks_at_nothing_again_but_at_what_failed(looked_at, monkeypatch):
    cohort, out, *_ = looked_at
    prepared = []
    monkeypatch.setattr(quality, "prepare", lambda case, protocol: prepared.append(case.case_id))
    before = read(out / "quality.csv")
    assert check_quality(cohort, PROTOCOL, out).new == 1
    assert prepared == []
    assert read(out / "quality.csv") == before


def test_a_registration_of_the_extraction_is_shown_and_not_looked_for_again(looked_at, tmp_path, monkeypatch):
    cohort, out, *_ = looked_at
    row = read_cohort(cohort).to_dict("index")["p"]
    features = tmp_path / "features"
    stored = prepare_case("p", row, cohort.parent, PROTOCOL, features / "prepared")
    monkeypatch.setattr(preparation, "register_rigid", lambda *arguments, **options: pytest.fail("looked for again"))
    assert check_quality(cohort, PROTOCOL, tmp_path / "out", features=features).accepted == ("p",)
    figures = ("registration", "rotation_deg", "translation_mm", "metric_after", "roi_ml", "field_overlap", "key")
    again, before = read(tmp_path / "out" / "quality.csv")["p"], read(out / "quality.csv")["p"]
    assert {name: again[name] for name in figures} == {name: before[name] for name in figures}
    assert float(again["rotation_deg"]) == pytest.approx(stored.registration.rotation_deg, abs=1e-3)


@pytest.mark.slow
def test_two_processes_write_the_same_sheet(looked_at, tmp_path):
    cohort, out, *_ = looked_at
    check_quality(cohort, PROTOCOL, tmp_path, jobs=2)
    assert read(tmp_path / "quality.csv") == read(out / "quality.csv")


def test_field_overlap_of_two_boxes():
    fixed, moving = sitk.Image(40, 40, 20, sitk.sitkFloat32), sitk.Image(40, 40, 20, sitk.sitkFloat32)
    fixed.SetSpacing((2, 2, 4))
    moving.SetSpacing((2, 2, 4))
    assert field_overlap(fixed, moving, sitk.Transform()) == 1
    assert field_overlap(fixed, moving, sitk.TranslationTransform(3, (20.0, 0.0, 0.0))) == pytest.approx(0.75)
    assert field_overlap(fixed, moving, sitk.TranslationTransform(3, (20.0, 0.0, 40.0))) == pytest.approx(0.375)


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Three cases whose preparation is played: `answers` by case are its warnings, or why it failed; `keys` what its files hash to."""
    state = {"answers": dict.fromkeys("abc", ""), "keys": dict(KEYS), "looked": []}

    def look(case_id, row, folder, protocol, out, known, features):
        key, answer = state["keys"][case_id], state["answers"][case_id]
        if key == known:
            return None
        state["looked"].append(case_id)
        if isinstance(answer, Exception):
            raise answer
        decision = "review" if answer else "accept"
        (out / "montages").mkdir(parents=True, exist_ok=True)
        sitk.WriteImage(sitk.Image(8, 8, sitk.sitkUInt8), str(out / "montages" / f"{case_id}.png"))
        values = {
            "comment": "",
            "registration": "accepted",
            "warnings": answer,
            "metric_after": "0.3",
            "montage": f"montages/{case_id}.png",
        }
        return {"case_id": case_id, "decision": decision, "prefilled": decision, "key": key, **values}

    monkeypatch.setattr(quality, "_look", look)
    cohort = write_cohort(tmp_path, "abc")
    out = tmp_path / "out"
    return state, lambda: check_quality(cohort, PROTOCOL, out), out / "quality.csv"


def test_warnings_ask_for_a_review_and_a_failure_is_a_rejection(sheet):
    state, run, path = sheet
    state["answers"] = {"a": "ROI is small | DWI is odd", "b": CohortError("Case b: no image"), "c": ""}
    run()
    assert {case: (row["decision"], row["warnings"]) for case, row in read(path).items()} == {
        "a": ("review", "ROI is small | DWI is odd"),
        "b": ("reject", "no image"),
        "c": ("accept", ""),
    }
    assert read_decisions(path) == {"b": "rejected in the quality sheet: no image"}
    assert read_undecided(path, ["a", "b", "c", "new"]) == ("a", "new")
    state["answers"]["b"] = ""
    state["looked"].clear()
    run()
    assert state["looked"] == ["b"]
    assert read(path)["b"]["decision"] == "accept"


def test_what_nobody_has_decided_is_used_and_told(sheet):
    state, run, path = sheet
    state["answers"]["a"] = "a warning"
    run()
    rows = read(path)
    rows["b"]["decision"] = " "
    write(path, rows)
    assert read_decisions(path, "abc") == {}
    assert read_undecided(path, "abc") == ("a", "b")
    run()
    assert {case: row["decision"] for case, row in read(path).items()} == {"a": "review", "b": "review", "c": "accept"}


def test_a_persons_decision_outlives_every_run(sheet):
    state, run, path = sheet
    state["answers"]["a"] = "a warning"
    run()
    rows = read(path)
    rows["a"].update(decision="Accept", comment="looked at it")
    rows["b"].update(decision="reject", comment="gland moved, see slice 12")
    rows["c"].update(comment="fine")
    for row in rows.values():
        row["seen by"] = "AB"
    write(path, rows)
    run()
    again = read(path)
    assert {c: (r["decision"], r["comment"], r["seen by"]) for c, r in again.items()} == {
        "a": ("accept", "looked at it", "AB"),
        "b": ("reject", "gland moved, see slice 12", "AB"),
        "c": ("accept", "fine", "AB"),
    }
    # The files of all cases change: the figures are new, the decisions are not, and the sheet says so.
    state["keys"] = {case: f"{key}-changed" for case, key in KEYS.items()}
    state["answers"] = dict.fromkeys("abc", CohortError("Case: broken"))
    run()
    state["answers"] = dict.fromkeys("abc", "")
    run()
    run()
    final = read(path)
    assert {c: (r["decision"], r["comment"]) for c, r in final.items()} == {c: (r["decision"], r["comment"]) for c, r in again.items()}
    assert state["looked"].count("b") == 3
    assert read_decisions(path.parent) == {"b": "rejected in the quality sheet: gland moved, see slice 12"}


def test_an_untouched_row_follows_its_files(sheet):
    state, run, path = sheet
    run()
    state["keys"]["a"], state["answers"]["a"] = "1-other", "the ROI moved"
    run()
    assert read(path)["a"]["decision"] == "review"
    rows = read(path)
    rows["a"]["decision"] = "accept"
    write(path, rows)
    state["keys"]["a"], state["answers"]["a"] = "1-third", ""
    run()
    assert read(path)["a"]["warnings"].startswith("Images, outline or protocol changed after the decision: look again")


def test_what_a_stopped_run_has_looked_at_is_kept(sheet, tmp_path):
    state, run, path = sheet
    state["answers"]["b"] = Cancelled()
    with pytest.raises(Cancelled):
        run()
    assert list(read(path)) == ["a"]
    state["answers"]["b"] = ""
    state["looked"].clear()
    run()
    assert state["looked"] == ["b", "c"]


def test_sheets_as_spreadsheets_save_them(sheet):
    _, run, path = sheet
    run()
    rows = read(path)
    rows["c"].update(decision=" REJECT ", comment="Übersprechen; siehe Bild 3")
    write(path, rows, delimiter=";")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_decisions(path, "abc") == {"c": "rejected in the quality sheet: Übersprechen; siehe Bild 3"}
    run()
    assert read(path)["c"]["decision"] == "reject"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda rows: rows["b"].update(decision="maybe"), "column decision must be accept, review or reject; it is not in rows 3"),
        (lambda rows: rows["c"].update(case_id="b"), "column case_id is empty or given more than once in rows 3, 4"),
        (lambda rows: rows["a"].update(case_id="1", decision="reject"), "names a case that the cohort does not have"),
        (lambda rows: [row.pop("comment") for row in rows.values()], "columns are missing: comment; write one with habitatpni quality"),
    ],
)
def test_sheets_that_cannot_be_used(sheet, change, text):
    _, run, path = sheet
    run()
    rows = read(path)
    change(rows)
    write(path, rows)
    before = path.read_bytes()
    for step in (run, lambda: read_decisions(path, "abc")):
        with pytest.raises(CohortError) as error:
            step()
        assert text in str(error.value)
        assert "quality.csv" in str(error.value)
    assert path.read_bytes() == before


def test_a_sheet_that_is_not_there(tmp_path):
    with pytest.raises(CohortError, match=r"No table none.csv can be read there; write one with habitatpni quality"):
        read_decisions(tmp_path / "none.csv")


def test_montage_names_are_safe_and_apart():
    names = [quality._file_name(name) for name in ("a/b", "a_b", "A_B", "../x", "case 1", "")]
    assert len({name.lower() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+\.png", name) for name in names)


def test_failed_keeps_the_reason_alone():
    assert quality._failed("x", Failed("Case x: no DWI").reason)["warnings"] == "no DWI"
