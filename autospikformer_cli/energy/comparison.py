"""A spiking network next to the ANN of the same shape (Auto-Spikformer, Equation 4), and their break-even rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from autospikformer_cli.energy.counts import InputRate, OperationCounts
from autospikformer_cli.energy.memory import ann_traffic_energy
from autospikformer_cli.energy.pricing import LayerEnergy, Pricing, priced_energy
from autospikformer_cli.spiking.layout import Operation


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """One operation in joules for one image, as spiking and as ANN. Includes its BatchNorm, if that is counted.

    input_rate: mean input value, or the share of values that are not 0, if each value costs one multiplication.
    energy_j: of the spiking network. ann_j, ann_int8_j: of the ANN, with the profile's numbers and with 8-bit weights
    and activations; None if the profile has no figure. break_even_rate: input rate at which spikes cost as much as
    the ANN. It is None if the operation reads no spikes, if the profile has no figure, or if it costs more even when
    silent. unpriced: whether energy_j lacks something that the profile has no figure for.
    """

    name: str
    input_rate: float | None
    energy_j: float
    ann_j: float | None
    ann_int8_j: float | None
    break_even_rate: float | None
    unpriced: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """All operations, and the whole network.

    energy_j: of the spiking network; nan if nothing is priced. energy_int8_j: the same with 8-bit weights. mean_rate:
    mean over the elements of all inputs. weighted_rate: the one rate of all inputs at which spikes would cost energy_j;
    None if the rate costs nothing. It is a mean of the inputs' rates, each weighted by what its operation costs at rate
    1: by its multiply-accumulates of all steps, if memory is free. break_even_rate: the one rate of all inputs at which
    spikes would cost as much as the ANN. So they cost less than the ANN if weighted_rate is below it.
    """

    layers: tuple[LayerComparison, ...]
    energy_j: float
    energy_int8_j: float | None
    ann_j: float | None
    ann_int8_j: float | None
    mean_rate: InputRate | None
    weighted_rate: float | None
    break_even_rate: float | None


def compare_with_ann(
    pricing: Pricing, spiking: Sequence[Operation], ann: Sequence[Operation], counts: OperationCounts
) -> Comparison:
    """Compare each operation of a spiking network with that of its ANN. Raises MissingCounts if counts are missing."""
    pairs = [pair for pair in zip(spiking, ann, strict=True) if pricing.counts(pair[0])]
    counted = [operation for operation, _ in pairs]
    counts = counts.under(pricing.convention, counted)
    int8 = pricing.at_8_bits()
    layers, lines, costs = [], [], list[LayerEnergy]()
    for operation, analog in pairs:
        line = _line(pricing, operation)
        ann_j = _ann_energy(pricing, analog)
        priced = list(pricing.with_norm(operation, counts))
        costs += priced
        layers.append(
            LayerComparison(
                operation.name,
                _rate(pricing, operation, counts),
                priced_energy(priced),
                ann_j,
                None if int8 is None else _ann_energy(int8, analog),
                None if ann_j is None or operation.input_kind == "real" else line.reaches(ann_j),
                not all(layer.is_priced for layer in priced),
            )
        )
        lines.append(line)
    whole = Line(sum(line.fixed for line in lines), sum(line.slope for line in lines))
    ann_j, energy_j = _total(layer.ann_j for layer in layers), priced_energy(costs)
    return Comparison(
        tuple(layers),
        energy_j,
        None if int8 is None else priced_energy(layer for each in counted for layer in int8.with_norm(each, counts)),
        ann_j,
        _total(layer.ann_int8_j for layer in layers),
        counts.mean(counted),
        whole.rate_of(energy_j),
        None if ann_j is None else whole.reaches(ann_j),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """Joules as a function of the input rate: fixed + slope x rate."""

    fixed: float
    slope: float

    def reaches(self, energy_j: float) -> float | None:
        """The rate at which the cost is energy_j; None if there is none."""
        return (energy_j - self.fixed) / self.slope if self.slope > 0 and energy_j >= self.fixed else None

    def rate_of(self, energy_j: float) -> float | None:
        """The rate that a cost which was counted has; None if the rate costs nothing."""
        return max(0.0, (energy_j - self.fixed) / self.slope) if self.slope > 0 and isfinite(energy_j) else None


def _line(pricing: Pricing, operation: Operation) -> Line:
    """The cost of an operation by its input rate. It assumes that spikes are spread evenly over positions."""
    norm = sum(layer.energy_j for layer in pricing.norm(operation))
    if operation.input_kind == "real" or (operation.input_kind == "events" and pricing.multiplies(operation)):
        return Line(pricing.priced(operation, None, None).energy_j + norm, 0.0)
    most = float(pricing.steps(operation) * pricing.macs(operation))
    silent, busy = (pricing.priced(operation, None, sops).energy_j for sops in (0.0, most))
    return Line(silent + norm, busy - silent)


def _ann_energy(pricing: Pricing, operation: Operation) -> float | None:
    """Joules of an ANN's operation and its BatchNorm: multiply-accumulates, once for each image.

    An ANN executes a layer once, however many rows it has here. So each row has its share of that.
    """
    hardware = pricing.hardware
    if hardware.mac is None:
        return None
    macs = pricing.macs(operation)
    moved = ann_traffic_energy(operation, macs, hardware.memory) if hardware.memory else 0.0
    norm = sum(layer.energy_j for layer in pricing.norm(replace(operation, runs="image")))
    return ((macs * hardware.mac + moved) * hardware.joules + norm) * float(operation.runs_a_step)


def _rate(pricing: Pricing, operation: Operation, counts: OperationCounts) -> float | None:
    if operation.input_kind == "real":
        return None
    rate = counts.rates[operation.reads]
    return rate.nonzero if pricing.multiplies(operation) else rate.mean


def _total(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return sum(known) if len(known) == len(found) else None
