"""Negative controls: verdicts on features that are known to hold nothing, or too much."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.cohort_steps import feature_columns, features_of_volumes, learn_habitats, prepare_case
from HabitatPNILib.errors import CaseError, WeightsError
from HabitatPNILib.prepared_store import load_stored, load_volumes
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.study import controls
from HabitatPNILib.study.control_volumes import shuffled_voxels
from HabitatPNILib.study.controls import (
    ALL_RADSCORES,
    ELSEWHERE,
    SHUFFLED,
    control_result,
    corrected_error,
    highest_of_shuffled,
    null_half_width,
    store_elsewhere,
    store_shuffled,
)
from HabitatPNILib.study.plan import StudyPlan

PLAN = StudyPlan(folds=3, repeats=1, seed=5)


@pytest.fixture(scope="module")
def study(make_study):
    return make_study(n=200, signal=2.0)


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Fits of the module's tests, so that those of the true features are made once."""
    return tmp_path_factory.mktemp("fits")


def noise_like(features: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(8).normal(size=features.shape), features.index, features.columns)


def voxels(study) -> pd.Series:
    return pd.Series(np.random.default_rng(9).integers(1000, 6000, len(study.cohort)), index=study.cohort.index)


def judge(study, name, features, fits):
    return control_result(name, features, voxels(study), {}, study, PLAN, fits)


def test_noise_elsewhere_is_as_expected(study, fits):
    training = study.features.loc[study.rows("training")]
    result = judge(study, ELSEWHERE, noise_like(training), fits)
    assert set(result.auc) == {"habitat1", "habitat2", "tumour", ALL_RADSCORES}
    assert result.flagged == ()
    assert result.as_expected
    assert result.expected[0] < 0.5 < result.expected[1] < 0.75
    assert all(0.25 < area < result.expected[1] for area in result.auc.values())
    assert result.true_auc[ALL_RADSCORES] > 0.75
    assert (result.n, result.events) == (120, int(study.y.loc[training.index].sum()))


def test_an_outcome_that_is_seen_elsewhere_too_is_flagged(study, fits):
    training = study.features.loc[study.rows("training")]
    result = judge(study, ELSEWHERE, training, fits)
    assert ALL_RADSCORES in result.flagged
    assert result.auc == result.true_auc


def test_shuffled_voxels_may_keep_the_true_auc_and_not_gain_on_it(study, fits):
    training = study.features.loc[study.rows("training")]
    same = judge(study, SHUFFLED, training, fits)
    assert same.as_expected
    assert same.highest == pytest.approx(same.true_auc)
    better = training.copy()
    outcome = study.y.loc[training.index].to_numpy()
    better["tumour__t2w__resnet18__0005"] = 3.0 * outcome + np.random.default_rng(1).normal(size=len(outcome))
    assert "tumour" in judge(study, SHUFFLED, better, fits).flagged


def test_a_tumour_size_that_carries_the_outcome_is_allowed_for(study, fits):
    training = study.rows("training")
    sizes = pd.Series(1000.0 - 500 * study.y.loc[training] + np.random.default_rng(2).normal(0, 400, len(training)), index=training)
    features = noise_like(study.features.loc[training])
    result = control_result(ELSEWHERE, features, sizes, {}, study, PLAN, fits)
    events = study.y.loc[training] == 1
    below = (sizes[events].to_numpy()[:, None] < sizes[~events].to_numpy()).mean()
    assert below > 0.7
    assert f"({below:.2f} here)" in result.sentence
    assert result.expected[1] == pytest.approx(min(1, below + null_half_width(study.y.loc[training].to_numpy())))


def test_interval_widths_by_hand():
    """Null variance (n + 1) / (12 n1 n0); Nadeau and Bengio: (1/k + 1/(k-1)) s2; t(.975, 4) = 2.776445 (R qt)."""
    y = np.repeat([0, 1], [140, 33])
    assert null_half_width(y) == pytest.approx(1.959964 * np.sqrt(174 / (12 * 33 * 140)), rel=1e-6)
    folds = np.array([0.1, 0.2, 0.3, 0.2, 0.2])
    assert corrected_error(folds) == pytest.approx(np.sqrt((1 / 5 + 1 / 4) * 0.005))
    assert highest_of_shuffled(np.full(5, 0.7), 0.7 + folds) == pytest.approx(0.7 + 2.776445 * np.sqrt(0.45 * 0.005), rel=1e-6)


