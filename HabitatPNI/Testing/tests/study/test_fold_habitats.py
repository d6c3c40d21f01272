"""Habitats learned inside a fold: from its training patients alone, and the features are those of a direct extraction."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib import __version__, cohort_steps
from HabitatPNILib.cohort import Extraction, extractor, features_of, learn_habitats
from HabitatPNILib.cohort_steps import FEATURE_FORMAT
from HabitatPNILib.errors import CohortError, WeightsError
from HabitatPNILib.habitats.descriptors import describe, descriptor_columns
from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.preparation import map_habitats
from HabitatPNILib.prepared_store import load_volumes, store_case
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.study import fold_habitats
from HabitatPNILib.study.data import study_data
from HabitatPNILib.study.fold_habitats import FoldHabitats
from HabitatPNILib.study.honesty import run_honesty
from HabitatPNILib.study.plan import StudyPlan

CASES = [f"v{i}" for i in range(6)]
PROTOCOL = Protocol.from_dict(
    {
        "name": "test",
        "title": "t",
        "habitats": {"k": 2, "voxels_per_patient": 100},
        "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 32},
        "selection": {"mrmr_features": 5, "folds": 3},
        "combined": {"folds": 3},
    },
    "test",
)


def volumes(seed: int, shift: float) -> Preprocessed:
    """A small prepared case: a dark half and a bright half of `shift`, with noise."""
    rng = np.random.default_rng(seed)
    roi = np.zeros((5, 14, 14), np.uint8)
    roi[1:4, 3:11, 3:11] = 1
    images = {}
    for name in PROTOCOL.sequences:
        values = rng.normal(0, 0.3, roi.shape)
        values[:, :, 7:] += shift
        images[name] = sitk.GetImageFromArray(values.astype(np.float32))
    return Preprocessed(images, images, sitk.GetImageFromArray(roi), 1, (), ())


def store(prepared: Preprocessed, path: Path) -> None:
    store_case(prepared, {"dwi": 1400.0}, True, PROTOCOL.deep.margin_mm, path, hashes={}, registration=None)


@pytest.fixture(scope="module")
def extraction(tmp_path_factory):
    """Six prepared cases, the first four of them training; the two others are of another kind."""
    folder = tmp_path_factory.mktemp("prepared")
    paths = {}
    for i, case in enumerate(CASES):
        paths[case] = folder / f"{case}.npz"
        store(volumes(i, 1.0 + 0.2 * i if i < 4 else 4.0), paths[case])
    training = CASES[:4]
    centroids = learn_habitats([paths[c] for c in training], PROTOCOL)
    rows = {c: features_of(c, path, PROTOCOL, centroids) for c, path in paths.items()}
    features = pd.DataFrame.from_dict(rows, orient="index").rename_axis("case_id")
    sha = extractor(PROTOCOL.deep).weights_sha256
    return Extraction(features, PROTOCOL, centroids, sha, {"dwi": 1400.0}, {}, True, tuple(training), paths)


def test_a_fold_of_the_whole_training_split_gives_the_extractions_own_features(extraction, tmp_path):
    again = FoldHabitats(extraction.features, extraction, tmp_path).table(extraction.training)
    pd.testing.assert_frame_equal(again, extraction.features, check_exact=True)


def test_features_are_those_of_a_direct_extraction_with_the_folds_centroids(extraction, tmp_path):
    learned_from = ["v4", "v5"]
    found = FoldHabitats(extraction.features, extraction, tmp_path).table(learned_from)
    centroids = learn_habitats([extraction.prepared[c] for c in learned_from], PROTOCOL)
    changed = 0
    for case in CASES:
        direct = features_of(case, extraction.prepared[case], PROTOCOL, centroids)
        np.testing.assert_allclose(found.loc[case, list(direct)].to_numpy(), list(direct.values()), rtol=1e-4, atol=1e-5)
        changed += int(not np.array_equal(found.loc[case], extraction.features.loc[case], equal_nan=True))
    assert changed >= 3
    tumour = [name for name in found if name.startswith("tumour__")]
    pd.testing.assert_frame_equal(found[tumour], extraction.features[tumour], check_exact=True)


def test_a_patient_held_out_has_no_part_in_the_habitats(extraction, tmp_path):
    """Its volumes are exchanged for quite different ones: the others' features stay."""
    learned_from = ["v0", "v2", "v4"]
    found = FoldHabitats(extraction.features, extraction, tmp_path / "a").table(learned_from)
    other = tmp_path / "other.npz"
    store(volumes(77, 30.0), other)
    exchanged = dataclasses.replace(extraction, prepared={**extraction.prepared, "v1": other})
    again = FoldHabitats(extraction.features, exchanged, tmp_path / "b").table(learned_from)
    rest = [c for c in CASES if c != "v1"]
    pd.testing.assert_frame_equal(again.loc[rest], found.loc[rest], check_exact=True)


def test_a_table_of_fewer_columns_gets_those_alone(extraction, tmp_path):
    """As after the second reader's outlines, which leave only reproducible columns."""
    whole = FoldHabitats(extraction.features, extraction, tmp_path / "whole").table(["v4", "v5"])
    some = list(extraction.features.columns[::7])
    found = FoldHabitats(extraction.features[some], extraction, tmp_path / "some").table(["v4", "v5"])
    pd.testing.assert_frame_equal(found, whole[some], check_exact=True)


