"""What is removed, and what of the user's stays."""

from __future__ import annotations

import pytest

from HabitatPNILib.mrml.scene import show_results
from HabitatPNILib.mrml.undo import all_nodes, remove_nodes

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def test_a_display_node_that_the_users_volume_shares_stays(scene, analysis):
    shown = show_results(scene, analysis).volumes["t2w"]
    mine = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "mine")
    mine.SetAndObserveDisplayNodeID(shown.GetDisplayNodeID())
    display = mine.GetDisplayNode()
    show_results(scene, analysis)
    assert shown.GetScene() is None
    assert mine.GetDisplayNode() is display
    remove_nodes(scene, [mine])
    assert display.GetScene() is None


def test_a_storage_node_of_a_node_that_stays_stays_and_those_of_all_removed_go(scene):
    a, b, c = (scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in "abc")
    storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
    for node in (a, b, c):
        node.SetAndObserveStorageNodeID(storage.GetID())
    remove_nodes(scene, [a, b])
    assert c.GetStorageNode() is storage
    remove_nodes(scene, [c, c])
    assert not {a, b, c, storage} & set(all_nodes(scene))


def test_what_the_user_put_under_a_result_moves_up(scene, analysis):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    shown = show_results(scene, analysis)
    study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), "study")
    parent = hierarchy.CreateItem(study, shown.habitats)
    segment = hierarchy.CreateHierarchyItem(parent, "Habitat 1", "VirtualBranch")
    folder = hierarchy.CreateFolderItem(parent, "mine")
    landmarks = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "landmarks")
    item = hierarchy.CreateItem(parent, landmarks)
    below = hierarchy.CreateItem(folder, scene.AddNewNodeByClass("vtkMRMLTextNode", "note"))
    show_results(scene, analysis)
    assert [hierarchy.GetItemParent(i) for i in (item, folder, below)] == [study, study, folder]
    assert hierarchy.GetItemByDataNode(landmarks) == item
    assert [hierarchy.GetItemName(i) for i in (parent, segment)] == ["", ""]
