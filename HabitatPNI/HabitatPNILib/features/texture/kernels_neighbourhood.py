"""Compiled gathering of neighbourhoods: the grey levels round each voxel, renumbered 0, 1, 2 ... within the neighbourhood."""

# mypy: no-check-untyped-defs
from __future__ import annotations

from .kernels_jit import compiled


@compiled
def gather(levels, voxels, radii, rank, cube, grey, counts):
    """Cut the neighbourhoods of some voxels out of the level array.

    Parameters
    ----------
    levels : uint16 (z, y, x), 0 where a voxel does not take part; padded so that no neighbourhood leaves it
    voxels : int32 (n, 3) positions in ``levels``
    radii : int64 (3,)
    rank : int32 (largest level + 1,) zeros; left as zeros
    cube : int16 (n, kernel voxels), written: number of the voxel's level in ``grey``, -1 where it does not take part
    grey : int32 (n, at least as many as levels in a neighbourhood), written: the levels that occur, ascending
    counts : int32 (n, 2), written: how many levels occur, how many voxels take part
    """
    for v in range(voxels.shape[0]):
        z0, y0, x0 = voxels[v, 0] - radii[0], voxels[v, 1] - radii[1], voxels[v, 2] - radii[2]
        present = 0
        inside = 0
        for z in range(z0, z0 + 2 * radii[0] + 1):
            for y in range(y0, y0 + 2 * radii[1] + 1):
                for x in range(x0, x0 + 2 * radii[2] + 1):
                    level = levels[z, y, x]
                    if level > 0:
                        inside += 1
                        if rank[level] == 0:
                            rank[level] = 1
                            place = present
                            while place > 0 and grey[v, place - 1] > level:
                                grey[v, place] = grey[v, place - 1]
                                place -= 1
                            grey[v, place] = level
                            present += 1
        for i in range(present):
            rank[grey[v, i]] = i + 1
        p = 0
        for z in range(z0, z0 + 2 * radii[0] + 1):
            for y in range(y0, y0 + 2 * radii[1] + 1):
                for x in range(x0, x0 + 2 * radii[2] + 1):
                    cube[v, p] = rank[levels[z, y, x]] - 1
                    p += 1
        for i in range(present):
            rank[grey[v, i]] = 0
        counts[v, 0] = present
        counts[v, 1] = inside
