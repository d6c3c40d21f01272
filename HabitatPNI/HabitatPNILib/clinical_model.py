"""The published clinical model of the pca-pni study as a frozen model; its intercept is solved, since none is published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from .frozen_model import FrozenModel, Term, write_model
from .model_card import model_card
from .nomogram.intercept import covariate_moments, solve_intercept
from .protocol import Protocol
from .standard_predictors import AGE, MRT_STAGE, PI_RADS

ODDS_RATIOS = {"age": 0.92, "mrt_stage": 1.83, "pi_rads": 3.12}
PREVALENCE = 77 / 397
STUDY = "doi 10.1186/s12885-025-14759-9"
NOTICE = (
    "Published odds ratios without their intercept: the ranking of patients is the study's, the level of the probability an assumption. "
    "The study's text says that older patients carry a higher risk, its odds ratio for age says a lower one; the odds ratio is used."
)
COVARIATES: dict[str, dict[str, Any]] = {
    "age": {"distribution": "normal", "mean": 74.9, "sd": 7.7, "low": 44.0, "high": 94.0, "source": "the study's patients"},
    "mrt_stage": {
        "distribution": "levels",
        "shares": {"1": 0.05, "2": 0.55, "3": 0.30, "4": 0.10},
        "source": "assumed: the study's table is not public",
    },
    "pi_rads": {
        "distribution": "levels",
        "shares": {"3": 0.25, "4": 0.35, "5": 0.40},
        "source": "assumed: the study's table is not public",
    },
}


def write_clinical_model(folder: Path) -> FrozenModel:
    """Write the clinical model to a folder and return it as loaded from there.

    Odds ratios: pca-pni study, Results (multivariate analysis). The study's text says that older patients carry higher
    risk while its odds ratio of 0.92 a year says lower; the odds ratio is kept.
    """
    coefficients = {name: math.log(ratio) for name, ratio in ODDS_RATIOS.items()}
    moments = covariate_moments(COVARIATES)
    terms = tuple(
        Term(p.name, p.label, coefficients[p.name], moments[p.name][0], moments[p.name][1], p.low, p.high)
        for p in (AGE, MRT_STAGE, PI_RADS)
    )
    model = FrozenModel(
        name="pca-pni-clinical",
        version="1.0.0",
        title="Perineural invasion of prostate cancer from age, mrT stage and PI-RADS",
        kind="clinical",
        notice=NOTICE,
        demonstration=False,
        protocol=Protocol.load("pca-pni").to_dict(),
        predictors=(AGE, MRT_STAGE, PI_RADS),
        intercept=solve_intercept(coefficients, COVARIATES, PREVALENCE),
        terms=terms,
        cut_off=PREVALENCE,
        cut_off_rule="the stated prevalence; the study publishes no cut-off",
        prevalence={"value": PREVALENCE, "source": "77 of 397 patients of the study", "covariates": COVARIATES},
        cohort={
            "patients": "397 men with prostate cancer, mean age 74.9 years (44 to 94), surgery or biopsy with a statement on PNI, "
            "no treatment before MRI",
            "centres": "two in China, 2018 to 2022; Siemens Verio 3.0 T and Avanto 1.5 T",
            "laterality": "lesions of either side; the model has no term for it",
            "outcome": "perineural invasion at pathology (19.4 %)",
            "contradiction in the study": "its text says older patients carry higher risk, its odds ratio for age (0.92 a year) says "
            "lower; the odds ratio is kept",
            "not": "cancer significance: that is another question",
        },
        performance=(
            {"cohort": "training (as published)", "n": 173, "events": None, "auc": 0.832},
            {"cohort": "internal validation (as published)", "n": 74, "events": None, "auc": 0.818},
            {"cohort": "external validation (as published)", "n": 150, "events": None, "auc": 0.789},
        ),
        provenance={"study": STUDY, "coefficients": "odds ratios as printed, two decimals"},
    )
    return write_model(model, folder, model_card(model))


if __name__ == "__main__":
    import sys

    write_clinical_model(Path(sys.argv[1]))
