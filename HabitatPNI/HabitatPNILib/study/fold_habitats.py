"""Features of a fold with the habitats of its own training patients: what cohort-scope clustering owes a cross-validation.

The habitats of the whole training split never saw an outcome, but they saw the voxels of the patients that a fold holds out. Here the
centroids are learned anew from the fold's training patients, and the features of the habitats (the whole tumour's do not change) are
extracted anew for everybody.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import __version__
from ..cohort import collect_cases, extractor, learn_habitats, prepared_paths
from ..cohort_steps import FEATURE_FORMAT, descriptors_of, stored_voxels, vector_format
from ..errors import CohortError, WeightsError
from ..features.table import parse_column
from ..frozen_model import HabitatCentroids
from ..preparation import map_habitats
from ..prepared_store import load_volumes
from ..progress import Progress, no_progress
from ..protocol import Protocol
from ..storage import write_file

if TYPE_CHECKING:
    import pandas as pd

    from ..cohort import Extraction


class FoldHabitats:
    """Makes feature tables whose habitats some of the patients alone have shaped.

    Parameters
    ----------
    features : (cases, columns) FeatureTable of the extraction, of the cases wanted
    extraction : of the cohort, in cohort scope
    folder : where tables are kept, so that nothing is extracted twice
    jobs : processes, each with one thread

    Raises
    ------
    CohortError
        when the prepared volumes of a case are not there, or the habitats were made case by case
    """

    def __init__(self, features: pd.DataFrame, extraction: Extraction, folder: Path, jobs: int = 1) -> None:
        if extraction.centroids is None:
            raise CohortError("Habitats were made case by case: there is nothing to learn inside a fold")
        volumes = prepared_paths(extraction)
        self._features, self._extraction, self._frozen = features, extraction, extraction.centroids
        self._volumes = {str(case): volumes[str(case)] for case in features.index}
        self._folder, self._jobs = folder, jobs
        self._columns = [name for name in features.columns if parse_column(name).region.startswith("habitat")]

    def table(self, learned_from: Sequence[str], progress: Progress = no_progress) -> pd.DataFrame:
        """FeatureTable of all cases with habitats learned from the cases `learned_from`.

        Raises
        ------
        CohortError
            naming the case whose features could not be extracted
        """
        path = self._folder / f"habitats-{self._key(learned_from)}.npz"
        values = self._load(path)
        if values is None:
            values = self._extract(self._learned(learned_from), progress)
            write_file(path, lambda temporary: np.savez_compressed(temporary, values=values))
        result = self._features.copy()
        result[self._columns] = values
        return result

    def _learned(self, learned_from: Sequence[str]) -> HabitatCentroids:
        return learn_habitats([self._volumes[str(case)] for case in learned_from], self._extraction.protocol)

    def _extract(self, centroids: HabitatCentroids, progress: Progress) -> np.ndarray:
        protocol = self._extraction.protocol
        if extractor(protocol.deep).weights_sha256 != self._extraction.weights_sha256:
            raise WeightsError(f"The weights of {protocol.deep.backbone} are not those of the extraction; run habitatpni extract again")
        place = {name: i for i, name in enumerate(self._columns)}
        values = self._features[self._columns].to_numpy(dtype=np.float64, copy=True)
        row = {str(case): i for i, case in enumerate(self._features.index)}
        tasks = [(case, path, protocol, centroids, self._frozen) for case, path in self._volumes.items()]
        rows, failures = collect_cases(habitat_features, tasks, self._jobs, progress, "Habitats inside a fold:")
        if failures:
            raise CohortError(f"Habitats inside a fold: {next(iter(failures.values()))}")
        for case, found in rows.items():
            for name in found.keys() & place.keys():
                values[row[case], place[name]] = found[name]
        return values

    def _load(self, path: Path) -> np.ndarray | None:
        """The kept values; None where there are none, or their file is damaged."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                values = kept["values"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return values if values.shape == (len(self._features), len(self._columns)) else None

    def _key(self, learned_from: Sequence[str]) -> str:
        """Hash of everything that decides the features; a volume's name is the hash of its own inputs."""
        protocol = self._extraction.protocol
        digest = hashlib.sha256(f"{__version__} {FEATURE_FORMAT} {self._extraction.weights_sha256} {self._frozen}".encode())
        digest.update(protocol.habitats.model_dump_json().encode() + protocol.deep.model_dump_json().encode())
        digest.update(repr((protocol.sequences, self._columns, *vector_format(protocol))).encode())
        for case in (*map(str, learned_from), "of all", *self._volumes):
            digest.update((self._volumes[case].stem if case in self._volumes else case).encode())
        return digest.hexdigest()[:32]


def habitat_features(case_id: str, path: Path, protocol: Protocol, centroids: HabitatCentroids, known: HabitatCentroids) -> dict[str, Any]:
    """Features of the habitats of a stored case that are not the ones of the `known` centroids, by column; all descriptors.

    A picture depends on its region's mask alone, so that a habitat of the same voxels keeps its features.
    """
    volumes = load_volumes(path)
    voxels = stored_voxels(path, volumes, protocol)
    maps = [map_habitats(volumes, protocol.habitats, protocol.sequences, c, voxels=voxels) for c in (centroids, known)]
    new, old = (found.regions() for found in maps)
    changed = {region: mask for region, mask in new.items() if region != "tumour" and not np.array_equal(mask, old[region])}
    deep = extractor(protocol.deep).extract(volumes.normalised, changed) if changed else {}
    return {**deep, **descriptors_of(maps[0], protocol)}
