"""What the sections show, as plain values: what is still needed, what is out of date. No Qt, no scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

from ..case import SEQUENCE_LABELS
from ..errors import CaseError
from ..frozen_model import FrozenModel

try:
    from slicer.i18n import tr as _
except ImportError:  # plain Python, outside Slicer: the sentences stay English

    def _(text: str) -> str:
        return text


CASE_ID = "1"
"""The panel's case: outputs never carry a name from the scene."""

SECTIONS = ("images", "tumour", "habitats", "clinical", "result")

SELECTABLE = ("t2w", "dwi", "adc", "low_b")
"""Sequences that can be chosen in the section Images."""

VECTORS = ("intensity", "hcc77", "all93")
"""What habitats can be clustered from, under the worker's names; an empty text is what the model takes."""

BEST = -1
"""In the place of a number of habitats: the one that most validity indices speak for."""


@dataclass(frozen=True)
class Doubt:
    """A sequence, and the name of the volume chosen for it, which says that it is another."""

    sequence: str
    name: str


@dataclass(frozen=True)
class Inputs:
    """The user's choices, without any node.

    Parameters
    ----------
    model : the loaded model; None where none is chosen or it cannot be loaded
    model_name, model_error : what is chosen, and why it could not be loaded
    sequences : names of the sequences chosen (``t2w`` ...)
    duplicates : pairs of sequences that are one and the same node
    own_results : names of the sequences for which a result of this module is chosen
    doubts : volumes whose name says another sequence than they are chosen for
    segmentation, own_outline : a segmentation is chosen, and it is a result of this module
    segment : ID of the tumour's segment; empty where it is not clear which
    clinical : clinical values as typed, empty ones left out
    prevalence : local prevalence in percent, 0 for the model's own
    b_value : of the DWI in s/mm2 as typed, 0 for the node's own
    habitat_count : habitats to cluster, 0 for the model's number, `BEST` for the one that the validity indices speak for
    habitat_vectors : one of `VECTORS`, empty for the model's
    """

    model: FrozenModel | None = None
    model_name: str = ""
    model_error: str = ""
    sequences: frozenset[str] = frozenset()
    duplicates: tuple[tuple[str, str], ...] = ()
    own_results: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    segmentation: bool = False
    own_outline: bool = False
    segment: str = ""
    clinical: Mapping[str, str] = field(default_factory=dict)
    prevalence: float = 0.0
    b_value: float = 0.0
    habitat_count: int = 0
    habitat_vectors: str = ""

    @property
    def images_wanted(self) -> bool:
        """Whether the model's probability rests on images; a clinical model's does not."""
        return self.model is None or self.model.imaging is not None

    @property
    def wanted_sequences(self) -> tuple[str, ...]:
        """Sequences that the model's protocol names."""
        named = self.model.protocol.get("sequences") if self.model else None
        return tuple(named) if named else ("t2w", "dwi", "adc")

    @property
    def images_complete(self) -> bool:
        """Whether images and outline are there, so that habitats can be made of them."""
        return not image_needs(self) and not tumour_needs(self)


@dataclass(frozen=True)
class Needs:
    """Sentences on what each section still needs; empty where it needs nothing.

    `habitats` is what finding habitats needs of the other sections, `result` what Run all needs of them; `model` belongs to the top.
    """

    model: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    tumour: tuple[str, ...] = ()
    habitats: tuple[str, ...] = ()
    clinical: tuple[str, ...] = ()
    result: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stale:
    """Whether the results that a section shows are out of date (`images`: the registration)."""

    images: bool = False
    tumour: bool = False
    habitats: bool = False
    clinical: bool = False
    result: bool = False


