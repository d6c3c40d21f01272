"""Nested figures keep what they promise: one half on noise, near the truth on signal, and nothing of the held-out splits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.discrimination import auc
from HabitatPNILib.evaluation.optimism import bootstrap_fits
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.study.data import study_data
from HabitatPNILib.study.fits import FitBook, Learnable
from HabitatPNILib.study.honesty import learning_sizes, run_honesty
from HabitatPNILib.study.plan import StudyPlan

PLAN = StudyPlan(folds=3, repeats=2, bootstrap=10, permutations=10, learning_sizes=2)


def bayes(signal, clinical):
    """AUC of the true probability in 200,000 patients of `make_study`'s law."""
    rng = np.random.default_rng(99)
    log_odds = clinical * rng.integers(-1, 2, 200_000) + signal * np.sqrt(3) * rng.normal(size=200_000)
    return auc(rng.random(200_000) < 1 / (1 + np.exp(-log_odds)), log_odds)


@pytest.fixture(scope="module")
def noise(make_study):
    return make_study(n=200, signal=0.0, clinical=0.0, columns=40, seed=3)


def test_on_noise_apparent_figures_shine_and_nested_ones_say_one_half(noise, quick_pipeline, tmp_path):
    found = run_honesty(noise, PLAN, tmp_path)
    assert found.apparent["combined"] > 0.8
    assert abs(found.nested["combined"].auc - 0.5) < 0.1
    assert abs(found.dot632["combined"].left_out - 0.5) < 0.1
    assert found.optimism["combined"].corrected < found.apparent["combined"] - 0.05
    assert found.permutation.p > 0.05
    assert (found.permuted_selected == 1).all()
    assert found.bootstrap_selected == 1
    assert not found.leak.pipeline.flagged
    assert found.leak.planted.flagged
    np.testing.assert_array_equal(found.leak.pipeline.aucs, found.permutation.permuted)
    assert found.nested_habitats is None
    assert found.no_nested_habitats.startswith("the extraction names no prepared volumes")


def test_why_habitats_stay_outside_the_folds_is_kept(noise, quick_pipeline, tmp_path):
    plan = dataclasses.replace(PLAN, repeats=1, bootstrap=2, permutations=2, learning_sizes=0)
    alone = dataclasses.replace(noise, extraction=dataclasses.replace(noise.extraction, centroids=None))
    assert run_honesty(alone, plan, tmp_path).no_nested_habitats.startswith("every patient is clustered alone")
    left_out = dataclasses.replace(plan, habitat_repeats=0)
    assert run_honesty(noise, left_out, tmp_path).no_nested_habitats == "the plan leaves it out (0 habitat repeats)"


def test_on_signal_nested_figures_lie_below_apparent_ones_and_near_the_truth(make_study, quick_pipeline, tmp_path):
    law = {"signal": 1.5, "clinical": 0.9}
    truth = bayes(**law)
    found = run_honesty(make_study(n=1000, columns=6, **law), PLAN, tmp_path)
    assert truth == pytest.approx(0.90, abs=0.02)
    assert found.nested["combined"].auc < found.apparent["combined"]
    assert abs(found.nested["combined"].auc - truth) < 0.05
    assert found.permutation.p == pytest.approx(1 / 11)
    assert found.permutation.observed == found.nested["combined"].repeat_aucs[0]
    assert found.nested["clinical"].auc < found.nested["combined"].auc - 0.05
    assert found.learning.held_out[-1] > 0.8
    assert list(found.learning.sizes) == sorted(found.learning.sizes)


def test_the_held_out_splits_take_no_part(make_study, quick_pipeline, tmp_path):
    data = make_study()
    found = run_honesty(data, PLAN, tmp_path / "a")
    training = data.rows("training")
    assert all(set(cases) <= set(training) for cases, _, _ in quick_pipeline.calls)
    held_out = data.cohort.index.difference(training)
    features, cohort = data.extraction.features.copy(), data.cohort.copy()
    features.loc[held_out] = 1e6
    cohort.loc[held_out, "outcome"] = 1 - cohort.loc[held_out, "outcome"]
    other = study_data(cohort, dataclasses.replace(data.extraction, features=features))
    quick_pipeline.calls.clear()
    again = run_honesty(other, PLAN, tmp_path / "a")
    assert quick_pipeline.calls == []
    assert again.apparent.equals(found.apparent)


