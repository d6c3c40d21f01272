"""A study in words: the answer, the methods as they were carried out, and the limitations that follow from the data."""

from __future__ import annotations

import math

from ..analysis import versions
from ..case import SEQUENCE_LABELS
from ..evaluation.discrimination import delong_test
from ..evaluation.sample_size import events_per_parameter
from ..features.table import parse_column
from ..habitat_vectors import MIXTURE_PCA
from ..habitats.descriptors import REGION
from ..learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED
from ..protocol import Protocol
from ..report.study_content import KeyFigure
from .summary import APPARENT, CORRECTED, EXTERNAL, INTERNAL, NESTED, NESTED_HABITATS, Summary
from .tables_form import StudyTable, write_p
from .tables_scores import SLOPE_CORRECTED

_PRESETS = {"all93": "93 features", "hcc77": "77 features"}
_FEW_EVENTS = 100
_WIDE = 0.1
_WHERE = {
    EXTERNAL: "In {n} patients of the external split, whom it had never seen,",
    INTERNAL: "There is no external split. In {n} patients of the internal split, whom it had never seen but who come from the same "
    "source,",
    NESTED: "No patients were held out. In nested cross-validation",
    NESTED_HABITATS: "No patients were held out. In nested cross-validation, habitats included,",
    APPARENT: "No patients were held out and nothing was resampled: there is only the apparent figure. On its own training patients",
}


def answer(summary: Summary) -> tuple[str, ...]:
    """What the combined model reaches outside, next to apparent, and how much of that was optimism; then against the clinical model."""
    way = summary.outside
    where = _WHERE[way].format(n=summary.patients.get(way, 0))
    found = summary.estimates[MODEL_COMBINED][way]
    interval = f" (95 % CI {found.low:.3f} to {found.high:.3f})" if way in (INTERNAL, EXTERNAL) and not math.isnan(found.low) else ""
    sentences = [f"{where} the combined model reaches an AUC of {found.auc:.3f}{interval}."]
    if way != APPARENT:
        sentences.append(_optimism(summary, way))
    if way in summary.truth:
        sentences.append(
            f"The probability from which these phantoms' outcomes were drawn, the best that any model can know, reaches "
            f"{summary.truth[way].auc:.3f}."
        )
    return " ".join(sentences), _against_clinical(summary, way)


def _optimism(summary: Summary, way: str) -> str:
    apparent, outside = summary.auc(APPARENT), summary.auc(way)
    drop = apparent - outside
    text = f"On the patients it was trained on it reaches {apparent:.3f}: "
    if drop <= 0:
        text += "no more than that; apparent optimism does not show here."
    else:
        lead = f" ({100 * drop / (apparent - 0.5):.0f} % of its apparent lead over chance)" if apparent > 0.5 else ""
        text += f"{drop:.3f} of that{lead} did not hold."
    known = [(CORRECTED, "the bootstrap correction"), (NESTED, "nested cross-validation")]
    expected = [f"{name} expects {summary.auc(key):.3f}" for key, name in known if key != way and not math.isnan(summary.auc(key))]
    if expected and way in (INTERNAL, EXTERNAL):
        text += f" Seen from the training patients alone, {' and '.join(expected)}."
    return text


def _against_clinical(summary: Summary, way: str) -> str:
    clinical, combined = summary.auc(way, MODEL_CLINICAL), summary.auc(way)
    text = f"The clinical model alone reaches {clinical:.3f} there"
    scores = summary.scores
    if (
        way in (INTERNAL, EXTERNAL)
        and scores.can_compare(way)
        and scores.varies(way, MODEL_CLINICAL)
        and scores.varies(way, MODEL_COMBINED)
    ):
        p = delong_test(scores.outcome(way), scores.score(way, MODEL_COMBINED), scores.score(way, MODEL_CLINICAL)).p
        if p >= 0.05:
            return f"{text}: the images' gain of {combined - clinical:+.3f} could be chance (DeLong p {_p(p)}).".replace("-", "\u2212")
        more = "more" if combined > clinical else "less"
        return f"{text}: the combined model reaches {abs(combined - clinical):.3f} {more}, beyond what chance explains (DeLong p {_p(p)})."
    return f"{text}; whether the difference is chance was not tested, for want of held-out patients."


