"""Prepared cases on disk: the normalised sequences round the ROI, so that a second extraction does only what is new."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .imaging.preprocessing import Preprocessed
from .storage import write_file

STORE_FORMAT = 2
"""Raise this whenever registration, preprocessing or the stored arrays change: volumes stored before are then made anew."""


@dataclass(frozen=True)
class StoredCase:
    """Where a prepared case lies, its b-values in s/mm2, and whether it is a digital phantom."""

    path: Path
    b_values: Mapping[str, float]
    phantom: bool


def store_case(preprocessed: Preprocessed, b_values: Mapping[str, float], phantom: bool, margin_mm: float, path: Path) -> None:
    """Write the normalised sequences and ROI, cut out round the ROI as wide as any region's square box can reach.

    Parameters
    ----------
    margin_mm : margin of the deep features' boxes
    """
    roi = preprocessed.roi
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(roi)
    box = np.array(statistics.GetBoundingBox(1))
    pad = int(box[3:5].max()) // 2 + int(np.ceil(margin_mm / min(roi.GetSpacing()))) + 2
    low = np.maximum(0, box[:3] - pad)
    high = np.minimum(roi.GetSize(), box[:3] + box[3:] + pad)
    window = ([int(n) for n in high - low], [int(n) for n in low])
    mask = sitk.RegionOfInterest(roi, *window)
    arrays: dict[str, Any] = {}
    for kind, images in (
        ("normalised", preprocessed.normalised),
        ("quantitative", {s: preprocessed.images[s] for s in preprocessed.quantitative}),
    ):
        for name, image in images.items():
            arrays[f"{kind}_{name}"] = sitk.GetArrayFromImage(sitk.RegionOfInterest(image, *window))
    arrays["roi"] = sitk.GetArrayFromImage(mask)
    arrays["geometry"] = np.array([*mask.GetSpacing(), *mask.GetOrigin(), *mask.GetDirection()])
    arrays["b_names"] = np.array(list(b_values), dtype=str)
    arrays["b_values"] = np.array(list(b_values.values()), dtype=float)
    arrays["phantom"] = np.array(phantom)
    write_file(path, lambda temporary: np.savez_compressed(temporary, **arrays))


def load_stored(path: Path) -> StoredCase:
    """What is known of a stored case besides its volumes."""
    with np.load(path, allow_pickle=False) as stored:
        b_values = dict(zip(stored["b_names"].tolist(), stored["b_values"].tolist(), strict=True))
        return StoredCase(path, b_values, bool(stored["phantom"]))


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
