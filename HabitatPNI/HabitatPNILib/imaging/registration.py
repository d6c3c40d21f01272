"""Rigid registration of one sequence to the diffusion frame: mutual information in a region round the organ.

Mutual information (Mattes et al., IEEE TMI 2003;22:120-128) is the metric, SimpleITK its engine. The steps: a coarse grid of
translations, descents from its best places, the distinct ends of these refined at a finer scale, and a check in which two halves
of the region, each started from another place, must find the same position again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from ..geometry import centre, like
from ..progress import Progress, no_progress, part
from ..protocol import RegistrationSection
from .padding import padding_mask

Array = np.ndarray
_NO_SETTINGS = RegistrationSection()

REGION_MM = (35.0, 35.0, 22.0)  # semi-axes along the fixed image's axes: the gland and its surroundings, no skin or sacrum
CORE_MM = 20.0  # ball round the region's centre in which displacements are measured
MARGIN_MM = 3.0  # region kept this far inside the moving image, so that no voxel enters or leaves the metric near the optimum
COARSE_MM, FINE_MM = 4.0, 2.0
SEARCH_MM, SEARCH_STEP_MM = 12.0, 4.0
COARSE_STARTS, FINALISTS = 8, 3  # places of the search grid descended from; of their ends, those refined
DISTINCT_MM = 2.0  # ends closer than this are one
CHECK_SHIFT_MM = 3.0  # how far from what was found each half's check starts
CHECK_BLOCK_MM = 12.0
MAX_DISAGREEMENT_MM = 2.0  # right results stayed below 1.5, most wrong ones lie above 2
RIVAL_SHARE = 0.85  # another position that explains this share of the information makes the result ambiguous
MIN_REGION_VOXELS = 1000  # of the 14,000 that the region has at the fine scale
MIN_INFORMATION = 0.1  # nats; unrelated fine noise reaches 0.09
BINS = 32
LEVER_MM = 25.0  # a rotation by 1/25 rad weighs as much as a translation by 1 mm


@dataclass(frozen=True)
class Registration:
    """Where the moving image lies in the fixed one's frame, and whether that may be trusted.

    Parameters
    ----------
    transform : maps points of the fixed frame to the moving one, LPS mm; the identity when not accepted
    metric_before, metric_after : mutual information (nats, higher is better) in the region at scanner geometry and at what was found
    displacement_mm : mean displacement, by what was found, of the points within 20 mm of the region's centre
    rotation_deg : angle of what was found
    translation_mm : displacement of the region's centre (x, y, z), LPS
    agreement_mm : largest distance at which a check on half of the region ended from what was found; infinite when not reached
    accepted : whether `transform` is what was found (else scanner geometry is kept)
    reason : why, in words
    """

    transform: sitk.Euler3DTransform
    metric_before: float
    metric_after: float
    displacement_mm: float
    rotation_deg: float
    translation_mm: tuple[float, float, float]
    agreement_mm: float
    accepted: bool
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: the transform by its parameters, and None for what is not finite."""
        values = {**vars(self), "parameters": self.transform.GetParameters(), "fixed_parameters": self.transform.GetFixedParameters()}
        del values["transform"]
        listed = {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
        return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in listed.items()}


def register_rigid(
    fixed: sitk.Image,
    moving: sitk.Image,
    *,
    settings: RegistrationSection = _NO_SETTINGS,
    progress: Progress = no_progress,
) -> Registration:
    """Find how the patient lay in the moving image relative to the fixed one.

    Parameters
    ----------
    fixed : ADC or low-b image, whose frame is kept; high b-values have too little anatomy
    moving : image of another acquisition, e.g. T2W
    settings : limits beyond which scanner geometry is kept, and the seed of the metric's sample points
    progress : called at every iteration; may raise `Cancelled`

    Returns
    -------
    registration : never raises for images that cannot be registered: these are not accepted, with the reason
    """
    fixed, moving = sitk.Cast(fixed, sitk.sitkFloat32), sitk.Cast(moving, sitk.sitkFloat32)
    middle = centre(fixed)
    core, still = _ball(middle), _identity(middle)
    coarse = _level(fixed, moving, still, COARSE_MM, settings.seed)
    if coarse is None:
        return _refused(still, "the two images share too little of the region round the organ")
    starts = [still, *_search(coarse, still, part(progress, 0.0, 0.2))]
    found = _descend_all(coarse, starts, 0.05, part(progress, 0.2, 0.4))
    finalists = _distinct(found, core)
    fine = _level(fixed, moving, finalists[0], FINE_MM, settings.seed, MARGIN_MM) if finalists else None
    if fine is None:
        return _refused(still, "the best position found leaves too little of the region inside both images")
    refined = _descend_all(fine, finalists, 0.01, part(progress, 0.4, 0.8))
    best = max(refined, key=lambda f: f.information, default=None)
    if best is None:
        return _refused(still, "no position with enough overlap was found")
    agreement = _check(fine, best.transform, core, part(progress, 0.8, 1.0))
    rivals = [f.information for f in refined if _distance(f.transform, best.transform, core) > MAX_DISAGREEMENT_MM]
    return _judge(fine, best, max(rivals, default=0.0), still, core, agreement, settings)