def key_figures(summary: Summary) -> tuple[KeyFigure, ...]:
    """The combined model's AUC by every way, from the most to the least flattering."""
    plan = summary.plan
    notes = {
        APPARENT: "on its own training patients",
        CORRECTED: f"{plan.bootstrap} bootstrap samples",
        NESTED: f"{plan.repeats} \u00d7 {plan.folds} folds",
        INTERNAL: "unseen, same source",
        EXTERNAL: "unseen, other source",
    }
    shown = []
    for way, label in (
        (APPARENT, "Apparent"),
        (CORRECTED, "Optimism-corrected"),
        (NESTED, "Nested"),
        (INTERNAL, "Internal"),
        (EXTERNAL, "External"),
    ):
        auc = summary.auc(way)
        there = not math.isnan(auc)
        absent = "no such patients" if way in (INTERNAL, EXTERNAL) else "not run"
        shown.append(KeyFigure(label, f"{auc:.3f}" if there else "\u2013", notes[way] if there else absent))
    return tuple(shown)


def methods(summary: Summary) -> tuple[str, ...]:
    """How it was done, written from the protocol and the plan."""
    protocol, data = summary.data.protocol, summary.data
    habitats, deep, selection, combined = protocol.habitats, protocol.deep, protocol.selection, protocol.combined
    sequences = ", ".join(SEQUENCE_LABELS[s] for s in protocol.sequences)
    spacing = " \u00d7 ".join(f"{s:g}" for s in protocol.preprocessing.spacing_mm)
    n4, clip = protocol.preprocessing.n4, protocol.preprocessing.clip_sigma
    learned = (
        f"learned once from all training patients ({habitats.voxels_per_patient} voxels of each; their outcomes played no part)"
        if habitats.scope == "cohort"
        else "clustered in every patient by itself" + (", matched to the habitats of all training patients" if habitats.of_cohort else "")
    )
    radscores = (
        "out-of-fold radscores, so that it does not see how well a signature fits its own patients"
        if combined.radscores == "cross_fitted"
        else "the radscores of the training patients themselves, which is optimistic"
    )
    deep_columns = [name for name in data.features.columns if parse_column(name).region != REGION]
    more = data.features.shape[1] - len(deep_columns)
    described = (
        f" {more} descriptors of the habitat map (shares, connected parts, spatial interaction, ITH score) are in the feature table and in "
        "no radscore."
        if more
        else ""
    )
    penalty = "a ridge penalty chosen by cross-validation" if combined.penalty == "ridge" else "no penalty"
    return (
        f"Protocol {protocol.name} ({protocol.title}){'; source: ' + protocol.study if protocol.study else ''}. The training split fits "
        "everything; the other splits are only scored, by the frozen pipeline.",
        f"Images: {sequences}. "
        + (f"Rigid registration to {SEQUENCE_LABELS[protocol.fixed]}" if protocol.registration.enabled else "No registration")
        + f", {spacing} mm, intensities normalised in every image by itself; "
        + (f"bias field corrected in {', '.join(SEQUENCE_LABELS[s] for s in n4)}" if n4 else "no bias field correction")
        + (f", intensities clipped at {clip:g} SD." if clip else ", no clipping."),
        f"Habitats: {habitats_in_words(protocol)}, k = {habitats.k} set by the protocol, {learned}, numbered by ascending mean "
        f"{_reference(habitats.order_by)}. Features: {deep.backbone} with {deep.weights} weights, not trained further, on "
        f"{_slices(deep.slices)} of every region and sequence: {len(deep_columns)} features a patient.{described}",
        f"Radscore of each region: mRMR ({selection.mrmr_scheme}) keeps {selection.mrmr_features} features, then a binomial LASSO with "
        f"{selection.folds}-fold cross-validation (penalty at {'the minimum' if selection.lasso_rule == 'min' else 'one standard error'}); "
        "screen and scaling are made anew in every fold.",
        f"Clinical model: candidates {', '.join(data.clinical.columns)}; those with univariate p < {protocol.clinical.univariate_p:g} "
        f"enter a "
        f"logistic regression. Combined model: their terms and the radscores that rank unseen patients better than chance, by logistic "
        f"regression with {penalty}, fitted on {radscores}. Cut-offs: highest Youden index in training.",
        f"Missing values: {missing_rule()}",
        _resampling(summary),
        "Statistics: AUC with DeLong's interval and test, of the frozen models' scores alone (apparent in training); proportions with "
        "Wilson's interval; calibration "
        "intercept, slope, Brier score and expected calibration error; net benefit; category-free NRI and IDI. Scores of different folds "
        "are "
        "never pooled.",
        f"Software: {', '.join(f'{name} {version}' for name, version in versions().items())}.",
    )


