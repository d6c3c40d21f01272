"""How long DeLong's interval and test take as patients become many: O(n log n), aimed at 10 ms for 10,000 patients."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from HabitatPNILib.evaluation.discrimination import auc_ci, delong_test


def main() -> None:
    """Print median and best times of both, and the growth from step to step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    print(f"{'patients':>10}{'auc_ci ms':>12}{'best':>8}{'delong_test ms':>18}{'best':>8}")
    for patients in (1_000, 10_000, 100_000):
        generator = np.random.default_rng(1)
        y = generator.random(patients) < 0.3
        a, b = y + generator.normal(size=(2, patients))
        rounds = max(5, options.rounds * 10_000 // max(patients, 10_000))
        interval = _milliseconds(lambda y=y, a=a: auc_ci(y, a), rounds)
        test = _milliseconds(lambda y=y, a=a, b=b: delong_test(y, a, b), rounds)
        print(f"{patients:10,}{interval[0]:12.2f}{interval[1]:8.2f}{test[0]:18.2f}{test[1]:8.2f}")
        if patients == 10_000:
            verdict = "reached" if test[0] <= 10 else "not reached"
            print(f"{'':10}10 ms for delong_test of 10,000 patients: {verdict}")


def _milliseconds(job: Callable[[], object], rounds: int) -> tuple[float, float]:
    job()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        job()
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times)), min(times)


if __name__ == "__main__":
    main()
