"""Files of predictions: the format is the suffix's, and the columns are those that the documentation names."""

from __future__ import annotations

import csv
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospikformer_cli.errors import UserError
from autospikformer_cli.store import files
from autospikformer_cli.store.predictions import PredictionTable, require_predictions_writable, write_predictions

NAMES = ["cat", "dog", "a, b"]
LOGITS = np.array([[0.1, -2.5, 0.1], [1e-8, 3.0, 2.0], [0.0, 0.0, 1 / 3]], np.float32)
TABLE = PredictionTable(LOGITS, np.array([0, 1, 0]), np.array([9, 7, 5]), NAMES, "seed = 0\n")
COLUMNS = ["index", "label", "predicted", "label_name", "predicted_name", "logit_0", "logit_1", "logit_2"]


FILES = ["test/cat/1.png", "test/dog/a, b.png", "test/cat/ü.png"]


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.h5"])
def test_images_in_files_have_their_names(tmp_path: Path, name: str) -> None:
    """A column before the logits; in HDF5, texts. Other data sets have no such column."""
    write_predictions(tmp_path / name, replace(TABLE, files=FILES))
    require_predictions_writable(tmp_path / name)
    if name == "p.h5":
        with files.open_h5(tmp_path / name, "predictions") as file:
            assert files.get_texts(file, "files") == FILES
        return
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pd.read_csv(tmp_path / name) if name == "p.csv" else pd.read_parquet(tmp_path / name)
    assert list(frame.columns) == [*COLUMNS[:5], "file", *COLUMNS[5:]]
    assert frame["file"].tolist() == FILES


def test_hdf5(tmp_path: Path) -> None:
    for name in ("p.h5", "p.hdf5"):
        write_predictions(tmp_path / name, TABLE)
        with files.open_h5(tmp_path / name, "predictions") as file:
            assert files.get_text(file, "recipe") == "seed = 0\n"
            assert files.get_texts(file, "classes") == NAMES
            stored = {name: files.get(file, name) for name in ("logits", "labels", "index", "predicted")}
        assert stored["logits"].dtype == np.float32
        np.testing.assert_array_equal(stored["logits"], LOGITS)
        assert {name: stored[name].tolist() for name in ("labels", "index", "predicted")} == {
            "labels": [0, 1, 0], "index": [9, 7, 5], "predicted": [0, 1, 2]
        }  # fmt: skip


def test_csv(tmp_path: Path) -> None:
    write_predictions(tmp_path / "p.csv", TABLE)
    with (tmp_path / "p.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [row["index"] + row["label"] + row["predicted"] for row in rows] == ["900", "711", "502"]
    assert [(row["label_name"], row["predicted_name"]) for row in rows] == [
        ("cat", "cat"), ("dog", "dog"), ("cat", "a, b")
    ]  # fmt: skip
    read = np.array([[row[f"logit_{number}"] for number in range(3)] for row in rows], np.float32)
    np.testing.assert_array_equal(read, LOGITS)
    assert rows[0]["logit_0"] == "0.1"


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_predictions(tmp_path / "p.parquet", TABLE)
    table = parquet.read_table(tmp_path / "p.parquet")
    assert table.column_names == COLUMNS
    assert table["predicted_name"].to_pylist() == ["cat", "dog", "a, b"]
    assert table["logit_1"].to_numpy().dtype == np.float32
    np.testing.assert_array_equal(np.stack([table[f"logit_{number}"] for number in range(3)], 1), LOGITS)
    assert table.schema.metadata[b"aspk.recipe"] == b"seed = 0\n"


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        require_predictions_writable(path)
    return str(caught.value)


@pytest.mark.parametrize("name", ["p.csv", "p.parquet", "p.h5", "P.CSV"])
def test_only_predictions_are_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    require_predictions_writable(path)
    write_predictions(path, TABLE)
    require_predictions_writable(path)
    path.write_text("name,age\nbob,3\n")
    assert refused(path) == f"--predictions: {path} exists, and holds no predictions\n  name another file"


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    for name in ("p.npy", "p", "p.json"):
        assert refused(tmp_path / name) == (
            f"--predictions: {tmp_path / name} names no format of predictions\n"
            "  choose a suffix of .csv, .parquet, .h5, .hdf5"
        )


def test_parquet_without_pyarrow_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autospikformer_cli.store.predictions.find_spec", lambda name: None)
    assert refused(tmp_path / "p.parquet") == (
        f"--predictions {tmp_path / 'p.parquet'}: Parquet is written by pyarrow, which is not installed\n"
        "  install it: pip install pyarrow, or choose .csv or .h5"
    )


def test_arrays_of_different_images_or_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^logits \(5, 3\), labels \(4,\), index \(5,\) differ in images$"):
        PredictionTable(np.zeros((5, 3)), np.zeros(4), np.zeros(5), NAMES)
    with pytest.raises(ValueError, match=r"^3 names of 2 classes$"):
        PredictionTable(np.zeros((5, 2)), np.zeros(5), np.zeros(5), NAMES)
    with pytest.raises(ValueError, match=r"^2 files of 3 images$"):
        replace(TABLE, files=FILES[:2])


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.h5"])
def test_a_fifo_is_written_into(tmp_path: Path, name: str) -> None:
    """It is not opened to see what it holds: that would wait for ever."""
    path = tmp_path / name
    os.mkfifo(path)
    require_predictions_writable(path)
    with ThreadPoolExecutor(1) as threads:
        read = threads.submit(path.read_bytes)
        write_predictions(path, TABLE)
        written = tmp_path / f"read{path.suffix}"
        written.write_bytes(read.result())
    assert path.is_fifo()
    require_predictions_writable(written)  # it holds predictions
