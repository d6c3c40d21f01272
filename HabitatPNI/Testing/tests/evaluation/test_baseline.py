"""The baseline table against R 4.2.2 (shapiro.test, t.test, wilcox.test, chisq.test, fisher.test, p.adjust)."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation import baseline_table


@pytest.fixture
def patients(cohort) -> pd.DataFrame:
    """60 patients by formula; in R, with y of conftest's formula_cohort:

    norm <- qnorm((i-.5)/60)[order(sin(i*5.3))] + 0.5*y; psa <- exp(2+sin(i*1.3)+0.4*y), NA at i = 3, 10, 11
    rpsa <- round(exp(2+sin(i*1.3)+0.4*y)); stage <- factor(1+(i*7+3*y)%%4); bin <- as.integer((i*11+5*y)%%7<3)
    few <- as.integer(i%%17==0); rare <- ifelse(i%%13==0,"c",ifelse(i%%2==0,"a","b"))
    """
    from scipy.stats import norm

    i, y = np.arange(1, 61), cohort.y
    psa = np.exp(2 + np.sin(i * 1.3) + 0.4 * y)
    table = pd.DataFrame({"norm": norm.ppf((i - 0.5) / 60)[np.argsort(np.sin(i * 5.3))] + 0.5 * y, "psa": psa, "rpsa": psa.round()})
    table.loc[[2, 9, 10], "psa"] = np.nan
    table["stage"] = 1 + (i * 7 + 3 * y) % 4
    table["bin"] = (i * 11 + 5 * y) % 7 < 3
    table["few"] = (i % 17 == 0).astype(int)
    table["rare"] = np.where(i % 13 == 0, "c", np.where(i % 2 == 0, "a", "b"))
    table["pni"] = y
    return table


def test_every_kind_of_variable_gets_the_test_and_figures_of_r(patients):
    rows = baseline_table(patients, "pni").drop_duplicates("variable").set_index("variable")
    assert rows["test"].to_dict() == {
        "norm": "Welch t",
        "psa": "Mann-Whitney",
        "rpsa": "Mann-Whitney",
        "stage": "chi-square",
        "bin": "chi-square",
        "few": "Fisher",
        "rare": "Fisher",
    }
    # t.test(norm ~ y); wilcox.test(psa[y==1], psa[y==0]) (exact), (rpsa, with ties: normal); chisq.test(table(v, y), correct=FALSE)
    assert rows["statistic"].to_numpy()[:5] == pytest.approx([0.841943969757, 586, 629, 0.776773536061, 0.0831366775639], abs=1e-9)
    p = [0.404264920244, 7.53238640079e-04, 1.18315534399e-03, 0.855014045793, 0.7730908419271, 1, 1]
    assert rows["p"].to_numpy() == pytest.approx(p, abs=1e-9)
    # p.adjust(p, "BH")
    adjusted = [0.94328481390197, 0.00414104370396, 0.00414104370396, 1, 1, 1, 1]
    assert rows["p_adjusted"].to_numpy() == pytest.approx(adjusted, abs=1e-9)


def test_figures_are_of_the_patients_who_have_the_variable(patients):
    table = baseline_table(patients, "pni")
    # mean, sd; quantile(psa, c(.5, .25, .75), na.rm = TRUE)
    assert table.loc[0, ["all", "without", "with"]].tolist() == ["0.1833 ± 0.995", "0.1015 ± 1.01", "0.3246 ± 0.978"]
    assert table.loc[1, ["all", "with", "missing"]].tolist() == ["8.222 [4.062, 17.89]", "16.06 [6.745, 24.81]", 3]
    rare = table[table["variable"] == "rare"]
    assert rare[["level", "without", "with"]].values.tolist() == [
        ["a", "18 (47.4 %)", "10 (45.5 %)"],
        ["b", "17 (44.7 %)", "11 (50.0 %)"],
        ["c", "3 (7.9 %)", "1 (4.5 %)"],
    ]
    assert rare["p"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("without", "with_outcome", "p"),
    [  # fisher.test(cbind(without, with))$p.value
        ([3, 1], [7, 9], 0.582043343653),
        ([2, 0, 5, 1], [8, 12, 3, 3], 0.00818860594428),
        ([1, 4, 2, 0, 3], [12, 25, 7, 9, 2], 0.0528509094523),
    ],
)
def test_fisher_of_any_number_of_levels(without, with_outcome, p):
    levels = [f"level {i}" for i in range(len(without))]
    table = pd.DataFrame({"v": np.repeat(levels * 2, without + with_outcome), "pni": np.repeat([0, 1], [sum(without), sum(with_outcome)])})
    first = baseline_table(table, "pni").iloc[0]
    assert first["test"] == "Fisher"
    assert first["p"] == pytest.approx(p, abs=1e-10)


def test_fisher_of_very_many_tables_is_simulated_and_repeats():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"v": rng.integers(0, 20, 160).astype(str), "pni": rng.integers(0, 2, 160)})
    first, again = (baseline_table(table, "pni").iloc[0] for _ in range(2))
    assert first["test"] == "Fisher, simulated"
    assert first["p"] == again["p"]
    # set.seed(1); fisher.test(table(v, y), simulate.p.value = TRUE, B = 1e6)$p.value
    assert first["p"] == pytest.approx(0.4990, abs=0.006)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(pni=t["pni"].where(t.index != 4)), "Outcome is missing or not a finite number in 1 of 60 rows (first rows: 4)"),
        (lambda t: t.assign(pni=t["pni"] * 2), "Outcome is neither 0 nor 1 in 22 of 60 rows"),
        (lambda t: t.assign(x=np.nan), "Column x is missing in all 60 rows: leave it out"),
        (lambda t: t.assign(x="male"), "Column x is male in all 60 rows that have it: leave it out"),
        (lambda t: t.assign(x=np.where(t.index == 7, np.inf, t["norm"])), "Column x is infinite in 1 rows (first rows: 7)"),
        (lambda t: t.assign(x=[f"P{i}" for i in t.index]), "Column x has 60 different categories: leave identifiers out"),
        (lambda t: t.assign(x=t["norm"].where(t["pni"] == 0)), "Column x is missing in all patients with the outcome"),
        (lambda t: t[["pni"]], "The table has no column besides the outcome pni"),
        (lambda t: t.drop(columns="pni"), "The table has no column pni for the outcome"),
    ],
)
def test_what_cannot_be_described_is_named(patients, change, message):
    with pytest.raises(CohortError) as error:
        baseline_table(change(patients), "pni")
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
