"""A case's analysis as its report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from . import RESEARCH_USE_ONLY
from .analysis import DEMONSTRATION_NOTICE, NO_IMAGES_NOTICE, Analysis, versions
from .case import SEQUENCE_LABELS
from .colours import habitat_colour
from .drawing import percent, png_bytes, svg_bytes
from .nomogram.figure import COLUMN, COLUMN_DPI, draw_nomogram
from .nomogram.points import Nomogram
from .report.content import HabitatRow, Picture, ReportContent, Section, Table
from .report.figures import contribution_bars, probability_bar, validity_curves
from .report.html import render_report
from .report.montage import Slices, habitat_montage, registration_check, whole_field

if TYPE_CHECKING:
    from .imaging.registration import Registration

_DISPLAYED = ("t2w", "dwi", "adc", "t1pv")
RADSCORE_MEANING = (
    "A radscore is a region's own log odds, made of its image features alone; its bar compares it with the mean of the training patients."
)
_UNITS = {"adc": " (1e-6 mm\u00b2/s)"}
_SVG = "image/svg+xml"
ABOUT = "About this number"
_OUTCOME = "Probability of PNI"


def report_html(analysis: Analysis) -> str:
    """One self-contained HTML file with everything that led to a case's probability; parts without data are left out."""
    model = analysis.model
    heading = _heading(analysis.notice)
    content = ReportContent(
        case_id=analysis.case_id,
        model=f"{model.name} {model.version}: {model.title}",
        research_use_only=RESEARCH_USE_ONLY,
        probability=analysis.probability,
        cut_off=analysis.cut_off,
        high_risk=analysis.high_risk,
        cut_off_rule=analysis.cut_off_rule,
        notice=analysis.notice,
        heading=heading,
        alarm=heading != ABOUT,
        bar=Picture(
            probability_bar(analysis.probability, analysis.cut_off),
            _SVG,
            f"Bar: probability {percent(analysis.probability)}, cut-off {percent(analysis.cut_off)}",
        ),
        warnings=analysis.warnings,
        images=_images(analysis),
        habitats=_habitat_rows(analysis),
        sequences=tuple(SEQUENCE_LABELS[s] + _UNITS.get(s, "") for s in _shown(analysis)),
        sections=tuple(
            section
            for section in (
                _validity(analysis),
                _contributions(analysis),
                _nomogram(analysis),
                _registration(analysis),
                _radscores(analysis),
                _model(analysis),
                _performance(analysis),
                _provenance(analysis),
                _software(analysis),
            )
            if section is not None
        ),
    )
    return render_report(content)


def _heading(notice: str) -> str:
    """What stands over the notice."""
    if DEMONSTRATION_NOTICE in notice:
        return "Do not use this number"
    return "Not an answer of the images" if NO_IMAGES_NOTICE in notice else ABOUT


def nomogram_picture(analysis: Analysis) -> bytes:
    """PNG of the nomogram with this case's points, for a narrow column: 900 pixels wide, meant to be shown 450 wide or wider."""
    nomogram = Nomogram.from_model(analysis.model, analysis.intercept)
    return png_bytes(draw_nomogram(nomogram, {c.name: c.value for c in analysis.contributions}, _OUTCOME, COLUMN), COLUMN_DPI)


def _shown(analysis: Analysis) -> list[str]:
    return [name for name in _DISPLAYED if name in analysis.images]


def _slices(analysis: Analysis) -> Slices | None:
    """The case's images with rows, columns and slices in the order of the radiological display, whatever they were stored in."""
    if analysis.roi is None or analysis.habitat_map is None or not analysis.images:
        return None
    turned = {SEQUENCE_LABELS[name]: sitk.DICOMOrient(analysis.images[name], "LPS") for name in _shown(analysis)}
    roi, habitats = (sitk.DICOMOrient(image, "LPS") for image in (analysis.roi, analysis.habitat_map))
    return Slices(
        {label: sitk.GetArrayFromImage(image) for label, image in turned.items()},
        sitk.GetArrayFromImage(roi) != 0,
        sitk.GetArrayFromImage(habitats),
        roi.GetSpacing(),
        np.array(roi.GetDirection()).reshape(3, 3),
    )


