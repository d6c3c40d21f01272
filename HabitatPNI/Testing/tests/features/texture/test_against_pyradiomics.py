"""The engine against pyradiomics on MRI: parts of real regions here, whole regions in the slow tests."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.features.texture import TextureSettings, texture_maps

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
    """In batches, as pyradiomics is used: what a batch spoils (see the engine's first lines) is known by its NaN or missing value."""
    image, roi = load(shared_data, case)
    ours = texture_maps(image, roi, chosen)
    truth = reference.values(image, roi, chosen, ours.indices, batch=100)
    for name, differs in reference.differences(ours, truth).items():
        spoilt = np.zeros(len(differs), bool)
        if name == "original_glcm_JointAverage":
            spoilt = np.isnan(truth[name])
        if name == "original_glcm_MCC":
            spoilt = truth[name] == -77777.0
        no_pair = np.isnan(ours.column("original_glcm_JointEnergy"))
        assert np.isfinite(ours.column(name)[spoilt & ~no_pair]).all()
        for at in np.flatnonzero(differs & ~spoilt):
            told = f"{name} at {ours.indices[at]}: {ours.column(name)[at]!r}, pyradiomics {truth[name][at]!r}"
            assert reference.rounding_decides(name, image, roi, chosen, ours.indices[at]), told


def test_single_precision_image_is_discretised_as_pyradiomics_does(reference, make_image):
    rng = np.random.default_rng(3)
    values = rng.normal(0, 1, (2, 3, 4)).round(1).astype(np.float32)
    roi = make_image(np.ones(values.shape, np.uint8))
    assert reference.check(make_image(values), roi, TextureSettings(bin_width=0.1, kernel_radius=1)) == 0
