"""Voxel-wise texture features with pyradiomics' definitions and numbers, compiled and in threads.

Each voxel is treated on its own, as pyradiomics does with ``voxelBatch=1``; with larger batches its JointAverage is NaN, and its
MCC is missing for the whole batch, where a voxel has a direction without pairs. Beyond the values the engine holds some copies of
the ROI's bounding box and, for each thread, less than a megabyte at the usual settings.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor, as_completed, wait

import numpy as np
import SimpleITK as sitk

from ...progress import Progress, no_progress, part
from .kernel_calls import KERNELS, Kernel, gatherer
from .maps import TextureMaps
from .names import split
from .region import Region, prepare_region
from .settings import TextureSettings

NEIGHBOURS_A_CALL = 16000
"""Voxels times kernel voxels of one call of the kernels: some ten milliseconds of work."""
PATIENCE_S = 0.3
"""How often somebody who waits for a kernel is told so, and asked whether to go on."""


def texture_maps(
    image: sitk.Image,
    roi: sitk.Image,
    settings: TextureSettings | None = None,
    progress: Progress = no_progress,
    threads: int | None = None,
) -> TextureMaps:
    """Texture features in the neighbourhood of every voxel of a region.

    Parameters
    ----------
    image : 3D, one real number a voxel
    roi : same grid; voxels that are not 0 belong to the region, at least two of them
    settings : default: all 93 features, 5 x 5 x 5 voxels, 32 grey levels
    progress : also told while kernels are compiled, the first time on a machine (about half a minute in all)
    threads : None for one a processor that this process may use; the values do not depend on it

    Raises
    ------
    CaseError
        when image and ROI do not fit, the ROI has fewer than two voxels, intensities are not finite, or there are too many
        grey levels
    """
    progress(0.0, "Texture maps")
    settings = settings or TextureSettings()
    region = prepare_region(image, roi, settings)
    kernels = _load(region, settings, part(progress, 0.0, 0.1))
    values = np.empty((len(region.indices), len(settings.features)), np.float32 if settings.single_precision else np.float64)
    _compute(region, settings, kernels, values, part(progress, 0.1, 1.0), threads or _processors())
    grid = image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection()
    return TextureMaps(settings, values, region.indices, region.edges, *grid)


def _load(region: Region, settings: TextureSettings, progress: Progress) -> dict[str, Kernel]:
    """The kernels that the settings need; each is run on one voxel, so that it is compiled or read from the cache here.

    That happens in another thread, so that the caller is told what it waits for, and is not kept when it cancels; a process that
    ends then still waits for the one kernel that is being compiled.
    """

    def load(family: str) -> Kernel:
        kernel = KERNELS[family](region, settings)
        first = region.voxels(0, 1)
        kernel(first, gatherer(region)(first))
        return kernel

    kernels: dict[str, Kernel] = {}
    pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="texture-kernels")
    try:
        for i, family in enumerate(settings.classes):
            loading = pool.submit(load, family)
            while loading not in wait((loading,), PATIENCE_S).done:
                progress(i / len(settings.classes), f"Loading the texture kernel {family} (compiled at first use, about 30 s for all)")
            kernels[family] = loading.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    progress(1.0, "Texture maps")
    return kernels


def _compute(
    region: Region, settings: TextureSettings, kernels: dict[str, Kernel], values: np.ndarray, progress: Progress, threads: int
) -> None:
    """Fill ``values``, chunk after chunk of voxels."""
    columns: dict[str, list[tuple[int, int]]] = {family: [] for family in kernels}
    for i, name in enumerate(settings.features):
        family, column = split(name)
        columns[family].append((i, column))
    gather = gatherer(region)
    size = min(512, max(1, NEIGHBOURS_A_CALL // region.kernel_voxels))

    def chunk(start: int) -> int:
        voxels = region.voxels(start, start + size)
        neighbourhoods = gather(voxels)
        for family, kernel in kernels.items():
            found = kernel(voxels, neighbourhoods)
            with np.errstate(over="ignore"):  # single precision ends at 3e38
                for i, column in columns[family]:
                    values[start : start + size, i] = found[:, column]
        return len(voxels)

    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="texture")
    try:
        done = 0
        for future in as_completed([pool.submit(chunk, start) for start in range(0, len(values), size)]):
            done += future.result()
            progress(done / len(values), "Texture maps")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
