"""Negative controls: images in which what a model should rest on is destroyed, put through the same pipeline."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort import prepared_paths
from ..cohort_run import collect_cases
from ..cohort_steps import extractor, feature_columns, feature_key, features_of_volumes, load_case, read_features, write_features
from ..errors import CohortError, WeightsError
from ..evaluation.discrimination import auc
from ..evaluation.resampling import CrossValidation, repeated_cv
from ..frozen_model import HabitatCentroids
from ..learning.pipeline import MODEL_COMBINED
from ..preparation import prepare
from ..prepared_store import cut_out, load_stored, load_volumes
from ..progress import Progress, no_progress, part
from ..protocol import Protocol
from .control_volumes import shape_elsewhere, shuffled_voxels
from .data import StudyData
from .fits import FitBook, Learnable
from .plan import StudyPlan

if TYPE_CHECKING:
    import pandas as pd

ALL_RADSCORES = "radscores"
"""Name of the model of all regions' radscores together, without clinical values."""

_TWO_SIDED = 0.975
SHUFFLED = "shuffled voxels"
ELSEWHERE = "same shape elsewhere"
_ABOUT_SHUFFLED = (
    "The voxels of each tumour were put in random order: texture and shape of the habitats are gone, intensities stay, so that a model may "
    "keep up to the AUC of the true images but not gain on it; more would mean that the AUC does not come from the image."
)
_ABOUT_ELSEWHERE = (
    "The outline was moved, in the same shape, to where no tumour is: an AUC of 0.5 is expected, or that of the tumour's size ({size:.2f} "
    "here), which the moved outline still has; more would mean that something other than the tumour carries the outcome."
)


@dataclass(frozen=True)
class ControlResult:
    """Cross-validated AUC of the radscores of one negative control.

    Parameters
    ----------
    name : of the control
    sentence : what is expected, and why
    expected : lowest and highest AUC expected (95 %) of any of the models
    highest : highest AUC expected by model
    auc : by model, each region's radscore and ``radscores`` (all of them); mean over the folds
    standard_error : of `auc` by model, over the folds (Nadeau, Bengio, Machine Learning 2003;52:239: folds share patients)
    true_auc : of the true images in the same folds of the same cases
    n, events : cases, and those with the outcome
    left_out : reason by case without the control
    """

    name: str
    sentence: str
    expected: tuple[float, float]
    highest: Mapping[str, float]
    auc: Mapping[str, float]
    standard_error: Mapping[str, float]
    true_auc: Mapping[str, float]
    n: int
    events: int
    left_out: Mapping[str, str]

    @property
    def flagged(self) -> tuple[str, ...]:
        """Models above the highest AUC expected of them. An AUC that is too low is not flagged: it is no sign of leakage."""
        return tuple(model for model, area in self.auc.items() if area > self.highest[model])

    @property
    def as_expected(self) -> bool:
        """Whether no model is flagged."""
        return not self.flagged


def negative_controls(
    data: StudyData, plan: StudyPlan, images: Path, folder: Path, progress: Progress = no_progress
) -> tuple[ControlResult, ...]:
    """Shuffled voxels inside the ROI, and the ROI's shape elsewhere, of the training split.

    Both go through the habitats and the extractor of the extraction, then through the nested cross-validation of the study (one repeat
    of its folds), without clinical values. A model is flagged

    - of the shuffled voxels: above the AUC of the true images in the same folds by more than the upper end of the 95 % interval of a
      paired difference of 0 (t with folds - 1 degrees of freedom, Nadeau and Bengio's variance);
    - of the shape elsewhere: above max(0.5, AUC of the tumour's volume in either direction) by more than 1.96 standard errors of an AUC
      of 0.5 (the exact variance of the Mann-Whitney statistic).

    About one of 40 models of a good study lies above by chance.

    Parameters
    ----------
    images : folder of the cohort table, to which its paths are relative
    folder : where features and fits of the controls are kept

    Raises
    ------
    CohortError, WeightsError
        when the prepared volumes are not there, a control has too few cases for the folds, or the weights are others than the extraction's
    """
    import pandas as pd

    cases = [str(case) for case in data.rows("training")]
    paths = prepared_paths(data.extraction)
    voxels = pd.Series({case: load_stored(paths[case]).voxels for case in cases})
    rows = {case: dict(data.cohort.loc[case]) for case in cases}
    shuffled: list[tuple[Any, ...]] = [(case, paths[case], zlib.crc32(f"{plan.seed} {case}".encode())) for case in cases]
    elsewhere: list[tuple[Any, ...]] = [(case, paths[case], rows[case], images) for case in cases]
    controls: tuple[tuple[str, Callable[..., None], list[tuple[Any, ...]]], ...] = (
        (SHUFFLED, store_shuffled, shuffled),
        (ELSEWHERE, store_elsewhere, elsewhere),
    )
    results = []
    for i, (name, function, tasks) in enumerate(controls):
        step = part(progress, i / 2, (i + 1) / 2)
        features, left_out = _features(name, function, tasks, data, plan, folder, part(step, 0, 0.4))
        results.append(control_result(name, features, voxels, left_out, data, plan, folder, part(step, 0.4, 1)))
    return tuple(results)


def store_shuffled(case_id: str, path: Path, seed: int, protocol: Protocol, centroids: HabitatCentroids | None, target: Path) -> None:
    """Write the features of a prepared case with shuffled voxels."""
    write_features(features_of_volumes(shuffled_voxels(load_volumes(path), seed), protocol, centroids), protocol, target)


