"""The whole fit: what each model's log odds are made of, what resampling may ask of it, and what it refuses."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.learning.classifiers import fit_clinical, fit_combined, univariate_screen
from HabitatPNILib.learning.pipeline import FittedPipeline, fit_pipeline, model_names
from HabitatPNILib.learning.signature import LassoSignature, cross_fitted_scores
from HabitatPNILib.protocol import Protocol

REGIONS = ("habitat1", "habitat2", "tumour")


def protocol(**combined: object) -> Protocol:
    values = {"habitats": {"k": 2}, "selection": {"mrmr_features": 5, "folds": 3}, "combined": {"folds": 3, **combined}}
    return Protocol.from_dict({"name": "test", "title": "t", **values}, "test")


def study(patients: int = 130, signal: float = 1.2, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """One of ten features of `habitat1` and `tumour` informative, `habitat2` noise and absent in two patients."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"p{i}" for i in range(patients)], name="case_id")
    features = pd.DataFrame({f"{r}__adc__resnet18__{i:04d}": rng.normal(size=patients) for r in REGIONS for i in range(10)}, index=index)
    clinical = pd.DataFrame(
        {"age": rng.normal(70, 8, patients), "mrt_stage": rng.integers(1, 5, patients), "pi_rads": rng.integers(3, 6, patients)},
        index=index,
        dtype=float,
    )
    log_odds = 1.1 * (clinical["pi_rads"] - 4) + signal * (
        features["habitat1__adc__resnet18__0003"] + features["tumour__adc__resnet18__0005"]
    )
    y = (rng.random(patients) < 1 / (1 + np.exp(-log_odds))).astype(int).to_numpy()
    features.loc[["p3", "p4"], [c for c in features if c.startswith("habitat2")]] = np.nan
    return features, clinical, y


@pytest.fixture(scope="module")
def fitted() -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray, FittedPipeline]:
    features, clinical, y = study()
    return features, clinical, y, fit_pipeline(features, clinical, y, protocol())


def test_it_is_its_parts_put_together(fitted: tuple) -> None:
    features, clinical, y, found = fitted
    assert found.regions == REGIONS
    estimator = LassoSignature(n_features=5, folds=3, seed=11)
    for region in REGIONS:
        X = features[[c for c in features if c.startswith(region)]]
        np.testing.assert_array_equal(found.cross_fitted[region], cross_fitted_scores(estimator, X, y, 3, 13))
        present = X.notna().all(axis=1)
        assert found.signatures[region].selected_.tolist() == estimator.fit(X[present], y[present]).selected_.tolist()
        assert found.radscores(features)[region].notna().tolist() == present.tolist() or not found.signatures[region].n_selected_
    assert found.n_selected == sum(s.n_selected_ for s in found.signatures.values()) >= 2
    pd.testing.assert_frame_equal(found.univariate, univariate_screen(clinical, y))
    by_hand = fit_clinical(clinical, y, ["age", "mrt_stage", "pi_rads"])
    assert found.clinical_model is not None
    assert found.clinical_model.terms == by_hand.terms
    assert found.combined is not None
    assert {"pi_rads", "radscore_habitat1", "radscore_tumour"} <= set(found.combined.terms)
    scores = found.cross_fitted.fillna(found.cross_fitted.mean()).add_prefix("radscore_")
    again = fit_combined(clinical.join(scores)[list(found.combined.terms)], y, "ridge", 3, 13)
    np.testing.assert_array_equal(found.combined.coefficients, again.coefficients)


def test_log_odds_of_every_model(fitted: tuple) -> None:
    features, clinical, _, found = fitted
    log_odds, scores = found.log_odds(features, clinical), found.radscores(features)
    assert tuple(log_odds.columns) == model_names(REGIONS) == ("clinical", *REGIONS, "combined")
    np.testing.assert_array_equal(log_odds["habitat1"], scores["habitat1"])
    assert found.clinical_model is not None
    assert found.combined is not None
    np.testing.assert_allclose(log_odds["clinical"], found.clinical_model.linear_predictor(clinical), atol=0)
    filled = scores.fillna(found.radscore_means).add_prefix("radscore_")
    np.testing.assert_allclose(log_odds["combined"], found.combined.linear_predictor(clinical.join(filled)), atol=0)
    np.testing.assert_allclose(found.probabilities(features, clinical), 1 / (1 + np.exp(-log_odds)), atol=1e-15)
    with pytest.raises(CohortError, match="do not hold the same cases in the same order"):
        found.log_odds(features, clinical.iloc[::-1])
    with pytest.raises(CohortError, match=r"lacks .* of the signature's columns"):
        found.log_odds(features.drop(columns=found.signatures["tumour"].selected_), clinical)


