"""Deep features of a case: names, batching, absent regions, what seeded features carry."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import Cancelled, WeightsError
from HabitatPNILib.features.crops import region_crop
from HabitatPNILib.protocol import DeepSection

torch = pytest.importorskip("torch")

from HabitatPNILib.features import deep  # noqa: E402
from HabitatPNILib.features.deep import DeepExtractor  # noqa: E402
from HabitatPNILib.networks.resnet import build_resnet, normalise_imagenet  # noqa: E402
from HabitatPNILib.networks.weights import load_state  # noqa: E402

SETTINGS = DeepSection(backbone="resnet18", weights="seeded:0", size=64)


@pytest.fixture(scope="module")
def extractor() -> DeepExtractor:
    return DeepExtractor(SETTINGS)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(5)
    images = {name: sitk.GetImageFromArray(rng.normal(size=(8, 40, 40)).astype(np.float32)) for name in ("t2w", "adc")}
    regions = {name: np.zeros((8, 40, 40), dtype=bool) for name in ("habitat1", "habitat2", "tumour")}
    regions["habitat1"][2:5, 10:20, 12:25] = True
    regions["tumour"][2:6, 10:30, 12:25] = True
    return images, regions


def vector(features: dict[str, float], region: str, sequence: str) -> np.ndarray:
    return np.array([v for k, v in features.items() if k.startswith(f"{region}__{sequence}__")])


def test_columns_and_an_absent_region(extractor, case):
    features = extractor.extract(*case)
    assert len(features) == 3 * 2 * 512
    assert next(iter(features)) == "habitat1__t2w__resnet18__0000"
    assert list(features)[-1] == "tumour__adc__resnet18__0511"
    assert np.isnan(vector(features, "habitat2", "adc")).all()
    assert np.isfinite(vector(features, "tumour", "t2w")).all()
    assert extractor.feature_count == 512
    assert extractor.weights_sha256 == load_state("resnet18", "seeded:0").sha256
    assert "untrained" in extractor.description


def test_no_region_present_gives_nan_throughout(extractor, case):
    images, regions = case
    features = extractor.extract(images, {"habitat2": regions["habitat2"]})
    assert len(features) == 2 * 512
    assert np.isnan(list(features.values())).all()


def test_features_are_the_unfolded_networks_one_picture_at_a_time(extractor, case):
    images, regions = case
    features = extractor.extract(images, regions)
    network = build_resnet("resnet18")
    network.load_state_dict({**load_state("resnet18", "seeded:0").state_dict}, strict=False)
    for region, sequence in (("habitat1", "adc"), ("tumour", "t2w")):
        crop = torch.from_numpy(region_crop(images[sequence], regions[region], SETTINGS))
        with torch.inference_mode():
            expected = network(normalise_imagenet(crop.expand(1, 3, -1, -1)))[0].numpy()
        assert np.abs(vector(features, region, sequence) - expected).max() / np.abs(expected).max() < 1e-5


def test_batched_as_one_by_one_and_the_same_bits_twice(extractor, case):
    images, regions = case
    together = extractor.extract(images, regions)
    for region in ("habitat1", "tumour"):
        for sequence in images:
            alone = np.array(list(extractor.extract({sequence: images[sequence]}, {region: regions[region]}).values()))
            batched = vector(together, region, sequence)
            assert np.abs(batched - alone).max() / np.abs(alone).max() <= 1e-6
    again = extractor.extract(images, regions)
    assert np.array_equal(list(together.values()), list(again.values()), equal_nan=True)


def test_all_pictures_of_a_case_go_through_in_one_pass(extractor, case, monkeypatch):
    sizes = []
    forward = extractor._forward
    monkeypatch.setattr(extractor, "_forward", lambda pictures: sizes.append(len(pictures)) or forward(pictures))
    extractor.extract(*case)
    assert sizes == [4]


def test_more_pictures_than_a_batch_holds_give_the_same_features(extractor, case, monkeypatch):
    pictures = np.random.default_rng(0).random((5, 3, 64, 64), dtype=np.float32)
    whole = extractor.features(pictures)
    monkeypatch.setattr(deep, "BATCH_PICTURES", 2)
    assert np.allclose(extractor.features(pictures), whole, rtol=1e-5, atol=1e-6 * whole.max())


def test_mean_over_slices_is_the_mean_of_the_slices_features(case):
    images, regions = case
    mean = DeepExtractor(SETTINGS.model_copy(update={"slices": "mean"}))
    single = DeepExtractor(SETTINGS)
    region = regions["habitat1"]
    vectors = []
    for z in np.flatnonzero(region.any(axis=(1, 2))):
        alone = np.zeros_like(region)
        alone[z] = region[z]
        vectors.append(list(single.extract({"adc": images["adc"]}, {"r": alone}).values()))
    found = list(mean.extract({"adc": images["adc"]}, {"r": region}).values())
    assert np.allclose(found, np.mean(vectors, axis=0), rtol=1e-5, atol=1e-5)


def test_cancel_and_missing_weights(extractor, case, monkeypatch, tmp_path):
    def cancel(fraction: float, message: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        extractor.extract(*case, cancel)
    monkeypatch.setenv("HABITATPNI_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match="habitatpni weights download resnet18"):
        DeepExtractor(DeepSection(backbone="resnet18", weights="imagenet"))


def test_gpu_memory_that_ends_falls_back_to_the_cpu(case):
    extractor = DeepExtractor(SETTINGS, device="cuda")
    expected = DeepExtractor(SETTINGS).extract(*case)
    network = extractor._network

    class Full(torch.nn.Module):
        def forward(self, batch):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

        def to(self, device):
            assert device == "cpu"
            return network.to(device)

    extractor._network, before = Full(), extractor.device
    assert before == ("cuda" if torch.cuda.is_available() else "cpu")
    assert extractor.notice == ("" if torch.cuda.is_available() else "No GPU that can be used was found: the network ran on the processor")
    found = extractor.extract(*case)
    assert extractor.device == "cpu"
    assert extractor.notice == "The GPU's memory is full: the network ran on the processor"
    assert np.array_equal(list(found.values()), list(expected.values()), equal_nan=True)


@pytest.mark.slow
def test_seeded_features_tell_contrast_fraction_and_texture_scale():
    """Toy tumours whose truth is known, read from untrained ResNet-101 features by ridge regression (5-fold)."""
    from scipy.ndimage import gaussian_filter
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score
    from sklearn.model_selection import cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(2)
    y, x = np.mgrid[:224, :224]
    tumour = (x - 112) ** 2 + (y - 112) ** 2 < 90**2
    truth = rng.uniform((0.1, 0.1, 2), (0.5, 0.6, 12), size=(128, 3))
    pictures = np.empty((len(truth), 3, 224, 224), dtype=np.float32)
    for picture, (contrast, fraction, scale) in zip(pictures, truth, strict=True):
        field = gaussian_filter(rng.standard_normal((224, 224)), scale)
        dense = field > np.quantile(field[tumour], 1 - fraction)
        picture[:] = np.clip(0.3 + contrast * dense + 0.02 * rng.standard_normal((224, 224)), 0, 1) * tumour
    features = DeepExtractor(DeepSection(backbone="resnet101", weights="seeded:0")).features(pictures)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
    found = [r2_score(truth[:, i], cross_val_predict(model, features, truth[:, i], cv=5)) for i in range(3)]
    assert np.all(np.array(found) > (0.8, 0.6, 0.5)), found
