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

Rows keep the order of measurement, so reading returns measurements equal to those written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from typing import NamedTuple

import h5py
import numpy as np

from autospikformer_cli.measurement import InputCount, Measurement, SpikeCount, SynapseCount
from autospikformer_cli.space import Subnet, parse_subnet
from autospikformer_cli.store.files import Array, get, get_group, get_texts, put, put_texts

NO_STEP = -1
"""The column `step` of a layer without time steps."""

COUNTS = ("correct", "images", "params", "silent_channels", "non_finite")
"""Columns of candidates/ that are whole numbers of a Measurement."""


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
        _put_integers(candidates, column, (getattr(measurement, column) for measurement in measurements))
    inputs = [layer for measurement in measurements for layer in measurement.inputs]
    spikes = [layer for measurement in measurements for layer in measurement.spikes]
    synapses = [operation for measurement in measurements for operation in measurement.synapses]
    layer_names = dict.fromkeys([layer.layer for layer in inputs] + [layer.layer for layer in spikes])
    layer_names |= dict.fromkeys(operation.operation for operation in synapses)
    put_texts(group, "layer_names", list(layer_names))
    names = {name: index for index, name in enumerate(layer_names)}
    _put_inputs(group.create_group("layers"), inputs, [len(m.inputs) for m in measurements], names)
    _put_spikes(group.create_group("spikes"), spikes, [len(m.spikes) for m in measurements], names)
    _put_synapses(group.create_group("synapses"), synapses, [len(m.synapses) for m in measurements], names)
    _put_answers(group.create_group("answers"), [measurement.answers or b"" for measurement in measurements])


def _put_inputs(table: h5py.Group, layers: list[InputCount], per_candidate: list[int], names: dict[str, int]) -> None:
    if any(len(layer.sums) != len(layer.nonzeros) for layer in layers):
        raise ValueError("an InputCount has as many sums as non-zeros")
    steps = [layer.sums for layer in layers]
    lengths = _put_places(table, per_candidate, [names[layer.layer] for layer in layers], steps)
    _put_integers(table, "input_sum", chain.from_iterable(values or (0,) for values in steps))
    _put_integers(table, "input_nonzeros", chain.from_iterable(layer.nonzeros or (0,) for layer in layers))
    put(table, "input_size", np.repeat(_integers(layer.size for layer in layers), lengths), compress=True)
    put(table, "macs", np.repeat(_integers(layer.macs for layer in layers), lengths), compress=True)


def _put_spikes(table: h5py.Group, layers: list[SpikeCount], per_candidate: list[int], names: dict[str, int]) -> None:
    steps = [layer.spikes for layer in layers]
    lengths = _put_places(table, per_candidate, [names[layer.layer] for layer in layers], steps)
    _put_integers(table, "spikes", chain.from_iterable(values or (0,) for values in steps))
    put(table, "neurons", np.repeat(_integers(layer.neurons for layer in layers), lengths), compress=True)


def _put_synapses(
    table: h5py.Group, counts: list[SynapseCount], per_candidate: list[int], names: dict[str, int]
) -> None:
    if any(len(count.events) != len(count.passes) for count in counts):
        raise ValueError("a SynapseCount has as many events as passes")
    _put_places(table, per_candidate, [names[count.operation] for count in counts], [count.events for count in counts])
    _put_integers(table, "events", chain.from_iterable(count.events or (0,) for count in counts))
    _put_integers(table, "passes", chain.from_iterable(count.passes or (0,) for count in counts))


def _put_answers(table: h5py.Group, answers: list[bytes]) -> None:
    _put_integers(table, "num_bytes", map(len, answers))
    put(table, "bits", np.frombuffer(b"".join(answers), np.uint8), compress=True)


def _put_places(table: h5py.Group, per_candidate: list[int], layers: list[int], steps: list[tuple[int, ...]]) -> Array:
    """Store the columns candidate, layer and step. Returns the number of rows of each layer of each candidate."""
    lengths = _integers(len(values) or 1 for values in steps)
    candidate = np.repeat(np.arange(len(per_candidate)), _integers(per_candidate))
    put(table, "candidate", np.repeat(candidate, lengths), compress=True)
    put(table, "layer", np.repeat(_integers(layers), lengths), compress=True)
    numbered = chain.from_iterable(range(len(values)) if values else (NO_STEP,) for values in steps)
    _put_integers(table, "step", numbered)
    return lengths


