"""One patient's phantom body: gland, zones, nodules and pelvis of individual size and shape, and the tumour with its habitats."""

from __future__ import annotations

import numpy as np

from .phantom_anatomy import TISSUES, Anatomy, Array, Distance, Lattice, Shape, Tissue, ellipsoid, habitat_tissues, shape_of, shell
from .phantom_law import Patient

PERIPHERAL_SHARE = 0.75
OUTLINE_INSET_MM = 1.5


def build_anatomy(patient: Patient, rng: np.random.Generator) -> Anatomy:
    """Body of a patient: the tumour has exactly the patient's volume and habitat shares (on a 1 mm lattice of the body frame)."""
    radii = np.array([rng.uniform(23.5, 27.5), rng.uniform(16.5, 20.0), rng.uniform(21.0, 25.0)])
    gland = Shape(TISSUES["peripheral"], _box((0, 0, 0), radii * 1.25), _gland_distance(radii, rng))
    tumour, level, limits = _tumour(patient, gland, radii, rng)
    shapes = [*_pelvis(radii, rng), *_gland_shapes(gland, radii, rng), *_tumour_shapes(patient, tumour, level, limits)]
    warp = np.array([[rng.uniform(0.6, 1.6), rng.uniform(55, 100), rng.uniform(0, 2 * np.pi)] for _ in range(3)])
    return Anatomy(tuple(shapes), gland, tumour, level, limits, warp, rng.uniform(0, 96, 3))


def _box(centre: tuple[float, float, float], half: Array | float) -> Array:
    return np.array([np.array(centre) - half, np.array(centre) + half])


def _gland_distance(radii: Array, rng: np.random.Generator) -> Distance:
    """Radial distance to an ellipsoid that tapers to the apex, is flattened against the rectum and bulges individually."""
    rx, ry, rz = (np.float32(r) for r in radii)
    taper, flat = np.float32(rng.uniform(0.10, 0.18)), np.float32(rng.uniform(0.06, 0.14))
    bulge = rng.normal(0, 0.035, 4).astype(np.float32)

    def distance(x: Array, y: Array, z: Array) -> Array:
        w = z / rz
        width = 1 + taper * w
        u, v = x / (rx * width), y / (ry * width)
        v = v + flat * np.maximum(v, 0)
        square = u * u + v * v + w * w + np.float32(1e-6)
        rho = np.sqrt(square)
        rho = rho * (1 + (bulge[0] * u * w + bulge[1] * u * v + bulge[2] * v * w + bulge[3] * (u * u - v * v)) / square)
        return np.sqrt(x * x + y * y + z * z) * (1 - 1 / rho)

    return distance


def _gland_shapes(gland: Shape, radii: Array, rng: np.random.Generator) -> list[Shape]:
    a, b, c = radii
    centre = (rng.uniform(-1.0, 1.0), -0.24 * b, 0.13 * c)
    zone_radii = (a * rng.uniform(0.62, 0.74), b * rng.uniform(0.60, 0.70), c * rng.uniform(0.68, 0.76))
    zone = ellipsoid(centre, zone_radii)
    shapes = [
        Shape(gland.tissue, gland.box, gland.distance),
        shape_of("transition", zone),
        *_nodules(centre, np.array(zone_radii), rng),
        shape_of("capsule", zone, wall_mm=1.0),
        shape_of("fibrous", ellipsoid((0, -0.86 * b, 0), (0.45 * a, 3.2, 0.75 * c))),
        shape_of("urethra", ellipsoid((0, -0.10 * b, 0.1 * c), (2.4, 2.2, 1.05 * c))),
        shape_of("urethra", ellipsoid((2.2, 0.45 * b, 0.55 * c), (1.1, 1.1, 0.4 * c), mirrored=True)),
    ]
    shapes.append(Shape(TISSUES["capsule"], gland.box, shell(gland.distance, 0.9)))
    return shapes


def _nodules(centre: tuple[float, float, float], radii: Array, rng: np.random.Generator) -> list[Shape]:
    shapes = []
    for _ in range(int(rng.integers(4, 9))):
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        radius = rng.uniform(3.0, 6.0)
        place = np.array(centre) + direction * np.maximum(radii - radius - 1.0, 1.0) * rng.uniform(0.6, 1.0)
        part = ellipsoid(
            (place[0], place[1], place[2]),
            (radius * rng.uniform(0.85, 1.2), radius * rng.uniform(0.8, 1.1), radius),
            turn_deg=rng.uniform(0, 90),
        )
        tissue = "glandular_nodule" if rng.random() < 0.55 else "stromal_nodule"
        shapes += [shape_of(tissue, part), shape_of("capsule", part, wall_mm=0.7)]
    return shapes


