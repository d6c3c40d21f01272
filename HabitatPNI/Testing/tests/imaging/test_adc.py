from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError
from HabitatPNILib.imaging.adc import b_values_for_fit, fit_adc, in_micro


def image(array, spacing=(2.0, 2.0, 3.0)) -> sitk.Image:
    made = sitk.GetImageFromArray(np.asarray(array))
    made.SetSpacing(spacing)
    made.SetOrigin((1.0, 2.0, 3.0))
    return made


@pytest.mark.parametrize("b_values", [(0, 800), (50, 400, 800), (0, 50, 400, 800, 1400)])
def test_exact_exponential_is_recovered(b_values):
    rng = np.random.default_rng(1)
    truth = rng.uniform(300, 3500, (4, 5, 6))
    s0 = rng.uniform(100, 2000, truth.shape)
    adc = fit_adc({b: image(s0 * np.exp(-b * truth * 1e-6)) for b in b_values})
    assert adc.GetPixelID() == sitk.sitkFloat32
    assert adc.GetSpacing() == (2.0, 2.0, 3.0)
    assert adc.GetOrigin() == (1.0, 2.0, 3.0)
    assert sitk.GetArrayFromImage(adc) == pytest.approx(truth, rel=1e-5)


def test_least_squares_agrees_with_polyfit_on_noisy_signal():
    rng = np.random.default_rng(2)
    b = np.array([0.0, 100, 500, 900])
    signal = 1000 * np.exp(-b[:, None, None, None] * 1e-3) + rng.normal(0, 20, (4, 2, 2, 2))
    slope = np.polyfit(b, np.log(signal.reshape(4, -1)), 1)[0]
    adc = fit_adc({v: image(s) for v, s in zip(b, signal, strict=True)})
    assert sitk.GetArrayFromImage(adc).ravel() == pytest.approx(-slope * 1e6, rel=1e-5)


def test_dark_rising_and_noise_voxels():
    low = np.array([100, 0, 100, 100], dtype=np.int16).reshape(1, 2, 2)
    high = np.array([0, 50, 200, 1], dtype=np.int16).reshape(1, 2, 2)
    adc = sitk.GetArrayFromImage(fit_adc({0: image(low), 500: image(high)})).ravel()
    assert adc.tolist() == [0, 0, 0, 4000]


def test_too_few_or_foreign_images():
    a = image(np.ones((2, 2, 2)))
    with pytest.raises(CaseError, match="two b-values or more, and there are 1"):
        fit_adc({800: a})
    with pytest.raises(CaseError, match="b 0 and b 800 are on different grids"):
        fit_adc({0: a, 800: image(np.ones((2, 2, 2)), spacing=(1.0, 1.0, 1.0))})


def test_b_values_up_to_the_kurtosis_limit():
    assert b_values_for_fit([1400, 50, 400, 800], 1000) == (50, 400, 800)
    assert b_values_for_fit([1400, 50], 1000) == (50, 1400)
    assert b_values_for_fit([2000, 1500], 1000) == (1500, 2000)


@pytest.mark.parametrize(("scale", "unit"), [(1.0, ""), (1e-3, "1e-3 mm2/s"), (1e-6, "mm2/s")])
def test_units(scale, unit):
    truth = np.random.default_rng(3).uniform(600, 2200, (3, 4, 5))
    truth[0] = 0
    converted, note, warning = in_micro(image(truth * scale))
    assert sitk.GetArrayFromImage(converted) == pytest.approx(truth, rel=1e-6)
    assert note.startswith(f"converted from {unit} to" if unit else "")
    assert bool(note) == bool(unit)
    assert warning == ""


def test_values_that_are_no_adc_are_warned_of():
    assert "unlike tissue" in in_micro(image(np.full((2, 2, 2), 30000.0)))[2]


def test_scanner_map_of_a_real_case(shared_data):
    tiny = shared_data / "prostate_tiny"
    read = {name: sitk.ReadImage(str(tiny / f"ProstateX-0000_{name}.nii.gz")) for name in ("b50", "b400", "b800", "adc")}
    gland = sitk.ReadImage(str(tiny / "NC_ProstateX-0000_gland_Bosma22b.nii.gz"))
    inside = sitk.GetArrayFromImage(sitk.Resample(gland, read["adc"], sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    inside &= sitk.GetArrayFromImage(read["adc"]) > 0
    fitted = sitk.GetArrayFromImage(fit_adc({50: read["b50"], 400: read["b400"], 800: read["b800"]}))[inside]
    scanner = sitk.GetArrayFromImage(read["adc"])[inside]
    assert np.median(np.abs(fitted - scanner) / scanner) < 0.04
    assert np.corrcoef(fitted, scanner)[0, 1] > 0.99
