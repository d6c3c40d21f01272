"""What has to hold in a model file beyond its form, so that every case gets a number or a refusal. Standard library alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .errors import ModelError

if TYPE_CHECKING:
    from .frozen_model import FrozenModel, HabitatCentroids, HabitatMixture, Signature

KINDS = ("clinical", "combined")
RADSCORE = "radscore_"


def check_finite(values: Mapping[str, Any], name: str) -> None:
    """Refuse a model file that holds a number which is not finite.

    Parameters
    ----------
    values : plain JSON values of the file
    name : the model's, for the message

    Raises
    ------
    ModelError
        naming the first such field
    """
    for field, value in _leaves(values, ""):
        if isinstance(value, (int, float)) and not _is_number(value) and not isinstance(value, bool):
            raise _refusal(name, field, "is not a finite number")


def check_model(model: FrozenModel, name: str) -> None:
    """Refuse a model whose parts do not fit each other.

    Raises
    ------
    ModelError
        naming the first field that does not fit
    """
    for field, problem in _problems(model):
        raise _refusal(name, field, problem)


def _refusal(name: str, field: str, problem: str) -> ModelError:
    return ModelError(f"Model {name}: field {field} {problem}; install the model again or ask its maker")


def _problems(model: FrozenModel) -> Iterator[tuple[str, str]]:
    """Fields that do not fit, and why; each step may rely on what the steps before it would have found."""
    if model.kind not in KINDS:
        yield "kind", f"is {model.kind!r}, not one of {', '.join(KINDS)}"
    if model.kind == "combined" and model.imaging is None:
        yield "imaging", "is missing, which a combined model needs"
    if model.kind == "clinical" and model.imaging is not None:
        yield "imaging", "is there, which a clinical model must not have"
    for field, value in _numbers(model):
        if not _is_number(value):
            yield field, "is not a number"
    if not 0 < model.cut_off < 1:
        yield "cut_off", f"is {model.cut_off:g}, not between 0 and 1"
    signatures = model.imaging.signatures if model.imaging else {}
    for region, signature in signatures.items():
        yield from _signature_problems(signature, f"imaging.signatures.{region}")
    if model.imaging is not None and model.imaging.habitats is not None:
        yield from _habitat_problems(model.imaging.habitats, "imaging.habitats")
    known = [*(p.name for p in model.predictors), *(f"{RADSCORE}{region}" for region in signatures)]
    for i, term in enumerate(model.terms):
        if term.name not in known:
            yield f"terms[{i}].name", f"is {term.name!r}, neither a predictor nor the radscore of a region with a signature"


def _signature_problems(signature: Signature, field: str) -> Iterator[tuple[str, str]]:
    count = len(signature.features)
    for part, values in (("mean", signature.mean), ("scale", signature.scale), ("coefficients", signature.coefficients)):
        if len(values) != count:
            yield f"{field}.{part}", f"has {len(values)} values for {count} features"
    yield from _scale_problems(signature.scale, field)


def _habitat_problems(habitats: HabitatCentroids, field: str) -> Iterator[tuple[str, str]]:
    from .frozen_model import HabitatMixture

    count = len(habitats.sequences)
    rows = [(f"centroids[{i}]", row) for i, row in enumerate(habitats.centroids)]
    for part, values in (("mean", habitats.mean), ("scale", habitats.scale), *rows):
        if len(values) != count:
            yield f"{field}.{part}", f"has {len(values)} values for {count} sequences"
    yield from _scale_problems(habitats.scale, field)
    if isinstance(habitats, HabitatMixture):
        yield from _mixture_problems(habitats, field)


def _mixture_problems(habitats: HabitatMixture, field: str) -> Iterator[tuple[str, str]]:
    axes, count = len(habitats.components), len(habitats.centroids)
    for i, axis in enumerate(habitats.components):
        if len(axis) != len(habitats.sequences):
            yield f"{field}.components[{i}]", f"has {len(axis)} values for {len(habitats.sequences)} sequences"
    for part, values in (("log_weights", habitats.log_weights), ("precisions", habitats.precisions)):
        if len(values) != count:
            yield f"{field}.{part}", f"has {len(values)} values for {count} habitats"
    for i, matrix in enumerate(habitats.precisions):
        if [len(row) for row in matrix] != [axes] * axes:
            yield f"{field}.precisions[{i}]", f"is no square of {axes} axes"
        elif any(matrix[j][j] <= 0 for j in range(axes)):
            yield f"{field}.precisions[{i}]", "has a diagonal that is not above 0"


def _scale_problems(scale: tuple[float, ...], field: str) -> Iterator[tuple[str, str]]:
    for i, value in enumerate(scale):
        if value <= 0:
            yield f"{field}.scale[{i}]", f"is {value:g}, not above 0"


def _numbers(model: FrozenModel) -> Iterator[tuple[str, object]]:
    """Every field that has to be a number; a list in the place of a number, or the reverse, comes out as itself."""
    yield "intercept", model.intercept
    yield "cut_off", model.cut_off
    for i, predictor in enumerate(model.predictors):
        yield from _parts(predictor, ("low", "high", "lowest", "highest"), f"predictors[{i}]")
        for j, level in enumerate(predictor.levels):
            yield f"predictors[{i}].levels[{j}].value", level.value
    for i, term in enumerate(model.terms):
        yield from _parts(term, ("coefficient", "mean", "sd", "low", "high"), f"terms[{i}]")
    if model.imaging is None:
        return
    yield from _leaves(model.imaging.b_values, "imaging.b_values")
    for region, signature in model.imaging.signatures.items():
        field = f"imaging.signatures.{region}"
        yield from _parts(signature, ("intercept", "train_mean", "train_sd"), field)
        yield from _lists(signature, ("mean", "scale", "coefficients"), field)
    if model.imaging.habitats is not None:
        names = [name for name in vars(model.imaging.habitats) if name != "sequences"]
        yield from _lists(model.imaging.habitats, tuple(names), "imaging.habitats")


def _parts(owner: object, names: tuple[str, ...], field: str) -> Iterator[tuple[str, object]]:
    for name in names:
        yield f"{field}.{name}", getattr(owner, name)


def _lists(owner: object, names: tuple[str, ...], field: str) -> Iterator[tuple[str, object]]:
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, tuple):
            yield from _leaves(value, f"{field}.{name}")
        else:
            yield f"{field}.{name}", None


def _leaves(value: object, field: str) -> Iterator[tuple[str, object]]:
    """Plain values inside nested mappings and lists, with their paths."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{field}.{key}" if field else str(key))
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{field}[{i}]")
    else:
        yield field, value


def _is_number(value: object) -> bool:
    """Whether it is a finite number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
