"""What the panel says: numbers as the report has them, the notice under the number, errors in words."""

from __future__ import annotations

import math

import pytest
import SimpleITK as sitk

from HabitatPNILib.analysis import analyse
from HabitatPNILib.case import Case
from HabitatPNILib.frozen_model import load_model
from HabitatPNILib.gui import texts
from HabitatPNILib.standard_predictors import AGE, MRT_STAGE


def registration(**changes):
    transform = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.02, 0.0, 0.0, (1.0, 0.0, 2.0))
    values = {
        "accepted": True,
        "reason": "",
        "metric_before": 0.41,
        "metric_after": 0.634,
        "displacement_mm": 3.12,
        "parameters": list(transform.GetParameters()),
        "fixed_parameters": list(transform.GetFixedParameters()),
    }
    return {**values, **changes}


def result(**changes):
    values = {
        "case_id": "1",
        "probability": 0.234,
        "cut_off": 0.288,
        "cut_off_rule": "highest Youden index",
        "high_risk": False,
        "notice": "Demonstration model.",
        "research_use_only": "Research use only.",
        "contributions": [
            {"name": "age", "label": "Age", "text": "63 years", "log_odds": 0.691, "imputed": False},
            {"name": "radscore_habitat1", "label": "Radscore habitat 1", "text": "-1.995", "log_odds": -1.2, "imputed": False},
            {"name": "pi_rads", "label": "PI-RADS", "text": "4", "log_odds": -0.001, "imputed": False},
            {"name": "radscore_habitat2", "label": "Radscore habitat 2", "text": "0.1", "log_odds": 0.0, "imputed": True},
        ],
        "habitats": [
            {"label": 1, "voxels": 1056, "share": 0.3717, "volume_ml": 1.056, "means": {"adc": 736.71, "t2w": 180.3}, "absent": False},
            {"label": 2, "voxels": 0, "share": 0.0, "volume_ml": 0.0, "means": {"adc": None, "t2w": None}, "absent": True},
        ],
        "registration": registration(),
        "warnings": ["The DWI's b-value is not known"],
        "model": {"name": "m", "version": "1.0.0", "title": "T", "demonstration": True},
        "provenance": {"choices": []},
    }
    return {**values, **changes}


def test_accepted_registration_says_shift_rotation_and_metric():
    line = texts.registration_line(registration())
    assert line == "Accepted: shift 3.1 mm, rotation 1.1\u00b0; the images fit better than before."
    assert "0.410 \u2192 0.634 nats" in texts.registration_help(registration())
    worse = texts.registration_line(registration(metric_before=0.7))
    assert worse.endswith("the images do not fit better than before.")


def test_rotation_is_the_angle_of_the_whole_transform():
    transform = sitk.Euler3DTransform((0.0, 0.0, 0.0), 0.3, -0.2, 0.5)
    versor = sitk.VersorRigid3DTransform()
    versor.SetMatrix(transform.GetMatrix())
    angle = 2 * math.asin(math.sqrt(sum(x * x for x in versor.GetVersor()[:3])))
    values = registration(parameters=transform.GetParameters(), fixed_parameters=transform.GetFixedParameters())
    assert texts.rotation_degrees(values) == pytest.approx(math.degrees(angle), abs=1e-6)


def test_refused_registration_says_why_and_what_was_found():
    line = texts.registration_line(registration(accepted=False, reason="the organ would move by 31.0 mm, more than the limit of 30 mm"))
    assert line.startswith("Not accepted, scanner geometry is kept: the organ would move by 31.0 mm, more than the limit of 30 mm.")
    assert "Found, but not used: shift 3.1 mm" in line
    nothing = texts.registration_line(registration(accepted=False, reason="no overlap", metric_before=None, metric_after=None))
    assert nothing == "Not accepted, scanner geometry is kept: no overlap."


def test_habitat_table_has_a_column_for_every_sequence_and_names_absence():
    habitats = result()["habitats"]
    titles = [title for title, _help in texts.habitat_columns(habitats)]
    assert titles == ["Habitat", "Voxels", "Share", "mL", "T2W", "ADC\n(1e-6 mm\u00b2/s)"]
    sequences = texts.shown_sequences(habitats)
    assert texts.habitat_row(habitats[0], sequences) == ("Habitat 1", "1056", "37.2 %", "1.06", "180.3", "736.7")
    assert texts.habitat_row(habitats[1], sequences) == ("Habitat 2 (absent)", "0", "0.0 %", "0.00", "none", "none")


