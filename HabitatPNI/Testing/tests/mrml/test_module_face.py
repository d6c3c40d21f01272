"""The module file on slicer-core's real MRML nodes, with stand-ins for Slicer's Qt half."""

from __future__ import annotations

import sys
import unittest

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import RESEARCH_USE_ONLY
from HabitatPNILib import analysis as analysis_module
from HabitatPNILib.errors import CaseError, ModelError
from HabitatPNILib.frozen_model import load_model

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


def test_module_says_what_it_is_for(module):
    from types import SimpleNamespace

    parent = SimpleNamespace()
    module.HabitatPNI(parent)
    assert parent.title == "HabitatPNI"
    assert RESEARCH_USE_ONLY.split(".")[0] in parent.helpText
    assert RESEARCH_USE_ONLY.split(". ")[1] in parent.helpText
    assert {"Segmentations", "Volumes"} <= set(parent.dependencies)


def test_reload_forgets_the_library(module, monkeypatch):
    for name in ("HabitatPNILib", "HabitatPNILib.case", "HabitatPNILibrary"):
        monkeypatch.setitem(sys.modules, name, sys.modules.get(name, sys))
    kept = {name: loaded for name, loaded in sys.modules.items() if name.startswith("HabitatPNILib")}
    widget = module.HabitatPNIWidget()
    try:
        widget.onReload()
        assert [name for name in sys.modules if name == "HabitatPNILib" or name.startswith("HabitatPNILib.")] == []
        assert "HabitatPNILibrary" in sys.modules
        assert widget.reloads == 1
    finally:
        sys.modules.update(kept)


def test_logic_runs_on_nodes_and_shows_the_answer(module, nodes, analysis, monkeypatch):
    monkeypatch.setattr(analysis_module, "analyse", lambda case, model, progress, *, prevalence=None: analysis)
    logic = module.HabitatPNILogic()
    result = logic.run(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, model=analysis.model, clinical={"age": 63})
    shown = logic.show(result)
    assert shown.habitats.GetScene() is slicer.mrmlScene
    assert shown.table.GetTable().GetValue(0, 2).ToString() == "0.4322"


def test_errors_reach_the_caller_as_they_are(module, nodes):
    logic = module.HabitatPNILogic()
    with pytest.raises(ModelError, match=r"^No model nobody-has-this: "):
        logic.run(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, model="nobody-has-this", clinical={})
    with pytest.raises(CaseError, match=r"^Case 1: ROI: no segments are called Lesion; the segmentation holds: Tumour"):
        logic.case_from_nodes(nodes.t2w, nodes.dwi, nodes.adc, nodes.segmentation, "Lesion")


def test_clinical_model_gives_the_published_odds_from_values_alone(module):
    logic, model = module.HabitatPNILogic(), load_model("pca-pni-clinical")
    odds = []
    for age in (60, 61):
        probability = logic.run(model=model, clinical={"age": age, "mrt_stage": 2, "pi_rads": 4}).probability
        odds.append(probability / (1 - probability))
    # The study's odds ratio for a year of age.
    assert odds[1] / odds[0] == pytest.approx(0.92, abs=1e-9)


def test_phantom_case_goes_through_the_scene_unchanged(module):
    from HabitatPNILib.imaging.phantom import phantom_case

    case, _ = phantom_case(seed=3)
    logic = module.HabitatPNILogic()
    read = logic.case_from_nodes(**logic.add_case(case), clinical=case.clinical, case_id=case.case_id)
    assert read.images.keys() == case.images.keys()
    for name, image in case.images.items():
        assert np.array_equal(sitk.GetArrayFromImage(read.images[name]), sitk.GetArrayFromImage(image))
        assert read.images[name].GetPixelID() == image.GetPixelID()
    assert np.array_equal(sitk.GetArrayFromImage(read.roi), sitk.GetArrayFromImage(case.roi))
    assert (read.roi_frame, dict(read.b_values)) == (case.roi_frame, dict(case.b_values))


@pytest.mark.slow
def test_self_test_of_the_module_passes(module):
    try:
        load_model(module.TEST_MODEL)
    except ModelError:
        pytest.skip(f"the model {module.TEST_MODEL} is not there")
    outcome = unittest.TestResult()
    module.HabitatPNITest("test_phantom_patient").run(outcome)
    assert outcome.wasSuccessful(), outcome.errors + outcome.failures
