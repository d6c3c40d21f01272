"""Compiled NGTDM features (5) of neighbourhoods, after pyradiomics' ``ngtdm``."""

# mypy: no-check-untyped-defs
from __future__ import annotations

import numpy as np

from .kernels_jit import compiled


@compiled
def _differences(cube, grey, first, starts, shifts, sums, neighbours, levels, n_i, s_i):
    """Of each level, its voxels and the sum of their absolute differences from the mean of their neighbours."""
    for p in range(cube.shape[0]):
        sums[p] = 0
        neighbours[p] = 0
    for d in range(shifts.shape[0]):
        for e in range(starts[d], starts[d + 1]):
            p = first[e]
            q = p + shifts[d]
            a = cube[p]
            b = cube[q]
            if a >= 0 and b >= 0:
                sums[p] += grey[b]
                sums[q] += grey[a]
                neighbours[p] += 1
                neighbours[q] += 1
    for i in range(levels):
        n_i[i] = 0
        s_i[i] = 0.0
    for p in range(cube.shape[0]):
        a = cube[p]
        if a >= 0:
            n_i[a] += 1
            if neighbours[p] > 0:
                s_i[a] += abs(grey[a] - float(sums[p]) / float(neighbours[p]))


@compiled
def _features(n_i, s_i, grey, levels, voxels, row):
    """The five features; ``i p_i`` is a product of floats as in pyradiomics, so that equal products cancel where they do there."""
    total = float(voxels)
    weighted = 0.0
    differences = 0.0
    for a in range(levels):
        weighted += n_i[a] / total * s_i[a]
        differences += s_i[a]
    spread = busy = strength = complexity = 0.0
    for a in range(levels):
        p_a = n_i[a] / total
        for b in range(a):
            p_b = n_i[b] / total
            gap = float(grey[a] - grey[b])
            spread += 2 * p_a * p_b * gap * gap
            busy += 2 * abs(grey[a] * p_a - grey[b] * p_b)
            strength += 2 * (p_a + p_b) * gap * gap
            complexity += 2 * gap * (p_a * s_i[a] + p_b * s_i[b]) / (p_a + p_b)
    row[0] = weighted / busy if busy != 0 else 0.0
    row[1] = 1.0 / weighted if weighted != 0 else 1e6
    row[2] = complexity / total
    row[3] = spread * differences / total / (float(levels) * (levels - 1)) if levels > 1 else 0.0
    row[4] = strength / differences if differences != 0 else 0.0


@compiled
def ngtdm(cube, grey, counts, first, starts, shifts, out):
    """NGTDM features of neighbourhoods.

    Parameters
    ----------
    cube, grey, counts : as ``gather`` writes them
    first, starts, shifts : pairs of neighbours, as ``offsets.pairs`` gives them
    out : float64 (n, 5), written in the order of ``names.FEATURES``
    """
    kernel = cube.shape[1]
    sums = np.empty(kernel, np.int64)
    neighbours = np.empty(kernel, np.int32)
    n_i = np.empty(grey.shape[1], np.int64)
    s_i = np.empty(grey.shape[1])
    for v in range(cube.shape[0]):
        _differences(cube[v], grey[v], first, starts, shifts, sums, neighbours, counts[v, 0], n_i, s_i)
        _features(n_i, s_i, grey[v], counts[v, 0], counts[v, 1], out[v])
