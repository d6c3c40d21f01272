"""The second reader: correlations against R's psych, overlap of shapes whose overlap is known, and outlines of a phantom drawn twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib.cohort import Extraction, extract, load_extraction
from HabitatPNILib.cohort_steps import features_of
from HabitatPNILib.errors import CohortError, ModelError
from HabitatPNILib.frozen_model import FrozenModel, HabitatCentroids, Imaging, Signature, Term, write_model
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.imaging.phantom_cohort import write_phantom_case
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.second_reader import compare, dice, reproducible_columns, restrict_features, second_reading
from HabitatPNILib.table_prediction import check_same_features

SMALL = {"deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64, "margin_mm": 5.0}, "registration": {"enabled": False}}
PROTOCOL = Protocol.from_dict({**Protocol.load("pca-pni").to_dict(), **SMALL}, "test")
ADC, T2W, HABITAT = "tumour__adc__resnet18__0000", "tumour__t2w__resnet18__0000", "habitat1__adc__resnet18__0000"

# i <- 1:12; a <- sin(1.1*i)*2 + i/6; b <- a + .5*cos(2.3*i) + .2; c1 <- cos(.9*i); c2 <- .6*c1 + .7*sin(1.7*i)
ROW = np.arange(1, 13)
A = np.sin(1.1 * ROW) * 2 + ROW / 6
B = A + 0.5 * np.cos(2.3 * ROW) + 0.2
C1 = np.cos(0.9 * ROW)
C2 = 0.6 * C1 + 0.7 * np.sin(1.7 * ROW)


@pytest.fixture
def ratings():
    """Two readers' features of 12 cases, 8 of them training; habitat 1 is absent from case 3 by one and case 5 by the other reader."""
    cases = pd.Index([f"c{i}" for i in ROW], name="case_id")
    first = pd.DataFrame({ADC: A, T2W: C1, HABITAT: C1}, index=cases)
    second = pd.DataFrame({ADC: B, T2W: C2, HABITAT: C2}, index=cases)
    first.loc["c3", HABITAT] = second.loc["c5", HABITAT] = np.nan
    centroids = HabitatCentroids(("t2w", "dwi", "adc"), (0.0,) * 3, (1.0,) * 3, ((-1.0,) * 3, (0.0,) * 3, (1.0,) * 3))
    extraction = Extraction(first, PROTOCOL, centroids, "ab" * 32, {}, {}, True, tuple(cases[:8]))
    table = pd.DataFrame({"split": ["training"] * 8 + ["external"] * 4, "age": 70.0}, index=cases)
    outlines = {case: {"path": "x", "dice": 0.9, "first_ml": 1.0, "second_ml": 1.1} for case in cases}
    return extraction, table, {case: second.loc[case].to_dict() for case in cases}, outlines


@pytest.fixture
def model(ratings, tmp_path):
    extraction = ratings[0]
    signatures = {
        "tumour": Signature((ADC, T2W), (0.1, -0.2), (2.0, 0.5), (0.8, -0.5), 0.4, 0.0, 1.0),
        "habitat1": Signature((HABITAT,), (0.0,), (1.0,), (1.0,), 0.0, 0.3, 1.0),
    }
    frozen = FrozenModel(
        name="m",
        version="1.0.0",
        title="t",
        kind="combined",
        notice="n",
        demonstration=True,
        protocol=extraction.protocol.to_dict(),
        predictors=(),
        intercept=-1.0,
        terms=(Term("radscore_tumour", "Radscore", 0.9, 0.0, 1.0, -2.0, 2.0),),
        cut_off=0.3,
        cut_off_rule="r",
        imaging=Imaging({}, "resnet18", "seeded:1", extraction.weights_sha256, extraction.centroids, signatures),
    )
    return write_model(frozen, tmp_path / "m", "n\n")


def test_correlations_of_features_agree_with_psych(ratings):
    """psych::ICC(cbind(x, y), lmer = FALSE), Single_random_raters: ICC, lower and upper bound; all cases, and the first 8"""
    found = compare(*ratings, {}, None, "2,1").features
    assert found.loc[ADC, ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.964719728253383, 0.880982192158258, 0.9897551204888], abs=1e-9
    )
    assert found.loc[T2W, ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.718563548469169, 0.279548013322101, 0.909725313078381], abs=1e-9
    )
    assert found.loc[ADC, "icc_training"] == pytest.approx(0.966831267093215, abs=1e-9)
    assert found.loc[ADC, ["cases", "cases_training"]].tolist() == [12, 8]
    assert found.loc[ADC, ["region", "sequence", "extractor"]].tolist() == ["tumour", "adc", "resnet18"]
    # cbind(c1, c2)[-c(3, 5), ]: the cases in which both readers have the habitat
    assert found.loc[HABITAT, ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.701199879211041, 0.164689043172773, 0.916692701986304], abs=1e-9
    )
    assert found.loc[HABITAT, ["cases", "cases_training"]].tolist() == [10, 6]


