"""A resampling, controls and figures with numbers set by hand, so that the report's sentences can be checked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from HabitatPNILib.evaluation.optimism import Dot632Plus, Optimism
from HabitatPNILib.evaluation.resampling import CrossValidation, LearningCurve, PermutationTest
from HabitatPNILib.study.controls import ControlResult
from HabitatPNILib.study.figures import StudyFigure
from HabitatPNILib.study.honesty import Honesty
from HabitatPNILib.study.leaks import LeakCheck, ShuffledLabels

SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg' width=\"240pt\" height=\"200pt\"></svg>"


def control(name: str, auc: dict[str, float], highest: float) -> ControlResult:
    return ControlResult(
        name=name,
        sentence="What is expected, and why.",
        expected=(0.4, highest),
        highest=dict.fromkeys(auc, highest),
        auc=auc,
        standard_error=dict.fromkeys(auc, 0.04),
        true_auc=dict.fromkeys(auc, 0.8),
        n=96,
        events=40,
        left_out={},
    )


def figure(name: str, caption: str = "What it shows. How to read it.") -> StudyFigure:
    return StudyFigure(name, caption, SVG, b"\x89PNG")


def cross_validation(auc: float, repeats: int = 2, folds: int = 3, n: int = 96) -> CrossValidation:
    fold_aucs = auc + np.linspace(-0.02, 0.02, repeats)[:, None] + np.linspace(-0.05, 0.05, folds)[None]
    return CrossValidation(auc, fold_aucs.mean(axis=1), fold_aucs, np.zeros((repeats, n)), np.zeros((repeats, n), dtype=int))


def make_honesty(
    models: tuple[str, ...], *, shuffled: float = 0.5, planted: float = 0.9, suspects: dict[str, float] | None = None
) -> Honesty:
    """Every model: apparent .950, corrected .870, nested .830 (.810 to .850 over repeats)."""
    spread = np.array([-0.02, -0.01, 0.0, 0.01, 0.02])
    samples = np.array([0.96, 0.94])
    return Honesty(
        apparent=pd.Series(0.95, index=list(models)),
        nested={m: cross_validation(0.83) for m in models},
        nested_habitats=None,
        optimism={m: Optimism(0.95, 0.08, 0.87, samples, samples - 0.08) for m in models},
        dot632={m: Dot632Plus(0.95, 0.8, 0.5, 0.33, 0.72, 0.84) for m in models},
        calibration_optimism=Optimism(1.0, 0.2, 0.8, samples, samples - 0.2),
        permutation=PermutationTest(0.83, shuffled + spread, 1 / 6),
        permuted_selected=np.array([1.0, 1.0, 0.5, 0.0, 1.0]),
        bootstrap_selected=1.0,
        leak=LeakCheck(ShuffledLabels(shuffled + spread), ShuffledLabels(planted + spread), pd.Series(suspects or {}, dtype=float)),
        learning=LearningCurve(
            np.array([30, 60]), np.array([0.7, 0.8]), np.array([0.99, 0.96]), np.full((2, 3), 0.75), np.full((2, 3), 0.97)
        ),
        fits=100,
    )
