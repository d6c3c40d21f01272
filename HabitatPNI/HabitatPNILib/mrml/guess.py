"""Which of a scene's nodes are the case's sequences and its tumour: a proposal that a person sees and can change."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..case import HIGHEST_B
from ..imaging.dicom_select import MAX_TILT_DEG, MIN_SLICES, Candidate, Kind, classify, described_b, described_kind, says_calculated
from ..imaging.dicom_series import stacks
from ..imaging.dicom_tags import SliceHeader, quiet, slices_of
from .geometry import matrix_from_vtk
from .host import slicer, vtk
from .logic import B_VALUE_ATTRIBUTES
from .results import CASE_ATTRIBUTE, ROLE_ATTRIBUTE

MIN_B = 800.0
"""Lowest b-value in s/mm2 that counts as DWI, as in the standard protocol."""

UIDS_ATTRIBUTE = "DICOM.instanceUIDs"
_ISOTROPIC = 1.5
_NEVER = re.compile(
    r"locali[sz]er|(?<![a-z])loc(?![a-z])|scout|survey|subtract|(?<![a-z])sub(?=[ _.]|$)|(?<![a-z])dce|perfusion|(?<![a-z])mip(?![a-z])",
    re.I,
)
_T1 = re.compile(r"(?<![a-z0-9])t1(?!\d)", re.I)
_TRANSVERSE = re.compile(r"(?<![a-z])(?:tra|ax|axial|transv)", re.I)
_OTHER_PLANE = re.compile(r"(?<![a-z])(?:sag|cor)", re.I)
_LOW_B = re.compile(r"(?<![a-z])low[-_ ]?b(?![a-z])", re.I)
_SEVERAL_B = re.compile(r"(?<![a-z0-9])b[-_ =]?\d+(?:[-_ ,/]+(?:b[-_ =]?)?\d{2,4}(?!\d))+", re.I)
_TUMOUR = re.compile(r"tumou?r|lesion|l[aä]sion|cancer|carcinoma|(?<![a-z])(?:pca|gtv|index|target|roi)(?![a-z])", re.I)
_NO_TUMOUR = re.compile(r"gland|zone|prostate(?!.*(?:cancer|carcinoma|tumou?r|lesion))|(?<![a-z])(?:pz|tz|cz)(?![a-z])|habitat", re.I)


@dataclass(frozen=True)
class _Found:
    """A volume node with what it was taken for; `order` grows with the time of loading."""

    node: Any
    kind: Kind
    by_tags: bool
    b: float | None
    calculated: bool
    order: int


def guess_sequences(nodes: Iterable[Any]) -> dict[str, Any]:
    """Volume nodes of ``t2w``, ``dwi``, ``adc`` and ``low_b`` as far as they are sure enough; no node twice.

    What DICOM tags say (where Slicer's DICOM database has the files) goes before what names say. Only transverse stacks and
    isotropic volumes count.

    Parameters
    ----------
    nodes : nodes of a scene in the order in which they came into it; of two that are equally good the later is taken.
        Those that are no scalar volumes, and results of HabitatPNI, are passed over
    """
    found = [f for f in (_look(node, order) for order, node in enumerate(nodes)) if f is not None and f.kind != "other"]
    chosen: dict[str, Any] = {}
    t2w = _newest(found, lambda f: f.kind == "t2w")
    dwi = _dwi([f for f in found if f.kind == "dwi" and not _LOW_B.search(_name(f.node))])
    adc = _newest(found, lambda f: f.kind == "adc" and dwi is not None and _same_grid(f.node, dwi.node))
    adc = adc or _newest(found, lambda f: f.kind == "adc")
    for name, one in (("t2w", t2w), ("dwi", dwi), ("adc", adc), ("low_b", _low_b(found, dwi))):
        if one is not None:
            chosen[name] = one.node
    return chosen


def guess_b_value(node: Any) -> float | None:
    """b-value in s/mm2 of a volume node: of its attribute, its DICOM tags or its name; None where they do not say one."""
    return _b(node, _candidates(node))


def guess_segment(segmentation: Any) -> str | None:
    """ID of the tumour's segment: the only one there is, or the only one named so; None where that is not sure."""
    if segmentation is None or segmentation.GetAttribute(ROLE_ATTRIBUTE) == "habitats":
        return None
    held = segmentation.GetSegmentation()
    names = {identity: held.GetSegment(identity).GetName() or "" for identity in held.GetSegmentIDs()}
    if len(names) == 1:
        return next(iter(names))
    named = [identity for identity, name in names.items() if _TUMOUR.search(name) and not _NO_TUMOUR.search(name)]
    return named[0] if len(named) == 1 else None


def _look(node: Any, order: int) -> _Found | None:
    if node.GetClassName() != "vtkMRMLScalarVolumeNode" or node.GetAttribute(ROLE_ATTRIBUTE) or node.GetAttribute(CASE_ATTRIBUTE):
        return None
    name = _name(node)
    if node.GetImageData() is None or _NEVER.search(name) or not _transverse(node, name):
        return None
    if _T1.search(name) and described_kind(name) == "other":
        return None  # before its files are opened: a dynamic series brings dozens of volumes
    candidates = _candidates(node)
    kinds = {c.kind for c in candidates}
    if len(kinds) > 1:
        return None
    kind: Kind = kinds.pop() if kinds else "other"
    by_tags = any(c.by_tags for c in candidates)
    if not by_tags and kind == "other":
        kind = described_kind(name)
        if kind == "other" and _b_of_attribute(node) is not None:
            kind = "dwi"
    if kind == "dwi" and len({c.b for c in candidates}) > 1:
        return None
    b = (
        None
        if kind != "dwi"
        else next((b for b in (_b_of_attribute(node), _b_of_tags(candidates), _b_of_name(name)) if b is not None), None)
    )
    calculated = kind == "dwi" and (any(c.calculated for c in candidates) or says_calculated(name))
    return _Found(node, kind, by_tags, b, calculated, order)


def _newest(found: Sequence[_Found], fits: Callable[[_Found], bool]) -> _Found | None:
    pool = [f for f in found if fits(f)]
    pool = [f for f in pool if f.by_tags] or pool
    return max(pool, key=lambda f: f.order, default=None)


def _dwi(found: Sequence[_Found]) -> _Found | None:
    """The highest b-value, measured before calculated; where none is known the only image, or the only calculated one."""
    high = [f for f in found if f.b is not None and f.b >= MIN_B]
    pool = [f for f in high if not f.calculated] or high
    if pool:
        top = max(f.b or 0 for f in pool)
        return _newest(pool, lambda f: f.b == top)
    unknown = [f for f in found if f.b is None]
    # Scanners calculate b-values only to have higher ones than they measure.
    sure = unknown if len(unknown) == 1 else [f for f in unknown if f.calculated]
    return sure[0] if len(sure) == 1 else None


def _low_b(found: Sequence[_Found], dwi: _Found | None) -> _Found | None:
    """The lowest measured b-value on the DWI's grid below the DWI's own, else an image that is named so."""
    if dwi is None:
        return None
    limit = math.inf if dwi.b is None else dwi.b
    near = [f for f in found if f.kind == "dwi" and f is not dwi and not f.calculated and _same_grid(f.node, dwi.node)]
    lower = [f for f in near if f.b is not None and f.b < min(limit, MIN_B)]
    if lower:
        bottom = min(f.b or 0 for f in lower)
        return _newest(lower, lambda f: f.b == bottom)
    return _newest(near, lambda f: f.b is None and _LOW_B.search(_name(f.node)) is not None)


def _candidates(node: Any) -> list[Candidate]:
    """What the DICOM tags of a node's first file say, and of its last where b-values may differ; empty without files."""
    uids = (node.GetAttribute(UIDS_ATTRIBUTE) or "").split()
    if not uids or getattr(slicer, "dicomDatabase", None) is None:
        return []
    found = classify(stacks(_headers(uids[0])))
    if len(uids) > 1 and any(c.stack.b is not None for c in found):
        found = classify(stacks([*_headers(uids[0]), *_headers(uids[-1])]))
    return found


def _headers(uid: str) -> list[SliceHeader]:
    import pydicom

    file = slicer.dicomDatabase.fileForInstance(uid)
    if not file:
        return []
    try:
        with quiet():
            return slices_of(pydicom.dcmread(file, stop_before_pixels=True), Path(file))
    except Exception:  # pydicom meets other bytes with errors of a dozen kinds; the name is left to go by
        return []


def _b(node: Any, candidates: Sequence[Candidate]) -> float | None:
    sources = _b_of_attribute(node), _b_of_tags(candidates), _b_of_name(_name(node))
    return next((b for b in sources if b is not None), None)


def _b_of_tags(candidates: Sequence[Candidate]) -> float | None:
    values = {c.stack.b for c in candidates}
    return values.pop() if len(values) == 1 else None


def _b_of_attribute(node: Any) -> float | None:
    for key in B_VALUE_ATTRIBUTES:
        try:
            b = float(node.GetAttribute(key) or "")
        except ValueError:
            continue
        if 0 <= b <= HIGHEST_B:
            return b
    return None


def _b_of_name(name: str) -> float | None:
    return None if _SEVERAL_B.search(name) else described_b(name)


def _name(node: Any) -> str:
    return node.GetName() or ""


def _transverse(node: Any, name: str) -> bool:
    if node.GetImageData().GetDimensions()[2] < MIN_SLICES or (_OTHER_PLANE.search(name) and not _TRANSVERSE.search(name)):
        return False
    axes = _matrix(node)[:3, :3]
    lengths = np.linalg.norm(axes, axis=0)
    if lengths.min() <= 0:
        return False
    tilt = math.degrees(math.acos(min(1.0, abs(float(axes[2, 2])) / float(lengths[2]))))
    return tilt <= MAX_TILT_DEG or float(lengths.max() / lengths.min()) <= _ISOTROPIC


def _same_grid(a: Any, b: Any) -> bool:
    same_size = a.GetImageData().GetDimensions() == b.GetImageData().GetDimensions()
    return same_size and np.allclose(_matrix(a), _matrix(b), atol=0.1)


def _matrix(node: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return matrix_from_vtk(matrix)
