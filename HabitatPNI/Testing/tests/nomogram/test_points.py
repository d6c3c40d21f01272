"""Points against R's rms::nomogram, and the nomogram against its logistic model."""

import dataclasses
import math

import numpy as np
import pytest

from HabitatPNILib.errors import CaseError, ModelError
from HabitatPNILib.frozen_model import FrozenModel, Term
from HabitatPNILib.nomogram.points import Axis, Nomogram
from HabitatPNILib.standard_predictors import AGE, PI_RADS

# R 4.2.2, rms 6.5.0: f <- lrm(y ~ age+mrt+pirads+rad, data=d) on any data, then
# f$coefficients[] <- c(0.5, log(0.92), log(1.83), log(3.12), 1.3)
# nomogram(f, age=c(45,55,65,75,85), mrt=1:4, pirads=3:5, rad=c(-2,-1,0,1.5,2.5), fun=plogis, fun.at=c(.05,.1,.5,.9), lp=TRUE)
R_POINTS = {
    "age": dict(zip((45, 55, 65, 75, 85), (57.0130659412315, 42.7597994559236, 28.5065329706157, 14.2532664853079, 0.0), strict=True)),
    "mrt": dict(zip((1, 2, 3, 4), (0.0, 10.3301874675783, 20.6603749351566, 30.9905624027348), strict=True)),
    "pirads": dict(zip((3, 4, 5), (0.0, 19.4501367832716, 38.9002735665433), strict=True)),
    "rad": dict(zip((-2, -1, 0, 1.5, 2.5), (0.0, 22.2222222222222, 44.4444444444444, 77.7777777777778, 100.0), strict=True)),
}
R_TOTAL_OF_10_PERCENT = 50.8102032072165
R_TOTALS_OF_LOGITS = {-2.8: 40.5063553419117, -2.0: 54.1815690171253, -1.0: 71.2755861111424}


@pytest.fixture
def nomogram() -> Nomogram:
    return Nomogram(
        0.5,
        (
            Axis("age", "Age", math.log(0.92), 45, 85, "years"),
            Axis("mrt", "mrT stage", math.log(1.83), 1, 4),
            Axis("pirads", "PI-RADS", math.log(3.12), 3, 5),
            Axis("rad", "Radscore", 1.3, -2, 2.5),
        ),
    )


def test_points_agree_with_rms(nomogram):
    for axis in nomogram.axes:
        for value, points in R_POINTS[axis.name].items():
            assert nomogram.axis_points(axis, value) == pytest.approx(points, abs=1e-12)


def test_totals_agree_with_rms(nomogram):
    # rms places the marks of `fun` by linear interpolation; its axis of log odds is exact.
    assert nomogram.total_of_probability(0.1) == pytest.approx(R_TOTAL_OF_10_PERCENT, abs=1e-5)
    for logit, total in R_TOTALS_OF_LOGITS.items():
        assert nomogram.total_of_probability(1 / (1 + math.exp(-logit))) == pytest.approx(total, abs=1e-11)


def test_total_gives_the_logistic_models_probability(nomogram):
    rng = np.random.default_rng(5)
    for _ in range(200):
        values = {"age": rng.uniform(20, 110), "mrt": rng.integers(1, 5), "pirads": rng.integers(3, 6), "rad": rng.normal(0, 4)}
        logit = 0.5 + sum(axis.coefficient * values[axis.name] for axis in nomogram.axes)
        total = nomogram.total_points(values)
        assert nomogram.probability_of_total(total) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-12)


def test_probability_and_total_invert_each_other(nomogram):
    for probability in (1e-6, 0.01, 0.5, 0.99):
        assert nomogram.probability_of_total(nomogram.total_of_probability(probability)) == pytest.approx(probability, rel=1e-10)
    assert nomogram.probability_of_total(-1e6) == 0.0
    assert nomogram.probability_of_total(1e6) == 1.0


def test_values_beyond_an_axis_are_extrapolated_and_flagged(nomogram):
    points = {p.name: p for p in nomogram.points({"age": 95, "mrt": 4, "pirads": 3, "rad": 3.0})}
    assert points["age"].points == pytest.approx(-57.0130659412315 / 4)
    assert points["rad"].points == pytest.approx(100 + 50 / 4.5)
    assert [name for name, p in points.items() if p.outside] == ["age", "rad"]


def test_axes_come_from_the_models_terms_and_predictors():
    terms = (Term("age", "Age", -0.08, 70, 7, 50, 90), Term("pi_rads", "PI-RADS", 1.1, 4, 1, 4, 5), Term("r", "Radscore", 0.5, 0, 1, -1, 2))
    model = FrozenModel(
        "m", "1", "t", "combined", "", False, {}, (AGE, PI_RADS), intercept=-1.0, terms=terms, cut_off=0.5, cut_off_rule="none"
    )
    nomogram = Nomogram.from_model(model)
    assert [(a.low, a.high, a.unit) for a in nomogram.axes] == [(50, 90, "years"), (3, 5, ""), (-1, 2, "")]
    assert nomogram.axes[1].levels == ((3, "\u2264 3"), (4, "4"), (5, "5"))
    assert nomogram.intercept == -1.0
    assert Nomogram.from_model(model, 0.25).intercept == 0.25


def test_errors_name_the_term(nomogram):
    with pytest.raises(CaseError, match=r"no value for mrT stage, Radscore"):
        nomogram.points({"age": 60, "pirads": 4})
    with pytest.raises(ModelError, match=r"Age has no usable axis \(coefficient -0.0833816, 60 to 60\)"):
        Nomogram(0, (dataclasses.replace(nomogram.axes[0], low=60, high=60),))
    with pytest.raises(ModelError, match="no term of the model changes the risk"):
        Nomogram(0, (Axis("a", "A", 0.0, 0, 1),))
    with pytest.raises(ModelError, match="probability 1 is not between 0 and 1"):
        nomogram.total_of_probability(1.0)
