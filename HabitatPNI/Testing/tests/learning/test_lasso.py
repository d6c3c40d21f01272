"""Binomial LASSO against its optimality conditions, R's glmnet and scikit-learn's saga."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.learning.lasso import LassoPath, binomial_deviance, binomial_lasso


def glmnet_example() -> tuple[np.ndarray, np.ndarray]:
    """Data from a formula, so that R and NumPy make the same.

    n <- 60; p <- 80
    X <- outer(1:n, 1:p, function(i,j) sin(i*j*0.7 + j^2*0.3) + 0.5*cos(i*1.3))
    y <- as.integer(X[,1] + X[,2] - X[,3] + 0.8*sin((1:n)^2*1.7) > 0.9)
    """
    i, j = np.arange(1, 61)[:, None], np.arange(1, 81)[None, :]
    X = np.sin(i * j * 0.7 + j**2 * 0.3) + 0.5 * np.cos(i * 1.3)
    y = (X[:, 0] + X[:, 1] - X[:, 2] + 0.8 * np.sin(i[:, 0] ** 2 * 1.7) > 0.9).astype(float)
    return X, y


# R 4.2.2, glmnet 4.1-6: f <- glmnet(X, y, family="binomial", thresh=1e-15, maxit=1e7); coef(f)[, step], 1-based features.
GLMNET = {
    10: (0.150055752382, -1.258016339141, {2: 0.269336027518, 3: -0.513536540424, 12: 0.133566534985}),
    30: (
        0.05918508078,
        -1.7017740224081,
        {1: 0.7272694142787, 2: 1.1061042375878, 3: -1.5511293529417, 12: 0.0132332099168},
    ),
    60: (
        0.0146605964228,
        -2.6322507827962,
        {
            1: 1.5535357959261,
            2: 2.1378273361751,
            3: -2.7381224536046,
            23: -0.1668948256962,
            27: 0.3426178490215,
            29: -0.3397383345523,
            50: 0.0348718218745,
            51: -0.0345824502229,
            58: 0.3391226842375,
            66: 0.2497356566845,
            69: -0.3830970241037,
            71: 0.3326815561925,
            73: -0.4655842608609,
            76: 0.0807053238239,
            78: 0.0061118559245,
        },
    ),
}


def optimality_gap(path: LassoPath, X: np.ndarray, y: np.ndarray) -> float:
    """Largest breach of the Karush-Kuhn-Tucker conditions on the path."""
    Z = (X - path.mean) / path.scale
    worst = 0.0
    for penalty, b, b0 in zip(path.lambdas, path.coefficients, path.intercepts, strict=True):
        residual = 1 / (1 + np.exp(-(Z @ b + b0))) - y
        gradient = Z.T @ residual / len(y)
        kept = b != 0
        worst = max(
            worst,
            abs(residual.mean()),
            np.abs(gradient[kept] + penalty * np.sign(b[kept])).max(initial=0),
            (np.abs(gradient[~kept]) - penalty).max(initial=0),
        )
    return worst


def test_path_agrees_with_glmnet() -> None:
    X, y = glmnet_example()
    path = binomial_lasso(X, y, min_ratio=0.01)
    assert y.sum() == 14
    assert len(path.lambdas) == 100
    assert path.lambdas[[0, -1]] == pytest.approx([0.228071401107, 0.00228071401107], rel=1e-9)
    for step, (penalty, intercept, coefficients) in GLMNET.items():
        assert path.lambdas[step - 1] == pytest.approx(penalty, rel=1e-9)
        own = path.coefficients[step - 1] / path.scale
        expected = np.zeros(80)
        expected[np.array(list(coefficients)) - 1] = list(coefficients.values())
        assert own == pytest.approx(expected, abs=1e-5)
        assert path.intercepts[step - 1] - own @ path.mean == pytest.approx(intercept, abs=1e-5)


@pytest.mark.parametrize("shape", [(155, 100), (60, 80), (173, 20), (40, 300)])
@pytest.mark.parametrize("noise", [0.1, 1.0])
def test_solutions_meet_the_optimality_conditions(shape: tuple[int, int], noise: float) -> None:
    rng = np.random.default_rng(shape[0])
    hidden = rng.normal(size=(shape[0], 10))
    X = hidden @ rng.normal(size=(10, shape[1])) + noise * rng.normal(size=shape)
    X[:, 3], X[:, 5], X[:, 9] = X[:, 7], -X[:, 6], 4.0  # copies and a constant
    y = (hidden[:, 0] + hidden[:, 1] + rng.normal(size=shape[0]) > 1).astype(float)
    path = binomial_lasso(X, y)
    assert optimality_gap(path, X, y) < 1e-7
    assert not path.coefficients[0].any()
    assert path.coefficients[-1].any()
    assert not path.coefficients[:, 9].any()


def test_agrees_with_saga() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    X = rng.normal(size=(200, 8))
    y = (X[:, 0] - X[:, 1] + rng.normal(size=200) > 0.5).astype(float)
    path = binomial_lasso(X, y, lambdas=np.array([0.1, 0.02]))
    Z = (X - path.mean) / path.scale
    for penalty, coefficients in zip(path.lambdas, path.coefficients, strict=True):
        model = LogisticRegression(C=1 / (200 * penalty), l1_ratio=1, solver="saga", tol=1e-9, max_iter=100_000, random_state=0)
        assert model.fit(Z, y).coef_[0] == pytest.approx(coefficients, abs=1e-5)


def test_separated_outcome_ends_the_path_and_holds_the_last_solution_of_a_given_one() -> None:
    X = np.linspace(-1, 1, 40)[:, None] ** np.array([1, 3])
    y = (X[:, 0] > 0.2).astype(float)
    path = binomial_lasso(X, y, min_ratio=1e-9)
    assert 10 < len(path.lambdas) < 100
    given = binomial_lasso(X, y, lambdas=np.geomspace(0.3, 1e-12, 50))
    assert np.isfinite(given.coefficients).all()
    assert np.array_equal(given.coefficients[-1], given.coefficients[-2])


def test_deviance() -> None:
    y = np.array([1.0, 0.0, 1.0])
    log_odds = np.log(np.array([[0.8, 0.5], [0.25, 0.5], [1e-9, 0.5]]) / (1 - np.array([[0.8, 0.5], [0.25, 0.5], [1e-9, 0.5]])))
    expected = -2 * np.log([[0.8, 0.5], [0.75, 0.5], [1e-5, 0.5]])
    assert binomial_deviance(y, log_odds) == pytest.approx(expected, rel=1e-9)