def test_an_absent_region_and_a_missing_clinical_value_enter_as_training_says(fitted: tuple) -> None:
    features, clinical, _, found = fitted
    case, values = features.loc[["p0"]].copy(), clinical.loc[["p0"]].copy()
    case[[c for c in case if c.startswith("tumour")]] = np.nan
    values["pi_rads"] = np.nan
    log_odds = found.log_odds(case, values).loc["p0"]
    assert log_odds["tumour"] == found.radscore_means["tumour"] == found.cross_fitted["tumour"].mean()
    assert found.medians["pi_rads"] == clinical["pi_rads"].median()
    assert log_odds["clinical"] == found.log_odds(case, values.assign(pi_rads=found.medians["pi_rads"])).at["p0", "clinical"]


def test_cut_offs_have_the_highest_youden_index_of_the_radscores_that_were_fitted_on(fitted: tuple) -> None:
    features, clinical, y, found = fitted
    assert found.combined is not None
    scores = found.cross_fitted.fillna(found.radscore_means)
    probabilities = {
        "clinical": found.probabilities(features, clinical)["clinical"],
        "tumour": 1 / (1 + np.exp(-scores["tumour"])),
        "combined": found.combined.probability(clinical.join(scores.add_prefix("radscore_"))),
    }
    for name, p in probabilities.items():
        false_positive, true_positive, _ = roc_curve(y, p)
        called = np.asarray(p) >= found.cut_offs[name]
        youden = called[y == 1].mean() - called[y == 0].mean()
        assert youden == pytest.approx((true_positive - false_positive).max(), abs=1e-12)


def test_in_sample_radscores_are_those_of_the_final_signatures(fitted: tuple) -> None:
    features, clinical, y, honest = fitted
    found = fit_pipeline(features, clinical, y, protocol(radscores="in_sample"))
    assert found.combined is not None
    scores = honest.radscores(features).fillna(honest.radscore_means).add_prefix("radscore_")
    again = fit_combined(clinical.join(scores)[list(found.combined.terms)], y, "ridge", 3, 13)
    np.testing.assert_array_equal(found.combined.coefficients, again.coefficients)
    pd.testing.assert_frame_equal(found.cross_fitted, honest.cross_fitted)


def test_missing_clinical_values_are_filled_inside_the_fit(fitted: tuple) -> None:
    features, clinical, y, _ = fitted
    gaps = clinical.copy()
    gaps.iloc[:25, 0] = np.nan
    found = fit_pipeline(features, gaps, y, protocol())
    assert found.medians["age"] == clinical["age"].iloc[25:].median()
    filled = fit_pipeline(features, gaps.fillna({"age": found.medians["age"]}), y, protocol())
    np.testing.assert_array_equal(found.probabilities(features, gaps), filled.probabilities(features, gaps))
    gaps.iloc[:27, 0] = np.nan
    with pytest.raises(CohortError, match=r"Clinical column age is missing in 27 of 130 training rows \(first p0, p1, p2, p3, p4\)"):
        fit_pipeline(features, gaps, y, protocol())
    loose = fit_pipeline(features.iloc[:, :10], gaps, y, protocol(), strict=False)
    assert "age" not in loose.univariate.index
    with pytest.raises(CohortError, match="lacks the candidates pi_rads"):
        fit_pipeline(features, clinical.drop(columns="pi_rads"), y, protocol())


def test_a_bootstrap_sample_is_fitted_by_position_and_its_copies_never_judge_each_other() -> None:
    """Noise and no clinical signal: were copies of a patient in two inner folds, out-of-fold scores would recognise them."""
    features, clinical, y = study(signal=0.0, seed=5)
    rng = np.random.default_rng(0)
    apart, together = [], []
    for _ in range(2):
        rows = rng.integers(len(y), size=len(y))
        sample = features.iloc[rows], clinical.iloc[rows], y[rows]
        kept = fit_pipeline(*sample, protocol(), groups=rows, strict=False)
        parted = fit_pipeline(*sample, protocol(), strict=False)
        there = ~np.isnan(features["habitat2__adc__resnet18__0000"].to_numpy()[rows])
        assert (kept.cross_fitted["habitat2"].notna().to_numpy() == there).all()
        assert kept.cross_fitted.index.tolist() == features.index[rows].tolist()
        together += [roc_auc_score(y[rows], kept.cross_fitted[r].fillna(0)) for r in ("habitat1", "tumour")]
        apart += [roc_auc_score(y[rows], parted.cross_fitted[r].fillna(0)) for r in ("habitat1", "tumour")]
        assert np.isfinite(kept.log_odds(features, clinical).to_numpy()).all()
    assert np.mean(apart) > np.mean(together) + 0.05


