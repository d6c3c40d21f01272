"""Extraction of a small phantom cohort: every case a row, every failure a reason, nothing done twice."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import SimpleITK as sitk

from HabitatPNILib import cohort_steps
from HabitatPNILib.analysis import analyse
from HabitatPNILib.cli import main
from HabitatPNILib.cohort import (
    check_training_cases,
    extract,
    extract_for_model,
    features_of,
    learn_by,
    learn_habitats,
    load_case,
    load_extraction,
    prepared_paths,
    read_cohort,
)
from HabitatPNILib.errors import CohortError, ModelError, ProtocolError, WeightsError
from HabitatPNILib.features.deep import DeepExtractor
from HabitatPNILib.frozen_model import load_model, write_model
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.preparation import map_habitats, prepare
from HabitatPNILib.prepared_store import image_hashes, load_stored
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.recalibration import site_cases

PROTOCOL = Protocol.from_dict(
    {**Protocol.load("pca-pni").to_dict(), "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64}}, "test"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three phantom patients and a damaged one, as files with a table."""
    folder = tmp_path_factory.mktemp("cohort")
    rows = []
    for i, split in enumerate(["training", "training", "external", "internal"]):
        case, truth = phantom_case(700 + i)
        (folder / f"c{i}").mkdir()
        for name, image in {**case.images, "roi": case.roi}.items():
            image.SetMetaData("phantom", "true")
            sitk.WriteImage(image, str(folder / f"c{i}" / f"{name}.nrrd"))
        paths = {name: f"c{i}/{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")}
        rows.append({"case_id": f"c{i}", "split": split, "outcome": truth.outcome, **paths, "b_dwi": 1400, "b_low_b": 50, **case.clinical})
    (folder / "c3" / "dwi.nrrd").write_bytes((folder / "c3" / "dwi.nrrd").read_bytes()[:5000])
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def extracted(folder):
    return extract(folder / "cohort.csv", PROTOCOL, folder / "features")


def test_every_good_case_is_a_row_and_the_damaged_one_a_reason(extracted, folder):
    assert list(extracted.features.index) == ["c0", "c1", "c2"]
    assert extracted.features.shape[1] == 4 * 3 * 512
    assert set(extracted.failures) == {"c3"}
    failures = pd.read_csv(folder / "features" / "failures.csv")
    assert failures["case_id"].tolist() == ["c3"]
    assert "dwi.nrrd" in failures["reason"][0]
    assert extracted.b_values == {"dwi": 1400.0, "low_b": 50.0}
    assert extracted.phantom


def test_what_was_written_comes_back(extracted, folder):
    loaded = load_extraction(folder / "features")
    pd.testing.assert_frame_equal(loaded.features, extracted.features)
    assert (loaded.protocol, loaded.centroids, loaded.failures, loaded.phantom) == (
        extracted.protocol,
        extracted.centroids,
        extracted.failures,
        extracted.phantom,
    )


def test_features_are_those_of_the_whole_volumes(extracted, folder):
    """The stored cut-out round the ROI gives the same bits as the case workflow's whole volume."""
    table = read_cohort(folder / "cohort.csv")
    case = load_case("c0", dict(table.loc["c0"]), folder, PROTOCOL)
    preprocessed = prepare(case, PROTOCOL).preprocessed
    regions = map_habitats(preprocessed, PROTOCOL.habitats, PROTOCOL.sequences, extracted.centroids).regions()
    direct = DeepExtractor(PROTOCOL.deep).extract(preprocessed.normalised, regions)
    np.testing.assert_array_equal(extracted.features.loc["c0", list(direct)].to_numpy(), np.array(list(direct.values())))


def test_the_table_has_one_row_group_a_case_and_its_key(extracted, folder):
    stored = pq.ParquetFile(folder / "features" / "features.parquet")
    assert stored.num_row_groups == 3
    table = stored.read_row_group(1)
    assert table["case_id"].to_pylist() == ["c1"]
    assert len(table["key"].to_pylist()[0]) == 32
    assert (folder / "features" / "cases" / f"{table['key'].to_pylist()[0]}.npy").is_file()


