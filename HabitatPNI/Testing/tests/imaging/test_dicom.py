from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.uid import generate_uid

from HabitatPNILib.errors import Cancelled, CaseError
from HabitatPNILib.geometry import same_grid
from HabitatPNILib.imaging.dicom import read_dicom_case
from HabitatPNILib.imaging.dicom_select import described_kind
from HabitatPNILib.protocol import DiffusionSection

LESION = "prostate_labels_NC/ProstateX-{}_lesion_human.nii.gz"


def choice(case, item: str):
    return next(c for c in case.provenance if c.item == item)


def gdcm(folder: Path) -> sitk.Image:
    return sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder)))


def test_real_case_is_found_and_equals_itk(shared_data):
    folder = shared_data / "prostate_dicom" / "ProstateX-0000"
    case = read_dicom_case(folder, roi=shared_data / LESION.format("0000_11373_1001396"))
    assert case.b_values == {"dwi": 800.0, "low_b": 50.0}
    assert case.case_id == "1"
    assert case.warnings == ()
    assert choice(case, "t2w").chosen == "series 4 (t2_tse_tra)"
    assert "series 6" in choice(case, "dwi").chosen
    assert "measured" in choice(case, "dwi").chosen
    assert any("b 1000, calculated" in a for a in choice(case, "dwi").alternatives)
    assert "series 7" in choice(case, "adc").chosen
    for name, part in (("t2w", "4.0"), ("adc", "7.0")):
        truth = gdcm(next(folder.glob(f"*/{part}*")))
        assert same_grid(truth, case.images[name], 1e-5)
        assert np.array_equal(sitk.GetArrayFromImage(truth), sitk.GetArrayFromImage(case.images[name]))
    # The label's direction cosines are rounded: it takes over the header of T2W and keeps its 427 voxels.
    assert case.roi_frame == "t2w"
    assert int(sitk.GetArrayFromImage(case.roi).sum()) == 427
    assert case.roi.GetDirection() == case.images["t2w"].GetDirection()


def test_later_of_two_t2w_and_the_empty_outline(shared_data):
    folder = shared_data / "prostate_dicom" / "ProstateX-0001"
    case = read_dicom_case(folder)
    assert "series 10" in choice(case, "t2w").chosen
    assert choice(case, "t2w").alternatives == ("series 6 (t2_tse_tra)",)
    assert any("later acquisition, series 10" in w for w in case.warnings)
    with pytest.raises(CaseError, match=r"ROI is empty.*T2W read from series 10"):
        read_dicom_case(folder, roi=shared_data / LESION.format("0001_10795_1000811"))


def test_overrides_of_a_real_case(shared_data):
    folder = shared_data / "prostate_dicom" / "ProstateX-0001"
    sub = next(folder.glob("*/6.0*"))
    case = read_dicom_case(folder, t2w=6, dwi="9", adc="8")
    assert choice(case, "t2w").chosen == "series 6 (t2_tse_tra)"
    assert case.b_values == {"dwi": 1000.0, "low_b": 50.0}
    assert any("calculated" in w for w in case.warnings)
    by_folder = read_dicom_case(folder, t2w=sub, dwi="7:b400")
    assert by_folder.b_values["dwi"] == 400.0
    assert any("below the 800" in w for w in by_folder.warnings)
    assert np.array_equal(sitk.GetArrayFromImage(by_folder.images["t2w"]), sitk.GetArrayFromImage(case.images["t2w"]))
    with pytest.raises(CaseError, match=r"no MR series 77 for T2W; seen: series 6 \(t2_tse_tra\)"):
        read_dicom_case(folder, t2w=77)


def test_calculated_b_value_when_the_protocol_prefers_the_highest(shared_data):
    case = read_dicom_case(shared_data / "prostate_dicom" / "ProstateX-0000", diffusion=DiffusionSection(prefer="highest"))
    assert case.b_values["dwi"] == 1000.0
    assert any("calculated by the scanner" in w for w in case.warnings)


