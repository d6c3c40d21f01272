"""The libraries of Slicer: those of the Slicer that runs, or those of slicer-core."""

from __future__ import annotations

from ..errors import MissingDependencyError

__all__ = ["numpy_support", "slicer", "vtk"]

_ADVICE = 'MRML nodes and scenes need 3D Slicer, or its core: pip install "habitatpni[headless]"'

try:
    import slicer
    import vtk
    from vtk.util import numpy_support
except ImportError as error:
    raise MissingDependencyError(_ADVICE) from error

# Another package on PyPI is called slicer too, and is installed by others (shap) without the user's knowing.
if not hasattr(slicer, "vtkMRMLScene"):
    raise MissingDependencyError(f"{_ADVICE} (the package slicer that is installed here is another one of that name)")