def test_shuffled_labels_never_stop_a_resampling() -> None:
    features, clinical, y = study(80, seed=3)
    rng = np.random.default_rng(1)
    for penalty in ("ridge", "none"):
        found = fit_pipeline(features, clinical, rng.permutation(y), protocol(penalty=penalty), strict=False)
        log_odds = found.log_odds(features, clinical)
        assert np.isfinite(log_odds.to_numpy()).all()
        constant = {
            "clinical": found.clinical_model is None,
            "combined": found.combined is None,
            **{r: found.signatures[r].n_selected_ == 0 for r in REGIONS},
        }
        for name, empty in constant.items():
            assert (np.ptp(log_odds[name]) == 0) == empty
            assert not (empty and np.isfinite(found.cut_offs[name]))


def test_what_strict_refuses_is_left_empty_in_a_resampling(fitted: tuple) -> None:
    features, clinical, y, _ = fitted
    logit = np.log(y.mean() / (1 - y.mean()))
    useless = clinical.assign(**{c: np.random.default_rng(8).permutation(clinical[c]) for c in clinical})
    with pytest.raises(CohortError, match="No clinical candidate has a univariate p below"):
        fit_pipeline(features, useless, y, protocol())
    found = fit_pipeline(features, useless.assign(age=70.0), y, protocol(), strict=False)
    assert found.clinical_model is None
    assert found.univariate.index.tolist() == ["mrt_stage", "pi_rads"]
    np.testing.assert_allclose(found.log_odds(features, useless)["clinical"], logit)
    assert np.isnan(found.cut_offs["clinical"])
    assert roc_auc_score(y, found.log_odds(features, useless)["clinical"]) == 0.5
    assert found.combined is not None
    assert set(found.combined.terms) <= {f"radscore_{r}" for r in REGIONS}

    rare = features.copy()
    few = np.concatenate([np.flatnonzero(y == 1)[:3], np.flatnonzero(y == 0)[:5]])
    rare.loc[np.delete(features.index, few), [c for c in features if c.startswith("habitat2")]] = np.nan
    flat = rare.assign(**{c: 1.0 for c in rare if c.startswith("tumour")})
    with pytest.raises(CohortError, match="folds would leave fewer than 2 in a fold"):
        fit_pipeline(rare, clinical, y, protocol())
    found = fit_pipeline(flat, clinical, y, protocol(), strict=False)
    assert set(found.signatures) == {"habitat1"}
    assert found.cross_fitted[["habitat2", "tumour"]].isna().all(axis=None)
    np.testing.assert_allclose(found.log_odds(flat, clinical)[["habitat2", "tumour"]], logit)
    nothing = fit_pipeline(flat.drop(columns=flat.columns[:10]), useless.assign(age=1, mrt_stage=1, pi_rads=3), y, protocol(), strict=False)
    assert nothing.n_selected == 0
    assert nothing.combined is None
    assert len(nothing.univariate) == 0
    np.testing.assert_allclose(nothing.probabilities(flat, clinical), y.mean())


def test_a_small_resample_takes_fewer_inner_folds() -> None:
    features, clinical, y = study()
    rows = np.sort(np.concatenate([np.flatnonzero(y == 1)[:7], np.flatnonzero(y == 0)[:20]]))
    lenient = Protocol.from_dict({**protocol().to_dict(), "clinical": {"univariate_p": 0.99}}, "test")
    with pytest.raises(CohortError, match=r"Only 4 of 1[78] patients are with the outcome: 3 folds"):
        fit_pipeline(features.iloc[rows], clinical.iloc[rows], y[rows], lenient)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_pipeline(features.iloc[rows], clinical.iloc[rows], y[rows], protocol(), strict=False)
    assert found.signatures["tumour"].folds == 2
    assert found.cross_fitted["tumour"].notna().all()
    with pytest.raises(CohortError, match="Outcome must hold 0 and 1"):
        fit_pipeline(features, clinical, np.zeros(130), protocol(), strict=False)


def test_cancelled_passes_through() -> None:
    features, clinical, y = study()
    said: list[tuple[float, str]] = []

    def progress(fraction: float, text: str) -> None:
        said.append((fraction, text))
        if fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit_pipeline(features, clinical, y, protocol(), strict=False, progress=progress)
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    assert said[-1][1].startswith("Radscore of habitat2: ")
