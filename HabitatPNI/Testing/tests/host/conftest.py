"""The stand-in host on the path, with Qt drawing into memory."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
TESTING = str(Path(__file__).parents[2])
if TESTING not in sys.path:
    sys.path.insert(0, TESTING)


@pytest.fixture
def slot_errors():
    """Exceptions that connected functions raised during the test; Qt itself would swallow them."""
    from host import signals

    signals.errors.clear()
    yield signals.errors
    signals.errors.clear()
