"""Colours of the habitats, the same in the report, in figures and in Slicer's colour table.

Okabe and Ito's set, which people with any kind of colour vision can tell apart; the ninth is Paul Tol's, since black is none on MRI.
"""

from __future__ import annotations

HABITAT_COLOURS: dict[int, str] = {
    1: "#D55E00",  # vermillion
    2: "#E69F00",  # orange
    3: "#56B4E9",  # sky blue
    4: "#009E73",  # green
    5: "#CC79A7",  # purple
    6: "#F0E442",  # yellow
}
_FURTHER = ("#0072B2", "#999999", "#882255")


def habitat_colour(label: int) -> str:
    """Colour ``#RRGGBB`` of a habitat's label 1..9, as many as a protocol may ask for."""
    return HABITAT_COLOURS.get(label) or _FURTHER[(label - 1) % len(_FURTHER)]


def habitat_rgb(label: int) -> tuple[int, int, int]:
    """Red, green and blue of a habitat's label, 0 to 255."""
    colour = habitat_colour(label)
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
