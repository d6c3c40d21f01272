"""The worker's commands without the process: the same bits as `analyse`, nothing computed twice, and what is written where."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import preparation, workbench
from HabitatPNILib.analysis import analyse
from HabitatPNILib.errors import Cancelled, CaseError, ModelError, ProtocolError, RequestError
from HabitatPNILib.frozen_model import find_model, write_model
from HabitatPNILib.own_habitats import own_protocol
from HabitatPNILib.progress import no_progress
from HabitatPNILib.protocol import DiffusionSection, Protocol
from HabitatPNILib.workbench import Workbench
from HabitatPNILib.worker_case import read_case

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
    count(workbench, "habitat_voxels")
    return calls


def pixels(path: str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(path))


def without_times(values: dict) -> dict:
    return {key: value for key, value in json.loads(json.dumps(values)).items() if key not in {"times", "provenance"}}


def test_step_by_step_gives_the_bits_of_one_analysis_and_registers_once(bench, asked, made, phantom, small_model, counted):
    registered = bench.register(**asked)
    habitats = bench.habitats(**asked)
    found = bench.analyse(**asked, clinical=made["clinical"])
    assert counted == ["register_rigid", "preprocess", "habitat_voxels", "analyse", "habitat_voxels"]

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
    assert counted == ["analyse", "habitat_voxels"]
    assert other["probability"] < first["probability"]
    mask = sitk.ReadImage(made["case"]["mask"])
    sitk.WriteImage(sitk.BinaryErode(mask, [1, 1, 0]), str(tmp_path / "smaller.nrrd"))
    asked["case"] = {**asked["case"], "mask": str(tmp_path / "smaller.nrrd")}
    counted.clear()
    smaller = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    assert counted == ["analyse", "preprocess", "habitat_voxels"]
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


def test_texture_habitats_are_the_protocol_s_and_another_number_computes_no_texture_again(bench, asked, small_model, counted):
    value = bench.habitats(**asked, k=5, vectors="hcc77")
    assert (value["k"], value["vectors"], value["from_model"]) == (5, "hcc77", False)
    assert value["k_curve"]["k"] == (3, 4, 5, 6, 7, 8, 9)
    protocol = own_protocol(Protocol.from_dict(small_model.protocol, "of the tests"), 5, "hcc77")
    prepared = bench._prepare(read_case(asked["case"], {}, protocol.diffusion), protocol, no_progress)
    fresh = preparation.map_habitats(prepared.preprocessed, protocol.habitats, protocol.sequences, None)
    np.testing.assert_array_equal(pixels(value["files"]["habitat_map"]), sitk.GetArrayFromImage(fresh.labels))
    assert [h["voxels"] for h in value["habitats"]] == list(fresh.counts)
    adc = [h["means"]["adc"] for h in value["habitats"]]
    assert adc == sorted(adc)

    assert f"{len(fresh.centroids.sequences)} of 231 texture features entered the clustering" in value["warnings"]
    assert len(value["left_out"]) == 231 - len(fresh.centroids.sequences) > 0
    assert not set(value["left_out"]) & set(fresh.centroids.sequences)

    counted.clear()
    best = bench.habitats(**asked, k="best", vectors="hcc77")
    curve = {name: dict(zip(value["k_curve"]["k"], values, strict=True)) for name, values in value["k_curve"].items()}
    votes = [max(curve[name], key=curve[name].get) for name in ("calinski_harabasz", "silhouette")]
    votes.append(min(curve["davies_bouldin"], key=curve["davies_bouldin"].get))
    assert best["k"] == max(votes, key=votes.count)
    assert best["k_curve"] == value["k_curve"]
    numbered = bench.habitats(**asked, k=best["k"], vectors="hcc77")
    assert {k: v for k, v in numbered.items() if k != "files"} == {k: v for k, v in best.items() if k != "files"}
    assert bench.habitats(**asked, vectors="hcc77")["k"] == 3
    assert counted == []


def test_an_analysis_takes_the_texture_that_finding_habitats_computed(asked, made, small_model, tmp_path, counted):
    """The model's habitats are of texture here, clustered case by case."""
    texture = {"features": ["original_firstorder_Mean", "original_firstorder_Median"], "pca": None}
    values = {**small_model.protocol, "habitats": {"scope": "case", "order_by": "adc", "texture": texture}}
    model = replace(small_model, protocol=values, imaging=replace(small_model.imaging, habitats=None))
    write_model(model, tmp_path / "model", "# Card\n")
    asked = {**asked, "model": str(tmp_path / "model")}
    bench = Workbench()
    shown = bench.habitats(**asked)
    assert counted.count("habitat_voxels") == 1
    counted.clear()
    found = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    assert counted == ["analyse"]
    assert found["habitats"] == shown["habitats"]
    kept = next(c for c in found["provenance"]["choices"] if c["item"] == "texture")
    assert kept["chosen"] in shown["warnings"]
    assert kept["chosen"].endswith("of 6 texture features entered the clustering")


def test_intensities_of_this_case_alone_are_not_the_model_s_habitats(bench, asked):
    value = bench.habitats(**asked, vectors="intensity")
    assert (value["k"], value["vectors"], value["from_model"]) == (3, "intensity", False)
    assert value["habitats"] == bench.habitats(**asked, k=3)["habitats"]
    assert bench.habitats(**asked)["vectors"] is None


def test_cancel_while_texture_is_computed_leaves_nothing(bench, asked, counted):
    def stop(_fraction, message):
        if message == "Texture maps":
            raise Cancelled

    for _ in range(2):
        with pytest.raises(Cancelled):
            bench.habitats(**asked, vectors="all93", progress=stop)
    assert list(Path(asked["folder"]).iterdir()) == []
    assert counted.count("habitat_voxels") == 2


