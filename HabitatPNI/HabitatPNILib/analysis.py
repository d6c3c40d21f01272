"""analyse(case, model) -> Analysis: the only way a case becomes a probability."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import RESEARCH_USE_ONLY, __version__
from .case import Case, Choice
from .errors import CaseError, WeightsError
from .frozen_model import FrozenModel, Imaging, Signature
from .habitat_vectors import HabitatVoxels, habitat_voxels
from .nomogram.intercept import model_intercept
from .predictors import code_values, range_warnings, unknown_values
from .preparation import HabitatMap, HabitatSummary, Prepared, habitat_summaries, habitat_validity, map_habitats, prepare
from .progress import Progress, no_progress, part
from .protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

    from .features.deep import DeepExtractor
    from .habitats.validity import KCurve
    from .imaging.registration import Registration

Preparation = Callable[[Case, Protocol, Progress], Prepared]
Vectors = Callable[[Case, Prepared, Protocol, Progress], HabitatVoxels]
Loader = Callable[[FrozenModel], "DeepExtractor"]

B_VALUE_WARNING = 0.25
B_VALUE_REFUSAL = 0.50
RADSCORE_SD_LIMIT = 4.0
MOVED_CUT_OFF_RULE = "the model's cut-off, moved along with the intercept to the local prevalence"
NO_IMAGES_NOTICE = "The images did not enter: none of the habitats that count was found; the probability rests on the clinical values alone"
LEFT_OUT_RULE = "features that hardly vary, repeat another or are missing in many voxels are left out"
DEMONSTRATION_NOTICE = "demonstration model: this number means nothing for a patient"


@dataclass(frozen=True)
class Contribution:
    """What one term of the logistic model adds to this case's log odds, against a patient at the training mean.

    Parameters
    ----------
    name, label : the term
    value : value that entered the model; `text` is how a person reads it
    coefficient : log odds per unit
    log_odds : ``coefficient * (value - training mean)``
    imputed : the value is the training mean, since the case has none (an absent habitat)
    """

    name: str
    label: str
    value: float
    text: str
    coefficient: float
    log_odds: float
    imputed: bool = False


@dataclass(frozen=True)
class Analysis:
    """One case's answer and everything that led to it.

    Parameters
    ----------
    case_id : the case
    model : the frozen model
    notice : what has to stand next to the number
    probability : probability of perineural invasion, 0 to 1
    cut_off : the model's, moved along with the intercept where a local prevalence was given: the same patients reach it
    cut_off_rule : how the cut-off was found
    high_risk : whether the probability reaches the cut-off
    contributions : one for each term of the logistic model
    intercept : of the logistic model (solved anew where a local prevalence was given)
    radscores : radscore of every region, on the logit scale (the training mean where the region is absent)
    b_values : b-values in s/mm2 of the case's ``dwi`` and ``low_b`` where known
    images : registered sequences in scanner units on the analysis grid (1 mm, directions of the fixed sequence), LPS
    roi : uint8 tumour mask on the analysis grid, or None when no image entered
    habitat_map : uint8 labels 1..k inside the ROI on the analysis grid, 0 outside
    habitats : one summary for each label
    k_curve : cluster validity for each k tried
    registration : T2W to the diffusion frame
    warnings : sentences for the user
    provenance : choices made on reading and in the analysis
    times : seconds by stage
    """

    case_id: str
    model: FrozenModel
    notice: str
    probability: float
    cut_off: float
    cut_off_rule: str
    high_risk: bool
    contributions: tuple[Contribution, ...]
    intercept: float
    radscores: Mapping[str, float] = field(default_factory=dict)
    b_values: Mapping[str, float] = field(default_factory=dict)
    images: Mapping[str, sitk.Image] = field(default_factory=dict)
    roi: sitk.Image | None = None
    habitat_map: sitk.Image | None = None
    habitats: tuple[HabitatSummary, ...] = ()
    k_curve: KCurve | None = None
    registration: Registration | None = None
    warnings: tuple[str, ...] = ()
    provenance: tuple[Choice, ...] = ()
    times: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``analysis.json``: plain values; the same for the same case and versions, apart from ``times``."""
        return {
            "research_use_only": RESEARCH_USE_ONLY,
            "notice": self.notice,
            "case_id": self.case_id,
            "probability": self.probability,
            "high_risk": self.high_risk,
            "cut_off": self.cut_off,
            "cut_off_rule": self.cut_off_rule,
            "intercept": self.intercept,
            "contributions": [vars(c) for c in self.contributions],
            "radscores": dict(self.radscores),
            "b_values": dict(self.b_values),
            "habitats": [h.to_dict() for h in self.habitats],
            "k_curve": vars(self.k_curve) if self.k_curve else None,
            "registration": self.registration.to_dict() if self.registration else None,
            "warnings": list(self.warnings),
            "model": self.model.summary(),
            "provenance": {"choices": [vars(choice) for choice in self.provenance], "versions": versions()},
            "times": {stage: round(seconds, 3) for stage, seconds in self.times.items()},
        }


