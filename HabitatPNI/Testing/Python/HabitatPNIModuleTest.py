"""Runs inside Slicer: nodes of its scene through the logic, the panel where there is a main window, and a written scene again."""

import importlib.util
import json
import runpy
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import slicer

from HabitatPNI import HabitatPNILogic

MODEL = "pca-pni-phantom"
CLINICAL = {"age": 63, "mrt_stage": 2, "pi_rads": 4}
PATIENCE_S = 300.0
# The packages of requirements.txt that the computation imports; `--testing` keeps pip_ensure from installing them.
PACKAGES = ("torch", "monai", "pandas", "sklearn", "pydantic", "yaml", "safetensors", "matplotlib")
MISSING = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
needs_packages = unittest.skipIf(MISSING, f"not installed in Slicer: {', '.join(MISSING)}")
needs_window = unittest.skipIf(slicer.util.mainWindow() is None, "the panel is tested with a main window")


def small_case():
    """Noise on an oblique grid, with a box as the outline."""
    import SimpleITK as sitk

    from HabitatPNILib.case import Case

    rng = np.random.default_rng(0)
    images = {}
    for name in ("t2w", "dwi", "adc"):
        images[name] = sitk.GetImageFromArray(rng.normal(1000, 100, (8, 24, 20)).astype(np.float32))
        images[name].SetSpacing((2.0, 2.0, 3.0))
        images[name].SetOrigin((-20.0, 10.0, 5.0))
        images[name].SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.2, -0.1, 0.3).GetMatrix())
    mask = np.zeros((8, 24, 20), np.uint8)
    mask[2:6, 8:16, 6:14] = 1
    roi = sitk.GetImageFromArray(mask)
    roi.CopyInformation(images["t2w"])
    return Case("case", images, roi, "t2w", b_values={"dwi": 1400.0})


def wait_until(condition, what):
    """Let Slicer work until a condition holds."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"still waiting for {what} after {PATIENCE_S:.0f} s")
        slicer.app.processEvents()
        time.sleep(0.01)


class HabitatPNIModuleTest(unittest.TestCase):
    """Without the packages of requirements.txt what needs them is skipped; the rest needs what Slicer brings."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def tearDown(self):
        slicer.mrmlScene.Clear()

    def test_module_says_what_it_is_for(self):
        module = slicer.modules.habitatpni
        assert module.title == "HabitatPNI"
        assert "Research use only" in module.helpText

    def test_nodes_of_slicers_scene_are_read_as_they_were_put_there(self):
        import SimpleITK as sitk

        case = small_case()
        logic = HabitatPNILogic()
        read = logic.case_from_nodes(**logic.add_case(case))
        for name, image in case.images.items():
            assert np.array_equal(sitk.GetArrayFromImage(read.images[name]), sitk.GetArrayFromImage(image))
            np.testing.assert_allclose(read.images[name].GetOrigin(), image.GetOrigin(), atol=1e-9)
            np.testing.assert_allclose(read.images[name].GetDirection(), image.GetDirection(), atol=1e-12)
        assert np.array_equal(sitk.GetArrayFromImage(read.roi), sitk.GetArrayFromImage(case.roi))
        assert dict(read.b_values) == {"dwi": 1400.0}

    def test_outline_is_the_one_that_slicer_exports(self):
        import SimpleITK as sitk

        logic = HabitatPNILogic()
        nodes = logic.add_case(small_case())
        exported = slicer.util.arrayFromSegmentBinaryLabelmap(nodes["segmentation"], "tumour", nodes["t2w"])
        assert np.array_equal(exported, sitk.GetArrayFromImage(logic.case_from_nodes(**nodes).roi))

    def test_scene_saved_by_slicer_opens_again(self):
        logic = HabitatPNILogic()
        logic.add_case(small_case())
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            assert slicer.util.saveScene(path)
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
            assert slicer.util.getNode("case outline").GetSegmentation().GetNumberOfSegments() == 1

    def test_sample_data_module_makes_the_phantom(self):
        from HabitatPNILib.gui.sample_data import CATEGORY, SAMPLE_NAME, register_sample_data

        register_sample_data()
        register_sample_data()
        (source,) = slicer.modules.sampleDataSources[CATEGORY]
        assert source.sampleName == SAMPLE_NAME
        assert Path(source.thumbnailFileName).is_file()
        nodes = source.customDownloader(source)
        assert [node.GetClassName() for node in nodes] == [*["vtkMRMLScalarVolumeNode"] * 4, "vtkMRMLSegmentationNode"]

    @needs_packages
    def test_phantom_through_the_logic_and_back_from_a_saved_scene(self):
        from HabitatPNILib.analysis import analyse
        from HabitatPNILib.frozen_model import load_model
        from HabitatPNILib.imaging.phantom import phantom_case

        case, _truth = phantom_case(seed=1)
        logic, model = HabitatPNILogic(), load_model(MODEL)
        analysis = logic.run(**logic.add_case(case), model=model, clinical=case.clinical, case_id=case.case_id)
        assert abs(analysis.probability - analyse(case, model).probability) <= 1e-6
        segments = logic.show(analysis).habitats.GetSegmentation().GetNumberOfSegments()
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            assert slicer.util.saveScene(path)
            slicer.mrmlScene.Clear()
            slicer.util.loadScene(path)
        assert slicer.util.getNode("Habitats").GetSegmentation().GetNumberOfSegments() == segments
        assert json.loads(slicer.util.getNode("HabitatPNI analysis").GetText())["probability"] == analysis.probability

    @needs_packages
    def test_scripted_batch_runs_in_slicers_scene(self):
        from HabitatPNILib.imaging.phantom import phantom_case
        from HabitatPNILib.imaging.phantom_cohort import write_phantom_case

        main = runpy.run_path(str(Path(__file__).with_name("batch_example.py")))["main"]
        with tempfile.TemporaryDirectory() as folder:
            cases, out = Path(folder) / "cases", Path(folder) / "out"
            write_phantom_case(phantom_case(seed=1)[0], cases / "good")
            (cases / "empty").mkdir()
            (cases / "clinical.csv").write_text("case_id,age,mrt_stage,pi_rads\ngood,63,2,4\n", encoding="utf-8")
            assert main([str(cases), "--model", MODEL, "--output", str(out)]) == 1
            lines = (out / "results.csv").read_text(encoding="utf-8").splitlines()
        assert [line.split(",")[0] for line in lines] == ["case_id", "empty", "good"]
        assert 0 < float(lines[2].split(",")[1]) < 1

    @needs_packages
    @needs_window
    def test_phantom_through_the_panel(self):
        from HabitatPNILib.analysis import analyse
        from HabitatPNILib.frozen_model import load_model

        slicer.util.selectModule("HabitatPNI")
        panel = slicer.util.getModuleWidget("HabitatPNI").panel
        panel.parameters.model = MODEL
        panel.try_phantom()
        wait_until(lambda: not panel.busy, "the phantom")
        parameters = panel.parameters
        case = HabitatPNILogic().case_from_nodes(
            parameters.t2w, parameters.dwi, parameters.adc, parameters.segmentation, parameters.segmentID, parameters.lowB
        )
        clinical = dict(parameters.clinical)
        panel.ui.runAllButton.click()
        wait_until(lambda: not panel.busy, "Run all")
        slicer.app.processEvents()
        shown = panel.state.analysis["probability"]
        assert abs(shown - analyse(case.with_clinical(clinical), load_model(MODEL)).probability) <= 1e-6
        slicer.mrmlScene.Clear()
        slicer.app.processEvents()
        assert panel.state.analysis is None
        assert not panel.busy
