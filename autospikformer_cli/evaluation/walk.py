"""Walks over a tree of stages, depth first. Every node is computed once, from its parent's result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import Tensor

from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import StepCounts, Synapses, Tally, Untallied, Values
from autospikformer_cli.evaluation.tree import StageGroup, TreeNode
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import FixedStatistics, RecordedStatistics, Statistics
from autospikformer_cli.spiking.stages import Fire, State

NO_STATISTICS = FixedStatistics({})
"""For stages without BatchNorm."""


Reached = Callable[[TreeNode, Tensor], None]
"""Takes a node where subnets end, and their logits (or, of stems, their tokens)."""


class Walk:
    """Executes the stages of a tree on a batch of images.

    statistics: returns those of a group. None to measure the batch's, store them in the group, and count nothing.
    reached: takes the results of the nodes where subnets end. None if only statistics are wanted.
    budget: bytes of spikes that may wait at once. One setting of neurons always runs, so the limit is soft.
    images: how many images of the batch count, the first ones; None for all.
    """

    def __init__(
        self,
        engine: Engine,
        statistics: Callable[[StageGroup], Statistics] | None,
        reached: Reached | None,
        budget: int,
        images: int | None = None,
    ) -> None:
        self.engine, self.statistics, self.reached = engine, statistics, reached
        self.budget, self.images = budget, images
        self._waiting = 0

    def below(self, root: TreeNode, state: State) -> None:
        """Execute all stages below a node, from the state after it."""
        running = [self._steps_below(root, state)]
        del state
        with self.engine.computing():
            while running:
                step = next(running[-1], None)
                if step is None:
                    running.pop()
                    continue
                node, state = step
                if node.subnets and self.reached:
                    self.reached(node, state.stream)
                if node.groups:
                    running.append(self._steps_below(node, state))
                del step, state  # a reference here would keep spikes alive longer than the generator that holds them

    def _steps_below(self, node: TreeNode, state: State) -> Iterator[tuple[TreeNode, State]]:
        """Execute a node's children one after the other; yield each with the state after it."""
        groups = list(node.groups.values())
        waiting = _bytes(state.branch or (state.stream,))
        self._waiting += waiting
        for group in groups:
            children = self._needed(group)
            while True:
                now, children = self._within_budget(group, children, state)
                executed = self._executed(group, now, state)
                if group is groups[-1] and not children:  # `executed` now holds the last reference
                    del state
                    self._waiting -= waiting
                yield from executed
                if not children:
                    break

    def _needed(self, group: StageGroup) -> list[TreeNode]:
        """The children to execute. Without results, only those that lead to statistics."""
        children = list(group.children.values())
        return children if self.reached else [child for child in children if child.measures_below()]

    def _within_budget(
        self, group: StageGroup, children: list[TreeNode], state: State
    ) -> tuple[list[TreeNode], list[TreeNode]]:
        """The children to execute now, and those that wait because their spikes would exceed the budget."""
        first = next(iter(group.children))
        if not isinstance(first, Fire):
            return children, []
        positions, layers = state.read[0, ..., 0].numel(), len(first.layers)
        budget, settings = self.budget - self._waiting, set[Neuron]()
        now, later = list[TreeNode](), list[TreeNode]()
        for child in children:
            fire: Fire = child.stage  # type: ignore[assignment]
            if fire.neuron not in settings and not later:
                budget -= positions * layers * child.time_step * _widest(group) * item_bytes(self.engine)
                if not settings or budget >= 0:
                    settings.add(fire.neuron)
            (now if fire.neuron in settings else later).append(child)
        return now, later

    def _executed(self, group: StageGroup, children: list[TreeNode], state: State) -> Iterator[tuple[TreeNode, State]]:
        """Execute children of one group, from their parent's state."""
        stage = next(iter(group.children))
        if isinstance(stage, Fire):
            yield from self._fired(stage, group, children, state)
        else:
            for child in children:
                run = self.engine.forward_pass(child.example, NO_STATISTICS, self._counts(child), self.images)
                yield child, child.stage.run(state, run)  # type: ignore[union-attr]

    def _fired(
        self, first: Fire, group: StageGroup, children: list[TreeNode], state: State
    ) -> Iterator[tuple[TreeNode, State]]:
        """Run one pass for all children, with the widest layers. Narrower ones return the first channels of these."""
        widest, layers, neurons = _widest(group), first.layers, _neurons(children)
        example, tally = _deepest(children or list(group.children.values())), _RecordingTally()
        state = _first(state, example.time_step)
        run = self.engine.forward_pass(example, self._statistics(group), tally, self.images)
        spikes = run.fire(layers, state.read, widest, neurons)
        waiting = sum(map(_bytes, spikes))
        self._waiting += waiting
        for child in children:
            fire: Fire = child.stage  # type: ignore[assignment]
            setting, counts = neurons.index(fire.neuron), self._counts(child)
            tally.report_input(counts, child.time_step, fire.outputs, widest)
            fired = tuple(each[: child.time_step] for each in spikes[setting])
            if fire.outputs == widest:
                tally.report_spikes(counts, child.time_step, setting)
            else:
                run = self.engine.forward_pass(example, NO_STATISTICS, counts, self.images)
                fired = tuple(run.narrow(*each, fire.outputs) for each in zip(layers, fired, strict=True))
            after = fire.after(_first(state, child.time_step), fired)
            del fired
            if child is children[-1]:  # free the others' spikes before the walk goes deeper
                del state, spikes
                after = _own_storage(after)
                self._waiting -= waiting
            yield child, after
            del after

    def _counts(self, node: TreeNode) -> Tally:
        """The counter of a node, if the walk counts."""
        return node.counts if self.statistics else Untallied()

    def _statistics(self, group: StageGroup) -> Statistics:
        """Where a group's moments come from."""
        if self.statistics is not None:
            return self.statistics(group)
        return FixedStatistics(group.moments) if group.moments else RecordedStatistics(group.moments)


