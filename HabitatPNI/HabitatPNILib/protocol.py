"""Protocol: what is done at each step, as data. One YAML file a study, validated on reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from .errors import ProtocolError
from .resources import resource_folder

SequenceName = Literal["t2w", "dwi", "adc", "t1pv"]
Normalisation = Literal["zscore_fov", "zscore_roi", "quantitative"]
Interpolation = Literal["bspline", "linear"]
Fraction = Annotated[float, Field(gt=0, lt=1)]
TextureFeature = Annotated[str, Field(pattern=r"^original_[a-z]+_[A-Za-z0-9]+$")]
_INTERPOLATION: dict[SequenceName, Interpolation] = {"t2w": "bspline", "dwi": "bspline", "adc": "linear"}


class Section(BaseModel):
    """Base of every protocol section: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DiffusionSection(Section):
    """Which b-values serve as DWI, and how ADC is computed where no map is supplied."""

    min_b: float = Field(800, ge=0, description="lowest b-value in s/mm2 that counts as DWI")
    prefer: Literal["measured", "highest"] = "measured"
    adc_max_b: float = Field(1000, gt=0, description="highest b-value in the ADC fit, where two lower ones are there (kurtosis)")


class RegistrationSection(Section):
    """Rigid registration of T2W to the diffusion frame."""

    enabled: bool = True
    max_displacement_mm: float = Field(20, gt=0, description="largest accepted mean displacement of the gland region")
    max_rotation_deg: float = Field(20, gt=0)
    seed: int = 20


class PreprocessingSection(Section):
    """Bias field, outliers, resampling, normalisation and the checks of the ROI."""

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    n4: tuple[SequenceName, ...] = ()
    clip_sigma: float | None = Field(None, gt=0, description="clip intensities beyond this many standard deviations")
    interpolation: dict[SequenceName, Interpolation] = dict(_INTERPOLATION)
    # A quantitative sequence (ADC) enters the habitats in its own units; the network's pictures are z-scored all the same.
    normalisation: dict[SequenceName, Normalisation] = dict.fromkeys(_INTERPOLATION, "zscore_fov")
    lesions: Literal["union", "largest"] = "union"
    min_roi_voxels: int = Field(64, ge=1)
    min_acquired_voxels: int = Field(30, ge=1)

    @field_validator("interpolation", "normalisation", mode="before")
    @classmethod
    def _complete(cls, given: Any, info: ValidationInfo) -> Any:
        """A protocol that names some sequences leaves the others at their defaults."""
        defaults: dict[Any, Any] = (
            dict(_INTERPOLATION) if info.field_name == "interpolation" else dict.fromkeys(_INTERPOLATION, "zscore_fov")
        )
        return {**defaults, **given} if isinstance(given, dict) else given

    @model_validator(mode="after")
    def _positive_spacing(self) -> PreprocessingSection:
        if min(self.spacing_mm) <= 0:
            raise ValueError("spacing_mm must be positive")
        return self


class TextureSection(Section):
    """Texture maps as voxel vectors of the habitats, and what of them enters the clustering."""

    features: Literal["all93", "hcc77"] | tuple[TextureFeature, ...] = "hcc77"
    sequences: tuple[SequenceName, ...] = Field((), description="whose texture; none named: all of the protocol's")
    kernel_radius: int = Field(2, ge=1, le=7, description="voxels; 2 makes neighbourhoods of 5 voxels' edge")
    in_plane: bool = Field(True, description="neighbourhoods of one slice; else of three dimensions")
    bin_count: int | None = Field(None, ge=2, le=65534, description="grey levels over the ROI; 32 where bin_width is not given either")
    bin_width: float | None = Field(None, gt=0)
    intensities: bool = Field(False, description="whether the sequences' own intensities belong to the vector too")
    min_variation: float = Field(1e-6, ge=0, description="a feature whose SD is a smaller part of its root mean square is left out")
    correlation: Fraction | None = Field(0.95, description="a feature that correlates more with an earlier one is left out")
    pca: Fraction | None = Field(0.95, description="share of the variance that the principal components keep; none: no projection")

    @model_validator(mode="after")
    def _consistent(self) -> TextureSection:
        if self.bin_count is not None and self.bin_width is not None:
            raise ValueError("bin_count and bin_width are both given; keep one of them")
        if not self.features:
            raise ValueError("features names none; give at least one, or a preset")
        for what, given in (("features", self.features), ("sequences", self.sequences)):
            if not isinstance(given, str) and len(set(given)) < len(given):
                raise ValueError(f"{what} has one twice; name each once")
        return self

    def has(self, sequence: str, feature: str) -> bool:
        """Whether a sequence's feature is asked for, as far as a preset's name tells."""
        named = feature in self.features if isinstance(self.features, tuple) else feature.startswith("original_")
        return named and (not self.sequences or sequence in self.sequences)


