"""Between the parameter node and plain values: choices read, state read, results written."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from slicer.util import NodeModify

from ..case import SEQUENCE_LABELS
from ..errors import CaseError
from ..imaging.dicom_select import described_kind
from ..mrml.exchange import ExportRequest
from ..mrml.logic import PHANTOM_ATTRIBUTE
from ..mrml.measure import STANDARD, measure_segment
from ..mrml.results import RESULT_REFERENCE, ROLE_ATTRIBUTE
from ..mrml.segmentations import reference_volume
from .models import ModelList
from .state import CASE_ID, VECTORS, Basis, Doubt, Inputs, Stale, State, is_stale, needs_of
from .watch import IMAGES, TUMOUR

SELECTORS = {"t2w": "t2w", "dwi": "dwi", "adc": "adc", "low_b": "lowB"}
"""Parameter by sequence name."""

_OUTSIDE = "The segment lies outside"
_TOO_SMALL = ("The segment is too small", "The segment is empty")
_SURELY_TOO_SMALL = 0.75
"""Share of the smallest size below which no rounding of the analysis grid can save an outline."""
_CHARTS = {"chartCH": "calinski_harabasz", "chartSilhouette": "silhouette", "chartDB": "davies_bouldin"}


def chosen_volumes(parameters: Any) -> dict[str, Any]:
    """Chosen volume nodes by sequence name."""
    nodes = {name: getattr(parameters, parameter) for name, parameter in SELECTORS.items()}
    return {name: node for name, node in nodes.items() if node is not None}


def chosen_as(parameters: Any, node: Any) -> tuple[str, ...]:
    """Parameters of inputs that hold a node."""
    return tuple(name for name in (*SELECTORS.values(), "segmentation") if getattr(parameters, name) is node)


def leave_empty(parameters: Any, names: Iterable[str]) -> None:
    """Choose no node for these parameters."""
    with NodeModify(parameters):
        for name in names:
            setattr(parameters, name, None)
            if name == "segmentation":
                parameters.segmentID = ""


def inputs_of(parameters: Any, models: ModelList) -> Inputs:
    """The user's choices as plain values."""
    if parameters is None:
        return Inputs()
    offer = models.find(parameters.model)
    volumes = chosen_volumes(parameters)
    known = {predictor.name for predictor in offer.model.predictors} if offer.model else None
    clinical = {name: str(text).strip() for name, text in parameters.clinical.items() if str(text).strip()}
    return Inputs(
        model=offer.model,
        model_name=parameters.model,
        model_error=offer.error,
        sequences=frozenset(volumes),
        duplicates=tuple((a, b) for a, b in itertools.combinations(volumes, 2) if volumes[a] is volumes[b]),
        own_results=tuple(name for name, node in volumes.items() if _is_result(node)),
        doubts=tuple(_doubts(volumes)),
        segmentation=parameters.segmentation is not None,
        own_outline=parameters.segmentation is not None and _is_result(parameters.segmentation),
        segment=_segment(parameters),
        clinical={name: text for name, text in clinical.items() if known is None or name in known},
        prevalence=parameters.prevalence,
        b_value=parameters.dwiBValue,
        habitat_count=parameters.habitatCount,
        habitat_vectors=parameters.habitatVectors if parameters.habitatVectors in VECTORS else "",
    )


def outline_refusals(parameters: Any, inputs: Inputs) -> tuple[str, ...]:
    """Why no habitats can be found in the chosen outline: it is empty, by far too small, or beside an image."""
    settings = {**STANDARD, **((inputs.model.protocol.get("preprocessing") if inputs.model else None) or {})}
    try:
        found = measure_segment(parameters.segmentation, inputs.segment, chosen_volumes(parameters), settings)
    except CaseError as error:
        return (str(error),)
    voxels = 1000 * found.volume_ml / math.prod(settings["spacing_mm"])
    too_small = voxels < _SURELY_TOO_SMALL * settings["min_roi_voxels"]
    return tuple(line for line in found.warnings if line.startswith(_OUTSIDE) or (too_small and line.startswith(_TOO_SMALL)))


