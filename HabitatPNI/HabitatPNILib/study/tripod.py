"""The TRIPOD+AI checklist of a study: what was done is filled in, what only its authors know is left to them by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from .. import __version__
from ..evaluation.sample_size import events_per_parameter
from ..learning.pipeline import MODEL_COMBINED
from .report_text import limitations, missing_rule
from .summary import EXTERNAL, INTERNAL, Summary
from .tables_form import StudyTable
from .tripod_items import TRIPOD_ITEMS

_TIMES = " \u00d7 "
SOURCE = "Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378"


class Status(Enum):
    """How far an item is answered; the value is what the table says."""

    REPORTED = "reported"
    NOT_APPLICABLE = "not applicable"
    AUTHORS = "to be filled in by the authors"


class TripodAnswer(NamedTuple):
    """What a study says to an item: status, section of the report, and the text."""

    status: Status
    where: str
    text: str


def tripod_answers(summary: Summary) -> Mapping[str, TripodAnswer]:
    """The answer to every item, by its number and in the checklist's order."""
    found = _introduction(summary) | _data(summary) | _analysis(summary) | _open_science(summary) | _results(summary) | _discussion(summary)
    if summary.data.extraction.phantom:
        found |= _phantom()
    return {item.number: found[item.number] for item in TRIPOD_ITEMS}


def tripod_table(summary: Summary) -> StudyTable:
    """The checklist as a table; its `csv` is the file."""
    import pandas as pd

    answers = tripod_answers(summary)
    rows = [
        (
            item.number,
            item.section,
            item.topic,
            item.applies,
            answers[item.number].status.value,
            answers[item.number].where,
            answers[item.number].text,
        )
        for item in TRIPOD_ITEMS
    ]
    frame = pd.DataFrame(rows, columns=["Item", "Part", "What it asks", "Concerns", "Status", "Where", "What was done"])
    counts = [sum(a.status is status for a in answers.values()) for status in Status]
    note = (
        f"Items of TRIPOD+AI ({SOURCE}), asked in our words; D development, E evaluation. {counts[0]} of {len(rows)} are filled in from "
        f"what "
        f"was done, {counts[1]} do not apply, and {counts[2]} are left to the authors, with what the study knows of them."
    )
    return StudyTable("tripod_ai", "TRIPOD+AI checklist", frame, note)


def _done(where: str, text: str) -> TripodAnswer:
    return TripodAnswer(Status.REPORTED, where, text)


def _open(text: str, where: str = "\u2013") -> TripodAnswer:
    return TripodAnswer(Status.AUTHORS, where, text)


def _none(text: str) -> TripodAnswer:
    return TripodAnswer(Status.NOT_APPLICABLE, "\u2013", text)


def _introduction(summary: Summary) -> dict[str, TripodAnswer]:
    held_out = [split for split in (INTERNAL, EXTERNAL) if split in summary.patients]
    evaluated = f", evaluated on {' and '.join(held_out)} patients that it has not seen" if held_out else "; no patients were held out"
    resampled = ", internally validated by resampling" if summary.honesty is not None else ""
    return {
        "1": _done(
            "Heading", "Development and evaluation of a prediction model; patients with prostate cancer on MRI; perineural invasion."
        ),
        "2": _open("The answer and the table beside it hold the figures for the abstract.", "The answer"),
        "3a": _open("A diagnostic model: perineural invasion at the time of the MRI. Give the context and the models that there are."),
        "3b": _open("The model is for research use only; it makes no claim for patient care. Say for whom it is meant to be one day."),
        "3c": _open("The cohort table holds nothing on sociodemographic groups but age."),
        "4": _done("The answer", f"A model was developed{resampled}{evaluated}."),
    }


