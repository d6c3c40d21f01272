"""The items of TRIPOD+AI: their numbers, and in our words what each asks.

Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378: 27 main items with 52 sub-items.
The checklist itself, with its explanation, is at the doi.
"""

from __future__ import annotations

from typing import NamedTuple


class TripodItem(NamedTuple):
    """An item: its number, part of a paper, what it asks, and whether it concerns development (D), evaluation (E) or both (D;E)."""

    number: str
    section: str
    topic: str
    applies: str = "D;E"


_BACKGROUND, _DATA, _ANALYSIS, _OPEN = "Introduction", "Methods: data", "Methods: analysis", "Open science"

TRIPOD_ITEMS = (
    TripodItem("1", "Title", "Says that a model is developed or evaluated, for whom, and for which outcome"),
    TripodItem("2", "Abstract", "Follows the checklist for abstracts"),
    TripodItem("3a", _BACKGROUND, "Clinical context, diagnosis or prognosis, why a model, and which there are already"),
    TripodItem("3b", _BACKGROUND, "For whom the model is, where in their care, and who would use it"),
    TripodItem("3c", _BACKGROUND, "Inequalities between groups of patients that are known"),
    TripodItem("4", _BACKGROUND, "Aims: development, evaluation or both"),
    TripodItem("5a", _DATA, "Where development and evaluation data come from, why these, and whom they represent"),
    TripodItem("5b", _DATA, "From when to when patients were included, and how long they were followed"),
    TripodItem("6a", _DATA, "Setting; number and place of the centres"),
    TripodItem("6b", _DATA, "Who could be included"),
    TripodItem("6c", _DATA, "Treatments received, and what was made of them"),
    TripodItem("7", _DATA, "Preparation of the data and checks of their quality, alike in all groups or not"),
    TripodItem("8a", _DATA, "The outcome, its time, how it was assessed, why this one, and whether alike in all groups"),
    TripodItem("8b", _DATA, "Who assessed an outcome that needs judgement"),
    TripodItem("8c", _DATA, "Blinding of those who assessed the outcome"),
    TripodItem("9a", _DATA, "How the candidate predictors were chosen, and any choice before the model was built", "D"),
    TripodItem("9b", _DATA, "Every predictor: definition, how and when measured, blinded or not"),
    TripodItem("9c", _DATA, "Who assessed predictors that need judgement"),
    TripodItem("10", _DATA, "How the numbers of patients came about, and whether they suffice"),
    TripodItem("11", _DATA, "What was done about missing values, and what was left out and why"),
    TripodItem("12a", _ANALYSIS, "What the data were used for, and how they were divided", "D"),
    TripodItem("12b", _ANALYSIS, "Form in which predictors entered: scaling, transformation", "D"),
    TripodItem("12c", _ANALYSIS, "Kind of model, every step of its building, tuning, and internal validation", "D"),
    TripodItem("12d", _ANALYSIS, "Differences between clusters such as hospitals: how handled and measured"),
    TripodItem("12e", _ANALYSIS, "Measures and plots of performance, and how models were compared"),
    TripodItem("12f", _ANALYSIS, "Updating of the model after its evaluation", "E"),
    TripodItem("12g", _ANALYSIS, "How the predictions were computed in the evaluation", "E"),
    TripodItem("13", _ANALYSIS, "Methods against unequal class sizes, and recalibration after them"),
    TripodItem("14", _ANALYSIS, "What was done for fairness, and why"),
    TripodItem("15", _ANALYSIS, "What the model gives out; thresholds and how they were set", "D"),
    TripodItem("16", _ANALYSIS, "How development and evaluation data differ in setting, inclusion, outcome and predictors"),
    TripodItem("17", "Ethics", "Committee that approved the study; consent or its waiver"),
    TripodItem("18a", _OPEN, "Funding, and what the funders had to do with the study"),
    TripodItem("18b", _OPEN, "Conflicts of interest"),
    TripodItem("18c", _OPEN, "Where the study's protocol can be read, or that there is none"),
    TripodItem("18d", _OPEN, "Registration, or that there is none"),
    TripodItem("18e", _OPEN, "Whether the data can be had"),
    TripodItem("18f", _OPEN, "Whether the code can be had"),
    TripodItem("19", "Patients and public", "How patients and the public took part, or that they did not"),
    TripodItem("20a", "Results", "Flow of the patients; numbers with and without the outcome"),
    TripodItem("20b", "Results", "Who the patients are, overall and by source: predictors, events, missing values"),
    TripodItem("20c", "Results", "Distribution of predictors and outcome, development against evaluation", "E"),
    TripodItem("21", "Results", "Patients and events in every analysis"),
    TripodItem("22", "Results", "The whole model, so that others can apply and test it; limits on its use", "D"),
    TripodItem("23a", "Results", "Performance with confidence intervals, also in important groups"),
    TripodItem("23b", "Results", "Differences of performance between clusters"),
    TripodItem("24", "Results", "The updated model and its performance", "E"),
    TripodItem("25", "Discussion", "What the results mean, fairness included, next to the aims and earlier studies"),
    TripodItem("26", "Discussion", "Limitations, and what they do to the results"),
    TripodItem("27a", "Discussion", "What to do about poor or absent input when the model is used", "D"),
    TripodItem("27b", "Discussion", "What users have to do, and what skill it takes", "D"),
    TripodItem("27c", "Discussion", "What should come next, for use elsewhere above all"),
)
