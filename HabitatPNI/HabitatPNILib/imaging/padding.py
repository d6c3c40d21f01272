"""Voxels that were never measured: what a program wrote round an image that it resampled or cut to a circle."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from ..geometry import like


def padding_mask(image: sitk.Image) -> sitk.Image:
    """Mask (uint8, 1 = padding) of in-plane patches of at least 5 x 5 voxels that hold the image's lowest value alone.

    Air has noise, so that a patch of one single value is none of the scanner's.
    """
    values = sitk.GetArrayViewFromImage(image)
    return sitk.BinaryMorphologicalOpening(like((values == values.min()).astype(np.uint8), image), [2, 2, 0])
