"""Table 1 of a study: the patients with and without the outcome, variable by variable, each with the test its kind asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import CohortError
from .checks import check_outcome

if TYPE_CHECKING:
    import pandas as pd

_NORMAL_P = 0.05
_FEW_LEVELS = 5
_MOST_LEVELS = 20
_EXACT_BELOW = 50
_LEAST_EXPECTED = 5.0
_MOST_TABLES = 2e6
_SIMULATED = 100_000
_TIE = 1e-7  # relative: tables as probable as the one seen but for rounding count, as in R
_SHOWN = 5


def baseline_table(df: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """Describe and compare patients with and without the outcome.

    - Numbers: Shapiro-Wilk in each group. Where neither departs from normality at p < 0.05, mean and standard deviation with Welch's
      t-test; else median and quartiles with the Mann-Whitney test (exact below 50 patients a group without ties, else normal with
      correction for continuity, as R's ``wilcox.test``).
    - Categories (text, booleans, and whole numbers of at most 5 different values): counts and percentages with Pearson's chi-square
      test without Yates's correction; where an expected count is below 5 in a table of two levels, or in more than a fifth of the cells
      or below 1 in a larger one (Cochran 1954), Fisher's exact test (Freeman-Halton for more levels; simulated, with a fixed seed, where
      the tables are too many to count).
    - ``p_adjusted``: Benjamini and Hochberg (1995) over all variables of the table.

    Every variable is compared on the patients who have it; the number who lack it is in ``missing``.

    Parameters
    ----------
    df : one row a patient; every column but `outcome` is a variable (leave identifiers out)
    outcome : name of the column of 0 and 1

    Returns
    -------
    One row a number and one a level of a category, with the columns ``variable, level, all, without, with, missing, test, statistic, p,
    p_adjusted``; the figures of a category's test stand in its first row only. The statistic is t (with less without), U of the patients
    with the outcome, chi-square, or nothing for Fisher's test.

    Raises
    ------
    CohortError
        naming the column, and the rows where it can: outcome missing or not two-valued, a variable without values, constant, infinite, or
        with more than 20 categories, a group in which it is always missing
    """
    import pandas as pd
    from scipy.stats import false_discovery_control

    if outcome not in df.columns:
        raise CohortError(f"The table has no column {outcome} for the outcome")
    if not df.columns.is_unique:
        raise CohortError(f"Column {df.columns[df.columns.duplicated()][0]} stands more than once in the table")
    if df.shape[1] < 2:
        raise CohortError(f"The table has no column besides the outcome {outcome}")
    events = check_outcome(pd.to_numeric(df[outcome], errors="coerce").to_numpy(dtype=float, na_value=np.nan))
    rows: list[dict[str, Any]] = []
    for name in df.columns.drop(outcome):
        rows += _variable(df[name], events)
    table = pd.DataFrame(rows, columns=["variable", "level", "all", "without", "with", "missing", "test", "statistic", "p", "p_adjusted"])
    tested = table["p"].notna()
    table.loc[tested, "p_adjusted"] = false_discovery_control(table.loc[tested, "p"].to_numpy(dtype=float))
    table["p_adjusted"] = table["p_adjusted"].astype(float)
    return table


def _variable(column: pd.Series, events: np.ndarray) -> list[dict[str, Any]]:
    present = column.notna().to_numpy()
    values = column[present]
    groups = events[present]
    if not present.any():
        raise CohortError(f"Column {column.name} is missing in all {len(column)} rows: leave it out")
    if values.nunique() == 1:
        raise CohortError(f"Column {column.name} is {values.iloc[0]} in all {len(values)} rows that have it: leave it out")
    if groups.all() or not groups.any():
        which = "without" if groups.all() else "with"
        raise CohortError(f"Column {column.name} is missing in all patients {which} the outcome: there is nothing to compare")
    described = [_number(_finite(values, np.flatnonzero(present)), groups)] if _is_measured(values) else _category(values, groups)
    described[0] |= {"variable": str(column.name), "missing": int((~present).sum())}
    return [{"variable": str(column.name), **row} for row in described]


def _is_measured(values: pd.Series) -> bool:
    """Whether a column holds numbers on a scale, not categories: fractions, or whole numbers of many values."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return False
    return values.nunique() > _FEW_LEVELS or bool((values.to_numpy(dtype=float) % 1 != 0).any())


def _finite(values: pd.Series, rows: np.ndarray) -> np.ndarray:
    numbers = values.to_numpy(dtype=float)
    infinite = rows[~np.isfinite(numbers)]
    if len(infinite):
        shown = ", ".join(str(row) for row in infinite[:_SHOWN])
        raise CohortError(f"Column {values.name} is infinite in {len(infinite)} rows (first rows: {shown}): mend or empty these cells")
    return numbers


