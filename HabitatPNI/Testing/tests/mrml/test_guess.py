from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.mrml.guess import MIN_B, guess_b_value, guess_segment, guess_sequences
from HabitatPNILib.mrml.results import Results
from HabitatPNILib.mrml.scene import add_case, show_registration, show_results
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
from HabitatPNILib.mrml.undo import all_nodes
from HabitatPNILib.mrml.volumes import add_volume

slicer = pytest.importorskip("slicer", reason="slicer-core is not installed")

PLANES = {"tra": (0.1, 0, 0), "cor": (np.pi / 2, 0, 0), "sag": (np.pi / 2, 0, np.pi / 2)}


@pytest.fixture
def load(scene, make_image):
    """Function that adds volumes by name to the scene in this order; the plane may follow after a bar, the grid's size after another."""

    def add(*names: str):
        for name in names:
            title, plane, columns = [*name.split("|"), *("tra", "20")[name.count("|") :]]
            array = np.random.default_rng(0).normal(100, 9, (7, 16, int(columns))).astype(np.float32)
            add_volume(scene, make_image(array, angles=PLANES[plane]), title)
        return scene

    return add


def guessed(scene) -> dict[str, str]:
    found = guess_sequences(all_nodes(scene))
    assert len({node.GetID() for node in found.values()}) == len(found)
    return {name: node.GetName() for name, node in found.items()}


SIEMENS = [
    "1: localizer",
    "4: t2_tse_tra",
    "5: t2_tse_sag|sag",
    "6: ep2d_diff_tra_DYNDIST",
    "7: ep2d_diff_tra_DYNDIST_ADC",
    "8: ep2d_diff_tra_DYNDIST_CALC_BVAL",
]
PHILIPS = ["Survey", "T2W_TSE_ax", "T2W_TSE_cor|cor", "T2W_TSE_sag|sag", "DWI b50", "DWI b1500", "dADC", "eADC", "dReg T1_DCE", "T1W_TSE"]
GE = ["3-Pl Loc T2", "Ax T2 FRFSE", "Cor T2 FRFSE|cor", "Ax DWI b=1400", "Ax DWI b=50", "Apparent Diffusion Coefficient (mm2/s)",
      "Exponential Apparent Diffusion Coefficient", "Ax LAVA DCE", "Subtraction T2 phase 3", "Ax T2* GRE"]  # fmt: skip


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (SIEMENS, {"t2w": "4: t2_tse_tra", "dwi": "8: ep2d_diff_tra_DYNDIST_CALC_BVAL", "adc": "7: ep2d_diff_tra_DYNDIST_ADC"}),
        (PHILIPS, {"t2w": "T2W_TSE_ax", "dwi": "DWI b1500", "adc": "dADC", "low_b": "DWI b50"}),
        (GE, {"t2w": "Ax T2 FRFSE", "dwi": "Ax DWI b=1400", "adc": "Apparent Diffusion Coefficient (mm2/s)", "low_b": "Ax DWI b=50"}),
        (["T2", "dDWI 0 1500", "dADC map"], {"t2w": "T2", "dwi": "dDWI 0 1500", "adc": "dADC map"}),
        (["sub-0001_T2w", "sub-0001_adc", "sub-0001_dwi"], {"t2w": "sub-0001_T2w", "adc": "sub-0001_adc", "dwi": "sub-0001_dwi"}),
        (
            ["ProstateX-0000_b50", "ProstateX-0000_b400", "ProstateX-0000_b800"],
            {"dwi": "ProstateX-0000_b800", "low_b": "ProstateX-0000_b50"},
        ),
        (["DWI b1000", "DWI b2000 calculated", "DWI b800"], {"dwi": "DWI b1000", "low_b": ""}),
        (["DWI b400"], {}),
        (["diffusion one", "diffusion two"], {}),
        (["CT abdomen", "T1 vibe", "1", "MR head flair"], {}),
        (["t2_tse_sag", "T2 coronal", "t2_tse|cor"], {}),
        (["t2_tse_tra", "T2 repeat tra"], {"t2w": "T2 repeat tra"}),
        (["ADC one", "ADC two|tra|30", "DWI b1400"], {"adc": "ADC one", "dwi": "DWI b1400"}),
    ],
)
def test_names_of_protocols(load, names, expected):
    assert guessed(load(*names)) == {name: title for name, title in expected.items() if title}


