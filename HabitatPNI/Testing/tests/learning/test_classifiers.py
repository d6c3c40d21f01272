"""Logistic tables against R's glm, closed forms and pROC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.learning.classifiers import fit_clinical, fit_combined, univariate_screen, youden_cut_off


def two_by_two(a: int, b: int, c: int, d: int) -> tuple[pd.DataFrame, np.ndarray]:
    """a exposed events, b exposed non-events, c unexposed events, d unexposed non-events."""
    return pd.DataFrame({"exposed": np.repeat([1, 1, 0, 0], [a, b, c, d])}), np.repeat([1, 0, 1, 0], [a, b, c, d])


def test_odds_ratio_of_a_two_by_two_table() -> None:
    """Closed form: ad / bc, standard error of its logarithm by Woolf."""
    row = univariate_screen(*two_by_two(20, 30, 14, 109)).loc["exposed"]
    error = np.sqrt(1 / 20 + 1 / 30 + 1 / 14 + 1 / 109)
    ratio = 20 * 109 / (30 * 14)
    assert row["odds_ratio"] == pytest.approx(ratio, rel=1e-9)
    assert row["standard_error"] == pytest.approx(error, rel=1e-9)
    assert [row["low"], row["high"]] == pytest.approx(ratio * np.exp(np.array([-1, 1]) * 1.959963984540054 * error), rel=1e-9)


def test_screen_agrees_with_r(shared_data: Path) -> None:
    """R 4.2.2: coef(summary(glm(r ~ v, binomial, nodal, control=list(epsilon=1e-14))))[2, ]."""
    nodal = pd.read_csv(shared_data / "tables" / "nodal.csv")
    screen = univariate_screen(nodal[["aged", "stage", "grade", "xray", "acid"]], nodal["r"])
    coefficients = [-0.679663830223, 1.65822807660353, 1.3862943611199, 1.9234372932033, 1.6916760106711]
    errors = [0.584040879727, 0.63057041448124, 0.6009252125771, 0.6616150600872, 0.6607269830313]
    p = [0.244534879504, 0.00854534472367, 0.0210585408731, 0.0036469759346, 0.0104574226366]
    assert screen["coefficient"].to_numpy() == pytest.approx(coefficients, abs=1e-8)
    assert screen["standard_error"].to_numpy() == pytest.approx(errors, abs=1e-8)
    assert screen["p"].to_numpy() == pytest.approx(p, abs=1e-8)


def test_clinical_model_agrees_with_r(shared_data: Path) -> None:
    """R 4.2.2: m <- glm(r ~ stage + xray + acid, binomial, nodal, ...); summary(m); confint.default(m)."""
    nodal = pd.read_csv(shared_data / "tables" / "nodal.csv")
    model = fit_clinical(nodal, nodal["r"], ["aged", "stage", "xray", "acid"], 0.02)
    assert model.terms == ("stage", "xray", "acid")  # aged has p = .24
    assert model.intercept == pytest.approx(-3.05178660794, abs=1e-8)
    assert model.intercept_standard_error == pytest.approx(0.842040941238, abs=1e-7)
    assert model.coefficients == pytest.approx([1.64534637346, 1.91162583382, 1.63777807911], abs=1e-8)
    assert model.standard_errors == pytest.approx([0.729674392149, 0.777133567919, 0.753943257606], abs=1e-7)
    assert model.p_values == pytest.approx([0.024139297731326, 0.013899817164639, 0.029834327728759], abs=1e-7)
    limits = [[0.215210844410, 3.07548190252], [0.388472029522, 3.43477963812], [0.160076447811, 3.11547971040]]
    assert model.confidence == pytest.approx(np.array(limits), abs=1e-7)
    assert model.odds_ratios == pytest.approx(np.exp(model.coefficients))
    with pytest.raises(CohortError, match=r"No clinical candidate has a univariate p below 0.001 \(aged p = 0.245, stage p = 0.009\)"):
        fit_clinical(nodal, nodal["r"], ["aged", "stage"], 0.001)


def test_unpenalised_combined_model_agrees_with_r(shared_data: Path) -> None:
    """R 4.2.2: glm(poor ~ age + wfns + s100b + ndka, binomial, aSAH, control=list(epsilon=1e-14, maxit=100))."""
    table = pd.read_csv(shared_data / "tables" / "aSAH.csv")
    poor = (table["outcome"] == "Poor").astype(int)
    model = fit_combined(table[["age", "wfns", "s100b", "ndka"]], poor, "none")
    assert model.intercept == pytest.approx(-5.3065433938171, abs=1e-7)
    assert model.coefficients == pytest.approx([0.0272279522158, 0.8045213773398, 1.4134470990878, 0.0450092781030], abs=1e-8)
    assert model.standard_errors == pytest.approx([0.0184327031809, 0.2182221652807, 1.5456206556994, 0.0183215488950], abs=1e-7)
    # the likelihood equations: fitted probabilities sum to the events
    assert model.probability(table).sum() == pytest.approx(poor.sum(), abs=1e-6)


def test_ridge_solution_is_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(173, 5)) * [1, 10, 0.1, 1, 1] + [0, 60, 0, 5, -3], columns=list("abcde"))
    y = (table["a"] + rng.normal(size=173) > 1).to_numpy().astype(int)
    model = fit_combined(table, y, "ridge", 10, 3)
    assert model.ridge > 0
    assert np.isnan(model.standard_errors).all()
    scale = table.std(ddof=0)
    reference = LogisticRegression(C=1 / (173 * model.ridge), tol=1e-12, max_iter=1000).fit((table - table.mean()) / scale, y)
    assert model.coefficients == pytest.approx(reference.coef_[0] / scale.to_numpy(), abs=1e-5)
    assert model.probability(table) == pytest.approx(reference.predict_proba((table - table.mean()) / scale)[:, 1], abs=1e-5)
    assert np.array_equal(model.coefficients, fit_combined(table, y, "ridge", 10, 3).coefficients)


def test_ridge_takes_a_separated_outcome_and_shrinks_noise() -> None:
    rng = np.random.default_rng(1)
    y = np.repeat([0, 1], 40)
    separated = pd.DataFrame({"score": y + 0.1 * rng.uniform(-1, 1, 80), "noise": rng.normal(size=80)})
    assert np.isfinite(fit_combined(separated, y, "ridge", 5, 0).coefficients).all()
    noise = pd.DataFrame(rng.normal(size=(80, 3)), columns=list("abc"))
    assert (
        np.abs(fit_combined(noise, y, "ridge", 5, 0).coefficients).max() < 0.5 * np.abs(fit_combined(noise, y, "none").coefficients).max()
    )


@pytest.mark.parametrize("score", [np.arange(40.0), np.minimum(np.arange(40.0), 19.5)])
def test_separation_is_said(score: np.ndarray) -> None:
    y = np.repeat([0, 1], 20)
    with pytest.raises(CohortError, match="psa separate the outcome of the 40 patients: odds ratios would be infinite"):
        univariate_screen(pd.DataFrame({"psa": score}), y)


def test_quasi_complete_separation_is_said() -> None:
    table, y = two_by_two(5, 0, 10, 30)
    with pytest.raises(CohortError, match="exposed separate the outcome of the 45 patients"):
        fit_combined(table, y, "none")


def test_bad_tables_are_named() -> None:
    y = np.arange(40) % 2
    good = np.random.default_rng(0).normal(size=40)
    with pytest.raises(CohortError, match=r"Column age is missing or not finite in 2 of 40 rows \(first rows: 3, 9\)"):
        univariate_screen(pd.DataFrame({"age": np.where(np.isin(np.arange(40), [3, 9]), np.nan, good)}), y)
    with pytest.raises(CohortError, match="Column age has the same value in all 40 patients"):
        fit_combined(pd.DataFrame({"age": np.full(40, 63.0)}), y, "ridge", 5, 0)
    with pytest.raises(CohortError, match="Columns age, twice are linearly dependent"):
        fit_combined(pd.DataFrame({"age": good, "twice": 2 * good + 1}), y, "none")
    with pytest.raises(CohortError, match="Columns age must hold numbers"):
        univariate_screen(pd.DataFrame({"age": ["old"] * 40}), y)
    with pytest.raises(CohortError, match="lacks the candidates psa"):
        fit_clinical(pd.DataFrame({"age": good}), y, ["age", "psa"])
    with pytest.raises(CohortError, match="lacks the columns age"):
        fit_combined(pd.DataFrame({"age": good}), y, "ridge", 5, 0).probability(pd.DataFrame({"psa": good}))
    with pytest.raises(CohortError, match="Only 4 of 40 patients are with the outcome: 5 folds"):
        fit_combined(pd.DataFrame({"age": good}), (np.arange(40) < 4).astype(int), "ridge", 5, 0)


def test_youden_cut_off_is_proc(shared_data: Path) -> None:
    """pROC: coords(roc(aSAH$outcome, aSAH$s100b), "best") gives threshold 0.205, specificity 0.8055556, sensitivity 0.6341463."""
    table = pd.read_csv(shared_data / "tables" / "aSAH.csv")
    poor = (table["outcome"] == "Poor").to_numpy()
    cut_off = youden_cut_off(poor.astype(int), table["s100b"])
    assert cut_off == pytest.approx(0.205, abs=1e-12)
    assert (table["s100b"][poor] >= cut_off).mean() == pytest.approx(0.6341463, abs=1e-7)
    assert (table["s100b"][~poor] < cut_off).mean() == pytest.approx(0.8055556, abs=1e-7)


def test_youden_cut_off_refuses_what_it_cannot_cut() -> None:
    y = np.array([0, 1, 0, 1])
    assert youden_cut_off(y, [0.1, 0.5, 0.2, 0.3]) == pytest.approx(0.25)
    with pytest.raises(CohortError, match="missing or infinite in 1 of 4 rows"):
        youden_cut_off(y, [0.1, np.nan, 0.2, 0.3])
    with pytest.raises(CohortError, match="All scores are equal"):
        youden_cut_off(y, [0.1] * 4)
    with pytest.raises(CohortError, match="rank no better than chance"):
        youden_cut_off(y, [0.9, 0.1, 0.8, 0.2])
