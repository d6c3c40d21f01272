"""The worker's commands without the process: the same bits as `analyse`, nothing computed twice, and what is written where."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import preparation, workbench
from HabitatPNILib.analysis import analyse
from HabitatPNILib.errors import CaseError, ModelError, ProtocolError
from HabitatPNILib.frozen_model import find_model
from HabitatPNILib.workbench import Workbench, read_case

SEED = 700  # the phantom of conftest.py


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Workbench().phantom(SEED, str(tmp_path_factory.mktemp("case")))


@pytest.fixture(scope="module")
def bench():
    return Workbench()


@pytest.fixture
def asked(made, small_model, tmp_path):
    return {"case": made["case"], "model": str(small_model.folder), "folder": str(tmp_path)}


@pytest.fixture
def counted(monkeypatch):
    """What is computed, by name."""
    calls = []

    def count(module, name):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, **kwargs: calls.append(name) or original(*args, **kwargs))

    count(preparation, "register_rigid")
    count(preparation, "preprocess")
    count(workbench, "analyse")
    return calls


def pixels(path: str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(path))


def without_times(values: dict) -> dict:
    return {key: value for key, value in json.loads(json.dumps(values)).items() if key not in {"times", "provenance"}}


def test_step_by_step_gives_the_bits_of_one_analysis_and_registers_once(bench, asked, made, phantom, small_model, counted):
    registered = bench.register(**asked)
    habitats = bench.habitats(**asked)
    found = bench.analyse(**asked, clinical=made["clinical"])
    assert counted == ["register_rigid", "preprocess", "analyse"]

    direct = analyse(phantom[0], small_model)
    assert without_times(found["analysis"]) == without_times(direct.to_dict())
    assert registered["registration"] == habitats["registration"] == direct.to_dict()["registration"]
    assert habitats["habitats"] == direct.to_dict()["habitats"]
    assert habitats["k_curve"] == vars(direct.k_curve)
    assert (habitats["k"], habitats["from_model"]) == (3, True)
    for name, image in direct.images.items():
        np.testing.assert_array_equal(pixels(found["files"]["images"][name]), sitk.GetArrayFromImage(image))
    np.testing.assert_array_equal(pixels(found["files"]["habitat_map"]), sitk.GetArrayFromImage(direct.habitat_map))
    np.testing.assert_array_equal(pixels(habitats["files"]["roi"]), sitk.GetArrayFromImage(direct.roi))
    assert found["analysis"]["times"]["registration and preprocessing"] < 0.5
    assert json.dumps([registered, habitats, found], allow_nan=False)


def test_the_report_comes_from_the_analysis_that_is_there(bench, asked, made, tmp_path, counted):
    value = bench.analyse(**asked, clinical=made["clinical"])
    counted.clear()
    path = tmp_path / "out" / "report.html"
    asked.pop("folder")
    assert bench.report(**asked, clinical=made["clinical"], path=str(path)) == {"path": str(path)}
    assert counted == []
    assert f"{value['analysis']['probability'] * 100:.0f}" in path.read_text(encoding="utf-8")


def test_other_clinical_values_keep_the_images_and_another_outline_keeps_the_registration(bench, asked, made, tmp_path, counted):
    first = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    counted.clear()
    other = bench.analyse(**asked, clinical={**made["clinical"], "age": first["contributions"][0]["value"] + 5})["analysis"]
    assert counted == ["analyse"]
    assert other["probability"] < first["probability"]
    mask = sitk.ReadImage(made["case"]["mask"])
    sitk.WriteImage(sitk.BinaryErode(mask, [1, 1, 0]), str(tmp_path / "smaller.nrrd"))
    asked["case"] = {**asked["case"], "mask": str(tmp_path / "smaller.nrrd")}
    counted.clear()
    smaller = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    assert counted == ["analyse", "preprocess"]
    assert sum(h["voxels"] for h in smaller["habitats"]) < sum(h["voxels"] for h in first["habitats"])


def test_another_image_is_registered_anew(bench, asked, made, tmp_path, counted):
    moved = sitk.ReadImage(made["case"]["images"]["t2w"])
    moved.SetOrigin([o + 3.0 for o in moved.GetOrigin()])
    sitk.WriteImage(moved, str(tmp_path / "moved.nrrd"))
    before = bench.register(**asked)["registration"]
    counted.clear()
    asked["case"] = {**asked["case"], "images": {**made["case"]["images"], "t2w": str(tmp_path / "moved.nrrd")}}
    after = bench.register(**asked)["registration"]
    assert counted == ["register_rigid"]
    assert np.subtract(after["translation_mm"], before["translation_mm"]) == pytest.approx([3.0] * 3, abs=0.5)


def test_the_registered_image_lies_in_the_fixed_frame_at_its_own_resolution(bench, asked, phantom):
    asked["case"] = {**asked["case"], "mask": None}
    value = bench.register(**asked)
    assert (value["fixed"], value["moving"]) == ("adc", ["t2w"])
    fixed, found = (sitk.ReadImage(path) for path in (value["files"]["fixed"], value["files"]["registered"]["t2w"]))
    case, truth = phantom
    assert found.GetDirection() == pytest.approx(fixed.GetDirection())
    assert found.GetSpacing() == pytest.approx(case.images["t2w"].GetSpacing())
    wanted = sitk.Resample(case.images["t2w"], found, truth.transform, sitk.sitkLinear)
    still = sitk.Resample(case.images["t2w"], found, sitk.Transform(), sitk.sitkLinear)
    gland = sitk.GetArrayFromImage(sitk.Resample(truth.gland, found, sitk.Transform(), sitk.sitkNearestNeighbor)) > 0
    found, wanted, still = (sitk.GetArrayFromImage(image)[gland].astype(float) for image in (found, wanted, still))
    assert np.abs(found - wanted).mean() < 0.75 * np.abs(still - wanted).mean()


def test_habitats_of_this_case_alone(bench, asked):
    value = bench.habitats(**asked, k=4)
    assert (value["k"], value["from_model"], len(value["habitats"])) == (4, False, 4)
    assert set(np.unique(pixels(value["files"]["habitat_map"]))) == {0, 1, 2, 3, 4}
    adc = [h["means"]["adc"] for h in value["habitats"]]
    assert adc == sorted(adc)
    with pytest.raises(ProtocolError, match=r"with 12 habitats: habitats\.k"):
        bench.habitats(**asked, k=12)


def test_results_beside_the_inputs_leave_them_alone(bench, asked, made):
    folder = Path(made["case"]["mask"]).parent
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    asked["folder"] = str(folder)
    bench.register(**asked)
    bench.habitats(**asked)
    bench.analyse(**asked, clinical=made["clinical"])
    assert all((folder / name).read_bytes() == content for name, content in before.items())


def test_a_clinical_model_needs_no_image_and_draws_its_nomogram(bench, tmp_path, made):
    case = {"case_id": "5", "images": {}, "mask": None, "drawn_on": None, "b_values": {}, "phantom": None}
    folder = str(find_model("pca-pni-clinical"))
    clinical = {name: made["clinical"][name] for name in ("age", "mrt_stage", "pi_rads")}
    value = bench.analyse(case, folder, str(tmp_path), clinical=clinical, prevalence=0.4)
    assert value["files"] == {"images": {}, "roi": None, "habitat_map": None}
    assert "40.0%" in value["analysis"]["notice"]
    assert bench.warm(folder) == {}
    header = Path(value["nomogram"]).read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") == 900
    t2w_alone = {**case, "images": {"t2w": made["case"]["images"]["t2w"]}, "mask": made["case"]["mask"]}
    assert bench.analyse(t2w_alone, folder, str(tmp_path), clinical=clinical)["analysis"]["habitats"] == []


def test_what_is_missing_is_said_in_one_line(bench, asked, made, counted):
    lacking = {**asked["case"], "images": {k: v for k, v in made["case"]["images"].items() if k != "dwi"}}
    with pytest.raises(CaseError, match=r"no DWI image; choose it, then register$"):
        bench.register(**{**asked, "case": lacking})
    with pytest.raises(CaseError, match=r"^Case 3: The T2W file gone\.nrrd does not exist"):
        bench.register(**{**asked, "case": {**asked["case"], "case_id": "3", "images": {"t2w": "gone.nrrd"}}})
    with pytest.raises(CaseError, match="clinical values are missing"):
        bench.analyse(**asked, clinical={})
    assert counted == ["analyse"]


def test_weights_that_are_computed_need_no_file(bench, asked, monkeypatch, tmp_path):
    monkeypatch.setenv("HABITATPNI_CACHE", str(tmp_path))
    assert bench.weights(asked["model"], "status") == {"needed": False, "present": True, "path": "", "megabytes": 0.0, "source": ""}
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "resnet18-f37072fd.pth").write_bytes(b"")
    bench.weights(asked["model"], "remove")
    assert not list((tmp_path / "weights").iterdir())
    with pytest.raises(ModelError, match="none of status, download and remove"):
        bench.weights(asked["model"], "delete")


def test_weights_from_a_file_on_the_net(monkeypatch, tmp_path):
    from HabitatPNILib.networks.weights import weights_status

    monkeypatch.setenv("HABITATPNI_CACHE", str(tmp_path))
    status = weights_status("resnet101", "imagenet")
    assert (status.present, status.megabytes, status.path.name) == (False, 179.0, "resnet101-63fe2227.pth")
    assert status.source.startswith("https://download.pytorch.org/")
    assert not weights_status("resnet18", f"file:{tmp_path / 'mine.pth'}").present


def test_the_gpu_is_tried_again_after_its_memory_ended(bench, asked, made):
    torch = pytest.importorskip("torch")
    bench.warm(asked["model"])
    ((key, (extractor, _)),) = bench._extractors.items()
    network = extractor._network

    class Full(torch.nn.Module):
        def forward(self, batch):
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

        def to(self, device):
            return network.to(device)

    extractor._network = Full()
    bench._extractors[key] = extractor, "cuda"
    value = bench.analyse(**asked, clinical={**made["clinical"], "age": 71})
    assert "The GPU's memory is full: the network ran on the processor" in value["analysis"]["warnings"]
    assert bench._extractors == {}


def test_a_read_case_is_a_phantom_only_when_it_says_so(made):
    diffusion = workbench.DiffusionSection()
    assert read_case(made["case"], {}, diffusion).is_phantom
    assert not read_case({**made["case"], "phantom": None}, {}, diffusion).is_phantom
