"""Voxel-wise texture: the engine against pyradiomics' voxel mode, and against flash-radiomics where an interpreter has it.

Spherical regions of about 1,300, 4,500 and 20,000 voxels in a T2-weighted MRI of the prostate, 32 grey levels, neighbourhoods of
radius 2 in space and in the slice, all 93 features. Every run has a process of its own, in which packages are imported and the
program has run once on a small region before the clock starts; the programs take turns. Time is wall and processor time of the
extraction; memory is the peak above what the process held before. Differences are from pyradiomics with batches of 100, over all
voxels where it has a value (it loses `MCC` of a whole batch and `JointAverage` of a voxel where a direction has no pairs), relative
to the value, or to a thousandth of the feature's largest value where that is larger. flash-radiomics also writes an HDF5 file.

    python benchmarks/texture.py --quick
    python benchmarks/texture.py --flash /path/to/python
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

T2W = Path(__file__).resolve().parents[2] / "shared" / "data" / "prostate_tiny" / "ProstateX-0000_t2w.nii.gz"
PROGRAMS = {
    "engine": "HabitatPNI",
    "pyradiomics-1000": "pyradiomics, voxelBatch 1000",
    "pyradiomics-100": "pyradiomics, voxelBatch 100",
    "flash": "flash-radiomics",
}
COLOURS = {"engine": "#0072B2", "pyradiomics-1000": "#D55E00", "pyradiomics-100": "#E69F00", "flash": "#7F7F7F"}
COLUMNS = (
    "voxels",
    "kernel",
    "program",
    "wall s",
    "CPU s",
    "peak MB",
    "CPU us a voxel",
    "wall / engine",
    "CPU / engine",
    "largest difference",
    "features beyond 1e-9",
)
FAMILIES = ("firstorder", "glcm", "glrlm", "glszm", "gldm", "ngtdm")


def sphere(image: sitk.Image, voxels: int) -> sitk.Image:
    """Region of the given number of voxels nearest the image's middle, in mm."""
    grid = np.indices(image.GetSize()[::-1]).reshape(3, -1).T
    middle = (np.array(image.GetSize()[::-1]) - 1) / 2
    distance = (((grid - middle) * np.array(image.GetSpacing())[::-1]) ** 2).sum(axis=1)
    inside = np.zeros(len(grid), np.uint8)
    inside[np.argsort(distance, kind="stable")[:voxels]] = 1
    roi = sitk.GetImageFromArray(inside.reshape(image.GetSize()[::-1]))
    roi.CopyInformation(image)
    return roi


def extractor(program: str, in_plane: bool, names: list[str], threads: int) -> Callable[[sitk.Image, sitk.Image], np.ndarray]:
    """Function of image and region that gives the features (voxels, features)."""
    if program == "engine":
        from HabitatPNILib.features.texture import TextureSettings, texture_maps

        settings = TextureSettings(tuple(names), in_plane_axis=0 if in_plane else None, bin_count=32)
        return lambda image, roi: texture_maps(image, roi, settings, threads=threads).values
    options = {"binCount": 32, "kernelRadius": 2, "force2D": in_plane, "force2Ddimension": 0, "additionalInfo": False}
    if program == "flash":
        from flash_radiomics import RadiomicsFeatureExtractor

        found = RadiomicsFeatureExtractor(backend="cpu", num_threads=threads, **options)
        call = {"spatialMode": True, "output_hdf5_path": str(Path(tempfile.mkdtemp()) / "maps.h5")}
    else:
        from radiomics.featureextractor import RadiomicsFeatureExtractor

        found = RadiomicsFeatureExtractor(voxelBatch=int(program.split("-")[1]), initValue=np.nan, **options)
        call = {"voxelBased": True}
    found.disableAllFeatures()
    chosen = {family: [n.split("_")[2] for n in names if n.split("_")[1] == family] for family in FAMILIES}
    found.enableFeaturesByName(**chosen)

    def extract(image: sitk.Image, roi: sitk.Image) -> np.ndarray:
        maps = found.execute(image, roi, **call)
        first = next(iter(maps[name] for name in names))
        where = np.argwhere(sitk.GetArrayViewFromImage(roi) != 0)
        if first.GetSize() != image.GetSize():
            where = where - np.array(image.TransformPhysicalPointToIndex(first.GetOrigin()))[::-1]
        return np.stack([sitk.GetArrayFromImage(maps[name])[tuple(where.T)] for name in names], axis=1)

    return extract


