"""Settings of a voxel-wise texture extraction, under the meaning that pyradiomics gives them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ...errors import ProtocolError
from .names import ALL93, HCC77, split

PRESETS: dict[str, dict[str, Any]] = {
    "all93": {"features": ALL93, "kernel_radius": 2},
    "hcc77": {"features": HCC77, "kernel_radius": 2, "in_plane_axis": 0},
}
MAX_RADIUS = 15


@dataclass(frozen=True)
class TextureSettings:
    """What is computed in the neighbourhood of every voxel.

    A neighbourhood is the cube (or, with ``in_plane_axis``, the square) of edge ``2 * kernel_radius + 1`` round a voxel, cut off
    at the border of the image.

    Parameters
    ----------
    features : pyradiomics' names, ``original_glcm_Contrast``; any of ``names.ALL93``
    kernel_radius : voxels, 1 to 15 (kernelRadius)
    in_plane_axis : None for three dimensions; 0, 1 or 2 for a square perpendicular to the array's z, y or x axis
        (force2D, force2Ddimension)
    masked_kernel : whether only voxels of the ROI take part; without it all voxels of the neighbourhood do, and grey levels are
        set over the ROI's bounding box grown by the radius (maskedKernel)
    bin_count, bin_width : grey levels by number or by width, set once over the whole ROI; one of them, 32 levels when neither is
        given (binCount, binWidth)
    distances : voxels between the two of a pair, for GLCM, GLDM and NGTDM
    symmetrical_glcm : whether a pair counts in both directions (symmetricalGLCM)
    gldm_alpha : largest difference in grey levels of a dependent voxel (gldm_a)
    voxel_array_shift : added to intensities in Energy, TotalEnergy and RootMeanSquared (voxelArrayShift)
    init_value : value of a volume outside the ROI (initValue)
    single_precision : whether values are kept as float32; they are computed as float64 either way

    Raises
    ------
    ProtocolError
        naming the setting that is out of range
    """

    features: tuple[str, ...] = ALL93
    kernel_radius: int = 2
    in_plane_axis: int | None = None
    masked_kernel: bool = True
    bin_count: int | None = None
    bin_width: float | None = None
    distances: tuple[int, ...] = (1,)
    symmetrical_glcm: bool = True
    gldm_alpha: int = 0
    voxel_array_shift: float = 0.0
    init_value: float = 0.0
    single_precision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", tuple(self.features))
        object.__setattr__(self, "distances", tuple(self.distances))
        self._check_features()
        _check_whole("kernel_radius", self.kernel_radius, 1, MAX_RADIUS)
        if self.in_plane_axis is not None:
            _check_whole("in_plane_axis", self.in_plane_axis, 0, 2)
        if self.bin_count is not None and self.bin_width is not None:
            raise ProtocolError("Texture settings: bin_count and bin_width are both given; keep one of them.")
        if self.bin_count is not None:
            _check_whole("bin_count", self.bin_count, 1, 65534)
        if self.bin_width is not None and not (_finite(self.bin_width) and self.bin_width > 0):
            raise ProtocolError(f"Texture settings: bin_width is {self.bin_width!r}; it must be a number above 0.")
        if not self.distances or len(set(self.distances)) < len(self.distances):
            raise ProtocolError(f"Texture settings: distances are {list(self.distances)}; give each distance once, at least one.")
        for distance in self.distances:
            _check_whole("distances", distance, 1, 2 * self.kernel_radius)
        _check_whole("gldm_alpha", self.gldm_alpha, 0, 65535)
        if not _finite(self.voxel_array_shift):
            raise ProtocolError(f"Texture settings: voxel_array_shift is {self.voxel_array_shift!r}; it must be a finite number.")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> TextureSettings:
        """Settings of a preset, some of them changed.

        ``all93``: every feature, 5 x 5 x 5 voxels. ``hcc77``: first order, GLCM, GLRLM, GLDM and NGTDM in 5 x 5 voxels of a slice
        (18 + 24 + 16 + 14 + 5 = 77, one reading of the 77 features of Song et al., doi 10.1186/s12885-025-13781-1; GLSZM in place of
        GLRLM counts the same).
        """
        if name not in PRESETS:
            raise ProtocolError(f"There is no texture preset {name!r}; there are {', '.join(PRESETS)}.")
        return cls(**{**PRESETS[name], **changes})

    @property
    def classes(self) -> tuple[str, ...]:
        """Feature classes that have to be computed, in order of first use."""
        return tuple(dict.fromkeys(split(name)[0] for name in self.features))

    def _check_features(self) -> None:
        if not self.features:
            raise ProtocolError("Texture settings: no feature is asked for; name at least one.")
        if len(set(self.features)) < len(self.features):
            raise ProtocolError("Texture settings: a feature is named twice; name each once.")
        for name in self.features:
            try:
                split(name)
            except KeyError:
                raise ProtocolError(f"Texture settings: there is no feature {name!r}; names look like original_glcm_Contrast.") from None


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _check_whole(name: str, value: object, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ProtocolError(f"Texture settings: {name} is {value!r}; it must be a whole number from {low} to {high}.")
