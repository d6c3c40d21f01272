"""The phantom against what it says of itself: geometry, contrast, determinism, law."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.imaging.phantom import PhantomEffects, phantom_case
from HabitatPNILib.imaging.phantom_law import (
    LOG_ODDS_AGE,
    LOG_ODDS_MRT,
    LOG_ODDS_PI_RADS,
    draw_patient,
)

SEQUENCES = ("t2w", "dwi", "adc")
CLEAN = PhantomEffects(noise=False, bias_field=False, distortion=False, kurtosis=False)


@pytest.fixture(scope="module")
def made():
    return phantom_case(11)


@pytest.fixture(scope="module")
def clean():
    return phantom_case(11, misalignment=((6.0, -5.0, 4.0), (3.0, 6.0, -5.0)), effects=CLEAN)


def on_truth_grid(case, truth, name):
    transform = truth.transform if name == "t2w" else sitk.Transform()
    kind = sitk.sitkLinear if name == "adc" else sitk.sitkBSpline
    image = sitk.Cast(case.images[name], sitk.sitkFloat32)
    return sitk.GetArrayFromImage(sitk.Resample(image, truth.habitats, transform, kind, np.nan, sitk.sitkFloat32))


def classified_by_centroids(case, truth):
    """Truth and nearest-centroid labels of the tumour's voxels, true alignment, sequences scaled alike."""
    habitats = sitk.GetArrayFromImage(truth.habitats)
    inside = habitats > 0
    vectors = np.stack([on_truth_grid(case, truth, name)[inside] for name in SEQUENCES], axis=1)
    vectors = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    labels = habitats[inside]
    centroids = np.stack([vectors[labels == k].mean(axis=0) for k in (1, 2, 3)])
    return labels, np.argmin(((vectors[:, None] - centroids) ** 2).sum(axis=2), axis=1) + 1


def test_grids_are_clinical_and_oblique(made):
    case, truth = made
    assert case.is_phantom
    assert case.images["t2w"].GetSize() == (384, 384, 19)
    assert case.images["t2w"].GetSpacing() == (0.5, 0.5, 3.0)
    assert case.images["dwi"].GetSize() == (84, 128, 19)
    assert case.images["dwi"].GetSpacing() == (2.0, 2.0, 3.0)
    assert case.same_acquisition("dwi", "adc")
    assert case.same_acquisition("dwi", "low_b")
    assert truth.habitats.GetSpacing() == (1.0, 1.0, 1.0)
    tilts = [np.degrees(np.arccos(phantom_case(s, centre="centre2")[0].images["dwi"].GetDirection()[4])) for s in (1, 2)]
    assert min(tilts) >= 6
    assert max(tilts) <= 19
    assert tilts[0] != tilts[1]


def test_same_seed_same_bits_and_another_seed_another_case(made):
    again, truth = phantom_case(11)
    for name, image in made[0].images.items():
        assert np.array_equal(sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(again.images[name]))
    assert truth.transform.GetParameters() == made[1].transform.GetParameters()
    other, _ = phantom_case(12)
    assert not np.array_equal(sitk.GetArrayViewFromImage(made[0].images["t2w"]), sitk.GetArrayViewFromImage(other.images["t2w"]))


def test_volume_and_shares_are_the_patients(made):
    _, truth = made
    counts = np.bincount(sitk.GetArrayFromImage(truth.habitats).ravel(), minlength=4)[1:]
    patient = draw_patient(11)
    assert counts.sum() / 1000 == pytest.approx(patient.volume_ml, rel=0.06)
    assert counts / counts.sum() == pytest.approx(patient.habitat_shares, abs=0.02)
    assert truth.probability == patient.probability
    assert truth.outcome == patient.outcome
    gland_ml = sitk.GetArrayFromImage(truth.gland).sum() / 1000
    assert 25 < gland_ml < 70


def test_transform_maps_the_tumour_of_dwi_onto_the_outline_of_t2w(clean):
    case, truth = clean
    moved = sitk.GetArrayFromImage(sitk.Resample(case.roi, truth.habitats, truth.transform, sitk.sitkNearestNeighbor, 0)) > 0
    still = sitk.GetArrayFromImage(sitk.Resample(case.roi, truth.habitats, sitk.Transform(), sitk.sitkNearestNeighbor, 0)) > 0
    habitats = sitk.GetArrayFromImage(truth.habitats) > 0

    def dice(a, b):
        return 2 * (a & b).sum() / (a.sum() + b.sum())

    assert dice(moved, habitats) > 0.93
    assert dice(still, habitats) < 0.8