def test_prepared_cases_are_found_again_with_what_is_known_of_them(extracted, folder):
    loaded = load_extraction(folder / "features")
    paths = prepared_paths(loaded)
    assert list(paths) == ["c0", "c1", "c2"]
    assert learn_habitats([paths["c0"], paths["c1"]], PROTOCOL) == extracted.centroids
    assert features_of("c1", paths["c1"], PROTOCOL, extracted.centroids) == dict(extracted.features.loc["c1"])
    case = load_case("c0", dict(read_cohort(folder / "cohort.csv").loc["c0"]), folder, PROTOCOL)
    assert loaded.image_hashes["c0"] == image_hashes(case.images)
    stored = load_stored(paths["c0"])
    assert stored.registration is not None
    assert stored.registration.to_dict() == prepare(case, PROTOCOL).registration.to_dict()
    with pytest.raises(CohortError, match=r"prepared volumes of 1 cases are not there \(first c2\)"):
        prepared_paths(replace(loaded, prepared={case: paths[case] for case in ("c0", "c1")}))


@pytest.fixture
def counted(monkeypatch):
    """Cases that are registered, and those whose features are computed."""
    calls: dict[str, list[str]] = {"prepare": [], "features": []}
    prepared, features = cohort_steps.prepare, cohort_steps.features_of
    monkeypatch.setattr(cohort_steps, "prepare", lambda case, *rest: calls["prepare"].append(case.case_id) or prepared(case, *rest))
    monkeypatch.setattr(cohort_steps, "features_of", lambda case, *rest: calls["features"].append(case) or features(case, *rest))
    return calls


def test_a_second_run_does_only_what_is_new(extracted, folder, counted):
    again = extract(folder / "cohort.csv", PROTOCOL, folder / "features")
    assert counted == {"prepare": [], "features": []}
    pd.testing.assert_frame_equal(again.features, extracted.features)
    kept = pq.read_table(folder / "features" / "features.parquet", columns=["case_id", "key"]).to_pydict()
    key = dict(zip(kept["case_id"], kept["key"], strict=True))["c2"]
    (folder / "features" / "cases" / f"{key}.npy").write_bytes(b"damaged")
    extract(folder / "cohort.csv", PROTOCOL, folder / "features")
    assert counted == {"prepare": [], "features": ["c2"]}


def test_rejected_cases_are_left_out_and_listed(extracted, folder, tmp_path, counted):
    """c1 shapes the habitats no more, so that the features of the others are made anew."""
    out = tmp_path / "features"
    shutil.copytree(folder / "features" / "prepared", out / "prepared")
    found = extract(folder / "cohort.csv", PROTOCOL, out, rejected={"c1": "rejected in the quality sheet: T2W moved"})
    assert list(found.features.index) == ["c0", "c2"]
    assert found.training == ("c0",)
    assert found.centroids != extracted.centroids
    assert counted == {"prepare": [], "features": ["c0", "c2"]}
    failures = pd.read_csv(out / "failures.csv").set_index("case_id")["reason"]
    assert failures["c1"] == "rejected in the quality sheet: T2W moved"
    assert list(failures.index) == ["c1", "c3"]
    with pytest.raises(CohortError, match="Rejected cases are not in the cohort table: c9"):
        extract(folder / "cohort.csv", PROTOCOL, out, rejected={"c9": "?"})


def test_paths_that_do_not_exist_are_failures(extracted, folder, tmp_path):
    table = pd.read_csv(folder / "cohort.csv")
    table = table.assign(**{name: [str(folder / p) for p in table[name]] for name in ("t2w", "dwi", "adc", "low_b", "roi")})
    table.loc[0, "adc"] = "nowhere/adc.nrrd"
    table.loc[2, "roi"] = None
    table["dicom"] = [None, None, None, "no/folder"]
    table.to_csv(tmp_path / "cohort.csv", index=False)
    shutil.copytree(folder / "features" / "prepared", tmp_path / "features" / "prepared")
    found = extract(tmp_path / "cohort.csv", PROTOCOL, tmp_path / "features")
    assert list(found.features.index) == ["c1"]
    assert "The ADC file adc.nrrd does not exist" in found.failures["c0"]
    assert "no tumour outline (ROI)" in found.failures["c2"]
    assert found.failures["c3"].startswith("Case c3:")


