"""Tables of how the frozen models do in every split: the counterparts of the pca-pni study's Tables 3 and 4, calibration and utility."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..evaluation.calibration import calibration
from ..evaluation.discrimination import Interval, auc_ci, confusion_metrics, delong_test
from ..evaluation.optimism import Optimism
from ..evaluation.reclassification import idi, nri
from ..evaluation.utility import net_benefit
from ..learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED
from .tables_form import Column, StudyTable, study_table
from .tables_scores import APPARENT_NOTE, SLOPE_CORRECTED, SPLIT_LABELS, TRUTH, TRUTH_LABEL, StudyScores, auc_or_none, can_rank, figures

THRESHOLDS = (0.05, 0.1, 0.2, 0.3, 0.4)
CALLS = ("accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")
_CALL_LABELS = ("Accuracy", "Sensitivity", "Specificity", "PPV", "NPV", "F1")
_WHO = (Column("cohort", "Cohort"), Column("model_label", "Model"))
_SIZE = (Column("n", "n", "count"), Column("events", "Events", "count"))
_FEW = "A dash stands where a cohort has fewer than 2 patients with or without the outcome, or a figure is not defined."


def performance(scores: StudyScores) -> StudyTable:
    """Discrimination of every model in every split, and its calls at the cut-off that was set in training."""
    rows: list[dict[str, Any]] = []
    for split in scores.splits:
        y = scores.outcome(split)
        for model in scores.models:
            found = auc_or_none(y, scores.score(split, model))
            row = _who(scores, split, model) | figures("auc", found.auc, found.low, found.high)
            rows.append(row | _calls(y, scores.risk(split, model), float(scores.fitted.cut_offs[model])))
        if scores.truth is not None:
            found = auc_or_none(y, scores.truth.loc[scores.data.rows(split)])
            who = {"cohort": SPLIT_LABELS[split], "split": split, "model": TRUTH, "model_label": TRUTH_LABEL}
            rows.append(who | _size(y) | figures("auc", found.auc, found.low, found.high))
    shown = [Column(name, label, "share") for name, label in zip(CALLS, _CALL_LABELS, strict=True)]
    note = (
        f"AUC with DeLong's 95 % interval; the other figures with Wilson's at the cut-off set in training (highest Youden index, on "
        f"{_radscores(scores)} radscores: {_cut_offs(scores)}). {APPARENT_NOTE} {_absent(scores)}{_FEW}"
    )
    columns = (*_WHO, *_SIZE, Column("auc", "AUC (95 % CI)", "share"), *shown)
    return study_table("performance", "Performance of the models", rows, columns, note)


def comparisons(scores: StudyScores) -> StudyTable:
    """DeLong's test of every model against the clinical and the combined one, on the same patients of one split."""
    from scipy.stats import false_discovery_control

    rows: list[dict[str, Any]] = []
    for split in scores.splits:
        if not scores.can_compare(split):
            continue
        of_split = [
            _comparison(scores, split, model, reference)
            for reference in (MODEL_CLINICAL, MODEL_COMBINED)
            for model in scores.models
            if model != reference and (reference, model) != (MODEL_COMBINED, MODEL_CLINICAL)
        ]
        of_split = [row for row in of_split if row]
        if of_split:
            adjusted = false_discovery_control([row["p"] for row in of_split])
            rows += [row | {"p_adjusted": float(p)} for row, p in zip(of_split, adjusted, strict=True)]
    columns = (
        *(Column("cohort", "Cohort"), Column("model_label", "Model"), Column("reference_label", "Against")),
        *(Column("auc", "AUC", "share"), Column("reference_auc", "AUC against", "share")),
        *(Column("difference", "Difference (95 % CI)", "signed"), Column("z", "z", "ratio"), Column("p", "p", "p")),
        Column("p_adjusted", "p adjusted", "p"),
    )
    note = (
        "DeLong's test of paired AUCs; both scores are of the one frozen pipeline, never pooled over folds. p adjusted after Benjamini "
        f"and Hochberg within each cohort. {APPARENT_NOTE} A difference in training says nothing about new patients. Models without any "
        "term are left out."
    )
    return study_table("comparisons", "Comparison of the models' AUCs", rows, columns, note)


