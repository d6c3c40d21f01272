"""The compiled kernels as functions of voxels: each is bound to a region and settings, with its tables and output made here.

The files ``kernels_*.py`` import Numba and are therefore imported only when a kernel is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...errors import CaseError
from . import offsets
from .names import FEATURES
from .region import Region
from .settings import TextureSettings

MAX_GLCM_LEVELS = 1024


class Neighbourhoods(NamedTuple):
    """What ``kernels_neighbourhood.gather`` writes for n voxels: ``cube`` (n, kernel), ``grey`` (n, width), ``counts`` (n, 2)."""

    cube: np.ndarray
    grey: np.ndarray
    counts: np.ndarray


Kernel = Callable[[np.ndarray, Neighbourhoods], np.ndarray]
"""Of voxels int32 (n, 3) and their neighbourhoods, the features (n, features of the class)."""


def gatherer(region: Region) -> Callable[[np.ndarray], Neighbourhoods]:
    """Function of voxels int32 (n, 3) that cuts out their neighbourhoods."""
    from .kernels_neighbourhood import gather

    ranks = int(region.levels.max()) + 1

    def call(voxels: np.ndarray) -> Neighbourhoods:
        n = len(voxels)
        found = Neighbourhoods(
            np.empty((n, region.kernel_voxels), np.int16), np.empty((n, region.width), np.int32), np.empty((n, 2), np.int32)
        )
        gather(region.levels, voxels, region.radii, np.zeros(ranks, np.int32), *found)
        return found

    return call


def _firstorder(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_firstorder import firstorder

    largest = int(region.first_order_levels.max())
    shift = float(settings.voxel_array_shift)
    table = _count_logarithms(region.kernel_voxels)

    def call(voxels: np.ndarray, _: Neighbourhoods) -> np.ndarray:
        out = _output("firstorder", voxels)
        levels = region.first_order_levels
        firstorder(region.values, levels, voxels, region.radii, largest, shift, region.voxel_volume, table, out)
        return out

    return call


def _glcm(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_glcm import glcm

    if region.width > MAX_GLCM_LEVELS:
        raise CaseError(
            f"Texture: a neighbourhood can hold {region.width} grey levels, more than the {MAX_GLCM_LEVELS} that GLCM allows; "
            "choose a larger bin_width, a smaller bin_count or a smaller kernel_radius."
        )
    found = offsets.pairs(offsets.directions(settings.distances, region.radii > 0), region.radii)
    largest = int(region.levels.max())
    with_mcc = "original_glcm_MCC" in settings.features
    tables = _count_logarithms(2 * region.kernel_voxels), _difference_weights(largest)

    def call(voxels: np.ndarray, near: Neighbourhoods) -> np.ndarray:
        out = _output("glcm", voxels)
        glcm(*near, *found, largest, region.present_levels, settings.symmetrical_glcm, with_mcc, *tables, out)
        return out

    return call


def _glrlm(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_glrlm import glrlm

    orders = offsets.lines(offsets.directions((1,), region.radii > 0), region.radii)
    longest = int(2 * region.radii.max() + 1)
    table = _count_logarithms(region.kernel_voxels)

    def call(voxels: np.ndarray, near: Neighbourhoods) -> np.ndarray:
        out = _output("glrlm", voxels)
        glrlm(*near, orders, longest, table, out)
        return out

    return call


def _glszm(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_glszm import glszm

    found = offsets.pairs(offsets.directions((1,), region.radii > 0), region.radii)
    table = _count_logarithms(region.kernel_voxels)

    def call(voxels: np.ndarray, near: Neighbourhoods) -> np.ndarray:
        out = _output("glszm", voxels)
        glszm(*near, *found, table, out)
        return out

    return call


def _gldm(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_gldm import gldm

    found = offsets.pairs(offsets.directions(settings.distances, region.radii > 0), region.radii)
    table = _count_logarithms(region.kernel_voxels)

    def call(voxels: np.ndarray, near: Neighbourhoods) -> np.ndarray:
        out = _output("gldm", voxels)
        gldm(*near, *found, settings.gldm_alpha, table, out)
        return out

    return call


def _ngtdm(region: Region, settings: TextureSettings) -> Kernel:
    from .kernels_ngtdm import ngtdm

    found = offsets.pairs(offsets.directions(settings.distances, region.radii > 0), region.radii)

    def call(voxels: np.ndarray, near: Neighbourhoods) -> np.ndarray:
        out = _output("ngtdm", voxels)
        ngtdm(*near, *found, out)
        return out

    return call


KERNELS: dict[str, Callable[[Region, TextureSettings], Kernel]] = {
    "firstorder": _firstorder,
    "glcm": _glcm,
    "glrlm": _glrlm,
    "glszm": _glszm,
    "gldm": _gldm,
    "ngtdm": _ngtdm,
}


def _output(family: str, voxels: np.ndarray) -> np.ndarray:
    return np.empty((len(voxels), len(FEATURES[family])))


def _count_logarithms(largest: int) -> np.ndarray:
    """Table of ``c log2 c`` for counts c = 0 ... largest."""
    counts = np.arange(largest + 1, dtype=np.float64)
    return counts * np.log2(np.maximum(counts, 1.0))


def _difference_weights(largest_level: int) -> np.ndarray:
    """What |i - j| = 0, 1, 2 ... counts in Id, Idm, Idmn, Idn and InverseVariance: float64 (largest level, 5)."""
    d = np.arange(largest_level, dtype=np.float64)
    share = d / largest_level
    inverse_square = np.divide(1.0, d * d, out=np.zeros_like(d), where=d > 0)
    return np.stack([1 / (1 + d), 1 / (1 + d * d), 1 / (1 + share * share), 1 / (1 + share), inverse_square], axis=1)
