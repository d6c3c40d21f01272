"""The study report's HTML: offline, escaped, in order, numbers flush right, verdicts in words."""

import re

import pytest

from HabitatPNILib.report.content import Picture
from HabitatPNILib.report.study_content import Check, KeyFigure, StudyContent, StudyGrid, StudySection, Verdict
from HabitatPNILib.report.study_html import render_study

from .reader import Reader, read

EVIL = "<script>alert('x')</script> & \"quotes\""
NARROW = Picture(b'<svg xmlns=\'http://www.w3.org/2000/svg\' width="240.9pt" height="9pt"/>', "image/svg+xml", EVIL, EVIL)
BROAD = Picture(b'<svg xmlns=\'http://www.w3.org/2000/svg\' width="481.8pt" height="9pt"/>', "image/svg+xml", "b", "broad")
GRID = StudyGrid(
    EVIL,
    ("Model", "AUC", "p", EVIL),
    (("Clinical", "0.707 (0.612\u20130.801)", "< 0.001", EVIL), ("Combined", "0.833", "\u2013", "x")),
    EVIL,
    (1,),
)


def content(**changes) -> StudyContent:
    values = {
        "title": EVIL,
        "subtitle": EVIL,
        "research_use_only": "Research use only. " + EVIL,
        "notice": "Notice " + EVIL,
        "alarm": True,
        "answer": ("Answer " + EVIL,),
        "key_figures": (KeyFigure(EVIL, "0.833", EVIL),),
        "side_by_side": GRID,
        "checks": tuple(Check(f"Check {i} {EVIL}", verdict, EVIL) for i, verdict in enumerate(Verdict)),
        "sections": (
            StudySection("Cohort " + EVIL, (EVIL,), (GRID,), (NARROW, BROAD), (EVIL,)),
            StudySection("Calibration", ("There are no held-out patients.",)),
        ),
    }
    return StudyContent(**(values | changes))


@pytest.fixture(scope="module")
def html() -> str:
    return render_study(content())


@pytest.fixture(scope="module")
def page(html) -> Reader:
    return read(html)


def test_text_is_escaped_everywhere(html, page):
    assert "<script" not in html
    assert page.text.count(EVIL) >= 18


def test_nothing_is_fetched_and_nothing_runs(html, page):
    body = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert not re.search(r"https?:|url\(|@import|\son\w+=", body.replace(EVIL, ""))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert "default-src 'none'" in html
    assert all(attrs["href"].startswith("#") for tag, attrs in page.tags if tag == "a")


def test_parts_stand_in_order(html):
    body = html[html.index("<body>") :]
    marks = ["Research use only.", "Notice ", "Answer ", "Side by side", "<h2>Checks</h2>", "<nav", "id='s1'", "id='s2'", "<footer>"]
    places = [body.index(mark) for mark in marks]
    assert places == sorted(places)
    assert body.count("Research use only.") == 2


def test_every_verdict_is_a_word_and_a_mark(html, page):
    for verdict, mark in zip(Verdict, "\u2713!\u2717\u2013", strict=True):
        assert re.search(
            rf"<span class='mark' aria-hidden='true'>{re.escape(mark)}</span><div>.*?<span class='verdict'>{verdict.value}</span>", html
        )
    assert {"passed", "needs attention", "failed", "not done"} == {v.value for v in Verdict}


def test_numbers_stand_right_and_words_left(html):
    assert html.count("<td class='n'>0.707 <span>(0.612\u20130.801)</span></td>") == 2
    assert "<td class='n'>&lt; 0.001</td>" in html
    assert "<td class='n'>\u2013</td>" in html
    assert "<td>Clinical</td>" in html
    assert "<tr class='strong'><td>Combined</td>" in html
    assert "<th scope='col' class='n'>AUC</th>" in html


@pytest.mark.parametrize(
    ("cells", "right"),
    [
        (["12 (34.5 %)", "3"], True),
        (["70.62 \u00b1 7.7", "71 [65, 76]"], True),
        (["3 of 144 (2.1 %)", "not run"], True),
        (["\u22120.126 (\u22120.185 to +0.066)"], True),
        (["1e-6"], True),
        (["T1", "T2"], False),
        (["Welch t", ""], False),
        (["", "\u2013"], False),
        (["habitat 1"], False),
    ],
)
def test_a_column_is_one_of_numbers_or_not(cells, right):
    grid = StudyGrid("t", ("a", "b"), tuple(("x", cell) for cell in cells))
    assert ("<td class='n'>" in render_study(content(side_by_side=grid, sections=()))) is right


def test_wide_tables_scroll_and_set_intervals_below(html):
    cells = tuple("0.707 (0.612\u20130.801)" for _ in range(10))
    wide = render_study(content(side_by_side=StudyGrid("t", tuple("abcdefghij"), (cells,)), sections=()))
    assert "<div class='scroll' tabindex='0' role='region' aria-label='t'><table class='very wide'>" in wide
    assert "<table class='very wide'>" not in html


def test_tables_and_figures_are_numbered(html, page):
    assert "<b>Table 1.</b>" in html
    assert "<b>Table 2.</b>" in html
    assert "<figure class='half'>" in html
    assert "<figure class='full'>" in html
    assert html.index("<b>Figure 1.</b>") < html.index("<b>Figure 2.</b> broad")


def test_groups_of_rows_are_seen(html):
    grid = StudyGrid("t", ("Cohort", "Model"), (("Internal", "a"), ("Internal", "b"), ("External", "a")))
    assert render_study(content(side_by_side=grid, sections=())).count("<tr class='same'>") == 1


def test_what_is_absent_leaves_nothing_behind():
    bare = render_study(content(side_by_side=None, checks=(), key_figures=(), notice="", sections=(), alarm=False))
    for tag in ("<table", "<nav", "<dl", "<ul", "class='notice", "<h2>Checks"):
        assert tag not in bare[bare.index("<body>") :]
