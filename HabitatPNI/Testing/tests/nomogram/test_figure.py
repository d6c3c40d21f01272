"""The nomogram's figure: nothing cut off or overlapping, marks where the points say, the same bytes twice."""

import itertools
import math

import pytest

from HabitatPNILib.drawing import RAISES, house_style, png_bytes, svg_bytes
from HabitatPNILib.nomogram.figure import draw_nomogram
from HabitatPNILib.nomogram.points import Axis, Nomogram

STAGES = tuple((float(i), f"T{i}") for i in range(1, 5))
CLINICAL = Nomogram(
    0.5,
    (
        Axis("age", "Age", math.log(0.92), 44, 94, "years"),
        Axis("stage", "mrT stage", math.log(1.83), 1, 4, "", STAGES),
        Axis("pi_rads", "PI-RADS", math.log(3.12), 3, 5, "", ((3.0, "\u2264 3"), (4.0, "4"), (5.0, "5"))),
    ),
)
# Effects from nearly nothing to the widest, as a combined model has them.
COMBINED = Nomogram(
    -2.3,
    (
        Axis("age", "Age", -0.003, 44, 94, "years"),
        Axis("stage", "mrT stage", 0.05, 1, 4, "", STAGES),
        *(Axis(f"r{i}", f"Radscore habitat {i}", 0.3 * i, -2.37, 1.93) for i in range(1, 6)),
        Axis("tumour", "Radscore of the whole tumour", 1.9, -2.6, 2.1, "logit scale"),
    ),
)
VALUES = {"age": 40.0, "stage": 2.0, "pi_rads": 4.0, "r1": 0.3, "r2": -1.1, "r3": 2.9, "r4": 0.0, "r5": -2.0, "tumour": 6.0}


@pytest.mark.parametrize("nomogram", [CLINICAL, COMBINED])
@pytest.mark.parametrize("values", [None, VALUES])
def test_no_text_overlaps_or_is_cut_off(nomogram, values):
    figure = draw_nomogram(nomogram, values, "Probability of PNI")
    with house_style():
        figure.canvas.draw()
        boxes = [(t.get_text(), t.get_window_extent()) for t in figure.axes[0].texts]
    for text, box in boxes:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y1 <= figure.bbox.height, text
    overlapping = [(a, b) for (a, box), (b, other) in itertools.combinations(boxes, 2) if box.overlaps(other)]
    assert overlapping == []


def test_every_level_is_named_even_on_a_short_axis():
    texts = [t.get_text() for t in draw_nomogram(COMBINED).axes[0].texts]
    assert "T1 \u00b7 T2 \u00b7 T3 \u00b7 T4" in texts
    texts = [t.get_text() for t in draw_nomogram(CLINICAL).axes[0].texts]
    assert {"T1", "T2", "T3", "T4", "\u2264 3", "4", "5"} <= set(texts)


def test_dots_lie_at_the_points_and_figures_are_written():
    figure = draw_nomogram(CLINICAL, VALUES)
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o" and line.get_markeredgecolor() == RAISES]
    points = CLINICAL.points({k: VALUES[k] for k in ("age", "stage", "pi_rads")})
    # Age 40 lies 4 years beyond the axis's end of 44.
    assert [p.points for p in points] == pytest.approx([108.0, 14.4949, 27.2920], abs=1e-3)
    assert [float(d.get_xdata()[0]) for d in dots[:3]] == pytest.approx([p.points for p in points])
    assert dots[3].get_xdata()[0] == dots[4].get_xdata()[0]
    texts = [t.get_text() for t in figure.axes[0].texts]
    assert {"108.0*", "14.5", "27.3", "this case: T2", "* outside the axis: extrapolated"} <= set(texts)
    assert f"{100 * CLINICAL.probability_of_total(CLINICAL.total_points(VALUES)):.1f} %" in texts


def test_probability_ticks_lie_at_their_totals():
    figure = draw_nomogram(CLINICAL)
    ticks = {t.get_text(): float(t.get_position()[0]) for t in figure.axes[0].texts if t.get_text().startswith(".")}
    assert {".1", ".5", ".9", ".99"} <= set(ticks)
    totals = {p: CLINICAL.total_of_probability(float(p)) for p in ticks}
    scale = totals[".5"] / ticks[".5"]
    for p, x in ticks.items():
        assert x * scale == pytest.approx(totals[p])


def test_the_same_bytes_twice():
    assert svg_bytes(draw_nomogram(CLINICAL, VALUES)) == svg_bytes(draw_nomogram(CLINICAL, VALUES))
    assert png_bytes(draw_nomogram(CLINICAL, VALUES)) == png_bytes(draw_nomogram(CLINICAL, VALUES))


def test_a_narrow_range_of_risk_still_has_ticks():
    nomogram = Nomogram(-2.0, (Axis("a", "A", 0.1, 0, 1),))
    texts = [t.get_text() for t in draw_nomogram(nomogram).axes[0].texts]
    assert len([t for t in texts if t.startswith(".1")]) >= 2
