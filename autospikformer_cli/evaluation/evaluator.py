"""Measures subnets of a supernet: BatchNorm statistics of each subnet's own, exact counts, accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.evaluation.stems import Kept, KeptNumbers, KeptSpikes, Stem, StemKey, StemStore
from autospikformer_cli.evaluation.tree import StageGroup, TreeNode, grow, in_order, with_steps
from autospikformer_cli.evaluation.walk import Reached, Walk
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import num_params, operations
from autospikformer_cli.spiking.memory import MemoryBudget, memory_budget, stem_bytes
from autospikformer_cli.spiking.normalisation import (
    EPS,
    BatchStatistics,
    FixedStatistics,
    Moments,
    RecordedStatistics,
    RunningStatistics,
    Statistics,
)
from autospikformer_cli.spiking.stages import State
from autospikformer_cli.spiking.supernet import Supernet

DEFAULT_MEMORY = 5 * 10**8
SMALLEST_PART = 4
IMAGES_A_PART = 24_000
"""Images, those of the calibration too, times subnets."""

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Predictions:
    """Logits of every image, with its label and its place in the data set: (images, classes), (images,) twice."""

    logits: Tensor
    labels: Tensor
    index: Tensor


class SubnetResult(NamedTuple):
    """A subnet's measurement, and its predictions."""

    measurement: Measurement
    predictions: Predictions


