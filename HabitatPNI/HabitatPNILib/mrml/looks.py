"""How habitats and images lie over each other: opacity, outline or fill, 3D surfaces, fading between two images."""

from __future__ import annotations

from typing import Any

from .views import of_class

CLOSED_SURFACE = "Closed surface"


def set_overlay(habitats: Any, opacity: float, outline: bool, surfaces: bool) -> None:
    """Show habitats over the slice views and in 3D; they are visible afterwards.

    Parameters
    ----------
    habitats : vtkMRMLSegmentationNode
    opacity : 0 to 1, of fill or outline and of the surfaces
    outline : the edge of each habitat instead of its area
    surfaces : closed surfaces in the 3D views; made when first asked for
    """
    if habitats.GetDisplayNode() is None:
        habitats.CreateDefaultDisplayNodes()
    display = habitats.GetDisplayNode()
    if surfaces and not habitats.GetSegmentation().ContainsRepresentation(CLOSED_SURFACE):
        habitats.CreateClosedSurfaceRepresentation()
    modified = display.StartModify()
    display.SetVisibility(True)
    display.SetVisibility2DFill(not outline)
    display.SetVisibility2DOutline(outline)
    display.SetOpacity2DFill(opacity)
    display.SetOpacity2DOutline(opacity)
    display.SetOpacity3D(opacity)
    display.SetVisibility3D(surfaces)
    if surfaces:
        display.SetPreferredDisplayRepresentationName3D(CLOSED_SURFACE)
    display.EndModify(modified)


def fade(scene: Any, background: Any, foreground: Any, fraction: float) -> None:
    """Show one volume over another in every slice view of a scene.

    Parameters
    ----------
    background, foreground : volume nodes; None leaves the place empty
    fraction : 0 shows the background alone, 1 the foreground alone
    """
    for composite in of_class(scene, "vtkMRMLSliceCompositeNode"):
        modified = composite.StartModify()
        composite.SetBackgroundVolumeID(background.GetID() if background is not None else None)
        composite.SetForegroundVolumeID(foreground.GetID() if foreground is not None else None)
        composite.SetForegroundOpacity(min(max(float(fraction), 0.0), 1.0))
        composite.EndModify(modified)
