"""The panel: builds its sections, holds the worker, and is all that a section knows of the others.

Public face (sections and tests use nothing else):

- ``panel.parameters`` the parameter node wrapper, or None while the scene closes; ``panel.ui`` all widgets by name
- ``panel.state`` the last `state.State`; ``panel.inputs()`` the user's choices as plain values; ``panel.models`` the `ModelList`
- ``panel.busy``, ``panel.worker``, ``panel.log(text)``, ``panel.show_section(name)``
- jobs: ``run_all() register() find_habitats() try_phantom() cancel()``; ``run(name, arguments, on_done)`` for a section's own worker
  command on the chosen nodes (the report), with progress bar, Cancel and error message; ``analysis_command()`` the arguments that
  ``analyse`` and ``report`` share, or None while something is missing; ``weights(action, model, on_done)``
- ``set_parameter_node(wrapper or None) enter() exit() scene_closing() close()``
- ``panel.guess_inputs()`` fills empty selectors from names and tags; called on enter and when volumes were added

After every change of the parameter node, once an event-loop turn, ``section.refresh(state)`` of every section is called.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _
from slicer.util import VTKObservationMixin

from ..frozen_model import FrozenModel
from ..mrml.guess import guess_segment, guess_sequences
from ..mrml.results import ROLE_ATTRIBUTE
from ..mrml.views import of_class
from . import records
from .appearance import BOX_WARNING
from .clinical import ClinicalSection
from .commands import Commands
from .habitats import HabitatsSection
from .images import ImagesSection
from .models import ModelList
from .process import Worker
from .result import ResultSection
from .run_bar import RunBar
from .runner import Runner
from .state import SECTIONS, Inputs, State, sections_of_caution, status_lines
from .tumour import TumourSection
from .watch import Watch

SECTION_CLASSES: dict[str, Any] = {
    "images": ImagesSection,
    "tumour": TumourSection,
    "habitats": HabitatsSection,
    "clinical": ClinicalSection,
    "result": ResultSection,
}


class Panel(VTKObservationMixin):
    """The module's panel in a root widget.

    Parameters
    ----------
    root : widget made of ``HabitatPNI.ui``
    resource_path : function from a name to the path of a file in the module's ``Resources``
    """

    def __init__(self, root: Any, resource_path: Callable[[str], str]) -> None:
        VTKObservationMixin.__init__(self)
        self._root = root
        self.parameters: Any = None
        self.state = State()
        self.models = ModelList()
        for name in SECTIONS:
            part = slicer.util.loadUI(resource_path(f"UI/{name.capitalize()}.ui"))
            slicer.util.findChild(root, f"{name}Button").layout().addWidget(part)
        self.ui = slicer.util.childWidgetVariables(root)
        for widget in vars(self.ui).values():
            if hasattr(widget, "setMRMLScene"):
                widget.setMRMLScene(slicer.mrmlScene)
        self.worker = Worker(on_log=self.log)
        self._watch = Watch(self._input_changed)
        self._bar = RunBar(self, self.ui)
        self._runner = Runner(self.worker, self._bar, resource_path("requirements.txt"), self._later)
        self._commands = Commands(self, self._runner, self._bar, self._watch)
        self._sections = {name: SECTION_CLASSES[name](self, self.ui) for name in SECTIONS}
        self._gui_tag: Any = None
        self._refresh_due = self._entered = self._closed = self._new_nodes = False
        self._going: dict[Any, tuple[str, ...]] = {}
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.NodeAddedEvent, self._node_added)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.NodeAboutToBeRemovedEvent, self._node_going)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.NodeRemovedEvent, self._node_gone)
        self.addObserver(slicer.mrmlScene, slicer.vtkMRMLScene.EndBatchProcessEvent, self._later)

    @property
    def busy(self) -> bool:
        """Whether a job is under way; inputs are locked meanwhile."""
        return self._runner.busy

    def inputs(self) -> Inputs:
        """The user's choices as plain values."""
        return records.inputs_of(self.parameters, self.models)

    def log(self, text: str) -> None:
        """Add a line to the panel's log."""
        if not self._closed:
            self._bar.log(text)

    def show_section(self, name: str) -> None:
        """Open a section and scroll to it."""
        button = getattr(self.ui, f"{name}Button")
        button.collapsed = False
        above = self._root.parentWidget()
        while above is not None and not above.inherits("QScrollArea"):
            above = above.parentWidget()
        if above is not None:
            qt.QTimer.singleShot(0, lambda: None if self._closed else above.ensureWidgetVisible(button))

    # Life: the scene, the module's visibility, the end

    def set_parameter_node(self, parameters: Any) -> None:
        """Show this parameter node (None: none, while the scene closes)."""
        if self.parameters is not None:
            self._disconnect()
            self.removeObserver(self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._later)
        self.parameters = parameters
        if parameters is not None:
            # The node, not its wrapper: the observer's list keeps what it is given.
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._later)
            self._connect()
        self._refresh()

    def enter(self) -> None:
        """The module is shown."""
        self._entered = True
        self._connect()
        for section in self._sections.values():
            if hasattr(section, "enter"):
                section.enter()
        self._try_to_guess()

    def exit(self) -> None:
        """The module is left; a job goes on."""
        self._entered = False
        self._disconnect()
        for section in self._sections.values():
            if hasattr(section, "exit"):
                section.exit()

    def scene_closing(self) -> None:
        """The scene is about to close: stop, and let go of its nodes."""
        self._runner.cancel()
        self._watch.forget()
        self._bar.release()
        for section in self._sections.values():
            section.release()
        self.set_parameter_node(None)

    def scene_imported(self) -> None:
        """Nodes were loaded: what they hold now is no change that the user made."""
        self._watch.forget()
        self._new_nodes = True
        self._later()

    def close(self) -> None:
        """The panel goes: the process ends, no observer stays."""
        self._runner.close()
        self.scene_closing()
        self._closed = True
        self._bar.close()
        self.removeObservers()

    def guess_inputs(self) -> None:
        """Fill empty selectors from names and tags."""
        self._new_nodes = False
        parameters = self.parameters
        if parameters is None or self.busy:
            return
        chosen = records.chosen_volumes(parameters)
        guessed = (
            guess_sequences(of_class(slicer.mrmlScene, "vtkMRMLScalarVolumeNode"), chosen) if len(chosen) < len(records.SELECTORS) else {}
        )
        with slicer.util.NodeModify(parameters):
            for name, node in guessed.items():
                setattr(parameters, records.SELECTORS[name], node)
            outlines = of_class(slicer.mrmlScene, "vtkMRMLSegmentationNode")
            outlines = [node for node in outlines if not node.GetAttribute(ROLE_ATTRIBUTE)]
            if parameters.segmentation is None and len(outlines) == 1:
                parameters.segmentation, parameters.segmentID = outlines[0], ""
            if parameters.segmentation is not None and not parameters.segmentID:
                parameters.segmentID = guess_segment(parameters.segmentation) or ""

    # Jobs

    def run_all(self) -> None:
        """Register, find habitats, compute the probability; or say what is missing."""
        self._commands.run_all()

    def register(self) -> None:
        """Register the images alone; or say what is missing."""
        self._commands.register()

    def find_habitats(self) -> None:
        """Find habitats alone, as many and from what the user chose or the model has; or say what is missing."""
        self._commands.find_habitats()

    def try_phantom(self) -> None:
        """Make a phantom patient, choose it, and let the worker warm up."""
        self._commands.try_phantom()

    def run(self, name: str, arguments: Mapping[str, Any], on_done: Callable[[dict[str, Any]], None]) -> None:
        """Run a section's own worker command on the chosen nodes; `on_done` gets the answer's value."""
        self._commands.run(name, arguments, on_done)

    def analysis_command(self) -> dict[str, Any] | None:
        """Arguments, besides the case, that ``analyse`` and ``report`` share; None while something is missing."""
        return self._commands.analysis_arguments()

    def weights(self, action: str, model: FrozenModel, on_done: Callable[[dict[str, Any]], None]) -> None:
        """``status``, ``download`` or ``remove`` the weights of a model's network; asking the user is the caller's."""
        self._commands.weights(action, model, on_done)

    def cancel(self) -> None:
        """Stop what runs; the scene stays as it was."""
        self._runner.cancel(_("Cancelled"))

    # What changes, and its repainting

    def fresh_inputs(self) -> Inputs:
        """The user's choices, with `state` brought up to them."""
        self._refresh()
        return self.state.inputs

    def _later(self, *_caller_and_event: Any) -> None:
        if not self._refresh_due and not self._closed:
            self._refresh_due = True
            qt.QTimer.singleShot(0, self._refresh_turn)

    def _refresh_turn(self) -> None:
        due, self._refresh_due = self._refresh_due, False
        if due and not slicer.mrmlScene.IsBatchProcessing():  # else the end of the batch asks again
            if self._new_nodes:
                self._try_to_guess()
            self._refresh()

    def _try_to_guess(self) -> None:
        try:
            self.guess_inputs()
        except Exception:  # a proposal only: the panel goes on without
            logging.exception("HabitatPNI")

    def _refresh(self) -> None:
        if self._closed:
            return
        self._refresh_due = False
        parameters, inputs = self.parameters, self.inputs()
        if parameters is not None:
            volumes = (getattr(parameters, name) for name in records.SELECTORS.values())
            self._watch.follow(volumes, parameters.segmentation, inputs.segment, inputs.b_value)
        self.state = records.state_of(parameters, inputs, self.busy)
        self._bar.refresh(self.state)
        cautions = sections_of_caution(self.state)
        for name, line in status_lines(self.state).items():
            label = getattr(self.ui, f"{name}StateLabel")
            look = BOX_WARNING if line and name in cautions else ""
            if label.styleSheet != look:
                label.setStyleSheet(look)
            label.setText(line)
            label.setVisible(bool(line))
        for section in self._sections.values():
            section.refresh(self.state)

    def _input_changed(self, kind: str) -> None:
        if self.parameters is not None:
            records.mark_changed(self.parameters, kind)
            self._later()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_added(self, _caller: Any, _event: str, node: Any) -> None:
        if node.IsA("vtkMRMLScalarVolumeNode") or node.IsA("vtkMRMLSegmentationNode"):
            self._new_nodes = True
            self._later()

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_going(self, _caller: Any, _event: str, node: Any) -> None:
        if self.parameters is not None and (names := records.chosen_as(self.parameters, node)):
            self._going[node] = names

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def _node_gone(self, _caller: Any, _event: str, node: Any) -> None:
        """Leave the place of a chosen node empty: the selector has moved on to a neighbour, which nobody chose."""
        names = self._going.pop(node, ())
        if self.parameters is not None and names:
            records.leave_empty(self.parameters, names)
        self._later()

    def _connect(self) -> None:
        if self._entered and self._gui_tag is None and self.parameters is not None:
            self._gui_tag = self.parameters.connectGui(self.ui)

    def _disconnect(self) -> None:
        if self._gui_tag is not None:
            self.parameters.disconnectGui(self._gui_tag)
            self._gui_tag = None
