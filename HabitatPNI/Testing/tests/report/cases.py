"""Hand-made analyses for the report's tests: every figure in them is chosen, none computed by the pipeline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.analysis import DEMONSTRATION_NOTICE, Analysis, Contribution, HabitatSummary
from HabitatPNILib.case import Choice
from HabitatPNILib.frozen_model import FrozenModel, Imaging, Signature, Term
from HabitatPNILib.geometry import isotropic_grid, like
from HabitatPNILib.habitats.validity import KCurve
from HabitatPNILib.imaging.registration import Registration
from HabitatPNILib.standard_predictors import AGE, MRT_STAGE, PI_RADS

TERMS = (
    Term("age", "Age", -0.05, 74.9, 7.0, 44, 94),
    Term("mrt_stage", "mrT stage", 0.6, 2.3, 0.8, 1, 4),
    Term("pi_rads", "PI-RADS", 0.9, 4.1, 0.8, 3, 5),
    Term("radscore_habitat1", "Radscore habitat 1", 0.8, -1.4, 0.6, -3.0, 1.1),
    Term("radscore_habitat2", "Radscore habitat 2", 0.4, -1.5, 0.5, -2.9, 0.7),
    Term("radscore_habitat3", "Radscore habitat 3", 0.1, -1.4, 0.4, -2.6, 0.2),
    Term("radscore_tumour", "Radscore tumour", 0.9, -1.5, 0.7, -3.3, 1.4),
)
VALUES = {
    "age": 63.0,
    "mrt_stage": 2.0,
    "pi_rads": 4.0,
    "radscore_habitat1": -0.31,
    "radscore_habitat2": -1.12,
    "radscore_habitat3": -1.4,
    "radscore_tumour": 1.62,
}
INTERCEPT = -1.3
COVARIATES = {
    "age": {"distribution": "normal", "mean": 74.9, "sd": 7.0, "low": 44, "high": 94},
    "mrt_stage": {"distribution": "levels", "shares": {"1": 0.1, "2": 0.5, "3": 0.3, "4": 0.1}},
    "pi_rads": {"distribution": "levels", "shares": {"3": 0.3, "4": 0.4, "5": 0.3}},
}


def _contributions(terms: tuple[Term, ...], imputed: tuple[str, ...]) -> tuple[Contribution, ...]:
    predictors = {p.name: p for p in (AGE, MRT_STAGE, PI_RADS)}
    return tuple(
        Contribution(
            t.name,
            t.label,
            VALUES[t.name],
            predictors[t.name].describe(VALUES[t.name]) if t.name in predictors else f"{VALUES[t.name]:.3f}",
            t.coefficient,
            t.coefficient * (VALUES[t.name] - t.mean),
            t.name in imputed,
        )
        for t in terms
    )


def _probability(terms: tuple[Term, ...]) -> float:
    return float(1 / (1 + np.exp(-(INTERCEPT + sum(t.coefficient * VALUES[t.name] for t in terms)))))


def clinical_analysis(case_id: str = "case 1") -> Analysis:
    """A case without images through a clinical model whose intercept was solved."""
    terms = TERMS[:3]
    model = FrozenModel(
        name="clinical-test",
        version="1.0",
        title="Published odds ratios",
        kind="clinical",
        notice="Published odds ratios with a solved intercept.",
        demonstration=False,
        protocol={},
        predictors=(AGE, MRT_STAGE, PI_RADS),
        intercept=INTERCEPT,
        terms=terms,
        cut_off=0.194,
        cut_off_rule="the stated prevalence",
        prevalence={"value": 0.194, "source": "77 of 397 patients", "covariates": COVARIATES},
        cohort={"patients": "397 men"},
        performance=({"cohort": "training (as published)", "n": 173, "events": None, "auc": 0.832},),
        provenance={"study": "a study"},
        checksum="ab" * 32,
    )
    probability = _probability(terms)
    return Analysis(
        case_id=case_id,
        model=model,
        notice=f"Intercept solved for a mean risk of 19.4%, not fitted to patients. {model.notice}",
        probability=probability,
        cut_off=0.194,
        cut_off_rule=model.cut_off_rule,
        high_risk=probability >= 0.194,
        contributions=_contributions(terms, ()),
        intercept=INTERCEPT,
        times={"nomogram": 0.01},
    )


def combined_analysis(images: dict[str, sitk.Image], roi: sitk.Image, *, demonstration: bool = True) -> Analysis:
    """A case through a combined model: habitats are thirds of the ROI by ADC, all on the 1 mm grid of ``images["adc"]``."""
    adc, inside = sitk.GetArrayFromImage(images["adc"]), sitk.GetArrayFromImage(roi) != 0
    labels = np.zeros(adc.shape, np.uint8)
    labels[inside] = 1 + np.digitize(adc[inside], np.percentile(adc[inside], [33, 66]))
    count = int(inside.sum())
    signature = Signature(("f1", "f2"), (0.0, 0.0), (1.0, 1.0), (0.4, -0.2), -1.4, -1.4, 0.6)
    signatures = dict.fromkeys(("habitat1", "habitat2", "habitat3", "tumour"), signature)
    model = FrozenModel(
        name="phantom-test",
        version="0.1",
        title="Combined model of the phantom",
        kind="combined",
        notice="Trained on synthetic phantom images.",
        demonstration=demonstration,
        protocol={},
        predictors=(AGE, MRT_STAGE, PI_RADS),
        intercept=INTERCEPT,
        terms=TERMS,
        cut_off=0.27,
        cut_off_rule="Youden index in training",
        imaging=Imaging({"dwi": 800, "low_b": 50}, "resnet101", "seeded:1", "cd" * 32, None, signatures),
        cohort={"patients": "173 phantoms", "laterality": "either side"},
        performance=(
            {"cohort": "training (apparent)", "n": 173, "events": 34, "auc": 0.91},
            {"cohort": "external", "n": 150, "events": 29, "auc": 0.823},
        ),
        checksum="ab" * 32,
    )
    probability = _probability(TERMS)
    notice = f"Attention, {DEMONSTRATION_NOTICE}. {model.notice}" if demonstration else model.notice
    summaries = tuple(
        HabitatSummary(
            i,
            int((labels == i).sum()),
            float((labels == i).sum() / count),
            float((labels == i).sum() / 1000),
            {name: float(sitk.GetArrayViewFromImage(image)[labels == i].mean()) for name, image in images.items()},
            i == 3,
        )
        for i in (1, 2, 3)
    )
    registration = Registration(
        transform=sitk.Euler3DTransform(),
        metric_before=0.31,
        metric_after=0.42,
        displacement_mm=1.9,
        rotation_deg=0.7,
        translation_mm=(0.4, -1.1, 1.4),
        agreement_mm=0.3,
        accepted=True,
        reason="the checks agree",
    )
    return Analysis(
        case_id="ProstateX-0000",
        model=model,
        notice=notice,
        probability=probability,
        cut_off=0.27,
        cut_off_rule=model.cut_off_rule,
        high_risk=probability >= 0.27,
        contributions=_contributions(TERMS, ("radscore_habitat3",)),
        intercept=INTERCEPT,
        radscores={"habitat1": -0.31, "habitat2": -1.12, "habitat3": -1.4, "tumour": 1.62},
        b_values={"dwi": 1000.0},
        images=images,
        roi=roi,
        habitat_map=like(labels, roi),
        habitats=summaries,
        k_curve=KCurve((2, 3, 4, 5, 6), (310.0, 352.1, 330.5, 300.0, 281.0), (0.41, 0.44, 0.37, 0.35, 0.33), (0.9, 0.82, 0.95, 1.0, 1.02)),
        registration=registration,
        warnings=("Habitat 3 is absent in this case (fewer than 8 voxels): its radscore enters at the training mean",),
        provenance=(
            Choice("t2w", "series 4, t2_tse_tra", "the only axial T2W", ()),
            Choice("dwi", "b 800 s/mm2 of series 6", "highest measured b of at least 800", ("b 50", "b 400")),
        ),
        times={"registration and preprocessing": 4.21, "habitats": 0.8, "deep features": 1.3},
    )


def tiny_case(folder: Path) -> tuple[dict[str, sitk.Image], sitk.Image]:
    """T2W, DWI and ADC of the small real case and a ROI made from its finding, on the 1 mm grid of the DWI."""
    read = {n: sitk.ReadImage(str(folder / f"ProstateX-0000_{n}.nii.gz"), sitk.sitkFloat32) for n in ("t2w", "b800", "adc")}
    grid = isotropic_grid(read["b800"], (1.0, 1.0, 1.0))
    names = {"t2w": "t2w", "dwi": "b800", "adc": "adc"}
    images = {name: sitk.Resample(read[source], grid, sitk.Transform(), sitk.sitkLinear) for name, source in names.items()}
    roi = sitk.ReadImage(str(folder / "ProstateX-0000_roi_findingsphere_CCBY.nii.gz"))
    return images, sitk.Cast(sitk.Resample(roi, grid, sitk.Transform(), sitk.sitkNearestNeighbor), sitk.sitkUInt8)
