"""The phantom's body: tissues, and the shapes they fill, as continuous functions of position.

Positions are in the body frame: mm from the gland's centre, x to the patient's left, y to the back, z to the head. The planes of
the scans are tilted with the gland, as a radiographer plans them, so that this frame is also that of the diffusion planes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .phantom_law import Patient

Array = np.ndarray
Distance = Callable[[Array, Array, Array], Array]
WARP_MARGIN_MM = 5.0


@dataclass(frozen=True)
class Tissue:
    """Proton density seen by T2W and by fat-suppressed EPI, T2 (ms, 3T), diffusivity (1e-3 mm2/s), kurtosis, texture (SD of T2 and ADC)."""

    t2w_density: float
    epi_density: float
    t2_ms: float
    diffusivity: float
    kurtosis: float
    texture: float

    @property
    def vector(self) -> Array:
        """The six properties as float32."""
        values = (self.t2w_density, self.epi_density, self.t2_ms, self.diffusivity, self.kurtosis, self.texture)
        return np.array(values, dtype=np.float32)


TISSUES: dict[str, Tissue] = {
    "air": Tissue(0.0, 0.0, 60, 1.2, 0.0, 0.0),
    "fat": Tissue(1.30, 0.06, 80, 1.2, 0.0, 0.12),
    "muscle": Tissue(0.80, 0.80, 38, 1.45, 0.3, 0.12),
    "marrow": Tissue(1.00, 0.06, 75, 1.2, 0.0, 0.15),
    "bone": Tissue(0.10, 0.03, 40, 1.2, 0.0, 0.05),
    "fibrous": Tissue(0.60, 0.50, 42, 1.1, 0.3, 0.10),
    "urine": Tissue(1.0, 1.0, 750, 3.0, 0.0, 0.02),
    "bladder_wall": Tissue(0.85, 0.85, 55, 1.5, 0.3, 0.08),
    "rectal_wall": Tissue(0.85, 0.85, 75, 1.4, 0.4, 0.12),
    "stool": Tissue(0.45, 0.35, 55, 1.0, 0.2, 0.30),
    "gas": Tissue(0.02, 0.02, 50, 1.2, 0.0, 0.0),
    "vein": Tissue(0.90, 0.75, 165, 2.1, 0.0, 0.20),
    "artery": Tissue(0.10, 0.10, 60, 2.5, 0.0, 0.0),
    "vesicle": Tissue(0.95, 0.95, 210, 2.0, 0.2, 0.30),
    "peripheral": Tissue(0.95, 0.95, 150, 1.65, 0.5, 0.09),
    "transition": Tissue(0.90, 0.90, 98, 1.35, 0.65, 0.13),
    "glandular_nodule": Tissue(0.95, 0.95, 145, 1.65, 0.5, 0.14),
    "stromal_nodule": Tissue(0.85, 0.85, 72, 1.10, 0.75, 0.09),
    "capsule": Tissue(0.75, 0.75, 48, 1.2, 0.5, 0.05),
    "urethra": Tissue(0.95, 0.95, 190, 1.9, 0.2, 0.05),
}
"""Values at 3T, chosen within the ranges that published prostate relaxometry and ADC studies report."""

HABITATS: tuple[Tissue, ...] = (
    Tissue(0.90, 0.90, 68, 0.69, 0.90, 0.04),
    Tissue(0.92, 0.92, 98, 1.10, 0.75, 0.04),
    Tissue(0.94, 0.94, 130, 1.50, 0.60, 0.04),
)
"""Cellular core, intermediate, loose (mixed with normal glands), before a patient's contrast acts on them.

Chosen within the ranges that published prostate relaxometry and ADC studies report: clinically significant cancer in the peripheral
zone has ADC of about 0.7 to 1.2e-3 mm2/s and T2 of about 80 to 100 ms, the normal peripheral zone 1.5 to 1.8e-3 and 140 to 160 ms.
"""
CONTRAST_STEPS = (-0.12, -0.04, 0.02)


def habitat_tissues(patient: Patient) -> tuple[Tissue, Tissue, Tissue]:
    """The patient's three habitats: one SD of contrast changes T2 and ADC of habitat 1 by -12 %, of 2 by -4 % and of 3 by +2 %."""
    core, middle, loose = (
        _scaled(tissue, math.exp(step * patient.contrast)) for tissue, step in zip(HABITATS, CONTRAST_STEPS, strict=True)
    )
    return core, middle, loose


