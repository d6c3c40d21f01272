"""The terminal face: ``habitatpni``. Nothing heavy is imported before a command runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from . import RESEARCH_USE_ONLY, __version__
from .cli_study import (
    add_icc_options,
    add_identity_options,
    add_quality,
    add_quality_option,
    add_reader2,
    add_recalibrate,
    add_study,
    add_template,
)
from .cli_texture import add_texture
from .errors import Cancelled, HabitatPNIError

DONE, FAILED, WRONG_INPUT, STOPPED = 0, 1, 2, 130
DEFAULT_MODEL = "pca-pni-phantom"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 wrong input, 130 stopped by the user, 1 a defect of the program."""
    options = _parser().parse_args(arguments)
    try:
        from . import cli_commands, study_commands, texture_command

        if options.threads:
            cli_commands.limit_threads(options.threads)
        module = next(m for m in (study_commands, texture_command, cli_commands) if hasattr(m, options.run))
        getattr(module, options.run)(options)
    except HabitatPNIError as error:
        return _fail(str(error), WRONG_INPUT, options.verbose)
    except (KeyboardInterrupt, Cancelled):
        return _fail("stopped; nothing half-written is left", STOPPED, False)
    except BrokenPipeError:
        return DONE
    except ModuleNotFoundError as error:
        return _fail(f'the Python package {error.name} is not installed; pip install "habitatpni" brings it', WRONG_INPUT, options.verbose)
    except Exception as error:
        return _fail(f"unexpected {type(error).__name__}: {error}; run again with --verbose and report it", FAILED, options.verbose)
    return DONE


def _fail(message: str, code: int, verbose: bool) -> int:
    if verbose:
        import traceback

        traceback.print_exc()
    print(f"habitatpni: {' '.join(message.split())}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = _OneLine(
        prog="habitatpni",
        description="Habitats of prostate tumours on MRI and the probability of perineural invasion.",
        epilog=RESEARCH_USE_ONLY,
    )
    parser.add_argument("--version", action="version", version=f"habitatpni {__version__}")
    common = _OneLine(add_help=False)
    common.add_argument("--verbose", action="store_true", help="show where an error arose")
    common.add_argument("--threads", type=_positive, metavar="N", help="processor threads (default: as many as there are cores)")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def command(name: str, text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, parents=[common], help=text, description=text, epilog=RESEARCH_USE_ONLY)
        sub.set_defaults(run=name)
        return sub

    _add_demo(command("demo", "take a phantom patient through the demonstration model"))
    _add_predict(command("predict", "take one patient's case through a frozen model"))
    _add_phantom(command("phantom", "write a cohort of digital phantom patients"))
    _add_extract(command("extract", "extract the features of every case of a cohort table"))
    _add_train(command("train", "train and freeze a model from extracted features"))
    add_study(command("study", "train, freeze and honestly evaluate a model: report, tables and figures"), _positive)
    add_quality(command("quality", "write the registration quality sheet of a cohort, to accept or reject cases"), _positive)
    add_reader2(command("reader2", "compare a second reader's outlines through to features and radscores"), _positive)
    add_recalibrate(command("recalibrate", "fit a frozen model to a site's own patients"))
    add_template(command("template", "write an empty cohort table and the dictionary of its columns"))
    add_texture(command("texture", "write the texture maps of an outlined region, one a feature"), _positive)
    _add_models(command("models", "list, show or verify frozen models, or print a table to fill in"))
    _add_weights(command("weights", "list, download or remove pretrained network weights"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seed", type=int, default=2034, help="which phantom patient (default 2034)")
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"model name or folder (default {DEFAULT_MODEL})")
    parser.add_argument("-o", "--output", type=Path, default=Path("out/demo"), metavar="OUT", help="output folder (default out/demo)")


def _add_predict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dicom_folder", nargs="?", type=Path, help="folder of a DICOM study; or give image files with the options below")
    parser.add_argument("--t1pv", metavar="F", help="portal venous T1W image file, for a model that asks for it")
    for name in ("t2w", "dwi", "adc"):
        text = "image file (NRRD, NIfTI, MHA); with a DICOM folder also a series number, series UID or sub-folder"
        parser.add_argument(f"--{name}", metavar="F", help=text + ("; SERIES:B chooses a b-value" if name == "dwi" else ""))
    parser.add_argument("--low-b", type=Path, metavar="F", help="low-b DWI file, for the registration, and for ADC where no --adc is given")
    parser.add_argument("--b-value", type=float, metavar="B", help="b-value of --dwi in s/mm2, when the file does not say")
    parser.add_argument("--low-b-value", type=float, metavar="B", help="b-value of --low-b in s/mm2, when the file does not say")
    parser.add_argument("--roi", type=Path, metavar="F", help="tumour outline: NRRD, NIfTI, MHA, .seg.nrrd or DICOM SEG")
    parser.add_argument("--roi-segment", metavar="NAME|LABEL|all", help="segment or label to take from the ROI file, or all")
    parser.add_argument(
        "--roi-on", choices=("t2w", "dwi", "adc", "t1pv"), help="sequence the ROI was drawn on, when its grid does not tell"
    )
    parser.add_argument(
        "--clinical", type=_assignments, action=_Merge, default={}, metavar="NAME=VALUE,...", help="e.g. age=63,mrt_stage=2,pi_rads=4"
    )
    parser.add_argument("--model", required=True, metavar="NAME|FOLDER", help="frozen model (see habitatpni models list)")
    parser.add_argument("--prevalence", type=float, metavar="P", help="local prevalence (0 to 1) for a model with a solved intercept")
    parser.add_argument("--case-id", default="1", metavar="ID", help="name of the case in outputs (default 1); no patient identifier")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="output folder")


