"""What is put into a scene: an analysis of this process, or the dict and files that the worker wrote.

Nothing below needs the packages that compute: this also runs in a Slicer into which nothing has been installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from ..errors import OutputError

if TYPE_CHECKING:
    from ..analysis import Analysis

CASE_ATTRIBUTE = "HabitatPNI.case"
ROLE_ATTRIBUTE = "HabitatPNI.role"
RESULT_REFERENCE = "HabitatPNI.result"
"""Role of a result node's reference to itself. A copy's leads to the original, and loading a scene renumbers it with the nodes."""


@dataclass(frozen=True)
class Results:
    """One case's result as a scene needs it.

    Parameters
    ----------
    case_id : the case
    values : ``Analysis.to_dict()``; empty for habitats without a probability
    habitats : one dict a label, as in ``Analysis.to_dict()["habitats"]``
    images : sequences by name on the analysis grid, LPS; those of the worker are read from their files when asked for
    roi, habitat_map : uint8 masks on the analysis grid, or None
    nomogram : the nomogram with this patient's points as a PNG file's bytes, or None
    k_curve : cluster validity by criterion, as in ``Analysis.to_dict()["k_curve"]``, or None
    """

    case_id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    habitats: Sequence[Mapping[str, Any]] = ()
    images: Mapping[str, sitk.Image] = field(default_factory=dict)
    roi: sitk.Image | None = None
    habitat_map: sitk.Image | None = None
    nomogram: bytes | None = None
    k_curve: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, analysis: Analysis, nomogram: bytes | None = None) -> Results:
        """Results of an analysis made in this process."""
        values = analysis.to_dict()
        return cls(
            case_id=analysis.case_id,
            values=values,
            habitats=values["habitats"],
            images=analysis.images,
            roi=analysis.roi,
            habitat_map=analysis.habitat_map,
            nomogram=nomogram,
            k_curve=values["k_curve"],
        )

    @classmethod
    def from_analyse(cls, value: Mapping[str, Any]) -> Results:
        """Results of the worker's command ``analyse``; its image files have to stay until the results are shown.

        Raises
        ------
        OutputError
            when a file of the worker is missing or damaged
        """
        values, path = value["analysis"], value.get("nomogram")
        files = _files(value)
        return cls(
            values["case_id"],
            values,
            values["habitats"],
            nomogram=_bytes(Path(path)) if path else None,
            k_curve=values["k_curve"],
            **files,
        )

    @classmethod
    def from_habitats(cls, value: Mapping[str, Any]) -> Results:
        """Results of the worker's command ``habitats``: everything but the probability. Raises as `from_analyse`."""
        return cls(value["case_id"], {}, value["habitats"], k_curve=value.get("k_curve"), **_files(value))


class ImageFiles(Mapping[str, sitk.Image]):
    """Images by name, each read from its file whenever it is asked for.

    Raises
    ------
    OutputError
        when a file is missing or damaged
    """

    def __init__(self, paths: Mapping[str, str]) -> None:
        self._paths = dict(paths)

    def __getitem__(self, name: str) -> sitk.Image:
        return read_image(self._paths[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def read_image(path: str | Path) -> sitk.Image:
    """Image of a file that the worker wrote.

    Raises
    ------
    OutputError
        when it is missing or damaged
    """
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise OutputError(f"The result file {Path(path).name} cannot be read (was the temporary folder emptied?); run it again") from error


def _files(value: Mapping[str, Any]) -> dict[str, Any]:
    files = value.get("files") or {}
    masks = {name: read_image(files[name]) if files.get(name) else None for name in ("roi", "habitat_map")}
    return {"images": ImageFiles(files.get("images") or {}), **masks}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise OutputError(f"The result file {path.name} cannot be read (was the temporary folder emptied?); run it again") from error
