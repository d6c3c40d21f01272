"""From a case to its habitats: what is registered to what, and how well the habitats meet the phantom's truth."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.habitats.clustering import HabitatClusterer, draw_voxels
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.preparation import habitat_validity, map_habitats, prepare
from HabitatPNILib.protocol import Protocol

PROTOCOL = Protocol.load("pca-pni")


def protocol(**sections):
    return Protocol.from_dict({**PROTOCOL.to_dict(), **sections}, "test")


def test_registration_finds_the_known_misalignment_and_only_t2w_moves(phantom):
    case, truth = phantom
    prepared = prepare(case, PROTOCOL)
    gland = np.argwhere(sitk.GetArrayFromImage(truth.gland))[::500, ::-1]
    points = [truth.gland.TransformIndexToPhysicalPoint([int(i) for i in index]) for index in gland]
    errors = [np.subtract(prepared.registration.transform.TransformPoint(p), truth.transform.TransformPoint(p)) for p in points]
    assert prepared.registration.accepted
    assert np.median(np.linalg.norm(errors, axis=1)) < 0.8
    still = prepare(case, protocol(registration={"enabled": False}))
    assert still.registration is None
    for name, moved in (("dwi", False), ("adc", False), ("t2w", True)):
        same = np.array_equal(*(sitk.GetArrayFromImage(p.preprocessed.images[name]) for p in (prepared, still)))
        assert same != moved


def test_an_adc_map_on_another_grid_is_taken_as_it_lies_and_said(phantom):
    case = phantom[0]
    other = sitk.Crop(case.images["adc"], [2, 2, 0], [2, 2, 0])
    moved = dataclasses.replace(case, images={**case.images, "adc": other})
    prepared = prepare(moved, protocol(registration={"enabled": False}))
    assert "ADC is on another grid than DWI: it is taken as it lies in the scanner" in prepared.warnings
    lone = dataclasses.replace(moved, images={k: v for k, v in moved.images.items() if k != "low_b"})
    assert any("the registration rests on the high-b image" in w for w in prepare(lone, PROTOCOL).warnings)


def test_case_scope_and_frozen_centroids_of_the_same_voxels_agree(phantom):
    preprocessed = prepare(phantom[0], protocol(registration={"enabled": False})).preprocessed
    own = map_habitats(preprocessed, PROTOCOL.habitats, PROTOCOL.sequences, None)
    again = map_habitats(preprocessed, PROTOCOL.habitats, PROTOCOL.sequences, own.centroids)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(own.labels), sitk.GetArrayFromImage(again.labels))
    regions = own.regions()
    assert sum(int(regions[f"habitat{i}"].sum()) for i in (1, 2, 3)) == int(regions["tumour"].sum()) == sum(own.counts)
    assert habitat_validity(preprocessed, PROTOCOL.habitats, own.centroids).k == (2, 3, 4, 5, 6)


@pytest.mark.slow
def test_cohort_habitats_meet_the_phantoms_truth():
    """Centroids of ten patients on six others, through the whole pipeline; the benchmark does the same with more."""
    from sklearn.metrics import adjusted_rand_score

    section, names = PROTOCOL.habitats, PROTOCOL.sequences
    drawn = [draw_voxels(prepare(phantom_case(8000 + i)[0], PROTOCOL).preprocessed.voxel_vectors(names), 500, i) for i in range(10)]
    frozen = HabitatClusterer(section.k, names, section.order_by, section.seed).fit(np.concatenate(drawn)).centroids_
    scores = []
    for seed in range(8010, 8016):
        case, truth = phantom_case(seed)
        labels = sitk.GetArrayFromImage(map_habitats(prepare(case, PROTOCOL).preprocessed, section, names, frozen).labels)
        true = sitk.GetArrayFromImage(truth.habitats)
        inside = (labels > 0) & (true > 0)
        scores.append(adjusted_rand_score(true[inside], labels[inside]))
    assert np.median(scores) >= 0.8
