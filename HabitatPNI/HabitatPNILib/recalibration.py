"""Local recalibration: a frozen model's intercept, then its slope, from a site's own patients."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .analysis import versions
from .cohort import load_extraction, read_cohort
from .cohort_steps import check_same_files
from .csv_rows import number_of, read_rows, refuse
from .errors import CohortError, ModelError
from .evaluation.calibration import Calibration
from .evaluation.updating import Update
from .frozen_model import FrozenModel, write_model
from .model_card import model_card
from .progress import Progress, no_progress
from .table_prediction import LOG_ODDS, check_same_features, model_log_odds, model_radscores

if TYPE_CHECKING:
    import pandas as pd

RELIABLE = 100
MOST_LOG_ODDS = 36
"""Beyond, a probability cannot be told from 0 or 1."""


def recalibrated_model(model: FrozenModel, update: Update, name: str, version: str, site: str) -> FrozenModel:
    """The model with ``intercept + slope * log odds`` in place of its log odds; the radscores' signatures stay what they are.

    The cut-off moves along, so that the same patients reach it. An intercept solved for a prevalence is one estimated from patients
    afterwards, so that the new model takes no local prevalence.

    Raises
    ------
    ModelError
        when the new model has the old one's name and version
    """
    if (name, version) == (model.name, model.version):
        raise ModelError(f"Model {name} {version} is the one to be recalibrated; give the new one another name or version (--name)")
    a, b = update.chosen.intercept, update.chosen.slope
    origin = {"name": model.name, "version": model.version, "checksum": model.checksum, "provenance": dict(model.provenance)}
    auc = {"cohort": f"{site}: patients of the recalibration (it leaves the AUC as it is)", "n": update.patients, "events": update.events}
    return replace(
        model,
        name=name,
        version=version,
        notice=(
            f"Recalibrated ({_WORDS[update.chosen.name]}) on {update.patients} patients, {update.events} with the outcome, of {site}: its "
            f"probabilities are meant for patients like those. Of the original, {model.name} {model.version}: {model.notice}"
        ),
        intercept=a + b * model.intercept,
        terms=tuple(replace(term, coefficient=b * term.coefficient) for term in model.terms),
        cut_off=_expit(a + b * math.log(model.cut_off / (1 - model.cut_off))),
        cut_off_rule=f"{model.cut_off_rule}; moved along with the recalibration: the same patients reach it",
        prevalence=None,
        cohort={**model.cohort, "recalibrated for": site},
        performance=(*model.performance, {**auc, "auc": round(update.auc, 4)}),
        provenance={"recalibrated_from": origin, "recalibration": _provenance(update, site), "versions": versions()},
        files={},
        folder=None,
        checksum="",
    )


def recalibrate(model: FrozenModel, update: Update, folder: Path, *, name: str, version: str, site: str) -> FrozenModel:
    """Write the recalibrated model with its card, and return it as loaded again from there.

    Raises
    ------
    ModelError
        when the folder is the original's, or as in `recalibrated_model`
    OutputError
        when it cannot be written
    """
    if (folder / "model.json").is_file() and (model.folder is None or folder.resolve() == model.folder.resolve()):
        raise ModelError(f"{folder} holds the model that is to be recalibrated; give another folder for the new one")
    new = recalibrated_model(model, update, name, version, site)
    return write_model(new, folder, model_card(new) + "\n" + recalibration_section(model, update))


def recalibration_section(model: FrozenModel, update: Update) -> str:
    """Markdown section of a card: what was tested, what was taken, and the calibration before and after."""
    chosen = update.chosen
    lines = [
        "## Recalibration",
        "",
        f"From {model.name} {model.version} (sha256 {model.checksum[:16]}...): new log odds = {chosen.intercept:.4f} + {chosen.slope:.4f} "
        f"x old log odds, estimated from {update.patients} patients, {update.events} with the outcome.",
        "",
        "| candidate | intercept (SE) | slope (SE) | log likelihood |",
        "| --- | --- | --- | --- |",
        *(
            f"| {_WORDS[c.name]} | {_with_error(c.intercept, c.intercept_se)} | {_with_error(c.slope, c.slope_se)} "
            f"| {c.log_likelihood:.3f} |"
            for c in update.candidates
        ),
        "",
        *(f"- {_WORDS[t.larger]} against {_WORDS[t.smaller]}: chi-square {t.chi2:.3f}, df {t.df}, p {t.p:.3g}" for t in update.tests),
        f"- taken: {_WORDS[chosen.name]}" + ("" if update.tests else " (as asked, not tested)"),
        "",
        "| calibration in these patients | before | after |",
        "| --- | --- | --- |",
    ]
    for label, attribute in (
        ("in the large (0 is perfect)", "intercept"),
        ("slope (1 is perfect)", "slope"),
        ("Brier score", "brier"),
        ("expected calibration error", "ece"),
    ):
        lines.append(f"| {label} | {getattr(update.before, attribute):.4f} | {getattr(update.after, attribute):.4f} |")
    lines += [
        f"| Brier score, each patient left out of his own update | | {update.brier_left_out:.4f} |",
        "",
        "The figures after were computed in the patients that the update was estimated from: what was estimated is perfect there by "
        "construction. The row with each patient left out is the fairer one; only other patients can confirm it.",
    ]
    if min(update.events, update.patients - update.events) < RELIABLE:
        lines.append(
            f"Fewer than {RELIABLE} patients with or without the outcome: calibration can only be judged roughly (Vergouwe et al., "
            "J Clin Epidemiol 2005;58:475)."
        )
    return "\n".join(lines) + "\n"


def site_cases(model: FrozenModel, table: Path, features: Path | None = None, progress: Progress = no_progress) -> pd.DataFrame:
    """Outcome and log odds by the model of a site's patients, index ``case_id``.

    Parameters
    ----------
    table : CSV with ``case_id``, ``outcome`` and either ``probability`` or ``log_odds`` by the model; or the predictors of a clinical
        model; or, with `features`, a cohort table
    features : folder of the cohort's extracted features; cases that shaped its habitats are left out, since the model knows them

    Raises
    ------
    CohortError, ModelError
        naming the columns and rows that cannot be used, or what of the features is not the model's
    """
    if features is None:
        return _from_table(model, table)
    extraction = load_extraction(features)
    check_same_features(model, extraction)
    cohort = read_cohort(table)
    check_same_files(cohort, table.parent, extraction.prepared, extraction.protocol, progress)
    chosen = [c for c in cohort.index if c in extraction.features.index and c not in set(extraction.training)]
    if not chosen:
        raise CohortError(f"{table.name}: no case is left that has features and did not shape the model's habitats")
    radscores = model_radscores(model, extraction.features.loc[chosen])
    log_odds = model_log_odds(model, cohort.loc[chosen], radscores)
    return cohort.loc[chosen, ["outcome"]].assign(**{LOG_ODDS: log_odds})


def _from_table(model: FrozenModel, path: Path) -> pd.DataFrame:
    import pandas as pd

    rows = read_rows(path, ("case_id", "outcome"), "write one with the columns case_id, outcome and probability")
    table = pd.DataFrame([cells for _, cells in rows], index=[number for number, _ in rows])
    if table.empty:
        raise CohortError(f"{path.name} holds no patients")
    outcome = table["outcome"].map(number_of)
    refuse(path, "outcome", table.index[~outcome.isin([0, 1])], "must be 0 or 1; it is not")
    for column, own in (("model", model.name), ("version", model.version)):
        if column in table:
            refuse(path, column, table.index[~table[column].isin(["", own])], f"names another model than {own}")
    result = pd.DataFrame({"outcome": outcome.to_numpy(int)}, index=pd.Index(table["case_id"], name="case_id"))
    if LOG_ODDS in table:
        values = table[LOG_ODDS].map(number_of)
        refuse(
            path, LOG_ODDS, table.index[~(values.abs() <= MOST_LOG_ODDS)], f"is missing or not between -{MOST_LOG_ODDS} and {MOST_LOG_ODDS}"
        )
        return result.assign(**{LOG_ODDS: values.to_numpy()})
    if "probability" in table:
        values = table["probability"].map(number_of)
        refuse(path, "probability", table.index[~((values > 0) & (values < 1))], "is missing or not between 0 and 1")
        return result.assign(**{LOG_ODDS: (np.log(values) - np.log1p(-values)).to_numpy()})
    if model.imaging is not None:
        raise CohortError(
            f"{path.name}: columns are missing: probability or log_odds by model {model.name}; or give the cohort's features (habitatpni "
            "extract --model, then --features)"
        )
    return result.assign(**{LOG_ODDS: model_log_odds(model, table.set_index("case_id"))})


_WORDS = {"original": "original model", "intercept": "new intercept", "slope": "new intercept and slope"}


def _provenance(update: Update, site: str) -> Mapping[str, Any]:
    """What the recalibration was, as plain finite values."""

    def figures(found: Calibration) -> dict[str, float | None]:
        values = {name: getattr(found, name) for name in ("intercept", "slope", "brier", "ece")}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    return {
        "site": site,
        "method": update.chosen.name,
        "intercept": update.chosen.intercept,
        "slope": update.chosen.slope,
        "patients": update.patients,
        "events": update.events,
        "tests": [vars(test) for test in update.tests],
        "before": figures(update.before),
        "after": figures(update.after),
        "brier_left_out": update.brier_left_out,
    }


def _with_error(value: float, error: float) -> str:
    return f"{value:.4f} ({error:.4f})" if error else f"{value:g} (fixed)"


def _expit(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-log_odds))
