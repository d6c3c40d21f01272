"""The selection chain of one region: mRMR from 6,144 features to 100, then a LASSO path with ten-fold cross-validation, 173 patients.

The features are drawn: 60 hidden factors that they share and noise of their own, so that they repeat each other as deep features do; the
outcome follows three of the factors and is positive in about a fifth of the patients.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from HabitatPNILib.learning.signature import LassoSignature
from HabitatPNILib.protocol import Protocol

PATIENTS, FEATURES, FACTORS = 173, 6144, 60


def main() -> None:
    """Print the median and the slowest of the rounds, which differ in their patients."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    settings = Protocol.load("pca-pni").selection
    seconds, kept = [], []
    for seed in range(options.rounds + 1):
        generator = np.random.default_rng(seed)
        hidden = generator.normal(size=(PATIENTS, FACTORS))
        X = hidden @ generator.normal(size=(FACTORS, FEATURES)) + 3 * generator.normal(size=(PATIENTS, FEATURES))
        y = (generator.random(PATIENTS) < 1 / (1 + np.exp(1.9 - hidden[:, :3].sum(axis=1)))).astype(int)
        estimator = LassoSignature(settings.mrmr_features, settings.mrmr_scheme, settings.folds, settings.lasso_rule, settings.seed)
        started = time.perf_counter()
        kept.append(estimator.fit(X, y).n_selected_)
        seconds.append(time.perf_counter() - started)
    # The first round pays for imports.
    typical, slowest = np.median(seconds[1:]), max(seconds[1:])
    print(f"a region: median {typical:.2f} s, slowest {slowest:.2f} s (at most 3); {np.median(kept):.0f} features kept")


if __name__ == "__main__":
    main()
