"""The maps that ``habitatpni texture`` writes against pyradiomics on the same files."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk

from HabitatPNILib.cli import main
from HabitatPNILib.features.texture import TextureSettings


@pytest.mark.parametrize(("preset", "options"), [("all93", ["--bin-width", "25"]), ("hcc77", ["--radius", "1"])])
def test_the_files_hold_pyradiomics_values(reference, shared_data, tmp_path, preset, options):
    files = [shared_data / "pyradiomics" / f"breast1_{name}.nrrd" for name in ("image", "label")]
    image, roi = (sitk.ReadImage(str(file)) for file in files)
    inside = sitk.GetArrayFromImage(roi)
    indices = np.argwhere(inside)[:5]
    part = np.zeros_like(inside)
    part[tuple(indices.T)] = 1
    chosen = sitk.GetImageFromArray(part)
    chosen.CopyInformation(roi)
    sitk.WriteImage(chosen, str(tmp_path / "roi.nrrd"))
    arguments = [
        "texture",
        str(files[0]),
        str(tmp_path / "roi.nrrd"),
        "-o",
        str(tmp_path / "maps"),
        "--preset",
        preset,
        "--double",
        *options,
    ]
    assert main(arguments) == 0
    changes = {"bin_width": 25.0} if preset == "all93" else {"kernel_radius": 1}
    settings = TextureSettings.preset(preset, **changes)
    maps = {name: sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "maps" / f"{name}.nrrd"))) for name in settings.features}
    assert len(maps) == int(preset[-2:])
    ours = SimpleNamespace(column=lambda name: maps[name][tuple(indices.T)])
    for name, differs in reference.differences(ours, reference.values(image, chosen, settings, indices)).items():
        for at in np.flatnonzero(differs):
            assert reference.rounding_decides(name, image, chosen, settings, indices[at]), f"{name} at {indices[at]}"
