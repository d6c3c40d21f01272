"""Tables of a study: figures of R where R has them, else of SciPy, scikit-learn and statsmodels, or counted by hand."""

from __future__ import annotations

import dataclasses
import io
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from HabitatPNILib.evaluation.optimism import Dot632Plus, Optimism
from HabitatPNILib.evaluation.resampling import CrossValidation, LearningCurve, PermutationTest
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.standard_predictors import AGE, MRT_STAGE, PI_RADS
from HabitatPNILib.study.data import StudyData
from HabitatPNILib.study.tables import study_tables
from HabitatPNILib.study.tables_cohort import baseline, cohort_flow
from HabitatPNILib.study.tables_form import Column, study_table, write_p
from HabitatPNILib.study.tables_honesty import sample_size
from HabitatPNILib.study.tables_performance import calibration_table, comparisons, net_benefit_table, performance, reclassification
from HabitatPNILib.study.tables_scores import StudyScores, auc_or_none

from ..evaluation.conftest import formula_cohort


@pytest.fixture(scope="module")
def r_scores() -> StudyScores:
    """The formula's patients as external ones: clinical model a, combined model b; four training patients beside them."""
    y, a, b = formula_cohort()
    index = pd.Index([f"r{i}" for i in range(60)] + [f"t{i}" for i in range(4)], name="case_id")
    cohort = pd.DataFrame({"split": ["external"] * 60 + ["training"] * 4, "outcome": [*y, 0, 1, 0, 1]}, index=index)
    probabilities = pd.DataFrame({"clinical": [*a, 0.1, 0.2, 0.3, 0.4], "combined": [*b, 0.3, 0.3, 0.3, 0.3]}, index=index)
    extraction = SimpleNamespace(protocol=Protocol(name="r", title="R"), features=pd.DataFrame(index=index))
    data = StudyData(cohort, extraction, pd.DataFrame(index=index), (), {})
    fitted = SimpleNamespace(
        cut_offs=pd.Series({"clinical": 0.5, "combined": math.nan}), regions=(), radscores=lambda f: pd.DataFrame(index=f.index)
    )
    return StudyScores(data, fitted, logit(probabilities), probabilities)


@pytest.fixture(scope="module")
def honesty(small_study):
    """A resampling with numbers set by hand."""
    models = small_study.models
    folds = np.array([[0.6, 0.7], [0.8, 0.7], [0.7, 0.9]])
    samples = np.full(4, 0.9)
    nested = {m: CrossValidation(folds.mean(), folds.mean(axis=1), folds, np.zeros((3, 96)), np.zeros((3, 96), dtype=int)) for m in models}
    one = {m: CrossValidation(0.65, np.array([0.65]), folds[:1], np.zeros((1, 96)), np.zeros((1, 96), dtype=int)) for m in models}
    return SimpleNamespace(
        apparent=pd.Series(0.9, index=list(models)),
        nested=nested,
        nested_habitats=one,
        optimism={m: Optimism(0.9, 0.1, 0.8, samples, samples - 0.1) for m in models},
        dot632={m: Dot632Plus(0.9, 0.7, 0.5, 0.5, 0.77, 0.75) for m in models},
        calibration_optimism=Optimism(1.2, 0.5, 0.7, samples, samples),
        permutation=PermutationTest(0.72, np.linspace(0.4, 0.6, 11), 1 / 12),
        permuted_selected=np.array([1.0] * 10 + [0.0]),
        learning=LearningCurve(
            np.array([40, 70]),
            np.array([0.6, 0.7]),
            np.array([0.98, 0.95]),
            np.array([np.linspace(0.5, 0.7, 11), np.linspace(0.6, 0.8, 11)]),
            np.full((2, 11), 0.96),
        ),
    )


@pytest.fixture(scope="module")
def tables(small_study, fitted, honesty):
    return study_tables(small_study, fitted, honesty)


def row_of(table, **wanted) -> pd.Series:
    found = table.numbers
    for column, value in wanted.items():
        found = found[found[column] == value]
    assert len(found) == 1, wanted
    return found.iloc[0]


