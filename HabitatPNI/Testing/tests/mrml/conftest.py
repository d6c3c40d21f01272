"""Hand-made images and analyses for the MRML tests: oblique, anisotropic, with a known truth."""

from __future__ import annotations

import importlib.util
import sys
import time
import unittest
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.analysis import Analysis, Contribution, HabitatSummary
from HabitatPNILib.case import Choice
from HabitatPNILib.frozen_model import FrozenModel
from HabitatPNILib.protocol import Protocol

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

SIZE = (20, 16, 7)


def oblique(array: np.ndarray, spacing=(0.7, 0.9, 3.1), origin=(-31.25, 12.5, 77.75), angles=(0.21, -0.13, 0.34)) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), *angles).GetMatrix())
    return image


def time_steps(make: Callable[[], Generator[str, None, Any]], rounds: int = 3) -> dict[str, float]:
    """Shortest time in s, of a few rounds, that each step of what `make` gives took, by what the step said before it."""
    fastest: dict[str, float] = {}
    for _ in range(rounds):
        steps = make()
        done, before = False, "start"
        while not done:
            start = time.perf_counter()
            try:
                after = next(steps)
            except StopIteration:
                done = True
            took = time.perf_counter() - start
            fastest[before] = min(took, fastest.get(before, took))
            before = after
    return fastest


@pytest.fixture
def make_image():
    return oblique


@pytest.fixture
def fastest_steps():
    return time_steps


@pytest.fixture
def scene():
    from HabitatPNILib.mrml.scene import new_scene

    return new_scene()


@pytest.fixture
def roi() -> sitk.Image:
    array = np.zeros(SIZE[::-1], np.uint8)
    array[2:5, 4:12, 5:15] = 1
    return oblique(array)


@pytest.fixture
def analysis(roi) -> Analysis:
    rng = np.random.default_rng(3)
    images = {
        name: oblique((level + rng.normal(0, 20, SIZE[::-1])).astype(np.float32))
        for name, level in (("t2w", 300), ("dwi", 120), ("adc", 1100))
    }
    mask = sitk.GetArrayFromImage(roi)
    habitats = mask * np.digitize(np.arange(SIZE[0]), [8, 12])[None, None, :].astype(np.uint8)
    habitats = (habitats + mask).astype(np.uint8)
    habitat_map = sitk.GetImageFromArray(habitats)
    habitat_map.CopyInformation(roi)
    total = int(mask.sum())
    summaries = []
    for label in (1, 2, 3, 4):
        inside = habitats == label
        means = {
            name: float(sitk.GetArrayFromImage(image)[inside].mean()) if inside.any() else float("nan") for name, image in images.items()
        }
        voxels = int(inside.sum())
        summaries.append(HabitatSummary(label, voxels, voxels / total, voxels * 0.001953, means, voxels == 0))
    model = FrozenModel(
        name="hand-made",
        version="1.0",
        title="Hand-made model",
        kind="combined",
        notice="a model of the tests",
        demonstration=True,
        protocol=Protocol.load("pca-pni").to_dict(),
        predictors=(),
        intercept=-1.0,
        terms=(),
        cut_off=0.25,
        cut_off_rule="by hand",
    )
    return Analysis(
        case_id="case",
        model=model,
        notice="demonstration model: this number means nothing for a patient",
        probability=0.43215678,
        high_risk=True,
        cut_off=0.25,
        cut_off_rule="by hand",
        contributions=(
            Contribution("age", "Age", 63.0, "63 years", -0.083, 0.166),
            Contribution("habitat4", "Habitat 4", 0.1, "0.1", 1.0, 0.0, True),
        ),
        intercept=-1.0,
        radscores={"habitat1": -0.25, "tumour": 1.5},
        b_values={"dwi": 1400.0},
        images=images,
        roi=roi,
        habitat_map=habitat_map,
        habitats=tuple(summaries),
        warnings=("the b-value of DWI is not known",),
        provenance=(Choice("t2w", "t2w.nrrd", "file given by the user"),),
        times={"registration": 1.25},
    )


@pytest.fixture
def nodes(scene, analysis):
    """Volume nodes of the sequences and a segmentation drawn on T2W, as a user has them."""
    from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
    from HabitatPNILib.mrml.volumes import add_volume

    volumes = {name: add_volume(scene, image, f"DOE JOHN {name}") for name, image in analysis.images.items()}
    segmentation = add_segmentation(scene, analysis.roi, TUMOUR_LOOK, "Segmentation", volumes["t2w"], fill_opacity=0.5)
    return SimpleNamespace(scene=scene, segmentation=segmentation, **volumes)


class FakeParent:
    """Attributes of the module's C++ parent that the module file sets."""


class FakeModule:
    def __init__(self, parent):
        self.parent = parent


class FakeWidget:
    def __init__(self, parent=None):
        self.parent = parent
        self.reloads = 0

    def setup(self):
        pass

    def onReload(self):
        self.reloads += 1

    def resourcePath(self, name):
        return f"Resources/{name}"


class FakeLogic:
    def __init__(self, parent=None):
        self.parent = parent


class FakeTest(unittest.TestCase):
    def delayDisplay(self, message):
        pass


@pytest.fixture
def module(monkeypatch, scene):
    """The module file, loaded as Slicer loads it: real MRML nodes, stand-ins for the Qt half that slicer-core lacks."""
    scripted, i18n = (ModuleType(name) for name in ("slicer.ScriptedLoadableModule", "slicer.i18n"))
    scripted.ScriptedLoadableModule = FakeModule
    scripted.ScriptedLoadableModuleWidget = FakeWidget
    scripted.ScriptedLoadableModuleLogic = FakeLogic
    scripted.ScriptedLoadableModuleTest = FakeTest
    i18n.tr = lambda text: text
    i18n.translate = lambda _context, text: text
    for fake in (scripted, i18n):
        monkeypatch.setitem(sys.modules, fake.__name__, fake)
    monkeypatch.setattr(slicer, "mrmlScene", scene, raising=False)
    monkeypatch.setattr(slicer, "app", SimpleNamespace(connect=lambda _signal, _function: None), raising=False)
    spec = importlib.util.spec_from_file_location("HabitatPNI_under_test", Path(__file__).resolve().parents[3] / "HabitatPNI.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded
