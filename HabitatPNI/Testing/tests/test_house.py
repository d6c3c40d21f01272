"""The order of the floors: an import goes only downwards, and a stage does not import another stage."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "HabitatPNILib"
FLOORS = [
    {"errors", "progress", "geometry", "resources", "storage", "colours", "drawing", "csv_rows", "one_thread"},
    {"predictors", "standard_predictors", "protocol", "case", "frozen_model", "model_checks", "cohort_table"},
    {"networks"},
    {"imaging", "habitats", "features", "learning", "evaluation", "nomogram", "explain", "report"},
    {"habitat_vectors", "preparation", "prepared_store", "model_card", "cohort_run"},
    {"analysis", "clinical_model", "cohort_steps", "own_habitats", "phantoms", "worker_case"},
    {"cohort", "table_prediction", "quality", "recalibration", "second_reader"},
    {"training", "case_report"},
    {"study"},
    {"outputs"},
    {"mrml", "gui"},
    {"workbench"},
    {"terminal", "cli_commands", "study_commands", "texture_command", "cli_study", "cli_texture", "worker"},
    {"cli"},
]
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
STAGES = FLOORS[3]
HOST_PACKAGES = {"slicer", "vtk", "qt", "ctk"}
HEAVY = {"torch", "monai", "sklearn", "statsmodels", "pandas", "matplotlib", "radiomics", "highdicom", "scipy", "numba"}


def room_of(path: Path) -> str:
    relative = path.relative_to(LIBRARY)
    return relative.parts[0] if len(relative.parts) > 1 else path.stem


def imports(path: Path, everywhere: bool = True) -> list[tuple[str, int]]:
    """Modules imported by a file: rooms of the library by their name, other packages by theirs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    depth = len(path.relative_to(LIBRARY).parts)
    found = []
    for node in ast.walk(tree) if everywhere else tree.body:
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [(alias.name.split(".")[0], node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == depth:
            found += [((node.module or alias.name).split(".")[0], node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(((node.module or "").split(".")[0], node.lineno))
    return found


FILES = sorted(p for p in LIBRARY.rglob("*.py") if p.name != "__init__.py" and "shipped" not in p.parts)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_imports_go_downwards(path):
    room = room_of(path)
    assert room in FLOOR_OF, f"say in this test on which floor {room} lies"
    for target, line in imports(path):
        if target in FLOOR_OF and target != room:
            assert FLOOR_OF[target] <= FLOOR_OF[room], f"{path.name}:{line}: {room} imports {target}, which lies above it"
            assert not (room in STAGES and target in STAGES), f"{path.name}:{line}: the stage {room} imports the stage {target}"
        if target in HOST_PACKAGES:
            assert room in {"mrml", "gui"}, f"{path.name}:{line}: only mrml/ and gui/ may import {target}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_heavy_packages_are_imported_where_they_are_used(path):
    at_file_scope = {target for target, _ in imports(path, everywhere=False)}
    allowed = {"sklearn"} if path.name == "signature.py" else {"numba"} if path.name.startswith("kernels_") else set()
    assert not (at_file_scope & HEAVY) - allowed


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(LIBRARY)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 420
