"""Writing files so that nothing is ever half-written: a temporary name in the same folder, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import OutputError

FULL_DISK_BYTES = 4 << 20


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path` (same suffix), then rename it.

    Raises
    ------
    OutputError
        when the file cannot be written (disk full, no permission); nothing is left behind
    """
    suffixes = "".join(path.suffixes[-2:])
    temporary = path.with_name(f".{path.name.removesuffix(suffixes)}.{os.getpid()}{suffixes}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{path.name} could not be written: {_reason(error, path.parent)}") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with line feeds, by way of a temporary name."""
    write_file(path, lambda temporary: temporary.write_bytes(text.encode("utf-8")))


def check_output_folder(folder: Path) -> None:
    """Find out before a long computation whether its results can be written to a folder.

    Raises
    ------
    OutputError
        when the folder is a file, or nothing can be written where it lies
    """
    taken = next((p for p in (folder, *folder.parents) if p.exists()), folder)
    if not taken.is_dir():
        raise OutputError(f"{taken} is a file; give a folder for the results")
    with output_folder(folder):
        pass


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Temporary folder beside `folder` to write into; its files move into `folder` when the block ends well.

    Raises
    ------
    OutputError
        when the folder cannot be written; `folder` then holds what it held before
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"The output folder {folder} cannot be made: {_reason(error, folder.parent)}") from error
    try:
        yield temporary
        if any(temporary.iterdir()):
            folder.mkdir(exist_ok=True)
        for file in sorted(temporary.iterdir()):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise OutputError(f"The results could not be written to {folder}: {_reason(error, folder.parent)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _reason(error: Exception, folder: Path) -> str:
    """Why, in words, and what to do; a writer inside a library says of a full disk only that it failed."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError, FileExistsError)):
        return "there is no such folder, and it cannot be made; choose another folder"
    if isinstance(error, OSError) and error.strerror:
        refused = error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}
        return f"{error.strerror}; choose another folder" if refused else error.strerror
    text = str(error)
    if folder.is_dir() and shutil.disk_usage(folder).free < FULL_DISK_BYTES:
        text = "the disk is full; free some space or choose another folder"
    return (text.strip().splitlines() or ["unknown reason"])[-1]
