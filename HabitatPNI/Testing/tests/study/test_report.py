"""The study's report: its answer, its verdicts and its order, with numbers set by hand where the sentences depend on them."""

import dataclasses
import math
import re

import numpy as np
import pytest

from HabitatPNILib.protocol import Protocol
from HabitatPNILib.report.study_content import Verdict
from HabitatPNILib.study.leakage import LeakageReport
from HabitatPNILib.study.plan import StudyPlan
from HabitatPNILib.study.report import study_report_html
from HabitatPNILib.study.report_checks import checks, controls_table, standing
from HabitatPNILib.study.report_text import answer, fitted_where, habitats_in_words, key_figures, limitations, methods
from HabitatPNILib.study.summary import Estimate, summarise
from HabitatPNILib.study.tables import study_tables
from HabitatPNILib.study.tripod import tripod_table

from .report_parts import control, figure, make_honesty

LEAKAGE = LeakageReport(160, 160, 160, (), ())


@pytest.fixture(scope="module")
def summary(small_study, fitted):
    return summarise(small_study, StudyPlan(repeats=2, folds=3), fitted, make_honesty(small_study.models))


def with_aucs(summary, model="combined", **aucs):
    """The same study with other AUCs of a model."""
    estimates = dict(summary.estimates)
    estimates[model] = {way: Estimate(auc, auc - 0.05, auc + 0.05) for way, auc in aucs.items()}
    return dataclasses.replace(summary, estimates=estimates)


def without(summary, *splits):
    cohort = summary.data.cohort[~summary.data.cohort["split"].isin(splits)]
    data = dataclasses.replace(summary.data, cohort=cohort, clinical=summary.data.clinical.loc[cohort.index])
    return summarise(data, summary.plan, summary.scores.fitted, summary.honesty)


def of_patients(summary, **columns):
    cohort = summary.data.cohort.drop(columns="true_probability").assign(**columns)
    extraction = dataclasses.replace(summary.data.extraction, phantom=False)
    data = dataclasses.replace(summary.data, cohort=cohort, extraction=extraction)
    return summarise(data, summary.plan, summary.scores.fitted, summary.honesty)


def verdicts(found):
    return {c.name: c.verdict for c in found}


def test_the_answer_says_what_holds_outside_and_how_much_did_not(summary):
    text = " ".join(answer(with_aucs(summary, apparent=0.95, corrected=0.87, nested=0.83, internal=0.82, external=0.80)))
    assert text.startswith(
        "In 32 patients of the external split, whom it had never seen, the combined model reaches an AUC of 0.800 (95 % CI 0.750 to "
        "0.850). "
        "On the patients it was trained on it reaches 0.950: 0.150 of that (33 % of its apparent lead over chance) did not hold. Seen from "
        "the training patients alone, the bootstrap correction expects 0.870 and nested cross-validation expects 0.830."
    )
    assert f"the best that any model can know, reaches {summary.truth['external'].auc:.3f}." in text
    assert "The clinical model alone reaches" in text
    assert "DeLong p" in text


def test_the_answer_without_optimism_does_not_invent_any(summary):
    text = answer(with_aucs(summary, apparent=0.80, internal=0.7, external=0.81))[0]
    assert "0.800: no more than that; apparent optimism does not show here." in text


@pytest.mark.parametrize(
    ("gone", "resampled", "words"),
    [
        (("external",), True, "There is no external split. In 32 patients of the internal split"),
        (
            ("external", "internal"),
            True,
            "No patients were held out. In nested cross-validation the combined model reaches an AUC of 0.830.",
        ),
        (("external", "internal"), False, "there is only the apparent figure. On its own training patients the combined model reaches"),
    ],
)
def test_what_is_absent_is_said(summary, gone, resampled, words):
    found = without(summary if resampled else dataclasses.replace(summary, honesty=None), *gone)
    text = " ".join(answer(found))
    assert words in text
    assert ("was not tested, for want of held-out patients" in text) is ("internal" in gone)
    figures = {f.label: f for f in key_figures(found)}
    assert (figures["External"].value, figures["External"].note) == ("\u2013", "no such patients")
    assert figures["Nested"].value == ("0.830" if resampled else "\u2013")
    assert "There is no external split: how the model does elsewhere is not known." in limitations(found)


