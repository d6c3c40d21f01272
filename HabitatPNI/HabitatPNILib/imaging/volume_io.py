"""One image file (NRRD, NIfTI, MHA/MHD) as SimpleITK reads it, with everything that can be wrong with it said in one line."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import Literal

import SimpleITK as sitk

from ..errors import CaseError

IMAGE_SUFFIXES = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
NIFTI_HEADER_BYTES = 348
_SHORT = {sitk.sitkInt16, sitk.sitkUInt8, sitk.sitkInt8}


def as_read(image: sitk.Image) -> sitk.Image:
    """The image as int16 or float32: the voxel types of the whole project, so that every way in gives the same numbers."""
    return sitk.Cast(image, sitk.sitkInt16 if image.GetPixelID() in _SHORT else sitk.sitkFloat32)


def is_image_file(path: Path) -> bool:
    """Whether the name is that of a NRRD, NIfTI or MHA/MHD file."""
    return path.name.lower().endswith(IMAGE_SUFFIXES)


def load(path: str | Path, what: str = "image") -> sitk.Image:
    """Image of a file with its own pixel type, dimension and metadata.

    Parameters
    ----------
    path : NRRD, NIfTI or MHA/MHD file
    what : what the file is, for the error

    Raises
    ------
    CaseError
        the file is missing, of another kind, truncated or unreadable
    """
    path = Path(path)
    if not path.is_file():
        raise CaseError(f"The {what} file {path.name} does not exist; check the path")
    if not is_image_file(path):
        raise CaseError(f"The {what} file {path.name} is not of a known kind; give NRRD, NIfTI, MHA or MHD")
    broken = f"The {what} file {path.name} is truncated or damaged; copy or export it again"
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _check_nifti_length(path, broken)
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error)
        if "orthonormal" in reason:
            raise CaseError(f"The {what} file {path.name} has a sheared grid (directions not orthonormal); export it again") from error
        raise CaseError(broken) from error
    except OSError as error:
        reason = error.strerror or "damaged"
        raise CaseError(f"The {what} file {path.name} cannot be read ({reason}); check it and its permissions") from error


def fingerprint(path: str | Path) -> str:
    """Name of a file in outputs: its kind and the start of its sha256, since a file's own name may be a patient's."""
    path = Path(path)
    suffix = "".join(path.suffixes[-2:]) if path.name.endswith((".nii.gz", ".seg.nrrd")) else path.suffix
    if not path.is_file():
        return "folder given by the user"
    return f"{suffix or 'DICOM'} file, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()[:12]}"


def read_image(path: str | Path, what: str = "image", *, as_stored: bool = False) -> sitk.Image:
    """Scalar 3D image (int16 or float32, LPS, oblique kept, metadata kept) of a NRRD, NIfTI or MHA/MHD file.

    A 4D file that holds one volume counts as 3D.

    Parameters
    ----------
    path : the file
    what : what the file is, for the error
    as_stored : keep the file's own voxel type

    Raises
    ------
    CaseError
        the file is missing, truncated, 2D, holds several volumes, or is complex- or vector-valued
    """
    name = Path(path).name
    image = load(path, what)
    if image.GetNumberOfComponentsPerPixel() != 1 or "complex" in image.GetPixelIDTypeAsString():
        raise CaseError(f"The {what} file {name} holds {image.GetPixelIDTypeAsString()} voxels; give a scalar image")
    if image.GetDimension() == 4:
        if image.GetSize()[3] != 1:
            raise CaseError(f"The {what} file {name} holds {image.GetSize()[3]} volumes (4D); give one volume a file")
        image = _with_metadata(image[:, :, :, 0], image)
    if image.GetDimension() != 3 or min(image.GetSize()) < 2:
        size = "x".join(str(n) for n in image.GetSize())
        raise CaseError(f"The {what} file {name} is not a 3D volume (size {size}); give the whole series, not one slice")
    return image if as_stored else _with_metadata(as_read(image), image)


def _with_metadata(image: sitk.Image, source: sitk.Image) -> sitk.Image:
    for key in source.GetMetaDataKeys():
        image.SetMetaData(key, source.GetMetaData(key))
    return image


def _check_nifti_length(path: Path, broken: str) -> None:
    """Refuse a NIfTI file that ends early: ITK's reader fills what is missing with zeros and says nothing."""
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    length = 0
    try:
        with opener(path, "rb") as stream:
            header = stream.read(NIFTI_HEADER_BYTES)
            length = len(header)
            while block := stream.read(1 << 20):
                length += len(block)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise CaseError(broken) from error
    if length < NIFTI_HEADER_BYTES:
        raise CaseError(broken)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        if int.from_bytes(header[:4], order) == NIFTI_HEADER_BYTES:
            shape = [int.from_bytes(header[40 + 2 * i : 42 + 2 * i], order) for i in range(8)]
            bits = int.from_bytes(header[72:74], order)
            if length < NIFTI_HEADER_BYTES + math.prod(shape[1 : 1 + shape[0]]) * bits // 8:
                raise CaseError(broken)
