"""Adding nodes to a scene one turn at a time, so that all of it can be taken back."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from .host import vtk

Answer = TypeVar("Answer")

_LEVELS = {"Folder", "Study", "Patient"}


def undoable(scene: Any, steps: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
    """The same steps; where they fail, or are closed before their end, the scene loses every node that they added.

    Only what a step adds while it runs counts, not what others add between two steps.
    """
    added: list[Any] = []
    try:
        while True:
            before = {node.GetID() for node in all_nodes(scene)}
            try:
                message = next(steps)
            except StopIteration as end:
                return end.value
            finally:
                added += [node for node in all_nodes(scene) if node.GetID() not in before and not node.GetSingletonTag()]
            yield message
    except BaseException:
        steps.close()
        remove_nodes(scene, added)
        raise


def run(steps: Generator[str, None, Answer]) -> Answer:
    """Take all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def all_nodes(scene: Any) -> list[Any]:
    """Every node of a scene."""
    return [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]


def remove_nodes(scene: Any, nodes: Iterable[Any]) -> None:
    """Remove nodes with their display and storage nodes, and their items in the subject hierarchy.

    What a node that stays shows or stores itself with stays; items under theirs move up. Nodes gone already are passed over.
    """
    going = [each for node in nodes for each in (*_owned(node), node)]
    identities = {node.GetID() for node in going}
    needed = {owned.GetID() for node in all_nodes(scene) if node.GetID() not in identities for owned in _owned(node)}
    for node in going:
        if node.GetID() not in needed:
            _remove(scene, node)


def _remove(scene: Any, node: Any) -> None:
    if node.GetScene() is not scene:
        return
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    if item:
        for child in _children(hierarchy, item, False):
            # A segmentation's segments are items too, which go with it.
            if hierarchy.GetItemDataNode(child) is not None or hierarchy.GetItemLevel(child) in _LEVELS:
                hierarchy.SetItemParent(child, hierarchy.GetItemParent(item))
    scene.RemoveNode(node)
    # Slicer's own subject hierarchy has taken the item away by now; a bare scene's keeps it.
    if item and item in _children(hierarchy, hierarchy.GetSceneItemID(), True):
        hierarchy.RemoveItem(item, False, True)


def _children(hierarchy: Any, item: int, all_below: bool) -> list[int]:
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(item, items, all_below)
    return [items.GetId(i) for i in range(items.GetNumberOfIds())]


def _owned(node: Any) -> list[Any]:
    """Display and storage nodes of a node."""
    found = []
    for kind in ("Display", "Storage"):
        if hasattr(node, f"GetNth{kind}Node"):
            found += [getattr(node, f"GetNth{kind}Node")(i) for i in range(getattr(node, f"GetNumberOf{kind}Nodes")())]
    return [owned for owned in found if owned is not None]
