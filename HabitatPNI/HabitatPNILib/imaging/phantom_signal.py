"""The phantom's scanners: T2 decay, diffusion, slice and pixel averaging, coil bias, EPI distortion and Rician noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .phantom_anatomy import TISSUES, Anatomy, Array, Lattice, Tissue

B_VALUES = (0.0, 50.0, 400.0, 800.0, 1400.0)
AVERAGES = (1, 1, 2, 4, 10)
T2W_EDGE_MM = 0.7
BLOCK_MARGIN_MM = 4.0

Signal = Callable[[Array], Array]


@dataclass(frozen=True)
class Scanner:
    """One centre's scanner and protocol.

    Parameters
    ----------
    t2w_size, t2w_spacing, dwi_size, dwi_spacing : in (x, y, z), mm; the T2W size is even in plane
    te_t2w_ms, te_dwi_ms : echo times
    t2_factor : T2 at this field strength over T2 at 3T
    t2w_snr, dwi_snr : signal of peripheral zone (T2W; b 0 with one average) over the noise's SD
    t2w_scale, dwi_scale : scanner units of a unit signal
    bias : coil bias, SD of the log signal's linear and quadratic terms at the edge of the field of view
    distortion_mm : largest EPI displacement along the phase encoding direction (back to front)
    """

    t2w_size: tuple[int, int, int]
    t2w_spacing: tuple[float, float, float]
    dwi_size: tuple[int, int, int]
    dwi_spacing: tuple[float, float, float]
    te_t2w_ms: float
    te_dwi_ms: float
    t2_factor: float
    t2w_snr: float
    dwi_snr: float
    t2w_scale: float
    dwi_scale: float
    bias: float
    distortion_mm: float


SCANNERS = {
    "centre1": Scanner((384, 384, 19), (0.5, 0.5, 3.0), (84, 128, 19), (2.0, 2.0, 3.0), 101, 65, 1.0, 25.0, 45.0, 900.0, 500.0, 0.10, 1.2),
    "centre2": Scanner((320, 320, 16), (0.6, 0.6, 3.6), (76, 116, 16), (2.2, 2.2, 3.6), 110, 75, 1.1, 18.0, 36.0, 520.0, 340.0, 0.06, 0.8),
}
"""A 3T-like and a 1.5T-like scanner.

