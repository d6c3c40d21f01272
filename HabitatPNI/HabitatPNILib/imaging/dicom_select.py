"""Which of a folder's stacks are T2W, DWI and ADC: by what the tags say, and by the description only where they are silent."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..case import Choice
from ..errors import CaseError
from .dicom_series import Stack

if TYPE_CHECKING:
    from ..protocol import DiffusionSection

Kind = Literal["t2w", "dwi", "adc", "other"]

MAX_TILT_DEG = 30.0
MIN_SLICES = 4
"""Fewer slices than this are a localizer or a single picture, never an examination of the prostate."""

MIN_T2_ECHO_MS = 60.0
MIN_T2_REPETITION_MS = 1400.0

_NEVER = {"LOCALIZER", "EADC", "EXPONENTIAL", "FA", "TENSOR", "SUBTRACTION", "SUBTRACT", "PROJECTION IMAGE", "MIP", "P", "PHASE MAP"}
_TRACE = {"TRACEW", "TRACE", "DWI", "DIFFUSION", "CALC_BVALUE", "CDWI", "ISOTROPIC"}
_REFORMATTED = {"MPR", "REFORMATTED", "RESAMPLED", "SECONDARY"}
_SAYS_ADC = re.compile(r"(?<![a-z])adc|apparent.?diff|(?<![a-z])dadc", re.I)
_SAYS_EADC = re.compile(r"e[-_ ]?adc|exponential", re.I)
_SAYS_DWI = re.compile(r"dwi|diff|(?<![a-z])(?:hbv|tracew?)(?![a-z])|(?<![a-z0-9])b[-_ =]?val", re.I)
_SAYS_T2 = re.compile(r"^(?!.*flair).*t2(?![a-z]*[-_ ]?(?:\*|star|map))", re.I)
_SAYS_T1 = re.compile(r"(?<![a-z0-9])t1(?!\d)", re.I)
_BARE_B = re.compile(r"(?<![a-z0-9])b[-_ =]?\d{2,4}(?!\d)", re.I)
_DESCRIBED_B = re.compile(r"(?<![a-z0-9])b[-_ =]?(?:val(?:ue)?[-_ =]?)?(\d{1,4})(?!\d)", re.I)
_SAYS_CALCULATED = re.compile(r"calc|synth|computed|extrapol|cbval|cdwi", re.I)


@dataclass(frozen=True)
class Candidate:
    """A stack with what it was taken for.

    Parameters
    ----------
    stack : the slices
    kind : what it shows
    by_tags : whether the tags said so; False when only the description did
    b : b-value in s/mm2, from the tags or, where they have none, the description
    calculated : whether the b-value was extrapolated by the scanner and not measured
    """

    stack: Stack
    kind: Kind
    by_tags: bool
    b: float | None
    calculated: bool

    @property
    def label(self) -> str:
        """Series, and for DWI the b-value and whether it was measured."""
        if self.kind != "dwi":
            return self.stack.series.label
        if self.b is None:
            return f"{self.stack.series.label}, b unknown"
        return f"{self.stack.series.label}, b {self.b:g}, {'calculated' if self.calculated else 'measured'}"

    @property
    def why(self) -> str:
        """Where the kind and b-value come from."""
        source = "image and acquisition tags" if self.by_tags else "series description, as the tags are silent"
        return f"{source}; b-value from {self.stack.first.b_source}" if self.kind == "dwi" and self.stack.b is not None else source


@dataclass(frozen=True)
class Diffusion:
    """DWI chosen, its registration reference, the b-values measured with it, and what was left."""

    dwi: Candidate
    low_b: Candidate | None
    measured: tuple[Candidate, ...]
    choice: Choice


def classify(stacks: Iterable[Stack]) -> list[Candidate]:
    """Say of every stack what it is."""
    every = list(stacks)
    diffusing = {s.series.uid for s in every if s.b}
    echoes: dict[str, set[float]] = {}
    for s in every:
        if s.first.te is not None and s.b is None:
            echoes.setdefault(s.series.uid, set()).add(round(s.first.te))
    return [_candidate(s, s.series.uid in diffusing, len(echoes.get(s.series.uid, ())) > 2) for s in every]


def described_kind(text: str) -> Kind:
    """What a series description or a volume's name says that the images show."""
    if _SAYS_ADC.search(text):
        return "other" if _SAYS_EADC.search(text) else "adc"
    if _SAYS_DWI.search(text):
        return "dwi"
    if _SAYS_T2.search(text):
        return "t2w"
    # A patient's code may look like a b-value, so that it decides only where no word does.
    return "dwi" if _BARE_B.search(text) and not _SAYS_T1.search(text) else "other"


