"""The phantom's patients: clinical values, tumour composition, and the logistic law from which perineural invasion is drawn.

Everything here is drawn from the case's seed alone, without an image, so that a cohort of any size has its outcomes and true
probabilities in a moment, and the same ones as `phantom_case` gives for that seed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

AGE_MEAN, AGE_RANGE = 74.9, (44.0, 94.0)
AGE_BEFORE_LIMITS = (75.2, 8.05)
MRT_STAGES, MRT_SHARES = (1, 2, 3, 4), (0.15, 0.50, 0.28, 0.07)
PI_RADS_SCORES, PI_RADS_SHARES = (3, 4, 5), (0.30, 0.42, 0.28)
LOG_ODDS_AGE, LOG_ODDS_MRT, LOG_ODDS_PI_RADS = math.log(0.92), math.log(1.83), math.log(3.12)
SHARE_MEAN, SHARE_SD = 0.36, 0.13
VISIBLE_CORRELATION = 0.97
VOLUME_ML = (4.0, 7.0)
LOG_ODDS_SHARE = 0.7
LOG_ODDS_CONTRAST = 0.7
INTERCEPT = -2.29
"""With these effects the law's own AUC (Bayes) is about .85 and that of its clinical part about .75."""


@dataclass(frozen=True)
class Patient:
    """What is true of one phantom patient before any image is made.

    Parameters
    ----------
    age : years
    mrt_stage : T stage on MRI, 1 to 4
    pi_rads : 3 (standing for 3 or less), 4 or 5
    habitat_shares : fractions of the tumour's volume that are habitat 1, 2 and 3; they sum to 1
    contrast : standard normal within +-2; how far habitat 1 lies below the others in T2 and ADC
    volume_ml : tumour volume
    linear_predictor : the law's log odds
    probability : true probability of perineural invasion
    outcome : 0 or 1, drawn with that probability
    """

    age: float
    mrt_stage: int
    pi_rads: int
    habitat_shares: tuple[float, float, float]
    contrast: float
    volume_ml: float
    linear_predictor: float
    probability: float
    outcome: int

    @property
    def clinical(self) -> dict[str, float]:
        """Clinical values by predictor name."""
        return {"age": self.age, "mrt_stage": float(self.mrt_stage), "pi_rads": float(self.pi_rads)}


def draw_patient(seed: int, clinical_seed: int | None = None) -> Patient:
    """Draw the patient of a seed.

    Clinical odds ratios (age 0.92 a year, mrT 1.83 a stage, PI-RADS 3.12 a score), prevalence 19.4 % and age 74.9 +- 7.7
    (44 to 94) years are those of the `pca-pni` study. Its distributions of mrT and PI-RADS and the effects of habitat 1's share
    and contrast are the phantom's own. Share and contrast both follow one hidden property of the tumour, how cellular it is, so
    that what decides the outcome is seen in more than one place of the images; clinical values and images know nothing of each other.

    Parameters
    ----------
    seed : the case's seed
    clinical_seed : draws clinical values and outcome anew for the same tumour, and so for the same images; None is `seed`
    """
    rng = np.random.default_rng([seed if clinical_seed is None else clinical_seed, 1])
    age = round(_truncated_normal(rng, *AGE_BEFORE_LIMITS, *AGE_RANGE), 1)
    mrt_stage = int(rng.choice(MRT_STAGES, p=MRT_SHARES))
    pi_rads = int(rng.choice(PI_RADS_SCORES, p=PI_RADS_SHARES))
    of_tumour = np.random.default_rng([seed, 5])
    cellularity = float(of_tumour.normal())
    share, contrast = (_follower(of_tumour, cellularity) for _ in range(2))
    first = SHARE_MEAN + SHARE_SD * share
    middle = (1 - first) * of_tumour.uniform(0.46, 0.58)
    volume_ml = float(of_tumour.uniform(*VOLUME_ML))
    linear_predictor = (
        INTERCEPT
        + LOG_ODDS_AGE * (age - AGE_MEAN)
        + LOG_ODDS_MRT * (mrt_stage - 2)
        + LOG_ODDS_PI_RADS * (pi_rads - 4)
        + LOG_ODDS_SHARE * share
        + LOG_ODDS_CONTRAST * contrast
    )
    probability = 1 / (1 + math.exp(-linear_predictor))
    return Patient(
        age=age,
        mrt_stage=mrt_stage,
        pi_rads=pi_rads,
        habitat_shares=(first, middle, 1 - first - middle),
        contrast=contrast,
        volume_ml=volume_ml,
        linear_predictor=linear_predictor,
        probability=probability,
        outcome=int(rng.random() < probability),
    )


def _follower(rng: np.random.Generator, hidden: float) -> float:
    """A value within +-2 that correlates with the hidden one."""
    own = math.sqrt(1 - VISIBLE_CORRELATION**2)
    return min(2.0, max(-2.0, VISIBLE_CORRELATION * hidden + own * float(rng.normal())))


def _truncated_normal(rng: np.random.Generator, mean: float, sd: float, low: float, high: float) -> float:
    while True:
        value = float(rng.normal(mean, sd))
        if low <= value <= high:
            return value
