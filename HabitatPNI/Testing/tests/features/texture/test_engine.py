"""The engine without pyradiomics: its kept numbers, neighbourhoods that can be worked out by hand, bad input, stopping."""

from __future__ import annotations

import importlib
import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from HabitatPNILib.errors import Cancelled, CaseError
from HabitatPNILib.features.texture import TextureSettings, engine, texture_maps
from HabitatPNILib.features.texture.names import ALL93, FEATURES, names_of

TABLE = Path(__file__).with_name("pyradiomics_3.1.4.json")
SCENES = {
    "3d": TextureSettings(),
    "in-plane": TextureSettings.preset("hcc77", features=ALL93, bin_count=8),
    "unmasked": TextureSettings(masked_kernel=False, bin_width=10.0, kernel_radius=1, gldm_alpha=1, voxel_array_shift=50.0),
    "not symmetrical": TextureSettings(symmetrical_glcm=False, distances=(1, 2), bin_count=5, in_plane_axis=2),
}
VOXELS = (0, 9, 20)


def scene(make_image):
    """An image of whole numbers and a region with a corner at the image's border."""
    z, y, x = np.mgrid[:5, :7, :6]
    array = (7 * z + 5 * y * y + 3 * x * x * z + 11 * x * y) % 97 - 20
    inside = (z < 3) & (y >= 1) & (y < 5) & (x < 4) & ((x + y + z) % 5 != 0)
    return make_image(array.astype(np.int16)), make_image(inside.astype(np.uint8))


@pytest.mark.parametrize("which", SCENES)
def test_all_features_have_the_kept_numbers_of_pyradiomics(make_image, which):
    """The table holds what pyradiomics-bhklab 3.1.4 gives with voxelBatch=1; `test_table_is_pyradiomics_own` compares them."""
    maps = texture_maps(*scene(make_image), SCENES[which])
    table = json.loads(TABLE.read_text(encoding="utf-8"))[which]
    assert set(table) == set(ALL93)
    for name, expected in table.items():
        assert maps.column(name)[list(VOXELS)] == pytest.approx(expected, rel=1e-9, abs=1e-11), name


@pytest.mark.slow
@pytest.mark.parametrize("which", SCENES)
def test_table_is_pyradiomics_own(reference, make_image, which):
    image, roi = scene(make_image)
    indices = texture_maps(image, roi, TextureSettings(features=names_of("ngtdm"))).indices
    table = json.loads(TABLE.read_text(encoding="utf-8"))[which]
    for name, values in reference.values(image, roi, SCENES[which], indices).items():
        assert table[name] == pytest.approx(values[list(VOXELS)].tolist(), rel=1e-12, abs=1e-13), name


def test_constant_neighbourhoods_have_pyradiomics_conventions(make_image):
    array = np.full((3, 5, 9), 0.3)
    array[:, :, 6:] = 8.0
    maps = texture_maps(make_image(array), make_image(np.ones(array.shape, np.uint8)), TextureSettings(kernel_radius=1))
    first = {name.removeprefix("original_"): maps.column(name)[0] for name in maps.names}
    assert np.isfinite(maps.values).all()
    assert first["firstorder_Skewness"] == first["firstorder_Kurtosis"] == first["firstorder_Variance"] == 0
    assert first["firstorder_Entropy"] == first["glcm_JointEntropy"] == first["glcm_Imc1"] == first["glcm_Imc2"] == 0
    assert first["firstorder_Mean"] == 0.3
    assert first["glcm_Correlation"] == 1
    assert first["glcm_MCC"] == 0
    assert first["ngtdm_Coarseness"] == 1e6
    assert [first[f"ngtdm_{name}"] for name in ("Busyness", "Complexity", "Contrast", "Strength")] == [0, 0, 0, 0]
    assert first["glszm_LargeAreaEmphasis"] == 8**2
    alone = texture_maps(make_image(np.full((3, 3, 3), 4)), make_image(np.ones((3, 3, 3), np.uint8)))
    assert np.all(alone.column("original_glcm_MCC") == 1)