def analyse(
    case: Case,
    model: FrozenModel,
    progress: Progress = no_progress,
    *,
    prevalence: float | None = None,
    prepare: Preparation = prepare,
    vectors: Vectors | None = None,
    load: Loader | None = None,
) -> Analysis:
    """Take a case through a frozen model.

    Parameters
    ----------
    case : images, ROI and clinical values; a clinical model needs the clinical values alone, and shows the habitats
        of a case that has an ROI and all sequences without using them
    model : frozen model
    progress : called between steps; may raise `Cancelled`
    prevalence : local prevalence (0..1) for a model whose intercept was solved over a stated covariate distribution
    prepare, vectors, load : `preparation.prepare`, `habitat_vectors.habitat_voxels` of what it gave and `load_extractor`, or what
        does the same and remembers it from case to case

    Raises
    ------
    CaseError
        when the case lacks what the model needs, or lies too far from what it was made with
    ModelError
        when the model asks for weights or a prevalence that cannot be had
    """
    clock = _Clock()
    protocol = Protocol.from_dict(dict(model.protocol), f"of model {model.name}")
    coded = code_values(model.predictors, case.clinical, case.case_id)
    warnings = [*range_warnings(model.predictors, coded), *unknown_values(model.predictors, case.clinical), *case.warnings]
    intercept, prevalence_sentence = model_intercept(model, prevalence)
    imaged: _Imaged | None = None
    if model.imaging is not None or (case.roi is not None and set(protocol.sequences) <= set(case.images)):
        imaged = _image(case, model, protocol, progress, clock, prepare, vectors or _vectors, load or load_extractor)
        warnings += imaged.warnings
    left_out = imaged is not None and _images_left_out(model, imaged.absent)
    if left_out:
        warnings.insert(0, NO_IMAGES_NOTICE)
    progress(0.98, "Nomogram")
    radscores = imaged.radscores if imaged else {}
    contributions = tuple(_contributions(model, coded, radscores, imaged.absent if imaged else ()))
    log_odds = intercept + sum(c.coefficient * c.value for c in contributions)
    probability = _expit(log_odds)
    cut_off = model.cut_off if intercept == model.intercept else _expit(_logit(model.cut_off) + intercept - model.intercept)
    first = f"{NO_IMAGES_NOTICE}." if left_out else ""
    notice = " ".join(part for part in (first, _demonstration(model, case), prevalence_sentence, model.notice) if part)
    analysis = Analysis(
        case_id=case.case_id,
        model=model,
        notice=notice,
        probability=probability,
        cut_off=cut_off,
        cut_off_rule=model.cut_off_rule if intercept == model.intercept else MOVED_CUT_OFF_RULE,
        high_risk=probability >= cut_off,
        contributions=contributions,
        intercept=intercept,
        radscores=radscores,
        warnings=tuple(warnings),
        provenance=(*case.provenance, *(imaged.choices if imaged else ())),
        b_values=case.b_values,
        times=clock.times,
    )
    progress(1.0, "Done")
    if imaged is None:
        return analysis
    return replace(
        analysis,
        images=imaged.prepared.preprocessed.images,
        roi=imaged.prepared.preprocessed.roi,
        habitat_map=imaged.map.labels,
        habitats=habitat_summaries(imaged.prepared, imaged.map),
        k_curve=imaged.curve,
        registration=imaged.prepared.registration,
    )


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide the numbers."""
    from importlib.metadata import PackageNotFoundError, version

    found = {"habitatpni": __version__}
    for package in ("numpy", "SimpleITK", "scikit-learn", "torch", "monai"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


@dataclass(frozen=True)
class _Imaged:
    prepared: Prepared
    map: HabitatMap
    curve: KCurve
    radscores: dict[str, float]
    absent: tuple[str, ...]
    warnings: list[str]
    choices: tuple[Choice, ...] = ()


class _Clock:
    def __init__(self) -> None:
        self.times: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.times[stage] = now - self._last
        self._last = now


def _image(
    case: Case,
    model: FrozenModel,
    protocol: Protocol,
    progress: Progress,
    clock: _Clock,
    prepare: Preparation,
    vectors: Vectors,
    load: Loader,
) -> _Imaged:
    warnings = check_b_value(case.case_id, case.b_values.get("dwi"), model.imaging) if model.imaging else []
    prepared = prepare(case, protocol, part(progress, 0.0, 0.45))
    clock.lap("registration and preprocessing")
    frozen = model.imaging.habitats if model.imaging else None
    voxels = vectors(case, prepared, protocol, part(progress, 0.45, 0.51))
    mapping = part(progress, 0.51, 0.52)
    habitat_map = map_habitats(prepared.preprocessed, protocol.habitats, protocol.sequences, frozen, mapping, voxels)
    validity = part(progress, 0.52, 0.6)
    curve = habitat_validity(prepared.preprocessed, protocol.habitats, habitat_map.centroids, validity, habitat_map.voxels)
    clock.lap("habitats")
    warnings += prepared.warnings
    entered = habitat_map.entered()
    choices = (Choice("texture", entered, LEFT_OUT_RULE),) if entered else ()
    if model.imaging is None:
        warnings.append("Habitats are shown for information: they were clustered from this case alone and do not enter the probability")
        return _Imaged(prepared, habitat_map, curve, {}, (), warnings, choices)
    extractor = load(model)
    features = extractor.extract(prepared.preprocessed.normalised, habitat_map.regions(), part(progress, 0.6, 0.98))
    clock.lap("deep features")
    warnings += [extractor.notice] if extractor.notice else []
    radscores, absent = {}, []
    entering = _entering(model)
    for region, signature in model.imaging.signatures.items():
        score = radscore(features, signature)
        if math.isnan(score):
            absent.append(region)
            consequence = "its radscore enters at the training mean" if region in entering else "its radscore does not enter this model"
            label = region.replace("habitat", "Habitat ")
            warnings.append(f"{label} is absent in this case (fewer than {protocol.habitats.min_voxels} voxels): {consequence}")
            score = signature.train_mean
        distance = abs(score - signature.train_mean) / signature.train_sd if signature.train_sd > 0 else 0.0
        if region in entering and distance > RADSCORE_SD_LIMIT:
            warnings.append(f"Radscore of {region} lies {distance:.1f} SD from the training mean: the case is unlike the training cases")
        radscores[region] = score
    if not entering:
        warnings.append("No radscore is part of this model: the probability rests on the clinical values alone")
    backbone = Choice("network", f"{protocol.deep.backbone}, {protocol.deep.weights}", extractor.description)
    return _Imaged(prepared, habitat_map, curve, radscores, tuple(absent), warnings, (*choices, backbone))


def _vectors(_case: Case, prepared: Prepared, protocol: Protocol, progress: Progress) -> HabitatVoxels:
    return habitat_voxels(prepared.preprocessed, protocol.habitats, protocol.sequences, progress)


def _entering(model: FrozenModel) -> set[str]:
    """Regions whose radscore is a term of the model."""
    signatures = model.imaging.signatures if model.imaging else {}
    return set(signatures) & {term.name.removeprefix("radscore_") for term in model.terms}


def _images_left_out(model: FrozenModel, absent: tuple[str, ...]) -> bool:
    """Whether the model takes radscores, and the case has none of their regions."""
    entering = _entering(model)
    return bool(entering) and entering <= set(absent)


def radscore(features: Mapping[str, float] | pd.Series, signature: Signature) -> float:
    """Radscore of one region on the logit scale; NaN when the region's features are (an absent habitat)."""
    values = np.array([features[name] for name in signature.features], dtype=np.float64)
    scaled = (values - np.array(signature.mean)) / np.array(signature.scale)
    return float(signature.intercept + scaled @ np.array(signature.coefficients))


