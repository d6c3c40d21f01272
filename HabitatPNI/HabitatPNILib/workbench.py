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
from .errors import CaseError, ModelError
from .frozen_model import FrozenModel, load_model
from .geometry import isotropic_grid
from .habitat_vectors import HabitatVoxels, habitat_voxels
from .imaging.registration import Registration
from .outputs import write_image
from .own_habitats import cluster, own_protocol
from .preparation import Prepared, align, habitat_summaries, prepare
from .progress import Progress, no_progress, part
from .protocol import Protocol
from .storage import write_file, write_text
from .worker_case import check_description, read_case

if TYPE_CHECKING:
    from .features.deep import DeepExtractor

REGISTRATIONS, PREPARED, ANALYSES, TEXTURES = 16, 2, 2, 2
"""How many of each are remembered; a prepared case takes about 100 MB, texture of 10,000 voxels about 20 MB."""

_ANALYSED = "analysed_"  # so that a folder which holds the inputs too keeps them

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
        self._textures: _Kept[HabitatVoxels] = _Kept(TEXTURES)

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
        check_description(case)
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
        self,
        case: Mapping[str, Any],
        model: str,
        folder: str,
        k: int | str | None = None,
        vectors: str | None = None,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Find a case's habitats: the model's, or another number or habitats of other vectors, clustered from this case alone."""
        loaded = load_model(model)
        protocol = own_protocol(_protocol(loaded), k, vectors)
        from_model = k is None and vectors is None
        frozen = loaded.imaging.habitats if loaded.imaging is not None and from_model else None
        taken = read_case(case, {}, protocol.diffusion)
        half = 0.5 if protocol.habitats.texture else 0.75
        prepared = self._prepare(taken, protocol, part(progress, 0.0, half))
        voxels = self._habitat_voxels(taken, prepared, protocol, part(progress, half, 0.75))
        found, curve = cluster(prepared.preprocessed, protocol, voxels, frozen, k, part(progress, 0.75, 0.95))
        fewer = f"(fewer than {protocol.habitats.min_voxels} voxels)"
        absent = [f"Habitat {label} is absent in this case {fewer}" for label in found.absent]
        entered = [found.entered()] if found.entered() else []
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
            "vectors": vectors,
            "from_model": from_model,
            "habitats": [summary.to_dict() for summary in habitat_summaries(prepared, found)],
            "left_out": dict(found.left_out),
            "k_curve": vars(curve),
            "registration": prepared.registration.to_dict() if prepared.registration else None,
            "files": files,
            "warnings": [*taken.warnings, *prepared.warnings, *entered, *absent],
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
                vectors=self._habitat_voxels,
                load=lambda asked: self._extractor(asked, device),
            )
            if not self._forget_without_gpu():
                self._analyses.put(key, analysis)
        return analysis

    def _prepare(self, case: Case, protocol: Protocol, progress: Progress) -> Prepared:
        """`preparation.prepare`, remembering registrations and prepared cases."""
        case.require(protocol.sequences)
        registered_by = _registration_key(case, protocol)
        key = _prepared_key(case, protocol, registered_by)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = prepare(case, protocol, progress, self._registrations.get(registered_by))
            self._prepared.put(key, prepared)
        if prepared.registration is not None:
            self._registrations.put(registered_by, prepared.registration)
        return prepared

    def _habitat_voxels(self, case: Case, prepared: Prepared, protocol: Protocol, progress: Progress) -> HabitatVoxels:
        """`habitat_vectors.habitat_voxels`, remembering texture, so that another number of habitats is answered at once."""
        settings = protocol.habitats
        key = ""
        if settings.texture is not None:
            counted = {"scope", "match", "k", "k_range", "voxels_per_patient", "min_voxels", "seed", "descriptors"}
            key = _key(_prepared_key(case, protocol, _registration_key(case, protocol)), settings.model_dump(exclude=counted))
        voxels = self._textures.get(key)
        if voxels is None:
            voxels = habitat_voxels(prepared.preprocessed, settings, protocol.sequences, progress)
            if key:
                self._textures.put(key, voxels)
        return voxels

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


def _prepared_key(case: Case, protocol: Protocol, registered_by: str) -> str:
    return _key(registered_by, _roi_digest(case), protocol.sequences, protocol.preprocessing.model_dump())


def _images_digest(case: Case) -> str:
    return _key({name: _digest(image) for name, image in case.images.items()})


def _roi_digest(case: Case) -> str:
    return _key(case.roi_frame, _digest(case.roi) if case.roi is not None else None)


def _digest(image: sitk.Image) -> str:
    geometry = (image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection(), image.GetPixelIDValue())
    return hashlib.sha256(repr(geometry).encode() + sitk.GetArrayViewFromImage(image).tobytes()).hexdigest()


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
