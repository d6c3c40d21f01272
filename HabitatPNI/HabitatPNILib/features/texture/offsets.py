"""Which voxels of a neighbourhood are compared with which: pairs by direction, and lines along which runs are counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np


def directions(distances: Sequence[int], moving: Sequence[bool] | np.ndarray) -> np.ndarray:
    """Offsets (n, 3) in (z, y, x), one of every opposite two, whose largest component is one of the distances.

    Axes that do not move keep the offset 0.
    """
    reach = max(distances)
    steps = [range(-reach, reach + 1) if moves else (0,) for moves in moving]
    found = [o for o in itertools.product(*steps) if o > (0, 0, 0) and max(map(abs, o)) in distances]
    return np.array(found, dtype=np.int64).reshape(-1, 3)


def pairs(offsets: np.ndarray, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of kernel voxels that lie an offset apart; offsets that fit no pair are left out.

    Parameters
    ----------
    offsets : int (n, 3)
    radii : int (3,)

    Returns
    -------
    first : int32, the first voxels of all pairs, direction after direction, as numbers in the kernel's (z, y, x) raster order
    starts : int64 (m + 1,), where each direction begins in ``first``
    shifts : int64 (m,), from the first voxel's number to the second's
    """
    shape = 2 * radii + 1
    index = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    lists, shifts = [], []
    for offset in offsets:
        if np.any(np.abs(offset) >= shape):
            continue
        inside = tuple(slice(max(0, -o), n - max(0, o)) for o, n in zip(offset, shape, strict=True))
        lists.append(index[inside].ravel())
        shifts.append(int((offset[0] * shape[1] + offset[1]) * shape[2] + offset[2]))
    starts = np.cumsum([0, *(len(part) for part in lists)]).astype(np.int64)
    first = np.concatenate(lists) if lists else np.empty(0, np.int32)
    return first, starts, np.array(shifts, dtype=np.int64)


def lines(offsets: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """The kernel's voxels in the order of the lines along each offset.

    Returns
    -------
    int32 (directions, kernel voxels); the first voxel of a line is given as its complement (``~number``)
    """
    shape = 2 * radii + 1
    places = np.indices(tuple(shape)).reshape(3, -1).T
    number = np.arange(len(places), dtype=np.int32).reshape(shape)
    orders = np.empty((len(offsets), len(places)), np.int32)
    for row, offset in zip(orders, offsets, strict=True):
        before = places - offset
        place = places[np.any((before < 0) | (before >= shape), axis=1)]
        alive = np.arange(len(place))
        steps = [(alive, ~number[tuple(place.T)])]
        while True:
            place = place + offset
            inside = np.all((place >= 0) & (place < shape), axis=1)
            if not inside.any():
                break
            place, alive = place[inside], alive[inside]
            steps.append((alive, number[tuple(place.T)]))
        line = np.concatenate([which for which, _ in steps])
        row[:] = np.concatenate([numbers for _, numbers in steps])[np.argsort(line, kind="stable")]
    return orders
