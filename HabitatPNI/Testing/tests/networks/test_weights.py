"""Weights: the same bits everywhere, refusal of what does not fit, and downloads from a server of the test's own."""

from __future__ import annotations

import hashlib
import http.server
import math
import threading

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from HabitatPNILib.errors import Cancelled, WeightsError  # noqa: E402
from HabitatPNILib.networks import weights  # noqa: E402
from HabitatPNILib.networks.weights import (  # noqa: E402
    PUBLISHED,
    PublishedFile,
    cached_weights,
    download_weights,
    load_state,
    remove_cached_weights,
    state_sha256,
    weights_folder,
)

SEEDED_0 = {
    "resnet18": "eaf99e56ae31d549cfd7851421e1270c015b7d82229e7486f37963782aa7fb4d",
    "resnet101": "a2c3065796da06620476c6fbd4944409099e7dc372908ef1e3e5063d0af1b689",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HABITATPNI_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A server of the folder it returns, in place of the published source."""
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setattr(weights, "SOURCE", f"http://127.0.0.1:{running.server_port}/")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        yield folder
        running.shutdown()


def publish(folder, monkeypatch, content: bytes) -> str:
    name = f"resnet18-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (folder / name).write_bytes(content)
    monkeypatch.setitem(PUBLISHED, "resnet18", PublishedFile(name, 1))
    return name


@pytest.mark.parametrize("backbone", SEEDED_0)
def test_seeded_weights_are_the_same_bits_everywhere(backbone):
    loaded = load_state(backbone, "seeded:0")
    assert loaded.sha256 == SEEDED_0[backbone]
    assert loaded.description == f"untrained {backbone}, seeded:0 (for demonstrations and tests only)"


def test_seeded_weights_follow_their_law():
    state = load_state("resnet50", "seeded:3").state_dict
    kernel = state["layer3.1.conv2.weight"].double()
    bound = math.sqrt(6 / (256 * 9))
    assert float(kernel.abs().max()) <= bound * (1 + 1e-6)
    assert float(kernel.std()) == pytest.approx(bound / math.sqrt(3), rel=0.005)
    assert float(kernel.mean()) == pytest.approx(0, abs=4 * bound / math.sqrt(3 * kernel.numel()))
    assert set(state["layer3.1.bn3.weight"].tolist()) == {float(np.float32(0.2))}
    assert set(state["layer3.1.bn2.weight"].tolist()) == {1.0}
    assert not torch.equal(kernel, state["layer3.2.conv2.weight"].double())
    assert not torch.equal(state["conv1.weight"], load_state("resnet50", "seeded:4").state_dict["conv1.weight"])


def test_checksum_is_of_names_shapes_and_little_endian_bytes_whatever_the_order():
    a, b = torch.tensor([[1.0, 2.0]]), torch.tensor([3.0])
    by_hand = hashlib.sha256(b"a[1, 2]" + np.array([1, 2], "<f4").tobytes() + b"b[1]" + np.array([3], "<f4").tobytes()).hexdigest()
    assert state_sha256({"b": b, "a": a}) == state_sha256({"a": a, "b": b}) == by_hand
    assert state_sha256({"a": a.T.contiguous(), "b": b}) != by_hand


def test_file_gives_the_same_weights_as_pth_and_safetensors(tmp_path):
    from safetensors.torch import save_file

    loaded = load_state("resnet18", "seeded:1")
    torch.save(dict(loaded.state_dict), tmp_path / "w.pth")
    save_file(dict(loaded.state_dict), tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        again = load_state("resnet18", f"file:{tmp_path / name}")
        assert again.sha256 == loaded.sha256
        assert again.description == f"resnet18 from the file {name}"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda s: s.pop("layer1.0.bn2.bias"), "does not fit resnet18: layer1.0.bn2.bias is missing"),
        (lambda s: s.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}), r"conv1.weight has shape \(64, 1, 7, 7\), not \(64, 3, 7, 7\)"),
        (lambda s: s.update({"layer5.weight": torch.zeros(1)}), "it has layer5.weight, which the network has not"),
        (lambda s: s["bn1.bias"].fill_(float("nan")), "bn1.bias holds values that are not finite"),
        (lambda s: s.update({"note": "text"}), "is not a state dict of tensors"),
    ],
)
def test_file_that_does_not_fit_is_refused(tmp_path, change, text):
    state = dict(load_state("resnet18", "seeded:1").state_dict)
    change(state)
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=text):
        load_state("resnet18", f"file:{tmp_path / 'w.pth'}")


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_file_that_is_none_is_refused_in_one_line(tmp_path, name):
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(WeightsError, match=f"Weights file {name} is not a readable state dict") as caught:
        load_state("resnet18", f"file:{tmp_path / name}")
    assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="is not there"):
        load_state("resnet18", f"file:{tmp_path / ('absent_' + name)}")


class _Harmful:
    def __reduce__(self):
        return print, ("code from a weights file ran",)


def test_file_with_code_in_it_is_refused_and_not_run(tmp_path, capsys):
    torch.save({"conv1.weight": _Harmful()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="is not a readable state dict"):
        load_state("resnet18", f"file:{tmp_path / 'w.pth'}")
    assert capsys.readouterr().out == ""


def test_unknown_names_are_refused():
    with pytest.raises(WeightsError, match="Backbone vgg16 is not known; choose one of resnet18"):
        load_state("vgg16", "seeded:0")
    with pytest.raises(WeightsError, match="Weights seeded:x are not known; give imagenet"):
        load_state("resnet18", "seeded:x")


def test_absent_imagenet_weights_say_what_fetches_them_how_large_and_where(cache, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", lambda *a, **k: pytest.fail("reached for the network"))
    with pytest.raises(WeightsError) as caught:
        load_state("resnet101", "imagenet")
    assert str(caught.value) == (
        "The ImageNet weights of resnet101 are not on this machine; download them (habitatpni weights download resnet101): "
        f"resnet101-63fe2227.pth (179 MB) from https://download.pytorch.org/models/ into {cache}"
    )


def test_download_list_use_remove(server, cache, monkeypatch, tmp_path):
    state = dict(load_state("resnet18", "seeded:5").state_dict)
    torch.save(state, tmp_path / "w.pth")
    name = publish(server, monkeypatch, (tmp_path / "w.pth").read_bytes())
    seen: list[float] = []
    path = download_weights("resnet18", lambda fraction, _: seen.append(fraction))
    assert path == cache / name
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1)
    assert cached_weights() == [path]
    assert load_state("resnet18", "imagenet").sha256 == state_sha256(state)
    (server / name).unlink()
    assert download_weights("resnet18") == path
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsError, match="is damaged: its sha256 does not start with"):
        load_state("resnet18", "imagenet")
    assert remove_cached_weights() == [path]
    assert cached_weights() == []


def test_wrong_or_failed_or_cancelled_download_leaves_nothing(server, cache, monkeypatch):
    name = publish(server, monkeypatch, b"right")
    (server / name).write_bytes(b"wrong")
    with pytest.raises(WeightsError, match=f"{name} as fetched is not the published file"):
        download_weights("resnet18")

    def cancel(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        download_weights("resnet18", cancel)
    (server / name).unlink()
    with pytest.raises(WeightsError, match=f"{name} could not be fetched from http.*put the file into {cache} by hand"):
        download_weights("resnet18")
    assert list(cache.iterdir()) == []


def test_published_names_and_folder(monkeypatch, tmp_path):
    assert {b: p.sha256_prefix for b, p in PUBLISHED.items()} == {
        "resnet18": "f37072fd",
        "resnet34": "b627a593",
        "resnet50": "0676ba61",
        "resnet101": "63fe2227",
    }
    monkeypatch.delenv("HABITATPNI_CACHE")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "HabitatPNI" / "weights"
