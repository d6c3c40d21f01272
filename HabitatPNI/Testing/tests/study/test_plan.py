"""A plan that cannot be followed is refused in one line."""

from __future__ import annotations

import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.study.plan import StudyPlan


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"folds": 1}, "The study's folds is 1; it must be at least 2"),
        ({"repeats": 0}, "The study's repeats is 0; it must be at least 1"),
        ({"bootstrap": 1}, "bootstrap is 1; it must be at least 2"),
        ({"permutations": 0}, "permutations is 0; it must be at least 2"),
        ({"learning_sizes": -1}, "learning_sizes is -1; it must be at least 0"),
        ({"jobs": 0}, "jobs is 0; it must be at least 1"),
        ({"seed": -3}, "seed is -3; it must be at least 0"),
        ({"repeats": 2, "habitat_repeats": 3}, "habitat_repeats is 3, more than its 2 repeats"),
    ],
)
def test_numbers_that_are_too_small_are_refused(changed, text):
    with pytest.raises(CohortError, match=text):
        StudyPlan(**changed)


def test_the_default_plan_and_one_without_options_are_allowed():
    assert StudyPlan().folds == 5
    assert StudyPlan(habitat_repeats=0, learning_sizes=0, controls=False).jobs == 1