def test_numbers_are_printed_and_kept():
    rows = [
        {"name": "a", "n": 3, "auc": 0.8124, "auc_low": 0.7, "auc_high": 0.9, "p": 0.0004, "d": -0.0001, "x_shown": "hidden"},
        {"name": "b", "n": 4.0, "auc": math.nan, "p": 0.05, "d": -0.25, "slope": math.inf},
    ]
    columns = (Column("name", "Model"), Column("n", "n", "count"), Column("auc", "AUC", "share"), Column("p", "p", "p"))
    more = (Column("d", "d", "signed"), Column("slope", "Slope", "ratio"), Column("nothing", "None", "share"), Column("x_shown", "x"))
    table = study_table("t", "T", rows, (*columns, *more))
    assert table.frame.iloc[0].tolist() == ["a", "3", "0.812 (0.700\u20130.900)", "< 0.001", "0.000", "\u2013", "\u2013", "hidden"]
    assert table.frame.iloc[1].tolist() == ["b", "4", "\u2013", "0.050", "\u22120.250", "\u221e", "\u2013", "\u2013"]
    read = pd.read_csv(io.StringIO(table.csv))
    assert read["auc"].tolist()[0] == 0.8124
    assert read["p"].tolist() == [0.0004, 0.05]
    assert "x_shown" not in read
    assert write_p(0.0123) == "0.012"


def test_auc_of_too_few_patients_and_of_constant_scores():
    assert math.isnan(auc_or_none(np.array([1, 0, 0]), [0.1, 0.2, 0.3]).auc)
    constant = auc_or_none(np.array([1, 0, 0, 1]), [0.3] * 4)
    assert constant.auc == 0.5
    assert math.isnan(constant.low)


