"""Measures of the registration: known misalignments of the phantom and of two public cases, found again.

    python benchmarks/registration.py --phantom 20 --prostatex 12

Limits and thresholds were chosen on other seeds (3000-3007 of the phantom, 1000-1005 and 1500-1505 of the moved T2W); keep reports
off them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.geometry import centre, voxel_positions
from HabitatPNILib.imaging.dicom import read_dicom_case
from HabitatPNILib.imaging.phantom import PhantomEffects, phantom_case
from HabitatPNILib.imaging.registration import Registration, register_rigid

REPOSITORY = Path(__file__).resolve().parents[1]
CASES = ("ProstateX-0000", "ProstateX-0001")


def mapped(transform: sitk.Transform, points: np.ndarray) -> np.ndarray:
    """Points (n, 3) in LPS mm as the transform maps them."""
    return np.array([transform.TransformPoint(p.tolist()) for p in points])


def moved(image: sitk.Image, motion: sitk.Euler3DTransform, resample: bool) -> sitk.Image:
    """The image as if the patient had lain differently, by its header alone or by resampling on its own grid."""
    if resample:
        return sitk.Resample(image, image, motion.GetInverse(), sitk.sitkBSpline, 0.0)
    copy = sitk.Image(image)
    rotation = np.array(motion.GetMatrix()).reshape(3, 3)
    copy.SetOrigin(motion.TransformPoint(image.GetOrigin()))
    copy.SetDirection((rotation @ np.array(image.GetDirection()).reshape(3, 3)).ravel().tolist())
    return copy


def random_vector(rng: np.random.Generator, largest: float) -> tuple[float, float, float]:
    """Uniform direction, magnitude uniform up to the largest."""
    direction = rng.normal(size=3)
    x, y, z = direction / np.linalg.norm(direction) * rng.uniform(0, largest)
    return float(x), float(y), float(z)


def row(name: str, start: float, error: np.ndarray, found: Registration, seconds: float) -> tuple[float, float, bool]:
    """Print one registration; returns its mean error in mm, its seconds, and whether it was accepted."""
    state = "accepted" if found.accepted else f"REFUSED: {found.reason}"
    print(
        f"{name:28} start {start:5.1f} mm   error mean {error.mean():5.2f} max {error.max():5.2f} mm   "
        f"agreement {found.agreement_mm:4.2f} mm   {seconds:4.1f} s   {state}"
    )
    return float(error.mean()), seconds, found.accepted


def summary(title: str, rows: Iterable[tuple[float, float, bool]]) -> None:
    """Print the figures of all rows."""
    errors, seconds, accepted = (np.array(column) for column in zip(*rows, strict=True))
    wrong = errors[accepted]
    print(
        f"== {title}: {int(accepted.sum())} of {len(errors)} accepted; error median {np.median(errors):.2f}, worst {errors.max():.2f}, "
        f"worst accepted {wrong.max() if len(wrong) else float('nan'):.2f} mm; {seconds.mean():.1f} s each\n"
    )


def phantom(count: int, seed: int, fixed: str) -> None:
    """Known misalignments of phantoms without distortion, against the truth."""
    rows = []
    for number in range(seed, seed + count):
        rng = np.random.default_rng([number, 99])
        misalignment = random_vector(rng, 10), random_vector(rng, 10)
        case, truth = phantom_case(number, misalignment=misalignment, effects=PhantomEffects(distortion=False))
        gland = voxel_positions(truth.gland)[::20]
        began = time.perf_counter()
        found = register_rigid(case.images[fixed], case.images["t2w"])
        seconds = time.perf_counter() - began
        wanted = mapped(truth.transform, gland)
        error = np.linalg.norm(mapped(found.transform, gland) - wanted, axis=1)
        rows.append(row(f"phantom {number} {fixed}", float(np.linalg.norm(wanted - gland, axis=1).mean()), error, found, seconds))
    summary(f"phantom, T2W to {fixed}, error over the gland", rows)


def prostatex(count: int, seed: int, fixed: str, data: Path, resample: bool) -> None:
    """Moved T2W of the two public cases, against the registration of the unmoved one."""
    rows = []
    for number, name in enumerate(CASES):
        images = read_dicom_case(data / "prostate_dicom" / name).images
        still = register_rigid(images[fixed], images["t2w"])
        print(f"{name} unmoved: {still.displacement_mm:.2f} mm, {still.rotation_deg:.1f} degrees, {still.reason}")
        ball = gland_ball(data, name, images["t2w"], still)
        for trial in range(count):
            rng = np.random.default_rng([seed, number, trial])
            motion = sitk.Euler3DTransform()
            motion.SetCenter(centre(images["t2w"]).tolist())
            motion.SetRotation(*np.deg2rad(rng.uniform(-6, 6, 3)).tolist())
            motion.SetTranslation(rng.uniform(-6, 6, 3).tolist())
            began = time.perf_counter()
            found = register_rigid(images[fixed], moved(images["t2w"], motion, resample))
            seconds = time.perf_counter() - began
            wanted = mapped(motion, mapped(still.transform, ball))
            error = np.linalg.norm(mapped(found.transform, ball) - wanted, axis=1)
            rows.append(row(f"{name} {trial} {fixed}", float(np.linalg.norm(wanted - ball, axis=1).mean()), error, found, seconds))
    summary(f"ProstateX, T2W {'resampled' if resample else 'moved'} to {fixed}, error within 20 mm of the gland's centre", rows)


def gland_ball(data: Path, name: str, t2w: sitk.Image, still: Registration) -> np.ndarray:
    """Points within 20 mm of the gland's centre, in the fixed frame."""
    gland = sitk.ReadImage(str(next((data / "prostate_labels_NC").glob(f"{name}_*gland*.nii.gz"))))
    gland.CopyInformation(t2w)
    middle = np.array(still.transform.GetInverse().TransformPoint(voxel_positions(gland).mean(axis=0).tolist()))
    line = np.linspace(-20, 20, 9)
    points = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return points[np.linalg.norm(points, axis=1) <= 20] + middle


def main() -> None:
    """Run what the options ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--phantom", type=int, default=20, help="phantoms; 0 for none")
    parser.add_argument("--prostatex", type=int, default=12, help="misalignments of each ProstateX case; 0 for none")
    parser.add_argument("--seed", type=int, default=50_000)
    parser.add_argument("--fixed", choices=("adc", "low_b"), default="adc")
    parser.add_argument("--resample", action="store_true", help="move T2W by resampling it, not by its header")
    parser.add_argument("--data", type=Path, default=REPOSITORY.parent / "shared" / "data")
    options = parser.parse_args()
    if options.phantom:
        phantom(options.phantom, options.seed, options.fixed)
    if options.prostatex:
        prostatex(options.prostatex, options.seed, options.fixed, options.data, options.resample)


if __name__ == "__main__":
    main()
