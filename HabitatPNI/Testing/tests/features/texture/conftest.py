"""pyradiomics' voxel mode as the truth, and the few places where its own numbers hang on rounding."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

RELATIVE, ABSOLUTE = 1e-9, 1e-12
ROUNDING_DECIDES = {"original_glcm_MCC", "original_glcm_Imc2", "original_glcm_Correlation"}
FLAT_DECIDES = {"original_firstorder_Skewness", "original_firstorder_Kurtosis"}


class Reference:
    """Maps by pyradiomics, one voxel a batch unless said otherwise, and the comparison with the engine's."""

    def __init__(self) -> None:
        self.radiomics = pytest.importorskip("radiomics")
        logging.getLogger("radiomics").setLevel(logging.CRITICAL + 1)

    def arguments(self, settings) -> dict:
        """The engine's settings in pyradiomics' words."""
        given = {
            "kernelRadius": settings.kernel_radius,
            "maskedKernel": settings.masked_kernel,
            "distances": list(settings.distances),
            "symmetricalGLCM": settings.symmetrical_glcm,
            "gldm_a": settings.gldm_alpha,
            "voxelArrayShift": settings.voxel_array_shift,
            "initValue": -77777.0,
            "minimumROIDimensions": 1,
        }
        if settings.in_plane_axis is not None:
            given |= {"force2D": True, "force2Ddimension": settings.in_plane_axis}
        return given | ({"binCount": settings.bin_count or 32} if settings.bin_width is None else {"binWidth": float(settings.bin_width)})

    def values(self, image, roi, settings, indices, batch: int = 1) -> dict[str, np.ndarray]:
        """pyradiomics' values at the voxels (n, 3), by feature; a feature that it fails to compute keeps -77777."""
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        extractor = RadiomicsFeatureExtractor(voxelBatch=batch, **self.arguments(settings))
        extractor.disableAllFeatures()
        wanted: dict[str, list[str]] = {family: [] for family in settings.classes}
        for name in settings.features:
            wanted[name.split("_")[1]].append(name.split("_")[2])
        extractor.enableFeaturesByName(**wanted)
        roi = sitk.Cast(roi != 0, sitk.sitkUInt8)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            maps = extractor.execute(image, roi, voxelBased=True)
        found = {}
        for name in settings.features:
            shift = np.array(image.TransformPhysicalPointToIndex(maps[name].TransformIndexToPhysicalPoint((0, 0, 0))))[::-1]
            found[name] = sitk.GetArrayFromImage(maps[name])[tuple((indices - shift).T)]
        return found

    def differences(self, ours, truth: dict[str, np.ndarray], scaled: bool = False) -> dict[str, np.ndarray]:
        """Of each feature, the voxels (bool) where the engine is farther than the tolerance from pyradiomics.

        `scaled` takes the absolute part of the tolerance times the feature's largest value: intensities that no scanner gives make
        sums of large terms that cancel.
        """
        found = {}
        for name, expected in truth.items():
            value = ours.column(name)
            finite = np.isfinite(expected)
            scale = np.abs(expected[finite]).max(initial=1.0) if scaled else 1.0
            near = np.abs(value - expected) <= RELATIVE * np.abs(expected) + ABSOLUTE * scale
            found[name] = ~(near | (np.isnan(value) & np.isnan(expected)))
        return found

    def check(self, image, roi, settings, batch: int = 1, scaled: bool = False) -> int:
        """Assert that the engine gives pyradiomics' values; returns how many values were left to rounding."""
        from HabitatPNILib.features.texture import texture_maps

        ours = texture_maps(image, roi, settings, threads=1)
        truth = self.values(image, roi, settings, ours.indices, batch)
        left = 0
        for name, differs in self.differences(ours, truth, scaled).items():
            for at in np.flatnonzero(differs):
                told = f"{name} at {ours.indices[at]}: {ours.column(name)[at]!r}, pyradiomics {truth[name][at]!r}"
                assert self.rounding_decides(name, image, roi, settings, ours.indices[at]), told
                left += 1
        return left

    def rounding_decides(self, name: str, image, roi, settings, index) -> bool:
        """Whether pyradiomics' value hangs on its rounding errors.

        MCC, Imc2 and Correlation: in some direction two or more grey levels meet independently (the counts are an outer
        product), where the second eigenvalue, the mutual information or a variance is 0 and comes out as +-1e-16, with roots taken
        of it. Skewness and Kurtosis: all intensities are equal, and their mean is not exactly theirs.
        """
        taking_part, levels = self._levels(image, roi, settings)
        if name in FLAT_DECIDES:
            seen = sitk.GetArrayViewFromImage(image)[self._kernel(index, settings, levels.shape)]
            return len(np.unique(seen[taking_part[self._kernel(index, settings, levels.shape)]])) == 1
        if name not in ROUNDING_DECIDES:
            return False
        return any(
            min(counts.shape) > 0
            and max(counts.shape) > 1
            and np.array_equal(counts * counts.sum(), np.outer(counts.sum(1), counts.sum(0)))
            for counts in self._counts(levels, taking_part, settings, index)
        )

    def _kernel(self, index, settings, shape) -> tuple[slice, ...]:
        r = [0 if axis == settings.in_plane_axis else settings.kernel_radius for axis in range(3)]
        return tuple(slice(max(0, i - k), min(n, i + k + 1)) for i, k, n in zip(index, r, shape, strict=True))

    def _levels(self, image, roi, settings) -> tuple[np.ndarray, np.ndarray]:
        from radiomics.imageoperations import binImage

        inside = sitk.GetArrayFromImage(roi) != 0
        if not settings.masked_kernel:
            where = np.argwhere(inside)
            low, high = where.min(axis=0) - settings.kernel_radius, where.max(axis=0) + settings.kernel_radius + 1
            inside = np.zeros(inside.shape, bool)
            inside[tuple(slice(max(0, a), b) for a, b in zip(low, high, strict=True))] = True
        return inside, binImage(sitk.GetArrayFromImage(image), inside, **self.arguments(settings))[0]

    def _counts(self, levels, taking_part, settings, index):
        """GLCM of one neighbourhood by brute force: a matrix of whole numbers a direction, empty rows and columns dropped."""
        kernel = self._kernel(index, settings, levels.shape)
        seen, counts_in = levels[kernel], taking_part[kernel]
        places = [tuple(p) for p in np.argwhere(counts_in)]
        by_offset: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        for p in places:
            for q in places:
                offset = tuple(int(b - a) for a, b in zip(p, q, strict=True))
                if offset > (0, 0, 0) and max(map(abs, offset)) in settings.distances:
                    by_offset.setdefault(offset, []).append((seen[p], seen[q]))
        for pairs in by_offset.values():
            matrix = np.zeros((levels.max() + 1,) * 2, dtype=np.int64)
            np.add.at(matrix, tuple(np.array(pairs).T), 1)
            if settings.symmetrical_glcm:
                matrix += matrix.T
            yield matrix[matrix.sum(1) > 0][:, matrix.sum(0) > 0]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """pyradiomics as the truth; a test that asks for it is skipped where pyradiomics is not installed."""
    return Reference()


@pytest.fixture(scope="session")
def make_image() -> Callable[..., sitk.Image]:
    """Function of a (z, y, x) array and a spacing that gives an image."""

    def make(array: np.ndarray, spacing: tuple[float, float, float] = (0.5, 0.5, 3.0)) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing)
        image.SetOrigin((-7.0, 3.0, 11.0))
        return image

    return make
