"""The book of fits: the drivers' figures are those of direct fits, a stopped study goes on, and copies of a patient stay together."""

from __future__ import annotations

import os
import time

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import Cancelled, CohortError
from HabitatPNILib.evaluation.optimism import bootstrap_fits
from HabitatPNILib.evaluation.resampling import repeated_cv
from HabitatPNILib.learning.pipeline import fit_pipeline
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.study.fits import FitBook, Learnable


@pytest.fixture
def training(make_study):
    """Features, clinical values and outcome of the training split."""
    data = make_study(absent=(3,), missing=(5, 6))
    rows = data.rows("training")
    return Learnable(data.features.loc[rows], data.clinical.loc[rows], data.protocol), data.y.loc[rows].to_numpy()


def book_of(training, folder, jobs=1, **changed):
    learnable, y = training
    values = {"features": learnable.features, "clinical": learnable.clinical, "protocol": learnable.protocol, **changed}
    return FitBook(Learnable(**values), y, folder, jobs)


def nested(book, y):
    return book.resampled(lambda: {m: repeated_cv(book.fit(m), y, 3, 2, 5) for m in book.models})


def direct(pipeline, training, model):
    learnable, y = training

    def fit(rows):
        found = pipeline(learnable.features.iloc[rows], learnable.clinical.iloc[rows], y[rows], learnable.protocol, strict=False)
        log_odds = found.log_odds(learnable.features, learnable.clinical)[model].to_numpy()
        return lambda which: log_odds[which]

    return fit


def test_figures_are_those_of_direct_fits_and_each_fit_is_made_once(training, quick_pipeline, tmp_path):
    book = book_of(training, tmp_path)
    found = nested(book, training[1])
    assert len(quick_pipeline.calls) == 6  # for all five models
    for model in book.models:
        expected = repeated_cv(direct(quick_pipeline, training, model), training[1], 3, 2, 5)
        np.testing.assert_array_equal(found[model].scores, expected.scores)
        np.testing.assert_array_equal(found[model].fold_aucs, expected.fold_aucs)


def test_descriptors_of_the_habitat_map_enter_no_model(training):
    """Even one that is the outcome itself."""
    learnable, y = training
    more = learnable.features.assign(habitats__map__ith__score=y.astype(float))
    fitted = [fit_pipeline(table, learnable.clinical, y, learnable.protocol) for table in (learnable.features, more)]
    without, with_them = (
        found.log_odds(table, learnable.clinical) for found, table in zip(fitted, (learnable.features, more), strict=True)
    )
    pd.testing.assert_frame_equal(with_them, without, check_exact=True)


def test_a_resumed_study_gives_identical_figures_and_computes_nothing_anew(training, quick_pipeline, tmp_path):
    first = nested(book_of(training, tmp_path), training[1])
    quick_pipeline.calls.clear()
    again = nested(book_of(training, tmp_path), training[1])
    assert quick_pipeline.calls == []
    for model, found in first.items():
        np.testing.assert_array_equal(found.scores, again[model].scores)