@dataclass(frozen=True)
class Basis:
    """What the results were made of and is no node, each a plain JSON value; None where there is no such result."""

    registration: Mapping[str, Any] | None = None
    habitats: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, inputs: Inputs) -> Basis:
        """What all three would be made of now."""
        model = inputs.model
        registration = {"fixed": None, "registration": None}
        if model is not None:
            registration = {key: model.protocol.get(key) for key in registration}
        checksum = model.checksum if model else inputs.model_name
        result = {"model": checksum, "clinical": _coded(inputs), "b_value": inputs.b_value}
        prevalence = {"prevalence": inputs.prevalence} if model is None or model.prevalence is not None else {}
        vectors = {"vectors": inputs.habitat_vectors} if inputs.habitat_vectors else {}  # earlier scenes say nothing of vectors
        return cls(registration, {"model": checksum, "k": inputs.habitat_count, **vectors}, {**result, **prevalence})

    @property
    def as_the_model(self) -> dict[str, Any]:
        """`habitats` for the model's own number and vectors."""
        return {**{key: value for key, value in (self.habitats or {}).items() if key != "vectors"}, "k": 0}

    @classmethod
    def parse(cls, text: str) -> Basis:
        """Read what `text` wrote; anything else counts as no result."""
        try:
            values = json.loads(text or "{}")
            return cls(**{f.name: values.get(f.name) for f in fields(cls)})
        except (ValueError, AttributeError):
            return cls()

    def text(self) -> str:
        """One line of JSON."""
        return json.dumps({f.name: getattr(self, f.name) for f in fields(self)}, sort_keys=True)


@dataclass(frozen=True)
class State:
    """All that a section needs to repaint itself, besides the parameter node.

    Parameters
    ----------
    inputs : the user's choices
    needs, stale : by section
    busy : something runs; inputs are locked
    analysis : parsed ``analysis.json`` of the shown result, or None
    habitats : the shown habitats as in ``analysis.json``, or None; `k_curve`, `habitats_from_model` and
        `shown_vectors` (one of `VECTORS` they were clustered from; empty for the model's, or where the scene does not say) belong to them
    registration : as in ``analysis.json``, or None where nothing was registered
    """

    inputs: Inputs = field(default_factory=Inputs)
    needs: Needs = field(default_factory=Needs)
    stale: Stale = field(default_factory=Stale)
    busy: bool = False
    analysis: Mapping[str, Any] | None = None
    habitats: tuple[Mapping[str, Any], ...] | None = None
    habitats_from_model: bool = True
    shown_vectors: str = ""
    k_curve: Mapping[str, Any] | None = None
    registration: Mapping[str, Any] | None = None

    @property
    def model(self) -> FrozenModel | None:
        """The chosen model, or None."""
        return self.inputs.model

    @property
    def images_wanted(self) -> bool:
        """Whether the model's probability rests on images."""
        return self.inputs.images_wanted


def needs_of(inputs: Inputs) -> Needs:
    """What Run all still needs, by section; finding habitats under `habitats`."""
    model, images, tumour, clinical = model_needs(inputs), image_needs(inputs), tumour_needs(inputs), clinical_needs(inputs)
    habitats = (*images, *tumour)
    if not inputs.images_wanted:
        images = tumour = ()
    return Needs(model, images, tumour, habitats, clinical, (*model, *images, *tumour, *clinical))


def first_needy(needs: Needs) -> str:
    """The first section, from the top, that needs something before Run all; empty where none does."""
    return next((name for name in ("model", "images", "tumour", "clinical") if getattr(needs, name)), "")


def model_needs(inputs: Inputs) -> tuple[str, ...]:
    """What the choice of the model lacks."""
    if inputs.model is not None:
        return ()
    return (inputs.model_error or _("Choose a model."),)


def image_needs(inputs: Inputs) -> tuple[str, ...]:
    """What the choice of images lacks for a registration."""
    beyond = [SEQUENCE_LABELS.get(name, name) for name in inputs.wanted_sequences if name not in SELECTABLE]
    if beyond:
        sentence = _("This model needs {sequences}, which cannot be chosen here yet: run it in a terminal with habitatpni predict.")
        return (sentence.format(sequences=", ".join(beyond)),)
    missing = [SEQUENCE_LABELS.get(name, name) for name in inputs.wanted_sequences if name not in inputs.sequences]
    sentences = [_("Choose a volume for {sequences}.").format(sequences=", ".join(missing))] if missing else []
    for pair in inputs.duplicates:
        first, second = (SEQUENCE_LABELS.get(name, name) for name in pair)
        sentences.append(_("{first} and {second} are the same volume; choose another for one of them.").format(first=first, second=second))
    for name in inputs.own_results:
        sentence = _("{sequence}: this is a result of HabitatPNI; choose the original volume.")
        sentences.append(sentence.format(sequence=SEQUENCE_LABELS.get(name, name)))
    return tuple(sentences)


