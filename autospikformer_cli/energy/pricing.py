"""From counts to joules (Auto-Spikformer, Equations 2 to 5; derived in docs/energy.md)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import nan

import numpy as np

from autospikformer_cli.energy.counts import InputRate, OperationCounts, total
from autospikformer_cli.energy.memory import ann_traffic_energy, spiking_traffic_energy
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, OperationGenes, num_params, operations
from autospikformer_cli.wording import shortened


@dataclass(frozen=True, slots=True)
class LayerEnergy:
    """One operation's costs for one image.

    macs: multiply-accumulates of a time step. steps: how often they are counted. input_rate: mean input value; None
    for real values. nonzero_rate: share of values that are not 0; None for real values. sops: synaptic operations over
    all time steps; None without spikes. accumulates, multiplies: how the SOPs, or the MACs of real values, are
    executed; a multiply is a multiply-accumulate. compute_j, memory_j, neurons_j: joules of executing these, of moving
    bits, of updating neurons. unpriced: multiplies that the profile has no figure for. runs_a_step: how often it runs
    in a time step, on average: 1, unless its layer has other rows, for other kinds of input at other time steps.
    """

    name: str
    kind: str
    macs: int
    steps: int
    input_rate: float | None
    nonzero_rate: float | None
    sops: float | None
    accumulates: float
    multiplies: float
    compute_j: float
    memory_j: float
    neurons_j: float
    unpriced: float
    runs_a_step: float = 1.0

    @property
    def step_macs(self) -> float:
        """Multiply-accumulates of an average time step."""
        return self.macs * self.runs_a_step

    @property
    def energy_j(self) -> float:
        """Joules of one image."""
        return self.compute_j + self.memory_j + self.neurons_j

    @property
    def is_priced(self) -> bool:
        """Whether the profile has figures for all that it does; in columns, that it does in any subnet."""
        return not np.any(self.unpriced)


def priced_energy(layers: Iterable[LayerEnergy]) -> float:
    """Joules of operations, as far as they are priced; nan if the profile has no figure for any of them.

    So an energy that is not known is never 0 J.
    """
    layers = list(layers)
    energy_j: float = total(layer.energy_j for layer in layers)
    return nan if layers and not any(layer.is_priced for layer in layers) else energy_j


def unpriced_text(hardware: HardwareProfile, names: Sequence[str], most: int | None = None) -> str:
    """That operations are not priced, and why. most: how many of them are named; None for all."""
    shown = shortened(names, most=len(names) if most is None else most)
    return f"not priced, for {hardware.name} has no mac ({hardware.left_out['mac']}): {shown}"


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """All operations of a network, for one image."""

    layers: tuple[LayerEnergy, ...]
    params: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one time step and image."""
        macs: float = total(layer.step_macs for layer in self.layers)
        return round(macs)

    @property
    def sops(self) -> float:
        """Synaptic operations of one image."""
        sops: float = total(layer.sops for layer in self.layers if layer.sops is not None)
        return sops

    @property
    def energy_j(self) -> float:
        """Joules of one image, without what the profile has no figure for; nan if it has none for any operation."""
        return priced_energy(self.layers)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """The operations that the profile has no figure for."""
        return tuple(layer.name for layer in self.layers if not layer.is_priced)


