"""Progress in a terminal: a bar where a person watches, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from .progress import Progress


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Progress callback that draws on standard error for the length of the block."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as Bar

        columns = (TextColumn("{task.description:<40}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("", total=1.0)
            yield lambda fraction, message: bar.update(task, completed=fraction, description=message)
        return
    last = ""

    def line(fraction: float, message: str) -> None:
        nonlocal last
        if message != last:
            last = message
            print(f"[{fraction:4.0%}] {message}", file=sys.stderr, flush=True)

    yield line
