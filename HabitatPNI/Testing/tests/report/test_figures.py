"""The report's charts: well-formed, the same bytes twice, safe at the ends of their ranges."""

import xml.etree.ElementTree as ElementTree

import pytest

from HabitatPNILib.report.figures import contribution_bars, probability_bar, validity_curves


def _check(make):
    first = make()
    assert first == make()
    root = ElementTree.fromstring(first)
    assert root.tag.endswith("svg")
    assert b"<dc:date>" not in first
    return first


def test_validity_curves():
    _check(lambda: validity_curves((2, 3, 4), (10.0, 30.0, 20.0), (0.2, 0.4, 0.3), (1.0, 0.7, 0.9), 3))


def test_validity_of_one_k_alone():
    _check(lambda: validity_curves((2,), (10.0,), (0.2,), (1.0,), 2))


def test_contributions_and_their_extremes():
    few = _check(lambda: contribution_bars(["Age: 63 years", "PI-RADS: 4"], [0.6, -0.2], [False, False]))
    many = _check(lambda: contribution_bars([f"Radscore habitat {i}" for i in range(8)], [0.0] * 8, [True] * 8))
    assert float(ElementTree.fromstring(many).attrib["height"][:-2]) > float(ElementTree.fromstring(few).attrib["height"][:-2])


@pytest.mark.parametrize(("probability", "cut_off"), [(0.0, 0.001), (1.0, 0.999), (0.4, 0.194)])
def test_probability_bar(probability, cut_off):
    _check(lambda: probability_bar(probability, cut_off))
