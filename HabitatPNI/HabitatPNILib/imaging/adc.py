"""Apparent diffusion coefficient: mono-exponential fit, and the units of maps from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError
from ..geometry import like, same_grid

ADC_MAX = 4000.0
PLAUSIBLE_MEDIAN = (200.0, 3500.0)


def fit_adc(images: Mapping[float, sitk.Image]) -> sitk.Image:
    """ADC map of diffusion-weighted images, by linear least squares of log signal over b.

    The model is S(b) = S0 exp(-b ADC); with two b-values this is log(S1 / S2) / (b2 - b1). Voxels where any signal is
    not above 0 have no logarithm and become 0, as scanners write them. Results are clipped to [0, 4000]: free water
    at body temperature diffuses at about 3000, so that anything beyond is noise; negative ones come from noise too.

    Parameters
    ----------
    images : 3D images on one grid by b-value in s/mm2, two or more

    Returns
    -------
    SimpleITK.Image
        float32, in 1e-6 mm2/s, on the grid of the images

    Raises
    ------
    CaseError
        fewer than two b-values, or images on different grids
    """
    if len(images) < 2:
        raise CaseError(f"An ADC map needs DWI of two b-values or more, and there are {len(images)}; give an ADC map")
    b_values = sorted(images)
    reference = images[b_values[0]]
    for b in b_values[1:]:
        if not same_grid(reference, images[b]):
            raise CaseError(f"DWI of b {b_values[0]:g} and b {b:g} are on different grids, and an ADC map needs one; give an ADC map")
    b_array = np.array(b_values, dtype=np.float64)
    weights = (b_array - b_array.mean()) / np.sum((b_array - b_array.mean()) ** 2)
    size = reference.GetSize()
    slope = np.zeros(size[::-1])
    valid = np.ones(size[::-1], dtype=bool)
    for b, weight in zip(b_values, weights, strict=True):
        signal = sitk.GetArrayFromImage(images[b]).astype(np.float64)
        positive = signal > 0
        valid &= positive
        slope += weight * np.log(np.where(positive, signal, 1.0))
    adc = np.where(valid, np.clip(-slope * 1e6, 0.0, ADC_MAX), 0.0)
    return like(adc.astype(np.float32), reference)


def b_values_for_fit(b_values: Iterable[float], max_b: float) -> tuple[float, ...]:
    """The b-values of an ADC fit, ascending: those up to `max_b` when there are two of them, else all.

    Above about 1000 s/mm2 kurtosis bends the signal away from one exponential and lowers the fitted ADC.
    """
    every = tuple(sorted(set(b_values)))
    low = tuple(b for b in every if b <= max_b)
    return low if len(low) >= 2 else every


def fit_in_words(b_values: Iterable[float], max_b: float) -> str:
    """Which b-values an ADC was fitted from, and what that does to it where the highest lies above `max_b`."""
    used = tuple(b_values)
    words = f"it was fitted from b {', '.join(f'{b:g}' for b in used)}"
    if max(used) <= max_b:
        return words
    return f"{words}; above b {max_b:g} kurtosis makes such an ADC too low, and habitats and radscores with it: give the scanner's map"


def in_micro(adc: sitk.Image) -> tuple[sitk.Image, str, str]:
    """ADC map in 1e-6 mm2/s, whatever unit it came in.

    Maps come in mm2/s, in 1e-3 mm2/s (the same as um2/ms) or in 1e-6 mm2/s (the same as um2/s). Tissue lies between
    about 500 and 3000 in the last, so that the median of the positive voxels tells them apart.

    Returns
    -------
    image : the map in 1e-6 mm2/s
    note : the conversion in words; empty when there was none
    warning : that the values look like no ADC map; empty when they do
    """
    values = sitk.GetArrayViewFromImage(adc)
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return adc, "", ""
    median = float(np.median(positive))
    factor, unit = (1e6, "mm2/s") if median < 0.02 else (1e3, "1e-3 mm2/s") if median < 20 else (1.0, "1e-6 mm2/s")
    warning = ""
    low, high = PLAUSIBLE_MEDIAN
    if not low <= median * factor <= high:
        warning = f"the ADC map's median of {median * factor:.0f} x 1e-6 mm2/s is unlike tissue: check its unit and that it is an ADC map"
    if factor == 1.0:
        return adc, "", warning
    scaled = like(np.asarray(values, dtype=np.float64) * factor, adc)
    return sitk.Cast(scaled, sitk.sitkFloat32), f"converted from {unit} to 1e-6 mm2/s (median of positive voxels was {median:.3g})", warning
