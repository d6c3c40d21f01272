"""Radscores: the chain against cv.glmnet, its honesty, its refusals."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.learning import signature as module
from HabitatPNILib.learning.mrmr import mrmr
from HabitatPNILib.learning.signature import LassoSignature, cross_fitted_scores


def cohort(seed: int = 0, patients: int = 120, features: int = 300) -> tuple[pd.DataFrame, pd.Series]:
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(patients, 10))
    X = hidden @ rng.normal(size=(10, features)) + 2 * rng.normal(size=(patients, features))
    y = (hidden[:, 0] + hidden[:, 1] + rng.normal(size=patients) > 1.2).astype(int)
    index = [f"case{i:03d}" for i in range(patients)]
    return pd.DataFrame(X, index=index, columns=[f"tumour__adc__resnet18__{i:04d}" for i in range(features)]), pd.Series(y, index=index)


def test_cross_validation_agrees_with_cv_glmnet(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a screen that keeps everything the chain is glmnet's.

    R 4.2.2, glmnet 4.1-6, X and y of test_lasso: fold <- ((1:n) * 7) %% 5 + 1
    cv <- cv.glmnet(X, y, family="binomial", lambda=f$lambda, foldid=fold, type.measure="deviance", thresh=1e-15, maxit=1e7)
    """
    spec = importlib.util.spec_from_file_location("lasso_example", Path(__file__).with_name("test_lasso.py"))
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    X, y = example.glmnet_example()
    monkeypatch.setattr(module, "stratified_folds", lambda *_: np.arange(1, 61) * 7 % 5)
    fitted = LassoSignature(n_features=80, folds=5).fit(X, y)
    at = np.array([1, 10, 30, 60]) - 1
    assert fitted.cv_deviance_mean_[at] == pytest.approx([1.09346702573, 0.878953520253, 0.527958124973, 0.603500702654], abs=1e-5)
    assert fitted.cv_deviance_se_[at] == pytest.approx([0.079571396591, 0.0612993382071, 0.06885116735, 0.175905742549], abs=1e-5)
    assert fitted.lambda_ == fitted.lambdas_[34 - 1]
    assert LassoSignature(n_features=80, folds=5, rule="1se").fit(X, y).lambda_ == fitted.lambdas_[23 - 1]


def test_score_is_the_formula_over_named_features() -> None:
    X, y = cohort()
    fitted = LassoSignature(n_features=30).fit(X, y)
    assert 0 < fitted.n_selected_ == len(fitted.selected_) == len(fitted.coef_) <= 30
    assert fitted.screened_.tolist() == X.columns[mrmr(X.to_numpy(), y.to_numpy(), 30)].tolist()
    assert fitted.path_.shape == (len(fitted.lambdas_), 30)
    values = X[list(fitted.selected_)]
    assert fitted.mean_ == pytest.approx(values.mean().to_numpy())
    assert fitted.scale_ == pytest.approx(values.std(ddof=0).to_numpy())
    by_hand = fitted.intercept_ + ((values - fitted.mean_) / fitted.scale_ * fitted.coef_).sum(axis=1)
    scores = fitted.decision_function(X)
    assert scores == pytest.approx(by_hand.to_numpy(), abs=1e-12)
    assert fitted.predict_proba(X)[:, 1] == pytest.approx(1 / (1 + np.exp(-scores)))
    # the optimum of an unpenalised intercept: mean probability equals the prevalence
    assert fitted.predict_proba(X)[:, 1].mean() == pytest.approx(y.mean(), abs=1e-7)
    assert np.array_equal(scores, fitted.decision_function(values))
    assert np.array_equal(scores, LassoSignature(n_features=30).fit(X.to_numpy(), y.to_numpy()).decision_function(X.to_numpy()))


def test_same_seed_same_bits() -> None:
    X, y = cohort(1)
    first, second = (LassoSignature(n_features=30, seed=5).fit(X, y) for _ in range(2))
    assert np.array_equal(first.cv_deviance_mean_, second.cv_deviance_mean_)
    assert np.array_equal(first.coef_, second.coef_)


def test_screen_sits_inside_the_folds() -> None:
    """On pure noise a screen that has seen all patients makes held-out deviance look good; one inside the folds cannot."""
    null = -2 * (0.7 * np.log(0.7) + 0.3 * np.log(0.3))
    y = np.repeat([0, 1], [70, 30])
    inside, outside = [], []
    for seed in range(5):
        X = np.random.default_rng(seed).normal(size=(100, 1000))
        inside.append(LassoSignature(n_features=20, folds=5).fit(X, y).cv_deviance_mean_.min() / null)
        outside.append(LassoSignature(n_features=20, folds=5).fit(X[:, mrmr(X, y, 20)], y).cv_deviance_mean_.min() / null)
    assert np.mean(inside) > 0.95
    assert np.mean(outside) < 0.8


