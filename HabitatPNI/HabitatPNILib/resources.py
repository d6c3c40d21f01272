"""Where the files that ship beside the code lie: in a checkout, inside Slicer, or in an installed package."""

from __future__ import annotations

from pathlib import Path


def resource_folder() -> Path:
    """Folder with ``Protocols/``, ``Colors/`` and, where installed, ``HabitatPNIModels/``."""
    package = Path(__file__).resolve().parent
    shipped = package / "shipped"
    return shipped if shipped.is_dir() else package.parent / "Resources"