def test_another_kind(ratings):
    """Single_fixed_raters"""
    found = compare(*ratings, {}, None, "3,1").features
    assert found.loc[T2W, ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.709185938207196, 0.257037907542968, 0.906610944581468], abs=1e-9
    )


def test_correlations_of_radscores_and_probability_agree_with_psych(ratings, model):
    """s = .4 + .8*(x - .1)/2 - .5*(z + .2)/.5 by both readers; plogis(-1 + .9*s)"""
    found = compare(*ratings, {}, model, "2,1").radscores
    assert found.loc["radscore_tumour", ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.566697857179950, -0.00781334636995088, 0.854610394608341], abs=1e-9
    )
    assert found.loc["probability", ["icc", "low", "high"]].tolist() == pytest.approx(
        [0.574585899604730, 0.00104601136770125, 0.857930222404871], abs=1e-9
    )
    assert found.loc["log_odds", "icc"] == pytest.approx(0.566697857179950, abs=1e-9)
    assert found.loc["radscore_tumour", ["mean_difference", "largest_difference"]].tolist() == pytest.approx(
        [-0.0405259710000603, 0.889952407282343], abs=1e-9
    )
    assert found.loc["radscore_habitat1", "cases"] == 10


def test_shares_by_region_and_sequence(ratings):
    summary = compare(*ratings, {}, None, "2,1").summary
    assert summary.loc[("tumour", "adc"), ["features", "share_0.75", "share_0.8"]].tolist() == [1, 1, 1]
    assert summary.loc[("tumour", "t2w"), ["features", "share_0.75", "share_0.8"]].tolist() == [1, 0, 0]
    assert summary.loc[("all", "all"), "share_0.8"] == pytest.approx(1 / 3)
    assert summary.loc[("habitat1", "adc"), "cases"] == 10


def test_features_for_training_are_chosen_by_training_cases_alone(ratings, tmp_path):
    found = compare(*ratings, {}, None, "2,1").features
    path = tmp_path / "icc_features.csv"
    found.assign(icc=[0.0, 1.0, 1.0]).to_csv(path)
    assert reproducible_columns(tmp_path, 0.9) == [ADC]
    found.to_csv(path, sep=";", decimal=",")
    assert reproducible_columns(path, 0.9) == [ADC]
    restricted = restrict_features(dataclasses.replace(ratings[0], protocol=_regions_of(1)), [ADC, HABITAT])
    assert list(restricted.features.columns) == [ADC, HABITAT]
    with pytest.raises(CohortError, match="No feature of habitat1, habitat2, habitat3 is reproducible enough; lower --icc-min"):
        restrict_features(ratings[0], [ADC])
    with pytest.raises(CohortError, match="lack other__adc__x__1, which the ICC table names"):
        restrict_features(ratings[0], ["other__adc__x__1"])


def _regions_of(k):
    """Protocol whose regions are the test's: habitat 1 and the whole tumour."""

    class Two:
        regions = ("habitat1", "tumour")

    return Two()


@pytest.mark.parametrize(
    ("change", "limit", "text"),
    [
        (lambda t: t, 0.99, "no feature has an ICC of at least 0.99 in the training cases; lower --icc-min"),
        (lambda t: t, 1.5, "Smallest ICC 1.5 is not above 0 and up to 1"),
        (lambda t: t.assign(icc_training=np.nan), 0.8, "fewer than 2 training cases were read twice"),
        (lambda t: t.drop(columns="icc_training"), 0.8, "columns are missing: icc_training; write one with habitatpni reader2"),
        (lambda t: t.assign(icc_training=[0.9, 95, 2]), 0.8, "column icc_training is above 1, which no ICC can be in rows 3, 4"),
        (lambda t: pd.concat([t, t.iloc[:1]]), 0.8, "column feature repeats a name in rows 2, 5"),
    ],
)
def test_icc_tables_that_cannot_be_used(ratings, tmp_path, change, limit, text):
    change(compare(*ratings, {}, None, "2,1").features).to_csv(tmp_path / "icc_features.csv")
    with pytest.raises(CohortError) as error:
        reproducible_columns(tmp_path, limit)
    assert text in str(error.value)


def mask(array, origin=(0.0, 0.0, 0.0)):
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.SetSpacing((1.0, 1.0, 1.0))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    image.SetOrigin(origin)
    return image


