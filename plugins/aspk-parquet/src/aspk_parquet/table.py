"""The table of candidates: its columns, its rows and its file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autospikformer_cli.atomic_files import explaining_refusal, replacing
from autospikformer_cli.measurement import Candidate
from autospikformer_cli.store.population import Population

_COUNTS = pa.list_(pa.int64())
_INPUT = pa.struct(
    [("layer", pa.string()), ("sums", _COUNTS), ("nonzeros", _COUNTS), ("size", pa.int64()), ("macs", pa.int64())]
)
_SYNAPSES = pa.struct([("operation", pa.string()), ("events", _COUNTS), ("passes", _COUNTS)])
_SPIKES = pa.struct([("layer", pa.string()), ("spikes", _COUNTS), ("neurons", pa.int64())])

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("generation", pa.int64()),
        ("subnet", pa.string()),
        ("depth", pa.int64()),
        ("mlp_ratio", pa.list_(pa.float64())),
        ("num_heads", pa.list_(pa.int64())),
        ("threshold", pa.list_(pa.float64())),
        ("tau", pa.list_(pa.float64())),
        ("time_step", pa.int64()),
        ("embed_dim", pa.int64()),
        ("correct", pa.int64()),
        ("images", pa.int64()),
        ("top1", pa.float64()),
        ("params", pa.int64()),
        ("firing_rate", pa.float64()),
        ("silent_channels", pa.int64()),
        ("inputs", pa.list_(_INPUT)),
        ("spikes", pa.list_(_SPIKES)),
        ("synapses", pa.list_(_SYNAPSES)),
        ("objectives", pa.map_(pa.string(), pa.float64())),
    ]
)


def candidates_table(population: Population) -> pa.Table:
    """One row for each candidate, in the archive's order. The metadata has the recipe and the provenance."""
    table = pa.Table.from_pylist([_row(candidate) for candidate in population.candidates], schema=SCHEMA)
    return table.replace_schema_metadata(
        {"aspk.recipe": population.recipe_toml, "aspk.provenance": json.dumps(asdict(population.provenance))}
    )


def _row(candidate: Candidate) -> dict[str, object]:
    subnet, measured = candidate.subnet, candidate.measurement
    return {
        "id": candidate.id,
        "generation": candidate.generation,
        "subnet": str(subnet),
        "depth": subnet.depth,
        "mlp_ratio": [float(value) for value in subnet.mlp_ratio],
        "num_heads": list(subnet.num_heads),
        "threshold": [float(value) for value in subnet.threshold],
        "tau": [float(value) for value in subnet.tau],
        "time_step": subnet.time_step,
        "embed_dim": subnet.embed_dim,
        "correct": measured.correct,
        "images": measured.images,
        "top1": measured.top1,
        "params": measured.params,
        "firing_rate": measured.firing_rate,
        "silent_channels": measured.silent_channels,
        "inputs": [asdict(layer) for layer in measured.inputs],
        "spikes": [asdict(layer) for layer in measured.spikes],
        "synapses": [asdict(operation) for operation in measured.synapses],
        "objectives": list(candidate.plugin_values.items()),
    }


def write_table(table: pa.Table, file: Path) -> None:
    """Write the file, whole or not at all. Raises UserError if its folder refuses."""
    with (
        explaining_refusal(file, "choose another with --to", "the file cannot be written"),
        replacing(file) as temporary,
    ):
        pq.write_table(table, temporary)
