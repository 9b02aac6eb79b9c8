"""Measured subnets as flat tables, one dataset for each column, for any reader of HDF5.

    candidates/  a row for each subnet: subnet (the paper's tuple as text), correct, images, params,
                 silent_channels, non_finite
    layers/      a row for each (subnet, layer, time step): candidate (row number), layer (index into layer_names),
                 step, input_sum, input_nonzeros, input_size (elements in a step, over all images), macs (of one image
                 in a step). A layer that runs once an image, on real values, has one row: step -1, sums 0.
    synapses/    a row for each (subnet, operation, time step): candidate, layer (the operation's name, an index into
                 layer_names), step, events, passes. Absent in files of an aspk before 0.2.
    spikes/      a row for each (subnet, LIF layer, time step): candidate, layer, step, spikes, neurons (of one image)
    answers/     bits: for each subnet, a bit for each image, 1 if its class was predicted; packed into bytes, the first
                 image highest. num_bytes: of each subnet; 0 if they are not known. Absent in older files.
    layer_names  texts

Rows keep the order of measurement, so reading returns measurements equal to those written. Their counts stay columns:
`count_tables`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import h5py
import numpy as np

from autospikformer_cli.count_tables import INPUTS, SPIKES, SYNAPSES, Count, CountKind, CountTable
from autospikformer_cli.measurement import Measurement, SynapseCount
from autospikformer_cli.space import Subnet, parse_subnets
from autospikformer_cli.store.files import get, get_group, get_texts, put, put_integers, put_texts

NO_STEP = -1
"""The column `step` of a layer without time steps."""

COUNTS = ("correct", "images", "params", "silent_channels", "non_finite")
"""Columns of candidates/ that are whole numbers of a Measurement."""
STORED_AS = {"sums": "input_sum", "nonzeros": "input_nonzeros", "size": "input_size"}
"""Columns that have another name than the field whose numbers they have."""


class MeasuredSubnet(NamedTuple):
    """A subnet and its measurement."""

    subnet: Subnet
    measurement: Measurement


def put_measured(group: h5py.Group, rows: Sequence[MeasuredSubnet]) -> None:
    """Store subnets and their measurements as the tables above. Raises ValueError if columns differ in length."""
    measurements = [row.measurement for row in rows]
    candidates = group.create_group("candidates")
    put_texts(candidates, "subnet", [str(row.subnet) for row in rows])
    for column in COUNTS:
        put_integers(candidates, column, [getattr(measurement, column) for measurement in measurements])
    tables: dict[str, CountTable[Any]] = {
        "layers": CountTable.of(INPUTS, [measurement.inputs for measurement in measurements]),
        "spikes": CountTable.of(SPIKES, [measurement.spikes for measurement in measurements]),
        "synapses": CountTable.of(SYNAPSES, [measurement.synapses for measurement in measurements]),
    }
    layer_names = dict.fromkeys(name for table in tables.values() for name in table.names_in_use)
    put_texts(group, "layer_names", list(layer_names))
    numbers = {name: index for index, name in enumerate(layer_names)}
    for name, table in tables.items():
        _put_table(group.create_group(name), table, numbers)
    _put_answers(group.create_group("answers"), [measurement.answers or b"" for measurement in measurements])


def _put_table(group: h5py.Group, table: CountTable[Count], numbers: dict[str, int]) -> None:
    lengths = np.diff(table.rows)
    renumbered = np.array([numbers.get(name, -1) for name in table.names], np.int64)
    candidate = np.repeat(np.arange(len(table)), np.diff(table.bounds))
    put_integers(group, "candidate", np.repeat(candidate, lengths))
    put_integers(group, "layer", np.repeat(renumbered[table.layers], lengths))
    step = np.arange(int(table.rows[-1])) - np.repeat(table.rows[:-1], lengths)
    put_integers(group, "step", np.where(np.repeat(table.has_steps, lengths), step, NO_STEP))
    for field, column in table.by_step.items():
        put_integers(group, STORED_AS.get(field, field), column)
    for field, column in table.by_layer.items():
        put_integers(group, STORED_AS.get(field, field), np.repeat(column, lengths))


def _put_answers(table: h5py.Group, answers: list[bytes]) -> None:
    put_integers(table, "num_bytes", [len(each) for each in answers])
    put(table, "bits", np.frombuffer(b"".join(answers), np.uint8), compress=True)


def get_measured(group: h5py.Group) -> list[MeasuredSubnet]:
    """The subnets and measurements that `put_measured` stored. Raises UserError if a table is damaged."""
    candidates = get_group(group, "candidates")
    subnets = parse_subnets(get_texts(candidates, "subnet"))
    names = get_texts(group, "layer_names")
    counts = (get(candidates, column).tolist() for column in COUNTS)
    inputs = _get_table(get_group(group, "layers"), INPUTS, names, len(subnets)).views()
    spikes = _get_table(get_group(group, "spikes"), SPIKES, names, len(subnets)).views()
    synapses = _get_synapses(group, names, len(subnets))
    columns = zip(subnets, *counts, inputs, spikes, synapses, _get_answers(group, len(subnets)), strict=True)
    return [
        MeasuredSubnet(
            subnet, Measurement(correct, images, params, inputs, spikes, silent, non_finite, synapses, answers)
        )
        for subnet, correct, images, params, silent, non_finite, inputs, spikes, synapses, answers in columns
    ]


def _get_table(group: h5py.Group, kind: CountKind[Count], names: list[str], num_candidates: int) -> CountTable[Count]:
    """A row with step 0 or -1 is the first of a layer."""
    step = get(group, "step")
    first = np.flatnonzero(step <= 0)
    candidate = get(group, "candidate")[first]
    return CountTable(
        kind=kind,
        names=names,
        layers=get(group, "layer")[first],
        bounds=np.searchsorted(candidate, np.arange(num_candidates + 1)),
        rows=np.append(first, len(step)),
        has_steps=step[first] != NO_STEP,
        by_step={field: get(group, STORED_AS.get(field, field)) for field in kind.by_step},
        by_layer={field: get(group, STORED_AS.get(field, field))[first] for field in kind.by_layer},
    )


def _get_synapses(group: h5py.Group, names: list[str], num_candidates: int) -> Sequence[Sequence[SynapseCount]]:
    if "synapses" not in group:
        return [()] * num_candidates
    return _get_table(get_group(group, "synapses"), SYNAPSES, names, num_candidates).views()


def _get_answers(group: h5py.Group, num_candidates: int) -> list[bytes | None]:
    if "answers" not in group:
        return [None] * num_candidates
    table = get_group(group, "answers")
    bits, ends = get(table, "bits").tobytes(), np.cumsum(get(table, "num_bytes")).tolist()
    return [bits[first:end] or None for first, end in pairwise([0, *ends])]
