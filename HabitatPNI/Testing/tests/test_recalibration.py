"""Local recalibration: the new model is `expit(a + b * log odds)` of the old one, says so, and refuses what does not fit."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from HabitatPNILib import recalibration
from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.clinical_model import write_clinical_model
from HabitatPNILib.cohort import Extraction
from HabitatPNILib.errors import CaseError, CohortError, ModelError
from HabitatPNILib.evaluation.updating import choose_update
from HabitatPNILib.frozen_model import FrozenModel, HabitatCentroids, Imaging, Signature, Term, load_model, write_model
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.recalibration import recalibrate, site_cases
from HabitatPNILib.standard_predictors import AGE, PI_RADS

PROTOCOL = Protocol.from_dict({"name": "test", "title": "t", "habitats": {"k": 2}}, "test")
CENTROIDS = HabitatCentroids(("t2w", "dwi", "adc"), (0.0,) * 3, (1.0,) * 3, ((-1.0,) * 3, (1.0,) * 3))
REGIONS = ("habitat1", "tumour")


@pytest.fixture(scope="module")
def clinical(tmp_path_factory):
    return write_clinical_model(tmp_path_factory.mktemp("models") / "pca-pni-clinical")


@pytest.fixture(scope="module")
def combined(tmp_path_factory):
    signatures = {
        region: Signature(
            (f"{region}__adc__resnet18__0000", f"{region}__t2w__resnet18__0001"), (0.1, -0.2), (2.0, 0.5), (0.7, -0.4), 0.3, 0.25, 0.9
        )
        for region in REGIONS
    }
    model = FrozenModel(
        name="site-a",
        version="2.1.0",
        title="t",
        kind="combined",
        notice="Made for a test.",
        demonstration=True,
        protocol=PROTOCOL.to_dict(),
        predictors=(AGE, PI_RADS),
        intercept=-1.3,
        terms=(
            Term("age", "Age", -0.02, 70, 8, 50, 90),
            Term("pi_rads", "PI-RADS", 0.6, 4, 0.8, 3, 5),
            Term("radscore_habitat1", "Radscore habitat 1", 0.9, 0.25, 0.9, -2, 2),
            Term("radscore_tumour", "Radscore whole tumour", 0.5, 0.25, 0.9, -2, 2),
        ),
        cut_off=0.37,
        cut_off_rule="Youden",
        imaging=Imaging({"dwi": 1400.0}, "resnet18", "seeded:1", "ab" * 32, CENTROIDS, signatures),
        performance=({"cohort": "training", "n": 100, "events": 30, "auc": 0.8},),
        provenance={"made": "by hand"},
    )
    return write_model(model, tmp_path_factory.mktemp("models") / "site-a", "Made for a test.\n")


@pytest.fixture(scope="module")
def site():
    """120 patients of a site at which the model's log odds are too high and too extreme; two lack habitat 1."""
    rng = np.random.default_rng(5)
    names = [f"{r}__{s}__resnet18__{i:04d}" for r in REGIONS for s in ("adc", "t2w") for i in range(2)]
    cases = pd.Index([f"s{i}" for i in range(120)], name="case_id")
    features = pd.DataFrame(rng.normal(0, 2, (120, len(names))), index=cases, columns=names)
    features.loc[["s3", "s50"], [n for n in names if n.startswith("habitat1")]] = np.nan
    table = pd.DataFrame({"split": "external", "age": rng.integers(50, 90, 120), "pi_rads": rng.integers(3, 6, 120)}, index=cases)
    by_hand = []
    for case in cases:
        total = -1.3 - 0.02 * table.at[case, "age"] + 0.6 * table.at[case, "pi_rads"]
        for region, weight in (("habitat1", 0.9), ("tumour", 0.5)):
            a, b = features.loc[case, [f"{region}__adc__resnet18__0000", f"{region}__t2w__resnet18__0001"]]
            score = 0.3 + 0.7 * (a - 0.1) / 2 - 0.4 * (b + 0.2) / 0.5
            total += weight * (0.25 if np.isnan(score) else score)
        by_hand.append(total)
    log_odds = pd.Series(by_hand, index=cases)
    table["outcome"] = (rng.random(120) < 1 / (1 + np.exp(-(-0.7 + 0.4 * log_odds)))).astype(int)
    extraction = Extraction(features, PROTOCOL, CENTROIDS, "ab" * 32, {"dwi": 1400.0}, {}, True, ())
    return extraction, table, log_odds


@pytest.fixture
def site_files(tmp_path, site, monkeypatch):
    extraction, table, _ = site
    images = table.assign(t2w="t", dwi="d", adc="a", roi="r")
    images.to_csv(tmp_path / "cohort.csv")
    monkeypatch.setattr(recalibration, "load_extraction", lambda folder: extraction)
    return tmp_path


