"""How fast one case's pictures go through ResNet-101, against one picture at a time and against matrix multiplication.

All figures come from one run and its rounds are interleaved, so that their ratios hold on a busy machine too.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from HabitatPNILib.features.deep import DeepExtractor
from HabitatPNILib.networks.resnet import build_resnet, fold_batch_norm, normalise_imagenet
from HabitatPNILib.networks.weights import load_state
from HabitatPNILib.protocol import DeepSection

PICTURES = 12
"""Four regions (three habitats, whole tumour) by three sequences."""
MATRIX = 2048
ONE_BY_ONE, BATCHED, FOLDED, EXTRACTOR, MATMUL = (
    "one by one",
    "batched",
    "batched, folded",
    "batched, folded, channels-last",
    "matrix multiply",
)


def main() -> None:
    """Print times, rates and the two ratios that are aimed at."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    jobs, gflop = _jobs()
    times = {name: [] for name in jobs}
    with torch.inference_mode():
        for job in jobs.values():
            job()
        for _ in range(options.rounds):
            for name, job in jobs.items():
                start = time.perf_counter()
                job()
                times[name].append(time.perf_counter() - start)
    print(f"{PICTURES} pictures 224x224, ResNet-101, {gflop[EXTRACTOR] / PICTURES:.2f} GFLOP each")
    print(f"{options.threads} threads, {options.rounds} rounds")
    print(f"{'':32}{'median s':>10}{'best s':>10}{'GFLOP/s':>10}{'best':>8}")
    for name, seconds in times.items():
        middle, best = float(np.median(seconds)), min(seconds)
        print(f"{name:32}{middle:10.2f}{best:10.2f}{gflop[name] / middle:10.0f}{gflop[name] / best:8.0f}")
    _report("extractor's pass is faster than one by one by", times, ONE_BY_ONE, 1.0, "2.0")
    _report("share of the matrix-multiply rate", times, MATMUL, gflop[EXTRACTOR] / gflop[MATMUL], "0.75")


def _report(what: str, times: dict[str, list[float]], against: str, work: float, target: str) -> None:
    rounds = work * np.array(times[against]) / np.array(times[EXTRACTOR])
    best = work * min(times[against]) / min(times[EXTRACTOR])
    print(f"{what}: {np.median(rounds):.2f} (median of rounds), {best:.2f} (best times); target {target}")


def _jobs() -> tuple[dict[str, Callable[[], object]], dict[str, float]]:
    """What is timed, and the work in each in 1e9 floating-point operations."""
    extractor = DeepExtractor(DeepSection(backbone="resnet101", weights="seeded:0"))
    state = load_state("resnet101", "seeded:0").state_dict
    plain, folded = build_resnet("resnet101"), build_resnet("resnet101")
    plain.load_state_dict({**state}, strict=False)
    folded.load_state_dict({**state}, strict=False)
    fold_batch_norm(folded)
    pictures = np.random.default_rng(0).random((PICTURES, 3, 224, 224), dtype=np.float32)
    batch = normalise_imagenet(torch.from_numpy(pictures))
    a, b = torch.rand(MATRIX, MATRIX), torch.rand(MATRIX, MATRIX)
    jobs: dict[str, Callable[[], object]] = {
        ONE_BY_ONE: lambda: [plain(picture[None]) for picture in batch],
        BATCHED: lambda: plain(batch),
        FOLDED: lambda: folded(batch),
        EXTRACTOR: lambda: extractor.features(pictures),
        MATMUL: lambda: [torch.mm(a, b) for _ in range(8)],
    }
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        plain(batch[:1])
    gflop = dict.fromkeys(jobs, PICTURES * counter.get_total_flops() / 1e9)
    gflop[MATMUL] = 8 * 2 * MATRIX**3 / 1e9
    return jobs, gflop


if __name__ == "__main__":
    main()