def test_the_attribute_tells_the_b_value_where_the_name_does_not(load):
    scene = load("trace", "image")
    scene.GetFirstNodeByName("trace").SetAttribute("b_value", "1400")
    scene.GetFirstNodeByName("image").SetAttribute("DWMRI_b-value", "0")
    assert guessed(scene) == {"dwi": "trace", "low_b": "image"}
    assert guess_b_value(scene.GetFirstNodeByName("trace")) == 1400
    assert guess_b_value(scene.GetFirstNodeByName("image")) == 0


@pytest.mark.parametrize(
    ("name", "b"),
    [
        ("DWI b1500", 1500),
        ("BVAL_800", 800),
        ("ep2d_diff_b50_400_800_tra", None),
        ("dDWI 0 1500", None),
        ("T2 tra", None),
        ("b50, b800", None),
    ],
)
def test_b_values_in_names(load, name, b):
    assert guess_b_value(load(name).GetFirstNodeByName(name)) == b


def test_own_results_are_never_an_input(load, analysis, scene, tmp_path):
    sitk.WriteImage(analysis.images["t2w"], str(tmp_path / "t2w.nrrd"))
    show_results(scene, Results.of(analysis))
    show_registration(scene, {"files": {"registered": {"t2w": str(tmp_path / "t2w.nrrd")}}})
    assert guessed(scene) == {}
    load("t2_tse_tra", "ADC")
    show_results(scene, Results.of(analysis))
    assert guessed(scene) == {"t2w": "t2_tse_tra", "adc": "ADC"}


def test_phantom_is_found(phantom, scene):
    nodes = add_case(scene, phantom[0])
    segmentation = nodes.pop("segmentation")
    assert guess_sequences(all_nodes(scene)) == nodes
    assert guess_segment(segmentation) == "tumour"
    assert guess_b_value(nodes["dwi"]) == phantom[0].b_values["dwi"]
    nodes["low_b"].SetAttribute("b_value", None)
    assert guess_sequences(all_nodes(scene)) == nodes


def test_lowest_b_is_that_of_the_standard_protocol():
    from HabitatPNILib.protocol import DiffusionSection

    assert DiffusionSection().min_b == MIN_B


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Segment_1"], "s0"),
        (["Prostate", "Index lesion"], "s1"),
        (["PZ", "TZ", "Tumor"], "s2"),
        (["prostate cancer", "prostate gland"], "s0"),
        (["Lesion 1", "Lesion 2"], None),
        (["Segment_1", "Segment_2"], None),
        (["no tumour", "x"], None),
        (["non-tumor", "lesion no 1"], "s1"),
        (["normal TZ", "index"], "s1"),
        ([], None),
    ],
)
def test_segments(scene, names, expected):
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    for number, name in enumerate(names):
        node.GetSegmentation().AddEmptySegment(f"s{number}", name)
    assert guess_segment(node) == expected
    assert guess_segment(None) is None


def test_habitats_are_no_outline(analysis, scene):
    assert guess_segment(show_results(scene, analysis).habitats) is None


class Database:
    """Slicer's DICOM database, as far as it is asked."""

    def __init__(self):
        self.files = {}

    def fileForInstance(self, uid):
        return self.files.get(uid, "")


@pytest.fixture
def examination(shared_data, scene, make_image, monkeypatch):
    """Function that loads an examination's series under names that say nothing, one volume a series and b-value."""
    import pydicom

    database = Database()
    monkeypatch.setattr(slicer, "dicomDatabase", database, raising=False)

    def load(case: str):
        (folder,) = (shared_data / "prostate_dicom" / case).iterdir()
        for series in sorted(folder.iterdir(), key=lambda p: float(p.name.split("-")[0])):
            stacks: dict = {}
            for file in sorted(series.iterdir()):
                header = pydicom.dcmread(file, stop_before_pixels=True)
                element = header.get((0x0019, 0x100C)) if not series.name.count("BVAL") + series.name.count("ADC") else None
                b = None if element is None else int(element.value)
                database.files[header.SOPInstanceUID] = str(file)
                stacks.setdefault(b, []).append(header.SOPInstanceUID)
            for b, uids in stacks.items():
                columns = 20 if "t2" in series.name else 10
                array = np.random.default_rng(0).normal(100, 9, (7, 16, columns)).astype(np.float32)
                name = f"{series.name.split('.')[0]} {b}" if b is not None else series.name.split(".")[0]
                node = add_volume(scene, make_image(array), name)
                node.SetAttribute("DICOM.instanceUIDs", " ".join(uids))
        return scene

    return SimpleNamespace(load=load, database=database)


