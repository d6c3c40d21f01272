"""Phantom cohorts: whose cases, outcomes and probabilities are known before an image is made, and their files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..case import PHANTOM, Case
from ..errors import CohortError, OutputError
from ..storage import write_file, write_text
from .phantom import Centre, phantom_case
from .phantom_law import draw_patient

STUDY_SIZE = (173, 74, 150)
SPLITS: tuple[tuple[str, Centre], ...] = (("training", "centre1"), ("internal", "centre1"), ("external", "centre2"))
IMAGE_NAMES = ("t2w", "dwi", "adc", "low_b", "roi")
COLUMNS = (
    *("case_id", "centre", "split", "outcome"),
    *IMAGE_NAMES,
    *("b_dwi", "b_low_b", "age", "mrt_stage", "pi_rads", "true_probability"),
)
SEEDS_PER_COHORT = 100_000
TABLE = "cohort.csv"


@dataclass(frozen=True)
class CohortMember:
    """One case of a phantom cohort; ``phantom_case(seed, centre=centre, case_id=case_id)`` makes its images."""

    case_id: str
    centre: Centre
    split: str
    seed: int
    clinical: dict[str, float]
    outcome: int
    probability: float


def phantom_cohort(*, n: tuple[int, int, int] = STUDY_SIZE, seed: int = 1) -> Iterator[CohortMember]:
    """Members of a cohort, one after the other: training and internal from centre 1, external from centre 2.

    Parameters
    ----------
    n : cases of training, internal validation and external validation; the default is the `pca-pni` study's 173, 74, 150
    seed : of the cohort; different seeds share no case
    """
    if min(n) < 0 or sum(n) < 1 or sum(n) >= SEEDS_PER_COHORT or seed < 0:
        raise CohortError(
            f"No phantom cohort of sizes {n} with seed {seed}: give 1 to {SEEDS_PER_COHORT - 1} cases in all and a seed of 0 or more"
        )
    number = 0
    for (split, centre), count in zip(SPLITS, n, strict=True):
        for _ in range(count):
            number += 1
            case_seed = seed * SEEDS_PER_COHORT + number
            patient = draw_patient(case_seed)
            yield CohortMember(
                case_id=f"phantom-{centre}-{number:04d}",
                centre=centre,
                split=split,
                seed=case_seed,
                clinical=patient.clinical,
                outcome=patient.outcome,
                probability=patient.probability,
            )


def write_phantom_case(case: Case, folder: Path) -> dict[str, Path]:
    """Write a phantom case's images and ROI as NRRD files that carry ``phantom = true`` and, for diffusion, ``b_value``.

    Returns
    -------
    dict
        paths by name: ``t2w``, ``dwi``, ``adc``, ``low_b``, ``roi``

    Raises
    ------
    OutputError
        when a file cannot be written
    """
    images = dict(case.images)
    if case.roi is not None:
        images["roi"] = case.roi
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make the folder {folder} ({error.strerror}); choose another output folder") from error
    paths = {}
    for name, image in images.items():
        tagged = sitk.Image(image)
        tagged.SetMetaData(PHANTOM, "true")
        if name in case.b_values:
            tagged.SetMetaData("b_value", f"{case.b_values[name]:g}")
        paths[name] = folder / f"{name}.nrrd"
        _write_image(tagged, paths[name])
    return paths


def write_member(member: CohortMember, folder: Path) -> dict[str, Any]:
    """Make and write one member into its folder; its row of the cohort table, paths relative to `folder`."""
    case, _ = phantom_case(member.seed, centre=member.centre, case_id=member.case_id)
    paths = write_phantom_case(case, folder / member.case_id)
    return {
        "case_id": member.case_id,
        "centre": member.centre,
        "split": member.split,
        "outcome": member.outcome,
        **{name: paths[name].relative_to(folder).as_posix() for name in IMAGE_NAMES},
        "b_dwi": f"{case.b_values['dwi']:g}",
        "b_low_b": f"{case.b_values['low_b']:g}",
        **{name: f"{value:g}" for name, value in member.clinical.items()},
        "true_probability": f"{member.probability:.6f}",
    }


def write_phantom_table(rows: list[dict[str, Any]], folder: Path) -> Path:
    """Write the table ``cohort.csv`` of members that are written."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(folder / TABLE, text.getvalue())
    return folder / TABLE


def _write_image(image: sitk.Image, path: Path) -> None:
    def write(temporary: Path) -> None:
        sitk.WriteImage(image, str(temporary), useCompression=True, compressionLevel=1)
        sitk.ReadImage(str(temporary))  # the NRRD writer does not report every full disk

    write_file(path, write)
