"""The terminal face: what it writes, what it prints, and one line with exit code 2 for everything wrong."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import storage
from HabitatPNILib.analysis import analyse
from HabitatPNILib.cli import main

CLINICAL = "age=63,mrt_stage=2,pi_rads=4"


def arguments(files, model, out, *more):
    images = [part for name in ("t2w", "dwi", "adc", "roi") for part in (f"--{name}", str(files / f"{name}.nrrd"))]
    model_name = model if isinstance(model, str) else str(model.folder)
    return ["predict", *images, "--b-value", "1400", "--clinical", CLINICAL, "--model", model_name, "-o", str(out), *more]


@pytest.fixture(scope="module")
def predicted(tmp_path_factory, phantom_files, small_model):
    out = tmp_path_factory.mktemp("predict") / "case"
    command = [
        sys.executable,
        "-m",
        "HabitatPNILib.cli",
        *arguments(phantom_files, small_model, out, "--low-b", str(phantom_files / "low_b.nrrd")),
    ]
    return out, subprocess.run(command, capture_output=True, encoding="utf-8", check=False)


def test_predict_writes_everything_and_prints_the_number_with_its_notice(predicted):
    out, run = predicted
    assert run.returncode == 0, run.stderr
    written = {p.name for p in out.iterdir()}
    assert written == {"analysis.json", "report.html", "t2w.nrrd", "dwi.nrrd", "adc.nrrd", "roi.nrrd", "habitats.seg.nrrd", "scene.mrb"}
    values = json.loads((out / "analysis.json").read_text(encoding="utf-8"))
    assert f"Probability of perineural invasion: {values['probability']:.3f}" in run.stdout
    assert "demonstration model: this number means nothing for a patient" in run.stdout
    assert "Research use only" in run.stdout
    assert "[100%]" not in run.stdout


def test_the_terminal_and_the_library_give_the_same_probability(predicted, phantom, small_model):
    case = phantom[0].with_clinical({"age": 63, "mrt_stage": 2, "pi_rads": 4})
    values = json.loads((predicted[0] / "analysis.json").read_text(encoding="utf-8"))
    assert values["probability"] == pytest.approx(analyse(case, small_model).probability, abs=1e-6)


def test_habitats_and_roi_coincide_voxel_for_voxel_and_slicer_finds_its_segments(predicted):
    out = predicted[0]
    habitats, roi, t2w = (sitk.ReadImage(str(out / name)) for name in ("habitats.seg.nrrd", "roi.nrrd", "t2w.nrrd"))
    assert habitats.GetPixelID() == sitk.sitkUInt8
    np.testing.assert_array_equal(sitk.GetArrayFromImage(habitats) != 0, sitk.GetArrayFromImage(roi) != 0)
    for image in (roi, t2w):
        assert habitats.GetSize() == image.GetSize()
        np.testing.assert_allclose(habitats.GetOrigin(), image.GetOrigin(), atol=1e-6)
        np.testing.assert_allclose(habitats.GetDirection(), image.GetDirection(), atol=1e-9)
    assert habitats.GetMetaData("Segment1_Name") == "Habitat 2"
    assert habitats.GetMetaData("Segment1_LabelValue") == "2"


def test_the_report_needs_no_network_and_names_nobody(predicted):
    html = (predicted[0] / "report.html").read_text(encoding="utf-8")
    assert "demonstration model: this number means nothing for a patient" in html
    assert "Research use only" in html
    for forbidden in ("http://", 'src="http', "<script", "@import"):
        assert forbidden not in html.replace("http://www.w3.org", "").replace("http://purl.org", "").replace(
            "http://creativecommons.org", ""
        )


def test_a_clinical_model_needs_no_image(tmp_path, capsys):
    assert main(["predict", "--clinical", CLINICAL, "--model", "pca-pni-clinical", "-o", str(tmp_path / "out")]) == 0
    assert "Intercept solved for a mean risk of 19.4%" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"analysis.json", "report.html"}


def test_an_earlier_patients_files_do_not_stay_beside_another_report(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for name in ("scene.mrb", "habitats.seg.nrrd", "notes.txt"):
        (out / name).write_text("earlier", encoding="utf-8")
    assert main(["predict", "--clinical", CLINICAL, "--model", "pca-pni-clinical", "-o", str(out)]) == 0
    assert {p.name for p in out.iterdir()} == {"analysis.json", "report.html", "notes.txt"}


def test_a_template_has_the_models_predictors(capsys):
    assert main(["models", "template", "pca-pni-clinical"]) == 0
    printed = capsys.readouterr()
    assert printed.out.strip() == "case_id,centre,split,outcome,t2w,dwi,adc,low_b,roi,b_dwi,b_low_b,age,mrt_stage,pi_rads"
    assert "pi_rads: PI-RADS, 3 = ≤ 3, 4 = 4, 5 = 5" in printed.err


def fails(capsys, arguments, text):
    """The command ends with exit code 2 and one line that holds the text."""
    code = main(arguments)
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if not line.startswith("[")]
    assert code == 2, captured.err
    assert len(lines) == 1, captured.err
    assert text in lines[0]


def damaged(files, tmp_path, name, change):
    """Copy of the case's files with one of them changed."""
    folder = tmp_path / "files"
    shutil.copytree(files, folder)
    image = sitk.ReadImage(str(folder / f"{name}.nrrd"))
    sitk.WriteImage(change(image), str(folder / f"{name}.nrrd"))
    return folder


