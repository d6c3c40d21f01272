"""Compiled GLCM features (24) of neighbourhoods, after pyradiomics' ``glcm``: the mean over the directions that have pairs.

Counts are whole numbers, so sums and (co)variances are exact; entropies come from ``H = log2 N - (sum c log2 c) / N``. MCC is
the largest magnitude among the eigenvalues of ``D^-1/2 P D^-1/2`` without its first, which is always 1 with the eigenvector
``sqrt(p)``: Householder's reduction to tridiagonal form, then Laguerre's iteration from outside. (pyradiomics takes the square
root of the second eigenvalue of ``Q = D^-1 P D^-1 P'``, which is the same number.)

The whole class stays in this one file: Numba's cache notices a change of the file that holds a function, not of those it calls.
"""

# mypy: no-check-untyped-defs
from __future__ import annotations

import math

import numpy as np

from .kernels_jit import compiled

SAME = 1e-12
"""Mutual information in bits below which two margins count as independent; rounding stays below it, dependence above."""


@compiled
def _count_pairs(cube, first, begin, end, shift, bits, symmetrical, matrix, cells):
    """Count the pairs of one direction in ``matrix``; returns the number of different cells and of pairs.

    A symmetrical matrix is kept as its upper triangle. A row of the matrix is 2 ** ``bits`` cells long.
    """
    n = pairs = 0
    for e in range(begin, end):
        p = first[e]
        a = cube[p]
        b = cube[p + shift]
        if a >= 0 and b >= 0:
            cell = (np.int64(min(a, b)) << bits) + max(a, b) if symmetrical else (np.int64(a) << bits) + b
            cells[n] = cell
            n += matrix[cell] == 0
            matrix[cell] += 1
            pairs += 1
    return n, pairs


@compiled
def _entropy_of(counts, used, n, total, log_total, clogc):
    """Entropy in bits of ``counts`` at the places ``used`` (n,); clears them."""
    weighted = 0.0
    for u in range(n):
        weighted += clogc[counts[used[u]]]
        counts[used[u]] = 0
    return log_total - weighted / total


@compiled
def _difference_features(by_difference, used, n, total, log_total, clogc, weights, row):
    """Features of |i - j|; ``weights`` are those of Id, Idm, Idmn, Idn and InverseVariance. Clears ``by_difference``."""
    s_d = s_dd = 0
    inverse = idm = idmn = idn = variance = 0.0
    for u in range(n):
        d = used[u]
        k = by_difference[d]
        s_d += k * d
        s_dd += k * d * d
        inverse += k * weights[d, 0]
        idm += k * weights[d, 1]
        idmn += k * weights[d, 2]
        idn += k * weights[d, 3]
        variance += k * weights[d, 4]
    row[4] += s_dd / total
    row[6] += s_d / total
    row[7] += _entropy_of(by_difference, used, n, total, log_total, clogc)
    row[8] += (total * s_dd - s_d * s_d) / (float(total) * total)
    row[9] += inverse / total
    row[10] += idm / total
    row[11] += idmn / total
    row[12] += idn / total
    row[15] += variance / total


@compiled
def _sum_features(by_sum, used, n, total, log_total, clogc, row):
    """Features of i + j; clears ``by_sum``."""
    s = s_ss = 0
    for u in range(n):
        s += by_sum[used[u]] * used[u]
        s_ss += by_sum[used[u]] * used[u] * used[u]
    mean = s / total
    third = fourth = 0.0
    for u in range(n):
        t = used[u] - mean
        k = by_sum[used[u]]
        third += k * t * t * t
        fourth += k * t * t * t * t
    row[1] += fourth / total
    row[2] += third / total
    row[3] += (total * s_ss - s * s) / (float(total) * total)
    row[21] += mean
    row[22] += _entropy_of(by_sum, used, n, total, log_total, clogc)


@compiled
def _margin(by_level, levels, grey, total, log_total, clogc):
    """Mean, N^2 times the variance, and entropy of a margin."""
    s = s_ss = 0
    weighted = 0.0
    for i in range(levels):
        k = by_level[i]
        g = np.int64(grey[i])
        s += k * g
        s_ss += k * g * g
        weighted += clogc[k]
    return s, total * s_ss - s * s, log_total - weighted / total