def test_both_controls_are_made_and_kept(study, tmp_path, monkeypatch):
    made: list[tuple[str, str]] = []
    columns = list(study.features.columns)

    def fake(name):
        def store(case_id, *rest):
            made.append((name, case_id))
            if (name, case_id) == (ELSEWHERE, "p7"):
                raise CaseError("Case p7: no place")
            np.save(rest[-1], np.random.default_rng(len(made)).normal(size=len(columns)))

        return store

    paths = {str(case): tmp_path / f"{case}.npz" for case in study.cohort.index}
    monkeypatch.setattr(controls, "prepared_paths", lambda extraction: paths)
    monkeypatch.setattr(controls, "load_stored", lambda path: SimpleNamespace(voxels=5000))
    monkeypatch.setattr(controls, "extractor", lambda settings: SimpleNamespace(weights_sha256=study.extraction.weights_sha256))
    monkeypatch.setattr(controls, "feature_columns", lambda protocol: columns)
    monkeypatch.setattr(controls, "store_shuffled", fake(SHUFFLED))
    monkeypatch.setattr(controls, "store_elsewhere", fake(ELSEWHERE))
    monkeypatch.setattr(controls, "control_result", lambda name, features, voxels, left_out, *rest: (name, features, left_out))
    results = controls.negative_controls(study, PLAN, tmp_path, tmp_path)
    assert [name for name, _, _ in results] == [SHUFFLED, ELSEWHERE]
    assert [len(features) for _, features, _ in results] == [120, 119]
    assert results[1][2] == {"p7": "Case p7: no place"}
    assert len(made) == 240
    again = controls.negative_controls(study, PLAN, tmp_path, tmp_path)
    assert made[240:] == [(ELSEWHERE, "p7")]
    pd.testing.assert_frame_equal(again[0][1], results[0][1])
    monkeypatch.setattr(controls, "extractor", lambda settings: SimpleNamespace(weights_sha256="of others"))
    with pytest.raises(WeightsError, match="are not those of the extraction"):
        controls.negative_controls(study, PLAN, tmp_path, tmp_path)


def test_features_of_both_controls_of_a_phantom(phantom, phantom_files, tmp_path):
    """From files to features: shuffling keeps the habitats' sizes, and the place elsewhere holds other tissue."""
    values = {**Protocol.load("pca-pni").to_dict(), "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64}}
    protocol = Protocol.from_dict(values, "of the tests")
    row = {**{name: f"{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")}, "b_dwi": 1400.0, "b_low_b": 50.0}
    stored = prepare_case("c", row, phantom_files, protocol, tmp_path)
    assert stored.registration is not None
    assert stored.registration.accepted
    assert load_stored(stored.path).voxels == load_volumes(stored.path).roi_array.sum()
    centroids = learn_habitats([stored.path], protocol)
    store_shuffled("c", stored.path, 1, protocol, centroids, tmp_path / "shuffled.npy")
    store_elsewhere("c", stored.path, row, phantom_files, protocol, centroids, tmp_path / "elsewhere.npy")
    true = features_of_volumes(load_volumes(stored.path), protocol, centroids)
    columns = feature_columns(protocol)
    assert list(true) == columns
    shuffled, elsewhere = np.load(tmp_path / "shuffled.npy"), np.load(tmp_path / "elsewhere.npy")
    direct = features_of_volumes(shuffled_voxels(load_volumes(stored.path), 1), protocol, centroids)
    np.testing.assert_array_equal(shuffled, list(direct.values()))
    tumour = np.array([name.startswith("tumour") for name in columns])
    for found in (shuffled, elsewhere):
        assert np.isfinite(found[tumour]).all()
        assert not np.allclose(found[tumour], np.array(list(true.values()))[tumour], rtol=0.01)