def load_extractor(model: FrozenModel, device: str = "cpu") -> DeepExtractor:
    """Load a combined model's network.

    Parameters
    ----------
    device : ``cpu`` or ``cuda``

    Raises
    ------
    WeightsError
        when its weights are not there, or not those the model was made with
    """
    from .features.deep import DeepExtractor

    assert model.imaging is not None
    settings = Protocol.from_dict(dict(model.protocol), f"of model {model.name}").deep
    extractor = DeepExtractor(settings, device)
    if extractor.weights_sha256 != model.imaging.weights_sha256:
        raise WeightsError(
            f"Model {model.name}: field imaging.weights_sha256: the {settings.backbone} weights at hand "
            f"({settings.weights}) are not those the model was made with; install the matching weights"
        )
    return extractor


def check_b_value(case_id: str, given: float | None, imaging: Imaging) -> list[str]:
    """Warnings about a case's b-value of DWI in s/mm2 (None: not known); CaseError where the model was made with quite another one."""
    wanted = imaging.b_values.get("dwi")
    if wanted is None:
        return []
    if given is None:
        return [f"The DWI's b-value is not known; the model was made with b = {wanted:g} s/mm2"]
    difference = abs(given - wanted) / wanted
    sentence = f"DWI has b = {given:g} s/mm2, the model was made with b = {wanted:g} ({difference:.0%} off)"
    if difference > B_VALUE_REFUSAL:
        raise CaseError(
            f"Case {case_id}: {sentence}; more than {B_VALUE_REFUSAL:.0%} is refused: "
            "give a DWI closer to it, or correct its b-value (--dwi, --b-value)"
        )
    return [f"{sentence}: the radscores are less certain"] if difference > B_VALUE_WARNING else []


def _demonstration(model: FrozenModel, case: Case) -> str:
    return f"Attention, {DEMONSTRATION_NOTICE}." if model.demonstration and not case.is_phantom else ""


def _contributions(
    model: FrozenModel, coded: Mapping[str, float], radscores: Mapping[str, float], absent: tuple[str, ...]
) -> list[Contribution]:
    labels = {p.name: p for p in model.predictors}
    result = []
    for term in model.terms:
        region = term.name.removeprefix("radscore_")
        predictor = labels.get(term.name)
        value = coded[term.name] if predictor else radscores[region]
        text = predictor.describe(value) if predictor else f"{value:.3f}"
        result.append(
            Contribution(term.name, term.label, value, text, term.coefficient, term.coefficient * (value - term.mean), region in absent)
        )
    return result


def _expit(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))


def _logit(probability: float) -> float:
    return math.log(probability / (1.0 - probability))