@compiled
def _add_features(matrix, cells, n, bits, symmetrical, grey, levels, total, by, used, clogc, weights, row):
    """Add all features but MCC of one direction to ``row``.

    ``by`` holds counts by level (rows), column, difference and sum; those by column stay as they are where the matrix is symmetrical.
    """
    by_row, by_column, by_difference, by_sum = by
    used_difference, used_sum = used
    n_difference = np.int64(0)
    n_sum = np.int64(0)
    s_ij = squares = most = 0
    weighted = 0.0
    by_row[:levels] = 0
    if not symmetrical:
        by_column[:levels] = 0
    for c in range(n):
        a = cells[c] >> bits
        b = cells[c] - (a << bits)
        k = np.int64(matrix[cells[c]])
        twice = 1
        if symmetrical:
            if a == b:
                k *= 2
            else:
                twice = 2
                by_row[b] += k
        else:
            by_column[b] += k
        by_row[a] += k
        i, j = np.int64(grey[a]), np.int64(grey[b])
        s_ij += twice * k * i * j
        squares += twice * k * k
        most = max(most, k)
        weighted += twice * clogc[k]
        d = abs(i - j)
        used_difference[n_difference] = d
        n_difference += by_difference[d] == 0
        by_difference[d] += twice * k
        used_sum[n_sum] = i + j
        n_sum += by_sum[i + j] == 0
        by_sum[i + j] += twice * k
    log_total = clogc[total] / total
    _difference_features(by_difference, used_difference, n_difference, total, log_total, clogc, weights, row)
    _sum_features(by_sum, used_sum, n_sum, total, log_total, clogc, row)
    s_i, var_i, h_i = _margin(by_row, levels, grey, total, log_total, clogc)
    s_j, var_j, h_j = s_i, var_i, h_i
    if not symmetrical:
        s_j, var_j, h_j = _margin(by_column, levels, grey, total, log_total, clogc)
    h_ij = log_total - weighted / total
    shared = h_i + h_j - h_ij
    square = float(total) * total
    deviations = math.sqrt(var_i / square) * math.sqrt(var_j / square)
    covariance = (total * s_ij - s_i * s_j) / square
    row[0] += s_ij / total
    row[5] += 1.0 if var_i == 0 or var_j == 0 else covariance / (deviations + 2.220446049250313e-16)
    if shared > SAME:
        row[13] -= shared / max(h_i, h_j)
        row[14] += math.sqrt(-math.expm1(-2.0 * shared))
    row[16] += s_i / total
    row[17] += squares / square
    row[18] += h_ij
    row[20] += most / total
    row[23] += var_i / square


@compiled(fastmath={"contract", "reassoc"})
def _tridiagonal(a, m, diagonal, squares, v, w):
    """Householder's reduction of the symmetric a (m x m, by rows, overwritten): diagonal (m,), squared off-diagonal (m - 1,).

    Rows are taken as slices so that the compiler sees that indices are not negative and vectorises the loops.
    """
    for k in range(m - 2):
        n = m - k - 1
        diagonal[k] = a[k * m + k]
        head_row = a[k * m + k + 1 : k * m + m]
        head = head_row[0]
        rest = 0.0
        for j in range(1, n):
            v[j] = head_row[j]
            rest += v[j] * v[j]
        squares[k] = rest + head * head
        if rest == 0.0:
            continue
        norm = math.sqrt(squares[k])
        v[0] = head + norm if head > 0 else head - norm
        beta = 2.0 / (rest + v[0] * v[0])
        for j in range(n):
            w[j] = 0.0
        for i in range(n):
            row = a[(k + 1 + i) * m + k + 1 : (k + 2 + i) * m]
            scale = beta * v[i]
            for j in range(n):
                w[j] += scale * row[j]
        inner = 0.0
        for j in range(n):
            inner += w[j] * v[j]
        inner *= 0.5 * beta
        for j in range(n):
            w[j] -= inner * v[j]
        for i in range(n):
            row = a[(k + 1 + i) * m + k + 1 : (k + 2 + i) * m]
            v_i, w_i = v[i], w[i]
            for j in range(n):
                row[j] -= v_i * w[j] + w_i * v[j]
    diagonal[m - 2] = a[(m - 2) * m + m - 2]
    diagonal[m - 1] = a[m * m - 1]
    squares[m - 2] = a[(m - 2) * m + m - 1] * a[(m - 2) * m + m - 1]


