"""A case of images and an outline on its own lattice: what Slicer's nodes and the files written from them become."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.imaging.assembly import case_from_outline
from HabitatPNILib.imaging.preprocessing import preprocess
from HabitatPNILib.protocol import Protocol


def test_a_cropped_outline_finds_its_sequence_and_gives_the_phantoms_case(phantom):
    case = phantom[0]
    box = sitk.LabelShapeStatisticsImageFilter()
    box.Execute(case.roi)
    x, y, z, *size = box.GetBoundingBox(1)
    cropped = sitk.RegionOfInterest(case.roi, size, (x, y, z))
    found = case_from_outline(case.images, cropped, None, case.b_values, clinical={"age": 70}, case_id="7", phantom="made up")
    assert found.roi_frame == "t2w"
    np.testing.assert_array_equal(sitk.GetArrayFromImage(found.roi), sitk.GetArrayFromImage(case.roi))
    assert found.is_phantom
    assert found.case_id == "7"
    assert found.clinical == {"age": 70}
    assert found.b_values == case.b_values
    words = [c.chosen for c in found.provenance if c.item == "roi"]
    assert words[0].startswith(f"segment, {int(sitk.GetArrayFromImage(case.roi).sum())} voxels")


def test_without_an_outline_or_a_word_on_phantoms(phantom):
    found = case_from_outline(phantom[0].images)
    assert found.roi is None
    assert not found.is_phantom
    assert found.provenance == ()


def test_an_outline_elsewhere_is_refused_naming_the_case(phantom):
    case = phantom[0]
    moved = sitk.Image(case.roi)
    moved.SetOrigin([o + 0.4 for o in moved.GetOrigin()])
    moved.SetSpacing([s * 1.3 for s in moved.GetSpacing()])
    with pytest.raises(CaseError, match=r"^Case 12: The ROI is on the grid of none"):
        case_from_outline(case.images, moved, case_id="12")


@pytest.mark.parametrize(
    ("other", "text"),
    [
        ("adc", "T2W lies on the DWI's grid and ADC does not: were T2W and ADC swapped? Choose each anew (--t2w, --adc)"),
        ("dwi", "T2W lies on the ADC's grid and DWI does not: were T2W and DWI swapped? Choose each anew (--t2w, --dwi)"),
    ],
)
def test_t2w_and_another_in_each_others_place_are_refused(phantom, other, text):
    images = dict(phantom[0].images)
    images["t2w"], images[other] = images[other], images["t2w"]
    with pytest.raises(CaseError) as error:
        case_from_outline(images, case_id="12")
    assert str(error.value) == f"Case 12: {text}"


def test_dwi_and_adc_in_each_others_place_are_refused_by_the_adc_in_the_outline(phantom):
    images, protocol = dict(phantom[0].images), Protocol.load("pca-pni")
    images["dwi"], images["adc"] = images["adc"], images["dwi"]
    case = case_from_outline(images, phantom[0].roi, "t2w", case_id="12")
    with pytest.raises(CaseError, match=r"^Case 12: ADC has a median of \d+ x 1e-6 mm2/s in the ROI, which no tissue has \(100 to 3500\)"):
        preprocess(case, protocol.sequences, protocol.fixed, {}, protocol.preprocessing)


def test_images_resampled_to_one_grid_are_taken(phantom):
    images = phantom[0].images
    common = {name: image if name == "t2w" else sitk.Resample(image, images["t2w"]) for name, image in images.items()}
    assert set(case_from_outline(common).images) == set(images)
