"""Options of the commands round a study. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

_BACKBONES = ("resnet18", "resnet34", "resnet50", "resnet101")
_PLAN = (
    ("folds", 5, "folds of the nested cross-validation"),
    ("repeats", 3, "repeats of the nested cross-validation"),
    ("habitat-repeats", 1, "repeats with habitats learned inside each fold; 0 leaves them out"),
    ("bootstrap", 50, "bootstrap samples of the optimism correction"),
    ("permutations", 20, "shuffles of the labels"),
    ("learning-sizes", 4, "sizes of the learning curve; 0 leaves it out"),
    ("seed", 17, "seed of all draws"),
)
_KINDS = ("1,1", "2,1", "3,1", "1,k", "2,k", "3,k")


def add_study(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Options of ``study``; `positive` reads a count."""
    parser.add_argument("cohort", type=Path, nargs="?", help="cohort table (CSV); not with --phantom")
    parser.add_argument("--phantom", action="store_true", help="study a cohort of digital phantoms, made in OUT/cohort")
    sizes = ("TRAINING", "INTERNAL", "EXTERNAL")
    parser.add_argument("-n", type=int, nargs=3, default=(173, 74, 150), metavar=sizes, help="phantoms a split (default 173 74 150)")
    parser.add_argument("--phantom-seed", type=int, default=1, metavar="N", help="seed of the phantom cohort (default 1)")
    parser.add_argument("--protocol", help="protocol name or .yaml file (default pca-pni; with --features that of the extraction)")
    parser.add_argument(
        "--weights", metavar="W", help="weights in place of the protocol's: imagenet, file:PATH or seeded:N (--phantom: seeded:101)"
    )
    parser.add_argument("--backbone", choices=_BACKBONES, help="network in place of the protocol's")
    parser.add_argument("--features", type=Path, metavar="DIR", help="folder of habitatpni extract (default: extract into OUT/features)")
    add_quality_option(parser)
    add_icc_options(parser)
    for name, default, text in _PLAN:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{text} (default {default})")
    parser.add_argument("--no-controls", action="store_true", help="leave the negative controls out")
    add_identity_options(parser, "local-study")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, one thread each (default 1)")
    out = Path("out/study")
    parser.add_argument("-o", "--output", type=Path, default=out, metavar="OUT", help="folder (default out/study); run again to go on")


def add_identity_options(parser: argparse.ArgumentParser, name: str | None = None) -> None:
    """What a person says of a new model; without `name` the user must give one."""
    parser.add_argument("--name", required=name is None, default=name, help="name of the new model")
    parser.add_argument("--model-version", default="1.0.0", metavar="V", help="version of the new model (default 1.0.0)")
    parser.add_argument("--title", help="one line on what the model predicts and from what")
    parser.add_argument("--patients", default="not stated", help="which patients, scanners and centres the model fits")
    parser.add_argument("--laterality", default="lesions of either side", help="which lesions the model fits")


def add_template(parser: argparse.ArgumentParser) -> None:
    """Options of ``template``."""
    parser.add_argument("--protocol", default="pca-pni", help="protocol whose clinical candidates become columns (default pca-pni)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the table and its dictionary")


def add_quality(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Options of ``quality``; `positive` reads a count."""
    parser.add_argument("cohort", type=Path, help="cohort table (CSV)")
    parser.add_argument("--protocol", default="pca-pni", help="protocol name or .yaml file (default pca-pni)")
    parser.add_argument("--features", type=Path, metavar="DIR", help="folder of habitatpni extract, whose registrations are shown")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, one thread each (default 1)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for quality.csv, quality.html, montages")


def add_reader2(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Options of ``reader2``; `positive` reads a count."""
    parser.add_argument("cohort", type=Path, help="cohort table (CSV) with the column roi_2")
    parser.add_argument("--features", type=Path, required=True, metavar="DIR", help="folder written by habitatpni extract")
    parser.add_argument("--model", metavar="NAME|FOLDER", help="frozen model on these features, for radscores and probability")
    parser.add_argument("--kind", choices=_KINDS, default="2,1", help="intraclass correlation of Shrout and Fleiss (default 2,1)")
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes, one thread each (default 1)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the tables")


def add_recalibrate(parser: argparse.ArgumentParser) -> None:
    """Options of ``recalibrate``."""
    parser.add_argument("model", metavar="NAME|FOLDER", help="frozen model (see habitatpni models list)")
    parser.add_argument(
        "table", type=Path, help="CSV: case_id, outcome and the model's probability or log_odds; a cohort table with --features"
    )
    parser.add_argument("--features", type=Path, metavar="DIR", help="features of the cohort, by habitatpni extract --model")
    parser.add_argument(
        "--method",
        choices=("closed", "intercept", "slope"),
        default="closed",
        help="closed test among none, intercept, and intercept with slope (default), or one of the latter two",
    )
    parser.add_argument("--site", default="a local site", metavar="TEXT", help="whose patients these are, for notice and card")
    parser.add_argument("--name", help="name of the new model (default: the old one's with -recalibrated)")
    parser.add_argument("--model-version", default="1.0.0", metavar="V", help="version of the new model (default 1.0.0)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder of the new model")


def add_quality_option(parser: argparse.ArgumentParser) -> None:
    """``--quality`` of the commands that obey the quality sheet."""
    parser.add_argument("--quality", type=Path, metavar="CSV", help="quality.csv of habitatpni quality: rejected cases are left out")


def add_icc_options(parser: argparse.ArgumentParser) -> None:
    """``--icc`` and ``--icc-min`` of the commands that train."""
    parser.add_argument("--icc", type=Path, metavar="CSV", help="icc_features.csv of habitatpni reader2: only reproducible features")
    parser.add_argument("--icc-min", type=float, default=0.8, metavar="X", help="smallest ICC of a feature with --icc (default 0.8)")