@pytest.fixture(scope="module")
def site(folder, extracted, small_model, tmp_path_factory):
    """The phantoms as the patients of another site, none in training, one more with a DWI of quite another b-value: by the command."""
    out = tmp_path_factory.mktemp("site")
    table = pd.read_csv(folder / "cohort.csv").assign(split="external")
    table = pd.concat([table, table.iloc[[2]].assign(case_id="c4", b_dwi=500)])
    table = table.assign(**{name: [str(folder / p) for p in table[name]] for name in ("t2w", "dwi", "adc", "low_b", "roi")})
    table.to_csv(out / "site.csv", index=False)
    shutil.copytree(folder / "features" / "prepared", out / "features" / "prepared")
    assert main(["extract", str(out / "site.csv"), "--model", str(small_model.folder), "-o", str(out / "features")]) == 0
    return out


def test_another_sites_features_are_those_of_the_models_own_habitats(site, extracted, small_model):
    found = load_extraction(site / "features")
    assert list(found.features.index) == ["c0", "c1", "c2"]
    assert found.centroids == small_model.imaging.habitats != extracted.centroids
    assert (found.training, found.model, found.b_values) == ((), "small 1.0.0", {"dwi": 1400.0, "low_b": 50.0})
    assert set(found.failures) == {"c3", "c4"}
    assert "DWI has b = 500 s/mm2, the model was made with b = 1400" in found.failures["c4"]


def test_recalibration_at_another_site_rests_on_the_probabilities_of_single_cases(site, small_model):
    """The way of one case (`analyse`) knows nothing of cohorts: the same patients get the same log odds there."""
    cases = site_cases(small_model, site / "site.csv", site / "features")
    assert list(cases.index) == ["c0", "c1", "c2"]
    row = dict(read_cohort(site / "site.csv").loc["c1"])
    case = load_case("c1", row, site, PROTOCOL).with_clinical({name: row[name] for name in ("age", "mrt_stage", "pi_rads")})
    assert 1 / (1 + np.exp(-cases.at["c1", "log_odds"])) == pytest.approx(analyse(case, small_model).probability, abs=1e-6)


def test_a_models_habitats_train_no_other_model(site, folder, extracted):
    table = read_cohort(site / "site.csv")
    with pytest.raises(CohortError, match=r"habitats of model small 1\.0\.0 and serve that model alone; run habitatpni extract without"):
        check_training_cases(load_extraction(site / "features"), table)
    with pytest.raises(CohortError, match=r"site\.csv: no training case is left"):
        extract(site / "site.csv", PROTOCOL, site / "features")
    check_training_cases(extracted, read_cohort(folder / "cohort.csv"))


def test_what_a_model_cannot_take_is_found_before_the_first_case(site, small_model, tmp_path, counted):
    with pytest.raises(WeightsError, match=r"resnet18 weights at hand \(seeded:2\) are not those it was made with \(seeded:1, sha256"):
        extract_for_model(site / "site.csv", small_model, tmp_path, weights="seeded:2")
    with pytest.raises(ModelError, match="rests on clinical values alone: there are no features to extract for it"):
        extract_for_model(site / "site.csv", replace(small_model, imaging=None), tmp_path)
    assert counted == {"prepare": [], "features": []}


