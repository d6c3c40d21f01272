"""DICOM files made up for the readers' tests: classic series of any vendor's dialect, and enhanced multi-frame files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid

ANGLE = np.deg2rad(12)
ROW = (1.0, 0.0, 0.0)
COLUMN = (0.0, float(np.cos(ANGLE)), float(np.sin(ANGLE)))
NORMAL = np.cross(ROW, COLUMN)
STUDY = generate_uid(entropy_srcs=["study"])
FRAME = generate_uid(entropy_srcs=["frame"])
N, ROWS, COLUMNS = 5, 12, 10


def volume(seed: int = 0, n: int = N) -> np.ndarray:
    """Positive int16 voxels (n, rows, columns)."""
    return np.random.default_rng(seed).integers(200, 1000, (n, ROWS, COLUMNS)).astype(np.uint16)


def base(number: int, description: str, patient: str, time: str, study: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PatientID, dataset.PatientName = patient, "Doe^Secret"
    dataset.StudyInstanceUID, dataset.FrameOfReferenceUID = study, FRAME
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=[patient, study, str(number)])
    dataset.SeriesNumber, dataset.SeriesDescription = number, description
    dataset.Modality, dataset.AcquisitionTime, dataset.AcquisitionDate = "MR", time, "20200101"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset


def save(dataset: Dataset, path: Path, sop_class: str, *seeds: str) -> Path:
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[str(path), *seeds])
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = sop_class, dataset.SOPInstanceUID
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


Change = Callable[[Dataset, int], None]


def write_series(
    folder: Path,
    number: int,
    description: str = "",
    *,
    voxels: np.ndarray | None = None,
    tags: Mapping[str, Any] | None = None,
    change: Change | None = None,
    patient: str = "P1",
    study: str = STUDY,
    time: str = "100000",
    part: str = "",
    column: Sequence[float] = COLUMN,
    spacing: float = 2.0,
) -> list[Path]:
    """Classic single-frame files of one oblique axial series; `change` may alter each before it is written."""
    voxels = volume(number) if voxels is None else voxels
    paths = []
    for i, plane in enumerate(voxels):
        dataset = base(number, description, patient, time, study)
        dataset.Rows, dataset.Columns = plane.shape
        dataset.PixelSpacing = [spacing, spacing]
        dataset.ImageOrientationPatient = [*ROW, *column]
        dataset.ImagePositionPatient = [float(v) for v in np.array([-10.0, -12.0, 5.0]) + 3.0 * i * np.cross(ROW, column)]
        dataset.InstanceNumber = i + 1 + sum(1 for _ in folder.glob(f"s{number:02d}*"))
        for key, value in (tags or {}).items():
            setattr(dataset, key, value)
        if change:
            change(dataset, i)
        dataset.PixelData = plane.astype(np.uint16).tobytes()
        paths.append((dataset, folder / f"s{number:02d}{part}-{i:02d}.dcm"))
    return [save(dataset, path, MRImageStorage) for dataset, path in paths]


T2W = {"ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "M"], "RepetitionTime": 4000, "EchoTime": 100}
EPI = {"ScanningSequence": "EP", "ImageType": ["ORIGINAL", "PRIMARY", "M"], "RepetitionTime": 3000, "EchoTime": 70}
ADC = {**EPI, "ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}


def dwi_voxels(b: float, adc: float = 1.2e-3) -> np.ndarray:
    """Mono-exponential signal of a uniform diffusion coefficient in mm2/s, on the proton density of seed 99."""
    return np.round(volume(99).astype(float) * 20 * np.exp(-b * adc)).astype(np.uint16)


def adc_voxels() -> np.ndarray:
    """ADC in 1e-6 mm2/s between 800 and 1800."""
    return np.random.default_rng(5).integers(800, 1800, (N, ROWS, COLUMNS)).astype(np.uint16)


def write_enhanced(
    path: Path,
    number: int,
    description: str,
    frames: Sequence[tuple[int, np.ndarray, Mapping[str, Any]]],
    *,
    frame_type: Sequence[str],
    echo_planar: bool,
    slope: float = 1.0,
) -> Path:
    """One enhanced MR file of frames (slice index, plane, diffusion tags)."""
    dataset = base(number, description, "P1", "100000", STUDY)
    del dataset.AcquisitionTime
    dataset.AcquisitionDateTime = "20200101100000"
    dataset.ImageType = list(frame_type)
    dataset.EchoPulseSequence, dataset.EchoPlanarPulseSequence = "SPIN", "YES" if echo_planar else "NO"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = ROWS, COLUMNS, len(frames)
    shared, timing, orientation, measures = Dataset(), Dataset(), Dataset(), Dataset()
    timing.RepetitionTime = 3500.0
    orientation.ImageOrientationPatient = [*ROW, *COLUMN]
    measures.PixelSpacing = [2.0, 2.0]
    shared.MRTimingAndRelatedParametersSequence = [timing]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
    dataset.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for index, _, diffusion in frames:
        group, position, echo, kind, rescale = Dataset(), Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [float(v) for v in np.array([-10.0, -12.0, 5.0]) + 3.0 * index * NORMAL]
        echo.EffectiveEchoTime = 90.0
        kind.FrameType = list(frame_type)
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, 0, "US"
        group.PlanePositionSequence, group.MREchoSequence, group.MRImageFrameTypeSequence = [position], [echo], [kind]
        group.PixelValueTransformationSequence = [rescale]
        if diffusion:
            item = Dataset()
            for key, value in diffusion.items():
                setattr(item, key, value)
            group.MRDiffusionSequence = [item]
        groups.append(group)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.PixelData = np.stack([plane for _, plane, _ in frames]).astype(np.uint16).tobytes()
    return save(dataset, path, EnhancedMRImageStorage)


class DicomMaker:
    """The functions above, as one fixture."""

    T2W, EPI, ADC = T2W, EPI, ADC
    series = staticmethod(write_series)
    enhanced = staticmethod(write_enhanced)
    volume = staticmethod(volume)
    dwi_voxels = staticmethod(dwi_voxels)
    adc_voxels = staticmethod(adc_voxels)

    def examination(self, folder: Path) -> Path:
        """T2W (series 1), DWI of b 50 and 800 by the standard tag (series 2) and ADC (series 3)."""
        self.series(folder, 1, "t2", tags=T2W, time="100000")
        for b in (50, 800):
            self.series(
                folder, 2, "diffusion", voxels=dwi_voxels(b), tags={**EPI, "DiffusionBValue": float(b)}, part=f"b{b}", time="101000"
            )
        self.series(folder, 3, "map", voxels=adc_voxels(), tags=ADC, time="102000")
        return folder


@pytest.fixture
def maker() -> DicomMaker:
    """Writes made-up DICOM."""
    return DicomMaker()
