"""Points of a nomogram: a logistic model as a sum that can be done by hand.

The convention is that of R's ``rms::nomogram``: the axis with the widest effect on the linear predictor spans 0 to 100
points, every other axis is on the same scale, and each starts with 0 points at its end of lowest risk.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import CaseError, ModelError
from ..frozen_model import FrozenModel

MAX_POINTS = 100.0
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Axis:
    """One predictor's axis from `low` to `high`; `coefficient` in log odds per unit, `levels` (value, label) of a category."""

    name: str
    label: str
    coefficient: float
    low: float
    high: float
    unit: str = ""
    levels: tuple[tuple[float, str], ...] = ()

    @property
    def zero(self) -> float:
        """Value with 0 points: the end of lowest risk."""
        return self.low if self.coefficient >= 0 else self.high

    @property
    def effect(self) -> float:
        """Change of the log odds over the whole axis, not negative."""
        return abs(self.coefficient) * (self.high - self.low)


@dataclass(frozen=True)
class TermPoints:
    """A patient's place on one axis; `outside` when the value lies beyond the axis and the points are an extrapolation."""

    name: str
    label: str
    value: float
    points: float
    outside: bool


@dataclass(frozen=True)
class Nomogram:
    """A logistic model as axes of points.

    Parameters
    ----------
    intercept : of the logistic model, log odds
    axes : one for each term

    Raises
    ------
    ModelError
        when an axis has no length, or no term changes the risk
    """

    intercept: float
    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        for axis in self.axes:
            if not (math.isfinite(axis.coefficient) and axis.low < axis.high < math.inf and axis.low > -math.inf):
                raise ModelError(
                    f"Nomogram: {axis.label} has no usable axis (coefficient {axis.coefficient:g}, {axis.low:g} to {axis.high:g}); "
                    "check the term's coefficient and training range"
                )
        if not any(axis.effect > 0 for axis in self.axes):
            raise ModelError("Nomogram: no term of the model changes the risk; check its coefficients")

    @classmethod
    def from_model(cls, model: FrozenModel, intercept: float | None = None) -> Nomogram:
        """Nomogram of a frozen model: axes over the terms' training ranges, levels and units from its predictors.

        `intercept` takes the place of the model's own where it was solved anew for a local prevalence.
        """
        predictors = {p.name: p for p in model.predictors}
        axes = []
        for term in model.terms:
            predictor = predictors.get(term.name)
            levels = tuple((level.value, level.label) for level in predictor.levels) if predictor else ()
            low, high = (min(levels)[0], max(levels)[0]) if levels else (term.low, term.high)
            axes.append(Axis(term.name, term.label, term.coefficient, low, high, predictor.unit if predictor else "", levels))
        return cls(model.intercept if intercept is None else intercept, tuple(axes))

    @property
    def points_per_logit(self) -> float:
        """Points that one unit of log odds is worth."""
        return MAX_POINTS / max(axis.effect for axis in self.axes)

    @property
    def lowest_logit(self) -> float:
        """Linear predictor at a total of 0 points."""
        return self.intercept + sum(axis.coefficient * axis.zero for axis in self.axes)

    @property
    def highest_total(self) -> float:
        """Total of a patient at the high-risk end of every axis."""
        return self.points_per_logit * sum(axis.effect for axis in self.axes)

    def axis_points(self, axis: Axis, value: float) -> float:
        """Points of a value on an axis of this nomogram; beyond its ends under 0 or over the axis's maximum."""
        return self.points_per_logit * axis.coefficient * (value - axis.zero)

    def points(self, values: Mapping[str, float]) -> tuple[TermPoints, ...]:
        """A patient's points on every axis, in the order of the axes.

        Raises
        ------
        CaseError
            naming the terms without a value
        """
        missing = [axis.label for axis in self.axes if axis.name not in values]
        if missing:
            raise CaseError(f"Nomogram: no value for {', '.join(missing)}; give one for every term of the model")
        result = []
        for axis in self.axes:
            value = values[axis.name]
            slack = _TOLERANCE * (axis.high - axis.low)
            outside = not axis.low - slack <= value <= axis.high + slack
            result.append(TermPoints(axis.name, axis.label, value, self.axis_points(axis, value), outside))
        return tuple(result)

    def total_points(self, values: Mapping[str, float]) -> float:
        """Sum of a patient's points."""
        return sum(term.points for term in self.points(values))

    def probability_of_total(self, total: float) -> float:
        """Probability (0 to 1) that belongs to a total of points."""
        logit = self.lowest_logit + total / self.points_per_logit
        return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))

    def total_of_probability(self, probability: float) -> float:
        """Total of points that a probability asks for.

        Raises
        ------
        ModelError
            when the probability is not between 0 and 1
        """
        if not 0 < probability < 1:
            raise ModelError(f"Nomogram: probability {probability:g} is not between 0 and 1; no total of points belongs to it")
        return (math.log(probability / (1 - probability)) - self.lowest_logit) * self.points_per_logit
