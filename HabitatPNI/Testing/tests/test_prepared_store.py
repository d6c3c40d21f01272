"""What is stored of a prepared case comes back, cut out round the ROI."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from HabitatPNILib.imaging.preprocessing import Preprocessed
from HabitatPNILib.imaging.registration import Registration
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
    store_case(prepared, {"dwi": 1400.0}, True, 5.0, tmp_path / "case.npz", hashes={"t2w": "ab"}, registration=None)
    stored = load_stored(tmp_path / "case.npz")
    assert (dict(stored.b_values), stored.phantom, dict(stored.hashes)) == ({"dwi": 1400.0}, True, {"t2w": "ab"})
    assert (stored.registration, stored.voxels) == (None, 6 * 10 * 8)
    loaded = load_volumes(tmp_path / "case.npz")
    assert loaded.roi.GetSize()[0] < 60
    np.testing.assert_array_equal(loaded.voxel_vectors(("t2w", "adc")), prepared.voxel_vectors(("t2w", "adc")))
    first = [tuple(int(i) for i in np.argwhere(sitk.GetArrayFromImage(p.roi))[0][::-1]) for p in (prepared, loaded)]
    points = [p.roi.TransformIndexToPhysicalPoint(index) for p, index in zip((prepared, loaded), first, strict=True)]
    np.testing.assert_allclose(points[0], points[1], atol=1e-9)


def test_a_registration_comes_back(tmp_path):
    transform = sitk.Euler3DTransform((1.0, 2.0, 3.0), 0.01, -0.02, 0.03, (1.5, -2.5, 0.125))
    found = Registration(transform, 0.2, 0.4, 3.0, 2.1, (1.5, -2.5, 0.125), float("inf"), True, "found twice")
    images = {"t2w": volume(np.random.default_rng(2).normal(size=(9, 20, 20)).astype(np.float32))}
    roi = np.zeros((9, 20, 20), np.uint8)
    roi[3:6, 8:12, 8:12] = 1
    prepared = Preprocessed(images, images, volume(roi), 1, ())
    store_case(prepared, {}, False, 2.0, tmp_path / "case.npz", hashes={}, registration=found)
    back = load_stored(tmp_path / "case.npz").registration
    assert back.to_dict() == found.to_dict()
    assert back.agreement_mm == float("inf")
    point = (10.0, -20.0, 5.0)
    assert back.transform.TransformPoint(point) == transform.TransformPoint(point)
