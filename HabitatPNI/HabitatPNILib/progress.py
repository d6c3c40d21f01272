"""Progress reporting: every long function takes ``progress: Progress`` and calls it between its steps."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and the stage's name; may raise `errors.Cancelled` to stop the work."""


def no_progress(fraction: float, message: str) -> None:
    """Report to nobody: the default of every long function."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Progress of a sub-step whose 0..1 fills ``start``..``stop`` of the whole."""

    def report(fraction: float, message: str) -> None:
        progress(start + (stop - start) * min(max(fraction, 0.0), 1.0), message)

    return report
