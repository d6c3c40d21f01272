"""How kernels are compiled: once on a machine, kept on disk, without Python's lock and with NumPy's division."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """Decorator that compiles a kernel at its first call with arguments of new types.

    Machine code is kept in ``__pycache__`` beside the kernel's file; where that cannot be written, in Numba's folder of the user
    (``~/.cache/numba`` on Linux, ``%LOCALAPPDATA%\\\\numba`` on Windows), or where ``NUMBA_CACHE_DIR`` says. Where none of these can
    be written, every process compiles anew.
    """
    if function is None:
        return lambda found: compiled(found, **options)
    options = {"nogil": True, "error_model": "numpy", **options}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError as error:
        if "cannot cache" not in str(error):
            raise
        return njit(**options)(function)
