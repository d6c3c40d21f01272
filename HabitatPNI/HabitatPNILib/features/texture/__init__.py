"""Voxel-wise radiomics: texture maps with pyradiomics' definitions and numbers."""

from .engine import texture_maps
from .maps import TextureMaps
from .settings import TextureSettings

__all__ = ["TextureMaps", "TextureSettings", "texture_maps"]
