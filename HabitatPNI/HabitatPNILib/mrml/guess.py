"""Which of a scene's nodes are the case's sequences and its tumour: a proposal that a person sees and can change.

It never mixes patients or studies as far as DICOM tags, the subject hierarchy, names or places tell them apart.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..case import HIGHEST_B
from ..imaging.dicom_select import MAX_TILT_DEG, MIN_SLICES, Candidate, Kind, classify, described_b_values, described_kind, says_calculated
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
    r"locali[sz]er|(?<![a-z])loc(?![a-z])|scout|survey|subtract|(?<![a-z])sub(?=[ _.]|$)|(?<![a-z])dce|perfusion|flair"
    r"|(?<![a-z])(?:mip|stir|colou?r|mask|label(?:map)?)(?![a-z])",
    re.I,
)
_SECOND_CHOICE = re.compile(
    r"spair|spir(?![a-z])|fat[-_ ]?sat|(?<![a-z])fs(?![a-z])|pelvi[sc]|(?:large|full|big)[-_ ]?fov|(?<![a-z])lfov", re.I
)
_T1 = re.compile(r"(?<![a-z0-9])t1(?!\d)", re.I)
_TRANSVERSE = re.compile(r"(?<![a-z])(?:tra|ax|axial|transv)", re.I)
_OTHER_PLANE = re.compile(r"(?<![a-z])(?:sag|cor)", re.I)
_LOW_B = re.compile(r"(?<![a-z])low[-_ ]?b(?![a-z])", re.I)
_SEVERAL_B = re.compile(r"(?<![a-z0-9])b[-_ =]?\d+(?:[-_ ,/]+(?:b[-_ =]?)?\d{2,4}(?!\d))+", re.I)
_SEQUENCE_WORD = re.compile(r"t2|dwi|diff|adc|d-?adc|apparent|hbv|trace|low[-_ ]?b|(?<![a-z0-9])b[-_ =]?(?:val|\d{2,4}(?!\d))", re.I)
_TECHNICAL = {"ax", "axial", "tra", "transv", "transverse", "obl", "oblique", "acq", "dir", "run", "mr", "mri", "ep2d", "resolve", "zoomit"}
_TECHNICAL |= {
    "tse",
    "fse",
    "blade",
    "propeller",
    "focus",
    "muse",
    "d",
    "dreg",
    "reg",
    "sms",
    "hr",
    "smfov",
    "fov",
    "small",
    "high",
    "calc",
}
_TUMOUR = re.compile(r"tumou?r|lesion|l[aä]sion|cancer|carcinoma|(?<![a-z])(?:pca|gtv|index|target|roi)(?![a-z])", re.I)
_NO_TUMOUR = re.compile(
    r"gland|zone|prostate(?!.*(?:cancer|carcinoma|tumou?r|lesion))|(?<![a-z])(?:pz|tz|cz)(?![a-z])|habitat"
    r"|(?<![a-z])(?:no|non|not|without)[-_ ]*(?=index|tumou?r|lesion|cancer)|benign|healthy|normal",
    re.I,
)


@dataclass(frozen=True)
class _Found:
    """A volume node with what it was taken for; `order` grows with the time of loading, `study` is empty where nothing names one."""

    node: Any
    kind: Kind
    by_tags: bool
    b: float | None
    calculated: bool
    order: int
    study: str

    @property
    def owner(self) -> tuple[str, ...]:
        """Words before those on the sequence, which may name a patient: of "Patient A T2W" patient and a."""
        name = re.sub(r"^\d{1,4}:", "", _name(self.node).lower())
        word = _SEQUENCE_WORD.search(name)
        return tuple(t for t in re.findall(r"[^\W_]+", name[: word.start()]) if t not in _TECHNICAL) if word else ()


def guess_sequences(nodes: Iterable[Any], chosen: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Volume nodes of ``t2w``, ``dwi``, ``adc`` and ``low_b`` as far as they are sure enough; no node twice.

    What DICOM tags say (where Slicer's DICOM database has the files) goes before what names say. Only transverse stacks and
    isotropic volumes count. All are of one study: that of the DWI that came last, else of the last T2W or ADC. Where
    nothing names studies, names may tell patients apart by how they begin, and a sequence is left out where two equally good
    volumes lie on different grids.

    Parameters
    ----------
    nodes : nodes of a scene in the order in which they came into it; of two that are equally good the later is taken.
        Those that are no scalar volumes, and results of HabitatPNI, are passed over
    chosen : volume nodes that a person chose already, by sequence; the others are of their study, and they are not named again
    """
    every = list(nodes)
    codes = _codes(_name(node) for node in every if node.GetClassName() == "vtkMRMLScalarVolumeNode")
    fixed = {name: _choice(name, node, codes) for name, node in (chosen or {}).items() if node.GetImageData() is not None}
    looked = (_look(node, order, codes) for order, node in enumerate(every) if not any(node is f.node for f in fixed.values()))
    found = [f for f in looked if f is not None and f.kind != "other"]
    found, picked = _of_one_study(found, fixed), dict(fixed)
    for name in ("dwi", "t2w", "adc", "low_b"):
        one = picked.get(name) or _PICK[name](_of_one_patient(found, picked), picked)
        if one is not None:
            picked[name] = one
    return {name: picked[name].node for name in ("t2w", "dwi", "adc", "low_b") if name in picked and name not in fixed}


