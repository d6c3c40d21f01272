"""The phantom study over ten cohorts: how near the combined model comes to the AUC that the phantom's law allows.

The images are those of one extracted phantom cohort (features cached, habitats as extracted; neither knows an outcome). For every seed the
clinical values and outcomes of all patients are drawn anew from the law, and centre 1 is divided anew into training and internal
validation; then the whole pipeline is fitted on the training patients. Printed are the AUCs of every seed and their means.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from HabitatPNILib.cohort import collect_cases, load_extraction
from HabitatPNILib.evaluation.discrimination import auc
from HabitatPNILib.imaging.phantom_cohort import SEEDS_PER_COHORT
from HabitatPNILib.imaging.phantom_law import draw_patient
from HabitatPNILib.learning.pipeline import MODEL_CLINICAL, MODEL_COMBINED, fit_pipeline

TRAINING = 173


def drawn_cohort(features: pd.DataFrame, cohort_seed: int, seed: int) -> pd.DataFrame:
    """Split, outcome, true log odds and clinical values of every case for one seed."""
    rows = []
    for case in features.index:
        number = int(case.rsplit("-", 1)[1])
        patient = draw_patient(cohort_seed * SEEDS_PER_COHORT + number, clinical_seed=10**9 + seed * SEEDS_PER_COHORT + number)
        rows.append({"case_id": case, "outcome": patient.outcome, "truth": patient.linear_predictor, **patient.clinical})
    table = pd.DataFrame(rows).set_index("case_id")
    centre1 = np.array([case for case in table.index if "centre1" in case])
    shuffled = np.random.default_rng(seed).permutation(centre1)
    table["split"] = "external"
    table.loc[shuffled[:TRAINING], "split"] = "training"
    table.loc[shuffled[TRAINING:], "split"] = "internal"
    return table


def one_seed(name: str, folder: Path, cohort_seed: int, seed: int) -> dict[str, float]:
    """AUCs of one seed."""
    extraction = load_extraction(folder)
    table = drawn_cohort(extraction.features, cohort_seed, seed)
    clinical = table[list(extraction.protocol.clinical.candidates)].astype(float)
    training = table.index[table["split"] == "training"]
    fitted = fit_pipeline(
        extraction.features.loc[training], clinical.loc[training], table.loc[training, "outcome"], extraction.protocol, strict=False
    )
    scores = fitted.log_odds(extraction.features.loc[table.index], clinical)
    found: dict[str, float] = {"events": float(table.loc[training, "outcome"].sum()), "features": float(fitted.n_selected)}
    for split in ("training", "internal", "external"):
        rows = table.index[table["split"] == split]
        y = table.loc[rows, "outcome"]
        found[f"bayes {split}"] = auc(y, table.loc[rows, "truth"])
        for model in (MODEL_CLINICAL, *fitted.regions, MODEL_COMBINED):
            found[f"{model} {split}"] = auc(y, scores.loc[rows, model])
    return found


def main() -> None:
    """Print a table of the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("features", type=Path, help="folder of habitatpni extract of a phantom cohort")
    parser.add_argument("--cohort-seed", type=int, default=1, help="seed of that cohort (default 1)")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tasks = [(str(seed), options.features, options.cohort_seed, seed) for seed in range(1, options.seeds + 1)]
    rows, failures = collect_cases(one_seed, tasks, options.jobs, lambda fraction, text: print(text, flush=True), "Seeds:")
    for seed, reason in failures.items():
        print(f"seed {seed}: {reason}")
    table = pd.DataFrame(rows).T
    shown = ["events", "features", "bayes external", "clinical external", "combined external", "combined training", "combined internal"]
    pd.set_option("display.width", 200)
    print(table[shown].round(3).to_string())
    mean = table.mean()
    print(mean.round(3).to_string())
    print(f"Bayes - clinical, external: {mean['bayes external'] - mean['clinical external']:.3f} (at least .08)")
    print(f"Bayes - combined, external: {mean['bayes external'] - mean['combined external']:.3f} (at most .05, aim .03)")
    print(f"apparent - external, combined: {mean['combined training'] - mean['combined external']:.3f}")


if __name__ == "__main__":
    main()
