"""A study as its report: what its tables, figures and checks say, in the order in which a reader needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .. import RESEARCH_USE_ONLY
from ..report.content import Picture
from ..report.study_content import StudyContent, StudyGrid, StudySection
from ..report.study_html import render_study
from .dictionary import reference_table
from .report_checks import checks, controls_table, standing
from .report_text import answer, fitted_where, key_figures, limitations, methods
from .summary import EXTERNAL, INTERNAL, Summary

if TYPE_CHECKING:
    from .controls import ControlResult
    from .figures import StudyFigure
    from .leakage import LeakageReport
    from .tables_form import StudyTable

_LARGEST_SVG = 1_500_000
_SIDE_BY_SIDE = "honesty"
_TABLES = {
    "Cohort": ("cohort_flow", "reference_standard", "baseline", "baseline_splits", "missing", "sample_size"),
    "Models": ("clinical_model", "signatures", "combined_model"),
    "Performance": ("performance", "comparisons", "permutation", "negative_controls", "learning_curve"),
    "Calibration": ("calibration",),
    "Clinical utility": ("net_benefit",),
    "Reclassification": ("reclassification",),
    "Subgroups": ("subgroups",),
}
_FIGURES = {
    "Models": ("nomogram",),
    "Performance": ("roc", "auc", "confusion", "learning"),
    "Calibration": ("calibration",),
    "Clinical utility": ("decision", "impact"),
}
_ABSENT = {
    "Cohort": "No table of the cohort was made.",
    "Models": "No table of the models was made.",
    "Performance": "Performance was not measured.",
    "Calibration": "There are no held-out patients, so calibration was not measured: in training it is good by construction.",
    "Clinical utility": "There are no held-out patients, so the net benefit was not measured.",
    "Reclassification": "There are no held-out patients, so reclassification was not measured.",
    "Subgroups": "There are no held-out patients, so no subgroups were looked at.",
}


def study_report_html(
    summary: Summary,
    tables: Mapping[str, StudyTable],
    figures: Mapping[str, StudyFigure],
    *,
    tripod: StudyTable | None = None,
    controls: Sequence[ControlResult] = (),
    leakage: LeakageReport | None = None,
    title: str = "",
) -> str:
    """One self-contained HTML file with the whole study.

    Parameters
    ----------
    summary : of `summarise`
    tables, figures : by name; those that the report does not know stand under "Further tables" and "Figures"
    tripod : of `tripod_table`
    controls : negative controls; none where they were not made
    leakage : of the search for patients in two splits; None where it was not made
    title : heading; by default the protocol's
    """
    data = summary.data
    found = checks(summary, controls, leakage)
    sizes = ", ".join(f"{n} {split}" for split, n in summary.patients.items())
    tables = dict(tables)
    if summary.reference.stated:
        tables["reference_standard"] = reference_table(summary.reference)
    controlled = controls_table(controls, summary)
    if controlled is not None:
        tables[controlled.name] = controlled
    content = StudyContent(
        title=title or f"Study: {data.protocol.title}",
        subtitle=f"Development and evaluation of a prediction model of perineural invasion. Patients: {sizes}. Protocol "
        f"{data.protocol.name}.",
        research_use_only=RESEARCH_USE_ONLY,
        notice=notice(summary),
        alarm=data.extraction.phantom,
        answer=(*answer(summary), standing(found)),
        key_figures=key_figures(summary),
        side_by_side=_side_by_side(summary, tables.get(_SIDE_BY_SIDE)),
        checks=found,
        sections=(
            *(_topic(name, tables, figures) for name in _TABLES),
            *_rest(tables, figures),
            StudySection("Methods", methods(summary), (_grid(fitted_where(summary)),)),
            StudySection("Limitations", points=limitations(summary)),
            _tripod(tripod),
        ),
    )
    return render_study(content)


def notice(summary: Summary) -> str:
    """What has to be known before any number."""
    if summary.data.extraction.phantom:
        return (
            "Demonstration on digital phantoms: no patient was studied. The figures show what the method does with data whose truth is "
            "known; "
            "they say nothing about prostate cancer."
        )
    return "Results of one cohort, made for research. They do not show that the model may be used for any patient."


def _side_by_side(summary: Summary, table: StudyTable | None) -> StudyGrid | None:
    if table is None:
        return None
    grid = _grid(table, summary.data.label("combined"))
    absent = [split for split in (INTERNAL, EXTERNAL) if split not in summary.patients]
    notes = [grid.note]
    if summary.honesty is None:
        notes.append("Nothing was resampled: there are no optimism-corrected and no nested figures.")
    if absent:
        notes.append(f"The cohort has no {' and no '.join(absent)} split.")
    return StudyGrid(grid.title, grid.columns, grid.rows, " ".join(n for n in notes if n), grid.highlighted)


def _topic(name: str, tables: Mapping[str, StudyTable], figures: Mapping[str, StudyFigure]) -> StudySection:
    grids = tuple(_grid(tables[key]) for key in _TABLES[name] if key in tables and len(tables[key].frame))
    pictures = tuple(_picture(figure) for key, figure in figures.items() if _topic_of(key) == name)
    return StudySection(name, () if grids or pictures else (_ABSENT[name],), grids, pictures)


def _rest(tables: Mapping[str, StudyTable], figures: Mapping[str, StudyFigure]) -> tuple[StudySection, ...]:
    """The figures that belong to no topic, and tables that the report does not know."""
    pictures = tuple(_picture(figure) for key, figure in figures.items() if not _topic_of(key))
    text = () if pictures else ("The figures stand with their topics above.",) if figures else ("No figures were made.",)
    known = {_SIDE_BY_SIDE, *(key for keys in _TABLES.values() for key in keys)}
    grids = tuple(_grid(table) for key, table in tables.items() if key not in known and len(table.frame))
    sections = (StudySection("Figures", text, (), pictures),)
    return (*sections, StudySection("Further tables", (), grids)) if grids else sections


def _topic_of(figure: str) -> str:
    return next((topic for topic, parts in _FIGURES.items() if any(part in figure for part in parts)), "")


def _tripod(table: StudyTable | None) -> StudySection:
    if table is None:
        return StudySection("TRIPOD+AI", ("The checklist was not filled in.",))
    text = "What the study itself can answer is filled in; the rest has to be written by its authors before the checklist can be submitted."
    return StudySection("TRIPOD+AI", (text,), (_grid(table),))


def _picture(figure: StudyFigure) -> Picture:
    large = len(figure.svg) > _LARGEST_SVG
    data, kind = (figure.png, "image/png") if large else (figure.svg, "image/svg+xml")
    return Picture(data, kind, figure.caption.split(". ")[0], figure.caption)


def _grid(table: StudyTable, highlighted: str = "") -> StudyGrid:
    rows = tuple(tuple(str(cell) for cell in row) for row in table.frame.itertuples(index=False))
    strong = tuple(i for i, row in enumerate(rows) if highlighted and row[0] == highlighted)
    return StudyGrid(table.title, tuple(map(str, table.frame.columns)), rows, table.note, strong)
