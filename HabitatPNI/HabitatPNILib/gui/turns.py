"""A generator driven by the event loop: one step a turn, so that the panel breathes in between."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import qt


class Turns:
    """Runs a generator, one ``next()`` an event-loop turn; `run_in_turns` starts it."""

    def __init__(
        self,
        generator: Generator[str, None, Any],
        on_step: Callable[[str], None],
        on_done: Callable[[Any], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._generator: Generator[str, None, Any] | None = generator
        self._on_step, self._on_done, self._on_error = on_step, on_done, on_error
        self._later()

    def stop(self) -> None:
        """Close the generator, which takes back what it did; no callback comes afterwards."""
        generator, self._generator = self._generator, None
        if generator is not None:
            generator.close()

    def _later(self) -> None:
        qt.QTimer.singleShot(0, self._turn)

    def _turn(self) -> None:
        generator = self._generator
        if generator is None:
            return
        try:
            step = next(generator)
        except StopIteration as stop:
            self._generator = None
            self._on_done(stop.value)
        except Exception as error:
            self._generator = None
            self._on_error(error)
        else:
            if self._generator is not None:
                self._on_step(step)
                self._later()


def run_in_turns(
    generator: Generator[str, None, Any],
    on_done: Callable[[Any], None],
    on_error: Callable[[Exception], None],
    on_step: Callable[[str], None] = lambda _step: None,
) -> Turns:
    """Start a generator; its return value goes to `on_done`, an exception to `on_error`, what it yields to `on_step`."""
    return Turns(generator, on_step, on_done, on_error)
