"""The results of an analysis as an MRML table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import RESEARCH_USE_ONLY
from ..case import SEQUENCE_LABELS
from .host import vtk

if TYPE_CHECKING:
    from ..analysis import Analysis

COLUMNS = ("Section", "Item", "Value")


def result_rows(analysis: Analysis) -> list[tuple[str, str, str]]:
    """Rows (section, item, value) in the order in which they are read; the notice stands right under the number."""
    model = analysis.model
    rows = [
        ("Result", "Probability of perineural invasion", f"{analysis.probability:.4f}"),
        ("Result", "Notice", analysis.notice),
        ("Result", "Use", RESEARCH_USE_ONLY),
        ("Result", "Class", f"{'at or above' if analysis.high_risk else 'below'} the cut-off {analysis.cut_off:.4f}"),
        ("Result", "Case", analysis.case_id),
        ("Result", "Model", f"{model.name} {model.version}"),
    ]
    for item in analysis.contributions:
        text = f"{item.text}: {item.log_odds:+.4f} log odds" + (" (absent, at the training mean)" if item.imputed else "")
        rows.append(("Contribution", item.label, text))
    rows += [("Radscore", region, f"{score:.4f}") for region, score in analysis.radscores.items()]
    for habitat in analysis.habitats:
        name = f"Habitat {habitat.label}"
        rows.append((name, "Voxels", str(habitat.voxels)))
        rows.append((name, "Share of the tumour", f"{habitat.share:.4f}"))
        rows.append((name, "Volume (mL)", f"{habitat.volume_ml:.4f}"))
        if habitat.absent:
            rows.append((name, "Absent", "its radscore enters at the training mean"))
        rows += [(name, f"Mean {SEQUENCE_LABELS.get(s, s)}", f"{mean:.4g}") for s, mean in habitat.means.items() if habitat.voxels]
    return rows + [("Warning", str(n), text) for n, text in enumerate(analysis.warnings, start=1)]


def add_table(scene: Any, analysis: Analysis, name: str) -> Any:
    """New vtkMRMLTableNode of text columns with the rows of `result_rows`."""
    rows = result_rows(analysis)
    table = vtk.vtkTable()
    for number, title in enumerate(COLUMNS):
        column = vtk.vtkStringArray()
        column.SetName(title)
        for row in rows:
            column.InsertNextValue(row[number])
        table.AddColumn(column)
    node = scene.AddNewNodeByClass("vtkMRMLTableNode", name)
    node.SetUseColumnTitleAsColumnHeader(True)
    node.SetAndObserveTable(table)
    return node
