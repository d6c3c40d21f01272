"""An analysis as MRML nodes: registered volumes, segmentations, results table; in a given scene or as an ``.mrb`` file."""

from __future__ import annotations

import base64
import json
import tempfile
import zipfile
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from ..case import PHANTOM, SEQUENCE_LABELS
from ..errors import OutputError
from ..geometry import centre, voxel_positions
from ..storage import write_file
from .charts import add_k_curve, parts_of
from .geometry import lps_to_ras
from .host import slicer
from .logic import PHANTOM_ATTRIBUTE
from .results import CASE_ATTRIBUTE, RESULT_REFERENCE, ROLE_ATTRIBUTE, ImageFiles, Results
from .segmentations import TUMOUR_LOOK, add_segmentation, habitat_looks
from .tables import add_table
from .undo import all_nodes, remove_nodes, run, undoable
from .views import add_views, present
from .volumes import volume_steps

if TYPE_CHECKING:
    from ..analysis import Analysis
    from ..case import Case

PREVIEW_ROLE = "registered preview"
_ANSWER_ROLES = {"table", "text", "nomogram"}
_FILL = 0.5
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class ResultNodes:
    """MRML nodes of one result; what it lacks is None or empty.

    Parameters
    ----------
    table : results, one a row
    text : ``analysis.json``
    volumes : registered volumes by sequence name
    tumour, habitats : segmentations on the analysis grid
    nomogram : text node with the PNG of the nomogram in base64
    charts : plot chart nodes of the cluster validity by criterion
    """

    table: Any = None
    text: Any = None
    volumes: Mapping[str, Any] = field(default_factory=dict)
    tumour: Any = None
    habitats: Any = None
    nomogram: Any = None
    charts: Mapping[str, Any] = field(default_factory=dict)

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

    The volumes of a phantom say that they are one.

    Returns
    -------
    nodes by the parameter of `logic.HabitatPNILogic.case_from_nodes` that takes them (``t2w``, ``segmentation`` ...)
    """
    phantom = next((choice.reason for choice in case.provenance if choice.item == PHANTOM), None)
    return run(case_steps(scene, case.case_id, case.images, case.roi, case.roi_frame, case.b_values, phantom))


def case_steps(
    scene: Any,
    case_id: str,
    images: Mapping[str, sitk.Image],
    mask: sitk.Image | None,
    drawn_on: str | None,
    b_values: Mapping[str, float],
    phantom: str | None,
) -> Generator[str, None, dict[str, Any]]:
    """The work of `add_case`, one node a step; closed early or failing it takes back what it added."""

    def steps() -> Generator[str, None, dict[str, Any]]:
        nodes: dict[str, Any] = {}
        for name in images:
            label = SEQUENCE_LABELS.get(name, name)
            nodes[name] = yield from _volume_steps(scene, images, name, f"{case_id} {label}")
            if name in b_values:
                nodes[name].SetAttribute("b_value", f"{b_values[name]:g}")
            nodes[name].SetAttribute(PHANTOM_ATTRIBUTE, phantom)
        if mask is not None:
            yield "Loading the outline"
            reference = nodes.get(drawn_on) if drawn_on else None
            nodes["segmentation"] = add_segmentation(scene, mask, TUMOUR_LOOK, f"{case_id} outline", reference, fill_opacity=_FILL)
        return nodes

    return (yield from undoable(scene, steps()))


def show_results(scene: Any, analysis: Analysis | Results) -> ResultNodes:
    """Add an analysis to a scene, in place of an earlier one of the same case.

    The slice views that the scene has show T2W under the overlays, at the tumour. Where this fails the scene is left with
    the nodes it had.

    Raises
    ------
    CaseError
        when Slicer has no such voxels
    """
    return run(show_steps(scene, _results(analysis)))


def show_steps(scene: Any, results: Results) -> Generator[str, None, ResultNodes]:
    """The work of `show_results`, one node a step; yields what comes next.

    Closed early or failing it takes back what it added; the earlier result of the case goes in the last step only. Habitats
    without a probability replace earlier habitats, images and charts of the case and leave its other result nodes.

    Raises
    ------
    CaseError
        when Slicer has no such voxels
    OutputError
        when a file of the worker is missing or damaged
    """

    def steps() -> Generator[str, None, ResultNodes]:
        nodes, roles = yield from _add_steps(scene, results)
        yield "Showing the result"
        if nodes.background is not None:
            present(scene, nodes.background, nodes.volumes.get("adc"), _focus(results))
        new = {node.GetID() for node in roles.values()}
        earlier = [node for node in result_nodes(scene, results.case_id) if node.GetID() not in new]
        if not results.values:
            earlier = [node for node in earlier if node.GetAttribute(ROLE_ATTRIBUTE) not in _ANSWER_ROLES]
        _replace(scene, earlier, roles)
        return nodes

    return (yield from undoable(scene, steps()))


def show_registration(scene: Any, value: Mapping[str, Any]) -> Any:
    """Add the moving image as registered to a scene, in place of an earlier one: all steps of `registration_steps` at once."""
    return run(registration_steps(scene, value))


def registration_steps(scene: Any, value: Mapping[str, Any]) -> Generator[str, None, Any]:
    """Volume node of the moving image as registered (of T2W where several moved); None where nothing had to be registered.

    Parameters
    ----------
    value : result of the worker's command ``register``

    Raises
    ------
    OutputError
        when the worker's file is missing or damaged
    """

    def steps() -> Generator[str, None, Any]:
        files = value["files"].get("registered") or {}
        if not files:
            return None
        name = "t2w" if "t2w" in files else next(iter(files))
        node = yield from _volume_steps(scene, ImageFiles(files), name, f"{SEQUENCE_LABELS.get(name, name)} registered (preview)")
        earlier = [n for n in all_nodes(scene) if n.GetAttribute(ROLE_ATTRIBUTE) == PREVIEW_ROLE and _is_original(n)]
        _mark(node, PREVIEW_ROLE)
        _replace(scene, earlier, {PREVIEW_ROLE: node})
        return node

    return (yield from undoable(scene, steps()))


def result_nodes(scene: Any, case_id: str) -> list[Any]:
    """Result nodes of a case in a scene; copies that the user made of them are the user's."""
    return [node for node in all_nodes(scene) if node.GetAttribute(CASE_ATTRIBUTE) == case_id and _is_original(node)]


