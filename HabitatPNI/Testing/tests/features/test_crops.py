"""Pictures of regions, against positions and values known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.features.crops import largest_slice, region_crop, region_pictures
from HabitatPNILib.protocol import DeepSection


def volume(array: np.ndarray, spacing=(1.0, 1.0, 1.0)) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.float32))
    image.SetSpacing(spacing)
    image.SetOrigin((-31.0, 17.0, 5.0))
    angle = 0.3
    image.SetDirection((1, 0, 0, 0, np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle)))
    return image


def block(shape, z, y, x) -> np.ndarray:
    region = np.zeros(shape, dtype=bool)
    region[slice(*z), slice(*y), slice(*x)] = True
    return region


def test_ramp_is_sampled_at_its_place_and_the_box_is_square_with_margin():
    _, y, x = np.mgrid[:4, :40, :50].astype(float)
    region = block(x.shape, (1, 3), (10, 20), (20, 26))
    settings = DeepSection(size=40, margin_mm=5, window=(0, 50), outside="kept")
    # box 6 x 10 mm plus 5 mm on every side, square: 20 mm round the centre (22.5, 14.5), 0.5 mm a pixel
    positions = np.arange(40) * 0.5 + 0.25 - 10
    crop = region_crop(volume(x), region, settings)
    assert crop.dtype == np.float32
    assert np.allclose(crop, np.broadcast_to((22.5 + positions) / 50, (40, 40)), atol=1e-6)
    crop = region_crop(volume(y), region, settings)
    assert np.allclose(crop, np.broadcast_to(((14.5 + positions) / 50)[:, None], (40, 40)), atol=1e-6)


def test_anisotropic_pixels_keep_the_aspect_ratio_in_mm():
    region = block((3, 30, 60), (1, 2), (10, 20), (20, 40))  # 20 mm x 20 mm with pixels of 1 x 2 mm
    settings = DeepSection(size=60, margin_mm=5, window=(0, 1))
    crop = region_crop(volume(np.ones(region.shape), (1.0, 2.0, 3.0)), region, settings)
    rows, columns = np.flatnonzero(crop[:, 30] > 0.5), np.flatnonzero(crop[30] > 0.5)
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (10, 49, 10, 49)


def test_window_is_clipped_and_outside_the_region_is_black():
    array = np.full((3, 20, 20), 1.5)
    array[1, 8:10, 8:10], array[1, 8:10, 10:12] = -9, 9
    region = block(array.shape, (1, 2), (8, 12), (8, 12))
    settings = DeepSection(size=32, margin_mm=2)  # 8 mm over 32 pixels: every voxel is 4 x 4 pixels
    crop = region_crop(volume(array), region, settings)
    assert crop[10:14, 10:14] == pytest.approx(0)
    assert crop[10:14, 18:22] == pytest.approx(1)
    assert crop[18:22, 10:22] == pytest.approx(0.75)
    assert not crop[:6].any()
    kept = region_crop(volume(array), region, settings.model_copy(update={"outside": "kept"}))
    assert kept[:6] == pytest.approx(0.75)


def test_box_beyond_the_image_is_filled_black_and_does_not_depend_on_what_was_cut_away():
    rng = np.random.default_rng(1)
    array = rng.normal(size=(3, 60, 60))
    region = block(array.shape, (1, 2), (20, 30), (25, 32))
    settings = DeepSection(size=64, margin_mm=5)
    whole = region_crop(volume(array), region, settings)
    part = region_crop(volume(array[:, 18:33, 22:34]), region[:, 18:33, 22:34], settings)
    assert np.array_equal(whole, part)
    at_border = region_crop(volume(array[:, 20:, 25:]), region[:, 20:, 25:], settings.model_copy(update={"outside": "kept"}))
    assert not at_border[:15].any()
    assert at_border[17:45, 24:40].any()


def test_largest_cross_section_is_the_first_of_equals():
    region = block((6, 9, 9), (1, 2), (2, 4), (2, 4)) | block((6, 9, 9), (3, 5), (2, 6), (2, 6))
    assert largest_slice(region) == 3
    with pytest.raises(ValueError, match="the region is empty"):
        largest_slice(np.zeros((6, 9, 9), dtype=bool))
    with pytest.raises(ValueError, match="differ in shape"):
        region_crop(volume(np.ones((6, 9, 8))), region, DeepSection(size=32))


def test_slices_of_each_kind():
    array = np.broadcast_to(np.arange(6.0)[:, None, None], (6, 20, 20))
    region = block(array.shape, (3, 6), (5, 15), (5, 15))
    region[5, 5:9] = False
    settings = DeepSection(size=32, window=(0, 10), outside="kept", margin_mm=0)
    pictures = region_pictures(volume(array), region, settings)
    assert pictures.shape == (1, 3, 32, 32)
    assert pictures == pytest.approx(0.3)
    pictures = region_pictures(volume(array), region, settings.model_copy(update={"slices": "mean"}))
    assert pictures.shape == (3, 3, 32, 32)
    assert pictures[:, 0, 16, 16] == pytest.approx([0.3, 0.4, 0.5])
    pictures = region_pictures(volume(array), region, settings.model_copy(update={"slices": "2.5d"}))
    assert pictures[:, :, 16, 16] == pytest.approx(np.array([[0.2, 0.3, 0.4]]))
    top = block(array.shape, (5, 6), (5, 15), (5, 15))
    pictures = region_pictures(volume(array), top, settings.model_copy(update={"slices": "2.5d"}))
    assert pictures[:, :, 16, 16] == pytest.approx(np.array([[0.4, 0.5, 0.0]]))
