"""Errors of HabitatPNI: each says what is wrong, in which case or file, and what to do about it."""

from __future__ import annotations


class HabitatPNIError(Exception):
    """Base of every error that a user can cause or mend. Its text is one line, fit to be shown as it is.

    Hints at the command line stand in parentheses that begin with ``--`` or ``habitatpni``, and a case's name at the start as
    ``Case NAME:``; the panel shows a text without either.
    """


class CaseError(HabitatPNIError):
    """The images, ROI or clinical values cannot be one patient's case."""


class ProtocolError(HabitatPNIError):
    """A protocol file has an unknown key or a value out of range."""


class ModelError(HabitatPNIError):
    """A frozen model is missing, altered, of another schema, or does not fit the case."""


class WeightsError(ModelError):
    """Backbone weights are missing or are not the ones the model was made with."""


class CohortError(HabitatPNIError):
    """A cohort table, feature table or outcome cannot be used for training."""


class OutputError(HabitatPNIError):
    """A result could not be written (disk full, no permission)."""


class MissingDependencyError(HabitatPNIError):
    """An optional package that this step needs is not installed."""


class RequestError(HabitatPNIError):
    """What the computing process was sent is no command of its protocol."""


class Cancelled(Exception):
    """Raised from a progress callback to stop a long function; nothing half-written is left behind."""
