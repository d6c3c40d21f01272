"""Options of ``texture``. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def add_texture(parser: argparse.ArgumentParser, positive: Callable[[str], int]) -> None:
    """Options of ``texture``; `positive` reads a count."""
    parser.add_argument("image", type=Path, help="image file (NRRD, NIfTI, MHA)")
    parser.add_argument("roi", type=Path, help="outline on the image's grid: NRRD, NIfTI, MHA, .seg.nrrd or DICOM SEG")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--preset",
        choices=("all93", "hcc77"),
        default="all93",
        help="all93: all features, 5x5x5 voxels (default); hcc77: all but GLSZM, 5x5 voxels of a slice",
    )
    which.add_argument("--features", type=_names, metavar="NAME,...", help="these alone, e.g. original_glcm_Contrast")
    parser.add_argument("--radius", type=int, metavar="R", help="neighbourhoods of 2 R + 1 voxels' edge (default 2)")
    parser.add_argument("--in-plane", action=argparse.BooleanOptionalAction, help="neighbourhoods of one slice (default: as the preset)")
    levels = parser.add_mutually_exclusive_group()
    levels.add_argument("--bin-count", type=positive, metavar="N", help="grey levels over the ROI (default 32)")
    levels.add_argument("--bin-width", type=float, metavar="W", help="width of a grey level, in the image's intensities")
    parser.add_argument("--unmasked", action="store_true", help="voxels outside the ROI take part in a neighbourhood")
    parser.add_argument("--init-value", type=float, default=0.0, metavar="X", help="value of the maps outside the ROI (default 0)")
    parser.add_argument("--roi-segment", metavar="NAME|LABEL|all", help="segment or label to take from the ROI file, or all")
    parser.add_argument("--double", action="store_true", help="maps of double precision (default: single)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the maps and texture.json")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
