from __future__ import annotations

import dataclasses
import getpass
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.errors import CaseError, OutputError
from HabitatPNILib.geometry import corners, voxel_positions
from HabitatPNILib.mrml.scene import read_scene, result_nodes, show_results, write_scene
from HabitatPNILib.mrml.tables import result_rows

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")


@pytest.fixture
def bundle(analysis, tmp_path) -> Path:
    path = tmp_path / "scene.mrb"
    write_scene(analysis, path)
    return path


def test_scene_read_in_a_fresh_process_holds_the_analysis(bundle, analysis):
    script = Path(__file__).with_name("fresh_reader.py")
    done = subprocess.run([sys.executable, str(script), str(bundle)], capture_output=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["volumes"]) == {"T2W registered", "DWI registered", "ADC registered"}
    for name, image in analysis.images.items():
        volume = found["volumes"][f"{name.upper()} registered"]
        matrix = np.array(volume["matrix"]).reshape(4, 4)
        last = [n - 1 for n in image.GetSize()]
        position = np.array(image.TransformIndexToPhysicalPoint(last)) * [-1, -1, 1]
        assert (matrix @ [*last, 1])[:3] == pytest.approx(position, abs=1e-6)
        array = sitk.GetArrayFromImage(image)
        assert tuple(volume["size"]) == image.GetSize()
        assert volume["sum"] == pytest.approx(float(array.sum(dtype=float)), rel=1e-12)
        assert array.min() <= volume["window"][0] < volume["window"][1] <= array.max()
    labels = sitk.GetArrayFromImage(analysis.habitat_map)
    voxels = {"tumour": int((labels > 0).sum()), **{f"habitat{label}": int((labels == label).sum()) for label in (1, 2, 3)}}
    assert {identity: segment["voxels"] for identity, segment in found["segments"].items()} == voxels
    assert all(segment["visible"] and segment["reference"] == "T2W registered" for segment in found["segments"].values())
    assert (found["segments"]["habitat1"]["fill"], found["segments"]["habitat1"]["outline"]) == (0.5, 0.0)
    assert found["segments"]["tumour"]["fill"] == 0.0
    assert found["segments"]["tumour"]["outline"] == 1.0
    assert found["segments"]["habitat2"]["name"] == "Habitat 2"
    assert [tuple(row) for row in found["table"]] == result_rows(analysis.to_dict())
    assert found["text"] == json.loads(json.dumps(analysis.to_dict()))
    assert found["layout"] == slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpTableView
    assert found["backgrounds"] == dict.fromkeys(("Red", "Green", "Yellow"), "T2W registered")
    assert found["table_view"] == "HabitatPNI results"


def test_slice_views_cut_the_tumour_in_the_planes_of_the_image(bundle, analysis):
    scene = read_scene(bundle)
    tumour = voxel_positions(analysis.roi) * [-1, -1, 1]
    axes = np.array(analysis.roi.GetDirection()).reshape(3, 3) * [[-1], [-1], [1]]
    normals = []
    for i in range(3):
        view = scene.GetNthNodeByClass(i, "vtkMRMLSliceNode")
        to_ras = np.array([[view.GetSliceToRAS().GetElement(r, c) for c in range(4)] for r in range(4)])
        assert np.linalg.norm(tumour - to_ras[:3, 3], axis=1).min() < 1e-3
        normals.append(np.abs(axes.T @ to_ras[:3, 2]).round(6).tolist())
        assert view.GetFieldOfView()[:2] == (140, 140)
        composite = scene.GetNthNodeByClass(i, "vtkMRMLSliceCompositeNode")
        assert scene.GetNodeByID(composite.GetBackgroundVolumeID()).GetName() == "T2W registered"
        assert composite.GetForegroundOpacity() == 0
    assert sorted(normals) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]


