"""Protocols: the shipped one follows the study; a wrong key or value is named."""

from __future__ import annotations

import pytest

from HabitatPNILib.errors import ProtocolError
from HabitatPNILib.protocol import Protocol


def test_pca_pni_says_what_the_study_does():
    protocol = Protocol.load("pca-pni")
    assert protocol.sequences == ("t2w", "dwi", "adc")
    assert protocol.fixed == "dwi"
    assert protocol.preprocessing.spacing_mm == (1, 1, 1)
    assert protocol.preprocessing.n4 == ()
    assert protocol.habitats.k == 3
    assert protocol.deep.backbone == "resnet101"
    assert protocol.deep.weights == "imagenet"
    assert protocol.selection.folds == 10
    assert protocol.regions == ("habitat1", "habitat2", "habitat3", "tumour")


def test_hcc_grades_habitats_are_the_studys():
    protocol = Protocol.load("hcc-grade")
    assert protocol.sequences == ("t1pv",)
    assert protocol.preprocessing.n4 == ("t1pv",)
    habitats, texture = protocol.habitats, protocol.habitats.texture
    assert (habitats.scope, habitats.method, habitats.k, habitats.k_range) == ("case", "kmeans", 3, (3, 9))
    assert (texture.features, texture.kernel_radius, texture.in_plane, texture.intensities) == ("hcc77", 2, True, False)
    assert texture.correlation is texture.pca is None


@pytest.mark.parametrize("name", ["pca-pni", "hcc-grade"])
def test_a_protocol_survives_its_own_json(name):
    protocol = Protocol.load(name)
    assert Protocol.from_dict(protocol.to_dict(), "again") == protocol


def test_intensity_habitats_are_written_as_before_texture_came():
    """Features, volumes and models are kept under hashes of these texts."""
    text = Protocol.load("pca-pni").habitats.model_dump_json()
    assert text == '{"scope":"cohort","k":3,"k_range":[2,6],"order_by":"adc","voxels_per_patient":500,"min_voxels":8,"seed":7}'


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"habitat": {"k": 3}}, "Protocol test: habitat: unknown key"),
        ({"habitats": {"kk": 3}}, "Protocol test: habitats.kk: unknown key"),
        ({"habitats": {"k": 1}}, "Protocol test: habitats.k: Input should be greater than or equal to 2"),
        ({"deep": {"weights": "somewhere"}}, "Protocol test: deep.weights"),
        ({"preprocessing": {"spacing_mm": [1, 0, 1]}}, "spacing_mm must be positive"),
        ({"clinical": {"univariate_p": 1.5}}, "Protocol test: clinical.univariate_p"),
        ({"sequences": ["t2w", "dwi"]}, "habitats.order_by is adc, which is not among the sequences"),
        ({"sequences": ["t2w", "adc"]}, "fixed is dwi, which is not among the sequences"),
        ({"habitats": {"k_range": [6, 2]}}, "k_range must be two ascending numbers from 2 on"),
        ({"habitats": {"texture": {"bin_count": 8, "bin_width": 2}}}, "bin_count and bin_width are both given"),
        ({"habitats": {"match": "cohort"}}, "match is for habitats of each case alone; write scope: case"),
        ({"habitats": {"texture": {"bin_count": 65535}}}, "Protocol test: habitats.texture.bin_count"),
        ({"habitats": {"texture": {"features": []}}}, "features names none"),
        ({"habitats": {"texture": {"features": ["glcm_Contrast"]}}}, "habitats.texture.features"),
        ({"habitats": {"texture": {"sequences": ["t1pv"]}}}, "habitats.texture.sequences names t1pv, which is not among the sequences"),
        ({"habitats": {"texture": {"sequences": ["adc", "adc"]}}}, "sequences has one twice"),
        ({"habitats": {"texture": {"kernel_radius": 0}}}, "habitats.texture.kernel_radius"),
        ({"habitats": {"order_by": "adc__original_glcm_Id"}}, "order_by is adc__original_glcm_Id, which is not among the sequences"),
        ({"habitats": {"order_by": "adc__Id", "texture": {}}}, "which is not among the sequences or texture features"),
        ({"habitats": {"method": "dbscan"}}, "Protocol test: habitats.method"),
        ({"sequences": ["t1pv", "dwi", "adc"]}, "preprocessing.interpolation says nothing of t1pv"),
        ({"deep": {"window": [3, 3]}}, "window must be two ascending z-values"),
    ],
)
def test_wrong_keys_and_values_are_named(change, text):
    with pytest.raises(ProtocolError) as error:
        Protocol.from_dict({"name": "n", "title": "t", **change}, "test")
    assert text in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_are_no_protocol(tmp_path):
    with pytest.raises(ProtocolError, match=r"No protocol none; known: .*pca-pni"):
        Protocol.load("none")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [", encoding="utf-8")
    with pytest.raises(ProtocolError, match=r"broken\.yaml is not valid YAML"):
        Protocol.load(broken)
    broken.write_text("just text", encoding="utf-8")
    with pytest.raises(ProtocolError, match="not a mapping"):
        Protocol.load(broken)


def test_what_a_protocol_leaves_out_stays_at_its_default():
    protocol = Protocol.from_dict({"name": "n", "title": "t", "preprocessing": {"interpolation": {"dwi": "linear"}}}, "test")
    assert protocol.preprocessing.interpolation == {"t2w": "bspline", "dwi": "linear", "adc": "linear"}