def _add_phantom(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-n", type=int, nargs=3, default=(173, 74, 150), metavar=("TRAINING", "INTERNAL", "EXTERNAL"), help="patients a split"
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the cohort (default 1)")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes (default 1)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="output folder")


def _add_extract(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", type=Path, help="cohort table (CSV)")
    by = parser.add_mutually_exclusive_group()
    by.add_argument("--protocol", default="pca-pni", help="protocol name or .yaml file (default pca-pni)")
    by.add_argument(
        "--model",
        metavar="NAME|FOLDER",
        help="frozen model whose protocol and habitats are taken: features of another site's patients, for recalibrate and reader2",
    )
    parser.add_argument("--weights", metavar="W", help="weights in place of the protocol's: imagenet, file:PATH or seeded:N")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="N", help="processes, one thread each (default 1)")
    add_quality_option(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the features")


def _add_train(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cohort", type=Path, help="cohort table (CSV)")
    parser.add_argument("--features", type=Path, required=True, metavar="DIR", help="folder written by habitatpni extract")
    add_identity_options(parser)
    add_quality_option(parser)
    add_icc_options(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the new model")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "show", "verify", "template"), help="template prints an empty cohort table")
    parser.add_argument("model", nargs="?", metavar="NAME|FOLDER", help="which model, for show, verify and template")


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("list", "download", "remove"))
    parser.add_argument(
        "backbone", nargs="?", choices=("resnet18", "resnet34", "resnet50", "resnet101"), help="which network, for download"
    )


class _OneLine(argparse.ArgumentParser):
    """Parser whose errors are one line, as all others of the program."""

    def error(self, message: str) -> NoReturn:
        self.exit(WRONG_INPUT, f"habitatpni: {' '.join(message.split())}; see {self.prog} --help\n")


class _Merge(argparse.Action):
    """Collect the values of an option that is given more than once; the same name twice is an error."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: str | None = None
    ) -> None:
        before = getattr(namespace, self.dest)
        twice = sorted(set(before) & set(values))
        if twice:
            parser.error(f"{option_string} gives {', '.join(twice)} twice")
        setattr(namespace, self.dest, {**before, **values})


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _assignments(text: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in text.split(",") if pair.strip()]
    if any(not sign or not name.strip() or not value.strip() for name, sign, value in pairs):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form name=value,name=value (commas, no spaces)")
    names = [name.strip() for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} gives a name twice")
    return {name.strip(): value.strip() for name, _, value in pairs}


if __name__ == "__main__":
    sys.exit(main())