def test_nothing_is_extracted_twice(extraction, tmp_path, monkeypatch):
    first = FoldHabitats(extraction.features, extraction, tmp_path).table(["v4", "v5"])
    monkeypatch.setattr(fold_habitats, "collect_cases", None)
    again = FoldHabitats(extraction.features, extraction, tmp_path).table(["v4", "v5"])
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_only_changed_habitats_are_extracted(extraction):
    path = extraction.prepared["v0"]
    known = extraction.centroids
    assert fold_habitats.habitat_features("v0", path, PROTOCOL, known, known) == {}
    moved = learn_habitats([extraction.prepared["v5"]], PROTOCOL)
    found = fold_habitats.habitat_features("v0", path, PROTOCOL, moved, known)
    assert {name.split("__")[0] for name in found} <= {"habitat1", "habitat2"}


def test_descriptors_are_those_of_the_folds_own_habitats(extraction, tmp_path):
    protocol = Protocol.from_dict({**PROTOCOL.to_dict(), "habitats": {**PROTOCOL.to_dict()["habitats"], "descriptors": True}}, "test")
    paths, known = extraction.prepared, extraction.centroids
    rows = {c: features_of(c, path, protocol, known) for c, path in paths.items()}
    features = pd.DataFrame.from_dict(rows, orient="index").rename_axis("case_id")
    pd.testing.assert_frame_equal(features[extraction.features.columns], extraction.features, check_exact=True)
    asked = dataclasses.replace(extraction, features=features, protocol=protocol)
    found = FoldHabitats(features, asked, tmp_path).table(["v4", "v5"])
    centroids = learn_habitats([paths["v4"], paths["v5"]], protocol)
    for case in CASES:
        labels = map_habitats(load_volumes(paths[case]), protocol.habitats, protocol.sequences, centroids).labels
        assert dict(found.loc[case, descriptor_columns(2)]) == describe(labels, 2)
    assert not found[descriptor_columns(2)].equals(features[descriptor_columns(2)])
    plain = FoldHabitats(extraction.features, extraction, tmp_path).table(["v4", "v5"])
    pd.testing.assert_frame_equal(found[plain.columns], plain, check_exact=True)


def test_tables_are_kept_as_before_but_for_texture_whose_vectors_have_a_format(extraction, tmp_path, monkeypatch):
    values = PROTOCOL.to_dict()
    texture = Protocol.from_dict({**values, "habitats": {**values["habitats"], "texture": {}}}, "test")
    makers = [FoldHabitats(extraction.features, dataclasses.replace(extraction, protocol=p), tmp_path) for p in (PROTOCOL, texture)]
    digest = hashlib.sha256(f"{__version__} {FEATURE_FORMAT} {extraction.weights_sha256} {extraction.centroids}".encode())
    digest.update(PROTOCOL.habitats.model_dump_json().encode() + PROTOCOL.deep.model_dump_json().encode())
    columns = [name for name in extraction.features if name.startswith("habitat")]
    digest.update(repr((PROTOCOL.sequences, columns)).encode())
    for name in ("v4", "of all", *CASES):
        digest.update(name.encode())
    before = [maker._key(["v4"]) for maker in makers]
    assert before[0] == digest.hexdigest()[:32]
    monkeypatch.setattr(cohort_steps, "VECTOR_FORMAT", cohort_steps.VECTOR_FORMAT + 1)
    assert [maker._key(["v4"]) == key for maker, key in zip(makers, before, strict=True)] == [True, False]


def test_what_cannot_be_made_is_said(extraction, tmp_path):
    with pytest.raises(CohortError, match="nothing to learn inside a fold"):
        FoldHabitats(extraction.features, dataclasses.replace(extraction, centroids=None), tmp_path)
    gone = dataclasses.replace(extraction, prepared={**extraction.prepared, "v3": tmp_path / "gone.npz"})
    with pytest.raises(CohortError, match=r"prepared volumes of 1 cases are not there \(first v3\)"):
        FoldHabitats(extraction.features, gone, tmp_path)
    with pytest.raises(WeightsError, match="weights of resnet18 are not those of the extraction"):
        FoldHabitats(extraction.features, dataclasses.replace(extraction, weights_sha256="00"), tmp_path).table(["v4", "v5"])
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(extraction.prepared["v3"].read_bytes()[:300])
    broken = dataclasses.replace(extraction, prepared={**extraction.prepared, "v3": damaged})
    with pytest.raises(CohortError, match="Habitats inside a fold: Case v3"):
        FoldHabitats(extraction.features, broken, tmp_path).table(["v4", "v5"])


def test_the_study_uses_them_in_the_folds_of_its_first_repeat(extraction, make_study, quick_pipeline, tmp_path, monkeypatch):
    """24 patients that share the six prepared cases; centroids are learned once a fold, from its training patients."""
    cases = [f"p{i}" for i in range(24)]
    features = extraction.features.loc[[CASES[i % 6] for i in range(24)]].set_index(pd.Index(cases, name="case_id"))
    cohort = make_study(n=24, splits=(1.0, 1.0)).cohort.assign(outcome=[i // 2 % 2 for i in range(24)])
    prepared = {case: extraction.prepared[CASES[i % 6]] for i, case in enumerate(cases)}
    data = study_data(cohort, dataclasses.replace(extraction, features=features, prepared=prepared, training=tuple(cases)))
    learned = []
    monkeypatch.setattr(fold_habitats, "learn_habitats", lambda paths, protocol: learned.append(len(paths)) or extraction.centroids)
    plan = StudyPlan(folds=3, repeats=2, habitat_repeats=1, bootstrap=3, permutations=2, learning_sizes=0)
    found = run_honesty(data, plan, tmp_path)
    assert learned == [16, 16, 16]
    assert found.no_nested_habitats == ""
    assert found.nested_habitats["combined"].fold_aucs.shape == (1, 3)
    np.testing.assert_array_equal(found.nested_habitats["combined"].fold_of[0], found.nested["combined"].fold_of[0])
    # centroids as before: the same features, so the same fits
    np.testing.assert_array_equal(found.nested_habitats["combined"].scores[0], found.nested["combined"].scores[0])
