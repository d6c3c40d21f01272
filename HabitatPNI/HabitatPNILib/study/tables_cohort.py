"""Tables of who was studied: flow of the cases, baseline by outcome and by split, missing values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..cohort import SPLITS, clinical_columns
from ..errors import CohortError
from ..evaluation import baseline_table
from .tables_form import NONE, Column, StudyTable, study_table
from .tables_scores import SPLIT_LABELS, StudyScores

if TYPE_CHECKING:
    import pandas as pd

    from .data import StudyData

_OUTCOME = "outcome"
_LONGEST = 90
_ALL = "All"


def cohort_flow(data: StudyData, whole: pd.DataFrame | None = None) -> StudyTable:
    """Cases and events by split and centre: in the cohort table, left out, analysed.

    Parameters
    ----------
    whole : the cohort table with the cases that were left out; without it, their split is not known and they stand in a row of their own
    """
    import pandas as pd

    table = data.cohort if whole is None else whole
    centre = table["centre"].astype(str) if "centre" in table else pd.Series(_ALL, index=table.index)
    groups: list[tuple[str, str, pd.Index]] = []
    for split in SPLITS:
        for name in sorted(centre[table["split"] == split].unique()):
            groups.append((SPLIT_LABELS[split], name, table.index[(table["split"] == split) & (centre == name)]))
    groups.append((_ALL, _ALL if centre.nunique() > 1 else centre.iloc[0], table.index))
    rows = [{"cohort": cohort, "centre": name} | _flow(table, cases, data.left_out) for cohort, name, cases in groups]
    if whole is None and data.left_out:
        unknown: dict[str, Any] = {"cohort": "Left out, split not stated", "centre": NONE, "left_out": len(data.left_out)}
        rows.append(unknown | {"reasons": _reasons(data.left_out)})
    columns = (
        *(Column("cohort", "Cohort"), Column("centre", "Centre"), Column("cases", "Cases", "count"), Column("events", "Events", "count")),
        *(Column("left_out", "Left out", "count"), Column("events_left_out", "Events left out", "count")),
        *(Column("analysed", "Analysed", "count"), Column("events_analysed", "Events analysed", "count")),
        Column("reasons", "Why left out"),
    )
    note = "Events: cases with the outcome. A case is left out when its images could not be processed or when it was rejected on review."
    if data.undecided:
        note += f" Analysed without a decision in the quality sheet (review, or none): {len(data.undecided)}."
    return study_table("cohort_flow", "Flow of the cases", rows, columns, note)


def baseline(data: StudyData) -> StudyTable:
    """Patients of the training split with and without the outcome, variable by variable."""
    training = data.rows("training")
    described, skipped = _usable(_variables(data).loc[training], data.y.loc[training])
    columns = (
        *(Column("variable_shown", "Variable"), Column("level", "Level"), Column("all", "All"), Column("without", "Without the outcome")),
        *(Column("with", "With the outcome"), Column("missing_shown", "Missing", "count"), Column("test_shown", "Test")),
        *(Column("p_shown", "p", "p"), Column("p_adjusted_shown", "p adjusted", "p")),
    )
    rows = baseline_table(described, _OUTCOME) if described.shape[1] > 1 else _no_rows()
    numbers = _shown(rows)
    y = data.y.loc[training]
    note = (
        f"{len(y)} training patients, {int(y.sum())} with the outcome. Numbers: mean \u00b1 SD with Welch's t-test where neither group "
        "departs from normality (Shapiro-Wilk), else median [quartiles] with the Mann-Whitney test; categories: chi-square test, or "
        f"Fisher's where counts are small. p adjusted after Benjamini and Hochberg.{_left_out(skipped)}"
    )
    return study_table("baseline", "Training patients by outcome", numbers, columns, note)


def baseline_splits(scores: StudyScores) -> StudyTable:
    """Patients of the splits side by side, each held-out split tested against training; radscores described below them."""
    import pandas as pd

    data = scores.data
    variables = _variables(data)
    variables.insert(0, "Outcome", data.y.map({0: "without", 1: "with"}))
    tests = {split: _tests(variables, data, split) for split in scores.held_out}
    rows = [_numbers_of("Patients", "", {split: str(len(data.rows(split))) for split in scores.splits})]
    for name in variables.columns:
        described = _described(variables[name], data, scores.splits)
        for i, (level, cells) in enumerate(described):
            row = _numbers_of(name, level, cells)
            for split, found in tests.items():
                if i == 0 and name in found:
                    row |= {f"p_{split}": found[name][0], f"p_adjusted_{split}": found[name][1]}
            rows.append(row)
    radscores = scores.fitted.radscores(data.features)
    for region in scores.fitted.regions:
        cells = {split: _mean_sd(radscores.loc[data.rows(split), region].dropna()) for split in scores.splits}
        rows.append(_numbers_of(f"Radscore, {data.label(region)}", "mean \u00b1 SD", cells))
    columns = (
        *(Column("variable_shown", "Variable"), Column("level", "Level")),
        *(Column(split, SPLIT_LABELS[split]) for split in scores.splits),
        *(Column(f"p_{split}_shown", f"p, {split}", "p") for split in scores.held_out),
        *(Column(f"p_adjusted_{split}_shown", f"p adjusted, {split}", "p") for split in scores.held_out),
    )
    note = (
        "p: held-out against training patients, tests as in the table by outcome, adjusted after Benjamini and Hochberg within each "
        "comparison. Radscores (log odds) are those of the frozen signatures and apparent in training; a shift between centres moves the "
        "probabilities with it."
    )
    return study_table("baseline_splits", "Patients by cohort", _shown(pd.DataFrame(rows)), columns, note)


def missing_values(data: StudyData) -> StudyTable:
    """Values missing for every clinical column and split."""
    variables = _variables(data)
    rows = []
    for i, name in enumerate(variables.columns):
        row: dict[str, Any] = {"variable": name, "role": "candidate" if i < len(data.predictors) else "described only"}
        for split in data.splits:
            absent = variables.loc[data.rows(split), name].isna()
            row |= {split: int(absent.sum()), f"{split}_share": float(absent.mean())}
            row[f"{split}_shown"] = f"{int(absent.sum())} of {len(absent)} ({100 * absent.mean():.1f} %)"
        rows.append(row)
    columns = (
        *(Column("variable", "Variable"), Column("role", "Role")),
        *(Column(f"{split}_shown", SPLIT_LABELS[split]) for split in data.splits),
    )
    note = (
        "Rule: a missing value of a candidate is replaced by the candidate's median in the training patients (in cross-validation: of the "
        "training part of each fold); a candidate that is missing in more than 20 % of them is refused. A region that is absent in a case "
        "enters at the training mean of its radscore. The outcome is never imputed."
    )
    return study_table("missing", "Missing clinical values", rows, columns, note)


def _flow(table: pd.DataFrame, cases: pd.Index, left_out: Mapping[str, str]) -> dict[str, Any]:
    gone = [case for case in cases if case in left_out]
    events = int(table.loc[cases, _OUTCOME].sum())
    lost = int(table.loc[gone, _OUTCOME].sum())
    return {
        "cases": len(cases),
        "events": events,
        "left_out": len(gone),
        "events_left_out": lost,
        "analysed": len(cases) - len(gone),
        "events_analysed": events - lost,
        "reasons": _reasons({case: left_out[case] for case in gone}),
    }


def _reasons(left_out: Mapping[str, str]) -> str:
    """Reasons with their counts, the most frequent first; the case's name that an error begins with is cut off."""
    plain = [reason.removeprefix(f"Case {case}: ") for case, reason in left_out.items()]
    short = [reason if len(reason) <= _LONGEST else f"{reason[: _LONGEST - 1].rstrip()}\u2026" for reason in plain]
    return "; ".join(f"{count} \u00d7 {reason}" for reason, count in Counter(short).most_common())


