"""From registered sequences to voxel vectors: bias field, one interpolation to the analysis grid, outliers, z-score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from ..case import SEQUENCE_LABELS, Case
from ..errors import CaseError
from ..geometry import isotropic_grid, like
from ..one_thread import one_itk_thread
from ..progress import Progress, no_progress
from ..protocol import Interpolation, Normalisation, PreprocessingSection, SequenceName
from .padding import padding_mask
from .roi import select_lesions

_INTERPOLATORS = {"bspline": sitk.sitkBSpline, "linear": sitk.sitkLinear}
_N4_SHRINK = 4
LARGE_LESION_ML = 20.0
POSSIBLE_ADC = (100.0, 3500.0)
"""Median ADC (1e-6 mm2/s) in the ROI that tissue can have at all: free water at body temperature has about 3000."""
USUAL_ADC = (300.0, 2500.0)


@dataclass(frozen=True)
class Preprocessed:
    """A case on its analysis grid.

    Parameters
    ----------
    images : sequences in scanner units, float32, 0 outside a sequence's own field of view
    normalised : the same after clipping and z-score
    roi : uint8 tumour mask; every voxel of it lies inside the field of view of all sequences
    lesions : number of separate lesions outlined
    warnings : what was noticed about the ROI
    quantitative : sequences that enter the habitats in scanner units
    """

    images: Mapping[str, sitk.Image]
    normalised: Mapping[str, sitk.Image]
    roi: sitk.Image
    lesions: int
    warnings: tuple[str, ...]
    quantitative: tuple[str, ...] = ()

    @property
    def roi_array(self) -> np.ndarray:
        """ROI as bool (z, y, x)."""
        return sitk.GetArrayViewFromImage(self.roi) != 0

    def habitat_image(self, sequence: str) -> sitk.Image:
        """A sequence as it enters the habitats: z-scored, or in scanner units if quantitative."""
        return (self.images if sequence in self.quantitative else self.normalised)[sequence]

    def voxel_vectors(self, sequences: tuple[str, ...]) -> np.ndarray:
        """Intensities (voxels, sequences) inside the ROI in (z, y, x) raster order: z-scored, or in scanner units if quantitative."""
        inside = self.roi_array
        return np.stack([sitk.GetArrayViewFromImage(self.habitat_image(s))[inside] for s in sequences], axis=1).astype(np.float64)


def preprocess(
    case: Case,
    sequences: tuple[SequenceName, ...],
    fixed: SequenceName,
    transforms: Mapping[str, sitk.Transform],
    settings: PreprocessingSection,
    progress: Progress = no_progress,
) -> Preprocessed:
    """Bring a case onto its analysis grid.

    Parameters
    ----------
    case : with an ROI and all `sequences`
    fixed : sequence whose directions and field of view the grid takes over
    transforms : for each sequence that was registered, fixed points -> its own points (LPS mm); none: scanner geometry
    settings : the protocol's section

    Raises
    ------
    CaseError
        when fewer ROI voxels are left on the grid than the protocol asks for, or ADC cannot be that of tissue in them
    """
    grid = isotropic_grid(case.images[fixed], settings.spacing_mm)
    images: dict[str, sitk.Image] = {}
    valid: dict[str, np.ndarray] = {}
    for i, name in enumerate(sequences):
        progress(i / (len(sequences) + 1), f"Resampling {SEQUENCE_LABELS[name]}")
        image = sitk.Cast(case.images[name], sitk.sitkFloat32)
        if name in settings.n4:
            image = correct_bias_field(image)
        transform = transforms.get(name, sitk.Transform(3, sitk.sitkIdentity))
        images[name], valid[name] = _resample(image, grid, transform, settings.interpolation[name], name != "adc")
    progress(len(sequences) / (len(sequences) + 1), "Resampling the ROI")
    roi, lesions, warnings = _resample_roi(case, grid, transforms, valid, fixed, settings)
    inside = sitk.GetArrayViewFromImage(roi) != 0
    if "adc" in images:
        warnings += _check_tissue(float(np.median(sitk.GetArrayViewFromImage(images["adc"])[inside])), case.case_id)
    normalised: dict[str, sitk.Image] = {}
    for name in sequences:
        method = settings.normalisation[name]
        values = _normalise(sitk.GetArrayFromImage(images[name]), valid[name], inside, method, settings.clip_sigma)
        normalised[name] = like(values, grid)
    progress(1.0, "Preprocessed")
    quantitative = tuple(name for name in sequences if settings.normalisation[name] == "quantitative")
    return Preprocessed(images, normalised, roi, lesions, tuple(warnings), quantitative)


def correct_bias_field(image: sitk.Image) -> sitk.Image:
    """N4 bias field correction (Tustison et al., IEEE TMI 2010), fitted on a 4-fold shrunken copy over the Otsu foreground.

    With one thread: the sums of the filters inside depend on how many there are.
    """
    with one_itk_thread():
        shrink = [min(_N4_SHRINK, max(1, n // 16)) for n in image.GetSize()]
        small = sitk.Shrink(image, shrink)
        n4 = sitk.N4BiasFieldCorrectionImageFilter()
        n4.SetNumberOfThreads(1)
        n4.SetMaximumNumberOfIterations([30, 30, 30])
        n4.Execute(small, sitk.OtsuThreshold(small, 0, 1, 200))
        field = sitk.Exp(sitk.Cast(n4.GetLogBiasFieldAsImage(image), sitk.sitkFloat32))
        return image / field


def _resample(
    image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, interpolation: Interpolation, padded: bool
) -> tuple[sitk.Image, np.ndarray]:
    """One interpolation onto the grid; values stay within the image's own (a spline overshoots at edges).

    `padded` looks for padding inside the image too. A scanner's ADC map is 0 where the signal was too low, which is no padding.
    """
    resampled = sitk.Resample(image, grid, transform, _INTERPOLATORS[interpolation], 0.0, sitk.sitkFloat32)
    source = sitk.GetArrayViewFromImage(image)
    valid = _valid_field_of_view(image, grid, transform, padded)
    values = np.clip(sitk.GetArrayViewFromImage(resampled), source.min(), source.max())
    return like(np.where(valid, values, np.float32(0)), grid), valid


def _valid_field_of_view(image: sitk.Image, grid: sitk.Image, transform: sitk.Transform, padded: bool) -> np.ndarray:
    """Grid voxels (z, y, x) bool whose position the sequence really covers."""
    measured = padding_mask(image) == 0 if padded else sitk.Image(image.GetSize(), sitk.sitkUInt8) + 1
    measured.CopyInformation(image)
    return sitk.GetArrayFromImage(sitk.Resample(measured, grid, transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)) != 0


def _resample_roi(
    case: Case,
    grid: sitk.Image,
    transforms: Mapping[str, sitk.Transform],
    valid: Mapping[str, np.ndarray],
    fixed: str,
    settings: PreprocessingSection,
) -> tuple[sitk.Image, int, list[str]]:
    assert case.roi is not None
    warnings = []
    chosen, lesions = select_lesions(case.roi, settings.lesions)
    if lesions > 1:
        taken = "all of them are taken together" if settings.lesions == "union" else "only the largest is analysed"
        warnings.append(f"The ROI holds {lesions} separate lesions: {taken}")
    transform = transforms.get(case.roi_frame, sitk.Transform(3, sitk.sitkIdentity))
    on_grid = sitk.GetArrayFromImage(sitk.Resample(chosen, grid, transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)) != 0
    total = int(on_grid.sum())
    for name, covered in valid.items():
        lost = int((on_grid & ~covered).sum())
        on_grid &= covered
        if lost:
            warnings.append(f"{lost} of {total} ROI voxels lie outside the {SEQUENCE_LABELS[name]} image and were left out")
    count = int(on_grid.sum())
    if count < settings.min_roi_voxels:
        size = "x".join(f"{s:g}" for s in settings.spacing_mm)
        raise CaseError(
            f"Case {case.case_id}: the ROI has {count} voxels on the {size} mm grid, at least {settings.min_roi_voxels} are needed; "
            "the lesion is too small for a habitat analysis, or outline and images do not belong together"
        )
    volume_ml = count * float(np.prod(settings.spacing_mm)) / 1000
    if volume_ml > LARGE_LESION_ML:
        warnings.append(f"The ROI has {volume_ml:.0f} mL, more than most lesions: is it the tumour's outline and not the gland's?")
    acquired = sitk.Resample(chosen, case.images[fixed], transform, sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    acquired_count = int(sitk.GetArrayViewFromImage(acquired).astype(bool).sum())
    if acquired_count < settings.min_acquired_voxels:
        warnings.append(
            f"The ROI covers only {acquired_count} acquired {SEQUENCE_LABELS[fixed]} voxels (fewer than {settings.min_acquired_voxels}): "
            "its habitats rest on interpolated values"
        )
    return like(on_grid.astype(np.uint8), grid), lesions, warnings


def _check_tissue(median: float, case_id: str) -> list[str]:
    """A sentence on an unusual median ADC (1e-6 mm2/s) in the ROI; one that no tissue has is refused."""
    if median <= 0:
        raise CaseError(
            f"Case {case_id}: ADC is 0 or negative in most of the ROI, which is no tissue; check that outline and ADC map belong together"
        )
    found = f"ADC has a median of {median:.0f} x 1e-6 mm2/s in the ROI"
    if not POSSIBLE_ADC[0] <= median <= POSSIBLE_ADC[1]:
        low, high = POSSIBLE_ADC
        raise CaseError(f"Case {case_id}: {found}, which no tissue has ({low:g} to {high:g}): is it this patient's ADC map? (--adc)")
    if not USUAL_ADC[0] <= median <= USUAL_ADC[1]:
        return [f"{found}, which is unusual for a tumour: check that it is an ADC map, its unit, and the outline"]
    return []


def _normalise(values: np.ndarray, valid: np.ndarray, roi: np.ndarray, method: Normalisation, clip_sigma: float | None) -> np.ndarray:
    """Clip beyond ``clip_sigma`` and z-score: (x - mean) / SD over the ROI if so asked, else over the valid field of view, float32."""
    values = values.astype(np.float64)
    if clip_sigma is not None:
        mean, sd = values[valid].mean(), values[valid].std()
        values = np.clip(values, mean - clip_sigma * sd, mean + clip_sigma * sd)
    sample = values[roi if method == "zscore_roi" else valid]
    sd = sample.std()
    values = (values - sample.mean()) / (sd if sd > 0 else 1.0)
    return values.astype(np.float32)