def not_a_number(image):
    image = sitk.Cast(image, sitk.sitkFloat32)
    image[3, 3, 3] = float("nan")
    return image


def emptied(image):
    return image * 0


def elsewhere(image):
    image = sitk.Image(image)
    image.SetOrigin([o + 17.3 for o in image.GetOrigin()])
    return image


def one_slice(image):
    return image[:, :, 4]


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("t2w", not_a_number, "T2W has 1 voxels that are not finite"),
        ("dwi", emptied, "DWI is constant"),
        ("adc", one_slice, "not a 3D volume"),
        ("roi", emptied, "ROI is empty"),
        ("roi", elsewhere, "another patient's"),
    ],
)
def test_wrong_images_are_one_line(phantom_files, small_model, tmp_path, capsys, name, change, text):
    files = damaged(phantom_files, tmp_path, name, change)
    fails(capsys, arguments(files, small_model, tmp_path / "out"), text)
    assert not (tmp_path / "out").exists()


def test_wrong_options_are_one_line(phantom_files, small_model, tmp_path, capsys):
    good = arguments(phantom_files, small_model, tmp_path / "out")
    without = [a for a in good if a not in ("--adc", str(phantom_files / "adc.nrrd"))]
    fails(capsys, without, "no ADC")
    fails(
        capsys,
        [*good[: good.index("--clinical")], "--model", str(small_model.folder), "-o", str(tmp_path / "out")],
        "age, mrt_stage, pi_rads",
    )
    fails(capsys, ["predict", "--clinical", CLINICAL, "--model", str(small_model.folder), "-o", str(tmp_path / "out")], "needs images")
    fails(capsys, [*good, "--t2w", str(tmp_path / "none.nrrd")], "none.nrrd")
    fails(capsys, [*good, "--model", "none"], "No model none")
    fails(capsys, ["models", "verify"], "needs the name or folder")
    fails(capsys, [*good, "--b-value", "nan"], "b = nan s/mm2 of DWI cannot be")
    fails(capsys, ["predict", str(tmp_path), "--b-value", "800", "--model", "pca-pni-clinical", "-o", "x"], "go with image files")
    fails(capsys, ["predict", str(tmp_path), "--low-b-value", "50", "--model", "pca-pni-clinical", "-o", "x"], "go with image files")
    fails(capsys, [*good, "--low-b-value", "50"], "give that too, with --low-b")
    fails(capsys, [*good, "--low-b", str(phantom_files / "low_b.nrrd"), "--low-b-value", "-5"], "b = -5 s/mm2 of low-b DWI cannot be")
    fails(capsys, [*good, "--adc", str(phantom_files / "dwi.nrrd")], "DWI and ADC are the same image")
    fails(capsys, [*good, "--roi", str(phantom_files / "t2w.nrrd")], "is not a label map")
    fails(
        capsys,
        ["predict", str(tmp_path / "no-folder"), "--roi", "r.nrrd", "--model", "pca-pni-clinical", "-o", "x"],
        "no-folder",
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--clinical", "age"], "'age' is not of the form name=value,name=value (commas, no spaces); see habitatpni predict --help"),
        (["--clinical", "age="], "is not of the form"),
        (["--clinical", "psa=1,psa=2"], "gives a name twice"),
        (["--clinical", "age=64"], "--clinical gives age twice"),
        (["--threads", "0"], "must be at least 1"),
        (["pi_rads=4", "x"], "unrecognized arguments"),
    ],
)
def test_wrong_words_are_one_line_too(phantom_files, small_model, tmp_path, capsys, more, text):
    with pytest.raises(SystemExit) as stop:
        main([*arguments(phantom_files, small_model, tmp_path / "out"), *more])
    lines = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2
    assert len(lines) == 1
    assert text in lines[0]