def test_checks_pass_where_all_is_well(summary):
    controls = (control("shuffled voxels", {"tumour": 0.6, "radscores": 0.65}, 0.7),)
    found = verdicts(checks(summary, controls, LEAKAGE))
    assert found["Planted leak"] is found["Shuffled labels"] is found["Leakage between splits"] is Verdict.PASSED
    assert found["Columns that give the outcome away"] is found["Negative control (shuffled voxels)"] is Verdict.PASSED
    assert found["Events for each candidate"] is Verdict.ATTENTION
    assert "Reference standard" not in found


def test_a_leak_fails_and_the_answer_says_not_to_trust(summary):
    leaky = dataclasses.replace(summary, honesty=make_honesty(summary.data.models, shuffled=0.7, suspects={"age": 0.99}))
    found = checks(leaky, (), None)
    assert verdicts(found)["Shuffled labels"] is verdicts(found)["Columns that give the outcome away"] is Verdict.FAILED
    assert any("age (AUC 0.990)" in c.text for c in found)
    text = standing(found)
    assert (
        "shuffled labels, columns that give the outcome away failed: the figures above cannot be trusted until the cause is found" in text
    )
    assert "not done: negative controls, leakage between splits" in text


def test_a_planted_leak_that_is_not_seen_fails(summary):
    blind = dataclasses.replace(summary, honesty=make_honesty(summary.data.models, planted=0.53))
    (check,) = (c for c in checks(blind, (), LEAKAGE) if c.name == "Planted leak")
    assert check.verdict is Verdict.FAILED
    assert "mean AUC 0.530 (standard error 0.007)" in check.text


def test_shuffles_with_empty_models_do_not_count(summary):
    empty = dataclasses.replace(make_honesty(summary.data.models), permuted_selected=np.array([0.0, 0.0, 0.0, 1.0, 0.5]))
    (check,) = (c for c in checks(dataclasses.replace(summary, honesty=empty), (), LEAKAGE) if c.name == "Shuffled labels")
    assert check.verdict is Verdict.ATTENTION
    assert "selected in 40 % of the shuffles and in 30 % of their folds" in check.text


def test_few_shuffles_cannot_reach_significance(summary):
    (check,) = (c for c in checks(summary, (), LEAKAGE) if c.name == "True labels against shuffled ones")
    assert check.verdict is Verdict.ATTENTION
    assert "Too few shuffles to tell: p cannot fall below 0.167. AUC 0.830 with the true labels; p = 0.167 over 5 shuffles." in check.text


def test_a_control_above_its_limit_needs_attention(summary):
    controls = (control("same shape elsewhere", {"tumour": 0.75, "radscores": 0.55}, 0.7),)
    (check,) = (c for c in checks(summary, controls, LEAKAGE) if c.name.startswith("Negative"))
    assert check.verdict is Verdict.ATTENTION
    assert "Above what was expected: whole tumour. " in check.text
    assert "Whole tumour 0.750 (at most 0.700 expected), All radscores 0.550" in check.text
    table = controls_table(controls, summary)
    assert list(table.frame["Verdict"]) == ["above what was expected", "as expected"]
    assert list(table.numbers["auc"]) == [0.75, 0.55]


@pytest.mark.parametrize(
    ("report", "verdict"),
    [
        (None, Verdict.NOT_DONE),
        (LeakageReport(160, 0, 0, (), ("nothing",)), Verdict.NOT_DONE),
        (LeakageReport(160, 0, 160, (), ("ids not stated",)), Verdict.PASSED),
        (LeakageReport(160, 10, 150, (), ("some not compared",)), Verdict.ATTENTION),
        (LeakageReport(160, 160, 160, (("a", "b"),), ("1 group",)), Verdict.ATTENTION),
    ],
)
def test_leakage_is_judged_by_what_was_compared(summary, report, verdict):
    assert verdicts(checks(summary, (), report))["Leakage between splits"] is verdict


def test_without_resampling_the_checks_are_not_done(summary):
    bare = dataclasses.replace(summary, honesty=None)
    found = verdicts(checks(bare, (), None))
    assert sum(v is Verdict.NOT_DONE for v in found.values()) == 6
    assert standing(checks(bare, (), None)).startswith("Of 7 checks none was passed;")


@pytest.mark.parametrize(
    ("standard", "verdict", "words"),
    [
        ("prostatectomy", Verdict.PASSED, "Every outcome was found in a prostatectomy specimen."),
        ("biopsy", Verdict.ATTENTION, "All stated outcomes are of biopsy."),
        (None, Verdict.NOT_DONE, "not stated"),
    ],
)
def test_the_reference_standard_of_patients_is_a_check(summary, standard, verdict, words):
    patients = of_patients(summary, reference_standard=standard)
    (check,) = (c for c in checks(patients, (), LEAKAGE) if c.name == "Reference standard")
    assert check.verdict is verdict
    assert words in check.text
    assert any("biopsy" in point for point in limitations(patients)) is (standard != "prostatectomy")