def _variables(data: StudyData) -> pd.DataFrame:
    """Every clinical column by its label: the candidates as coded (categories by the labels of their levels), the others as given."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for predictor in data.predictors:
        coded = data.clinical[predictor.name]
        if predictor.levels:
            labels = {level.value: level.label for level in predictor.levels}
            columns[predictor.label] = pd.Series(
                pd.Categorical(coded.map(labels), categories=list(labels.values()), ordered=True), index=coded.index
            )
        else:
            columns[f"{predictor.label} ({predictor.unit})" if predictor.unit else predictor.label] = coded
    names = {predictor.name for predictor in data.predictors}
    for name in clinical_columns(data.cohort):
        if name not in names:
            columns[name] = data.cohort[name]
    return pd.DataFrame(columns, index=data.cohort.index)


def _usable(variables: pd.DataFrame, y: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """Variables that can be compared, with the outcome behind them; and the names of the others."""
    import pandas as pd

    kept, skipped = [], []
    for name in variables.columns:
        column = variables[name]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.cat.remove_unused_categories()
        pair = pd.DataFrame({name: column, _OUTCOME: y})
        try:
            baseline_table(pair, _OUTCOME)
            kept.append(column)
        except CohortError:
            skipped.append(str(name))
    return pd.concat([*kept, y.rename(_OUTCOME)], axis=1), skipped


def _tests(variables: pd.DataFrame, data: StudyData, split: str) -> dict[str, tuple[float, float]]:
    """p and adjusted p of every variable that can be compared: a held-out split against training."""
    rows = data.rows("training").append(data.rows(split))
    is_held_out = (data.cohort.loc[rows, "split"] == split).astype(int)
    described, _ = _usable(variables.loc[rows], is_held_out)
    if described.shape[1] < 2:
        return {}
    found = baseline_table(described, _OUTCOME).dropna(subset="p")
    return {row["variable"]: (float(row["p"]), float(row["p_adjusted"])) for _, row in found.iterrows()}


def _described(column: pd.Series, data: StudyData, splits: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Level and one text a split: mean, SD and quartiles of a number, counts of a category."""
    import pandas as pd

    present = {split: column.loc[data.rows(split)].dropna() for split in splits}
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return [
            ("mean \u00b1 SD", {split: _mean_sd(values) for split, values in present.items()}),
            ("median [quartiles]", {split: _quartiles(values) for split, values in present.items()}),
        ]
    known = column.dropna()
    is_category = isinstance(column.dtype, pd.CategoricalDtype)
    levels = [v for v in column.cat.categories if (known == v).any()] if is_category else sorted(known.unique(), key=str)
    if len(levels) > 20:
        return [(f"{len(levels)} different values", dict.fromkeys(splits, NONE))]
    return [
        (str(level), {split: _count(int((values == level).sum()), len(values)) for split, values in present.items()}) for level in levels
    ]


