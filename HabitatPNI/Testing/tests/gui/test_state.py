"""What the sections need, and what is out of date: plain values in, sentences out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from HabitatPNILib import own_habitats
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui import records
from HabitatPNILib.gui import state as state_module
from HabitatPNILib.gui.state import Basis, Doubt, Inputs, Stale, State, first_needy, is_stale, needs_of, sections_of_caution, status_lines

MODELS = Path(__file__).resolve().parents[4] / "models"
CLINICAL = {"age": "63", "mrt_stage": "T2", "pi_rads": "4"}


@pytest.fixture(scope="module")
def combined():
    return load_model(MODELS / "pca-pni-phantom")


@pytest.fixture(scope="module")
def clinical_model():
    return load_model(MODELS / "pca-pni-clinical")


def complete(model) -> Inputs:
    return Inputs(
        model=model, model_name=model.name, sequences=frozenset({"t2w", "dwi", "adc"}), segmentation=True, segment="s", clinical=CLINICAL
    )


def test_an_empty_panel_says_what_each_section_needs():
    needs = needs_of(Inputs())
    assert needs.model == ("Choose a model.",)
    assert needs.images == ("Choose a volume for T2W, DWI, ADC.",)
    assert needs.tumour == ("Choose the segmentation with the tumour's outline, or draw one.",)
    assert needs.habitats == (*needs.images, *needs.tumour)
    assert first_needy(needs) == "model"


def test_complete_inputs_need_nothing(combined):
    needs = needs_of(complete(combined))
    assert needs == type(needs)()
    assert first_needy(needs) == ""


def test_the_first_section_that_needs_something_is_named_in_the_order_of_the_panel(combined):
    inputs = complete(combined)
    assert first_needy(needs_of(replace(inputs, clinical={}, segment=""))) == "tumour"
    assert first_needy(needs_of(replace(inputs, clinical={}))) == "clinical"
    assert first_needy(needs_of(replace(inputs, sequences=frozenset({"t2w"}), clinical={}))) == "images"


def test_one_volume_for_two_sequences_is_refused(combined):
    needs = needs_of(replace(complete(combined), duplicates=(("dwi", "adc"),)))
    assert needs.images == ("DWI and ADC are the same volume; choose another for one of them.",)


def test_missing_and_impossible_clinical_values_are_named_and_unusual_ones_are_not(combined):
    inputs = complete(combined)
    assert needs_of(replace(inputs, clinical={"age": "63"})).clinical == ("Give mrT stage, PI-RADS.",)
    (sentence,) = needs_of(replace(inputs, clinical={**CLINICAL, "age": "630"})).clinical
    assert "630 is impossible" in sentence
    assert needs_of(replace(inputs, clinical={**CLINICAL, "age": "30"})).clinical == ()


def test_a_clinical_model_needs_no_images_but_habitats_do(clinical_model):
    inputs = Inputs(model=clinical_model, clinical=CLINICAL)
    needs = needs_of(inputs)
    assert needs.images == needs.tumour == needs.result == ()
    assert len(needs.habitats) == 2
    assert status_lines(State(inputs=inputs, needs=needs))["images"].startswith("Not needed by this model")


def test_a_damaged_model_says_why():
    needs = needs_of(Inputs(model_name="x", model_error="Model x: field checksum is missing; install the model again"))
    assert needs.model == ("Model x: field checksum is missing; install the model again",)


def test_basis_survives_its_text_and_other_text_counts_as_no_result(combined):
    basis = Basis.of(complete(combined))
    assert Basis.parse(basis.text()) == basis
    assert Basis.parse("") == Basis.parse("[1]") == Basis.parse("{") == Basis()


def test_other_clinical_values_make_the_result_stale_and_going_back_makes_it_fresh(combined):
    inputs = complete(combined)
    made_of = Basis.of(inputs)
    older = replace(inputs, clinical={**CLINICAL, "age": "64"})
    assert is_stale(inputs, made_of, Stale()) == Stale()
    assert is_stale(older, made_of, Stale()) == Stale(result=True)
    assert is_stale(inputs, made_of, Stale(images=True)) == Stale(images=True)


def test_another_way_of_writing_a_value_is_no_change(combined):
    made_of = Basis.of(replace(complete(combined), clinical={**CLINICAL, "age": "71.2"}))
    for text in ("71.20", "71,2", " 71.2"):
        assert is_stale(replace(complete(combined), clinical={**CLINICAL, "age": text}), made_of, Stale()) == Stale()
    assert is_stale(replace(complete(combined), clinical={**CLINICAL, "age": "x"}), made_of, Stale()).result


def test_without_a_model_the_registration_is_not_out_of_date(combined):
    inputs = complete(combined)
    assert not is_stale(replace(inputs, model=None, model_name=""), Basis.of(inputs), Stale()).images


def test_what_is_missing_stands_before_what_is_out_of_date(combined):
    inputs = replace(complete(combined), duplicates=(("dwi", "adc"),), clinical={**CLINICAL, "age": "630"})
    results = {"analysis": {"probability": 0.1}, "registration": {"accepted": True}, "habitats": ({},)}
    lines = status_lines(State(inputs=inputs, needs=needs_of(inputs), stale=Stale(images=True, habitats=True, result=True), **results))
    assert lines["images"] == "DWI and ADC are the same volume; choose another for one of them."
    assert lines["habitats"] == f"Out of date: an input was changed.\n{lines['images']}"
    assert "Press Run all" not in lines["result"]
    assert "630 is impossible" in lines["result"]


def test_own_results_are_refused_and_a_name_that_says_otherwise_is_not(combined):
    needs = needs_of(replace(complete(combined), own_results=("t2w",), own_outline=True))
    assert needs.images == ("T2W: this is a result of HabitatPNI; choose the original volume.",)
    assert needs.tumour == ("This is a result of HabitatPNI; choose the original outline.",)
    inputs = replace(complete(combined), doubts=(Doubt("ADC", "ax T2W"),))
    state = State(inputs=inputs, needs=needs_of(inputs))
    assert state.needs.result == ()
    assert status_lines(state)["images"] == "The volume chosen as ADC is called ax T2W: check the choice."
    assert sections_of_caution(state) == {"images"}


def test_another_model_or_number_of_habitats_makes_the_habitats_stale(combined, clinical_model):
    made_of = Basis.of(complete(combined))
    assert is_stale(replace(complete(combined), habitat_count=4), made_of, Stale()) == Stale(habitats=True)
    assert is_stale(complete(clinical_model), made_of, Stale()) == Stale(habitats=True, result=True)


def test_other_vectors_make_the_habitats_stale_and_a_scene_of_before_there_were_any_does_not(combined):
    inputs = complete(combined)
    texture = replace(inputs, habitat_vectors="hcc77")
    before = Basis.parse(json.dumps({"habitats": {"model": combined.checksum, "k": 0}}))
    assert is_stale(inputs, before, Stale()) == Stale()
    assert is_stale(texture, before, Stale()) == Stale(habitats=True)
    assert is_stale(texture, Basis.of(texture), Stale()) == Stale()
    assert is_stale(inputs, Basis.of(texture), Stale()) == Stale(habitats=True)
    assert is_stale(inputs, Basis(habitats=Basis.of(replace(texture, habitat_count=5)).as_the_model), Stale()) == Stale()


def test_names_are_those_of_the_worker_and_of_the_selectors():
    assert state_module.VECTORS == own_habitats.VECTORS
    assert tuple(records.SELECTORS) == state_module.SELECTABLE


def test_a_model_of_a_sequence_that_cannot_be_chosen_says_where_it_runs(combined):
    portal = replace(combined, protocol={**combined.protocol, "sequences": ["t1pv"]})
    needs = needs_of(complete(portal))
    sentence = "This model needs portal venous T1W, which cannot be chosen here yet: run it in a terminal with habitatpni predict."
    assert needs.images == needs.habitats == (sentence,)
    assert needs_of(replace(complete(portal), sequences=frozenset())).images == (sentence,)
    assert status_lines(State(inputs=complete(portal), needs=needs))["images"] == sentence
    assert first_needy(needs) == "images"


def test_prevalence_counts_only_where_the_model_takes_one(combined, clinical_model):
    for model, expected in ((combined, False), (clinical_model, True)):
        made_of = Basis.of(complete(model))
        assert is_stale(replace(complete(model), prevalence=30.0), made_of, Stale()).result is expected


def test_no_result_is_never_out_of_date(combined):
    assert is_stale(complete(combined), Basis(), Stale()) == Stale()


def test_lines_of_the_sections(combined):
    inputs = complete(combined)
    state = State(inputs=inputs, needs=needs_of(inputs))
    assert status_lines(state) == {"images": "", "tumour": "", "clinical": "", "habitats": "", "result": "Press Run all."}
    stale = replace(state, analysis={"probability": 0.1}, stale=Stale(images=True, habitats=True, result=True))
    lines = status_lines(stale)
    assert lines["result"] == "Out of date: an input was changed. Press Run all."
    assert lines["images"] == lines["habitats"] == ""
