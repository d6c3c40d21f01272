"""Case: what cannot be one patient's case is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.case import Case
from HabitatPNILib.errors import CaseError


def volume(size=(8, 8, 4), origin=(0.0, 0.0, 0.0), spacing=(2.0, 2.0, 3.0), first=0) -> sitk.Image:
    image = sitk.GetImageFromArray(first + np.arange(np.prod(size), dtype=np.float32).reshape(size[::-1]))
    image.SetOrigin(origin)
    image.SetSpacing(spacing)
    return image


def mask_of(image: sitk.Image, box=slice(1, 3)) -> sitk.Image:
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[box, box, box] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask


def test_same_acquisition_needs_diffusion_and_one_grid():
    case = Case("c", {"t2w": volume(), "dwi": volume(first=1), "adc": volume(first=2), "low_b": volume(spacing=(1.0, 1.0, 3.0), first=3)})
    assert case.same_acquisition("dwi", "adc")
    assert not case.same_acquisition("dwi", "t2w")
    assert not case.same_acquisition("dwi", "low_b")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        (np.full((4, 8, 8), np.nan, np.float32), "Case c: T2W has 256 voxels that are not finite"),
        (np.full((4, 8, 8), 7, np.int16), "Case c: T2W is constant (every voxel is 7)"),
        (np.arange(64, dtype=np.float32).reshape(1, 8, 8), "Case c: T2W is not a 3D volume (size 8x8x1)"),
    ],
)
def test_unusable_images_are_refused(array, text):
    with pytest.raises(CaseError) as error:
        Case("c", {"t2w": sitk.GetImageFromArray(array)})
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_a_two_dimensional_image_is_refused():
    with pytest.raises(CaseError, match="not a 3D volume"):
        Case("c", {"t2w": sitk.GetImageFromArray(np.eye(4, dtype=np.float32))})


def test_sequences_of_two_places_are_refused():
    with pytest.raises(CaseError, match="T2W and DWI do not overlap in space"):
        Case("c", {"t2w": volume(), "dwi": volume(origin=(500.0, 0.0, 0.0))})


def test_empty_foreign_and_outlying_rois_are_refused():
    t2w = volume()
    with pytest.raises(CaseError, match="the ROI is empty"):
        Case("c", {"t2w": t2w}, roi=mask_of(t2w, slice(0, 0)))
    with pytest.raises(CaseError, match="the ROI is not on the grid of T2W"):
        Case("c", {"t2w": t2w}, roi=mask_of(volume(origin=(3.0, 0.0, 0.0))))
    wide = volume(size=(40, 8, 4))
    roi = np.zeros((4, 8, 40), np.uint8)
    roi[1:3, 1:3, 35:] = 1
    outlying = sitk.GetImageFromArray(roi)
    outlying.CopyInformation(wide)
    with pytest.raises(CaseError, match="the ROI lies outside the DWI image"):
        Case("c", {"t2w": wide, "dwi": t2w}, roi=outlying)
    with pytest.raises(CaseError, match="drawn on adc, which the case does not have"):
        Case("c", {"t2w": t2w}, roi=mask_of(t2w), roi_frame="adc")


def test_an_outline_of_more_than_half_its_image_is_refused():
    t2w = volume()
    half, more = (np.zeros((4, 8, 8), np.uint8) for _ in range(2))
    half[:2], more[:3] = 1, 1
    for array in (half, more):
        mask = sitk.GetImageFromArray(array)
        mask.CopyInformation(t2w)
        if array is half:
            assert Case("c", {"t2w": t2w}, roi=mask).roi is not None
            continue
        with pytest.raises(CaseError) as error:
            Case("c", {"t2w": t2w}, roi=mask)
    assert str(error.value) == (
        "Case c: the ROI covers 75 % of the T2W image (an inverted outline?); draw the tumour alone or choose another segment"
    )


def test_require_names_what_is_missing():
    t2w = volume()
    with pytest.raises(CaseError, match=r"no DWI and no ADC image; give them \(--dwi, --adc\)$"):
        Case("c", {"t2w": t2w}, roi=mask_of(t2w)).require(["t2w", "dwi", "adc"])
    with pytest.raises(CaseError, match=r"no tumour outline \(ROI\)"):
        Case("c", {"t2w": t2w}).require(["t2w"])


def test_one_image_under_two_names_and_impossible_b_values_are_refused():
    with pytest.raises(CaseError, match="T2W and ADC are the same image; give each sequence its own"):
        Case("c", {"t2w": volume(), "adc": volume()})
    for b in (float("nan"), -50.0, 1e9):
        with pytest.raises(CaseError, match=r"s/mm2 of DWI cannot be"):
            Case("c", {"dwi": volume()}, b_values={"dwi": b})


@pytest.mark.parametrize("order", ["LAS", "RAS", "SLP", "PIR"])
def test_the_order_in_which_a_file_keeps_its_voxels_does_not_matter(order):
    image = volume(size=(9, 8, 5))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.2, 0.05, -0.1).GetMatrix())
    stored = sitk.DICOMOrient(image, order)
    straight = Case("c", {"t2w": image}, roi=mask_of(image))
    turned = Case("c", {"t2w": stored}, roi=sitk.DICOMOrient(mask_of(image), order))
    for a, b in ((straight.images["t2w"], turned.images["t2w"]), (straight.roi, turned.roi)):
        np.testing.assert_array_equal(sitk.GetArrayFromImage(a), sitk.GetArrayFromImage(b))
        assert (a.GetOrigin(), a.GetSpacing(), a.GetDirection()) == (b.GetOrigin(), b.GetSpacing(), b.GetDirection())
