"""Radscore of a region: mRMR -> StandardScaler -> binomial LASSO, all of it inside the cross-validation."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from ..errors import CohortError
from ..progress import Progress, no_progress
from .checks import check_matrix, check_outcome, stratified_folds
from .lasso import LassoPath, binomial_deviance, binomial_lasso
from .mrmr import Scheme, mrmr, mrmr_of_rows


class MrmrSelector(SelectorMixin, BaseEstimator):
    """`mrmr` as a scikit-learn selector.

    Parameters
    ----------
    n_features : how many columns to keep
    scheme : as in `mrmr`

    Attributes
    ----------
    ranking_ : (kept,) column indices in the order of choice
    """

    def __init__(self, n_features: int = 100, scheme: Scheme = "FCQ") -> None:
        self.n_features = n_features
        self.scheme = scheme

    def fit(self, X: Any, y: Any) -> MrmrSelector:
        """Choose columns of `X` (patients, features) for the outcome `y` of 0 and 1."""
        _remember_features(self, X)
        self.ranking_ = mrmr(check_matrix(X, _names(self)), y, self.n_features, self.scheme)
        return self

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.ranking_] = True
        return mask


class LassoSignature(ClassifierMixin, BaseEstimator):
    """Linear signature of a region: ``intercept_ + sum(coef_ * (feature - mean_) / scale_)``, log odds of the outcome.

    mRMR keeps `n_features` columns, which are standardised and go into a binomial LASSO (`binomial_lasso`). The penalty is chosen by
    stratified cross-validation of the whole chain: every fold screens, scales and fits anew, and is judged by the deviance of the
    patients it has not seen (pca-pni study, Methods: mRMR, then LASSO with 10-fold cross-validation; there the screen stood outside).
    The final fit uses all patients. A model without features is an answer: its score is the log odds of the prevalence.

    Parameters
    ----------
    n_features, scheme : of mRMR
    folds : of the cross-validation
    rule : ``min`` takes the penalty of the lowest mean deviance, ``1se`` the largest one within a standard error of it
    seed : of the folds

    Attributes
    ----------
    selected_ : names (column indices where `X` had none) of the features with a coefficient, in mRMR's order
    n_selected_ : their number; 0 is a constant radscore
    coef_, mean_, scale_ : (n_selected_,) coefficients per standard deviation, training means and standard deviations
    intercept_ : log odds at the training means
    selected_indices_ : (n_selected_,) columns of `X`
    screened_ : names of mRMR's features, in order
    lambdas_ : (steps,) penalties, falling; `lambda_` the chosen one
    path_ : (steps, screened) coefficients per standard deviation
    cv_deviance_mean_, cv_deviance_se_ : (steps,) deviance a held-out patient and its standard error over the folds, as cv.glmnet has them
    """

    def __init__(
        self, n_features: int = 100, scheme: Scheme = "FCQ", folds: int = 10, rule: Literal["min", "1se"] = "min", seed: int = 0
    ) -> None:
        self.n_features = n_features
        self.scheme = scheme
        self.folds = folds
        self.rule = rule
        self.seed = seed

    def fit(self, X: Any, y: Any, groups: Any = None) -> LassoSignature:
        """Learn the signature from `X` (patients, features), an array or DataFrame, and `y` of 0 and 1.

        Rows of equal `groups` (patients,) stay in one fold of the cross-validation.

        Raises
        ------
        CohortError
            for missing values (naming the column), an outcome that is not 0/1, fewer than 2 patients of a kind in a fold, or no
            feature that varies
        """
        if self.rule not in ("min", "1se"):
            raise ValueError(f"rule must be min or 1se, not {self.rule}")
        _remember_features(self, X)
        names = _names(self)
        values = check_matrix(X, names)
        outcome = check_outcome(y, len(values))
        fold_of = stratified_folds(outcome, self.folds, self.seed, groups)
        rows = np.ascontiguousarray(values.T)

        # Thousands of small products: more threads only wait for each other, and their number would change the last bits.
        with threadpool_limits(1, user_api="blas"):
            columns, path = self._chain(rows, outcome, None)
            deviances = np.stack([self._held_out_deviance(rows, outcome, fold_of == fold, path.lambdas) for fold in range(self.folds)])
        sizes = np.bincount(fold_of, minlength=self.folds)
        mean = np.average(deviances, axis=0, weights=sizes)
        error = np.sqrt(np.average((deviances - mean) ** 2, axis=0, weights=sizes) / (self.folds - 1))
        chosen = int(np.argmin(mean))
        if self.rule == "1se":
            chosen = int(np.argmax(mean <= mean[chosen] + error[chosen]))

        kept = np.flatnonzero(path.coefficients[chosen])
        labels = np.arange(len(rows)) if names is None else np.array(names, dtype=object)
        self.classes_ = np.array([0, 1])
        self.lambdas_, self.lambda_ = path.lambdas, float(path.lambdas[chosen])
        self.path_ = path.coefficients
        self.cv_deviance_mean_, self.cv_deviance_se_ = mean, error
        self.screened_ = labels[columns]
        self.selected_indices_ = columns[kept]
        self.selected_ = labels[self.selected_indices_]
        self.n_selected_ = len(kept)
        self.coef_ = path.coefficients[chosen, kept]
        self.mean_, self.scale_ = path.mean[kept], path.scale[kept]
        self.intercept_ = float(path.intercepts[chosen])
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """(patients,) radscores on the logit scale; NaN where a selected feature is NaN.

        A DataFrame needs the columns `selected_` alone; an array needs all columns of the training.

        Raises
        ------
        CohortError
            when columns are missing
        """
        check_is_fitted(self)
        if hasattr(X, "columns") and _names(self) is not None:
            missing = [name for name in self.selected_ if name not in X.columns]
            if missing:
                raise CohortError(
                    f"The feature table lacks {len(missing)} of the signature's columns, first {missing[0]}; extract it again"
                )
            values = X[list(self.selected_)].to_numpy(dtype=np.float64)
        else:
            every = np.asarray(X, dtype=np.float64)
            if every.ndim != 2 or every.shape[1] != self.n_features_in_:
                raise CohortError(f"The signature was trained on {self.n_features_in_} feature columns; this table has shape {every.shape}")
            values = every[:, self.selected_indices_]
        return self.intercept_ + (values - self.mean_) / self.scale_ @ self.coef_

    def predict_proba(self, X: Any) -> np.ndarray:
        """(patients, 2) probabilities of 0 and 1."""
        from scipy.special import expit

        p = expit(self.decision_function(X))
        return np.column_stack([1 - p, p])

    def predict(self, X: Any) -> np.ndarray:
        """(patients,) 1 where the probability is above one half."""
        return (self.decision_function(X) > 0).astype(int)

    def _chain(self, rows: np.ndarray, y: np.ndarray, lambdas: np.ndarray | None) -> tuple[np.ndarray, LassoPath]:
        columns = mrmr_of_rows(rows, y, self.n_features, self.scheme)
        # The ratio of glmnet for fewer patients than features, which is what the region had before the screen.
        return columns, binomial_lasso(rows[columns].T, y, lambdas, min_ratio=0.01)

    def _held_out_deviance(self, rows: np.ndarray, y: np.ndarray, held_out: np.ndarray, lambdas: np.ndarray) -> np.ndarray:
        seen = np.flatnonzero(~held_out)
        columns, path = self._chain(np.take(rows, seen, axis=1), y[seen], lambdas)
        unseen = rows[np.ix_(columns, np.flatnonzero(held_out))].T
        return binomial_deviance(y[held_out], path.scores(unseen)).mean(axis=0)


def cross_fitted_scores(
    estimator: LassoSignature, X: Any, y: Any, folds: int, seed: int, progress: Progress = no_progress, groups: Any = None
) -> np.ndarray:
    """Out-of-fold radscores: each patient is scored by a copy of `estimator` fitted from the start on the other folds.

    Patients whose region is absent (a row of NaN alone) take no part in the fit and get NaN. The folds depend on `y`, `folds`, `seed` and
    `groups` only, so that a patient is in the same fold for every region. Each fold's own intercept is replaced by their mean: it holds
    the prevalence among the other patients, which falls as the held-out ones have the outcome, and would tie weak scores to it.

    Parameters
    ----------
    estimator : a `LassoSignature`; it is not changed
    X : (patients, features) array or DataFrame
    y : (patients,) of 0 and 1
    groups : (patients,) rows of equal groups stay in one fold, here and in the estimator's own cross-validation

    Returns
    -------
    (patients,) scores, NaN for absent regions

    Raises
    ------
    CohortError
        from the estimator, and when a fold would hold fewer than 2 patients with or without the outcome
    """
    table = X if hasattr(X, "columns") else np.asarray(X, dtype=np.float64)
    outcome = check_outcome(y, len(table))
    fold_of = stratified_folds(outcome, folds, seed, groups)
    members = np.arange(len(outcome)) if groups is None else np.asarray(groups)
    present = ~np.isnan(np.asarray(table, dtype=np.float64)).all(axis=1)

    def rows(which: np.ndarray) -> Any:
        return table.iloc[which] if hasattr(table, "iloc") else table[which]

    scores = np.full(len(outcome), np.nan)
    intercepts: list[float] = []
    for fold in range(folds):
        progress(fold / folds, f"Cross-fitting, fold {fold + 1} of {folds}")
        seen, held_out = np.flatnonzero(present & (fold_of != fold)), np.flatnonzero(present & (fold_of == fold))
        if len(held_out):
            fitted = clone(estimator).fit(rows(seen), outcome[seen], members[seen])
            scores[held_out] = fitted.decision_function(rows(held_out)) - fitted.intercept_
            intercepts.append(fitted.intercept_)
    progress(1.0, "Cross-fitting done")
    return scores + np.mean(intercepts)


def _remember_features(estimator: Any, X: Any) -> None:
    estimator.n_features_in_ = np.shape(X)[1] if np.ndim(X) == 2 else 0
    if hasattr(X, "columns"):
        estimator.feature_names_in_ = np.array([str(name) for name in X.columns], dtype=object)
    elif hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_


def _names(estimator: Any) -> list[str] | None:
    return list(estimator.feature_names_in_) if hasattr(estimator, "feature_names_in_") else None
