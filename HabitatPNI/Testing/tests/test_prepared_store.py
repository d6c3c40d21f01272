"""What is stored of a prepared case comes back, cut out round the ROI."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.prepared_store import load_stored, load_volumes, store_case


def volume(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetOrigin((3.0, -4.0, 5.0))
    image.SetDirection(sitk.Euler3DTransform((0, 0, 0), 0.2, 0.0, 0.1).GetMatrix())
    return image


def test_voxel_vectors_and_positions_come_back(tmp_path):
    rng = np.random.default_rng(1)
    arrays = {name: rng.normal(0, 1, (30, 70, 60)).astype(np.float32) for name in ("t2w", "adc")}
    raw = {name: volume(array * 100 + 900) for name, array in arrays.items()}
    roi = np.zeros((30, 70, 60), np.uint8)
    roi[10:16, 20:30, 25:33] = 1
    prepared = Preprocessed(raw, {name: volume(a) for name, a in arrays.items()}, volume(roi), 1, (), ("adc",))
    store_case(prepared, {"dwi": 1400.0}, True, 5.0, tmp_path / "case.npz")
    stored = load_stored(tmp_path / "case.npz")
    assert (dict(stored.b_values), stored.phantom) == ({"dwi": 1400.0}, True)
    loaded = load_volumes(tmp_path / "case.npz")
    assert loaded.roi.GetSize()[0] < 60
    np.testing.assert_array_equal(loaded.voxel_vectors(("t2w", "adc")), prepared.voxel_vectors(("t2w", "adc")))
    first = [tuple(int(i) for i in np.argwhere(sitk.GetArrayFromImage(p.roi))[0][::-1]) for p in (prepared, loaded)]
    points = [p.roi.TransformIndexToPhysicalPoint(index) for p, index in zip((prepared, loaded), first, strict=True)]
    np.testing.assert_allclose(points[0], points[1], atol=1e-9)