@pytest.mark.parametrize("missing", ["c1", "c2"])
def test_a_case_that_shaped_the_habitats_must_stay_in_training(extracted, folder, missing):
    table = read_cohort(folder / "cohort.csv")
    moved = table.assign(split=table["split"].where(table.index != missing, "internal"))
    if missing == "c2":
        check_training_cases(extracted, moved)
        return
    with pytest.raises(CohortError, match=r"1 cases that shaped the habitats are no longer training cases \(first c1\)"):
        check_training_cases(extracted, moved)
    without = replace(extracted, features=extracted.features.drop(index="c1"))
    check_training_cases(without, moved)  # nothing is tested on a case without features


@pytest.mark.slow
def test_two_processes_give_the_same_bits(extracted, folder, tmp_path):
    both = extract(folder / "cohort.csv", PROTOCOL, tmp_path, jobs=2)
    pd.testing.assert_frame_equal(both.features, extracted.features, check_exact=True)
    assert both.failures == extracted.failures


def test_missing_tables_and_folders(tmp_path):
    with pytest.raises(CohortError, match=r"No table none\.csv can be read there; write one with the columns case_id, split"):
        read_cohort(tmp_path / "none.csv")
    with pytest.raises(CohortError, match="run habitatpni extract first"):
        load_extraction(tmp_path)


@pytest.mark.parametrize(
    "change", [{"prepared": []}, {"centroids": 5}, {"training": 5}, {"protocol": []}], ids=["prepared", "centroids", "training", "protocol"]
)
def test_a_damaged_extraction_is_one_line(extracted, folder, tmp_path, change):
    out = shutil.copytree(folder / "features", tmp_path / "features", ignore=shutil.ignore_patterns("prepared", "cases"))
    values = json.loads((out / "extraction.json").read_text(encoding="utf-8"))
    (out / "extraction.json").write_text(json.dumps(values | change), encoding="utf-8")
    with pytest.raises((CohortError, ProtocolError), match=r"does not hold the features of a cohort|Protocol in extraction\.json"):
        load_extraction(out)


def test_features_can_be_learned_from_in_another_way_but_not_be_said_to_be_others(extracted):
    values = PROTOCOL.to_dict()
    other = Protocol.from_dict({**values, "selection": {**values["selection"], "folds": 3}, "clinical": {"univariate_p": 0.01}}, "other")
    found = learn_by(extracted, other)
    assert found.protocol == other
    assert found.features is extracted.features
    sharper = Protocol.from_dict({**values, "deep": {**values["deep"], "window": [-5, 5]}, "habitats": {"k": 2}}, "other")
    with pytest.raises(CohortError, match=r"other settings than those of protocol pca-pni \(habitats, deep\): extract them again"):
        learn_by(extracted, sharper)


def test_a_case_s_own_habitats_match_the_cohort_s_in_extract_and_in_the_frozen_model(extracted, folder, small_model, tmp_path):
    section = PROTOCOL.habitats.model_copy(update={"scope": "case", "match": "cohort"})
    protocol = PROTOCOL.model_copy(update={"habitats": section})
    found = extract(folder / "cohort.csv", protocol, folder / "features_matched")
    assert found.centroids == extracted.centroids == load_extraction(folder / "features_matched").centroids
    assert load_extraction(folder / "features_matched").protocol == protocol
    model = replace(small_model, protocol=protocol.to_dict(), imaging=replace(small_model.imaging, habitats=found.centroids))
    write_model(model, tmp_path / "model", "# Card\n")
    loaded = load_model(tmp_path / "model")
    assert loaded.imaging.habitats == found.centroids
    case = replace(
        load_case("c2", dict(read_cohort(folder / "cohort.csv").loc["c2"]), folder, protocol), clinical=phantom_case(702)[0].clinical
    )
    labels = sitk.GetArrayFromImage(analyse(case, loaded).habitat_map)
    regions = {f"habitat{i}": labels == i for i in (1, 2, 3)}
    direct = DeepExtractor(protocol.deep).extract(prepare(case, protocol).preprocessed.normalised, regions)
    np.testing.assert_array_equal(found.features.loc["c2", list(direct)].to_numpy(), np.array(list(direct.values())))
    assert not found.features.loc["c2"].equals(extracted.features.loc["c2"])
