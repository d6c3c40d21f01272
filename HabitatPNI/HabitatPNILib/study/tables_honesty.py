"""Tables of how much of the figures is optimism: every estimate of the AUC side by side, permutation test, learning curve, sample size."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.sample_size import TRUSTED, events_per_parameter, riley_sample_size
from ..learning.pipeline import MODEL_COMBINED
from .tables_form import Column, StudyTable, study_table
from .tables_scores import HELD_OUT, TRUTH, TRUTH_LABEL, StudyScores, auc_or_none, figures

if TYPE_CHECKING:
    from ..evaluation.resampling import CrossValidation
    from .honesty import Honesty

EXPECTED_AUC = 0.80


def honesty_table(scores: StudyScores, honesty: Honesty | None) -> StudyTable:
    """AUC of every model by every way of estimating it, from the least to the most honest."""
    rows = []
    for model in scores.models:
        row: dict[str, Any] = {"model": model, "model_label": scores.data.label(model)}
        for split in scores.splits:
            found = auc_or_none(scores.outcome(split), scores.score(split, model))
            row |= figures("apparent" if split == "training" else split, found.auc, found.low, found.high)
        row |= {f"{split}_gap": row["apparent"] - row[split] for split in scores.held_out}
        rows.append(row | (_resampled(honesty, model) if honesty is not None else {}))
    if scores.truth is not None:
        row = {"model": TRUTH, "model_label": TRUTH_LABEL}
        for split in scores.splits:
            found = auc_or_none(scores.outcome(split), scores.truth.loc[scores.data.rows(split)])
            row |= figures("apparent" if split == "training" else split, found.auc, found.low, found.high)
        rows.append(row)
    columns = [Column("model_label", "Model"), Column("apparent", "Apparent (95 % CI)", "share")]
    if honesty is not None:
        columns += [Column("corrected", "Optimism-corrected", "share"), Column("dot632", ".632+", "share")]
        columns.append(Column("nested", "Nested CV", "share"))
        if honesty.nested_habitats is not None:
            columns.append(Column("nested_habitats", "Nested CV, habitats too", "share"))
    titles = {"internal": "Internal (95 % CI)", "external": "External (95 % CI)"}
    columns += [Column(split, titles[split], "share") for split in HELD_OUT if split in scores.splits]
    if "external" in scores.splits:
        columns.append(Column("external_gap", "Apparent less external", "signed"))
    return study_table("honesty", "AUC: apparent, corrected, held out", rows, columns, _honesty_note(scores, honesty))


def permutation_table(honesty: Honesty) -> StudyTable:
    """Whether the whole pipeline finds something in shuffled labels."""
    test, selected = honesty.permutation, np.asarray(honesty.permuted_selected, dtype=float)
    low, high = np.quantile(test.permuted, [0.1, 0.9])
    row = {"observed": test.observed, "permutations": len(test.permuted), "p": test.p}
    row |= figures("permuted", float(test.permuted.mean()), float(low), float(high))
    row |= {"lowest": float(test.permuted.min()), "highest": float(test.permuted.max()), "selected": float(selected.mean())}
    columns = (
        *(Column("observed", "AUC, true labels", "share"), Column("permuted", "AUC, shuffled labels: mean (middle 80 %)", "share")),
        *(Column("permutations", "Shuffles", "count"), Column("p", "p", "p"), Column("selected", "Folds with features", "share")),
    )
    least = 1 / (1 + len(test.permuted))
    note = (
        "Cross-validated AUC of the combined model; with shuffled labels it has to lie near 0.5. p: share of shuffles (with the true "
        f"labels among them) that reach the true AUC; with {len(test.permuted)} shuffles it cannot fall below {least:.3f}. "
        "Folds with features: share of the shuffled fits that selected any, since an empty model would lie at 0.5 by itself."
    )
    return study_table("permutation", "Permutation test", [row], columns, note)


def learning_curve_table(honesty: Honesty) -> StudyTable | None:
    """AUC by the number of training patients; None where no learning curve was made."""
    curve = honesty.learning
    if curve is None:
        return None
    rows = []
    for i, size in enumerate(curve.sizes):
        row: dict[str, Any] = {"patients": int(size)}
        for name, mean, every in (("apparent", curve.apparent, curve.apparent_aucs), ("held_out", curve.held_out, curve.held_out_aucs)):
            row |= figures(name, float(mean[i]), *(float(q) for q in np.quantile(every[i], [0.1, 0.9])))
        rows.append(row | {"gap": row["apparent"] - row["held_out"]})
    columns = (
        *(Column("patients", "Training patients", "count"), Column("apparent", "Apparent AUC (middle 80 %)", "share")),
        *(Column("held_out", "Held-out AUC (middle 80 %)", "share"), Column("gap", "Apparent less held out", "signed")),
    )
    folds = curve.held_out_aucs.shape[1]
    note = (
        f"Combined model, whole pipeline fitted anew; mean and 10th to 90th percentile of {folds} folds, a spread and not a confidence "
        "interval. A held-out AUC that still rises, or a wide gap, calls for more patients."
    )
    return study_table("learning_curve", "Learning curve", rows, columns, note)


def sample_size(scores: StudyScores, expected_auc: float = EXPECTED_AUC) -> StudyTable:
    """Patients that a model of this size needs (Riley), and events for each candidate parameter.

    Parameters
    ----------
    expected_auc : c-statistic assumed for the model
    """
    data = scores.data
    y = scores.outcome("training")
    events, patients = int(y.sum()), len(y)
    candidates, features = len(data.clinical.columns), data.features.shape[1]
    model = scores.fitted.combined
    terms = len(model.terms) if model is not None else 0
    counted = (
        ("terms", "Terms of the combined model", terms),
        ("kept", "Clinical candidates and features kept by LASSO", candidates + scores.fitted.n_selected),
        ("candidates", "All candidates: clinical and every feature screened", candidates + features),
    )
    rows = []
    for name, label, parameters in counted:
        row: dict[str, Any] = {"counted": name, "label": label, "parameters": parameters, "patients": patients, "events": events}
        if parameters:
            needed = riley_sample_size(parameters, events / patients, auc=expected_auc)
            row |= {"needed": needed.n, "for_shrinkage": needed.for_shrinkage, "for_optimism": needed.for_optimism}
            row |= {"for_prevalence": needed.for_prevalence, "for_prediction_error": needed.for_prediction_error}
            row["events_per_parameter"] = events_per_parameter(events, patients - events, parameters).ratio
        rows.append(row)
    columns = (
        *(Column("label", "What is counted"), Column("parameters", "Parameters", "count"), Column("patients", "Patients", "count")),
        *(Column("events", "Events", "count"), Column("events_per_parameter", "Rarer outcome per parameter", "figure")),
        *(Column("needed", "Patients needed", "count"), Column("for_shrinkage", "for shrinkage", "count")),
        *(Column("for_optimism", "for optimism", "count"), Column("for_prevalence", "for prevalence", "count")),
        Column("for_prediction_error", "for prediction error", "count"),
    )
    warning = events_per_parameter(events, patients - events, candidates + features).warning
    note = (
        f"Least numbers after Riley et al. 2019 and 2020 for a c-statistic of {expected_auc:.2f}, which is assumed and not measured, and "
        f"the prevalence of {events / patients:.3f} in training; the criterion of the prediction error was made for up to 30 parameters. "
        "Candidate parameters are those offered before any selection that looks at the outcome: the features that were screened count, "
        f"however few are kept. {warning}{'.' if warning else ''}"
    )
    return study_table("sample_size", "Sample size", rows, columns, note)


def _resampled(honesty: Honesty, model: str) -> dict[str, float]:
    row: dict[str, float] = {}
    if model in honesty.optimism:
        found = honesty.optimism[model]
        row |= {"corrected": found.corrected, "optimism": found.optimism, "bootstrap_samples": len(found.in_sample)}
    if model in honesty.dot632:
        row |= {"dot632": honesty.dot632[model].estimate, "dot632_left_out": honesty.dot632[model].left_out}
    if model in honesty.nested:
        row |= _nested("nested", honesty.nested[model])
    if honesty.nested_habitats is not None and model in honesty.nested_habitats:
        row |= _nested("nested_habitats", honesty.nested_habitats[model])
    return row


def _nested(name: str, found: CrossValidation) -> dict[str, float]:
    """Mean over folds and repeats, and beside it how much single folds and repeats differ (no interval: they share patients)."""
    row = {name: found.auc, f"{name}_fold_sd": float(found.fold_aucs.std(ddof=1)) if found.fold_aucs.size > 1 else math.nan}
    return row | {f"{name}_lowest_repeat": float(found.repeat_aucs.min()), f"{name}_highest_repeat": float(found.repeat_aucs.max())}


def _honesty_note(scores: StudyScores, honesty: Honesty | None) -> str:
    parts = ["Apparent: on the patients the models were fitted on."]
    if honesty is not None:
        some = honesty.nested[MODEL_COMBINED]
        repeats, folds = some.fold_aucs.shape
        samples = len(honesty.optimism[MODEL_COMBINED].in_sample)
        parts += [
            f"Optimism-corrected (Harrell) and .632+: the whole pipeline fitted anew on {samples} bootstrap samples.",
            f"Nested CV: mean AUC over {repeats} \u00d7 {folds} folds, screening, selection, scaling, penalties and fit inside each fold.",
        ]
        if honesty.nested_habitats is not None:
            again = len(honesty.nested_habitats[MODEL_COMBINED].repeat_aucs)
            parts.append(f"Habitats too: the habitats as well are learned inside each fold ({again} \u00d7 {folds} folds).")
        elif honesty.no_nested_habitats:
            parts.append(f"Nested CV with habitats learned inside each fold was not done: {honesty.no_nested_habitats}.")
    if scores.held_out:
        parts.append("Internal and external: the frozen models on patients they never saw, DeLong's interval.")
    if honesty is not None:
        parts.append(
            "Harrell's correction rests on patients that the bootstrap samples share with the original ones and removes too little "
            f"optimism where features outnumber patients: {TRUSTED}."
        )
    if scores.truth is not None:
        parts.append("The phantom's law is what a perfect model could reach; nothing was fitted there.")
    return " ".join(parts)
