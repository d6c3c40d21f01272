"""A case as the worker is sent it: a JSON object that names files. Public: `read_case`, `check_description`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .case import SEQUENCE_LABELS, Case
from .errors import CaseError, RequestError
from .imaging.assembly import case_from_outline
from .imaging.roi import ALL, read_roi
from .imaging.volume_io import read_image
from .protocol import DiffusionSection

_CASE_FIELDS: dict[str, tuple[type, ...]] = {
    "case_id": (str, int),
    "images": (Mapping,),
    "mask": (str, type(None)),
    "drawn_on": (str, type(None)),
    "b_values": (Mapping, type(None)),
    "phantom": (str, type(None)),
}


def read_case(description: Mapping[str, Any], clinical: Mapping[str, Any], diffusion: DiffusionSection) -> Case:
    """Case of the files that a ``case`` of the worker's protocol names.

    Raises
    ------
    RequestError
        the description lacks something, or is not of the form that is documented
    CaseError
        a file is missing or damaged, or they cannot be one patient's case
    """
    check_description(description)
    case_id = str(description["case_id"])
    try:
        images = {name: read_image(path, SEQUENCE_LABELS.get(name, name)) for name, path in description["images"].items()}
        mask = read_roi(description["mask"], ALL) if description.get("mask") else None
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error
    return case_from_outline(
        images,
        mask,
        description.get("drawn_on"),
        description.get("b_values"),
        clinical=clinical,
        case_id=case_id,
        diffusion=diffusion,
        phantom=description.get("phantom"),
    )


def check_description(description: object) -> None:
    """Refuse what is not of the form that the worker documents.

    Raises
    ------
    RequestError
        naming the fields that are missing or wrong
    """
    if not isinstance(description, Mapping):
        raise RequestError("The worker was sent a case that is not a JSON object")
    wrong = [name for name, types in _CASE_FIELDS.items() if not isinstance(description.get(name), types)]
    if not wrong:
        files, b_values = description["images"].values(), (description.get("b_values") or {}).values()
        wrong += [] if all(isinstance(path, str) for path in files) else ["images"]
        wrong += [] if all(isinstance(value, (int, float)) for value in b_values) else ["b_values"]
    if wrong:
        raise RequestError(f"The worker was sent a case whose {' and '.join(wrong)} is missing or of the wrong type")
