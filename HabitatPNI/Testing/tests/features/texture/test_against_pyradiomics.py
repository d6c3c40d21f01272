"""The engine against pyradiomics on MRI: parts of real regions here, whole regions in the slow tests."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.features.texture import TextureSettings, texture_maps
from HabitatPNILib.features.texture.names import ALL93

CASES = {
    "brain1": ("pyradiomics/brain1_image.nrrd", "pyradiomics/brain1_label.nrrd"),
    "brain2": ("pyradiomics/brain2_image.nrrd", "pyradiomics/brain2_label.nrrd"),
    "breast1": ("pyradiomics/breast1_image.nrrd", "pyradiomics/breast1_label.nrrd"),
    "t2w": ("prostate_tiny/ProstateX-0000_t2w.nii.gz", "prostate_tiny/ProstateX-0000_roi_findingsphere_CCBY.nii.gz"),
}
SETTINGS = {
    "3d": TextureSettings(),
    "in-plane": TextureSettings(in_plane_axis=0),
    "unmasked, width": TextureSettings(masked_kernel=False, bin_width=25.0, kernel_radius=1),
}

SPOILT_BY_BATCHES = ("original_glcm_JointAverage", "original_glcm_MCC")
MOST_ROUNDED, LARGEST_ROUNDING = 5, 1e-8
"""Voxels of a region in which a feature of pyradiomics may hang on its own rounding, and how far: the root of 1e-16."""


def load(shared_data, case: str, most: int | None = None) -> tuple[sitk.Image, sitk.Image]:
    """Image and region of a case; of a region with more voxels, those nearest its middle one in raster order."""
    image, roi = (sitk.ReadImage(str(shared_data / name)) for name in CASES[case])
    array = sitk.GetArrayFromImage(roi) != 0
    where = np.argwhere(array)
    if most is not None and len(where) > most:
        distance = np.abs(where - where[len(where) // 2]).max(axis=1)
        array[tuple(where[np.argsort(distance, kind="stable")[most:]].T)] = False
    part = sitk.GetImageFromArray(array.astype(np.uint8))
    part.CopyInformation(roi)
    return image, part


@pytest.mark.parametrize("chosen", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("case", CASES)
def test_part_of_a_region(reference, shared_data, case, chosen):
    image, roi = load(shared_data, case, 6)
    assert reference.check(image, roi, chosen) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("chosen", SETTINGS.values(), ids=SETTINGS)
@pytest.mark.parametrize("case", CASES)
def test_whole_region(reference, shared_data, case, chosen):
    """Every voxel and feature; in batches, as pyradiomics is used, but for the two features that a batch spoils."""
    image, roi = load(shared_data, case)
    ours = texture_maps(image, roi, chosen)
    truth = reference.values(image, roi, chosen, ours.indices, batch=100)
    truth |= reference.values(image, roi, dataclasses.replace(chosen, features=SPOILT_BY_BATCHES), ours.indices)
    assert set(truth) == set(ALL93)
    for name, differs in reference.differences(ours, truth).items():
        for at in np.flatnonzero(differs):
            told = f"{name} at {ours.indices[at]}: {ours.column(name)[at]!r}, pyradiomics {truth[name][at]!r}"
            assert reference.rounding_decides(name, image, roi, chosen, ours.indices[at]), told
        away = np.abs(ours.column(name) - truth[name])[differs]
        assert len(away) <= MOST_ROUNDED, f"{name}: {len(away)} voxels are left to rounding"
        assert (away <= LARGEST_ROUNDING).all(), f"{name}: {away.max()} is more than rounding"


def test_single_precision_image_is_discretised_as_pyradiomics_does(reference, make_image):
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (2, 3, 4)).round(1).astype(np.float32)
    roi = make_image(np.ones(values.shape, np.uint8))
    assert reference.check(make_image(values), roi, TextureSettings(bin_width=0.1, kernel_radius=1)) == 0
