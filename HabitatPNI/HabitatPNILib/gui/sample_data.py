"""A phantom patient in Slicer's module Sample Data: made on the spot, nothing is downloaded.

The module's constructor registers it once Slicer has started:
``slicer.app.connect("startupCompleted()", sample_data.register_sample_data)``.
"""

from __future__ import annotations

import importlib
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..resources import resource_folder

CATEGORY = "HabitatPNI"
SAMPLE_NAME = "HabitatPNI phantom"
SEED = 2034


def register_sample_data() -> None:
    """Offer the phantom in the module Sample Data; does nothing where Slicer runs without that module."""
    try:
        sample_data = importlib.import_module("SampleData")
    except ModuleNotFoundError:
        return
    sample_data.SampleDataLogic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SAMPLE_NAME,
        uris=[],
        fileNames=[],
        nodeNames=[],
        thumbnailFileName=str(resource_folder() / "Icons" / "HabitatPNIPhantom.png"),
        customDownloader=add_phantom,
    )


def add_phantom(source: Any = None) -> list[Any]:
    """Make the phantom patient, add it to Slicer's scene and show its T2W at the tumour; takes about two seconds.

    Parameters
    ----------
    source : the sample data source whose button was pressed; there is only one

    Returns
    -------
    the new nodes: T2W, DWI, ADC and low-b DWI volumes, and the tumour's segmentation
    """
    from ..imaging.phantom import phantom_case
    from ..mrml.scene import add_case

    slicer.util.showStatusMessage(_("Making a phantom patient..."), 3000)
    with slicer.util.tryWithErrorDisplay(_("The phantom patient could not be made."), waitCursor=True):
        case, _truth = phantom_case(SEED, case_id=SAMPLE_NAME)
        nodes = add_case(slicer.mrmlScene, case)
    values = ", ".join(f"{name} {value:g}" for name, value in case.clinical.items())
    for node in nodes.values():
        node.SetDescription(_("Digital phantom, no patient. Clinical values: {values}").format(values=values))
    _show(nodes["t2w"], case.roi)
    return list(nodes.values())


def _show(background: Any, roi: Any) -> None:
    from ..geometry import voxel_positions
    from ..mrml.geometry import lps_to_ras
    from ..mrml.views import present

    if slicer.app.layoutManager() is not None:  # there is none without a main window
        slicer.util.resetSliceViews()
    present(slicer.mrmlScene, background, None, lps_to_ras(voxel_positions(roi).mean(axis=0)))