def test_a_voxel_without_neighbours_has_no_pairs_and_no_runs(make_image):
    inside = np.zeros((3, 9, 9), np.uint8)
    inside[1, 1, 1] = 1
    inside[1, 6:8, 6:8] = 1
    maps = texture_maps(make_image(np.arange(243, dtype=np.float64).reshape(3, 9, 9)), make_image(inside))
    lonely = dict(zip(maps.names, maps.values[0], strict=True))
    for name in ALL93:
        family = name.split("_")[1]
        assert np.isnan(lonely[name]) == (family in ("glcm", "glrlm")), name
    assert lonely["original_glszm_ZonePercentage"] == 1
    assert np.isfinite(maps.values[1:]).all()


def test_a_radius_larger_than_the_image_takes_the_whole_image(make_image):
    rng = np.random.default_rng(0)
    image, roi = make_image(rng.normal(size=(2, 4, 3))), make_image(np.ones((2, 4, 3), np.uint8))
    maps = texture_maps(image, roi, TextureSettings(kernel_radius=15))
    assert np.allclose(maps.values, maps.values[0], rtol=1e-12)
    assert np.array_equal(maps.values, texture_maps(image, roi, TextureSettings(kernel_radius=3)).values)


def test_values_do_not_depend_on_threads_or_on_what_else_is_computed(make_image):
    image, roi = make_image(np.random.default_rng(1).normal(size=(12, 14, 14))), make_image(np.ones((12, 14, 14), np.uint8))
    one = texture_maps(image, roi, TextureSettings(bin_count=8), threads=1)
    three = texture_maps(image, roi, TextureSettings(bin_count=8), threads=3)
    assert np.array_equal(one.values, three.values)
    chosen = ("original_ngtdm_Contrast", "original_glcm_Contrast")
    few = texture_maps(image, roi, TextureSettings(features=chosen, bin_count=8))
    assert np.array_equal(few.values, np.stack([one.column(name) for name in chosen], axis=1))


def test_an_8_bit_image_does_not_overflow(make_image):
    """pyradiomics with NumPy 2 adds twice a whole binWidth to the maximum in the image's own type, 255 + 50 = 49."""
    array = np.random.default_rng(2).integers(0, 256, (3, 5, 5)).astype(np.uint8)
    roi = make_image(np.ones(array.shape, np.uint8))
    narrow = texture_maps(make_image(array), roi, TextureSettings(bin_width=25))
    wide = texture_maps(make_image(array.astype(np.int32)), roi, TextureSettings(bin_width=25))
    assert np.array_equal(narrow.values, wide.values)


def test_non_finite_voxels_count_only_where_they_take_part(make_image):
    array = np.random.default_rng(4).normal(size=(3, 8, 8))
    inside = np.zeros(array.shape, np.uint8)
    inside[:, 2:5, 2:5] = 1
    clean = texture_maps(make_image(array), make_image(inside))
    array[1, 5, 5] = np.nan
    array[0, 0, 0] = np.inf
    assert np.array_equal(texture_maps(make_image(array), make_image(inside)).values, clean.values)
    with pytest.raises(CaseError, match="2 voxels of the ROI and its surroundings are not finite"):
        texture_maps(make_image(array), make_image(inside), TextureSettings(masked_kernel=False))
    array[1, 3, 3] = np.nan
    with pytest.raises(CaseError, match="1 voxels of the ROI are not finite"):
        texture_maps(make_image(array), make_image(inside))


