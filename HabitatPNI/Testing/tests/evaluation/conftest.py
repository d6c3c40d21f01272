"""Patients made by a formula, so that R and NumPy have the same: all R figures of this folder are of R 4.2.2."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest


class Cohort(NamedTuple):
    y: np.ndarray
    a: np.ndarray
    b: np.ndarray


def formula_cohort() -> Cohort:
    """Outcome and two models' probabilities of 60 patients, 22 of them with the outcome.

    i <- 1:60
    y <- as.integer(sin(i*1.7) + 0.6*cos(i*0.37) > 0.35)
    a <- plogis(1.2*(sin(i*1.7) + 0.9*cos(i^2*2.3)) - 0.4)
    b <- plogis(0.8*sin(i*1.7) + 1.1*cos(i*3.1) - 0.2)
    """
    i = np.arange(1, 61)
    y = (np.sin(i * 1.7) + 0.6 * np.cos(i * 0.37) > 0.35).astype(int)
    a = 1 / (1 + np.exp(0.4 - 1.2 * (np.sin(i * 1.7) + 0.9 * np.cos(i**2 * 2.3))))
    b = 1 / (1 + np.exp(0.2 - 0.8 * np.sin(i * 1.7) - 1.1 * np.cos(i * 3.1)))
    return Cohort(y, a, b)


@pytest.fixture(scope="session")
def cohort() -> Cohort:
    """`formula_cohort` as it is."""
    return formula_cohort()


@pytest.fixture(scope="session")
def tied() -> Cohort:
    """`formula_cohort` with ties: a <- round(a, 1); b <- round(b, 1)."""
    y, a, b = formula_cohort()
    return Cohort(y, a.round(1), b.round(1))
