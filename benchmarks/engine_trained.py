"""Both engines on a trained supernet: their speed at its real rates, and how far they agree in float32."""

from __future__ import annotations

from collections import Counter as Multiset
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from engine_network import BATCH, print_table, root_override, rotating_medians
from torch import Tensor

from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven, EventDrivenPass
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.engine.timing import StageTiming, time_stages
from autospikformer_cli.evaluation.evaluator import Evaluator
from autospikformer_cli.runs.trained_run import open_run
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.neuron import Neuron
from autospikformer_cli.spiking.passes import Attention, ForwardPass, Layer

IMAGES, IMAGES_TIMED, IMAGES_AT_ONCE, TIMED_PASSES = 1000, 256, 50, 5


@torch.no_grad()
def print_trained(path: Path, data_root: str | None, rounds: int) -> None:
    """Print the sections on a trained run's largest subnet."""
    overrides = () if data_root is None else (root_override(data_root),)
    run = open_run(path, overrides, searched=False, compute=own_process())
    subnet, images = run.recipe.space.search_space().largest(), run.images("test").first(IMAGES)
    shared = run.evaluator()
    evaluators = {
        "event_driven": replace(shared, engine=EventDriven(run.supernet, torch.get_num_threads())),
        "dense": replace(shared, engine=Dense(run.supernet)),
    }
    print(f"## The supernet trained by {run.recipe.name}, largest subnet {subnet}\n")
    _print_speed(evaluators, subnet, images.first(IMAGES_TIMED), rounds)
    event_driven = evaluators["event_driven"]
    frames = _frames(event_driven, images)[:, :BATCH]
    statistics = event_driven.statistics(subnet)
    print_stages(time_stages(event_driven.engine, [frames], subnet, statistics, TIMED_PASSES))
    _print_agreement(evaluators, subnet, images)


def _frames(evaluator: Evaluator, images: ImageSet) -> Tensor:
    """All images as the network reads them, (1, B, H, W, C)."""
    return to_frames(images.images, evaluator.description, "cpu", torch.float32)


def _print_speed(evaluators: dict[str, Evaluator], subnet: Subnet, images: ImageSet, rounds: int) -> None:
    """Images a second, counting as `aspk evaluate` does."""
    rows = []
    for batch in (BATCH, 2 * BATCH):
        alternatives = {}
        for name, evaluator in evaluators.items():
            used = replace(evaluator, batch=batch)
            alternatives[name] = lambda e=used: e.measure(subnet, images)
        seconds = rotating_medians(alternatives, rounds)
        speeds = [len(images) / each for each in seconds.values()]
        rows.append((batch, *(f"{each:.0f}" for each in speeds), f"{speeds[0] / speeds[1]:.2f}"))
    print_table(("batch", *(f"{name} (images/s)" for name in evaluators), "ratio"), rows)


def print_stages(stages: Sequence[StageTiming]) -> None:
    """Time by stage, each on the same input, with what the input is."""
    rows = []
    for each in stages:
        rates = ("" if rate is None else f"{rate:.3f}" for rate in (each.input_rate, each.nonzero_rate))
        ratio = each.dense_s / each.event_driven_s
        rows.append(
            (each.name, *rates, f"{each.event_driven_s * 1e3:.3f}", f"{each.dense_s * 1e3:.3f}", f"{ratio:.1f}")
        )
    header = ("stage", "mean input value", "share of non-zeros", "event_driven (ms an image)", "dense", "ratio")
    print_table(header, rows)


def _print_agreement(evaluators: dict[str, Evaluator], subnet: Subnet, images: ImageSet) -> None:
    chosen = [
        evaluator.logits(subnet, images, evaluator.statistics(subnet)).argmax(-1) for evaluator in evaluators.values()
    ]
    accuracies = ", ".join(
        f"{name} {(predicted == images.labels).double().mean():.1%}"
        for name, predicted in zip(evaluators, chosen, strict=True)
    )
    same = int((chosen[0] == chosen[1]).sum())
    met = "yes" if same >= 0.99 * len(images) else "no"
    print(f"End to end in float32, each engine with statistics that it measured: {same} of {len(images)} predictions")
    print(f"agree (at least 99 %: {met}); correct: {accuracies}.\n")
    flips = Flips.between(evaluators["event_driven"], subnet, images)
    met = "yes" if all(flips.staged[name] < 1e-6 * count for name, count in flips.neurons.items()) else "no"
    total = sum(flips.staged.values()) / sum(flips.neurons.values()) * 1e6
    print("Spikes that differ, a million neurons and steps, under the same statistics: of every stage fed the dense")
    print(f"reference's spikes (fewer than 1 in every layer: {met}; {total:.2f} in all), and end to end.\n")
    rows = []
    for name, count in flips.neurons.items():
        staged, end_to_end = flips.staged[name], flips.end_to_end[name]
        rows.append((name, count, staged, f"{staged / count * 1e6:.2f}", f"{end_to_end / count * 1e6:.1f}"))
    print_table(("layer", "neurons x steps", "flips", "flips (1e-6)", "end to end (1e-6)"), rows)


