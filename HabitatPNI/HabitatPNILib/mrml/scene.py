"""An analysis as MRML nodes: registered volumes, segmentations, results table; in a given scene or as an ``.mrb`` file."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..errors import OutputError
from ..geometry import voxel_positions
from ..storage import write_file
from .geometry import lps_to_ras
from .host import slicer
from .segmentations import TUMOUR_LOOK, add_segmentation, habitat_looks
from .tables import add_table
from .views import add_views, present
from .volumes import add_volume, set_window

if TYPE_CHECKING:
    from ..analysis import Analysis
    from ..case import Case

CASE_ATTRIBUTE = "HabitatPNI.case"
ROLE_ATTRIBUTE = "HabitatPNI.role"
_FILL = 0.5
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ResultNodes:
    """MRML nodes of one analysis; those that need images are empty where no image entered it.

    Parameters
    ----------
    volumes : registered volumes by sequence name
    tumour, habitats : segmentations on the analysis grid
    table : results, one a row
    text : ``analysis.json``
    """

    table: Any
    text: Any
    volumes: Mapping[str, Any] = field(default_factory=dict)
    tumour: Any = None
    habitats: Any = None

    @property
    def background(self) -> Any:
        """Volume to show under the overlays: T2W, else the first there is."""
        return self.volumes.get("t2w") or next(iter(self.volumes.values()), None)


def new_scene() -> Any:
    """Empty scene of its own, for use where no Slicer application runs."""
    scene = slicer.vtkMRMLScene()
    slicer.vtkSlicerApplicationLogic().SetMRMLScene(scene)
    # Slicer's own table of this name; its colour logic would take it away again when the logic ends before the scene.
    grey = slicer.vtkMRMLColorTableNode()
    grey.SetTypeToGrey()
    grey.SetName("Grey")
    grey.SetSingletonTag("Grey")
    grey.SetSaveWithScene(False)
    scene.AddNode(grey)
    # This logic brings the rules by which segments turn from surfaces into voxels and back.
    slicer.vtkSlicerSegmentationsModuleLogic().SetMRMLScene(scene)
    return scene


def add_case(scene: Any, case: Case) -> dict[str, Any]:
    """Add a case's images and outline to a scene, as if they had been loaded and drawn there.

    Returns
    -------
    nodes by the parameter of `logic.HabitatPNILogic.case_from_nodes` that takes them (``t2w``, ``segmentation`` ...)
    """
    nodes: dict[str, Any] = {}
    for name, image in case.images.items():
        nodes[name] = add_volume(scene, image, f"{case.case_id} {SEQUENCE_LABELS.get(name, name)}")
        set_window(nodes[name])
        if name in case.b_values:
            nodes[name].SetAttribute("b_value", f"{case.b_values[name]:g}")
    if case.roi is not None:
        drawn_on = nodes[case.roi_frame]
        nodes["segmentation"] = add_segmentation(scene, case.roi, TUMOUR_LOOK, f"{case.case_id} outline", drawn_on, fill_opacity=_FILL)
    return nodes


def show_results(scene: Any, analysis: Analysis) -> ResultNodes:
    """Add an analysis to a scene, in place of an earlier one of the same case.

    The slice views that the scene has show T2W under the overlays, at the tumour. Where this fails the scene is left with
    the nodes it had.

    Raises
    ------
    CaseError
        when Slicer has no such voxels
    """
    earlier = result_nodes(scene, analysis.case_id)
    before = {node.GetID() for node in _nodes(scene)}
    try:
        nodes = _add_nodes(scene, analysis)
    except BaseException:
        _remove(scene, [node for node in _nodes(scene) if node.GetID() not in before])
        raise
    _remove(scene, earlier)
    if nodes.background is not None:
        present(scene, nodes.background, nodes.volumes.get("adc"), _focus(analysis))
    return nodes


def result_nodes(scene: Any, case_id: str) -> list[Any]:
    """Result nodes of a case in a scene."""
    return [node for node in _nodes(scene) if node.GetAttribute(CASE_ATTRIBUTE) == case_id]


def write_scene(analysis: Analysis, path: Path) -> None:
    """Write an analysis as a scene that opens in Slicer with its overlays in place.

    Every call uses a scene of its own. The bundle holds no path of this machine.

    Raises
    ------
    OutputError
        when the file cannot be written; nothing is left behind
    """
    scene = new_scene()
    nodes = _add_nodes(scene, analysis)
    add_views(scene, nodes.background, nodes.table)
    if nodes.background is not None:
        present(scene, nodes.background, nodes.volumes.get("adc"), _focus(analysis))

    def write(temporary: Path) -> None:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / path.stem
            bundle.mkdir()
            messages = slicer.vtkMRMLMessageCollection()
            if not scene.SaveSceneToSlicerDataBundleDirectory(str(bundle), None, messages):
                raise RuntimeError(messages.GetAllMessagesAsString() or "Slicer's scene writer failed")
            _zip(bundle, temporary)

    write_file(path, write)


def read_scene(path: Path) -> Any:
    """Scene of its own read from an ``.mrb`` file.

    Raises
    ------
    OutputError
        when the file is no scene
    """
    scene = new_scene()
    messages = slicer.vtkMRMLMessageCollection()
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as archive:
                archive.extractall(folder)
            (file,) = Path(folder).glob("*/*.mrml")
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise OutputError(f"{path.name} cannot be read as a scene: it is damaged, or no .mrb file") from error
        scene.SetURL(str(file))
        if not scene.Import(messages):
            raise OutputError(f"{path.name} cannot be read as a scene: {' '.join(messages.GetAllMessagesAsString().split())}")
    return scene


def _add_nodes(scene: Any, analysis: Analysis) -> ResultNodes:
    roles: dict[str, Any] = {}
    volumes: dict[str, Any] = {}
    for name, image in analysis.images.items():
        volumes[name] = add_volume(scene, image, f"{SEQUENCE_LABELS.get(name, name)} registered")
        set_window(volumes[name])
        roles[name] = volumes[name]
    reference = volumes.get("t2w") or next(iter(volumes.values()), None)
    if analysis.roi is not None:
        roles["tumour"] = add_segmentation(scene, analysis.roi, TUMOUR_LOOK, "Tumour", reference, fill_opacity=0.0)
    if analysis.habitat_map is not None:
        looks = habitat_looks([habitat.label for habitat in analysis.habitats])
        roles["habitats"] = add_segmentation(
            scene, analysis.habitat_map, looks, "Habitats", reference, fill_opacity=_FILL, outline_opacity=0.0
        )
    roles["table"] = add_table(scene, analysis, "HabitatPNI results")
    roles["text"] = scene.AddNewNodeByClass("vtkMRMLTextNode", "HabitatPNI analysis")
    roles["text"].SetText(json.dumps(analysis.to_dict(), indent=1, ensure_ascii=False, allow_nan=False))
    for role, node in roles.items():
        node.SetAttribute(CASE_ATTRIBUTE, analysis.case_id)
        node.SetAttribute(ROLE_ATTRIBUTE, role)
    return ResultNodes(roles["table"], roles["text"], volumes, roles.get("tumour"), roles.get("habitats"))


def _focus(analysis: Analysis) -> np.ndarray:
    """Where the slice views go, RAS mm: the tumour voxel nearest the tumour's mean, so that it lies inside."""
    image = next(iter(analysis.images.values()))
    mask = analysis.roi if analysis.roi is not None else sitk.NotEqual(image, 0)
    positions = voxel_positions(mask)
    distance = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    return lps_to_ras(positions[int(np.argmin(distance))])


def _nodes(scene: Any) -> list[Any]:
    return [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]


def _remove(scene: Any, nodes: list[Any]) -> None:
    for node in nodes:
        for owned in (
            *_owned(node, "GetNthDisplayNode", "GetNumberOfDisplayNodes"),
            *_owned(node, "GetNthStorageNode", "GetNumberOfStorageNodes"),
        ):
            scene.RemoveNode(owned)
        scene.RemoveNode(node)


def _owned(node: Any, getter: str, counter: str) -> list[Any]:
    if not hasattr(node, getter):
        return []
    found = [getattr(node, getter)(i) for i in range(getattr(node, counter)())]
    return [owned for owned in found if owned is not None]


def _zip(folder: Path, target: Path) -> None:
    """Zip a folder under its own name; entries sorted and undated, images (compressed already) stored."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix(), _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".nrrd" else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
