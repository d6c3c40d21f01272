"""Figures of a model and of a study, each with its source."""

from .baseline import baseline_table

__all__ = ["baseline_table"]
