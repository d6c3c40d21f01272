"""Feature table + outcomes -> FrozenModel, with the figures of its apparent, cross-fitted and held-out performance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis import versions
from .cohort import Extraction, check_training_cases, clinical_columns
from .errors import CohortError
from .evaluation.discrimination import auc
from .frozen_model import FrozenModel, Imaging, Signature, Term, write_model
from .model_card import model_card
from .predictors import Predictor
from .progress import Progress, no_progress
from .protocol import Protocol
from .standard_predictors import standard_predictor

if TYPE_CHECKING:
    import pandas as pd

    from .learning.classifiers import LogisticModel
    from .learning.pipeline import FittedPipeline
    from .learning.signature import LassoSignature


PHANTOM_NOTICE = "Demonstration model, trained on digital phantoms: it has never seen a patient."


@dataclass(frozen=True)
class Identity:
    """What a person says of a model: it cannot be learned from the data."""

    name: str
    version: str
    title: str
    notice: str
    demonstration: bool
    cohort: Mapping[str, Any]


@dataclass(frozen=True)
class Trained:
    """A new frozen model and what led to it.

    Parameters
    ----------
    model : as loaded again from its folder
    pipeline : all models as fitted on the training split; `model` is its combined one
    probabilities : (cases, models) of the whole cohort; training cases by the models fitted on them
    """

    model: FrozenModel
    pipeline: FittedPipeline
    probabilities: pd.DataFrame


def train(extraction: Extraction, cohort: pd.DataFrame, identity: Identity, folder: Path, progress: Progress = no_progress) -> Trained:
    """Train and freeze the combined model of a protocol on the training split.

    The fit (`fit_pipeline`) sees training cases alone; its medians stand in for missing clinical values, here as in the other splits.

    Parameters
    ----------
    extraction : features and habitats of the cohort
    cohort : table of `read_cohort`
    folder : the model's folder

    Raises
    ------
    CohortError
        when outcomes or features do not allow it
    """
    from .learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED, fit_pipeline

    protocol = extraction.protocol
    table = cohort.loc[[c for c in cohort.index if c in extraction.features.index]]
    features = extraction.features.loc[table.index]
    training = table.index[table["split"] == "training"]
    check_training_cases(extraction, cohort)
    y = table.loc[training, "outcome"].astype(int)
    predictors, clinical = coded_clinical(table, protocol)
    pipeline = fit_pipeline(features.loc[training], clinical.loc[training], y, protocol, progress=progress)
    combined, clinical_model = pipeline.combined, pipeline.clinical_model
    assert combined is not None
    assert clinical_model is not None
    kept = list(clinical_model.terms)
    selecting = {region: signature for region, signature in pipeline.signatures.items() if signature.n_selected_}
    in_sample = protocol.combined.radscores == "in_sample"
    fitted_on = pipeline.radscores(features.loc[training]) if in_sample else pipeline.cross_fitted
    terms = clinical.loc[training, kept].fillna(pipeline.medians)
    terms = terms.join(fitted_on.fillna(pipeline.radscore_means).add_prefix("radscore_"))[list(combined.terms)]
    probabilities = pipeline.probabilities(features, clinical)

    performance = _performance(table, probabilities[MODEL_COMBINED], combined.probability(terms), protocol)
    performance += _clinical_performance(table, probabilities[MODEL_CLINICAL].to_numpy())
    for name in selecting:
        scores = pipeline.cross_fitted[name].dropna()
        enters = "" if f"radscore_{name}" in combined.terms else ", not in the combined model"
        performance.append(_row(f"training, cross-fitted radscore of {name}{enters}", y[scores.index], scores))
    provenance = {"versions": versions(), "cases_without_features": len(cohort) - len(table)}
    imputed = _imputed(clinical, table["split"], pipeline.medians)
    model = FrozenModel(
        **_identity(identity, extraction.phantom),
        kind="combined",
        protocol=protocol.to_dict(),
        predictors=tuple(p for p in predictors if p.name in kept),
        intercept=float(combined.intercept),
        terms=_terms(combined, terms, predictors),
        cut_off=float(pipeline.cut_offs[MODEL_COMBINED]),
        cut_off_rule=f"highest Youden index in training ({protocol.combined.radscores.replace('_', '-')} radscores)",
        imaging=Imaging(
            b_values=dict(extraction.b_values),
            backbone=protocol.deep.backbone,
            weights=protocol.deep.weights,
            weights_sha256=extraction.weights_sha256,
            habitats=extraction.centroids,
            signatures={r: _freeze_signature(signature, pipeline.cross_fitted[r]) for r, signature in selecting.items()},
        ),
        performance=tuple(performance),
        provenance=provenance | ({"imputed": imputed} if imputed else {}),
    )
    loaded = write_model(model, folder, model_card(model, pipeline.univariate))
    return Trained(loaded, pipeline, probabilities)


def coded_clinical(table: pd.DataFrame, protocol: Protocol) -> tuple[list[Predictor], pd.DataFrame]:
    """Clinical candidates of a protocol with the ranges they have in the training split, and their coded values.

    Parameters
    ----------
    table : cohort table with ``split`` and the candidates' columns; values may be missing

    Returns
    -------
    predictors, and (cases, candidates) numbers, NaN where missing

    Raises
    ------
    CohortError
        when a candidate's column is not there or empty in training
    CaseError
        for a value that a predictor cannot take, naming the case
    """
    import pandas as pd

    candidates = protocol.clinical.candidates
    missing = [c for c in candidates if c not in table]
    if missing:
        there = ", ".join(clinical_columns(table)) or "none"
        raise CohortError(f"The cohort table lacks the clinical columns {', '.join(missing)} (it has {there})")
    training = table.loc[table["split"] == "training", list(candidates)]
    empty = [c for c in candidates if training[c].isna().all()]
    if empty:
        raise CohortError(f"Clinical column {empty[0]} is empty in all {len(training)} training rows: fill it, or leave the candidate out")
    predictors = [standard_predictor(name, training[name].dropna()) for name in candidates]
    coded = {
        case: {p.name: p.code(row[p.name], str(case)) if given[p.name] else math.nan for p in predictors}
        for (case, row), (_, given) in zip(table.iterrows(), table.notna().iterrows(), strict=True)
    }
    return predictors, pd.DataFrame.from_dict(coded, orient="index", columns=list(candidates))


def _imputed(clinical: pd.DataFrame, split: pd.Series, medians: pd.Series) -> dict[str, Any]:
    """By predictor: the training median that stood in for missing values, and in how many cases of each split."""
    found = {}
    for name in clinical.columns[clinical.isna().any()]:
        counts = split[clinical[name].isna()].value_counts(sort=False)
        found[str(name)] = {"median": float(medians[name]), "cases": {str(s): int(n) for s, n in counts.items()}}
    return found


def _freeze_signature(estimator: LassoSignature, cross_fitted: pd.Series) -> Signature:
    return Signature(
        features=tuple(str(name) for name in estimator.selected_),
        mean=tuple(float(v) for v in estimator.mean_),
        scale=tuple(float(v) for v in estimator.scale_),
        coefficients=tuple(float(v) for v in estimator.coef_),
        intercept=float(estimator.intercept_),
        train_mean=float(cross_fitted.mean()),
        train_sd=float(cross_fitted.std()),
    )


def _terms(logistic: LogisticModel, values: pd.DataFrame, predictors: list[Predictor]) -> tuple[Term, ...]:
    labels = {p.name: p.label for p in predictors}
    return tuple(
        Term(
            name=name,
            label=labels.get(name)
            or name.replace("radscore_habitat", "Radscore habitat ").replace("radscore_tumour", "Radscore whole tumour"),
            coefficient=float(coefficient),
            mean=float(values[name].mean()),
            sd=float(values[name].std()),
            low=float(values[name].min()),
            high=float(values[name].max()),
        )
        for name, coefficient in zip(logistic.terms, logistic.coefficients, strict=True)
    )


def _performance(table: pd.DataFrame, probabilities: pd.Series, training_fitted: np.ndarray, protocol: Protocol) -> list[dict[str, Any]]:
    """AUC by split; the training split twice: apparent, and with the radscores the model was fitted on."""
    training = table["split"] == "training"
    rows = [_row("training, apparent", table.loc[training, "outcome"], probabilities[training])]
    if protocol.combined.radscores == "cross_fitted":
        rows.append(_row("training, cross-fitted radscores", table.loc[training, "outcome"], training_fitted))
    for split in ("internal", "external"):
        chosen = table["split"] == split
        if chosen.any():
            rows.append(_row(split, table.loc[chosen, "outcome"], probabilities[chosen]))
            if "true_probability" in table:
                rows.append(
                    _row(f"{split}, by the phantom's true probability", table.loc[chosen, "outcome"], table.loc[chosen, "true_probability"])
                )
    return rows


def _clinical_performance(table: pd.DataFrame, probabilities: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for split in table["split"].unique():
        chosen = (table["split"] == split).to_numpy()
        rows.append(_row(f"{split}, clinical model alone", table.loc[chosen, "outcome"], probabilities[chosen]))
    return rows


def _row(name: str, y: Any, p: Any) -> dict[str, Any]:
    y = np.asarray(y, dtype=int)
    figure = round(auc(y, p), 4) if 0 < y.sum() < len(y) else None
    return {"cohort": name, "n": len(y), "events": int(y.sum()), "auc": figure}


def _identity(identity: Identity, phantom: bool) -> dict[str, Any]:
    """A model that saw a phantom is a demonstration, whatever is said of it, and says so first."""
    values = {**vars(identity), "cohort": dict(identity.cohort)}
    if phantom and not identity.demonstration:
        values |= {"demonstration": True, "notice": f"{PHANTOM_NOTICE} {identity.notice}"}
    return values
