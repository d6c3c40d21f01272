"""A frozen model over a table of cases: log odds from extracted features and clinical values, as `analysis.analyse` gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .errors import CohortError, ModelError
from .frozen_model import FrozenModel
from .model_checks import RADSCORE
from .predictors import code_values
from .protocol import Protocol

if TYPE_CHECKING:
    import pandas as pd

    from .cohort import Extraction

LOG_ODDS = "log_odds"
_SECTIONS = ("sequences", "fixed", "diffusion", "registration", "preprocessing")


def check_same_features(model: FrozenModel, extraction: Extraction) -> None:
    """Refuse features that are not those the model was made with: other habitats, network weights or preparation.

    Raises
    ------
    ModelError
        naming what differs
    """
    if model.imaging is None:
        return
    own = Protocol.from_dict(dict(model.protocol), f"of model {model.name}")
    theirs = extraction.protocol
    different = [name for name in _SECTIONS if getattr(own, name) != getattr(theirs, name)]
    if own.deep.model_copy(update={"weights": theirs.deep.weights}) != theirs.deep:
        different.append("deep")
    if extraction.weights_sha256 != model.imaging.weights_sha256:
        different.append("the network's weights")
    if any(region != "tumour" for region in model.imaging.signatures):
        if own.habitats != theirs.habitats:
            different.append("habitats")
        elif extraction.centroids != model.imaging.habitats:
            different.append("the habitats' centroids, which were learned from other patients")
    if different:
        raise ModelError(
            f"Model {model.name} does not fit the extracted features: {', '.join(different)} differ; take the features the model was "
            "trained on, or extract again with the model's protocol and habitats (habitatpni extract --model)"
        )


def model_radscores(model: FrozenModel, features: pd.DataFrame) -> pd.DataFrame:
    """Radscores (cases, regions) on the logit scale; NaN where a case has no such region.

    Raises
    ------
    CohortError
        naming a feature that the table lacks
    """
    import pandas as pd

    signatures = model.imaging.signatures if model.imaging else {}
    scores = {}
    for region, signature in signatures.items():
        missing = [name for name in signature.features if name not in features]
        if missing:
            raise CohortError(f"The features lack {missing[0]}, which the radscore of {region} needs; extract with the model's protocol")
        values = features[list(signature.features)].to_numpy(dtype=float)
        scaled = (values - np.array(signature.mean)) / np.array(signature.scale)
        scores[region] = signature.intercept + scaled @ np.array(signature.coefficients)
    return pd.DataFrame(scores, index=features.index)


def model_log_odds(model: FrozenModel, clinical: pd.DataFrame, radscores: pd.DataFrame | None = None) -> pd.Series:
    """Log odds of every case by the model; an absent region enters at its training mean.

    Parameters
    ----------
    clinical : table with the model's predictors as columns, index ``case_id``
    radscores : of `model_radscores`, the same index; not needed for a clinical model

    Raises
    ------
    CaseError
        naming the case and the clinical values that are missing or impossible
    """
    import pandas as pd

    names = [p.name for p in model.predictors]
    given = clinical[[name for name in names if name in clinical]]
    rows = [
        code_values(model.predictors, {name: row[name] for name in names if name in row}, str(case))
        for case, row in zip(given.index, given.to_dict("records"), strict=True)
    ]
    coded = pd.DataFrame(rows, index=given.index, columns=names)
    total = np.full(len(given), model.intercept)
    for term in model.terms:
        region = term.name.removeprefix(RADSCORE)
        if term.name in coded:
            values = coded[term.name].to_numpy(dtype=float)
        else:
            assert radscores is not None
            assert model.imaging is not None
            values = radscores[region].fillna(model.imaging.signatures[region].train_mean).to_numpy(dtype=float)
        total = total + term.coefficient * values
    return pd.Series(total, index=given.index, name=LOG_ODDS)
