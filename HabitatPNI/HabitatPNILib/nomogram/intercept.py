"""The intercept of a published logistic model that was printed without one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ModelError
from ..frozen_model import FrozenModel

_NODES = 64
_REACH_SD = 8.5
_MAX_POINTS = 5_000_000


def solve_intercept(coefficients: Mapping[str, float], covariates: Mapping[str, Mapping[str, Any]], prevalence: float) -> float:
    """Intercept with which the mean predicted risk over a covariate distribution equals a prevalence.

    It is the mean of the risks that is matched, not the risk of the mean patient: the two differ, since the logistic
    curve is bent. Covariates are taken as independent.

    Parameters
    ----------
    coefficients : log odds per unit by term
    covariates : distribution of every term: ``{"distribution": "normal", "mean": , "sd": , "low": , "high": }`` (a normal
        distribution cut off at low and high) or ``{"distribution": "levels", "shares": {"1": 0.2, ...}}``
    prevalence : share of patients with the outcome, between 0 and 1

    Raises
    ------
    ModelError
        naming the term or value that cannot be used
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit

    if not 0 < prevalence < 1:
        raise ModelError(f"Prevalence {prevalence:g} is not between 0 and 1; give the share of patients with the outcome, e.g. 0.194")
    if set(coefficients) != set(covariates):
        odd = ", ".join(sorted(set(coefficients) ^ set(covariates)))
        raise ModelError(f"Coefficients and covariate distributions do not name the same terms ({odd}); give both for every term")
    logits, weights = np.zeros(1), np.ones(1)
    for name, coefficient in coefficients.items():
        values, shares = _distribution(name, covariates[name])
        if len(logits) * len(values) > _MAX_POINTS:
            raise ModelError(f"Too many covariates for the integration at {name}; state the distribution of fewer terms")
        logits = np.add.outer(logits, coefficient * values).ravel()
        weights = np.multiply.outer(weights, shares).ravel()

    def excess(intercept: float) -> float:
        return float(weights @ expit(intercept + logits)) - prevalence

    target = float(logit(prevalence))
    return float(brentq(excess, target - logits.max() - 1, target - logits.min() + 1, xtol=1e-13, rtol=1e-14))


def covariate_moments(covariates: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of every stated covariate distribution, by term.

    Raises
    ------
    ModelError
        naming the covariate whose distribution cannot be used
    """
    moments = {}
    for name, stated in covariates.items():
        values, shares = _distribution(name, stated)
        mean = float(shares @ values)
        moments[name] = (mean, math.sqrt(float(shares @ (values - mean) ** 2)))
    return moments


def model_intercept(model: FrozenModel, prevalence: float | None) -> tuple[float, str]:
    """A model's intercept, solved anew where a local prevalence (0..1) is given, and a sentence on how it was found.

    Raises
    ------
    ModelError
        when the model has a fitted intercept and takes no prevalence
    """
    if model.prevalence is None:
        if prevalence is not None:
            raise ModelError(
                f"Model {model.name} has a fitted intercept and states no covariate distribution: it takes no local prevalence"
            )
        return model.intercept, ""
    if prevalence is None:
        stated = float(model.prevalence["value"])
        return model.intercept, f"Intercept solved for a mean risk of {stated:.1%} ({model.prevalence['source']}), not fitted to patients."
    coefficients = {term.name: term.coefficient for term in model.terms}
    intercept = solve_intercept(coefficients, model.prevalence["covariates"], prevalence)
    return intercept, f"Intercept solved for a mean risk of {prevalence:.1%} (local prevalence given by the user), not fitted to patients."


def _distribution(name: str, stated: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Values and weights (sum 1) that integrate over one covariate."""
    kind = stated.get("distribution")
    try:
        if kind == "normal":
            return _truncated_normal(name, *(float(stated[key]) for key in ("mean", "sd", "low", "high")))
        if kind == "levels":
            return _levels(name, {float(level): float(share) for level, share in stated["shares"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"Covariate {name}: its {kind} distribution is not complete ({error}); see solve_intercept") from error
    raise ModelError(f"Covariate {name}: unknown distribution {kind!r}; give 'normal' or 'levels'")


def _truncated_normal(name: str, mean: float, sd: float, low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    start, stop = max(low, mean - _REACH_SD * sd), min(high, mean + _REACH_SD * sd)
    if not (sd > 0 and start < stop and math.isfinite(start) and math.isfinite(stop)):
        raise ModelError(f"Covariate {name}: normal with mean {mean:g} and SD {sd:g} has no mass between {low:g} and {high:g}")
    nodes, shares = np.polynomial.legendre.leggauss(_NODES)
    values = (start + stop) / 2 + nodes * (stop - start) / 2
    shares = shares * np.exp(-0.5 * ((values - mean) / sd) ** 2)
    return values, shares / shares.sum()


def _levels(name: str, shares: dict[float, float]) -> tuple[np.ndarray, np.ndarray]:
    total = sum(shares.values())
    if not shares or min(shares.values()) < 0 or abs(total - 1) > 1e-6:
        raise ModelError(f"Covariate {name}: the levels' shares sum to {total:g}; they must not be negative and sum to 1")
    return np.array(list(shares)), np.array(list(shares.values())) / total
