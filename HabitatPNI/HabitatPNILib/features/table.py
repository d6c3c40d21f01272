"""FeatureTable: a pandas table with one row a case and columns ``region__sequence__extractor__feature``.

In its Parquet file every case is a row group of its own. Thousands of columns in hundreds of row groups would need a gigabyte of
bookkeeping, so that a file's column holds a whole block: the vector of one region, sequence and extractor, named so; the names of the
features in it, and the key under which each case was extracted, stand in the file's metadata and in the column ``key``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import CohortError
from ..storage import write_file

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "__"
_METADATA = b"habitatpni.features"


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
    """Refuse a table that is not a FeatureTable.

    A case without a region has NaN in all its columns; NaN in some of them, and infinity, are refused.

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
    regions: dict[str, list[int]] = {}
    for i, name in enumerate(table.columns):
        regions.setdefault(parse_column(name).region, []).append(i)
    for name, kind in zip(table.columns, table.dtypes, strict=True):
        if not is_numeric_dtype(kind) or is_bool_dtype(kind):
            raise CohortError(f"Feature column {name} is not numeric (it holds {kind})")
    values = table.to_numpy(dtype=float)
    infinite = np.isinf(values).any(axis=0)
    if infinite.any():
        raise CohortError(f"Feature column {table.columns[infinite.argmax()]} holds infinite values; extract the features again")
    for region, places in regions.items():
        missing = np.isnan(values[:, places])
        torn = missing & ~missing.all(axis=1, keepdims=True)
        if torn.any():
            column_number = int(torn.any(axis=0).argmax())
            cases = [str(case) for case in table.index[torn[:, column_number]]]
            which = f"all {len(cases)}" if len(cases) == int((~missing.all(axis=1)).sum()) else f"{len(cases)} (first {cases[0]})"
            name = table.columns[places[column_number]]
            raise CohortError(f"Feature column {name} is missing in {which} of the cases that have {region}; extract the features again")


def require_features(table: pd.DataFrame, names: Sequence[str], needed_by: str) -> None:
    """Refuse a FeatureTable that lacks columns.

    Parameters
    ----------
    names : columns needed
    needed_by : what needs them, for the error, e.g. ``"Model pca-pni"``

    Raises
    ------
    CohortError
        naming the first of them
    """
    missing = [name for name in names if name not in table.columns]
    if missing:
        raise CohortError(
            f"The feature table lacks {len(missing)} of {len(names)} columns that {needed_by} needs (first {missing[0]}): "
            "extract the features with the protocol of that model"
        )


def write_feature_table(table: pd.DataFrame, path: Path, keys: Mapping[str, str] | None = None) -> None:
    """Check a table and write it as Parquet, one row group a case, by way of a temporary name.

    Parameters
    ----------
    keys : by case, of what its features were made from

    Raises
    ------
    CohortError, OutputError
        when it is not a FeatureTable, or cannot be written
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_feature_table(table)
    blocks: dict[str, list[str]] = {}
    for name in table.columns:
        blocks.setdefault(SEPARATOR.join(parse_column(name)[:3]), []).append(name)
    ordered = [name for names in blocks.values() for name in names]
    order = None if ordered == list(table.columns) else list(map(str, table.columns))
    said = {"features": {block: [parse_column(n).feature for n in names] for block, names in blocks.items()}, "order": order}
    columns: dict[str, pa.Array] = {
        "case_id": pa.array([str(case) for case in table.index], pa.string()),
        "key": pa.array([(keys or {}).get(str(case), "") for case in table.index], pa.string()),
    }
    for block, names in blocks.items():
        values = np.ascontiguousarray(table[names].to_numpy(dtype=np.float64))
        columns[block] = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), len(names))
    stored = pa.table(columns).replace_schema_metadata({_METADATA: json.dumps(said)})
    write_file(path, lambda temporary: pq.write_table(stored, temporary, row_group_size=1, compression="zstd", use_dictionary=False))


def read_feature_table(path: Path) -> pd.DataFrame:
    """Read and check a table; its columns are floats.

    Raises
    ------
    CohortError
        when the file is not there or is not a FeatureTable
    """
    import numpy as np
    import pandas as pd
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(path)
        said = json.loads(stored.schema.metadata[_METADATA])
        parts, names = [], []
        for block, features in said["features"].items():
            parts.append(stored[block].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(stored), len(features)))
            names += [SEPARATOR.join((block, feature)) for feature in features]
        index = pd.Index(stored["case_id"].to_pylist(), name="case_id")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CohortError(f"{path} is not a readable feature table ({type(error).__name__}); extract the features again") from error
    table = pd.DataFrame(np.hstack(parts) if parts else np.empty((len(index), 0)), index=index, columns=names)
    if said["order"] is not None:
        table = table[said["order"]]
    check_feature_table(table)
    return table


def read_feature_keys(path: Path) -> dict[str, str]:
    """Key by case as given to `write_feature_table`; empty where there is no such file."""
    import pyarrow.parquet as pq

    try:
        stored = pq.read_table(path, columns=["case_id", "key"])
    except (OSError, ValueError):
        return {}
    return dict(zip(stored["case_id"].to_pylist(), stored["key"].to_pylist(), strict=True))