@compiled
def _largest_eigenvalue(diagonal, squares, m, sign, x):
    """Largest eigenvalue of ``sign`` times a tridiagonal matrix, found by Laguerre's iteration from x above it.

    From outside the spectrum the iteration falls towards the largest eigenvalue without passing it. The leading minors q of
    ``x - T`` are all positive there; one that is not says that rounding has ended the descent. q1 and q2 are their derivatives.
    """
    for _ in range(100):
        before = 1.0
        before1 = before2 = q2 = 0.0
        q1 = 1.0
        q = x - sign * diagonal[0]
        for i in range(1, m):
            if q <= 0:
                return x
            t = x - sign * diagonal[i]
            s = squares[i - 1]
            before2, q2 = q2, t * q2 + 2.0 * q1 - s * before2
            before1, q1 = q1, t * q1 + q - s * before1
            before, q = q, t * q - s * before
            if q < 1e-100:
                before, before1, before2 = before * 1e100, before1 * 1e100, before2 * 1e100
                q, q1, q2 = q * 1e100, q1 * 1e100, q2 * 1e100
        if q <= 0:
            return x
        s1 = q1 / q
        s2 = s1 * s1 - q2 / q
        step = m / (s1 + math.sqrt(max(0.0, (m - 1) * (m * s2 - s1 * s1))))
        x -= step
        if not step > 1e-11 * abs(x) + 1e-17:
            break
    return x


@compiled
def _has_eigenvalue_above(diagonal, squares, m, sign, x):
    """Whether ``sign`` times a tridiagonal matrix has an eigenvalue above x: a leading minor of ``x - T`` that is not positive."""
    before = 1.0
    q = x - sign * diagonal[0]
    for i in range(1, m):
        if q <= 0:
            return True
        before, q = q, (x - sign * diagonal[i]) * q - squares[i - 1] * before
        if q < 1e-100:
            before, q = before * 1e100, q * 1e100
    return q <= 0


@compiled
def _largest_magnitude(a, m, nothing, work):
    """Largest magnitude of an eigenvalue of the symmetric, singular a (m x m, by rows, overwritten), at most 1; 0 below ``nothing``.

    The search starts at Samuelson's bound: of n numbers none is farther from their mean than sqrt(n - 1) standard deviations.
    """
    diagonal, squares, v, w = work
    power = 0.0
    for i in range(m * m):
        power += a[i] * a[i]
    if math.sqrt(power) < nothing:
        return 0.0
    trace = 0.0
    for i in range(m):
        trace += a[i * m + i]
    n = m - 1
    mean = trace / n
    spread = math.sqrt(max(0.0, (n - 1) * (power / n - mean * mean)))
    _tridiagonal(a, m, diagonal, squares, v, w)
    top = max(_largest_eigenvalue(diagonal, squares, m, 1.0, min(spread + mean, 1.0) + 1e-12), 0.0)
    if spread - mean > top and _has_eigenvalue_above(diagonal, squares, m, -1.0, top * (1.0 + 1e-14)):
        top = max(top, _largest_eigenvalue(diagonal, squares, m, -1.0, min(spread - mean, 1.0) + 1e-12))
    return min(top, 1.0)


@compiled
def _roots(by_level, levels, place, root, inverse):
    """Number the levels that occur; take the square roots of their counts, and their inverses. Returns how many there are."""
    n = 0
    for i in range(levels):
        place[i] = n
        if by_level[i] > 0:
            root[n] = math.sqrt(float(by_level[i]))
            inverse[n] = 1.0 / root[n]
            n += 1
    return n


