"""Whole case from loaded images to probability: seconds by stage and peak memory.

Run by `make bench`. The network is loaded inside the measured time, as for a user's first case; a second case follows
with the network warm.
"""

from __future__ import annotations

import argparse
import os
import platform
import time

import psutil

from HabitatPNILib.analysis import analyse, versions
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.imaging.phantom import phantom_case


def peak_memory_gb() -> float:
    """Peak resident memory of this process in GB."""
    information = psutil.Process().memory_info()
    if hasattr(information, "peak_wset"):
        return information.peak_wset / 1e9
    import resource

    unit = 1 if platform.system() == "Darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def main() -> None:
    """Print a table of the measured cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="pca-pni-phantom")
    parser.add_argument("--cases", type=int, default=3)
    options = parser.parse_args()
    model = load_model(options.model)
    cases = [phantom_case(9000 + i)[0] for i in range(options.cases)]
    print(f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, {versions()}")
    for case in cases:
        start = time.perf_counter()
        analysis = analyse(case, model)
        total = time.perf_counter() - start
        stages = ", ".join(f"{stage} {seconds:.1f}" for stage, seconds in analysis.times.items())
        print(f"{case.case_id}: {total:.1f} s ({stages}); p = {analysis.probability:.4f}; peak memory so far {peak_memory_gb():.2f} GB")


if __name__ == "__main__":
    main()
