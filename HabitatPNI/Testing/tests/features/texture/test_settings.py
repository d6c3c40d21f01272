from __future__ import annotations

import pytest

from HabitatPNILib.errors import ProtocolError
from HabitatPNILib.features.texture import TextureSettings
from HabitatPNILib.features.texture.names import ALL93, FEATURES, HCC77, split


def test_ninety_three_features_and_the_seventy_seven():
    assert {family: len(names) for family, names in FEATURES.items()} == {
        "firstorder": 18,
        "glcm": 24,
        "glrlm": 16,
        "glszm": 16,
        "gldm": 14,
        "ngtdm": 5,
    }
    assert len(set(ALL93)) == 93
    assert len(set(HCC77)) == 77
    assert not any("glszm" in name for name in HCC77)


def test_presets():
    assert TextureSettings.preset("all93") == TextureSettings()
    hcc = TextureSettings.preset("hcc77", bin_count=16)
    assert (hcc.kernel_radius, hcc.in_plane_axis, hcc.bin_count, hcc.features) == (2, 0, 16, HCC77)


def test_only_the_classes_asked_for_are_computed():
    assert TextureSettings(features=["original_ngtdm_Contrast", "original_glcm_Contrast", "original_ngtdm_Busyness"]).classes == (
        "ngtdm",
        "glcm",
    )
    assert split("original_glcm_Contrast") == ("glcm", 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features": ()}, "no feature is asked for"),
        ({"features": ("original_glcm_Contrast",) * 2}, "named twice"),
        ({"features": ("glcm_Contrast",)}, "no feature 'glcm_Contrast'; names look like original_glcm_Contrast"),
        ({"features": ("original_firstorder_StandardDeviation",)}, "no feature"),
        ({"features": ("wavelet-LLH_glcm_Contrast",)}, "no feature"),
        ({"kernel_radius": 0}, "kernel_radius is 0; it must be a whole number from 1 to 15"),
        ({"kernel_radius": 1.5}, "kernel_radius is 1.5"),
        ({"in_plane_axis": 3}, "in_plane_axis is 3"),
        ({"in_plane_axis": True}, "in_plane_axis is True"),
        ({"bin_width": -25.0}, "bin_width is -25.0; it must be a number above 0"),
        ({"bin_width": float("nan")}, "bin_width is nan"),
        ({"bin_width": 5.0, "bin_count": 32}, "both given"),
        ({"bin_count": 0}, "bin_count is 0"),
        ({"distances": ()}, "at least one"),
        ({"distances": (1, 1)}, "each distance once"),
        ({"distances": (5,)}, "distances is 5; it must be a whole number from 1 to 4"),
        ({"gldm_alpha": -1}, "gldm_alpha is -1"),
        ({"voxel_array_shift": float("inf")}, "voxel_array_shift is inf"),
    ],
)
def test_a_setting_out_of_range_is_named(change, told):
    with pytest.raises(ProtocolError, match=told.replace("(", r"\(")) as caught:
        TextureSettings(**change)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_is_named():
    with pytest.raises(ProtocolError, match="no texture preset 'all'; there are all93, hcc77"):
        TextureSettings.preset("all")
