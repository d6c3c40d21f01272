"""Prepared cases on disk: the normalised sequences round the ROI, so that a second extraction does only what is new.

Beside them lie hashes of the images, which tell one image in two cases, and the registration, so that it is not looked for again.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .case import SEQUENCE_LABELS
from .imaging.preprocessing import Preprocessed
from .imaging.registration import Registration
from .storage import write_file

STORE_FORMAT = 3
"""Raise this whenever registration, preprocessing or the stored arrays change: volumes stored before are then made anew."""


@dataclass(frozen=True)
class StoredCase:
    """What is known of a prepared case besides its volumes.

    Parameters
    ----------
    path : file of the volumes
    b_values : b-values in s/mm2 of ``dwi`` and ``low_b`` where known
    phantom : whether it is a digital phantom
    hashes : `image_hashes` of the images as read
    registration : how T2W was found to lie; None where nothing was registered
    voxels : of the ROI on the analysis grid
    """

    path: Path
    b_values: Mapping[str, float]
    phantom: bool
    hashes: Mapping[str, str] = field(default_factory=dict)
    registration: Registration | None = None
    voxels: int = 0


def image_hashes(images: Mapping[str, sitk.Image]) -> dict[str, str]:
    """sha256 by sequence of the decoded voxels of T2W, DWI and ADC.

    Of a case's images, whose axes and unit are the same however they were stored: neither the file's name, kind, compression or
    voxel type nor its header changes the hash.
    """
    hashes = {}
    for name in (n for n in SEQUENCE_LABELS if n in images and n != "low_b"):
        values = np.ascontiguousarray(sitk.GetArrayViewFromImage(images[name]), dtype="<f4")
        hashes[name] = hashlib.sha256(repr(values.shape).encode() + values.tobytes()).hexdigest()
    return hashes


def store_case(
    preprocessed: Preprocessed,
    b_values: Mapping[str, float],
    phantom: bool,
    margin_mm: float,
    path: Path,
    *,
    hashes: Mapping[str, str],
    registration: Registration | None,
) -> None:
    """Write the normalised sequences and ROI, cut out round the ROI as wide as any region's square box can reach.

    Parameters
    ----------
    margin_mm : margin of the deep features' boxes
    hashes : `image_hashes` of the images as read
    """
    cut = cut_out(preprocessed, margin_mm)
    arrays: dict[str, Any] = {}
    for kind, images in (("normalised", cut.normalised), ("quantitative", cut.images)):
        arrays |= {f"{kind}_{name}": sitk.GetArrayFromImage(image) for name, image in images.items()}
    arrays["roi"] = sitk.GetArrayFromImage(cut.roi)
    arrays["geometry"] = np.array([*cut.roi.GetSpacing(), *cut.roi.GetOrigin(), *cut.roi.GetDirection()])
    facts = {
        "b_values": dict(b_values),
        "phantom": phantom,
        "hashes": dict(hashes),
        "registration": registration.to_dict() if registration else None,
        "voxels": int(np.count_nonzero(arrays["roi"])),
    }
    arrays["facts"] = np.array(json.dumps(facts), dtype=str)
    write_file(path, lambda temporary: np.savez_compressed(temporary, **arrays))


def cut_out(preprocessed: Preprocessed, margin_mm: float) -> Preprocessed:
    """What of a prepared case its habitats and features need: the surroundings of the ROI, `images` of the quantitative sequences alone."""
    roi = preprocessed.roi
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(roi)
    box = np.array(statistics.GetBoundingBox(1))
    pad = int(box[3:5].max()) // 2 + int(np.ceil(margin_mm / min(roi.GetSpacing()))) + 2
    low = np.maximum(0, box[:3] - pad)
    high = np.minimum(roi.GetSize(), box[:3] + box[3:] + pad)
    window = ([int(n) for n in high - low], [int(n) for n in low])

    def cut(images: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
        return {name: sitk.RegionOfInterest(image, *window) for name, image in images.items()}

    quantitative = cut({s: preprocessed.images[s] for s in preprocessed.quantitative})
    mask = sitk.RegionOfInterest(roi, *window)
    return Preprocessed(quantitative, cut(preprocessed.normalised), mask, preprocessed.lesions, (), preprocessed.quantitative)


def load_stored(path: Path) -> StoredCase:
    """What is known of a stored case besides its volumes."""
    with np.load(path, allow_pickle=False) as stored:
        facts = json.loads(str(stored["facts"]))
    return StoredCase(path, facts["b_values"], facts["phantom"], facts["hashes"], _registration(facts["registration"]), facts["voxels"])


def _registration(values: Mapping[str, Any] | None) -> Registration | None:
    """`Registration.to_dict` reversed."""
    if values is None:
        return None
    transform = sitk.Euler3DTransform()
    transform.SetFixedParameters(values["fixed_parameters"])
    transform.SetParameters(values["parameters"])
    rest: dict[str, Any] = {key: math.inf if value is None else value for key, value in values.items()}
    del rest["parameters"], rest["fixed_parameters"]
    return Registration(transform=transform, **{**rest, "translation_mm": tuple(values["translation_mm"])})


def load_volumes(path: Path) -> Preprocessed:
    """The stored volumes; of the sequences in scanner units those that enter the habitats so, and no warnings."""
    with np.load(path, allow_pickle=False) as stored:
        geometry = stored["geometry"].tolist()

        def image(array: np.ndarray) -> sitk.Image:
            result = sitk.GetImageFromArray(array)
            result.SetSpacing(geometry[:3])
            result.SetOrigin(geometry[3:6])
            result.SetDirection(geometry[6:])
            return result

        def images(kind: str) -> dict[str, sitk.Image]:
            return {name.removeprefix(kind): image(stored[name]) for name in stored.files if name.startswith(kind)}

        quantitative = images("quantitative_")
        return Preprocessed(quantitative, images("normalised_"), image(stored["roi"]), 1, (), tuple(quantitative))
