"""HabitatPNI in 3D Slicer: habitats of prostate tumours on MRI and the probability of perineural invasion.

The work is done by HabitatPNILib; this file is its face and imports nothing that Slicer does not bring.
"""

import sys

import qt
import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

from HabitatPNILib.mrml.logic import HabitatPNILogic as MRMLLogic

LIBRARY = "HabitatPNILib"
TEST_MODEL = "pca-pni-phantom"


class HabitatPNI(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists and its help."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("HabitatPNI")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["Volumes", "Segmentations", "SegmentEditor", "Tables"]
        parent.contributors = ["HabitatPNI contributors"]
        parent.helpText = _(
            "Takes one patient's prostate MRI (T2W, DWI, ADC) and the outline of the tumour, registers the images, divides the tumour into "
            "habitats, and gives the probability of perineural invasion with what each habitat and clinical value contributes to it.<br>"
            "<b>Research use only.</b> Not a medical device; not for diagnosis or treatment decisions.<br>"
            'More in the <a href="https://github.com/HabitatPNI/HabitatPNI">documentation</a>.'
        )
        parent.acknowledgementText = _(
            "The default protocol follows the study with doi 10.1186/s12885-025-14759-9 (BMC Cancer 2025). "
            "Built on 3D Slicer, SimpleITK, scikit-learn, PyTorch and MONAI."
        )


class HabitatPNIWidget(ScriptedLoadableModuleWidget):
    """The module's panel: says how the module is used from the Python console."""

    def setup(self):
        """Fill the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = HabitatPNILogic()
        self.label = qt.QLabel(
            _(
                "<p>This version works from the Python console and from scripts:</p>"
                "<pre>from HabitatPNI import HabitatPNILogic\n"
                "logic = HabitatPNILogic()\n"
                "analysis = logic.run(t2w, dwi, adc, segmentation,\n"
                "    model='pca-pni-clinical',\n"
                "    clinical={{'age': 63, 'mrt_stage': 2, 'pi_rads': 4}})\n"
                "logic.show(analysis)</pre>"
                "<p>t2w, dwi, adc and segmentation are nodes of the scene. The packages of {requirements} have to be installed.</p>"
                "<p><b>Research use only.</b></p>"
            ).format(requirements=self.resourcePath("requirements.txt"))
        )
        self.label.wordWrap = True
        self.layout.addWidget(self.label)
        self.layout.addStretch(1)

    def onReload(self):
        """Forget the library, so that a reload takes its changed files too."""
        for name in [name for name in sys.modules if name == LIBRARY or name.startswith(LIBRARY + ".")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class HabitatPNILogic(ScriptedLoadableModuleLogic, MRMLLogic):
    """`HabitatPNILib.mrml.logic.HabitatPNILogic` as the logic of a Slicer module."""


class HabitatPNITest(ScriptedLoadableModuleTest):
    """Takes a phantom patient through the logic, in the scene."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test of the class."""
        self.setUp()
        self.test_phantom_patient()

    def test_phantom_patient(self):
        """Nodes give the probability that the same images give, and the scene shows the habitats."""
        from HabitatPNILib.analysis import analyse
        from HabitatPNILib.frozen_model import load_model
        from HabitatPNILib.imaging.phantom import phantom_case

        self.delayDisplay(_("Making a phantom patient"))
        case, _truth = phantom_case(seed=1)
        logic, model = HabitatPNILogic(), load_model(TEST_MODEL)
        nodes = logic.add_case(case)
        self.delayDisplay(_("Analysing it"))
        analysis = logic.run(**nodes, model=model, clinical=case.clinical, case_id=case.case_id)
        assert abs(analysis.probability - analyse(case, model).probability) <= 1e-6
        shown = logic.show(analysis)
        assert shown.habitats.GetSegmentation().GetNumberOfSegments() == sum(h.voxels > 0 for h in analysis.habitats)
        again = logic.show(analysis)
        assert shown.table.GetScene() is None
        assert again.table.GetScene() is slicer.mrmlScene
        self.delayDisplay(_("Test passed"))
