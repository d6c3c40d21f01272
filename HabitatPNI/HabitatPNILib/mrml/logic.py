"""From MRML nodes to an analysis and back to MRML nodes; in Slicer and on slicer-core alike.

Importing this costs nothing (the module file subclasses `HabitatPNILogic` when Slicer starts): what computes is imported
by the methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..analysis import Analysis
    from ..case import Case
    from ..frozen_model import FrozenModel
    from ..progress import Progress
    from ..protocol import DiffusionSection
    from .scene import ResultNodes

B_VALUE_ATTRIBUTES = ("b_value", "DWMRI_b-value")
"""Attributes of a volume node in which its b-value in s/mm2 may stand; the same names as in a file's metadata."""
PHANTOM_ATTRIBUTE = "HabitatPNI.phantom"
"""Attribute of a phantom's volume nodes: what the provenance says of it."""


class HabitatPNILogic:
    """The module's work on MRML nodes, without any widget; it changes no node that it is given.

    Every `HabitatPNIError` of the library passes through as it is: its text is one line for the user.
    """

    def case_from_nodes(
        self,
        t2w: Any = None,
        dwi: Any = None,
        adc: Any = None,
        segmentation: Any = None,
        segment_id: str | None = None,
        low_b: Any = None,
        *,
        clinical: Mapping[str, float] | None = None,
        b_values: Mapping[str, float] | None = None,
        case_id: str = "1",
        diffusion: DiffusionSection | None = None,
    ) -> Case:
        """Case of volume nodes and a segment.

        Parameters
        ----------
        t2w, dwi, adc, low_b : scalar volume nodes; under a linear transform they are read where it puts them
        segmentation, segment_id : segmentation node and the ID or name of the tumour's segment (may be left out where there
            is one segment). Its reference volume tells on which sequence it was drawn; else its grid does
        clinical : clinical values by predictor name
        b_values : b-values in s/mm2 of ``dwi`` and ``low_b``; else the nodes' attribute ``b_value``, their DICOM tags or names
        case_id : name used in outputs; not a patient's identifier
        diffusion : the protocol's b-values wanted and the limit of the ADC fit

        Raises
        ------
        CaseError
            when the nodes cannot be one patient's case
        """
        from ..case import SEQUENCE_LABELS
        from ..errors import CaseError

        with packages_needed():
            from ..imaging.assembly import case_from_outline
            from .segmentations import segment_mask
            from .volumes import to_image

        nodes = {name: node for name, node in {"t2w": t2w, "dwi": dwi, "adc": adc, "low_b": low_b}.items() if node is not None}
        try:
            images = {name: to_image(node, SEQUENCE_LABELS[name]) for name, node in nodes.items()}
            mask = segment_mask(segmentation, segment_id) if segmentation is not None else None
        except CaseError as error:
            raise CaseError(f"Case {case_id}: {error}") from error
        return case_from_outline(
            images,
            mask,
            drawn_on(segmentation, nodes),
            known_b_values(nodes, b_values or {}, case_id),
            clinical=clinical,
            case_id=case_id,
            diffusion=diffusion,
            phantom=phantom_text(nodes),
        )

    def run(
        self,
        t2w: Any = None,
        dwi: Any = None,
        adc: Any = None,
        segmentation: Any = None,
        segment_id: str | None = None,
        low_b: Any = None,
        *,
        model: FrozenModel | str | Path,
        clinical: Mapping[str, float] | None = None,
        b_values: Mapping[str, float] | None = None,
        case_id: str = "1",
        progress: Progress | None = None,
        prevalence: float | None = None,
    ) -> Analysis:
        """Take nodes through a frozen model (a loaded one, or the name or folder of one).

        The other parameters are those of `case_from_nodes` and `analysis.analyse`. The scene is not changed; see `show`.

        Raises
        ------
        HabitatPNIError
            as `case_from_nodes`, `frozen_model.load_model` and `analysis.analyse`
        """
        from ..frozen_model import load_model
        from ..progress import no_progress

        with packages_needed():
            from ..analysis import analyse
            from ..protocol import Protocol
        loaded = load_model(model) if isinstance(model, (str, Path)) else model
        diffusion = Protocol.from_dict(dict(loaded.protocol), f"of model {loaded.name}").diffusion
        case = self.case_from_nodes(
            t2w,
            dwi,
            adc,
            segmentation,
            segment_id,
            low_b,
            clinical=clinical,
            b_values=b_values,
            case_id=case_id,
            diffusion=diffusion,
        )
        with packages_needed():
            return analyse(case, loaded, progress or no_progress, prevalence=prevalence)

    def add_case(self, case: Case, scene: Any = None) -> dict[str, Any]:
        """Add a case (a phantom, say) to a scene; the nodes come back by the parameter of `run` that takes them."""
        from .scene import add_case

        return add_case(_scene(scene), case)

    def show(self, analysis: Analysis, scene: Any = None) -> ResultNodes:
        """Add an analysis to a scene (Slicer's own where none is given), in place of an earlier one of the same case.

        Raises
        ------
        ValueError
            when no scene is given and no Slicer application runs
        """
        from .scene import show_results

        return show_results(_scene(scene), analysis)