class HabitatSection(Section):
    """Habitats from voxel vectors: intensities of the sequences, or their texture."""

    scope: Literal["cohort", "case"] = "cohort"
    method: Literal["kmeans", "gmm", "slic"] = Field("kmeans", description="slic: K-means of supervoxels")
    match: Literal["cohort"] | None = Field(None, description="cohort: a case's own habitats take the numbers of the cohort's (scope case)")
    k: int = Field(3, ge=2, le=9)
    k_range: tuple[int, int] = (2, 6)
    order_by: str = Field("adc", description="a sequence, or a texture feature as adc__original_glcm_Contrast")
    voxels_per_patient: int = Field(500, ge=10, description="voxels drawn from every training patient (cohort scope)")
    min_voxels: int = Field(8, ge=1, description="a habitat with fewer voxels counts as absent")
    seed: int = 7
    supervoxel_mm: float = Field(5.0, gt=0, description="edge of a supervoxel (method slic)")
    descriptors: bool = Field(False, description="whether the map's descriptors are columns of the FeatureTable; no radscore takes them")
    texture: TextureSection | None = Field(None, description="none: the sequences' intensities are the vectors")

    @model_validator(mode="after")
    def _range(self) -> HabitatSection:
        if not 2 <= self.k_range[0] <= self.k_range[1]:
            raise ValueError("k_range must be two ascending numbers from 2 on")
        if self.match is not None and self.scope != "case":
            raise ValueError("match is for habitats of each case alone; write scope: case beside it, or leave match out")
        return self

    @property
    def of_cohort(self) -> bool:
        """Whether the training cases together have habitats: everybody's, or those that number each case's own."""
        return self.scope == "cohort" or self.match == "cohort"

    @model_serializer(mode="wrap")
    def _as_before(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without the later keys where they are at their defaults: texts that name what was kept before stay as they were."""
        later = ("method", "supervoxel_mm", "texture", "descriptors", "match")
        return {k: v for k, v in write(self).items() if k not in later or getattr(self, k) != type(self).model_fields[k].default}


class DeepSection(Section):
    """Deep features of every region and sequence."""

    backbone: Literal["resnet18", "resnet34", "resnet50", "resnet101"] = "resnet101"
    weights: str = Field("imagenet", pattern=r"^(imagenet|file:.+|seeded:\d+)$")
    size: int = Field(224, ge=32, le=512)
    margin_mm: float = Field(5.0, ge=0, description="margin round the region's bounding box")
    window: tuple[float, float] = Field((-3.0, 3.0), description="z-values mapped to 0 and 1")
    outside: Literal["minimum", "kept"] = "minimum"
    slices: Literal["largest", "mean", "2.5d"] = "largest"

    @model_validator(mode="after")
    def _window(self) -> DeepSection:
        if not self.window[0] < self.window[1]:
            raise ValueError("window must be two ascending z-values")
        return self


class SelectionSection(Section):
    """mRMR screen, then LASSO, for each region's radscore."""

    mrmr_scheme: Literal["FCQ", "MID", "MIQ"] = "FCQ"
    mrmr_features: int = Field(100, ge=1)
    folds: int = Field(10, ge=3)
    lasso_rule: Literal["min", "1se"] = "min"
    seed: int = 11


class ClinicalSection(Section):
    """Candidates of the clinical model: univariate screen, then multivariate logistic regression."""

    candidates: tuple[str, ...] = ("age", "mrt_stage", "pi_rads")
    univariate_p: Fraction = 0.05


class CombinedSection(Section):
    """The nomogram's logistic model: clinical predictors and radscores."""

    radscores: Literal["cross_fitted", "in_sample"] = "cross_fitted"
    penalty: Literal["ridge", "none"] = "ridge"
    folds: int = Field(10, ge=3)
    cut_off: Literal["youden"] = "youden"
    seed: int = 13


class Protocol(Section):
    """What is done at each step of a study.

    Read one with `load`; every section has the defaults of the `pca-pni` study.
    """

    name: str
    title: str
    study: str = ""
    sequences: tuple[SequenceName, ...] = ("t2w", "dwi", "adc")
    fixed: SequenceName = "dwi"
    diffusion: DiffusionSection = DiffusionSection()
    registration: RegistrationSection = RegistrationSection()
    preprocessing: PreprocessingSection = PreprocessingSection()
    habitats: HabitatSection = HabitatSection()
    deep: DeepSection = DeepSection()
    selection: SelectionSection = SelectionSection()
    clinical: ClinicalSection = ClinicalSection()
    combined: CombinedSection = CombinedSection()

    @model_validator(mode="after")
    def _names_fit(self) -> Protocol:
        texture, order_by = self.habitats.texture, self.habitats.order_by
        if self.fixed not in self.sequences:
            raise ValueError(f"fixed is {self.fixed}, which is not among the sequences")
        for name in texture.sequences if texture else ():
            if name not in self.sequences:
                raise ValueError(f"habitats.texture.sequences names {name}, which is not among the sequences")
        sequence, _, feature = order_by.partition("__")
        known = sequence in self.sequences and (not feature or (texture is not None and texture.has(sequence, feature)))
        if not known:
            raise ValueError(
                f"habitats.order_by is {order_by}, which is not among the sequences" + (" or texture features" if texture else "")
            )
        for what in ("interpolation", "normalisation"):
            missing = [name for name in self.sequences if name not in getattr(self.preprocessing, what)]
            if missing:
                raise ValueError(f"preprocessing.{what} says nothing of {missing[0]}")
        return self

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions with a radscore of their own: ``habitat1`` .. ``habitatK`` and ``tumour``."""
        return (*(f"habitat{i}" for i in range(1, self.habitats.k + 1)), "tumour")

    @classmethod
    def from_dict(cls, values: dict[str, Any], where: str) -> Protocol:
        """Validate a mapping; `where` names its origin in the error.

        Raises
        ------
        ProtocolError
            naming the key and what is wrong with it
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"]) or "file"
            what = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
            raise ProtocolError(f"Protocol {where}: {key}: {what}") from error

    @classmethod
    def load(cls, name_or_path: str | Path) -> Protocol:
        """Read a protocol by the name of a shipped one (``pca-pni``) or by the path of a YAML file."""
        path = Path(name_or_path)
        if path.suffix not in {".yaml", ".yml"}:
            path = resource_folder() / "Protocols" / f"{name_or_path}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in (resource_folder() / "Protocols").glob("*.yaml")))
            raise ProtocolError(f"No protocol {name_or_path}; known: {known}; or give the path of a .yaml file")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ProtocolError(f"Protocol {path.name} is not valid YAML: {str(error).splitlines()[0]}") from error
        if not isinstance(values, dict):
            raise ProtocolError(f"Protocol {path.name} is not a mapping of keys to values")
        return cls.from_dict(values, path.name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, as stored in a frozen model."""
        return json.loads(self.model_dump_json())
