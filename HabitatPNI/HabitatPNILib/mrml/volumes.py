"""Images to MRML volume nodes and back: same voxels, same physical positions.

Voxels of a node lie in RAS; a node under a linear transform is read where the transform puts it, and is itself left as it is.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..errors import CaseError
from .geometry import ijk_to_ras, matrix_from_vtk, matrix_to_vtk, place
from .host import numpy_support, vtk
from .undo import run

_WINDOW_SAMPLE = 200_000
_STEP_BYTES = 16 << 20
_NOT_SHOWN = {sitk.sitkInt64, sitk.sitkUInt64}


def to_image(node: Any, label: str) -> sitk.Image:
    """Image (LPS, mm) of a scalar or label map volume node, where the node's linear transforms put it.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode or vtkMRMLLabelMapVolumeNode; left as it is
    label : what the volume is, for the error (node names may hold what a message must not)

    Raises
    ------
    CaseError
        the node is none or holds no voxels or several values a voxel, or its transform is not linear or shears
    """
    data = node.GetImageData() if node is not None and node.IsA("vtkMRMLScalarVolumeNode") else None
    if data is None or data.GetNumberOfPoints() == 0 or data.GetPointData().GetScalars() is None:
        raise CaseError(f"{label}: the chosen volume holds no voxels; load the series and choose its volume")
    if data.GetNumberOfScalarComponents() != 1:
        raise CaseError(f"{label}: the chosen volume has {data.GetNumberOfScalarComponents()} values a voxel; choose a scalar volume")
    array = numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    image = sitk.GetImageFromArray(array)
    first = np.eye(4)
    first[:3, 3] = data.GetExtent()[::2]
    place_image(image, world_ijk(node, label) @ first, label)
    return image


def place_image(image: sitk.Image, matrix: np.ndarray, label: str) -> None:
    """`geometry.place`, with a `CaseError` that names what is wrong with `label`."""
    try:
        place(image, matrix)
    except ValueError as error:
        raise CaseError(f"{label}: {error} (a shearing transform?); resample it to a plain grid first") from error


def world_ijk(node: Any, label: str) -> np.ndarray:
    """Matrix (4, 4) from a volume node's voxel indices to RAS mm, its linear transforms included. Raises as `world_matrix`."""
    ijk = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(ijk)
    return world_matrix(node, label) @ matrix_from_vtk(ijk)


def world_matrix(node: Any, label: str) -> np.ndarray:
    """Matrix (4, 4) of the transforms above a node, RAS to RAS; the identity where there are none.

    Raises
    ------
    CaseError
        when one of them is not linear
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise CaseError(
            f"{label} lies under a transform that is not linear; harden the transform on a copy (module Transforms) and choose that copy"
        )
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return matrix_from_vtk(matrix)


def add_volume(scene: Any, image: sitk.Image, name: str, class_name: str = "vtkMRMLScalarVolumeNode") -> Any:
    """New volume node of an image, with a display node; a scalar volume has the window of `set_window`.

    Parameters
    ----------
    class_name : ``vtkMRMLScalarVolumeNode``, or ``vtkMRMLLabelMapVolumeNode`` for a uint8 label map

    Raises
    ------
    CaseError
        when Slicer has no such voxels (64 bit integers, several values a voxel, label maps that are not uint8)
    """
    return run(volume_steps(scene, image, name, class_name))


def volume_steps(scene: Any, image: sitk.Image, name: str, class_name: str = "vtkMRMLScalarVolumeNode") -> Generator[str, None, Any]:
    """The work of `add_volume`: a large volume takes several steps, the node comes in the last. Raises as `add_volume`."""
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetPixelID() in _NOT_SHOWN:
        raise CaseError(f"{name}: 3D Slicer shows no volume of {image.GetPixelIDTypeAsString()} voxels; cast it first")
    scalar = class_name != "vtkMRMLLabelMapVolumeNode"
    if not scalar and image.GetPixelID() != sitk.sitkUInt8:
        raise CaseError(f"{name}: a label map has to be uint8, not {image.GetPixelIDTypeAsString()}; cast it first")
    array = sitk.GetArrayViewFromImage(image)
    data = vtk.vtkImageData()
    target = _allocate(data, array)
    slices = max(1, _STEP_BYTES // max(1, array[0].nbytes))
    for first in range(0, len(array), slices):
        if first:
            yield f"Loading {name}"
        target[first : first + slices] = array[first : first + slices]
    node = scene.AddNewNodeByClass(class_name, name)
    node.SetIJKToRASMatrix(matrix_to_vtk(ijk_to_ras(image)))
    # A display node that comes after the voxels looks for a window in all of them at once, which takes long.
    node.CreateDefaultDisplayNodes()
    if scalar:
        node.GetDisplayNode().SetAutoWindowLevel(False)
    node.SetAndObserveImageData(data)
    if scalar:
        set_window(node)
    return node


def fill(data: vtk.vtkImageData, array: np.ndarray) -> None:
    """Copy an array (z, y, x) into VTK voxels of the same type, whose extent then starts at 0."""
    _allocate(data, array)[:] = array


def _allocate(data: vtk.vtkImageData, array: np.ndarray) -> np.ndarray:
    data.SetDimensions(array.shape[::-1])
    data.AllocateScalars(numpy_support.get_vtk_array_type(array.dtype), 1)
    return numpy_support.vtk_to_numpy(data.GetPointData().GetScalars()).reshape(array.shape)


def set_window(node: Any) -> None:
    """Grey window from the 1st to the 99.5th percentile of the voxels that are not 0 (0 is padding).

    Of a large volume a sample of some 200,000 voxels decides, evenly spread.
    """
    array = numpy_support.vtk_to_numpy(node.GetImageData().GetPointData().GetScalars())
    sample = array[:: max(1, array.size // _WINDOW_SAMPLE) | 1]
    inside = sample[sample != 0]
    low, high = np.percentile(inside if inside.size else sample, [1, 99.5])
    display = node.GetDisplayNode()
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(float(low), float(max(high, low + 1e-6)))
