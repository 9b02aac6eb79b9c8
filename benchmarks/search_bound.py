"""How many accumulates subnets need one by one, and as a tree of what they share."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from autospikformer_cli.evaluation.stems import StemKey
from autospikformer_cli.evaluation.tree import StageGroup, TreeNode, grow
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.spiking.stages import Attend, Fire, Stage
from autospikformer_cli.spiking.supernet import Supernet


class Accumulates:
    """Of measured subnets, and of the tree of them: a group of stages needs those of its widest one.

    The first layer's are counted as its multiply-accumulates, for one step. shares_steps: subnets with fewer time steps
    take the first of others. merges_outputs: narrower layers are the first channels of wider ones. kept: stems that
    were there before, and cost nothing.
    """

    def __init__(
        self, supernet: Supernet, measured: Mapping[Subnet, Measurement], *, shares_steps: bool, merges_outputs: bool,
        kept: Collection[StemKey] = (),
    ) -> None:  # fmt: skip
        self.config, self.merges_outputs = supernet.config, merges_outputs
        self.by_operation = {subnet: self._of(subnet, measurement) for subnet, measurement in measured.items()}
        self.one_by_one = sum(self._path(subnet, list(supernet.stages(subnet))) for subnet in measured)
        self.shared = 0
        by_steps: dict[int, list[Subnet]] = {}
        for subnet in measured:
            steps = max(each.time_step for each in measured) if shares_steps else subnet.time_step
            by_steps.setdefault(steps, []).append(subnet)
        for steps, group in by_steps.items():
            made = [each for each in group if StemKey(steps, each.embed_dim) not in kept]
            self.shared += self._tree((each, supernet.patch_embed.stages(each.embed_dim)) for each in made)
            for dim in {each.embed_dim for each in group}:
                below = [each for each in group if each.embed_dim == dim]
                self.shared += self._tree((each, supernet.encoder_stages(each)) for each in below)

    def _tree(self, subnets: Iterable[tuple[Subnet, Iterable[Stage]]]) -> int:
        found = list(subnets)
        return self._below(grow(found, self.merges_outputs)) if found else 0

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

    def _below(self, node: TreeNode) -> int:
        return sum(self._group(group) for group in node.groups.values())

    def _group(self, group: StageGroup) -> int:
        children = group.children.values()
        own = max(self._stage(child.example, child.stage) for child in children)
        return own + sum(self._below(child) for child in children)
