"""Workbench: what the worker process does for the panel, one method a command, and what it remembers from one to the next.

It knows nothing of processes or pipes. What it remembers is kept by the content of images and settings, so that an answer is
bit for bit that of a fresh run.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import SimpleITK as sitk

from .analysis import Analysis, analyse, load_extractor
from .case import SEQUENCE_LABELS, Case
from .errors import CaseError, ModelError, RequestError
from .frozen_model import FrozenModel, load_model
from .geometry import isotropic_grid
from .imaging.assembly import case_from_outline
from .imaging.registration import Registration
from .imaging.roi import ALL, read_roi
from .imaging.volume_io import read_image
from .outputs import write_image
from .preparation import Prepared, align, habitat_summaries, habitat_validity, map_habitats, prepare
from .progress import Progress, no_progress, part
from .protocol import DiffusionSection, Protocol
from .storage import write_file, write_text

if TYPE_CHECKING:
    from .features.deep import DeepExtractor

REGISTRATIONS, PREPARED, ANALYSES = 16, 2, 2
"""How many of each are remembered; a prepared case takes about 100 MB."""

_ANALYSED = "analysed_"  # so that a folder which holds the inputs too keeps them

_CASE_FIELDS: dict[str, tuple[type, ...]] = {
    "case_id": (str, int),
    "images": (Mapping,),
    "mask": (str, type(None)),
    "drawn_on": (str, type(None)),
    "b_values": (Mapping, type(None)),
    "phantom": (str, type(None)),
}

Value = TypeVar("Value")


class _Kept(Generic[Value]):
    """The last few values by key."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[str, Value] = OrderedDict()

    def get(self, key: str) -> Value | None:
        if key in self._values:
            self._values.move_to_end(key)
        return self._values.get(key)

    def put(self, key: str, value: Value) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)