def guess_b_value(node: Any) -> float | None:
    """b-value in s/mm2 of a volume node: of its attribute, its DICOM tags or a DWI's name; None where they do not say one."""
    b = _b_of_attribute(node)
    if b is not None:
        return b
    candidates = _candidates(node)
    if _kind(_name(node), candidates) != "dwi":
        return None
    if any(c.stack.b is not None for c in candidates):
        return _b_of_tags(candidates)
    return _b_of_name(_name(node), _codes(_names(node.GetScene())))


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


def _look(node: Any, order: int, codes: Collection[float]) -> _Found | None:
    if node.GetClassName() != "vtkMRMLScalarVolumeNode" or node.GetAttribute(ROLE_ATTRIBUTE) or node.GetAttribute(CASE_ATTRIBUTE):
        return None
    name = _name(node)
    if node.GetImageData() is None or _NEVER.search(name) or not _transverse(node, name):
        return None
    if _T1.search(name) and described_kind(name) == "other":
        return None  # before its files are opened: a dynamic series brings dozens of volumes
    candidates = _candidates(node)
    kind = _kind(name, candidates)
    by_tags = any(c.by_tags for c in candidates)
    if kind == "other" and not by_tags and _b_of_attribute(node) is not None:
        kind = "dwi"
    if kind == "dwi" and len({c.b for c in candidates}) > 1:
        return None
    return _found(node, kind, candidates, order, codes)


def _choice(name: str, node: Any, codes: Collection[float]) -> _Found:
    """A volume that a person took for a sequence."""
    kind: Kind = "t2w" if name == "t2w" else "adc" if name == "adc" else "dwi"
    return _found(node, kind, _candidates(node), -1, codes)


def _found(node: Any, kind: Kind, candidates: Sequence[Candidate], order: int, codes: Collection[float]) -> _Found:
    name, b, calculated = _name(node), None, False
    if kind == "dwi":
        sources = _b_of_attribute(node), _b_of_tags(candidates), _b_of_name(name, codes)
        b = next((b for b in sources if b is not None), None)
        calculated = any(c.calculated for c in candidates) or says_calculated(name)
    return _Found(node, kind, any(c.by_tags for c in candidates), b, calculated, order, _study(node, candidates))


def _kind(name: str, candidates: Sequence[Candidate]) -> Kind:
    kinds = {c.kind for c in candidates}
    if kinds and (kinds != {"other"} or any(c.by_tags for c in candidates)):
        return kinds.pop() if len(kinds) == 1 else "other"
    return described_kind(name)