def _scaled(tissue: Tissue, factor: float) -> Tissue:
    return Tissue(
        tissue.t2w_density, tissue.epi_density, tissue.t2_ms * factor, tissue.diffusivity * factor, tissue.kurtosis, tissue.texture
    )


@dataclass(frozen=True)
class Shape:
    """A tissue, the box (2, 3) in mm that holds it, and its signed distance in mm (negative inside)."""

    tissue: Tissue
    box: Array
    distance: Distance


@dataclass(frozen=True)
class Lattice:
    """Regular sample points: ``origin`` (3,) and the step (3, 3; column i along index i of x, y, z) in the body frame, shape (z, y, x)."""

    origin: Array
    steps: Array
    shape: tuple[int, int, int]

    def points(self) -> Array:
        """Positions (3, z, y, x) float32."""
        k, j, i = (np.arange(n, dtype=np.float32) for n in self.shape)
        origin, steps = self.origin.astype(np.float32), self.steps.astype(np.float32)
        return np.stack([origin[c] + steps[c, 0] * i + (steps[c, 1] * j)[:, None] + (steps[c, 2] * k)[:, None, None] for c in range(3)])

    def block(self, box: Array, margin_mm: float) -> tuple[slice, slice, slice] | None:
        """Index ranges (z, y, x) that hold the box and the margin; None where the lattice does not reach it."""
        low, high = box[0] - margin_mm, box[1] + margin_mm
        ends = np.array([[(low, high)[(n >> c) & 1][c] for c in range(3)] for n in range(8)])
        index = (ends - self.origin) @ np.linalg.inv(self.steps).T
        first = np.maximum(np.floor(index.min(axis=0)).astype(int), 0)[::-1]
        last = np.minimum(np.ceil(index.max(axis=0)).astype(int) + 1, self.shape[::-1])[::-1]
        if np.any(first >= last):
            return None
        return (slice(first[0], last[0]), slice(first[1], last[1]), slice(first[2], last[2]))


@dataclass(frozen=True)
class Anatomy:
    """One patient's body: shapes in painting order, the gland's and tumour's signed distances, and the individual warp and texture."""

    shapes: tuple[Shape, ...]
    gland: Shape
    tumour: Shape
    habitat_level: Distance
    habitat_limits: tuple[float, float]
    warp: Array
    texture_offset: Array

    def warped(self, points: Array) -> Array:
        """Positions in the model's own frame: a smooth individual deformation of up to about 2 mm."""
        x, y, z = points
        waves = self.warp
        out = np.empty_like(points)
        for c, (amplitude, length, phase) in enumerate(waves):
            along = (y, z, x)[c]
            out[c] = points[c] + np.float32(amplitude) * np.sin(along * np.float32(2 * np.pi / length) + np.float32(phase))
        return out

    def labels(self, points: Array) -> tuple[Array, Array]:
        """Gland (bool) and habitats (uint8, 0 outside the tumour) at positions (3, ...)."""
        x, y, z = self.warped(points)
        gland = self.gland.distance(x, y, z) <= 0
        tumour = self.tumour.distance(x, y, z) <= 0
        level = self.habitat_level(x, y, z)
        low, high = self.habitat_limits
        habitats = np.where(level <= low, 1, np.where(level <= high, 2, 3)).astype(np.uint8)
        return gland, np.where(tumour, habitats, 0).astype(np.uint8)

    def properties(self, lattice: Lattice, edge_mm: float, shift: Callable[[Array], Array] | None = None) -> Array:
        """Tissue properties (6, z, y, x) at the lattice's points; boundaries are ramps of `edge_mm`.

        Parameters
        ----------
        shift : displacement along y in mm of every point (EPI distortion), from positions (3, z, y, x)
        """
        points = lattice.points()
        if shift is not None:
            points[1] += shift(points)
        points = self.warped(points)
        texture = self._texture(points)
        out = np.empty((6, *lattice.shape), dtype=np.float32)
        out[:] = TISSUES["air"].vector[:, None, None, None]
        for shape in self.shapes:
            block = lattice.block(shape.box, WARP_MARGIN_MM)
            if block is None:
                continue
            x, y, z = (points[c][block] for c in range(3))
            cover = np.clip(0.5 - shape.distance(x, y, z) / np.float32(edge_mm), 0, 1)
            for channel, value in enumerate(shape.tissue.vector):
                view = out[channel][block]
                view += cover * (value - view)
        modulation = 1 + out[5] * texture
        out[2] *= modulation
        out[3] *= modulation
        return out

    def _texture(self, points: Array) -> Array:
        from scipy.ndimage import map_coordinates

        cube = _texture_cube()
        index = points / np.float32(TEXTURE_STEP_MM) + self.texture_offset.astype(np.float32)[:, None, None, None]
        return map_coordinates(cube, index, order=1, mode="grid-wrap", output=np.float32)


