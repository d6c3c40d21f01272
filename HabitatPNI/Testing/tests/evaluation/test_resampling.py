"""Cross-validation, permutation and learning curve of pipelines whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.evaluation.resampling import learning_curve, permutation_test, repeated_cv

Y = (np.arange(100) % 5 == 0).astype(int)
NOISE = np.random.default_rng(2).normal(size=(100, 2000))


def best_of(features: np.ndarray, y: np.ndarray, chosen_by=None):
    """``fit`` that takes the one feature with the largest difference of means; the leak: chosen by more rows than it is given."""

    def fit(rows):
        seen = rows if chosen_by is None else chosen_by
        difference = features[seen][y[seen] == 1].mean(axis=0) - features[seen][y[seen] == 0].mean(axis=0)
        best = np.abs(difference).argmax()
        return lambda wanted: features[wanted, best] * np.sign(difference[best])

    return fit


def test_cross_validation_of_the_whole_pipeline_finds_nothing_in_noise_and_shows_a_leak():
    honest = repeated_cv(best_of(NOISE, Y), Y, folds=5, repeats=4, seed=0)
    leaking = repeated_cv(best_of(NOISE, Y, np.arange(100)), Y, folds=5, repeats=4, seed=0)
    assert honest.auc == pytest.approx(0.5, abs=0.08)
    assert leaking.auc > 0.75


def test_auc_is_the_mean_over_folds_and_never_pooled():
    """Each model shifts its scores by its own amount: inside a fold the ranking is perfect, pooled it is not."""
    found = repeated_cv(lambda rows: lambda wanted: Y[wanted] + 10.0 * np.sin(rows.sum()), Y, folds=5, repeats=3, seed=1)
    assert found.auc == 1
    assert found.fold_aucs.shape == (3, 5)
    assert found.repeat_aucs.tolist() == [1, 1, 1]
    for row in found.fold_of:
        assert np.bincount(row).tolist() == [20] * 5
        assert np.bincount(row[Y == 1]).tolist() == [4] * 5
    assert not np.array_equal(found.fold_of[0], found.fold_of[1])


def test_repeats_of_a_seed_stay_whatever_their_number():
    few, many = (repeated_cv(best_of(NOISE, Y), Y, repeats=n, seed=3) for n in (1, 2))
    assert np.array_equal(few.fold_of[0], many.fold_of[0])
    assert np.array_equal(few.scores[0], many.scores[0])


def test_permutation_test_counts_the_true_labels_in():
    def figure(labels):
        return float(labels[:20].mean())

    y = np.repeat([1, 0], [20, 80])
    found = permutation_test(figure, y, repeats=99, seed=0)
    assert found.observed == 1
    assert found.p == pytest.approx(0.01)
    # Under shuffled labels the figure is hypergeometric: mean 0.2, variance 20*.2*.8*80/99/400
    assert found.permuted.mean() == pytest.approx(0.2, abs=4 * np.sqrt(0.2 * 0.8 / 20 * 80 / 99 / 99))
    assert permutation_test(lambda labels: 0.5, y, repeats=9).p == 1


def test_learning_curve_rises_on_held_out_and_falls_on_training_patients():
    """Nearest class mean in 20 dimensions, one unit apart: the held-out AUC grows towards Phi(1/sqrt 2) = 0.760."""
    rng = np.random.default_rng(8)
    y = (np.arange(400) % 2 == 0).astype(int)
    x = rng.normal(size=(400, 20))
    x[:, 0] += y
    seen = []

    def fit(rows):
        seen.append(rows)
        direction = x[rows][y[rows] == 1].mean(axis=0) - x[rows][y[rows] == 0].mean(axis=0)
        return lambda wanted: x[wanted] @ direction

    found = learning_curve(fit, y, [20, 80, 320], folds=5, repeats=2, seed=0)
    assert found.sizes.tolist() == [20, 80, 320]
    assert found.held_out_aucs.shape == (3, 10)
    assert found.held_out[0] < found.held_out[1] < found.held_out[2] < 0.78
    assert found.apparent[0] > found.apparent[1] > found.apparent[2]
    assert found.apparent[0] - found.held_out[0] > 5 * (found.apparent[2] - found.held_out[2]) > 0
    assert set(seen[0]) <= set(seen[1]) <= set(seen[2])
    assert [y[rows].sum() for rows in seen[:3]] == [10, 40, 160]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda fit: repeated_cv(fit, Y, folds=11), "Only 20 patients of the rarer outcome: 11 folds would leave fewer than 2 in a fold"),
        (lambda fit: repeated_cv(fit, Y, folds=1), "at least 2 folds, not 1"),
        (lambda fit: repeated_cv(fit, np.zeros(100)), "Outcome is 0 in all 100 rows"),
        (lambda fit: repeated_cv(fit, Y, repeats=0), "0 repeats are too few"),
        (lambda fit: learning_curve(fit, Y, [5, 40]), r"Training sizes 5, 40 do not fit: from 10 .* to 80"),
        (lambda fit: learning_curve(fit, Y, [20, 90]), r"Training sizes 20, 90 do not fit"),
        (lambda fit: permutation_test(lambda labels: np.nan, Y, 3), "not finite in 3 of 3 shuffles"),
    ],
)
def test_designs_that_do_not_work_are_refused(call, message):
    with pytest.raises(CohortError, match=message):
        call(best_of(NOISE, Y))


def test_cancelled_passes_through_every_driver():
    def progress(fraction, message):
        if fraction > 0.5:
            raise Cancelled

    fit = best_of(NOISE[:, :5], Y)
    for call in (
        lambda: repeated_cv(fit, Y, progress=progress),
        lambda: permutation_test(lambda labels: 0.5, Y, progress=progress),
        lambda: learning_curve(fit, Y, [20], progress=progress),
    ):
        with pytest.raises(Cancelled):
            call()
