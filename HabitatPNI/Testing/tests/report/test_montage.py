"""The images of the report: orientation, choice of slices, crop, overlay colours, and bytes that do not change."""

import io

import numpy as np
import pytest
from matplotlib.image import imread

from HabitatPNILib.colours import habitat_rgb
from HabitatPNILib.report.montage import (
    CROP_MARGIN_MM,
    OVERLAY_ALPHA,
    Slices,
    chosen_slices,
    crop,
    edge_letters,
    habitat_montage,
    registration_check,
    whole_field,
)

TILT = np.radians(15)
OBLIQUE = np.array([[1, 0, 0], [0, np.cos(TILT), -np.sin(TILT)], [0, np.sin(TILT), np.cos(TILT)]])


@pytest.fixture(scope="module")
def slices() -> Slices:
    rng = np.random.default_rng(3)
    shape = (12, 60, 70)
    roi = np.zeros(shape, bool)
    for z, half in zip(range(3, 10), (1, 2, 4, 7, 5, 3, 1), strict=True):
        roi[z, 30 - half : 30 + half, 20 - half : 20 + half] = True
    habitats = np.where(roi, 1, 0).astype(np.uint8)
    habitats[:, :, 20:][roi[:, :, 20:]] = 3
    grey = rng.uniform(100, 101, shape)
    return Slices({"T2W": grey, "DWI": grey + 5, "ADC": grey * 9}, roi, habitats, (1.0, 1.0, 1.0), OBLIQUE)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        (np.eye(3), ("R", "L", "A", "P")),
        (OBLIQUE, ("R", "L", "A", "P")),
        (np.diag([-1.0, -1.0, 1.0]), ("L", "R", "P", "A")),
        (np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]), ("R", "L", "H", "F")),
    ],
)
def test_letters_follow_the_direction_matrix(direction, letters):
    assert edge_letters(direction) == letters


def test_slices_are_the_largest_and_those_halfway_to_the_ends(slices):
    assert chosen_slices(slices.roi) == (4, 6, 8)
    one = np.zeros((5, 4, 4), bool)
    one[2, 1, 1] = True
    assert chosen_slices(one) == (2,)


def test_crop_is_square_in_mm_with_margin_and_inside_the_image(slices):
    rows, columns = crop(slices.roi, (1.0, 1.0), CROP_MARGIN_MM, 10)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (13, 47, 3, 37)
    rows, columns = crop(slices.roi, (0.5, 1.0), 4, 10)
    assert rows.stop - rows.start == 22
    assert columns.stop - columns.start == 44
    assert crop(slices.roi, (1.0, 1.0), 500, 10) == (slice(0, 60), slice(0, 70))


def test_overlay_shows_each_habitat_in_its_colour_on_the_right_side(slices):
    picture = imread(io.BytesIO(habitat_montage(slices)))[..., :3]
    height, width = picture.shape[:2]
    middle = slice(round(height * 0.38), round(height * 0.6))
    panel = picture[middle, width // 6 : width // 3]
    # A voxel's colour is the mixture of habitat and grey; hue order (red, green, blue) tells the habitats apart.
    vermillion = (panel[..., 0] - panel[..., 2] > 0.25).nonzero()[1]
    sky = (panel[..., 2] - panel[..., 0] > 0.15).nonzero()[1]
    assert len(vermillion) > 200
    assert len(sky) > 200
    assert vermillion.max() <= sky.min()
    plain = picture[middle, : width // 6]
    assert np.abs(plain[..., 0] - plain[..., 2]).max() < 0.01
    assert habitat_rgb(1) == (213, 94, 0)
    assert 0.3 < OVERLAY_ALPHA < 0.8


def test_a_bright_spot_on_the_patients_right_is_on_the_viewers_left(slices):
    image = np.full(slices.roi.shape, 10.0)
    image[:, 25:35, 5:12] = 200
    shown = Slices({"T2W": image}, slices.roi, slices.habitats, slices.spacing, slices.direction)
    picture = imread(io.BytesIO(whole_field(shown)))[..., :3].mean(axis=2)
    band = picture[round(picture.shape[0] * 0.47) : round(picture.shape[0] * 0.58)]
    bright = (band > 0.95).mean(axis=0) > 0.5
    assert bright.any()
    assert np.flatnonzero(bright).mean() < picture.shape[1] * 0.25


def test_pictures_are_the_same_bytes_twice(slices):
    assert whole_field(slices) == whole_field(slices)
    assert registration_check(slices, "ADC", "T2W") == registration_check(slices, "ADC", "T2W")
    assert habitat_montage(slices).startswith(b"\x89PNG")


def test_edges_mark_a_step_in_the_registered_image(slices):
    step = np.full(slices.roi.shape, 10.0)
    step[:, :, 30:] = 200
    flat = np.full(slices.roi.shape, 50.0) + np.linspace(0, 1, 70)
    picture = imread(
        io.BytesIO(registration_check(Slices({"ADC": flat, "T2W": step}, slices.roi, slices.habitats, (1, 1, 1), np.eye(3)), "ADC", "T2W"))
    )
    width = picture.shape[1]
    third = picture[:, width // 2 : 3 * width // 4, :3]
    blue = np.flatnonzero((third[..., 2] - third[..., 0] > 0.3).sum(axis=0) > 100)
    # The crop shows columns 0 to 69 at most; the step lies at 30 of them.
    assert len(blue) > 0
    assert np.mean(blue) / third.shape[1] == pytest.approx(30 / 70, abs=0.03)
