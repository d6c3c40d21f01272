"""NRI and IDI against R's Hmisc and the published example."""

from __future__ import annotations

import numpy as np
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.evaluation.reclassification import idi, nri

# Hmisc 4.8-0: improveProb(a, b, y), p = 2*pnorm(-abs(z)). Over categories, as PredictABEL::reclassification calls it:
# q <- c(0, cuts, 1); k <- function(p) as.numeric(cut(p, q, include.lowest=TRUE, right=FALSE)) / (length(q)-1); improveProb(k(a), k(b), y)
NRI = [
    ("cohort", None, (-0.1818181818181818, -0.4210526315789473, -0.6028708133971292, -2.3537737695025722, 0.01858391751231632)),
    ("cohort", 0.5, (-0.2272727272727273, -0.1842105263157895, -0.4114832535885168, -2.4378785317803700, 0.0147737373892099)),
    ("cohort", [0.3, 0.6], (-0.1363636363636364, -0.2105263157894737, -0.3468899521531100, -1.7633785516951310, 0.0778366647838135)),
    ("tied", None, (-0.0909090909090909, -0.4736842105263158, -0.5645933014354068, -2.3606280783926370, 0.0182440172469676)),
    ("tied", [0.5], (-0.1818181818181818, -0.2631578947368421, -0.4449760765550239, -2.7064651020941177, 0.0068003729420618)),
    ("tied", [0.3, 0.6], (-0.1363636363636364, -0.3157894736842105, -0.4521531100478469, -2.3870959655220276, 0.0169820577358393)),
]


@pytest.mark.parametrize(("which", "cuts", "expected"), NRI)
def test_nri_agrees_with_r(request, which, cuts, expected):
    data = request.getfixturevalue(which)
    found = nri(data.y, data.a, data.b, cuts)
    assert [found.events, found.non_events, found.total, found.z, found.p] == pytest.approx(expected, abs=1e-10)


def test_idi_agrees_with_r(cohort, tied):
    """improveProb(a, b, y): idi, improveSens, improveSpec, z.idi; p = 2*pnorm(-abs(z))"""
    for data, expected in (
        (cohort, (-0.1603017020984245, -0.0490710967422132, -0.1112306053562112, -2.6536793946087291, 0.00796194356478885)),
        (tied, (-0.1574162679425837, -0.0363636363636364, -0.1210526315789474, -2.4058019159135724, 0.0161370117995845)),
    ):
        found = idi(data.y, data.a, data.b)
        assert [found.idi, found.events, found.non_events, found.z, found.p] == pytest.approx(expected, abs=1e-10)


def test_published_reclassification_of_the_framingham_study():
    """Pencina 2008: of 183 events 29 move up and 7 down, of 3081 others 173 up and 174 down: NRI 0.121, p < 0.001.

    z is improveProb's; the paper's 3.616 leaves the squared difference out of the variance.
    """
    y = np.repeat([1, 0], [183, 3081])
    new = np.repeat([0.6, 0.4, 0.5, 0.6, 0.4, 0.5], [29, 7, 147, 173, 174, 2734])
    found = nri(y, np.full(3264, 0.5), new, cuts=[0.45, 0.55])
    assert round(found.total, 3) == 0.121
    assert [found.events, found.non_events] == pytest.approx([22 / 183, 1 / 3081])
    assert [found.z, found.p] == pytest.approx([3.751327935604326758, 0.000175900449733430], abs=1e-10)
    assert found.total / np.sqrt(36 / 183**2 + 347 / 3081**2) == pytest.approx(3.616, abs=5e-4)


def test_nothing_gained_and_everything_gained(cohort):
    still = nri(cohort.y, cohort.a, cohort.a)
    assert (still.total, still.z, still.p) == (0, 0, 1)
    assert (idi(cohort.y, cohort.a, cohort.a).z, idi(cohort.y, cohort.a, cohort.a).p) == (0, 1)
    shifted = idi(cohort.y, cohort.a / 2, cohort.a / 2 + 0.1)
    assert (shifted.idi, shifted.z, shifted.p) == (pytest.approx(0, abs=1e-12), 0, 1)
    perfect = nri(cohort.y, np.full(60, 0.5), cohort.y.astype(float))
    assert (perfect.events, perfect.non_events, perfect.total, perfect.z, perfect.p) == (1, 1, 2, np.inf, 0)
    assert idi(cohort.y, np.full(60, 0.5), cohort.y * 1.0).z == np.inf


def test_bad_input_is_refused_in_words(cohort):
    for cuts in ([0.6, 0.3], [0.3, 0.3], [0, 0.5], [1.2], [], ["a"]):
        with pytest.raises(CohortError, match="Risk categories need rising limits between 0 and 1"):
            nri(cohort.y, cohort.a, cohort.b, cuts)
    with pytest.raises(CohortError, match=r"New probability lies outside \[0, 1\] in 60 of 60 rows"):
        nri(cohort.y, cohort.a, cohort.b + 1)
    with pytest.raises(CohortError, match="Old probability has 59 values for 60 outcomes"):
        idi(cohort.y, cohort.a[:-1], cohort.b)
    with pytest.raises(CohortError, match="Only 1 of 3 patients with the outcome"):
        idi([1, 0, 0], [0.1, 0.2, 0.3], [0.2, 0.2, 0.1])