def write_scene(analysis: Analysis | Results, path: Path) -> None:
    """Write an analysis as a scene that opens in Slicer with its overlays in place.

    Every call uses a scene of its own. The bundle holds no path of this machine.

    Raises
    ------
    OutputError
        when the file cannot be written; nothing is left behind
    """
    scene = new_scene()
    results = _results(analysis)
    nodes, _ = run(_add_steps(scene, results))
    add_views(scene, nodes.background, nodes.table)
    if nodes.background is not None:
        present(scene, nodes.background, nodes.volumes.get("adc"), _focus(results))

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


def _add_steps(scene: Any, results: Results) -> Generator[str, None, tuple[ResultNodes, dict[str, Any]]]:
    """Add the nodes of a result; returns them, and each of them by the role that it carries as an attribute."""
    roles: dict[str, Any] = {}

    def tag(role: str, node: Any) -> Any:
        node.SetAttribute(CASE_ATTRIBUTE, results.case_id)
        _mark(node, role)
        roles[role] = node
        return node

    volumes: dict[str, Any] = {}
    for name in results.images:
        node = yield from _volume_steps(scene, results.images, name, f"{SEQUENCE_LABELS.get(name, name)} registered")
        volumes[name] = tag(name, node)
    reference = volumes.get("t2w") or next(iter(volumes.values()), None)
    if results.roi is not None:
        yield "Loading the tumour"
        tag("tumour", add_segmentation(scene, results.roi, TUMOUR_LOOK, "Tumour", reference, fill_opacity=0.0))
    if results.habitat_map is not None:
        yield "Loading the habitats"
        looks = habitat_looks([habitat["label"] for habitat in results.habitats])
        habitats = add_segmentation(scene, results.habitat_map, looks, "Habitats", reference, fill_opacity=_FILL, outline_opacity=0.0)
        tag("habitats", habitats)
    charts: dict[str, Any] = {}
    if results.k_curve is not None:
        yield "Loading the charts"
        charts = add_k_curve(scene, results.k_curve, len(results.habitats) or None)
        for name, chart in charts.items():
            tag(f"chart {name}", chart)
            for number, node in enumerate(parts_of(chart)):
                if node.GetAttribute(ROLE_ATTRIBUTE) is None:
                    tag(f"chart {name} {number}", node)
    if results.values:
        yield "Loading the table"
        tag("table", add_table(scene, results.values, "HabitatPNI results"))
        text = tag("text", scene.AddNewNodeByClass("vtkMRMLTextNode", "HabitatPNI analysis"))
        text.SetText(json.dumps(results.values, indent=1, ensure_ascii=False, allow_nan=False))
    if results.nomogram is not None:
        yield "Loading the nomogram"
        picture = tag("nomogram", scene.AddNewNodeByClass("vtkMRMLTextNode", "HabitatPNI nomogram"))
        picture.SetText(base64.b64encode(results.nomogram).decode("ascii"))
    single = {role: roles.get(role) for role in ("table", "text", "tumour", "habitats", "nomogram")}
    return ResultNodes(volumes=volumes, charts=charts, **single), roles


def _volume_steps(scene: Any, images: Mapping[str, sitk.Image], name: str, title: str) -> Generator[str, None, Any]:
    yield f"Reading {SEQUENCE_LABELS.get(name, name)}"
    image = images[name]
    yield f"Loading {SEQUENCE_LABELS.get(name, name)}"
    return (yield from volume_steps(scene, image, title))


def _mark(node: Any, role: str) -> None:
    node.SetAttribute(ROLE_ATTRIBUTE, role)
    node.SetNodeReferenceID(RESULT_REFERENCE, node.GetID())


def _is_original(node: Any) -> bool:
    return node.GetNodeReferenceID(RESULT_REFERENCE) == node.GetID()


def _replace(scene: Any, earlier: list[Any], roles: Mapping[str, Any]) -> None:
    """Remove earlier nodes, and give the new nodes of the same role the names that these had."""
    names = {node.GetAttribute(ROLE_ATTRIBUTE): node.GetName() for node in earlier}
    remove_nodes(scene, earlier)
    for role, node in roles.items():
        if role in names:
            node.SetName(names[role])


def _results(analysis: Analysis | Results) -> Results:
    return analysis if isinstance(analysis, Results) else Results.of(analysis)


def _focus(results: Results) -> np.ndarray:
    """Where the slice views go, RAS mm: the tumour voxel nearest the tumour's mean, so that it lies inside."""
    if results.roi is None:
        return lps_to_ras(centre(next(iter(results.images.values()))))
    positions = voxel_positions(results.roi)
    distance = np.linalg.norm(positions - positions.mean(axis=0), axis=1)
    return lps_to_ras(positions[int(np.argmin(distance))])


def _zip(folder: Path, target: Path) -> None:
    """Zip a folder under its own name; entries sorted and undated, images (compressed already) stored."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(folder.parent).as_posix(), _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_STORED if file.suffix == ".nrrd" else zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes())
