from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.features.texture import TextureSettings, texture_maps

NAMES = ("original_firstorder_Mean", "original_glszm_ZonePercentage")


def scene(make_image) -> tuple[sitk.Image, sitk.Image]:
    rng = np.random.default_rng(5)
    inside = np.zeros((4, 6, 5), np.uint8)
    inside[1:3, 2:5, 1:4] = 3
    image = make_image(rng.integers(0, 50, (4, 6, 5)).astype(np.int16))
    turned = [0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
    image.SetDirection(turned)
    roi = make_image(inside)
    roi.SetDirection(turned)
    return image, roi


def test_volumes_have_the_images_grid_and_the_init_value_outside(make_image):
    image, roi = scene(make_image)
    maps = texture_maps(image, roi, TextureSettings(features=NAMES, init_value=-5.0))
    assert maps.names == NAMES
    volume = maps.volume(NAMES[0])
    assert (volume.GetSize(), volume.GetSpacing(), volume.GetOrigin(), volume.GetDirection()) == (
        image.GetSize(),
        image.GetSpacing(),
        image.GetOrigin(),
        image.GetDirection(),
    )
    array, inside = sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(roi) != 0
    assert np.all(array[~inside] == -5)
    assert np.array_equal(array[inside], maps.column(NAMES[0]))
    assert np.array_equal(np.argwhere(inside), maps.indices)
    assert array[1, 2, 1] == sitk.GetArrayFromImage(image)[1:3, 2:5, 1:4].mean()


def test_single_precision_rounds_the_same_values(make_image):
    double = texture_maps(*scene(make_image), TextureSettings(features=NAMES))
    single = texture_maps(*scene(make_image), TextureSettings(features=NAMES, single_precision=True))
    assert single.values.dtype == np.float32
    assert np.array_equal(single.values, double.values.astype(np.float32))
    assert single.volume(NAMES[1]).GetPixelID() == sitk.sitkFloat32


def test_a_feature_that_was_not_computed_is_a_key_error(make_image):
    maps = texture_maps(*scene(make_image), TextureSettings(features=NAMES))
    with pytest.raises(KeyError, match="original_glcm_MCC"):
        maps.volume("original_glcm_MCC")
