"""A case's report as one HTML file that opens offline: images inside, no script, no address outside, all text escaped."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from html import escape

from ..drawing import percent
from .content import HabitatRow, Picture, ReportContent, Section, Table
from .style import CSS

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_NUMBER = re.compile(r"^[\u2212+-]?[\d.,]+( ?%| ?s| ?mL)?$|^$|^not stated$|^not defined$")


def render_report(content: ReportContent) -> str:
    """The report as HTML text."""
    title = escape(f"{content.case_id}: perineural invasion")
    parts = [
        f"<p class='research' role='note'>{escape(content.research_use_only)}</p>",
        f"<header><h1>Case {escape(content.case_id)}</h1><p class='sub'>Model {escape(content.model)}</p></header>",
        _answer(content),
        _warnings(content.warnings),
        *(_section(section) for section in content.images),
        _habitats(content.habitats, content.sequences),
        *(_section(section) for section in content.sections),
        f"<footer><p class='research'>{escape(content.research_use_only)}</p></footer>",
    ]
    return html_page(title, CSS, parts)


def html_page(title: str, css: str, parts: Iterable[str]) -> str:
    """A whole page that may load nothing; `title` and `parts` are HTML already, and empty parts are left out."""
    return (
        "<!DOCTYPE html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n"
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        "<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{title}</title>\n<style>{css}</style>\n</head>\n<body>\n" + "\n".join(p for p in parts if p) + "\n</body>\n</html>\n"
    )


def image_html(picture: Picture) -> str:
    """The picture inside the page, no file beside it."""
    data = base64.b64encode(picture.data).decode("ascii")
    return f"<img alt='{escape(picture.alt)}' src='data:{escape(picture.media_type)};base64,{data}'>"


def _answer(content: ReportContent) -> str:
    side = "at or above" if content.high_risk else "below"
    risk = "Higher risk" if content.high_risk else "Lower risk"
    kind = "notice alarm" if content.alarm else "notice"
    return (
        "<section class='answer'><div class='number'><div class='what'>Probability of perineural invasion</div>"
        f"<div class='percent'>{escape(percent(content.probability))}</div>"
        f"<div class='class'>{risk}: {side} the cut-off of {escape(percent(content.cut_off))}</div>"
        f"<div class='sub'>Cut-off: {escape(content.cut_off_rule)}</div>{image_html(content.bar)}</div>"
        f"<div class='{kind}'><h2>{escape(content.heading)}</h2><p>{escape(content.notice)}</p></div></section>"
    )


def _warnings(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(w)}</li>" for w in warnings)
    heading = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    return f"<section class='warnings'><h2>{heading}</h2><ul>{items}</ul></section>"


def _habitats(rows: tuple[HabitatRow, ...], sequences: tuple[str, ...]) -> str:
    if not rows:
        return ""
    head = "".join(f"<th class='n'>{escape(name)}</th>" for name in ("voxels", "share", "volume", *(f"mean {s}" for s in sequences)))
    body = ""
    for row in rows:
        state = " (absent)" if row.absent else ""
        name = f"<td><span class='swatch' style='background:{escape(row.colour)}'></span>Habitat {row.label}{state}</td>"
        size = (str(row.voxels), f"{100 * row.share:.1f} %", f"{row.volume_ml:.2f} mL")
        body += f"<tr>{name}" + "".join(f"<td class='n'>{escape(text)}</td>" for text in (*size, *row.means)) + "</tr>"
    return (
        f"<section><h2>Habitats</h2><table class='habitats'><thead><tr><th>habitat</th>{head}</tr></thead><tbody>{body}</tbody></table>"
        "<p class='note'>Voxels of the analysis grid, not of the image that the outline was drawn on; means in scanner units. "
        "A habitat with fewer voxels than the protocol asks for counts as absent.</p></section>"
    )


def _section(section: Section) -> str:
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in section.text)
    pictures = "".join(_figure(picture) for picture in section.pictures)
    table = _table(section.table) if section.table else ""
    return f"<section><h2>{escape(section.title)}</h2>{text}{pictures}{table}</section>"


def _figure(picture: Picture) -> str:
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    return f"<figure>{image_html(picture)}{caption}</figure>"


def _table(table: Table) -> str:
    numeric = [all(_NUMBER.match(row[i]) for row in table.rows) for i in range(len(table.columns))]
    kinds = [" class='n'" if n else "" for n in numeric]
    head = "".join(f"<th{kind}>{escape(name)}</th>" for name, kind in zip(table.columns, kinds, strict=True))
    opening = f"<table><thead><tr>{head}</tr></thead>" if any(table.columns) else "<table class='facts'>"
    body = "".join(
        "<tr>" + "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, kinds, strict=True)) + "</tr>" for row in table.rows
    )
    note = f"<p class='note'>{escape(table.note)}</p>" if table.note else ""
    return f"{opening}<tbody>{body}</tbody></table>{note}"
