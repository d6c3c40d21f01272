from __future__ import annotations

import gzip

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.geometry import same_grid
from HabitatPNILib.imaging.files import read_case_files, read_image


def image(seed=0, pixel=np.int16, shape=(5, 6, 7)) -> sitk.Image:
    made = sitk.GetImageFromArray(np.random.default_rng(seed).integers(1, 1500, shape).astype(pixel))
    made.SetSpacing((2.0, 2.0, 3.0))
    made.SetOrigin((-5.0, 3.0, 8.0))
    c, s = np.cos(0.2), np.sin(0.2)
    made.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    return made


def write(made: sitk.Image, path, **metadata):
    for key, value in metadata.items():
        made.SetMetaData(key, value)
    sitk.WriteImage(made, str(path))
    return path


@pytest.mark.parametrize("name", ["a.nrrd", "a.nii", "a.nii.gz", "a.mha", "a.mhd"])
def test_formats(tmp_path, name):
    read = read_image(write(image(), tmp_path / name))
    assert same_grid(read, image(), 1e-4)
    assert read.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(image()))


def test_other_pixel_types_become_float32(tmp_path):
    read = read_image(write(image(pixel=np.float64), tmp_path / "a.nrrd"))
    assert read.GetPixelID() == sitk.sitkFloat32


def test_the_files_own_pixel_type_can_be_kept(tmp_path):
    path = write(sitk.Cast(image(), sitk.sitkUInt16) + 40000, tmp_path / "i.nrrd")
    assert read_image(path, as_stored=True).GetPixelID() == sitk.sitkUInt16
    assert sitk.GetArrayFromImage(read_image(path)).tolist() == sitk.GetArrayFromImage(read_image(path, as_stored=True)).tolist()


def test_one_volume_in_4d_is_3d(tmp_path):
    read = read_image(write(sitk.JoinSeries([image()]), tmp_path / "a.nii.gz"))
    assert same_grid(read, image(), 1e-4)
    with pytest.raises(CaseError, match=r"b\.nii\.gz holds 2 volumes \(4D\); give one volume a file"):
        read_image(write(sitk.JoinSeries([image(), image(1)]), tmp_path / "b.nii.gz"))


def test_what_is_no_scalar_volume(tmp_path):
    with pytest.raises(CaseError, match=r"flat\.nrrd is not a 3D volume \(size 7x6\)"):
        read_image(write(image()[:, :, 2], tmp_path / "flat.nrrd"))
    with pytest.raises(CaseError, match=r"one\.nrrd is not a 3D volume \(size 7x6x1\)"):
        read_image(write(image()[:, :, 2:3], tmp_path / "one.nrrd"))
    with pytest.raises(CaseError, match="vector of 16-bit signed integer voxels; give a scalar image"):
        read_image(write(sitk.Compose(image(), image(1)), tmp_path / "v.nrrd"))
    complex_image = sitk.RealAndImaginaryToComplex(sitk.Cast(image(), sitk.sitkFloat32), sitk.Cast(image(), sitk.sitkFloat32))
    with pytest.raises(CaseError, match="complex"):
        read_image(write(complex_image, tmp_path / "c.nii"))


def test_missing_unknown_and_damaged(tmp_path):
    with pytest.raises(CaseError, match=r"The T2W file gone\.nrrd does not exist"):
        read_image(tmp_path / "gone.nrrd", "T2W")
    (tmp_path / "a.txt").write_text("x", encoding="utf-8")
    with pytest.raises(CaseError, match=r"a\.txt is not of a known kind"):
        read_image(tmp_path / "a.txt")
    (tmp_path / "junk.nrrd").write_bytes(b"junk")
    with pytest.raises(CaseError, match=r"junk\.nrrd is truncated or damaged"):
        read_image(tmp_path / "junk.nrrd")


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", ["a.nrrd", "a.nii", "a.nii.gz", "a.mha"])
@pytest.mark.parametrize("keep", [0.0, 0.3, 0.9, 0.99])
def test_truncated(tmp_path, name, keep, compressed):
    path = tmp_path / name
    sitk.WriteImage(image(), str(path), compressed)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(CaseError, match="truncated or damaged") as error:
        read_image(path)
    assert "\n" not in str(error.value)


def test_gzip_whose_payload_is_short(tmp_path):
    whole = tmp_path / "a.nii"
    write(image(), whole)
    short = tmp_path / "b.nii.gz"
    short.write_bytes(gzip.compress(whole.read_bytes()[:-50]))
    with pytest.raises(CaseError, match=r"b\.nii\.gz is truncated"):
        read_image(short)