def _images(analysis: Analysis) -> tuple[Section, ...]:
    view = _slices(analysis)
    if view is None:
        return ()
    shown = ", ".join(view.sequences)
    spacing = " x ".join(f"{s:g}" for s in view.spacing)
    return (
        Section(
            "Images and habitats",
            pictures=(
                Picture(
                    habitat_montage(view),
                    "image/png",
                    f"Axial slices of {shown} round the tumour, without and with the habitats in colour",
                    "Round the tumour, without and with habitats: the slice of its largest cross-section and those halfway "
                    "from it to the tumour's ends. Radiological display: the patient's right is on the viewer's left. Registered images on "
                    f"the analysis grid ({spacing} mm), grey values from the 1st to the 99.5th percentile.",
                ),
                Picture(
                    whole_field(view),
                    "image/png",
                    f"Whole field of view of {shown} with the tumour's outline",
                    "Whole field of view at the largest cross-section; the dashed frame is the part shown above.",
                ),
            ),
        ),
    )


def _habitat_rows(analysis: Analysis) -> tuple[HabitatRow, ...]:
    def mean(value: float) -> str:
        return f"{value:.4g}" if math.isfinite(value) else "none"

    return tuple(
        HabitatRow(
            h.label,
            habitat_colour(h.label),
            h.voxels,
            h.share,
            h.volume_ml,
            tuple(mean(h.means[s]) for s in _shown(analysis)),
            h.absent,
        )
        for h in analysis.habitats
    )


def _validity(analysis: Analysis) -> Section | None:
    curve = analysis.k_curve
    if curve is None or not curve.k:
        return None
    used = len(analysis.habitats)
    data = validity_curves(curve.k, curve.calinski_harabasz, curve.silhouette, curve.davies_bouldin, used)
    caption = (
        f"The grey band marks the {used} habitats used; a ring marks the best k of each index. By Calinski-Harabasz this case alone "
        f"would ask for {curve.best_k}."
    )
    return Section("How many habitats", pictures=(Picture(data, _SVG, "Cluster validity indices over the number of habitats", caption),))


def _contributions(analysis: Analysis) -> Section:
    terms = analysis.contributions
    data = contribution_bars([f"{c.label}: {_minus(c.text)}" for c in terms], [c.log_odds for c in terms], [c.imputed for c in terms])
    caption = (
        "Each bar is coefficient x (value - training mean): what the predictor adds to the log odds against an average training patient."
    )
    if analysis.radscores:
        caption += f" {RADSCORE_MEANING}"
    if any(c.imputed for c in terms):
        caption += " 'Training mean': the case has no such habitat, so it adds nothing."
    return Section(
        "What speaks for and against", pictures=(Picture(data, _SVG, "Contributions of the predictors to the log odds", caption),)
    )


def _nomogram(analysis: Analysis) -> Section:
    nomogram = Nomogram.from_model(analysis.model, analysis.intercept)
    values = {c.name: c.value for c in analysis.contributions}
    data = svg_bytes(draw_nomogram(nomogram, values, _OUTCOME))
    total = nomogram.total_points(values)
    caption = (
        f"Each value gives points (dashed line up to the first axis); their sum, {total:.1f}, gives the probability on the last axis. "
        "The axes cover the training ranges; the one with the widest effect spans 0 to 100 points."
    )
    return Section("Nomogram", pictures=(Picture(data, _SVG, f"Nomogram with this case's points, total {total:.1f}", caption),))


def _registration(analysis: Analysis) -> Section | None:
    result, slices = analysis.registration, _slices(analysis)
    if result is None or slices is None:
        return None
    text = _registration_text(result)
    moving = SEQUENCE_LABELS["t2w"]
    fixed = next((SEQUENCE_LABELS[n] for n in ("adc", "dwi") if SEQUENCE_LABELS[n] in slices.sequences), None)
    if fixed is None or moving not in slices.sequences:
        return Section("Registration of T2W to the diffusion images", text)
    picture = Picture(
        registration_check(slices, fixed, moving),
        "image/png",
        f"{fixed} and registered {moving} side by side, edges of one on the other, and as a checkerboard",
        "Edges should follow the anatomy, and structures should run on across the checkerboard's 10 mm squares.",
    )
    return Section("Registration of T2W to the diffusion images", text, (picture,))


def _registration_text(result: Registration) -> tuple[str, ...]:
    """Verdict, and what was found where anything was."""
    verdict = "Accepted" if result.accepted else "Not accepted, scanner geometry is kept"
    text = [f"{verdict}: {result.reason.rstrip('.')}." if result.reason else f"{verdict}."]
    compared = math.isfinite(result.agreement_mm)
    if compared or result.metric_after:
        found = "Shift" if result.accepted else "Found, but not used: shift"
        text.append(
            f"{found} in the gland region {result.displacement_mm:.1f} mm, rotation {result.rotation_deg:.1f}\u00b0; mutual information "
            f"{_signed(result.metric_before)} nats before, {_signed(result.metric_after)} after (higher is better)."
        )
    if compared:
        text.append(f"Registered again from elsewhere, the two halves of the region came within {result.agreement_mm:.1f} mm of it.")
    return tuple(text)