def test_files_in_the_bundle_are_read_the_same_by_simpleitk(bundle, analysis, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        archive.extractall(tmp_path)
    assert "scene/scene.mrml" in names
    files = {Path(name).name: tmp_path / name for name in names}
    segmentations = [path for name, path in files.items() if name.endswith(".seg.nrrd")]
    volumes = [path for name, path in files.items() if name.endswith(".nrrd") and path not in segmentations]
    assert (len(volumes), len(segmentations)) == (3, 2)
    for path in volumes:
        assert np.abs(corners(sitk.ReadImage(str(path))) - corners(analysis.roi)).max() < 1e-6
    read = {path.name.split(".")[0]: sitk.ReadImage(str(path)) for path in segmentations}
    for name, expected in (("Habitats", analysis.habitat_map), ("Tumour", analysis.roi)):
        assert read[name].GetPixelID() == sitk.sitkUInt8
        assert np.array_equal(sitk.GetArrayFromImage(read[name]), sitk.GetArrayFromImage(expected))
        assert np.abs(corners(read[name]) - corners(analysis.roi)).max() < 1e-6


def test_bundle_tells_nothing_of_this_machine(bundle, tmp_path):
    with zipfile.ZipFile(bundle) as archive:
        texts = {name: archive.read(name) for name in archive.namelist()}
    for name, content in texts.items():
        head = content[:4000] if name.endswith(".nrrd") else content
        for secret in (str(tmp_path), str(Path.home()) + "/", "/tmp", "/home/", f"/{getpass.getuser()}/"):
            assert secret.encode() not in head, (name, secret)
    assert not any(Path(name).is_absolute() or ".." in name for name in texts)


def test_same_analysis_gives_the_same_data_files(analysis, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_scene(analysis, tmp_path / name / "scene.mrb")
    a, b = (zipfile.ZipFile(tmp_path / name / "scene.mrb") for name in ("a", "b"))
    assert a.namelist() == b.namelist()
    assert all(a.read(name) == b.read(name) for name in a.namelist() if not name.endswith(".mrml"))


def test_nothing_half_written_is_left(analysis, tmp_path, monkeypatch):
    (tmp_path / "scene.mrb").write_text("earlier", encoding="utf-8")

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "writestr", full)
    with pytest.raises(OutputError, match=r"^scene\.mrb could not be written: No space left on device$"):
        write_scene(analysis, tmp_path / "scene.mrb")
    assert [p.name for p in tmp_path.iterdir()] == ["scene.mrb"]
    assert (tmp_path / "scene.mrb").read_text(encoding="utf-8") == "earlier"


def test_damaged_bundle_is_refused(tmp_path):
    path = tmp_path / "scene.mrb"
    path.write_bytes(b"not a zip")
    with pytest.raises(OutputError, match=r"^scene\.mrb cannot be read as a scene"):
        read_scene(path)


def test_analysis_without_images_is_a_table_and_a_text(analysis, scene, tmp_path):
    bare = dataclasses.replace(analysis, images={}, roi=None, habitat_map=None, habitats=(), radscores={})
    nodes = show_results(scene, bare)
    assert nodes.background is None
    assert nodes.habitats is None
    assert len(result_nodes(scene, "case")) == 2
    write_scene(bare, tmp_path / "scene.mrb")
    assert read_scene(tmp_path / "scene.mrb").GetFirstNodeByName("HabitatPNI results").GetTable().GetNumberOfRows() == len(
        result_rows(bare.to_dict())
    )


def test_showing_again_replaces_the_case_and_leaves_the_rest(analysis, nodes):
    scene = nodes.scene
    other = dataclasses.replace(analysis, case_id="other")
    show_results(scene, other)
    first = show_results(scene, analysis)
    count = scene.GetNumberOfNodes()
    kept = {node.GetID() for node in result_nodes(scene, "other")}
    second = show_results(scene, dataclasses.replace(analysis, probability=0.1))
    assert scene.GetNumberOfNodes() == count
    assert {node.GetID() for node in result_nodes(scene, "other")} == kept
    assert nodes.t2w.GetScene() is scene
    assert first.table.GetScene() is None
    assert second.table.GetTable().GetValue(0, 2).ToString() == "0.1000"


def test_failure_leaves_the_scene_as_it_was(analysis, nodes):
    scene = nodes.scene
    show_results(scene, analysis)
    before = sorted(scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes()))
    wrong = {**analysis.images, "adc": sitk.Cast(analysis.images["adc"], sitk.sitkInt64)}
    with pytest.raises(CaseError, match="ADC registered: 3D Slicer shows no volume of 64-bit"):
        show_results(scene, dataclasses.replace(analysis, images=wrong))
    assert sorted(scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())) == before


def test_showing_turns_the_views_that_are_there_to_the_result(analysis, scene):
    composite = slicer.vtkMRMLSliceCompositeNode()
    composite.SetLayoutName("Red")
    scene.AddNode(composite)
    nodes = show_results(scene, analysis)
    assert composite.GetBackgroundVolumeID() == nodes.volumes["t2w"].GetID()
    assert composite.GetForegroundVolumeID() == nodes.volumes["adc"].GetID()


def test_scenes_do_not_pile_up(analysis, tmp_path):
    import gc

    import psutil

    def resident() -> int:
        gc.collect()
        return psutil.Process().memory_info().rss

    big = {name: sitk.Expand(image, (4, 4, 4)) for name, image in analysis.images.items()}
    large = dataclasses.replace(analysis, images=big, roi=sitk.Expand(analysis.roi, (4, 4, 4), sitk.sitkNearestNeighbor), habitat_map=None)
    write_scene(large, tmp_path / "scene.mrb")
    start = resident()
    for _ in range(8):
        write_scene(large, tmp_path / "scene.mrb")
    # One scene holds three volumes of 2.2 MB; eight leaked ones would hold 50 MB.
    assert resident() - start < 15e6


def test_volumes_of_a_scene_that_was_read_have_their_grey_table(bundle):
    scene = read_scene(bundle)
    display = scene.GetFirstNodeByName("T2W registered").GetDisplayNode()
    assert display.GetColorNode().GetName() == "Grey"
    with zipfile.ZipFile(bundle) as archive:
        text = archive.read("scene/scene.mrml").decode()
    assert 'colorNodeID="vtkMRMLColorTableNodeGrey"' in text
    assert "<ColorTable" not in text
