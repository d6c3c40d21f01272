from __future__ import annotations

import pytest

from HabitatPNILib.mrml.looks import fade, set_overlay
from HabitatPNILib.mrml.scene import show_results

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture
def shown(analysis, scene):
    for name in ("Red", "Green"):
        composite = slicer.vtkMRMLSliceCompositeNode()
        composite.SetLayoutName(name)
        scene.AddNode(composite)
    return show_results(scene, analysis)


def test_outline_instead_of_fill_and_back(shown):
    display = shown.habitats.GetDisplayNode()
    set_overlay(shown.habitats, 0.7, True, False)
    assert (display.GetVisibility2DFill(), display.GetVisibility2DOutline(), display.GetOpacity2DOutline()) == (False, True, 0.7)
    set_overlay(shown.habitats, 0.3, False, False)
    assert (display.GetVisibility2DFill(), display.GetVisibility2DOutline(), display.GetOpacity2DFill()) == (True, False, 0.3)
    assert not display.GetVisibility3D()
    assert not shown.habitats.GetSegmentation().ContainsRepresentation("Closed surface")


def test_surfaces_are_made_when_asked_for(shown):
    set_overlay(shown.habitats, 0.4, False, True)
    display = shown.habitats.GetDisplayNode()
    assert (display.GetVisibility3D(), display.GetOpacity3D(), display.GetPreferredDisplayRepresentationName3D()) == (
        True,
        0.4,
        "Closed surface",
    )
    surface = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    assert shown.habitats.GetSegmentation().GetSegment("habitat1").GetRepresentation(surface).GetNumberOfPoints() > 10
    set_overlay(shown.habitats, 0.4, False, False)
    assert not display.GetVisibility3D()


def test_fading_sets_every_slice_view(shown, scene):
    t2w, adc = shown.volumes["t2w"], shown.volumes["adc"]
    composites = [scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode") for i in range(2)]
    fade(scene, adc, t2w, 0.25)
    assert [(c.GetBackgroundVolumeID(), c.GetForegroundVolumeID(), c.GetForegroundOpacity()) for c in composites] == [
        (adc.GetID(), t2w.GetID(), 0.25)
    ] * 2
    fade(scene, adc, None, 7)
    assert [(c.GetForegroundVolumeID(), c.GetForegroundOpacity()) for c in composites] == [(None, 1.0)] * 2
