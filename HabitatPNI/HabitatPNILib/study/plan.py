"""How much a study resamples."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CohortError

_LEAST = {"folds": 2, "repeats": 1, "habitat_repeats": 0, "bootstrap": 2, "permutations": 2, "learning_sizes": 0, "seed": 0, "jobs": 1}


@dataclass(frozen=True)
class StudyPlan:
    """Numbers of folds, repeats and samples of an honest evaluation.

    Attributes
    ----------
    folds, repeats : of the nested cross-validation
    habitat_repeats : how many of its repeats are made again with habitats learned inside the fold; 0 leaves that out
    bootstrap : samples of the optimism correction
    permutations : shuffles of the labels, each a whole cross-validation of one repeat
    learning_sizes : sizes of the learning curve; 0 leaves it out
    controls : whether the negative controls are made
    seed : of all draws
    jobs : processes; they do not change a figure

    Raises
    ------
    CohortError
        for a number that is too small
    """

    folds: int = 5
    repeats: int = 3
    habitat_repeats: int = 1
    bootstrap: int = 50
    permutations: int = 20
    learning_sizes: int = 4
    controls: bool = True
    seed: int = 17
    jobs: int = 1

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value < least:
                raise CohortError(f"The study's {name} is {value}; it must be at least {least}")
        if self.habitat_repeats > self.repeats:
            raise CohortError(f"The study's habitat_repeats is {self.habitat_repeats}, more than its {self.repeats} repeats")