def test_input_that_does_not_fit_is_refused_in_one_line(make_image):
    image = make_image(np.random.default_rng(4).normal(size=(3, 8, 8)))
    for roi, told in (
        (make_image(np.zeros((3, 8, 8), np.uint8)), "the ROI has 0 voxels"),
        (make_image(np.pad(np.ones((1, 1, 1), np.uint8), ((1, 1), (3, 4), (3, 4)))), "the ROI has 1 voxels; texture needs at least two"),
        (make_image(np.ones((3, 8, 8), np.uint8), (1.0, 1.0, 1.0)), "are on different grids; resample the ROI first"),
        (make_image(np.ones((3, 8, 7), np.uint8)), "are on different grids"),
        (make_image(np.ones((8, 8), np.uint8)[None])[:, :, 0], "the ROI is no 3D image"),
    ):
        with pytest.raises(CaseError, match=told) as caught:
            texture_maps(image, roi)
        assert "\n" not in str(caught.value)


def test_more_levels_than_the_glcm_allows_are_refused(make_image):
    image = make_image(np.arange(12 * 12 * 12, dtype=np.float64).reshape(12, 12, 12))
    roi = make_image(np.ones((12, 12, 12), np.uint8))
    with pytest.raises(CaseError, match="1331 grey levels, more than the 1024 that GLCM allows"):
        texture_maps(image, roi, TextureSettings(bin_width=0.5, kernel_radius=5))


def test_progress_rises_to_one_and_cancelling_stops(make_image):
    image, roi = make_image(np.random.default_rng(1).normal(size=(20, 20, 20))), make_image(np.ones((20, 20, 20), np.uint8))
    chosen = TextureSettings(features=names_of("gldm"))
    told: list[tuple[float, str]] = []
    texture_maps(image, roi, chosen, lambda fraction, message: told.append((fraction, message)))
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert {message for _, message in told} <= {
        "Texture maps",
        "Loading the texture kernel gldm (compiled at first use, about 30 s for all)",
    }
    calls = []

    def stop(fraction: float, message: str) -> None:
        calls.append(fraction)
        if fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        texture_maps(image, roi, chosen, stop, threads=2)
    assert calls[-1] < 0.5


def test_who_waits_for_a_kernel_is_told_so_and_can_leave(make_image, monkeypatch):
    """A compilation that cannot be stopped goes on by itself; whoever cancelled is free at once."""
    image, roi = make_image(np.random.default_rng(1).normal(size=(3, 4, 4))), make_image(np.ones((3, 4, 4), np.uint8))
    compiled = threading.Event()
    monkeypatch.setitem(engine.KERNELS, "ngtdm", lambda region, settings: compiled.wait(20))
    told = []

    def stop(fraction: float, message: str) -> None:
        told.append((fraction, message))
        if len(told) == 3:
            raise Cancelled

    began = time.perf_counter()
    with pytest.raises(Cancelled):
        texture_maps(image, roi, TextureSettings(features=names_of("ngtdm")), stop)
    assert time.perf_counter() - began < 3
    loading = (0.0, "Loading the texture kernel ngtdm (compiled at first use, about 30 s for all)")
    assert told == [(0.0, "Texture maps"), loading, loading]
    compiled.set()


def test_nothing_is_compiled_after_the_kernels_are_loaded(make_image):
    """Every kernel has one set of argument types, whatever the image's type, the region's size and the settings."""
    for values, size, chosen in (
        (np.random.default_rng(1).normal(size=(9, 9, 9)), 9, TextureSettings()),
        (np.random.default_rng(1).integers(0, 9, (9, 9, 9)).astype(np.uint8), 3, SCENES["not symmetrical"]),
        (np.random.default_rng(1).normal(size=(9, 9, 9)).astype(np.float32), 3, SCENES["unmasked"]),
    ):
        inside = np.zeros((9, 9, 9), np.uint8)
        inside[:size, :size, :size] = 1
        texture_maps(make_image(values), make_image(inside), chosen)
    for family in (*FEATURES, "neighbourhood"):
        module = importlib.import_module(f"HabitatPNILib.features.texture.kernels_{family}")
        kernel = module.gather if family == "neighbourhood" else getattr(module, family)
        assert len(kernel.signatures) == 1, family
