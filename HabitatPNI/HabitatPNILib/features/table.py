"""FeatureTable: a pandas table with one row a case and columns ``region__sequence__extractor__feature``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CohortError
from ..storage import write_file

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "__"


class ColumnName(NamedTuple):
    """Parts of a column's name, e.g. ``habitat1``, ``t2w``, ``resnet101``, ``0042``."""

    region: str
    sequence: str
    extractor: str
    feature: str


def column(region: str, sequence: str, extractor: str, feature: str) -> str:
    """Name of a column."""
    return SEPARATOR.join((region, sequence, extractor, feature))


def parse_column(name: str) -> ColumnName:
    """Parts of a column's name.

    Raises
    ------
    CohortError
        naming the column, when it has not four parts
    """
    parts = str(name).split(SEPARATOR)
    if len(parts) != 4 or not all(parts):
        raise CohortError(f"Feature column {name} is not named region__sequence__extractor__feature")
    return ColumnName(*parts)


def columns_of(table: pd.DataFrame, region: str | None = None, sequence: str | None = None, extractor: str | None = None) -> list[str]:
    """Columns of a table that have the given parts, in the table's order."""
    wanted = (region, sequence, extractor)
    return [
        name
        for name in table.columns
        if all(want is None or want == part for want, part in zip(wanted, parse_column(name)[:3], strict=True))
    ]


def check_feature_table(table: pd.DataFrame) -> None:
    """Refuse a table that is not a FeatureTable; NaN is allowed (an absent region), infinity is not.

    Raises
    ------
    CohortError
        naming the case or the column
    """
    import numpy as np
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if table.index.name != "case_id":
        raise CohortError(f"The feature table's rows are named by {table.index.name or 'nothing'}, not by case_id")
    if not table.index.is_unique:
        raise CohortError(f"The feature table has case {table.index[table.index.duplicated()][0]} more than once; keep one row a case")
    if not table.columns.is_unique:
        raise CohortError(f"The feature table has the column {table.columns[table.columns.duplicated()][0]} more than once")
    for name in table.columns:
        parse_column(name)
    for name, kind in zip(table.columns, table.dtypes, strict=True):
        if not is_numeric_dtype(kind) or is_bool_dtype(kind):
            raise CohortError(f"Feature column {name} is not numeric (it holds {kind})")
    infinite = np.isinf(table.to_numpy(dtype=float)).any(axis=0)
    if infinite.any():
        raise CohortError(f"Feature column {table.columns[infinite.argmax()]} holds infinite values; extract the features again")


def write_feature_table(table: pd.DataFrame, path: Path) -> None:
    """Check a table and write it as Parquet, by way of a temporary name.

    Raises
    ------
    CohortError, OutputError
        when it is not a FeatureTable, or cannot be written
    """
    check_feature_table(table)
    write_file(path, lambda temporary: table.to_parquet(temporary))


def read_feature_table(path: Path) -> pd.DataFrame:
    """Read and check a table.

    Raises
    ------
    CohortError
        when the file is not there or is not a FeatureTable
    """
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise CohortError(f"{path} is not a readable feature table ({type(error).__name__}); extract the features again") from error
    check_feature_table(table)
    return table
