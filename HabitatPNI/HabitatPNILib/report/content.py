"""What a case's report says, as plain values: the workflows fill it in, `render_report` sets it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """A figure as bytes (``image/png`` or ``image/svg+xml``), what it shows in words, and how to read it."""

    data: bytes
    media_type: str
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Table:
    """A table of text; `note` stands under it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class HabitatRow:
    """One habitat: label, colour ``#RRGGBB``, share of the tumour (0 to 1), and its mean of every sequence as text."""

    label: int
    colour: str
    voxels: int
    share: float
    volume_ml: float
    means: tuple[str, ...]
    absent: bool


@dataclass(frozen=True)
class Section:
    """A titled part of the report: text, then pictures, then a table; what is empty is left out."""

    title: str
    text: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    table: Table | None = None


@dataclass(frozen=True)
class ReportContent:
    """Everything a case's report says.

    Parameters
    ----------
    case_id, model : names in the heading
    research_use_only : line at the top and the bottom
    probability, cut_off : 0 to 1
    high_risk, cut_off_rule : the class, and how the cut-off was found
    notice, heading : complete notice that stands next to the number, and what stands over it
    alarm : the number is not what it seems: the notice is set so that nobody overlooks it
    bar : probability against the cut-off
    warnings : sentences, most important first
    images : sections with the images, empty for a case without
    habitats, sequences : habitat rows and the sequences (with unit) of their means
    sections : the rest in order
    """

    case_id: str
    model: str
    research_use_only: str
    probability: float
    cut_off: float
    high_risk: bool
    cut_off_rule: str
    notice: str
    heading: str
    alarm: bool
    bar: Picture
    warnings: tuple[str, ...] = ()
    images: tuple[Section, ...] = ()
    habitats: tuple[HabitatRow, ...] = ()
    sequences: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
