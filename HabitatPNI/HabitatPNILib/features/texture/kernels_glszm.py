"""Compiled GLSZM features (16) of neighbourhoods, after pyradiomics' ``glszm``: zones touch by faces, edges or corners.

The whole class stays in this one file, also what GLDM does alike: see ``kernels_glcm``.
"""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled


@compiled
def _find_zones(cube, first, starts, shifts, parent, size):
    """Join equal neighbours: ``parent`` of a zone's root is the root itself, ``size`` there its voxels."""
    for p in range(cube.shape[0]):
        parent[p] = p
        size[p] = 1
    for d in range(shifts.shape[0]):
        for e in range(starts[d], starts[d + 1]):
            p = first[e]
            q = p + shifts[d]
            if cube[p] == cube[q] and cube[p] >= 0:
                while parent[p] != p:
                    parent[p] = parent[parent[p]]
                    p = parent[p]
                while parent[q] != q:
                    parent[q] = parent[parent[q]]
                    q = parent[q]
                if p != q:
                    low, high = min(p, q), max(p, q)
                    parent[high] = low
                    size[low] += size[high]


@compiled
def _group_by_level(cube, parent, size, levels, begin, zone_sizes):
    """Zone sizes in the order of their levels; those of level i lie at ``begin[i]:begin[i + 1]``. Returns the largest size."""
    for i in range(levels + 1):
        begin[i] = 0
    for p in range(cube.shape[0]):
        if cube[p] >= 0 and parent[p] == p:
            begin[cube[p] + 1] += 1
    for i in range(levels):
        begin[i + 1] += begin[i]
    largest = 0
    for p in range(cube.shape[0]):
        if cube[p] >= 0 and parent[p] == p:
            zone_sizes[begin[cube[p]]] = size[p]
            begin[cube[p]] += 1
            largest = max(largest, size[p])
    for i in range(levels, 0, -1):
        begin[i] = begin[i - 1]
    begin[0] = 0
    return largest


@compiled
def _cell_entropy(begin, levels, zone_sizes, frequency, clogc):
    """Sum of ``c log2 c`` over the matrix's cells; ``frequency`` is all zeros before and after."""
    weighted = 0.0
    for i in range(levels):
        for e in range(begin[i], begin[i + 1]):
            frequency[zone_sizes[e]] += 1
        for e in range(begin[i], begin[i + 1]):
            weighted += clogc[frequency[zone_sizes[e]]]
            frequency[zone_sizes[e]] = 0
    return weighted


@compiled
def _features(begin, levels, zone_sizes, grey, largest, frequency, clogc, row):
    """All 16 features from the zones grouped by level."""
    zones = begin[levels]
    row[13] = math.log2(zones) - _cell_entropy(begin, levels, zone_sizes, frequency, clogc) / zones
    s_i = s_ii = s_j = s_jj = 0
    gln = sae = lgle = salgle = sahgle = lalgle = lahgle = 0.0
    for level in range(levels):
        i = np.int64(grey[level])
        k = begin[level + 1] - begin[level]
        s_i += k * i
        s_ii += k * i * i
        gln += float(k) * k
        small = large = 0.0
        for e in range(begin[level], begin[level + 1]):
            j = np.int64(zone_sizes[e])
            s_j += j
            s_jj += j * j
            small += 1.0 / (j * j)
            large += j * j
            frequency[j] += 1
        ii = float(i * i)
        sae += small
        lgle += k / ii
        salgle += small / ii
        sahgle += small * ii
        lalgle += large / ii
        lahgle += large * ii
    szn = 0.0
    for j in range(1, largest + 1):
        szn += float(frequency[j]) * frequency[j]
        frequency[j] = 0
    total = float(zones)
    square = total * total
    row[0] = gln / total
    row[1] = gln / square
    row[2] = (zones * s_ii - s_i * s_i) / square
    row[3] = s_ii / total
    row[4] = s_jj / total
    row[5] = lahgle / total
    row[6] = lalgle / total
    row[7] = lgle / total
    row[8] = szn / total
    row[9] = szn / square
    row[10] = sae / total
    row[11] = sahgle / total
    row[12] = salgle / total
    row[14] = total / s_j
    row[15] = (zones * s_jj - s_j * s_j) / square


@compiled
def glszm(cube, grey, counts, first, starts, shifts, clogc, out):
    """GLSZM features of neighbourhoods.

    Parameters
    ----------
    cube, grey, counts : as ``gather`` writes them
    first, starts, shifts : pairs of neighbours at distance 1, as ``offsets.pairs`` gives them
    clogc : float64, ``c log2 c`` for c = 0, 1, 2 ... kernel voxels
    out : float64 (n, 16), written in the order of ``names.FEATURES``
    """
    kernel = cube.shape[1]
    parent = np.empty(kernel, np.int32)
    size = np.empty(kernel, np.int32)
    zone_sizes = np.empty(kernel, np.int32)
    begin = np.empty(grey.shape[1] + 2, np.int64)
    frequency = np.zeros(kernel + 1, np.int64)
    for v in range(cube.shape[0]):
        levels = counts[v, 0]
        _find_zones(cube[v], first, starts, shifts, parent, size)
        largest = _group_by_level(cube[v], parent, size, levels, begin, zone_sizes)
        _features(begin, levels, zone_sizes, grey[v], largest, frequency, clogc, out[v])
