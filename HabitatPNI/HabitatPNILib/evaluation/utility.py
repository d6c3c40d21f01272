"""What acting on a probability is worth: decision curve and clinical impact curve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CohortError
from .checks import check_outcome, check_probabilities, check_thresholds


@dataclass(frozen=True)
class NetBenefit:
    """Net benefit at every threshold, in true positives a patient; all arrays are (thresholds,)."""

    thresholds: np.ndarray
    model: np.ndarray
    treat_all: np.ndarray
    treat_none: np.ndarray


@dataclass(frozen=True)
class ClinicalImpact:
    """Of `population` patients, how many each threshold calls high risk, and how many of those have the outcome.

    Attributes
    ----------
    thresholds, high_risk, true_positives : (thresholds,)
    population : patients that the numbers are given for
    """

    thresholds: np.ndarray
    high_risk: np.ndarray
    true_positives: np.ndarray
    population: float


def net_benefit(y: Any, p: Any, thresholds: Any) -> NetBenefit:
    """Net benefit ``tp / n - fp / n * t / (1 - t)`` of treating every patient whose probability is at least t, of treating all, or none.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities
    thresholds : (thresholds,) from 0 to below 1

    Raises
    ------
    CohortError
        naming the column and rows, or the threshold, that cannot be used

    References
    ----------
    Vickers, Elkin, Med Decis Making 2006;26:565; a probability equal to the threshold is treated, as in R's dcurves.
    """
    events = check_outcome(y)
    at = check_thresholds(thresholds)
    positive, true = _called(events, check_probabilities(p, len(events)), at)
    odds = at / (1 - at)
    prevalence = events.mean()
    patients = len(events)
    model = true / patients - (positive - true) / patients * odds
    return NetBenefit(at, model, prevalence - (1 - prevalence) * odds, np.zeros(len(at)))


def clinical_impact(y: Any, p: Any, thresholds: Any, population: float = 1000) -> ClinicalImpact:
    """How many of a population are called high risk at every threshold, and how many of those have the outcome.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p : (patients,) probabilities; at least t is high risk
    thresholds : (thresholds,) from 0 to below 1
    population : number of patients to scale to

    Raises
    ------
    CohortError
        naming the column and rows, or the threshold, that cannot be used

    References
    ----------
    Kerr, Brown, Zhu, Janes, J Clin Oncol 2016;34:2534; R's rmda::plot_clinical_impact.
    """
    if not (np.isfinite(population) and population > 0):
        raise CohortError(f"A population of {population:g} has no clinical impact: give a number above 0, e.g. 1000")
    events = check_outcome(y)
    at = check_thresholds(thresholds)
    positive, true = _called(events, check_probabilities(p, len(events)), at)
    scale = population / len(events)
    return ClinicalImpact(at, positive * scale, true * scale, population)


def _called(events: np.ndarray, p: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(thresholds,) numbers of patients at or above each threshold, and of those with the outcome."""
    return _at_or_above(p, thresholds), _at_or_above(p[events], thresholds)


def _at_or_above(p: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    return len(p) - np.searchsorted(np.sort(p), thresholds, side="left")
