"""The engine against pyradiomics on random small images, regions and settings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from HabitatPNILib.errors import CaseError
from HabitatPNILib.features.texture import TextureSettings, texture_maps


@st.composite
def scenes(draw):
    """An image array, a region and settings."""
    shape = tuple(draw(st.integers(1, 5)) for _ in range(3))
    in_plane = draw(st.sampled_from([None, None, 0, 1, 2]))
    # along a line pyradiomics has one direction, and keeps it when it is empty: its features then differ among each other
    assume(sum(n > 1 for axis, n in enumerate(shape) if axis != in_plane) > 1)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["few", "int16", "uint8", "int64", "float32", "float64", "offset", "constant", "nearly constant"]))
    array = {
        "few": lambda: rng.integers(-1, 2, shape).astype(np.int16),
        "int16": lambda: rng.integers(-900, 900, shape).astype(np.int16),
        "uint8": lambda: rng.integers(0, 256, shape).astype(np.uint8),
        "float32": lambda: rng.normal(0, 3, shape).astype(np.float32),
        "float64": lambda: rng.normal(40, 3, shape),
        "int64": lambda: rng.integers(-(2**40), 2**40, shape),
        "offset": lambda: rng.normal(1e4, 1, shape),
        "constant": lambda: np.full(shape, 0.3),
        "nearly constant": lambda: np.nextafter(np.full(shape, 2, np.float32), rng.integers(1, 4, shape).astype(np.float32)),
    }[kind]()
    inside = rng.random(shape) < draw(st.sampled_from([0.3, 0.7, 1.0]))
    assume(inside.sum() > 1)
    radius = draw(st.integers(1, 3))
    width = draw(st.sampled_from([None, None, 0.7, 4.0, 25.0, 1e-50, 1e30]))
    if width is not None and kind in ("int16", "uint8"):
        width *= 10
    chosen = TextureSettings(
        kernel_radius=radius,
        in_plane_axis=in_plane,
        masked_kernel=draw(st.booleans()),
        bin_width=width,
        bin_count=None if width else draw(st.sampled_from([1, 2, 7, 32])),
        distances=tuple(draw(st.sets(st.integers(1, min(2, 2 * radius)), min_size=1))),
        symmetrical_glcm=draw(st.booleans()),
        gldm_alpha=draw(st.integers(0, 2)),
        voxel_array_shift=draw(st.sampled_from([0.0, 100.0])),
    )
    return array, inside.astype(np.uint8), chosen


def agrees(reference, make_image, scene) -> bool:
    """Assert that the engine gives pyradiomics' values; False where either refuses the scene in plain words."""
    array, inside, chosen = scene
    image, roi = make_image(array), make_image(inside)
    try:
        texture_maps(image, roi, chosen, threads=1)
    except CaseError:  # a clear error; any other fails the test
        return False
    try:
        reference.check(image, roi, chosen, scaled=True)
    except RuntimeError as error:  # pyradiomics refuses a region where no voxel can have a neighbour; the engine does not
        if "angle count" not in str(error):
            raise
        return False
    return True


def fuzz(reference, make_image, examples: int) -> list[bool]:
    """`agrees` of that many random scenes."""
    compared: list[bool] = []
    quiet = [HealthCheck.too_slow, HealthCheck.filter_too_much]

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=quiet)
    @given(scene=scenes())
    def one(scene):
        compared.append(agrees(reference, make_image, scene))

    one()
    return compared


def test_random_scenes(reference, make_image):
    assert sum(fuzz(reference, make_image, 8)) >= 4


@pytest.mark.slow
def test_many_random_scenes(reference, make_image):
    assert sum(fuzz(reference, make_image, 150)) >= 75
