"""Compiled GLDM features (14) of neighbourhoods, after pyradiomics' ``gldm``.

The whole class stays in this one file, also what GLSZM does alike: see ``kernels_glcm``.
"""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled


@compiled
def _count_dependents(cube, grey, first, starts, shifts, alpha, dependents):
    """Of each voxel, the neighbours whose grey level differs by at most alpha, and itself."""
    for p in range(cube.shape[0]):
        dependents[p] = 1
    for d in range(shifts.shape[0]):
        for e in range(starts[d], starts[d + 1]):
            p = first[e]
            q = p + shifts[d]
            a = cube[p]
            b = cube[q]
            if a >= 0 and b >= 0 and (a == b or (alpha > 0 and abs(grey[a] - grey[b]) <= alpha)):
                dependents[p] += 1
                dependents[q] += 1


@compiled
def _group_by_level(cube, dependents, levels, begin, grouped):
    """Dependence sizes in the order of their voxels' levels; those of level i lie at ``begin[i]:begin[i + 1]``."""
    for i in range(levels + 1):
        begin[i] = 0
    for p in range(cube.shape[0]):
        if cube[p] >= 0:
            begin[cube[p] + 1] += 1
    for i in range(levels):
        begin[i + 1] += begin[i]
    for p in range(cube.shape[0]):
        if cube[p] >= 0:
            grouped[begin[cube[p]]] = dependents[p]
            begin[cube[p]] += 1
    for i in range(levels, 0, -1):
        begin[i] = begin[i - 1]
    begin[0] = 0


@compiled
def _cell_entropy(begin, levels, grouped, frequency, clogc):
    """Sum of ``c log2 c`` over the matrix's cells; ``frequency`` is all zeros before and after."""
    weighted = 0.0
    for i in range(levels):
        for e in range(begin[i], begin[i + 1]):
            frequency[grouped[e]] += 1
        for e in range(begin[i], begin[i + 1]):
            weighted += clogc[frequency[grouped[e]]]
            frequency[grouped[e]] = 0
    return weighted


@compiled
def _features(begin, levels, grouped, grey, frequency, clogc, row):
    """All 14 features from the dependence sizes grouped by level."""
    voxels = begin[levels]
    row[0] = math.log2(voxels) - _cell_entropy(begin, levels, grouped, frequency, clogc) / voxels
    s_i = s_ii = s_j = s_jj = 0
    gln = sde = lgle = sdlgle = sdhgle = ldlgle = ldhgle = 0.0
    for level in range(levels):
        i = np.int64(grey[level])
        k = begin[level + 1] - begin[level]
        s_i += k * i
        s_ii += k * i * i
        gln += float(k) * k
        small = large = 0.0
        for e in range(begin[level], begin[level + 1]):
            j = np.int64(grouped[e])
            s_j += j
            s_jj += j * j
            small += 1.0 / (j * j)
            large += j * j
            frequency[j] += 1
        ii = float(i * i)
        sde += small
        lgle += k / ii
        sdlgle += small / ii
        sdhgle += small * ii
        ldlgle += large / ii
        ldhgle += large * ii
    dn = 0.0
    for e in range(voxels):
        dn += float(frequency[grouped[e]]) * frequency[grouped[e]]
        frequency[grouped[e]] = 0
    total = float(voxels)
    square = total * total
    row[1] = dn / total
    row[2] = dn / square
    row[3] = (voxels * s_jj - s_j * s_j) / square
    row[4] = gln / total
    row[5] = (voxels * s_ii - s_i * s_i) / square
    row[6] = s_ii / total
    row[7] = s_jj / total
    row[8] = ldhgle / total
    row[9] = ldlgle / total
    row[10] = lgle / total
    row[11] = sde / total
    row[12] = sdhgle / total
    row[13] = sdlgle / total


@compiled
def gldm(cube, grey, counts, first, starts, shifts, alpha, clogc, out):
    """GLDM features of neighbourhoods.

    Parameters
    ----------
    cube, grey, counts : as ``gather`` writes them
    first, starts, shifts : pairs of neighbours, as ``offsets.pairs`` gives them
    alpha : largest difference in grey levels of a dependent neighbour (int)
    clogc : float64, ``c log2 c`` for c = 0, 1, 2 ... kernel voxels
    out : float64 (n, 14), written in the order of ``names.FEATURES``
    """
    kernel = cube.shape[1]
    dependents = np.empty(kernel, np.int32)
    grouped = np.empty(kernel, np.int32)
    begin = np.empty(grey.shape[1] + 2, np.int64)
    frequency = np.zeros(kernel + 1, np.int64)
    for v in range(cube.shape[0]):
        _count_dependents(cube[v], grey[v], first, starts, shifts, alpha, dependents)
        _group_by_level(cube[v], dependents, counts[v, 0], begin, grouped)
        _features(begin, counts[v, 0], grouped, grey[v], frequency, clogc, out[v])
