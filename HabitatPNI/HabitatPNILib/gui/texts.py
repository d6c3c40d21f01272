"""What the panel says, from plain values: sentences, table rows and the result as text. No Qt."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk
from slicer.i18n import tr as _

from ..case import PHANTOM, SEQUENCE_LABELS
from ..drawing import percent
from ..errors import CaseError
from ..predictors import Predictor, range_warnings
from .state import CASE_ID

SEQUENCE_UNITS = {"adc": "1e-6 mm\u00b2/s"}
_DISPLAYED = ("t2w", "dwi", "adc")
_COMMAND_LINE = re.compile(r"\s*\((?:--|habitatpni )[^()]*\)")
_WORD = re.compile(r"[a-z]{2,}\b")
_RADSCORE = "radscore_"


@dataclass(frozen=True)
class ContributionRow:
    """One predictor of a result: its name, value, log odds as text, and the log odds as a number for its bar."""

    label: str
    value: str
    log_odds: str
    size: float


@dataclass(frozen=True)
class FieldState:
    """What to say of a clinical value as typed: nothing, a caution (outside the training range), or an error."""

    caution: str = ""
    error: str = ""


def for_panel(message: str) -> str:
    """An error or warning as the panel shows it: without the case's name and hints at the command line."""
    text = _COMMAND_LINE.sub("", message)
    stripped = text.removeprefix(f"Case {CASE_ID}: ")
    if stripped != text and _WORD.match(stripped):
        stripped = stripped[0].upper() + stripped[1:]
    return stripped


def registration_line(registration: Mapping[str, Any]) -> str:
    """Verdict on a registration, with shift (mm), rotation (degrees) and whether the images fit better than before.

    Parameters
    ----------
    registration : as in ``Analysis.to_dict()["registration"]``
    """
    moved = _("shift {shift:.1f} mm, rotation {rotation:.1f}\u00b0").format(
        shift=registration["displacement_mm"], rotation=rotation_degrees(registration)
    )
    if registration["accepted"]:
        return _("Accepted: {moved}; {fit}.").format(moved=moved, fit=_fit(registration))
    text = _("Not accepted, scanner geometry is kept: {reason}.").format(reason=registration["reason"].rstrip("."))
    if registration["metric_after"]:
        found = _("Found, but not used: {moved}; {fit}.").format(moved=moved, fit=_fit(registration))
        text = f"{text} {found}"
    return text


def registration_help(registration: Mapping[str, Any]) -> str:
    """The figures behind "fits better": the metric before and after, in nats."""
    return _("Mutual information of the two images {before} \u2192 {after} nats (higher is better)").format(
        before=_metric(registration["metric_before"]), after=_metric(registration["metric_after"])
    )


