"""One walk over a tree of stages, depth first: every node is computed once, from what its parent gave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from torch import Tensor

from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import Integers, Synapses, Tally, Untallied, Values
from autospikformer_cli.evaluation.tree import StageGroup, TreeNode
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.normalisation import FixedStatistics, RecordedStatistics, Statistics
from autospikformer_cli.spiking.stages import Fire, State

NO_STATISTICS = FixedStatistics({})
"""Of stages without BatchNorm."""


Reached = Callable[[TreeNode, Tensor], None]


class Walk:
    """Executes the stages of a tree on a batch of images.

    statistics: of a group; None to measure those of the batch, keep them in the group, and count nothing. reached:
    takes what comes out where subnets end; None where nothing is wanted but statistics. memory: bytes of spikes that
    may wait at once, as far as settings of neurons can be computed one after the other. images: the first so many of
    the batch count; None: all.
    """

    def __init__(
        self,
        engine: Engine,
        statistics: Callable[[StageGroup], Statistics] | None,
        reached: Reached | None,
        memory: int,
        images: int | None = None,
    ) -> None:
        self.engine, self.statistics, self.reached = engine, statistics, reached
        self.memory, self.images = memory, images
        self._waiting = 0

    def below(self, root: TreeNode, state: State) -> None:
        """Execute all that is below a node, from the state behind it."""
        running = [self._behind(root, state)]
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
                    running.append(self._behind(node, state))
                del step, state  # what waits is held where it waits, and nowhere else

    def _behind(self, node: TreeNode, state: State) -> Iterator[tuple[TreeNode, State]]:
        groups = list(node.groups.values())
        waiting = _bytes(state.branch or (state.stream,))
        self._waiting += waiting
        for group in groups:
            children = self._needed(group)
            while True:
                now, children = self._at_once(group, children, state)
                executed = self._executed(group, now, state)
                if group is groups[-1] and not children:
                    del state
                    self._waiting -= waiting
                yield from executed
                if not children:
                    break

    def _needed(self, group: StageGroup) -> list[TreeNode]:
        """The children to execute: without results only those that lead to statistics."""
        children = list(group.children.values())
        return children if self.reached else [child for child in children if child.measures_below()]

    def _at_once(
        self, group: StageGroup, children: list[TreeNode], state: State
    ) -> tuple[list[TreeNode], list[TreeNode]]:
        """The children that are executed now, and those for whose spikes there is no memory beside them."""
        first = next(iter(group.children))
        if not isinstance(first, Fire):
            return children, []
        positions, layers = state.read[0, ..., 0].numel(), len(first.layers)
        memory, settings = self.memory - self._waiting, set[Neuron]()
        now, later = list[TreeNode](), list[TreeNode]()
        for child in children:
            fire: Fire = child.stage  # type: ignore[assignment]
            if fire.neuron not in settings and not later:
                memory -= positions * layers * child.time_step * _widest(group) * item_bytes(self.engine)
                if not settings or memory >= 0:
                    settings.add(fire.neuron)
            (now if fire.neuron in settings else later).append(child)
        return now, later

    def _executed(self, group: StageGroup, children: list[TreeNode], state: State) -> Iterator[tuple[TreeNode, State]]:
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
        """One pass for all: of the widest layers, whose first channels are what narrower ones give."""
        widest, layers, neurons = _widest(group), first.layers, _neurons(children)
        example, told = _deepest(children or list(group.children.values())), _Told()
        state = _first(state, example.time_step)
        run = self.engine.forward_pass(example, self._statistics(group), told, self.images)
        spikes = run.fire(layers, state.read, widest, neurons)
        waiting = sum(map(_bytes, spikes))
        self._waiting += waiting
        for child in children:
            fire: Fire = child.stage  # type: ignore[assignment]
            setting, counts = neurons.index(fire.neuron), self._counts(child)
            told.input_to(counts, child.time_step, fire.outputs, widest)
            fired = tuple(each[: child.time_step] for each in spikes[setting])
            if fire.outputs == widest:
                told.spikes_to(counts, child.time_step, setting)
            else:
                run = self.engine.forward_pass(example, NO_STATISTICS, counts, self.images)
                fired = tuple(run.narrow(*each, fire.outputs) for each in zip(layers, fired, strict=True))
            behind = fire.after(_first(state, child.time_step), fired)
            del fired
            if child is children[-1]:
                del state, spikes
                behind = _alone(behind)
                self._waiting -= waiting
            yield child, behind
            del behind

    def _counts(self, node: TreeNode) -> Tally:
        return node.counts if self.statistics else Untallied()

    def _statistics(self, group: StageGroup) -> Statistics:
        if self.statistics is not None:
            return self.statistics(group)
        return FixedStatistics(group.moments) if group.moments else RecordedStatistics(group.moments)


class _Told:
    """A tally that keeps what one pass of the engine tells of several settings."""

    def __init__(self) -> None:
        self._read: list[tuple[str, int, Values | None]] = []
        self._executed: list[tuple[str, Synapses]] = []
        self._emitted: dict[str, tuple[list[Integers], int]] = {}

    def reads(self, layer: str, size: int, values: Values | None) -> None:
        """A layer read an input."""
        self._read.append((layer, size, values))

    def executes(self, operation: str, synapses: Synapses) -> None:
        """An operation was executed."""
        self._executed.append((operation, synapses))

    def emits(self, layer: str, spikes_ST: Integers, neurons: int) -> None:
        """A layer's neurons emitted spikes, of one setting or several."""
        rows, _ = self._emitted.setdefault(layer, ([], neurons))
        rows.extend(spikes_ST)

    def input_to(self, counts: Tally, time_step: int, outputs: int, of: int) -> None:
        """Tell what was read in the first so many steps, and done for the first outputs of so many."""
        for layer, size, values in self._read:
            first = values and Values(values.sums[:time_step], values.nonzeros[:time_step])
            counts.reads(layer, size, first)
        for operation, (events, passes) in self._executed:
            first_events, first_passes = (each[:time_step] // of * outputs for each in (events, passes))
            counts.executes(operation, Synapses(first_events, first_passes))

    def spikes_to(self, counts: Tally, time_step: int, setting: int) -> None:
        """Tell the spikes of one setting in the first so many steps."""
        for layer, (rows, neurons) in self._emitted.items():
            counts.emits(layer, rows[setting][None, :time_step], neurons)


def _widest(group: StageGroup) -> int:
    return max(stage.outputs for stage in group.children if isinstance(stage, Fire))


def _neurons(children: Sequence[TreeNode]) -> list[Neuron]:
    """Their settings, each once."""
    return list(dict.fromkeys(child.stage.neuron for child in children))  # type: ignore[union-attr]


def _deepest(nodes: Sequence[TreeNode]) -> Subnet:
    """One of their subnets with the most time steps."""
    return max((node.example for node in nodes), key=lambda subnet: subnet.time_step)


def _first(state: State, time_step: int) -> State:
    """The first steps; frames that are the same at every step stay."""
    if len(state.stream) <= time_step:
        return state
    return State(state.stream[:time_step], tuple(each[:time_step] for each in state.branch))


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(each.nbytes for each in tensors)


def _alone(state: State) -> State:
    """Without what its tensors are parts of: that would stay in memory with them."""

    def own(x: Tensor) -> Tensor:
        return x if x.untyped_storage().nbytes() == x.nbytes else x.clone()

    return State(own(state.stream), tuple(map(own, state.branch)))


def item_bytes(engine: Engine) -> int:
    """Of one spike."""
    return 1 if engine.name == "event_driven" else engine.supernet.head.weight.element_size()
