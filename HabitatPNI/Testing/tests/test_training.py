"""Training on synthetic features whose law is known: signal is found, noise is not, and the model predicts as trained."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.analysis import analyse, radscore
from HabitatPNILib.cohort import Extraction
from HabitatPNILib.errors import CohortError
from HabitatPNILib.frozen_model import HabitatCentroids, load_model
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.training import Identity, train

IDENTITY = Identity("trained", "1.0.0", "A test model", "Made for a test.", True, {"patients": "none"})
PROTOCOL = Protocol.from_dict(
    {
        "name": "test",
        "title": "t",
        "registration": {"enabled": False},
        "habitats": {"k": 2, "k_range": [2, 3]},
        "selection": {"mrmr_features": 10, "folds": 5},
        "combined": {"folds": 5},
    },
    "test",
)


def cohort(n=240, signal=1.3, seed=0, absent=()):
    """Clinical values, features (one of 20 a region informative) and outcomes of n patients, two thirds of them training."""
    rng = np.random.default_rng(seed)
    age = rng.normal(70, 8, n).clip(45, 93).round()
    stage, score = rng.integers(1, 5, n), rng.integers(3, 6, n)
    regions = ("habitat1", "habitat2", "tumour")
    columns = {f"{r}__{s}__resnet18__{i:04d}": rng.normal(0, 1, n) for r in regions for s in ("t2w", "adc") for i in range(10)}
    features = pd.DataFrame(columns, index=pd.Index([f"p{i}" for i in range(n)], name="case_id"))
    log_odds = 0.9 * (score - 4) + 0.4 * (stage - 2) + sum(signal * features[f"{r}__t2w__resnet18__0003"] for r in regions)
    outcome = (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(int)
    for row in absent:
        features.loc[f"p{row}", [c for c in features if c.startswith("habitat2__")]] = np.nan
    split = np.where(np.arange(n) < 2 * n // 3, "training", np.where(np.arange(n) < 5 * n // 6, "internal", "external"))
    table = pd.DataFrame({"split": split, "outcome": outcome, "age": age, "mrt_stage": stage, "pi_rads": score}, index=features.index)
    centroids = HabitatCentroids(("t2w", "dwi", "adc"), (0.0,) * 3, (1.0,) * 3, ((-1.0,) * 3, (1.0,) * 3))
    learned = tuple(table.index[table["split"] == "training"])
    return Extraction(features, PROTOCOL, centroids, "ab" * 32, {"dwi": 1400.0}, {}, True, learned), table


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    extraction, table = cohort(absent=(3, 4, 200))
    return extraction, table, train(extraction, table, IDENTITY, tmp_path_factory.mktemp("models") / "trained")


def test_the_informative_features_are_kept_and_held_out_patients_are_ranked(trained):
    _, _, result = trained
    for region in ("habitat1", "habitat2", "tumour"):
        assert f"{region}__t2w__resnet18__0003" in result.model.imaging.signatures[region].features
    auc = {row["cohort"]: row["auc"] for row in result.model.performance}
    assert auc["internal"] > 0.75
    assert auc["external"] > 0.75


def test_the_frozen_model_gives_the_probabilities_of_training(trained):
    extraction, table, result = trained
    model = load_model(result.model.folder)
    for case in table.index[:20]:
        log_odds = model.intercept
        for term in model.terms:
            region = term.name.removeprefix("radscore_")
            if region in model.imaging.signatures:
                score = radscore(extraction.features.loc[case], model.imaging.signatures[region])
                value = model.imaging.signatures[region].train_mean if np.isnan(score) else score
            else:
                value = table.at[case, term.name]
            log_odds += term.coefficient * value
        assert 1 / (1 + np.exp(-log_odds)) == pytest.approx(result.probabilities.at[case, "combined"], abs=1e-12)


def test_an_absent_habitat_enters_at_the_training_mean(trained):
    extraction, table, result = trained
    radscores = result.pipeline.radscores(extraction.features.loc[["p200"]])
    assert np.isnan(radscores.at["p200", "habitat2"])
    log_odds = result.model.intercept
    for term in result.model.terms:
        region = term.name.removeprefix("radscore_")
        known = {**radscores.loc["p200"].to_dict(), "habitat2": result.model.imaging.signatures["habitat2"].train_mean}
        log_odds += term.coefficient * (known[region] if region in known else table.at["p200", term.name])
    assert result.probabilities.at["p200", "combined"] == pytest.approx(1 / (1 + np.exp(-log_odds)), abs=1e-12)


def test_analyse_gives_the_probabilities_of_the_pipeline(trained, phantom):
    """The frozen model is what a single case is predicted with; the network is replaced by the features of the synthetic patients."""
    extraction, table, result = trained
    for case_id in ("p1", "p3", "p170", "p200"):  # p3 and p200 lack habitat 2
        row = extraction.features.loc[case_id]
        network = SimpleNamespace(extract=lambda *_, row=row: row, notice="", description="fixed features")
        clinical = {p.name: table.at[case_id, p.name] for p in result.model.predictors}
        case = dataclasses.replace(phantom[0], clinical=clinical)
        found = analyse(case, result.model, load=lambda _, network=network: network)
        assert found.probability == pytest.approx(result.probabilities.at[case_id, "combined"], abs=1e-9)


def test_missing_clinical_values_are_filled_with_the_training_median_and_said(tmp_path):
    extraction, table = cohort(absent=(3,))
    table = table.astype({"age": float, "pi_rads": object})
    table.loc[["p1", "p5", "p9", "p230"], "age"] = np.nan
    table.loc["p2", "pi_rads"] = None
    result = train(extraction, table, IDENTITY, tmp_path / "gaps")
    seen = table[table["split"] == "training"]
    median = seen["age"].median()
    assert result.model.provenance["imputed"] == {
        "age": {"median": median, "cases": {"training": 3, "external": 1}},
        "pi_rads": {"median": 4.0, "cases": {"training": 1}},
    }
    assert f"| `age` | {median:g} | training: 3, external: 1 |" in result.model.card
    by_hand = train(extraction, table.fillna({"age": median, "pi_rads": 4}), IDENTITY, tmp_path / "filled")
    assert "imputed" not in by_hand.model.provenance
    assert "Missing clinical values" not in by_hand.model.card
    np.testing.assert_array_equal(result.probabilities, by_hand.probabilities)
    assert result.model.terms == by_hand.model.terms

    table.loc[seen.index[:40], "age"] = np.nan
    with pytest.raises(CohortError, match=r"Clinical column age is missing in 40 of 160 training rows \(first p0, p1, .*at most 20%"):
        train(extraction, table, IDENTITY, tmp_path / "m")
    table.loc[seen.index, "age"] = np.nan
    with pytest.raises(CohortError, match="Clinical column age is empty in all 160 training rows"):
        train(extraction, table, IDENTITY, tmp_path / "m")


def test_predictors_carry_the_range_of_training_and_the_cut_off_lies_between_the_classes(trained):
    _, table, result = trained
    ages = table.loc[table["split"] == "training", "age"]
    by_name = {p.name: p for p in result.model.predictors}
    if "age" in by_name:
        assert (by_name["age"].low, by_name["age"].high) == (ages.min(), ages.max())
    assert {"pi_rads"} <= set(by_name)
    assert 0 < result.model.cut_off < 1
    assert result.model.card.startswith("Made for a test.")


def test_in_sample_radscores_promise_more_than_they_keep_and_cross_fitted_ones_do_not(tmp_path):
    """The features are noise: fitting on in-sample radscores (the study's way) looks good in training and fails outside."""
    extraction, table = cohort(signal=0.0, seed=7)
    in_sample = dataclasses.replace(
        extraction, protocol=Protocol.from_dict({**PROTOCOL.to_dict(), "combined": {"radscores": "in_sample"}}, "test")
    )

    def auc(which, folder):
        rows = {row["cohort"]: row["auc"] for row in train(which, table, IDENTITY, tmp_path / folder).model.performance}
        return rows["training, apparent"], rows["external"]

    study_apparent, study_external = auc(in_sample, "study")
    apparent, external = auc(extraction, "honest")
    assert study_apparent - study_external > 0.15
    assert apparent - external < 0.05
    assert external > study_external


def test_images_without_information_are_said_to_have_none(tmp_path):
    extraction, table = cohort(signal=0.0, seed=5)
    with pytest.raises(CohortError, match="No region's radscore ranks unseen patients better than chance"):
        train(extraction, table, IDENTITY, tmp_path / "m")


def test_what_cannot_be_trained_is_said(tmp_path):
    extraction, table = cohort()
    with pytest.raises(CohortError, match=r"lacks the clinical columns pi_rads \(it has age, mrt_stage\)"):
        train(extraction, table.drop(columns="pi_rads"), IDENTITY, tmp_path / "m")
    with pytest.raises(CohortError, match="Column age has the same value"):
        train(extraction, table.assign(age=70), IDENTITY, tmp_path / "m")
    shuffled = table.assign(**{c: np.random.default_rng(1).permutation(table[c]) for c in ("age", "mrt_stage", "pi_rads")})
    with pytest.raises(CohortError, match=r"No clinical candidate has a univariate p below 0\.05 \(age p = "):
        train(extraction, shuffled, IDENTITY, tmp_path / "m")
    moved = table.assign(split=np.where(table.index == "p0", "external", table["split"]))
    with pytest.raises(CohortError, match=r"1 cases that shaped the habitats are no longer training cases \(first p0\)"):
        train(extraction, moved, IDENTITY, tmp_path / "m")
    assert not (tmp_path / "m").exists()