def _pelvis(radii: Array, rng: np.random.Generator) -> list[Shape]:
    """Everything round the gland, in painting order; sizes and places vary by some mm from patient to patient."""
    a, b, c = radii

    def near(*values: float) -> tuple[float, float, float]:
        jitter = rng.normal(0, 1.3, 3)
        return (values[0] + jitter[0] if values[0] else 0.0, values[1] + jitter[1], values[2] + jitter[2])

    def sized(*values: float) -> tuple[float, float, float]:
        factor = rng.uniform(0.93, 1.07, 3)
        return (values[0] * factor[0], values[1] * factor[1], values[2] * factor[2])

    def pair(tissue: str, centre: tuple[float, float, float], size: tuple[float, float, float], turn: float = 0.0) -> tuple:
        return tissue, ellipsoid(centre, size, turn, mirrored=True)

    rectum = near(0.0, b + 15.5, -2.0)
    rectum_radii = sized(14.0, 12.0, 90.0)
    bladder = near(0.0, -8.0, c + 20.0)
    bladder_radii = sized(33.0, 25.0, 21.0)
    lumen = (rectum_radii[0] - 3.5, rectum_radii[1] - 3.5, 90.0)
    marrow = [
        pair("marrow", near(88, -10, 14), sized(24, 24, 24)),
        pair("marrow", near(64, -2, 18), sized(6, 27, 34), -12),
        pair("marrow", near(57, 40, -20), sized(11, 15, 24), 20),
        pair("marrow", near(21, -(b + 29), -6), sized(18, 8, 17), 28),
        ("marrow", ellipsoid(near(0.0, b + 52, 16), sized(15, 7, 24))),
    ]
    muscles = [
        pair("muscle", near(51, 2, 0), sized(10, 33, 46), -14),
        pair("muscle", near(64, 78, 0), sized(46, 17, 75), -24),
        pair("muscle", near(52, -(b + 32), -14), sized(22, 14, 34), 15),
        pair("muscle", near(24, -(b + 66), 14), sized(19, 6, 70), -8),
        pair("muscle", near(92, 35, -5), sized(17, 24, 60), 10),
        pair("muscle", near(88, -55, 0), sized(16, 22, 70), -20),
    ]
    vessels = []
    for _ in range(22):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(1.15, 2.6)
        spot = (reach * (a + 6) * np.cos(angle), 6 + reach * (b + 8) * np.sin(angle), rng.uniform(-30, 30))
        size = (rng.uniform(0.8, 2.2), rng.uniform(0.8, 2.2), rng.uniform(6, 25))
        vessels.append(shape_of(rng.choice(["vein", "artery", "fibrous", "fibrous"]), ellipsoid(spot, size, rng.uniform(0, 90))))
    floor = ellipsoid((0, b + 1.0, -6), (a + 7.5, b + 21.0, 95.0))
    shapes = [shape_of("fat", ellipsoid((0, 8, 0), (rng.uniform(175, 195), rng.uniform(112, 122), 900)))]
    shapes += [*vessels, *(shape_of(*part) for part in muscles)]
    for tissue, part in marrow:
        shapes += [shape_of(tissue, part), shape_of("bone", part, wall_mm=2.2)]
    shapes += [
        shape_of("fibrous", ellipsoid((0, -(b + 28), -6), sized(4, 9, 17))),
        shape_of("muscle", floor, wall_mm=rng.uniform(3.0, 4.5)),
        shape_of("vein", ellipsoid((0, -(b + 6.0), 0), sized(17, 5, 20))),
        shape_of(*pair("vein", near(a + 3.0, 0, 2), sized(3, 8, 16))),
        shape_of(*pair("vein", near(0.62 * a, 0.86 * b, 0), (2.2, 2.2, 40))),
        shape_of(*pair("vein", near(50, -(b + 50), 0), (5.5, 5.5, 200))),
        shape_of(*pair("artery", near(62, -(b + 52), 0), (4.5, 4.5, 200))),
        shape_of("bladder_wall", ellipsoid(bladder, tuple(r + 3.0 for r in bladder_radii))),  # type: ignore[arg-type]
        shape_of("urine", ellipsoid(bladder, bladder_radii)),
        shape_of("rectal_wall", ellipsoid(rectum, rectum_radii)),
        shape_of("stool", ellipsoid(rectum, lumen)),
        shape_of("gas", ellipsoid((rectum[0], rectum[1] - 3, rng.uniform(-25, 25)), sized(6.0, 4.5, 13))),
        shape_of("capsule", ellipsoid(near(12, 0.55 * b + 3, c + 6), (16, 6.5, 8), 12, mirrored=True)),
        shape_of("vesicle", ellipsoid(near(13, 0.55 * b + 3, c + 6), (14, 5.3, 6.8), 12, mirrored=True)),
        shape_of("muscle", ellipsoid((0, -1, -(c + 6)), (9, 8, 16))),
    ]
    return shapes


