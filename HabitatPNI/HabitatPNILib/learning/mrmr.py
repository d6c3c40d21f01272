"""mRMR: a screen that keeps features which tell of the outcome and repeat each other little."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..errors import CohortError
from .checks import check_matrix, check_outcome

Scheme = Literal["FCQ", "MID", "MIQ"]

_FLOOR = 1e-3  # least redundancy in a quotient: without it an accidentally uncorrelated feature would score without bound
_TIE = 1e-12
_BLOCK = 512


def mrmr(X: np.ndarray, y: np.ndarray, n_features: int, scheme: Scheme = "FCQ") -> np.ndarray:
    """Columns chosen one by one for the most relevance to `y` at the least redundancy with those already chosen.

    With relevance V(j) of feature j and W(j), the mean redundancy of j with the features already chosen, the next one has the highest

    - ``FCQ``: V / W, V the F-statistic of the two classes, W the mean absolute Pearson correlation (Zhao et al. 2019,
      doi 10.1109/DSAA.2019.00059);
    - ``MID``: V - W and ``MIQ``: V / W, both mutual information in nats of features cut into three levels at mean +- half a standard
      deviation (Ding and Peng 2005, doi 10.1142/S0219720005001004).

    The first one has the highest V. In the quotients a pair's redundancy counts at least 0.001. Among equal scores the lowest column
    wins. Constant columns are never chosen.

    Parameters
    ----------
    X : (patients, features), finite
    y : (patients,) of 0 and 1
    n_features : how many to choose; fewer come back when fewer columns vary

    Returns
    -------
    (chosen,) column indices in the order of choice

    Raises
    ------
    CohortError
        for missing or infinite values (naming the column), an outcome that is not 0/1, or no column that varies
    """
    X = check_matrix(X)
    y = check_outcome(y, len(X))
    if scheme not in ("FCQ", "MID", "MIQ"):
        raise ValueError(f"scheme must be FCQ, MID or MIQ, not {scheme}")
    return mrmr_of_rows(np.ascontiguousarray(X.T), y, n_features, scheme)


def mrmr_of_rows(features: np.ndarray, y: np.ndarray, n_features: int, scheme: Scheme) -> np.ndarray:
    """`mrmr` without its checks, of a (features, patients) array that is contiguous by rows: for repeated use in cross-validation."""
    measure = (_Correlation if scheme == "FCQ" else _Information)(features, y)
    if not len(measure.columns):
        raise CohortError("All features are constant over these patients: there is nothing to select; check the extraction")
    return _search(measure, n_features, quotient=scheme != "MID")


class _Correlation:
    """F-statistics, and absolute Pearson correlations of rows of standardised features."""

    def __init__(self, features: np.ndarray, y: np.ndarray) -> None:
        centred = features - features.mean(axis=1, keepdims=True)
        norm = np.sqrt(np.einsum("ij,ij->i", centred, centred))
        varies = norm > 1e-10 * np.abs(features).max(axis=1, initial=0.0)
        outcome = y - y.mean()
        r = centred @ outcome / (np.where(varies, norm, 1.0) * np.sqrt(outcome @ outcome))
        squared = np.minimum(r * r, 1 - 1e-15)
        relevance = squared / (1 - squared) * (len(y) - 2)
        # The search looks at blocks in this order, and most blocks of little relevance only once or twice.
        self.columns = np.flatnonzero(varies)
        self.columns = self.columns[np.argsort(-relevance[self.columns], kind="stable")]
        self.relevance = relevance[self.columns]
        self._rows = centred[self.columns]
        self._rows /= norm[self.columns, None]

    def redundancy(self, block: slice, chosen: list[int]) -> np.ndarray:
        """(features of the block, chosen)."""
        return np.abs(self._rows[block] @ self._rows[chosen].T)


class _Information:
    """Mutual information of features cut into three levels, with the outcome and among each other."""

    def __init__(self, features: np.ndarray, y: np.ndarray) -> None:
        mean, deviation = features.mean(axis=1, keepdims=True), features.std(axis=1, keepdims=True)
        n = features.shape[1]
        low, high = features < mean - deviation / 2, features > mean + deviation / 2
        counts = np.arange(n + 1, dtype=float)
        self._plogp = counts / n * np.log(np.maximum(counts, 1) / n)
        varies = (deviation > 1e-10 * np.abs(features).max(axis=1, keepdims=True, initial=0.0))[:, 0]
        columns = np.flatnonzero(varies)
        # Counts of n < 2^24 patients are exact in float32.
        levels = np.stack([low[columns], ~(low | high)[columns], high[columns]]).astype(np.float32)
        outcome = np.stack([y == 0, y == 1]).astype(np.float32)
        relevance = self._information(levels, outcome[:, None, :])[:, 0]
        order = np.argsort(-relevance, kind="stable")
        self.columns, self.relevance, self._levels = columns[order], relevance[order], levels[:, order]

    def redundancy(self, block: slice, chosen: list[int]) -> np.ndarray:
        """(features of the block, chosen)."""
        return self._information(self._levels[:, block], self._levels[:, chosen])

    def _information(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """(rows of a, rows of b) from indicators of levels, both (levels, rows, patients)."""
        joint = sum(self._entropy_terms(level_a @ level_b.T) for level_a in a for level_b in b)
        return joint - self._entropy_terms(a.sum(axis=2)).sum(axis=0)[:, None] - self._entropy_terms(b.sum(axis=2)).sum(axis=0)

    def _entropy_terms(self, counts: np.ndarray) -> np.ndarray:
        return self._plogp[counts.astype(np.intp)]


def _search(measure: _Correlation | _Information, n_features: int, quotient: bool) -> np.ndarray:
    """Greedy choice; exact, though it leaves out blocks of features that cannot win.

    A feature's summed redundancy only grows. So its sum over the first few chosen ones bounds its score from above, and a block whose
    bound lies below the best score needs no update; what it has missed is made good in one matrix product when its turn comes.
    """
    size = len(measure.columns)
    total = np.zeros(size)
    starts = range(0, size, _BLOCK)
    blocks = [slice(start, min(start + _BLOCK, size)) for start in starts]
    seen = [0] * len(blocks)
    open_ = np.ones(size, dtype=bool)
    chosen: list[int] = []

    def score(block: slice) -> np.ndarray:
        if not chosen:
            return measure.relevance[block]
        mean = total[block] / len(chosen)
        values = measure.relevance[block] / np.maximum(mean, _FLOOR) if quotient else measure.relevance[block] - mean
        return np.where(open_[block], values, -np.inf)

    for _ in range(min(n_features, size)):
        bound = score(slice(0, size))
        tops = np.maximum.reduceat(bound, starts)
        best, candidates = -np.inf, []
        for index in np.argsort(-tops, kind="stable"):
            if tops[index] < best - _TIE * abs(best) - 1e-14:
                break
            block = blocks[index]
            if seen[index] < len(chosen):
                missed = measure.redundancy(block, chosen[seen[index] :])
                total[block] += (np.maximum(missed, _FLOOR) if quotient else missed).sum(axis=1)
                seen[index] = len(chosen)
            values = score(block)
            best = max(best, float(values.max()))
            candidates.append((block.start, values))
        equal = [start + np.flatnonzero(values >= best - _TIE * abs(best)) for start, values in candidates]
        winner = min(np.concatenate(equal), key=lambda row: measure.columns[row])
        chosen.append(int(winner))
        open_[winner] = False
    return measure.columns[chosen]