def test_methods_state_protocol_seeds_and_versions(summary):
    text = " ".join(methods(summary))
    for words in (
        "Protocol test",
        "k = 2",
        "mRMR (FCQ) keeps 5 features",
        "2 repeats of stratified 3-fold",
        "50 bootstrap samples",
        "Seed 17",
    ):
        assert words in text
    assert re.search(r"habitatpni \d+\.\d+\.\d+, numpy", text)
    table = fitted_where(summary).frame.set_index("Step")
    assert table.loc["Habitats", "Looks at the outcome"] == "no"
    assert table.loc["mRMR, scaling, LASSO", "Refitted in every resample"] == "yes"
    assert table.loc["mRMR, scaling, LASSO", "Seed"] == "11"


_TEXTURE = {
    "features": ["original_glcm_Contrast", "original_glcm_Id"],
    "sequences": ["adc"],
    "in_plane": False,
    "kernel_radius": 1,
    "bin_width": 25,
    "intensities": True,
}


@pytest.mark.parametrize(
    ("habitats", "words"),
    [
        ({}, "K-means of the voxels' 3 values"),
        ({"method": "gmm"}, "a Gaussian mixture of the voxels' 3 values"),
        ({"method": "slic", "supervoxel_mm": 4}, "K-means of supervoxels of about 4 mm (SLIC) by their mean 3 values"),
        (
            {"texture": _TEXTURE},
            "K-means of the voxels' 2 features of texture (pyradiomics' definitions) in the 3 \u00d7 3 \u00d7 3 voxels round each, of ADC, "
            "with grey levels 25 wide over the tumour, together with their 3 intensities, those that hardly vary or correlate above 0.95 "
            "with another left out, projected on the principal components of 95 % of the variance",
        ),
        (
            {"texture": {"features": "all93", "correlation": None, "pca": None}},
            "K-means of the voxels' 93 features of texture (pyradiomics' definitions) in the 5 \u00d7 5 voxels of the slice round each, of "
            "T2W, DWI, ADC, with 32 grey levels over the tumour, those that hardly vary left out",
        ),
        ({"method": "gmm", "texture": {"pca": None}}, "projected on the principal components of 95 % of the variance"),
    ],
)
def test_habitats_are_described_as_they_are_made(habitats, words):
    found = habitats_in_words(Protocol.from_dict({"name": "n", "title": "t", "habitats": habitats}, "test"))
    assert found.endswith(words) if habitats.get("method") == "gmm" and "texture" in habitats else found == words


def test_a_texture_study_is_told_truly(summary):
    extraction = summary.data.extraction
    features = extraction.features.assign(habitats__map__ith__score=0.5, habitats__map__msi__energy=0.1)
    values = extraction.protocol.to_dict()
    values["habitats"] = {**values["habitats"], "texture": {}, "order_by": "adc__original_glcm_Id", "scope": "case", "descriptors": True}
    other = dataclasses.replace(extraction, features=features, protocol=Protocol.from_dict(values, "test"))
    told = " ".join(methods(dataclasses.replace(summary, data=dataclasses.replace(summary.data, extraction=other))))
    assert "Habitats: K-means of the voxels' 77 features of texture" in told
    assert "clustered in every patient by itself, numbered by ascending mean original_glcm_Id of ADC." in told
    assert f"of every region and sequence: {extraction.features.shape[1]} features a patient. 2 descriptors of the habitat map" in told
    assert "in no radscore" in told
    assert "descriptors" not in " ".join(methods(summary))
    values["habitats"]["match"] = "cohort"
    other = dataclasses.replace(summary.data, extraction=dataclasses.replace(other, protocol=Protocol.from_dict(values, "test")))
    told = " ".join(methods(dataclasses.replace(summary, data=other)))
    assert "clustered in every patient by itself, matched to the habitats of all training patients, numbered by ascending mean" in told
    where = fitted_where(dataclasses.replace(summary, data=other)).frame.set_index("Step")
    assert where.at["Habitats", "Fitted on"] == "each patient alone, their numbers on training patients"


