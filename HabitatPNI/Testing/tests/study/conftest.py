"""A synthetic study whose law is known: few feature columns, so that a fit of the whole pipeline takes a fraction of a second."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.cohort import Extraction
from HabitatPNILib.errors import CohortError
from HabitatPNILib.frozen_model import HabitatCentroids
from HabitatPNILib.learning.pipeline import FittedPipeline, fit_pipeline
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.study import fits
from HabitatPNILib.study.data import StudyData, study_data

SMALL = Protocol.from_dict(
    {
        "name": "test",
        "title": "A small study",
        "habitats": {"k": 2},
        "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64},
        "selection": {"mrmr_features": 5, "folds": 3},
        "combined": {"folds": 3},
    },
    "of the tests",
)


def make_study(
    n: int = 160,
    signal: float = 1.0,
    clinical: float = 0.9,
    columns: int = 8,
    seed: int = 0,
    absent: tuple[int, ...] = (),
    missing: tuple[int, ...] = (),
    splits: tuple[float, float] = (0.6, 0.8),
    protocol: Protocol = SMALL,
) -> StudyData:
    """Study of `n` patients p0, p1 ... with regions habitat1, habitat2 and tumour.

    Log odds: ``clinical * (pi_rads - 4) + signal * sum over regions of its column t2w 0003``; age and mrT stage mean nothing. With
    signal and clinical 0 the outcome is noise. The cohort holds the truth as ``true_probability``, and two centres.

    Parameters
    ----------
    columns : of each region and each of two sequences, independent standard normal
    absent : patients without habitat 2
    missing : patients without an age
    splits : shares of the patients at which training and internal validation end
    """
    rng = np.random.default_rng(seed)
    cases = pd.Index([f"p{i}" for i in range(n)], name="case_id")
    age, stage, score = rng.normal(70, 8, n).clip(45, 93).round(), rng.integers(1, 5, n), rng.integers(3, 6, n)
    names = [f"{r}__{s}__resnet18__{i:04d}" for r in protocol.regions for s in ("t2w", "adc") for i in range(columns)]
    features = pd.DataFrame(rng.normal(size=(n, len(names))), index=cases, columns=names)
    log_odds = clinical * (score - 4.0) + signal * features[[f"{r}__t2w__resnet18__0003" for r in protocol.regions]].sum(axis=1)
    truth = 1 / (1 + np.exp(-log_odds))
    outcome = (rng.random(n) < truth).astype(int)
    features.loc[cases[list(absent)], [c for c in names if c.startswith("habitat2__")]] = np.nan
    place = np.arange(n) / n
    split = np.select([place < splits[0], place < splits[1]], ["training", "internal"], "external")
    table = pd.DataFrame(
        {
            "split": split,
            "centre": np.where(split == "external", "B", "A"),
            "outcome": outcome,
            "age": age,
            "mrt_stage": stage,
            "pi_rads": score,
            "true_probability": truth,
        },
        index=cases,
    )
    table.loc[cases[list(missing)], "age"] = np.nan
    centroids = HabitatCentroids(("t2w", "dwi", "adc"), (0.0,) * 3, (1.0,) * 3, ((-1.0,) * 3, (1.0,) * 3))
    training = tuple(cases[split == "training"])
    extraction = Extraction(features, protocol, centroids, "ab" * 32, {"dwi": 1400.0, "low_b": 50.0}, {}, True, training)
    return study_data(table, extraction)


@pytest.fixture(scope="session", name="make_study")
def _make_study():
    """`make_study` of this file."""
    return make_study


@pytest.fixture(scope="session")
def small_study() -> StudyData:
    """A study with signal, two patients without habitat 2 and three without an age."""
    return make_study(absent=(3, 120), missing=(5, 6, 130))


@pytest.fixture(scope="session")
def fitted(small_study) -> FittedPipeline:
    """The pipeline fitted on the small study's training patients."""
    training = small_study.rows("training")
    return fit_pipeline(
        small_study.features.loc[training], small_study.clinical.loc[training], small_study.y.loc[training], small_study.protocol
    )


class QuickPipeline:
    """Stand-in for `fit_pipeline` that takes a millisecond: in every region the five columns that differ most between the outcomes, each
    weighted by its correlation. Like the real one it overfits, and sees the rows it is given alone."""

    def __init__(self, fail_on=lambda rows: False):
        self.calls: list[tuple[list[str], list[int], object]] = []
        self.fail_on = fail_on

    def __call__(self, features, clinical, y, protocol, *, groups=None, strict=True, progress=None):
        assert not strict
        assert features.index.equals(clinical.index)
        if self.fail_on(list(features.index)):
            raise CohortError("These rows cannot be fitted")
        self.calls.append((list(features.index), list(y), groups))
        tables = {"clinical": clinical, **{r: features[[c for c in features if c.startswith(f"{r}__")]] for r in protocol.regions}}
        return _QuickFit({name: (table.columns, *_weights(table.to_numpy(), np.asarray(y))) for name, table in tables.items()})


class _QuickFit:
    n_selected = 5

    def __init__(self, parts):
        self.parts = parts

    def log_odds(self, features, clinical):
        tables = {name: clinical if name == "clinical" else features for name in self.parts}
        scores = {n: np.nansum((tables[n][c].to_numpy() - mean) * w, axis=1) for n, (c, mean, w) in self.parts.items()}
        return pd.DataFrame(scores, index=features.index).assign(combined=sum(scores.values()))


def _weights(values, y):
    """Means, and correlations over standard deviations of the five columns with the highest."""
    mean, sd = np.nanmean(values, axis=0), np.maximum(np.nanstd(values, axis=0), 1e-12)
    correlation = np.nanmean((values - mean) * (y - y.mean())[:, None], axis=0) / sd / y.std()
    kept = np.argsort(-np.abs(correlation))[:5]
    weights = np.zeros(len(sd))
    weights[kept] = (correlation / sd)[kept]
    return mean, weights


@pytest.fixture
def quick_pipeline(monkeypatch) -> QuickPipeline:
    """The book of fits with `QuickPipeline` in place of the real one (in this process alone)."""
    pipeline = QuickPipeline()
    monkeypatch.setattr(fits, "fit_pipeline", pipeline)
    return pipeline