def calibration_table(scores: StudyScores, slope_optimism: Optimism | None = None) -> StudyTable:
    """Agreement of the probabilities with the outcome in held-out patients; the combined model's corrected slope beside it.

    Parameters
    ----------
    slope_optimism : of `honesty.Honesty`: a median over bootstrap samples, which label and note say
    """
    rows: list[dict[str, Any]] = []
    for split in scores.held_out:
        y = scores.outcome(split)
        for model in scores.models:
            p = scores.risk(split, model)
            row = _who(scores, split, model) | {"observed": float(y.mean()), "predicted": float(p.mean())}
            if can_rank(y) and np.ptp(p) > 0:
                found = calibration(y, p)
                row |= {"intercept": found.intercept, "slope": found.slope, "brier": found.brier, "ece": found.ece}
                row |= {"hosmer_lemeshow": found.hosmer_lemeshow.chi2, "hosmer_lemeshow_p": found.hosmer_lemeshow.p}
                row |= {"intercept_joint": found.intercept_joint, "left_out": found.left_out}
            rows.append(row)
    if slope_optimism is not None:
        who = _who(scores, "training", MODEL_COMBINED) | {"cohort": f"Training, {SLOPE_CORRECTED}"}
        rows.append(who | {"slope": slope_optimism.corrected})
    columns = (
        *(*_WHO, *_SIZE, Column("observed", "Observed", "share"), Column("predicted", "Predicted", "share")),
        *(Column("intercept", "Intercept", "ratio"), Column("slope", "Slope", "ratio"), Column("brier", "Brier", "share")),
        *(Column("ece", "ECE", "share"), Column("hosmer_lemeshow", "Hosmer-Lemeshow", "ratio"), Column("hosmer_lemeshow_p", "p", "p")),
    )
    note = (
        "Intercept: calibration in the large, slope fixed at 1 (perfect: 0; below 0 the risks are too high). Slope: perfect 1, below 1 the "
        "risks are too extreme. ECE: expected calibration error over ten bins. Hosmer and Lemeshow's test over deciles has little power in "
        "small cohorts, and a high p does not show good calibration. Predicted and observed: mean risk and share of patients with the "
        f"outcome. {_FEW}"
    )
    if slope_optimism is not None:
        note += (
            f" {SLOPE_CORRECTED.capitalize()}: the apparent slope less the median, over {len(slope_optimism.in_sample)} bootstrap samples, "
            "of each refitted model's slope in its sample less its slope in all patients; not Harrell's mean, which a single sample with a "
            "nearly constant model, whose slope may be of any size, would decide."
        )
    return study_table("calibration", "Calibration in held-out patients", rows, columns, note)


def reclassification(scores: StudyScores) -> StudyTable:
    """What the combined model's probabilities add to the clinical model's, in held-out patients."""
    rows: list[dict[str, Any]] = []
    for split in scores.held_out:
        y, old, new = scores.outcome(split), scores.risk(split, MODEL_CLINICAL), scores.risk(split, MODEL_COMBINED)
        if not can_rank(y):
            continue
        who = {"cohort": _cohort(split), "split": split} | _size(y)
        for measure, found in (("Category-free NRI", nri(y, old, new)), ("IDI", idi(y, old, new))):
            total = getattr(found, "total", getattr(found, "idi", math.nan))
            rows.append(
                who
                | {"measure": measure, "with_outcome": found.events, "without_outcome": found.non_events, "z": found.z, "p": found.p}
                | figures("total", total, *_limits(total, found.z))
            )
    columns = (
        *(Column("cohort", "Cohort"), *_SIZE, Column("measure", "Measure"), Column("with_outcome", "With the outcome", "signed")),
        *(Column("without_outcome", "Without", "signed"), Column("total", "Total (95 % CI)", "signed"), Column("z", "z", "ratio")),
        Column("p", "p", "p"),
    )
    note = (
        "Combined against clinical model; above 0 the combined model is the better one. NRI: net share of patients whose risk moves the "
        "right way, from \u22122 to 2; it counts the smallest move and can be positive for a model that is merely ill-calibrated (Hilden "
        "and Gerds 2014): read it beside calibration and net benefit. IDI: gain in the difference of the mean risks."
    )
    return study_table("reclassification", "Reclassification: combined against clinical model", rows, columns, note)


def net_benefit_table(scores: StudyScores) -> StudyTable:
    """Net benefit in held-out patients at a few thresholds, beside treating all."""
    rows: list[dict[str, Any]] = []
    for split in scores.held_out:
        y = scores.outcome(split)
        if not 0 < y.sum() < len(y):
            continue
        found = {model: net_benefit(y, scores.risk(split, model), THRESHOLDS) for model in scores.models}
        all_treated = found[MODEL_CLINICAL].treat_all
        rows.append(
            {"cohort": _cohort(split), "split": split, "model": "treat_all", "model_label": "Treat all"} | _size(y) | _at(all_treated)
        )
        rows += [_who(scores, split, model) | _at(curve.model) for model, curve in found.items()]
    columns = (*_WHO, *_SIZE, *(Column(_at_key(t), f"at {t:g}", "signed") for t in THRESHOLDS))
    note = (
        "Net true positives a patient when everybody is treated whose risk reaches the threshold; treating nobody has 0. The threshold "
        "says how many needless treatments one found patient is worth: at 0.2, four. A model is of use where it lies above both treating "
        "all and 0."
    )
    return study_table("net_benefit", "Net benefit in held-out patients", rows, columns, note)


