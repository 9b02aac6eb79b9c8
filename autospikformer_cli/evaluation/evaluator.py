"""Measures subnets of a supernet: accuracy and exact counts, with each subnet's own BatchNorm statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.machine_memory import told_if_too_small
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.evaluation.stems import (
    Cached,
    CachedNumbers,
    CachedSpikes,
    SpikesOnDevice,
    Stem,
    StemCache,
    StemKey,
)
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
"""Bytes of spikes that an evaluation may cache or hold back."""
MEMORY_KEYS = ("model.evaluation_batch", "model.evaluation_memory", "model.calibration_images")
"""Of a recipe: what decides how much memory an evaluation needs."""
SMALLEST_SUBNET_BATCH = 4
"""Subnets measured together, at least."""
IMAGES_A_SUBNET_BATCH = 24_000
"""Images, with those of the calibration, times subnets."""

Advance = Callable[[int], None]


@dataclass(frozen=True)
class Predictions:
    """The network's answers to every image.

    logits: (images, classes).
    labels, index: (images,), the right class and the place in the data set.
    """

    logits: Tensor
    labels: Tensor
    index: Tensor


class SubnetResult(NamedTuple):
    """A subnet's measurement and its predictions."""

    measurement: Measurement
    predictions: Predictions


@dataclass(frozen=True)
class Evaluator:
    """Evaluates subnets of the engine's supernet, in one walk over the tree of what they share.

    With the event-driven engine, a result depends only on the subnet, weights, images and precision, never on the other
    subnets. With the dense engine, the batch size or the number of threads may round a sum otherwise and flip a spike.

    batchnorm: "recalibrate" measures each subnet's statistics on the calibration images. "running" takes those of
    training. "batch" takes those of each evaluated batch in every layer that subnets slice: results then depend on the
    batch size. Only "recalibrate" needs calibration images.
    batch: images at once.
    memory: bytes of spikes that may be cached and wait at once. A soft limit: one stem and one setting always fit.
    """

    engine: Engine
    description: DataDescription
    calibration: ImageSet | None
    batchnorm: Literal["recalibrate", "running", "batch"]
    batch: int
    memory: int = DEFAULT_MEMORY
    stems: StemCache = field(default_factory=StemCache, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Raises ValueError for recalibration without images: a caller's error."""
        if self.batchnorm == "recalibrate" and self.calibration is None:
            raise ValueError("recalibration needs calibration images")

    @property
    def _budget(self) -> MemoryBudget:
        return memory_budget(self.memory)

    @property
    def supernet(self) -> Supernet:
        """The supernet whose subnets are evaluated."""
        return self.engine.supernet

    def measure(self, subnet: Subnet, images: ImageSet, advance: Advance = lambda images: None) -> SubnetResult:
        """Accuracy and counts of a subnet on a split. advance: called with the number of images done."""
        (results,) = self.measure_many([subnet], images, advance)
        return results[subnet]

    def measure_many(
        self, subnets: Sequence[Subnet], images: ImageSet, advance: Advance = lambda images: None
    ) -> Iterator[dict[Subnet, SubnetResult]]:
        """Results of distinct subnets, batch by batch. Each is what it would be alone.

        advance: called with the number of images done, times subnets.
        """
        ordered = in_order(subnets)
        if self.stems.turn():
            ordered.reverse()
        for batch in subnet_batches(ordered, len(images) + len(self.calibration or ())):
            by_step: dict[int, list[Subnet]] = {}
            for subnet in batch:
                by_step.setdefault(self._computed_steps(subnet, batch), []).append(subnet)
            results: dict[Subnet, SubnetResult] = {}
            for time_step, same_steps in by_step.items():
                for together in self._within_budget(same_steps, time_step, len(images)):
                    with told_if_too_small("an evaluation", *MEMORY_KEYS):
                        results |= self._measure(together, time_step, images, advance)
            yield {subnet: results[subnet] for subnet in batch}

    def _within_budget(self, subnets: Sequence[Subnet], time_step: int, images: int) -> Iterator[list[Subnet]]:
        """Split subnets into lists whose stems fit in the budget together. Each list has at least one dimension."""
        by_dim: dict[int, list[Subnet]] = {}
        for subnet in subnets:
            by_dim.setdefault(subnet.embed_dim, []).append(subnet)
        together, needed = list[Subnet](), 0
        for dim, same_dim in by_dim.items():
            size = self._stem_bytes(dim, time_step, images)
            if together and needed + size > self._budget.stems:
                yield together
                together, needed = [], 0
            together, needed = together + same_dim, needed + size
        yield together

    def _computed_steps(self, subnet: Subnet, batch: Sequence[Subnet]) -> int:
        """A subnet's time steps, or the most of all subnets if its own are the first of theirs to the last bit."""
        # Moments are sums over all time steps, and other steps read other frames of events.
        reads_events = self.supernet.config.shape.reads_events
        alone = self.batchnorm != "running" or self.engine.batch_matters or reads_events
        return subnet.time_step if alone else max(each.time_step for each in batch)

    @torch.no_grad()
    def _measure(
        self, subnets: Sequence[Subnet], time_step: int, images: ImageSet, advance: Advance
    ) -> dict[Subnet, SubnetResult]:
        """Results of subnets that are computed with the same time steps."""
        stems = self._stems_of(subnets, time_step, images)
        trees = {dim: self._encoder_tree(subnets, dim) for dim in stems}
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
        """A walk for one batch, with the configured statistics."""

        def statistics(group: StageGroup) -> Statistics:
            return RunningStatistics() if self.batchnorm == "running" else FixedStatistics(group.moments)

        def unpadded(node: TreeNode, x: Tensor) -> None:
            reached(node, x[:images] if x.ndim == 2 else x[:, :images])

        chosen = (lambda group: BatchStatistics()) if self.batchnorm == "batch" else statistics
        return Walk(self.engine, chosen, unpadded, self._budget.waiting, images if self._pads else None)

    def _calibrate(self, tree: TreeNode, stem: Stem) -> None:
        """Measure every layer's moments: those of its input after all earlier layers are recalibrated."""
        assert self.calibration is not None
        assert stem.calibration is not None
        tokens = stem.calibration.batch(0, len(self.calibration), tree.time_step)
        Walk(self.engine, None, None, self._budget.waiting).below(tree, State(tokens))

    def _encoder_tree(self, subnets: Sequence[Subnet], dim: int) -> TreeNode:
        """The tree of the subnets with one dimension, without their stem."""
        chosen = [subnet for subnet in subnets if subnet.embed_dim == dim]
        return grow(((each, self.supernet.encoder_stages(each)) for each in chosen), not self.engine.batch_matters)

    def _stems_of(self, subnets: Sequence[Subnet], time_step: int, images: ImageSet) -> dict[int, Stem]:
        """The stems that subnets need, by dimension. Those not in the cache are computed together."""
        self.stems.begin(images)
        dims = list(dict.fromkeys(subnet.embed_dim for subnet in subnets))
        keys = {dim: StemKey(time_step, dim) for dim in dims}
        missing = [dim for dim, key in keys.items() if key not in self.stems]
        if missing:
            examples = {each.embed_dim: each for each in subnets}
            sizes = {dim: self._stem_bytes(dim, time_step, len(images)) for dim in missing}
            self.stems.evict(self._budget.stems - sum(sizes.values()), keys.values())
            made = self._run_stems([with_steps(examples[dim], time_step) for dim in missing], images)
            for dim, stem in made.items():
                self.stems.add(keys[dim], stem, sizes[dim])
        return {dim: self.stems.get(key) for dim, key in keys.items()}

    def _stem_bytes(self, dim: int, time_step: int, images: int) -> int:
        """Bytes of one stem in the cache."""
        calibration = len(self.calibration) if self.batchnorm == "recalibrate" and self.calibration else 0
        item_bytes = self.supernet.head.weight.element_size()
        return stem_bytes(self.supernet.config.shape, dim, time_step, images + calibration, item_bytes)

    def _run_stems(self, subnets: Sequence[Subnet], images: ImageSet) -> dict[int, Stem]:
        """Compute the stems of subnets that differ in dimension only."""
        stem, time_step = self.supernet.patch_embed, subnets[0].time_step
        tree = grow(((each, stem.stages(each.embed_dim)) for each in subnets), not self.engine.batch_matters)
        nodes = {each.embed_dim: node for node in tree.leaves() for each in node.subnets}
        kind: type[Cached] = CachedSpikes if self._device.type == "cpu" else SpikesOnDevice
        if self.supernet.config.shape.network != "spikformer":
            kind = CachedNumbers
        calibration: dict[TreeNode, Cached] = {}
        if self.batchnorm == "recalibrate" and self.calibration is not None:
            calibration = {node: kind(len(self.calibration)) for node in nodes.values()}
            frames = self.supernet.read_frames(self._to_frames(self.calibration.images[:]), time_step)
            walk = Walk(self.engine, None, lambda node, x: calibration[node].append(x), self._budget.waiting)
            walk.below(tree, State(frames))
        cached = {node: kind(len(images)) for node in nodes.values()}
        for frames in self._frames(images):
            read = self.supernet.read_frames(frames, time_step)
            walk = self._walk(lambda node, x: cached[node].append(x), frames.shape[1])
            walk.below(tree, State(self._padded(read, axis=1)))
        return {dim: Stem(node, cached[node], calibration.get(node)) for dim, node in nodes.items()}

    @property
    def _pads(self) -> bool:
        """Whether a last batch is filled up to the full size."""
        return self.engine.batch_matters and self.batchnorm != "batch"

    def _padded(self, x: Tensor, axis: int) -> Tensor:
        """Fill up a batch with zeros if last bits depend on its size."""
        missing = self.batch - x.shape[axis] if self._pads else 0
        return functional.pad(x, [0, 0] * (x.ndim - 1 - axis) + [0, missing]) if missing else x

    def _result(self, subnet: Subnet, node: TreeNode, stem: TreeNode, logits: Tensor, images: ImageSet) -> SubnetResult:
        """What the counters, moments and logits on the path to a leaf say of one subnet."""
        shape = self.supernet.config.shape
        steps = 1 if shape.network == "transformer" else subnet.time_step
        path = [*stem.path(), *node.path()]
        moments = [each for passed in path for _, each in passed.moments()]
        counter = Counter.joined(passed.counts for passed in path).on_host()
        silent, finite = moment_facts(moments)
        logits = logits.cpu()
        right = logits.argmax(-1) == images.labels
        measurement = Measurement(
            correct=int(right.sum()),
            images=len(images.labels),
            params=num_params(shape, subnet),
            inputs=counter.inputs(operations(shape, subnet), steps),
            spikes=counter.emitted(steps),
            synapses=counter.executed(steps),
            silent_channels=silent,
            non_finite=int((~logits.isfinite()).any(-1).sum()) if finite else len(logits),
            answers=np.packbits(right.numpy()).tobytes(),
        )
        return SubnetResult(measurement, Predictions(logits, images.labels, images.index))

    @torch.no_grad()
    def logits(
        self, subnet: Subnet, images: ImageSet, statistics: Statistics, advance: Advance = lambda images: None
    ) -> Tensor:
        """Logits (images, classes) of a subnet on a split, with given statistics."""
        logits = []
        for frames_FBHWC in self._frames(images):
            num = frames_FBHWC.shape[1]
            with told_if_too_small("an evaluation", MEMORY_KEYS[0]):
                made = self.engine.logits(self._padded(frames_FBHWC, axis=1), subnet, statistics, Untallied())
            logits.append(made[:num])
            advance(num)
        return torch.cat(logits).cpu()

    @torch.no_grad()
    def statistics(self, subnet: Subnet) -> Statistics:
        """Where the subnet's BatchNorm moments come from. Recalibration runs the calibration images once, as one batch.

        It measures every layer's moments after all earlier layers are recalibrated.
        """
        if self.batchnorm == "running":
            return RunningStatistics()
        if self.batchnorm == "batch":
            return BatchStatistics()
        assert self.calibration is not None
        recorded = RecordedStatistics()
        with told_if_too_small("a recalibration", *MEMORY_KEYS[2:]):
            self.engine.logits(self._to_frames(self.calibration.images[:]), subnet, recorded, Untallied())
        return FixedStatistics(recorded.by_layer)

    @torch.no_grad()
    def embedding_rates(self, subnet: Subnet, images: ImageSet) -> Tensor:
        """Mean values over time of the stem's output channels, scaled to 0..1: (images, D, rows, columns)."""
        side = self.supernet.config.shape.stage_size(5)
        tokens = self._stems_of([subnet], subnet.time_step, images)[subnet.embed_dim].images
        batches = range(0, len(images), self.batch)
        maps = (tokens.batch(first, min(first + self.batch, len(images)), subnet.time_step) for first in batches)
        rates = [tokens_TBND.double().mean(0).unflatten(1, (side, side)) / 2 for tokens_TBND in maps]
        return torch.cat(rates).permute(0, 3, 1, 2).cpu()

    def _frames(self, images: ImageSet) -> Iterator[Tensor]:
        for batch in images.images.split(self.batch):
            yield self._to_frames(batch)

    def _to_frames(self, images: Tensor) -> Tensor:
        return to_frames(images, self.description, self._device, next(self.supernet.parameters()).dtype)

    @property
    def _device(self) -> torch.device:
        return self.supernet.head.weight.device


def subnet_batches(ordered: Sequence[Subnet], images: int) -> Iterator[Sequence[Subnet]]:
    """Cut ordered subnets into batches. A power failure can lose one batch at most."""
    size = max(SMALLEST_SUBNET_BATCH, IMAGES_A_SUBNET_BATCH // max(images, 1))
    for first in range(0, len(ordered), size):
        yield ordered[first : first + size]


def moment_facts(moments: Sequence[Moments]) -> tuple[int, bool]:
    """Silent channels, and whether all moments are finite. If they are not, the layer's neurons hide it.

    A recalibrated channel is silent if its variance is below BatchNorm's eps. It is 0 and True if the statistics are
    not the subnet's own.
    """
    if not moments:
        return 0, True
    silent = torch.stack([(each.variance < EPS).sum() for each in moments]).sum()
    finite = torch.stack([number.isfinite().all() for each in moments for number in each]).all()
    found = torch.stack([silent, finite.to(silent.dtype)]).cpu()  # one wait for a GPU
    return int(found[0]), bool(found[1])