def test_figures_are_those_of_the_drivers(make_study, quick_pipeline, tmp_path):
    data = make_study()
    found = run_honesty(data, PLAN, tmp_path)
    training = data.rows("training")
    y = data.y.loc[training].to_numpy()
    book = FitBook(Learnable(data.features.loc[training], data.clinical.loc[training], data.protocol), y, tmp_path / "other")
    fits = book.resampled(lambda: bootstrap_fits(book.fit("habitat1"), y, PLAN.bootstrap, PLAN.seed))
    assert found.apparent["habitat1"] == auc(y, fits.apparent)
    in_all = np.mean([auc(y, s) for s in fits.scores])
    in_sample = np.mean([auc(y.repeat(c), s.repeat(c)) for c, s in zip(fits.counts, fits.scores, strict=True)])
    assert found.optimism["habitat1"].optimism == pytest.approx(in_sample - in_all)
    samples = found.calibration_optimism
    assert samples.optimism == pytest.approx(np.median(samples.in_sample - samples.in_all))
    assert found.fits == len(list(tmp_path.glob("fit-*.npz")))


def test_a_resumed_study_gives_identical_figures(make_study, quick_pipeline, tmp_path):
    first = run_honesty(make_study(), PLAN, tmp_path)
    calls = len(quick_pipeline.calls)
    again = run_honesty(make_study(), PLAN, tmp_path)
    assert len(quick_pipeline.calls) == calls == first.fits
    assert again.apparent.equals(first.apparent)
    assert again.optimism["combined"].corrected == first.optimism["combined"].corrected
    np.testing.assert_array_equal(again.nested["combined"].scores, first.nested["combined"].scores)
    np.testing.assert_array_equal(again.learning.held_out_aucs, first.learning.held_out_aucs)
    np.testing.assert_array_equal(again.leak.planted.aucs, first.leak.planted.aucs)


def test_learning_sizes_reach_from_what_the_inner_folds_need_to_the_smallest_training_part():
    protocol = Protocol.from_dict({"name": "t", "title": "t", "selection": {"folds": 5}, "combined": {"folds": 10}}, "test")
    y = np.repeat([0, 1], [120, 53])
    assert learning_sizes(y, StudyPlan(learning_sizes=4), protocol) == (43, 74, 106, 137)
    assert learning_sizes(y, StudyPlan(learning_sizes=0), protocol) == ()
    assert learning_sizes(np.repeat([0, 1], [120, 10]), StudyPlan(), protocol) == ()


def test_too_few_patients_are_refused_before_anything_is_computed(make_study, quick_pipeline, tmp_path):
    data = make_study()
    few = data.cohort.copy()
    training = data.rows("training")
    few.loc[training, "outcome"] = 0
    few.loc[training[:8], "outcome"] = 1
    small = study_data(few, data.extraction)
    with pytest.raises(CohortError, match="Only 8 patients of the rarer outcome: 5 folds would leave fewer than 2"):
        run_honesty(small, StudyPlan(), tmp_path)
    with pytest.raises(CohortError, match="Only 8 training patients of the rarer outcome: 2 folds leave 4 to learn from"):
        run_honesty(small, StudyPlan(folds=2), tmp_path)
    assert quick_pipeline.calls == []


@pytest.mark.slow
def test_the_real_pipeline_on_noise(make_study, tmp_path):
    """Radscores taken in sample, as the study's own way is. LASSO's own cross-validation keeps what it selects from noise small, often
    nothing at all, so that apparent figures are above one half and not near one; the nested ones are not deceived."""
    values = {**make_study(n=40).protocol.to_dict(), "combined": {"radscores": "in_sample", "folds": 3}}
    data = make_study(n=200, signal=0.0, clinical=0.0, columns=40, seed=3, protocol=Protocol.from_dict(values, "test"))
    found = run_honesty(data, StudyPlan(folds=3, repeats=1, bootstrap=2, permutations=6, learning_sizes=0), tmp_path)
    shining = found.apparent.idxmax()
    assert found.apparent[shining] > found.nested[shining].auc + 0.1
    assert all(abs(cv.auc - 0.5) < 0.1 for cv in found.nested.values())
    assert abs(found.permutation.permuted.mean() - 0.5) < 0.1
    assert found.permuted_selected.mean() > 0.5
    assert not found.leak.pipeline.flagged
    assert found.leak.planted.flagged


@pytest.mark.slow
def test_the_real_pipeline_on_signal(make_study, tmp_path):
    law = {"signal": 1.5, "clinical": 0.9}
    truth = bayes(**law)
    data = make_study(n=400, columns=6, **law)
    found = run_honesty(data, StudyPlan(folds=3, repeats=1, bootstrap=4, permutations=2, learning_sizes=0), tmp_path)
    assert found.nested["combined"].auc < found.apparent["combined"]
    assert abs(found.nested["combined"].auc - truth) < 0.05
