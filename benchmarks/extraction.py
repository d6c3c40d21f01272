"""Extraction of a cohort with one and with two processes, each with one thread, in turn; the ratio is of the best run of each.

Every run starts from an empty folder: images are read, registered and prepared, habitats learned, deep features computed.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from HabitatPNILib.cohort import extract
from HabitatPNILib.phantoms import write_phantom_cohort
from HabitatPNILib.study_commands import chosen_protocol


def main() -> None:
    """Print seconds of every run, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    protocol = chosen_protocol("pca-pni", weights="seeded:101")
    best = {1: float("inf"), 2: float("inf")}
    with tempfile.TemporaryDirectory() as folder:
        cohort = write_phantom_cohort(Path(folder) / "cohort", (options.cases - 2, 1, 1), 5, 2)
        for number in range(options.rounds):
            for jobs in best:
                started = time.perf_counter()
                found = extract(cohort, protocol, Path(folder) / f"features{number}-{jobs}", jobs)
                seconds = time.perf_counter() - started
                best[jobs] = min(best[jobs], seconds)
                print(f"{len(found.features)} cases, {jobs} processes: {seconds:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)
    print(f"two processes are {best[1] / best[2]:.2f} times as fast as one (at least 1.8)")


if __name__ == "__main__":
    main()
