"""One thread of ITK: sums over several threads differ in their last bits, and what is found with them in more than those."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import SimpleITK as sitk


@contextmanager
def one_itk_thread() -> Iterator[None]:
    """Let ITK compute with one thread, and afterwards with as many as before.

    A filter's own ``SetNumberOfThreads`` does not reach the filters inside it, which take the process's number.
    """
    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
