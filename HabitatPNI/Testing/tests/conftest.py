"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
PHANTOM_SEED = 700


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the public test data beside the checkout; a test that needs it is skipped where it is absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the test data folder ../shared/data is not there")
    return folder


@pytest.fixture(scope="session")
def phantom():
    """One phantom case and its truth."""
    from HabitatPNILib.imaging.phantom import phantom_case

    return phantom_case(PHANTOM_SEED)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory, phantom):
    """A combined model that answers fast: untrained ResNet-18 on small crops, two regions, coefficients set by hand."""
    from HabitatPNILib.features.deep import DeepExtractor
    from HabitatPNILib.frozen_model import FrozenModel, Imaging, Signature, Term, write_model
    from HabitatPNILib.habitats.clustering import HabitatClusterer
    from HabitatPNILib.preparation import map_habitats, prepare
    from HabitatPNILib.protocol import Protocol
    from HabitatPNILib.standard_predictors import AGE, MRT_STAGE, PI_RADS

    values = {**Protocol.load("pca-pni").to_dict(), "deep": {"backbone": "resnet18", "weights": "seeded:1", "size": 64}}
    protocol = Protocol.from_dict(values, "of the tests")
    preprocessed = prepare(phantom[0], protocol).preprocessed
    clusterer = HabitatClusterer(3, protocol.sequences, "adc", protocol.habitats.seed).fit(preprocessed.voxel_vectors(protocol.sequences))
    regions = map_habitats(preprocessed, protocol.habitats, protocol.sequences, clusterer.centroids_).regions()
    extractor = DeepExtractor(protocol.deep)
    features = extractor.extract(preprocessed.normalised, regions)
    signatures = {}
    for region in ("habitat1", "tumour"):
        names = tuple(f"{region}__{s}__resnet18__{i:04d}" for s in ("t2w", "adc") for i in (1, 7, 11))
        mean = tuple(float(features[name]) * 0.9 for name in names)
        scale = tuple(abs(float(features[name])) + 0.1 for name in names)
        signatures[region] = Signature(names, mean, scale, (0.5, -0.4, 0.3, 0.2, -0.1, 0.6), -0.2, -0.2, 0.5)
    model = FrozenModel(
        name="small",
        version="1.0.0",
        title="A small model for tests",
        kind="combined",
        notice="Made for tests, not for patients.",
        demonstration=True,
        protocol=protocol.to_dict(),
        predictors=(AGE, MRT_STAGE, PI_RADS),
        intercept=-1.0,
        terms=(
            Term("age", "Age", -0.05, 74.9, 7.7, 44.0, 94.0),
            Term("mrt_stage", "mrT stage", 0.6, 2.3, 0.8, 1.0, 4.0),
            Term("pi_rads", "PI-RADS", 1.1, 4.0, 0.8, 3.0, 5.0),
            Term("radscore_habitat1", "Radscore habitat 1", 0.8, -0.2, 0.5, -1.5, 1.2),
            Term("radscore_tumour", "Radscore whole tumour", 0.7, -0.2, 0.5, -1.4, 1.3),
        ),
        cut_off=0.3,
        cut_off_rule="set by hand",
        imaging=Imaging({"dwi": 1400.0, "low_b": 50.0}, "resnet18", "seeded:1", extractor.weights_sha256, clusterer.centroids_, signatures),
        cohort={"patients": "one phantom"},
        performance=({"cohort": "training, apparent", "n": 1, "events": 0, "auc": None},),
    )
    return write_model(model, tmp_path_factory.mktemp("models") / "small", "Made for tests, not for patients.\n\n# small\n")


@pytest.fixture(scope="session")
def phantom_files(tmp_path_factory, phantom) -> Path:
    """Folder with the phantom case as NRRD files, without saying that it is one."""
    import SimpleITK as sitk

    folder = tmp_path_factory.mktemp("phantom")
    case = phantom[0]
    for name, image in {**case.images, "roi": case.roi}.items():
        sitk.WriteImage(image, str(folder / f"{name}.nrrd"))
    return folder
