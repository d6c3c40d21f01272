"""Deep features: what a residual network sees in each region of each sequence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

from ..networks.resnet import FEATURE_COUNTS, feature_network, normalise_imagenet
from ..networks.weights import load_state
from ..progress import Progress, no_progress
from ..protocol import DeepSection
from .crops import region_pictures
from .table import column

BATCH_PICTURES = 32
"""Most pictures in one pass, which bounds its memory to about 1 GB; a case of ten regions and three sequences fits."""


class DeepExtractor:
    """Globally average-pooled features of regions; the network is loaded once and used for any number of cases.

    Parameters
    ----------
    settings : backbone, weights and how pictures are cut out
    device : ``cpu`` or ``cuda``; the latter falls back to the CPU where there is no GPU or its memory ends

    Attributes
    ----------
    weights_sha256 : checksum of the backbone's weights (`networks.weights.state_sha256`)
    description : the weights in words
    feature_count : features a region and sequence
    device : where the network lies now
    notice : sentence for the user when the GPU that was asked for does not compute; empty otherwise

    Raises
    ------
    WeightsError
        when the weights are not there or do not fit
    """

    def __init__(self, settings: DeepSection, device: str = "cpu") -> None:
        import torch

        weights = load_state(settings.backbone, settings.weights)
        self.settings = settings
        self.weights_sha256 = weights.sha256
        self.description = weights.description
        self.feature_count = FEATURE_COUNTS[settings.backbone]
        self.device, self.notice = "cpu", ""
        self._network = feature_network(settings.backbone, weights.state_dict)
        if device == "cpu":
            return
        if not torch.cuda.is_available():
            self.notice = "No GPU that can be used was found: the network ran on the processor"
            return
        try:
            self._network, self.device = self._network.to(device), device
        except RuntimeError as error:
            self._leave_gpu(error)

    def extract(
        self, images: Mapping[str, sitk.Image], regions: Mapping[str, np.ndarray], progress: Progress = no_progress
    ) -> dict[str, float]:
        """Features of one case, all regions and sequences in one batched pass.

        Parameters
        ----------
        images : z-scored sequences by name, on the analysis grid
        regions : bool (z, y, x) masks by name, on the same grid; an empty one is absent

        Returns
        -------
        values by column ``region__sequence__backbone__0000``; NaN in all columns of an absent region
        """
        pairs = [(region, sequence) for region in regions for sequence in images]
        progress(0.0, "Deep features: cutting out regions")
        pictures = {
            (region, sequence): region_pictures(images[sequence], regions[region], self.settings)
            for region, sequence in pairs
            if regions[region].any()
        }
        vectors: dict[tuple[str, str], np.ndarray] = {}
        if pictures:
            stacked = self.features(np.concatenate(list(pictures.values())), progress)
            ends = np.cumsum([len(p) for p in pictures.values()])
            vectors = {pair: part.mean(axis=0) for pair, part in zip(pictures, np.split(stacked, ends[:-1]), strict=True)}
        absent = np.full(self.feature_count, np.nan)
        result = {
            column(region, sequence, self.settings.backbone, f"{i:04d}"): float(value)
            for region, sequence in pairs
            for i, value in enumerate(vectors.get((region, sequence), absent))
        }
        progress(1.0, "Deep features")
        return result

    def features(self, pictures: np.ndarray, progress: Progress = no_progress) -> np.ndarray:
        """Features float64 (n, feature_count) of colour pictures float32 (n, 3, height, width) in [0, 1]."""
        parts = []
        for start in range(0, len(pictures), BATCH_PICTURES):
            progress(start / len(pictures), f"Deep features: picture {start + 1} of {len(pictures)}")
            parts.append(self._forward(pictures[start : start + BATCH_PICTURES]))
        return np.concatenate(parts).astype(np.float64)

    def _forward(self, pictures: np.ndarray) -> np.ndarray:
        import torch

        try:
            # TF32 would halve the digits on a GPU; without it the two devices agree to about 1e-5
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
                batch = normalise_imagenet(torch.from_numpy(pictures).to(self.device))
                return self._network(batch.contiguous(memory_format=torch.channels_last)).cpu().numpy()
        except RuntimeError as error:
            if self.device == "cpu" and not isinstance(error, torch.cuda.OutOfMemoryError):
                raise
            self._leave_gpu(error)
            return self._forward(pictures)

    def _leave_gpu(self, error: RuntimeError) -> None:
        """Go on without the GPU: its memory is full, or this installation of PyTorch has no code for it."""
        import torch

        full = isinstance(error, torch.cuda.OutOfMemoryError)
        reason = "The GPU's memory is full" if full else f"The GPU cannot be used ({type(error).__name__})"
        self.notice = f"{reason}: the network ran on the processor"
        self._network, self.device = self._network.to("cpu"), "cpu"
