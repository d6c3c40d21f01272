"""The same case gives the same probability through every face (terminal: test_cli)."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.analysis import analyse
from HabitatPNILib.imaging.files import read_case_files

pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture(scope="module")
def answers(phantom, phantom_files, small_model):
    """The phantom through the library, through files, and through the nodes of an MRML scene."""
    from HabitatPNILib.mrml.logic import HabitatPNILogic
    from HabitatPNILib.mrml.scene import new_scene

    case = phantom[0]
    paths = {name: phantom_files / f"{name}.nrrd" for name in ("t2w", "dwi", "adc", "low_b", "roi")}
    read = read_case_files(**paths, clinical=case.clinical, b_values=case.b_values)
    logic, scene = HabitatPNILogic(), new_scene()
    nodes = logic.add_case(dataclasses.replace(case, case_id="nodes"), scene)
    through_nodes = logic.run(**nodes, clinical=case.clinical, b_values=case.b_values, model=small_model)
    return {"library": analyse(case, small_model), "files": analyse(read, small_model), "nodes": through_nodes}


@pytest.mark.parametrize("face", ["files", "nodes"])
def test_probability_and_habitats_agree(answers, face):
    library, other = answers["library"], answers[face]
    assert other.probability == pytest.approx(library.probability, abs=1e-6)
    assert other.registration.transform.GetParameters() == pytest.approx(library.registration.transform.GetParameters(), abs=1e-9)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(other.habitat_map), sitk.GetArrayFromImage(library.habitat_map))
    assert other.radscores == pytest.approx(library.radscores, abs=1e-6)
