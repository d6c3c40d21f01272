"""Every figure of a study.

Each is a function of plain arrays or results of this folder and returns a Figure, which `svg_bytes` and `png_bytes` write. They are made
for a column (85 mm) or a page (170 mm) of a journal; for print give ``png_bytes(figure, dpi=PRINT_DPI)``.
"""

from ..drawing import png_bytes, svg_bytes
from .figures_performance import AucRow, Estimate, auc_forest_figure, confusion_figure, learning_curve_figure, roc_figure
from .figures_probability import CalibrationGroups, calibration_figure, calibration_groups, clinical_impact_figure, decision_curve_figure
from .figures_radscore import heat_map_figure, readable, waterfall_figure
from .figures_selection import calinski_harabasz_figure, lasso_deviance_figure, lasso_path_figure
from .figures_style import COLUMN_MM, PAGE_MM, PRINT_DPI

__all__ = [
    "COLUMN_MM",
    "PAGE_MM",
    "PRINT_DPI",
    "AucRow",
    "CalibrationGroups",
    "Estimate",
    "auc_forest_figure",
    "calibration_figure",
    "calibration_groups",
    "calinski_harabasz_figure",
    "clinical_impact_figure",
    "confusion_figure",
    "decision_curve_figure",
    "heat_map_figure",
    "lasso_deviance_figure",
    "lasso_path_figure",
    "learning_curve_figure",
    "png_bytes",
    "readable",
    "roc_figure",
    "svg_bytes",
    "waterfall_figure",
]
