"""Subnets as a tree of stages. What two subnets compute with the same parameters and input is one node."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.normalisation import Moments
from autospikformer_cli.spiking.stages import Fire, Stage


@dataclass(eq=False)
class StageGroup:
    """Stages with the same input and weights, which differ only in outputs and neurons.

    One pass of the engine computes them all.
    moments: of its layers' outputs, by BatchNorm, for the widest stage. Narrower stages use the first of them.
    """

    children: dict[Stage, TreeNode] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)


@dataclass(eq=False)
class TreeNode:
    """What subnets with the same stages up to here share.

    stage: None at the root.
    example: the subnet with the most time steps; the others' steps are the first of its own.
    subnets: those that end here.
    counts: of this stage.
    """

    stage: Stage | None
    example: Subnet
    parent: TreeNode | None = None
    group: StageGroup | None = None
    groups: dict[Hashable, StageGroup] = field(default_factory=dict)
    subnets: list[Subnet] = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)

    @property
    def time_step(self) -> int:
        """The most time steps of a subnet below."""
        return self.example.time_step

    def path(self) -> list[TreeNode]:
        """The nodes from the first stage to this one."""
        before = self.parent.path() if self.parent else []
        return [*before, self] if self.stage else before

    def moments(self) -> Iterator[tuple[str, Moments]]:
        """The moments of this stage's BatchNorms by name, if they were measured."""
        if isinstance(self.stage, Fire) and self.group is not None:
            for norm, moments in self.group.moments.items():
                yield norm, moments.first(self.stage.outputs)

    def children(self) -> Iterator[TreeNode]:
        """The children of all groups."""
        for group in self.groups.values():
            yield from group.children.values()

    def leaves(self) -> Iterator[TreeNode]:
        """The nodes where subnets end."""
        if self.subnets:
            yield self
        for child in self.children():
            yield from child.leaves()

    def measures_below(self) -> bool:
        """Whether any stage below has statistics to measure."""
        return any(isinstance(child.stage, Fire) or child.measures_below() for child in self.children())


def grow(subnets: Iterable[tuple[Subnet, Iterable[Stage]]], merges_outputs: bool) -> TreeNode:
    """The tree of subnets, each with its stages. Raises ValueError without subnets.

    merges_outputs: whether narrower layers are computed as part of wider ones.
    """
    root: TreeNode | None = None
    for subnet, stages in subnets:
        root = root or TreeNode(None, subnet)
        node = root
        _deepen(node, subnet)
        for stage in stages:
            group = node.groups.setdefault(_group_key(stage, merges_outputs), StageGroup())
            if stage not in group.children:
                group.children[stage] = TreeNode(stage, subnet, node, group)
            node = group.children[stage]
            _deepen(node, subnet)
        node.subnets.append(subnet)
    if root is None:
        raise ValueError("a tree has at least one subnet")
    return root


def _deepen(node: TreeNode, subnet: Subnet) -> None:
    """Make the subnet the node's example if it has more time steps."""
    if subnet.time_step > node.time_step:
        node.example = subnet


def _group_key(stage: Stage, merges_outputs: bool) -> Hashable:
    """Equal for stages of one group."""
    if isinstance(stage, Fire):
        return stage.shared, None if merges_outputs else stage.outputs
    return stage


def in_order(subnets: Iterable[Subnet]) -> list[Subnet]:
    """Sort subnets so that neighbours share most: by the genes that the first stages depend on."""

    def genes(subnet: Subnet) -> tuple[object, ...]:
        blocks = zip(subnet.tau, subnet.threshold, subnet.num_heads, subnet.mlp_ratio, strict=True)
        return (subnet.time_step, subnet.embed_dim, *blocks)

    return sorted(subnets, key=genes)


def with_steps(subnet: Subnet, time_step: int) -> Subnet:
    """The same subnet with other time steps."""
    return replace(subnet, time_step=time_step)
