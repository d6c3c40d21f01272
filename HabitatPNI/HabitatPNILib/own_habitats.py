"""Habitats of one's own choosing: other vectors or another number than the model's, clustered from one case alone.

They are for looking only. Public: `own_protocol` (what is asked for, as a protocol), `cluster` (the habitats and the curves of k).
"""

from __future__ import annotations

from .errors import RequestError
from .frozen_model import HabitatCentroids
from .habitat_vectors import HabitatVoxels, check_habitats
from .habitats.validity import KCurve
from .imaging.preprocessing import Preprocessed
from .preparation import HabitatMap, habitat_validity, map_habitats
from .progress import Progress, no_progress, part
from .protocol import Protocol

BEST = "best"
"""In the place of a number of habitats: the one that most of the three validity indices speak for."""
INTENSITY, IN_PLANE, IN_SPACE = "intensity", "hcc77", "all93"
VECTORS = (INTENSITY, IN_PLANE, IN_SPACE)
"""Intensities of the sequences; their 77 texture features in the slice; their 93 texture features in three dimensions."""
TEXTURE_K_RANGE = (3, 9)
"""Numbers of texture habitats that are tried (hcc-grade study, Methods)."""


def own_protocol(protocol: Protocol, k: int | str | None, vectors: str | None) -> Protocol:
    """The model's protocol with the number of habitats and the vectors that a user asks for.

    Other vectors are clustered by K-means, and texture has the settings of `protocol.TextureSection`. Habitats are numbered by the
    model's sequence; where it numbers by a texture feature by ADC, or the fixed sequence of a model without ADC.

    Parameters
    ----------
    k : number of habitats, or `BEST`; None: the model's
    vectors : one of `VECTORS`; None: the model's

    Raises
    ------
    RequestError
        when `k` or `vectors` is none of these
    ProtocolError
        when so many habitats cannot be asked for
    """
    if vectors is not None and vectors not in VECTORS:
        raise RequestError(f"The worker was asked for habitats of {vectors}; vectors is null or one of {', '.join(VECTORS)}")
    if k is not None and k != BEST and (not isinstance(k, int) or isinstance(k, bool)):
        raise RequestError(f"The worker was asked for {k} habitats; k is null, a whole number or {BEST}")
    values = protocol.to_dict()
    section = values["habitats"]
    if isinstance(k, int):
        section["k"] = k
    if vectors is not None:
        numbered = protocol.habitats.order_by
        if numbered not in protocol.sequences:
            numbered = "adc" if "adc" in protocol.sequences else protocol.fixed
        section |= {"method": "kmeans", "order_by": numbered, "texture": None, "match": None}
    if vectors in {IN_PLANE, IN_SPACE}:
        section |= {"texture": {"features": vectors, "in_plane": vectors == IN_PLANE}, "k_range": TEXTURE_K_RANGE}
    asked = Protocol.from_dict(values, f"with {k} habitats" if isinstance(k, int) else "with habitats of one's own choosing")
    check_habitats(asked.habitats, asked.sequences)
    return asked


def cluster(
    preprocessed: Preprocessed,
    protocol: Protocol,
    voxels: HabitatVoxels,
    frozen: HabitatCentroids | None,
    k: int | str | None,
    progress: Progress = no_progress,
) -> tuple[HabitatMap, KCurve]:
    """Habitats of a prepared case and how valid every number of them would be.

    Parameters
    ----------
    voxels : of `habitat_vectors.habitat_voxels` by the protocol
    frozen : the model's habitats, none for `BEST`; None clusters the case's own voxels
    k : `BEST` takes the number that the curves speak for; anything else the protocol's

    Raises
    ------
    CaseError
        when there are too few distinct voxels
    """
    settings, sequences = protocol.habitats, protocol.sequences
    if k == BEST:
        found = map_habitats(preprocessed, settings, sequences, frozen, progress, voxels, best=True)
        assert found.curve is not None
        return found, found.curve
    found = map_habitats(preprocessed, settings, sequences, frozen, part(progress, 0.0, 0.4), voxels)
    return found, habitat_validity(preprocessed, settings, found.centroids, part(progress, 0.4, 1.0), voxels)