def resident(kind: str) -> float:
    """Resident memory of this process in MB now (VmRSS) or at its peak (VmHWM); Linux only, else NaN."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def child(request: dict) -> None:
    """One run in this process; prints its figures and writes its values."""
    import logging
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    image = sitk.ReadImage(request["image"])
    extract = extractor(request["program"], request["in_plane"], request["names"], request["threads"])
    roi = sphere(image, request["voxels"])
    began = time.perf_counter()
    extract(image, sphere(image, 20))
    first = time.perf_counter() - began
    if os.path.exists("/proc/self/clear_refs"):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    before, cpu, wall = resident("VmRSS"), time.process_time(), time.perf_counter()
    values = extract(image, roi)
    figures = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": resident("VmHWM") - before, "first": first}
    np.save(request["values"], values)
    print("FIGURES " + json.dumps(figures), flush=True)


def run(interpreter: str, request: dict) -> dict:
    """A child process's figures. ``-P`` keeps this folder's ``statistics.py`` from hiding the standard library's."""
    threads = {name: str(request["threads"]) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    command = [interpreter, "-P", __file__, "--child", json.dumps(request)]
    answer = subprocess.run(command, capture_output=True, encoding="utf-8", env={**os.environ, **threads}, check=False)
    for line in answer.stdout.splitlines():
        if line.startswith("FIGURES "):
            return json.loads(line.removeprefix("FIGURES "))
    sys.exit(f"{request['program']} failed: {answer.stderr.strip().splitlines()[-1:]}")


def largest_differences(values: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Of each feature (voxels, features), the largest relative difference from the truth where that is finite."""
    finite = np.isfinite(truth)
    scale = np.max(np.abs(np.where(finite, truth, 0)), axis=0)
    away = np.where(finite, np.abs(values - truth), 0)
    away = np.where(np.isnan(away), np.inf, away)
    return (away / np.maximum(np.maximum(np.abs(truth), 1e-3 * scale), 1e-300, where=finite, out=np.ones_like(truth))).max(axis=0)


def measure(
    image: str, voxels: int, in_plane: bool, options: argparse.Namespace, names: list[str], folder: Path
) -> tuple[list[str], np.ndarray, dict[str, float]]:
    """Table rows of one region and mode, the engine's largest difference of each feature, and processor time in us a voxel by program."""
    programs = [p for p in PROGRAMS if p != "flash" or options.flash]
    figures: dict[str, list[dict]] = {program: [] for program in programs}
    for _ in range(options.repeats):
        for program in programs:
            request = {
                "program": program,
                "image": image,
                "voxels": voxels,
                "in_plane": in_plane,
                "threads": options.threads,
                "names": names,
            }
            request["values"] = str(folder / f"{program}.npy")
            figures[program].append(run(options.flash if program == "flash" else sys.executable, request))
            print(f"{voxels} voxels, {'in-plane' if in_plane else '3D'}, {program}: {figures[program][-1]['wall']:.2f} s", file=sys.stderr)
    truth = np.load(folder / "pyradiomics-100.npy")
    median = {p: {k: float(np.median([f[k] for f in figures[p]])) for k in figures[p][0]} for p in programs}
    rows = []
    for program in programs:
        differences = largest_differences(np.load(folder / f"{program}.npy"), truth)
        worst = int(differences.argmax())
        m = median[program]
        cells = [
            str(voxels),
            "in-plane" if in_plane else "3D",
            PROGRAMS[program],
            f"{m['wall']:.2f}",
            f"{m['cpu']:.2f}",
            f"{m['memory']:.0f}",
            f"{1e6 * m['cpu'] / voxels:.0f}",
            f"{m['wall'] / median['engine']['wall']:.1f}",
            f"{m['cpu'] / median['engine']['cpu']:.1f}",
            f"{differences[worst]:.1e} ({names[worst].removeprefix('original_')})",
            str(np.count_nonzero(differences > 1e-9)),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    cost = {program: 1e6 * m["cpu"] / voxels for program, m in median.items()}
    return rows, largest_differences(np.load(folder / "engine.npy"), truth), cost


def versions(flash: str | None) -> str:
    """Machine and versions in one line."""
    from importlib.metadata import version

    names = ("numpy", "numba", "SimpleITK", "pyradiomics-bhklab")
    said = [f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores", f"Python {platform.python_version()}"]
    said += [f"{name} {version(name)}" for name in names]
    if flash:
        ask = "from importlib.metadata import version; print(version('flash-radiomics'))"
        said.append(
            "flash-radiomics " + subprocess.run([flash, "-c", ask], capture_output=True, encoding="utf-8", check=True).stdout.strip()
        )
    return ", ".join(said)


def draw(costs: dict[tuple[str, int], dict[str, float]], path: Path) -> None:
    """Processor time a voxel of every program, one panel a kernel, on a logarithmic scale."""
    from matplotlib.figure import Figure

    figure = Figure((8.5, 3.6), layout="constrained", dpi=150)
    kernels = list(dict.fromkeys(kernel for kernel, _ in costs))
    for axes, kernel in zip(np.atleast_1d(figure.subplots(1, len(kernels), sharey=True)), kernels, strict=True):
        sizes = [voxels for k, voxels in costs if k == kernel]
        programs = list(costs[kernel, sizes[0]])
        width = 0.8 / len(programs)
        for i, program in enumerate(programs):
            places = np.arange(len(sizes)) + (i - (len(programs) - 1) / 2) * width
            heights = [costs[kernel, voxels][program] for voxels in sizes]
            bars = axes.bar(places, heights, width, label=PROGRAMS[program], color=COLOURS[program])
            axes.bar_label(bars, [f"{height:,.0f}" for height in heights], fontsize=6, padding=1)
        axes.set_yscale("log")
        axes.set_ylim(5, 4e4)
        axes.set_xticks(range(len(sizes)), [f"{voxels:,}" for voxels in sizes])
        axes.set_xlabel("voxels of the region")
        axes.set_title("5 x 5 x 5 voxels" if kernel == "3D" else "5 x 5 voxels of a slice", fontsize=9)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("processor time, us a voxel")
    figure.axes[0].legend(fontsize=6.5, ncols=2, loc="upper left", frameon=False)
    figure.savefig(path)


def main() -> None:
    """Print the table of runs and the table of differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default=str(T2W), help="3D image; default: the T2-weighted image of the test data")
    parser.add_argument("--voxels", type=int, nargs="+", default=[1300, 4500, 20000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--flash", help="Python interpreter that has flash-radiomics and what it needs")
    parser.add_argument("--plot", type=Path, help="also draw the processor times into this file (PNG, SVG)")
    parser.add_argument("--quick", action="store_true", help="the smallest region, once")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(json.loads(options.child))
        return
    if options.quick:
        options.voxels, options.repeats = options.voxels[:1], 1
    from HabitatPNILib.features.texture.names import ALL93

    print(f"{versions(options.flash)}; medians of {options.repeats}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    worst: dict[str, np.ndarray] = {}
    costs: dict[tuple[str, int], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for in_plane in (False, True):
            for voxels in options.voxels:
                key = "in-plane" if in_plane else "3D"
                rows, differences, costs[key, voxels] = measure(options.image, voxels, in_plane, options, list(ALL93), Path(folder))
                print("\n".join(rows), flush=True)
                worst[key] = np.maximum(worst.get(key, 0), differences)
    if options.plot:
        draw(costs, options.plot)
    print("\n| feature | largest relative difference, 3D | in-plane |\n|---|---|---|")
    for i, name in enumerate(ALL93):
        print(f"| {name} | {worst['3D'][i]:.1e} | {worst['in-plane'][i]:.1e} |")


if __name__ == "__main__":
    main()
