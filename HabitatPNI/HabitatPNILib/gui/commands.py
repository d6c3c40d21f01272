"""What the buttons do: each job's nodes, command and answer, or a message on what is missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..frozen_model import FrozenModel
from ..mrml.undo import remove_nodes
from . import jobs, records
from .run_bar import RunBar
from .runner import Runner
from .sample_data import SEED
from .state import BEST, SECTIONS, Basis, Inputs, first_needy, image_needs, model_needs
from .texts import for_panel
from .watch import Watch

PHANTOM_MODEL = "pca-pni-phantom"


class Commands:
    """The panel's jobs; see `panel` for what each does."""

    def __init__(self, panel: Any, runner: Runner, bar: RunBar, watch: Watch) -> None:
        self._panel, self._runner, self._bar, self._watch = panel, runner, bar, watch

    def run_all(self) -> None:
        """Register, find habitats, compute the probability; or say what is missing."""
        inputs = self._panel.fresh_inputs()
        missing = first_needy(self._panel.state.needs)
        if missing:
            self._say_missing(missing, getattr(self._panel.state.needs, missing))
            return
        refused = records.outline_refusals(self._panel.parameters, inputs) if inputs.images_complete else ()
        if refused and inputs.images_wanted:
            self._say_missing("tumour", refused)
            return
        for sentence in refused:  # the images would only be for information
            self._panel.log(for_panel(sentence))
        request = records.request_of(self._panel.parameters, inputs, with_images=inputs.images_complete and not refused)
        arguments = {**self._common(inputs), **_clinical(inputs)}
        load = partial(jobs.load_analysis, slicer.mrmlScene)
        store = self._store(records.store_analysis, inputs, "result")
        self._runner.start(_("Run all"), jobs.on_case("analyse", request, arguments, load), store, self.run_all)

    def register(self) -> None:
        """Register the images alone; or say what is missing."""
        inputs = self._panel.fresh_inputs()
        if missing := model_needs(inputs) or image_needs(inputs):
            self._say_missing("images", missing)
            return
        job = jobs.on_case(
            "register",
            records.request_of(self._panel.parameters, inputs),
            self._common(inputs),
            partial(jobs.load_registration, slicer.mrmlScene),
        )
        self._runner.start(_("Register"), job, self._store(records.store_registration, inputs, "images"), self.register)

    def find_habitats(self) -> None:
        """Find habitats alone, as many and from what the user chose or the model has; or say what is missing."""
        inputs = self._panel.fresh_inputs()
        if missing := model_needs(inputs) or self._panel.state.needs.habitats:
            self._say_missing("habitats", missing)
            return
        if refused := records.outline_refusals(self._panel.parameters, inputs):
            self._say_missing("tumour", refused)
            return
        number = "best" if inputs.habitat_count == BEST else inputs.habitat_count or None
        arguments = {**self._common(inputs), "k": number, "vectors": inputs.habitat_vectors or None}
        load = partial(jobs.load_habitats, slicer.mrmlScene)
        job = jobs.on_case("habitats", records.request_of(self._panel.parameters, inputs), arguments, load)
        self._runner.start(_("Find habitats"), job, self._store(records.store_habitats, inputs, "habitats"), self.find_habitats)

    def try_phantom(self) -> None:
        """Make a phantom patient, choose it, and let the worker warm up."""

        parameters = self._panel.parameters
        if parameters is None:
            return

        def chosen(result: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
            offer = self._panel.models.find(PHANTOM_MODEL)
            earlier = records.earlier_phantom(parameters, result[1])
            records.store_phantom(parameters, *result, PHANTOM_MODEL if offer.model else "")
            remove_nodes(slicer.mrmlScene, earlier)
            if offer.model:
                self._in_background({"command": "warm", **self._common(self._panel.inputs())}, _ignore)

        job = jobs.without_case("phantom", {"seed": SEED}, partial(jobs.load_phantom, slicer.mrmlScene))
        self._runner.start(_("Phantom patient"), job, chosen, self.try_phantom)

    def run(self, name: str, arguments: Mapping[str, Any], on_done: Callable[[dict[str, Any]], None]) -> None:
        """Run a section's own worker command on the chosen nodes; `on_done` gets the answer's value."""
        inputs = self._panel.fresh_inputs()
        request = records.request_of(self._panel.parameters, inputs, with_images=inputs.images_complete)
        job = jobs.on_case(name, request, {**self._common(inputs), **arguments})
        self._runner.start(name.capitalize(), job, on_done, lambda: self.run(name, arguments, on_done))

    def analysis_arguments(self) -> dict[str, Any] | None:
        """Arguments, besides the case, that ``analyse`` and ``report`` share; None while something is missing."""
        inputs = self._panel.fresh_inputs()
        return None if first_needy(self._panel.state.needs) else _clinical(inputs)

    def weights(self, action: str, model: FrozenModel, on_done: Callable[[dict[str, Any]], None]) -> None:
        """``status``, ``download`` or ``remove`` the weights of a model's network; asking the user is the caller's."""
        arguments = {"model": str(model.folder), "action": action}
        if action == "status":
            self._in_background({"command": "weights", **arguments}, on_done)
            return
        title = _("Download weights") if action == "download" else _("Remove weights")
        self._runner.start(title, jobs.without_case("weights", arguments), on_done, lambda: self.weights(action, model, on_done))

    def _store(self, store: Callable[..., None], inputs: Inputs, section: str) -> Callable[[tuple[Any, Any]], None]:
        """What keeps a job's answer: out of date from the start where a node was changed meanwhile."""
        made_of, before = Basis.of(inputs), dict(self._watch.changes)
        parameters = self._panel.parameters  # the panel has none while a scene is imported

        def keep(result: tuple[Any, Any]) -> None:
            changed = {kind: count != before[kind] for kind, count in self._watch.changes.items()}
            store(parameters, *result, made_of, changed)
            for sentence in result[0].get("warnings") or ():
                self._panel.log(for_panel(sentence))
            self._panel.show_section(section)

        return keep

    def _common(self, inputs: Inputs) -> dict[str, Any]:
        model = inputs.model
        return {"model": str(model.folder) if model else "", "device": self._bar.device}

    def _in_background(self, command: dict[str, Any], on_done: Callable[[dict[str, Any]], None]) -> None:
        """Send a command that nobody waits for: no progress, no message box, nothing where something else runs."""
        if not self._panel.busy:
            worker = self._panel.worker
            worker.start(command, _ignore, on_done, lambda _kind, message, _detail: self._panel.log(message), background=True)

    def _say_missing(self, name: str, sentences: tuple[str, ...]) -> None:
        if name in SECTIONS:
            self._panel.show_section(name)
            title = getattr(self._panel.ui, f"{name}Button").text
        else:
            title = self._panel.ui.modelLabel.text
        slicer.util.warningDisplay("\n".join([_("{section}:").format(section=title), *sentences]), windowTitle=_("HabitatPNI"))


def _clinical(inputs: Inputs) -> dict[str, Any]:
    """Clinical values and prevalence as the worker takes them."""
    own = inputs.model is None or inputs.model.prevalence is None or not inputs.prevalence
    return {"clinical": dict(inputs.clinical), "prevalence": None if own else inputs.prevalence / 100}


def _ignore(*_arguments: Any) -> None:
    """Nobody waits for this."""