def subgroups(scores: StudyScores) -> StudyTable:
    """AUC of the combined and the clinical model in held-out patients by centre and by every level of a categorical predictor."""
    rows: list[dict[str, Any]] = []
    for split in scores.held_out:
        for variable, level, chosen in _groups(scores, split):
            y = scores.outcome(split)[chosen]
            row: dict[str, Any] = {"cohort": _cohort(split), "split": split, "variable": variable, "level": level} | _size(y)
            for model in (MODEL_COMBINED, MODEL_CLINICAL):
                found = auc_or_none(y, scores.score(split, model)[chosen])
                row |= figures(f"auc_{model}", found.auc, found.low, found.high)
            row |= {"observed": float(y.mean()), "predicted": float(scores.risk(split, MODEL_COMBINED)[chosen].mean())}
            rows.append(row)
    columns = (
        *(Column("cohort", "Cohort"), Column("variable", "Variable"), Column("level", "Level"), *_SIZE),
        *(Column("auc_combined", "AUC combined (95 % CI)", "share"), Column("auc_clinical", "AUC clinical (95 % CI)", "share")),
        *(Column("observed", "Observed", "share"), Column("predicted", "Predicted, combined", "share")),
    )
    note = (
        "Groups with fewer than 2 patients with or without the outcome have no AUC. The intervals of small groups are wide, and "
        "differences between groups were not tested. A predictor of the model has little or no spread within its own levels, so that AUCs "
        "are lower there."
    )
    return study_table("subgroups", "Subgroups of held-out patients", rows, columns, note)


def _calls(y: np.ndarray, p: np.ndarray, cut_off: float) -> dict[str, float]:
    if math.isnan(cut_off) or not 0 < y.sum() < len(y):
        return {"cut_off": cut_off}
    found = confusion_metrics(y, p >= cut_off)
    row: dict[str, float] = {"cut_off": cut_off, "tp": found.tp, "fp": found.fp, "fn": found.fn, "tn": found.tn}
    for name in CALLS:
        row |= figures(name, getattr(found, name), *found.intervals[name])
    return row


def _comparison(scores: StudyScores, split: str, model: str, reference: str) -> dict[str, Any]:
    if not (scores.varies(split, model) and scores.varies(split, reference)):
        return {}
    y, a, b = scores.outcome(split), scores.score(split, model), scores.score(split, reference)
    auc, against = auc_ci(y, a).auc, auc_ci(y, b).auc
    test = delong_test(y, a, b)
    who = _who(scores, split, model) | {"reference": reference, "reference_label": scores.data.label(reference)}
    return (
        who
        | {"auc": auc, "reference_auc": against, "z": test.z, "p": test.p}
        | figures("difference", auc - against, *_limits(auc - against, test.z))
    )


def _limits(value: float, z: float) -> Interval:
    """95 % limits of a value whose normal deviate from 0 is known; NaN where that does not tell its error."""
    from scipy.special import ndtri

    if z == 0 or not math.isfinite(z):
        return Interval(math.nan, math.nan)
    half = float(ndtri(0.975)) * abs(value / z)
    return Interval(value - half, value + half)


def _groups(scores: StudyScores, split: str) -> list[tuple[str, str, np.ndarray]]:
    """Variable, level and (cases,) booleans of every subgroup of a split; a variable with one level only is left out."""
    rows = scores.data.rows(split)
    columns = []
    if "centre" in scores.data.cohort:
        centre = scores.data.cohort.loc[rows, "centre"].astype(str)
        columns.append(("Centre", centre, {name: name for name in sorted(centre.unique())}))
    for predictor in scores.data.predictors:
        if predictor.levels and predictor.name in scores.data.clinical:
            coded = scores.data.clinical.loc[rows, predictor.name]
            columns.append((predictor.label, coded, {level.value: level.label for level in predictor.levels}))
    groups = []
    for label, values, names in columns:
        found = [(name, (values == value).to_numpy()) for value, name in names.items()]
        found = [*found, ("missing", values.isna().to_numpy())]
        found = [(name, chosen) for name, chosen in found if chosen.any()]
        groups += [(label, name, chosen) for name, chosen in found] if len(found) > 1 or label == "Centre" else []
    return groups


def _who(scores: StudyScores, split: str, model: str) -> dict[str, Any]:
    return {"cohort": _cohort(split), "split": split, "model": model, "model_label": scores.data.label(model)} | _size(
        scores.outcome(split)
    )


def _cohort(split: str) -> str:
    return f"{SPLIT_LABELS[split]} (apparent)" if split == "training" else SPLIT_LABELS[split]


def _size(y: np.ndarray) -> dict[str, int]:
    return {"n": len(y), "events": int(y.sum())}


def _at(values: np.ndarray) -> dict[str, float]:
    return {_at_key(threshold): float(value) for threshold, value in zip(THRESHOLDS, values, strict=True)}


def _at_key(threshold: float) -> str:
    return f"at_{threshold:g}"


def _cut_offs(scores: StudyScores) -> str:
    shown = [(scores.data.label(model), scores.fitted.cut_offs[model]) for model in scores.models]
    return ", ".join(f"{label} {value:.3f}" for label, value in shown if not math.isnan(value)) or "none could be set"


def _radscores(scores: StudyScores) -> str:
    return scores.data.protocol.combined.radscores.replace("_", "-")


def _absent(scores: StudyScores) -> str:
    """How many cases lack a region, and what stands in for it."""
    missing = scores.fitted.radscores(scores.data.features).isna().sum()
    shown = ", ".join(f"{scores.data.label(str(region))}: {count} cases" for region, count in missing.items() if count)
    return f"A case without a region enters at the training mean of its radscore ({shown}). " if shown else ""
