"""The model card: what a person has to know before using a frozen model, as Markdown made from the model itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from . import RESEARCH_USE_ONLY
from .frozen_model import FrozenModel

if TYPE_CHECKING:
    import pandas as pd


def model_card(model: FrozenModel, univariate: pd.DataFrame | None = None) -> str:
    """Markdown text of a model's card; its first line is the model's notice.

    Parameters
    ----------
    model : the model
    univariate : table of the clinical candidates, for a model that was trained
    """
    sections = [
        f"{model.notice}\n\n# {model.name} {model.version}: {model.title}\n\n**{RESEARCH_USE_ONLY}**",
        "## Whom it fits\n\n" + "\n".join(f"- {key}: {value}" for key, value in model.cohort.items()),
        "## Predictors\n\n" + _predictors(model),
        "## Logistic model\n\n" + _terms(model),
    ]
    if model.prevalence:
        sections.append("## Intercept\n\n" + _prevalence(model))
    if model.imaging:
        sections.append("## Images\n\n" + _imaging(model))
    if univariate is not None:
        sections.append("## Clinical candidates in training\n\n" + _univariate(univariate))
    if model.provenance.get("imputed"):
        sections.append("## Missing clinical values\n\n" + _imputed(model))
    if model.performance:
        sections.append("## Performance\n\n" + _performance(model))
    return "\n\n".join(sections) + "\n"


def _predictors(model: FrozenModel) -> str:
    lines = ["| name | predictor | values | training range | meaning |", "| --- | --- | --- | --- | --- |"]
    for p in model.predictors:
        values = ", ".join(level.label for level in p.levels) if p.levels else p.unit
        lines.append(f"| `{p.name}` | {p.label} | {values} | {p.low:g} to {p.high:g} | {p.help} |")
    return "\n".join(lines)


def _terms(model: FrozenModel) -> str:
    lines = [f"Intercept {model.intercept:.4f}. High risk from a probability of {model.cut_off:.3f} ({model.cut_off_rule}).", ""]
    lines += ["| term | log odds per unit | odds ratio per unit | training mean | training SD |", "| --- | --- | --- | --- | --- |"]
    for t in model.terms:
        lines.append(f"| {t.label} | {t.coefficient:.4f} | {math.exp(t.coefficient):.3f} | {t.mean:.3f} | {t.sd:.3f} |")
    return "\n".join(lines)


def _prevalence(model: FrozenModel) -> str:
    assert model.prevalence is not None
    lines = [
        f"The intercept is not published. It is solved so that the mean predicted risk over the distribution below is "
        f"{model.prevalence['value']:.1%} ({model.prevalence['source']}). Give your own with `--prevalence`.",
        "",
        "| predictor | assumed distribution | source |",
        "| --- | --- | --- |",
    ]
    for name, covariate in model.prevalence["covariates"].items():
        if covariate["distribution"] == "normal":
            text = f"normal {covariate['mean']:g} (SD {covariate['sd']:g}), from {covariate['low']:g} to {covariate['high']:g}"
        else:
            text = ", ".join(f"{level}: {share:.0%}" for level, share in covariate["shares"].items())
        lines.append(f"| `{name}` | {text} | {covariate['source']} |")
    return "\n".join(lines)


def _imaging(model: FrozenModel) -> str:
    assert model.imaging is not None
    b_values = ", ".join(f"{name} b = {b:g} s/mm2" for name, b in model.imaging.b_values.items()) or "not known"
    lines = [
        f"- protocol: `{model.protocol['name']}`",
        f"- diffusion: {b_values}; a DWI more than 25 % off is warned, more than 50 % off refused",
        f"- deep features: {model.imaging.backbone}, weights `{model.imaging.weights}` (sha256 {model.imaging.weights_sha256[:16]}...)",
    ]
    for region, signature in model.imaging.signatures.items():
        lines.append(
            f"- radscore of {region}: {len(signature.features)} features, logit scale, intercept {signature.intercept:.3f}; "
            f"cross-fitted in training {signature.train_mean:.3f} (SD {signature.train_sd:.3f})"
        )
    return "\n".join(lines)


def _univariate(table: pd.DataFrame) -> str:
    lines = ["| candidate | odds ratio | 95 % CI | p |", "| --- | --- | --- | --- |"]
    for name, row in table.iterrows():
        lines.append(f"| `{name}` | {row['odds_ratio']:.3f} | {row['low']:.3f} to {row['high']:.3f} | {row['p']:.3g} |")
    return "\n".join(lines)


def _imputed(model: FrozenModel) -> str:
    lines = ["The median of the training patients stood in for them; for a single patient the model asks for every value.", ""]
    lines += ["| predictor | median | cases without a value |", "| --- | --- | --- |"]
    for name, found in model.provenance["imputed"].items():
        lines.append(f"| `{name}` | {found['median']:g} | {', '.join(f'{split}: {n}' for split, n in found['cases'].items())} |")
    return "\n".join(lines)


def _performance(model: FrozenModel) -> str:
    lines = ["| cohort | patients | events | AUC |", "| --- | --- | --- | --- |"]
    for row in model.performance:
        auc = "not defined" if row["auc"] is None else f"{row['auc']:.3f}"
        lines.append(f"| {row['cohort']} | {row['n']} | {row['events'] if row['events'] is not None else 'not stated'} | {auc} |")
    return "\n".join(lines)
