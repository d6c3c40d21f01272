"""The planted leak is caught, an honest pipeline is not accused, and a column made from the outcome is named."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.feature_selection import f_classif

from HabitatPNILib.evaluation.resampling import permutation_test, repeated_cv
from HabitatPNILib.study.fits import FitBook, Learnable
from HabitatPNILib.study.leaks import LeakCheck, ShuffledLabels, planted_leak, screened_with_all_labels, separating_columns
from HabitatPNILib.study.plan import StudyPlan

PLAN = StudyPlan(folds=3, repeats=1, habitat_repeats=0, permutations=20)


@pytest.mark.parametrize(
    ("aucs", "flagged"),
    [
        ([0.56, 0.57, 0.58, 0.57], True),  # off by .07, its standard error .004
        ([0.42, 0.43, 0.44, 0.43], True),  # below is a leak too
        ([0.54, 0.55, 0.54, 0.55], False),  # surely not .5, but within the band
        ([0.70, 0.40, 0.65, 0.50], False),  # off by .0625, its standard error .069
        ([0.62, 0.52, 0.55, 0.56], True),  # off by .0625 and .0625 / .021 = 2.98 standard errors
        ([0.64, 0.50, 0.55, 0.56], False),  # off by .0625 and .0625 / .029 = 2.15 standard errors
    ],
)
def test_the_rule_asks_for_both_band_and_standard_errors(aucs, flagged):
    assert ShuffledLabels(np.array(aucs)).flagged is flagged


def test_the_screen_keeps_the_highest_f_statistics_of_each_region(make_study):
    data = make_study(columns=40, absent=(1, 2, 3))
    labels = np.random.default_rng(0).permutation(data.y.to_numpy())
    kept = screened_with_all_labels(data.features, labels, data.protocol)
    assert len(kept) == 3 * 4  # one in twenty of 80
    for region in data.protocol.regions:
        table = data.features.filter(regex=f"^{region}__")
        there = table.notna().all(axis=1).to_numpy()
        strength, _ = f_classif(table[there], labels[there])
        best = table.columns[np.argsort(-strength)[:4]]
        assert set(best) == {name for name in kept if name.startswith(f"{region}__")}


def shuffled(data, folder):
    """The pipeline and the planted leak under shuffled labels."""
    features, y = data.features, data.y.to_numpy()
    book = FitBook(Learnable(features, data.clinical, data.protocol), y, folder)

    def drivers():
        test = permutation_test(lambda labels: repeated_cv(book.fit("combined", labels), labels, 3, 1, PLAN.seed).auc, y, 20, PLAN.seed)
        return ShuffledLabels(test.permuted), planted_leak(book, features, y, PLAN, data.protocol)

    return book.resampled(drivers)


def test_the_planted_leak_is_flagged_and_the_honest_pipeline_is_not(make_study, quick_pipeline, tmp_path):
    data = make_study(signal=0.0, clinical=0.0, columns=150)
    honest, planted = shuffled(data, tmp_path)
    assert abs(honest.mean - 0.5) < 0.05
    assert not honest.flagged
    assert planted.flagged
    assert planted.mean > 0.65
    assert len(planted.aucs) == 5
    suspects = separating_columns(data.features, data.clinical, data.y.to_numpy())
    assert LeakCheck(honest, planted, suspects).passed
    assert not LeakCheck(planted, planted, suspects).passed
    assert not LeakCheck(honest, honest, suspects).passed


def test_true_signal_is_no_leak(make_study, quick_pipeline, tmp_path):
    honest, _ = shuffled(make_study(signal=2.0, columns=20), tmp_path)
    assert not honest.flagged


def test_a_column_made_from_the_outcome_is_named(make_study):
    data = make_study(absent=(4, 5))
    y = data.y.to_numpy()
    rng = np.random.default_rng(0)
    made = {
        "habitat1__t2w__resnet18__0000": -y + rng.normal(0, 0.1, len(y)),
        "habitat2__adc__resnet18__0001": np.where(data.y.index == "p4", np.nan, y),
    }
    features = data.features.assign(**made)
    clinical = data.clinical.assign(age=70 + 10 * y)
    found = separating_columns(features, clinical, y)
    assert set(found.index) == {"age", *made}
    assert found.min() >= 0.98
    assert found["age"] == 1.0
    assert separating_columns(data.features, data.clinical, y).empty


def test_what_chance_separates_among_thousands_of_columns_in_few_patients_is_not_named():
    import pandas as pd

    rng = np.random.default_rng(2)
    y = np.repeat([0, 1], [8, 4])
    noise = pd.DataFrame(rng.normal(size=(12, 5000))).add_prefix("tumour__t2w__resnet18__")
    areas = [(noise[c].to_numpy()[y == 1][:, None] > noise[c].to_numpy()[y == 0]).mean() for c in noise]
    assert max(max(areas), 1 - min(areas)) == 1.0
    assert separating_columns(noise, pd.DataFrame(index=noise.index), y).empty