def test_clinical_values_may_come_in_several_options(tmp_path, capsys):
    command = ["predict", "--model", "pca-pni-clinical", "-o", str(tmp_path / "out"), "--clinical", "age=63", "--clinical", "mrt_stage=2"]
    fails(capsys, [*command, "--clinical", "pirads=4"], "missing: pi_rads (given, but not known to the model: pirads)")
    assert main([*command, "--clinical", "pi_rads=4"]) == 0


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path, capsys, phantom_files, small_model):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for out in ("file", "file/sub"):
        code = main(arguments(phantom_files, small_model, tmp_path / out))
        error = capsys.readouterr().err
        assert code == 2
        assert "is a file; give a folder for the results" in error
        assert "%]" not in error
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


def test_an_altered_model_is_one_line(phantom_files, small_model, tmp_path, capsys):
    folder = tmp_path / "altered"
    shutil.copytree(small_model.folder, folder)
    text = (folder / "model.json").read_text(encoding="utf-8")
    (folder / "model.json").write_text(text.replace('"cut_off": 0.3', '"cut_off": 0.4'), encoding="utf-8")
    fails(capsys, ["models", "verify", str(folder)], "field cut_off does not match its checksum")
    fails(capsys, arguments(phantom_files, str(folder), tmp_path / "out"), "field cut_off")


def test_a_full_disk_leaves_nothing_half_written(tmp_path, capsys, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage.os, "replace", full)
    fails(
        capsys, ["predict", "--clinical", CLINICAL, "--model", "pca-pni-clinical", "-o", str(tmp_path / "out")], "No space left on device"
    )
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_models_are_listed_shown_and_verified(capsys):
    assert main(["models", "list"]) == 0
    assert "pca-pni-clinical 1.0.0 (clinical)" in capsys.readouterr().out
    assert main(["models", "show", "pca-pni-clinical"]) == 0
    assert "odds ratio per unit" in capsys.readouterr().out
    assert main(["models", "verify", "pca-pni-clinical"]) == 0
    assert "schema and checksums are right" in capsys.readouterr().out


def test_the_list_of_models_goes_on_past_a_damaged_one(small_model, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HABITATPNI_MODELS", str(tmp_path))
    shutil.copytree(small_model.folder, tmp_path / "another-name")
    shutil.copytree(small_model.folder, tmp_path / "broken")
    (tmp_path / "broken" / "card.md").write_text("better numbers", encoding="utf-8")
    assert main(["models", "list"]) == 0
    captured = capsys.readouterr()
    assert captured.err.splitlines() == ["Model broken: field files.card.md: the file does not match its sha256; install the model again"]
    assert captured.out.splitlines()[:3] == [
        "small 1.0.0 (combined): A small model for tests",
        "    Made for tests, not for patients.",
        "    To be asked for by its folder's name: another-name",
    ]
    assert "pca-pni-clinical 1.0.0 (clinical)" in captured.out
    assert "folder's name: pca-pni-clinical" not in captured.out


def test_help_imports_nothing_heavy():
    code = "import sys\nfrom HabitatPNILib.cli import main\ntry: main(['predict', '--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'SimpleITK', 'torch', 'pydantic', 'pandas', 'rich', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout.strip().endswith("[]")


def dicom_arguments(shared_data, case, small_model, out):
    mask = next((shared_data / "prostate_labels_NC").glob(f"{case}_*_lesion_human.nii.gz"))
    study = str(shared_data / "prostate_dicom" / case)
    return ["predict", study, "--roi", str(mask), "--clinical", CLINICAL, "--model", str(small_model.folder), "-o", str(out)]


def test_a_real_study_goes_from_dicom_to_the_report(shared_data, small_model, tmp_path, capsys):
    assert main(dicom_arguments(shared_data, "ProstateX-0000", small_model, tmp_path / "out")) == 0
    values = json.loads((tmp_path / "out" / "analysis.json").read_text(encoding="utf-8"))
    assert values["registration"]["accepted"]
    assert values["registration"]["displacement_mm"] < 5
    assert sum(h["volume_ml"] for h in values["habitats"]) == pytest.approx(0.32, abs=0.03)
    printed = capsys.readouterr().out
    for text in ("demonstration model: this number means nothing for a patient", "43% off", "acquired DWI voxels (fewer than 30)"):
        assert text in printed
        assert text in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "ProstateX" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "ProstateX" not in (tmp_path / "out" / "analysis.json").read_text(encoding="utf-8")


def test_a_real_study_with_an_empty_outline_is_refused_naming_the_t2w_chosen(shared_data, small_model, tmp_path, capsys):
    arguments = dicom_arguments(shared_data, "ProstateX-0001", small_model, tmp_path / "out")
    fails(capsys, arguments, "The ROI is empty")
    assert main(arguments) == 2
    assert "T2W read from series 10" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
