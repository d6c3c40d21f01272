"""Texture maps: the values of every feature at every voxel of a region, volumes made on demand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .settings import TextureSettings


@dataclass(frozen=True)
class TextureMaps:
    """Voxel-wise texture features of one image in one region.

    Attributes
    ----------
    settings : what they were computed with
    values : (voxels, features) float64, or float32 when the settings ask for it. NaN where a feature has no value: GLCM features
        of a voxel without a neighbour in its neighbourhood, GLRLM features where no line holds two voxels,
        RobustMeanAbsoluteDeviation where no voxel lies between the 10th and the 90th percentile.
    indices : int32 (voxels, 3) array indices (z, y, x) of the region's voxels, in raster order
    edges : bin edges of the grey levels
    size, spacing, origin, direction : the image's grid, as SimpleITK gives them
    """

    settings: TextureSettings
    values: np.ndarray
    indices: np.ndarray
    edges: np.ndarray
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns of ``values``."""
        return self.settings.features

    def column(self, name: str) -> np.ndarray:
        """Values (voxels,) of one feature; KeyError when it was not computed."""
        if name not in self.names:
            raise KeyError(name)
        return self.values[:, self.names.index(name)]

    def volume(self, name: str) -> sitk.Image:
        """One feature as an image on the grid of the image it was computed from, ``init_value`` outside the region."""
        array = np.full(self.size[::-1], self.settings.init_value, self.values.dtype)
        array[tuple(self.indices.T)] = self.column(name)
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image
