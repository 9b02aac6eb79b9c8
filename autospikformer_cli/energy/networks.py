"""A network and its counts, which can be priced under any convention and on any hardware."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from autospikformer_cli.energy.comparison import Comparison, compare_with_ann
from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.pricing import EnergyReport, Pricing
from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.recipe.energy.models import Convention, HardwareProfile, Order
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, num_params, operations

ORDERS: tuple[Order, ...] = ("qk_v", "q_kv")


@dataclass(frozen=True)
class CountedNetwork:
    """One network and its counts.

    operations: by the order of the attention products. ann: the ANN's operations, one for each. step_rates: each
    layer's share of neurons that fired, at each time step; for a traced module, the mean input value.
    """

    operations: Mapping[Order, Sequence[Operation]]
    ann: Sequence[Operation]
    counts: OperationCounts
    params: int
    time_step: int
    step_rates: tuple[tuple[str, tuple[float, ...]], ...] = ()

    def report(self, convention: Convention, hardware: HardwareProfile) -> EnergyReport:
        """The costs of all operations. Raises MissingCounts if counts are missing."""
        pricing = Pricing(convention, hardware, self.time_step)
        return EnergyReport(tuple(pricing.layers(self.operations[convention.order], self.counts)), self.params)

    def against_ann(self, convention: Convention, hardware: HardwareProfile) -> Comparison:
        """The comparison with the ANN of the same shape. Raises MissingCounts if counts are missing."""
        pricing = Pricing(convention, hardware, self.time_step)
        return compare_with_ann(pricing, self.operations[convention.order], self.ann, self.counts)


def as_ann(spiking: Sequence[Operation]) -> list[Operation]:
    """The same operations on real values, once for each image."""
    return [replace(operation, input_kind="real", runs="image", analog=True) for operation in spiking]


def counted_module(traced: TracedNetwork) -> CountedNetwork:
    """A user's module with its counts. It has one order of products, the one that it executes."""
    return CountedNetwork(
        dict.fromkeys(ORDERS, traced.operations),
        as_ann(traced.operations),
        traced.counts,
        traced.params,
        traced.time_step,
        traced.step_rates,
    )


def counted_subnet(
    shape: NetworkShape,
    subnet: Subnet,
    counts: OperationCounts,
    step_rates: tuple[tuple[str, tuple[float, ...]], ...] = (),
    params: int | None = None,
) -> CountedNetwork:
    """A subnet with its counts. params: as they were counted when it was measured; None computes them."""
    return CountedNetwork(
        {order: operations(shape, subnet, order) for order in ORDERS},
        operations(replace(shape, network="transformer"), subnet),
        counts,
        num_params(shape, subnet) if params is None else params,
        subnet.time_step,
        step_rates,
    )
