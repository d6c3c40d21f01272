"""mRMR against the formulas written out slowly, feature by feature and pair by pair."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.learning.mrmr import mrmr
from HabitatPNILib.learning.signature import MrmrSelector


def by_the_formula(X: np.ndarray, y: np.ndarray, n_features: int, scheme: str) -> list[int]:
    """Relevance from scikit-learn, redundancy from NumPy or scikit-learn, the choice as the papers write it."""
    from sklearn.feature_selection import f_classif
    from sklearn.metrics import mutual_info_score

    if scheme == "FCQ":
        relevance = f_classif(X, y)[0]
        redundancy = np.abs(np.corrcoef(X.T))
    else:
        mean, half = X.mean(axis=0), X.std(axis=0) / 2
        levels = np.where(mean + half < X, 1, np.where(mean - half > X, -1, 0))
        relevance = np.array([mutual_info_score(y, column) for column in levels.T])
        redundancy = np.array([[mutual_info_score(a, b) for a in levels.T] for b in levels.T])
    chosen: list[int] = []
    while len(chosen) < n_features:
        score = relevance.copy()
        if chosen and scheme == "MID":
            score = relevance - redundancy[chosen].mean(axis=0)
        elif chosen:
            score = relevance / np.maximum(redundancy[chosen], 1e-3).mean(axis=0)
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
    return chosen


def cohort(seed: int, patients: int = 60, features: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(patients, 8))
    X = hidden @ rng.normal(size=(8, features)) + rng.normal(size=(patients, features))
    y = (hidden[:, 0] + hidden[:, 1] + rng.normal(size=patients) > 1).astype(int)
    return X, y


@pytest.mark.parametrize("scheme", ["FCQ", "MID", "MIQ"])
@pytest.mark.parametrize("seed", [0, 1])
def test_order_of_choice_is_the_formulas(scheme: str, seed: int) -> None:
    X, y = cohort(seed, features=30)
    assert mrmr(X, y, 12, scheme).tolist() == by_the_formula(X, y, 12, scheme)


def test_blocks_left_out_of_the_search_change_nothing() -> None:
    X, y = cohort(3, patients=50, features=2500)
    assert mrmr(X, y, 60).tolist() == by_the_formula(X, y, 60, "FCQ")


def test_redundant_copy_comes_last() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 100)
    strong, other = y + rng.normal(size=200), y + 1.5 * rng.normal(size=200)
    X = np.column_stack([strong, strong + 0.01 * rng.normal(size=200), other])
    for scheme in ("FCQ", "MID", "MIQ"):
        assert mrmr(X, y, 3, scheme)[2] != 2, scheme


@pytest.mark.parametrize("scheme", ["FCQ", "MID", "MIQ"])
def test_equal_features_are_taken_by_lowest_column(scheme: str) -> None:
    X, y = cohort(4, features=30)
    first = mrmr(X, y, 1, scheme)[0]
    twice = np.column_stack([X[:, first], X, X[:, first]])
    order = mrmr(twice, y, len(twice.T), scheme).tolist()
    assert order[0] == 0
    assert order.index(first + 1) < order.index(31)
    assert sorted(order) == list(range(32))


def test_constant_columns_are_never_chosen() -> None:
    X, y = cohort(5, features=6)
    X[:, 2] = 3.7
    for scheme in ("FCQ", "MID", "MIQ"):
        assert sorted(mrmr(X, y, 6, scheme)) == [0, 1, 3, 4, 5]
    with pytest.raises(CohortError, match="All features are constant"):
        mrmr(np.ones((10, 3)), np.arange(10) % 2, 2)


def test_perfect_feature_comes_first() -> None:
    X, y = cohort(6)
    X[:, 40] = y
    assert [mrmr(X, y, 1, scheme)[0] for scheme in ("FCQ", "MID", "MIQ")] == [40, 40, 40]


def test_bad_input_is_named() -> None:
    X, y = cohort(7)
    X[3, 12] = np.nan
    with pytest.raises(CohortError, match="Feature column 12 has missing or infinite values in 1 of 60 rows"):
        mrmr(X, y, 5)
    table = pd.DataFrame(X, columns=[f"tumour__adc__{i}" for i in range(60)])
    with pytest.raises(CohortError, match=r"12 \(tumour__adc__12\)"):
        MrmrSelector(5).fit(table, y)
    X[3, 12] = 0
    with pytest.raises(CohortError, match="Outcome must hold 0 and 1, both of them; it holds 1, 2"):
        mrmr(X, y + 1, 5)
    with pytest.raises(CohortError, match=r"Outcome is missing or not a number in 1 of 60 rows \(first rows: 5\)"):
        mrmr(X, np.where(np.arange(60) == 5, np.nan, y), 5)


def test_selector_is_a_scikit_learn_transformer() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    X, y = cohort(8)
    table = pd.DataFrame(X, columns=[f"f{i}" for i in range(60)])
    selector = MrmrSelector(7).fit(table, y)
    kept = np.sort(mrmr(X, y, 7))
    assert selector.get_feature_names_out().tolist() == [f"f{i}" for i in kept]
    assert np.array_equal(np.asarray(selector.transform(table)), X[:, kept])
    assert make_pipeline(MrmrSelector(7), LogisticRegression()).fit(X, y)[-1].coef_.shape == (1, 7)
