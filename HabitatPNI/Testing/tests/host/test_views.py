"""The stand-in's views show what Slicer's would: the overlay in its place, the right way round."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

SIZE = (420, 360)


@pytest.fixture
def stage():
    """Scene with Slicer's layout, its application logic, and the slice views of the layout by name."""
    import vtk
    from host.views import SliceView

    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    colours = slicer.vtkMRMLColorLogic()
    colours.SetMRMLScene(scene)
    segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
    segmentations.SetMRMLScene(scene)
    layout = slicer.vtkMRMLLayoutLogic()
    layout.SetMRMLScene(scene)
    layout.GetLayoutNode().SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
    views = {name: SliceView(logic, scene.GetNodeByID(f"vtkMRMLSliceNode{name}")) for name in ("Red", "Yellow", "Green")}
    for view in views.values():
        view.resize(*SIZE)
    assert vtk.vtkRenderWindow().SupportsOpenGL()
    yield scene, logic, views, (colours, segmentations, layout)
    for view in views.values():
        view.close()


@pytest.fixture(scope="module")
def analysis(phantom, small_model):
    from HabitatPNILib.analysis import analyse

    return analyse(dataclasses.replace(phantom[0], clinical={"age": 70.0, "mrt_stage": 2.0, "pi_rads": 4.0}), small_model)


def test_habitats_lie_where_they_are(stage, analysis):
    from HabitatPNILib.mrml.scene import show_results

    scene, _, views, _ = stage
    nodes = show_results(scene, analysis)
    display = nodes.habitats.GetDisplayNode()
    nodes.tumour.GetDisplayNode().SetVisibility(False)
    display.SetAllSegmentsOpacity2DFill(1.0)
    display.SetOpacity2DFill(1.0)
    display.SetOpacity2DOutline(0.0)
    for name, view in views.items():
        view.fit()
        _focus(view, analysis.roi)
        # T2W is grey, so every colourful pixel is habitat.
        picture = view.render()
        drawn = _colourful(picture)
        assert drawn.sum() > 100, name
        expected = _pixels_inside(view, analysis.habitat_map)
        np.testing.assert_allclose(_centre(drawn), _centre(expected), atol=2.0, err_msg=name)
        overlap = 2 * (drawn & expected).sum() / (drawn.sum() + expected.sum())
        assert overlap > 0.9, name


def test_each_habitat_in_its_own_place(stage, analysis):
    from HabitatPNILib.mrml.scene import show_results

    scene, _, views, _ = stage
    nodes = show_results(scene, analysis)
    nodes.tumour.GetDisplayNode().SetVisibility(False)
    display = nodes.habitats.GetDisplayNode()
    view = views["Red"]
    view.fit()
    _focus(view, analysis.roi)
    shown = [f"habitat{habitat.label}" for habitat in analysis.habitats if habitat.voxels]
    for segment in shown:
        for other in shown:
            display.SetSegmentVisibility(other, other == segment)
        drawn = _colourful(view.render())
        expected = _pixels_inside(view, sitk.Equal(analysis.habitat_map, int(segment.removeprefix("habitat"))))
        if expected.sum() > 50:
            np.testing.assert_allclose(_centre(drawn), _centre(expected), atol=2.0, err_msg=segment)


def test_the_axial_view_has_the_patients_right_on_its_left(stage):
    """Bright: right anterior. In the sagittal view anterior is on the left, in both of the others superior is on top."""
    _show(stage, _marked(lambda x, y, z: (x < -10) & (y < -10) & (z > 5)))
    red, yellow, green = (_centre(stage[2][name].render()[..., 0] > 200) for name in ("Red", "Yellow", "Green"))
    middle = (np.array(SIZE[::-1]) - 1) / 2
    assert (red < middle).all()
    assert (yellow < middle).all()
    assert (green < middle).all()


def test_an_oblique_volume_is_where_its_matrix_puts_it(stage):
    image = _marked(lambda x, y, z: (np.abs(x - 14) < 6) & (np.abs(y + 9) < 6) & (np.abs(z - 4) < 12), angles=(0.25, -0.2, 0.35))
    _show(stage, image)
    for name, view in stage[2].items():
        _focus(view, image > 500)
        drawn = view.render()[..., 0] > 128
        expected = _pixels_inside(view, image > 500)
        np.testing.assert_allclose(_centre(drawn), _centre(expected), atol=2.0, err_msg=name)


def test_the_foreground_fades_in(stage):
    background, foreground = (_marked(lambda x, y, z, side=side: x * side > 5) for side in (1, -1))
    node = _show(stage, background)
    other = _volume(stage[0], foreground)
    view = stage[2]["Red"]
    view.composite.SetForegroundVolumeID(other.GetID())
    pictures = []
    for opacity in (0.0, 0.5, 1.0):
        view.composite.SetForegroundOpacity(opacity)
        pictures.append(view.render()[..., 0].astype(float))
    left, right = (slice(150, 210), slice(150, 165)), (slice(150, 210), slice(255, 270))
    assert [round(p[left].mean() / 255, 1) for p in pictures] == [0.0, 0.5, 1.0]
    assert [round(p[right].mean() / 255, 1) for p in pictures] == [1.0, 0.5, 0.0]
    assert node.GetID() == view.composite.GetBackgroundVolumeID()


def test_a_change_in_the_scene_is_told_until_the_view_is_closed(stage):
    from host.views import SliceView

    _, logic, views, _ = stage
    node = _show(stage, _marked(lambda x, y, z: x > 0))
    told = []
    view = SliceView(logic, views["Red"].node, lambda: told.append(1))
    view.render()
    for change in (
        lambda: node.GetDisplayNode().SetWindowLevelMinMax(0, 100),
        lambda: view.logic.SetSliceOffset(3.0),
        lambda: view.composite.SetForegroundOpacity(0.3),
    ):
        told.clear()
        change()
        assert told
    view.close()
    told.clear()
    node.GetDisplayNode().SetWindowLevelMinMax(0, 300)
    assert not told