def _mean_sd(values: pd.Series) -> str:
    numbers = values.to_numpy(dtype=float)
    return f"{numbers.mean():.4g} \u00b1 {numbers.std(ddof=1):.3g}".replace("-", "\u2212") if len(numbers) > 1 else NONE


def _quartiles(values: pd.Series) -> str:
    if not len(values):
        return NONE
    middle, low, high = np.quantile(values.to_numpy(dtype=float), [0.5, 0.25, 0.75])
    return f"{middle:.4g} [{low:.4g}, {high:.4g}]".replace("-", "\u2212")


def _count(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)" if of else NONE


def _numbers_of(variable: str, level: str, cells: Mapping[str, str]) -> dict[str, Any]:
    return {"variable": variable, "level": level, **cells}


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with columns for print, in which what belongs to the whole variable stands in its first row only."""
    first = rows["variable"] != rows["variable"].shift()
    of_variable = [name for name in rows if name in ("variable", "missing", "test", "p") or str(name).startswith("p_")]
    return rows.assign(**{f"{name}_shown": rows[name].astype(object).where(first, "") for name in of_variable})


def _no_rows() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: [] for name in ("variable", "level", "missing", "test", "p", "p_adjusted")}, dtype=object)


def _left_out(skipped: list[str]) -> str:
    return f" Not compared, for want of values or variation: {', '.join(skipped)}." if skipped else ""
