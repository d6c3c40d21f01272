"""The panel's small pictures say the numbers they are painted from."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.drawing import INK, LOWERS, RAISES
from HabitatPNILib.gui.appearance import pixmap, pixmap_from_bytes, probability_picture, rgb, signed_picture, swatch


def columns(picture, colour):
    """Columns whose middle row has a colour."""
    return np.flatnonzero((picture[picture.shape[0] // 2] == rgb(colour)).all(axis=1))


def test_bar_is_filled_up_to_the_probability():
    picture = probability_picture(0.25, 0.6, 400, 20)
    assert picture.shape == (20, 400, 3)
    assert columns(picture, LOWERS).tolist() == list(range(100))
    assert columns(picture, INK).tolist() == [239, 240]


def test_bar_takes_the_colour_of_its_class():
    assert len(columns(probability_picture(0.6, 0.6, 400, 20), RAISES)) > 200
    assert len(columns(probability_picture(0.599, 0.6, 400, 20), RAISES)) == 0


@pytest.mark.parametrize("cut_off", [0.0, 0.001, 0.999, 1.0])
def test_tick_stays_on_the_bar(cut_off):
    assert len(columns(probability_picture(0.5, cut_off, 400, 20), INK)) == 2


def test_signed_bars_go_to_their_side_and_share_one_scale():
    half, full = (signed_picture(value, 2.0, 101, 10) for value in (1.0, -2.0))
    assert columns(half, INK).tolist() == [50]
    assert columns(half, RAISES).tolist() == list(range(51, 51 + 24))
    assert columns(full, LOWERS).tolist() == list(range(1, 50))
    assert len(columns(signed_picture(0.0, 0.0, 101, 10), RAISES)) == 0


def test_swatch_has_its_colour_and_an_edge():
    picture = swatch("#56B4E9", 14)
    assert tuple(picture[7, 7]) == (0x56, 0xB4, 0xE9)
    assert tuple(picture[0, 0]) == rgb(INK)


def test_qt_shows_the_pixels_that_were_painted():
    picture = swatch("#D55E00", 10)
    shown = pixmap(picture)
    assert (shown.width(), shown.devicePixelRatio()) == (20, 2)
    assert shown.toImage().pixelColor(10, 10).name() == "#d55e00"


def test_what_is_no_picture_gives_a_null_pixmap():
    assert pixmap_from_bytes(b"no picture").isNull()
