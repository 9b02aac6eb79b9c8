"""Training on a GPU: speed by number format and against SpikingJelly, launches, host reads, repetition and resuming.

Usage: python benchmarks/train.py [RECIPE] --device cuda [--data ROOT] [--steps 20] [--rounds 5] [--minutes 0]
           [--set KEY=VALUE ...]

The largest subnet trains on random images. A row of the table is the median of rounds in which all rows take turns, of
so many steps each. Then one training is run twice, and once more with a stop in the middle: the weights must be equal.
--minutes trains the recipe on the data of --data for as long. --device cpu runs the same on a CPU, to check the script.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
import torch
from engine_network import print_table, root_override
from timing import machine, medians
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from autospikformer_cli.api import train_supernet
from autospikformer_cli.data.description import describe
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.engine.compute import Compute, own_process
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import make_supernet
from autospikformer_cli.runs.pace import random_images
from autospikformer_cli.runs.training import START
from autospikformer_cli.store.supernet import TrainState, load_checkpoint
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.loop import Recorder, Trainer, TrainingData
from autospikformer_cli.training.mixed_precision import tf32_products
from autospikformer_cli.training.optimizers import BETAS, make_optimizer
from autospikformer_cli.training.paths import PathSampler, one_path, sampled_paths

FORMATS = {
    "float32": {"mixed_precision": "none", "tf32": False},
    "TF32": {"mixed_precision": "none", "tf32": True},
    "bf16": {"mixed_precision": "bf16", "tf32": False},
}
WAITS = ("aten::_local_scalar_dense", "cudaStreamSynchronize", "cudaEventSynchronize")
LOSSES = 100
"""Steps of which the last mean loss is shown."""


@dataclass(frozen=True)
class Way:
    """A way to train. images: of a step. step: trains on them, and does not wait for the device."""

    name: str
    images: int
    step: Callable[[], object]


def make_trainer(recipe: Recipe, compute: Compute, steps: int, paths: PathSampler) -> Trainer:
    """Trains on as many random images as an epoch of so many steps takes."""
    supernet, description = make_supernet(recipe, compute), describe(recipe.data)
    images = random_images(description, steps * recipe.train.step_images)
    data = TrainingData(images, description, recipe.data.augment, recipe.data.translation)
    return Trainer(supernet, make_optimizer(supernet, recipe.train), data, recipe.train, paths=paths, seed=recipe.seed)


def our_way(number_format: str, recipe: Recipe, compute: Compute, steps: int) -> Way:
    """As aspk trains the largest subnet."""
    changed = recipe.model_copy(update={"train": recipe.train.model_copy(update=FORMATS[number_format])})
    trainer = make_trainer(changed, compute, steps, one_path(recipe.space.search_space().largest()))
    numbers, images = count(), recipe.train.step_images

    def step() -> None:
        number = next(numbers) % steps
        trainer.train_step(0, number, torch.arange(number * images, (number + 1) * images))

    return Way(f"aspk, {number_format}", images, step)


def rival(number_format: str, recipe: Recipe, compute: Compute) -> Way:
    """SpikingJelly's network of the same shape, which chooses its kernels by the device. Frames are there."""
    from engine_rivals import logits_of, spikingjelly_subnet

    largest, description = recipe.space.search_space().largest(), describe(recipe.data)
    images = random_images(description, recipe.train.batch)
    frames = to_frames(images.images, description, compute.torch_device, torch.float32)[0].permute(0, 3, 1, 2)
    labels = images.labels.to(compute.torch_device)
    with torch.no_grad():
        network = spikingjelly_subnet(make_supernet(recipe, own_process()), largest)
    network = network.train().to(compute.torch_device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.train.lr, betas=BETAS, fused=True)
    kind, is_half = compute.torch_device.type, number_format == "bf16"

    def step() -> None:
        optimizer.zero_grad()
        # Its max-pools have no gradient that repeats itself.
        with not_repeating(), tf32_products(number_format == "TF32"):
            with torch.autocast(kind, torch.bfloat16, enabled=is_half):
                logits = logits_of(network, network, frames)
            torch.nn.functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()

    return Way(f"SpikingJelly {version('spikingjelly')}, {number_format}", recipe.train.batch, step)