def described_b_values(text: str) -> tuple[float, ...]:
    """b-values in s/mm2 in a series description or a volume's name, in their order; what looks like one may be a patient's code."""
    return tuple(float(number) for number in _DESCRIBED_B.findall(text))


def says_calculated(text: str) -> bool:
    """Whether a series description or a volume's name tells of a b-value that was calculated and not measured."""
    return bool(_SAYS_CALCULATED.search(text))


def usable(candidates: Iterable[Candidate], kind: Kind) -> list[Candidate]:
    """Axial candidates of one kind with enough slices; those the tags vouch for hide the merely described ones."""
    fit = [c for c in candidates if c.kind == kind and c.stack.tilt_deg <= MAX_TILT_DEG and len(c.stack.slices) >= MIN_SLICES]
    return [c for c in fit if c.by_tags] or fit


def choose_t2w(candidates: Sequence[Candidate], missing: Callable[[str], CaseError]) -> tuple[Candidate, Choice, str]:
    """The axial T2W acquired last; also the choice in words and a warning when there were several."""
    found = usable(candidates, "t2w")
    acquired = [c for c in found if not set(c.stack.first.image_type) & _REFORMATTED] or found
    if not acquired:
        raise missing("T2W")
    best, others = _latest(acquired)
    rest = tuple(c.label for c in found if c is not best)
    if not others:
        return best, Choice("t2w", best.label, f"the only axial T2W ({best.why})", rest), ""
    choice = Choice("t2w", best.label, f"the later acquisition of {len(acquired)} axial T2W ({best.why})", rest)
    named = ", ".join(c.label for c in others)
    return best, choice, f"{len(acquired)} axial T2W series: the later acquisition, {best.label}, was taken and not {named}"


def choose_diffusion(candidates: Sequence[Candidate], section: DiffusionSection, missing: Callable[[str], CaseError]) -> Diffusion:
    """The DWI of highest b at or above the protocol's minimum, and the lowest measured b of the same grid."""
    found = usable(candidates, "dwi")
    high = [c for c in found if (c.b or 0) >= section.min_b]
    if not high:
        have = ", ".join(f"{b:g}" for b in sorted({c.b for c in found if c.b is not None})) or "none"
        raise missing(f"DWI with b >= {section.min_b:g} s/mm2 (b-values found: {have})")
    pool = ([c for c in high if not c.calculated] or high) if section.prefer == "measured" else high
    top = max(c.b or 0 for c in pool)
    pool = [c for c in pool if c.b == top]
    best, _ = _latest([c for c in pool if not c.calculated] or pool)
    rule = "measured before calculated" if section.prefer == "measured" else "measured or calculated"
    rest = tuple(c.label for c in found if c is not best)
    choice = Choice("dwi", best.label, f"highest b at or above {section.min_b:g} s/mm2, {rule} ({best.why})", rest)
    return with_reference(best, found, choice)


def with_reference(dwi: Candidate, found: Sequence[Candidate], choice: Choice) -> Diffusion:
    """Add to a DWI the measured b-values of its acquisition: of its own series first, then of others on its grid."""
    measured: dict[float, Candidate] = {}
    own = dwi.stack.series.uid
    for c in sorted(found, key=lambda c: (c.stack.series.uid == own, c.stack.started)):
        if c.kind == "dwi" and not c.calculated and c.b is not None and c.stack.shares_grid(dwi.stack):
            measured[c.b] = c
    lower = [b for b in measured if b < (dwi.b or 0)]
    return Diffusion(dwi, measured[min(lower)] if lower else None, tuple(measured[b] for b in sorted(measured)), choice)