def test_tags_of_real_examinations_decide(examination):
    scene = examination.load("ProstateX-0000")
    # Series 6 holds b 50, 400 and 800, 7 is the ADC map, 8 a calculated b-value.
    assert guessed(scene) == {"t2w": "4", "dwi": "6 800", "adc": "7", "low_b": "6 50"}
    assert guess_b_value(scene.GetFirstNodeByName("6 400")) == 400
    assert guess_b_value(scene.GetFirstNodeByName("4")) is None


def test_the_later_of_two_t2w_series_is_taken_and_a_mixture_of_b_values_is_not(examination):
    scene = examination.load("ProstateX-0001")
    assert guessed(scene)["t2w"] == "10"
    volumes = [scene.GetFirstNodeByName(f"7 {b}") for b in (50, 400, 800)]
    volumes[2].SetAttribute("DICOM.instanceUIDs", " ".join(v.GetAttribute("DICOM.instanceUIDs") for v in volumes))
    assert guessed(scene).get("dwi") != "7 800"


def test_misleading_names_do_not_win_over_tags_and_files_that_are_gone_leave_the_name(examination, tmp_path):
    scene = examination.load("ProstateX-0000")
    scene.GetFirstNodeByName("7").SetName("T2 tra")
    assert guess_sequences(all_nodes(scene))["adc"].GetName() == "T2 tra"
    assert guess_sequences(all_nodes(scene))["t2w"].GetName() == "4"
    damaged = tmp_path / "damaged.dcm"
    damaged.write_bytes(b"nothing")
    uids = scene.GetFirstNodeByName("T2 tra").GetAttribute("DICOM.instanceUIDs").split()
    for uid in uids:
        examination.database.files[uid] = str(damaged)
    scene.GetFirstNodeByName("T2 tra").SetName("ADC map")
    assert guess_sequences(all_nodes(scene))["adc"].GetName() == "ADC map"


def test_sequences_are_not_guessed_from_segmentations_and_label_maps(scene, make_image):
    array = np.zeros((7, 16, 20), np.uint8)
    array[2:4, 4:8, 4:8] = 1
    add_volume(scene, make_image(array), "T2 tra", "vtkMRMLLabelMapVolumeNode")
    volume = add_volume(scene, make_image(array.astype(np.int16)), "image")
    add_segmentation(scene, make_image(array), TUMOUR_LOOK, "ADC", volume, fill_opacity=0.5)
    scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "T2 empty")
    assert guessed(scene) == {}


def at(scene, make_image, name: str, place: float = 0.0):
    """A volume that lies elsewhere by so many mm."""
    return add_volume(scene, make_image(np.ones((7, 16, 20), np.float32), angles=PLANES["tra"], origin=(place, 0, 0)), name)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Patient A T2W", "Patient A DWI b1400", "Patient A ADC", "Patient B T2W"], "AAA"),
        (["Patient A T2W", "Patient A DWI b1400", "Patient A ADC", "Patient B T2W", "Patient B DWI b1000"], "B-B"),
        (["Smith T2W", "Smith hbv", "Smith ADC", "Jones T2W"], "Smith Smith Smith"),
        (["Smith DWI b1400", "Smith ADC", "Jones T2W"], "- Smith Smith"),
        (["Patient A DWI b1400", "Patient B T2W", "Patient B ADC"], "--A"),
        (["1_1_t2w", "1_1_adc", "1_1_hbv", "2_2_t2w", "2_2_adc", "2_2_hbv"], "2_2 2_2 2_2"),
        (["sub-01_ses-1_T2w", "sub-01_ses-1_dwi", "sub-01_ses-2_adc"], "ses-1 - ses-1"),
    ],
)
def test_names_tell_patients_apart(load, names, expected):
    words = expected.split() if " " in expected else list(expected)
    found = guessed(load(*names))
    assert set(found) == {name for name, word in zip(("t2w", "adc", "dwi"), words, strict=True) if word != "-"}
    assert all(word in found.get(name, "-") for name, word in zip(("t2w", "adc", "dwi"), words, strict=True))


