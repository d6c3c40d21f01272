"""Tables of what was fitted: clinical model, signatures, combined model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..features.table import SEPARATOR, parse_column
from .tables_form import Column, StudyTable, study_table
from .tables_scores import StudyScores

if TYPE_CHECKING:
    import pandas as pd

    from ..learning.classifiers import LogisticModel
    from .data import StudyData

_ODDS_RATIO = "odds ratio (95 % CI)"


def clinical_model(scores: StudyScores) -> StudyTable:
    """Odds ratios of the clinical candidates, each alone and together with the others that passed the screen."""
    fitted = scores.fitted
    model = fitted.clinical_model
    rows = []
    for name, alone in fitted.univariate.iterrows():
        row: dict[str, Any] = {"term": name, "label": term_label(scores.data, str(name)), "univariate": alone["odds_ratio"]}
        row |= {"univariate_low": alone["low"], "univariate_high": alone["high"], "univariate_p": alone["p"]}
        rows.append(row | _multivariable(model, str(name)))
    if model is not None:
        rows.append({"term": "intercept", "label": "Intercept (log odds)", "coefficient": model.intercept})
    limit = scores.data.protocol.clinical.univariate_p
    columns = (
        *(
            Column("label", "Candidate"),
            Column("univariate", f"Univariate {_ODDS_RATIO}", "ratio"),
            Column("univariate_p", "p", "p"),
        ),
        *(Column("multivariable", f"Multivariable {_ODDS_RATIO.lower()}", "ratio"), Column("multivariable_p", "p, multivariable", "p")),
        Column("coefficient", "Coefficient", "figure"),
    )
    passed = f"{len(model.terms)} passed" if model is not None else "none passed"
    note = (
        f"Logistic regression on the training patients, maximum likelihood, Wald intervals; odds ratios per unit (year, grade). Candidates "
        f"with a univariate p below {limit:g} enter the multivariable model together ({passed}). Choosing candidates by their p makes the "
        "p and intervals of those chosen look better than they are."
    )
    return study_table("clinical_model", "Clinical model", rows, columns, note)


def signatures(scores: StudyScores) -> StudyTable:
    """What the selection kept of every region, by sequence, and the radscore's weight in the combined model."""
    data, fitted = scores.data, scores.fitted
    weights = dict(zip(fitted.combined.terms, fitted.combined.coefficients, strict=True)) if fitted.combined else {}
    absent = fitted.radscores(data.features.loc[data.rows("training")]).isna().sum()
    sequences = data.protocol.sequences
    rows = []
    for region in fitted.regions:
        offered = sum(str(name).startswith(f"{region}{SEPARATOR}") for name in data.features.columns)
        row: dict[str, Any] = {"region": region, "label": data.label(region), "offered": offered}
        signature = fitted.signatures.get(region)
        if signature is not None:
            of_sequence = [parse_column(name).sequence for name in signature.selected_]
            row |= {"screened": len(signature.screened_), "kept": signature.n_selected_, "lambda": signature.lambda_}
            row |= {sequence: of_sequence.count(sequence) for sequence in sequences}
        row |= {"absent": int(absent.get(region, 0)), "weight": weights.get(f"radscore_{region}", math.nan)}
        rows.append(row)
    columns = (
        *(Column("label", "Region"), Column("absent", "Cases without it", "count"), Column("offered", "Features", "count")),
        *(Column("screened", "After mRMR", "count"), Column("kept", "After LASSO", "count")),
        *(Column(sequence, f"of {sequence.upper()}", "count") for sequence in sequences),
        *(Column("lambda", "Penalty", "figure"), Column("weight", "Weight in the combined model", "figure")),
    )
    selection = data.protocol.selection
    note = (
        f"mRMR ({selection.mrmr_scheme}) keeps {selection.mrmr_features} features a region, LASSO those with a coefficient at the penalty "
        f"of its {selection.folds}-fold cross-validation (rule: {selection.lasso_rule}); screen and scaling are made anew in every fold. A "
        "radscore without a weight ranked unseen patients no better than chance or contradicted itself, and is not in the combined model."
    )
    return study_table("signatures", "Signatures of the regions", rows, columns, note)