def _integers(values: Iterable[int]) -> Array:
    return np.array(list(values), np.int64)


def _put_integers(group: h5py.Group, name: str, values: Iterable[int]) -> None:
    put(group, name, _integers(values), compress=True)


def get_measured(group: h5py.Group) -> list[MeasuredSubnet]:
    """The subnets and measurements that `put_measured` stored. Raises UserError if a table is damaged."""
    candidates = get_group(group, "candidates")
    subnets = [parse_subnet(text) for text in get_texts(candidates, "subnet")]
    counts = {column: get(candidates, column).tolist() for column in COUNTS}
    names = get_texts(group, "layer_names")
    inputs = _get_inputs(get_group(group, "layers"), names, len(subnets))
    spikes = _get_spikes(get_group(group, "spikes"), names, len(subnets))
    synapses = _get_synapses(group, names, len(subnets))
    answers = _get_answers(group, len(subnets))
    return [
        MeasuredSubnet(
            subnet,
            Measurement(
                **{column: counts[column][row] for column in COUNTS},
                inputs=tuple(inputs[row]),
                spikes=tuple(spikes[row]),
                synapses=tuple(synapses[row]),
                answers=answers[row],
            ),
        )
        for row, subnet in enumerate(subnets)
    ]


def _get_inputs(table: h5py.Group, names: list[str], num_candidates: int) -> list[list[InputCount]]:
    sums, nonzeros, sizes, macs = (
        get(table, column).tolist() for column in ("input_sum", "input_nonzeros", "input_size", "macs")
    )
    layers: list[list[InputCount]] = [[] for _ in range(num_candidates)]
    for place in _places(table):
        counted = slice(place.first, place.end if place.has_steps else place.first)
        layers[place.candidate].append(
            InputCount(
                layer=names[place.layer],
                sums=tuple(sums[counted]),
                nonzeros=tuple(nonzeros[counted]),
                size=sizes[place.first],
                macs=macs[place.first],
            )
        )
    return layers


def _get_spikes(table: h5py.Group, names: list[str], num_candidates: int) -> list[list[SpikeCount]]:
    spikes, neurons = (get(table, column).tolist() for column in ("spikes", "neurons"))
    layers: list[list[SpikeCount]] = [[] for _ in range(num_candidates)]
    for place in _places(table):
        counted = slice(place.first, place.end if place.has_steps else place.first)
        layers[place.candidate].append(SpikeCount(names[place.layer], tuple(spikes[counted]), neurons[place.first]))
    return layers


def _get_synapses(group: h5py.Group, names: list[str], num_candidates: int) -> list[list[SynapseCount]]:
    counts: list[list[SynapseCount]] = [[] for _ in range(num_candidates)]
    if "synapses" not in group:
        return counts
    table = get_group(group, "synapses")
    events, passes = (get(table, column).tolist() for column in ("events", "passes"))
    for place in _places(table):
        counted = slice(place.first, place.end if place.has_steps else place.first)
        counts[place.candidate].append(SynapseCount(names[place.layer], tuple(events[counted]), tuple(passes[counted])))
    return counts


def _get_answers(group: h5py.Group, num_candidates: int) -> list[bytes | None]:
    if "answers" not in group:
        return [None] * num_candidates
    table = get_group(group, "answers")
    bits, ends = get(table, "bits").tobytes(), np.cumsum(get(table, "num_bytes")).tolist()
    return [bits[first:end] or None for first, end in pairwise([0, *ends])]


class _Place(NamedTuple):
    """The rows [first, end) of a table: one layer of one candidate."""

    candidate: int
    layer: int
    first: int
    end: int
    has_steps: bool


def _places(table: h5py.Group) -> Iterator[_Place]:
    """The layers of a table, in order. A row with step 0 or -1 is the first of a layer."""
    step = get(table, "step")
    first = np.flatnonzero(step <= 0)
    end = np.append(first, len(step))[1:]
    candidate, layer = get(table, "candidate")[first], get(table, "layer")[first]
    columns = (candidate, layer, first, end, step[first] != NO_STEP)
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield _Place(*values)