def test_case_of_files(tmp_path):
    roi = image() > 1200
    case = read_case_files(
        t2w=write(image(1), tmp_path / "t2w.nrrd"),
        dwi=write(image(2), tmp_path / "dwi.nrrd", b_value="1400"),
        adc=write(image(3), tmp_path / "adc.nii.gz"),
        low_b=write(image(4), tmp_path / "low.mha"),
        roi=write(roi, tmp_path / "roi.nii.gz"),
        b_values={"low_b": 50},
        clinical={"age": 63},
    )
    assert case.b_values == {"dwi": 1400.0, "low_b": 50}
    assert case.clinical == {"age": 63}
    assert case.roi_frame == "dwi"
    assert int(sitk.GetArrayFromImage(case.roi).sum()) == int(sitk.GetArrayFromImage(roi).sum())
    assert [c.item for c in case.provenance] == ["t2w", "dwi", "adc", "low_b", "roi"]
    marked = int(sitk.GetArrayFromImage(roi).sum())
    assert case.provenance[-1].chosen.endswith(f", label 1, {marked} voxels, {marked * 2 * 2 * 3 / 1000:.2f} mL")
    assert case.provenance[-1].reason == "on the grid of dwi"
    assert case.warnings == ()


def test_clinical_values_alone():
    case = read_case_files(clinical={"age": 63, "pi_rads": 4}, case_id="A7")
    assert dict(case.images) == {}
    assert case.roi is None
    assert case.case_id == "A7"


def test_unknown_b_value_is_left_open(tmp_path):
    case = read_case_files(dwi=write(image(), tmp_path / "dwi.nii.gz"))
    assert case.b_values == {}


def test_adc_from_several_b_values(tmp_path):
    s0 = sitk.Cast(image(pixel=np.float32), sitk.sitkFloat32)
    paths = {b: write(s0 * float(np.exp(-b * 1.1e-3)), tmp_path / f"b{b}.nrrd") for b in (1400, 50, 800)}
    case = read_case_files(dwi=paths)
    assert case.b_values == {"dwi": 1400.0, "low_b": 50.0}
    assert sitk.GetArrayFromImage(case.images["adc"]) == pytest.approx(1100, rel=1e-4)
    assert case.warnings == ("no ADC map was given: it was fitted from b 50, 800",)
    high = read_case_files(dwi=paths[1400], low_b=paths[50], b_values={"dwi": 1400, "low_b": 50})
    assert high.warnings[0].startswith(
        "no ADC map was given: it was fitted from b 50, 1400; above b 1000 kurtosis makes such an ADC too low"
    )
    assert set(read_case_files(dwi=paths[800], b_values={"dwi": 800, "low_b": 50}).images) == {"dwi"}
    pair = read_case_files(dwi=paths[800], low_b=paths[50], b_values={"dwi": 800, "low_b": 50})
    assert sitk.GetArrayFromImage(pair.images["adc"]) == pytest.approx(1100, rel=1e-4)


def test_nan_constant_and_foreign_roi_name_the_case(tmp_path):
    holes = sitk.GetArrayFromImage(image()).astype(np.float32)
    holes[0, 0, 0] = np.nan
    bad = sitk.GetImageFromArray(holes)
    with pytest.raises(CaseError, match="Case B2: T2W has 1 voxels that are not finite"):
        read_case_files(t2w=write(bad, tmp_path / "nan.nrrd"), case_id="B2")
    with pytest.raises(CaseError, match="Case B2: T2W is constant"):
        read_case_files(t2w=write(image() * 0, tmp_path / "zero.nrrd"), case_id="B2")
    with pytest.raises(CaseError, match=r"Case B2: The ROI file t2w\.nrrd is not a label map: it has \d+ distinct values"):
        read_case_files(t2w=write(image(), tmp_path / "t2w.nrrd"), roi=tmp_path / "t2w.nrrd", case_id="B2")
    moved = image() > 1200
    moved.SetOrigin((-4.3, 3.0, 8.0))
    with pytest.raises(CaseError, match="Case B2: The ROI is on the grid of none of the case's sequences"):
        read_case_files(t2w=write(image(), tmp_path / "t.nrrd"), roi=write(moved, tmp_path / "r.nrrd"), case_id="B2")
    with pytest.raises(CaseError, match=r"Case B2: The T2W file gone\.nrrd"):
        read_case_files(t2w=tmp_path / "gone.nrrd", case_id="B2")