def _radscores(analysis: Analysis) -> Section | None:
    imaging = analysis.model.imaging
    if imaging is None or not analysis.radscores:
        return None
    imputed = {c.name.removeprefix("radscore_") for c in analysis.contributions if c.imputed}
    rows = []
    for region, score in analysis.radscores.items():
        signature = imaging.signatures[region]
        away = (score - signature.train_mean) / signature.train_sd if signature.train_sd > 0 else 0.0
        state = "absent: training mean used" if region in imputed else _minus(f"{away:+.1f} SD")
        rows.append(
            (
                _region(region),
                _signed(score),
                state,
                str(len(signature.features)),
                f"{_signed(signature.train_mean)} (SD {signature.train_sd:.3f})",
            )
        )
    columns = ("region", "radscore", "against training", "features", "training mean")
    return Section("Radscores", table=Table(columns, tuple(rows), "Radscores are on the logit scale."))


def _minus(text: str) -> str:
    """Numbers as print has them."""
    return text.replace("-", "\u2212")


def _region(name: str) -> str:
    return "Whole tumour" if name == "tumour" else name.replace("habitat", "Habitat ")


def _signed(value: float) -> str:
    return _minus(f"{value:.3f}")


def _model(analysis: Analysis) -> Section:
    model = analysis.model
    rows = [
        ("name", f"{model.name}, version {model.version}"),
        ("kind", "clinical predictors alone" if model.kind == "clinical" else "clinical predictors and radscores"),
        ("notice", model.notice),
        ("checksum (sha256)", model.checksum or "not stored"),
        ("cut-off", f"{analysis.cut_off:.3f} ({analysis.cut_off_rule})"),
        ("intercept", _minus(f"{analysis.intercept:.4f}")),
    ]
    if model.prevalence is not None:
        text = "; ".join(f"{name}: {_distribution(stated)}" for name, stated in model.prevalence["covariates"].items())
        rows.append(("intercept solved over", text))
    if model.imaging is not None:
        rows.append(("deep features", f"{model.imaging.backbone}, weights {model.imaging.weights}"))
    rows += _b_values(analysis)
    rows += [(f"cohort: {key}", _plain(value)) for key, value in model.cohort.items()]
    rows += [(key, _plain(value)) for key, value in model.provenance.items()]
    return Section("Model", table=Table(("", ""), tuple(rows)))


def _b_values(analysis: Analysis) -> list[tuple[str, str]]:
    """This case's b-values beside those that the model was made with."""
    made_with = analysis.model.imaging.b_values if analysis.model.imaging else {}
    rows = []
    for name in dict.fromkeys((*made_with, *analysis.b_values)):
        own = f"{analysis.b_values[name]:g} s/mm\u00b2 in this case" if name in analysis.b_values else "not known in this case"
        trained = f"; the model was made with {made_with[name]:g} s/mm\u00b2" if name in made_with else ""
        rows.append((f"b-value of {SEQUENCE_LABELS.get(name, name)}", own + trained))
    return rows


def _distribution(stated: Mapping[str, Any]) -> str:
    if stated["distribution"] == "normal":
        return f"normal, mean {stated['mean']:g}, SD {stated['sd']:g}, {stated['low']:g} to {stated['high']:g}"
    return ", ".join(f"{level} in {share:.0%}" for level, share in stated["shares"].items())


def _performance(analysis: Analysis) -> Section | None:
    rows = analysis.model.performance
    if not rows:
        return None
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = tuple(tuple(_plain(row.get(key)) for key in keys) for row in rows)
    columns = tuple({"auc": "AUC", "n": "patients"}.get(key, key.replace("_", " ")) for key in keys)
    note = "Figures measured on the patients that a model was fitted to (apparent, training) are optimistic."
    return Section("Reported performance", table=Table(columns, cells, note))


def _plain(value: object) -> str:
    if value is None:
        return "not stated"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value)
    return str(value)


def _provenance(analysis: Analysis) -> Section | None:
    if not analysis.provenance:
        return None
    rows = tuple((SEQUENCE_LABELS.get(c.item, c.item), c.chosen, c.reason, ", ".join(c.alternatives)) for c in analysis.provenance)
    return Section("Choices made on reading", table=Table(("what", "taken", "why", "also there"), rows))


def _software(analysis: Analysis) -> Section:
    packages = ", ".join(f"{name} {version}" for name, version in versions().items())
    times = ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in analysis.times.items())
    return Section("Software and times", (packages, *((f"Times: {times}",) if times else ())))