def request_of(parameters: Any, inputs: Inputs, with_images: bool = True) -> ExportRequest:
    """What is exported for the worker."""
    if not with_images:
        return ExportRequest(CASE_ID, {})
    b_values = {"dwi": inputs.b_value} if inputs.b_value else {}
    segmentation = parameters.segmentation if inputs.segment else None
    return ExportRequest(CASE_ID, chosen_volumes(parameters), segmentation, inputs.segment or None, b_values)


def state_of(parameters: Any, inputs: Inputs, busy: bool) -> State:
    """Everything that the sections show, read from nodes alone."""
    if parameters is None:
        return State(busy=busy)
    text = parameters.resultText.GetText() if parameters.resultText is not None else ""
    shown = _parsed(parameters.habitatsJson) or {}
    changed = Stale(images=parameters.staleRegistration, habitats=parameters.staleHabitats, result=parameters.staleResult)
    return State(
        inputs=inputs,
        needs=needs_of(inputs),
        stale=is_stale(inputs, Basis.parse(parameters.analysed), changed),
        busy=busy,
        analysis=_parsed(text),
        habitats=tuple(shown["habitats"]) if shown.get("habitats") else None,
        habitats_from_model=shown.get("from_model", True),
        shown_vectors=shown["vectors"] if shown.get("vectors") in VECTORS else "",
        k_curve=shown.get("k_curve"),
        registration=_parsed(parameters.registrationJson),
    )


def mark_changed(parameters: Any, kind: str) -> None:
    """Mark the results that a change of the images or of the outline puts out of date."""
    with NodeModify(parameters):
        if kind == IMAGES and parameters.registrationJson:
            parameters.staleRegistration = True
        if parameters.habitatsJson:
            parameters.staleHabitats = True
        analysis = _parsed(parameters.resultText.GetText()) if parameters.resultText is not None else None
        if analysis and analysis.get("habitats"):
            parameters.staleResult = True


def store_registration(parameters: Any, value: Mapping[str, Any], node: Any, made_of: Basis, changed: Mapping[str, bool]) -> None:
    """Keep the answer of ``register`` and the registered volume's node."""
    with NodeModify(parameters):
        parameters.registrationJson = json.dumps(value["registration"]) if value["registration"] else ""
        parameters.fixed = getattr(parameters, SELECTORS.get(value["fixed"], "adc")) if node is not None else None
        parameters.registered = node
        parameters.fade = 0.0
        parameters.staleRegistration = changed[IMAGES]
        parameters.analysed = replace(Basis.parse(parameters.analysed), registration=made_of.registration).text()


def store_habitats(parameters: Any, value: Mapping[str, Any], nodes: Any, made_of: Basis, changed: Mapping[str, bool]) -> None:
    """Keep the answer of ``habitats`` and its nodes."""
    with NodeModify(parameters):
        _store_shown(parameters, value, bool(value["from_model"]), nodes, made_of, changed)
        parameters.analysed = replace(Basis.parse(parameters.analysed), registration=made_of.registration, habitats=made_of.habitats).text()


def store_analysis(parameters: Any, value: Mapping[str, Any], nodes: Any, made_of: Basis, changed: Mapping[str, bool]) -> None:
    """Keep the answer of ``analyse`` and its nodes; a result without images leaves earlier habitats as they are."""
    analysis = value["analysis"]
    basis = Basis.parse(parameters.analysed)
    with NodeModify(parameters):
        parameters.resultTable, parameters.resultText, parameters.nomogram = nodes.table, nodes.text, nodes.nomogram
        parameters.staleResult = bool(analysis["habitats"]) and any(changed.values())
        if analysis["habitats"]:
            parameters.habitatCount, parameters.habitatVectors = 0, ""  # the result's habitats are the model's
            _store_shown(parameters, analysis, True, nodes, made_of, changed)
            basis = replace(basis, registration=made_of.registration, habitats=made_of.as_the_model)
        parameters.analysed = replace(basis, result=made_of.result).text()