def test_performance_agrees_with_r(r_scores):
    """pROC 1.18.0: ci.auc(roc(y, a, direction="<")), the same of b; prop.test(correct = FALSE) for Wilson's intervals."""
    table = performance(r_scores)
    y, a, _ = formula_cohort()
    clinical = row_of(table, split="external", model="clinical")
    assert clinical[["auc", "auc_low", "auc_high"]].tolist() == pytest.approx([0.9031100478468900, 0.8259788957364144, 0.9802411999573656])
    combined = row_of(table, split="external", model="combined")
    assert combined[["auc", "auc_low", "auc_high"]].tolist() == pytest.approx([0.7320574162679426, 0.6034367477601045, 0.8606780847757806])
    called = a >= 0.5
    assert clinical["accuracy"] == pytest.approx(accuracy_score(y, called))
    assert clinical["f1"] == pytest.approx(f1_score(y, called))
    for name, among, right in (
        ("sensitivity", y == 1, called),
        ("specificity", y == 0, ~called),
        ("ppv", called, y == 1),
        ("npv", ~called, y == 0),
    ):
        found = stats.binomtest(int((among & right).sum()), int(among.sum()))
        limits = found.proportion_ci(method="wilson")
        assert clinical[[name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx([found.statistic, limits.low, limits.high])
    assert clinical[["n", "events", "tp", "fp", "fn", "tn"]].tolist() == [
        *(60, 22, int((called & (y == 1)).sum()), int((called & (y == 0)).sum())),
        *(int((~called & (y == 1)).sum()), int((~called & (y == 0)).sum())),
    ]
    assert math.isnan(combined["sensitivity"])
    printed = table.frame.set_index(["Cohort", "Model"])
    assert printed.loc[("External validation", "Clinical"), "AUC (95 % CI)"] == "0.903 (0.826\u20130.980)"
    assert printed.loc[("External validation", "Combined"), "Sensitivity"] == "\u2013"
    assert printed.loc[("Training (apparent)", "Combined"), "AUC (95 % CI)"] == "0.500"


def test_comparison_agrees_with_r(r_scores):
    """pROC 1.18.0: roc.test(roc(y, b), roc(y, a), method = "delong", paired = TRUE) with its conf.int"""
    table = comparisons(r_scores)
    assert table.numbers["split"].tolist() == ["external"]
    row = table.numbers.iloc[0]
    assert (row["model"], row["reference"]) == ("combined", "clinical")
    assert row[["z", "p"]].tolist() == pytest.approx([-2.4742708656842374, 0.0133508431500042])
    assert row[["difference_low", "difference_high"]].tolist() == pytest.approx([-0.30654992171206441, -0.03555534144583047])
    assert row["p_adjusted"] == pytest.approx(row["p"])


def test_calibration_agrees_with_r(r_scores):
    """glm(y ~ offset(qlogis(a)), binomial), glm(y ~ qlogis(a)), rms::val.prob Brier, ResourceSelection::hoslem.test(y, a, g = 10)"""
    y, a, _ = formula_cohort()
    row = row_of(calibration_table(r_scores, Optimism(1.2, 0.5, 0.7, np.ones(3), np.ones(3))), split="external", model="clinical")
    expected = [-0.1972302751672478, 2.2610000768895824, 0.1354144338020897, 15.7058508089229800, 0.0467890922545769, y.mean(), a.mean()]
    names = ["intercept", "slope", "brier", "hosmer_lemeshow", "hosmer_lemeshow_p", "observed", "predicted"]
    assert row[names].tolist() == pytest.approx(expected, abs=1e-8)


def test_reclassification_agrees_with_r(r_scores):
    """Hmisc 4.8-0: improveProb(a, b, y)"""
    table = reclassification(r_scores)
    names = ["with_outcome", "without_outcome", "total", "z", "p"]
    nri = [-0.1818181818181818, -0.4210526315789473, -0.6028708133971292, -2.3537737695025722, 0.01858391751231632]
    idi = [-0.0490710967422132, -0.1112306053562112, -0.1603017020984245, -2.6536793946087291, 0.00796194356478885]
    found = row_of(table, measure="Category-free NRI")
    assert found[names].tolist() == pytest.approx(nri)
    error = nri[2] / nri[3]
    assert found[["total_low", "total_high"]].tolist() == pytest.approx(
        [nri[2] - 1.959963984540054 * error, nri[2] + 1.959963984540054 * error]
    )
    assert row_of(table, measure="IDI")[names].tolist() == pytest.approx(idi)


def test_net_benefit_agrees_with_r(r_scores):
    """mean(y)*mean(a[y==1]>=t) - t/(1-t)*(1-mean(y))*mean(a[y==0]>=t) at 0.1 and 0.3"""
    table = net_benefit_table(r_scores)
    assert row_of(table, model="clinical")[["at_0.1", "at_0.3"]].tolist() == pytest.approx([0.305555555555556, 0.2142857142857142])
    assert row_of(table, model="treat_all")[["at_0.1", "at_0.3"]].tolist() == pytest.approx([0.296296296296296, 0.0952380952380952])


def test_flow_counts_those_left_out(small_study):
    whole = pd.concat([small_study.cohort, small_study.cohort.iloc[[0, 1, 150]].rename(index={"p0": "x0", "p1": "x1", "p150": "x2"})])
    left_out = {"x0": "Case x0: the outline is empty", "x1": "Case x1: the outline is empty", "x2": "motion"}
    data = StudyData(small_study.cohort, small_study.extraction, small_study.clinical, small_study.predictors, left_out)
    table = cohort_flow(data, whole)
    training, external = row_of(table, cohort="Training"), row_of(table, cohort="External validation")
    assert training[["cases", "left_out", "analysed"]].tolist() == [98, 2, 96]
    assert training["reasons"] == "2 \u00d7 the outline is empty"
    assert (external["centre"], external["reasons"]) == ("B", "1 \u00d7 motion")
    total = row_of(table, cohort="All")
    assert total[["cases", "left_out", "analysed"]].tolist() == [163, 3, 160]
    assert total["events"] == whole["outcome"].sum()
    assert total["events_analysed"] == small_study.y.sum()
    assert row_of(cohort_flow(data), cohort="Left out, split not stated")["left_out"] == 3


def test_baseline_tests_agree_with_scipy(small_study, tables):
    training = small_study.rows("training")
    y = small_study.y.loc[training]
    score, age = small_study.clinical.loc[training, "pi_rads"], small_study.clinical.loc[training, "age"]
    numbers = tables["baseline"].numbers
    found = numbers[numbers["variable"] == "PI-RADS"]
    assert found["level"].tolist() == ["\u2264 3", "4", "5"]
    assert found["with"].tolist()[2] == f"{(score[y == 1] == 5).sum()} ({100 * (score[y == 1] == 5).mean():.1f} %)"
    assert found["p"].iloc[0] == pytest.approx(stats.chi2_contingency(pd.crosstab(score, y), correction=False).pvalue)
    row = numbers[numbers["variable"] == "Age (years)"].iloc[0]
    present = age.notna()
    groups = [age[present & (y == value)] for value in (1, 0)]
    by_hand = {
        "Welch t": stats.ttest_ind(*groups, equal_var=False).pvalue,
        "Mann-Whitney": stats.mannwhitneyu(*groups, method="asymptotic").pvalue,
    }
    assert row["missing"] == 2
    assert row["p"] == pytest.approx(by_hand[row["test"]])
    p = numbers["p"].dropna()
    assert numbers["p_adjusted"].dropna().tolist() == pytest.approx(stats.false_discovery_control(p).tolist())
    printed = tables["baseline"].frame
    assert printed["Variable"].tolist().count("PI-RADS") == 1
    assert printed["p"].tolist()[-1] == ""


def test_splits_are_compared_with_training(small_study, tables):
    numbers = tables["baseline_splits"].numbers
    rows = small_study.cohort.index[small_study.cohort["split"].isin(["training", "external"])]
    counts = pd.crosstab(small_study.y.loc[rows], small_study.cohort.loc[rows, "split"])
    outcome = numbers[numbers["variable"] == "Outcome"]
    assert outcome["p_external"].iloc[0] == pytest.approx(stats.chi2_contingency(counts, correction=False).pvalue)
    assert outcome["level"].tolist() == ["with", "without"]
    age = small_study.clinical.loc[small_study.rows("internal"), "age"]
    described = numbers[(numbers["variable"] == "Age (years)") & (numbers["level"] == "mean \u00b1 SD")]["internal"].iloc[0]
    assert described == f"{age.mean():.4g} \u00b1 {age.std():.3g}"
    assert "Radscore, Habitat 1" in numbers["variable"].tolist()


def test_a_column_that_cannot_be_compared_is_named(small_study):
    cohort = small_study.cohort.assign(note=[f"text {i}" for i in range(160)], same="yes", side=["left", "right"] * 80)
    data = StudyData(cohort, small_study.extraction, small_study.clinical, small_study.predictors, {})
    table = baseline(data)
    assert "Not compared, for want of values or variation: note, same." in table.note
    assert "side" in table.numbers["variable"].tolist()


def test_missing_values_are_counted(tables):
    row = row_of(tables["missing"], variable="Age (years)")
    assert row[["role", "training", "internal", "external"]].tolist() == ["candidate", 2, 0, 1]
    assert tables["missing"].frame.iloc[0, 2] == "2 of 96 (2.1 %)"
    assert "median" in tables["missing"].note


def test_odds_ratios_agree_with_statsmodels(small_study, fitted, tables):
    import statsmodels.api as sm

    training = small_study.rows("training")
    y, x = small_study.y.loc[training], small_study.clinical.loc[training]
    x = x.fillna(x.median())
    for name in x:
        found = sm.GLM(y, sm.add_constant(x[[name]]), sm.families.Binomial()).fit()
        row = row_of(tables["clinical_model"], term=name)
        low, high = np.exp(found.conf_int().loc[name])
        expected = [math.exp(found.params[name]), low, high, found.pvalues[name]]
        assert row[["univariate", "univariate_low", "univariate_high", "univariate_p"]].tolist() == pytest.approx(expected, rel=1e-4)
    kept = list(fitted.clinical_model.terms)
    together = sm.GLM(y, sm.add_constant(x[kept]), sm.families.Binomial()).fit()
    row = row_of(tables["clinical_model"], term=kept[0])
    assert row["multivariable"] == pytest.approx(math.exp(together.params[kept[0]]), rel=1e-5)
    out = next(name for name in x if name not in kept)
    assert math.isnan(row_of(tables["clinical_model"], term=out)["multivariable"])


def test_signatures_make_the_radscores(small_study, fitted, tables):
    """The printed table of coefficients alone gives every radscore again."""
    features = tables["signature_features"].numbers
    for region in fitted.regions:
        mine = features[features["region"] == region]
        terms = mine[mine["feature"] != "(intercept)"]
        values = small_study.features[terms["feature"].tolist()].to_numpy()
        intercept = mine.loc[mine["feature"] == "(intercept)", "coefficient"].iloc[0]
        score = intercept + ((values - terms["mean"].to_numpy()) / terms["scale"].to_numpy()) @ terms["coefficient"].to_numpy()
        assert score == pytest.approx(fitted.radscores(small_study.features)[region].to_numpy(), nan_ok=True)
        summary = row_of(tables["signatures"], region=region)
        assert summary[["offered", "screened", "kept"]].tolist() == [16, 5, len(terms)]
        assert summary["t2w"] + summary["adc"] == len(terms)
    assert row_of(tables["signatures"], region="habitat2")["absent"] == 1


def test_the_combined_model_is_the_printed_one(small_study, fitted, tables):
    numbers = tables["combined_model"].numbers.set_index("term")
    filled = small_study.clinical.fillna(fitted.medians)
    radscores = fitted.radscores(small_study.features).fillna(fitted.radscore_means).add_prefix("radscore_")
    values = pd.concat([filled, radscores], axis=1)
    log_odds = sum(numbers.loc[term, "coefficient"] * values[term] for term in numbers.index.drop("intercept"))
    log_odds = log_odds + numbers.loc["intercept", "coefficient"]
    assert log_odds.to_numpy() == pytest.approx(fitted.log_odds(small_study.features, small_study.clinical)["combined"].to_numpy())
    assert "Radscore habitat 1" in numbers["label"].tolist()
    assert "ridge penalty" in tables["combined_model"].note


def test_performance_of_the_study(small_study, fitted, tables):
    log_odds = fitted.log_odds(small_study.features, small_study.clinical)
    for split in ("training", "internal", "external"):
        rows = small_study.rows(split)
        for model in small_study.models:
            found = row_of(tables["performance"], split=split, model=model)
            assert found["auc"] == pytest.approx(roc_auc_score(small_study.y[rows], log_odds.loc[rows, model]))
            called = expit(log_odds.loc[rows, model]) >= fitted.cut_offs[model]
            assert found["tp"] + found["fp"] == called.sum()
        truth = row_of(tables["performance"], split=split, model="true_probability")
        assert truth["auc"] == pytest.approx(roc_auc_score(small_study.y[rows], small_study.cohort.loc[rows, "true_probability"]))
        assert math.isnan(truth["sensitivity"])
    assert "Habitat 2: 2 cases" in tables["performance"].note
    assert "apparent" in tables["performance"].note
    compared = tables["comparisons"].numbers
    pairs = list(zip(compared["model"], compared["reference"], strict=True))
    assert pairs[:7] == [
        *((m, "clinical") for m in ("habitat1", "habitat2", "tumour", "combined")),
        *((m, "combined") for m in ("habitat1", "habitat2", "tumour")),
    ]
    for _, rows in compared.groupby("split"):
        assert rows["p_adjusted"].tolist() == pytest.approx(stats.false_discovery_control(rows["p"]).tolist())


def test_every_estimate_stands_side_by_side(tables):
    row = row_of(tables["honesty"], model="combined")
    of = {split: row_of(tables["performance"], split=split, model="combined")["auc"] for split in ("training", "internal", "external")}
    names = ["apparent", "corrected", "dot632", "nested", "nested_habitats", "internal", "external", "external_gap"]
    expected = [of["training"], 0.8, 0.75, (0.6 + 0.7 + 0.8 + 0.7 + 0.7 + 0.9) / 6, 0.65, of["internal"], of["external"]]
    assert row[names].tolist() == pytest.approx([*expected, of["training"] - of["external"]])
    assert row[["nested_lowest_repeat", "nested_highest_repeat"]].tolist() == pytest.approx([0.65, 0.8])
    assert list(tables["honesty"].frame)[1:] == [
        *("Apparent (95 % CI)", "Optimism-corrected", ".632+", "Nested CV", "Nested CV, habitats too"),
        *("Internal (95 % CI)", "External (95 % CI)", "Apparent less external"),
    ]
    truth = row_of(tables["honesty"], model="true_probability")
    assert truth[["nested", "external_gap"]].isna().all()
    assert truth["external"] == row_of(tables["performance"], split="external", model="true_probability")["auc"]
    assert "3 \u00d7 2 folds" in tables["honesty"].note
    assert row_of(tables["calibration"], cohort="Training, optimism-corrected by the median")["slope"] == 0.7
    assert "Training, optimism-corrected by the median" in tables["calibration"].csv
    assert "less the median, over 4 bootstrap samples" in tables["calibration"].note
    assert "not Harrell's mean" in tables["calibration"].note


def test_one_advice_where_features_outnumber_patients(tables):
    for name in ("honesty", "sample_size"):
        assert "trust nested and held-out figures." in tables[name].note
        assert "optimism-corrected figures only" not in tables[name].note


def test_habitats_that_were_not_learned_inside_the_folds_are_explained(small_study, fitted, honesty):
    assert "was not done" not in study_tables(small_study, fitted, honesty)["honesty"].note
    without = SimpleNamespace(**{**vars(honesty), "nested_habitats": None, "no_nested_habitats": "the plan leaves it out"})
    note = study_tables(small_study, fitted, without)["honesty"].note
    assert "Nested CV with habitats learned inside each fold was not done: the plan leaves it out." in note


def test_cases_without_a_decision_are_counted_in_the_flow(small_study, fitted):
    flow = study_tables(dataclasses.replace(small_study, undecided=("p1", "p2")), fitted)["cohort_flow"]
    assert flow.note.endswith("Analysed without a decision in the quality sheet (review, or none): 2.")
    assert "without a decision" not in study_tables(small_study, fitted)["cohort_flow"].note


def test_without_resampling_its_columns_are_left_out(small_study, fitted):
    found = study_tables(small_study, fitted)
    assert not {"permutation", "learning_curve"} & set(found)
    assert "Nested CV" not in found["honesty"].frame
    assert found["honesty"].frame["External (95 % CI)"].str.contains("\u2013").all()


def test_permutation_and_learning_curve(tables):
    row = tables["permutation"].numbers.iloc[0]
    assert row[["observed", "permuted", "permuted_low", "permuted_high", "p", "selected"]].tolist() == pytest.approx(
        [0.72, 0.5, 0.42, 0.58, 1 / 12, 10 / 11]
    )
    assert "cannot fall below 0.083" in tables["permutation"].note
    assert tables["learning_curve"].frame.iloc[1].tolist() == [
        *("70", "0.950 (0.960\u20130.960)", "0.700 (0.620\u20130.780)", "+0.250"),
    ]


def test_subgroups_always_say_how_many(small_study, fitted, tables):
    table = tables["subgroups"].numbers
    log_odds = fitted.log_odds(small_study.features, small_study.clinical)["combined"]
    for split in ("internal", "external"):
        rows = small_study.rows(split)
        for variable in ("Centre", "mrT stage", "PI-RADS"):
            mine = table[(table["split"] == split) & (table["variable"] == variable)]
            assert (mine["n"].sum(), mine["events"].sum()) == (len(rows), small_study.y[rows].sum())
        few = table["events"].lt(2) | (table["n"] - table["events"]).lt(2)
        assert table.loc[few, "auc_combined"].isna().all()
        assert table.loc[~few, "auc_combined"].notna().all()
        chosen = rows[small_study.clinical.loc[rows, "pi_rads"] == 4]
        found = row_of(tables["subgroups"], split=split, variable="PI-RADS", level="4")
        assert found["auc_combined"] == pytest.approx(roc_auc_score(small_study.y[chosen], log_odds[chosen]))


def test_sample_size_counts_what_was_screened(small_study, fitted, tables):
    """pmsampsize 1.1.3: pmsampsize(type = "b", cstatistic = ..) simulates; the first criterion p / ((S - 1) log(1 - R2 / S)) by hand."""
    table = tables["sample_size"]
    row = row_of(table, counted="candidates")
    assert row["parameters"] == 3 + 3 * 16
    events = int(small_study.y[small_study.rows("training")].sum())
    assert row["events_per_parameter"] == pytest.approx(min(events, 96 - events) / 51)
    assert row_of(table, counted="terms")["parameters"] == len(fitted.combined.terms)
    # R2 of a normal linear predictor with c = .8 at this prevalence, by simulation.
    generator = np.random.default_rng(0)
    share = events / 96
    y = generator.random(400_000) < share
    distance = math.sqrt(2) * stats.norm.ppf(0.8)
    lp = generator.normal(np.where(y, distance, 0.0))
    log_odds = logit(share) + distance * lp - distance**2 / 2
    model = np.where(y, -np.logaddexp(0, -log_odds), -np.logaddexp(0, log_odds)).mean()
    null = share * math.log(share) + (1 - share) * math.log(1 - share)
    r_squared = 1 - math.exp(2 * (null - model))
    assert row["for_shrinkage"] == pytest.approx(51 / ((0.9 - 1) * math.log(1 - r_squared / 0.9)), rel=0.02)
    assert "0.80, which is assumed" in table.note
    assert "fewer than 10" in table.note
    scores = StudyScores(small_study, fitted, pd.DataFrame(), pd.DataFrame())
    assert "0.70, which is assumed" in sample_size(scores, 0.7).note


def test_every_table_is_text_and_csv(tables):
    assert list(tables)[:4] == ["cohort_flow", "baseline", "baseline_splits", "missing"]
    assert len(tables) == 18
    for name, table in tables.items():
        assert table.name == name
        assert table.title
        assert all(isinstance(cell, str) for cell in table.frame.to_numpy().ravel()), name
        assert table.frame.columns.is_unique
        assert "nan" not in " ".join(table.frame.to_numpy().ravel()).split()
        assert len(pd.read_csv(io.StringIO(table.csv))) == len(table.frame)


def test_a_study_without_centre_internal_patients_and_models():
    """Nobody told apart: constant models, one held-out split with a single event, no centre."""
    index = pd.Index([f"p{i}" for i in range(20)], name="case_id")
    cohort = pd.DataFrame({"split": ["training"] * 12 + ["external"] * 8, "outcome": [0, 1] * 6 + [1] + [0] * 7}, index=index)
    cohort = cohort.assign(age=70.0, mrt_stage=2, pi_rads=4)
    protocol = Protocol(name="t", title="T", habitats={"k": 2})
    names = [f"{region}__t2w__resnet18__0000" for region in protocol.regions]
    extraction = SimpleNamespace(protocol=protocol, features=pd.DataFrame(0.5, index=index, columns=names), phantom=False)
    predictors = (AGE, MRT_STAGE, PI_RADS)
    data = StudyData(cohort, extraction, cohort[["age", "mrt_stage", "pi_rads"]].astype(float), predictors, {})
    models = ["clinical", *protocol.regions, "combined"]
    constant = pd.DataFrame(-0.5, index=index, columns=models)
    fitted = SimpleNamespace(
        regions=protocol.regions,
        signatures={},
        cross_fitted=pd.DataFrame(math.nan, index=index[:12], columns=list(protocol.regions)),
        univariate=pd.DataFrame(columns=["odds_ratio", "low", "high", "p"]),
        medians=data.clinical.median(),
        clinical_model=None,
        combined=None,
        radscore_means=pd.Series(0.0, index=list(protocol.regions)),
        cut_offs=pd.Series(math.nan, index=models),
        n_selected=0,
        radscores=lambda features: pd.DataFrame(math.nan, index=features.index, columns=list(protocol.regions)),
        log_odds=lambda features, clinical: constant,
        probabilities=lambda features, clinical: expit(constant),
    )
    found = study_tables(data, fitted)
    assert found["performance"].frame["AUC (95 % CI)"].tolist() == ["0.500"] * 5 + ["\u2013"] * 5
    assert found["comparisons"].frame.empty
    assert found["reclassification"].frame.empty
    assert found["cohort_flow"].frame["Centre"].tolist() == ["All"] * 3
    assert set(found["subgroups"].frame["Variable"]) == set()
    assert "none passed" in found["clinical_model"].note
