"""Digital phantom: a prostate MRI whose misalignment, habitats and probability of perineural invasion are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import SimpleITK as sitk

from ..case import PHANTOM, Case, Choice
from ..geometry import isotropic_grid, like
from .adc import fit_adc
from .phantom_anatomy import Anatomy, Array, Lattice, habitat_tissues
from .phantom_body import build_anatomy
from .phantom_law import Patient, draw_patient
from .phantom_signal import (
    B_VALUES,
    SCANNERS,
    Scanner,
    add_bias,
    add_rician,
    diffusion_array,
    epi_shift,
    noise_sigmas,
    t2w_array,
    tissue_signals,
)

Centre = Literal["centre1", "centre2"]
DWI_B, LOW_B, ADC_MAX_B = 1400.0, 50.0, 1000.0
NOISE_LEVEL = 4.0


@dataclass(frozen=True)
class PhantomEffects:
    """Imperfections of the phantom's scans, each of which can be switched off."""

    noise: bool = True
    bias_field: bool = True
    distortion: bool = True
    kurtosis: bool = True


@dataclass(frozen=True)
class Truth:
    """What is known of a phantom case; nothing that analyses the case may look at it.

    Parameters
    ----------
    transform : rigid, maps points of the fixed (DWI) frame to the moving (T2W) one, LPS mm
    habitats : uint8, 1 to 3 inside the tumour (ascending ADC), 0 outside, on the 1 mm grid that covers the DWI
    gland : uint8 mask on the same grid
    centroids : noise-free intensities (3, 3) of habitat 1 to 3 (rows) in T2W, DWI and ADC (columns), scanner units
    habitat_shares : fractions of the tumour's volume
    linear_predictor, probability, outcome : log odds, true probability, and the drawn 0 or 1 of perineural invasion
    """

    transform: sitk.Transform
    habitats: sitk.Image
    gland: sitk.Image
    centroids: Array
    habitat_shares: tuple[float, float, float]
    linear_predictor: float
    probability: float
    outcome: int


def phantom_case(
    seed: int,
    *,
    centre: Centre = "centre1",
    misalignment: tuple[tuple[float, float, float], tuple[float, float, float]] | None = None,
    max_translation_mm: float = 4.0,
    max_rotation_deg: float = 4.0,
    effects: PhantomEffects | None = None,
    case_id: str | None = None,
) -> tuple[Case, Truth]:
    """Make one phantom case; the same arguments give the same bits.

    Parameters
    ----------
    seed : decides the patient, body, planes, misalignment and noise
    centre : ``centre1`` is a 3T-like scanner, ``centre2`` a 1.5T-like one
    misalignment : how the patient lay differently in T2W: translation (x, y, z) in mm, and a rotation vector in degrees (its length is
        the angle) about the gland's centre, LPS; None draws both
    max_translation_mm, max_rotation_deg : largest magnitudes of a drawn misalignment
    effects : imperfections of the scans; all of them by default
    case_id : the case's name; by default from centre and seed

    Returns
    -------
    case : T2W, DWI (b 1400), ADC (fitted to b <= 1000, 1e-6 mm2/s), low-b (b 50), and the tumour outlined on T2W
    truth : what is known of it
    """
    scanner, effects = SCANNERS[centre], effects or PhantomEffects()
    patient = draw_patient(seed)
    anatomy = build_anatomy(patient, np.random.default_rng([seed, 2]))
    place = np.random.default_rng([seed, 3])
    tilt, isocentre = place.uniform(6.0, 19.0), place.uniform(-1, 1, 3) * (8.0, 15.0, 20.0)
    directions = _tilted(tilt), _tilted(tilt + place.uniform(-2.0, 2.0))
    if misalignment is None:
        misalignment = _draw_misalignment(place, max_translation_mm, max_rotation_deg)
    transform = _rigid(misalignment, isocentre)
    dwi_grid = _grid(scanner.dwi_size, scanner.dwi_spacing, directions[0], isocentre)
    t2w_grid = _grid(scanner.t2w_size, scanner.t2w_spacing, directions[1], isocentre)

    noise = np.random.default_rng([seed, 4])
    diffusion = _diffusion(anatomy, _lattice(dwi_grid, directions[0], isocentre), scanner, effects, noise)
    moved = _lattice(t2w_grid, directions[0], isocentre, transform)
    t2w = _t2w(anatomy, moved, scanner, effects, noise)
    measured = {b: like(values, dwi_grid) for b, values in zip(B_VALUES, diffusion, strict=True)}
    images = {
        "t2w": like(t2w, t2w_grid),
        "dwi": measured[DWI_B],
        "adc": _adc(measured, NOISE_LEVEL * noise_sigmas(scanner)[1][B_VALUES.index(LOW_B)]),
        "low_b": measured[LOW_B],
    }
    roi = _labels(anatomy, moved)[1] > 0
    name = case_id or f"phantom-{centre}-{seed:04d}"
    case = Case(
        case_id=name,
        images=images,
        roi=like(roi.astype(np.uint8), t2w_grid),
        roi_frame="t2w",
        clinical=patient.clinical,
        b_values={"dwi": DWI_B, "low_b": LOW_B},
        provenance=(Choice(PHANTOM, name, "digital phantom: synthetic images, no patient"),),
    )
    return case, _truth(anatomy, patient, transform, dwi_grid, directions[0], isocentre, scanner, effects)


