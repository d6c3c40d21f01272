"""What ships with the Slicer extension: CMake's lists against the disk, and what the module file imports."""

from __future__ import annotations

import ast
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2]
REPOSITORY = MODULE.parent
ALLOWED = sys.stdlib_module_names | {"slicer", "qt", "ctk", "vtk", "numpy", "HabitatPNILib"}
NOT_SHIPPED = {"Resources/HabitatPNIModels"}


def listed(name: str) -> list[str]:
    text = (MODULE / "CMakeLists.txt").read_text(encoding="utf-8")
    block = re.search(rf"set\({name}\n(.*?)\n\s*\)", text, re.DOTALL)
    assert block, f"no set({name} ...) in HabitatPNI/CMakeLists.txt"
    return [line.strip() for line in block[1].splitlines() if line.strip()]


def on_disk(folder: str, pattern: str) -> set[str]:
    files = (p.relative_to(MODULE).as_posix() for p in (MODULE / folder).rglob(pattern) if p.is_file() and "__pycache__" not in p.parts)
    return {f for f in files if not any(f.startswith(f"{left}/") for left in NOT_SHIPPED)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MODULE_PYTHON_SCRIPTS", {"HabitatPNI.py"} | on_disk("HabitatPNILib", "*.py")),
        ("MODULE_PYTHON_RESOURCES", on_disk("Resources", "*")),
    ],
)
def test_cmake_lists_what_is_on_the_disk(name, expected):
    found = listed(name)
    missing, gone = sorted(expected - set(found)), sorted(set(found) - expected)
    assert not missing, f"add to {name} in HabitatPNI/CMakeLists.txt:\n" + "\n".join(f"  {f}" for f in missing)
    assert not gone, f"take out of {name} in HabitatPNI/CMakeLists.txt:\n" + "\n".join(f"  {f}" for f in gone)
    assert len(found) == len(set(found))


def test_tests_named_in_cmake_are_there():
    folder = MODULE / "Testing" / "Python"
    named = set(re.findall(r"SCRIPT (\S+\.py)", (folder / "CMakeLists.txt").read_text(encoding="utf-8")))
    assert named == {p.name for p in folder.glob("*Test.py")}


@pytest.mark.parametrize("key", ["HOMEPAGE", "CATEGORY", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS"])
def test_extension_says_what_the_index_asks_for(key):
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    value = re.search(rf'set\(EXTENSION_{key} "([^"]+)"\)', text)
    assert value
    assert not value[1].startswith("http://")


def test_icon_url_names_the_icon_that_ships():
    url = re.search(r'EXTENSION_ICONURL "[^"]*/main/([^"]+)"', (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8"))
    assert url
    png = (REPOSITORY / url[1]).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (128, 128)


def test_module_file_imports_only_what_slicer_brings():
    tree = ast.parse((MODULE / "HabitatPNI.py").read_text(encoding="utf-8"))
    inside = {id(n) for f in ast.walk(tree) if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) for n in ast.walk(f)}
    roots = set()
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            roots |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots.add((node.module or "").split(".")[0])
    assert roots <= ALLOWED


def test_what_the_module_file_imports_of_the_library_needs_the_standard_library_alone():
    code = (
        f"import sys; sys.path.insert(0, {str(MODULE)!r}); before = set(sys.modules); import HabitatPNILib.mrml.logic; "
        "print(sorted({m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "['HabitatPNILib']"


def test_requirements_touch_nothing_of_slicers_own():
    names = []
    for line in (MODULE / "Resources" / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            match = re.fullmatch(r"([A-Za-z0-9_.-]+)>=[0-9.]+", line.strip())
            assert match, f"not a loose range: {line}"
            names.append(match[1].lower())
    assert names[0] == "torch"
    assert {"psutil", "pyyaml", "pydantic", "scikit-learn"} <= set(names)
    assert not set(names) & {"numpy", "simpleitk", "vtk", "slicer-core", "pyradiomics", "pyradiomics-bhklab", "shap"}


def test_only_mrml_and_gui_import_slicer():
    found = []
    for file in (MODULE / "HabitatPNILib").rglob("*.py"):
        if file.relative_to(MODULE / "HabitatPNILib").parts[0] in {"mrml", "gui"}:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = (
                [a.name for a in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            found += [file.name for name in names if name.split(".")[0] in {"slicer", "vtk", "qt", "ctk"}]
    assert found == []
