"""Grey levels 1, 2 ... of intensities, bin edges as pyradiomics sets them (``imageoperations.getBinEdges``)."""

from __future__ import annotations

import numpy as np

from ...errors import CaseError

MAX_LEVELS = 65535
DEFAULT_BIN_COUNT = 32
_AT_ONCE = 1 << 18  # NumPy's levels are 64-bit numbers


def bin_edges(values: np.ndarray, bin_count: int | None, bin_width: float | None) -> np.ndarray:
    """Lower edges of the bins of finite values (n,), and one edge above the last.

    By width: multiples of the width from the one at or below the minimum. By number: equal bins from minimum to maximum, the last
    widened so that it holds the maximum. Edges have the precision of the values, as in pyradiomics, which sets
    them in single precision for a float32 image.

    Raises
    ------
    CaseError
        when the width gives more than 65,535 levels, or the values' precision cannot tell neighbouring edges apart
    """
    minimum, maximum = values.min(), values.max()
    with np.errstate(all="ignore"):
        if bin_width is None:
            try:
                edges = np.histogram_bin_edges(values, bin_count or DEFAULT_BIN_COUNT)
            except ValueError as error:
                raise CaseError(
                    f"Texture: the ROI's intensities from {minimum:.17g} to {maximum:.17g} lie too close together, or too far apart, for "
                    f"{bin_count or DEFAULT_BIN_COUNT} grey levels in their precision; choose a smaller bin_count, or scale the image."
                ) from error
            edges[-1] += 1
            return edges
        width = np.asarray(bin_width, values.dtype)
        if not (width > 0 and np.isfinite(maximum + 2 * width) and minimum + width > minimum and maximum + width > maximum):
            raise CaseError(
                f"Texture: a bin_width of {bin_width:g} and the ROI's intensities from {minimum:g} to {maximum:g} make no grey levels in "
                "the image's precision; choose another bin_width."
            )
    if (float(maximum) - float(minimum)) / bin_width >= MAX_LEVELS - 2:
        raise CaseError(
            f"Texture: bin_width {bin_width:g} cuts the ROI's intensities from {minimum:g} to {maximum:g} into more than "
            f"{MAX_LEVELS} grey levels; choose a larger bin_width."
        )
    edges = np.arange(minimum - (minimum % bin_width), maximum + 2 * bin_width, bin_width)
    return edges if len(edges) > 1 else np.array([edges[0] - 0.5, edges[0] + 0.5])


def grey_levels(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Grey levels (n,) uint16 of values (n,): how many edges lie at or below each."""
    levels = np.empty(len(values), np.uint16)
    for start in range(0, len(values), _AT_ONCE):
        levels[start : start + _AT_ONCE] = np.digitize(values[start : start + _AT_ONCE], edges)
    return levels