def test_whoever_waits_for_the_kernels_of_texture_is_told_so(bench, asked, monkeypatch):
    monkeypatch.setattr("HabitatPNILib.features.texture.engine.PATIENCE_S", 0)
    said = []
    bench.habitats(**asked, vectors="all93", progress=lambda fraction, message: said.append((fraction, message)))
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    assert any("compiled at first use, about 30 s" in message for _, message in said)


def test_wrong_vectors_are_a_wrong_request_before_anything_is_computed(bench, asked, counted):
    with pytest.raises(RequestError, match="habitats of texture; vectors is null or one of intensity, hcc77, all93"):
        bench.habitats(**asked, vectors="texture")
    with pytest.raises(RequestError, match="four habitats; k is null, a whole number or best"):
        bench.habitats(**asked, k="four")
    assert counted == []


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


FULL = "The GPU's memory is full: the network ran on the processor"


@pytest.fixture
def gpu(monkeypatch):
    """A GPU that is full while ``full`` is set: everything else of it is the processor. Says how often a network was sent to it."""
    torch = pytest.importorskip("torch")
    state = {"full": True, "there": True, "tried": 0}
    module_to, tensor_to = torch.nn.Module.to, torch.Tensor.to

    def to(original, module):
        def moved(self, *args, **kwargs):
            if args[:1] != ("cuda",):
                return original(self, *args, **kwargs)
            state["tried"] += module
            if state["full"]:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return self

        return moved

    monkeypatch.setattr(torch.cuda, "is_available", lambda: state["there"])
    monkeypatch.setattr(torch.nn.Module, "to", to(module_to, True))
    monkeypatch.setattr(torch.Tensor, "to", to(tensor_to, False))
    return state


def test_a_gpu_that_was_full_when_the_network_was_loaded_is_tried_again(asked, made, counted, gpu):
    bench = Workbench()
    asked = {**asked, "device": "cuda"}
    bench.warm(asked["model"], "cuda")
    assert gpu["tried"] == 1
    first = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    assert FULL in first["warnings"]
    assert gpu["tried"] == 2

    gpu["full"] = False
    second = bench.analyse(**asked, clinical=made["clinical"])["analysis"]
    assert FULL not in second["warnings"]
    assert second["probability"] == first["probability"]
    bench.analyse(**asked, clinical=made["clinical"])
    assert (gpu["tried"], counted.count("analyse")) == (3, 2)


def test_a_gpu_whose_memory_ends_while_the_network_computes_is_tried_again(asked, made, gpu):
    bench = Workbench()
    asked = {**asked, "device": "cuda"}
    gpu["full"] = False
    bench.warm(asked["model"], "cuda")
    gpu["full"] = True
    assert FULL in bench.analyse(**asked, clinical=made["clinical"])["analysis"]["warnings"]
    gpu["full"] = False
    assert FULL not in bench.analyse(**asked, clinical=made["clinical"])["analysis"]["warnings"]
    assert gpu["tried"] == 2


def test_without_a_gpu_the_network_and_the_analysis_are_kept(asked, made, counted, gpu):
    bench = Workbench()
    gpu["there"] = False
    for _ in range(2):
        warnings = bench.analyse(**asked, device="cuda", clinical=made["clinical"])["analysis"]["warnings"]
        assert "No GPU that can be used was found: the network ran on the processor" in warnings
    assert (counted.count("analyse"), len(bench._extractors), gpu["tried"]) == (1, 1, 0)


@pytest.mark.parametrize("name", ["report.html", "Case 1.5 (v2.1).html"])
def test_what_a_worker_that_was_ended_left_beside_the_report_is_removed(bench, asked, made, tmp_path, name):
    path = tmp_path / "reports" / name
    half = "lambda temporary: (temporary.write_bytes(b'half'), os._exit(9))"
    ended = f"import os; from pathlib import Path; from HabitatPNILib.storage import write_file; write_file(Path({str(path)!r}), {half})"
    library = Path(workbench.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", ended], cwd=library, check=False).returncode == 9
    assert len(list(path.parent.iterdir())) == 1
    own = path.with_name(f".{path.stem}.old.html")
    own.touch()
    bench.report(**{k: v for k, v in asked.items() if k != "folder"}, clinical=made["clinical"], path=str(path))
    assert {p.name for p in path.parent.iterdir()} == {name, own.name}


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ([1], "a case that is not a JSON object"),
        ({"case_id": "1"}, "whose images is missing or of the wrong type"),
        ({"images": {}}, "whose case_id is missing or of the wrong type"),
        ({"case_id": "1", "images": ["t2w.nrrd"]}, "whose images is missing"),
        ({"case_id": "1", "images": {"t2w": 3}}, "whose images is missing"),
        ({"case_id": "1", "images": {}, "mask": 3, "drawn_on": ["t2w"]}, "whose mask and drawn_on is missing"),
        ({"case_id": "1", "images": {}, "b_values": {"dwi": "1400"}}, "whose b_values is missing"),
        ({"case_id": "1", "images": {}, "phantom": 1}, "whose phantom is missing"),
    ],
)
def test_a_case_that_is_none_is_a_wrong_request(bench, asked, case, text):
    for command in (bench.register, bench.habitats, bench.analyse):
        with pytest.raises(RequestError, match=text):
            command(**{**asked, "case": case})


def test_a_read_case_is_a_phantom_only_when_it_says_so(made):
    diffusion = DiffusionSection()
    assert read_case(made["case"], {}, diffusion).is_phantom
    assert not read_case({**made["case"], "phantom": None}, {}, diffusion).is_phantom
