"""Wrong input in each of the selectors, with the real worker: one message in words, no result, and the panel goes on."""

from __future__ import annotations

import shutil
import tempfile

import host
import numpy as np
import pytest
import SimpleITK as sitk
import slicer
from host import dialogs, signals
from host.module import close_module, open_module, spin

from HabitatPNILib.gui.records import SELECTORS
from HabitatPNILib.mrml.scene import add_case
from HabitatPNILib.mrml.segmentations import TUMOUR_LOOK, add_segmentation
from HabitatPNILib.mrml.volumes import add_volume

LABELS = {"t2w": "T2W", "dwi": "DWI", "adc": "ADC", "low_b": "low-b DWI"}
OUTLINE = ("segmentation", "segmentID")


def constant(image):
    """A volume of one value."""
    return sitk.Cast(image * 0 + 700, image.GetPixelID())


def with_nan(image):
    """A hole in the middle."""
    values = sitk.GetArrayFromImage(image).astype(np.float32)
    values[values.shape[0] // 2, :3, :3] = np.nan
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def far_away(image):
    """Half a metre beside the others."""
    made = sitk.Image(image)
    made.SetOrigin([o + 500 for o in image.GetOrigin()])
    return made


@pytest.fixture(scope="module")
def panel(phantom, small_model, tmp_path_factory):
    """A panel with the phantom's nodes, a small model and one worker, for all tests; its right choices are `right`."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "temporary").mkdir()
    shutil.copytree(small_model.folder, folder / "models" / "small")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HABITATPNI_MODELS", str(folder / "models"))
        patch.setattr(tempfile, "tempdir", str(folder / "temporary"))
        slicer.mrmlScene.Clear()
        widget = open_module()
        panel, parameters = widget.panel, widget.panel.parameters
        nodes = add_case(slicer.mrmlScene, phantom[0])
        for name, selector in SELECTORS.items():
            setattr(parameters, selector, nodes[name])
        parameters.segmentation, parameters.segmentID = nodes["segmentation"], "tumour"
        parameters.model, parameters.clinical = "small", {"age": "63", "mrt_stage": "T2", "pi_rads": "4"}
        spin(None, 0.1)
        assert panel.state.needs.result == ()
        yield panel
        close_module(widget)
        assert list((folder / "temporary").glob("HabitatPNI-*")) == []
        slicer.mrmlScene.Clear()


@pytest.fixture
def wrong(panel):
    """Function that makes choices of the panel wrong; afterwards they are right again and what was made for them is gone."""
    parameters, scene = panel.parameters, slicer.mrmlScene
    names = (*SELECTORS.values(), *OUTLINE)
    right = {name: getattr(parameters, name) for name in names}
    before = {scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes())}
    dialogs.forget()
    signals.errors.clear()

    def choose(**choices):
        for name, choice in choices.items():
            setattr(parameters, name, choice)
        spin(None, 0.05)

    yield choose
    choose(**right)
    for node in [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]:
        if node.GetID() not in before and node.GetScene() is scene:
            scene.RemoveNode(node)
    spin(None, 0.05)
    dialogs.verify()
    assert signals.errors == []
    assert panel.state.needs.result == ()


def refusal(panel, button="runAllButton"):
    """Text of the one message that a click brings; the panel is free after it, and without a result."""
    dialogs.answer_with("Ok")
    host.click(getattr(panel.ui, button))
    spin(lambda: dialogs.shown and not panel.busy, 60)
    spin(None, 0.05)
    (box,) = dialogs.shown
    assert box.kind in {"error", "warning"}
    assert not any(unfit in box.text for unfit in ("Case 1", "--", "Traceback", "unexpected"))
    assert not panel.busy
    assert panel.ui.runAllButton.text == "Run all"
    assert panel.ui.imagesT2wSelector.enabled
    state, parameters = panel.state, panel.parameters
    assert (state.analysis, state.habitats, state.registration) == (None, None, None)
    assert (parameters.resultText, parameters.habitats, parameters.registered) == (None, None, None)
    return box.text


def volume_of(case, name, change):
    return add_volume(slicer.mrmlScene, change(case.images[name]), f"wrong {name}")


@pytest.mark.parametrize("button", ["imagesRegisterButton", "runAllButton"])
@pytest.mark.parametrize("name", SELECTORS)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (constant, "{label} is constant (every voxel is 700); the wrong or a damaged series was given"),
        (with_nan, "{label} has 9 voxels that are not finite (NaN or infinity); export the series again"),
    ],
)
def test_damaged_images_are_refused_by_name(panel, wrong, phantom, name, change, words, button):
    wrong(**{SELECTORS[name]: volume_of(phantom[0], name, change)})
    assert refusal(panel, button) == sentence(words.format(label=LABELS[name]))
    assert panel.worker.alive


@pytest.mark.parametrize("name", SELECTORS)
def test_an_image_of_another_place_is_refused_by_name(panel, wrong, phantom, name):
    wrong(**{SELECTORS[name]: volume_of(phantom[0], name, far_away)})
    text = refusal(panel, "imagesRegisterButton")
    assert LABELS[name] in text
    assert text.endswith("do not overlap in space: are they the same patient and the same examination?")
    dialogs.forget()
    text = refusal(panel)
    assert f"The segment lies outside the {LABELS[name]} image" in text


@pytest.mark.parametrize(("first", "second"), [("t2w", "dwi"), ("t2w", "adc"), ("t2w", "low_b"), ("dwi", "adc"), ("dwi", "low_b")])
def test_one_volume_for_two_sequences_is_refused_by_their_names(panel, wrong, phantom, first, second):
    node = getattr(panel.parameters, SELECTORS[first])
    wrong(**{SELECTORS[second]: node})
    assert refusal(panel).startswith(f"Images:\n{LABELS[first]} and {LABELS[second]} are the same volume; choose another for one of them.")
    dialogs.forget()
    wrong(**{SELECTORS[second]: add_volume(slicer.mrmlScene, phantom[0].images[first], "copy")})
    assert refusal(panel) == f"{LABELS[first]} and {LABELS[second]} are the same image; give each sequence its own"


@pytest.mark.parametrize("other", ["dwi", "adc"])
def test_t2w_in_the_place_of_another_is_refused_by_both_names(panel, wrong, other):
    parameters = panel.parameters
    wrong(t2w=getattr(parameters, other), **{other: parameters.t2w})
    for button in ("imagesRegisterButton", "runAllButton"):
        assert f"were T2W and {LABELS[other]} swapped? Choose each anew" in refusal(panel, button)
        dialogs.forget()


def test_an_empty_outline_is_refused(panel, wrong):
    empty = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "empty")
    wrong(segmentation=empty, segmentID=empty.GetSegmentation().AddEmptySegment("none", "none"))
    assert refusal(panel) == "Tumour:\nThe segment is empty: draw the tumour or choose another segment"


def test_an_outline_beside_the_images_is_refused(panel, wrong, phantom):
    outline = add_segmentation(slicer.mrmlScene, far_away(phantom[0].roi), TUMOUR_LOOK, "beside", None, fill_opacity=0.5)
    wrong(segmentation=outline, segmentID="tumour")
    lines = refusal(panel).splitlines()
    assert lines[0] == "Tumour:"
    assert lines[1:] == [f"The segment lies outside the {label} image: do outline and image belong together?" for label in LABELS.values()]


def test_an_outline_of_all_but_the_tumour_is_refused(panel, wrong, phantom):
    inverted = sitk.Cast(phantom[0].roi == 0, sitk.sitkUInt8)
    outline = add_segmentation(slicer.mrmlScene, inverted, TUMOUR_LOOK, "inverted", panel.parameters.t2w, fill_opacity=0.5)
    wrong(segmentation=outline, segmentID="tumour")
    text = refusal(panel)
    assert text.startswith("The ROI covers 100 % of the T2W image")
    assert text.endswith("draw the tumour alone or choose another segment")


def test_the_right_choices_are_taken_afterwards(panel):
    dialogs.forget()
    host.click(panel.ui.imagesRegisterButton)
    spin(lambda: not panel.busy, 60)
    spin(None, 0.1)
    assert panel.state.registration["accepted"]
    assert dialogs.shown == []


def sentence(text):
    """With a capital at the start, as the panel has it."""
    return text[0].upper() + text[1:]
