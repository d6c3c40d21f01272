"""Clinical predictors as a frozen model states them: type, unit, coding, range and help, and the reading of their values.

Standard library alone: the panel makes its fields from this before anything is installed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .errors import CaseError

_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d{1,2}")


@dataclass(frozen=True)
class Level:
    """One level of a categorical predictor: the number that enters the model, its label and the values that count as it."""

    value: float
    label: str
    accepts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictor:
    """A clinical predictor.

    Parameters
    ----------
    name, label, unit, help : how it is called on the command line, on the screen, and what it means
    type : ``"number"`` or ``"category"``
    low, high : range seen in training; a value outside is a warning
    lowest, highest : what the quantity can be at all; a value outside is an error (a typing mistake)
    levels : levels of a category, in ascending order of their value
    """

    name: str
    label: str
    type: str
    unit: str
    help: str
    low: float
    high: float
    lowest: float
    highest: float
    levels: tuple[Level, ...] = field(default=())

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Predictor:
        """Read one entry of ``predictors`` in a model file (`KeyError`/`TypeError` where it is not of this form)."""
        rest = {k: v for k, v in values.items() if k != "levels"}
        levels = tuple(Level(v["value"], v["label"], tuple(v.get("accepts", ()))) for v in values.get("levels", ()))
        return cls(**rest, levels=levels)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    def code(self, value: object, case_id: str) -> float:
        """Number that enters the model for a value as typed or read from a table.

        Raises
        ------
        CaseError
            when the value is not one that this predictor can take
        """
        text = str(value).strip()
        if self.levels:
            for level in self.levels:
                if text in level.accepts or _number(text) == level.value:
                    return level.value
            allowed = ", ".join(f"{level.accepts[0] if level.accepts else f'{level.value:g}'} ({level.label})" for level in self.levels)
            raise CaseError(f"Case {case_id}: {self.label} {text} is impossible: one of {allowed}")
        number = _number(text)
        if number is None:
            raise CaseError(f"Case {case_id}: {self.label} {text} is not a number; give it in {self.unit}")
        if not self.lowest <= number <= self.highest:
            raise CaseError(f"Case {case_id}: {self.label} {text} is impossible: {self.lowest:g} to {self.highest:g} {self.unit}")
        return number

    def describe(self, value: float) -> str:
        """The value as a person reads it, with its level's label or unit."""
        for level in self.levels:
            if level.value == value:
                return level.label
        return f"{value:g} {self.unit}".strip()


def code_values(predictors: Iterable[Predictor], values: Mapping[str, object], case_id: str) -> dict[str, float]:
    """Coded value of every predictor, in the predictors' order.

    Raises
    ------
    CaseError
        naming every predictor that is missing, with its coding
    """
    predictors = list(predictors)
    given = {k: v for k, v in values.items() if v is not None and str(v).strip() not in {"", "nan"}}
    missing = [p for p in predictors if p.name not in given]
    if missing:
        names = ", ".join(p.name for p in missing)
        example = ",".join(f"{p.name}={p.levels[0].value if p.levels else p.low:g}" for p in missing)
        others = sorted(set(given) - {p.name for p in predictors})
        unknown = f" (given, but not known to the model: {', '.join(others)})" if others else ""
        raise CaseError(f"Case {case_id}: clinical values are missing: {names}{unknown}; give them (--clinical, e.g. {example})")
    return {p.name: p.code(given[p.name], case_id) for p in predictors}


def unknown_values(predictors: Iterable[Predictor], values: Mapping[str, object]) -> list[str]:
    """A sentence on the values that are none of the model's predictors, if there are any."""
    others = sorted(set(values) - {p.name for p in predictors})
    return [f"Not predictors of this model, and not used: {', '.join(others)}"] if others else []


def range_warnings(predictors: Iterable[Predictor], coded: Mapping[str, float]) -> list[str]:
    """A sentence for every value outside the range the model was trained on."""
    return [
        f"{p.label} {p.describe(coded[p.name])} lies outside the training range {p.low:g} to {p.high:g}: "
        "the probability is an extrapolation"
        for p in predictors
        if not p.low <= coded[p.name] <= p.high
    ]


def _number(text: str) -> float | None:
    """Finite number of a text, with a point or (as "63,5") a comma before its decimals; "1,234" could be either and is none."""
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