def habitats_in_words(protocol: Protocol) -> str:
    """What is clustered into habitats, by which method."""
    habitats, texture = protocol.habitats, protocol.habitats.texture
    method = {
        "kmeans": "K-means of the voxels'",
        "gmm": "a Gaussian mixture of the voxels'",
        "slic": f"K-means of supervoxels of about {habitats.supervoxel_mm:g} mm (SLIC) by their mean",
    }[habitats.method]
    if texture is None:
        return f"{method} {len(protocol.sequences)} values"
    edge = 2 * texture.kernel_radius + 1
    where = " \u00d7 ".join([str(edge)] * (2 if texture.in_plane else 3)) + (" voxels of the slice" if texture.in_plane else " voxels")
    named = _PRESETS.get(texture.features, "") if isinstance(texture.features, str) else f"{len(texture.features)} features"
    levels = f"grey levels {texture.bin_width:g} wide" if texture.bin_width is not None else f"{texture.bin_count or 32} grey levels"
    of = ", ".join(SEQUENCE_LABELS[name] for name in texture.sequences or protocol.sequences)
    parts = [f"{named} of texture (pyradiomics' definitions) in the {where} round each, of {of}, with {levels} over the tumour"]
    parts += [f"together with their {len(protocol.sequences)} intensities"] if texture.intensities else []
    left_out = "those that hardly vary" + (f" or correlate above {texture.correlation:g} with another" if texture.correlation else "")
    parts.append(f"{left_out} left out")
    if texture.pca or habitats.method == "gmm":
        parts.append(f"projected on the principal components of {100 * (texture.pca or MIXTURE_PCA):g} % of the variance")
    return f"{method} {', '.join(parts)}"


def _reference(order_by: str) -> str:
    sequence, _, feature = order_by.partition("__")
    return f"{feature} of {SEQUENCE_LABELS[sequence]}" if feature else SEQUENCE_LABELS[sequence]


def missing_rule() -> str:
    """What is done about values that are not there."""
    return (
        "a missing clinical value takes the median of the patients that the model is fitted on, in every resample anew; a candidate with "
        "more "
        "than 20 % missing stops the study; a region that a patient does not have takes the training mean of its radscore."
    )


def fitted_where(summary: Summary) -> StudyTable:
    """Which step saw which patients, whether it looked at the outcome, and what resampling refits."""
    import pandas as pd

    protocol, honesty = summary.data.protocol, summary.honesty
    again = "yes" if honesty is not None else "no resampling was run"
    habitats = "no: learned once, without outcomes"
    if not protocol.habitats.of_cohort:
        habitats = "belongs to each patient alone"
    elif honesty is not None and honesty.nested_habitats is not None:
        habitats = "in 'nested, habitats too' only"
    who = "training patients" if protocol.habitats.scope == "cohort" else "each patient alone"
    who += ", their numbers on training patients" if protocol.habitats.match == "cohort" else ""
    rows = [
        (
            "Registration, resampling, normalisation",
            "each patient alone",
            "no",
            "belongs to each patient alone",
            str(protocol.registration.seed),
        ),
        ("Habitats", who, "no", habitats, str(protocol.habitats.seed)),
        ("Deep features", "each patient alone", "no", "belongs to each patient alone", "\u2013"),
        ("Stand-ins for missing values", "training patients", "no", again, "\u2013"),
        ("mRMR, scaling, LASSO", "training patients", "yes", again, str(protocol.selection.seed)),
        ("Clinical screen and model", "training patients", "yes", again, "\u2013"),
        ("Combined model", "training patients", "yes", again, str(protocol.combined.seed)),
        ("Cut-offs", "training patients", "yes", again, "\u2013"),
        ("Folds, bootstrap samples, shuffles", "training patients", "to keep its share in the folds", "\u2013", str(summary.plan.seed)),
    ]
    frame = pd.DataFrame(rows, columns=["Step", "Fitted on", "Looks at the outcome", "Refitted in every resample", "Seed"])
    return StudyTable("fitted_where", "What was fitted where", frame, "Internal and external patients were used for none of these steps.")


