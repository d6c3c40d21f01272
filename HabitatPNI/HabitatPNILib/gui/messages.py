"""One message box an error, with what to do next; the detail behind its button and in the log."""

from __future__ import annotations

import logging

import slicer
from slicer.i18n import tr as _

from .process import DIED
from .texts import for_panel

RETRIABLE = frozenset({DIED})


def show_error(what: str, kind: str, message: str, detail: str = "") -> bool:
    """Show an error and return whether the user wants to try again (offered where that can help).

    Parameters
    ----------
    what : what was being done, the box's title
    kind : class of the error, or `process.DIED`
    message : one line, as the error has it
    detail : traceback or the process's last lines
    """
    message = for_panel(message)
    logging.debug("%s: %s: %s\n%s", what, kind, message, detail)
    title = _("HabitatPNI: {what}").format(what=what)
    more = {"detailedText": detail} if detail else {}
    if kind in RETRIABLE:
        return bool(slicer.util.confirmRetryCloseDisplay(message, windowTitle=title, **more))
    slicer.util.errorDisplay(message, windowTitle=title, **more)
    return False
