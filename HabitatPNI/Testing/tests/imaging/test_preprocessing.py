"""Preprocessing against analytic images, whose value at every point is known."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.case import Case
from HabitatPNILib.errors import CaseError
from HabitatPNILib.imaging.preprocessing import correct_bias_field, preprocess
from HabitatPNILib.protocol import PreprocessingSection

COSINE, SINE = np.cos(np.radians(12)), np.sin(np.radians(12))
DIRECTION = [1, 0, 0, 0, COSINE, -SINE, 0, SINE, COSINE]
SEQUENCES = ("t2w", "dwi", "adc")
OFFSET = {"t2w": 0.0, "dwi": 10.0, "adc": 900.0}


def grid(size, spacing, centre=(0.0, 0.0, 0.0)) -> sitk.Image:
    image = sitk.Image(list(size), sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetDirection(DIRECTION)
    middle = np.array(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in size]))
    image.SetOrigin((np.array(centre) - middle).tolist())
    return image


def positions(image: sitk.Image) -> np.ndarray:
    z, y, x = np.meshgrid(*(np.arange(n) for n in image.GetSize()[::-1]), indexing="ij")
    index = np.stack([x, y, z], axis=-1) * np.array(image.GetSpacing())
    return index @ np.array(image.GetDirection()).reshape(3, 3).T + np.array(image.GetOrigin())


def of(function, image: sitk.Image) -> sitk.Image:
    result = sitk.GetImageFromArray(function(positions(image)).astype(np.float32))
    result.CopyInformation(image)
    return result


def plane(p):
    return 100 + 2 * p[..., 0] - p[..., 1] + 0.5 * p[..., 2]


def ball(radius, centre=(0.0, 0.0, 0.0)):
    return lambda p: np.linalg.norm(p - np.array(centre), axis=-1) <= radius


def make_case(roi_function=None, roi_frame="dwi", adc_function=plane):
    t2w, dwi = grid((60, 60, 14), (0.8, 0.8, 3.0)), grid((32, 40, 14), (2.0, 2.0, 3.0))
    images = {"t2w": of(plane, t2w), "dwi": of(plane, dwi) + OFFSET["dwi"], "adc": of(adc_function, dwi) + OFFSET["adc"]}
    frame = images[roi_frame]
    roi = sitk.Cast(of(roi_function or ball(9.0), frame), sitk.sitkUInt8)
    return Case("c", images, roi=roi, roi_frame=roi_frame)


def inside(result, name):
    """Values of a sequence in the ROI, without the constant that tells it from the others."""
    return sitk.GetArrayViewFromImage(result.images[name])[result.roi_array] - OFFSET[name]


def test_a_plane_is_resampled_to_itself_by_spline_and_linear():
    result = preprocess(make_case(), SEQUENCES, "dwi", {}, PreprocessingSection())
    assert result.roi.GetSpacing() == (1.0, 1.0, 1.0)
    assert result.roi.GetSize() == (64, 80, 42)
    expected = plane(positions(result.roi))[result.roi_array]
    for name in SEQUENCES:
        np.testing.assert_allclose(inside(result, name), expected, atol=0.02)


def test_registration_is_composed_into_the_one_interpolation():
    case = make_case()
    transform = sitk.TranslationTransform(3, (3.0, -2.0, 1.0))
    result = preprocess(case, SEQUENCES, "dwi", {"t2w": transform}, PreprocessingSection())
    expected = plane(positions(result.roi) + np.array([3.0, -2.0, 1.0]))[result.roi_array]
    np.testing.assert_allclose(inside(result, "t2w"), expected, atol=0.02)
    np.testing.assert_allclose(inside(result, "adc"), plane(positions(result.roi))[result.roi_array], atol=0.02)


def test_a_roi_drawn_on_t2w_follows_t2w_to_the_analysis_grid():
    shift = np.array([4.0, 0.0, 3.0])
    case = make_case(ball(9.0, shift), roi_frame="t2w")
    result = preprocess(case, SEQUENCES, "dwi", {"t2w": sitk.TranslationTransform(3, shift.tolist())}, PreprocessingSection())
    centre = positions(result.roi)[result.roi_array].mean(axis=0)
    np.testing.assert_allclose(centre, 0, atol=0.35)
    assert result.roi_array.sum() == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)


def test_z_scores_ignore_the_padding_of_the_smaller_field_of_view():
    result = preprocess(make_case(), SEQUENCES, "dwi", {}, PreprocessingSection())
    covered = np.abs(positions(result.roi) @ np.array(DIRECTION).reshape(3, 3))[..., 0] < 23.5
    normalised = sitk.GetArrayViewFromImage(result.normalised["t2w"])
    raw = sitk.GetArrayViewFromImage(result.images["t2w"])
    assert (raw[:, :, 0] == 0).all()
    valid = raw != 0
    assert valid[covered].mean() > 0.5
    assert normalised[valid].mean() == pytest.approx(0, abs=1e-4)
    assert normalised[valid].std() == pytest.approx(1, abs=1e-4)


def test_normalisation_over_the_roi_and_adc_left_quantitative():
    settings = PreprocessingSection(normalisation={"t2w": "zscore_roi", "dwi": "zscore_fov", "adc": "quantitative"})
    result = preprocess(make_case(), SEQUENCES, "dwi", {}, settings)
    vectors = result.voxel_vectors(SEQUENCES)
    assert vectors[:, 0].mean() == pytest.approx(0, abs=1e-5)
    assert vectors[:, 0].std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(vectors[:, 2], inside(result, "adc") + OFFSET["adc"])
    assert sitk.GetArrayViewFromImage(result.normalised["adc"]).std() == pytest.approx(1, abs=1e-4)


def test_clipping_holds_outliers_at_three_sigma():
    def spiked(p):
        values = np.random.default_rng(5).normal(100, 10, p.shape[:-1])
        values[3, 4, 5] = 5000
        return values

    settings = PreprocessingSection(clip_sigma=3.0)
    result = preprocess(make_case(adc_function=spiked), SEQUENCES, "dwi", {}, settings)
    raw = sitk.GetArrayFromImage(result.images["adc"]).astype(float)
    limit = raw.mean() + 3 * raw.std()
    clipped = np.clip(raw, raw.mean() - 3 * raw.std(), limit)
    assert raw.max() > 2 * limit
    top = sitk.GetArrayViewFromImage(result.normalised["adc"]).max()
    assert top == pytest.approx((limit - clipped.mean()) / clipped.std(), rel=1e-4)


def test_values_stay_within_the_image_where_a_spline_would_overshoot():
    def step(p):
        return np.where(p[..., 0] > 0, 1000.0, 10.0)

    result = preprocess(make_case(), SEQUENCES, "dwi", {}, PreprocessingSection())
    case = make_case()
    images = {**case.images, "t2w": of(step, case.images["t2w"])}
    result = preprocess(Case("c", images, roi=case.roi, roi_frame="dwi"), SEQUENCES, "dwi", {}, PreprocessingSection())
    values = inside(result, "t2w")
    assert values.min() >= 10
    assert values.max() <= 1000


def test_n4_takes_a_smooth_bias_away():
    rng = np.random.default_rng(2)

    def biased(p):
        tissue = np.where(np.linalg.norm(p[..., :2], axis=-1) < 18, 300.0, 120.0)
        return (tissue + rng.normal(0, 3, tissue.shape)) * np.exp(p[..., 0] / 40)

    case = make_case()
    images = {**case.images, "t2w": of(biased, case.images["t2w"])}
    case = Case("c", images, roi=case.roi, roi_frame="dwi")
    before = inside(preprocess(case, SEQUENCES, "dwi", {}, PreprocessingSection()), "t2w")
    after = inside(preprocess(case, SEQUENCES, "dwi", {}, PreprocessingSection(n4=("t2w",))), "t2w")
    assert after.std() / after.mean() < 0.5 * before.std() / before.mean()


def test_n4_does_not_depend_on_the_number_of_threads():
    """A patient alone, with as many threads as there are, gets the intensities that the same patient got in a cohort, with one."""
    noise = sitk.SmoothingRecursiveGaussian(sitk.GetImageFromArray(np.random.default_rng(5).normal(400, 2000, (14, 40, 40))), 2.0)
    noise = sitk.Cast(noise, sitk.sitkFloat32)
    before, found = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads(), []
    try:
        for threads in (1, 2, 3):
            sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            found.append(sitk.GetArrayFromImage(correct_bias_field(noise)))
            assert sitk.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_two_lesions_are_united_or_the_largest_taken_and_it_is_said():
    def two(p):
        return ball(8.0, (-10, 0, 0))(p) | ball(6.0, (12, 0, 0))(p)

    union = preprocess(make_case(two), SEQUENCES, "dwi", {}, PreprocessingSection())
    largest = preprocess(make_case(two), SEQUENCES, "dwi", {}, PreprocessingSection(lesions="largest"))
    assert union.lesions == largest.lesions == 2
    assert union.warnings == ("The ROI holds 2 separate lesions: all of them are taken together",)
    assert largest.warnings == ("The ROI holds 2 separate lesions: only the largest is analysed",)
    assert union.roi_array.sum() > largest.roi_array.sum()
    assert positions(largest.roi)[largest.roi_array].mean(axis=0)[0] == pytest.approx(-10, abs=0.5)


def test_small_rois_are_warned_and_refused():
    small = preprocess(make_case(ball(3.5), roi_frame="t2w"), SEQUENCES, "dwi", {}, PreprocessingSection())
    assert any("acquired DWI voxels (fewer than 30)" in warning for warning in small.warnings)
    with pytest.raises(CaseError, match=r"Case c: the ROI has \d+ voxels on the 1x1x1 mm grid, at least 64 are needed"):
        preprocess(make_case(ball(2.2, (0.4, 0.4, 1.5)), roi_frame="t2w"), SEQUENCES, "dwi", {}, PreprocessingSection())


def test_roi_voxels_outside_a_sequence_are_left_out_and_counted():
    result = preprocess(make_case(ball(9.0, (22.0, 0, 0))), SEQUENCES, "dwi", {}, PreprocessingSection())
    assert any(warning.endswith("lie outside the T2W image and were left out") for warning in result.warnings)
    assert (sitk.GetArrayViewFromImage(result.images["t2w"])[result.roi_array] != 0).all()


def test_padding_inside_the_image_does_not_count_either():
    """T2W resampled by another program onto a wider grid: the zeros round it are no tissue."""
    noise = np.random.default_rng(8)

    def tissue(p):
        return plane(p) + noise.normal(0, 2, p.shape[:-1])

    case = make_case()
    t2w = of(tissue, case.images["t2w"])
    padded = sitk.ConstantPad(t2w, [25, 25, 0], [25, 25, 0], 0.0)
    results = [
        preprocess(Case("c", {**case.images, "t2w": image}, roi=case.roi, roi_frame="dwi"), SEQUENCES, "dwi", {}, PreprocessingSection())
        for image in (t2w, padded)
    ]
    vectors = [result.voxel_vectors(SEQUENCES) for result in results]
    np.testing.assert_allclose(vectors[0], vectors[1], atol=0.02)


def test_an_outline_as_large_as_the_gland_is_questioned():
    result = preprocess(make_case(ball(17.5)), SEQUENCES, "dwi", {}, PreprocessingSection())
    assert any("is it the tumour's outline and not the gland's?" in warning for warning in result.warnings)


def test_an_outline_where_adc_shows_no_tissue_is_refused():
    for adc in (lambda p: -plane(p) - 1000, lambda p: np.where(ball(14.0)(p), -920.0, plane(p))):
        with pytest.raises(CaseError, match=r"Case c: ADC is 0 or negative in most of the ROI, which is no tissue"):
            preprocess(make_case(adc_function=adc), SEQUENCES, "dwi", {}, PreprocessingSection())


@pytest.mark.parametrize("value", [60.0, 3700.0])
def test_an_adc_that_no_tissue_has_is_refused(value):
    case = make_case(adc_function=lambda p: plane(p) / 100 + value - OFFSET["adc"])
    with pytest.raises(CaseError, match=r"^Case c: ADC has a median of \d+ x 1e-6 mm2/s in the ROI, which no tissue has \(100 to 3500\)"):
        preprocess(case, SEQUENCES, "dwi", {}, PreprocessingSection())


@pytest.mark.parametrize(("value", "said"), [(200.0, True), (400.0, False), (2400.0, False), (2900.0, True)])
def test_an_adc_that_few_tumours_have_is_said(value, said):
    case = make_case(adc_function=lambda p: plane(p) / 100 + value - OFFSET["adc"])
    warnings = preprocess(case, SEQUENCES, "dwi", {}, PreprocessingSection()).warnings
    assert any("unusual for a tumour" in w for w in warnings) is said