def tumour_needs(inputs: Inputs) -> tuple[str, ...]:
    """What the outline lacks."""
    if not inputs.segmentation:
        return (_("Choose the segmentation with the tumour's outline, or draw one."),)
    if inputs.own_outline:
        return (_("This is a result of HabitatPNI; choose the original outline."),)
    return () if inputs.segment else (_("Choose the segment that outlines the tumour."),)


def clinical_needs(inputs: Inputs) -> tuple[str, ...]:
    """Clinical values that are missing or impossible; one outside the training range is neither."""
    sentences = []
    predictors = inputs.model.predictors if inputs.model else ()
    missing = [p.label for p in predictors if p.name not in inputs.clinical]
    if missing:
        sentences.append(_("Give {predictors}.").format(predictors=", ".join(missing)))
    for predictor in predictors:
        if predictor.name in inputs.clinical:
            try:
                predictor.code(inputs.clinical[predictor.name], CASE_ID)
            except CaseError as error:
                sentences.append(str(error).removeprefix(f"Case {CASE_ID}: "))
    return tuple(sentences)


def is_stale(inputs: Inputs, made_of: Basis, changed: Stale) -> Stale:
    """Which results are out of date: a node of theirs was changed, or the inputs are not those they were made of."""
    now = Basis.of(inputs)
    pairs = ((made_of.registration, now.registration), (made_of.habitats, now.habitats), (made_of.result, now.result))
    registration, habitats, result = (was is not None and was != new for was, new in pairs)
    registration = registration and inputs.model is not None  # without a model nothing says that it would be another
    return Stale(images=registration or changed.images, habitats=habitats or changed.habitats, result=result or changed.result)


def status_lines(state: State) -> dict[str, str]:
    """The line at the top of each section: what it still needs, that it is out of date, or nothing."""
    inputs, needs, stale = state.inputs, state.needs, state.stale
    lines = {name: "\n".join(getattr(needs, name)) for name in ("images", "tumour", "clinical")}
    if inputs.model is None:
        lines["clinical"] = _("Choose a model.")
    elif not inputs.images_wanted:
        optional = _("Not needed by this model. Images and an outline show the habitats for information.")
        lines["images"] = lines["tumour"] = "" if inputs.images_complete else optional
    lines["habitats"] = "" if state.habitats else "\n".join(needs.habitats)
    lines["result"] = "" if state.analysis else "\n".join(needs.result) or _("Press Run all.")
    changed = _("Out of date: an input was changed.")
    if stale.images and state.registration and not needs.images:
        lines["images"] = _("Out of date: the images were changed. Press Register or Run all.")
    if stale.habitats and state.habitats:
        lines["habitats"] = "\n".join([changed, *needs.habitats]) if needs.habitats else f"{changed} {_('Press Find habitats or Run all.')}"
    if stale.result and state.analysis:
        lines["result"] = "\n".join([changed, *needs.result]) if needs.result else f"{changed} {_('Press Run all.')}"
    doubt = _("The volume chosen as {sequence} is called {name}: check the choice.")
    lines["images"] = "\n".join(filter(None, [lines["images"], *(doubt.format(**vars(found)) for found in inputs.doubts)]))
    return lines


def sections_of_caution(state: State) -> frozenset[str]:
    """Sections whose line is more than a hint: a result of theirs is out of date, or a choice looks wrong."""
    stale = {name for name in SECTIONS if getattr(state.stale, name)}
    return frozenset(stale | ({"images"} if state.inputs.doubts else set()))


def _coded(inputs: Inputs) -> dict[str, Any]:
    """Clinical values as numbers where they can be read, so that another way of writing one is no change."""
    values: dict[str, Any] = dict(sorted(inputs.clinical.items()))
    for predictor in inputs.model.predictors if inputs.model else ():
        if predictor.name in values:
            with suppress(CaseError):
                values[predictor.name] = predictor.code(values[predictor.name], CASE_ID)
    return values
