"""The whole learning of a study in one fit: signatures, cross-fitted radscores, clinical screen, combined model and cut-offs.

Everything that looks at the outcome or at other patients happens in `fit_pipeline`, so that a resampling which calls it on its training
rows leaks nothing of the patients it holds out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CohortError
from ..progress import Progress, no_progress, part
from .checks import check_outcome, most_folds, stratified_folds
from .classifiers import LogisticModel, fit_clinical, fit_combined, univariate_screen, youden_cut_off

if TYPE_CHECKING:
    import pandas as pd

    from ..protocol import Protocol
    from .signature import LassoSignature

MODEL_CLINICAL, MODEL_COMBINED = "clinical", "combined"
MOST_MISSING = 0.2


def model_names(regions: Sequence[str]) -> tuple[str, ...]:
    """Models of a study in their order: clinical, one for each region, combined."""
    return (MODEL_CLINICAL, *regions, MODEL_COMBINED)


@dataclass(frozen=True)
class FittedPipeline:
    """All models of a study, fitted on the same patients.

    Attributes
    ----------
    regions : of the protocol
    signatures : by region, also those without a feature (``n_selected_`` 0); a region that could not be fitted is not among them
    cross_fitted : (training rows, regions) out-of-fold radscores; NaN where the region is absent or could not be fitted
    univariate : screen of the clinical candidates, see `univariate_screen`
    medians : of the training rows by candidate; they stand in for missing clinical values
    clinical_model : None when no candidate passed
    combined : terms are the kept clinical candidates and ``radscore_<region>``; None when there is nothing to combine
    radscore_means : by region, of the cross-fitted radscores; they stand in for an absent region
    cut_offs : probability by model with the highest Youden index in training; regions and combined model on the radscores that the
        combined one is fitted on; NaN for a constant model or one whose probabilities rank no better than chance
    prevalence : share of the outcome in training, which is the probability of a model without terms
    """

    regions: tuple[str, ...]
    signatures: Mapping[str, LassoSignature]
    cross_fitted: pd.DataFrame
    univariate: pd.DataFrame
    medians: pd.Series
    clinical_model: LogisticModel | None
    combined: LogisticModel | None
    radscore_means: pd.Series
    cut_offs: pd.Series
    prevalence: float

    @property
    def n_selected(self) -> int:
        """Features of all signatures together."""
        return sum(signature.n_selected_ for signature in self.signatures.values())

    def radscores(self, features: pd.DataFrame) -> pd.DataFrame:
        """(cases, regions) radscores on the logit scale; NaN where the region is absent or could not be fitted.

        Raises
        ------
        CohortError
            when columns of a signature are missing
        """
        return _radscores(self.signatures, features, self.regions)

    def log_odds(self, features: pd.DataFrame, clinical: pd.DataFrame) -> pd.DataFrame:
        """(cases, models) log odds of the outcome; a model without terms gives the same to all.

        Parameters
        ----------
        features : FeatureTable of the cases
        clinical : (cases, candidates) of the same cases in the same order; NaN is filled with the training median

        Raises
        ------
        CohortError
            when columns are missing, or the tables do not hold the same cases
        """
        import pandas as pd

        _check_aligned(features, clinical)
        filled = clinical.fillna(self.medians)
        scores = self.radscores(features).fillna(self.radscore_means)
        constant = np.full(len(features), _logit(self.prevalence))
        terms = pd.concat([filled, _as_terms(scores)], axis=1)
        columns = {
            MODEL_CLINICAL: self.clinical_model.linear_predictor(filled) if self.clinical_model else constant,
            **{region: scores[region].to_numpy() for region in self.regions},
            MODEL_COMBINED: self.combined.linear_predictor(terms) if self.combined else constant,
        }
        return pd.DataFrame(columns, index=features.index)

    def probabilities(self, features: pd.DataFrame, clinical: pd.DataFrame) -> pd.DataFrame:
        """(cases, models) probabilities; parameters and errors as in `log_odds`."""
        from scipy.special import expit

        return expit(self.log_odds(features, clinical))


def fit_pipeline(
    features: pd.DataFrame,
    clinical: pd.DataFrame,
    y: Any,
    protocol: Protocol,
    *,
    groups: Any = None,
    strict: bool = True,
    progress: Progress = no_progress,
) -> FittedPipeline:
    """Fit every model of a protocol on the rows given.

    The combined model is fitted on cross-fitted radscores unless the protocol says ``in_sample`` (the study's own way, which is
    optimistic). A missing clinical value is filled with the median of these rows; a candidate that more than a fifth of them lack is not
    used at all.

    Parameters
    ----------
    features : FeatureTable of the training rows; its index may repeat (bootstrap)
    clinical : (rows, candidates) numbers of the same rows in the same order, NaN where missing
    y : (rows,) outcome, 0 or 1
    groups : (rows,) what must stay in one inner fold, e.g. copies of a patient in a bootstrap sample
    strict : True raises when a part cannot be fitted. False (resampling) leaves that part empty, so that its model is constant, and takes
        fewer inner folds where the patients do not suffice for the protocol's number

    Raises
    ------
    CohortError
        for an outcome that cannot be used, and if `strict`: for a candidate with too many missing values (naming column and rows), no
        candidate that passes the screen, a region that cannot be fitted, and no radscore that ranks unseen patients better than chance
    """
    import pandas as pd

    _check_aligned(features, clinical)
    outcome = check_outcome(y, len(features))
    filled, medians = _filled(clinical, protocol.clinical.candidates, strict)
    univariate, clinical_model = _clinical_model(filled, outcome, protocol, strict)
    signatures: dict[str, LassoSignature] = {}
    cross_fitted = pd.DataFrame(np.nan, index=features.index, columns=list(protocol.regions))
    for i, region in enumerate(protocol.regions):
        step = part(progress, i / len(protocol.regions), (i + 1) / len(protocol.regions))
        try:
            signatures[region], cross_fitted[region] = _radscore(features, outcome, region, protocol, groups, strict, step)
        except CohortError:
            if strict:
                raise
    prevalence = float(outcome.mean())
    means = pd.Series({r: _mean_radscore(signatures.get(r), cross_fitted[r], prevalence) for r in protocol.regions}, dtype=float)
    in_sample = protocol.combined.radscores == "in_sample"
    fitted_on = _radscores(signatures, features, protocol.regions) if in_sample else cross_fitted
    fitted_on = fitted_on.fillna(means)
    kept = filled[list(clinical_model.terms)] if clinical_model else filled[[]]
    useful = [r for r, s in signatures.items() if s.n_selected_ and _ranks_above_chance(outcome, cross_fitted[r].to_numpy())]
    combined = _combined(kept, fitted_on[useful], outcome, protocol, groups, strict)
    probabilities: dict[str, Any] = {MODEL_CLINICAL: clinical_model.probability(filled) if clinical_model else None}
    probabilities |= {r: _expit(fitted_on[r]) if r in signatures and signatures[r].n_selected_ else None for r in protocol.regions}
    terms = pd.concat([kept, _as_terms(fitted_on)], axis=1)
    cut_offs = {name: _cut_off(outcome, p, False) for name, p in probabilities.items()}
    cut_offs[MODEL_COMBINED] = _cut_off(outcome, combined.probability(terms) if combined else None, strict)
    return FittedPipeline(
        regions=tuple(protocol.regions),
        signatures=signatures,
        cross_fitted=cross_fitted,
        univariate=univariate,
        medians=medians,
        clinical_model=clinical_model,
        combined=combined,
        radscore_means=means,
        cut_offs=pd.Series(cut_offs, dtype=float),
        prevalence=prevalence,
    )


def _check_aligned(features: pd.DataFrame, clinical: pd.DataFrame) -> None:
    if not clinical.index.equals(features.index):
        raise CohortError("Clinical table and feature table do not hold the same cases in the same order: align them by case_id")


def _filled(clinical: pd.DataFrame, candidates: Sequence[str], strict: bool) -> tuple[pd.DataFrame, pd.Series]:
    """Usable candidates without gaps, and the medians of all."""
    absent = [name for name in candidates if name not in clinical.columns]
    if absent:
        raise CohortError(f"The clinical table lacks the candidates {', '.join(absent)}")
    table = clinical[list(candidates)].astype(float)
    missing = table.isna()
    too_many = [name for name in candidates if missing[name].mean() > MOST_MISSING]
    if too_many and strict:
        name = too_many[0]
        rows = table.index[missing[name]]
        raise CohortError(
            f"Clinical column {name} is missing in {len(rows)} of {len(table)} training rows (first {', '.join(map(str, rows[:5]))}); at "
            f"most {MOST_MISSING:.0%} are filled with the median: complete it, or take it out of the protocol (clinical.candidates)"
        )
    medians = table.median()
    return table.drop(columns=too_many).fillna(medians), medians


def _clinical_model(
    filled: pd.DataFrame, outcome: np.ndarray, protocol: Protocol, strict: bool
) -> tuple[pd.DataFrame, LogisticModel | None]:
    """Screen and clinical model; without `strict` candidates that cannot be screened are left out."""
    limit = protocol.clinical.univariate_p
    if strict:
        return univariate_screen(filled, outcome), fit_clinical(filled, outcome, list(filled.columns), limit)
    usable = [name for name in filled.columns if _fits(univariate_screen, filled[[name]], outcome) is not None]
    model = _fits(fit_clinical, filled, outcome, usable, limit) if usable else None
    return univariate_screen(filled[usable], outcome), model


def _radscore(
    features: pd.DataFrame, outcome: np.ndarray, region: str, protocol: Protocol, groups: Any, strict: bool, progress: Progress
) -> tuple[LassoSignature, np.ndarray]:
    """Signature of one region and its out-of-fold scores; a row without the region has NaN."""
    from .signature import LassoSignature, cross_fitted_scores

    settings, combined = protocol.selection, protocol.combined
    X = features.loc[:, [str(name).startswith(f"{region}__") for name in features.columns]]
    gone = X.isna().to_numpy()
    present = np.flatnonzero(~gone.any(axis=1))
    members = np.arange(len(outcome)) if groups is None else np.asarray(groups)
    outer, inner = combined.folds, settings.folds
    if not strict:
        outer = most_folds(outcome, outer, members)
        fold_of = stratified_folds(outcome, outer, combined.seed, members)
        seen = [present[fold_of[present] != fold] for fold in range(outer)]
        inner = min(most_folds(outcome[rows], inner, members[rows]) for rows in seen)
    progress(0.0, f"Radscore of {region}: mRMR and LASSO")
    estimator = LassoSignature(
        n_features=settings.mrmr_features, scheme=settings.mrmr_scheme, folds=inner, rule=settings.lasso_rule, seed=settings.seed
    )
    fitted = estimator.fit(X.iloc[present], outcome[present], members[present])
    step = part(progress, 0.1, 1.0)
    scores = cross_fitted_scores(
        estimator, X, outcome, outer, combined.seed, lambda done, text: step(done, f"Radscore of {region}: {text}"), members
    )
    return fitted, scores


def _combined(
    clinical: pd.DataFrame, scores: pd.DataFrame, outcome: np.ndarray, protocol: Protocol, groups: Any, strict: bool
) -> LogisticModel | None:
    """Combined model of the clinical terms and those radscores that earn their place.

    A radscore is a region's own log odds: one that ranks unseen patients no better than chance (not among `scores`), or would enter with
    a negative weight and so contradict itself, is left out (the most negative first, then the fit is made anew).
    """
    import pandas as pd

    settings = protocol.combined
    folds = settings.folds if strict else most_folds(outcome, settings.folds, groups)
    regions = list(scores.columns)
    while regions:
        terms = pd.concat([clinical, _as_terms(scores[regions])], axis=1)
        try:
            model = fit_combined(terms, outcome, settings.penalty, folds, settings.seed, groups)
        except CohortError:
            if strict:
                raise
            break
        weights = dict(zip(model.terms, model.coefficients, strict=True))
        worst = min(regions, key=lambda r: weights[f"radscore_{r}"])
        if weights[f"radscore_{worst}"] >= 0:
            return model
        regions.remove(worst)
    if strict:
        raise CohortError(
            "No region's radscore ranks unseen patients better than chance: the images say nothing here; use a clinical model"
        )
    return _fits(fit_combined, clinical, outcome, settings.penalty, folds, settings.seed, groups) if len(clinical.columns) else None


def _fits(fit: Any, *arguments: Any) -> Any:
    """What `fit` gives, or None where these data do not allow it."""
    try:
        return fit(*arguments)
    except CohortError:
        return None


def _cut_off(outcome: np.ndarray, p: Any, strict: bool) -> float:
    if p is None:
        return np.nan
    if strict:
        return youden_cut_off(outcome, p)
    found = _fits(youden_cut_off, outcome, p)
    return np.nan if found is None else found


def _radscores(signatures: Mapping[str, LassoSignature], features: pd.DataFrame, regions: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    columns = {r: signatures[r].decision_function(features) if r in signatures else np.full(len(features), np.nan) for r in regions}
    return pd.DataFrame(columns, index=features.index)


def _mean_radscore(signature: LassoSignature | None, cross_fitted: pd.Series, prevalence: float) -> float:
    """Of a constant radscore its one value, so that a patient without the region gets it too."""
    if signature is None:
        return _logit(prevalence)
    return float(cross_fitted.mean()) if signature.n_selected_ else signature.intercept_


def _ranks_above_chance(outcome: np.ndarray, scores: np.ndarray) -> bool:
    from sklearn.metrics import roc_auc_score

    there = ~np.isnan(scores)
    events = outcome[there].sum()
    return bool(0 < events < there.sum() and roc_auc_score(outcome[there], scores[there]) > 0.5)


def _as_terms(radscores: pd.DataFrame) -> pd.DataFrame:
    return radscores.rename(columns=lambda region: f"radscore_{region}")


def _expit(log_odds: Any) -> np.ndarray:
    from scipy.special import expit

    return expit(np.asarray(log_odds, dtype=np.float64))


def _logit(p: float) -> float:
    return float(np.log(p / (1 - p)))