@dataclass(frozen=True)
class _Found:
    information: float
    transform: sitk.Euler3DTransform


@dataclass(frozen=True)
class _Level:
    """Both images prepared for the metric at one scale; `fixed` and `mask` lie on an isotropic grid round the region's centre."""

    fixed: sitk.Image
    mask: sitk.Image
    moving: sitk.Image
    moving_mask: sitk.Image
    seed: int

    def method(self) -> sitk.ImageRegistrationMethod:
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(BINS)
        method.SetMetricFixedMask(self.mask)
        method.SetMetricMovingMask(self.moving_mask)
        # Regular sampling jitters the points, which spares the metric its preference for coinciding grids.
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(1.0, self.seed)
        method.SetInterpolator(sitk.sitkLinear)
        # The default, a Gaussian gradient as wide as a slice, disagrees with the metric's values by millimetres across slices.
        method.MetricUseMovingImageGradientFilterOff()
        method.MetricUseFixedImageGradientFilterOff()
        # Several work units add up in the order in which they end, which changes the last bits.
        method.SetNumberOfWorkUnits(1)
        return method


def _level(
    fixed: sitk.Image, moving: sitk.Image, start: sitk.Euler3DTransform, spacing: float, seed: int, margin_mm: float = 0.0
) -> _Level | None:
    """Prepare both images at a scale; None when too few voxels of the region, under `start`, lie inside both."""
    grid, inside = _region(fixed, np.array(start.GetCenter()), spacing)
    sigma = spacing / 2
    fixed_values = _sample(_smooth(fixed, sigma), grid)
    shrunk = sitk.BinShrink(moving, [max(1, int(sigma / s + 1e-3)) for s in moving.GetSpacing()])
    padding = padding_mask(shrunk)
    smooth = _smooth(shrunk, sigma)
    met = _sample(smooth, grid, start)
    inside &= np.isfinite(fixed_values) & np.isfinite(met)
    if margin_mm > 0:
        inside &= _well_inside(padding, grid, start, margin_mm)
    if inside.sum() < MIN_REGION_VOXELS * (FINE_MM / spacing) ** 3:
        return None
    return _Level(
        fixed=like(_window(fixed_values, fixed_values[inside]), grid),
        mask=like(inside.astype(np.uint8), grid),
        moving=like(_window(sitk.GetArrayFromImage(smooth), met[inside]), smooth),
        moving_mask=padding == 0,
        seed=seed,
    )


def _region(fixed: sitk.Image, middle: Array, spacing: float) -> tuple[sitk.Image, Array]:
    """Isotropic grid along the fixed image's axes, and which of its voxels (z, y, x) lie in the ellipsoid round `middle`."""
    half = np.ceil(np.array(REGION_MM) / spacing).astype(int)
    direction = np.array(fixed.GetDirection()).reshape(3, 3)
    grid = sitk.Image([int(2 * n + 1) for n in half], sitk.sitkUInt8)
    grid.SetSpacing([spacing] * 3)
    grid.SetDirection(fixed.GetDirection())
    grid.SetOrigin((middle - direction @ (half * spacing)).tolist())
    z, y, x = np.meshgrid(*[np.arange(-n, n + 1) * spacing for n in half[::-1]], indexing="ij")
    return grid, (x / REGION_MM[0]) ** 2 + (y / REGION_MM[1]) ** 2 + (z / REGION_MM[2]) ** 2 <= 1


def _sample(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform | None = None) -> Array:
    """Values on a grid, NaN outside the image."""
    transform = transform or sitk.Transform()
    return sitk.GetArrayFromImage(sitk.Resample(image, grid, transform, sitk.sitkLinear, float("nan"), sitk.sitkFloat32))


