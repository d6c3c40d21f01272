"""Descriptors of a habitat map as columns of a FeatureTable: shares, connected parts, spatial interaction, ITH score."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError

REGION = "habitats"
"""Region of the columns: all habitats together. A habitat that a case lacks has size 0, so that no column is ever missing."""


def describe(labels: sitk.Image, k: int) -> dict[str, float]:
    """All descriptors of a habitat map by column, e.g. ``habitats__map__msi__border_1_2``.

    Parameters
    ----------
    labels : 3D, 1 to k inside the tumour, 0 outside
    k : number of habitats, whether all of them occur or not

    Returns
    -------
    as many columns in the same order for every case of the same k, all of them finite:

    - ``share``: part of the tumour's volume that a habitat has;
    - ``parts``, ``part_largest_ml``, ``part_mean_ml``: number of a habitat's connected parts, volumes of the largest and of the mean one;
    - ``msi``: `interaction_features`;
    - ``ith``: `ith_score`

    Raises
    ------
    CaseError
        when the map is empty or has other labels
    """
    volume = _checked(labels, k)
    voxel_ml = float(np.prod(labels.GetSpacing())) / 1000
    parts = {label: connected_parts(volume, label) for label in range(1, k + 1)}
    total = int(np.count_nonzero(volume))
    found: dict[str, float] = {}
    for label, sizes in parts.items():
        found[f"volume__share_{label}"] = float(sizes.sum() / total)
        found[f"parts__count_{label}"] = float(len(sizes))
        found[f"parts__largest_ml_{label}"] = float(sizes.max() * voxel_ml) if len(sizes) else 0.0
        found[f"parts__mean_ml_{label}"] = float(sizes.mean() * voxel_ml) if len(sizes) else 0.0
    found |= {f"msi__{name}": value for name, value in interaction_features(interaction_matrix(volume, k)).items()}
    found["ith__score"] = ith_score(parts.values(), total)
    return {f"{REGION}__map__{name}": value for name, value in found.items()}


def descriptor_columns(k: int) -> list[str]:
    """Columns of `describe` for k habitats."""
    return list(describe(sitk.GetImageFromArray(np.ones((1, 1, 1), np.uint8)), k))


def connected_parts(volume: np.ndarray, label: int) -> np.ndarray:
    """Voxels of each connected part of a habitat, (parts,); voxels that touch at a face, an edge or a corner are connected."""
    from scipy.ndimage import generate_binary_structure
    from scipy.ndimage import label as label_parts

    numbered, count = label_parts(volume == label, generate_binary_structure(3, 3))
    return np.bincount(numbered.ravel(), minlength=count + 1)[1:]


def interaction_matrix(volume: np.ndarray, k: int) -> np.ndarray:
    """Multiregional spatial interaction (MSI) matrix of a map (z, y, x) with labels 0 to k.

    How often a voxel of one region shares a face with a voxel of another, counted from both sides: symmetric (k + 1, k + 1), row and
    column 0 the surroundings. The diagonal grows with a habitat's size, the rest is the area of borders in voxel faces (Wu et al.,
    Radiology 2018;288:26-35). The image's border is surroundings; pairs outside the tumour are not counted, since their number is
    that of the field of view.
    """
    padded = np.pad(volume.astype(np.int64), 1)
    matrix = np.zeros((k + 1) ** 2, np.int64)
    for axis in range(3):
        first, second = np.moveaxis(padded, axis, 0)[:-1], np.moveaxis(padded, axis, 0)[1:]
        matrix += np.bincount((first * (k + 1) + second).ravel(), minlength=(k + 1) ** 2)
    pairs = matrix.reshape(k + 1, k + 1)
    pairs = pairs + pairs.T
    pairs[0, 0] = 0
    return pairs


def interaction_features(matrix: np.ndarray) -> dict[str, float]:
    """First- and second-order features of an MSI matrix (Wu et al., Radiology 2018;288:26-35, figure 2).

    First order are its entries, as counts (``faces_i_j``) and as shares of all pairs (``border_i_j``, ``inside_i``). Second order are
    contrast, homogeneity, correlation and energy of the shares P, as of a grey-level co-occurrence matrix: the sums of (i - j)^2 P,
    of P / (1 + (i - j)^2), of (i - mu)(j - mu) P / sigma^2, and of P^2. With one region alone sigma is 0, and the correlation 1.
    """
    shares = matrix / matrix.sum()
    k = len(matrix) - 1
    found = {}
    for i in range(1, k + 1):
        found[f"inside_{i}"] = float(shares[i, i])
    for i in range(k + 1):
        for j in range(i + 1, k + 1):
            found[f"border_{i}_{j}"] = float(shares[i, j] + shares[j, i])
            found[f"faces_{i}_{j}"] = float(matrix[i, j])
    i, j = np.indices(shares.shape)
    mean = (i * shares).sum()
    variance = ((i - mean) ** 2 * shares).sum()
    found["contrast"] = float(((i - j) ** 2 * shares).sum())
    found["homogeneity"] = float((shares / (1 + (i - j) ** 2)).sum())
    found["correlation"] = float(((i - mean) * (j - mean) * shares).sum() / variance) if variance > 0 else 1.0
    found["energy"] = float((shares**2).sum())
    return found


def ith_score(parts: Iterable[np.ndarray], voxels: int) -> float:
    """Score of intratumoral heterogeneity: 0 for habitats of one piece each, towards 1 the more they are scattered.

    ``1 - sum(largest_i / parts_i) / voxels`` over the habitats i, with the voxels of their largest connected part and the number of
    their parts; parts of a single voxel are not counted, and a habitat of nothing else adds nothing (Li et al., ITHscore, Eur Radiol
    2023;33:893-903, there on one slice).

    Parameters
    ----------
    parts : `connected_parts` of every habitat
    voxels : of the tumour
    """
    counted = [sizes[sizes > 1] for sizes in parts]
    return float(1 - sum(sizes.max() / len(sizes) for sizes in counted if len(sizes)) / voxels)


def _checked(labels: sitk.Image, k: int) -> np.ndarray:
    volume = sitk.GetArrayViewFromImage(labels)
    if volume.ndim != 3 or not np.any(volume):
        raise CaseError("The habitat map is empty or not 3D: there is nothing to describe; find the habitats first")
    if volume.min() < 0 or volume.max() > k:
        raise CaseError(f"The habitat map has the labels {volume.min()} to {volume.max()}, but {k} habitats were named; give their number")
    return volume