def _study(node: Any, candidates: Sequence[Candidate]) -> str:
    """What identifies a node's study (else its patient) by its tags or its place in the subject hierarchy; compared, never shown."""
    for c in candidates:
        if c.stack.series.study:
            return c.stack.series.study
    scene = node.GetScene()
    hierarchy: Any = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode") if scene is not None else None
    item = hierarchy.GetItemByDataNode(node) if hierarchy is not None else 0
    for level in ("Study", "Patient") if item else ():
        above = hierarchy.GetItemAncestorAtLevel(item, level)
        if above:
            return hierarchy.GetItemUID(above, "DICOM") or f"{level} {above}"
    return ""


def _of_one_study(found: Sequence[_Found], fixed: Mapping[str, _Found]) -> list[_Found]:
    """Those of the study of what a person chose, else of the newest DWI, else of the newest volume.

    Where no study is known of a volume, that of the others on its grid is its own: maps are computed on the grid of their DWI.
    """
    every = [*fixed.values(), *found]
    known = [f for f in every if f.study]
    if not known:
        return list(found)

    def placed(f: _Found) -> _Found:
        near = {k.study for k in known if _same_grid(f.node, k.node)} if not f.study else set()
        return replace(f, study=near.pop()) if len(near) == 1 else f

    members = [placed(f) for f in found]
    heads = [placed(fixed[name]) for name in ("dwi", "t2w", "adc", "low_b") if name in fixed]
    if not heads:
        diffusion = [f for f in members if f.kind == "dwi" and (f.b is None or f.b >= MIN_B)]
        heads = [max(diffusion or members, key=lambda f: f.order)] if members else []
    return [f for f in members if f.study == heads[0].study] if heads else []


def _of_one_patient(found: Sequence[_Found], picked: Mapping[str, _Found]) -> list[_Found]:
    """Those whose names do not say that they are another patient's than what was picked; of a kind those named alike alone."""
    head = next(iter(picked.values()), None)
    owner = head.owner if head is not None else ()
    if head is None or head.study or not owner:
        return list(found)
    proven = any(f.kind != head.kind and _alike(f.owner, owner) for f in (*found, *picked.values()))
    mine = [f for f in found if not _foreign(f.owner, owner, proven)]
    named = {f.kind for f in mine if _alike(f.owner, owner)}
    return [f for f in mine if f.kind not in named or _alike(f.owner, owner)]


