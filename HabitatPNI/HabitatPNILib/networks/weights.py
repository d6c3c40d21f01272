"""Weights of the backbones: ImageNet's published files, a file of the user's own, or seeded (untrained) values.

Nothing here reaches for the network except `download_weights`, which is called on the user's say-so alone.
"""

from __future__ import annotations

import hashlib
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import WeightsError
from ..progress import Progress, no_progress
from ..storage import write_file

if TYPE_CHECKING:
    import torch

SOURCE = "https://download.pytorch.org/models/"
LAST_NORM_SCALE = 0.2
CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class PublishedFile:
    """One of torchvision's published ImageNet files (its first generation, IMAGENET1K_V1).

    Parameters
    ----------
    name : file name, ending in the first eight digits of its sha256
    megabytes : size in 1e6 bytes
    """

    name: str
    megabytes: int

    @property
    def sha256_prefix(self) -> str:
        """First digits of the file's sha256, as its name gives them."""
        return Path(self.name).stem.rpartition("-")[2]


PUBLISHED = {
    "resnet18": PublishedFile("resnet18-f37072fd.pth", 47),
    "resnet34": PublishedFile("resnet34-b627a593.pth", 87),
    "resnet50": PublishedFile("resnet50-0676ba61.pth", 103),
    "resnet101": PublishedFile("resnet101-63fe2227.pth", 179),
}


@dataclass(frozen=True)
class LoadedWeights:
    """Weights of one backbone.

    Parameters
    ----------
    state_dict : float32 tensors by torchvision's names; no classification layer, no batch counters
    sha256 : `state_sha256` of them
    description : what they are, in words for cards and reports
    """

    state_dict: Mapping[str, torch.Tensor]
    sha256: str
    description: str


def load_state(backbone: str, spec: str) -> LoadedWeights:
    """Load a backbone's weights.

    Parameters
    ----------
    backbone : resnet18, resnet34, resnet50 or resnet101
    spec : ``imagenet``, ``file:PATH`` (.pth or .safetensors) or ``seeded:N``

    Raises
    ------
    WeightsError
        when they are absent, damaged or another network's, naming the first key that does not fit
    """
    if backbone not in PUBLISHED:
        raise WeightsError(f"Backbone {backbone} is not known; choose one of {', '.join(PUBLISHED)}")
    kind, _, argument = spec.partition(":")
    if kind == "seeded" and argument.isdecimal():
        state = _seeded_state(backbone, int(argument))
        description = f"untrained {backbone}, seeded:{argument} (for demonstrations and tests only)"
    elif kind == "file" and argument:
        state = _read_state(Path(argument).expanduser(), backbone)
        description = f"{backbone} from the file {Path(argument).name}"
    elif spec == "imagenet":
        state = _read_state(_published_path(backbone), backbone)
        description = f"{backbone} trained on ImageNet (torchvision's {PUBLISHED[backbone].name})"
    else:
        raise WeightsError(f"Weights {spec} are not known; give imagenet, file:PATH or seeded:N (N a whole number)")
    return LoadedWeights(state, state_sha256(state), description)


def state_sha256(state_dict: Mapping[str, torch.Tensor]) -> str:
    """Sha256 (hexadecimal) over the tensors' names, shapes and little-endian float32 bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        values = np.ascontiguousarray(state_dict[name].detach().cpu().numpy(), dtype="<f4")
        digest.update(f"{name}{list(values.shape)}".encode())
        digest.update(values.data if values.size else b"")
    return digest.hexdigest()


def weights_folder() -> Path:
    """Folder of downloaded weights: ``weights`` in HABITATPNI_CACHE, else in the platform's cache folder of the user."""
    if cache := os.environ.get("HABITATPNI_CACHE"):
        return Path(cache).expanduser() / "weights"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "HabitatPNI" / "weights"


def download_weights(backbone: str, progress: Progress = no_progress) -> Path:
    """Fetch a backbone's ImageNet weights into `weights_folder` and return their path; nothing is fetched twice.

    Only to be called when the user has asked for it. Proxies are taken from the environment.

    Raises
    ------
    WeightsError
        when the file cannot be fetched or is not the published one; nothing is left behind
    OutputError
        when it cannot be written
    """
    import http.client
    import urllib.error
    import urllib.request

    if backbone not in PUBLISHED:
        raise WeightsError(f"Backbone {backbone} is not known; choose one of {', '.join(PUBLISHED)}")
    published = PUBLISHED[backbone]
    path = weights_folder() / published.name
    if path.is_file() and _file_sha256(path).startswith(published.sha256_prefix):
        return path

    def fetch(temporary: Path) -> None:
        digest, received = hashlib.sha256(), 0
        try:
            with urllib.request.urlopen(SOURCE + published.name, timeout=30) as response, temporary.open("wb") as file:
                total = int(response.headers.get("Content-Length") or published.megabytes * 1_000_000)
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    received += len(chunk)
                    progress(received / total, f"Downloading {published.name}: {received // 1_000_000} of {total // 1_000_000} MB")
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise WeightsError(
                f"{published.name} could not be fetched from {SOURCE} ({getattr(error, 'reason', error)}); "
                f"without a connection, put the file into {path.parent} by hand"
            ) from error
        if not digest.hexdigest().startswith(published.sha256_prefix):
            raise WeightsError(
                f"{published.name} as fetched is not the published file (its sha256 starts with {digest.hexdigest()[:8]}); try again"
            )

    write_file(path, fetch)
    return path


