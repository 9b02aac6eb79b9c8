"""Measures subnets of a supernet: BatchNorm statistics of each subnet's own, exact counts, accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import Engine
from autospikformer_cli.engine.tally import Tally, Untallied
from autospikformer_cli.evaluation.counting import Counter
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import num_params, operations
from autospikformer_cli.spiking.normalisation import (
    EPS,
    BatchStatistics,
    FixedStatistics,
    RecordedStatistics,
    RunningStatistics,
    Statistics,
)
from autospikformer_cli.spiking.supernet import Supernet


@dataclass(frozen=True)
class Predictions:
    """Logits of every image, with its label and its place in the data set: (images, classes), (images,) twice."""

    logits: Tensor
    labels: Tensor
    index: Tensor


class Result(NamedTuple):
    """A subnet's measurement, and its predictions."""

    measurement: Measurement
    predictions: Predictions


@dataclass(frozen=True)
class Evaluator:
    """Evaluates subnets of the engine's supernet, one at a time.

    With the event-driven engine a result depends on subnet, weights, images and precision alone; with the dense one a
    sum that the batch size or the number of threads round otherwise may flip a spike.

    batchnorm: "recalibrate" measures each subnet's statistics on the calibration images, "running" takes those of
    training and needs no calibration images, nor does "batch", which takes those of each evaluated batch in every layer
    that subnets slice (then a result depends on the batch size).
    """

    engine: Engine
    description: DataDescription
    calibration: ImageSet | None
    batchnorm: Literal["recalibrate", "running", "batch"]
    batch: int

    @property
    def supernet(self) -> Supernet:
        """Whose subnets are evaluated."""
        return self.engine.supernet

    @torch.no_grad()
    def measure(self, subnet: Subnet, images: ImageSet, advance: Callable[[int], None] = lambda images: None) -> Result:
        """Accuracy and counts of a subnet on a split. advance is told the images done."""
        statistics = self.statistics(subnet)
        shape = self.supernet.config.shape
        counter = Counter(operations(shape, subnet))
        logits = self.logits(subnet, images, statistics, counter, advance)
        predictions = Predictions(logits, images.labels, images.index)
        measurement = Measurement(
            correct=int((predictions.logits.argmax(-1) == images.labels).sum()),
            images=len(images.labels),
            params=num_params(shape, subnet),
            inputs=counter.inputs(),
            spikes=counter.emitted(),
            synapses=counter.executed(),
            silent_channels=silent_channels(statistics),
            non_finite=_non_finite(predictions.logits, statistics),
        )
        return Result(measurement, predictions)

    def measure_many(
        self, subnets: Sequence[Subnet], images: ImageSet, advance: Callable[[int], None] = lambda subnets: None
    ) -> Iterator[dict[Subnet, Result]]:
        """Results of distinct subnets, part by part, each as `measure` gives it. advance is told the subnets done."""
        for subnet in subnets:
            yield {subnet: self.measure(subnet, images)}
            advance(1)

    @torch.no_grad()
    def logits(
        self,
        subnet: Subnet,
        images: ImageSet,
        statistics: Statistics,
        tally: Tally | None = None,
        advance: Callable[[int], None] = lambda images: None,
    ) -> Tensor:
        """Logits (images, classes) of a subnet on a split."""
        logits = []
        batch = None if self.batchnorm == "batch" else self.batch
        for frames_FBHWC in self._frames(images):
            made = self.engine.logits(frames_FBHWC, subnet, statistics, tally or Untallied(), batch)
            logits.append(made.cpu())
            advance(frames_FBHWC.shape[1])
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
        if self.calibration is None:
            raise ValueError("recalibration needs calibration images")
        recorded = RecordedStatistics()
        self.engine.logits(self._to_frames(self.calibration.images), subnet, recorded, Untallied())
        return FixedStatistics(recorded.by_layer)

    @torch.no_grad()
    def embedding_rates(self, subnet: Subnet, images: ImageSet) -> Tensor:
        """Channels' mean values over time behind the stem, scaled to 0..1: (images, D, rows, columns)."""
        statistics = self.statistics(subnet)
        side = self.supernet.config.shape.stage_size(5)
        maps = [
            self.supernet.embed(frames, subnet, self.engine.forward_pass(subnet, statistics, Untallied()))
            for frames in self._frames(images)
        ]
        rates = [tokens_TBND.double().mean(0).unflatten(1, (side, side)) / 2 for tokens_TBND in maps]
        return torch.cat(rates).permute(0, 3, 1, 2).cpu()

    def _frames(self, images: ImageSet) -> Iterator[Tensor]:
        for batch in images.images.split(self.batch):
            yield self._to_frames(batch)

    def _to_frames(self, images: Tensor) -> Tensor:
        parameter = next(self.supernet.parameters())
        return to_frames(images, self.description, parameter.device, parameter.dtype)


def _non_finite(logits: Tensor, statistics: Statistics) -> int:
    """Images with a logit that is no number; all, where a layer's moments are none (its neurons would hide it)."""
    if isinstance(statistics, FixedStatistics):
        moments = (moment for layer in statistics.by_layer.values() for moment in layer)
        if not all(bool(moment.isfinite().all()) for moment in moments):
            return len(logits)
    return int((~logits.isfinite()).any(-1).sum())


def silent_channels(statistics: Statistics) -> int:
    """Channels whose recalibrated variance is below BatchNorm's eps; 0 where statistics are not the subnet's own."""
    if not isinstance(statistics, FixedStatistics):
        return 0
    return sum(int((moments.variance < EPS).sum()) for moments in statistics.by_layer.values())