def _alike(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    shared = min(len(a), len(b))
    return shared > 0 and a[:shared] == b[:shared]


def _foreign(a: tuple[str, ...], b: tuple[str, ...], proven: bool) -> bool:
    """Whether two names begin as two patients' do: with other codes, or otherwise at all where one of them is proven to name a patient."""
    if not a or not b or _alike(a, b):
        return False
    one, other = next((x, y) for x, y in zip(a, b, strict=False) if x != y)
    return proven or all(len(word) == 1 or any(c.isdigit() for c in word) for word in (one, other))


def _sure(pool: Sequence[_Found]) -> _Found | None:
    """The best one, of several the newest; None where these may be two patients'."""
    pool = [f for f in pool if f.by_tags] or list(pool)
    pool = [f for f in pool if not _SECOND_CHOICE.search(_name(f.node))] or pool
    newest = max(pool, key=lambda f: f.order, default=None)
    if newest is None or newest.study:
        return newest
    rivals = [f for f in pool if not _foreign(f.owner, newest.owner, False)]
    return newest if all(_same_grid(f.node, newest.node) for f in rivals) else None


def _t2w(found: Sequence[_Found], _picked: Mapping[str, _Found]) -> _Found | None:
    return _sure([f for f in found if f.kind == "t2w"])


def _adc(found: Sequence[_Found], picked: Mapping[str, _Found]) -> _Found | None:
    maps = [f for f in found if f.kind == "adc"]
    dwi = picked.get("dwi")
    return _sure([f for f in maps if dwi is not None and _same_grid(f.node, dwi.node)] or maps)


def _dwi(found: Sequence[_Found], _picked: Mapping[str, _Found]) -> _Found | None:
    """The highest b-value, measured before calculated; where none is known the only image, or the only calculated one."""
    images = [f for f in found if f.kind == "dwi" and not _LOW_B.search(_name(f.node)) and (f.b is None or f.b >= MIN_B)]
    newest = max(images, key=lambda f: f.order, default=None)
    if newest is not None and not newest.study:
        images = [f for f in images if not _foreign(f.owner, newest.owner, False)]
    high = [f for f in images if f.b is not None]
    pool = [f for f in high if not f.calculated] or high
    if pool:
        top = max(f.b or 0 for f in pool)
        return _sure([f for f in pool if f.b == top])
    unknown = [f for f in images if f.b is None]
    # Scanners calculate b-values only to have higher ones than they measure.
    sure = unknown if len(unknown) == 1 else [f for f in unknown if f.calculated]
    return sure[0] if len(sure) == 1 else None


def _low_b(found: Sequence[_Found], picked: Mapping[str, _Found]) -> _Found | None:
    """The lowest measured b-value on the DWI's grid below the DWI's own, else an image that is named so."""
    dwi = picked.get("dwi")
    if dwi is None:
        return None
    limit = math.inf if dwi.b is None else dwi.b
    near = [f for f in found if f.kind == "dwi" and f is not dwi and not f.calculated and _same_grid(f.node, dwi.node)]
    lower = [f for f in near if f.b is not None and f.b < min(limit, MIN_B)]
    if lower:
        bottom = min(f.b or 0 for f in lower)
        return _sure([f for f in lower if f.b == bottom])
    return _sure([f for f in near if f.b is None and _LOW_B.search(_name(f.node))])


_PICK = {"dwi": _dwi, "t2w": _t2w, "adc": _adc, "low_b": _low_b}


def _candidates(node: Any) -> tuple[Candidate, ...]:
    """What the DICOM tags of a node's first file say, and of its last where b-values may differ; empty without files."""
    uids = (node.GetAttribute(UIDS_ATTRIBUTE) or "").split()
    database = getattr(slicer, "dicomDatabase", None)
    if not uids or database is None:
        return ()
    files = [database.fileForInstance(uid) for uid in dict.fromkeys((uids[0], uids[-1]))]
    try:
        return _classified(tuple((file, Path(file).stat().st_mtime_ns) for file in files if file))
    except OSError:
        return ()


@lru_cache(maxsize=64)  # the panel asks again whenever anything changes
def _classified(files: tuple[tuple[str, int], ...]) -> tuple[Candidate, ...]:
    """The same of a first and a last file, each with the time of its last change."""
    found = classify(stacks(_headers(files[0][0]))) if files else []
    if len(files) > 1 and any(c.stack.b is not None for c in found):
        found = classify(stacks([s for file, _ in files for s in _headers(file)]))
    return tuple(found)


def _headers(file: str) -> list[SliceHeader]:
    import pydicom

    try:
        with quiet():
            return slices_of(pydicom.dcmread(file, stop_before_pixels=True), Path(file))
    except Exception:  # pydicom meets other bytes with errors of a dozen kinds; the name is left to go by
        return []


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


def _b_of_name(name: str, codes: Collection[float]) -> float | None:
    values = set(described_b_values(name)) - set(codes)
    return values.pop() if len(values) == 1 and not _SEVERAL_B.search(name) else None


def _codes(names: Iterable[str]) -> set[float]:
    """What looks like a b-value but stands in the names of several kinds of images: a patient's code."""
    kinds: dict[float, set[Kind]] = {}
    for name in names:
        for b in described_b_values(name):
            kinds.setdefault(b, set()).add(described_kind(name))
    return {b for b, of in kinds.items() if len(of) > 1}


def _names(scene: Any) -> list[str]:
    """Names of a scene's scalar volumes."""
    kind = "vtkMRMLScalarVolumeNode"
    return [_name(scene.GetNthNodeByClass(i, kind)) for i in range(scene.GetNumberOfNodesByClass(kind))] if scene is not None else []


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