def choose_adc(candidates: Sequence[Candidate], dwi: Stack | None) -> tuple[Candidate, Choice] | None:
    """The ADC map of the DWI's grid, of several the one acquired last; None when there is no map."""
    found = usable(candidates, "adc")
    if not found:
        return None
    pool = [c for c in found if dwi is not None and c.stack.shares_grid(dwi)] or found
    best, others = _latest(pool)
    rule = f"the later of {len(pool)} ADC maps" if others else "the ADC map" + (" on the grid of DWI" if len(found) > 1 else "")
    return best, Choice("adc", best.label, f"{rule} ({best.why})", tuple(c.label for c in found if c is not best))


def directions(best: Candidate, stacks: Iterable[Stack]) -> list[Stack]:
    """Stacks of the gradient directions that make up a DWI: the trace image alone where there is one."""
    same = [s for s in stacks if s.series.uid == best.stack.series.uid and s.b == best.stack.b and s.shares_grid(best.stack)]
    alike = [s for s in same if s.first.image_type == best.stack.first.image_type]
    return [best.stack] if not best.stack.first.direction else [s for s in alike if s.first.direction]


def seen(stacks: Iterable[Stack]) -> str:
    """Series by number and description, for an error that says what was there."""
    return "; ".join(dict.fromkeys(s.series.label for s in stacks)) or "none"


def _latest(pool: Sequence[Candidate]) -> tuple[Candidate, list[Candidate]]:
    # Without every time, series numbers alone tell which came later; a trace image hides its single directions.
    timed = all(c.stack.started[0] for c in pool)

    def order(c: Candidate) -> tuple:
        time, number = c.stack.started
        return (not c.stack.first.direction, time if timed else "", number, len(c.stack.slices))

    best = max(pool, key=order)
    return best, [c for c in pool if c.stack.series.uid != best.stack.series.uid]


def _candidate(stack: Stack, series_diffuses: bool, many_echoes: bool) -> Candidate:
    kind, by_tags = _by_tags(stack, series_diffuses, many_echoes)
    text = stack.series.description
    if kind is None:
        kind = described_kind(text)
        if kind == "t2w" and "EP" in stack.first.scanning:
            kind = "other"
    b = stack.b
    if kind == "dwi" and b is None:
        b = next(iter(described_b_values(text)), None)
        if b is None:
            kind = "other"
    calculated = stack.first.calculated or (kind == "dwi" and says_calculated(text))
    return Candidate(stack, kind, by_tags, b, calculated)


def _by_tags(stack: Stack, series_diffuses: bool, many_echoes: bool) -> tuple[Kind | None, bool]:
    """Kind by the tags, or None where they do not decide, and whether they did."""
    first = stack.first
    words = set(first.image_type)
    if stack.series.modality != "MR" or words & _NEVER:
        return "other", True
    if any(w == "ADC" or w.startswith("ADC_") for w in words):
        return "adc", True
    text = stack.series.description
    named_diffusion = re.search(r"ep_b\d", first.sequence_name) is not None
    if series_diffuses or words & _TRACE or named_diffusion or ("EP" in first.scanning and stack.b is not None):
        # A derived echo-planar map without a word on its kind keeps the b-values' tags: its description decides.
        if "DERIVED" in words and not words & _TRACE and _SAYS_ADC.search(text):
            return ("other" if _SAYS_EADC.search(text) else "adc"), False
        return "dwi", stack.b is not None
    if first.te is None or first.tr is None:
        return None, False
    if first.scanning & {"GR", "EP", "IR"} or many_echoes:
        return ("other", True) if first.scanning & {"GR", "IR"} or many_echoes else (None, False)
    return ("t2w" if first.te >= MIN_T2_ECHO_MS and first.tr >= MIN_T2_REPETITION_MS else "other"), True
