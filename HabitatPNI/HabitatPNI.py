"""HabitatPNI in 3D Slicer: habitats of prostate tumours on MRI and the probability of perineural invasion.

The work is done by HabitatPNILib; this file is its face and imports nothing that Slicer does not bring.
"""

import sys
import time
import unittest

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

from HabitatPNILib.gui.sample_data import register_sample_data
from HabitatPNILib.mrml.logic import HabitatPNILogic as MRMLLogic
from HabitatPNILib.resources import resource_folder

LIBRARY = "HabitatPNILib"
TEST_MODEL = "pca-pni-phantom"


class HabitatPNI(ScriptedLoadableModule):
    """What Slicer shows of the module in its lists and its help."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("HabitatPNI")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        parent.dependencies = ["Volumes", "Segmentations", "SegmentEditor", "Tables", "Plots", "Texts"]
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
        slicer.app.connect("startupCompleted()", register_sample_data)


class HabitatPNIWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The module's panel; what happens in it is in `HabitatPNILib.gui.panel`."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.panel = None

    def setup(self):
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        from HabitatPNILib.gui.panel import Panel

        self.logic = HabitatPNILogic()
        root = slicer.util.loadUI(self.resourcePath("UI/HabitatPNI.ui"))
        self.layout.addWidget(root)
        self.panel = Panel(root, self.resourcePath)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.StartImportEvent, self.onSceneStartImport)
        # After the selectors, which fill themselves anew at this event.
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.EndImportEvent, self.onSceneEndImport, priority=-1.0)
        self.initializeParameterNode()
        if self.parent.isEntered:  # after a reload, when Slicer does not enter the module again
            self.panel.enter()

    def cleanup(self):
        """End the computing process and let go of the scene."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
            self.panel = None

    def enter(self):
        """The module is opened."""
        if self.panel is not None:
            self.initializeParameterNode()
            self.panel.enter()

    def exit(self):
        """Another module is opened."""
        if self.panel is not None:
            self.panel.exit()

    def initializeParameterNode(self):
        """Show the scene's parameter node; it is made where there is none."""
        self.panel.set_parameter_node(self.logic.getParameterNode())

    def onSceneStartClose(self, _caller, _event):
        """Stop, before the nodes go."""
        self.panel.scene_closing()

    def onSceneEndClose(self, _caller, _event):
        """Start afresh where the module is open."""
        if self.parent.isEntered:
            self.initializeParameterNode()

    def onSceneStartImport(self, _caller, _event):
        """Let go of the parameter node, so that selectors which lose their node meanwhile do not say so to it."""
        self.panel.set_parameter_node(None)

    def onSceneEndImport(self, _caller, _event):
        """Show what a loaded scene holds."""
        self.panel.scene_imported()
        self.initializeParameterNode()

    def onReload(self):
        """Forget the library, so that a reload takes its changed files too."""
        for name in [name for name in sys.modules if name == LIBRARY or name.startswith(LIBRARY + ".")]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)


class HabitatPNILogic(ScriptedLoadableModuleLogic, MRMLLogic):
    """`HabitatPNILib.mrml.logic.HabitatPNILogic` as the logic of a Slicer module."""

    def getParameterNode(self):
        """The module's parameter node, wrapped."""
        from HabitatPNILib.gui.parameters import HabitatPNIParameterNode

        return HabitatPNIParameterNode(ScriptedLoadableModuleLogic.getParameterNode(self))


class HabitatPNITest(ScriptedLoadableModuleTest):
    """Takes a phantom patient through the logic and through all sections of the panel, in the scene."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Run every test of the class."""
        try:
            for test in (self.test_phantom_patient, self.test_phantom_through_the_panel):
                self.setUp()
                test()
            self.delayDisplay(_("Test passed"))
        except unittest.SkipTest as reason:
            self.delayDisplay(_("Test skipped: {reason}").format(reason=reason))

    def test_phantom_patient(self):
        """Nodes give the probability that the same images give, and the scene shows the habitats."""
        from HabitatPNILib.errors import MissingDependencyError

        try:
            self._phantom_patient()
        except (MissingDependencyError, ModuleNotFoundError) as error:
            if (getattr(error, "name", None) or "").startswith(LIBRARY):
                raise
            self.skipTest(str(error))

    def _phantom_patient(self):
        from HabitatPNILib.analysis import analyse
        from HabitatPNILib.frozen_model import load_model
        from HabitatPNILib.imaging.phantom import phantom_case

        self.delayDisplay(_("Analysing a phantom patient"))
        case, _truth = phantom_case(seed=1)
        logic, model = HabitatPNILogic(), load_model(TEST_MODEL)
        analysis = logic.run(**logic.add_case(case), model=model, clinical=case.clinical, case_id=case.case_id)
        assert abs(analysis.probability - analyse(case, model).probability) <= 1e-6
        shown = logic.show(analysis)
        assert shown.habitats.GetSegmentation().GetNumberOfSegments() == sum(h.voxels > 0 for h in analysis.habitats)
        again = logic.show(analysis)
        assert shown.table.GetScene() is None
        assert again.table.GetScene() is slicer.mrmlScene

    def test_phantom_through_the_panel(self):
        """Each job of the panel gives its section an answer, and at the end nothing is out of date."""
        from slicer.packaging import load_requirements, pip_check

        if slicer.util.mainWindow() is None or not pip_check(load_requirements(resource_folder() / "requirements.txt")):
            self.skipTest(_("the panel needs a main window and the packages of requirements.txt"))
        slicer.util.selectModule("HabitatPNI")
        panel = slicer.util.getModuleWidget("HabitatPNI").panel
        for job, answered in (
            (panel.try_phantom, lambda state: state.inputs.clinical and not state.needs.result),
            (panel.register, lambda state: state.registration["accepted"]),
            (panel.find_habitats, lambda state: abs(sum(habitat["share"] for habitat in state.habitats) - 1) < 1e-9),
            (panel.run_all, lambda state: 0 < state.analysis["probability"] < 1 and not any(vars(state.stale).values())),
        ):
            self.delayDisplay(_("Panel: {job}").format(job=job.__name__))
            job()
            end = time.monotonic() + 300
            while (panel.busy or panel.state.busy) and time.monotonic() < end:
                slicer.app.processEvents()
                time.sleep(0.01)
            assert not panel.busy, f"{job.__name__} was not done within 300 s"
            assert answered(panel.state), f"{job.__name__} gave no answer, or not the phantom's"
