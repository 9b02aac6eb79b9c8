"""Input rates that a user gives instead of a measurement: one for all layers, or one for each layer in a TOML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from math import isfinite
from pathlib import Path

from autospikformer_cli.energy.counts import InputRate
from autospikformer_cli.errors import Faults, UserError
from autospikformer_cli.recipe.layers import read_layer
from autospikformer_cli.spiking.layout import Operation
from autospikformer_cli.wording import did_you_mean, nearest_names, shortened

_KeyPath = tuple[str, ...]
_ROUNDED = 1 + 1e-9
"""Tolerance for the rounding of a quotient of counts to a float."""


def uniform_rates(rate: float, operations: Sequence[Operation]) -> dict[str, InputRate]:
    """One rate for all operations that read spikes. Raises UserError if it is not between 0 and 1."""
    if not isfinite(rate) or not 0 <= rate <= 1:
        raise UserError(f"a firing rate of {rate:g} is not between 0 and 1", "--firing-rate")
    return dict.fromkeys(_readers(operations), InputRate(rate, rate))


def rates_from_file(path: Path, operations: Sequence[Operation]) -> dict[str, InputRate]:
    """The rates of all operations that read spikes.

    The file has a line for each layer: layer = mean, or layer = {mean = , nonzero = } for sums above 1. Raises Faults,
    with all layers that are missing, unknown, or have an impossible rate.
    """
    layer = read_layer(path, "--rates", "--rates")
    given = dict(_leaves(layer.document, ()))
    readers = _readers(operations)
    rates, faults = {}, []
    for key, value in given.items():
        name, where = ".".join(key), layer.where(key)
        if name not in readers:
            fix = did_you_mean(nearest_names(name, readers)) or f"those that read spikes are {', '.join(readers)}"
            faults.append(UserError(f"{name} reads no spikes in this subnet", where, fix))
            continue
        try:
            rates[name] = _rate(name, value, readers[name])
        except UserError as error:
            faults.append(UserError(error.what, where, error.fix))
    known = {".".join(key) for key in given}
    missing = [name for name in readers if name not in known]
    if missing:
        fix = "write a rate for each layer; aspk energy --json has those of a run as input_rates"
        faults.append(UserError(f"no rate for {shortened(missing)}", layer.shown, fix))
    if faults:
        raise Faults(faults)
    return rates


def _readers(operations: Sequence[Operation]) -> dict[str, Operation]:
    return {each.reads: each for each in operations if each.input_kind != "real"}


def _leaves(table: Mapping[str, object], path: _KeyPath) -> Iterator[tuple[_KeyPath, object]]:
    """The rates in nested tables: TOML nests a layer's name if its dots are not quoted."""
    for key, value in table.items():
        if isinstance(value, dict) and not {"mean", "nonzero"} & value.keys():
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _rate(name: str, value: object, operation: Operation) -> InputRate:
    table = value if isinstance(value, dict) else {"mean": value}
    if {*table} - {"mean", "nonzero"} or "mean" not in table:
        raise UserError(f"{name} must be a number, or have mean and nonzero", fix="write {mean = 0.2, nonzero = 0.2}")
    mean = _number(name, table["mean"])
    most = float("inf") if operation.input_kind == "events" else operation.largest_input
    if not 0 <= mean <= most:
        raise UserError(f"{name} has a rate of {mean:g}, it must be between 0 and {most}")
    if "nonzero" not in table:
        if mean > 1:
            fix = f"write {{mean = {mean:g}, nonzero = }}"
            raise UserError(f"{name} has a mean of {mean:g}, above 1, and no share of values that are not 0", fix=fix)
        return InputRate(mean, mean)
    nonzero = _number(name, table["nonzero"])
    if not (nonzero <= min(1.0, mean) and mean <= nonzero * most * _ROUNDED if mean else nonzero == 0):
        raise UserError(
            f"{name}: values from 0 to {most} with a mean of {mean:g} cannot be {nonzero:g} non-zero",
            fix="nonzero is the share of values that are not 0",
        )
    return InputRate(mean, nonzero)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UserError(f"{name} must have numbers, not {value!r}", fix="write a mean input value such as 0.2")
    if not isfinite(value):
        raise UserError(f"{name} has a rate that is not finite")
    return float(value)
