"""The clinical predictors that the studies use, in their coding: what they are called, mean, and can be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from .errors import CohortError
from .predictors import Level, Predictor

if TYPE_CHECKING:
    import pandas as pd

AGE = Predictor("age", "Age", "number", "years", "Age at the MRI examination", 44, 94, 18, 120)
MRT_STAGE = Predictor(
    "mrt_stage",
    "mrT stage",
    "category",
    "",
    "T stage on MRI: 1 not visible, 2 confined to the prostate, 3 through the capsule or into the seminal vesicles, "
    "4 into neighbouring organs",
    1,
    4,
    1,
    4,
    tuple(Level(i, f"T{i}", (str(i), f"T{i}", f"t{i}")) for i in range(1, 5)),
)
PI_RADS = Predictor(
    "pi_rads",
    "PI-RADS",
    "category",
    "",
    "PI-RADS v2.1 category of the lesion; 1 to 3 count as one level, as in the study",
    3,
    5,
    3,
    5,
    (Level(3, "\u2264 3", ("3", "1", "2", "<=3", "\u22643")), Level(4, "4", ("4",)), Level(5, "5", ("5",))),
)
TPSA = Predictor("tpsa", "Total PSA", "number", "ng/mL", "Total prostate-specific antigen before biopsy", 0, 100, 0, 10000)
ADC_VALUE = Predictor("adc_value", "ADC value", "number", "1e-6 mm2/s", "Mean ADC of a circular ROI in the lesion", 300, 2000, 1, 4000)

_STANDARD = {p.name: p for p in (AGE, MRT_STAGE, PI_RADS, TPSA, ADC_VALUE)}


def standard_predictor(name: str, values: pd.Series) -> Predictor:
    """The predictor of that name, with the range its values have in training.

    Raises
    ------
    CohortError
        for a name that none of the studies uses
    """
    import pandas as pd

    if name not in _STANDARD:
        raise CohortError(f"Clinical candidate {name} has no definition; known: {', '.join(_STANDARD)} (protocol clinical.candidates)")
    predictor = _STANDARD[name]
    numbers = (
        pd.Series([predictor.code(value, str(case)) for case, value in values.items()])
        if predictor.levels
        else pd.to_numeric(values, errors="coerce")
    )
    return replace(predictor, low=float(numbers.min()), high=float(numbers.max()))
