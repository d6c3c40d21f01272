"""Frozen models: loaded as written, refused when altered, naming the field."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from HabitatPNILib.errors import ModelError
from HabitatPNILib.frozen_model import (
    FrozenModel,
    HabitatCentroids,
    Imaging,
    Signature,
    Term,
    find_model,
    installed_models,
    load_model,
    write_model,
)
from HabitatPNILib.standard_predictors import AGE, PI_RADS


def small_model(**changes) -> FrozenModel:
    values = {
        "name": "small",
        "version": "1.0.0",
        "title": "A small model",
        "kind": "combined",
        "notice": "Made for a test.",
        "demonstration": True,
        "protocol": {"name": "pca-pni", "title": "t"},
        "predictors": (AGE, PI_RADS),
        "intercept": -1.25,
        "terms": (
            Term("age", "Age", -0.083, 74.9, 7.7, 44.0, 94.0),
            Term("radscore_tumour", "Radscore whole tumour", 0.9, 0.1, 1.2, -3.0, 3.5),
        ),
        "cut_off": 0.3,
        "cut_off_rule": "Youden",
        "imaging": Imaging(
            b_values={"dwi": 1400.0},
            backbone="resnet18",
            weights="seeded:1",
            weights_sha256="ab" * 32,
            habitats=HabitatCentroids(("t2w", "adc"), (0.1, 0.2), (1.0, 1.1), ((0.0, -1.0), (0.5, 1.0 / 3.0))),
            signatures={"tumour": Signature(("tumour__adc__resnet18__0001",), (0.1,), (0.2,), (0.3,), -1.4, -1.3, 0.5)},
        ),
    }
    return FrozenModel(**{**values, **changes})


@pytest.fixture
def folder(tmp_path):
    write_model(small_model(), tmp_path / "small", "Made for a test.\n\n# small\n")
    return tmp_path / "small"


def test_a_model_comes_back_as_it_was_written(folder):
    loaded, original = load_model(folder), small_model()
    for name in ("name", "predictors", "intercept", "terms", "imaging", "cut_off", "protocol", "demonstration"):
        assert getattr(loaded, name) == getattr(original, name)
    assert loaded.card.startswith("Made for a test.")
    assert json.loads((folder / "model.json").read_text())["research_use_only"].startswith("Research use only")


@pytest.mark.parametrize("position", [30, 400, 1500, -200, -2])
def test_any_changed_byte_is_refused(folder, position):
    path = folder / "model.json"
    data = bytearray(path.read_bytes())
    data[position] = data[position] ^ 1
    path.write_bytes(bytes(data))
    with pytest.raises(ModelError) as error:
        load_model(folder)
    assert "Model small" in str(error.value)
    assert "\n" not in str(error.value)


def test_an_altered_field_is_named(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace('"intercept": -1.25', '"intercept": -1.26'))
    with pytest.raises(ModelError, match="field intercept does not match its checksum"):
        load_model(folder)


def test_an_altered_or_missing_card_is_named(folder):
    (folder / "card.md").write_text("better numbers")
    with pytest.raises(ModelError, match=r"field files\.card\.md: the file does not match"):
        load_model(folder)
    (folder / "card.md").unlink()
    with pytest.raises(ModelError, match=r"card\.md is missing"):
        load_model(folder)


def test_another_schema_and_no_json(folder):
    path = folder / "model.json"
    path.write_text(path.read_text().replace("habitatpni-model-1", "habitatpni-model-9"))
    with pytest.raises(ModelError, match="field schema is 'habitatpni-model-9'"):
        load_model(folder)
    path.write_text("{")
    with pytest.raises(ModelError, match=r"model\.json cannot be read"):
        load_model(folder)


def test_models_are_found_by_name_and_by_folder(folder, monkeypatch):
    monkeypatch.setenv("HABITATPNI_MODELS", str(folder.parent))
    assert find_model("small") == folder
    assert find_model(folder) == folder
    assert folder in list(installed_models())
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match=r"No model small: .*installed models"):
        find_model("small")


def test_a_model_can_be_read_with_the_standard_library_alone(folder):
    """The panel shows models and cards before anything is installed."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'SimpleITK', 'pydantic', 'yaml', 'pandas', 'torch', 'sklearn', 'psutil'): sys.modules[name] = None\n"
        "from HabitatPNILib.frozen_model import load_model\n"
        f"print(load_model({str(folder)!r}).predictors[0].label)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "Age"
