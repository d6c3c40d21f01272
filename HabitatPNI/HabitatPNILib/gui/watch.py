"""Observers on the chosen nodes: they say when what a result was made of has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import slicer
from slicer.util import VTKObservationMixin

IMAGES, TUMOUR = "images", "tumour"


class Watch(VTKObservationMixin):
    """Observes volumes and a segmentation.

    `changes` counts the changes of each kind (`IMAGES`, `TUMOUR`), so that a long job can tell whether one came in between.
    """

    def __init__(self, on_change: Callable[[str], None]) -> None:
        VTKObservationMixin.__init__(self)
        self._on_change = on_change
        self._watched: tuple[Any, ...] | None = None
        self.changes = {IMAGES: 0, TUMOUR: 0}

    def follow(self, volumes: Iterable[Any], segmentation: Any, segment_id: str, b_value: float) -> None:
        """Observe these nodes (None is left out) in place of the earlier ones; another choice than before is a change too."""
        volumes = tuple(volumes)
        wanted = (volumes, b_value, segmentation, segment_id)
        before, self._watched = self._watched, wanted
        if before is not None and _same(before, wanted):
            return
        self.removeObservers()
        for node in {id(node): node for node in volumes if node is not None}.values():
            self.addObserver(node, slicer.vtkMRMLScalarVolumeNode.ImageDataModifiedEvent, self._images)
            self.addObserver(node, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._images)
        if segmentation is not None:
            self.addObserver(segmentation, slicer.vtkMRMLTransformableNode.TransformModifiedEvent, self._tumour)
            for event in ("SourceRepresentationModified", "SegmentRemoved"):
                self.addObserver(segmentation, getattr(slicer.vtkSegmentation, event), self._tumour)
        if before is not None and not _same(before[:2], wanted[:2]):
            self._images()
        if before is not None and not _same(before[2:], wanted[2:]):
            self._tumour()

    def forget(self) -> None:
        """Remove every observer; the next choice is the first one again."""
        self.removeObservers()
        self._watched = None

    def _images(self, *_caller_and_event: Any) -> None:
        self.changes[IMAGES] += 1
        self._on_change(IMAGES)

    def _tumour(self, *_caller_and_event: Any) -> None:
        self.changes[TUMOUR] += 1
        self._on_change(TUMOUR)


def _same(a: tuple[Any, ...], b: tuple[Any, ...]) -> bool:
    return len(a) == len(b) and all(_same(x, y) if isinstance(x, tuple) else x is y or x == y for x, y in zip(a, b, strict=True))
