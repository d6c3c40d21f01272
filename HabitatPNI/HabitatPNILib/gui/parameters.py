"""The parameter node: every choice of the user and every result node, saved with the scene."""

from typing import Annotated

from slicer import (
    vtkMRMLPlotChartNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTextNode,
)
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper


@parameterNodeWrapper
class HabitatPNIParameterNode:
    """What the panel shows can be repainted from this alone.

    model : name of an installed model, or a folder
    t2w, dwi, adc, lowB : chosen volumes
    dwiBValue : b-value of the DWI in s/mm2; 0 takes the node's attribute
    segmentation, segmentID : the tumour's outline
    habitatCount : habitats to cluster; 0 takes the model's number, -1 the one that the validity indices speak for
    habitatVectors : what the habitats are clustered from (see `state.VECTORS`); empty takes the model's
    clinical : clinical values by predictor name, as typed
    prevalence : local prevalence in percent; 0 takes the model's own
    opacity, outline, surfaces : how the habitats are shown
    fade : 0 shows the fixed image, 1 the registered one
    fixed, registered : what the fade slider fades between
    registrationJson : result of the registration, as ``registration`` of ``analysis.json``
    habitatsJson : habitats as the section shows them (``habitats``, ``k_curve``, ``k``, ``from_model``, ``vectors``)
    habitats, resultTable, resultText, nomogram, chartCH, chartSilhouette, chartDB : result nodes; `resultText` holds
        ``analysis.json``, `nomogram` a PNG in base64
    analysed : JSON of what the results were made of and is no node (see `state.Basis`)
    staleRegistration, staleHabitats, staleResult : a chosen node was changed since
    """

    model: str = ""
    t2w: vtkMRMLScalarVolumeNode
    dwi: vtkMRMLScalarVolumeNode
    adc: vtkMRMLScalarVolumeNode
    lowB: vtkMRMLScalarVolumeNode
    dwiBValue: Annotated[float, WithinRange(0.0, 20000.0)] = 0.0
    segmentation: vtkMRMLSegmentationNode
    segmentID: str = ""
    habitatCount: Annotated[int, WithinRange(-1, 10)] = 0
    habitatVectors: str = ""
    clinical: dict[str, str]
    prevalence: Annotated[float, WithinRange(0.0, 99.0)] = 0.0
    opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    outline: bool = False
    surfaces: bool = False
    fade: Annotated[float, WithinRange(0.0, 1.0)] = 0.0
    fixed: vtkMRMLScalarVolumeNode
    registered: vtkMRMLScalarVolumeNode
    registrationJson: str = ""
    habitatsJson: str = ""
    habitats: vtkMRMLSegmentationNode
    resultTable: vtkMRMLTableNode
    resultText: vtkMRMLTextNode
    nomogram: vtkMRMLTextNode
    chartCH: vtkMRMLPlotChartNode
    chartSilhouette: vtkMRMLPlotChartNode
    chartDB: vtkMRMLPlotChartNode
    analysed: str = ""
    staleRegistration: bool = False
    staleHabitats: bool = False
    staleResult: bool = False