def _data(summary: Summary) -> dict[str, TripodAnswer]:
    data, protocol = summary.data, summary.data.protocol
    training = summary.patients["training"]
    ratio = events_per_parameter(summary.events["training"], training - summary.events["training"], summary.candidates)
    clinical = ", ".join(p.label for p in data.predictors)
    definitions = "; ".join(f"{p.label}: {p.help}" for p in data.predictors)
    missing = {name: int(count) for name, count in data.clinical.isna().sum().items() if count}
    gaps = ", ".join(f"{name} in {count}" for name, count in missing.items()) or "none"
    reference = _reference(summary)
    outcome = "Perineural invasion as the cohort table states it, 0 or 1, at one time point."
    return {
        "5a": _open(f"Splits: {_splits(summary)}. Say what kind of data they are and whom they represent.", "Cohort"),
        "5b": _open("The cohort table holds no dates."),
        "6a": _open(f"{_centres(summary)} Give the setting and the places.", "Cohort"),
        "6b": _open(f"Give the criteria. Of those included, {_left_out(summary)}", "Cohort"),
        "6c": _open("Treatment before the MRI (hormones, radiation) is not in the cohort table; say who had any."),
        "7": _done(
            "Methods",
            f"Registered, resampled to {_TIMES.join(f'{s:g}' for s in protocol.preprocessing.spacing_mm)} mm, normalised in every image by "
            f"itself, the same for all patients. Images and outlines that cannot be one patient's case are refused; {_left_out(summary)}",
        ),
        "8a": _done("Cohort", f"{outcome} {reference}") if summary.reference.stated else _open(f"{outcome} {reference}", "Cohort"),
        "8b": _open("Say who read the specimens, and with what experience."),
        "8c": _open("Say whether the pathologists knew the MRI."),
        "9a": _done(
            "Methods",
            f"Clinical candidates set by the protocol {protocol.name}: {clinical}. Image features: all {data.features.shape[1]} that the "
            "network gives; none was chosen before the model was built.",
        ),
        "9b": _open(
            f"{definitions}. Image features: {protocol.deep.backbone}, see Methods. Say whether readers knew the outcome.", "Methods"
        ),
        "9c": _open("Outlines, PI-RADS and mrT stage need judgement: say who read them, and with what experience."),
        "10": _open(
            f"{training} patients with {summary.events['training']} events for {ratio.parameters} candidates: {ratio.ratio:.2g} of the "
            f"rarer "
            "outcome for each. The sample size is calculated after Riley et al.; say how the numbers came about.",
            "Cohort",
        ),
        "11": _done("Cohort, Methods", f"Missing clinical values: {gaps}. Rule: {missing_rule()} {_left_out(summary).capitalize()}"),
    }


def _analysis(summary: Summary) -> dict[str, TripodAnswer]:
    data, plan, protocol = summary.data, summary.plan, summary.data.protocol
    evaluated = [split for split in data.splits if split != "training"]
    kept = ", ".join(f"{data.label(str(m))} {c:.3f}" for m, c in summary.scores.fitted.cut_offs.items() if not math.isnan(c))
    internal = (
        f"{plan.repeats}{_TIMES}{plan.folds}-fold nested cross-validation and {plan.bootstrap} bootstrap samples, all steps refitted"
        if summary.honesty is not None
        else "no internal validation was run"
    )
    several = len({c for centres in summary.centres.values() for c in centres}) > 1
    shares = "; ".join(f"{split} {100 * summary.events[split] / n:.1f} %" for split, n in summary.patients.items())
    return {
        "12a": _done(
            "Methods",
            f"Fitted on training alone; {' and '.join(evaluated) or 'no other split'} scored once by the frozen models. "
            f"Patients: {_splits(summary)}.",
        ),
        "12b": _done(
            "Methods", "Clinical values enter linearly (grades as one term); image features are standardised within the signature's fit."
        ),
        "12c": _done(
            "Methods",
            f"mRMR to {protocol.selection.mrmr_features} features a region, LASSO with {protocol.selection.folds}-fold cross-validation, "
            f"logistic "
            f"regression ({protocol.combined.penalty} penalty, {protocol.combined.radscores.replace('_', '-')} radscores). Internal "
            f"validation: {internal}.",
        ),
        "12d": _done("Subgroups", "Centres are not modelled; performance is given by centre.")
        if several
        else _none("Only one centre is named."),
        "12e": _done(
            "Performance, Calibration, Clinical utility",
            "AUC with DeLong's interval and test, sensitivity and the like at the cut-off with Wilson's, calibration intercept and slope, "
            "Brier score, net benefit, NRI and IDI.",
        ),
        "12f": _none("The model was not updated after its evaluation."),
        "12g": _done("Methods", f"By the frozen model with HabitatPNI {__version__}, the same program that answers for a single case."),
        "13": _none(f"None was used: the share with the outcome is that of the cohort ({shares}); folds keep it."),
        "14": _done("Subgroups", "Nothing was done for fairness. Subgroups by centre and by clinical category are shown and not tested."),
        "15": _done(
            "Models",
            f"A probability, and a class by the cut-off with the highest Youden index in training ({kept or 'none could be set'}).",
        ),
        "16": _open(f"Share with the outcome: {shares}. {_centres(summary)} Say how setting, inclusion and reading differ.", "Cohort")
        if evaluated
        else _none("There are no evaluation data beside the training data."),
        "17": _open("Name the committee, its decision, and consent or waiver."),
    }


def _open_science(summary: Summary) -> dict[str, TripodAnswer]:
    return {
        "18a": _open("Name the sources of funding and what the funders did."),
        "18b": _open("Declare the interests of all authors."),
        "18c": _open(
            f"The analysis followed the protocol file {summary.data.protocol.name}, which is stored in the model. Say where the study's is."
        ),
        "18d": _open("Give the register and number, or say that the study was not registered."),
        "18e": _open("Say whether images, outlines and tables can be had, and how."),
        "18f": _done(
            "Methods", f"HabitatPNI {__version__} is open source (Apache-2.0); protocol and seeds are in the report and the model."
        ),
        "19": _open("Say how patients and the public took part, or that they did not."),
    }