class Workbench:
    """The worker's commands. Arguments and results are plain JSON values; `worker` documents them.

    Every command takes ``progress``, and raises a `HabitatPNIError` for what a user can mend.
    """

    def __init__(self) -> None:
        self._extractors: dict[str, DeepExtractor] = {}
        self._registrations: _Kept[Registration] = _Kept(REGISTRATIONS)
        self._prepared: _Kept[Prepared] = _Kept(PREPARED)
        self._analyses: _Kept[Analysis] = _Kept(ANALYSES)

    def warm(self, model: str, device: str = "cpu", progress: Progress = no_progress) -> dict[str, Any]:
        """Load what the first analysis would wait for: packages, and a combined model's network."""
        loaded = load_model(model)
        progress(0.0, "Loading packages")
        for name in ("sklearn.cluster", "sklearn.metrics", "matplotlib.backends.backend_agg"):
            import_module(name)

        if loaded.imaging is not None:
            progress(0.2, "Loading the network")
            self._extractor(loaded, device)
        progress(1.0, "Ready")
        return {}

    def phantom(self, seed: int, folder: str, progress: Progress = no_progress) -> dict[str, Any]:
        """Make a phantom patient as files."""
        from .imaging.phantom import phantom_case

        progress(0.0, "Making a phantom patient")
        case, _ = phantom_case(seed)
        progress(0.9, "Writing the images")
        assert case.roi is not None
        description = {
            "case_id": case.case_id,
            "images": _write_images(case.images, Path(folder), ""),
            "mask": _write(case.roi, Path(folder), "mask"),
            "drawn_on": case.roi_frame,
            "b_values": dict(case.b_values),
            "phantom": next(choice.reason for choice in case.provenance),
        }
        progress(1.0, "Done")
        return {"case": description, "clinical": dict(case.clinical), "b_values": dict(case.b_values)}

    def register(self, case: Mapping[str, Any], model: str, folder: str, progress: Progress = no_progress) -> dict[str, Any]:
        """Register a case without preparing it, and write what lets a person judge the registration."""
        loaded = load_model(model)
        protocol = _protocol(loaded)
        _check_description(case)
        taken = read_case({**case, "mask": None}, {}, protocol.diffusion)
        missing = [SEQUENCE_LABELS[name] for name in protocol.sequences if name not in taken.images]
        if missing:
            raise CaseError(f"Case {taken.case_id}: no {' and no '.join(missing)} image; choose it, then register")
        key = _registration_key(taken, protocol)
        aligned = align(taken, protocol, part(progress, 0.0, 0.9), self._registrations.get(key))
        if aligned.registration is not None:
            self._registrations.put(key, aligned.registration)
        progress(0.9, "Writing the images")
        fixed = taken.images[aligned.fixed]
        registered = {}
        for name in aligned.moving:
            moving = taken.images[name]
            transform = aligned.transforms.get(name, sitk.Transform(3, sitk.sitkIdentity))
            preview = sitk.Resample(moving, isotropic_grid(fixed, moving.GetSpacing()), transform, sitk.sitkLinear)
            registered[name] = _write(preview, Path(folder), f"registered_{name}")
        progress(1.0, "Done")
        return {
            "registration": aligned.registration.to_dict() if aligned.registration else None,
            "fixed": aligned.fixed,
            "moving": list(aligned.moving),
            "files": {"fixed": _write(fixed, Path(folder), "fixed"), "registered": registered},
            "warnings": [*taken.warnings, *aligned.warnings],
        }

    def habitats(
        self, case: Mapping[str, Any], model: str, folder: str, k: int | None = None, progress: Progress = no_progress
    ) -> dict[str, Any]:
        """Find a case's habitats: the model's, or k clustered from this case alone."""
        loaded = load_model(model)
        protocol = _protocol(loaded)
        frozen = loaded.imaging.habitats if loaded.imaging is not None and k is None else None
        if k is not None:
            values = protocol.to_dict()
            protocol = Protocol.from_dict({**values, "habitats": {**values["habitats"], "k": k}}, f"with {k} habitats")
        taken = read_case(case, {}, protocol.diffusion)
        prepared = self._prepare(taken, protocol, part(progress, 0.0, 0.75))
        progress(0.75, "Habitats")
        found = map_habitats(prepared.preprocessed, protocol.habitats, protocol.sequences, frozen, part(progress, 0.75, 0.85))
        validity = part(progress, 0.85, 0.95)
        curve = habitat_validity(prepared.preprocessed, protocol.habitats, found.centroids, validity, found.voxels)
        fewer = f"(fewer than {protocol.habitats.min_voxels} voxels)"
        absent = [f"Habitat {label} is absent in this case {fewer}" for label in found.absent]
        progress(0.95, "Writing the images")
        files = {
            "images": _write_images(prepared.preprocessed.images, Path(folder), _ANALYSED),
            "roi": _write(prepared.preprocessed.roi, Path(folder), "roi"),
            "habitat_map": _write(found.labels, Path(folder), "habitats"),
        }
        progress(1.0, "Done")
        return {
            "case_id": taken.case_id,
            "k": len(found.counts),
            "from_model": k is None,
            "habitats": [summary.to_dict() for summary in habitat_summaries(prepared, found)],
            "k_curve": vars(curve),
            "registration": prepared.registration.to_dict() if prepared.registration else None,
            "files": files,
            "warnings": [*taken.warnings, *prepared.warnings, *absent],
        }

    def analyse(
        self,
        case: Mapping[str, Any],
        model: str,
        folder: str,
        clinical: Mapping[str, Any] | None = None,
        prevalence: float | None = None,
        device: str = "cpu",
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Take a case through a model and write its images."""
        from .case_report import nomogram_picture

        analysis = self._analysis(case, model, clinical, prevalence, device, part(progress, 0.0, 0.95))
        progress(0.95, "Writing the images")
        target = Path(folder)
        picture = nomogram_picture(analysis)
        nomogram = target / "nomogram.png"
        write_file(nomogram, lambda temporary: temporary.write_bytes(picture))
        files = {
            "images": _write_images(analysis.images, target, _ANALYSED),
            "roi": _write(analysis.roi, target, "roi") if analysis.roi is not None else None,
            "habitat_map": _write(analysis.habitat_map, target, "habitats") if analysis.habitat_map is not None else None,
        }
        progress(1.0, "Done")
        return {"analysis": analysis.to_dict(), "files": files, "nomogram": str(nomogram)}

    def report(
        self,
        case: Mapping[str, Any],
        model: str,
        path: str,
        clinical: Mapping[str, Any] | None = None,
        prevalence: float | None = None,
        device: str = "cpu",
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Write a case's HTML report; what was analysed before is not analysed again."""
        from .case_report import report_html

        analysis = self._analysis(case, model, clinical, prevalence, device, part(progress, 0.0, 0.7))
        progress(0.7, "Writing the report")
        target = Path(path)
        _remove_left_behind(target)
        write_text(target, report_html(analysis))
        progress(1.0, "Done")
        return {"path": path}

    def weights(self, model: str, action: str, progress: Progress = no_progress) -> dict[str, Any]:
        """Say where the published weights that a model needs lie; fetch them; or remove every file that was fetched."""
        from .networks.weights import download_weights, remove_cached_weights, weights_status

        loaded = load_model(model)
        deep = _protocol(loaded).deep
        needed = loaded.imaging is not None and deep.weights == "imagenet"
        if action == "download" and needed:
            download_weights(deep.backbone, progress)
        elif action == "remove":
            remove_cached_weights()
            self._extractors.clear()
        elif action not in {"status", "download"}:
            raise ModelError(f"Weights: {action} is none of status, download and remove")
        status = weights_status(deep.backbone, deep.weights)
        return {**vars(status), "needed": needed, "path": str(status.path or "")}

    def _analysis(
        self,
        case: Mapping[str, Any],
        model: str,
        clinical: Mapping[str, Any] | None,
        prevalence: float | None,
        device: str,
        progress: Progress,
    ) -> Analysis:
        loaded = load_model(model)
        taken = read_case(case, clinical or {}, _protocol(loaded).diffusion)
        said = [taken.case_id, dict(taken.clinical), dict(taken.b_values), [vars(c) for c in taken.provenance], list(taken.warnings)]
        key = _key(_images_digest(taken), _roi_digest(taken), said, loaded.checksum, prevalence, device)
        analysis = self._analyses.get(key)
        if analysis is None:
            progress(0.0, "Reading the case")
            analysis = analyse(
                taken,
                loaded,
                progress,
                prevalence=prevalence,
                prepare=self._prepare,
                load=lambda asked: self._extractor(asked, device),
            )
            if not self._forget_without_gpu():
                self._analyses.put(key, analysis)
        return analysis

    def _prepare(self, case: Case, protocol: Protocol, progress: Progress) -> Prepared:
        """`preparation.prepare`, remembering registrations and prepared cases."""
        case.require(protocol.sequences)
        registered_by = _registration_key(case, protocol)
        key = _key(registered_by, _roi_digest(case), protocol.sequences, protocol.preprocessing.model_dump())
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = prepare(case, protocol, progress, self._registrations.get(registered_by))
            self._prepared.put(key, prepared)
        if prepared.registration is not None:
            self._registrations.put(registered_by, prepared.registration)
        return prepared

    def _extractor(self, model: FrozenModel, device: str) -> DeepExtractor:
        assert model.imaging is not None
        key = _key(_protocol(model).deep.model_dump(), model.imaging.weights_sha256, device)
        self._forget_without_gpu()
        if key not in self._extractors:
            self._extractors.clear()  # two networks at once would hold twice the memory
            self._extractors[key] = load_extractor(model, device)
        return self._extractors[key]

    def _forget_without_gpu(self) -> bool:
        """Forget a network that runs on the processor though there is a GPU, which may have room the next time; whether one did."""
        left = [key for key, extractor in self._extractors.items() if extractor.notice]
        if left:
            import torch

            left = left if torch.cuda.is_available() else []
        for key in left:
            del self._extractors[key]
        return bool(left)


def read_case(description: Mapping[str, Any], clinical: Mapping[str, Any], diffusion: DiffusionSection) -> Case:
    """Case of the files that a ``case`` of the worker's protocol names.

    Raises
    ------
    RequestError
        the description lacks something, or is not of the form that is documented
    CaseError
        a file is missing or damaged, or they cannot be one patient's case
    """
    _check_description(description)
    case_id = str(description["case_id"])
    try:
        images = {name: read_image(path, SEQUENCE_LABELS.get(name, name)) for name, path in description["images"].items()}
        mask = read_roi(description["mask"], ALL) if description.get("mask") else None
    except CaseError as error:
        raise CaseError(f"Case {case_id}: {error}") from error
    return case_from_outline(
        images,
        mask,
        description.get("drawn_on"),
        description.get("b_values"),
        clinical=clinical,
        case_id=case_id,
        diffusion=diffusion,
        phantom=description.get("phantom"),
    )


def _check_description(description: object) -> None:
    if not isinstance(description, Mapping):
        raise RequestError("The worker was sent a case that is not a JSON object")
    wrong = [name for name, types in _CASE_FIELDS.items() if not isinstance(description.get(name), types)]
    if not wrong:
        files, b_values = description["images"].values(), (description.get("b_values") or {}).values()
        wrong += [] if all(isinstance(path, str) for path in files) else ["images"]
        wrong += [] if all(isinstance(value, (int, float)) for value in b_values) else ["b_values"]
    if wrong:
        raise RequestError(f"The worker was sent a case whose {' and '.join(wrong)} is missing or of the wrong type")


def _remove_left_behind(path: Path) -> None:
    """Remove temporary files that `storage.write_file` left beside a file when the process was ended while writing."""
    suffixes = "".join(path.suffixes[-2:])
    temporary = re.compile(rf"\.{re.escape(path.name.removesuffix(suffixes))}\.\d+{re.escape(suffixes)}")
    with suppress(OSError):
        for other in path.parent.glob(".*"):
            if temporary.fullmatch(other.name):
                other.unlink(missing_ok=True)


def _protocol(model: FrozenModel) -> Protocol:
    return Protocol.from_dict(dict(model.protocol), f"of model {model.name}")


def _write_images(images: Mapping[str, sitk.Image], folder: Path, prefix: str) -> dict[str, str]:
    return {name: _write(image, folder, prefix + name) for name, image in images.items()}


def _write(image: sitk.Image, folder: Path, name: str) -> str:
    path = folder / f"{name}.nrrd"
    write_image(image, path, compressed=False)
    return str(path)


def _registration_key(case: Case, protocol: Protocol) -> str:
    return _key(_images_digest(case), protocol.fixed, protocol.registration.model_dump())


def _images_digest(case: Case) -> str:
    return _key({name: _digest(image) for name, image in case.images.items()})


def _roi_digest(case: Case) -> str:
    return _key(case.roi_frame, _digest(case.roi) if case.roi is not None else None)


def _digest(image: sitk.Image) -> str:
    geometry = (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection(), image.GetPixelIDValue())
    return hashlib.sha256(repr(geometry).encode() + sitk.GetArrayViewFromImage(image).tobytes()).hexdigest()


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
