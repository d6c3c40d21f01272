"""RAS and LPS: the only place where the physical space of MRML (RAS, mm) and that of SimpleITK (LPS, mm) meet."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .host import vtk

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
SHEAR_TOLERANCE = 1e-3
"""Largest cosine between two axes of a grid that still counts as rounding of a header (0.06 degrees)."""


def ijk_to_ras(image: sitk.Image) -> np.ndarray:
    """Matrix (4, 4) that maps voxel indices (i, j, k) of a 3D LPS image to RAS mm."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return _FLIP @ matrix


def place(image: sitk.Image, matrix: np.ndarray) -> None:
    """Give an image the LPS origin, spacing and direction of an index-to-RAS matrix (4, 4).

    Raises
    ------
    ValueError
        when the axes are not at right angles or one has no length: no image header can say that
    """
    lps = _FLIP @ matrix
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    if spacing.min() <= 0:
        raise ValueError("an axis has no length")
    direction = lps[:3, :3] / spacing
    if np.abs(direction.T @ direction - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise ValueError("the axes are not at right angles")
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())


def lps_to_ras(points: np.ndarray) -> np.ndarray:
    """Points (..., 3) in LPS mm as RAS mm."""
    return np.asarray(points) * np.array([-1.0, -1.0, 1.0])


def matrix_from_vtk(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """Array (4, 4) of a VTK matrix."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def matrix_to_vtk(matrix: np.ndarray) -> vtk.vtkMatrix4x4:
    """VTK matrix of an array (4, 4)."""
    result = vtk.vtkMatrix4x4()
    result.DeepCopy(np.asarray(matrix, dtype=float).ravel().tolist())
    return result
