"""How many accumulates subnets need one by one, and as a tree of what they share."""

from __future__ import annotations

from collections.abc import Mapping

from autospikformer_cli.evaluation.tree import Family, Node, grow
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.spiking.stages import Attend, Fire
from autospikformer_cli.spiking.supernet import Supernet


class Accumulates:
    """Of measured subnets, and of the tree of them: a family of stages needs those of its widest one.

    The first layer's are counted as its multiply-accumulates, for one step. shares_steps: subnets with fewer time steps
    take the first of others.
    """

    def __init__(self, supernet: Supernet, measured: Mapping[Subnet, Measurement], shares_steps: bool) -> None:
        self.config = supernet.config
        self.by_operation = {subnet: self._of(subnet, measurement) for subnet, measurement in measured.items()}
        self.one_by_one = sum(self._path(subnet, list(supernet.stages(subnet))) for subnet in measured)
        self.shared = 0
        for steps in [None] if shares_steps else sorted({subnet.time_step for subnet in measured}):
            group = [subnet for subnet in measured if steps in (None, subnet.time_step)]
            self.shared += self._below(grow(((each, supernet.stages(each)) for each in group), merges_outputs=True))

    def ratio(self) -> float:
        """How many times as fast a walk could be, were accumulates all of the time."""
        return self.one_by_one / self.shared

    def _of(self, subnet: Subnet, measurement: Measurement) -> dict[str, int]:
        done = {each.operation: sum(each.passes) for each in measurement.synapses}
        first, *_ = operations(self.config.shape, subnet)
        return {first.name: first.macs * measurement.images, **done}

    def _stage(self, subnet: Subnet, stage: object) -> int:
        done = self.by_operation[subnet]
        if isinstance(stage, Fire):
            return sum(done[layer.weights.name] for layer in stage.layers)
        if isinstance(stage, Attend):
            tokens, width = self.config.shape.num_tokens, subnet.embed_dim // stage.heads
            first, second = ("q@k", "(q@k)@v") if tokens <= width else ("k@v", "q@(k@v)")
            return done[f"{stage.attention.name}.{first}"] + done[f"{stage.attention.name}.{second}"]
        return 0

    def _path(self, subnet: Subnet, stages: list[object]) -> int:
        return sum(self._stage(subnet, stage) for stage in stages)

    def _below(self, node: Node) -> int:
        return sum(self._family(family) for family in node.families.values())

    def _family(self, family: Family) -> int:
        children = family.children.values()
        own = max(self._stage(child.example, child.stage) for child in children)
        return own + sum(self._below(child) for child in children)