def _tumour(patient: Patient, gland: Shape, radii: Array, rng: np.random.Generator) -> tuple[Shape, Distance, tuple[float, float]]:
    """Tumour of the patient's volume within the gland, and the level function whose two limits part its habitats.

    The outline, which truth and ROI follow, leaves out the lesion's outermost 1.5 mm, where voxels mix with normal tissue: readers
    draw on what is surely tumour.
    """
    radius = (3000 * patient.volume_ml / (4 * np.pi)) ** (1 / 3)
    side = rng.choice((-1.0, 1.0))
    peripheral = rng.random() < PERIPHERAL_SHARE
    angle = np.deg2rad(rng.uniform(25, 65) if peripheral else rng.uniform(135, 165))
    direction = np.array([side * np.sin(angle), np.cos(angle), rng.uniform(-0.35, 0.35)])
    rim = 1 / np.sqrt(((direction / radii) ** 2).sum())
    place = direction * max(rim - 0.85 * radius, 0.3 * rim)
    stretch = rng.uniform((0.88, 0.88, 1.10), (1.08, 1.08, 1.35))
    wave = rng.normal(0, 1, (3, 4)).astype(np.float32)
    wave[:, :3] *= np.float32(2 * np.pi / 26)
    wave[:, 3] *= 3
    cx, cy, cz = (np.float32(v) for v in place)

    def bumps(x: Array, y: Array, z: Array) -> Array:
        total = sum(np.sin(k[0] * x + k[1] * y + k[2] * z + k[3]) for k in wave)
        return np.asarray(total, dtype=np.float32)

    def spread(x: Array, y: Array, z: Array) -> Array:
        u, v, w = (x - cx) / np.float32(stretch[0]), (y - cy) / np.float32(stretch[1]), (z - cz) / np.float32(stretch[2])
        return np.sqrt(u * u + v * v + w * w) + np.float32(0.05 * radius) * bumps(x, y, z)

    core = place + _unit((rng.normal(size=3) + 0.6 * direction) * (1, 1, 0.3)) * radius * rng.uniform(0.85, 1.05)
    kx, ky, kz = (np.float32(v) for v in core)

    def level(x: Array, y: Array, z: Array) -> Array:
        return np.sqrt((x - kx) ** 2 + (y - ky) ** 2 + (np.float32(0.5) * (z - kz)) ** 2) + np.float32(0.04 * radius) * bumps(y, z, x)

    x, y, z = _cube(place, 2.2 * radius).points()
    inside = gland.distance(x, y, z) <= -OUTLINE_INSET_MM
    reach = np.sort(spread(x, y, z)[inside])
    limit = np.float32(reach[min(round(1000 * patient.volume_ml), reach.size) - 1])

    def distance(x: Array, y: Array, z: Array) -> Array:
        return np.maximum(spread(x, y, z) - limit, gland.distance(x, y, z) + np.float32(OUTLINE_INSET_MM))

    levels = np.sort(level(x, y, z)[distance(x, y, z) <= 0])
    first, second, _ = patient.habitat_shares
    limits = (float(levels[round(first * levels.size) - 1]), float(levels[round((first + second) * levels.size) - 1]))
    shape = Shape(habitat_tissues(patient)[2], _box((place[0], place[1], place[2]), 1.25 * float(limit) + 3), distance)
    return shape, level, limits


def _tumour_shapes(patient: Patient, tumour: Shape, level: Distance, limits: tuple[float, float]) -> list[Shape]:
    def whole(x: Array, y: Array, z: Array) -> Array:
        return tumour.distance(x, y, z) - np.float32(OUTLINE_INSET_MM)

    def within(limit: float) -> Distance:
        return lambda x, y, z: np.maximum(whole(x, y, z), level(x, y, z) - np.float32(limit))

    core, middle, loose = habitat_tissues(patient)
    parts: list[tuple[Tissue, Distance]] = [(loose, whole), (middle, within(limits[1])), (core, within(limits[0]))]
    return [Shape(tissue, tumour.box, distance) for tissue, distance in parts]


def _unit(vector: Array) -> Array:
    return vector / np.linalg.norm(vector)


def _cube(centre: Array, half_mm: float) -> Lattice:
    n = int(2 * half_mm) + 1
    return Lattice(centre - (n - 1) / 2, np.eye(3), (n, n, n))
