"""What the commands of the terminal face do."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import RESEARCH_USE_ONLY
from .analysis import Analysis, analyse
from .case import Case
from .errors import CaseError, MissingDependencyError, ModelError
from .frozen_model import FrozenModel, installed_models, load_model
from .progress import part
from .storage import check_output_folder
from .terminal import show_progress


def limit_threads(count: int) -> None:
    """Use this many processor threads in this process."""
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(count)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)


def demo(options: argparse.Namespace) -> None:
    """Make a phantom patient and take it through the model."""
    from .imaging.phantom import phantom_case

    model = load_model(options.model)
    check_output_folder(options.output)
    with show_progress() as progress:
        progress(0.0, "Making a phantom patient")
        case, truth = phantom_case(options.seed)
        case = case.with_clinical({p.name: case.clinical[p.name] for p in model.predictors if p.name in case.clinical})
        analysis = analyse(case, model, part(progress, 0.1, 0.9))
        progress(0.9, "Writing the results")
        written = _write(analysis, options.output)
    _print_result(analysis, options.output, written)
    print(
        f"The phantom's true probability is {truth.probability:.3f}: it is a digital patient whose outcome law is known. "
        "The model's number for one patient may differ: it knows that law only from the outcomes of its training patients."
    )


def predict(options: argparse.Namespace) -> None:
    """Take one case through a frozen model and write everything that led to the answer."""
    model = load_model(options.model)
    check_output_folder(options.output)
    with show_progress() as progress:
        progress(0.0, "Reading the case")
        analysis = analyse(_read_case(options, model), model, part(progress, 0.1, 0.9), prevalence=options.prevalence)
        progress(0.9, "Writing the results")
        written = _write(analysis, options.output)
    _print_result(analysis, options.output, written)


def phantom(options: argparse.Namespace) -> None:
    """Write a cohort of phantom patients."""
    from .phantoms import write_phantom_cohort

    check_output_folder(options.output)
    with show_progress() as progress:
        write_phantom_cohort(options.output, tuple(options.n), options.seed, options.jobs, progress)
    print(f"{sum(options.n)} phantom patients: {options.output / 'cohort.csv'}")


def extract(options: argparse.Namespace) -> None:
    """Extract the features of a cohort, by a protocol or as a frozen model takes them."""
    from .cohort import extract as extract_features
    from .cohort import extract_for_model
    from .study_commands import chosen_protocol, quality_decisions, undecided_line

    check_output_folder(options.output)
    model = load_model(options.model) if options.model else None
    decided = quality_decisions(options.quality, options.cohort)
    cohort, out, jobs = options.cohort, options.output, options.jobs
    with show_progress() as progress:
        if model is not None:
            extraction = extract_for_model(cohort, model, out, jobs, progress, decided.rejected, options.weights)
        else:
            protocol = chosen_protocol(options.protocol, weights=options.weights)
            extraction = extract_features(cohort, protocol, out, jobs, progress, decided.rejected)
    rows, columns = extraction.features.shape
    print(f"{rows} cases, {columns} features each: {options.output / 'features.parquet'}")
    if extraction.failures:
        print(f"{len(extraction.failures)} cases failed or were rejected; the reasons are in {options.output / 'failures.csv'}")
    print(undecided_line(decided.undecided), end="")
    if extraction.model:
        print(f"Protocol and habitats are those of model {extraction.model}: give this folder to habitatpni recalibrate --features")


def train(options: argparse.Namespace) -> None:
    """Train and freeze a model."""
    from .cohort import load_extraction, read_cohort
    from .cohort_steps import check_same_files
    from .second_reader import restrict_features
    from .study.data import study_data
    from .study.leakage import check_leakage
    from .study_commands import model_identity, quality_decisions, reproducible, undecided_line
    from .training import train as train_model

    check_output_folder(options.output)
    table = read_cohort(options.cohort)
    extraction = load_extraction(options.features)
    decided = quality_decisions(options.quality, options.cohort)
    columns = reproducible(options)
    if columns is not None:
        extraction = restrict_features(extraction, columns)
    identity = model_identity(options, extraction.protocol, extraction.phantom)
    with show_progress() as progress:
        check_same_files(table, options.cohort.parent, extraction.prepared, extraction.protocol, part(progress, 0.0, 0.3))
        data = study_data(table, extraction, decided.rejected, decided.undecided)
        check_leakage(data.cohort, extraction.image_hashes)
        trained = train_model(extraction, data.cohort, identity, options.output, part(progress, 0.3, 1.0))
    print(f"{trained.model.name} {trained.model.version}: {options.output}")
    for row in trained.model.performance:
        auc = "not defined" if row["auc"] is None else f"{row['auc']:.3f}"
        print(f"  AUC {auc}  {row['cohort']} ({row['n']} patients, {row['events']} events)")
    print(undecided_line(data.undecided), end="")
    print(RESEARCH_USE_ONLY)


def models(options: argparse.Namespace) -> None:
    """List the models, show a card, verify one, or print the header of a cohort table for it."""
    from .cohort_table import image_columns
    from .protocol import Protocol

    if options.action == "list":
        for folder in installed_models():
            try:
                model = load_model(folder)
            except ModelError as error:
                print(error, file=sys.stderr)
                continue
            print(f"{model.name} {model.version} ({model.kind}): {model.title}\n    {model.notice}")
            if folder.name != model.name:
                print(f"    To be asked for by its folder's name: {folder.name}")
        return
    if not options.model:
        raise ModelError(f"models {options.action} needs the name or folder of a model; see habitatpni models list")
    model = load_model(options.model)
    if options.action == "show":
        print(model.card)
    elif options.action == "template":
        images = image_columns(Protocol.from_dict(dict(model.protocol), f"of model {model.name}").sequences)
        b_values = ("b_dwi", "b_low_b") if "dwi" in images else ()
        print(",".join(("case_id", "centre", "split", "outcome", *images, *b_values, *(p.name for p in model.predictors))))
        for p in model.predictors:
            values = ", ".join(f"{level.value:g} = {level.label}" for level in p.levels) or f"{p.low:g} to {p.high:g} {p.unit}"
            print(f"# {p.name}: {p.label}, {values}. {p.help}", file=sys.stderr)
    else:
        print(f"{model.name} {model.version}: schema and checksums are right (sha256 {model.checksum[:16]}...)")


def weights(options: argparse.Namespace) -> None:
    """List, download or remove pretrained weights."""
    from .networks.weights import cached_weights, download_weights, remove_cached_weights

    if options.action == "download":
        if not options.backbone:
            raise ModelError("weights download needs the network's name, e.g. resnet101")
        with show_progress() as progress:
            path = download_weights(options.backbone, progress)
        print(f"{path} ({path.stat().st_size / 1e6:.0f} MB)")
    elif options.action == "remove":
        for path in remove_cached_weights():
            print(f"removed {path}")
    else:
        found = cached_weights()
        for path in found:
            print(f"{path} ({path.stat().st_size / 1e6:.0f} MB)")
        if not found:
            print("no weights are cached; habitatpni weights download resnet101 fetches those of the protocol pca-pni")


def _read_case(options: argparse.Namespace, model: FrozenModel) -> Case:
    from .protocol import Protocol

    protocol = Protocol.from_dict(dict(model.protocol), f"of model {model.name}")
    if options.dicom_folder is not None:
        from .imaging.dicom import read_dicom_case
        from .imaging.files import refuse_dicom

        if options.t1pv is not None:
            if "t1pv" in protocol.sequences:
                raise CaseError("--t1pv goes with image files; leave the DICOM folder out")
            raise CaseError(f"Model {model.name} takes no portal venous T1W image; leave --t1pv out")
        refuse_dicom(protocol.sequences, options.case_id)
        if any(given is not None for given in (options.low_b, options.b_value, options.low_b_value)):
            raise CaseError("--low-b and the b-values go with image files; in a DICOM folder --dwi SERIES:B chooses a b-value")
        return read_dicom_case(
            options.dicom_folder,
            roi=options.roi,
            roi_segment=options.roi_segment,
            roi_on=options.roi_on,
            t2w=options.t2w,
            dwi=options.dwi,
            adc=options.adc,
            clinical=options.clinical,
            case_id=options.case_id,
            diffusion=protocol.diffusion,
        )
    from .imaging.files import read_case_files

    if options.low_b_value is not None and options.low_b is None:
        raise CaseError("--low-b-value belongs to an image: give that too, with --low-b")
    names = ("t2w", "dwi", "adc", "low_b", "t1pv")
    images: dict[str, Any] = {name: Path(path) for name in names if (path := getattr(options, name)) is not None}
    if not images and model.imaging is not None:
        *others, last = (f"--{name}" for name in protocol.sequences)
        listed = f"{', '.join(others)} and {last}" if others else last
        folder = "" if "t1pv" in protocol.sequences else "a DICOM folder, or "
        raise CaseError(f"Model {model.name} needs images: give {folder}{listed}, and the outline with --roi")
    return read_case_files(
        **images,
        roi=options.roi,
        roi_segment=options.roi_segment,
        roi_on=options.roi_on,
        clinical=options.clinical,
        b_values={name: b for name, b in (("dwi", options.b_value), ("low_b", options.low_b_value)) if b is not None} or None,
        case_id=options.case_id,
        diffusion=protocol.diffusion,
    )


def _write(analysis: Analysis, folder: Path) -> list[str]:
    from .outputs import write_analysis

    try:
        from .mrml.scene import write_scene
    except MissingDependencyError:
        return write_analysis(analysis, folder)
    return write_analysis(analysis, folder, write_scene)


def _print_result(analysis: Analysis, folder: Path, written: list[str]) -> None:
    side = "at or above" if analysis.high_risk else "below"
    print(f"Probability of perineural invasion: {analysis.probability:.3f} ({side} the cut-off of {analysis.cut_off:.3f})")
    print(f"  Cut-off: {analysis.cut_off_rule}")
    print(f"  {analysis.notice}")
    print(f"  {RESEARCH_USE_ONLY}")
    for warning in analysis.warnings:
        print(f"  Warning: {warning}")
    print(f"Model: {analysis.model.name} {analysis.model.version}")
    print(f"Report: {folder / 'report.html'}")
    if analysis.images and "scene.mrb" not in written:
        print('No scene.mrb: it needs slicer-core (pip install "habitatpni[headless]") or Slicer')