def limitations(summary: Summary) -> tuple[str, ...]:
    """What a reader has to hold against the results, as far as the data show it."""
    data, honesty = summary.data, summary.honesty
    points = []
    if data.extraction.phantom:
        points.append("The cases are digital phantoms: the study shows that the method works as described, and nothing about patients.")
    points += _of_validation(summary)
    events, patients = summary.events["training"], summary.patients["training"]
    ratio = events_per_parameter(events, patients - events, summary.candidates)
    if ratio.warning:
        points.append(f"{ratio.warning[0].upper()}{ratio.warning[1:]}.")
    if honesty is None:
        points.append("Nothing was resampled: how optimistic the apparent figures are was not measured.")
    elif data.protocol.habitats.of_cohort:
        inside = ""
        if honesty.nested_habitats is not None:
            inside = f", except in {summary.plan.habitat_repeats} repeat(s) of the nested cross-validation"
        elif honesty.no_nested_habitats:
            inside = f" (learning them inside each fold was not done: {honesty.no_nested_habitats})"
        points.append(f"In the resampling the habitats stay those of all training patients{inside}; they never saw an outcome.")
    if not data.extraction.phantom:
        points += summary.reference.warnings
    if data.left_out:
        total = len(data.left_out) + len(data.cohort)
        points.append(
            f"Left out: {len(data.left_out)} of {total} cases; if their failure has to do with the tumour, the rest is a selection."
        )
    if data.undecided:
        points.append(
            f"Nobody has decided on {len(data.undecided)} of the {len(data.cohort)} cases used: the quality sheet says review, or nothing."
        )
    missing = data.clinical.isna().mean()
    if missing.any():
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in missing.items() if share)
        points.append(f"Missing clinical values ({shares}) were replaced by medians, which understates their uncertainty.")
    if "roi_2" not in data.cohort:
        points.append("One outline a tumour: how the results change with the reader is not known from these data.")
    points.append(f"{_network(data.protocol.deep.weights)}: its features have no meaning of their own, and depend on scanner and protocol.")
    return tuple(points)


def _of_validation(summary: Summary) -> list[str]:
    if EXTERNAL not in summary.patients:
        return ["There is no external split: how the model does elsewhere is not known."]
    points = []
    events = min(summary.events[EXTERNAL], summary.patients[EXTERNAL] - summary.events[EXTERNAL])
    found = summary.estimates[MODEL_COMBINED][EXTERNAL]
    if events < _FEW_EVENTS:
        points.append(
            f"The external split has {events} patients of the rarer outcome; at least {_FEW_EVENTS} are advised for an evaluation "
            "(Collins et al., Stat Med 2016;35:214)."
        )
    if found.high - found.low > _WIDE:
        points.append(f"The external AUC is known only to within {found.low:.3f} to {found.high:.3f}.")
    centres = summary.centres.get(EXTERNAL, ())
    if len(centres) == 1:
        points.append("External validation is of one centre; how performance varies between centres cannot be told from it.")
    shared = sorted(set(centres) & set(summary.centres.get("training", ())))
    if shared:
        points.append(
            f"Training and external split share {len(shared)} centre(s), so that 'external' does not mean another hospital throughout."
        )
    return points


def _resampling(summary: Summary) -> str:
    plan = summary.plan
    if summary.honesty is None:
        return "Internal validation: none was run."
    skipped = summary.honesty.no_nested_habitats
    why = f" Habitats were not learned inside the folds: {skipped}." if skipped else ""
    habitats = (
        f"; in {plan.habitat_repeats} of them the habitats are learned inside the fold too" if summary.honesty.nested_habitats else ""
    )
    return (
        f"Internal validation, each time of the whole pipeline: {plan.repeats} repeats of stratified {plan.folds}-fold nested "
        f"cross-validation, "
        f"AUC averaged over folds{habitats}; {plan.bootstrap} bootstrap samples for Harrell's optimism and the .632+ estimate, copies of "
        f"one patient kept in one inner fold; the calibration slope is {SLOPE_CORRECTED} over the samples, not by Harrell's mean; "
        f"{plan.permutations} shuffles of the labels; a leak planted on purpose. Seed {plan.seed}.{why}"
    )


def _network(weights: str) -> str:
    if weights.startswith("seeded"):
        return "The network was not trained at all (seeded random weights)"
    return "The network was trained on photographs" if weights == "imagenet" else "The network comes with weights from elsewhere"


def _slices(kind: str) -> str:
    return {"largest": "the largest axial cross-section", "mean": "the mean of all slices", "2.5d": "three adjacent slices"}[kind]


def _p(p: float) -> str:
    text = write_p(p)
    return text if text.startswith("<") else f"= {text}"