def test_contributions_come_largest_first_with_printed_minus():
    rows = texts.contribution_rows(result())
    assert [row.label for row in rows] == ["Radscore habitat 1", "Age", "PI-RADS", "Radscore habitat 2"]
    assert [row.log_odds for row in rows] == ["\u22121.20", "+0.69", "0.00", "training mean"]
    assert rows[0].value == "\u22121.995"


@pytest.mark.parametrize(
    ("choices", "demonstration", "heading"),
    [
        ([], True, "Do not use this number"),
        ([{"item": "phantom"}], True, "A digital phantom, no patient"),
        ([], False, "About this number"),
    ],
)
def test_notice_comes_with_the_heading_it_deserves(choices, demonstration, heading):
    values = result(provenance={"choices": choices}, model={"name": "m", "version": "1", "title": "T", "demonstration": demonstration})
    assert texts.notice(values) == (heading, "Demonstration model. Research use only.")
    assert texts.is_alarm(values) is (heading == "Do not use this number")


def test_class_is_said_against_the_cut_off():
    assert texts.class_line(result()) == "Lower risk: below the cut-off of 28.8 %"
    assert texts.class_line(result(high_risk=True)) == "Higher risk: at or above the cut-off of 28.8 %"


def test_text_of_a_result_has_the_notice_right_under_the_number():
    lines = texts.result_text(result()).splitlines()
    assert lines[1] == "Probability of perineural invasion: 23.4 %"
    assert lines[2] == "Do not use this number: Demonstration model. Research use only."
    assert "- Habitat 1: 1056 voxels, 37.2 %, 1.06 mL; mean T2W 180.3, ADC 736.7" in lines
    assert lines[-2:] == ["1 warning:", "- The DWI's b-value is not known"]
    assert "Mutual information" in "\n".join(lines)


def test_text_of_a_clinical_result_leaves_out_what_it_has_not():
    model = load_model("pca-pni-clinical")
    analysis = analyse(Case("1", {}, clinical={"age": 63, "mrt_stage": 2, "pi_rads": 4}), model).to_dict()
    text = texts.result_text(analysis)
    assert "Habitats:" not in text
    assert "Registration:" not in text
    assert "- PI-RADS: 4: " in text


def test_clinical_value_is_missing_good_cautioned_or_impossible():
    assert texts.field_state(AGE, " ") == texts.FieldState()
    assert texts.field_state(AGE, "63") == texts.FieldState()
    assert texts.field_state(MRT_STAGE, "T2") == texts.FieldState()
    caution = texts.field_state(AGE, "96")
    assert caution.error == ""
    assert caution.caution == "Age 96 years lies outside the training range 44 to 94: the probability is an extrapolation"
    assert texts.field_state(AGE, "200").error == "Age 200 is impossible: 18 to 120 years"
    assert texts.field_state(AGE, "old").error == "Age old is not a number; give it in years"


def test_fields_say_range_and_meaning():
    assert texts.field_hint(AGE) == "44 to 94 in training"
    assert texts.field_help(AGE) == "Age at the MRI examination; training range 44 to 94 years, possible 18 to 120 years"
    assert texts.field_help(MRT_STAGE) == MRT_STAGE.help


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Case 1: no ADC image; give it (--adc)", "No ADC image; give it"),
        ("Case 1: ADC shows (--adc) nothing (100 to 3500)", "ADC shows nothing (100 to 3500)"),
        ("Case 1: t2w.nrrd is damaged", "t2w.nrrd is damaged"),
        ("Case 12: no ADC image", "Case 12: no ADC image"),
        ("Weights are missing; download them (habitatpni weights download resnet18): 40 MB", "Weights are missing; download them: 40 MB"),
    ],
)
def test_errors_are_shown_without_the_case_and_the_command_line(message, shown):
    assert texts.for_panel(message) == shown


def test_a_result_without_a_region_that_counts_raises_the_alarm():
    values = result(provenance={"choices": [{"item": "phantom"}]})
    assert not texts.is_alarm(values)
    for item in values["contributions"]:
        item["imputed"] = item["name"].startswith("radscore_")
    assert texts.is_alarm(values)
    assert texts.notice(values)[0] == "Not an answer of the images"


def test_what_a_radscore_is_and_where_voxels_are_counted_is_said():
    assert "log odds" in texts.radscore_line(result())
    assert texts.radscore_line(result(contributions=[])) == ""
    line = "Counted on the analysis grid (1 mm), not on the grid of the image that the outline was drawn on."
    assert texts.grid_line(result()["habitats"]) == line
    assert texts.grid_line(result()["habitats"][1:]) == ""
