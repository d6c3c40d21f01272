"""Nodes come one a step, and all of them go again when the steps fail or are closed early."""

from __future__ import annotations

import base64
import dataclasses
import json

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError, OutputError
from HabitatPNILib.mrml.results import CASE_ATTRIBUTE, ROLE_ATTRIBUTE, Results
from HabitatPNILib.mrml.scene import new_scene, registration_steps, result_nodes, show_registration, show_results, show_steps
from HabitatPNILib.mrml.undo import run

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

CURVE = {"k": [2, 3, 4], "calinski_harabasz": [90.5, 120.25, 80.0], "silhouette": [0.4, 0.5, 0.3], "davies_bouldin": [0.9, 0.7, 1.1]}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def snapshot(scene) -> dict[str, tuple]:
    """Every node by ID with what a rollback must not have changed, display and storage nodes and hierarchy items among them."""
    found = {}
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    for i in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(i)
        attributes = tuple((name, node.GetAttribute(name)) for name in sorted(node.GetAttributeNames()))
        item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
        roles: list[str] = []
        node.GetNodeReferenceRoles(roles)
        references = tuple(
            (role, node.GetNthNodeReferenceID(role, n)) for role in roles for n in range(node.GetNumberOfNodeReferences(role))
        )
        found[node.GetID()] = (node.GetName(), attributes, references, item)
    return {**found, "items": (hierarchy.GetNumberOfItems() if hierarchy is not None else 0,)}


def add_hierarchy_items(scene):
    """A bare scene's stand-in for Slicer, which gives every new node an item in the subject hierarchy."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for i in range(scene.GetNumberOfNodes()):
        node = scene.GetNthNode(i)
        if node.IsA("vtkMRMLDisplayableNode") and not hierarchy.GetItemByDataNode(node):
            hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)


@pytest.fixture
def results(analysis) -> Results:
    return dataclasses.replace(Results.of(analysis), k_curve=CURVE, nomogram=PNG)


@pytest.fixture
def worker_value(analysis, tmp_path):
    """What the worker's command ``analyse`` answers, with its files."""
    files = {"images": {}}
    for name, image in analysis.images.items():
        files["images"][name] = str(tmp_path / f"{name}.nrrd")
        sitk.WriteImage(image, files["images"][name])
    for name, image in (("roi", analysis.roi), ("habitat_map", analysis.habitat_map)):
        files[name] = str(tmp_path / f"{name}.nrrd")
        sitk.WriteImage(image, files[name])
    (tmp_path / "nomogram.png").write_bytes(PNG)
    values = {**json.loads(json.dumps(analysis.to_dict())), "k_curve": CURVE}
    return {"analysis": values, "files": files, "nomogram": str(tmp_path / "nomogram.png")}


def test_one_node_of_data_a_step_and_the_result_is_that_of_show_results(results, scene):
    steps = show_steps(scene, results)
    messages, counts = [], [scene.GetNumberOfNodes()]
    try:
        while True:
            messages.append(next(steps))
            counts.append(scene.GetNumberOfNodes())
    except StopIteration as end:
        nodes = end.value
    assert messages[:2] == ["Reading T2W", "Loading T2W"]
    assert messages[-1] == "Showing the result"
    assert max(np.diff(counts)) <= 11  # a chart each with two series, and two tables; else a node and its display
    other = new_scene()
    again = show_results(other, results)
    assert [n.GetName() for n in result_nodes(scene, "case")] == [n.GetName() for n in result_nodes(other, "case")]
    assert nodes.table.GetTable().GetNumberOfRows() == again.table.GetTable().GetNumberOfRows()
    assert base64.b64decode(nodes.nomogram.GetText()) == PNG
    assert set(nodes.charts) == {"calinski_harabasz", "silhouette", "davies_bouldin"}
    assert all(node.GetAttribute(ROLE_ATTRIBUTE) for node in result_nodes(scene, "case"))


def test_closed_after_any_step_the_scene_is_as_before(results, nodes):
    scene = nodes.scene
    show_results(scene, dataclasses.replace(results, k_curve=None))
    add_hierarchy_items(scene)
    before = snapshot(scene)
    total = 0
    for stop in range(1, 30):
        steps = show_steps(scene, results)
        try:
            for _ in range(stop):
                next(steps)
                add_hierarchy_items(scene)
        except StopIteration:
            break
        total += 1
        steps.close()
        assert snapshot(scene) == before
    assert total >= 12


def test_a_node_that_others_add_between_two_steps_stays(results, scene):
    steps = show_steps(scene, results)
    next(steps), next(steps)
    mine = scene.AddNewNodeByClass("vtkMRMLTextNode", "of the user")
    next(steps), next(steps)
    steps.close()
    assert mine.GetScene() is scene
    assert result_nodes(scene, "case") == []


def test_closing_after_the_scene_was_cleared_takes_nothing_of_the_next_one(results, scene):
    steps = show_steps(scene, results)
    for _ in range(4):
        next(steps)
    scene.Clear(False)
    kept = [scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "of the next scene") for _ in range(4)]
    steps.close()
    assert all(node.GetScene() is scene for node in kept)


