"""aspk parquet, as a stranger who has installed both distributions runs it."""

from __future__ import annotations

import json
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path

import pytest

if not any(point.name == "parquet" for point in entry_points(group="aspk.commands")):
    pytest.skip("aspk-parquet is not installed", allow_module_level=True)

import pyarrow.parquet as pq

from autospikformer_cli.cli.__main__ import main
from autospikformer_cli.measurement import (
    Candidate,
    InputCount,
    Measurement,
    SpikeCount,
    StoredObjective,
    SynapseCount,
)
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, Provenance, save_population

PROVENANCE = Provenance(
    split="validation",
    split_hash="0" * 64,
    images=10,
    calibration_hash="1" * 64,
    calibration_images=4,
    batchnorm="recalibrate",
    fidelity="sound",
    weights_hash="2" * 64,
    precision="float32",
    device="cpu",
    epochs=3,
)


def candidate(number: int, depth: int) -> Candidate:
    """A candidate with `depth` blocks that answered `number` images right."""
    return Candidate(
        id=f"c{number}",
        subnet=Subnet(
            mlp_ratio=(Decimal("3.8"),) * depth,
            num_heads=(4,) * depth,
            threshold=(Decimal("1.4"),) * depth,
            tau=(Decimal("1.25"),) * depth,
            time_step=2,
            embed_dim=16,
        ),
        generation=number,
        measurement=Measurement(
            correct=number,
            images=10,
            params=2**40 + number,
            inputs=(InputCount("stem.0", (), (), 640, 100), InputCount("block0.q", (5, 7), (4, 6), 160, 50)),
            spikes=(SpikeCount("stem.1", (3, 5), 4),),
            silent_channels=1,
            synapses=(SynapseCount("block0.q", (500, 700), (400, 600)),),
        ),
        plugin_values={"latency": number / 4},
    )


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with two measured candidates, and a supernet.h5 that makes it a run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ASPK_RUNS", raising=False)
    folder = tmp_path / "runs" / "tiny"
    folder.mkdir(parents=True)
    (folder / "supernet.h5").touch()
    save_population(
        folder,
        Population(
            "tiny",
            "seed = 0\n",
            PROVENANCE,
            (candidate(9, 1), candidate(4, 2)),
            None,
            {"generation": 1, "finished": True},
            name="first",
            objectives=(StoredObjective("latency", "latency", "ms", "less", 0.0),),
        ),
    )
    return folder


def test_one_row_a_candidate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parquet", "--run", str(run), "--json"]) == 0
    file = run / "candidates.parquet"
    assert json.loads(capsys.readouterr().out) == {"schema_version": 1, "file": str(file), "candidates": 2}

    table = pq.read_table(file)
    assert table.to_pylist()[0] == {
        "id": "c9",
        "generation": 9,
        "subnet": "(1, 3.8, 4, 1.4, 1.25, 2, 16)",
        "depth": 1,
        "mlp_ratio": [3.8],
        "num_heads": [4],
        "threshold": [1.4],
        "tau": [1.25],
        "time_step": 2,
        "embed_dim": 16,
        "correct": 9,
        "images": 10,
        "top1": 90.0,
        "params": 2**40 + 9,
        "firing_rate": 0.1,
        "silent_channels": 1,
        "inputs": [
            {"layer": "stem.0", "sums": [], "nonzeros": [], "size": 640, "macs": 100},
            {"layer": "block0.q", "sums": [5, 7], "nonzeros": [4, 6], "size": 160, "macs": 50},
        ],
        "spikes": [{"layer": "stem.1", "spikes": [3, 5], "neurons": 4}],
        "synapses": [{"operation": "block0.q", "events": [500, 700], "passes": [400, 600]}],
        "objectives": [("latency", 2.25)],
    }
    assert table.column("depth").to_pylist() == [1, 2]
    assert table.schema.metadata[b"aspk.recipe"] == b"seed = 0\n"
    assert json.loads(table.schema.metadata[b"aspk.provenance"])["split"] == "validation"


def test_the_newest_run_and_another_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parquet", "--to", "mine.parquet"]) == 0
    assert capsys.readouterr().out == "2 candidates in mine.parquet\n"
    assert pq.read_table("mine.parquet").num_rows == 2
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["mine.parquet", "runs"]


def test_a_folder_that_is_absent(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["parquet", "--to", "absent/mine.parquet", "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out)["where"] == "absent/mine.parquet"
    assert captured.err == (
        "error: absent/mine.parquet: the file cannot be written: No such file or directory\n"
        "  choose another with --to\n"
    )


def test_a_refused_write_leaves_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "taken").mkdir()
    assert main(["parquet", "--to", str(run / "taken")]) == 2
    assert capsys.readouterr().err.startswith(f"error: {run / 'taken'}: the file cannot be written: ")
    assert sorted(path.name for path in run.iterdir()) == ["searches", "supernet.h5", "taken"]


def test_it_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "parquet   Write a run's candidates as a Parquet file, for pandas or DuckDB." in capsys.readouterr().out