def test_a_damaged_fit_is_made_anew(training, quick_pipeline, tmp_path):
    nested(book_of(training, tmp_path), training[1])
    files = sorted(tmp_path.glob("fit-*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:100])
    files[1].write_bytes(b"")
    quick_pipeline.calls.clear()
    nested(book_of(training, tmp_path), training[1])
    assert len(quick_pipeline.calls) == 2


@pytest.mark.parametrize("what", ["features", "clinical", "protocol", "labels"])
def test_whatever_decides_a_fit_makes_it_anew(training, quick_pipeline, tmp_path, what):
    nested(book_of(training, tmp_path), training[1])
    learnable, y = training
    changed = {}
    if what == "features":
        changed["features"] = learnable.features + np.eye(*learnable.features.shape) * 1e-9
    elif what == "clinical":
        changed["clinical"] = learnable.clinical.assign(age=70.0)
    elif what == "protocol":
        values = learnable.protocol.to_dict()
        changed["protocol"] = Protocol.from_dict({**values, "selection": {**values["selection"], "mrmr_features": 4}}, "test")
    else:
        training = (learnable, 1 - y)
    quick_pipeline.calls.clear()
    nested(book_of(training, tmp_path, **changed), training[1])
    assert len(quick_pipeline.calls) == 6


def test_a_stopped_study_leaves_whole_fits_and_goes_on(training, quick_pipeline, tmp_path):
    def stop(fraction, text):
        if len(quick_pipeline.calls) == 2:
            raise Cancelled

    book = book_of(training, tmp_path)
    with pytest.raises(Cancelled):
        book.resampled(lambda: repeated_cv(book.fit("combined"), training[1], 3, 2, 5), stop)
    names = [path.name for path in tmp_path.iterdir()]
    assert len(names) == 2
    assert all(name.startswith("fit-") and name.endswith(".npz") for name in names)
    nested(book_of(training, tmp_path), training[1])
    assert len(quick_pipeline.calls) == 6


def test_copies_of_a_patient_are_a_group_and_single_patients_are_none(training, quick_pipeline, tmp_path):
    book = book_of(training, tmp_path)
    book.resampled(lambda: bootstrap_fits(book.fit("combined"), training[1], 4, 2))
    whole, *samples = quick_pipeline.calls
    assert whole[0] == list(training[0].features.index)
    assert whole[2] is None
    assert len(samples) == 4
    for cases, _, groups in samples:
        assert len(set(cases)) < len(cases)
        assert pd.Series(groups).groupby(cases).nunique().eq(1).all()
        assert pd.Series(cases).groupby(groups).nunique().eq(1).all()


def test_the_real_pipeline_keeps_copies_in_one_inner_fold(make_study):
    """Cross-fitted radscores of copies are equal: one fold has scored them all, by a fit that saw none of them."""
    data = make_study(n=130, signal=2.0)
    rows = np.random.default_rng(3).integers(78, size=78)
    training = data.rows("training")
    features, clinical, y = data.features.loc[training].iloc[rows], data.clinical.loc[training].iloc[rows], data.y.loc[training].iloc[rows]
    found = fit_pipeline(features, clinical, y.to_numpy(), data.protocol, groups=rows, strict=False)
    spread = found.cross_fitted.groupby(rows).agg(lambda scores: np.ptp(scores))
    assert spread.to_numpy().max() < 1e-9
    assert found.cross_fitted.std().max() > 0.1
    assert found.n_selected > 0


def test_a_fit_that_fails_is_remembered_with_its_reason(training, quick_pipeline, tmp_path):
    quick_pipeline.fail_on = lambda cases: cases[0] == "p17"
    rows = np.arange(17, 90)
    book = book_of(training, tmp_path)

    def drivers():
        try:
            return book.fit("combined")(rows)(np.arange(3))
        except CohortError as error:
            return str(error)

    assert book.resampled(drivers) == "These rows cannot be fitted"
    quick_pipeline.fail_on = lambda cases: False
    book = book_of(training, tmp_path)
    assert book.resampled(drivers) == "These rows cannot be fitted"
    assert quick_pipeline.calls == []


def test_other_features_and_labels_are_told_apart(training, quick_pipeline, tmp_path):
    learnable, y = training
    book = book_of(training, tmp_path)
    rows, labels = np.arange(60), np.random.default_rng(1).permutation(y)
    other = book.add_features(learnable.features * -1.0)
    asked = [
        book.fit("combined"),
        book.fit("combined", labels),
        book.fit("combined", features=other),
        book.fit("combined", features=lambda r: other),
    ]
    scores = book.resampled(lambda: [fit(rows)(np.arange(96)) for fit in asked])
    assert book.size == len(quick_pipeline.calls) == 3
    np.testing.assert_array_equal(scores[2], scores[3])
    np.testing.assert_allclose(scores[0], direct(quick_pipeline, training, "combined")(rows)(np.arange(96)))
    assert np.abs(scores[0] - scores[1]).max() > 0.1
    with pytest.raises(CohortError, match="A table of 5 patients was given for a study of 96"):
        book.add_features(learnable.features.iloc[:5])


def test_drivers_that_ask_by_the_answers_are_an_error(training, quick_pipeline, tmp_path):
    book = book_of(training, tmp_path)

    def drivers():
        first = book.fitted(np.arange(60)).log_odds[0, 0]
        book.fitted(np.arange(61) + int(abs(first) * 1e6) % 30)

    with pytest.raises(RuntimeError, match="had not been noted"):
        book.resampled(drivers)


def test_progress_counts_fits_and_says_the_time_left(training, quick_pipeline, tmp_path):
    seen = []
    book = book_of(training, tmp_path)
    book.resampled(lambda: repeated_cv(book.fit("combined"), training[1], 3, 2, 5), lambda f, text: seen.append((f, text)))
    assert seen[0] == (0.0, "Fit 1 of 6 of the pipeline")
    assert seen[-1] == (1.0, "All fits of the study are there")
    assert any(text.startswith("Fit 4 of 6 of the pipeline, about ") and text.endswith(" s left") for _, text in seen)
    fractions = [f for f, _ in seen]
    assert fractions == sorted(fractions)


@pytest.mark.slow
def test_two_processes_give_the_same_bits_as_one(training, tmp_path):
    def figures(jobs, folder):
        book = book_of(training, folder, jobs)
        other = book.add_features(training[0].features * -1.0)
        return book.resampled(
            lambda: [repeated_cv(book.fit(m, features=f), training[1], 2, 1, 5).scores for m in ("tumour", "combined") for f in ("", other)]
        )

    np.testing.assert_array_equal(figures(2, tmp_path / "two"), figures(1, tmp_path / "one"))


@pytest.mark.slow
def test_stopping_several_processes_takes_a_moment_and_leaves_whole_fits(training, tmp_path):
    stopped = []

    def stop(fraction, text):
        if list(tmp_path.glob("fit-*.npz")):
            stopped.append(time.monotonic())
            raise Cancelled

    book = book_of(training, tmp_path, 2)
    with pytest.raises(Cancelled):
        book.resampled(lambda: repeated_cv(book.fit("combined"), training[1], 3, 5, 5), stop)
    assert time.monotonic() - stopped[0] < 2
    assert 1 <= len(os.listdir(tmp_path)) < 15
    assert all(np.load(path)["log_odds"].shape == (96, 5) for path in tmp_path.iterdir())
