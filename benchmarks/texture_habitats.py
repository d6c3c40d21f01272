"""Texture habitats of a tumour of 4,500 voxels: seconds from prepared images to habitats and their validity curve.

A phantom patient on the analysis grid, its outline replaced by a sphere; texture of T2W, DWI and ADC as protocol ``hcc-grade`` asks
for it (77 features, 5 x 5 voxels of a slice), K-means, Calinski-Harabasz, silhouette and Davies-Bouldin for 3 to 9 habitats. The first
round loads packages and kernels and is not counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.habitat_vectors import habitat_voxels, learn
from HabitatPNILib.imaging.phantom import phantom_case
from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.preparation import habitat_validity, prepare
from HabitatPNILib.protocol import Protocol


def with_sphere(found: Preprocessed, voxels: int) -> Preprocessed:
    """The same images with a region of the voxels nearest the outline's middle."""
    places = np.indices(found.roi_array.shape).reshape(3, -1).T
    middle = np.argwhere(found.roi_array).mean(axis=0)
    inside = np.zeros(len(places), np.uint8)
    inside[np.argsort(((places - middle) ** 2).sum(axis=1), kind="stable")[:voxels]] = 1
    roi = sitk.GetImageFromArray(inside.reshape(found.roi_array.shape))
    roi.CopyInformation(found.roi)
    return dataclasses.replace(found, roi=roi)


def main() -> None:
    """Print the seconds of each stage, wall and processor time, median of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voxels", type=int, default=4500)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(options.threads)
    protocol, texture = Protocol.load("pca-pni"), Protocol.load("hcc-grade").habitats
    settings = texture.model_copy(update={"order_by": "adc"})
    case, _ = phantom_case(2034)
    found = with_sphere(prepare(case, protocol).preprocessed, options.voxels)
    rows = []
    for _ in range(options.repeats + 1):
        times = [(time.perf_counter(), time.process_time())]
        voxels = habitat_voxels(found, settings, protocol.sequences)
        times.append((time.perf_counter(), time.process_time()))
        frozen = learn(settings, voxels)
        times.append((time.perf_counter(), time.process_time()))
        curve = habitat_validity(found, settings, frozen, voxels=voxels)
        times.append((time.perf_counter(), time.process_time()))
        rows.append(np.diff(np.array(times), axis=0))
    median = np.median(rows[1:], axis=0)
    print(f"{len(voxels.values)} voxels, {voxels.values.shape[1]} columns, k {curve.k[0]} to {curve.k[-1]}, {options.threads} threads\n")
    print("| stage | wall s | processor s |\n|---|---|---|")
    for name, (wall, cpu) in zip(("texture", "habitats", "validity curve", "in all"), (*median, median.sum(axis=0)), strict=True):
        print(f"| {name} | {wall:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
