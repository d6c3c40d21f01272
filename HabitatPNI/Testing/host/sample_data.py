"""`SampleData`: takes entries as Slicer's module of that name does, and presses their buttons."""

from __future__ import annotations

import types
from typing import Any

import slicer


class SampleDataSource:
    """One entry. Its files are lists of one length; Slicer fails without ``uris``, also where the entry makes its data itself."""

    def __init__(
        self,
        sampleName: str | None = None,
        sampleDescription: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        checksums: Any = None,
        loadFiles: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFileProperties: Any = None,
    ) -> None:
        parts = [uris, fileNames, nodeNames, loadFiles, loadFileTypes, checksums]
        if isinstance(uris, str):
            parts = [[part] for part in parts]
        elif isinstance(uris, list | tuple):
            filled = [uris, fileNames, *([None] * len(uris) if part is None else part for part in (nodeNames, loadFiles))]
            types_ = [loadFileTypes] * len(uris) if isinstance(loadFileTypes, str | None) else loadFileTypes
            parts = [*filled, types_, [None] * len(uris) if checksums is None else checksums]
        if len({len(part) for part in parts}) != 1:
            raise ValueError("All fields of sample data source must have the same length")
        self.sampleName = sampleName
        self.sampleDescription = sampleDescription if sampleDescription is not None else sampleName
        self.customDownloader = customDownloader
        self.thumbnailFileName = thumbnailFileName
        self.loadFileProperties = loadFileProperties or {}
        self.uris, self.fileNames, self.nodeNames, self.loadFiles, self.loadFileTypes, self.checksums = parts

    def same_as(self, other: SampleDataSource) -> bool:
        """Whether Slicer would take the two for one entry."""
        return all(str(value) == str(vars(other)[name]) for name, value in vars(self).items())


class SampleDataLogic:
    """`SampleData.SampleDataLogic`."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Any = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: Any = None,
        loadFiles: Any = None,
        loadFileProperties: Any = None,
        checksums: Any = None,
        loadFileType: Any = None,
    ) -> None:
        """Add an entry, unless the same one is there already."""
        sources = vars(slicer.modules).setdefault("sampleDataSources", {}).setdefault(category, [])
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            thumbnailFileName=thumbnailFileName,
            loadFileTypes=loadFileTypes if loadFileType is None else loadFileType,
            loadFiles=loadFiles,
            loadFileProperties=loadFileProperties,
            checksums=checksums,
            customDownloader=customDownloader,
        )
        if not any(source.same_as(known) for known in sources):
            sources.append(source)


def press(category: str, name: str) -> Any:
    """What a click on an entry's button in the Sample Data module does; entries that download files are not imitated."""
    for source in vars(slicer.modules).get("sampleDataSources", {}).get(category, []):
        if source.sampleName == name and source.customDownloader is not None:
            return source.customDownloader(source)
    raise LookupError(f"no entry {name!r} under {category!r} that makes its data itself")


def install(_slicer_module: Any, sys_modules: dict[str, Any]) -> None:
    """Put ``SampleData`` in its place."""
    module = types.ModuleType("SampleData")
    module.__dict__.update(SampleDataLogic=SampleDataLogic, SampleDataSource=SampleDataSource)
    sys_modules["SampleData"] = module
