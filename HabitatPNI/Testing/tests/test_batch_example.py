"""The scripted batch, as its own process on slicer-core: the numbers, the table, the exit code, and one line for what is wrong."""

from __future__ import annotations

import csv
import errno
import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import SimpleITK as sitk

from HabitatPNILib.cli import main as terminal
from HabitatPNILib.imaging.phantom_cohort import write_phantom_case

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

SCRIPT = Path(__file__).resolve().parents[1] / "Python" / "batch_example.py"
FILES = ("t2w", "dwi", "adc", "low_b", "roi")
CLINICAL = {"age": 63, "mrt_stage": 2, "pi_rads": 4}


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, encoding="utf-8", check=False)


def run_here(monkeypatch: pytest.MonkeyPatch, folder: Path) -> object:
    """The script as `Slicer --python-script` runs it, on folder/cases: its exit code, None where it returned."""
    arguments = [str(SCRIPT), str(folder / "cases"), "--model", "pca-pni-clinical", "--output", str(folder / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    try:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    except SystemExit as stop:
        return stop.code
    return None


def rows(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return {row["case_id"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def batch(tmp_path_factory, phantom_files, small_model):
    """One good case (outline as .seg.nrrd, clinical values in clinical.csv, b-values in case.json) and two that cannot be analysed."""
    cases, out = tmp_path_factory.mktemp("batch") / "cases", tmp_path_factory.mktemp("batch-out")
    shutil.copytree(phantom_files, cases / "a-good", ignore=shutil.ignore_patterns("roi.nrrd"))
    (cases / "a-good" / "case.json").write_text(
        json.dumps({"b_values": {"dwi": 1400, "low_b": 50}, "roi_segment": "Tumour"}), encoding="utf-8"
    )
    outline = sitk.ReadImage(str(phantom_files / "roi.nrrd"))
    for key, text in (("ID", "tumour"), ("Name", "Tumour"), ("Layer", "0"), ("LabelValue", "1")):
        outline.SetMetaData(f"Segment0_{key}", text)
    sitk.WriteImage(outline, str(cases / "a-good" / "segmentation.seg.nrrd"))
    shutil.copytree(phantom_files, cases / "b-no-outline", ignore=shutil.ignore_patterns("roi.nrrd"))
    (cases / "c-two").mkdir()
    for suffix in ("nrrd", "nii.gz"):
        (cases / "c-two" / f"t2w.{suffix}").touch()
    (cases / "clinical.csv").write_text("case_id,age,mrt_stage,pi_rads\na-good,63,2,4\nb-no-outline,63,2,4\n", encoding="utf-8")
    before = {p.relative_to(cases) for p in cases.rglob("*")}
    done = run(cases, "--model", small_model.folder, "--output", out)
    assert {p.relative_to(cases) for p in cases.rglob("*")} == before
    return out, done


def test_one_line_a_case_and_exit_code_1_when_one_failed(batch):
    out, done = batch
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["a-good", "b-no-outline", "c-two"]
    assert lines[1].startswith("b-no-outline: failed: Case b-no-outline: no tumour outline (ROI)")
    assert lines[2] == "c-two: failed: Case c-two: t2w.nrrd and t2w.nii.gz are both there; keep one of them"
    assert lines[3] == f"1 of 3 cases have a probability: {out / 'results.csv'}"
    assert "Traceback" not in done.stdout + done.stderr
    assert [p.name for p in out.iterdir()] == ["results.csv"]


def test_the_table_holds_the_probability_of_the_terminal(batch, phantom_files, small_model, tmp_path):
    table = rows(batch[0])
    images = [part for name in FILES for part in (f"--{name.replace('_', '-')}", str(phantom_files / f"{name}.nrrd"))]
    clinical = ",".join(f"{name}={value}" for name, value in CLINICAL.items())
    options = ["--b-value", "1400", "--clinical", clinical, "--model", str(small_model.folder), "-o", str(tmp_path)]
    assert terminal(["predict", *images, *options]) == 0
    expected = json.loads((tmp_path / "analysis.json").read_text(encoding="utf-8"))["probability"]
    assert float(table["a-good"]["probability"]) == pytest.approx(expected, abs=1e-6)
    assert table["a-good"]["model"] == "small"
    assert table["a-good"]["error"] == ""
    assert "demonstration model" in table["a-good"]["notice"]
    assert table["b-no-outline"]["probability"] == ""
    assert "outline" in table["b-no-outline"]["error"]


def test_files_are_found_by_name_in_every_format(script, tmp_path):
    names = {"t2w": "t2w.nii.gz", "dwi": "dwi.mha", "adc": "adc.nii", "roi": "roi.seg.nrrd"}
    (tmp_path / "one").mkdir()
    for name in names.values():
        (tmp_path / "one" / name).touch()
    (tmp_path / "one" / "notes.txt").touch()
    assert script.read_cases(tmp_path) == {"one": {**{k: tmp_path / "one" / v for k, v in names.items()}, "clinical": {}}}


@pytest.fixture
def cohort(tmp_path, phantom) -> Path:
    """Table of one phantom, with the columns that `habitatpni phantom` writes."""
    case = phantom[0]
    paths = write_phantom_case(case, tmp_path / "cohort" / case.case_id)
    columns = {"case_id": case.case_id, "centre": "centre1", "split": "external", "outcome": 1}
    columns |= {name: path.relative_to(tmp_path / "cohort").as_posix() for name, path in paths.items()}
    columns |= {"b_dwi": 1400, "b_low_b": 50, **case.clinical, "true_probability": 0.5}
    table = tmp_path / "cohort" / "cohort.csv"
    table.write_text(",".join(columns) + "\n" + ",".join(map(str, columns.values())) + "\n", encoding="utf-8")
    return table


def test_a_cohort_table_says_files_b_values_and_clinical_values(script, cohort, phantom):
    (known,) = script.read_cases(cohort).values()
    assert {name for name in FILES if known[name].is_file()} == set(FILES)
    assert known["b_values"] == {"dwi": 1400.0, "low_b": 50.0}
    assert {name: float(value) for name, value in known["clinical"].items()} == dict(phantom[0].clinical)
    assert script.read_cases(cohort.parent) == script.read_cases(cohort)


@pytest.mark.slow
def test_a_cohort_of_phantoms_runs_and_every_case_has_its_number(cohort, small_model, tmp_path):
    done = run("--", cohort.parent, "--model", small_model.folder, "--output", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    (row,) = rows(tmp_path / "out").values()
    assert 0 < float(row["probability"]) < 1
    assert "true_probability" not in row["warnings"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--model", "pca-pni-clinical"], "batch: No folder or table of cases at nowhere"),
        (["CASES", "--model", "nobody-has-this"], "batch: No model nobody-has-this"),
        (["CASES", "--model", "pca-pni-clinical"], "batch: CASES holds no case: give each case a sub-folder"),
    ],
)
def test_what_cannot_start_says_so_in_one_line_and_exits_with_2(tmp_path, arguments, message):
    (tmp_path / "cases").mkdir()
    done = run(*(tmp_path / "cases" if a == "CASES" else a for a in arguments), "--output", tmp_path / "out")
    assert done.returncode == 2
    assert done.stderr.startswith(message.replace("CASES", str(tmp_path / "cases")))
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out" / "results.csv").exists()


@pytest.fixture
def script():
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


def test_a_missing_package_stops_the_batch_in_one_line(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pydantic", None)
    for name in [name for name in sys.modules if name in {"HabitatPNILib.imaging.files", "HabitatPNILib.protocol"}]:
        monkeypatch.delitem(sys.modules, name)
    (tmp_path / "cases" / "one").mkdir(parents=True)
    (tmp_path / "cases" / "one" / "t2w.nrrd").touch()
    assert script.main([str(tmp_path / "cases"), "--model", "pca-pni-clinical", "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("batch: The Python package pydantic is not installed; in Slicer's Python console run ")


def test_without_slicer_and_its_core_the_batch_says_what_to_install(script, tmp_path, phantom_files, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "slicer", None)
    for name in [name for name in sys.modules if name.startswith("HabitatPNILib.mrml.") and name != "HabitatPNILib.mrml.logic"]:
        monkeypatch.delitem(sys.modules, name)
    shutil.copytree(phantom_files, tmp_path / "cases" / "one")
    assert script.main([str(tmp_path / "cases"), "--model", "pca-pni-clinical", "--output", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("batch: MRML nodes and scenes need 3D Slicer, or its core: pip install")
    with pytest.raises(SystemExit):
        script._leave(2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Case one: case.json cannot be read (JSONDecodeError); write it as JSON"),
        ('{"ages": 3}', "Case one: case.json holds ages; it may hold clinical, b_values, roi_segment, roi_on"),
        ("[]", "Case one: case.json holds a list; it may hold clinical, b_values, roi_segment, roi_on"),
        ('{"clinical": 3}', "Case one: case.json: clinical and b_values are objects, such as {'age': 63}"),
    ],
)
def test_a_wrong_case_json_fails_its_case_alone(script, tmp_path, text, message):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t2w.nrrd").touch()
    (tmp_path / "one" / "case.json").write_text(text, encoding="utf-8")
    cases = script.read_cases(tmp_path)
    assert str(cases["one"]) == message
    assert cases["two"] == {"t2w": tmp_path / "two" / "t2w.nrrd", "clinical": {}}


@pytest.mark.parametrize("methods", [("is_file",), ("is_file", "is_dir")], ids=["files", "folder"])
def test_a_case_whose_files_cannot_be_opened_fails_alone(tmp_path, monkeypatch, capsys, methods):
    for name in ("a", "b"):
        (tmp_path / "cases" / name).mkdir(parents=True)
        (tmp_path / "cases" / name / "t2w.nrrd").touch()

    def closed(original):
        def look(self, *args, **kwargs):
            if self.is_relative_to(tmp_path / "cases" / "a"):
                raise PermissionError(errno.EACCES, "Permission denied", str(self))
            return original(self, *args, **kwargs)

        return look

    for method in methods:
        monkeypatch.setattr(Path, method, closed(getattr(Path, method)))
    assert run_here(monkeypatch, tmp_path) == 1
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "a: failed: Case a: its files cannot be read (Permission denied); check that you may open its folder"
    assert second.startswith("b: failed: ")
    assert "Permission" not in second
    assert last.startswith("0 of 2 cases")


@pytest.mark.parametrize(
    ("table_writes", "code", "said"),
    [(0, 2, "Permission denied"), (2, 1, "batch: results.csv could not be written: No space left on device")],
)
def test_in_slicer_what_nobody_foresaw_ends_the_process_in_one_line(tmp_path, monkeypatch, capsys, table_writes, code, said):
    codes, writes, replace = [], [], os.replace
    monkeypatch.setattr(slicer, "app", object(), raising=False)
    monkeypatch.setattr(slicer, "util", SimpleNamespace(exit=codes.append), raising=False)
    for name in ("a", "b", "c"):
        (tmp_path / "cases" / name).mkdir(parents=True)
    if not table_writes:
        monkeypatch.setattr(Path, "iterdir", lambda self: (_ for _ in ()).throw(PermissionError(errno.EACCES, "Permission denied")))

    def full(source, target):
        writes.append(target)
        if len(writes) >= table_writes:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert run_here(monkeypatch, tmp_path) is None
    assert codes == [code]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("batch: ")
    assert said in line
    assert "Traceback" not in line
    assert len(writes) == table_writes


def test_a_table_with_a_case_twice_is_refused(script, tmp_path):
    (tmp_path / "clinical.csv").write_text("case_id,age\na,1\na,2\n", encoding="utf-8")
    (tmp_path / "a").mkdir()
    with pytest.raises(script.CaseError, match=r"^clinical.csv: every row needs a case_id of its own$"):
        script.read_cases(tmp_path)


def test_in_slicer_the_scene_is_slicers_and_the_exit_code_goes_through_its_event_loop(script, monkeypatch):
    codes, scene = [], SimpleNamespace(Clear=lambda: codes.append("cleared"))
    monkeypatch.setattr(slicer, "app", object(), raising=False)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "util", SimpleNamespace(exit=codes.append), raising=False)
    assert script._empty_scene() is scene
    script._leave(1)
    assert codes == ["cleared", 1]


def test_no_dialog_can_appear():
    text = SCRIPT.read_text(encoding="utf-8")
    assert not [word for word in ("Display", "messageBox", "confirm", "pip_", "qt", "input(") if word in text.split('"""', 2)[2]]