def test_empty_model_is_a_constant_score() -> None:
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(60, 200)), np.repeat([0, 1], [40, 20])
    fitted = LassoSignature(n_features=20, folds=5, rule="1se").fit(X, y)
    assert fitted.n_selected_ == 0
    assert fitted.decision_function(X) == pytest.approx(np.full(60, np.log(0.5)), abs=1e-7)


def test_cross_fitted_scores_are_out_of_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = cohort(3, features=100)
    X.iloc[[4, 50]] = np.nan
    estimator = LassoSignature(n_features=15, folds=5)
    steps: list[float] = []
    scores = cross_fitted_scores(estimator, X, y, 5, 9, lambda fraction, _: steps.append(fraction))
    assert np.flatnonzero(np.isnan(scores)).tolist() == [4, 50]
    assert steps == sorted(steps)
    assert steps[-1] == 1
    assert not hasattr(estimator, "coef_")
    fold_of = module.stratified_folds(y.to_numpy(), 5, 9)
    present = X.notna().all(axis=1).to_numpy()
    seen = present & (fold_of != 2)
    one = clone(estimator).fit(X[seen], y[seen])
    others = [clone(estimator).fit(X[present & (fold_of != f)], y[present & (fold_of != f)]).intercept_ for f in range(5)]
    expected = one.decision_function(X[present & (fold_of == 2)]) - one.intercept_ + np.mean(others)
    np.testing.assert_allclose(scores[present & (fold_of == 2)], expected, rtol=1e-12)
    # a patient's own outcome must not move its own score
    changed = y.copy()
    unseen = np.flatnonzero(present & (fold_of == 2))
    swap = [unseen[y.iloc[unseen].to_numpy() == k][0] for k in (0, 1)]
    changed.iloc[swap] = [1, 0]
    real = module.stratified_folds
    monkeypatch.setattr(module, "stratified_folds", lambda outcome, *rest: fold_of if len(outcome) == 120 else real(outcome, *rest))
    again = cross_fitted_scores(estimator, X, changed, 5, 9)
    np.testing.assert_allclose(np.diff(again[unseen]), np.diff(scores[unseen]), atol=1e-12)


def test_cross_fitting_shows_what_fitting_hides() -> None:
    X, y = cohort(4, features=600)
    shuffled = y.sample(frac=1, random_state=0).to_numpy()
    estimator = LassoSignature(n_features=20, folds=5)
    apparent = []
    for outcome in (y.to_numpy(), shuffled):
        honest = roc_auc_score(outcome, cross_fitted_scores(estimator, X, outcome, 5, 0))
        apparent.append((roc_auc_score(outcome, clone(estimator).fit(X, outcome).decision_function(X)), honest))
    assert apparent[0][0] > apparent[0][1] > 0.7
    assert apparent[1][1] < 0.65


def test_cancel_stops_cross_fitting() -> None:
    def cancel(fraction: float, _: str) -> None:
        if fraction > 0:
            raise Cancelled

    X, y = cohort(3)
    with pytest.raises(Cancelled):
        cross_fitted_scores(LassoSignature(n_features=10, folds=5), X, y, 5, 0, cancel)


def test_refusals() -> None:
    X, y = cohort()
    few = pd.Series(0, index=y.index)
    few.iloc[:12] = 1
    with pytest.raises(
        CohortError, match="Only 12 of 120 patients are with the outcome: 10 folds would leave fewer than 2 in a fold; use at most 6"
    ):
        LassoSignature().fit(X, few)
    gap = X.copy()
    gap.iloc[7, 3] = np.nan
    with pytest.raises(CohortError, match=r"column 3 \(tumour__adc__resnet18__0003\) has missing or infinite values in 1 of 120 rows"):
        LassoSignature().fit(gap, y)
    with pytest.raises(CohortError, match=r"3 \(tumour__adc__resnet18__0003\)"):
        cross_fitted_scores(LassoSignature(), gap, y, 5, 0)
    fitted = LassoSignature(n_features=20).fit(X, y)
    with pytest.raises(CohortError, match=f"lacks 1 of the signature's columns, first {fitted.selected_[0]}"):
        fitted.decision_function(X.drop(columns=fitted.selected_[0]))
    with pytest.raises(CohortError, match="trained on 300 feature columns; this table has shape"):
        fitted.decision_function(X.to_numpy()[:, :10])
