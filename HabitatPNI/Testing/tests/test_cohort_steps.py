"""Keys under which results are kept, texture vectors kept beside the volumes, and the one-sequence cohort of ``hcc-grade``."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk

from HabitatPNILib import __version__, cohort_steps
from HabitatPNILib import cohort as cohort_module
from HabitatPNILib.analysis import radscore
from HabitatPNILib.cli import main
from HabitatPNILib.cohort import extract, extract_for_model, load_case, load_extraction, prepared_paths, read_cohort
from HabitatPNILib.cohort_steps import (
    FEATURE_FORMAT,
    check_same_files,
    feature_columns,
    feature_key,
    features_of,
    learn_habitats,
    load_texture,
    prepared_key,
    stored_voxels,
)
from HabitatPNILib.errors import CaseError, CohortError
from HabitatPNILib.features.table import columns_of, parse_column
from HabitatPNILib.frozen_model import FrozenModel, Imaging, Signature, Term, write_model
from HabitatPNILib.habitats.descriptors import describe, descriptor_columns
from HabitatPNILib.preparation import map_habitats
from HabitatPNILib.prepared_store import STORE_FORMAT, load_volumes
from HabitatPNILib.protocol import Protocol
from HabitatPNILib.quality import check_quality
from HabitatPNILib.standard_predictors import AGE

HCC = Protocol.load("hcc-grade")
CASES = 6


def with_habitats(protocol: Protocol, **changes) -> Protocol:
    values = protocol.to_dict()
    return Protocol.from_dict({**values, "habitats": {**values["habitats"], **changes}}, "test")


def liver(seed: int) -> tuple[sitk.Image, sitk.Image]:
    """Noise smoothed over more millimetres on one side of a spherical outline than on the other."""
    rng = np.random.default_rng(seed)
    noise = sitk.GetImageFromArray(rng.normal(0, 1, (14, 40, 40)))
    noise.SetSpacing((2.0, 2.0, 3.0))
    fine, coarse = (sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(noise, sigma)) for sigma in (2.0, 5.0))
    z, y, x = np.indices(fine.shape)
    values = 400 + 60 * np.where(x < 20, fine / fine.std(), coarse / coarse.std())
    inside = ((z - 7) * 3.0) ** 2 + ((y - 20) * 2.0) ** 2 + ((x - 20) * 2.0) ** 2 < 15**2
    return tuple(_on_grid(array, noise) for array in (values.round().astype(np.int16), inside.astype(np.uint8)))


def _on_grid(array, grid):
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(grid)
    return image


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Six patients with one sequence each, as files with a table."""
    folder = tmp_path_factory.mktemp("hcc")
    rows = []
    for i in range(CASES):
        for name, image in zip(("t1pv", "roi"), liver(i), strict=True):
            sitk.WriteImage(image, str(folder / f"{name}{i}.nrrd"))
        split = "training" if i < 4 else "external"
        rows.append({"case_id": f"h{i}", "split": split, "outcome": i % 2, "t1pv": f"t1pv{i}.nrrd", "roi": f"roi{i}.nrrd", "age": 50 + i})
    pd.DataFrame(rows).to_csv(folder / "cohort.csv", index=False)
    return folder / "cohort.csv"


@pytest.fixture(scope="module")
def extracted(cohort):
    """Extracted by the command as a user types it, with an untrained network."""
    out = cohort.parent / "features"
    assert main(["extract", str(cohort), "--protocol", "hcc-grade", "--weights", "seeded:0", "-o", str(out)]) == 0
    return load_extraction(out)


@pytest.fixture(scope="module")
def described(cohort, extracted):
    """The same with descriptors, from the volumes prepared before."""
    out = cohort.parent / "described"
    shutil.copytree(cohort.parent / "features" / "prepared", out / "prepared")
    return extract(cohort, with_habitats(extracted.protocol, descriptors=True), out)


def test_a_cohort_of_one_sequence_is_extracted(extracted):
    assert dict(extracted.failures) == {}
    assert extracted.features.shape == (CASES, 4 * 512)
    assert {parse_column(name)[:3] for name in extracted.features} == {
        (region, "t1pv", "resnet18") for region in ("habitat1", "habitat2", "habitat3", "tumour")
    }
    assert extracted.centroids is None
    assert all(set(hashes) == {"t1pv"} for hashes in extracted.image_hashes.values())
    for path in prepared_paths(extracted).values():
        volumes = load_volumes(path)
        assert volumes.roi.GetSpacing() == (2.0, 2.0, 2.0)
        found = map_habitats(volumes, extracted.protocol.habitats, ("t1pv",), None)
        labels = sitk.GetArrayFromImage(found.labels)[volumes.roi_array]
        means = [found.voxels.reference[labels == i].mean() for i in (1, 2, 3)]
        assert means == sorted(means)


