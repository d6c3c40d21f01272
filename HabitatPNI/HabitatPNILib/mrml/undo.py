"""Adding nodes to a scene one turn at a time, so that all of it can be taken back."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, TypeVar

from .host import vtk

Answer = TypeVar("Answer")


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
    """Remove nodes with their display and storage nodes, and their items in the subject hierarchy; those gone already are passed over."""
    for node in nodes:
        for owned in (
            *_owned(node, "GetNthDisplayNode", "GetNumberOfDisplayNodes"),
            *_owned(node, "GetNthStorageNode", "GetNumberOfStorageNodes"),
        ):
            _remove(scene, owned)
        _remove(scene, node)


def _remove(scene: Any, node: Any) -> None:
    if node.GetScene() is not scene:
        return
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    scene.RemoveNode(node)
    # Slicer's own subject hierarchy has taken the item away by now; a bare scene's keeps it.
    if item:
        items = vtk.vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, True)
        if items.IsId(item) >= 0:
            hierarchy.RemoveItem(item, False, True)


def _owned(node: Any, getter: str, counter: str) -> list[Any]:
    if not hasattr(node, getter):
        return []
    found = [getattr(node, getter)(i) for i in range(getattr(node, counter)())]
    return [owned for owned in found if owned is not None]