@dataclass(frozen=True)
class Flips:
    """Spikes that differ between the engines, by layer; neurons: all that could, neurons times steps."""

    staged: Multiset[str]
    end_to_end: Multiset[str]
    neurons: Multiset[str]

    @classmethod
    def between(cls, evaluator: Evaluator, subnet: Subnet, images: ImageSet) -> Flips:
        """Of an event-driven evaluator's engine and the dense reference."""
        flips, supernet = cls(Multiset(), Multiset(), Multiset()), evaluator.supernet
        statistics = evaluator.statistics(subnet)
        for frames in _frames(evaluator, images).split(IMAGES_AT_ONCE, dim=1):
            engine: EventDriven = evaluator.engine  # type: ignore[assignment]
            own = _Emitted(engine.forward_pass(subnet, statistics, Untallied()))
            supernet.run(frames, subnet, own)
            reference = _Emitted(supernet.in_torch(subnet, statistics))
            beside = engine.forward_pass(subnet, statistics, Untallied())
            supernet.run(frames, subnet, _StageByStage(reference, beside, flips.staged))
            for name, spikes in reference.spikes.items():
                flips.end_to_end[name] += int((spikes != own.spikes[name]).sum())
                flips.neurons[name] += spikes.numel()
        return flips


class _Emitted:
    """A forward pass that keeps what every layer emitted, as bytes."""

    def __init__(self, run: ForwardPass) -> None:
        self.run, self.pool, self.classify = run, run.pool, run.classify
        self.spikes: dict[str, Tensor] = {}

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """As ForwardPass, of one setting of neurons."""
        (fired,) = self.run.fire(layers, x, outputs, neurons)
        for layer, spikes in zip(layers, fired, strict=True):
            self.spikes[layer.norm.name] = spikes.to(torch.uint8)
        return [fired]

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """As ForwardPass."""
        spikes = self.run.attend(attention, q, k, v, heads, neuron)
        self.spikes[f"{attention.name}.attn"] = spikes.to(torch.uint8)
        return spikes


class _StageByStage:
    """The dense pass. Every event-driven stage is fed the same input besides, and its flips are added up."""

    def __init__(self, dense: _Emitted, sparse: EventDrivenPass, flips: Multiset[str]) -> None:
        self.dense, self.own, self.kinds, self.flips = dense, _Emitted(sparse), sparse.kinds, flips
        self.pool, self.classify = dense.pool, dense.classify

    def fire(
        self, layers: Sequence[Layer], x: Tensor, outputs: int, neurons: Sequence[Neuron]
    ) -> list[tuple[Tensor, ...]]:
        """As ForwardPass."""
        is_real = self.kinds[layers[0].weights.name] == "real"
        self.own.fire(layers, x if is_real else x.to(torch.uint8), outputs, neurons)
        spikes = self.dense.fire(layers, x, outputs, neurons)
        self._compare([layer.norm.name for layer in layers])
        return spikes

    def attend(self, attention: Attention, q: Tensor, k: Tensor, v: Tensor, heads: int, neuron: Neuron) -> Tensor:
        """As ForwardPass."""
        self.own.attend(attention, *(x.to(torch.uint8) for x in (q, k, v)), heads, neuron)
        spikes = self.dense.attend(attention, q, k, v, heads, neuron)
        self._compare([f"{attention.name}.attn"])
        return spikes

    def _compare(self, names: Sequence[str]) -> None:
        for name in names:
            self.flips[name] += int((self.own.spikes[name] != self.dense.spikes[name]).sum())
