"""An analysis as a report: every part in its place, parts without data left out, images the right way round."""

import dataclasses
import importlib.util
import math
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib import case_report
from HabitatPNILib.case_report import report_html
from HabitatPNILib.geometry import like

_spec = importlib.util.spec_from_file_location("report_cases", Path(__file__).parent / "report" / "cases.py")
assert _spec is not None
assert _spec.loader is not None
cases = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cases)


@pytest.fixture(scope="module")
def combined(shared_data):
    return cases.combined_analysis(*cases.tiny_case(shared_data / "prostate_tiny"))


@pytest.fixture(scope="module")
def html(combined):
    return report_html(combined)


def _titles(html):
    return re.findall(r"<h2>(.*?)</h2>", html)


def test_sections_of_a_combined_model(html):
    assert _titles(html) == [
        "Do not use this number",
        "1 warning",
        "Images and habitats",
        "Habitats",
        "How many habitats",
        "What speaks for and against",
        "Nomogram",
        "Registration of T2W to the diffusion images",
        "Radscores",
        "Model",
        "Reported performance",
        "Choices made on reading",
        "Software and times",
    ]


def test_numbers_and_sentences_of_a_combined_model(combined, html):
    logit = cases.INTERCEPT + sum(t.coefficient * cases.VALUES[t.name] for t in cases.TERMS)
    assert f"{100 / (1 + math.exp(-logit)):.1f} %" in html
    assert "Attention, demonstration model: this number means nothing for a patient." in html
    assert "Shift in the gland region 1.9 mm, rotation 0.7\u00b0; mutual information 0.310 nats before, 0.420 after" in html
    assert "the two halves of the region came within 0.3 mm of it" in html
    assert "1000 s/mm\u00b2 in this case; the model was made with 800 s/mm\u00b2" in html
    assert "not known in this case; the model was made with 50 s/mm\u00b2" in html
    assert "Habitat 3 (absent)" in html
    assert "absent: training mean used" in html
    assert "+5.0 SD" in html
    assert "training (apparent)" in html
    assert "highest measured b of at least 800" in html
    assert "ab" * 32 in html
    assert len(html) < 4_000_000


def test_the_same_report_twice(combined, html):
    assert report_html(combined) == html


def test_a_clinical_model_without_images_has_no_image_sections():
    html = report_html(cases.clinical_analysis("<script>alert(1)</script>"))
    assert _titles(html) == [
        "About this number",
        "What speaks for and against",
        "Nomogram",
        "Model",
        "Reported performance",
        "Software and times",
    ]
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "Intercept solved for a mean risk of 19.4%" in html
    assert "age: normal, mean 74.9, SD 7, 44 to 94" in html


def test_cut_off_and_intercept_of_a_local_prevalence_are_used():
    moved = "moved to the local prevalence"
    html = report_html(dataclasses.replace(cases.clinical_analysis(), cut_off=0.4, cut_off_rule=moved, intercept=0.5))
    assert "the cut-off of 40.0 %" in html
    assert html.count(moved) == 2
    assert cases.clinical_analysis().model.cut_off_rule not in html
    assert "0.5000" in html


def test_a_refused_registration_says_why(combined):
    refused = dataclasses.replace(combined.registration, accepted=False, reason="the metric became worse")
    html = report_html(dataclasses.replace(combined, registration=refused))
    assert "Not accepted, scanner geometry is kept: the metric became worse." in html
    assert "Found, but not used: shift in the gland region 1.9 mm" in html


def test_a_registration_that_found_nothing_says_only_why(combined):
    nothing = dataclasses.replace(
        combined.registration,
        metric_before=0.0,
        metric_after=0.0,
        displacement_mm=0.0,
        agreement_mm=math.inf,
        accepted=False,
        reason="the two images share too little of the region round the organ",
    )
    html = report_html(dataclasses.replace(combined, registration=nothing))
    assert "scanner geometry is kept: the two images share too little of the region round the organ." in html
    for absent in ("Found, but not used", "mutual information", "two halves", "inf mm"):
        assert absent not in html


def test_halves_that_never_arrived_have_no_distance(combined):
    apart = dataclasses.replace(combined.registration, agreement_mm=math.inf, accepted=False, reason="parts of the region disagree")
    html = report_html(dataclasses.replace(combined, registration=apart))
    assert "Found, but not used: shift in the gland region 1.9 mm" in html
    assert "two halves" not in html


def test_images_stored_the_other_way_round_are_turned_for_display(combined):
    roi = np.zeros((4, 20, 30), np.uint8)
    roi[1:3, 8:12, 3:7] = 1
    reference = sitk.GetImageFromArray(roi)
    habitats = like(roi * 2, reference)
    images = {"t2w": like(roi.astype(np.float32) * 7, reference)}
    flipped = {
        "images": {k: sitk.DICOMOrient(v, "RPI") for k, v in images.items()},
        "roi": sitk.DICOMOrient(reference, "RPI"),
        "habitat_map": sitk.DICOMOrient(habitats, "RPI"),
    }
    assert sitk.GetArrayViewFromImage(flipped["roi"])[1, 10, 4] == 0
    slices = case_report._slices(dataclasses.replace(combined, **flipped))
    assert slices is not None
    np.testing.assert_array_equal(slices.roi, roi != 0)
    np.testing.assert_array_equal(slices.habitats, roi * 2)
    np.testing.assert_allclose(slices.direction, np.eye(3), atol=1e-12)
