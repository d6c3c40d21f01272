"""FrozenModel: a trained model as data. Loading verifies schema and checksums and refuses what does not match.

Standard library alone, so that the panel can list models and show their cards before anything is installed.
A model is a folder with ``model.json``, ``card.md`` and the files that ``model.json`` lists with their sha256.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import RESEARCH_USE_ONLY
from .errors import ModelError
from .model_checks import check_finite, check_model
from .predictors import Predictor
from .resources import resource_folder
from .storage import write_text

SCHEMA = "habitatpni-model-1"
_UNSIGNED = "0" * 64


@dataclass(frozen=True)
class Term:
    """One term of the logistic model: its coefficient (log odds per unit) and what training saw of it."""

    name: str
    label: str
    coefficient: float
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Signature:
    """A region's radscore: ``intercept + sum(coefficient * (feature - mean) / scale)``, on the logit scale.

    `train_mean` and `train_sd` describe the radscore over the training patients: a patient without this region
    enters at the mean, one beyond 4 SD is warned.
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    train_mean: float
    train_sd: float


@dataclass(frozen=True)
class HabitatCentroids:
    """Frozen scaler and centroids of habitats; centroids are in scaled units, one row a habitat.

    Parameters
    ----------
    sequences : what the columns of a voxel's vector are: sequences, or texture features as ``adc__original_glcm_Contrast``
    mean, scale : of each column
    centroids : (habitats, columns)
    """

    sequences: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    centroids: tuple[tuple[float, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> HabitatCentroids:
        """`to_dict` reversed, also after JSON; KeyError or TypeError for what is missing or of another form."""
        lists = tuple(values["sequences"]), tuple(values["mean"]), tuple(values["scale"]), _rows(values["centroids"])
        if "components" not in values:
            return HabitatCentroids(*lists)
        precisions = tuple(_rows(matrix) for matrix in values["precisions"])
        return HabitatMixture(*lists, _rows(values["components"]), tuple(values["log_weights"]), precisions)


@dataclass(frozen=True)
class HabitatMixture(HabitatCentroids):
    """Frozen Gaussian mixture: centroids are its means; a voxel belongs to the component of the highest posterior.

    Parameters
    ----------
    components : (axes, columns), orthonormal rows: the axes on which the Gaussians live, from the columns in scaled units
    log_weights : of each habitat, (habitats,)
    precisions : (habitats, axes, axes), upper triangular L with ``L @ L.T`` the inverse covariance
    """

    components: tuple[tuple[float, ...], ...]
    log_weights: tuple[float, ...]
    precisions: tuple[tuple[tuple[float, ...], ...], ...]


@dataclass(frozen=True)
class Imaging:
    """The imaging half of a combined model."""

    b_values: Mapping[str, float]
    backbone: str
    weights: str
    weights_sha256: str
    habitats: HabitatCentroids | None
    signatures: Mapping[str, Signature]


@dataclass(frozen=True)
class FrozenModel:
    """A trained model as data; prediction is in `analysis.analyse`.

    Parameters
    ----------
    name, version, title : identity
    kind : ``"clinical"`` (no image enters the probability) or ``"combined"``
    notice : first thing a user is told about the model
    demonstration : trained on the phantom: on a real case every output says that the number means nothing
    protocol : the protocol as plain values
    predictors : clinical predictors in the order of the panel
    intercept, terms : the logistic model
    cut_off, cut_off_rule : probability from which a case counts as high risk, and how it was found
    imaging : habitats, backbone and radscores of a combined model
    prevalence : for a model whose intercept was solved: the mean risk and the covariate distribution it was solved over
    cohort : which patients, laterality and scanners the model fits
    performance, provenance : as reported
    files : sha256 of the other files of the model's folder
    """

    name: str
    version: str
    title: str
    kind: str
    notice: str
    demonstration: bool
    protocol: Mapping[str, Any]
    predictors: tuple[Predictor, ...]
    intercept: float
    terms: tuple[Term, ...]
    cut_off: float
    cut_off_rule: str
    imaging: Imaging | None = None
    prevalence: Mapping[str, Any] | None = None
    cohort: Mapping[str, Any] = field(default_factory=dict)
    performance: tuple[Mapping[str, Any], ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None
    checksum: str = ""

    @property
    def card(self) -> str:
        """Text of the model card."""
        return (self.folder / "card.md").read_text(encoding="utf-8") if self.folder else ""

    def summary(self) -> dict[str, Any]:
        """Identity of the model for outputs: name, version, checksum, kind and notice."""
        return {
            "name": self.name,
            "version": self.version,
            "title": self.title,
            "kind": self.kind,
            "notice": self.notice,
            "demonstration": self.demonstration,
            "checksum": self.checksum,
        }


def model_folders() -> list[Path]:
    """Folders that are searched for models, first wins: ``HABITATPNI_MODELS``, the extension's own, the checkout's."""
    named = [Path(p) for p in os.environ.get("HABITATPNI_MODELS", "").split(os.pathsep) if p]
    return [*named, resource_folder() / "HabitatPNIModels", Path(__file__).resolve().parents[2] / "models"]


def installed_models() -> Iterator[Path]:
    """Folder of every model that can be found by name, each name once."""
    seen: set[str] = set()
    for folder in model_folders():
        for path in sorted(folder.glob("*/model.json")):
            if path.parent.name not in seen:
                seen.add(path.parent.name)
                yield path.parent


def find_model(name_or_folder: str | Path) -> Path:
    """Folder of a model given by name or by path.

    Raises
    ------
    ModelError
        listing the models that are there
    """
    direct = Path(name_or_folder)
    if (direct / "model.json").is_file():
        return direct
    for folder in installed_models():
        if folder.name == str(name_or_folder):
            return folder
    known = ", ".join(p.name for p in installed_models()) or "none"
    raise ModelError(f"No model {name_or_folder}: neither a folder with a model.json nor one of the installed models ({known})")


def load_model(name_or_folder: str | Path) -> FrozenModel:
    """Load and verify a frozen model.

    Raises
    ------
    ModelError
        naming the file and field that is missing, of another schema, does not match its checksum, or does not fit the others
    """
    folder = find_model(name_or_folder)
    path = folder / "model.json"
    damaged = f"Model {folder.name}: model.json is damaged; install the model again"
    try:
        text = path.read_bytes().decode("utf-8")
        values = json.loads(text)
    except OSError as error:
        raise ModelError(f"Model {folder.name}: model.json cannot be read ({error.strerror}); check its permissions") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(damaged) from error
    if not isinstance(values, dict):
        raise ModelError(damaged)
    if values.get("schema") != SCHEMA:
        stated = values.get("schema") or "missing"
        raise ModelError(f"Model {folder.name}: field schema is {stated}, this version reads {SCHEMA}; use a matching version")
    _verify_checksum(text, values, folder.name)
    check_finite(values, folder.name)
    model = _from_values(values, folder)
    check_model(model, folder.name)
    for name, digest in model.files.items():
        file = folder / name
        if not file.is_file():
            raise ModelError(f"Model {folder.name}: {name} is missing; install the model again")
        if hashlib.sha256(file.read_bytes()).hexdigest() != digest:
            raise ModelError(f"Model {folder.name}: field files.{name}: the file does not match its sha256; install the model again")
    return model


def write_model(model: FrozenModel, folder: Path, card: str) -> FrozenModel:
    """Write ``model.json`` and ``card.md`` and return the model as loaded again from there.

    Raises
    ------
    ModelError
        when it could not be loaded again; then nothing is written
    OutputError
        when a file cannot be written
    """
    values = _to_values(model)
    check_finite(values, folder.name)
    check_model(model, folder.name)
    _write_values(values, folder, card)
    return load_model(folder)


def _write_values(values: dict[str, Any], folder: Path, card: str) -> None:
    """Write the card, and the values with their checksums."""
    write_text(folder / "card.md", card)
    values["files"] = {"card.md": hashlib.sha256(card.encode("utf-8")).hexdigest()}
    values["section_checksums"] = {key: _digest(value) for key, value in values.items()}
    values["checksum"] = _UNSIGNED
    text = json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    write_text(folder / "model.json", digest.join(text.rsplit(_UNSIGNED, 1)))


def _verify_checksum(text: str, values: dict[str, Any], name: str) -> None:
    stated = values.get("checksum")
    if not isinstance(stated, str) or len(stated) != 64:
        raise ModelError(f"Model {name}: field checksum is missing; install the model again")
    if hashlib.sha256(text.replace(stated, _UNSIGNED).encode("utf-8")).hexdigest() == stated:
        return
    sections = values.get("section_checksums")
    sections = sections if isinstance(sections, dict) else {}
    changed = [k for k, v in values.items() if k not in {"checksum", "section_checksums"} and sections.get(k) != _digest(v)]
    changed += [k for k in sections if k not in values]
    field_name = f"field {', '.join(changed)}" if changed else "field checksum"
    raise ModelError(f"Model {name}: {field_name} does not match its checksum: model.json was altered; install the model again")


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode("utf-8")).hexdigest()


def _to_values(model: FrozenModel) -> dict[str, Any]:
    imaging = None
    if model.imaging is not None:
        habitats = model.imaging.habitats
        imaging = {
            **vars(model.imaging),
            "b_values": dict(model.imaging.b_values),
            "habitats": habitats.to_dict() if habitats else None,
            "signatures": {region: dict(vars(signature)) for region, signature in model.imaging.signatures.items()},
        }
    return {
        "schema": SCHEMA,
        "name": model.name,
        "version": model.version,
        "title": model.title,
        "kind": model.kind,
        "notice": model.notice,
        "research_use_only": RESEARCH_USE_ONLY,
        "demonstration": model.demonstration,
        "cohort": dict(model.cohort),
        "predictors": [p.to_dict() for p in model.predictors],
        "intercept": model.intercept,
        "terms": [dict(vars(t)) for t in model.terms],
        "cut_off": model.cut_off,
        "cut_off_rule": model.cut_off_rule,
        "prevalence": model.prevalence,
        "performance": [dict(row) for row in model.performance],
        "imaging": imaging,
        "protocol": dict(model.protocol),
        "provenance": dict(model.provenance),
    }


def _from_values(values: dict[str, Any], folder: Path) -> FrozenModel:
    field_name = ""

    def take(key: str, kind: type | tuple[type, ...]) -> Any:
        nonlocal field_name
        field_name = key
        if not isinstance(values[key], kind):
            raise TypeError
        return values[key]

    try:
        return FrozenModel(
            name=take("name", str),
            version=take("version", str),
            title=take("title", str),
            kind=take("kind", str),
            notice=take("notice", str),
            demonstration=take("demonstration", bool),
            protocol=take("protocol", dict),
            predictors=tuple(Predictor.from_dict(p) for p in take("predictors", list)),
            intercept=float(take("intercept", (int, float))),
            terms=tuple(Term(**t) for t in take("terms", list)),
            cut_off=float(take("cut_off", (int, float))),
            cut_off_rule=take("cut_off_rule", str),
            imaging=_imaging(take("imaging", (dict, type(None)))),
            prevalence=take("prevalence", (dict, type(None))),
            cohort=take("cohort", dict),
            performance=tuple(take("performance", list)),
            provenance=take("provenance", dict),
            files=take("files", dict),
            folder=folder,
            checksum=take("checksum", str),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"Model {folder.name}: field {field_name} is missing or not of the form that {SCHEMA} asks for") from error


def _imaging(values: dict[str, Any] | None) -> Imaging | None:
    if values is None:
        return None
    habitats = values["habitats"]
    if habitats is not None:
        habitats = HabitatCentroids.from_dict(habitats)
    signatures = {region: Signature(**_tuples(signature)) for region, signature in values["signatures"].items()}
    return Imaging(**{**values, "habitats": habitats, "signatures": signatures})


def _rows(values: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in values)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