def test_features_of_another_cohort_with_the_same_names_are_refused(cohort, extracted, tmp_path, capsys):
    table = read_cohort(cohort)
    check_same_files(table, cohort.parent, extracted.prepared, extracted.protocol)
    check_same_files(table, tmp_path, extracted.prepared, extracted.protocol)  # no file is at hand
    for i in range(CASES):
        shutil.copy(cohort.parent / f"t1pv{(i + 1) % CASES}.nrrd", tmp_path / f"t1pv{i}.nrrd")
        shutil.copy(cohort.parent / f"roi{i}.nrrd", tmp_path)
    shutil.copy(cohort, tmp_path)
    words = ["train", tmp_path / "cohort.csv", "--features", cohort.parent / "features", "--name", "m", "-o", tmp_path / "model"]
    code = main(list(map(str, words)))
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if not line.startswith("[")]
    assert code == 2
    assert "Case h0: its images or its outline are not those that its features were made of" in line
    assert not (tmp_path / "model").exists()
    assert f"Compared the images of 0 of {CASES} cases" in said


def test_an_empty_column_does_not_make_other_images(cohort, extracted):
    """Whether it stands in the table of the extraction alone, in the later one alone, or in both."""
    plain, protocol = read_cohort(cohort), extracted.protocol
    wide = plain.assign(roi_on=np.nan, b_dwi=np.nan, roi_segment=np.nan)
    for made, later in ((plain, wide), (wide, plain), (wide, wide), (wide, wide.drop(columns="roi_on"))):
        prepared = {case: Path(f"{prepared_key(dict(made.loc[case]), cohort.parent, protocol)}.npz") for case in made.index}
        check_same_files(later, cohort.parent, prepared, protocol)
        for other in (later.assign(roi_segment="2"), later.assign(t1pv=later["t1pv"].tolist()[::-1])):
            with pytest.raises(CohortError, match="Case h0: its images or its outline are not those"):
                check_same_files(other, cohort.parent, prepared, protocol)


def test_a_case_with_a_file_that_is_not_at_hand_is_not_compared(cohort, extracted):
    table = read_cohort(cohort)
    gone, other = table.copy(), table.copy()
    gone.loc["h1", "roi"] = "moved/away.nrrd"
    told = []
    check_same_files(gone, cohort.parent, extracted.prepared, extracted.protocol, lambda *said: told.append(said))
    assert [fraction for fraction, _ in told] == pytest.approx([i / CASES for i in range(CASES + 1)])
    sitk.WriteImage(sitk.ReadImage(str(cohort.parent / "roi1.nrrd")) * 2, str(cohort.parent / "other.nrrd"))
    other.loc["h1", "roi"] = "other.nrrd"
    with pytest.raises(CohortError, match="Case h1: its images or its outline are not those"):
        check_same_files(other, cohort.parent, extracted.prepared, extracted.protocol)


def test_descriptors_are_further_columns_and_change_nothing_else(extracted, described):
    more = descriptor_columns(3)
    assert list(described.features.columns) == [*extracted.features.columns, *more]
    pd.testing.assert_frame_equal(described.features[extracted.features.columns], extracted.features, check_exact=True)
    paths = prepared_paths(described)
    for case in described.features.index:
        found = map_habitats(load_volumes(paths[case]), described.protocol.habitats, ("t1pv",), None)
        assert dict(described.features.loc[case, more]) == describe(found.labels, 3)
        assert described.features.loc[case, [f"habitats__map__volume__share_{i}" for i in (1, 2, 3)]].sum() == pytest.approx(1)
    loaded = load_extraction(paths["h0"].parents[1])
    pd.testing.assert_frame_equal(loaded.features, described.features, check_exact=True)
    assert loaded.protocol.habitats.descriptors


def test_descriptors_belong_to_no_region_with_a_radscore(described):
    regions = described.protocol.regions
    assert regions == ("habitat1", "habitat2", "habitat3", "tumour")
    assert not [name for region in regions for name in columns_of(described.features, region) if "__map__" in name]