@contextmanager
def not_repeating() -> Iterator[None]:
    """Within it, torch takes algorithms that do not repeat themselves."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


def wait(compute: Compute) -> None:
    """Until the device has done all that it was given."""
    if compute.torch_device.type == "cuda":
        torch.cuda.synchronize(compute.torch_device)


def peak_megabytes(way: Way, compute: Compute) -> str:
    """Most memory of a GPU that one step takes, with what the other ways hold; "-" of a CPU."""
    if compute.torch_device.type != "cuda":
        return "-"
    held = torch.cuda.memory_allocated(compute.torch_device)
    torch.cuda.reset_peak_memory_stats(compute.torch_device)
    way.step()
    wait(compute)
    return f"{(torch.cuda.max_memory_allocated(compute.torch_device) - held) / 1e6:.0f}"


def launches_and_waits(way: Way, compute: Compute) -> tuple[int, int]:
    """Kernels that one step starts on a GPU (of a CPU: operators), and how often the host waits for it."""
    is_gpu = compute.torch_device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_gpu else [])]
    with profile(activities=activities) as profiled:
        way.step()
    events = profiled.key_averages()
    wanted = DeviceType.CUDA if is_gpu else DeviceType.CPU
    kernels = sum(each.count for each in events if each.device_type == wanted and not each.key.startswith("Mem"))
    return kernels, sum(each.count for each in events if each.key in WAITS)


def show_speed(recipe: Recipe, compute: Compute, steps: int, rounds: int) -> None:
    """Print the table of the ways to train."""
    on_cpu = compute.torch_device.type == "cpu"
    formats = [each for each in FORMATS if not (on_cpu and each == "TF32")]  # a CPU has none
    ways = [our_way(each, recipe, compute, steps) for each in formats]
    ways += [rival(each, recipe, compute) for each in formats]

    def steps_of(way: Way) -> Callable[[], None]:
        def run() -> None:
            for _ in range(steps):
                way.step()
            wait(compute)

        return run

    seconds = medians({way.name: steps_of(way) for way in ways}, rounds)
    first = ways[0].images / seconds[ways[0].name]
    rows = []
    for way in ways:
        rate = way.images / seconds[way.name]
        kernels, waits = launches_and_waits(way, compute)
        shown = f"{steps * rate:.0f}", f"{rate / first:.2f}", peak_megabytes(way, compute)
        rows.append((way.name, *shown, str(kernels), "-" if on_cpu else str(waits)))
    counted = "operators a step" if on_cpu else "kernels a step"
    print_table(("way", "images a second", "times float32", "MB of a step", counted, "host waits a step"), rows)


def trained(trainer: Trainer, state: TrainState, steps: int) -> TrainState:
    """The state after so many steps more, or at the end."""
    asked = count()
    recorder = Recorder(
        step=lambda report: None, between=lambda state: None, epoch=lambda state: None, due=lambda: False,
        stop=lambda: next(asked) >= steps, accuracy=Accuracies,
    )  # fmt: skip
    return trainer.run(state, recorder)


def held(trainer: Trainer) -> dict[str, np.ndarray]:
    """All numbers of a training, as a store keeps them."""
    weights = {name: value.detach().cpu().numpy().copy() for name, value in trainer.weights().items()}
    return weights | trainer.arrays()


def show_repetition(recipe: Recipe, compute: Compute, steps: int) -> None:
    """Print whether a training repeats itself, and whether it goes on from a stop as if there were none."""
    once = recipe.train.model_copy(update={"epochs": 1, "warmup_epochs": 0.5, "cooldown_epochs": 0.25})
    recipe = recipe.model_copy(update={"train": once})
    paths = sampled_paths(recipe.space.search_space(), recipe.seed, recipe.train)
    whole, again, stopped, resumed = (make_trainer(recipe, compute, steps, paths) for _ in range(4))
    trained(whole, START, steps)
    trained(again, START, steps)
    state = trained(stopped, START, steps // 2)
    resumed.supernet.load_state_dict({name: value.clone() for name, value in stopped.weights().items()})
    resumed.restore(stopped.arrays())
    trained(resumed, state, steps)
    for name, other in (("run twice", again), (f"stopped after step {state.step} and resumed", resumed)):
        here, there = held(whole), held(other)
        differ = [each for each in here if not np.array_equal(here[each], there[each])]
        verdict = "the same bits" if not differ else f"{len(differ)} of {len(here)} arrays differ, as {differ[0]}"
        print(f"\n{steps} steps, {name}: {verdict}")


def show_training(recipe: Recipe, compute: Compute, minutes: float, run: Path) -> None:
    """Train the recipe for some minutes, and print how far it came."""
    end = time.monotonic() + minutes * 60
    with suppress(KeyboardInterrupt):  # it stops itself, after it has saved
        train_supernet(recipe, run, compute=compute, interruptible=lambda: nullcontext(lambda: time.monotonic() > end))
    begun = load_checkpoint(run)
    losses, seconds = begun.log.loss, float(begun.log.seconds.sum())
    print(f"\n{recipe.name}, {minutes:g} minutes: {len(losses)} steps in {seconds:.0f} s of training")
    print(f"mean loss of the last {min(LOSSES, len(losses))} steps: {losses[-LOSSES:].mean():.4f}")
    for record in begun.state.history[-1:]:
        largest, smallest = record.val_top1_largest, record.val_top1_smallest
        print(f"validation after epoch {record.epoch}: {largest} % largest, {smallest} % smallest")


def main(arguments: Sequence[str] | None = None) -> None:
    """Print all parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("recipe", nargs="?", default="cifar10-small")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--data", help="the folder of the data set, for --minutes")
    parser.add_argument("--steps", type=int, default=20, help="steps of a round, and of the repetition")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=0.0, help="how long to train the recipe; 0: not")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args(arguments)
    try:
        compute = own_process(options.device)
        recipe = load_recipe(options.recipe, [*options.set, *([root_override(options.data)] if options.data else [])])
    except UserError as error:
        parser.exit(2, f"error: {error}\n")
    print(f"# Training {options.recipe} on {options.device}\n\n{machine()}; batch {recipe.train.batch}\n")
    show_speed(recipe, compute, options.steps, options.rounds)
    show_repetition(recipe, compute, options.steps)
    if options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            show_training(recipe, compute, options.minutes, Path(folder) / "run")


if __name__ == "__main__":
    main()
