"""FeatureTable: names, checks, Parquet."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from HabitatPNILib.errors import CohortError
from HabitatPNILib.features.table import (
    check_feature_table,
    column,
    columns_of,
    parse_column,
    read_feature_keys,
    read_feature_table,
    require_features,
    write_feature_table,
)


@pytest.fixture
def table() -> pd.DataFrame:
    values = {
        "tumour__adc__resnet101__0000": [1.5, 2.0],
        "habitat1__adc__resnet101__0000": [np.nan, 0.25],
        "habitat1__t2w__resnet101__0000": [np.nan, 0.1],
        "habitat1__t2w__pyradiomics__original_glcm_Contrast": [np.nan, 7.0],
    }
    return pd.DataFrame(values, index=pd.Index(["a", "b"], name="case_id"))


def test_names_go_together_and_apart():
    name = column("habitat1", "t2w", "pyradiomics", "original_glcm_Contrast")
    assert name == "habitat1__t2w__pyradiomics__original_glcm_Contrast"
    assert parse_column(name) == ("habitat1", "t2w", "pyradiomics", "original_glcm_Contrast")
    for wrong in ("age", "a__b__c", "a__b____d", "a__b__c__d__e"):
        with pytest.raises(CohortError, match=f"Feature column {wrong} is not named"):
            parse_column(wrong)


def test_columns_of(table):
    assert columns_of(table, region="habitat1", extractor="resnet101") == list(table.columns[1:3])
    assert columns_of(table, sequence="adc") == list(table.columns[:2])
    assert columns_of(table) == list(table.columns)
    assert columns_of(table, region="habitat") == []


def test_parquet_gives_back_the_same_table(table, tmp_path):
    path = tmp_path / "features.parquet"
    write_feature_table(table, path)
    pd.testing.assert_frame_equal(read_feature_table(path), table, check_exact=True)
    assert [p.name for p in tmp_path.iterdir()] == ["features.parquet"]


def test_every_case_is_a_row_group_with_its_key(table, tmp_path):
    path = tmp_path / "features.parquet"
    write_feature_table(table, path, {"a": "k1", "b": "k2"})
    stored = pq.ParquetFile(path)
    assert stored.num_row_groups == 2
    group = stored.read_row_group(1)
    assert group["case_id"].to_pylist() == ["b"]
    assert group["habitat1__t2w__pyradiomics"].to_pylist() == [[7.0]]
    assert read_feature_keys(path) == {"a": "k1", "b": "k2"}
    assert read_feature_keys(tmp_path / "none.parquet") == {}


def test_a_study_sized_table_is_small_and_quick_to_read(tmp_path):
    names = [column(r, s, "resnet101", f"{i:04d}") for r in ("habitat1", "tumour") for s in ("t2w", "adc") for i in range(2048)]
    values = np.random.default_rng(1).random((60, len(names)))
    wide = pd.DataFrame(values, pd.Index([f"c{i}" for i in range(60)], name="case_id"), names)
    path = tmp_path / "features.parquet"
    write_feature_table(wide, path)
    assert path.stat().st_size < 1.1 * values.nbytes
    pd.testing.assert_frame_equal(read_feature_table(path), wide, check_exact=True)


def test_columns_in_any_order_come_back_in_it(table, tmp_path):
    mixed = table.assign(tumour__adc__resnet101__0001=1.0)
    write_feature_table(mixed, tmp_path / "f.parquet")
    pd.testing.assert_frame_equal(read_feature_table(tmp_path / "f.parquet"), mixed)


def test_a_feature_missing_in_a_region_that_is_there_is_refused(table):
    whole = table.assign(habitat1__adc__resnet101__0000=[1.0, 0.25])
    check_feature_table(table)  # habitat 1 is absent in a
    whole["habitat1__t2w__resnet101__0000"] = whole["habitat1__t2w__pyradiomics__original_glcm_Contrast"] = 1.0
    with pytest.raises(CohortError, match=r"habitat1__t2w__resnet101__0000 is missing in 1 \(first a\) of the cases that have habitat1"):
        check_feature_table(whole.assign(habitat1__t2w__resnet101__0000=[np.nan, 1.0]))
    with pytest.raises(CohortError, match="habitat1__t2w__resnet101__0000 is missing in all 2 of the cases that have habitat1"):
        check_feature_table(whole.assign(habitat1__t2w__resnet101__0000=np.nan))


def test_columns_that_a_model_needs(table):
    require_features(table, list(table.columns[:2]), "Model m")
    with pytest.raises(CohortError, match=r"lacks 1 of 2 columns that Model m needs \(first habitat9__t2w__resnet18__0001\)"):
        require_features(table, [table.columns[0], "habitat9__t2w__resnet18__0001"], "Model m")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.rename_axis("patient"), "rows are named by patient, not by case_id"),
        (lambda t: t.rename(index={"b": "a"}), "has case a more than once"),
        (lambda t: t.assign(age=1.0), "Feature column age is not named"),
        (lambda t: t.assign(a__b__c__d=["x", "y"]), "Feature column a__b__c__d is not numeric"),
        (lambda t: t.assign(a__b__c__d=[True, False]), "Feature column a__b__c__d is not numeric"),
        (lambda t: t.assign(a__b__c__d=[np.inf, 0]), "Feature column a__b__c__d holds infinite values"),
        (lambda t: t.iloc[:, [0, 0]], "has the column tumour__adc__resnet101__0000 more than once"),
    ],
)
def test_what_is_no_feature_table_is_refused(table, change, text, tmp_path):
    with pytest.raises(CohortError, match=text):
        check_feature_table(change(table))
    with pytest.raises(CohortError, match=text):
        write_feature_table(change(table), tmp_path / "features.parquet")
    assert list(tmp_path.iterdir()) == []


def test_unreadable_file_is_refused(tmp_path):
    (tmp_path / "f.parquet").write_text("no parquet", encoding="utf-8")
    with pytest.raises(CohortError, match=r"f\.parquet is not a readable feature table"):
        read_feature_table(tmp_path / "f.parquet")
    with pytest.raises(CohortError, match="FileNotFoundError"):
        read_feature_table(tmp_path / "absent.parquet")
