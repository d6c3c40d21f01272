"""Habitats of phantom patients against the phantom's truth, cohort scope.

Scaler and centroids are learned from one set of patients through the whole pipeline (registration included) and applied
to others. The ceiling is what the true centroids and the true alignment give: sequences resampled with the true
transform, centroids the mean vectors of the true habitats over the same training patients.
"""

from __future__ import annotations

import argparse

import numpy as np
import SimpleITK as sitk
from sklearn.metrics import adjusted_rand_score

from HabitatPNILib.frozen_model import HabitatCentroids
from HabitatPNILib.habitats.clustering import HabitatClusterer, assign, draw_voxels
from HabitatPNILib.imaging.phantom import PhantomEffects, phantom_case
from HabitatPNILib.imaging.preprocessing import Preprocessed, preprocess
from HabitatPNILib.preparation import prepare
from HabitatPNILib.protocol import Protocol


def true_labels(truth_map: sitk.Image, prepared: Preprocessed) -> np.ndarray:
    """True habitats (voxels,) at the ROI's voxels; the two grids are the same."""
    return sitk.GetArrayViewFromImage(truth_map)[prepared.roi_array]


def main() -> None:
    """Print the adjusted Rand index of every patient and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--training", type=int, default=40)
    parser.add_argument("--test", type=int, default=20)
    parser.add_argument("--seed", type=int, default=5000, help="first seed; patients of both sets differ")
    parser.add_argument("--translation", type=float, default=4.0, help="largest misalignment in mm")
    parser.add_argument("--rotation", type=float, default=4.0, help="largest misalignment in degrees")
    parser.add_argument("--no-distortion", action="store_true")
    options = parser.parse_args()
    protocol = Protocol.load("pca-pni")
    names, section = protocol.sequences, protocol.habitats
    effects = PhantomEffects(distortion=not options.no_distortion)

    def both_ways(seed: int) -> tuple[Preprocessed, Preprocessed, sitk.Image]:
        case, truth = phantom_case(seed, effects=effects, max_translation_mm=options.translation, max_rotation_deg=options.rotation)
        aligned = preprocess(case, names, protocol.fixed, {"t2w": truth.transform}, protocol.preprocessing)
        return prepare(case, protocol).preprocessed, aligned, truth.habitats

    learned, sums, pooled, counts = [], np.zeros((section.k, len(names))), [], np.zeros(section.k)
    for i in range(options.training):
        found, aligned, truth_map = both_ways(options.seed + i)
        learned.append(draw_voxels(found.voxel_vectors(names), section.voxels_per_patient, section.seed + i))
        vectors, labels = aligned.voxel_vectors(names), true_labels(truth_map, aligned)
        pooled.append(draw_voxels(vectors, section.voxels_per_patient, section.seed + i))
        for k in range(section.k):
            sums[k] += vectors[labels == k + 1].sum(axis=0)
            counts[k] += (labels == k + 1).sum()
    centroids = HabitatClusterer(section.k, names, section.order_by, section.seed).fit(np.concatenate(learned)).centroids_
    everyone = np.concatenate(pooled)
    mean, scale = everyone.mean(axis=0), everyone.std(axis=0)
    rows = ((sums / counts[:, None] - mean) / scale).tolist()
    true_centroids = HabitatCentroids(names, tuple(mean.tolist()), tuple(scale.tolist()), tuple(tuple(row) for row in rows))

    results = []
    for i in range(options.test):
        found, aligned, truth_map = both_ways(options.seed + options.training + i)
        pairs = []
        for way, frozen in ((found, centroids), (aligned, true_centroids)):
            labels = true_labels(truth_map, way)
            inside = labels > 0
            pairs.append(adjusted_rand_score(labels[inside], assign(way.voxel_vectors(names), frozen)[inside]))
        results.append(pairs)
        print(f"seed {options.seed + options.training + i}: ARI {pairs[0]:.3f}, ceiling {pairs[1]:.3f}", flush=True)
    pipeline, ceiling = np.median(np.array(results), axis=0)
    print(f"median of {options.test}: ARI {pipeline:.3f}, ceiling {ceiling:.3f}, ratio {pipeline / ceiling:.1%}")


if __name__ == "__main__":
    main()
