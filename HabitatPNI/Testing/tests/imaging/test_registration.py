"""Registration: known misalignments found again, and everything that should not be trusted refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import Cancelled
from HabitatPNILib.geometry import centre, like, voxel_positions
from HabitatPNILib.imaging.phantom import PhantomEffects, phantom_case
from HabitatPNILib.imaging.registration import Registration, register_rigid
from HabitatPNILib.protocol import RegistrationSection

IDENTITY = (0.0,) * 6


@pytest.fixture(scope="module")
def tiny(shared_data: Path) -> dict[str, sitk.Image]:
    folder = shared_data / "prostate_tiny"
    return {name: sitk.ReadImage(str(folder / f"ProstateX-0000_{name}.nii.gz")) for name in ("t2w", "adc", "b50")}


@pytest.fixture(scope="module")
def unmoved(tiny: dict[str, sitk.Image]) -> Registration:
    return register_rigid(tiny["adc"], tiny["t2w"])


def motion(about: np.ndarray, translation: tuple[float, float, float], degrees: tuple[float, float, float]) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(about.tolist())
    transform.SetRotation(*np.deg2rad(degrees).tolist())
    transform.SetTranslation(translation)
    return transform


def moved(image: sitk.Image, how: sitk.Euler3DTransform) -> sitk.Image:
    """The image as if the patient had lain differently: the header moves, the voxels stay as they are."""
    copy = sitk.Image(image)
    copy.SetOrigin(how.TransformPoint(image.GetOrigin()))
    rotation = np.array(how.GetMatrix()).reshape(3, 3)
    copy.SetDirection((rotation @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    return copy


def ball(middle: np.ndarray) -> np.ndarray:
    line = np.linspace(-20, 20, 5)
    points = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return points[np.linalg.norm(points, axis=1) <= 20] + middle


def mapped(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    return np.array([transform.TransformPoint(p.tolist()) for p in points])


def error_mm(found: sitk.Transform, wanted: np.ndarray, points: np.ndarray) -> float:
    return float(np.linalg.norm(mapped(found, points) - wanted, axis=1).mean())


def blurred_noise(grid: sitk.Image, seed: int, sigma_mm: float) -> sitk.Image:
    values = np.random.default_rng(seed).normal(size=grid.GetSize()[::-1]).astype(np.float32)
    return sitk.SmoothingRecursiveGaussian(like(values, grid), sigma_mm)


def test_real_images_are_where_the_scanner_says_to_a_few_millimetres(unmoved: Registration) -> None:
    assert unmoved.accepted, unmoved.reason
    assert unmoved.displacement_mm < 5
    assert unmoved.metric_after > unmoved.metric_before
    assert unmoved.agreement_mm < 2


@pytest.mark.parametrize(
    ("translation", "degrees"),
    [((6.0, -6.0, 5.0), (5.0, -6.0, 6.0)), ((-5.0, 3.0, -6.0), (-6.0, 2.0, -4.0))],
)
def test_a_moved_t2w_is_found_again(
    tiny: dict[str, sitk.Image], unmoved: Registration, translation: tuple[float, float, float], degrees: tuple[float, float, float]
) -> None:
    how = motion(centre(tiny["t2w"]), translation, degrees)
    found = register_rigid(tiny["adc"], moved(tiny["t2w"], how))
    points = ball(centre(tiny["adc"]))
    assert found.accepted, found.reason
    assert error_mm(found.transform, mapped(how, mapped(unmoved.transform, points)), points) < 1.0


def test_low_b_and_adc_agree_on_where_t2w_lies(tiny: dict[str, sitk.Image], unmoved: Registration) -> None:
    found = register_rigid(tiny["b50"], tiny["t2w"])
    points = ball(centre(tiny["adc"]))
    assert found.accepted, found.reason
    assert error_mm(found.transform, mapped(unmoved.transform, points), points) < 2.0


def test_an_image_is_registered_to_its_own_moved_and_resampled_copy(tiny: dict[str, sitk.Image]) -> None:
    image = sitk.Cast(tiny["t2w"], sitk.sitkFloat32)
    how = motion(centre(image), (4.0, -3.0, 2.0), (3.0, -2.0, 5.0))
    found = register_rigid(image, sitk.Resample(image, image, how.GetInverse(), sitk.sitkBSpline, 0.0))
    points = ball(centre(image))
    assert found.accepted, found.reason
    assert error_mm(found.transform, mapped(how, points), points) < 0.3
    assert found.displacement_mm == pytest.approx(np.linalg.norm(mapped(how, points) - points, axis=1).mean(), abs=0.6)


def test_identical_images_stay_where_they_are(tiny: dict[str, sitk.Image]) -> None:
    found = register_rigid(tiny["adc"], tiny["adc"])
    assert found.displacement_mm < 0.1
    assert found.rotation_deg < 0.3


@pytest.mark.parametrize("fixed", ["adc", "low_b"])
def test_the_phantoms_transform_is_found(fixed: str) -> None:
    case, truth = phantom_case(71, misalignment=((5.0, -4.0, 6.0), (4.0, 6.0, -5.0)), effects=PhantomEffects(distortion=False))
    found = register_rigid(case.images[fixed], case.images["t2w"])
    gland = voxel_positions(truth.gland)[::50]
    assert found.accepted, found.reason
    assert error_mm(found.transform, mapped(truth.transform, gland), gland) < 1.0


def test_the_same_images_give_the_same_bits(tiny: dict[str, sitk.Image], unmoved: Registration) -> None:
    again = register_rigid(tiny["adc"], tiny["t2w"])
    assert again.transform.GetParameters() == unmoved.transform.GetParameters()
    assert (again.metric_before, again.metric_after, again.agreement_mm) == (
        unmoved.metric_before,
        unmoved.metric_after,
        unmoved.agreement_mm,
    )


@pytest.mark.parametrize(("seed", "sigma_mm"), [(0, 3.0), (1, 3.0), (2, 8.0)])
def test_unrelated_images_are_refused(tiny: dict[str, sitk.Image], seed: int, sigma_mm: float) -> None:
    found = register_rigid(blurred_noise(tiny["adc"], seed, sigma_mm), tiny["t2w"])
    assert not found.accepted
    assert found.transform.GetParameters() == IDENTITY
    assert found.reason


def test_beyond_the_limit_scanner_geometry_is_kept(tiny: dict[str, sitk.Image]) -> None:
    far = moved(tiny["t2w"], motion(centre(tiny["t2w"]), (8.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    found = register_rigid(tiny["adc"], far, settings=RegistrationSection(max_displacement_mm=3))
    assert not found.accepted
    assert found.transform.GetParameters() == IDENTITY
    assert found.displacement_mm == pytest.approx(8, abs=2.5)
    assert found.reason.startswith("the organ would move by")
    assert "more than the limit of 3 mm" in found.reason


def test_a_turn_beyond_the_limit_is_refused(tiny: dict[str, sitk.Image]) -> None:
    turned = moved(tiny["t2w"], motion(centre(tiny["t2w"]), (0.0, 0.0, 0.0), (0.0, 0.0, 10.0)))
    found = register_rigid(tiny["adc"], turned, settings=RegistrationSection(max_rotation_deg=5))
    assert not found.accepted
    assert "more than the limit of 5 degrees" in found.reason


def test_images_that_hardly_overlap_are_refused(tiny: dict[str, sitk.Image]) -> None:
    apart = moved(tiny["t2w"], motion(centre(tiny["t2w"]), (0.0, 0.0, 60.0), (0.0, 0.0, 0.0)))
    found = register_rigid(tiny["adc"], apart)
    assert not found.accepted
    assert found.reason == "the two images share too little of the region round the organ"


@pytest.mark.parametrize("stop_at", [3, 400, 480])
def test_cancelling_stops_it_at_once(tiny: dict[str, sitk.Image], stop_at: int, capfd: pytest.CaptureFixture[str]) -> None:
    calls = 0

    def stop(fraction: float, message: str) -> None:
        nonlocal calls
        calls += 1
        assert 0 <= fraction <= 1
        if calls == stop_at:
            raise Cancelled

    with pytest.raises(Cancelled):
        register_rigid(tiny["adc"], tiny["t2w"], progress=stop)
    assert calls == stop_at
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_unseen_misalignments_of_whole_volumes(shared_data: Path) -> None:
    from HabitatPNILib.imaging.dicom import read_dicom_case

    for name in ("ProstateX-0000", "ProstateX-0001"):
        images = read_dicom_case(shared_data / "prostate_dicom" / name).images
        still = register_rigid(images["adc"], images["t2w"])
        assert still.displacement_mm < 5
        points = ball(centre(images["adc"]))
        for seed in range(4):
            rng = np.random.default_rng([700, seed])
            x, y, z, a, b, c = rng.uniform(-6, 6, 6)
            how = motion(centre(images["t2w"]), (x, y, z), (a, b, c))
            found = register_rigid(images["adc"], moved(images["t2w"], how))
            assert found.accepted, found.reason
            assert error_mm(found.transform, mapped(how, mapped(still.transform, points)), points) < 1.0
