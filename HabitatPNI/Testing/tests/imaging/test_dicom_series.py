from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.geometry import same_grid
from HabitatPNILib.imaging.dicom_series import check_complete, mean_of_directions, read_volume, scan, stacks


def only(folder):
    (stack,) = stacks(scan(folder, "c"))
    return stack


def test_grid_equals_that_of_itk_for_an_oblique_series(maker, tmp_path):
    maker.series(tmp_path, 1, tags=maker.T2W)
    image = read_volume(only(tmp_path), "T2W", "c")
    truth = sitk.ReadImage(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path)))
    assert same_grid(image, truth, 1e-9)
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(truth))
    assert image.GetPixelID() == sitk.sitkInt16
    assert only(tmp_path).tilt_deg == pytest.approx(12)


def test_slices_in_descending_order_and_own_rescaling(maker, tmp_path):
    def change(dataset, i):
        dataset.InstanceNumber = 99 - i
        dataset.RescaleSlope, dataset.RescaleIntercept = 1 + i / 4, -i

    maker.series(tmp_path, 1, tags=maker.T2W, change=change)
    image = read_volume(only(tmp_path), "T2W", "c")
    expected = maker.volume(1) * (1 + np.arange(5)[:, None, None] / 4) - np.arange(5)[:, None, None]
    assert sitk.GetArrayFromImage(image) == pytest.approx(expected)
    assert image.GetPixelID() == sitk.sitkFloat32


def test_values_beyond_int16_stay(maker, tmp_path):
    maker.series(tmp_path, 1, voxels=maker.volume(1) * 60, tags=maker.T2W)
    image = read_volume(only(tmp_path), "T2W", "c")
    assert image.GetPixelID() == sitk.sitkFloat32
    assert sitk.GetArrayFromImage(image).max() == float((maker.volume(1) * 60).max())


@pytest.mark.parametrize("gone", [(1,), (1, 2), (1, 3)])
def test_gaps(maker, tmp_path, gone):
    paths = maker.series(tmp_path, 1, voxels=maker.volume(n=9), tags=maker.T2W)
    for i in gone:
        paths[i].unlink()
    with pytest.raises(CaseError, match=f"missing slices: {len(gone)} between"):
        check_complete(only(tmp_path), "T2W", "c")


def test_uneven_and_sideways_slices(maker, tmp_path):
    def move(dataset, i, vector):
        position = np.array(dataset.ImagePositionPatient, dtype=float)
        dataset.ImagePositionPatient = [float(v) for v in position + np.array(vector) * (i == 2)]

    normal = np.array([0, -np.sin(np.deg2rad(12)), np.cos(np.deg2rad(12))])
    maker.series(tmp_path / "a", 1, tags=maker.T2W, change=lambda d, i: move(d, i, 0.6 * normal))
    with pytest.raises(CaseError, match="uneven distances"):
        check_complete(only(tmp_path / "a"), "T2W", "c")
    maker.series(tmp_path / "b", 1, tags=maker.T2W, change=lambda d, i: move(d, i, (1.5, 0, 0)))
    with pytest.raises(CaseError, match="shifted sideways"):
        check_complete(only(tmp_path / "b"), "T2W", "c")


def test_stacks_part_b_values_orientations_and_echoes(maker, tmp_path):
    for b in (0, 800):
        maker.series(tmp_path, 1, tags={**maker.EPI, "DiffusionBValue": float(b)}, part=f"b{b}")
    maker.series(tmp_path, 2, tags=maker.T2W, part="ax")
    maker.series(tmp_path, 2, tags=maker.T2W, part="sag", column=(0.0, 0.0, -1.0))
    found = stacks(scan(tmp_path, "c"))
    assert [(s.series.number, s.b, len(s.slices)) for s in found] == [(1, 0.0, 5), (1, 800.0, 5), (2, None, 5), (2, None, 5)]
    assert found[0].shares_grid(found[1])
    assert not found[2].shares_grid(found[3])


def test_compressed_pixels(maker, tmp_path):
    maker.series(tmp_path / "plain", 1, tags=maker.T2W)
    truth = read_volume(only(tmp_path / "plain"), "T2W", "c")
    reader, writer = sitk.ImageFileReader(), sitk.ImageFileWriter()
    reader.LoadPrivateTagsOn()
    writer.KeepOriginalImageUIDOn()
    writer.UseCompressionOn()
    (tmp_path / "jpeg").mkdir()
    for path in sorted((tmp_path / "plain").iterdir()):
        reader.SetFileName(str(path))
        image = reader.Execute()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(tmp_path / "jpeg" / path.name))
        writer.Execute(image)
    import pydicom

    assert pydicom.dcmread(next((tmp_path / "jpeg").iterdir()), stop_before_pixels=True).file_meta.TransferSyntaxUID.is_compressed
    image = read_volume(only(tmp_path / "jpeg"), "T2W", "c")
    assert np.array_equal(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(truth))


def test_colour_pictures_and_foreign_files_are_passed_over(maker, tmp_path):
    maker.series(tmp_path, 1, tags=maker.T2W)
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "._s01-00.dcm").write_bytes(b"resource fork")
    maker.series(tmp_path, 2, tags={"SamplesPerPixel": 3})
    assert len(scan(tmp_path, "c")) == 5


def test_cut_anywhere_is_found_in_silence(maker, tmp_path, recwarn):
    paths = maker.series(tmp_path, 1, tags=maker.T2W)
    whole = paths[4].read_bytes()
    for keep in range(0, len(whole), 16):
        paths[4].write_bytes(whole[:keep])
        with pytest.raises(CaseError, match=r"s01-04\.dcm is (cut off|truncated)"):
            read_volume(only(tmp_path), "T2W", "c")
    # pydicom's warnings would quote tags.
    assert [str(w.message) for w in recwarn] == []


def test_mean_of_directions_is_geometric():
    images = [sitk.GetImageFromArray(np.full((2, 2, 2), v, dtype=np.int16)) for v in (100, 400)]
    assert sitk.GetArrayFromImage(mean_of_directions(images)) == pytest.approx(200)
    dark = sitk.GetImageFromArray(np.zeros((2, 2, 2), dtype=np.int16))
    assert sitk.GetArrayFromImage(mean_of_directions([images[0], dark])).max() == 0