def _results(summary: Summary) -> dict[str, TripodAnswer]:
    model = summary.scores.fitted.combined
    held_out = [split for split in (EXTERNAL, INTERNAL) if split in summary.patients]
    best = "; ".join(_auc(summary, split) for split in held_out) or "no patients were held out; see the resampled figures"
    centres = {c for split in held_out for c in summary.centres.get(split, ())}
    again = (
        f" Every fold and bootstrap sample is drawn from the {summary.patients['training']} training patients." if summary.honesty else ""
    )
    formula = "No radscore or clinical value earned a place: the model gives the prevalence."
    if model is not None:
        formula = f"Intercept {model.intercept:.4f} and {len(model.terms)} terms ({', '.join(model.terms)}); all coefficients are in the "
        "model file."
    return {
        "20a": _done("Cohort", f"Patients: {_splits(summary)}. {_left_out(summary).capitalize()}"),
        "20b": _done(
            "Cohort", f"{summary.patients['training']} training patients by outcome, all splits side by side, missing values by split."
        ),
        "20c": _done("Cohort", "Every split is tested against training, variable by variable, radscores below them.")
        if held_out
        else _none("There are no evaluation data beside the training data."),
        "21": _done("Cohort", f"Patients: {_splits(summary)}.{again}"),
        "22": _done("Models", f"{formula} Research use only."),
        "23a": _done("Performance, Subgroups", f"Combined model, AUC with 95 % CI: {best}."),
        "23b": _done("Subgroups", f"Performance is given for each of the {len(centres)} centres of the held-out patients.")
        if len(centres) > 1
        else _none("Held-out patients come from one centre or none is named."),
        "24": _none("The model was not updated."),
    }


def _discussion(summary: Summary) -> dict[str, TripodAnswer]:
    return {
        "25": _open("The answer states the result in one paragraph; set it against your aims and earlier studies.", "The answer"),
        "26": _done(
            "Limitations", f"{len(limitations(summary))} limitations that the data show are listed; add those of the study's design."
        ),
        "27a": _done(
            "Methods",
            "The program refuses missing sequences, missing clinical values, impossible values and outlines without acquired voxels, and "
            "warns of values outside the training range; an absent habitat takes its training mean, and the case's report says so.",
        ),
        "27b": _done(
            "Methods",
            "A person who reads prostate MRI outlines the tumour, gives the clinical values and checks registration and habitats.",
        ),
        "27c": _open("Say what should come next; without patients of other centres and scanners the model's use elsewhere is not known."),
    }


def _phantom() -> dict[str, TripodAnswer]:
    """Items that ask about people, where there are none."""
    reason = "The cases are digital phantoms:"
    texts = {
        "3c": "there are no groups of people.",
        "5b": "nobody was included at a time.",
        "6a": "there is no setting; the centres are two sets of simulated scanner settings.",
        "6b": "they are made, not included.",
        "6c": "there is no treatment.",
        "8b": "the outcome is drawn from a known probability; nobody assessed it.",
        "8c": "the outcome is drawn from a known probability; nobody assessed it.",
        "9c": "outline and clinical values are those of the simulation.",
        "17": "no patient's data were used.",
        "19": "no patient's data were used.",
    }
    found = {number: _none(f"{reason} {text}") for number, text in texts.items()}
    found["5a"] = _done("Cohort", f"{reason} they are simulated, and represent no patients.")
    found["8a"] = _done("Cohort", "Drawn 0 or 1 from the phantom's true probability, which stands in for perineural invasion.")
    found["9b"] = _done("Methods", f"{reason} clinical values, habitats and outcome follow one known law, and the readings are part of it.")
    found["18e"] = _done("Methods", "Every phantom can be made again from its seed with habitatpni phantom.")
    return found


def _auc(summary: Summary, split: str) -> str:
    found = summary.estimates[MODEL_COMBINED][split]
    return f"{split} {found.auc:.3f} ({found.low:.3f}\u2013{found.high:.3f})" if not math.isnan(found.low) else f"{split} {found.auc:.3f}"


def _splits(summary: Summary) -> str:
    return "; ".join(f"{split} {n} patients, {summary.events[split]} with the outcome" for split, n in summary.patients.items())


def _centres(summary: Summary) -> str:
    if not summary.centres:
        return "The cohort table names no centres."
    return f"Centres: {'; '.join(f'{split} {len(names)}' for split, names in summary.centres.items())}."


def _left_out(summary: Summary) -> str:
    count = len(summary.data.left_out)
    return f"{count} {'case was' if count == 1 else 'cases were'} left out, with the reason." if count else "no case was left out."


def _reference(summary: Summary) -> str:
    counts = summary.reference.counts
    shown = "; ".join(f"{split} " + ", ".join(f"{kind} {n}" for kind, n in row.items() if n) for split, row in counts.items())
    return f"Reference standard: {shown}." if summary.reference.stated else "The reference standard is not stated."