def _store_shown(
    parameters: Any, value: Mapping[str, Any], from_model: bool, nodes: Any, made_of: Basis, changed: Mapping[str, bool]
) -> None:
    habitats = value["habitats"]
    shown = {
        "habitats": habitats,
        "k": len(habitats),
        "from_model": from_model,
        "vectors": value.get("vectors"),
        "k_curve": value.get("k_curve"),
    }
    registration = value.get("registration")
    parameters.habitatsJson = json.dumps(shown)
    parameters.registrationJson = json.dumps(registration) if registration else ""
    parameters.habitats = nodes.habitats
    for parameter, criterion in _CHARTS.items():
        setattr(parameters, parameter, nodes.charts.get(criterion))
    fixed, moving = nodes.volumes.get("adc") or nodes.volumes.get("dwi"), nodes.volumes.get("t2w")
    parameters.fixed, parameters.registered = (fixed, moving) if registration and fixed and moving else (None, None)
    parameters.fade = 0.0
    parameters.staleRegistration = changed[IMAGES]
    parameters.staleHabitats = changed[IMAGES] or changed[TUMOUR]


def store_phantom(parameters: Any, value: Mapping[str, Any], nodes: Mapping[str, Any], model: str) -> None:
    """Choose the phantom's nodes and clinical values, and where it is not empty its model."""
    segments = nodes["segmentation"].GetSegmentation() if "segmentation" in nodes else None
    with NodeModify(parameters):
        for name, parameter in SELECTORS.items():
            setattr(parameters, parameter, nodes.get(name))
        parameters.dwiBValue = parameters.prevalence = 0.0
        parameters.habitatCount, parameters.habitatVectors = 0, ""
        parameters.segmentation = nodes.get("segmentation")
        parameters.segmentID = segments.GetNthSegmentID(0) if segments is not None else ""
        parameters.clinical = {name: f"{number:g}" for name, number in value["clinical"].items()}
        if model:
            parameters.model = model


def earlier_phantom(parameters: Any, nodes: Mapping[str, Any]) -> list[Any]:
    """Chosen nodes of an earlier phantom that these new nodes of one replace; an outline drawn by the user is none of them."""
    volumes = [node for node in chosen_volumes(parameters).values() if node.GetAttribute(PHANTOM_ATTRIBUTE)]
    outline, new = parameters.segmentation, nodes.get("segmentation")
    if outline is not None and new is not None and outline.GetName() == new.GetName():
        drawn_on = reference_volume(outline)
        if any(drawn_on is volume for volume in volumes):
            volumes.append(outline)
    return list({id(node): node for node in volumes}.values())


def _is_result(node: Any) -> bool:
    """Whether the module made a node; a copy that the user made of it is the user's."""
    return bool(node.GetAttribute(ROLE_ATTRIBUTE)) and node.GetNodeReferenceID(RESULT_REFERENCE) == node.GetID()


def _doubts(volumes: Mapping[str, Any]) -> Iterator[Doubt]:
    for name, node in volumes.items():
        said = described_kind(node.GetName() or "")
        if said not in {"other", "dwi" if name == "low_b" else name}:
            yield Doubt(SEQUENCE_LABELS.get(name, name), node.GetName())


def _segment(parameters: Any) -> str:
    if parameters.segmentation is None:
        return ""
    segments = parameters.segmentation.GetSegmentation()
    if parameters.segmentID and segments.GetSegment(parameters.segmentID):
        return str(parameters.segmentID)
    return str(segments.GetNthSegmentID(0)) if segments.GetNumberOfSegments() == 1 else ""


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        values = json.loads(text) if text else None
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