def test_a_missing_file_of_the_worker_leaves_the_earlier_result(worker_value, scene, tmp_path):
    show_results(scene, Results.from_analyse(worker_value))
    before = snapshot(scene)
    (tmp_path / "adc.nrrd").unlink()
    with pytest.raises(OutputError, match=r"^The result file adc\.nrrd cannot be read"):
        run(show_steps(scene, Results.from_analyse(worker_value)))
    assert snapshot(scene) == before
    (tmp_path / "roi.nrrd").write_bytes(b"NRRD0004\nhalf a header")
    with pytest.raises(OutputError, match=r"^The result file roi\.nrrd cannot be read"):
        Results.from_analyse(worker_value)


def test_voxels_that_slicer_lacks_leave_the_scene(results, scene):
    before = snapshot(scene)
    wrong = {**results.images, "adc": sitk.Cast(results.images["adc"], sitk.sitkInt64)}
    with pytest.raises(CaseError, match="ADC registered: 3D Slicer shows no volume"):
        run(show_steps(scene, dataclasses.replace(results, images=wrong)))
    assert snapshot(scene) == before


def test_results_of_the_worker_are_those_of_the_analysis(worker_value, analysis, results):
    found = Results.from_analyse(worker_value)
    assert found.values == {**json.loads(json.dumps(results.values)), "k_curve": CURVE}
    assert (found.nomogram, found.case_id, dict(found.k_curve)) == (PNG, "case", CURVE)
    for name, image in analysis.images.items():
        assert np.array_equal(sitk.GetArrayFromImage(found.images[name]), sitk.GetArrayFromImage(image))
    assert np.array_equal(sitk.GetArrayFromImage(found.habitat_map), sitk.GetArrayFromImage(analysis.habitat_map))


def test_a_clinical_result_needs_no_files(worker_value, scene):
    value = {
        "analysis": {**worker_value["analysis"], "habitats": [], "k_curve": None},
        "files": {"images": {}, "roi": None, "habitat_map": None},
    }
    nodes = show_results(scene, Results.from_analyse({**value, "nomogram": None}))
    assert (nodes.background, nodes.habitats, nodes.nomogram, dict(nodes.charts)) == (None, None, None, {})
    assert nodes.table.GetTable().GetNumberOfRows() > 6


def test_habitats_alone_leave_the_earlier_probability(worker_value, results, scene):
    full = show_results(scene, results)
    values = worker_value["analysis"]
    value = {"case_id": "case", "k": 4, "habitats": values["habitats"], "k_curve": CURVE, "files": worker_value["files"]}
    count = scene.GetNumberOfNodes()
    alone = show_results(scene, Results.from_habitats(value))
    assert (alone.table, alone.text, alone.nomogram) == (None, None, None)
    assert full.table.GetScene() is full.text.GetScene() is full.nomogram.GetScene() is scene
    assert full.habitats.GetScene() is None
    assert alone.habitats.GetSegmentation().GetNumberOfSegments() == 3
    assert alone.habitats.GetName() == "Habitats"
    assert scene.GetNumberOfNodes() == count
    names = sorted(node.GetName() for node in result_nodes(scene, "case"))
    show_results(scene, results)
    assert names.count("HabitatPNI results") == 1
    assert names == sorted(node.GetName() for node in result_nodes(scene, "case"))


def test_registered_image_replaces_its_predecessor(analysis, scene, tmp_path):
    sitk.WriteImage(analysis.images["t2w"], str(tmp_path / "t2w.nrrd"))
    value = {"fixed": "adc", "moving": ["t2w"], "files": {"fixed": "", "registered": {"t2w": str(tmp_path / "t2w.nrrd")}}}
    first = show_registration(scene, value)
    count = scene.GetNumberOfNodes()
    before = snapshot(scene)
    steps = registration_steps(scene, value)
    next(steps), next(steps)
    steps.close()
    assert snapshot(scene) == before
    second = show_registration(scene, value)
    assert (first.GetScene(), second.GetScene(), scene.GetNumberOfNodes()) == (None, scene, count)
    assert second.GetName() == "T2W registered (preview)"
    assert second.GetAttribute(CASE_ATTRIBUTE) is None
    assert show_registration(scene, {**value, "files": {"registered": {}}}) is None


@pytest.mark.slow
def test_every_step_of_a_usual_result_is_short(tmp_path, fastest_steps):
    rng = np.random.default_rng(0)
    images, labels = {}, np.zeros((90, 200, 200), np.uint8)
    labels[40:60, 80:110, 90:120] = np.arange(1, 4).repeat(10)
    for name in ("t2w", "dwi", "adc"):
        path = tmp_path / f"{name}.nrrd"
        sitk.WriteImage(sitk.GetImageFromArray(rng.normal(100, 20, labels.shape).astype(np.float32)), str(path))
        images[name] = str(path)
    for name, array in (("roi", (labels > 0).astype(np.uint8)), ("habitat_map", labels)):
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"{name}.nrrd"))
    habitats = [{"label": n, "voxels": 6000, "share": 1 / 3, "volume_ml": 6.0, "means": {}, "absent": False} for n in (1, 2, 3)]
    files = {"images": images, "roi": str(tmp_path / "roi.nrrd"), "habitat_map": str(tmp_path / "habitat_map.nrrd")}
    scene = new_scene()
    value = {"case_id": "1", "habitats": habitats, "k_curve": CURVE, "files": files}
    fastest = fastest_steps(lambda: show_steps(scene, Results.from_habitats(value)))
    assert max(fastest.values()) < 0.06, fastest
