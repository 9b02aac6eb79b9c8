"""A network with what it read and did, to be priced under any convention and on any hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autospikformer_cli.energy.comparison import Comparison, compare
from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.pricing import EnergyReport, Pricing
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile, Order
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, num_params, operations

ORDERS: tuple[Order, ...] = ("qk_v", "q_kv")


@dataclass(frozen=True)
class CountedNetwork:
    """One network: its operations by the order of the attention products, and those of its ANN, one for one.

    step_rates: what is shown of single time steps, by layer: the share of neurons that fired (of a traced module: the
    mean input value).
    """

    operations: Mapping[Order, Sequence[Operation]]
    ann: Sequence[Operation]
    counts: OperationCounts
    params: int
    time_step: int
    step_rates: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def report(self, convention: Convention, hardware: HardwareProfile) -> EnergyReport:
        """Every operation's costs. Raises MissingCounts."""
        pricing = Pricing(convention, hardware, self.time_step)
        return EnergyReport(tuple(pricing.layers(self.operations[convention.order], self.counts)), self.params)

    def against_ann(self, convention: Convention, hardware: HardwareProfile) -> Comparison:
        """Beside the ANN of the same shape. Raises MissingCounts."""
        pricing = Pricing(convention, hardware, self.time_step)
        return compare(pricing, self.operations[convention.order], self.ann, self.counts)


def as_ann(spiking: Sequence[Operation]) -> list[Operation]:
    """The same operations on real values, once an image."""
    return [replace(operation, input_kind="real", runs="image", analog=True) for operation in spiking]


def counted_subnet(
    shape: NetworkShape,
    subnet: Subnet,
    counts: OperationCounts,
    step_rates: tuple[tuple[str, tuple[float, ...]], ...] = (),
) -> CountedNetwork:
    """A subnet of a network shape."""
    return CountedNetwork(
        {order: operations(shape, subnet, order) for order in ORDERS},
        operations(replace(shape, network="transformer"), subnet),
        counts,
        num_params(shape, subnet),
        subnet.time_step,
        step_rates,
    )
