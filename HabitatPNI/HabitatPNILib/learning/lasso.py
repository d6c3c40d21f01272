"""Binomial LASSO along a path of penalties: the objective of R's glmnet, solved to machine precision."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import CohortError

_TOLERANCE = 1e-8
_SATURATED = 0.999
_MAX_STEPS = 2000


@dataclass(frozen=True)
class LassoPath:
    """Solutions of a path of penalties, on the scale of standardised features.

    Attributes
    ----------
    lambdas : (steps,) penalties, falling
    coefficients : (steps, features) per standard deviation of the feature
    intercepts : (steps,) at the features' means
    mean, scale : (features,) mean and standard deviation (divisor n) of the patients it was fitted on
    """

    lambdas: np.ndarray
    coefficients: np.ndarray
    intercepts: np.ndarray
    mean: np.ndarray
    scale: np.ndarray

    def scores(self, X: np.ndarray) -> np.ndarray:
        """(patients, steps) log odds of patients with features `X` (patients, features)."""
        return (X - self.mean) / self.scale @ self.coefficients.T + self.intercepts


def binomial_lasso(
    X: np.ndarray, y: np.ndarray, lambdas: np.ndarray | None = None, n_lambdas: int = 100, min_ratio: float | None = None
) -> LassoPath:
    """Minimise ``-(1/n) log-likelihood(b0, b) + lambda * sum |b|`` over standardised features for a falling path of lambdas.

    The intercept carries no penalty. The path begins where all coefficients are zero and runs down in equal steps of the logarithm, as in
    glmnet (Friedman, Hastie and Tibshirani 2010, doi 10.18637/jss.v033.i01). Beyond the point where the model explains 99.9 % of the
    deviance (separated outcome) there is no finite answer: a path of its own ends there, a given one keeps its last solution.

    Each solution is found by feature-sign search (Lee et al. 2006, NIPS 19, 801-808) with Newton steps, begun at the one before.

    Parameters
    ----------
    X : (patients, features), finite; a constant column gets coefficient 0
    y : (patients,) of 0 and 1
    lambdas : falling penalties; None makes the path
    n_lambdas, min_ratio : length of the path, and its last penalty as a share of the first; None is glmnet's rule (0.01 with fewer
        patients than features, else 0.0001)

    Raises
    ------
    CohortError
        when the solver does not converge
    """
    n, features = X.shape
    mean, scale = X.mean(axis=0), X.std(axis=0)
    scale = np.where(scale > 1e-10 * np.abs(X).max(axis=0), scale, np.inf)
    problem = _Problem(np.vstack([np.ones(n), ((X - mean) / scale).T]), y)
    given = lambdas is not None
    if lambdas is None:
        top = float(np.abs(problem.gradient_at_null()).max())
        ratio = min_ratio if min_ratio is not None else (0.01 if n < features else 1e-4)
        lambdas = top * np.geomspace(1.0, ratio, n_lambdas) if top > 0 else np.zeros(1)
    coefficients = np.zeros((len(lambdas), features + 1))
    for step, penalty in enumerate(lambdas):
        if problem.explained() >= _SATURATED:
            if not given:
                lambdas, coefficients = lambdas[:step], coefficients[:step]
                break
            coefficients[step:] = problem.coefficients
            break
        problem.solve(float(penalty))
        coefficients[step] = problem.coefficients
    scale = np.where(np.isinf(scale), 1.0, scale)
    return LassoPath(lambdas, coefficients[:, 1:], coefficients[:, 0], mean, scale)


def binomial_deviance(y: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Deviance a patient, (patients, ...); probabilities are held within 1e-5 of 0 and 1 as in glmnet's cross-validation."""
    from scipy.special import expit

    p = np.clip(expit(log_odds), 1e-5, 1 - 1e-5)
    return -2 * np.where((y == 1).reshape(-1, *([1] * (log_odds.ndim - 1))), np.log(p), np.log1p(-p))