@contextmanager
def packages_needed() -> Iterator[None]:
    """Say in one line which Python package is missing, and how it comes into Slicer."""
    try:
        yield
    except ModuleNotFoundError as error:
        from ..errors import MissingDependencyError
        from ..resources import resource_folder

        path = str(resource_folder() / "requirements.txt")
        raise MissingDependencyError(
            f"The Python package {error.name} is not installed; in Slicer's Python console run "
            f"slicer.packaging.pip_ensure(slicer.packaging.load_requirements({path!r}), requester='HabitatPNI')"
        ) from error


def _scene(scene: Any) -> Any:
    from .host import slicer

    scene = scene if scene is not None else getattr(slicer, "mrmlScene", None)
    if scene is None:
        raise ValueError("no Slicer application runs here: give a scene, such as one of mrml.scene.new_scene()")
    return scene


def drawn_on(segmentation: Any, nodes: Mapping[str, Any]) -> str | None:
    """Name of the sequence whose volume node a segmentation was drawn on; None where that is none of them."""
    if segmentation is None:
        return None
    from .segmentations import reference_volume

    reference = reference_volume(segmentation)
    return next((name for name, node in nodes.items() if node is reference), None)


def phantom_text(nodes: Mapping[str, Any]) -> str | None:
    """What volume nodes say of the digital phantom whose images they hold; None where one of them is no phantom's."""
    texts = [node.GetAttribute(PHANTOM_ATTRIBUTE) for node in nodes.values()]
    return texts[0] if texts and all(texts) else None


def known_b_values(nodes: Mapping[str, Any], given: Mapping[str, float], case_id: str) -> dict[str, float]:
    """b-values in s/mm2 of ``dwi`` and ``low_b``: those given, else those of the nodes' attributes, else what `guess_b_value` reads.

    Raises
    ------
    CaseError
        when one is not a number
    """
    from ..case import SEQUENCE_LABELS
    from ..errors import CaseError
    from .guess import guess_b_value

    found: dict[str, float] = {}
    for name in ("dwi", "low_b"):
        if name not in nodes:
            continue
        texts = [given.get(name), *(nodes[name].GetAttribute(key) for key in B_VALUE_ATTRIBUTES)]
        text = next((t for t in texts if t is not None), None)
        if text is None:
            text = guess_b_value(nodes[name])
        if text is None:
            continue
        try:
            found[name] = float(text)
        except ValueError as error:
            raise CaseError(f"Case {case_id}: the b-value {text!r} of {SEQUENCE_LABELS[name]} is not a number; give it in s/mm2") from error
    return found
