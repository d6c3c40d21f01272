"""Runs inside Slicer: the module is there, its logic reads nodes of Slicer's scene, and a written scene opens again."""

import tempfile
import unittest
from pathlib import Path

import numpy as np
import slicer

from HabitatPNI import HabitatPNILogic


class HabitatPNIModuleTest(unittest.TestCase):
    """Needs no package beyond those that Slicer brings and those of the library's reading half."""

    def setUp(self):
        slicer.mrmlScene.Clear()

    def tearDown(self):
        slicer.mrmlScene.Clear()

    def _case(self):
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

    def test_module_says_what_it_is_for(self):
        module = slicer.modules.habitatpni
        assert module.title == "HabitatPNI"
        assert "Research use only" in module.helpText

    def test_nodes_of_slicers_scene_are_read_as_they_were_put_there(self):
        import SimpleITK as sitk

        case = self._case()
        logic = HabitatPNILogic()
        read = logic.case_from_nodes(**logic.add_case(case))
        for name, image in case.images.items():
            assert np.array_equal(sitk.GetArrayFromImage(read.images[name]), sitk.GetArrayFromImage(image))
            np.testing.assert_allclose(read.images[name].GetOrigin(), image.GetOrigin(), atol=1e-9)
            np.testing.assert_allclose(read.images[name].GetDirection(), image.GetDirection(), atol=1e-12)
        assert np.array_equal(sitk.GetArrayFromImage(read.roi), sitk.GetArrayFromImage(case.roi))
        assert dict(read.b_values) == {"dwi": 1400.0}

    def test_outline_is_the_one_that_slicer_exports(self):
        logic = HabitatPNILogic()
        nodes = logic.add_case(self._case())
        exported = slicer.util.arrayFromSegmentBinaryLabelmap(nodes["segmentation"], "tumour", nodes["t2w"])
        import SimpleITK as sitk

        assert np.array_equal(exported, sitk.GetArrayFromImage(logic.case_from_nodes(**nodes).roi))

    def test_scene_saved_by_slicer_opens_again(self):
        logic = HabitatPNILogic()
        logic.add_case(self._case())
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "scene.mrb")
            assert slicer.util.saveScene(path)
            slicer.mrmlScene.Clear()
            assert slicer.util.loadScene(path)
            assert slicer.util.getNode("case outline").GetSegmentation().GetNumberOfSegments() == 1