def test_scene_closed_and_opened_again(stage):
    scene, _, views, _ = stage
    _show(stage, _marked(lambda x, y, z: x > 0))
    scene.Clear(0)
    assert views["Red"].render().max() == 0
    _show(stage, _marked(lambda x, y, z: x > 0))
    assert views["Red"].render().max() == 255


def test_surfaces_in_the_3d_view(stage, analysis):
    from host.views import ThreeDView

    from HabitatPNILib.mrml.scene import show_results

    scene, logic, _, _ = stage
    nodes = show_results(scene, analysis)
    view = ThreeDView(logic, scene.GetNodeByID("vtkMRMLViewNode1"))
    view.resize(*SIZE)
    view.node.SetBoxVisible(False)
    view.node.SetAxisLabelsVisible(False)
    empty = view.render()
    nodes.habitats.CreateClosedSurfaceRepresentation()
    view.fit()
    with_surfaces = view.render()
    changed = (np.abs(with_surfaces.astype(int) - empty) > 30).any(axis=2)
    view.close()
    assert changed.mean() > 0.02
    np.testing.assert_allclose(_centre(changed), (np.array(SIZE[::-1]) - 1) / 2, atol=25)


def test_a_chart_is_drawn_and_taken_away(stage):
    import vtk
    from host.views import PlotView

    scene = stage[0]
    table = scene.AddNewNodeByClass("vtkMRMLTableNode")
    for name, values in {"k": (2, 3, 4), "index": (10, 30, 20)}.items():
        column = vtk.vtkDoubleArray()
        column.SetName(name)
        for value in values:
            column.InsertNextValue(value)
        table.AddColumn(column)
    series = scene.AddNewNodeByClass("vtkMRMLPlotSeriesNode", "index")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeScatter)
    series.SetXColumnName("k")
    series.SetYColumnName("index")
    series.SetColor(1, 0, 0)
    chart = scene.AddNewNodeByClass("vtkMRMLPlotChartNode")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    view = PlotView()
    view.resize(*SIZE)
    view.show(chart)
    picture = view.render().astype(int)
    assert ((picture[..., 0] > 200) & (picture[..., 1] < 60)).sum() > 200
    view.show(None)
    assert view.render().min() == 255
    view.close()


def _marked(where, angles=(0.0, 0.0, 0.0)) -> sitk.Image:
    """Volume (LPS, 2 x 2 x 3 mm) centred on 0, that is 1000 where a condition on x, y, z holds, else 0."""
    from HabitatPNILib.geometry import voxel_positions

    image = sitk.Image([40, 40, 24], sitk.sitkInt16)
    image.SetSpacing((2.0, 2.0, 3.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    middle = image.TransformContinuousIndexToPhysicalPoint([19.5, 19.5, 11.5])
    image.SetOrigin([-x for x in middle])
    array = np.where(where(*voxel_positions(image == 0).T), 1000, 0).astype(np.int16).reshape(24, 40, 40)
    marked = sitk.GetImageFromArray(array)
    marked.CopyInformation(image)
    return marked


def _volume(scene, image):
    from HabitatPNILib.mrml.volumes import add_volume

    node = add_volume(scene, image, "volume")
    node.GetDisplayNode().SetAutoWindowLevel(False)
    node.GetDisplayNode().SetWindowLevelMinMax(0, 1000)
    return node


def _show(stage, image):
    node = _volume(stage[0], image)
    for view in stage[2].values():
        view.composite.SetBackgroundVolumeID(node.GetID())
        view.fit()
        view.node.JumpSliceByOffsetting(*_marked_centre(image))
    return node


def _marked_centre(image) -> tuple[float, float, float]:
    from HabitatPNILib.geometry import voxel_positions

    x, y, z = voxel_positions(image > 0).mean(axis=0)
    return -x, -y, z


def _focus(view, mask) -> None:
    view.node.JumpSliceByOffsetting(*_marked_centre(mask))


def _pixels_inside(view, mask) -> np.ndarray:
    """Pixels of a view whose position lies in a voxel of a mask, worked out with SimpleITK alone."""
    width, height = SIZE
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    xy = np.stack([columns.ravel(), height - 1 - rows.ravel(), np.zeros(width * height), np.ones(width * height)])
    to_ras = np.array([[view.node.GetXYToRAS().GetElement(i, j) for j in range(4)] for i in range(4)])
    lps = (to_ras @ xy)[:3] * np.array([[-1.0], [-1.0], [1.0]])
    direction = np.array(mask.GetDirection()).reshape(3, 3)
    index = np.rint((direction.T @ (lps - np.array(mask.GetOrigin())[:, None])) / np.array(mask.GetSpacing())[:, None]).astype(int)
    array = sitk.GetArrayFromImage(mask)
    inside = ((index >= 0) & (index < np.array(mask.GetSize())[:, None])).all(axis=0)
    found = np.zeros(width * height, bool)
    i, j, k = index[:, inside]
    found[inside] = array[k, j, i] > 0
    return found.reshape(height, width)


def _colourful(picture: np.ndarray) -> np.ndarray:
    return np.ptp(picture.astype(int), axis=2) > 40


def _centre(mask: np.ndarray) -> np.ndarray:
    """Row and column of the centre of a mask."""
    assert mask.any()
    return np.argwhere(mask).mean(axis=0)
