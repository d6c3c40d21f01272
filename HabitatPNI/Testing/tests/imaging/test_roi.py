from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from HabitatPNILib.errors import CaseError
from HabitatPNILib.imaging.dicom import read_dicom_case
from HabitatPNILib.imaging.roi import attach_roi, place_roi, read_outline, read_roi, select_lesions

C, S = float(np.cos(0.2)), float(np.sin(0.2))


def grid(size=(20, 22, 8), spacing=(0.5, 0.5, 3.0), origin=(-5.0, 3.0, 8.0), seed=0) -> sitk.Image:
    made = sitk.GetImageFromArray(np.random.default_rng(seed).integers(1, 1500, size[::-1]).astype(np.int16))
    made.SetSpacing(spacing)
    made.SetOrigin(origin)
    made.SetDirection((1, 0, 0, 0, C, -S, 0, S, C))
    return made


def mask(image: sitk.Image, *boxes) -> sitk.Image:
    array = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for label, box in enumerate(boxes, start=1):
        array[box] = label
    made = sitk.GetImageFromArray(array)
    made.CopyInformation(image)
    return made


BOX = np.s_[2:5, 6:12, 7:11]


def array(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def write_seg(path, image, names, layers=None, values=None):
    for i, name in enumerate(names):
        image.SetMetaData(f"Segment{i}_ID", f"Segment_{i + 1}")
        image.SetMetaData(f"Segment{i}_Name", name)
        image.SetMetaData(f"Segment{i}_Layer", str(layers[i] if layers else 0))
        image.SetMetaData(f"Segment{i}_LabelValue", str(values[i] if values else i + 1))
    sitk.WriteImage(image, str(path), True)
    return path


def test_plain_label_map(tmp_path):
    labels = mask(grid(), BOX, np.s_[6:7, 0:3, 0:3])
    sitk.WriteImage(sitk.Cast(labels, sitk.sitkFloat32), str(tmp_path / "a.nii.gz"))
    both = read_outline(tmp_path / "a.nii.gz", "all")
    assert both.mask.GetPixelID() == sitk.sitkUInt8
    assert array(both.mask).sum() == 72 + 9
    assert both.taken == "labels 1, 2 together"
    second = read_outline(tmp_path / "a.nii.gz", " 2")
    assert array(second.mask).sum() == 9
    assert second.taken == "label 2"
    with pytest.raises(CaseError, match="label map without segment 7; it holds the labels: 1, 2"):
        read_roi(tmp_path / "a.nii.gz", "7")
    with pytest.raises(CaseError) as error:
        read_roi(tmp_path / "a.nii.gz")
    expected = "is a label map of several labels (1, 2); choose one, or take them together (--roi-segment LABEL or all)"
    assert str(error.value) == f"The ROI file a.nii.gz {expected}"


@pytest.mark.parametrize("value", [-3, 1, 255, 4000])
def test_the_only_label_may_have_any_value(tmp_path, value):
    sitk.WriteImage(sitk.Cast(mask(grid(), BOX), sitk.sitkInt16) * value, str(tmp_path / "a.nrrd"))
    outline = read_outline(tmp_path / "a.nrrd")
    assert array(outline.mask).sum() == 72
    assert outline.taken == f"label {value}"
    assert array(read_roi(tmp_path / "a.nrrd", str(value))).sum() == 72


def test_images_are_no_label_maps(tmp_path):
    sitk.WriteImage(grid(), str(tmp_path / "mr.nii.gz"))
    with pytest.raises(
        CaseError, match=r"^The ROI file mr\.nii\.gz is not a label map: it has \d+ distinct values; give the tumour outline$"
    ):
        read_roi(tmp_path / "mr.nii.gz")
    with pytest.raises(CaseError, match="is not a label map: it has"):
        read_roi(tmp_path / "mr.nii.gz", "7")
    sitk.WriteImage(sitk.Cast(mask(grid(), BOX), sitk.sitkFloat32) * 0.5, str(tmp_path / "p.nrrd"))
    with pytest.raises(CaseError, match=r"p\.nrrd is not a label map: its values are not whole numbers; give the tumour outline$"):
        read_roi(tmp_path / "p.nrrd")
    rows = np.zeros((8, 22, 20), dtype=np.uint8)
    rows[0, :20, 0] = np.arange(20)
    sitk.WriteImage(sitk.GetImageFromArray(rows), str(tmp_path / "twenty.mha"))
    assert array(read_roi(tmp_path / "twenty.mha", "all")).sum() == 19
    rows[0, 20, 0] = 20
    sitk.WriteImage(sitk.GetImageFromArray(rows), str(tmp_path / "more.mha"))
    with pytest.raises(CaseError, match="it has 21 distinct values"):
        read_roi(tmp_path / "more.mha", "all")
    holes = sitk.GetArrayFromImage(grid()).astype(np.float32)
    holes[0, 0, 0] = np.nan
    sitk.WriteImage(sitk.GetImageFromArray(holes), str(tmp_path / "nan.nrrd"))
    with pytest.raises(CaseError, match="not finite"):
        read_roi(tmp_path / "nan.nrrd")


@pytest.mark.parametrize("name", ["a.mha", "a.nrrd", "a.nii.gz"])
def test_colour_and_several_volumes(tmp_path, name):
    one = mask(grid(), BOX)
    sitk.WriteImage(sitk.Compose(one, one, one), str(tmp_path / name))
    with pytest.raises(CaseError, match=r"is a colour or other many-valued image \(vector of 8-bit unsigned integer\); give a mask"):
        read_roi(tmp_path / name)
    sitk.WriteImage(sitk.JoinSeries([one, one]), str(tmp_path / name))
    with pytest.raises(CaseError, match=r"holds 2 volumes \(4D\); give one mask or label map a file"):
        read_roi(tmp_path / name)
    sitk.WriteImage(sitk.JoinSeries([one]), str(tmp_path / name))
    assert np.array_equal(array(read_roi(tmp_path / name)), array(one))


def test_provenance_states_label_and_volume(shared_data, tmp_path):
    # The data's own description gives 427 voxels and 0.32 mL; the file marks them with 3.
    lesion = shared_data / "prostate_labels_NC" / "ProstateX-0000_11373_1001396_lesion_human.nii.gz"
    outline = sitk.ReadImage(str(lesion))
    found = attach_roi({"t2w": outline}, lesion, None, None, "c")
    assert found.frame == "t2w"
    (choice,) = found.choices
    assert choice.item == "roi"
    assert choice.chosen.startswith(".nii.gz file, sha256 ")
    assert choice.chosen.endswith(", label 3, 427 voxels, 0.32 mL")
    path = write_seg(tmp_path / "a.seg.nrrd", mask(grid(), BOX, np.s_[6:7, 0:3, 0:3]), ["Tumour", "Urethra"])
    for segment, words in (
        ("tumour", "segment Tumour, 72 voxels, 0.05 mL"),
        ("all", "segments Tumour, Urethra together, 81 voxels, 0.06 mL"),
    ):
        assert attach_roi({"t2w": grid()}, path, segment, None, "c").choices[0].chosen.endswith(f", {words}")
    assert attach_roi({"t2w": grid()}, None, None, None, "c").choices == ()


def test_slicer_segments_by_name_and_id(tmp_path):
    path = write_seg(tmp_path / "a.seg.nrrd", mask(grid(), BOX, np.s_[6:7, 0:3, 0:3]), ["Tumour", "Urethra"])
    assert array(read_roi(path, "tumour")).sum() == 72
    assert array(read_roi(path, "Segment_2")).sum() == 9
    with pytest.raises(
        CaseError, match=r"holds 2 segments \(Tumour, Urethra\); choose one, or take them together \(--roi-segment NAME or all\)$"
    ):
        read_roi(path)
    assert array(read_roi(path, "all")).sum() == 72 + 9
    with pytest.raises(CaseError, match="has no segment Bladder; it holds: Tumour, Urethra"):
        read_roi(path, "Bladder")
    alone = write_seg(tmp_path / "b.seg.nrrd", mask(grid(), BOX), ["Tumour"])
    assert array(read_roi(alone)).sum() == 72
    twins = write_seg(tmp_path / "c.seg.nrrd", mask(grid(), BOX, np.s_[6:7, 0:3, 0:3]), ["Tumour", "Tumour"])
    with pytest.raises(CaseError, match=r"2 segments named Tumour; choose one by its ID \(Segment_1, Segment_2\)"):
        read_roi(twins, "Tumour")


@pytest.mark.parametrize(("layers", "values"), [("x", "1"), ("0", "one"), ("0", "1.5")])
def test_damaged_segment_numbers(tmp_path, layers, values):
    path = write_seg(tmp_path / "a.seg.nrrd", mask(grid(), BOX), ["Tumour"], layers=[layers], values=[values])
    with pytest.raises(CaseError, match=r"a\.seg\.nrrd is damaged: layer or label value of a segment is not a number; save the segm"):
        read_roi(path)
    for absent in ("3", "-1"):
        write_seg(path, mask(grid(), BOX), ["Tumour"], layers=[absent])
        with pytest.raises(CaseError, match="damaged: a segment's layer is not there"):
            read_roi(path)


def test_a_segment_may_be_called_all(tmp_path):
    path = write_seg(tmp_path / "a.seg.nrrd", mask(grid(), BOX, np.s_[6:7, 0:3, 0:3]), ["Tumour", "All"])
    assert array(read_roi(path, "all")).sum() == 9


def test_overlapping_layers(tmp_path):
    overlap = sitk.Compose(mask(grid(), BOX), mask(grid(), np.s_[3:7, 6:12, 7:11]))
    path = write_seg(tmp_path / "a.seg.nrrd", overlap, ["Tumour", "Zone"], layers=[0, 1], values=[1, 1])
    assert array(read_roi(path, "Tumour")).sum() == 72
    assert np.array_equal(array(read_roi(path, "all")), array(mask(grid(), np.s_[2:7, 6:12, 7:11])))
    zone = read_roi(path, "Zone")
    assert np.array_equal(array(zone), array(mask(grid(), np.s_[3:7, 6:12, 7:11])))
    assert zone.GetOrigin() == pytest.approx(grid().GetOrigin())
    assert zone.GetDirection() == pytest.approx(grid().GetDirection())


def test_same_grid_takes_over_the_header_in_order():
    image = grid()
    outline = mask(image, BOX)
    outline.SetOrigin((-5.02, 3.01, 8.02))
    placed, name = place_roi(outline, {"t2w": image, "adc": grid(seed=1), "dwi": grid(seed=2)})
    assert name == "dwi"
    assert placed.GetOrigin() == image.GetOrigin()
    assert np.array_equal(array(placed), array(outline))
    assert place_roi(outline, {"t2w": image, "dwi": image}, "t2w")[1] == "t2w"


def test_cropped_segmentation_is_pasted(tmp_path):
    image = grid()
    whole = mask(image, BOX)
    cropped = sitk.RegionOfInterest(whole, (6, 8, 5), (6, 5, 1))
    path = write_seg(tmp_path / "a.seg.nrrd", cropped, ["Tumour"])
    placed, name = place_roi(read_roi(path), {"t2w": image, "dwi": grid((10, 11, 8), (2.0, 2.0, 3.0))})
    assert name == "t2w"
    assert placed.GetSize() == image.GetSize()
    assert np.array_equal(array(placed), array(whole))


def test_flipped_axes_are_the_same_lattice():
    image = grid()
    whole = mask(image, BOX)
    flipped = sitk.Flip(whole, (True, False, True))
    placed, _ = place_roi(flipped, {"t2w": image})
    assert np.array_equal(array(placed), array(whole))


def test_foreign_grid():
    image = grid()
    other = mask(grid(spacing=(0.6, 0.6, 3.0)), BOX)
    with pytest.raises(CaseError, match="none of the case's sequences: is it another patient's outline"):
        place_roi(other, {"t2w": image})
    shifted = mask(grid(origin=(-4.8, 3.0, 8.0)), BOX)
    with pytest.raises(CaseError, match="none of the case's sequences"):
        place_roi(shifted, {"t2w": image})
    placed, name = place_roi(other, {"t2w": image}, "t2w")
    assert name == "t2w"
    volume = array(placed).sum() * 0.5 * 0.5 * 3
    assert volume == pytest.approx(72 * 0.6 * 0.6 * 3, rel=0.2)
    with pytest.raises(CaseError, match="drawn on dwi, but the case has t2w; give one of these"):
        place_roi(other, {"t2w": image}, "dwi")


def test_outside_and_empty():
    image = grid()
    far = mask(grid(origin=(5.0, 3.0, 8.0), spacing=(0.55, 0.55, 3.0)), BOX)
    with pytest.raises(CaseError, match="voxels outside the T2W image"):
        place_roi(far, {"t2w": image}, "t2w")
    beyond = mask(grid(origin=(-5.0 + 0.5 * 12, 3.0, 8.0)), BOX)
    with pytest.raises(CaseError, match="54 voxels outside the T2W image"):
        place_roi(beyond, {"t2w": image})
    with pytest.raises(CaseError, match="ROI is empty: no voxel is marked"):
        place_roi(mask(image), {"t2w": image})
    speck = mask(grid((60, 60, 60), (0.1, 0.1, 0.1), (-4.85, 3.05, 8.05)), np.s_[0:1, 0:1, 0:1])
    with pytest.raises(CaseError, match="smaller than a voxel of the T2W image"):
        place_roi(speck, {"t2w": image}, "t2w")


def test_lesions():
    outline = mask(grid(), np.s_[0:2, 0:2, 0:2], np.s_[2:3, 2:3, 2:3], np.s_[5:7, 10:14, 10:14])
    everything, n = select_lesions(outline, "union")
    # The first two boxes touch at a corner: with 26 neighbours they are one lesion.
    assert n == 2
    assert array(everything).sum() == 8 + 1 + 32
    assert set(np.unique(array(everything))) == {0, 1}
    largest, n = select_lesions(outline, "largest")
    assert n == 2
    assert array(largest).sum() == 32
    assert array(largest)[5, 10, 10] == 1
    assert largest.GetOrigin() == outline.GetOrigin()


def write_dicom_seg(source_files, arrays, names, path):
    import highdicom as hd
    import pydicom
    from pydicom.sr.codedict import codes

    sources = [pydicom.dcmread(p) for p in source_files]
    algorithm = hd.seg.SegmentAlgorithmTypeValues.MANUAL
    descriptions = [
        hd.seg.SegmentDescription(i + 1, name, codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Neoplasm, algorithm)
        for i, name in enumerate(names)
    ]
    seg = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=np.stack(arrays, axis=-1).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=hd.UID(),
        series_number=99,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="x",
        manufacturer_model_name="x",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(path)
    return path


@pytest.fixture
def segmented(maker, tmp_path):
    maker.examination(tmp_path / "case")
    files = sorted((tmp_path / "case").glob("s01*"))
    tumour, zone = np.zeros((5, 12, 10)), np.zeros((5, 12, 10))
    tumour[1:3, 3:7, 2:6] = 1
    zone[1:4, 3:9, 2:8] = 1

    def complete(path):
        import pydicom

        dataset = pydicom.dcmread(path)
        dataset.PatientBirthDate, dataset.PatientSex, dataset.AccessionNumber = "", "M", ""
        dataset.StudyID, dataset.StudyDate, dataset.StudyTime, dataset.ReferringPhysicianName = "", "", "", ""
        dataset.SliceThickness, dataset.PositionReferenceIndicator = 3.0, ""
        dataset.save_as(path)

    for path in files:
        complete(path)
    return tmp_path, write_dicom_seg(files, [tumour, zone], ["Tumour", "Zone"], tmp_path / "seg.dcm"), tumour, zone


def test_dicom_seg_lies_on_its_series(segmented):
    folder, seg, tumour, zone = segmented
    case = read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour", roi_on="t2w")
    assert case.roi_frame == "t2w"
    assert np.array_equal(array(case.roi), tumour)
    assert case.warnings == ()
    volume_ml = tumour.sum() * 2 * 2 * 3 / 1000
    assert case.provenance[-1].chosen.endswith(f", segment Tumour, {tumour.sum():.0f} voxels, {volume_ml:.2f} mL")
    t2w = {"t2w": case.images["t2w"]}
    assert np.array_equal(array(place_roi(read_roi(seg, "2"), t2w)[0]), zone)
    assert np.array_equal(array(place_roi(read_roi(seg, "all"), t2w)[0]), np.maximum(tumour, zone))
    with pytest.raises(
        CaseError, match=r"seg\.dcm holds 2 segments \(Tumour, Zone\); choose one, or take them together \(--roi-segment NAME or all\)$"
    ):
        read_roi(seg)
    with pytest.raises(CaseError, match="no segment Gland; it holds: Tumour, Zone"):
        read_roi(seg, "Gland")
    (folder / "roi").mkdir()
    seg.rename(folder / "roi" / "x.dcm")
    assert np.array_equal(array(place_roi(read_roi(folder / "roi", "Zone"), t2w)[0]), zone)


def retag(path, **tags):
    import pydicom

    dataset = pydicom.dcmread(path)
    for key, value in tags.items():
        setattr(dataset, key, value)
    dataset.save_as(path)


def test_dicom_seg_of_another_patient(segmented):
    folder, seg, tumour, _ = segmented
    retag(seg, PatientID="Secret7", PatientName="Roe^Hidden")
    with pytest.raises(CaseError) as error:
        read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour", case_id="B2")
    text = str(error.value)
    assert text.startswith("Case B2: the DICOM SEG belongs to another patient or examination; give the outline drawn on this case's images")
    assert not any(word in text for word in ("Secret", "Hidden", "P1", "Doe", "\n"))
    retag(seg, PatientID="")
    case = read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour", roi_on="t2w")
    assert np.array_equal(array(case.roi), tumour)
    for path in (folder / "case").iterdir():
        retag(path, PatientID="")
    retag(seg, PatientID="Secret7")
    assert read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour").warnings == ()


def test_dicom_seg_of_another_frame_of_reference(segmented):
    folder, seg, tumour, _ = segmented
    retag(seg, FrameOfReferenceUID="1.2.3.4.5")
    case = read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour", roi_on="t2w")
    assert np.array_equal(array(case.roi), tumour)
    assert case.warnings == (
        "the DICOM SEG has another frame of reference than the series it is laid on: check that it lies on the tumour",
    )
    for path in (folder / "case").glob("s01*"):
        retag(path, FrameOfReferenceUID="1.2.3.4.5")
    on_t2w, on_dwi = (read_dicom_case(folder / "case", roi=seg, roi_segment="Tumour", roi_on=name) for name in ("t2w", "dwi"))
    assert [len(on_t2w.warnings), len(on_dwi.warnings)] == [1, 2]
    assert "series taken have different frames of reference" in on_t2w.warnings[0]


def test_what_is_no_outline(segmented, tmp_path):
    folder, seg, *_ = segmented
    with pytest.raises(CaseError, match=r"s01-00\.dcm is neither an image file .* nor a readable DICOM SEG"):
        read_roi(folder / "case" / "s01-00.dcm")
    with pytest.raises(CaseError, match="ROI folder holds 0 DICOM SEG files"):
        read_roi(folder / "case")
    with pytest.raises(CaseError, match=r"ROI file gone\.nrrd does not exist"):
        read_roi(tmp_path / "gone.nrrd")
    with pytest.raises(CaseError, match=r"ROI file gone\.dcm does not exist"):
        read_roi(tmp_path / "gone.dcm")
    whole = seg.read_bytes()
    for keep in (50, 200, len(whole) // 2, len(whole) - 10):
        seg.write_bytes(whole[:keep])
        with pytest.raises(CaseError, match=r"seg\.dcm is (neither|a damaged)") as error:
            read_roi(seg, "Tumour")
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("angles", [(0, 0, 0), (7, -5, 11), (30, 20, -10)])
def test_an_oversampled_outline_is_placed_alike_whatever_the_last_bits_of_its_header(angles):
    """Its voxel edges lie on the image's voxel centres, as Slicer's oversampling factor 2 puts them."""
    image = grid(spacing=(1.0, 1.0, 1.0))
    direction = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    image.SetDirection(direction.ravel().tolist())
    fine = np.zeros([2 * n for n in reversed(image.GetSize())], np.uint8)
    fine[3:12, 9:30, 11:28] = 1
    roi = sitk.GetImageFromArray(fine)
    roi.SetDirection(image.GetDirection())
    roi.SetSpacing((0.5, 0.5, 0.5))
    roi.SetOrigin(image.TransformContinuousIndexToPhysicalPoint((-0.25, -0.25, -0.25)))
    placed = []
    for jitter in (-4e-16, 0.0, 4e-16):
        other = sitk.Image(roi)
        other.SetDirection([v + jitter for v in roi.GetDirection()])
        placed.append(array(place_roi(other, {"t2w": image}, "t2w")[0]))
    assert np.array_equal(placed[0], placed[1])
    assert np.array_equal(placed[1], placed[2])
    assert placed[0].sum() in {a * b * c for a in (4, 5) for b in (10, 11) for c in (8, 9)}