def _truth(
    anatomy: Anatomy,
    patient: Patient,
    transform: sitk.Transform,
    dwi_grid: sitk.Image,
    direction: Array,
    isocentre: Array,
    scanner: Scanner,
    effects: PhantomEffects,
) -> Truth:
    grid = isotropic_grid(dwi_grid, (1.0, 1.0, 1.0))
    gland, habitats = _labels(anatomy, _lattice(grid, direction, isocentre))
    t2w, dwi = tissue_signals(habitat_tissues(patient), scanner, effects.kurtosis)
    fitted = [b for b in B_VALUES if b <= ADC_MAX_B]
    slope = np.polyfit(fitted, np.log(dwi[: len(fitted)]), 1)[0]
    return Truth(
        transform=transform,
        habitats=like(habitats, grid),
        gland=like(gland.astype(np.uint8), grid),
        centroids=np.stack([t2w, dwi[B_VALUES.index(DWI_B)], -1e6 * slope], axis=1),
        habitat_shares=patient.habitat_shares,
        linear_predictor=patient.linear_predictor,
        probability=patient.probability,
        outcome=patient.outcome,
    )


def _diffusion(anatomy: Anatomy, voxels: Lattice, scanner: Scanner, effects: PhantomEffects, rng: np.random.Generator) -> Array:
    shift = epi_shift(scanner, float(anatomy.gland.box[1, 1]) / 1.25, rng)
    images = diffusion_array(anatomy, voxels, scanner, effects.kurtosis, shift if effects.distortion else None)
    if effects.bias_field:
        images = add_bias(images, scanner.bias, rng)
    if effects.noise:
        sigmas = noise_sigmas(scanner)[1]
        images = np.stack([add_rician(image, sigma, rng) for image, sigma in zip(images, sigmas, strict=True)])
    return np.rint(images).astype(np.int16)


def _t2w(anatomy: Anatomy, voxels: Lattice, scanner: Scanner, effects: PhantomEffects, rng: np.random.Generator) -> Array:
    image = t2w_array(anatomy, voxels, scanner)
    if effects.bias_field:
        image = add_bias(image, scanner.bias, rng)
    if effects.noise:
        image = add_rician(image, noise_sigmas(scanner)[0], rng)
    return np.rint(image).astype(np.int16)


def _adc(measured: dict[float, sitk.Image], noise_level: float) -> sitk.Image:
    """Fitted ADC, 0 where the low-b signal is noise, as scanners write their maps."""
    fitted = fit_adc({b: image for b, image in measured.items() if b <= ADC_MAX_B})
    signal = sitk.GetArrayViewFromImage(measured[LOW_B])
    return like(np.where(signal > noise_level, np.rint(sitk.GetArrayViewFromImage(fitted)), 0).astype(np.int16), fitted)


def _labels(anatomy: Anatomy, voxels: Lattice) -> tuple[Array, Array]:
    """Gland (bool) and habitats (uint8) at the voxels' centres."""
    gland, habitats = np.zeros(voxels.shape, dtype=bool), np.zeros(voxels.shape, dtype=np.uint8)
    block = voxels.block(anatomy.gland.box, margin_mm=6.0)
    if block is not None:
        first = np.array([s.start for s in block[::-1]])
        shape = tuple(s.stop - s.start for s in block)
        part = Lattice(voxels.origin + voxels.steps @ first, voxels.steps, (shape[0], shape[1], shape[2]))
        gland[block], habitats[block] = anatomy.labels(part.points())
    return gland, habitats


def _tilted(angle_deg: float) -> Array:
    """Direction matrix of axial planes tilted about the left-right axis."""
    c, s = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]])


def _draw_misalignment(
    rng: np.random.Generator, max_translation_mm: float, max_rotation_deg: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    vectors = []
    for largest in (max_translation_mm, max_rotation_deg):
        direction = rng.normal(size=3)
        x, y, z = direction / np.linalg.norm(direction) * largest * rng.uniform()
        vectors.append((float(x), float(y), float(z)))
    return vectors[0], vectors[1]


def _rigid(misalignment: tuple[tuple[float, float, float], tuple[float, float, float]], centre: Array) -> sitk.VersorRigid3DTransform:
    translation, rotation = misalignment
    angle = float(np.linalg.norm(rotation))
    transform = sitk.VersorRigid3DTransform()
    transform.SetCenter(centre.tolist())
    if angle > 0:
        transform.SetRotation(list(rotation), float(np.deg2rad(angle)))
    transform.SetTranslation(list(translation))
    return transform


def _grid(size: tuple[int, int, int], spacing: tuple[float, float, float], direction: Array, centre: Array) -> sitk.Image:
    grid = sitk.Image(list(size), sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetDirection(direction.ravel().tolist())
    grid.SetOrigin((centre - direction @ ((np.array(size) - 1) / 2 * np.array(spacing))).tolist())
    return grid


def _lattice(grid: sitk.Image, body: Array, centre: Array, moved: sitk.VersorRigid3DTransform | None = None) -> Lattice:
    """Body-frame positions of a grid's voxels; `moved` maps the body as it lay in DWI to where it lay in this scan."""
    x, y, z = grid.GetSize()
    origin = np.array(grid.GetOrigin())
    steps = np.array(grid.GetDirection()).reshape(3, 3) * np.array(grid.GetSpacing())
    if moved is not None:
        back = moved.GetInverse()
        rotation = np.array(moved.GetMatrix()).reshape(3, 3).T
        origin, steps = np.array(back.TransformPoint(origin.tolist())), rotation @ steps
    return Lattice(body.T @ (origin - centre), body.T @ steps, (z, y, x))
