"""``habitatpni texture``: what it writes, what it keeps, and one line with exit code 2 for everything wrong."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import outputs
from HabitatPNILib.cli import main
from HabitatPNILib.features.texture import TextureSettings, texture_maps

FEATURES = "original_firstorder_Mean,original_glcm_Contrast"
BOX = (slice(1, 4), slice(3, 9), slice(4, 10))


def image_of(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 3.0))
    image.SetOrigin((-20.0, 4.0, 7.5))
    image.SetDirection((0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0))
    return image


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """An image of 16 bits without sign, an outline, and wrong ones."""
    folder = tmp_path_factory.mktemp("texture")
    values = np.random.default_rng(1).integers(100, 60000, (6, 12, 14)).astype(np.uint16)
    inside = np.zeros(values.shape, np.uint8)
    inside[BOX] = 1
    one = np.zeros_like(inside)
    one[2, 5, 5] = 1
    gap = values.astype(np.float64)
    gap[2, 5, 5] = np.nan
    elsewhere = image_of(inside)
    elsewhere.SetOrigin((-20.3, 4.0, 7.5))
    written = {"image": image_of(values), "roi": image_of(inside), "one": image_of(one), "gap": image_of(gap), "elsewhere": elsewhere}
    written["cropped"] = image_of(inside)[2:12, 1:11, 1:5]
    for name, image in written.items():
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    (folder / "file").write_text("mine", encoding="utf-8")
    return folder


def command(files, out, *more, image="image", roi="roi"):
    return ["texture", str(files / f"{image}.nrrd"), str(files / f"{roi}.nrrd"), "-o", str(out), "--threads", "1", *more]


def test_maps_lie_on_the_images_grid_and_the_summary_says_how_they_were_made(files, tmp_path, capsys):
    out = tmp_path / "maps"
    out.mkdir()
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    (out / "original_glcm_Id.nrrd").write_text("of another run", encoding="utf-8")
    assert main(command(files, out, "--features", FEATURES, "--radius", "1", "--in-plane", "--init-value", "-1")) == 0
    assert {p.name for p in out.iterdir()} == {
        *("notes.txt", "original_glcm_Id.nrrd", "texture.json", "original_firstorder_Mean.nrrd", "original_glcm_Contrast.nrrd")
    }
    image, roi = (sitk.ReadImage(str(files / f"{name}.nrrd")) for name in ("image", "roi"))
    settings = TextureSettings(features=tuple(FEATURES.split(",")), kernel_radius=1, in_plane_axis=0, init_value=-1.0)
    direct = texture_maps(image, roi, settings, threads=1)
    for name in direct.names:
        found = sitk.ReadImage(str(out / f"{name}.nrrd"))
        assert found.GetPixelID() == sitk.sitkFloat32
        assert found.GetSize() == image.GetSize()
        np.testing.assert_allclose(found.GetDirection(), image.GetDirection(), atol=1e-9)
        np.testing.assert_allclose(found.GetOrigin(), image.GetOrigin(), atol=1e-9)
        array = sitk.GetArrayFromImage(found)
        np.testing.assert_array_equal(array[tuple(direct.indices.T)], direct.column(name).astype(np.float32))
        assert (array[sitk.GetArrayFromImage(roi) == 0] == -1).all()
    said = json.loads((out / "texture.json").read_text(encoding="utf-8"))
    assert "Research use only" in said["research_use_only"]
    assert [f["name"] for f in said["features"]] == list(direct.names)
    assert (said["voxels"], said["settings"]["bin_count"], said["settings"]["kernel_radius"]) == (108, 32, 1)
    assert said["image"].startswith(".nrrd file, sha256 ")
    assert {"habitatpni", "numpy", "numba", "SimpleITK"} <= set(said["versions"])
    printed = capsys.readouterr().out
    assert f"2 maps of 108 voxels, and texture.json: {out}" in printed
    assert "1 maps of another run lie in the same folder" in printed
    assert "s to read and compute" in printed


def test_voxels_without_a_value_are_counted(files, tmp_path, capsys):
    """Two voxels far apart: no pair in either neighbourhood, so that no GLCM; their mean is their own intensity."""
    apart = np.zeros((6, 12, 14), np.uint8)
    apart[1, 2, 2] = apart[4, 9, 9] = 1
    sitk.WriteImage(image_of(apart), str(tmp_path / "apart.nrrd"))
    arguments = command(files, tmp_path / "maps", "--features", FEATURES, "--double")
    arguments[2] = str(tmp_path / "apart.nrrd")
    assert main(arguments) == 0
    said = json.loads((tmp_path / "maps" / "texture.json").read_text(encoding="utf-8"))
    assert {f["name"]: f["voxels_without_value"] for f in said["features"]} == {
        "original_firstorder_Mean": 0,
        "original_glcm_Contrast": 2,
    }
    mean = sitk.ReadImage(str(tmp_path / "maps" / "original_firstorder_Mean.nrrd"))
    assert mean.GetPixelID() == sitk.sitkFloat64
    assert mean[2, 2, 1] == sitk.ReadImage(str(files / "image.nrrd"))[2, 2, 1]
    assert "1 features have no finite value in some voxels, at most 2 (original_glcm_Contrast)" in capsys.readouterr().out


def test_an_outline_cropped_as_slicer_saves_it_gives_the_same_maps(files, tmp_path):
    for roi in ("roi", "cropped"):
        assert main(command(files, tmp_path / roi, "--features", FEATURES, "--unmasked", roi=roi)) == 0
    first, second = (sitk.ReadImage(str(tmp_path / roi / "original_glcm_Contrast.nrrd")) for roi in ("roi", "cropped"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(first), sitk.GetArrayFromImage(second))
    assert second.GetSize() == (14, 12, 6)


@pytest.mark.parametrize(
    ("given", "more", "text"),
    [
        ({"roi": "one"}, [], "Texture: the ROI has 1 voxels; texture needs at least two"),
        ({"image": "gap"}, [], "Texture: 1 voxels of the ROI are not finite numbers"),
        ({"roi": "elsewhere"}, [], "0.7 x 0.8 x 3 mm, origin "),
        ({"roi": "image"}, [], "is not a label map"),
        ({"image": "none"}, [], "none.nrrd does not exist"),
        ({}, ["--bin-width", "-1"], "bin_width is -1.0; it must be a number above 0"),
        ({}, ["--bin-width", "nan"], "bin_width is nan"),
        ({}, ["--radius", "99"], "kernel_radius is 99; it must be a whole number from 1 to 15"),
        ({}, ["--radius", "0"], "kernel_radius is 0"),
        ({}, ["--features", "glcm_Contrast"], "there is no feature 'glcm_Contrast'; names look like original_glcm_Contrast"),
        ({}, ["--features", ","], "no feature is asked for"),
        ({}, ["--roi-segment", "5"], "label map without segment 5"),
        ({}, ["-o", "file"], "is a file; give a folder for the results"),
    ],
)
def test_wrong_inputs_are_one_line_and_leave_nothing(files, tmp_path, capsys, given, more, text):
    more = [str(files / part) if part == "file" else part for part in more]
    code = main(command(files, tmp_path / "maps", *more, **given))
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[")]
    assert code == 2
    assert len(lines) == 1
    assert text in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--bin-count", "8", "--bin-width", "2"], "not allowed with argument"),
        (["--bin-count", "0"], "must be at least 1"),
        (["--features", FEATURES, "--preset", "hcc77"], "not allowed with argument"),
        (["--preset", "all"], "invalid choice"),
    ],
)
def test_wrong_words_are_one_line(files, tmp_path, capsys, more, text):
    with pytest.raises(SystemExit) as stop:
        main(command(files, tmp_path / "maps", *more))
    lines = capsys.readouterr().err.splitlines()
    assert (stop.value.code, len(lines)) == (2, 1)
    assert text in lines[0]


def test_stopped_between_two_maps_the_folder_is_as_it_was(files, tmp_path, capsys, monkeypatch):
    out = tmp_path / "maps"
    out.mkdir()
    (out / "original_glcm_Contrast.nrrd").write_text("of an earlier run", encoding="utf-8")
    write, calls = outputs.write_image, []

    def stopped(image, path):
        calls.append(path.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        write(image, path)

    monkeypatch.setattr(outputs, "write_image", stopped)
    assert main(command(files, out, "--features", FEATURES)) == 130
    assert len(calls) == 2
    assert "stopped; nothing half-written is left" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*")] == ["maps", "original_glcm_Contrast.nrrd"]
    assert (out / "original_glcm_Contrast.nrrd").read_text(encoding="utf-8") == "of an earlier run"
