"""VTK observers of a Qt widget, taken off when the widget is destroyed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import shiboken6
import vtk
from PySide6 import QtCore


class Observers:
    """Observers that one widget holds; they end with it.

    Parameters
    ----------
    widget : the callbacks are methods of it and are not called once its Qt half is gone
    """

    def __init__(self, widget: QtCore.QObject) -> None:
        self._widget = weakref.ref(widget)
        self._held: list[tuple[Any, int]] = []
        widget.destroyed.connect(self.release)

    def observe(self, thing: Any, event: Any, method: str, *, priority: float = 0.0, call_data: bool = False) -> None:
        """Call the widget's method (with the VTK object of the event where there is one) whenever the event comes."""
        self._held.append((thing, thing.AddObserver(event, self._callback(method, call_data), priority)))

    def release(self, *_: Any) -> None:
        """Take all observers off."""
        for thing, tag in self._held:
            thing.RemoveObserver(tag)
        self._held.clear()

    def forget(self, thing: Any) -> None:
        """Take off the observers of one object."""
        for entry in [entry for entry in self._held if entry[0] is thing]:
            thing.RemoveObserver(entry[1])
            self._held.remove(entry)

    def _callback(self, method: str, call_data: bool) -> Callable[..., None]:
        owner = self._widget

        def plain(_caller: Any, _event: str) -> None:
            widget = owner()
            if widget is not None and shiboken6.isValid(widget):
                getattr(widget, method)()

        @vtk.calldata_type(vtk.VTK_OBJECT)
        def with_object(_caller: Any, _event: str, thing: Any) -> None:
            widget = owner()
            if widget is not None and shiboken6.isValid(widget):
                getattr(widget, method)(thing)

        return with_object if call_data else plain