class _Problem:
    """One data set; row 0 of `rows` is the intercept's. Its state is the solution of the penalty last asked for."""

    def __init__(self, rows: np.ndarray, y: np.ndarray) -> None:
        self.rows, self.y = np.ascontiguousarray(rows), y
        self.n = len(y)
        self.coefficients = np.zeros(len(rows))
        self.coefficients[0] = np.log(y.mean() / (1 - y.mean()))
        self.log_odds = np.full(self.n, self.coefficients[0])
        self.signs = np.zeros(len(rows))
        self._activate(np.array([0]))
        self._null = self._loss(self.log_odds)

    def gradient_at_null(self) -> np.ndarray:
        return (self.rows[1:] @ (self.y.mean() - self.y)) / self.n

    def explained(self) -> float:
        """Share of the null deviance explained."""
        return 1 - self._loss(self.log_odds) / self._null

    def solve(self, penalty: float) -> None:
        """Move to the solution at `penalty`: Newton on the active features with fixed signs; a sign that would flip leaves the set."""
        from scipy.special import expit

        objective = self._objective(penalty)
        for _ in range(_MAX_STEPS):
            p = expit(self.log_odds)
            residual = (p - self.y) / self.n
            slope = self._slope(residual, penalty)
            if np.abs(slope).max() <= _TOLERANCE:
                if not self._admit(residual, penalty):
                    return
                slope = self._slope(residual, penalty)
            direction = self._newton(p * (1 - p) / self.n, slope)
            moved = self._line_search(direction, float(slope @ direction), objective, penalty)
            if moved is None:  # no descent left within rounding
                if not self._admit(residual, penalty):
                    return
            else:
                objective = moved
        raise CohortError(f"LASSO did not converge in {_MAX_STEPS} steps at penalty {penalty:.3g}: look for features of extreme values")

    def _activate(self, features: np.ndarray) -> None:
        self.active, self._active_rows = features, self.rows[features]

    def _slope(self, residual: np.ndarray, penalty: float) -> np.ndarray:
        """Gradient of the objective along the active features."""
        return self._active_rows @ residual + penalty * self.signs[self.active]

    def _admit(self, residual: np.ndarray, penalty: float) -> bool:
        """Take in the features that break the optimality conditions; False when none does."""
        gradient = self.rows @ residual
        excess = np.abs(gradient) - penalty
        excess[self.active] = -np.inf
        excess[0] = -np.inf
        entering = np.flatnonzero(excess > _TOLERANCE)
        if not len(entering):
            return False
        # The strongest alone surely moves away from zero by its sign; with it those near it, to save rounds.
        entering = entering[excess[entering] >= 0.5 * excess.max()]
        self.signs[entering] = -np.sign(gradient[entering])
        self._activate(np.concatenate([self.active, entering]))
        return True

    def _newton(self, weights: np.ndarray, slope: np.ndarray) -> np.ndarray:
        from scipy.linalg.lapack import dposv

        weighted = self._active_rows * np.sqrt(weights)
        hessian = weighted @ weighted.T  # a product with itself takes BLAS half the work
        _, direction, failed = dposv(hessian, -slope)
        if failed:  # linearly dependent features
            hessian[np.diag_indices_from(hessian)] += 1e-9 * hessian.diagonal().max()
            direction = np.linalg.solve(hessian, -slope)
        return direction

    def _line_search(self, direction: np.ndarray, slope: float, objective: float, penalty: float) -> float | None:
        """Go along `direction` while it lowers the objective, at most to the first coefficient that reaches zero; its new value."""
        active, signs = self.active, self.signs[self.active]
        now = self.coefficients[active]
        wrong = (signs * direction < 0) & (signs != 0)
        reach = np.where(wrong, -now / np.where(wrong, direction, -1.0), np.inf)
        limit = float(reach.min())
        if limit <= 0:
            self._drop(reach <= 0)
            return objective
        along = direction @ self._active_rows
        step = min(1.0, limit)
        while True:
            coefficients, log_odds = now + step * direction, self.log_odds + step * along
            value = self._loss(log_odds) + penalty * float(signs @ coefficients)
            if value <= objective + 1e-4 * step * slope:
                break
            # Near the solution the gain drowns in rounding; a full Newton step is still right there.
            if step == 1.0 and abs(slope) < 1e-12 * max(1.0, abs(objective)):
                break
            step /= 2
            if step < 1e-10:
                return None
        self.coefficients[active], self.log_odds = coefficients, log_odds
        if step == limit:
            self._drop(reach <= limit)
        return value

    def _drop(self, leaving: np.ndarray) -> None:
        gone = self.active[leaving]
        self.coefficients[gone] = 0.0
        self.signs[gone] = 0.0
        self._activate(self.active[~leaving])

    def _objective(self, penalty: float) -> float:
        return self._loss(self.log_odds) + penalty * float(self.signs @ self.coefficients)

    def _loss(self, log_odds: np.ndarray) -> float:
        return float((np.logaddexp(0.0, log_odds) - self.y * log_odds).sum() / self.n)
