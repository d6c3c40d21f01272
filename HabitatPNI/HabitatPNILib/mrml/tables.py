"""The results of an analysis as an MRML table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import RESEARCH_USE_ONLY
from ..case import SEQUENCE_LABELS
from .host import vtk

COLUMNS = ("Section", "Item", "Value")


def result_rows(values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows (section, item, value) of an ``Analysis.to_dict()`` in the order in which they are read.

    The notice stands right under the number.
    """
    model = values["model"]
    rows = [
        ("Result", "Probability of perineural invasion", f"{values['probability']:.4f}"),
        ("Result", "Notice", values["notice"]),
        ("Result", "Use", RESEARCH_USE_ONLY),
        ("Result", "Class", f"{'at or above' if values['high_risk'] else 'below'} the cut-off {values['cut_off']:.4f}"),
        ("Result", "Case", values["case_id"]),
        ("Result", "Model", f"{model['name']} {model['version']}"),
    ]
    for item in values["contributions"]:
        text = f"{item['text']}: {item['log_odds']:+.4f} log odds" + (" (absent, at the training mean)" if item["imputed"] else "")
        rows.append(("Contribution", item["label"], text))
    rows += [("Radscore", region, f"{score:.4f}") for region, score in values["radscores"].items()]
    for habitat in values["habitats"]:
        name = f"Habitat {habitat['label']}"
        rows.append((name, "Voxels", str(habitat["voxels"])))
        rows.append((name, "Share of the tumour", f"{habitat['share']:.4f}"))
        rows.append((name, "Volume (mL)", f"{habitat['volume_ml']:.4f}"))
        if habitat["absent"]:
            rows.append((name, "Absent", "its radscore enters at the training mean"))
        means = {s: mean for s, mean in habitat["means"].items() if mean is not None}
        rows += [(name, f"Mean {SEQUENCE_LABELS.get(s, s)}", f"{mean:.4g}") for s, mean in means.items()]
    return rows + [("Warning", str(n), text) for n, text in enumerate(values["warnings"], start=1)]


def add_table(scene: Any, values: Mapping[str, Any], name: str) -> Any:
    """New vtkMRMLTableNode of text columns with the rows of `result_rows`."""
    rows = result_rows(values)
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