def rotation_degrees(registration: Mapping[str, Any]) -> float:
    """Angle of a registration's rigid transform."""
    transform = sitk.Euler3DTransform()
    transform.SetFixedParameters(registration["fixed_parameters"])
    transform.SetParameters(registration["parameters"])
    matrix = transform.GetMatrix()
    cosine = (matrix[0] + matrix[4] + matrix[8] - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def size_line(volume_ml: float, diameter_mm: float, voxels: int) -> str:
    """A tumour's size."""
    return _("Volume {volume:.2f} mL, largest in-plane diameter {diameter:.0f} mm, {voxels} voxels").format(
        volume=volume_ml, diameter=diameter_mm, voxels=voxels
    )


def vector_choices(settings: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    """Name and explanation of all that habitats can be clustered from: the model's, then `state.VECTORS`.

    Parameters
    ----------
    settings : section ``habitats`` of the model's protocol; None or empty without a model
    """
    own = _("as the model")
    if settings:
        own = _("as the model (texture)") if settings.get("texture") else _("as the model (intensity)")
    return (
        (own, _("The model's own habitats, which enter the probability")),
        (_("intensity"), _("How bright each voxel is in every sequence, clustered from this case alone")),
        (
            _("texture in the slice (77 features)"),
            _(
                "How even, coarse or mixed the 5 \u00d7 5 voxels of the slice round each voxel look in every sequence: tells apart parts "
                "of equal brightness but different texture. The first time on a computer takes about half a minute longer."
            ),
        ),
        (
            _("texture in 3D (93 features)"),
            _(
                "How even, coarse or mixed the 5 \u00d7 5 \u00d7 5 voxels round each voxel look in every sequence, across slices too; "
                "thick slices blur it. The first time on a computer takes about half a minute longer."
            ),
        ),
    )


def habitat_columns(habitats: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Title and explanation of every column of the habitats' table."""
    fixed = (
        (_("Habitat"), _("Name and colour of the habitat in the views")),
        (_("Voxels"), _("Number of voxels of the analysis grid")),
        (_("Share"), _("Share of the tumour's voxels (%)")),
        (_("mL"), _("Volume (mL)")),
    )
    means = []
    for name in shown_sequences(habitats):
        label = SEQUENCE_LABELS.get(name, name)
        unit = SEQUENCE_UNITS.get(name, _("scanner units"))
        title = f"{label}\n({SEQUENCE_UNITS[name]})" if name in SEQUENCE_UNITS else label
        means.append((title, _("Mean {sequence} ({unit})").format(sequence=label, unit=unit)))
    return (*fixed, *means)


def habitat_row(habitat: Mapping[str, Any], sequences: Sequence[str]) -> tuple[str, ...]:
    """Cells of one habitat in the order of `habitat_columns`."""
    return (
        habitat_name(habitat),
        str(habitat["voxels"]),
        _share(habitat["share"]),
        f"{habitat['volume_ml']:.2f}",
        *(_mean(habitat["means"].get(name)) for name in sequences),
    )


def grid_line(habitats: Sequence[Mapping[str, Any]]) -> str:
    """On which grid the habitats' voxels are counted; empty without a voxel."""
    found = next((h for h in habitats if h["voxels"]), None)
    if found is None:
        return ""
    volume = 1000 * found["volume_ml"] / found["voxels"]
    text = _("Counted on the analysis grid ({side:.3g} mm), not on the grid of the image that the outline was drawn on.")
    return text.format(side=volume ** (1 / 3))


def habitat_name(habitat: Mapping[str, Any]) -> str:
    """A habitat's name, and whether it is absent."""
    name = _("Habitat {label}").format(label=habitat["label"])
    return _("{name} (absent)").format(name=name) if habitat["absent"] else name


def shown_sequences(habitats: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Sequences whose means are shown, T2W first."""
    return tuple(name for name in _DISPLAYED if any(name in habitat["means"] for habitat in habitats))


def contribution_rows(analysis: Mapping[str, Any]) -> tuple[ContributionRow, ...]:
    """Every predictor of a result, the largest contribution first."""
    rows = []
    for item in sorted(analysis["contributions"], key=lambda c: -abs(c["log_odds"])):
        log_odds = _("training mean") if item["imputed"] else _signed(item["log_odds"])
        rows.append(ContributionRow(item["label"], minus(item["text"]), log_odds, 0.0 if item["imputed"] else item["log_odds"]))
    return tuple(rows)


def class_line(analysis: Mapping[str, Any]) -> str:
    """The class against the cut-off, in words."""
    cut_off = percent(analysis["cut_off"])
    if analysis["high_risk"]:
        return _("Higher risk: at or above the cut-off of {cut_off}").format(cut_off=cut_off)
    return _("Lower risk: below the cut-off of {cut_off}").format(cut_off=cut_off)


def is_phantom(analysis: Mapping[str, Any]) -> bool:
    """Whether a result was made from a digital phantom."""
    return any(choice["item"] == PHANTOM for choice in analysis["provenance"]["choices"])


def means_nothing(analysis: Mapping[str, Any]) -> bool:
    """Whether the number means nothing for this patient: a demonstration model on a case that is no phantom."""
    return bool(analysis["model"]["demonstration"]) and not is_phantom(analysis)


def images_left_out(analysis: Mapping[str, Any]) -> bool:
    """Whether the model takes radscores, and the case has none of the regions they are made of."""
    radscores = [c for c in analysis["contributions"] if c["name"].startswith(_RADSCORE)]
    return bool(radscores) and all(c["imputed"] for c in radscores)


def is_alarm(analysis: Mapping[str, Any]) -> bool:
    """Whether the number is not what it seems, so that its notice must not be overlooked."""
    return means_nothing(analysis) or images_left_out(analysis)


def notice(analysis: Mapping[str, Any]) -> tuple[str, str]:
    """Heading and text of what stands before the number."""
    if means_nothing(analysis):
        heading = _("Do not use this number")
    elif images_left_out(analysis):
        heading = _("Not an answer of the images")
    elif is_phantom(analysis):
        heading = _("A digital phantom, no patient")
    else:
        heading = _("About this number")
    return heading, " ".join(part for part in (analysis["notice"], analysis["research_use_only"]) if part)


def radscore_line(analysis: Mapping[str, Any]) -> str:
    """What a radscore is; empty where none entered."""
    if not any(c["name"].startswith(_RADSCORE) for c in analysis["contributions"]):
        return ""
    return _("A radscore is the log odds that the images alone give; its bar shows how far it lies from the training patients' mean.")


def model_line(analysis: Mapping[str, Any]) -> str:
    """Name, version and title of the model that gave a result."""
    model = analysis["model"]
    return _("Model {name} {version}: {title}").format(name=model["name"], version=model["version"], title=model["title"])


def warnings_title(warnings: Sequence[str]) -> str:
    """Heading over the warnings."""
    return _("1 warning") if len(warnings) == 1 else _("{count} warnings").format(count=len(warnings))


def result_text(analysis: Mapping[str, Any]) -> str:
    """A result as plain text for the clipboard; the notice stands right under the number."""
    heading, text = notice(analysis)
    lines = [
        _("Case {case}").format(case=analysis["case_id"]),
        _("Probability of perineural invasion: {probability}").format(probability=percent(analysis["probability"])),
        f"{heading}: {text}",
        f"{class_line(analysis)} ({analysis['cut_off_rule']})",
        model_line(analysis),
        "",
        _("What speaks for and against (log odds against a patient at the training mean):"),
        *(f"- {row.label}: {row.value}: {row.log_odds}" for row in contribution_rows(analysis)),
    ]
    habitats = analysis["habitats"]
    if habitats:
        sequences = shown_sequences(habitats)
        lines += ["", _("Habitats:"), *(_habitat_line(habitat, sequences) for habitat in habitats)]
    if analysis["registration"]:
        lines += ["", _("Registration: {line}").format(line=registration_line(analysis["registration"]))]
        lines += [registration_help(analysis["registration"])]
    if analysis["warnings"]:
        lines += ["", warnings_title(analysis["warnings"]) + ":", *(f"- {for_panel(w)}" for w in analysis["warnings"])]
    return "\n".join(lines) + "\n"


def field_hint(predictor: Predictor) -> str:
    """Training range of a number, short enough to stand in its empty field."""
    return _("{low:g} to {high:g} in training").format(low=predictor.low, high=predictor.high)


def field_help(predictor: Predictor) -> str:
    """What a predictor means, and what it may be."""
    if predictor.levels:
        return predictor.help
    limits = _("training range {low:g} to {high:g} {unit}, possible {lowest:g} to {highest:g} {unit}").format(
        low=predictor.low, high=predictor.high, lowest=predictor.lowest, highest=predictor.highest, unit=predictor.unit
    )
    return f"{predictor.help}; {limits}"


def field_state(predictor: Predictor, text: str) -> FieldState:
    """Whether a value as typed can be used, is an extrapolation, or is impossible; an empty one is only missing."""
    if not text.strip():
        return FieldState()
    try:
        value = predictor.code(text, CASE_ID)
    except CaseError as error:
        return FieldState(error=for_panel(str(error)))
    return FieldState(caution=" ".join(range_warnings([predictor], {predictor.name: value})))


def minus(text: str) -> str:
    """Numbers as print has them."""
    return text.replace("-", "\u2212")


def _habitat_line(habitat: Mapping[str, Any], sequences: Sequence[str]) -> str:
    means = ", ".join(f"{SEQUENCE_LABELS[name]} {_mean(habitat['means'].get(name))}" for name in sequences)
    return _("- {name}: {voxels} voxels, {share}, {volume:.2f} mL; mean {means}").format(
        name=habitat_name(habitat), voxels=habitat["voxels"], share=_share(habitat["share"]), volume=habitat["volume_ml"], means=means
    )


def _signed(value: float) -> str:
    return minus(f"{value:+.2f}") if round(value, 2) else "0.00"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


def _mean(value: float | None) -> str:
    return _("none") if value is None or not math.isfinite(value) else f"{value:.4g}"


def _fit(registration: Mapping[str, Any]) -> str:
    before, after = registration["metric_before"], registration["metric_after"]
    if before is None or after is None:
        return _("how the images fitted before is not known")
    return _("the images fit better than before") if after > before else _("the images do not fit better than before")


def _metric(value: float | None) -> str:
    return _("unknown") if value is None else minus(f"{value:.3f}")
