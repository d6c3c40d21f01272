"""What ``habitatpni texture`` does: an image and an outline become one map a feature."""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import RESEARCH_USE_ONLY, __version__
from .errors import CaseError
from .progress import Progress, part
from .storage import check_output_folder, output_folder, write_text
from .terminal import show_progress

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .features.texture import TextureMaps, TextureSettings

SUMMARY = "texture.json"


def texture(options: argparse.Namespace) -> None:
    """Write the texture maps of an image's region, one NRRD file a feature, and ``texture.json``."""
    from .features.texture import texture_maps

    started = time.perf_counter()
    settings = texture_settings(options)
    check_output_folder(options.output)
    with show_progress() as progress:
        progress(0.0, "Reading image and outline")
        image, roi = read_pair(options.image, options.roi, options.roi_segment)
        maps = texture_maps(image, roi, settings, part(progress, 0.02, 0.7), options.threads)
        computed = time.perf_counter()
        write_maps(maps, describe_run(maps, options), options.output, part(progress, 0.7, 1.0))
    voxels, features = maps.values.shape
    print(f"{features} maps of {voxels} voxels, and {SUMMARY}: {options.output}")
    missing = {name: count for name, count in without_value(maps).items() if count}
    if missing:
        name = max(missing, key=lambda key: missing[key])
        print(f"  {len(missing)} features have no finite value in some voxels, at most {missing[name]} ({name}); see {SUMMARY}")
    others = {path.name for path in options.output.glob("original_*.nrrd")} - {f"{name}.nrrd" for name in maps.names}
    if others:
        print(f"  {len(others)} maps of another run lie in the same folder; {SUMMARY} says nothing of them")
    print(f"  {computed - started:.1f} s to read and compute, {time.perf_counter() - computed:.1f} s to write")
    print(f"  {RESEARCH_USE_ONLY}")


def texture_settings(options: argparse.Namespace) -> TextureSettings:
    """Settings that the options ask for.

    Raises
    ------
    ProtocolError
        naming the one that is out of range
    """
    from .features.texture import TextureSettings

    changes: dict[str, Any] = {
        "masked_kernel": not options.unmasked,
        "bin_count": options.bin_count,
        "bin_width": options.bin_width,
        "init_value": options.init_value,
        "single_precision": not options.double,
    }
    if options.radius is not None:
        changes["kernel_radius"] = options.radius
    if options.in_plane is not None:
        changes["in_plane_axis"] = 0 if options.in_plane else None
    if options.features is not None:
        return TextureSettings(features=options.features, **changes)
    return TextureSettings.preset(options.preset, **changes)


def read_pair(image_path: Path, roi_path: Path, segment: str | None) -> tuple[sitk.Image, sitk.Image]:
    """Image with its own voxel type, and the outline on its grid; a cropped or flipped outline on the same lattice is pasted.

    Raises
    ------
    CaseError
        when one cannot be read, or the outline lies on another lattice: it is not resampled, since that would choose its voxels anew
    """
    from .imaging.roi import read_roi
    from .imaging.roi_grid import paste_roi
    from .imaging.volume_io import read_image

    image = read_image(image_path, as_stored=True)
    outline = read_roi(roi_path, segment)
    placed = paste_roi(outline, image, "given")
    if placed is None:
        raise CaseError(
            f"Texture: the ROI {_grid(outline)} is not on the grid of the image {_grid(image)}: draw it on this image, or resample it to "
            "the image's grid by nearest neighbour first"
        )
    return image, placed


def write_maps(maps: TextureMaps, summary: dict[str, Any], folder: Path, progress: Progress) -> None:
    """Write all maps and the summary, or nothing; other files of the folder stay.

    Raises
    ------
    OutputError
        when they cannot be written
    """
    from .outputs import write_image

    with output_folder(folder) as temporary:
        for i, name in enumerate(maps.names):
            progress(i / len(maps.names), "Writing the maps")
            write_image(maps.volume(name), temporary / f"{name}.nrrd")
        write_text(temporary / SUMMARY, json.dumps(summary, indent=1, allow_nan=False) + "\n")
    progress(1.0, "Maps written")


def describe_run(maps: TextureMaps, options: argparse.Namespace) -> dict[str, Any]:
    """Content of ``texture.json``; files are named by their sha256, since their own names may be a patient's."""
    from importlib.metadata import PackageNotFoundError, version

    from .imaging.volume_io import fingerprint

    versions = {"habitatpni": __version__}
    for package in ("numba", "numpy", "SimpleITK"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    settings = {name: value for name, value in vars(maps.settings).items() if name != "features"}
    if not math.isfinite(maps.settings.init_value):
        settings["init_value"] = str(maps.settings.init_value)
    if maps.settings.bin_width is None:
        settings["bin_count"] = len(maps.edges) - 1
    missing = without_value(maps)
    return {
        "research_use_only": RESEARCH_USE_ONLY,
        "definitions": "pyradiomics, voxel-based",
        "image": fingerprint(options.image),
        "roi": fingerprint(options.roi),
        "roi_segment": options.roi_segment,
        "voxels": len(maps.values),
        "preset": None if options.features else options.preset,
        "settings": settings,
        "bin_edges": [float(edge) for edge in maps.edges],
        "features": [{"name": name, "file": f"{name}.nrrd", "voxels_without_value": missing[name]} for name in maps.names],
        "versions": versions,
    }


def without_value(maps: TextureMaps) -> dict[str, int]:
    """Number of voxels by feature in which it has no finite value."""
    import numpy as np

    return dict(zip(maps.names, (~np.isfinite(maps.values)).sum(axis=0).tolist(), strict=True))


def _grid(image: sitk.Image) -> str:
    size, spacing = (" x ".join(f"{value:.4g}" for value in values) for values in (image.GetSize(), image.GetSpacing()))
    return f"({size} voxels of {spacing} mm, origin {', '.join(f'{value:.4g}' for value in image.GetOrigin())})"
