"""A study's report as one HTML file that opens offline: figures inside, no script, no address outside, all text escaped."""

from __future__ import annotations

import re
from html import escape
from itertools import count

from .content import Picture
from .html import html_page, image_html
from .study_content import Check, KeyFigure, StudyContent, StudyGrid, StudySection, Verdict
from .study_style import STUDY_CSS
from .style import CSS

_MARKS = {Verdict.PASSED: "\u2713", Verdict.ATTENTION: "!", Verdict.FAILED: "\u2717", Verdict.NOT_DONE: "\u2013"}
_KINDS = {Verdict.PASSED: "good", Verdict.ATTENTION: "look", Verdict.FAILED: "bad", Verdict.NOT_DONE: "none"}
_NEUTRAL = re.compile(r"^$|^[-\u2013\u2014\u2212]$|^(not|none)\b.*$|^n/?a$", re.IGNORECASE)
_WORDS = re.compile(r"(?<=\d)e[+-]?\d+|\b(to|and|of|mL|SD|CI)\b|[%\u00b1<>=\u2264\u2265()\[\]/;:,.*+\u2013\u2212\s-]|\d")
_ROOM, _SMALL_ROOM = 128, 142
_LONG = 44
_SVG_WIDTH = re.compile(rb"<svg[^>]*\bwidth=\"([\d.]+)pt\"")
_NARROW_POINTS = 300.0
_NUMBERS = " class='n'"


def render_study(content: StudyContent) -> str:
    """The report as HTML text."""
    tables, figures = count(1), count(1)
    research = f"<p class='research' role='note'>{escape(content.research_use_only)}</p>"
    kind = "notice alarm" if content.alarm else "notice"
    numbered = [(f"s{i}", section) for i, section in enumerate(content.sections, start=1)]
    parts = [
        research,
        f"<header><h1>{escape(content.title)}</h1><p class='sub'>{escape(content.subtitle)}</p></header>",
        f"<div class='{kind} first'><p>{escape(content.notice)}</p></div>" if content.notice else "",
        _answer(content),
        _side_by_side(content.side_by_side, tables),
        _checks(content.checks),
        _contents(numbered),
        *(_section(anchor, section, tables, figures) for anchor, section in numbered),
        f"<footer>{research}</footer>",
    ]
    return html_page(escape(content.title), CSS + STUDY_CSS, parts)


def _answer(content: StudyContent) -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in content.answer)
    figures = "".join(_key_figure(figure) for figure in content.key_figures)
    strip = f"<dl class='strip'>{figures}</dl>" if figures else ""
    return f"<section class='result'><h2>The answer</h2>{text}{strip}</section>"


def _key_figure(figure: KeyFigure) -> str:
    note = f"<dd class='sub'>{escape(figure.note)}</dd>" if figure.note else ""
    return f"<div><dt>{escape(figure.label)}</dt><dd class='value'>{escape(figure.value)}</dd>{note}</div>"


def _side_by_side(grid: StudyGrid | None, numbers: count[int]) -> str:
    return f"<section><h2>Side by side</h2>{_grid(grid, numbers)}</section>" if grid else ""


def _checks(checks: tuple[Check, ...]) -> str:
    if not checks:
        return ""
    rows = "".join(
        f"<li class='{_KINDS[c.verdict]}'><span class='mark' aria-hidden='true'>{_MARKS[c.verdict]}</span>"
        f"<div><p class='name'>{escape(c.name)}: <span "
        f"class='verdict'>{escape(c.verdict.value)}</span></p><p>{escape(c.text)}</p></div></li>"
        for c in checks
    )
    return f"<section><h2>Checks</h2><ul class='checks'>{rows}</ul></section>"


def _contents(sections: list[tuple[str, StudySection]]) -> str:
    links = "".join(f"<li><a href='#{anchor}'>{escape(section.title)}</a></li>" for anchor, section in sections)
    return f"<nav aria-label='Contents'><ul>{links}</ul></nav>" if links else ""


def _section(anchor: str, section: StudySection, tables: count[int], figures: count[int]) -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in section.text)
    grids = "".join(_grid(grid, tables) for grid in section.grids)
    drawn = "".join(_figure(picture, next(figures)) for picture in section.pictures)
    pictures = f"<div class='figures'>{drawn}</div>" if drawn else ""
    points = "".join(f"<li>{escape(point)}</li>" for point in section.points)
    listed = f"<ul class='points'>{points}</ul>" if points else ""
    return f"<section id='{anchor}'><h2>{escape(section.title)}</h2>{text}{grids}{pictures}{listed}</section>"


def _figure(picture: Picture, number: int) -> str:
    size = "half" if _is_narrow(picture) else "full"
    return (
        f"<figure class='{size}'>{image_html(picture)}<figcaption><b>Figure {number}.</b> {escape(picture.caption)}</figcaption></figure>"
    )


def _is_narrow(picture: Picture) -> bool:
    """Whether a figure was drawn for one of two columns."""
    width = _SVG_WIDTH.search(picture.data[:2000])
    return width is not None and float(width[1]) < _NARROW_POINTS


def _grid(grid: StudyGrid, numbers: count[int]) -> str:
    kinds = [_kind([row[i] for row in grid.rows]) for i in range(len(grid.columns))]
    head = "".join(f"<th scope='col'{kind}>{escape(name)}</th>" for name, kind in zip(grid.columns, kinds, strict=True))
    body = "".join(
        f"<tr{_row_kind(grid, i)}>"
        + "".join(f"<td{kind}>{_cell(cell, kind)}</td>" for cell, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for i, row in enumerate(grid.rows)
    )
    letters = _width(grid)
    size = " class='very wide'" if letters > _SMALL_ROOM else " class='wide'" if letters > _ROOM else ""
    title = f"<b>Table {next(numbers)}.</b> {escape(grid.title)}"
    note = f"<p class='note'>{escape(grid.note)}</p>" if grid.note else ""
    return (
        f"<div class='grid'><p class='caption'>{title}</p><div class='scroll' tabindex='0' role='region' aria-label='{escape(grid.title)}'>"
        f"<table{size}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{note}</div>"
    )


def _width(grid: StudyGrid) -> int:
    """Letters that a row needs beside each other, the gaps between columns counted as two."""
    columns = [[row[i] for row in grid.rows] + grid.columns[i].split() for i in range(len(grid.columns))]
    return sum(min(max(map(len, cells), default=0), _LONG) + 2 for cells in columns)


def _row_kind(grid: StudyGrid, i: int) -> str:
    """Class of a row: set in bold, or of the same group as the one above."""
    if i in grid.highlighted:
        return " class='strong'"
    return " class='same'" if i and grid.rows[i][0] == grid.rows[i - 1][0] else ""


def _cell(cell: str, kind: str) -> str:
    """A number's interval is marked, so that a wide table can set it on a line of its own."""
    head, bracket, rest = cell.partition(" (")
    return f"{escape(head)} <span>({escape(rest)}</span>" if bracket and kind == _NUMBERS else escape(cell)


def _kind(cells: list[str]) -> str:
    """Class of a column: numbers flush right, long text with room to wrap, short text on one line."""
    telling = [cell for cell in cells if not _NEUTRAL.match(cell.strip())]
    if telling and all(any(c.isdigit() for c in cell) and not _WORDS.sub("", cell) for cell in telling):
        return _NUMBERS
    return " class='long'" if any(len(cell) > _LONG for cell in cells) else ""
