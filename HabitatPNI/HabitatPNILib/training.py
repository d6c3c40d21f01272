"""Feature table + outcomes -> FrozenModel, with the figures of its apparent, cross-fitted and held-out performance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis import radscore, versions
from .cohort import Extraction, clinical_columns
from .errors import CohortError
from .frozen_model import FrozenModel, Imaging, Signature, Term, write_model
from .model_card import model_card
from .predictors import Predictor, code_values
from .progress import Progress, no_progress, part
from .protocol import Protocol
from .standard_predictors import standard_predictor

if TYPE_CHECKING:
    import pandas as pd

    from .learning.classifiers import LogisticModel
    from .learning.signature import LassoSignature


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
    signatures : fitted radscore estimator by region, with its cross-validation curve and path
    radscores : radscore of every case and region of the whole cohort; training cases by the final signatures
    cross_fitted : out-of-fold radscores of the training cases
    univariate : table of the clinical candidates
    clinical : the clinical model alone, for comparison
    probabilities : of every case by the frozen model
    """

    model: FrozenModel
    signatures: Mapping[str, LassoSignature]
    radscores: pd.DataFrame
    cross_fitted: pd.DataFrame
    univariate: pd.DataFrame
    clinical: LogisticModel
    probabilities: pd.Series


def train(extraction: Extraction, cohort: pd.DataFrame, identity: Identity, folder: Path, progress: Progress = no_progress) -> Trained:
    """Train and freeze the combined model of a protocol on the training split.

    mRMR, LASSO, the clinical screen, the logistic model and the cut-off see training cases alone; the combined model is
    fitted on cross-fitted radscores unless the protocol says ``in_sample`` (the study's own way, which is optimistic).

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
    import pandas as pd

    from .learning.classifiers import fit_clinical, univariate_screen, youden_cut_off

    protocol = extraction.protocol
    table = cohort.loc[[c for c in cohort.index if c in extraction.features.index]]
    training = table.index[table["split"] == "training"]
    _same_training_cases(extraction, cohort)
    y = table.loc[training, "outcome"].astype(int)
    predictors, clinical = _clinical(table, training, protocol)
    univariate = univariate_screen(clinical.loc[training], y)
    clinical_model = fit_clinical(clinical.loc[training], y, list(protocol.clinical.candidates), protocol.clinical.univariate_p)
    kept = list(clinical_model.terms)

    signatures: dict[str, LassoSignature] = {}
    oof_scores = pd.DataFrame(index=training)
    for i, region in enumerate(protocol.regions):
        step = part(progress, i / len(protocol.regions), (i + 1) / len(protocol.regions))
        estimator, oof = _radscore(extraction.features.loc[training], y, region, protocol, step)
        if estimator.n_selected_:
            signatures[region], oof_scores[region] = estimator, oof
    frozen = {region: _freeze_signature(estimator, oof_scores[region]) for region, estimator in signatures.items()}
    radscores = pd.DataFrame(
        {r: [radscore(row, s) for _, row in extraction.features[list(s.features)].iterrows()] for r, s in frozen.items()},
        index=extraction.features.index,
    ).loc[table.index]
    means = pd.Series({r: s.train_mean for r, s in frozen.items()}, dtype=float)
    fitted_on = oof_scores if protocol.combined.radscores == "cross_fitted" else radscores.loc[training]
    logistic = _combine(clinical.loc[training, kept], fitted_on.fillna(means), oof_scores, y, protocol)
    terms = pd.concat([clinical.loc[training, kept], _as_terms(fitted_on.fillna(means))], axis=1)[list(logistic.terms)]
    all_terms = pd.concat([clinical[kept], _as_terms(radscores.fillna(means))], axis=1)[list(logistic.terms)]
    probabilities = pd.Series(np.asarray(logistic.probability(all_terms)), index=table.index)
    cut_off = float(youden_cut_off(y.to_numpy(), np.asarray(logistic.probability(terms))))

    performance = _performance(table, probabilities, np.asarray(logistic.probability(terms)), protocol)
    performance += _clinical_performance(table, clinical_model.probability(clinical))
    for name, scores in oof_scores.items():
        enters = "" if f"radscore_{name}" in logistic.terms else ", not in the combined model"
        performance.append(_row(f"training, cross-fitted radscore of {name}{enters}", y[scores.notna()], scores.dropna()))
    model = FrozenModel(
        **_identity(identity, extraction.phantom),
        kind="combined",
        protocol=protocol.to_dict(),
        predictors=tuple(p for p in predictors if p.name in kept),
        intercept=float(logistic.intercept),
        terms=_terms(logistic, terms, predictors),
        cut_off=cut_off,
        cut_off_rule=f"highest Youden index in training ({protocol.combined.radscores.replace('_', '-')} radscores)",
        imaging=Imaging(
            b_values=dict(extraction.b_values),
            backbone=protocol.deep.backbone,
            weights=protocol.deep.weights,
            weights_sha256=extraction.weights_sha256,
            habitats=extraction.centroids,
            signatures=frozen,
        ),
        performance=tuple(performance),
        provenance={"versions": versions(), "cases_without_features": len(cohort) - len(table)},
    )
    loaded = write_model(model, folder, model_card(model, univariate))
    return Trained(loaded, signatures, radscores, oof_scores, univariate, clinical_model, probabilities)


def _clinical(table: pd.DataFrame, training: pd.Index, protocol: Protocol) -> tuple[list[Predictor], pd.DataFrame]:
    """Predictors with their training ranges, and their coded values (cases, predictors)."""
    import pandas as pd

    missing = [c for c in protocol.clinical.candidates if c not in table]
    if missing:
        there = ", ".join(clinical_columns(table)) or "none"
        raise CohortError(f"The cohort table lacks the clinical columns {', '.join(missing)} (it has {there})")
    general = [standard_predictor(name, table.loc[training, name]) for name in protocol.clinical.candidates]
    coded = {case: code_values(general, dict(table.loc[case]), str(case)) for case in table.index}
    return general, pd.DataFrame.from_dict(coded, orient="index")


def _radscore(
    features: pd.DataFrame, y: pd.Series, region: str, protocol: Protocol, progress: Progress
) -> tuple[LassoSignature, pd.Series]:
    """Signature of one region and its out-of-fold scores; a case without the region has NaN."""
    import pandas as pd

    from .features.table import columns_of
    from .learning.signature import LassoSignature, cross_fitted_scores

    settings = protocol.selection
    columns = columns_of(features, region=region)
    X = features[columns]
    progress(0.0, f"Radscore of {region}: mRMR and LASSO")
    estimator = LassoSignature(
        n_features=settings.mrmr_features, scheme=settings.mrmr_scheme, folds=settings.folds, rule=settings.lasso_rule, seed=settings.seed
    )
    present = X.notna().all(axis=1)
    fitted = estimator.fit(X[present], y[present])
    step = part(progress, 0.1, 1.0)
    scores = cross_fitted_scores(
        estimator,
        X,
        y,
        protocol.combined.folds,
        protocol.combined.seed,
        lambda fraction, text: step(fraction, f"Radscore of {region}: {text}"),
    )
    return fitted, pd.Series(np.asarray(scores), index=X.index)


def _combine(clinical: pd.DataFrame, scores: pd.DataFrame, oof: pd.DataFrame, y: pd.Series, protocol: Protocol) -> LogisticModel:
    """Combined model of the clinical terms and those radscores that earn their place.

    A radscore is a region's own log odds: one that ranks unseen patients no better than chance, or would enter with a
    negative weight and so contradict itself, is left out (the most negative first, then the fit is made anew).

    Raises
    ------
    CohortError
        when no radscore is left
    """
    import pandas as pd

    from .learning.classifiers import fit_combined

    regions = [r for r in scores if _auc(y[oof[r].notna()], oof[r].dropna()) > 0.5]
    while regions:
        terms = pd.concat([clinical, _as_terms(scores[regions])], axis=1)
        model = fit_combined(terms, y, protocol.combined.penalty, protocol.combined.folds, protocol.combined.seed)
        weights = dict(zip(model.terms, model.coefficients, strict=True))
        worst = min(regions, key=lambda r: weights[f"radscore_{r}"])
        if weights[f"radscore_{worst}"] >= 0:
            return model
        regions.remove(worst)
    raise CohortError("No region's radscore ranks unseen patients better than chance: the images say nothing here; use a clinical model")


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


def _as_terms(radscores: pd.DataFrame) -> pd.DataFrame:
    return radscores.rename(columns=lambda region: f"radscore_{region}")


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
    auc = _auc(y, p)
    return {"cohort": name, "n": len(y), "events": int(y.sum()), "auc": None if math.isnan(auc) else round(auc, 4)}


def _auc(y: Any, score: Any) -> float:
    from sklearn.metrics import roc_auc_score

    y = np.asarray(y, dtype=int)
    return float(roc_auc_score(y, np.asarray(score, dtype=float))) if 0 < y.sum() < len(y) else math.nan


def _identity(identity: Identity, phantom: bool) -> dict[str, Any]:
    """A model that saw a phantom is a demonstration, whatever is said of it."""
    return {**vars(identity), "cohort": dict(identity.cohort), "demonstration": identity.demonstration or phantom}


def _same_training_cases(extraction: Extraction, cohort: pd.DataFrame) -> None:
    """The habitats were learned from the training cases: a table that has moved one of them elsewhere would test on it."""
    now = set(cohort.index[cohort["split"] == "training"])
    moved = sorted(set(extraction.training) - now)
    if moved:
        raise CohortError(
            f"{len(moved)} cases that shaped the habitats are no longer training cases (first {moved[0]}); run habitatpni extract again"
        )