def hcc_model(described, folder, protocol=None) -> FrozenModel:
    """A model on two features of habitat 1, its coefficients set by hand."""
    protocol = protocol or described.protocol
    names = tuple(columns_of(described.features, "habitat1")[7:9])
    values = described.features[list(names)]
    signature = Signature(names, tuple(values.mean()), tuple(values.std() + 0.01), (0.7, -0.4), -0.2, -0.2, 0.5)
    model = FrozenModel(
        name="hcc-test",
        version="1.0.0",
        title="A model for tests",
        kind="combined",
        notice="Made for tests, not for patients.",
        demonstration=True,
        protocol=protocol.to_dict(),
        predictors=(AGE,),
        intercept=-1.0,
        terms=(Term("age", "Age", 0.01, 52.0, 2.0, 50.0, 55.0), Term("radscore_habitat1", "Radscore habitat 1", 0.8, -0.2, 0.5, -1.5, 1.2)),
        cut_off=0.3,
        cut_off_rule="set by hand",
        imaging=Imaging({}, "resnet18", "seeded:0", described.weights_sha256, None, {"habitat1": signature}),
        cohort={"patients": "noise"},
        performance=({"cohort": "training, apparent", "n": 6, "events": 3, "auc": None},),
    )
    return write_model(model, folder, "Made for tests, not for patients.\n\n# hcc-test\n")


def test_one_patient_goes_from_the_file_to_the_radscore_of_the_cohort(described, cohort, small_model, tmp_path, capsys):
    model = hcc_model(described, tmp_path / "model")
    files = cohort.parent
    out = tmp_path / "out"
    arguments = ["predict", "--roi", str(files / "roi5.nrrd"), "--clinical", "age=55", "--model", str(model.folder), "-o", str(out)]
    assert main([*arguments, "--t1pv", str(files / "t1pv5.nrrd")]) == 0
    values = json.loads((out / "analysis.json").read_text(encoding="utf-8"))
    expected = radscore(described.features.loc["h5"], model.imaging.signatures["habitat1"])
    assert values["radscores"]["habitat1"] == pytest.approx(expected, abs=1e-6)
    assert {"t1pv.nrrd", "roi.nrrd", "habitats.seg.nrrd"} <= {p.name for p in out.iterdir()}
    capsys.readouterr()
    for more, text in (
        ([], "needs images: give --t1pv, and the outline with --roi"),
        (["--t2w", str(files / "t1pv5.nrrd")], "no portal venous T1W image; give it (--t1pv)"),
    ):
        assert main([*arguments, *more]) == 2
        assert text in capsys.readouterr().err
    from_folder = [arguments[0], str(files), *arguments[1:]]
    assert main(from_folder) == 2
    assert "portal venous T1W is not looked for in a DICOM folder; save the series as NRRD or NIfTI" in capsys.readouterr().err
    assert main([*from_folder, "--t1pv", str(files / "t1pv5.nrrd")]) == 2
    assert "--t1pv goes with image files; leave the DICOM folder out" in capsys.readouterr().err
    assert main([*from_folder, "--t1pv", str(files / "t1pv5.nrrd"), "--model", str(small_model.folder)]) == 2
    assert "Model small takes no portal venous T1W image; leave --t1pv out" in capsys.readouterr().err
    assert main(["models", "template", str(model.folder)]) == 0
    assert capsys.readouterr().out.strip() == "case_id,centre,split,outcome,t1pv,roi,age"


def test_a_model_whose_protocol_describes_gives_the_same_columns_elsewhere(described, cohort, tmp_path):
    model = hcc_model(described, tmp_path / "model")
    shutil.copytree(cohort.parent / "features" / "prepared", tmp_path / "site" / "prepared")
    found = extract_for_model(cohort, model, tmp_path / "site")
    pd.testing.assert_frame_equal(found.features, described.features, check_exact=True)


def test_the_quality_sheet_takes_a_single_sequence(cohort, tmp_path):
    found = check_quality(cohort, HCC, tmp_path / "quality")
    assert (len(found.accepted) + len(found.review), found.rejected) == (CASES, ())


def test_a_table_without_what_the_protocol_needs_is_refused_before_the_first_case(cohort, tmp_path):
    with pytest.raises(CohortError, match=r"cohort\.csv: columns are missing: t2w and dwi, or dicom; the protocol needs them"):
        extract(cohort, Protocol.load("pca-pni"), tmp_path)
    table = pd.read_csv(cohort).rename(columns={"t1pv": "dicom"})
    table.to_csv(tmp_path / "dicom.csv", index=False)
    with pytest.raises(CohortError, match=r"dicom\.csv: columns are missing: t1pv; the protocol needs them"):
        extract(tmp_path / "dicom.csv", HCC, tmp_path)