def _well_inside(padding: sitk.Image, grid: sitk.Image, start: sitk.Transform, margin_mm: float) -> Array:
    """Which of the grid's voxels are mapped at least a margin into the moving image and off its padding."""
    steps = [int(np.ceil(margin_mm / s)) for s in padding.GetSpacing()]
    kept = sitk.GetArrayFromImage(sitk.BinaryDilate(padding, steps)) == 0
    for axis, step in enumerate(reversed(steps)):
        line = np.arange(kept.shape[axis])
        near = (line < step) | (line >= len(line) - step)
        kept[tuple(near if a == axis else slice(None) for a in range(3))] = False
    mapped = sitk.Resample(like(kept.astype(np.uint8), padding), grid, start, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    return sitk.GetArrayFromImage(mapped) > 0


def _window(values: Array, sample: Array) -> Array:
    """Values clipped to the 1st to 99th percentile of a sample and scaled to 0..1; NaN becomes 0."""
    low, high = np.percentile(sample, [1, 99])
    scaled = (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-6)
    return np.clip(scaled, 0, 1).astype(np.float32)


def _smooth(image: sitk.Image, sigma: float) -> sitk.Image:
    """Gaussian smoothing to about `sigma` mm; an axis whose voxels are already that coarse is left alone."""
    variance = [max(0.0, sigma**2 - (0.4 * s) ** 2) for s in image.GetSpacing()]
    return sitk.DiscreteGaussian(image, variance, 32, 0.01, True)


def _run(method: sitk.ImageRegistrationMethod, level: _Level, step: Callable[[], None]) -> bool:
    """Run a registration, calling `step` at each iteration; False when the images parted.

    An exception inside an observer would be printed and wrapped by SimpleITK, so it is kept and raised here.
    """
    raised: list[BaseException] = []

    def observe() -> None:
        try:
            if not raised:
                step()
        except BaseException as error:
            raised.append(error)
            method.StopRegistration()

    method.AddCommand(sitk.sitkIterationEvent, observe)
    try:
        method.Execute(level.fixed, level.moving)
    except RuntimeError:
        if not raised:
            return False
    if raised:
        raise raised[0]
    return True


def _search(level: _Level, start: sitk.Euler3DTransform, progress: Progress) -> list[sitk.Euler3DTransform]:
    """The best separate places of a grid of translations."""
    steps = round(SEARCH_MM / SEARCH_STEP_MM)
    method = level.method()
    method.SetOptimizerAsExhaustive([0, 0, 0, steps, steps, steps], SEARCH_STEP_MM)
    method.SetOptimizerScales([1.0] * 6)
    method.SetInitialTransform(start, False)
    seen: list[tuple[float, tuple[float, ...]]] = []

    def note() -> None:
        progress(len(seen) / (2 * steps + 1) ** 3, "registration: search")
        seen.append((method.GetMetricValue(), method.GetOptimizerPosition()))

    _run(method, level, note)
    chosen: list[tuple[float, ...]] = []
    for _, place in sorted(seen):
        if len(chosen) < COARSE_STARTS and all(np.linalg.norm(np.subtract(place, c)) > 1.01 * SEARCH_STEP_MM for c in chosen):
            chosen.append(place)
    return [_placed(start, place) for place in chosen]


def _descend(level: _Level, start: sitk.Euler3DTransform, precision_mm: float, progress: Progress) -> _Found | None:
    """Follow the metric from a start to its optimum; None when the images part on the way."""
    transform = sitk.Euler3DTransform(start)
    method = level.method()
    method.SetOptimizerAsRegularStepGradientDescent(1.5, precision_mm, 80, relaxationFactor=0.6, gradientMagnitudeTolerance=1e-9)
    method.SetOptimizerScales([LEVER_MM**2] * 3 + [1.0] * 3)
    method.SetInitialTransform(transform, True)
    if not _run(method, level, lambda: progress(method.GetOptimizerIteration() / 80, "registration: refinement")):
        return None
    return _Found(-method.GetMetricValue(), transform)


def _descend_all(level: _Level, starts: list[sitk.Euler3DTransform], precision_mm: float, progress: Progress) -> list[_Found]:
    """Where each start leads, without those on whose way the images part."""
    count = len(starts)
    ends = [_descend(level, start, precision_mm, part(progress, i / count, (i + 1) / count)) for i, start in enumerate(starts)]
    return [end for end in ends if end is not None]


def _check(level: _Level, found: sitk.Euler3DTransform, core: Array, progress: Progress) -> float:
    """Largest distance in mm at which two halves of the region, started from another place each, end from what was found."""
    inside = sitk.GetArrayFromImage(level.mask) > 0
    spacing = level.mask.GetSpacing()[0]
    blocks = (np.indices(inside.shape) * spacing // CHECK_BLOCK_MM).sum(axis=0).astype(int)
    worst = 0.0
    for parity, sign in ((0, 1.0), (1, -1.0)):
        half = like((inside & (blocks % 2 == parity)).astype(np.uint8), level.mask)
        other = replace(level, mask=half, seed=level.seed + 1 + parity)
        shift = sign * CHECK_SHIFT_MM / np.sqrt(3)
        start = _placed(found, np.array(found.GetParameters()) + np.array([0, 0, 0, shift, shift, shift]))
        again = _descend(other, start, 0.05, part(progress, parity / 2, (1 + parity) / 2))
        worst = max(worst, float("inf") if again is None else _distance(again.transform, found, core))
    return worst


def _judge(
    level: _Level,
    best: _Found,
    rival: float,
    still: sitk.Euler3DTransform,
    core: Array,
    agreement: float,
    settings: RegistrationSection,
) -> Registration:
    """Accept what was found, or keep scanner geometry and say why."""
    found = best.transform
    before, after = _information(level, still), _information(level, found)
    moved = _distance(found, still, core)
    angle = float(np.rad2deg(np.arccos(np.clip((np.trace(np.array(found.GetMatrix()).reshape(3, 3)) - 1) / 2, -1, 1))))
    reason = "two halves of the region agree about the position"
    accepted = False
    if after < before:
        reason = "the images match less well than at scanner geometry"
    elif moved > settings.max_displacement_mm:
        reason = f"the organ would move by {moved:.1f} mm, more than the limit of {settings.max_displacement_mm:g} mm"
    elif angle > settings.max_rotation_deg:
        reason = f"the images would turn by {angle:.1f} degrees, more than the limit of {settings.max_rotation_deg:g} degrees"
    elif after < MIN_INFORMATION:
        reason = "the images have too little in common to be registered"
    elif agreement > MAX_DISAGREEMENT_MM:
        reason = "parts of the region disagree about the position, so it cannot be trusted"
    elif rival > RIVAL_SHARE * best.information:
        reason = "another position matches almost as well, so the one found cannot be trusted"
    else:
        accepted = True
    x, y, z = found.GetTranslation()
    return Registration(found if accepted else still, before, after, moved, angle, (x, y, z), agreement, accepted, reason)


def _refused(still: sitk.Euler3DTransform, reason: str) -> Registration:
    return Registration(still, 0.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), float("inf"), False, reason)


def _information(level: _Level, transform: sitk.Euler3DTransform) -> float:
    method = level.method()
    method.SetInitialTransform(transform, False)
    try:
        return -float(method.MetricEvaluate(level.fixed, level.moving))
    except RuntimeError:  # SimpleITK's answer where no voxel of the region has a partner
        return 0.0


def _distinct(found: list[_Found], core: Array) -> list[sitk.Euler3DTransform]:
    """The best few ends that lie apart, best first."""
    kept: list[sitk.Euler3DTransform] = []
    for candidate in sorted(found, key=lambda f: -f.information):
        if len(kept) < FINALISTS and all(_distance(candidate.transform, k, core) > DISTINCT_MM for k in kept):
            kept.append(candidate.transform)
    return kept


def _identity(middle: Array) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(middle.tolist())
    return transform


def _placed(like_this: sitk.Euler3DTransform, parameters: tuple[float, ...] | Array) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform(like_this)
    transform.SetParameters([float(p) for p in parameters])
    return transform


def _ball(middle: Array) -> Array:
    line = np.linspace(-CORE_MM, CORE_MM, 9)
    points = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(-1, 3)
    return points[np.linalg.norm(points, axis=1) <= CORE_MM] + middle


def _distance(a: sitk.Euler3DTransform, b: sitk.Euler3DTransform, points: Array) -> float:
    """Mean distance in mm between where two transforms map the points."""
    return float(np.linalg.norm(_mapped(a, points) - _mapped(b, points), axis=1).mean())


def _mapped(transform: sitk.Euler3DTransform, points: Array) -> Array:
    middle = np.array(transform.GetCenter())
    return (points - middle) @ np.array(transform.GetMatrix()).reshape(3, 3).T + middle + np.array(transform.GetTranslation())