def store_elsewhere(
    case_id: str,
    path: Path,
    row: Mapping[str, Any],
    images: Path,
    protocol: Protocol,
    centroids: HabitatCentroids | None,
    target: Path,
) -> None:
    """Write the features of the ROI's shape elsewhere; the whole volumes are made anew by the registration found before."""
    case = load_case(case_id, row, images, protocol)
    whole = prepare(case, protocol, registration=load_stored(path).registration).preprocessed
    by_roi = tuple(name for name in protocol.sequences if protocol.preprocessing.normalisation[name] == "zscore_roi")
    moved = cut_out(shape_elsewhere(whole, case_id, by_roi), protocol.deep.margin_mm)
    write_features(features_of_volumes(moved, protocol, centroids), protocol, target)


def _features(
    name: str,
    function: Callable[..., None],
    tasks: list[tuple[Any, ...]],
    data: StudyData,
    plan: StudyPlan,
    folder: Path,
    progress: Progress,
) -> tuple[pd.DataFrame, dict[str, str]]:
    """FeatureTable of a control, and the reason of every case without; only what `folder` lacks is computed."""
    import pandas as pd

    extraction, protocol = data.extraction, data.protocol
    columns = feature_columns(protocol)
    said = f"{name} {plan.seed}" if name == SHUFFLED else name
    files = {
        case: folder / f"control-{feature_key(path, protocol, extraction.centroids, extraction.weights_sha256, said)}.npy"
        for case, path, *_ in tasks
    }
    new = [task for task in tasks if read_features(files[task[0]], len(columns)) is None]
    if new and extractor(protocol.deep).weights_sha256 != extraction.weights_sha256:
        raise WeightsError(f"The weights of {protocol.deep.backbone} are not those of the extraction; run habitatpni extract again")
    tasks_left = [(*task, protocol, extraction.centroids, files[task[0]]) for task in new]
    _, left_out = collect_cases(function, tasks_left, plan.jobs, progress, f"Negative control, {name}:")
    found = {case: values for case, file in files.items() if (values := read_features(file, len(columns))) is not None}
    if not found:
        raise CohortError(f"The negative control {name} could be made of no case: {next(iter(left_out.values()), 'there is none')}")
    return pd.DataFrame(np.stack(list(found.values())), index=pd.Index(list(found), name="case_id"), columns=columns), left_out


def control_result(
    name: str,
    features: pd.DataFrame,
    voxels: pd.Series,
    left_out: Mapping[str, str],
    data: StudyData,
    plan: StudyPlan,
    folder: Path,
    progress: Progress = no_progress,
) -> ControlResult:
    """Cross-validate the radscores of a control's features and judge their AUC, see `negative_controls`.

    Parameters
    ----------
    name : ``shuffled voxels`` or ``same shape elsewhere``
    features : FeatureTable of the control's cases, all of the training split
    voxels : of the tumour by case
    left_out : reason by case without the control
    """
    import pandas as pd

    cases = list(features.index)
    y = data.y.loc[cases].to_numpy()
    protocol = Protocol.from_dict(
        {**data.protocol.to_dict(), "clinical": {**data.protocol.to_dict()["clinical"], "candidates": []}}, "of a control"
    )
    columns = [name for name in data.features.columns if name in features]  # a study may use the reproducible ones alone
    true, features = data.features.loc[cases, columns], features[columns]
    book = FitBook(Learnable(true, pd.DataFrame(index=true.index), protocol), y, folder, plan.jobs)
    asked = {ALL_RADSCORES if model == MODEL_COMBINED else model: model for model in (*protocol.regions, MODEL_COMBINED)}
    control = book.add_features(features)

    def validated(which: str) -> dict[str, CrossValidation]:
        return {name: repeated_cv(book.fit(model, features=which), y, plan.folds, 1, plan.seed) for name, model in asked.items()}

    true_cv, control_cv = book.resampled(lambda: (validated(""), validated(control)), progress)
    half = null_half_width(y)
    if name == SHUFFLED:
        sentence = _ABOUT_SHUFFLED
        highest = {model: highest_of_shuffled(true_cv[model].fold_aucs[0], control_cv[model].fold_aucs[0]) for model in asked}
    else:
        size = auc(y, voxels.loc[cases].to_numpy())
        size = max(size, 1 - size)
        sentence, highest = _ABOUT_ELSEWHERE.format(size=size), dict.fromkeys(asked, min(1.0, size + half))
    return ControlResult(
        name=name,
        sentence=sentence,
        expected=(max(0.0, 0.5 - half), max(highest.values())),
        highest=highest,
        auc={model: cv.auc for model, cv in control_cv.items()},
        standard_error={model: corrected_error(cv.fold_aucs[0]) for model, cv in control_cv.items()},
        true_auc={model: cv.auc for model, cv in true_cv.items()},
        n=len(cases),
        events=int(y.sum()),
        left_out=dict(left_out),
    )


def null_half_width(y: np.ndarray) -> float:
    """1.96 standard errors of the AUC of a score that has nothing to do with the outcome."""
    from scipy.stats import norm

    events = int(y.sum())
    return float(norm.ppf(_TWO_SIDED) * np.sqrt((len(y) + 1) / (12 * events * (len(y) - events))))


def highest_of_shuffled(true: np.ndarray, shuffled: np.ndarray) -> float:
    """Highest AUC expected of shuffled voxels: the true images' and what a paired difference of 0 may show by chance; (folds,) AUCs."""
    from scipy.stats import t

    return float(min(1.0, true.mean() + t.ppf(_TWO_SIDED, len(true) - 1) * corrected_error(shuffled - true)))


def corrected_error(fold_values: np.ndarray) -> float:
    """Standard error of a mean over the (folds,) of one cross-validation, whose training parts overlap (Nadeau, Bengio 2003)."""
    folds = len(fold_values)
    return float(np.sqrt((1 / folds + 1 / (folds - 1)) * fold_values.var(ddof=1)))
