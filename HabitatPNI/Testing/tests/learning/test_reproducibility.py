"""Intraclass correlations against Shrout and Fleiss's table and R's psych::ICC (psych 2.2.9)."""

from __future__ import annotations

import time

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.learning.reproducibility import icc, icc_of_features

KINDS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
TWO_READERS = np.array([[10.1, 10.4], [12.2, 12.9], [8.7, 8.1], [15.3, 14.8], [11.0, 11.9], [9.6, 9.2], [13.4, 13.1]])
DISAGREEING = np.array([[1, 5], [4, 2], [3, 3.5], [5, 1], [2, 4.2]])

# psych::ICC(SHROUT_FLEISS, lmer = FALSE)$results[, c("ICC", "lower bound", "upper bound")]
R_SHROUT_FLEISS = [
    (0.165741768405, -0.1329323248748, 0.722560062328),
    (0.289763779528, 0.0187865133747, 0.761084369649),
    (0.714840714841, 0.3424647650339, 0.945858259955),
    (0.442797133679, -0.8844421552381, 0.912415420341),
    (0.620050547599, 0.0711368153025, 0.927232040168),
    (0.909315542377, 0.6756747138163, 0.985891678169),
]
# psych::ICC(TWO_READERS, lmer = FALSE)$results
R_TWO_READERS = [
    (0.970629188060, 0.858236953160, 0.994779928803),
    (0.970557445695, 0.838394696660, 0.994888022059),
    (0.965839048529, 0.816313349153, 0.994045951839),
    (0.985095718607, 0.923710995738, 0.997383134289),
    (0.985058768843, 0.912094337721, 0.997437461208),
    (0.982622711917, 0.898868413353, 0.997014086784),
]
# psych::ICC(DISAGREEING)$results (restricted maximum likelihood: the variance between subjects is 0)
R_DISAGREEING = [
    (0, -0.761560891587, 0.807033081038),
    (0, -0.811401351900, 0.811401351900),
    (0, -0.811401351900, 0.811401351900),
    (0, -6.387885751268, 0.893213399917),
    (0, -8.604529884723, 0.895882462546),
    (0, -8.604529884723, 0.895882462546),
]


def test_table_of_shrout_and_fleiss():
    """Psychol Bull 1979;86:420, Table 4: the six correlations of their example, as printed."""
    assert [round(icc(SHROUT_FLEISS, kind).icc, 2) for kind in KINDS] == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]


@pytest.mark.parametrize(
    ("ratings", "truth"), [(SHROUT_FLEISS, R_SHROUT_FLEISS), (TWO_READERS, R_TWO_READERS), (DISAGREEING, R_DISAGREEING)]
)
def test_estimates_and_intervals_are_those_of_r(ratings, truth):
    for kind, expected in zip(KINDS, truth, strict=True):
        assert tuple(icc(ratings, kind)) == pytest.approx(expected, abs=1e-9), kind


def test_readers_who_agree_wholly_have_1_and_a_constant_shift_counts_for_agreement_only():
    values = np.array([1.0, 2.0, 3.5, 7.1])
    same, shifted = np.column_stack([values, values]), np.column_stack([values, values + 2])
    for kind in KINDS:
        assert tuple(icc(same, kind)) == pytest.approx((1, 1, 1), abs=1e-12)
    assert tuple(icc(shifted, "3,1")) == pytest.approx((1, 1, 1), abs=1e-12)
    # Between-subject variance 7.02, shift 2: variance of two readers 2^2/2, so 7.02 / (7.02 + 2)
    assert icc(shifted, "2,1").icc == pytest.approx(values.var(ddof=1) / (values.var(ddof=1) + 2), abs=1e-12)


def test_ratings_that_never_vary_have_no_correlation_and_pass_no_threshold():
    for kind in KINDS:
        found = icc(np.full((5, 2), 0.1), kind)
        assert np.isnan(found).all()
        assert not found.icc > 0.8


def test_no_disagreement_passes_a_threshold():
    """Raw mean-square formulas give an ICC(2,k) of 5.1 here, which a filter `> 0.8` would keep."""
    assert max(icc(DISAGREEING, kind).icc for kind in KINDS) == 0


def test_many_features_at_once_are_the_same_and_fast():
    rng = np.random.default_rng(3)
    subject = rng.normal(size=(30, 6144))
    noise = np.linspace(0.01, 3, 6144)
    ratings = np.stack([subject + noise * rng.normal(size=subject.shape) for _ in range(2)])
    ratings[:, :, 17] = 4.0
    start = time.perf_counter()
    found = icc_of_features(ratings, "2,1")
    assert time.perf_counter() - start < 1.0
    for column in (0, 17, 3000, 6143):
        alone = icc(ratings[:, :, column].T, "2,1")
        assert [part[column] for part in found] == pytest.approx(list(alone), abs=1e-12, nan_ok=True)
    # The population value is 1 / (1 + noise^2)
    with_noise_1 = np.abs(noise - 1) < 0.1
    assert found.icc[with_noise_1].mean() == pytest.approx(0.5, abs=0.02)
    covered = (found.low <= 1 / (1 + noise**2)) & (1 / (1 + noise**2) <= found.high)
    assert np.delete(covered, 17).mean() == pytest.approx(0.95, abs=0.015)


def test_missing_ratings_are_named():
    ratings = np.stack([TWO_READERS, TWO_READERS], axis=2).transpose(1, 0, 2)
    ratings[1, 3, 1] = np.nan
    message = "Ratings of adc_mean are missing or infinite in 1 of 7 subjects (first rows: 3): leave these subjects out or read them again"
    with pytest.raises(CohortError) as error:
        icc_of_features(ratings, names=["t2w_mean", "adc_mean"])
    assert str(error.value) == message
    with pytest.raises(CohortError, match="at least 2 raters, 2 subjects and a feature"):
        icc([[1.0], [2.0]])
    with pytest.raises(CohortError, match=r"not of shape \(3,\)"):
        icc([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="kind must be"):
        icc(TWO_READERS, "4,1")