def test_a_dicom_folder_is_no_source_of_the_portal_venous_phase(cohort):
    folder = cohort.parent
    with pytest.raises(CaseError, match=r"Case a: portal venous T1W is not looked for in a DICOM folder.*\(--t1pv; in a cohort table the"):
        load_case("a", {"dicom": ".", "roi": "roi0.nrrd"}, folder, HCC)
    case = load_case("a", {"dicom": ".", "t1pv": "t1pv0.nrrd", "roi": "roi0.nrrd"}, folder, HCC)
    assert (set(case.images), case.roi_frame) == ({"t1pv"}, "t1pv")


def test_kept_volumes_and_features_of_earlier_cohorts_stay_valid(cohort, tmp_path):
    """The keys as they were made before there was a portal venous phase, and before there were descriptors."""
    protocol, folder = Protocol.load("pca-pni"), cohort.parent
    row = {"case_id": "a", "t2w": "t1pv0.nrrd", "dwi": "t1pv1.nrrd", "roi": "roi0.nrrd", "b_dwi": 1400.0, "roi_on": "t2w", "age": 63.0}
    digest = hashlib.sha256(f"{__version__} {STORE_FORMAT}".encode())
    for section in (protocol.diffusion, protocol.registration, protocol.preprocessing):
        digest.update(section.model_dump_json().encode())
    digest.update(repr((protocol.sequences, protocol.fixed, 5.0, ["1400.0", "None", "None", "t2w"])).encode())
    for name in ("t2w", "dwi", "roi"):
        content = (folder / row[name]).read_bytes()
        digest.update(f"{name} {len(content)}".encode() + content)
    key = digest.hexdigest()[:32]
    assert prepared_key(row, folder, protocol) == key
    assert prepared_key({**row, "t1pv": "t1pv2.nrrd"}, folder, protocol) == key
    assert prepared_key({**row, "low_b": "t1pv2.nrrd"}, folder, protocol) != key
    path, deep, habitats = tmp_path / f"{key}.npz", protocol.deep, protocol.habitats
    sections = deep.model_dump_json(exclude={"weights"}) + habitats.model_dump_json(
        include={"scope", "k", "order_by", "min_voxels", "seed"}
    )
    parts = (__version__, FEATURE_FORMAT, path.stem, protocol.sequences, sections, None, "00", "")
    assert feature_key(path, protocol, None, "00") == hashlib.sha256(repr(parts).encode()).hexdigest()[:32]
    asked = with_habitats(protocol, descriptors=True)
    assert feature_key(path, asked, None, "00") != feature_key(path, protocol, None, "00")
    assert feature_columns(asked) == [*feature_columns(protocol), *descriptor_columns(3)]


def test_features_by_texture_are_made_anew_when_its_vectors_change(tmp_path, monkeypatch):
    path, protocols = tmp_path / "a.npz", (HCC, with_habitats(HCC, texture=None))
    before = [feature_key(path, protocol, None, "00") for protocol in protocols]
    monkeypatch.setattr(cohort_steps, "VECTOR_FORMAT", cohort_steps.VECTOR_FORMAT + 1)
    assert [feature_key(path, protocol, None, "00") == key for protocol, key in zip(protocols, before, strict=True)] == [False, True]


@pytest.fixture
def computed(monkeypatch):
    """Calls that compute voxel vectors."""
    calls, function = [], cohort_steps.habitat_voxels
    monkeypatch.setattr(cohort_steps, "habitat_voxels", lambda *given: calls.append(given[1]) or function(*given))
    return calls


def test_texture_vectors_are_computed_once_for_all_folds(extracted, tmp_path, computed):
    source = prepared_paths(extracted)["h0"]
    path = tmp_path / source.name
    shutil.copy(source, path)
    volumes, protocol = load_volumes(path), with_habitats(extracted.protocol, scope="cohort")
    first = stored_voxels(path, volumes, protocol)
    again = stored_voxels(path, volumes, with_habitats(protocol, k=2, seed=1, voxels_per_patient=50))
    assert len(computed) == 1
    assert again.columns == first.columns
    np.testing.assert_array_equal(again.values, first.values)
    np.testing.assert_array_equal(again.reference, first.reference)
    centroids = learn_habitats([path], protocol)
    features_of("h0", path, protocol, centroids)
    assert len(computed) == 1
    stored_voxels(path, volumes, with_habitats(protocol, order_by="t1pv__original_firstorder_Mean"))
    texture = protocol.to_dict()["habitats"]["texture"]
    stored_voxels(path, volumes, with_habitats(protocol, texture={**texture, "bin_count": 16}))
    assert len(computed) == 3
    for kept in tmp_path.glob("*-vectors-*.npz"):
        kept.write_bytes(b"damaged")
    np.testing.assert_array_equal(stored_voxels(path, volumes, protocol).values, first.values)
    assert len(computed) == 4