def test_limitations_come_from_the_data(summary):
    points = limitations(summary)
    assert points[0].startswith("The cases are digital phantoms")
    assert any("32 patients" in p or "at least 100 are advised" in p for p in points)
    assert any("of the rarer outcome for 51 candidate parameters" in p for p in points)
    assert any(p.startswith("The network was not trained at all") for p in points)
    assert any("age 1.9 %" in p for p in points)


def test_what_nobody_has_decided_is_a_limitation(summary):
    data = dataclasses.replace(summary.data, undecided=("p1", "p2", "p3"))
    text = " ".join(limitations(dataclasses.replace(summary, data=data)))
    assert "Nobody has decided on 3 of the 160 cases used" in text
    assert "Nobody has decided" not in " ".join(limitations(summary))


def test_habitats_that_stay_outside_the_folds_are_explained(summary):
    reason = "the extraction names no prepared volumes"
    told = dataclasses.replace(summary, honesty=dataclasses.replace(summary.honesty, no_nested_habitats=reason))
    assert f"(learning them inside each fold was not done: {reason})" in " ".join(limitations(told))
    assert f"Habitats were not learned inside the folds: {reason}." in " ".join(methods(told))
    assert "not learned inside the folds" not in " ".join(methods(summary))


def test_the_corrected_slope_is_called_what_it_is(summary):
    words = "optimism-corrected by the median"
    assert f"the calibration slope is {words} over the samples, not by Harrell's mean" in " ".join(methods(summary))
    page = study_report_html(summary, study_tables(summary.data, summary.scores.fitted, summary.honesty), {})
    assert f"Training, {words}" in page


def test_the_report_is_one_offline_file_in_order(summary):
    tables = study_tables(summary.data, summary.scores.fitted, summary.honesty)
    figures = {n: figure(n) for n in ("roc_external", "nomogram", "decision_curve_external", "heat_map_tumour")}
    html = study_report_html(
        summary,
        tables,
        figures,
        tripod=tripod_table(summary),
        controls=(control("shuffled voxels", {"tumour": 0.5}, 0.7),),
        leakage=LEAKAGE,
    )
    body = html[html.index("<body>") :]
    titles = re.findall(r"<h2>(.*?)</h2>", body)
    assert titles == [
        *("The answer", "Side by side", "Checks", "Cohort", "Models", "Performance", "Calibration", "Clinical utility", "Reclassification"),
        *("Subgroups", "Figures", "Further tables", "Methods", "Limitations", "TRIPOD+AI"),
    ]
    assert body.index("Demonstration on digital phantoms") < body.index("The answer")
    assert not re.search(r"<script|https?:", re.sub(r"base64,[A-Za-z0-9+/=]+", "", html))
    assert body.count("<figure") == 4
    assert body.index("id='s2'") < body.index("<b>Figure 1.</b>") < body.index("id='s3'")
    for table in tables.values():
        assert table.title.replace("'", "&#x27;") in body
    side = body[body.index("Side by side") : body.index("<h2>Checks")]
    heads = [re.sub("<.*?>", "", h) for h in re.findall(r"<th .*?</th>", side)]
    assert [h.split(" (")[0] for h in heads] == [
        *("Model", "Apparent", "Optimism-corrected", ".632+", "Nested CV", "Internal", "External", "Apparent less external")
    ]
    assert "<tr class='strong'><td>Combined</td>" in side


def test_a_study_without_anything_else_says_so(summary):
    bare = without(dataclasses.replace(summary, honesty=None), "internal", "external")
    html = study_report_html(bare, study_tables(bare.data, bare.scores.fitted), {})
    for words in (
        "The cohort has no internal and no external split.",
        "Nothing was resampled: there are no optimism-corrected and no nested figures.",
        "There are no held-out patients, so calibration was not measured",
        "There are no held-out patients, so the net benefit was not measured.",
        "No figures were made.",
        "The checklist was not filled in.",
        "No negative controls were made in this study.",
    ):
        assert words in html


def test_apparent_is_that_of_the_fitted_pipeline_without_resampling(summary):
    from sklearn.metrics import roc_auc_score

    bare = summarise(summary.data, summary.plan, summary.scores.fitted)
    rows = summary.data.rows("training")
    truth = roc_auc_score(summary.data.y.loc[rows], summary.scores.probabilities.loc[rows, "combined"])
    assert bare.auc("apparent") == pytest.approx(truth, abs=1e-12)
    assert math.isnan(bare.auc("nested"))
    assert bare.outside == "external"
    assert summary.estimates["combined"]["nested"] == Estimate(pytest.approx(0.83), pytest.approx(0.81), pytest.approx(0.85))
