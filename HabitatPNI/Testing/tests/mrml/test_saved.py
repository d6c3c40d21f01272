"""Everything of a result that a scene file has to bring back, in a process that knows nothing of the library."""

from __future__ import annotations

import base64
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk

from HabitatPNILib.mrml.results import CASE_ATTRIBUTE, ROLE_ATTRIBUTE, Results
from HabitatPNILib.mrml.scene import new_scene, read_scene, result_nodes, show_registration, show_results, write_scene

pytest.importorskip("slicer", reason="slicer-core is not installed")

CURVE = {"k": [2, 3, 4], "calinski_harabasz": [90.5, 120.25, 80.0], "silhouette": [0.4, 0.5, 0.3], "davies_bouldin": [0.9, 0.7, 1.1]}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 400


@pytest.fixture
def results(analysis) -> Results:
    return dataclasses.replace(Results.of(analysis), k_curve=CURVE, nomogram=PNG)


def test_nomogram_charts_and_attributes_come_back_in_a_fresh_process(results, tmp_path):
    write_scene(results, tmp_path / "scene.mrb")
    script = Path(__file__).with_name("fresh_reader.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "scene.mrb")], capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert base64.b64decode(found["nomogram"]) == PNG
    assert found["text"] == json.loads(json.dumps(results.values))
    assert set(found["charts"]) == {"chart calinski_harabasz", "chart silhouette", "chart davies_bouldin"}
    silhouette = found["charts"]["chart silhouette"]
    assert silhouette["title"] == "Silhouette (higher is better)"
    assert silhouette["axes"] == ["Number of habitats k", "Silhouette"]
    curve, mark = silhouette["series"]
    assert curve["points"] == [[2, 0.4], [3, 0.5], [4, 0.3]]
    assert (mark["name"], mark["points"], mark["line"]) == ("chosen k = 4", [[4, 0.3]] * 2, "none")
    scene = new_scene()
    show_results(scene, results)
    expected = sorted([node.GetAttribute(ROLE_ATTRIBUTE), node.GetAttribute(CASE_ATTRIBUTE)] for node in result_nodes(scene, "case"))
    assert found["roles"] == expected
    assert {"t2w", "adc", "dwi", "tumour", "habitats", "table", "text", "nomogram"} <= {role for role, _ in expected}


def test_a_result_in_a_scene_that_was_read_is_replaced_like_a_new_one(results, tmp_path):
    write_scene(results, tmp_path / "scene.mrb")
    scene = read_scene(tmp_path / "scene.mrb")
    before = sorted((node.GetName(), node.GetAttribute(ROLE_ATTRIBUTE)) for node in result_nodes(scene, "case"))
    ids = {node.GetID() for node in result_nodes(scene, "case")}
    show_results(scene, results)
    assert sorted((node.GetName(), node.GetAttribute(ROLE_ATTRIBUTE)) for node in result_nodes(scene, "case")) == before
    assert not ids & {node.GetID() for node in result_nodes(scene, "case")}
    stored = scene.GetNumberOfNodesByClass("vtkMRMLStorageNode")
    assert stored == 0, "the removed nodes' storage nodes went with them"


def clone(scene, node, name: str):
    """A node as Slicer's command Clone makes it."""
    made = node.CreateNodeInstance()
    made.Copy(node)
    made.SetName(name)
    return scene.AddNode(made)


def test_a_new_run_leaves_the_copies_that_the_user_made(results, analysis, scene, tmp_path):
    shown = show_results(scene, results)
    files = tmp_path / "t2w.nrrd"
    sitk.WriteImage(analysis.images["t2w"], str(files))
    value = {"files": {"registered": {"t2w": str(files)}}}
    preview = show_registration(scene, value)
    names = sorted(node.GetName() for node in result_nodes(scene, "case"))
    mine = [
        clone(scene, shown.habitats, "My habitats"),
        clone(scene, shown.volumes["t2w"], "My T2W"),
        clone(scene, shown.table, "My table"),
        clone(scene, preview, "My preview"),
    ]
    for _ in range(2):
        show_results(scene, results)
        show_registration(scene, value)
        assert [node.GetName() for node in mine if node.GetScene() is scene] == ["My habitats", "My T2W", "My table", "My preview"]
        assert sorted(node.GetName() for node in result_nodes(scene, "case")) == names


@pytest.mark.parametrize("into_what", ["empty scene", "scene with results", "scene with other nodes"])
def test_saved_results_are_replaced_and_saved_copies_stay(results, scene, tmp_path, into_what):
    shown = show_results(scene, results)
    names = sorted(node.GetName() for node in result_nodes(scene, "case"))
    clone(scene, shown.habitats, "My habitats")
    scene.SetURL(str(tmp_path / "scene.mrml"))
    assert scene.Commit()
    other = new_scene()
    if into_what == "scene with results":
        show_results(other, results)
    elif into_what == "scene with other nodes":
        other.AddNewNodeByClass("vtkMRMLSegmentationNode", "other")
    other.SetURL(str(tmp_path / "scene.mrml"))
    assert other.Import()
    for _ in range(2):
        show_results(other, results)
        assert sorted(node.GetName() for node in result_nodes(other, "case")) == names
        assert other.GetNodesByName("My habitats").GetNumberOfItems() == 1
        carried = [
            other.GetNthNode(i).GetName() for i in range(other.GetNumberOfNodes()) if other.GetNthNode(i).GetAttribute(CASE_ATTRIBUTE)
        ]
        assert sorted(carried) == sorted([*names, "My habitats"])
