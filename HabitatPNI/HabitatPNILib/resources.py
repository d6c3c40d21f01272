"""Where the files that ship beside the code lie: in a checkout, inside Slicer, or in an installed package."""

from __future__ import annotations

from pathlib import Path


def resource_folder() -> Path:
    """Folder with ``Protocols/``, ``Icons/`` and the rest of the module's resources."""
    return Path(__file__).resolve().parent.parent / "Resources"