@dataclass(frozen=True)
class Evaluator:
    """Evaluates subnets of the engine's supernet, in one walk over the tree of what they share.

    With the event-driven engine a result depends on subnet, weights, images and precision alone, never on the subnets
    beside it; with the dense one a sum that the batch size or the number of threads round otherwise may flip a spike.

    batchnorm: "recalibrate" measures each subnet's statistics on the calibration images, "running" takes those of
    training and needs no calibration images, nor does "batch", which takes those of each evaluated batch in every layer
    that subnets slice (then a result depends on the batch size). batch: images at once. memory: bytes of spikes that
    may be kept and wait at once, as far as the order of the work decides it.
    """

    engine: Engine
    description: DataDescription
    calibration: ImageSet | None
    batchnorm: Literal["recalibrate", "running", "batch"]
    batch: int
    memory: int = DEFAULT_MEMORY
    stems: StemStore = field(default_factory=StemStore, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Recalibration without images is a caller's error (ValueError)."""
        if self.batchnorm == "recalibrate" and self.calibration is None:
            raise ValueError("recalibration needs calibration images")

    @property
    def _room(self) -> MemoryBudget:
        return memory_budget(self.memory)

    @property
    def supernet(self) -> Supernet:
        """Whose subnets are evaluated."""
        return self.engine.supernet

    def measure(self, subnet: Subnet, images: ImageSet, advance: Advance = lambda images: None) -> SubnetResult:
        """Accuracy and counts of a subnet on a split. advance is told the images done."""
        (results,) = self.measure_many([subnet], images, advance)
        return results[subnet]

    def measure_many(
        self, subnets: Sequence[Subnet], images: ImageSet, advance: Advance = lambda images: None
    ) -> Iterator[dict[Subnet, SubnetResult]]:
        """Results of distinct subnets, part by part, each as it would be alone. advance is told images, by subnet."""
        ordered = in_order(subnets)
        if self.stems.turn():
            ordered.reverse()
        for part in parts(ordered, len(images) + len(self.calibration or ())):
            by_step: dict[int, list[Subnet]] = {}
            for subnet in part:
                by_step.setdefault(self._computed_steps(subnet, part), []).append(subnet)
            results: dict[Subnet, SubnetResult] = {}
            for time_step, group in by_step.items():
                for together in self._with_room_for_stems(group, time_step, len(images)):
                    results |= self._measure(together, time_step, images, advance)
            yield {subnet: results[subnet] for subnet in part}

    def _with_room_for_stems(self, subnets: Sequence[Subnet], time_step: int, images: int) -> Iterator[list[Subnet]]:
        """Subnets in groups whose stems fit in memory together, of one dimension at least."""
        by_dim: dict[int, list[Subnet]] = {}
        for subnet in subnets:
            by_dim.setdefault(subnet.embed_dim, []).append(subnet)
        together, needed = list[Subnet](), 0
        for dim, group in by_dim.items():
            size = self._stem_bytes(dim, time_step, images)
            if together and needed + size > self._room.stems:
                yield together
                together, needed = [], 0
            together, needed = together + group, needed + size
        yield together

    def _computed_steps(self, subnet: Subnet, part: Sequence[Subnet]) -> int:
        """A subnet's time steps, or the most of all where its own are the first of theirs, to the last bit."""
        reads_events = self.supernet.config.shape.reads_events
        alone = self.batchnorm != "running" or self.engine.batch_matters or reads_events
        return subnet.time_step if alone else max(each.time_step for each in part)

    @torch.no_grad()
    def _measure(
        self, subnets: Sequence[Subnet], time_step: int, images: ImageSet, advance: Advance
    ) -> dict[Subnet, SubnetResult]:
        stems = self._stems_of(subnets, time_step, images)
        trees = {dim: self._encoders(subnets, dim) for dim in stems}
        if self.batchnorm == "recalibrate":
            for dim, tree in trees.items():
                self._calibrate(tree, stems[dim])
        logits: dict[TreeNode, list[Tensor]] = {}
        for first in range(0, len(images), self.batch):
            last = min(first + self.batch, len(images))
            for dim, tree in trees.items():
                tokens = self._padded(stems[dim].images.batch(first, last, tree.time_step), axis=1)
                self._walk(lambda node, made: logits.setdefault(node, []).append(made), last - first).below(
                    tree, State(tokens)
                )
            advance((last - first) * len(subnets))
        results: dict[Subnet, SubnetResult] = {}
        for dim, tree in trees.items():
            for node in tree.leaves():
                of_node = torch.cat(logits.pop(node))
                for subnet in node.subnets:
                    results[subnet] = self._result(subnet, node, stems[dim].node, of_node, images)
        return results

    def _walk(self, reached: Reached, images: int) -> Walk:
        """Of a batch, with the statistics asked for."""

        def statistics(group: StageGroup) -> Statistics:
            return RunningStatistics() if self.batchnorm == "running" else FixedStatistics(group.moments)

        def kept(node: TreeNode, x: Tensor) -> None:
            reached(node, x[:images] if x.ndim == 2 else x[:, :images])

        chosen = (lambda group: BatchStatistics()) if self.batchnorm == "batch" else statistics
        return Walk(self.engine, chosen, kept, self._room.waiting, images if self._pads else None)

    def _calibrate(self, tree: TreeNode, stem: Stem) -> None:
        """Measure every layer's moments: those of its input under the layers before it, already recalibrated."""
        assert self.calibration is not None
        assert stem.calibration is not None
        tokens = stem.calibration.batch(0, len(self.calibration), tree.time_step)
        Walk(self.engine, None, None, self._room.waiting).below(tree, State(tokens))

    def _encoders(self, subnets: Sequence[Subnet], dim: int) -> TreeNode:
        chosen = [subnet for subnet in subnets if subnet.embed_dim == dim]
        return grow(((each, self.supernet.encoder_stages(each)) for each in chosen), not self.engine.batch_matters)

    def _stems_of(self, subnets: Sequence[Subnet], time_step: int, images: ImageSet) -> dict[int, Stem]:
        """The stems that subnets need, by dimension; those that are not kept are computed together."""
        self.stems.begin(images)
        dims = list(dict.fromkeys(subnet.embed_dim for subnet in subnets))
        keys = {dim: StemKey(time_step, dim) for dim in dims}
        missing = [dim for dim, key in keys.items() if key not in self.stems]
        if missing:
            examples = {each.embed_dim: each for each in subnets}
            sizes = {dim: self._stem_bytes(dim, time_step, len(images)) for dim in missing}
            self.stems.give_up(self._room.stems - sum(sizes.values()), keys.values())
            made = self._run_stems([with_steps(examples[dim], time_step) for dim in missing], images)
            for dim, stem in made.items():
                self.stems.add(keys[dim], stem, sizes[dim])
        return {dim: self.stems.get(key) for dim, key in keys.items()}

    def _stem_bytes(self, dim: int, time_step: int, images: int) -> int:
        calibration = len(self.calibration) if self.batchnorm == "recalibrate" and self.calibration else 0
        item_bytes = self.supernet.head.weight.element_size()
        return stem_bytes(self.supernet.config.shape, dim, time_step, images + calibration, item_bytes)

    def _run_stems(self, subnets: Sequence[Subnet], images: ImageSet) -> dict[int, Stem]:
        """The stems of subnets that differ in dimension alone."""
        stem, time_step = self.supernet.patch_embed, subnets[0].time_step
        tree = grow(((each, stem.stages(each.embed_dim)) for each in subnets), not self.engine.batch_matters)
        nodes = {each.embed_dim: node for node in tree.leaves() for each in node.subnets}
        kind = KeptSpikes if self.supernet.config.shape.network == "spikformer" else KeptNumbers
        calibration: dict[TreeNode, Kept] = {}
        if self.batchnorm == "recalibrate" and self.calibration is not None:
            calibration = {node: kind(len(self.calibration)) for node in nodes.values()}
            frames = self.supernet.read_frames(self._to_frames(self.calibration.images), time_step)
            keep = Walk(self.engine, None, lambda node, x: calibration[node].append(x), self._room.waiting)
            keep.below(tree, State(frames))
        kept = {node: kind(len(images)) for node in nodes.values()}
        for frames in self._frames(images):
            read = self.supernet.read_frames(frames, time_step)
            walk = self._walk(lambda node, x: kept[node].append(x), frames.shape[1])
            walk.below(tree, State(self._padded(read, axis=1)))
        return {dim: Stem(node, kept[node], calibration.get(node)) for dim, node in nodes.items()}

    @property
    def _pads(self) -> bool:
        """Whether a last batch is computed as a whole one."""
        return self.engine.batch_matters and self.batchnorm != "batch"

    def _padded(self, x: Tensor, axis: int) -> Tensor:
        """A batch of the usual size, where the last bits depend on it."""
        missing = self.batch - x.shape[axis] if self._pads else 0
        return functional.pad(x, [0, 0] * (x.ndim - 1 - axis) + [0, missing]) if missing else x

    def _result(self, subnet: Subnet, node: TreeNode, stem: TreeNode, logits: Tensor, images: ImageSet) -> SubnetResult:
        shape, steps = self.supernet.config.shape, subnet.time_step
        if shape.network == "transformer":
            steps = 1
        path = [*stem.path(), *node.path()]
        moments = [each for part in path for _, each in part.moments()]
        counter = Counter.joined(part.counts for part in path)
        logits = logits.cpu()
        measurement = Measurement(
            correct=int((logits.argmax(-1) == images.labels).sum()),
            images=len(images.labels),
            params=num_params(shape, subnet),
            inputs=counter.inputs(operations(shape, subnet), steps),
            spikes=counter.emitted(steps),
            synapses=counter.executed(steps),
            silent_channels=silent_channels(moments),
            non_finite=_non_finite(logits, moments),
        )
        return SubnetResult(measurement, Predictions(logits, images.labels, images.index))

    @torch.no_grad()
    def logits(
        self, subnet: Subnet, images: ImageSet, statistics: Statistics, advance: Advance = lambda images: None
    ) -> Tensor:
        """Logits (images, classes) of a subnet on a split, under given statistics."""
        logits = []
        for frames_FBHWC in self._frames(images):
            num = frames_FBHWC.shape[1]
            made = self.engine.logits(self._padded(frames_FBHWC, axis=1), subnet, statistics, Untallied())
            logits.append(made[:num].cpu())
            advance(num)
        return torch.cat(logits)

    @torch.no_grad()
    def statistics(self, subnet: Subnet) -> Statistics:
        """Where the subnet's BatchNorm moments come from; recalibration runs the calibration images once, as one batch.

        Every layer's moments are those of its input under the layers before it, already recalibrated.
        """
        if self.batchnorm == "running":
            return RunningStatistics()
        if self.batchnorm == "batch":
            return BatchStatistics()
        assert self.calibration is not None
        recorded = RecordedStatistics()
        self.engine.logits(self._to_frames(self.calibration.images), subnet, recorded, Untallied())
        return FixedStatistics(recorded.by_layer)

    @torch.no_grad()
    def embedding_rates(self, subnet: Subnet, images: ImageSet) -> Tensor:
        """Channels' mean values over time behind the stem, scaled to 0..1: (images, D, rows, columns)."""
        side = self.supernet.config.shape.stage_size(5)
        kept = self._stems_of([subnet], subnet.time_step, images)[subnet.embed_dim].images
        batches = range(0, len(images), self.batch)
        maps = (kept.batch(first, min(first + self.batch, len(images)), subnet.time_step) for first in batches)
        rates = [tokens_TBND.double().mean(0).unflatten(1, (side, side)) / 2 for tokens_TBND in maps]
        return torch.cat(rates).permute(0, 3, 1, 2).cpu()

    def _frames(self, images: ImageSet) -> Iterator[Tensor]:
        for batch in images.images.split(self.batch):
            yield self._to_frames(batch)

    def _to_frames(self, images: Tensor) -> Tensor:
        parameter = next(self.supernet.parameters())
        return to_frames(images, self.description, parameter.device, parameter.dtype)


def parts(ordered: Sequence[Subnet], images: int) -> Iterator[Sequence[Subnet]]:
    """Subnets in the order of what they share, no more together than can be lost when the power fails."""
    size = max(SMALLEST_PART, IMAGES_A_PART // max(images, 1))
    for first in range(0, len(ordered), size):
        yield ordered[first : first + size]


def _non_finite(logits: Tensor, moments: Iterable[Moments]) -> int:
    """Images with a logit that is no number; all, where a layer's moments are none (its neurons would hide it)."""
    if not all(bool(number.isfinite().all()) for each in moments for number in each):
        return len(logits)
    return int((~logits.isfinite()).any(-1).sum())


def silent_channels(moments: Iterable[Moments]) -> int:
    """Channels whose recalibrated variance is below BatchNorm's eps; 0 where statistics are not the subnet's own."""
    return sum(int((each.variance < EPS).sum()) for each in moments)