def test_dice_of_boxes():
    box = np.zeros((10, 10, 10))
    box[2:6, 2:6, 2:6] = 1
    moved = np.roll(box, 1, axis=2)
    assert dice(mask(box), mask(box)) == 1
    assert dice(mask(box), mask(moved)) == pytest.approx(3 / 4)
    # The same box on a window that starts 2 voxels later along every axis (x runs along +y of the patient here: columns (0,-1,0), (1,0,0)).
    window = mask(box)
    cut = sitk.RegionOfInterest(window, [8, 8, 8], [2, 2, 2])
    assert dice(window, cut) == 1
    assert dice(window, mask(np.roll(box, 4, axis=0))) == 0


def test_features_of_another_model_are_refused(ratings, model):
    with pytest.raises(ModelError, match="the network's weights differ"):
        check_same_features(model, dataclasses.replace(ratings[0], weights_sha256="cd" * 32))


@pytest.fixture(scope="module")
def drawn_twice(tmp_path_factory, phantom):
    """Two phantoms, one outlined again alike in another file, one wider; features of the first outlines."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = []
    for i, split in enumerate(("training", "external")):
        case, truth = phantom_case(701) if i else phantom
        write_phantom_case(case, folder / f"c{i}")
        roi = case.roi if i == 0 else sitk.BinaryDilate(case.roi, [3, 3, 0])
        labels = roi * 2
        sitk.WriteImage(labels, str(folder / f"c{i}" / "second.nrrd"))
        paths = {name: f"c{i}/{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")}
        second = {"roi_2": f"c{i}/second.nrrd", "roi_2_segment": "2", "roi_2_on": "t2w"}
        rows.append({"case_id": f"c{i}", "split": split, "outcome": truth.outcome, **paths, "b_dwi": 1400, "b_low_b": 50, **second})
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    extract(folder / "cohort.csv", PROTOCOL, folder / "features")
    return folder, second_reading(folder / "cohort.csv", folder / "features", folder / "reader2")


def test_the_same_outline_in_another_file_gives_the_same_features(drawn_twice):
    folder, found = drawn_twice
    assert list(found.outlines.index) == ["c0", "c1"]
    assert found.outlines.at["c0", "dice"] == 1
    assert found.outlines.at["c0", "first_ml"] == found.outlines.at["c0", "second_ml"]
    assert found.failures == {}
    extraction = load_extraction(folder / "features")
    again = [
        pd.Series(features_of("x", path, extraction.protocol, extraction.centroids)) for path in (folder / "reader2" / "prepared").iterdir()
    ]
    assert sum(values.equals(extraction.features.loc["c0", values.index].rename(None)) for values in again) == 1
    # Two cases, one of them training.
    assert found.features["cases"].max() == 2
    assert found.features["icc_training"].isna().all()


def test_a_wider_outline_overlaps_as_much_as_its_voxels_say(drawn_twice):
    folder, found = drawn_twice
    first, second = (sitk.ReadImage(str(folder / "c1" / name)) != 0 for name in ("roi.nrrd", "second.nrrd"))
    a, b = (sitk.GetArrayFromImage(m).astype(bool) for m in (first, second))
    assert found.outlines.at["c1", "dice"] == pytest.approx(2 * (a & b).sum() / (a.sum() + b.sum()), abs=0.03)
    assert found.outlines.at["c1", "second_ml"] > found.outlines.at["c1", "first_ml"] * 1.2


def test_tables_are_written(drawn_twice):
    folder, found = drawn_twice
    assert {p.name for p in (folder / "reader2").glob("*.csv")} == {"icc_features.csv", "icc_summary.csv", "outlines.csv", "failures.csv"}
    written = pd.read_csv(folder / "reader2" / "icc_features.csv", index_col="feature")
    assert written["icc"].to_numpy() == pytest.approx(found.features["icc"].to_numpy(float), nan_ok=True)
    assert set(written["kind"]) == {"ICC(2,1)"}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.drop(columns=["roi_2"]), "column roi_2: 0 cases with features have a second reader's outline; at least 2 are needed"),
        (lambda t: t.assign(roi_2=t["roi"], roi_2_segment=np.nan), "column roi_2: the outline of column roi is given again for case c0"),
        (lambda t: t.assign(dwi=t["low_b"]), "Fewer than 2 cases could be compared; Case c0: its files are not those that its features"),
        (lambda t: t.assign(roi_2="none.nrrd"), "Fewer than 2 cases could be compared; Case c0: "),
    ],
)
def test_cohorts_that_cannot_be_compared(drawn_twice, tmp_path, change, text):
    folder, _ = drawn_twice
    table = folder / f"{abs(hash(text))}.csv"
    change(pd.read_csv(folder / "cohort.csv")).to_csv(table, index=False)
    with pytest.raises(CohortError) as error:
        second_reading(table, folder / "features", tmp_path / "out")
    assert text in str(error.value)