@compiled
def _maximal_correlation(matrix, cells, n, bits, symmetrical, by, levels, total, places, roots, work, buffers):
    """MCC of one direction: the second singular value of ``D_row^-1/2 P D_column^-1/2``."""
    row_place, column_place = places
    row_root, row_inverse, column_root, column_inverse = roots
    a, b = buffers
    rows = _roots(by[0], levels, row_place, row_root, row_inverse)
    columns = rows
    if symmetrical:
        column_place, column_root, column_inverse = row_place, row_root, row_inverse
    else:
        columns = _roots(by[1], levels, column_place, column_root, column_inverse)
    if rows < 2 or columns < 2:
        return 0.0
    for i in range(rows):
        line = b[i * columns : (i + 1) * columns]
        scale = -row_root[i] / total
        for j in range(columns):
            line[j] = scale * column_root[j]
    for c in range(n):
        level_i = cells[c] >> bits
        level_j = cells[c] - (level_i << bits)
        i, j = row_place[level_i], column_place[level_j]
        k = float(matrix[cells[c]]) * (row_inverse[i] * column_inverse[j])
        if symmetrical and i != j:
            b[j * columns + i] += k
        elif symmetrical:
            k *= 2.0
        b[i * columns + j] += k
    if symmetrical:
        return _largest_magnitude(b, rows, 1e-13, work)
    for i in range(rows):
        for j in range(rows):
            inner = 0.0
            for k in range(columns):
                inner += b[i * columns + k] * b[j * columns + k]
            a[i * rows + j] = inner
    return math.sqrt(_largest_magnitude(a, rows, 1e-26, work))


@compiled
def glcm(cube, grey, counts, first, starts, shifts, largest_level, all_levels, symmetrical, with_mcc, clogc, weights, out):
    """GLCM features of neighbourhoods.

    Parameters
    ----------
    cube, grey, counts : as ``gather`` writes them
    first, starts, shifts : pairs of voxels, as ``offsets.pairs`` gives them
    largest_level, all_levels : largest grey level of the whole region, and how many different ones it has
    symmetrical : whether each pair counts in both directions
    with_mcc : whether MCC is wanted, which takes most of the time; its column stays 0 otherwise
    clogc : float64, ``c log2 c`` for c = 0, 1, 2 ... twice the kernel's voxels
    weights : float64 (largest level, 5), what |i - j| = 0, 1, 2 ... counts in Id, Idm, Idmn, Idn and InverseVariance
    out : float64 (n, 24), written in the order of ``names.FEATURES``; NaN where no direction has a pair
    """
    width = grey.shape[1]
    bits = 0
    while 1 << bits < width:
        bits += 1
    matrix = np.zeros(width << bits, np.int32)
    cells = np.empty(cube.shape[1] + 1, np.int64)
    by = (
        np.zeros(width, np.int64),
        np.zeros(width, np.int64),
        np.zeros(largest_level, np.int64),
        np.zeros(2 * largest_level + 1, np.int64),
    )
    used = (np.empty(cube.shape[1] + 1, np.int64), np.empty(cube.shape[1] + 1, np.int64))
    roots = (np.empty(width), np.empty(width), np.empty(width), np.empty(width))
    work = (np.empty(width), np.empty(width), np.empty(width), np.empty(width))
    places = (np.empty(width, np.int64), np.empty(width, np.int64))
    buffers = (np.empty(1 if symmetrical else width * width), np.empty(width * width))
    for v in range(cube.shape[0]):
        row = out[v]
        row[:] = 0.0
        levels = counts[v, 0]
        directions = 0
        for d in range(shifts.shape[0]):
            n, pairs = _count_pairs(cube[v], first, starts[d], starts[d + 1], shifts[d], bits, symmetrical, matrix, cells)
            if n > 0:
                directions += 1
                total = 2 * pairs if symmetrical else pairs
                _add_features(matrix, cells, n, bits, symmetrical, grey[v], levels, total, by, used, clogc, weights, row)
                if with_mcc:
                    row[19] += _maximal_correlation(matrix, cells, n, bits, symmetrical, by, levels, total, places, roots, work, buffers)
                for c in range(n):
                    matrix[cells[c]] = 0
        for f in range(24):
            row[f] = row[f] / directions if directions else math.nan
        if with_mcc and all_levels == 1:
            row[19] = 1.0
