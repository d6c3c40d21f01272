"""The Extensions Index: its entry, the extension's metadata, and the files that both name."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[3]
ENTRY = REPOSITORY / "HabitatPNI" / "Resources" / "HabitatPNI.json"
RAW = "https://raw.githubusercontent.com/HabitatPNI/HabitatPNI/main/"
SCHEMA = "https://raw.githubusercontent.com/Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#"
# The index's schema 1.0.2: which keys it knows, and of what type they are.
TYPES = {
    "$schema": str,
    "category": str,
    "scm_url": str,
    "scm_revision": str,
    "scm_type": str,
    "build_dependencies": list,
    "dicom_support_rule": str,
    "build_subdirectory": str,
    "enabled": bool,
    "tier": int,
}
REQUIRED = {"$schema", "category", "scm_url"}


@pytest.fixture(scope="module")
def entry():
    return json.loads(ENTRY.read_bytes())


def metadata(key: str) -> str:
    found = re.search(rf'set\(EXTENSION_{key} "([^"]+)"\)', (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8"))
    assert found, key
    return found[1]


def test_entry_follows_schema_1_0_2(entry):
    assert entry["$schema"] == SCHEMA
    assert set(entry) >= REQUIRED
    assert set(entry) <= set(TYPES)
    assert {key: type(value) for key, value in entry.items()} == {key: TYPES[key] for key in entry}
    assert all(isinstance(name, str) for name in entry["build_dependencies"])
    assert 1 <= entry["tier"] <= 5
    assert entry.get("scm_type", "git") in {"git", "local"}
    assert b"\r" not in ENTRY.read_bytes()
    assert list(entry) == sorted(entry)


def test_entry_says_the_same_as_cmake(entry):
    text = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert re.search(r"project\s*\(\s*([^\s)]+)", text)[1] == ENTRY.stem
    assert entry["category"] == metadata("CATEGORY")
    assert entry["build_dependencies"] == metadata("DEPENDS").split()
    assert entry["scm_url"] == metadata("HOMEPAGE")
    assert entry["scm_url"].startswith("https://")
    assert not ENTRY.stem.lower().startswith("slicer")


def test_description_is_one_or_two_sentences_for_non_experts():
    description = metadata("DESCRIPTION")
    assert 1 <= len(re.findall(r"\.(?: |$)", description)) <= 2
    assert not re.search(r"\b(T2W|DWI|ADC|radscore|nomogram|ResNet|LASSO)\b", description)
    assert "Research use only" in description


@pytest.mark.parametrize("key", ["ICONURL", "SCREENSHOTURLS"])
def test_pictures_are_in_the_repository_where_their_urls_say(key):
    for url in metadata(key).split():
        assert url.startswith(RAW)
        picture = REPOSITORY / url.removeprefix(RAW)
        assert picture.is_file(), f"{url}: run `make screenshots`"
        assert picture.read_bytes().startswith(b"\x89PNG")


def test_licence_and_citation_are_named():
    assert (REPOSITORY / "LICENSE.txt").is_file()
    homepage = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert re.search(r"Licen[cs]e: Apache-2\.0", homepage)
    assert "CITATION.cff" in homepage
    citation = (REPOSITORY / "CITATION.cff").read_text(encoding="utf-8")
    assert "license: Apache-2.0" in citation
    version = re.search(r'^version = "([^"]+)"', (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert version
    assert f"\nversion: {version[1]}\n" in citation


def test_sample_data_thumbnail_is_a_small_picture():
    png = (REPOSITORY / "HabitatPNI" / "Resources" / "Icons" / "HabitatPNIPhantom.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", png[16:24])
    assert (width, height) == (256, 192)
    assert len(png) < 100_000


def test_tutorial_shows_every_picture_with_a_text_and_every_link_leads_somewhere():
    tutorial = REPOSITORY / "docs" / "tutorial.md"
    text = tutorial.read_text(encoding="utf-8")
    pictures = dict(re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text))
    assert all(len(alternative) > 20 for alternative in pictures)
    shown = {Path(target).name for target in pictures.values()}
    assert {Path(url).name for url in metadata("SCREENSHOTURLS").split()} <= shown
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (tutorial.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("workflow", sorted((REPOSITORY / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_workflows_are_yaml_whose_actions_are_pinned_by_major_version(workflow):
    values = yaml.safe_load(workflow.read_bytes())
    assert values["permissions"] == {"contents": "read"}
    steps = [step for job in values["jobs"].values() for step in job["steps"]]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    assert all("timeout-minutes" in job for job in values["jobs"].values())


def commands(workflow: Path) -> str:
    values = yaml.safe_load(workflow.read_bytes())
    return "\n".join(step.get("run", "") for job in values["jobs"].values() for step in job["steps"])


def test_a_package_index_of_its_own_never_has_to_hold_the_pinned_versions():
    places = [commands(path) for path in (REPOSITORY / ".github" / "workflows").glob("*.yml")]
    places.append((REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    lines = [line for text in places for line in text.splitlines() if "--index-url" in line and "constraints.txt" in line]
    assert len(lines) == 2
    assert all("--no-deps" in line for line in lines)


def test_what_xvfb_run_needs_is_installed():
    text = commands(REPOSITORY / ".github" / "workflows" / "slicer.yml")
    assert "xvfb-run" in text
    assert re.search(r"apt-get install.* xvfb .*\bxauth\b", text)


def test_slicer_that_is_tested_is_the_oldest_supported():
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "slicer.yml").read_bytes())
    headless = re.search(r"slicer-core>=(\d+\.\d+)", (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    assert headless
    assert workflow["env"]["SLICER_VERSION"] == headless[1]
