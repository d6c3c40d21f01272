"""The report's HTML: offline, escaped, complete."""

import dataclasses
import re

import pytest

from HabitatPNILib.drawing import percent
from HabitatPNILib.report.content import HabitatRow, Picture, ReportContent, Section, Table
from HabitatPNILib.report.html import render_report

from .reader import Reader, read

EVIL = "<script>alert('x')</script> & \"quotes\""
PIXEL = Picture(b"\x89PNG", "image/png", EVIL, EVIL)
CONTENT = ReportContent(
    case_id=EVIL,
    model=EVIL,
    research_use_only="Research use only. " + EVIL,
    probability=0.726,
    cut_off=0.27,
    high_risk=True,
    cut_off_rule=EVIL,
    notice=EVIL,
    heading="Do not use this number",
    alarm=True,
    bar=PIXEL,
    warnings=(EVIL, "second"),
    images=(Section(EVIL, (EVIL,), (PIXEL,)),),
    habitats=(
        HabitatRow(1, "#D55E00", 93, 0.33, 0.093, ("228.8", EVIL), False),
        HabitatRow(2, "#E69F00", 3, 0.01, 0.003, ("none", "none"), True),
    ),
    sequences=("T2W", EVIL),
    sections=(Section("Choices", table=Table((EVIL, "b"), ((EVIL, EVIL),), EVIL)),),
)


@pytest.fixture
def page() -> Reader:
    return read(render_report(CONTENT))


def test_text_is_escaped_everywhere(page):
    assert "script" not in {tag for tag, _ in page.tags}
    assert "<script" not in render_report(CONTENT)
    assert page.text.count(EVIL) >= 14
    assert {attrs["alt"] for tag, attrs in page.tags if tag == "img"} == {EVIL}


def test_nothing_is_fetched_from_outside(page):
    html = render_report(CONTENT)
    assert not re.search(r"https?:|//[a-z]|url\(|@import", html)
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in page.tags if tag == "img")
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "a", "form", "base"}


def test_number_class_notice_and_lines_stand_where_they_belong(page):
    html = render_report(CONTENT)
    body = html[html.index("<body>") :]
    assert body.count("Research use only.") == 2
    assert body.index("72.6 %") < body.index("class='notice alarm'") < body.index("2 warnings")
    assert "Higher risk: at or above the cut-off of 27.0 %" in page.text
    assert "Do not use this number" in page.text
    changes = {"heading": "About this number", "alarm": False, "high_risk": False, "probability": 0.1, "warnings": ()}
    calm = render_report(dataclasses.replace(CONTENT, **changes))
    assert "Lower risk: below the cut-off of 27.0 %" in calm
    assert "About this number" in calm
    assert "class='notice alarm'" not in calm
    assert "<section class='warnings'>" not in calm


def test_habitats_have_colour_size_and_absence(page):
    html = render_report(CONTENT)
    assert "background:#D55E00" in html
    assert "Habitat 2 (absent)" in page.text
    assert "33.0 %" in page.text
    assert "<h2>Habitats</h2>" not in render_report(dataclasses.replace(CONTENT, habitats=()))


@pytest.mark.parametrize(
    ("probability", "text"), [(0.194, "19.4 %"), (0.0004, "< 0.1 %"), (0.9996, "> 99.9 %"), (0.5, "50.0 %"), (0.001, "0.1 %")]
)
def test_percent_never_rounds_to_certainty(probability, text):
    assert percent(probability) == text
