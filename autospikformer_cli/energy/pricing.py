"""From counts to joules (Auto-Spikformer, Equations 2 to 5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autospikformer_cli.energy.conventions import Convention, HardwareProfile
from autospikformer_cli.measurement import InputCount, Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, num_params, operations

PICO = 1e-12


@dataclass(frozen=True, slots=True)
class InputRate:
    """A layer's input over elements, images and time steps: its mean value, and the share of values that are not 0."""

    mean: float
    nonzero: float


@dataclass(frozen=True, slots=True)
class LayerEnergy:
    """One operation's costs for one image.

    macs: multiply-accumulates of a time step. input_rate: mean input value, None for real values. sops: synaptic
    operations over all time steps, None where there are no spikes. energy_j: joules.
    """

    name: str
    kind: str
    macs: int
    input_rate: float | None
    sops: float | None
    energy_j: float


@dataclass(frozen=True, slots=True)
class EnergyReport:
    """All operations of a subnet. ann_energy_j: the same network as an ANN (Equation 4), in joules."""

    layers: tuple[LayerEnergy, ...]
    params: int
    ann_energy_j: float

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one time step and image."""
        return sum(layer.macs for layer in self.layers)

    @property
    def sops(self) -> float:
        """Synaptic operations of one image."""
        return sum(layer.sops for layer in self.layers if layer.sops is not None)

    @property
    def energy_j(self) -> float:
        """Joules of one image."""
        return sum(layer.energy_j for layer in self.layers)


@dataclass(frozen=True, slots=True)
class EnergyModel:
    """Prices subnets of one network shape under a convention and a hardware profile."""

    shape: NetworkShape
    convention: Convention
    profile: HardwareProfile

    def of(self, subnet: Subnet, measurement: Measurement) -> EnergyReport:
        """Energy of a subnet from what it measured."""
        return self._price(subnet, input_rates(measurement.inputs))

    def at_rate(self, subnet: Subnet, rate: float) -> EnergyReport:
        """Energy of a subnet whose layers all read spikes at one rate: needs no data."""
        spiking = (operation.reads for operation in self._operations(subnet) if operation.input_kind != "real")
        return self._price(subnet, dict.fromkeys(spiking, InputRate(rate, rate)))

    def _counts(self, operation: Operation) -> bool:
        return self.convention.head or operation.kind != "head"

    def _operations(self, subnet: Subnet) -> Sequence[Operation]:
        return operations(self.shape, subnet, self.convention.order)

    def _price(self, subnet: Subnet, rates: Mapping[str, InputRate]) -> EnergyReport:
        counted = [operation for operation in self._operations(subnet) if self._counts(operation)]
        as_ann = operations(replace(self.shape, network="transformer"), subnet)
        return EnergyReport(
            layers=tuple(self._layer(operation, rates, subnet.time_step) for operation in counted),
            params=num_params(self.shape, subnet),
            ann_energy_j=sum(o.macs for o in as_ann if self._counts(o)) * self.profile.e_mac_pj * PICO,
        )

    def _runs(self, operation: Operation, time_step: int) -> int:
        """How often a layer that reads real values is counted: pixels at every step in some conventions."""
        repeats = operation.kind == "convolution" and self.shape.network == "spikformer"
        return time_step if repeats and self.convention.first_layer_steps == "every" else 1

    def _layer(self, operation: Operation, rates: Mapping[str, InputRate], time_step: int) -> LayerEnergy:
        """Equation 3: pixels cost multiply-accumulates, spikes SOPs = rate x T x MACs accumulates (Equation 2)."""
        if operation.input_kind == "real":
            energy = operation.macs * self._runs(operation, time_step) * self.profile.e_mac_pj * PICO
            return LayerEnergy(operation.name, operation.kind, operation.macs, None, None, energy)
        rate = rates[operation.reads]
        if operation.input_kind == "events" and self.convention.event_input == "mac":
            energy = operation.macs * time_step * self.profile.e_mac_pj * PICO
            return LayerEnergy(operation.name, operation.kind, operation.macs, rate.mean, None, energy)
        if operation.input_kind == "integer" and self.convention.residual == "mac":
            sops, e_pj = rate.nonzero * time_step * operation.macs, self.profile.e_mac_pj
        else:
            sops, e_pj = rate.mean * time_step * operation.macs, self.profile.e_ac_pj
        return LayerEnergy(operation.name, operation.kind, operation.macs, rate.mean, sops, sops * e_pj * PICO)


def input_rates(inputs: Sequence[InputCount]) -> dict[str, InputRate]:
    """The rates of every layer that reads spikes, from exact counts."""
    return {
        count.layer: InputRate(count.rate, sum(count.nonzeros) / (count.size * len(count.nonzeros)))
        for count in inputs
        if count.rate is not None
    }
