"""A case between the scene and the worker: nodes to files, and the files of a phantom to nodes, one a turn."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..case import SEQUENCE_LABELS
from ..errors import CaseError, OutputError
from ..imaging.volume_io import as_read
from .logic import drawn_on, known_b_values, phantom_text
from .results import ImageFiles, read_image
from .scene import case_steps
from .segmentations import segment_mask
from .volumes import to_image

_KEPT = {sitk.sitkInt16, sitk.sitkFloat32, sitk.sitkUInt8}


@dataclass(frozen=True)
class ExportRequest:
    """What the user chose.

    Parameters
    ----------
    case_id : name used in outputs; not a patient's identifier
    volumes : scalar volume nodes by sequence name (``t2w``, ``dwi``, ``adc``, ``low_b``)
    segmentation, segment_id : segmentation node and ID or name of the tumour's segment; without a node there is no outline
    b_values : b-values in s/mm2 given by the user; else the nodes' attributes, DICOM tags or names say them
    """

    case_id: str
    volumes: Mapping[str, Any]
    segmentation: Any = None
    segment_id: str | None = None
    b_values: Mapping[str, float] = field(default_factory=dict)


def export_case(request: ExportRequest, folder: str | Path) -> Generator[str, None, dict[str, Any]]:
    """Write a case's nodes as NRRD files into a folder; yields what comes next, returns the worker's ``case``.

    Nodes are read where their linear transforms put them. A run over these files gives the bits that
    `logic.HabitatPNILogic.run` gives over the nodes.

    Raises
    ------
    CaseError
        when a node cannot be read as a case's image or outline, or a b-value is no number
    OutputError
        when a file cannot be written
    """
    folder = Path(folder)
    nodes = {name: node for name, node in request.volumes.items() if node is not None}
    b_values = known_b_values(nodes, request.b_values, request.case_id)
    paths = {}
    mask = None
    try:
        for name, node in nodes.items():
            label = SEQUENCE_LABELS.get(name, name)
            yield f"Reading {label}"
            image = to_image(node, label)
            yield f"Writing {label}"
            paths[name] = _write(image, folder / f"{name}.nrrd")
        if request.segmentation is not None:
            yield "Reading the outline"
            outline = segment_mask(request.segmentation, request.segment_id)
            yield "Writing the outline"
            mask = _write(outline, folder / "mask.nrrd")
    except CaseError as error:
        raise CaseError(f"Case {request.case_id}: {error}") from error
    return {
        "case_id": request.case_id,
        "images": paths,
        "mask": mask,
        "drawn_on": drawn_on(request.segmentation, nodes),
        "b_values": b_values,
        "phantom": phantom_text(nodes),
    }


def load_case(scene: Any, case: Mapping[str, Any]) -> Generator[str, None, dict[str, Any]]:
    """Add the files of a worker's ``case`` (a phantom) to a scene as `scene.add_case` would; yields what comes next.

    Closed early or failing it takes back what it added.

    Returns
    -------
    nodes by the parameter of `logic.HabitatPNILogic.case_from_nodes` that takes them

    Raises
    ------
    OutputError
        when a file is missing or damaged
    """
    mask = read_image(case["mask"]) if case.get("mask") else None
    images = ImageFiles(case["images"])
    b_values = case.get("b_values") or {}
    return (yield from case_steps(scene, case["case_id"], images, mask, case.get("drawn_on"), b_values, case.get("phantom")))


def _write(image: sitk.Image, path: Path) -> str:
    if image.GetPixelID() not in _KEPT:
        image = as_read(image)
    try:
        sitk.WriteImage(image, str(path), False)
    except RuntimeError as error:
        raise OutputError(f"{path.name} could not be written into the temporary folder: is the disk full?") from error
    return str(path)