def test_vectors_that_cannot_be_kept_stop_nothing(extracted, tmp_path):
    source = prepared_paths(extracted)["h0"]
    path = tmp_path / source.name
    shutil.copy(source, path)
    (kept,) = source.parent.glob(f"{source.stem}-vectors-*.npz")
    (tmp_path / kept.name).mkdir()  # nothing can be written there, whoever runs this
    found = stored_voxels(path, load_volumes(path), extracted.protocol)
    with np.load(kept) as stored:
        np.testing.assert_array_equal(found.values, stored["values"])
    assert sorted(tmp_path.iterdir()) == sorted((path, tmp_path / kept.name))


@pytest.mark.parametrize(
    "changes",
    [{}, {"features": "all93", "in_plane": False}, {"bin_count": 65534}, {"bin_count": None, "bin_width": 1e-6}, {"kernel_radius": 7}],
)
def test_kernels_of_every_protocol_can_be_loaded_before_the_cases(changes):
    told = []
    texture = {**HCC.to_dict()["habitats"]["texture"], **changes}
    load_texture(with_habitats(HCC, texture=texture), lambda fraction, _: told.append(fraction))
    assert told[-1] == 1
    load_texture(with_habitats(HCC, texture=None), lambda *said: pytest.fail("intensities need no kernel"))


@pytest.fixture(scope="module")
def spoilt(cohort, extracted, tmp_path_factory):
    """Cohort-scope habitats of one texture feature; case h1 has a voxel so bright that its bins would be too many."""
    folder = tmp_path_factory.mktemp("spoilt")
    table = pd.read_csv(cohort)
    table = table.assign(**{name: [str(cohort.parent / p) for p in table[name]] for name in ("t1pv", "roi")})
    image = sitk.Cast(sitk.ReadImage(table.loc[1, "t1pv"]), sitk.sitkFloat32)
    image[20, 20, 7] = 1e6
    sitk.WriteImage(image, str(folder / "t1pv1.nrrd"))
    table.loc[1, "t1pv"] = "t1pv1.nrrd"
    table.to_csv(folder / "cohort.csv", index=False)
    shutil.copytree(cohort.parent / "features" / "prepared", folder / "features" / "prepared")
    texture = {"features": ["original_firstorder_Mean"], "bin_width": 2e-4}
    protocol = with_habitats(extracted.protocol, scope="cohort", voxels_per_patient=100, texture=texture)
    told = []
    found = extract(folder / "cohort.csv", protocol, folder / "features", progress=lambda *said: told.append(said))
    return folder, found, told


def test_a_training_case_without_texture_is_a_failure_and_stops_nobody(spoilt):
    folder, found, told = spoilt
    assert list(found.failures) == ["h1"]
    assert found.failures["h1"].startswith("Case h1: Texture: bin_width 0.0002 cuts the ROI's intensities")
    assert pd.read_csv(folder / "features" / "failures.csv")["case_id"].tolist() == ["h1"]
    assert found.training == ("h0", "h2", "h3")
    assert list(found.features.index) == ["h0", "h2", "h3", "h4", "h5"] == list(found.prepared)
    assert learn_habitats([found.prepared[case] for case in found.training], found.protocol) == found.centroids
    assert "Texture of 4 of 4 cases" in {message for _, message in told}
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)


def test_kernels_are_loaded_before_the_processes_and_only_for_what_is_new(spoilt, tmp_path, monkeypatch):
    folder, found, _ = spoilt
    calls = []
    for name in ("load_texture", "collect_cases"):
        function = getattr(cohort_module, name)
        monkeypatch.setattr(
            cohort_module,
            name,
            lambda *given, said=name, do=function: calls.append(given[-1] if said == "collect_cases" else said) or do(*given),
        )
    rejected = {"h1": "no texture"}
    extract(folder / "cohort.csv", found.protocol, folder / "features", rejected=rejected)
    assert calls == ["Registered and resampled", "Texture of", "Deep features of"]
    calls.clear()
    shutil.copytree(folder / "features" / "prepared", tmp_path / "prepared", ignore=shutil.ignore_patterns("*-vectors-*"))
    extract(folder / "cohort.csv", found.protocol, tmp_path, rejected=rejected)
    assert calls == ["Registered and resampled", "load_texture", "Texture of", "Deep features of"]


def test_intensities_are_not_kept_beside_the_volumes(extracted, tmp_path, computed):
    path = tmp_path / "a.npz"
    shutil.copy(prepared_paths(extracted)["h0"], path)
    stored_voxels(path, load_volumes(path), with_habitats(extracted.protocol, texture=None))
    assert (len(computed), list(tmp_path.iterdir())) == (1, [path])
