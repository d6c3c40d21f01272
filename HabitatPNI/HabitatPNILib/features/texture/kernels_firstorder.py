"""Compiled first-order features (18) of neighbourhoods, after pyradiomics' ``firstorder``."""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled


@compiled
def _collect(values, levels, voxel, radii, x, seen):
    """Values and levels of the voxels that take part in a neighbourhood; returns how many they are."""
    z0, y0, x0 = voxel[0] - radii[0], voxel[1] - radii[1], voxel[2] - radii[2]
    n = 0
    for z in range(z0, z0 + 2 * radii[0] + 1):
        for y in range(y0, y0 + 2 * radii[1] + 1):
            for column in range(x0, x0 + 2 * radii[2] + 1):
                if levels[z, y, column] > 0:
                    x[n] = values[z, y, column]
                    seen[n] = levels[z, y, column]
                    n += 1
    return n


@compiled
def _percentile(ordered, n, fraction):
    """NumPy's linear percentile, operation by operation: features compare single values with it, so its last bit counts."""
    place = (n - 1) * fraction
    below = math.floor(place)
    above = min(below + 1, n - 1)
    share = place - below
    difference = ordered[above] - ordered[below]
    if share >= 0.5:
        return ordered[above] - difference * (1.0 - share)
    return ordered[below] + difference * share


@compiled
def _moments(x, n, mean):
    """Mean absolute deviation and the second to fourth central moments."""
    a = m2 = m3 = m4 = 0.0
    for i in range(n):
        t = x[i] - mean
        s = t * t
        a += abs(t)
        m2 += s
        m3 += s * t
        m4 += s * s
    return a / n, m2 / n, m3 / n, m4 / n


@compiled
def _robust_deviation(x, n, low, high):
    """Mean absolute deviation of the values from ``low`` to ``high``, both included; the values are in ascending order."""
    first, last = 0, n
    while first < n and x[first] - low < 0:
        first += 1
    while last > first and x[last - 1] - high > 0:
        last -= 1
    total = 0.0
    for i in range(first, last):
        total += x[i]
    mean = total / (last - first)
    total = 0.0
    for i in range(first, last):
        total += abs(x[i] - mean)
    return total / (last - first)


@compiled
def _histogram(seen, n, frequency, clogc):
    """Entropy in bits and uniformity of the levels of ``seen`` (n,); ``frequency`` is all zeros before and after."""
    weighted = 0.0
    squares = 0.0
    for i in range(n):
        frequency[seen[i]] += 1
    for i in range(n):
        count = frequency[seen[i]]
        if count > 0:
            weighted += clogc[count]
            squares += float(count) * count
            frequency[seen[i]] = 0
    return math.log2(n) - weighted / n, squares / (float(n) * n)


@compiled
def _features(x, n, shift, volume, row):
    """All but entropy and uniformity of the ascending values x (n,)."""
    total = 0.0
    energy = 0.0
    for i in range(n):
        total += x[i]
        energy += (x[i] + shift) * (x[i] + shift)
    flat = x[0] == x[n - 1]
    mean = x[0] if flat else total / n
    deviation, m2, m3, m4 = _moments(x, n, mean)
    p10 = _percentile(x, n, 0.1)
    p90 = _percentile(x, n, 0.9)
    row[0] = p10
    row[1] = p90
    row[2] = energy
    row[4] = _percentile(x, n, 0.75) - _percentile(x, n, 0.25)
    row[5] = 0.0 if m2 == 0 else m4 / (m2 * m2)
    row[6] = x[n - 1]
    row[7] = mean
    row[8] = deviation
    row[9] = x[n // 2] if n % 2 else (x[n // 2 - 1] + x[n // 2]) / 2
    row[10] = x[0]
    row[11] = x[n - 1] - x[0]
    row[12] = _robust_deviation(x, n, p10, p90)
    row[13] = math.sqrt(energy / n)
    row[14] = 0.0 if m2 == 0 else m3 / (m2 * math.sqrt(m2))
    row[15] = energy * volume
    row[17] = m2


@compiled
def firstorder(values, levels, voxels, radii, largest_level, shift, volume, clogc, out):
    """First-order features of the neighbourhoods of some voxels.

    Parameters
    ----------
    values : float64 (z, y, x), padded like ``levels``
    levels : uint16 (z, y, x), 0 where a voxel does not take part
    voxels : int32 (n, 3) positions in these arrays
    radii : int64 (3,)
    largest_level : largest value in ``levels``
    shift : pyradiomics' voxelArrayShift
    volume : of a voxel in mm3
    clogc : float64, ``c log2 c`` for c = 0, 1, 2 ... kernel voxels
    out : float64 (n, 18), written in the order of ``names.FEATURES``
    """
    kernel = (2 * radii[0] + 1) * (2 * radii[1] + 1) * (2 * radii[2] + 1)
    x = np.empty(kernel)
    seen = np.empty(kernel, np.uint16)
    frequency = np.zeros(largest_level + 1, np.int32)
    for v in range(voxels.shape[0]):
        n = _collect(values, levels, voxels[v], radii, x, seen)
        x[:n].sort()
        _features(x, n, shift, volume, out[v])
        out[v, 3], out[v, 16] = _histogram(seen, n, frequency, clogc)