def test_two_equally_good_volumes_at_different_places_are_left_to_the_user(scene, make_image):
    for name, place in (("t2_tse_tra", 0), ("T2 axial", 35), ("DWI b1400", 5)):
        at(scene, make_image, name, place)
    assert guessed(scene) == {"dwi": "DWI b1400"}
    at(scene, make_image, "ep2d_diff b1400", 50)
    assert guessed(scene) == {}


def test_volumes_of_one_study_in_the_subject_hierarchy_stay_together(scene, make_image):
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    nodes = {}
    for number, names in enumerate((("DWI b1400", "T2 tra"), ("DWI b1000", "ADC"), ("T2 axial",))):
        study = hierarchy.CreateStudyItem(hierarchy.GetSceneItemID(), f"study {number}")
        for place, name in enumerate(names):
            nodes[name] = at(scene, make_image, name, 20 * number + place)
            hierarchy.CreateItem(study, nodes[name])
    assert guessed(scene) == {"dwi": "DWI b1000", "adc": "ADC"}
    at(scene, make_image, "T2 of a file", 77)
    assert guessed(scene) == {"dwi": "DWI b1000", "adc": "ADC"}
    assert guess_sequences(all_nodes(scene), {"dwi": nodes["DWI b1400"]}) == {"t2w": nodes["T2 tra"]}
    # What was computed from a DWI lies on its grid and outside every study.
    at(scene, make_image, "ADC computed", 0)
    found = guess_sequences(all_nodes(scene), {"dwi": nodes["DWI b1400"]})
    assert {name: node.GetName() for name, node in found.items()} == {"t2w": "T2 tra", "adc": "ADC computed"}


def test_examinations_of_two_patients_are_never_mixed(examination):
    examination.load("ProstateX-0000")
    scene = examination.load("ProstateX-0001")
    found = guess_sequences(all_nodes(scene))
    paths = {examination.database.files[node.GetAttribute("DICOM.instanceUIDs").split()[0]] for node in found.values()}
    assert set(found) == {"t2w", "dwi", "adc", "low_b"}
    assert all("ProstateX-0001" in path for path in paths)


def test_tags_are_read_once(examination, monkeypatch):
    import pydicom

    scene = examination.load("ProstateX-0000")
    node = scene.GetFirstNodeByName("6 800")
    assert guess_b_value(node) == 800
    monkeypatch.setattr(pydicom, "dcmread", None)
    assert guess_b_value(node) == 800


@pytest.mark.parametrize(
    ("names", "expected", "b_values"),
    [
        (["T2W_Smith_Roland_B1964", "DWI b1400"], {"t2w": "T2W_Smith_Roland_B1964", "dwi": "DWI b1400"}, [None, 1400]),
        (["PT-B1001 T2 axial", "PT-B1001 DWI"], {"t2w": "PT-B1001 T2 axial", "dwi": "PT-B1001 DWI"}, [None, None]),
        (["Case B12 T2W", "Case B12 DWI b1400"], {"t2w": "Case B12 T2W", "dwi": "Case B12 DWI b1400"}, [None, 1400]),
        (["PT-B1001 T1 vibe", "dwi b-1000 b-0"], {"dwi": "dwi b-1000 b-0"}, [None, None]),
    ],
)
def test_a_code_in_a_name_is_no_b_value(load, names, expected, b_values):
    scene = load(*names)
    assert guessed(scene) == expected
    assert [guess_b_value(scene.GetFirstNodeByName(name)) for name in names] == b_values


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["T2 TSE tra", "T2 SPAIR tra"], {"t2w": "T2 TSE tra"}),
        (["T2 SPAIR tra"], {"t2w": "T2 SPAIR tra"}),
        (["t2_tse_tra", "t2_tse_tra pelvis large FOV"], {"t2w": "t2_tse_tra"}),
        (["T2 ax FLAIR", "axt2_flair", "T2 STIR tra"], {}),
        (["diff_ADC", "diff_ADC_colour", "ADC label"], {"adc": "diff_ADC"}),
        (["DWI b1000", "DWI b1400 mask"], {"dwi": "DWI b1000"}),
        (["10002_1_t2w", "10002_1_hbv", "10002_1_adc"], {"t2w": "10002_1_t2w", "dwi": "10002_1_hbv", "adc": "10002_1_adc"}),
    ],
)
def test_what_only_looks_like_a_sequence_comes_second_or_never(load, names, expected):
    assert guessed(load(*names)) == expected