def cached_weights() -> list[Path]:
    """Downloaded weight files by name, what an interrupted download left behind included."""
    return sorted(weights_folder().glob("*.pth"))


@dataclass(frozen=True)
class WeightsStatus:
    """Where a backbone's weights come from, and whether they are on this machine.

    Parameters
    ----------
    present : nothing has to be fetched
    path : file they are read from; None where they are computed (``seeded:N``)
    megabytes : size of the file in 1e6 bytes
    source : address that `download_weights` fetches them from; empty where that has no say
    """

    present: bool
    path: Path | None
    megabytes: float
    source: str


def weights_status(backbone: str, spec: str) -> WeightsStatus:
    """Status of the weights that `load_state` would load; it reads no weights and checks none."""
    kind, _, argument = spec.partition(":")
    if kind == "seeded":
        return WeightsStatus(True, None, 0.0, "")
    if kind == "file":
        path = Path(argument).expanduser()
        return WeightsStatus(path.is_file(), path, path.stat().st_size / 1e6 if path.is_file() else 0.0, "")
    published = PUBLISHED[backbone]
    path = weights_folder() / published.name
    return WeightsStatus(path.is_file(), path, float(published.megabytes), SOURCE + published.name)


def remove_cached_weights() -> list[Path]:
    """Delete the downloaded weight files and return what was deleted."""
    removed = cached_weights()
    for path in removed:
        path.unlink()
    return removed


def _published_path(backbone: str) -> Path:
    published = PUBLISHED[backbone]
    path = weights_folder() / published.name
    if not path.is_file():
        raise WeightsError(
            f"The ImageNet weights of {backbone} are not on this machine; download them (habitatpni weights download {backbone}): "
            f"{published.name} ({published.megabytes} MB) from {SOURCE} into {path.parent}"
        )
    if not _file_sha256(path).startswith(published.sha256_prefix):
        raise WeightsError(
            f"{path} is damaged: its sha256 does not start with {published.sha256_prefix}; "
            f"download it again (habitatpni weights download {backbone})"
        )
    return path


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_state(path: Path, backbone: str) -> dict[str, torch.Tensor]:
    """Tensors of a file, with every expected name and shape and nothing else."""
    import torch

    if not path.is_file():
        raise WeightsError(f"Weights file {path} is not there; check the path after file:")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # both readers raise many kinds of errors on a damaged file
        raise WeightsError(
            f"Weights file {path.name} is not a readable state dict ({type(error).__name__}); give a .pth or .safetensors file of tensors"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise WeightsError(f"Weights file {path.name} is not a state dict of tensors; save the network's state_dict() alone")
    return _fitted(found, backbone, path.name)


def _fitted(found: Mapping[str, torch.Tensor], backbone: str, where: str) -> dict[str, torch.Tensor]:
    expected = expected_shapes(backbone)
    for name, shape in expected.items():
        if name not in found:
            raise WeightsError(f"Weights file {where} does not fit {backbone}: {name} is missing")
        if tuple(found[name].shape) != shape:
            raise WeightsError(f"Weights file {where} does not fit {backbone}: {name} has shape {tuple(found[name].shape)}, not {shape}")
        if not found[name].is_floating_point() or not bool(found[name].isfinite().all()):
            raise WeightsError(f"Weights file {where}: {name} holds values that are not finite real numbers")
    for name in found:
        if name not in expected and not name.startswith("fc.") and not name.endswith(".num_batches_tracked"):
            raise WeightsError(f"Weights file {where} does not fit {backbone}: it has {name}, which the network has not")
    return {name: found[name].detach().float().contiguous() for name in expected}


def expected_shapes(backbone: str) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of a backbone, by torchvision's names, without ``fc`` and the batch counters."""
    import torch

    from .resnet import build_resnet

    with torch.device("meta"):
        state = build_resnet(backbone).state_dict()
    return {name: tuple(value.shape) for name, value in state.items() if not name.endswith(".num_batches_tracked")}


def _seeded_state(backbone: str, seed: int) -> dict[str, torch.Tensor]:
    """Untrained weights that are the same bits on every machine.

    Kernels are uniform in +-sqrt(6 / fan-in) (He et al., ICCV 2015). Every tensor has a stream of its own, keyed by
    seed and name, and is made from the generator's raw integers, whose values NumPy guarantees; the conversion to
    float32 is exact but for one product. The last batch norm of every residual block is scaled to 0.2, since the sum
    of a hundred unscaled branches drowns all differences between images.
    """
    import torch

    last_norm = "bn3.weight" if backbone in {"resnet50", "resnet101"} else "bn2.weight"
    state = {}
    for name, shape in expected_shapes(backbone).items():
        if len(shape) == 4:
            values = _uniform(f"{seed}/{name}", shape, math.sqrt(6 / math.prod(shape[1:])))
        elif name.endswith(".running_var") or name.endswith(".weight"):
            is_last = name.startswith("layer") and name.endswith(last_norm)
            values = np.full(shape, LAST_NORM_SCALE if is_last else 1.0, dtype=np.float32)
        else:
            values = np.zeros(shape, dtype=np.float32)
        state[name] = torch.from_numpy(values)
    return state


def _uniform(key: str, shape: tuple[int, ...], bound: float) -> np.ndarray:
    generator = np.random.PCG64(int.from_bytes(hashlib.sha256(key.encode()).digest(), "little"))
    raw = generator.random_raw(math.prod(shape))
    raw >>= np.uint64(40)
    values = raw.astype(np.float32)
    values *= np.float32(2**-23)
    values -= np.float32(1)
    values *= np.float32(bound)
    return values.reshape(shape)