def _number(values: np.ndarray, events: np.ndarray) -> dict[str, Any]:
    from scipy.stats import mannwhitneyu, ttest_ind

    with_outcome, without = values[events], values[~events]
    if _is_normal(with_outcome) and _is_normal(without):
        found = ttest_ind(with_outcome, without, equal_var=False)
        test, text = "Welch t", "{:.4g} ± {:.3g}"

        def figures(group: np.ndarray) -> list[float]:
            return [group.mean(), group.std(ddof=1)]
    else:
        exact = max(len(with_outcome), len(without)) < _EXACT_BELOW and len(np.unique(values)) == len(values)
        found = mannwhitneyu(with_outcome, without, method="exact" if exact else "asymptotic")
        test, text = "Mann-Whitney", "{:.4g} [{:.4g}, {:.4g}]"

        def figures(group: np.ndarray) -> list[float]:
            return list(np.quantile(group, [0.5, 0.25, 0.75]))

    return {
        "level": "",
        "all": text.format(*figures(values)),
        "without": text.format(*figures(without)),
        "with": text.format(*figures(with_outcome)),
        "test": test,
        "statistic": float(found.statistic),
        "p": float(found.pvalue),
    }


def _is_normal(values: np.ndarray) -> bool:
    """Whether Shapiro and Wilk's test finds no departure from normality; it needs 3 different patients to find any."""
    from scipy.stats import shapiro

    return len(values) >= 3 and np.ptp(values) > 0 and float(shapiro(values).pvalue) >= _NORMAL_P


def _category(values: pd.Series, events: np.ndarray) -> list[dict[str, Any]]:
    import pandas as pd
    from scipy.stats import chi2_contingency
    from scipy.stats.contingency import expected_freq

    counts = pd.crosstab(values.reset_index(drop=True), pd.Series(events)).reindex(columns=[False, True])
    if len(counts) > _MOST_LEVELS:
        raise CohortError(f"Column {values.name} has {len(counts)} different categories: leave identifiers out, or join categories")
    table = counts.to_numpy()
    rows: list[dict[str, Any]] = [
        {"level": str(level), "all": _share(pair.sum(), table.sum()), "without": _share(pair[0], table[:, 0].sum())}
        | {"with": _share(pair[1], table[:, 1].sum())}
        for level, pair in zip(counts.index, table, strict=True)
    ]
    expected = expected_freq(table)
    low = expected < _LEAST_EXPECTED
    if low.any() if len(table) == 2 else (low.mean() > 0.2 or expected.min() < 1):
        rows[0] |= dict(zip(("test", "p"), _fisher(table), strict=True))
    else:
        found = chi2_contingency(table, correction=False)
        rows[0] |= {"test": "chi-square", "statistic": float(found.statistic), "p": float(found.pvalue)}
    return rows


def _share(count: int, of: int) -> str:
    return f"{count} ({100 * count / of:.1f} %)"


def _fisher(table: np.ndarray) -> tuple[str, float]:
    """Name and two-sided p of Fisher's exact test of (levels, 2) counts: the share, among all tables with these margins, of those no more
    probable than this one. Simulated where the tables are too many to go through."""
    from scipy.stats import fisher_exact, random_table

    if len(table) == 2:
        return "Fisher", float(fisher_exact(table).pvalue)
    halves = _halves(table)
    if max(float(np.prod(table[half].sum(axis=1) + 1.0)) for half in halves) <= _MOST_TABLES:
        return "Fisher", _freeman_halton(table, *halves)
    law = random_table(table.sum(axis=1), table.sum(axis=0), seed=0)
    seen = law.logpmf(table) + _TIE
    return "Fisher, simulated", (1 + int((law.logpmf(law.rvs(_SIMULATED)) <= seen).sum())) / (1 + _SIMULATED)


def _halves(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.argsort(table.sum(axis=1))
    return order[::2], order[1::2]


def _freeman_halton(table: np.ndarray, half: np.ndarray, rest: np.ndarray) -> float:
    """Exact p (Freeman and Halton 1951, doi 10.2307/2332323). Half of the levels are set against the rest: no list of whole tables."""
    totals, wanted = table.sum(axis=1), int(table[:, 0].sum())
    sums_a, logs_a = _ways(totals[half], wanted)
    sums_b, logs_b = _ways(totals[rest], wanted)
    order = np.lexsort((logs_b, sums_b))
    sums_b, logs_b = sums_b[order], logs_b[order]
    every = _log_choose(totals.sum(), wanted)
    limit = _log_choose(totals, table[:, 0]).sum() + _TIE
    p = 0.0
    for taken in np.unique(sums_a):
        others = logs_b[slice(*np.searchsorted(sums_b, [wanted - taken, wanted - taken + 1]))]
        if len(others):
            mine = logs_a[sums_a == taken]
            below = np.concatenate([[0.0], np.cumsum(np.exp(others - others[-1]))])
            p += float((np.exp(mine + others[-1] - every) * below[np.searchsorted(others, limit - mine, side="right")]).sum())
    return min(1.0, p)


def _ways(totals: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Every way to fill the first column of some levels: its sum (up to `most`), and the logarithm of the number of ways."""
    sums, logs = np.zeros(1, dtype=int), np.zeros(1)
    for total in totals:
        counts = np.arange(min(total, most) + 1)
        sums, logs = (sums[:, None] + counts).ravel(), (logs[:, None] + _log_choose(total, counts)).ravel()
        logs, sums = logs[sums <= most], sums[sums <= most]
    return sums, logs


def _log_choose(n: Any, k: Any) -> Any:
    from scipy.special import gammaln

    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