def test_features_and_clinical_values_give_the_models_log_odds(combined, site, site_files):
    _, table, by_hand = site
    cases = site_cases(combined, site_files / "cohort.csv", site_files)
    assert cases["log_odds"].to_numpy() == pytest.approx(by_hand.to_numpy(), abs=1e-12)
    assert cases["outcome"].tolist() == table["outcome"].tolist()


def test_the_loaded_model_gives_expit_of_a_plus_b_log_odds(combined, site, tmp_path):
    extraction, table, log_odds = site
    update = choose_update(table["outcome"], log_odds)
    assert update.chosen.name == "slope"
    recalibrate(combined, update, tmp_path / "site-b", name="site-b", version="1.0.0", site="site B")
    new = load_model(tmp_path / "site-b")
    scores = recalibration.model_radscores(new, extraction.features)
    found = 1 / (1 + np.exp(-recalibration.model_log_odds(new, table, scores)))
    a, b = update.chosen.intercept, update.chosen.slope
    assert found.to_numpy() == pytest.approx((1 / (1 + np.exp(-(a + b * log_odds)))).to_numpy(), abs=1e-12)
    assert new.imaging.signatures == combined.imaging.signatures
    # The same patients reach the cut-off.
    assert ((found >= new.cut_off) == (1 / (1 + np.exp(-log_odds)) >= combined.cut_off)).all()
    assert math.log(new.cut_off / (1 - new.cut_off)) == pytest.approx(a + b * math.log(0.37 / 0.63), abs=1e-12)


def test_the_new_model_says_where_it_comes_from(combined, site, tmp_path):
    _, table, log_odds = site
    update = choose_update(table["outcome"], log_odds)
    new = recalibrate(combined, update, tmp_path / "site-b", name="site-b", version="1.0.0", site="site B")
    origin = new.provenance["recalibrated_from"]
    assert (origin["name"], origin["version"], origin["checksum"]) == ("site-a", "2.1.0", combined.checksum)
    assert origin["provenance"] == {"made": "by hand"}
    said = new.provenance["recalibration"]
    assert (said["method"], said["patients"], said["events"]) == ("slope", 120, int(table["outcome"].sum()))
    assert new.demonstration
    assert new.notice.startswith(f"Recalibrated (new intercept and slope) on 120 patients, {said['events']} with the outcome, of site B")
    assert new.notice.endswith("Made for a test.")
    assert new.performance[0] == combined.performance[0]
    card = new.card
    assert "## Recalibration" in card
    assert f"| slope (1 is perfect) | {update.before.slope:.4f} | 1.0000 |" in card
    assert "chi-square" in card
    assert "only other patients can confirm it" in card


def test_a_case_goes_through_the_new_clinical_model(clinical, tmp_path):
    """A solved intercept becomes an estimated one: the new model takes no local prevalence."""
    rng = np.random.default_rng(2)
    n = 150
    values = pd.DataFrame({"age": rng.integers(50, 90, n), "mrt_stage": rng.integers(1, 5, n), "pi_rads": rng.integers(3, 6, n)})
    lp = clinical.intercept + values.to_numpy() @ np.log([0.92, 1.83, 3.12])
    outcome = (rng.random(n) < 1 / (1 + np.exp(-(1.2 + lp)))).astype(int)
    values.assign(case_id=[f"v{i}" for i in range(n)], outcome=outcome).to_csv(tmp_path / "values.csv", index=False)
    cases = site_cases(clinical, tmp_path / "values.csv")
    assert cases["log_odds"].to_numpy() == pytest.approx(lp, abs=1e-12)
    update = choose_update(cases["outcome"], cases["log_odds"])
    assert update.chosen.name == "intercept"
    new = recalibrate(clinical, update, tmp_path / "new", name="local", version="1.0.0", site="a site")
    case = Case("1", {}, clinical={"age": 70, "mrt_stage": 3, "pi_rads": 5})
    old_log_odds = clinical.intercept + 70 * math.log(0.92) + 3 * math.log(1.83) + 5 * math.log(3.12)
    assert analyse(case, new).probability == pytest.approx(1 / (1 + math.exp(-(update.chosen.intercept + old_log_odds))), abs=1e-12)
    assert analyse(case, new).high_risk == analyse(case, clinical).high_risk
    with pytest.raises(ModelError, match="takes no local prevalence"):
        analyse(case, new, prevalence=0.3)


