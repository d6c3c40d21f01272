"""``python -m host``: the panel in a window, without 3D Slicer."""

import sys

from host.program import main

sys.exit(main())