@dataclass(frozen=True, slots=True)
class Pricing:
    """Prices operations under a convention and on some hardware, in a network with time_step time steps."""

    convention: Convention
    hardware: HardwareProfile
    time_step: int

    def layers(self, counted: Sequence[Operation], counts: OperationCounts) -> Iterator[LayerEnergy]:
        """The costs of all operations that the convention counts, each followed by its BatchNorm unless that is folded.

        Raises MissingCounts if counts are missing.
        """
        counted = [operation for operation in counted if self.counts(operation)]
        counts = counts.under(self.convention, counted)
        for operation in counted:
            yield from self.with_norm(operation, counts)

    def with_norm(self, operation: Operation, counts: OperationCounts) -> Iterator[LayerEnergy]:
        """An operation's costs, then its BatchNorm's unless folded. Raises MissingCounts if counts are missing."""
        yield self.layer(operation, counts)
        yield from self.norm(operation)

    def counts(self, operation: Operation) -> bool:
        """Whether the convention counts an operation."""
        return self.convention.head or operation.kind != "head"

    def macs(self, operation: Operation) -> int:
        """Multiply-accumulates of a step; without those that meet a border's padding, if border is exact."""
        return operation.reached_macs if self.convention.border == "exact" else operation.macs

    def steps(self, operation: Operation) -> int:
        """How often the convention counts an operation."""
        if operation.runs == "image" or (operation.runs == "repeated" and self.convention.first_layer_steps == "once"):
            return 1
        return self.updates(operation)

    def updates(self, operation: Operation) -> int:
        """How often the neurons after an operation are updated, if there are any."""
        share = operation.runs_a_step
        return self.time_step if share == 1 else int(self.time_step * share)

    def multiplies(self, operation: Operation) -> bool:
        """Whether each input that is not 0, or each real input, costs multiply-accumulates."""
        if operation.input_kind == "integer":
            return self.convention.residual == "mac"
        return operation.input_kind == "real" or (
            operation.input_kind == "events" and self.convention.event_input == "mac"
        )

    def unpriced(self, counted: Iterable[Operation]) -> Iterator[tuple[str, bool]]:
        """Of each operation that the convention counts, and of its BatchNorm: whether the profile has no figure for it.

        What a silent layer would cost counts, too: this is known before anything is measured.
        """
        for operation in filter(self.counts, counted):
            yield operation.name, self.hardware.mac is None and self.multiplies(operation)
            if operation.norm and not self.convention.batchnorm_folded:
                yield operation.norm, self.hardware.mac is None

    def layer(self, operation: Operation, counts: OperationCounts) -> LayerEnergy:
        """Equation 3: pixels cost multiply-accumulates, spikes SOPs = rate x T x MACs accumulates (Equation 2)."""
        rate = None if operation.input_kind == "real" else counts.rates[operation.reads]
        if rate is None or (operation.input_kind == "events" and self.convention.event_input == "mac"):
            return self.priced(operation, rate, None)
        return self.priced(operation, rate, self._sops(operation, rate, counts))

    def _sops(self, operation: Operation, rate: InputRate, counts: OperationCounts) -> float:
        once = self.multiplies(operation)  # a value n costs one multiplication or n accumulates
        if self.convention.border == "exact":
            work = counts.exact(operation)
            return work.passes if once else work.events
        return (rate.nonzero if once else rate.mean) * self.steps(operation) * operation.macs

    def priced(self, operation: Operation, rate: InputRate | None, sops: float | None) -> LayerEnergy:
        """The costs of an operation.

        sops: the synaptic operations that it does; None: the multiply-accumulates of all its inputs.
        """
        executed = 1.0 * (self.macs(operation) * self.steps(operation)) if sops is None else sops
        multiplies = executed if self.multiplies(operation) else 0.0
        return self._costs(operation, operation.kind, operation.macs, rate, sops, executed - multiplies, multiplies)

    def norm(self, operation: Operation) -> Iterator[LayerEnergy]:
        """The costs of BatchNorm's affine part, unless folded or absent: a multiply-accumulate for each output."""
        if operation.norm and not self.convention.batchnorm_folded:
            norm = replace(operation, name=operation.norm, fires=False, inputs=0, outputs=0)
            multiplies = 1.0 * (operation.outputs * self.steps(operation))
            yield self._costs(norm, "batchnorm", operation.outputs, None, None, 0.0, multiplies)

    def at_8_bits(self) -> Pricing | None:
        """The same with 8-bit weights and activations; None if the profile has no figures for them."""
        hardware = self.hardware.at_8_bits()
        return None if hardware is None else replace(self, hardware=hardware)

    def _costs(
        self,
        operation: Operation,
        kind: str,
        macs: int,
        rate: InputRate | None,
        sops: float | None,
        accumulates: float,
        multiplies: float,
    ) -> LayerEnergy:
        hardware, joules = self.hardware, self.hardware.joules
        compute = accumulates * hardware.ac + multiplies * (hardware.mac or 0.0)
        spiking = operation.fires and not operation.analog
        updates = self.updates(operation)
        neurons = operation.neurons * updates * (hardware.neuron_update or 0.0) if spiking else 0.0
        memory, executed = 0.0, accumulates + multiplies
        if hardware.memory is not None and operation.analog:
            memory = ann_traffic_energy(operation, executed, hardware.memory)
        elif hardware.memory is not None:
            memory = spiking_traffic_energy(operation, executed, self.steps(operation), updates, hardware.memory)
        return LayerEnergy(
            name=operation.name,
            kind=kind,
            macs=macs,
            steps=self.steps(operation),
            input_rate=None if rate is None else rate.mean,
            nonzero_rate=None if rate is None else rate.nonzero,
            sops=sops,
            accumulates=accumulates,
            multiplies=multiplies,
            compute_j=compute * joules,
            memory_j=memory * joules,
            neurons_j=neurons * joules,
            unpriced=multiplies if hardware.mac is None else 0.0,
            runs_a_step=float(operation.runs_a_step),
        )


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """Prices subnets of one network shape under a convention and a hardware profile."""

    shape: NetworkShape
    convention: Convention
    hardware: HardwareProfile

    def of(self, subnet: Subnet, measurement: Measurement) -> EnergyReport:
        """Energy of a subnet, from its measurement. Raises MissingCounts if counts are missing."""
        known = self.shape.neuron_params is not None  # else, those that were counted when it was measured
        params = num_params(self.shape, subnet) if known else measurement.params
        return self.report(subnet, OperationCounts.of(measurement), params)

    def lacks(self, measurement: Measurement) -> bool:
        """Whether the convention needs exact work that was not counted."""
        return self.convention.border == "exact" and self.shape.network == "spikformer" and not measurement.synapses

    def unpriced(self, subnet: OperationGenes) -> tuple[str, ...]:
        """The operations of a subnet that the profile has no figure for."""
        return tuple(name for name, lacks in self.pricing(subnet).unpriced(self.operations(subnet)) if lacks)

    def prices_nothing(self, subnet: OperationGenes) -> bool:
        """Whether the profile has no figure for any operation of a subnet."""
        return all(lacks for _, lacks in self.pricing(subnet).unpriced(self.operations(subnet)))

    def from_counts(self, subnet: Subnet, counts: OperationCounts) -> EnergyReport:
        """Energy of a subnet, from its counts. Raises MissingCounts if counts are missing."""
        return self.report(subnet, counts, num_params(self.shape, subnet))

    def report(self, subnet: OperationGenes, counts: OperationCounts, params: int) -> EnergyReport:
        """All operations of a subnet; or of several, if genes and counts are columns (`energy.columns`)."""
        return EnergyReport(tuple(self.pricing(subnet).layers(self.operations(subnet), counts)), params)

    def operations(self, subnet: OperationGenes) -> list[Operation]:
        """A subnet's operations, with the convention's order of attention products."""
        return operations(self.shape, subnet, self.convention.order)

    def pricing(self, subnet: OperationGenes) -> Pricing:
        """The pricing of a subnet's operations."""
        return Pricing(self.convention, self.hardware, subnet.time_step)