def test_probabilities_and_log_odds_of_a_table(combined, site, tmp_path):
    _, table, log_odds = site
    given = pd.DataFrame({"case_id": table.index, "outcome": table["outcome"].to_numpy(), "model": "site-a"})
    given.assign(log_odds=log_odds.to_numpy()).to_csv(tmp_path / "a.csv", index=False)
    given.assign(probability=1 / (1 + np.exp(-log_odds.to_numpy()))).to_csv(tmp_path / "b.csv", index=False)
    assert site_cases(combined, tmp_path / "a.csv")["log_odds"].to_numpy() == pytest.approx(log_odds.to_numpy(), abs=1e-12)
    assert site_cases(combined, tmp_path / "b.csv")["log_odds"].to_numpy() == pytest.approx(log_odds.to_numpy(), abs=1e-10)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.drop(columns="outcome"), "columns are missing: outcome"),
        (lambda t: t.assign(outcome=[0, 1, 2, None]), "column outcome must be 0 or 1; it is not in rows 4, 5"),
        (lambda t: t.assign(probability=[0.1, 1.0, None, 1.4]), "column probability is missing or not between 0 and 1 in rows 3, 4, 5"),
        (lambda t: t.assign(log_odds=[0.1, "x", 1, np.inf]), "column log_odds is missing or not between -36 and 36 in rows 3, 5"),
        (lambda t: t.assign(log_odds=[0.1, 1e308, 1, -40]), "column log_odds is missing or not between -36 and 36 in rows 3, 5"),
        (lambda t: t.assign(case_id=["a", "b", "a", None]), "column case_id is empty or given more than once in rows 2, 4, 5"),
        (lambda t: t.assign(model=["site-a", None, "x", "site-a"]), "column model names another model than site-a in rows 4"),
        (lambda t: t.drop(columns="probability"), "columns are missing: probability or log_odds by model site-a; or give"),
    ],
)
def test_tables_that_cannot_be_used(combined, tmp_path, change, text):
    table = pd.DataFrame({"case_id": list("abcd"), "outcome": [0, 1, 0, 1], "probability": [0.1, 0.2, 0.3, 0.4]})
    change(table).to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(CohortError) as error:
        site_cases(combined, tmp_path / "table.csv")
    assert text in str(error.value)


def test_missing_tables_and_values(combined, clinical, tmp_path):
    with pytest.raises(CohortError, match="No table"):
        site_cases(combined, tmp_path / "none.csv")
    pd.DataFrame({"case_id": ["a"], "outcome": [1], "age": [60]}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(CaseError, match="Case a: clinical values are missing: mrt_stage, pi_rads"):
        site_cases(clinical, tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"centroids": dataclasses.replace(CENTROIDS, mean=(0.1, 0.0, 0.0))}, "centroids, which were learned from other patients"),
        ({"weights_sha256": "cd" * 32}, "the network's weights"),
        ({"protocol": Protocol.from_dict({**PROTOCOL.to_dict(), "deep": {"margin_mm": 9}}, "test")}, "deep"),
        ({"protocol": Protocol.from_dict({**PROTOCOL.to_dict(), "preprocessing": {"clip_sigma": 3}}, "test")}, "preprocessing"),
    ],
)
def test_features_of_another_kind_are_refused(combined, site, site_files, monkeypatch, change, text):
    monkeypatch.setattr(recalibration, "load_extraction", lambda folder: dataclasses.replace(site[0], **change))
    with pytest.raises(ModelError, match=text):
        site_cases(combined, site_files / "cohort.csv", site_files)


def test_cases_that_shaped_the_model_are_left_out(combined, site, site_files, monkeypatch):
    monkeypatch.setattr(recalibration, "load_extraction", lambda folder: dataclasses.replace(site[0], training=("s0", "s1")))
    assert list(site_cases(combined, site_files / "cohort.csv", site_files).index[:2]) == ["s2", "s3"]
    monkeypatch.setattr(recalibration, "load_extraction", lambda folder: dataclasses.replace(site[0], training=tuple(site[1].index)))
    with pytest.raises(CohortError, match="did not shape the model's habitats"):
        site_cases(combined, site_files / "cohort.csv", site_files)


def test_the_original_is_never_overwritten(combined, site):
    _, table, log_odds = site
    update = choose_update(table["outcome"], log_odds)
    before = (combined.folder / "model.json").read_bytes()
    with pytest.raises(ModelError, match="holds the model that is to be recalibrated"):
        recalibrate(combined, update, combined.folder, name="x", version="1.0.0", site="s")
    with pytest.raises(ModelError, match="give the new one another name or version"):
        recalibrate(combined, update, combined.folder.parent / "y", name="site-a", version="2.1.0", site="s")
    assert (combined.folder / "model.json").read_bytes() == before
    assert not (combined.folder.parent / "y").exists()