TEXTURE_STEP_MM = 1.1


@lru_cache(maxsize=1)
def _texture_cube() -> Array:
    """Periodic fractal noise (96, 96, 96), mean 0, SD 1, limited to +-2.5: grains of about 2 to 8 mm."""
    rng = np.random.default_rng(20240)
    n = 96
    frequency = np.fft.fftfreq(n)
    radius = np.sqrt(frequency[:, None, None] ** 2 + frequency[None, :, None] ** 2 + np.fft.rfftfreq(n)[None, None, :] ** 2)
    gain = np.exp(-((radius / 0.22) ** 2)) / (radius + 0.06)
    noise = np.fft.irfftn(np.fft.rfftn(rng.standard_normal((n, n, n))) * gain, s=(n, n, n), axes=(0, 1, 2))
    return np.clip(noise / noise.std(), -2.5, 2.5).astype(np.float32)


def ellipsoid(
    centre: tuple[float, float, float], radii: tuple[float, float, float], turn_deg: float = 0.0, mirrored: bool = False
) -> tuple[Array, Distance]:
    """Box and signed (radial) distance of an ellipsoid turned about z; `mirrored` adds its twin on the other side of x = 0."""
    cx, cy, cz = centre
    rx, ry, rz = radii
    cosine, sine = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    half = np.array([np.hypot(rx * cosine, ry * sine), np.hypot(rx * sine, ry * cosine), rz])
    box = np.array([np.array(centre) - half, np.array(centre) + half])
    if mirrored:
        box[0, 0] = -box[1, 0]
    c, s = np.float32(cosine), np.float32(sine)

    def distance(x: Array, y: Array, z: Array) -> Array:
        u, v, w = (np.abs(x) if mirrored else x) - np.float32(cx), y - np.float32(cy), z - np.float32(cz)
        p, q = c * u + s * v, c * v - s * u
        square = p * p + q * q + w * w
        rho = np.sqrt((p / np.float32(rx)) ** 2 + (q / np.float32(ry)) ** 2 + (w / np.float32(rz)) ** 2) + np.float32(1e-3)
        return np.sqrt(square) * (1 - 1 / rho)

    return box, distance


def shell(distance: Distance, thickness_mm: float) -> Distance:
    """Distance to the layer of that thickness round a surface."""
    half = np.float32(thickness_mm / 2)
    return lambda x, y, z: np.abs(distance(x, y, z)) - half


def shape_of(tissue: str | Tissue, part: tuple[Array, Distance], wall_mm: float = 0.0) -> Shape:
    """Shape from a box and distance; a wall thickness keeps only the layer round the surface."""
    box, distance = part
    chosen = TISSUES[tissue] if isinstance(tissue, str) else tissue
    return Shape(chosen, box, shell(distance, wall_mm) if wall_mm else distance)
