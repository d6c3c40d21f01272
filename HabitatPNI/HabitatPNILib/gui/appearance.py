"""How the panel looks: boxes and fields by style sheet, small pictures painted as arrays (rows, columns, RGB; uint8)."""

from __future__ import annotations

from typing import Any

import numpy as np
import qt

from ..drawing import INK, LOWERS, RAISES

# Text and ground are set together, so that a box reads the same in Slicer's light and dark style.
BOX_NOTE = "background-color: #FFF8E3; color: #1A1A1A; border: 1px solid #8A6D1B; padding: 6px;"
BOX_WARNING = "background-color: #FFF0D6; color: #4A2C00; border: 1px solid #C98A1B; padding: 4px;"
BOX_ALARM = "background-color: #FDEAEA; color: #A40000; border: 2px solid #A40000; padding: 6px; font-weight: bold;"
FIELD_CAUTION = "background-color: #FFE0B0; color: #3A2400;"
FIELD_ERROR = "background-color: #F9C6C6; color: #5A0000;"

_TRACK = "#E4E4E4"
_WHITE = "#FFFFFF"
_SCALE = 2


def rgb(colour: str) -> tuple[int, int, int]:
    """Channels of ``#RRGGBB``."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def probability_picture(probability: float, cut_off: float, width: int, height: int) -> np.ndarray:
    """Track from 0 to 1 (left to right), filled up to the probability, with a dark tick between two white lines at the cut-off."""
    picture = _field(width, height, _TRACK)
    picture[:, : round(probability * width)] = rgb(RAISES if probability >= cut_off else LOWERS)
    left = min(max(2, round(cut_off * width) - 1), width - 4)
    picture[:, left - 2 : left + 4] = rgb(_WHITE)
    picture[:, left : left + 2] = rgb(INK)
    return picture


def signed_picture(value: float, reach: float, width: int, height: int) -> np.ndarray:
    """Bar from the middle, to the right for what raises the risk and to the left for what lowers it; `reach` fills one half."""
    picture = _field(width, height, _TRACK)
    middle = width // 2
    length = round(min(abs(value) / reach, 1.0) * (middle - 1)) if reach > 0 else 0
    columns = slice(middle + 1, middle + 1 + length) if value > 0 else slice(middle - length, middle)
    picture[:, columns] = rgb(RAISES if value > 0 else LOWERS)
    picture[:, middle] = rgb(INK)
    return picture


def swatch(colour: str, size: int) -> np.ndarray:
    """Square of a colour ``#RRGGBB`` with a thin dark edge."""
    picture = _field(size, size, INK)
    picture[1:-1, 1:-1] = rgb(colour)
    return picture


def pixmap(picture: np.ndarray) -> Any:
    """Qt pixmap of an array, sharp on displays of double density."""
    double = np.repeat(np.repeat(picture, _SCALE, axis=0), _SCALE, axis=1)
    height, width = double.shape[:2]
    result = pixmap_from_bytes(b"P6 %d %d 255\n" % (width, height) + double.tobytes())
    result.setDevicePixelRatio(_SCALE)
    return result


def pixmap_from_bytes(data: bytes) -> Any:
    """Qt pixmap of an image file's bytes (PNG, PPM); a null pixmap when Qt cannot read them."""
    result = qt.QPixmap()
    result.loadFromData(qt.QByteArray(data))
    return result


def fit_height(table: Any) -> None:
    """Make a table widget as high as its rows, so that the panel scrolls and not the table."""
    table.resizeRowsToContents()
    rows = sum(table.rowHeight(row) for row in range(table.rowCount))
    table.setFixedHeight(table.horizontalHeader().sizeHint.height() + rows + 2 * table.frameWidth)


def _field(width: int, height: int, colour: str) -> np.ndarray:
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = rgb(colour)
    return picture
