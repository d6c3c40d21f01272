"""What a new model's probabilities add to an old one's: net reclassification and integrated discrimination improvement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import CohortError
from .checks import check_outcome, check_probabilities, numbers
from .discrimination import normal_test


@dataclass(frozen=True)
class NriResult:
    """Net reclassification improvement.

    Attributes
    ----------
    events : share of patients with the outcome who move up, less the share who move down
    non_events : share of patients without it who move down, less the share who move up
    total : sum of the two, between -2 and 2
    z, p : of no improvement, two-sided
    """

    events: float
    non_events: float
    total: float
    z: float
    p: float


@dataclass(frozen=True)
class IdiResult:
    """Integrated discrimination improvement.

    Attributes
    ----------
    idi : gain in the difference of the mean probabilities with and without the outcome
    events : gain in the mean probability of patients with the outcome
    non_events : fall of the mean probability of patients without it; idi is the sum of the two
    z, p : of no improvement, two-sided
    """

    idi: float
    events: float
    non_events: float
    z: float
    p: float


def nri(y: Any, p_old: Any, p_new: Any, cuts: Any = None) -> NriResult:
    """Net reclassification improvement, category-free or over risk categories.

    The variance is that of R's Hmisc::improveProb and PredictABEL::reclassification, the multinomial one, per group
    ``(up + down) / n - (up - down)^2 / n`` of the shares; Pencina 2008 left out the square, which gives a slightly smaller z. (R's nricens
    gives the same estimates, with bootstrap intervals.) Nobody moving gives z 0 and p 1.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p_old, p_new : (patients,) probabilities of the two models for the same patients
    cuts : rising category limits between 0 and 1, a probability equal to a limit belonging above it; any change counts when None

    Raises
    ------
    CohortError
        naming the column and rows, or the limits, that cannot be used

    References
    ----------
    Pencina et al., Stat Med 2008;27:157 (categories) and Stat Med 2011;30:11 (category-free).
    """
    events, old, new = _checked(y, p_old, p_new, each=1)
    if cuts is not None:
        limits = _limits(cuts)
        old, new = np.digitize(old, limits), np.digitize(new, limits)
    moves = np.sign(new - old)
    of_events, of_others = moves[events].mean(), -moves[~events].mean()
    variance = moves[events].var() / events.sum() + moves[~events].var() / (~events).sum()
    z, p = normal_test(float(of_events + of_others), float(variance))
    return NriResult(float(of_events), float(of_others), float(of_events + of_others), z, p)


def idi(y: Any, p_old: Any, p_new: Any) -> IdiResult:
    """Integrated discrimination improvement with its asymptotic test.

    The standard error is that of the paired differences, added over the two groups, as in R's Hmisc::improveProb and
    PredictABEL::reclassification. Equal probabilities give z 0 and p 1.

    Parameters
    ----------
    y : (patients,) outcome, 0 or 1
    p_old, p_new : (patients,) probabilities of the two models for the same patients

    Raises
    ------
    CohortError
        naming the column and rows that cannot be used, or fewer than 2 patients with or without the outcome

    References
    ----------
    Pencina et al., Stat Med 2008;27:157.
    """
    events, old, new = _checked(y, p_old, p_new, each=2)
    gain = new - old
    of_events, of_others = gain[events].mean(), -gain[~events].mean()
    variance = gain[events].var(ddof=1) / events.sum() + gain[~events].var(ddof=1) / (~events).sum()
    z, p = normal_test(float(of_events + of_others), float(variance))
    return IdiResult(float(of_events + of_others), float(of_events), float(of_others), z, p)


def _checked(y: Any, p_old: Any, p_new: Any, each: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    events = check_outcome(y, each)
    old = check_probabilities(p_old, len(events), "Old probability")
    return events, old, check_probabilities(p_new, len(events), "New probability")


def _limits(cuts: Any) -> np.ndarray:
    limits = numbers(np.atleast_1d(cuts), "Category limits")
    if not len(limits) or not ((limits > 0) & (limits < 1)).all() or (np.diff(limits) <= 0).any():
        shown = ", ".join(f"{limit:g}" for limit in limits[:6])
        raise CohortError(f"Risk categories need rising limits between 0 and 1, e.g. 0.1, 0.3; these are {shown or 'none'}")
    return limits
