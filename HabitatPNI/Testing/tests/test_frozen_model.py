"""Frozen models: loaded as written, refused when altered, naming the field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import subprocess
import sys

import pytest

from HabitatPNILib.errors import ModelError
from HabitatPNILib.frozen_model import (
    FrozenModel,
    HabitatCentroids,
    HabitatMixture,
    Imaging,
    Signature,
    Term,
    _to_values,
    _write_values,
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
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["research_use_only"].startswith("Research use only")


def mixture() -> HabitatMixture:
    habitats = small_model().imaging.habitats
    precisions = (((2.0, 0.5), (0.0, 1.0)), ((1.0, 0.0), (0.0, 3.0)))
    return HabitatMixture(**vars(habitats), components=((1.0, 0.0), (0.0, 1.0)), log_weights=(-0.5, -1.0), precisions=precisions)


def with_mixture() -> FrozenModel:
    return small_model(imaging=dataclasses.replace(small_model().imaging, habitats=mixture()))


def test_a_mixture_of_habitats_comes_back_as_one(tmp_path):
    loaded = write_model(with_mixture(), tmp_path / "small", "Made for a test.\n")
    assert loaded.imaging.habitats == mixture()
    assert load_model(tmp_path / "small").imaging == with_mixture().imaging


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"components": ((1.0, 0.0, 0.0), (0.0, 1.0))}, r"components\[0\] has 3 values for 2 sequences"),
        ({"log_weights": (0.0,)}, r"log_weights has 1 values for 2 habitats"),
        ({"log_weights": ("a", 0.0)}, r"log_weights\[0\] is not a number"),
        ({"precisions": (((1.0, 0.0), (0.0,)), ((1.0, 0.0), (0.0, 3.0)))}, r"precisions\[0\] is no square of 2 axes"),
        ({"precisions": (((1.0, 0.0), (0.0, 0.0)), ((1.0, 0.0), (0.0, 3.0)))}, r"precisions\[0\] has a diagonal that is not above 0"),
    ],
)
def test_a_mixture_that_does_not_fit_is_named(tmp_path, change, text):
    values = _to_values(with_mixture())
    values["imaging"]["habitats"].update(change)
    _write_values(values, tmp_path / "small", "Made for a test.\n")
    with pytest.raises(ModelError, match=rf"^Model small: field imaging\.habitats\.{text}"):
        load_model(tmp_path / "small")


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
    path.write_text(path.read_text(encoding="utf-8").replace('"intercept": -1.25', '"intercept": -1.26'), encoding="utf-8")
    with pytest.raises(ModelError, match="field intercept does not match its checksum"):
        load_model(folder)


def test_an_altered_or_missing_card_is_named(folder):
    (folder / "card.md").write_text("better numbers", encoding="utf-8")
    with pytest.raises(ModelError, match=r"field files\.card\.md: the file does not match"):
        load_model(folder)
    (folder / "card.md").unlink()
    with pytest.raises(ModelError, match=r"card\.md is missing"):
        load_model(folder)


def test_another_schema_and_no_json(folder):
    path = folder / "model.json"
    path.write_text(path.read_text(encoding="utf-8").replace("habitatpni-model-1", "habitatpni-model-9"), encoding="utf-8")
    with pytest.raises(ModelError, match="field schema is habitatpni-model-9, this version reads"):
        load_model(folder)


@pytest.mark.parametrize("text", ["{", "[]", "null", "\xff", "[" * 100_000])
def test_model_file_that_is_no_json_object_is_damaged(folder, text):
    (folder / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelError, match=rf"^Model {folder.name}: model\.json is damaged; install the model again$"):
        load_model(folder)


def imaging(values):
    return values["imaging"]


def tumour(values):
    return values["imaging"]["signatures"]["tumour"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda v: v["terms"][1].update(coefficient=7**500), r"field terms\[1\]\.coefficient is not a finite number"),
        (lambda v: v["terms"][0].update(sd="7.7"), r"field terms\[0\]\.sd is not a number"),
        (lambda v: v["predictors"][0].update(lowest=None), r"field predictors\[0\]\.lowest is not a number"),
        (lambda v: v.update(performance=[{"auc": 7**500}]), r"field performance\[0\]\.auc is not a finite number"),
        (lambda v: imaging(v)["b_values"].update(dwi="high"), r"field imaging\.b_values\.dwi is not a number"),
        (lambda v: tumour(v).update(mean=(0.1, 0.2)), r"field imaging\.signatures\.tumour\.mean has 2 values for 1 features"),
        (lambda v: tumour(v).update(scale=()), r"field imaging\.signatures\.tumour\.scale has 0 values for 1 features"),
        (lambda v: tumour(v).update(coefficients=0.3), r"field imaging\.signatures\.tumour\.coefficients is not a number"),
        (lambda v: tumour(v).update(scale=(0.0,)), r"field imaging\.signatures\.tumour\.scale\[0\] is 0, not above 0"),
        (lambda v: imaging(v)["habitats"].update(mean=(0.1,)), r"field imaging\.habitats\.mean has 1 values for 2 sequences"),
        (
            lambda v: imaging(v)["habitats"].update(centroids=((0.0, -1.0), (0.5, 0.3, 0.1))),
            r"field imaging\.habitats\.centroids\[1\] has 3 values for 2 sequences",
        ),
        (lambda v: imaging(v)["habitats"].update(scale=(1.0, -1.1)), r"field imaging\.habitats\.scale\[1\] is -1\.1, not above 0"),
        (lambda v: v["terms"][0].update(name="psa"), r"field terms\[0\]\.name is 'psa', neither a predictor nor the radscore"),
        (lambda v: v["terms"][1].update(name="radscore_habitat1"), r"field terms\[1\]\.name is 'radscore_habitat1', neither"),
        (lambda v: v.update(imaging=None), r"field imaging is missing, which a combined model needs"),
        (lambda v: v.update(kind="clinical"), r"field imaging is there, which a clinical model must not have"),
        (lambda v: v.update(kind="radiological"), r"field kind is 'radiological', not one of clinical, combined"),
        (lambda v: v.update(cut_off=0.0), r"field cut_off is 0, not between 0 and 1"),
        (lambda v: v.update(cut_off=1.5), r"field cut_off is 1\.5, not between 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused_although_its_checksums_do(tmp_path, change, text):
    values = _to_values(small_model())
    change(values)
    _write_values(values, tmp_path / "small", "Made for a test.\n")
    with pytest.raises(ModelError, match=f"^Model small: {text}") as error:
        load_model(tmp_path / "small")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN"])
def test_a_number_that_is_not_finite_is_refused_although_its_checksum_fits(folder, number):
    path = folder / "model.json"
    text = path.read_text(encoding="utf-8")
    stated = json.loads(text)["checksum"]
    unsigned = text.replace(stated, "0" * 64).replace('"train_sd": 0.5', f'"train_sd": {number}')
    path.write_text(unsigned.replace("0" * 64, hashlib.sha256(unsigned.encode()).hexdigest()), encoding="utf-8")
    with pytest.raises(ModelError, match=r"^Model small: field imaging\.signatures\.tumour\.train_sd is not a finite number"):
        load_model(folder)


def test_a_model_that_could_not_be_loaded_is_not_written(tmp_path):
    for wrong in ({"intercept": float("nan")}, {"cut_off": 1.0}):
        with pytest.raises(ModelError, match=f"field {next(iter(wrong))} is"):
            write_model(small_model(**wrong), tmp_path / "small", "Made for a test.\n")
    assert list(tmp_path.iterdir()) == []


def test_a_predictor_may_have_no_term(folder):
    assert [p.name for p in load_model(folder).predictors] == ["age", "pi_rads"]
    assert [t.name for t in load_model(folder).terms] == ["age", "radscore_tumour"]


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
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout.strip() == "Age"


def test_a_model_may_hold_a_run_of_zeros_of_its_own(tmp_path):
    model = small_model()
    zeros = dataclasses.replace(model.imaging, weights_sha256="0" * 64)
    written = write_model(dataclasses.replace(model, imaging=zeros), tmp_path / "small", "Made for a test.\n")
    assert written.imaging.weights_sha256 == "0" * 64