class _RecordingTally:
    """Records what one pass of the engine reports of several settings, for the counters of several stages."""

    def __init__(self) -> None:
        self._read: list[tuple[str, int, Values | None]] = []
        self._executed: list[tuple[str, Synapses]] = []
        self._emitted: dict[str, tuple[list[StepCounts], int]] = {}

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """Record a layer's input."""
        self._read.append((layer, size, values))

    def executes(self, operation: str, synapses: Synapses) -> None:
        """Record what an operation did."""
        self._executed.append((operation, synapses))

    def emits(self, layer: str, spikes_ST: StepCounts, neurons: int) -> None:
        """Record a layer's spikes, of one setting or several."""
        rows, _ = self._emitted.setdefault(layer, ([], neurons))
        rows.extend(spikes_ST)

    def report_input(self, counts: Tally, time_step: int, outputs: int, widest: int) -> None:
        """Report what a stage read in its first steps, and did for its first outputs. widest: outputs of the pass."""
        for layer, size, values in self._read:
            first = values and Values(values.sums[:time_step], values.nonzeros[:time_step])
            counts.reads(layer, size, first)
        for operation, (events, passes) in self._executed:
            # Counts are exact multiples of the outputs: every input reaches all of them.
            first_events, first_passes = (each[:time_step] // widest * outputs for each in (events, passes))
            counts.executes(operation, Synapses(first_events, first_passes))

    def report_spikes(self, counts: Tally, time_step: int, setting: int) -> None:
        """Report the spikes of one setting in the first time steps."""
        for layer, (rows, neurons) in self._emitted.items():
            counts.emits(layer, rows[setting][None, :time_step], neurons)


def _widest(group: StageGroup) -> int:
    """The most outputs of a stage in the group."""
    return max(stage.outputs for stage in group.children if isinstance(stage, Fire))


def _neurons(children: Sequence[TreeNode]) -> list[Neuron]:
    """The children's neuron settings, each once."""
    return list(dict.fromkeys(child.stage.neuron for child in children))  # type: ignore[union-attr]


def _deepest(nodes: Sequence[TreeNode]) -> Subnet:
    """One of the nodes' subnets with the most time steps."""
    return max((node.example for node in nodes), key=lambda subnet: subnet.time_step)


def _first(state: State, time_step: int) -> State:
    """The state's first steps. Frames that are the same at every step stay."""
    if len(state.stream) <= time_step:
        return state
    return State(state.stream[:time_step], tuple(each[:time_step] for each in state.branch))


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes of tensors together."""
    return sum(each.nbytes for each in tensors)


def _own_storage(state: State) -> State:
    """Copy tensors that are views of larger ones: a view would hold all of the larger one in memory."""

    def own(x: Tensor) -> Tensor:
        return x if x.untyped_storage().nbytes() == x.nbytes else x.clone()

    return State(own(state.stream), tuple(map(own, state.branch)))


def item_bytes(engine: Engine) -> int:
    """Bytes of one spike in the engine."""
    return 1 if engine.name == "event_driven" else engine.supernet.head.weight.element_size()
