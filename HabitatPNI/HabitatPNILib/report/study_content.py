"""What a study's report says, as plain values: the study's workflow fills it in, `render_study` sets it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .content import Picture


class Verdict(Enum):
    """How a check came out; the value is the word that the reader sees."""

    PASSED = "passed"
    ATTENTION = "needs attention"
    FAILED = "failed"
    NOT_DONE = "not done"


@dataclass(frozen=True)
class Check:
    """One check of the study: what it is, how it came out, and the figures behind the verdict in words."""

    name: str
    verdict: Verdict
    text: str


@dataclass(frozen=True)
class KeyFigure:
    """A number that stands out: what it is, the number, and what to know about it."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class StudyGrid:
    """A table of text; columns of numbers are set flush right, wide tables scroll.

    Parameters
    ----------
    title : stands over it
    columns : headings
    rows : cells, (rows, columns)
    note : stands under it
    highlighted : numbers of the rows that are set in bold
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    highlighted: tuple[int, ...] = ()


@dataclass(frozen=True)
class StudySection:
    """A titled part of the report: text, then tables, then figures, then points; what is empty is left out."""

    title: str
    text: tuple[str, ...] = ()
    grids: tuple[StudyGrid, ...] = ()
    pictures: tuple[Picture, ...] = ()
    points: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyContent:
    """Everything a study's report says, in the order in which it is read.

    Parameters
    ----------
    title, subtitle : heading
    research_use_only : line at the top and the bottom
    notice, alarm : what has to be known before any number; alarm: set so that nobody overlooks it
    answer : the result in plain words
    key_figures : the numbers that stand beside it
    side_by_side : the same figure by every way of estimating it; None where it could not be made
    checks : in the order of their weight
    sections : the rest in order
    """

    title: str
    subtitle: str
    research_use_only: str
    notice: str
    alarm: bool
    answer: tuple[str, ...]
    key_figures: tuple[KeyFigure, ...] = ()
    side_by_side: StudyGrid | None = None
    checks: tuple[Check, ...] = ()
    sections: tuple[StudySection, ...] = ()
