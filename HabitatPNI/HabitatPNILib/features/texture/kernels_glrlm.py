"""Compiled GLRLM features (16) of neighbourhoods, after pyradiomics' ``glrlm``: the mean over the directions that have runs."""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled


@compiled
def _count_runs(cube, order, longest, matrix, cells):
    """Count the runs of one direction; returns the number of different (level, length) cells and of voxels.

    ``order`` lists the kernel's voxels line by line, the first of a line as its complement. No cells are returned when no line
    holds two voxels of the neighbourhood: pyradiomics leaves such a direction out.
    """
    n = 0
    voxels = 0
    in_line = 0
    several = False
    level = -1
    length = 0
    for step in range(order.shape[0] + 1):
        current = -1
        start = True
        if step < order.shape[0]:
            start = order[step] < 0
            current = cube[~order[step] if start else order[step]]
        if start or current != level:
            if level >= 0:
                cell = level * longest + length - 1
                cells[n] = cell
                n += matrix[cell] == 0
                matrix[cell] += 1
            level = current
            length = 0
        if start:
            in_line = 0
        if current >= 0:
            length += 1
            in_line += 1
            voxels += 1
            several = several or in_line > 1
    if not several:
        for i in range(n):
            matrix[cells[i]] = 0
        n = 0
    return n, voxels


@compiled
def _add_features(matrix, cells, n, longest, grey, voxels, per_level, per_length, levels, clogc, row):
    """Add the 16 features of one direction to ``row``; clears ``matrix`` and the marginals."""
    runs = 0
    s_i = s_ii = s_j = s_jj = 0
    weighted = sre = lgle = srlgle = srhgle = lrlgle = lrhgle = 0.0
    for c in range(n):
        cell = cells[c]
        k = matrix[cell]
        matrix[cell] = 0
        level = cell // longest
        j = cell - level * longest + 1
        i = np.int64(grey[level])
        ii = float(i * i)
        jj = float(j * j)
        per_level[level] += k
        per_length[j] += k
        runs += k
        s_i += k * i
        s_ii += k * i * i
        s_j += k * j
        s_jj += k * j * j
        weighted += clogc[k]
        sre += k / jj
        lgle += k / ii
        srlgle += k / (ii * jj)
        srhgle += k * ii / jj
        lrlgle += k * jj / ii
        lrhgle += k * ii * jj
    gln = rln = 0.0
    for level in range(levels):
        gln += float(per_level[level]) * per_level[level]
        per_level[level] = 0
    for j in range(1, longest + 1):
        rln += float(per_length[j]) * per_length[j]
        per_length[j] = 0
    total = float(runs)
    square = total * total
    row[0] += gln / total
    row[1] += gln / square
    row[2] += (runs * s_ii - s_i * s_i) / square
    row[3] += s_ii / total
    row[4] += s_jj / total
    row[5] += lrhgle / total
    row[6] += lrlgle / total
    row[7] += lgle / total
    row[8] += math.log2(total) - weighted / total
    row[9] += rln / total
    row[10] += rln / square
    row[11] += total / voxels
    row[12] += (runs * s_jj - s_j * s_j) / square
    row[13] += sre / total
    row[14] += srhgle / total
    row[15] += srlgle / total


@compiled
def glrlm(cube, grey, counts, orders, longest, clogc, out):
    """GLRLM features of neighbourhoods.

    Parameters
    ----------
    cube, grey, counts : as ``gather`` writes them
    orders : int32 (directions, kernel voxels), each row as ``_count_runs`` reads it
    longest : largest extent of the kernel in voxels
    clogc : float64, ``c log2 c`` for c = 0, 1, 2 ... kernel voxels
    out : float64 (n, 16), written in the order of ``names.FEATURES``; NaN where no direction has two voxels in a line
    """
    matrix = np.zeros(grey.shape[1] * longest, np.int32)
    cells = np.empty(cube.shape[1] + 1, np.int64)
    per_level = np.zeros(grey.shape[1], np.int64)
    per_length = np.zeros(longest + 1, np.int64)
    for v in range(cube.shape[0]):
        row = out[v]
        row[:] = 0.0
        directions = 0
        for d in range(orders.shape[0]):
            n, voxels = _count_runs(cube[v], orders[d], longest, matrix, cells)
            if n > 0:
                directions += 1
                _add_features(matrix, cells, n, longest, grey[v], voxels, per_level, per_length, counts[v, 0], clogc, row)
        for f in range(16):
            row[f] = row[f] / directions if directions else math.nan