Noise, the habitats' tissues, the tumours' volumes and the outline's inset were set so that the true centroids and the true alignment tell
the habitats apart with a median adjusted Rand index of about .90 (centre 1) and .87 (centre 2), and then fixed.
"""


def t2w_signal(properties: Array, scanner: Scanner) -> Array:
    """Spin-echo signal (1, z, y, x) of tissue properties (6, z, y, x)."""
    return (properties[0] * np.exp(np.float32(-scanner.te_t2w_ms / scanner.t2_factor) / properties[2]))[None]


def diffusion_signal(properties: Array, scanner: Scanner, kurtosis: bool) -> Array:
    """EPI signal (b, z, y, x) at `B_VALUES`: S0 exp(-bD + (bD)^2 K / 6)."""
    base = properties[1] * np.exp(np.float32(-scanner.te_dwi_ms / scanner.t2_factor) / properties[2])
    out = np.empty((len(B_VALUES), *base.shape), dtype=np.float32)
    for n, b in enumerate(B_VALUES):
        decay = np.float32(b * 1e-3) * properties[3]
        if kurtosis:
            decay = decay - decay * decay * properties[4] / 6
        out[n] = base * np.exp(-decay)
    return out


def tissue_signals(tissues: tuple[Tissue, ...], scanner: Scanner, kurtosis: bool) -> tuple[Array, Array]:
    """Noise-free T2W (n,) and DWI (b, n) in scanner units of pure tissues."""
    properties = np.stack([tissue.vector for tissue in tissues], axis=1)[:, None, None, :]
    t2w = t2w_signal(properties, scanner)[0, 0, 0] * scanner.t2w_scale
    dwi = diffusion_signal(properties, scanner, kurtosis)[:, 0, 0] * scanner.dwi_scale
    return t2w.astype(float), dwi.astype(float)


def t2w_array(anatomy: Anatomy, voxels: Lattice, scanner: Scanner) -> Array:
    """Noise-free T2W (z, y, x): the pelvis sampled at twice the pixel size, the gland at every pixel and three points a slice."""

    def signal(properties: Array) -> Array:
        return t2w_signal(properties, scanner)

    pixel = scanner.t2w_spacing[0]
    nz, ny, nx = voxels.shape
    coarse = _sub_lattice(voxels, (slice(0, nz), slice(0, ny), slice(0, nx)), (0.5, 0.5, 2))
    out = _double(_double(_slice_means(signal(anatomy.properties(coarse, 1.6 * pixel)), 2)[0], axis=1), axis=2)
    block = voxels.block(anatomy.gland.box, BLOCK_MARGIN_MM)
    if block is not None:
        fine = _sub_lattice(voxels, block, (1, 1, 3))
        out[block] = _slice_means(signal(anatomy.properties(fine, T2W_EDGE_MM)), 3)[0]
    return out * np.float32(scanner.t2w_scale)


def diffusion_array(anatomy: Anatomy, voxels: Lattice, scanner: Scanner, kurtosis: bool, shift: Callable[[Array], Array] | None) -> Array:
    """Noise-free DWI (b, z, y, x): the pelvis at two points a slice, the gland at 2 x 2 x 3 points a voxel."""
    pixel = scanner.dwi_spacing[0]
    whole = (slice(0, voxels.shape[0]), slice(0, voxels.shape[1]), slice(0, voxels.shape[2]))
    coarse = anatomy.properties(_sub_lattice(voxels, whole, (1, 1, 2)), pixel, shift)
    out = _slice_means(diffusion_signal(coarse, scanner, kurtosis), 2)
    block = voxels.block(anatomy.gland.box, BLOCK_MARGIN_MM)
    if block is not None:
        fine = anatomy.properties(_sub_lattice(voxels, block, (2, 2, 3)), 0.5 * pixel, shift)
        means = _slice_means(diffusion_signal(fine, scanner, kurtosis), 3)
        b, z, y, x = means.shape
        out[(slice(None), *block)] = means.reshape(b, z, y // 2, 2, x // 2, 2).mean(axis=(3, 5))
    return out * np.float32(scanner.dwi_scale)


def epi_shift(scanner: Scanner, gland_back_mm: float, rng: np.random.Generator) -> Callable[[Array], Array]:
    """Displacement in mm along y: a bump at the rectum's air and a slow linear part, zero at the gland's centre."""
    bump, slope = rng.uniform(-1, 1, 2) * (0.8 * scanner.distortion_mm, 0.4 * scanner.distortion_mm / 60)
    centre, width = gland_back_mm + 8.0, 14.0
    offset = np.exp(-((centre / width) ** 2))

    def shift(points: Array) -> Array:
        x, y, z = points
        square = (x * x + (y - np.float32(centre)) ** 2 + (z * z) / 4) / np.float32(width**2)
        return np.float32(bump) * (np.exp(-square) - np.float32(offset)) + np.float32(slope) * x

    return shift


def add_bias(images: Array, strength: float, rng: np.random.Generator) -> Array:
    """Images (..., z, y, x) under one smooth coil sensitivity, its mean log about 0."""
    axes = [np.linspace(-1, 1, n, dtype=np.float32) for n in images.shape[-3:]]
    first, second = rng.normal(0, strength, 3).astype(np.float32), rng.normal(strength, 0.5 * strength, 3).astype(np.float32)
    logs = [a * axis + b * (axis * axis - np.float32(1 / 3)) for a, b, axis in zip(first, second, axes, strict=True)]
    plane = logs[1][:, None] + logs[2] + np.float32(rng.normal(0, strength)) * axes[1][:, None] * axes[2]
    return images * np.exp(plane) * np.exp(logs[0])[:, None, None]


def add_rician(image: Array, sigma: float, rng: np.random.Generator) -> Array:
    """Magnitude of the image with complex Gaussian noise of that SD in each channel."""
    real = image + np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    imaginary = np.float32(sigma) * rng.standard_normal(image.shape, dtype=np.float32)
    return np.sqrt(real * real + imaginary * imaginary)


def noise_sigmas(scanner: Scanner) -> tuple[float, tuple[float, ...]]:
    """Noise SD in scanner units of T2W and of DWI at each b; averages lower it by their root."""
    t2w, dwi = tissue_signals((TISSUES["peripheral"],), scanner, kurtosis=False)
    base = float(dwi[0, 0]) / scanner.dwi_snr
    return float(t2w[0]) / scanner.t2w_snr, tuple(base / float(np.sqrt(n)) for n in AVERAGES)


def _sub_lattice(voxels: Lattice, block: tuple[slice, slice, slice], parts: tuple[float, float, int]) -> Lattice:
    """Points that part every voxel of a block evenly, `parts` (x, y, z) of them; half a part is one point for two voxels."""
    factor = np.array(parts, dtype=float)
    first = np.array([s.start for s in block[::-1]])
    steps = voxels.steps / factor
    origin = voxels.origin + voxels.steps @ (first - 0.5 + 0.5 / factor)
    nz, ny, nx = (round((s.stop - s.start) * f) for s, f in zip(block, parts[::-1], strict=True))
    return Lattice(origin, steps, (nz, ny, nx))


def _slice_means(signals: Array, parts: int) -> Array:
    """Signals (c, z * parts, y, x) averaged to (c, z, y, x)."""
    c, z, y, x = signals.shape
    return signals.reshape(c, z // parts, parts, y, x).mean(axis=2)


def _double(array: Array, axis: int) -> Array:
    """Linear interpolation to twice as many samples of half the size along an axis, covering the same extent."""
    moved = np.moveaxis(array, axis, 0)
    before, after = np.concatenate([moved[:1], moved[:-1]]), np.concatenate([moved[1:], moved[-1:]])
    pairs = np.stack([0.75 * moved + 0.25 * before, 0.75 * moved + 0.25 * after], axis=1).astype(np.float32)
    return np.moveaxis(pairs.reshape(-1, *moved.shape[1:]), 0, axis).copy()
