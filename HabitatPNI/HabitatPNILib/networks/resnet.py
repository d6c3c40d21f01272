"""Residual networks whose parameters carry torchvision's names, and their folded form that turns images into features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

FEATURE_COUNTS = {"resnet18": 512, "resnet34": 512, "resnet50": 2048, "resnet101": 2048}
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


def build_resnet(backbone: str) -> nn.Module:
    """MONAI's 2D network in torchvision's layout, without the classification layer, in evaluation mode.

    Its state dict has torchvision's keys and shapes apart from ``fc``; the stride of a bottleneck sits in its 3x3
    convolution (He et al., CVPR 2016, in the common variant "1.5"). Called on (n, 3, height, width) float32 it
    returns the globally average-pooled features (n, 512 or 2048).
    """
    from monai.networks import nets

    build = getattr(nets, backbone)
    network = build(spatial_dims=2, n_input_channels=3, shortcut_type="B", bias_downsample=False, conv1_t_stride=2, feed_forward=False)
    return network.eval()


def feature_network(backbone: str, state_dict: Mapping[str, torch.Tensor]) -> nn.Module:
    """Network with these weights, batch norm folded into the convolutions, parameters frozen and channels-last.

    Parameters
    ----------
    state_dict : tensors as given by `weights.load_state`; taken over, not changed
    """
    import torch

    with torch.device("meta"):  # no time for initial values that are replaced at once
        network = build_resnet(backbone)
    network.load_state_dict({**state_dict}, strict=False, assign=True)
    fold_batch_norm(network)
    network.requires_grad_(False)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def fold_batch_norm(network: nn.Module) -> None:
    """Replace, in place, every convolution + batch norm pair of a residual network by one convolution with a bias.

    In evaluation mode batch norm is ``(x - mean) * g + bias`` with ``g = weight / sqrt(var + eps)``, so that the
    convolution's kernel is multiplied by g and its bias becomes ``bias - mean * g``. Computed in float64.
    """
    from torch import nn

    for module in list(network.modules()):
        children = dict(module.named_children())
        for name, child in children.items():
            number = name.removeprefix("conv")
            norm = children.get(f"bn{number}")
            if isinstance(child, nn.Conv2d) and norm is not None:
                setattr(module, name, _folded(child, norm))
                setattr(module, f"bn{number}", nn.Identity())
        shortcut = children.get("downsample")
        if isinstance(shortcut, nn.Sequential):
            module.downsample = _folded(shortcut[0], shortcut[1])


def normalise_imagenet(images: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, height, width) in [0, 1] with ImageNet's channel means subtracted, divided by its deviations."""
    mean = images.new_tensor(IMAGENET_MEAN).view(1, 3, 1, 1)
    sd = images.new_tensor(IMAGENET_SD).view(1, 3, 1, 1)
    return (images - mean) / sd


def _folded(convolution: nn.Module, norm: nn.Module) -> nn.Module:
    import torch
    from torch import nn

    assert isinstance(convolution, nn.Conv2d)
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    result = nn.Conv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        convolution.stride,  # type: ignore[arg-type]
        convolution.padding,  # type: ignore[arg-type]
        device="meta",
    )
    with torch.no_grad():
        gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        offset = norm.bias.double() - norm.running_mean.double() * gain
        if convolution.bias is not None:
            offset += convolution.bias.double() * gain
        result.weight = nn.Parameter((convolution.weight.double() * gain.view(-1, 1, 1, 1)).float())
        result.bias = nn.Parameter(offset.float())
    return result.eval()