@pytest.mark.parametrize("largest", [(10.0, 10.0), (4.0, 4.0)])
def test_drawn_misalignment_stays_within_its_limits(largest):
    for seed in range(2):
        _, truth = phantom_case(seed, centre="centre2", max_translation_mm=largest[0], max_rotation_deg=largest[1])
        rigid = sitk.VersorRigid3DTransform(truth.transform)
        assert 0 < np.linalg.norm(rigid.GetTranslation()) <= largest[0]
        cosine = (np.trace(np.array(rigid.GetMatrix()).reshape(3, 3)) - 1) / 2
        assert 0 < np.degrees(np.arccos(cosine)) <= largest[1]


def test_given_misalignment_turns_about_the_gland(clean):
    _, truth = clean
    rigid = sitk.VersorRigid3DTransform(truth.transform)
    assert rigid.GetTranslation() == pytest.approx((6.0, -5.0, 4.0))
    angle = np.degrees(np.arccos((np.trace(np.array(rigid.GetMatrix()).reshape(3, 3)) - 1) / 2))
    assert angle == pytest.approx(np.sqrt(70.0))
    zyx = np.argwhere(sitk.GetArrayViewFromImage(truth.gland) != 0).mean(axis=0)
    middle = truth.gland.TransformContinuousIndexToPhysicalPoint([float(v) for v in zyx[::-1]])
    assert np.linalg.norm(np.array(middle) - rigid.GetCenter()) < 5


def test_clean_signals_are_those_of_the_pure_tissues(clean):
    case, truth = clean
    habitats = sitk.GetArrayFromImage(truth.habitats)
    for column, name in enumerate(SEQUENCES):
        values = on_truth_grid(case, truth, name)
        means = [float(np.median(values[habitats == k])) for k in (1, 2, 3)]
        assert means == pytest.approx(truth.centroids[:, column], rel=0.06)
    assert np.all(np.diff(truth.centroids[:, 2]) > 150)


def test_noise_of_the_background_is_rician(made):
    case, _ = made
    air = sitk.GetArrayFromImage(case.images["dwi"])[:, :4, :].astype(float)
    assert air.std() / air.mean() == pytest.approx(0.5227, abs=0.08)


def test_kurtosis_bias_and_distortion_act():
    plain, without = phantom_case(6, centre="centre2", effects=CLEAN)
    bias, with_kurtosis = phantom_case(6, centre="centre2", effects=PhantomEffects(noise=False, distortion=False))
    bent = phantom_case(6, centre="centre2", effects=PhantomEffects(noise=False, bias_field=False, kurtosis=False))[0]
    t2w = [sitk.GetArrayFromImage(c.images["t2w"]).astype(float) for c in (plain, bias, bent)]
    dwi = [sitk.GetArrayFromImage(c.images["low_b"]).astype(float) for c in (plain, bias, bent)]
    lit = t2w[0] > 100
    assert (t2w[1][lit] / t2w[0][lit]).std() > 0.02
    assert np.array_equal(t2w[0], t2w[2])
    assert np.all(with_kurtosis.centroids[:, 2] < without.centroids[:, 2] - 30)
    assert np.abs(dwi[2] - dwi[0]).max() > 5


def test_habitats_can_be_told_by_their_true_centroids(made):
    from sklearn.metrics import adjusted_rand_score

    assert adjusted_rand_score(*classified_by_centroids(*made)) > 0.8


@pytest.mark.slow
def test_ceiling_of_the_habitats():
    from sklearn.metrics import adjusted_rand_score

    scores = [adjusted_rand_score(*classified_by_centroids(*phantom_case(seed))) for seed in range(20)]
    assert 0.85 < np.median(scores) < 0.93


def test_law_has_the_stated_prevalence_and_discrimination():
    from sklearn.metrics import roc_auc_score

    patients = [draw_patient(seed) for seed in range(20000)]
    outcome = np.array([p.outcome for p in patients])
    truth = np.array([p.probability for p in patients])
    clinical = np.array([LOG_ODDS_AGE * p.age + LOG_ODDS_MRT * p.mrt_stage + LOG_ODDS_PI_RADS * p.pi_rads for p in patients])
    ages = np.array([p.age for p in patients])
    bayes, alone = roc_auc_score(outcome, truth), roc_auc_score(outcome, clinical)
    assert truth.mean() == pytest.approx(0.194, abs=0.006)
    assert 0.84 < bayes < 0.87
    assert 0.68 < alone < bayes - 0.10
    assert ages.mean() == pytest.approx(74.9, abs=0.3)
    assert ages.std() == pytest.approx(7.7, abs=0.2)
    assert ages.min() >= 44
    assert ages.max() <= 94
