"""Compiled GLRLM features (16) of neighbourhoods, after pyradiomics' ``glrlm``: the mean over the directions that have runs."""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled


@compiled
def _count_runs(cube, order, longest, singles, matrix, cells):
    """Count the runs of one direction: of length 1 in ``singles`` (by level), longer ones in ``matrix`` (by level and length).

    ``order`` lists the kernel's voxels line by line, the first of a line as its complement; ``singles`` holds all voxels by level
    before. Most runs have length 1, so that only neighbours of equal level have to be looked at closely. Returns the number of
    longer runs, with those of the same level and length together.
    """
    n = 0
    last = -1
    length = 1
    for step in range(order.shape[0]):
        p = order[step]
        start = p < 0
        level = cube[~p if start else p]
        if level == last and level >= 0 and not start:
            length += 1
        else:
            if length > 1:
                n = _end_run(last, length, longest, singles, matrix, cells, n)
                length = 1
            last = level
    if length > 1:
        n = _end_run(last, length, longest, singles, matrix, cells, n)
    return n


@compiled
def _end_run(level, length, longest, singles, matrix, cells, n):
    """Note a run of several voxels; returns the number of cells in use."""
    cell = level * longest + length - 1
    singles[level] -= length
    cells[n] = cell
    n += matrix[cell] == 0
    matrix[cell] += 1
    return n


@compiled
def _has_a_pair(cube, order):
    """Whether some line holds two voxels of the neighbourhood, next to each other or not."""
    in_line = 0
    for step in range(order.shape[0]):
        p = order[step]
        if p < 0:
            in_line = 0
            p = ~p
        if cube[p] >= 0:
            in_line += 1
            if in_line > 1:
                return True
    return False


@compiled
def _add_features(singles, matrix, cells, n, longest, grey, voxels, by, levels, clogc, row):
    """Add the 16 features of one direction to ``row``; clears ``matrix`` and the marginals."""
    per_level, per_length = by
    runs = s_i = s_ii = np.int64(0)
    weighted = lgle = 0.0
    for level in range(levels):
        k = singles[level]
        i = np.int64(grey[level])
        per_level[level] = k
        runs += k
        s_i += k * i
        s_ii += k * i * i
        weighted += clogc[k]
        lgle += k / float(i * i)
    s_j = s_jj = runs
    sre = float(runs)
    srlgle = lrlgle = lgle
    srhgle = lrhgle = float(s_ii)
    per_length[1] = runs
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
    width = grey.shape[1]
    matrix = np.zeros(width * longest, np.int32)
    cells = np.empty(cube.shape[1] + 1, np.int64)
    by_level = np.empty(width, np.int64)
    singles = np.empty(width, np.int64)
    by = (np.empty(width, np.int64), np.zeros(longest + 1, np.int64))
    for v in range(cube.shape[0]):
        row = out[v]
        row[:] = 0.0
        levels = counts[v, 0]
        by_level[:levels] = 0
        for p in range(cube.shape[1]):
            if cube[v, p] >= 0:
                by_level[cube[v, p]] += 1
        directions = 0
        for d in range(orders.shape[0]):
            singles[:levels] = by_level[:levels]
            n = _count_runs(cube[v], orders[d], longest, singles, matrix, cells)
            if n > 0 or _has_a_pair(cube[v], orders[d]):
                directions += 1
                _add_features(singles, matrix, cells, n, longest, grey[v], counts[v, 1], by, levels, clogc, row)
        for f in range(16):
            row[f] = row[f] / directions if directions else math.nan