def test_missing_adc_is_fitted_from_measured_b_values(shared_data, tmp_path):
    source = shared_data / "prostate_dicom" / "ProstateX-0000"
    for part in ("4.0", "6.0", "8.0"):
        shutil.copytree(next(source.glob(f"*/{part}*")), tmp_path / part)
    case = read_dicom_case(tmp_path)
    assert choice(case, "adc").chosen == "fitted from b 50, 400, 800"
    assert any("fitted" in w for w in case.warnings)
    scanner = sitk.GetArrayFromImage(read_dicom_case(source).images["adc"]).astype(float)
    gland = sitk.ReadImage(str(next((shared_data / "prostate_labels_NC").glob("ProstateX-0000*gland*"))))
    inside = sitk.GetArrayFromImage(sitk.Resample(gland, case.images["adc"], sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    inside &= scanner > 0
    difference = np.abs(sitk.GetArrayFromImage(case.images["adc"]) - scanner)[inside] / scanner[inside]
    assert np.median(difference) < 0.05


def test_made_up_examination(maker, tmp_path):
    (tmp_path / "DICOMDIR").write_bytes(b"nothing to see")
    (tmp_path / "report.txt").write_text("not an image", encoding="utf-8")
    case = read_dicom_case(maker.examination(tmp_path))
    assert case.b_values == {"dwi": 800.0, "low_b": 50.0}
    assert np.array_equal(sitk.GetArrayFromImage(case.images["t2w"]), maker.volume(1))
    assert np.array_equal(sitk.GetArrayFromImage(case.images["adc"]), maker.adc_voxels())
    assert case.images["t2w"].GetOrigin() == pytest.approx((-10, -12, 5))
    assert case.images["t2w"].GetSpacing() == pytest.approx((2, 2, 3))
    assert case.images["t2w"].GetDirection()[5] == pytest.approx(-np.sin(np.deg2rad(12)))
    assert all("Doe" not in str(c) and "P1" not in str(c) for c in case.provenance)


def siemens(b):
    def change(dataset, _):
        dataset.add_new((0x0019, 0x0010), "LO", "SIEMENS MR HEADER")
        dataset.add_new((0x0019, 0x100C), "IS", str(b))

    return {"Manufacturer": "SIEMENS"}, change


def siemens_name(b):
    return {"Manufacturer": "SIEMENS", "SequenceName": f"*ep_b{b}t", "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"]}, None


def ge(b):
    def change(dataset, _):
        dataset.add_new((0x0043, 0x0010), "LO", "GEMS_PARM_01")
        dataset.add_new((0x0043, 0x1039), "IS", [1_000_000_000 + b, 8, 0, 0])

    return {"Manufacturer": "GE MEDICAL SYSTEMS"}, change


def ge_plain(b):
    def change(dataset, _):
        dataset.add_new((0x0043, 0x0010), "LO", "GEMS_PARM_01")
        dataset.add_new((0x0043, 0x1039), "UN", f"{b}\\8\\0\\0".encode())

    return {"Manufacturer": "GE MEDICAL SYSTEMS"}, change


def philips(b):
    def change(dataset, _):
        dataset.add_new((0x2001, 0x0010), "LO", "Philips Imaging DD 001")
        dataset.add_new((0x2001, 0x1003), "FL", float(b))

    return {"Manufacturer": "Philips Medical Systems"}, change


def philips_raw(b):
    def change(dataset, _):
        dataset.add_new((0x2001, 0x0010), "LO", "Philips Imaging DD 001")
        dataset.add_new((0x2001, 0x1003), "UN", np.float32(b).tobytes())

    return {"Manufacturer": "Philips Medical Systems"}, change


@pytest.mark.parametrize("vendor", [siemens, siemens_name, ge, ge_plain, philips, philips_raw])
def test_vendors_b_values(maker, tmp_path, vendor):
    maker.series(tmp_path, 1, "whatever", tags=maker.T2W, change=vendor(0)[1])
    for b in (0, 400, 1400):
        tags, change = vendor(b)
        maker.series(tmp_path, 2, "whatever", voxels=maker.dwi_voxels(b), tags={**maker.EPI, **tags}, change=change, part=f"b{b}")
    case = read_dicom_case(tmp_path)
    assert case.b_values == {"dwi": 1400.0, "low_b": 0.0}
    assert np.array_equal(sitk.GetArrayFromImage(case.images["dwi"]), maker.dwi_voxels(1400))
    assert choice(case, "t2w").chosen.startswith("series 1")
    assert choice(case, "adc").chosen == "fitted from b 0, 400"
    assert np.median(sitk.GetArrayFromImage(case.images["adc"])) == pytest.approx(1200, rel=2e-3)


def test_another_vendors_private_tag_is_not_a_b_value(maker, tmp_path):
    maker.examination(tmp_path)

    def change(dataset, _):
        dataset.add_new((0x0019, 0x0010), "LO", "GEMS_ACQU_01")
        dataset.add_new((0x0019, 0x100C), "IS", "3000")

    maker.series(tmp_path, 4, "later t2", tags={**maker.T2W, "Manufacturer": "GE MEDICAL SYSTEMS"}, change=change, time="110000")
    assert choice(read_dicom_case(tmp_path), "t2w").chosen == "series 4 (later t2)"


def test_enhanced_multi_frame(maker, tmp_path):
    t2, adc = maker.volume(1), maker.adc_voxels()
    maker.enhanced(
        tmp_path / "a.dcm", 1, "", [(i, t2[i], {}) for i in (3, 0, 4, 1, 2)], frame_type=["ORIGINAL", "PRIMARY", "T2"], echo_planar=False
    )
    frames = []
    for i in range(5):
        for b in (50.0, 400.0, 800.0):
            frames.append((i, maker.dwi_voxels(b)[i], {"DiffusionBValue": b, "DiffusionDirectionality": "ISOTROPIC"}))
    maker.enhanced(tmp_path / "b.dcm", 2, "", frames, frame_type=["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW"], echo_planar=True)
    plain = [(i, adc[i], {}) for i in range(5)]
    maker.enhanced(tmp_path / "c.dcm", 3, "", plain, frame_type=["DERIVED", "PRIMARY", "DIFFUSION", "ADC"], echo_planar=True, slope=0.5)
    case = read_dicom_case(tmp_path)
    assert case.b_values == {"dwi": 800.0, "low_b": 50.0}
    assert np.array_equal(sitk.GetArrayFromImage(case.images["t2w"]), t2)
    assert np.array_equal(sitk.GetArrayFromImage(case.images["dwi"]), maker.dwi_voxels(800))
    assert np.array_equal(sitk.GetArrayFromImage(case.images["adc"]), adc * 0.5)
    assert case.images["t2w"].GetSpacing() == pytest.approx((2, 2, 3))


def test_single_directions_become_a_trace(maker, tmp_path):
    maker.series(tmp_path, 1, tags=maker.T2W)
    maker.series(tmp_path, 2, voxels=maker.dwi_voxels(0), tags={**maker.EPI, "DiffusionBValue": 0.0}, part="b0")
    for n, adc in enumerate((0.8e-3, 1.0e-3, 1.5e-3)):
        vector = [float(v) for v in np.eye(3)[n]]
        tags = {**maker.EPI, "DiffusionBValue": 800.0, "DiffusionGradientOrientation": vector}
        maker.series(tmp_path, 2, voxels=maker.dwi_voxels(800, adc), tags=tags, part=f"d{n}")
    case = read_dicom_case(tmp_path)
    assert choice(case, "DWI directions").reason.startswith("geometric mean of 3 gradient directions")
    assert np.median(sitk.GetArrayFromImage(case.images["adc"])) == pytest.approx(1100, rel=2e-3)


def test_tags_win_over_misleading_descriptions(maker, tmp_path):
    maker.series(tmp_path, 1, "ADC", tags=maker.T2W)
    for b in (50, 800):
        maker.series(tmp_path, 2, "t2_tse_tra", voxels=maker.dwi_voxels(b), tags={**maker.EPI, "DiffusionBValue": float(b)}, part=f"b{b}")
    maker.series(tmp_path, 3, "T2", voxels=maker.adc_voxels(), tags=maker.ADC, time="120000")
    case = read_dicom_case(tmp_path)
    assert [choice(case, n).chosen[:8] for n in ("t2w", "dwi", "adc")] == ["series 1", "series 2", "series 3"]


def test_descriptions_where_the_tags_are_silent(maker, tmp_path):
    silent = {"ImageType": ["ORIGINAL", "PRIMARY"]}
    maker.series(tmp_path, 1, "AX T2 FSE", tags=silent)
    maker.series(tmp_path, 2, "AX DWI b=1000", voxels=maker.dwi_voxels(1000), tags=silent)
    maker.series(tmp_path, 3, "Apparent Diffusion Coefficient", voxels=maker.adc_voxels(), tags=silent)
    maker.series(tmp_path, 4, "eADC", voxels=maker.adc_voxels(), tags=silent)
    case = read_dicom_case(tmp_path)
    assert case.b_values == {"dwi": 1000.0}
    assert choice(case, "adc").chosen.startswith("series 3")
    assert "description" in choice(case, "dwi").reason
    assert any("no low-b reference" in w for w in case.warnings)


def test_derived_map_that_keeps_the_b_value_tag_is_adc_by_description(maker, tmp_path):
    tags, change = ge(50)
    maker.series(tmp_path, 1, "AX T2", tags={**maker.T2W, **tags})
    for b in (50, 1400):
        tags, change = ge(b)
        maker.series(tmp_path, 2, "DWI", voxels=maker.dwi_voxels(b), tags={**maker.EPI, **tags}, change=change, part=f"b{b}")
    derived = {**maker.EPI, **tags, "ImageType": ["DERIVED", "SECONDARY", "PROCESSED"]}
    maker.series(tmp_path, 3, "ADC (10^-6 mm2/s)", voxels=maker.adc_voxels(), tags=derived, change=change)
    case = read_dicom_case(tmp_path)
    assert choice(case, "adc").chosen.startswith("series 3")
    assert "description" in choice(case, "adc").reason
    assert np.array_equal(sitk.GetArrayFromImage(case.images["dwi"]), maker.dwi_voxels(1400))


def test_later_t2w_by_time_and_not_by_number(maker, tmp_path):
    maker.examination(tmp_path)
    maker.series(tmp_path, 9, "t2 early", tags=maker.T2W, time="095959")
    assert choice(read_dicom_case(tmp_path), "t2w").chosen == "series 1 (t2)"


def test_sagittal_t1_and_localizer_are_not_t2w(maker, tmp_path):
    maker.examination(tmp_path)
    maker.series(tmp_path, 5, "t2 sag", tags=maker.T2W, column=(0.0, 0.0, -1.0), time="110000")
    maker.series(tmp_path, 6, "t2", tags={**maker.T2W, "EchoTime": 12, "RepetitionTime": 600}, time="110001")
    maker.series(tmp_path, 7, "t2 loc", tags={**maker.T2W, "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, time="110002")
    maker.series(tmp_path, 8, "t2 few", tags=maker.T2W, voxels=maker.volume(n=3), time="110003")
    maker.series(tmp_path, 9, "t2*", tags={**maker.T2W, "ScanningSequence": "GR"}, time="110004")
    case = read_dicom_case(tmp_path)
    assert choice(case, "t2w").chosen == "series 1 (t2)"
    assert case.warnings == ()


@pytest.mark.parametrize(("scale", "unit"), [(1e-6, "mm2/s"), (1e-3, "1e-3 mm2/s")])
def test_adc_units(maker, tmp_path, scale, unit):
    maker.examination(tmp_path)
    for old in tmp_path.glob("s03*"):
        old.unlink()
    maker.series(tmp_path, 3, "map", voxels=maker.adc_voxels(), tags={**maker.ADC, "RescaleSlope": scale, "RescaleIntercept": 0})
    case = read_dicom_case(tmp_path)
    assert f"from {unit} to" in choice(case, "adc unit").reason
    assert sitk.GetArrayFromImage(case.images["adc"]) == pytest.approx(maker.adc_voxels(), rel=1e-5)


def test_missing_slice(maker, tmp_path):
    maker.examination(tmp_path)
    (tmp_path / "s01-02.dcm").unlink()
    with pytest.raises(CaseError, match=r"T2W, series 1 \(t2\) has missing slices: 1 between slice 2 and slice 3 of 4"):
        read_dicom_case(tmp_path)


def test_missing_slice_at_the_end_of_one_b_value(maker, tmp_path):
    maker.examination(tmp_path)
    (tmp_path / "s02b50-04.dcm").unlink()
    with pytest.raises(CaseError, match=r"DWI, series 2 \(diffusion\), has missing slices: 5 of b 800 and 4 of b 50"):
        read_dicom_case(tmp_path)


def test_first_slice_missing_is_warned_of(maker, tmp_path):
    maker.examination(tmp_path)
    (tmp_path / "s01-00.dcm").unlink()
    assert "series 1 (t2) may lack slices at an end: 1 of its instance numbers are not there" in read_dicom_case(tmp_path).warnings


def test_duplicate_slices(maker, tmp_path):
    maker.examination(tmp_path)
    shutil.copy(tmp_path / "s03-01.dcm", tmp_path / "copy.dcm")
    with pytest.raises(CaseError, match=r"ADC, series 3 \(map\) has 1 slices at a position that another slice has"):
        read_dicom_case(tmp_path)


def test_two_patients_and_two_studies(maker, tmp_path):
    maker.examination(tmp_path / "one")
    maker.series(tmp_path / "two", 1, "t2", tags=maker.T2W, patient="P2")
    with pytest.raises(CaseError, match="belong to 2 patients") as error:
        read_dicom_case(tmp_path)
    assert "P2" not in str(error.value)
    maker.examination(tmp_path / "other" / "one")
    maker.series(tmp_path / "other" / "two", 9, "t2", tags=maker.T2W, study=generate_uid())
    with pytest.raises(CaseError, match="2 MR examinations"):
        read_dicom_case(tmp_path / "other")


@pytest.mark.parametrize("keep", [60, 150, 700, -1, -100])
def test_truncated_file(maker, tmp_path, keep):
    maker.examination(tmp_path)
    path = tmp_path / "s02b800-01.dcm"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CaseError, match=r"s02b800-01\.dcm is (truncated|cut off)") as error:
        read_dicom_case(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("gone", "text"),
    [
        ("s01", "no axial T2W in the DICOM folder; seen: series 2 (diffusion); series 3 (map)"),
        ("s02b800", "no axial DWI with b >= 800 s/mm2 (b-values found: 50) in the DICOM folder"),
        ("s02", "no axial DWI with b >= 800 s/mm2 (b-values found: none)"),
    ],
)
def test_missing_sequence_is_named(maker, tmp_path, gone, text):
    maker.examination(tmp_path)
    for path in tmp_path.glob(f"{gone}*"):
        path.unlink()
    with pytest.raises(CaseError) as error:
        read_dicom_case(tmp_path, case_id="A1")
    assert text in str(error.value)
    assert str(error.value).startswith("Case A1: ")
    assert "Doe" not in str(error.value)


def test_no_adc_and_one_b_value(maker, tmp_path):
    maker.examination(tmp_path)
    for path in [*tmp_path.glob("s03*"), *tmp_path.glob("s02b50*")]:
        path.unlink()
    with pytest.raises(CaseError, match="no axial ADC map, and no two measured b-values"):
        read_dicom_case(tmp_path)


def test_folder_that_is_not_one(tmp_path):
    with pytest.raises(CaseError, match="DICOM folder absent does not exist"):
        read_dicom_case(tmp_path / "absent")
    with pytest.raises(CaseError, match="no DICOM image"):
        read_dicom_case(tmp_path)


def test_image_file_in_place_of_a_series(maker, tmp_path):
    maker.examination(tmp_path / "dicom")
    found = read_dicom_case(tmp_path / "dicom")
    b800 = sitk.Cast(found.images["dwi"], sitk.sitkFloat32) * 2
    b800.SetMetaData("b_value", "1200")
    sitk.WriteImage(b800, str(tmp_path / "dwi.nrrd"))
    case = read_dicom_case(tmp_path / "dicom", dwi=tmp_path / "dwi.nrrd")
    assert case.b_values["dwi"] == 1200.0
    assert choice(case, "dwi").chosen.startswith(".nrrd file, sha256 ")
    assert sitk.GetArrayFromImage(case.images["dwi"]) == pytest.approx(2 * sitk.GetArrayFromImage(found.images["dwi"]))
    with pytest.raises(CaseError, match=r"T2W file gone\.nrrd does not exist"):
        read_dicom_case(tmp_path / "dicom", t2w=tmp_path / "gone.nrrd")


def test_cancel(maker, tmp_path):
    def stop(fraction, message):
        if fraction >= 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        read_dicom_case(maker.examination(tmp_path), progress=stop)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("T2W_Smith_Roland_B1964", "t2w"),
        ("PT-B1001 T2 axial", "t2w"),
        ("PT-B1001 T1 vibe", "other"),
        ("PT-B1001 ADC", "adc"),
        ("DWI b1400 fused T2", "dwi"),
        ("10002_1000002_hbv", "dwi"),
        ("CALC_BVAL", "dwi"),
        ("b_800", "dwi"),
        ("T2 ax FLAIR", "other"),
        ("T2* map", "other"),
    ],
)
def test_words_go_before_what_may_be_a_code(text, kind):
    assert described_kind(text) == kind