def signature_features(scores: StudyScores) -> StudyTable:
    """Every feature of every signature with its coefficient."""
    rows = []
    for region, signature in scores.fitted.signatures.items():
        kept = zip(signature.selected_, signature.coef_, signature.mean_, signature.scale_, strict=True)
        for name, coefficient, mean, scale in sorted(kept, key=lambda feature: -abs(feature[1])):
            part = parse_column(name)
            row: dict[str, Any] = {"region": region, "label": scores.data.label(region), "feature": name, "coefficient": float(coefficient)}
            row |= {"sequence": part.sequence.upper(), "extractor": part.extractor, "number": part.feature}
            rows.append(row | {"mean": float(mean), "scale": float(scale)})
        rows.append({"region": region, "label": scores.data.label(region), "feature": "(intercept)", "coefficient": signature.intercept_})
    columns = (
        *(Column("label", "Region"), Column("sequence", "Sequence"), Column("extractor", "Extractor"), Column("number", "Feature")),
        *(Column("coefficient", "Coefficient per SD", "figure"), Column("mean", "Training mean", "figure")),
        Column("scale", "Training SD", "figure"),
    )
    note = (
        "Radscore: intercept + sum of coefficient \u00d7 (feature \u2212 mean) / SD, on the logit scale. Rows without a feature hold the "
        "intercept."
    )
    return study_table("signature_features", "Features of the signatures", rows, columns, note)


def combined_model(scores: StudyScores) -> StudyTable:
    """Terms of the combined model behind the nomogram."""
    model = scores.fitted.combined
    rows: list[dict[str, Any]] = []
    if model is not None:
        spread = combined_terms(scores).std()
        for i, name in enumerate(model.terms):
            row: dict[str, Any] = {"term": name, "label": term_label(scores.data, name), "coefficient": float(model.coefficients[i])}
            low, high = model.confidence[i]
            row |= {"odds_ratio": math.exp(model.coefficients[i]), "odds_ratio_low": math.exp(low), "odds_ratio_high": math.exp(high)}
            row |= {"p": float(model.p_values[i]), "sd": float(spread[name]), "per_sd": math.exp(model.coefficients[i] * spread[name])}
            rows.append(row)
        rows.append({"term": "intercept", "label": "Intercept (log odds)", "coefficient": model.intercept})
    columns = (
        *(Column("label", "Term"), Column("coefficient", "Coefficient", "figure"), Column("odds_ratio", "Odds ratio per unit", "ratio")),
        *(Column("sd", "Training SD", "figure"), Column("per_sd", "Odds ratio per SD", "ratio")),
        *((Column("p", "p", "p"),) if model is not None and not model.ridge else ()),
    )
    ridge = model.ridge if model is not None else 0.0
    penalty = f"ridge penalty {ridge:.3g} (a penalised fit has no valid intervals)" if ridge else "no penalty"
    how = "cross-fitted" if scores.data.protocol.combined.radscores == "cross_fitted" else "in-sample (optimistic)"
    note = f"Logistic regression on the training patients, {how} radscores, {penalty}. Odds ratios per SD can be compared with each other."
    return study_table("combined_model", "Combined model", rows, columns, note)


def combined_terms(scores: StudyScores) -> pd.DataFrame:
    """(training cases, terms) values on which the combined model was fitted; no column where there is no model."""
    import pandas as pd

    data, fitted = scores.data, scores.fitted
    training = data.rows("training")
    cross_fitted = data.protocol.combined.radscores == "cross_fitted"
    radscores = fitted.cross_fitted if cross_fitted else fitted.radscores(data.features.loc[training])
    clinical = data.clinical.loc[training].fillna(fitted.medians)
    every = pd.concat([clinical, radscores.fillna(fitted.radscore_means).add_prefix("radscore_")], axis=1)
    return every[list(fitted.combined.terms)] if fitted.combined else every.iloc[:, :0]


def term_label(data: StudyData, term: str) -> str:
    """A term's name for print: that of the predictor with its unit, or of the region's radscore."""
    if term.startswith("radscore_"):
        label = data.label(term.removeprefix("radscore_"))
        return f"Radscore {label[0].lower()}{label[1:]}"
    for predictor in data.predictors:
        if predictor.name == term:
            return f"{predictor.label} ({predictor.unit})" if predictor.unit else predictor.label
    return term


def _multivariable(model: LogisticModel | None, name: str) -> dict[str, float]:
    if model is None or name not in model.terms:
        return {}
    i = model.terms.index(name)
    low, high = (math.exp(limit) for limit in model.confidence[i])
    odds = {"multivariable": math.exp(model.coefficients[i]), "multivariable_low": low, "multivariable_high": high}
    return odds | {"multivariable_p": float(model.p_values[i]), "coefficient": float(model.coefficients[i])}
