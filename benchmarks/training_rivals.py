"""A training step of Spikformer 4-384, as aspk trains it and as SpikingJelly's `spikformer_cifar10`: speed and memory.

Usage: python benchmarks/training_rivals.py [--data ROOT] [--after STEPS]

Both train on CIFAR-10 with batch 32, T 4, cross-entropy and AdamW. Our network is trained for some steps first, since
its speed depends on its rates. SpikingJelly's takes over its weights, so both fire alike. Speed: medians of rounds
in which all take turns. Memory: a process for each network.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from engine_network import BATCH, SHAPE, SPACE, SUBNET, root_override
from engine_rivals import spikingjelly_subnet
from spikingjelly.activation_based import functional
from timing import machine, medians
from torch import Tensor, nn
from training import dense_products, make_step, show_rates

from autospikformer_cli.data.description import describe
from autospikformer_cli.engine.compute import own_process
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import load_images
from autospikformer_cli.say import SILENT
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.training.loop import Trainer, TrainingData
from autospikformer_cli.training.optimizers import make_optimizer

ROUNDS = 5
MIB, KIB_A_MIB = 2**20, 2**10
LAYOUTS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def make_recipe(data_root: str) -> Recipe:
    """CIFAR-10 with plain AdamW, so that both networks have one optimizer."""
    plain = [f"train.batch={BATCH}", 'train.optimizer="adamw"', "train.ema_half_life=0", 'data.augment="none"']
    return load_recipe("cifar10-small-laptop", [root_override(data_root), *plain])


def make_trainer(recipe: Recipe, weights: Path | None = None) -> Trainer:
    """Trains Spikformer 4-384 alone, from a file's weights or from first weights."""
    own_process(threads=torch.get_num_threads())
    supernet = Supernet(NetworkConfig(SHAPE, SPACE))
    if weights is not None:
        supernet.load_state_dict(torch.load(weights))
    data = TrainingData(load_images(recipe, recipe.seed, "train", SILENT), describe(recipe.data), recipe.data.augment)
    optimizer = make_optimizer(supernet, recipe.train)
    return Trainer(supernet, optimizer, data, recipe.train, paths=lambda number, share: [SUBNET], seed=recipe.seed)


def make_rival(trainer: Trainer, network: nn.Module, layout: torch.memory_format) -> Callable[[], Tensor]:
    """A training step of SpikingJelly's network, always on the same images."""
    frames, targets = trainer.step_data(0, 0, torch.arange(BATCH))
    images = frames[0].permute(0, 3, 1, 2).contiguous(memory_format=layout)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-6)

    def step() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images).mean(0), targets)
        loss.backward()
        optimizer.step()
        functional.reset_net(network)
        return loss

    return step


@torch.no_grad()
def rival_network(trainer: Trainer, layout: torch.memory_format) -> nn.Module:
    """SpikingJelly's network with the weights of ours, to be trained."""
    return spikingjelly_subnet(trainer.supernet, SUBNET).train().to(memory_format=layout)


def kept_bytes(forward: Callable[[], Tensor], network: nn.Module) -> int:
    """Bytes that a forward pass keeps for the backward pass, without the parameters."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in weights:
            kept[address] = tensor  # alive until the end, so no address is used twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def show_memory(who: str, weights: Path, recipe: Recipe) -> None:
    """Print MiB kept for the backward pass, and the MiB by which a step raises the process's peak."""
    trainer = make_trainer(recipe, weights)
    frames, _ = trainer.step_data(0, 0, torch.arange(BATCH))
    if who == "ours":
        step, supernet = make_step(trainer), trainer.supernet
        kept = kept_bytes(lambda: supernet.run(frames, SUBNET, training_pass(supernet, SUBNET)), supernet)
    else:
        layout = LAYOUTS["channels last"]
        network = rival_network(trainer, layout)
        step = make_rival(trainer, network, layout)
        kept = kept_bytes(lambda: network(frames[0].permute(0, 3, 1, 2)), network)
        functional.reset_net(network)
    step()  # it compiles, and makes the optimizer's state
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    idle = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak so far is forgotten
    step()
    print(kept / MIB, (_status("VmHWM") - idle) / KIB_A_MIB)


def _status(key: str) -> int:
    """A number of /proc/self/status, in KiB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key))


def memory_of(who: str, weights: Path, data_root: str) -> tuple[float, float]:
    """What `show_memory` prints in a process of its own."""
    command = [sys.executable, __file__, "--data", data_root, "--memory", who, str(weights)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    kept, peak = map(float, output.stdout.split()[-2:])
    return kept, peak


def print_speed(trainer: Trainer) -> None:
    """Print images a second of all ways, and what ours is worth against each."""
    step = make_step(trainer)

    def dense_step() -> None:
        with dense_products():
            step()

    ways: dict[str, Callable[[], object]] = {"aspk": step, "aspk, dense products": dense_step}
    for name, layout in LAYOUTS.items():
        ways[f"SpikingJelly, {name}"] = make_rival(trainer, rival_network(trainer, layout), layout)
    seconds = medians(ways, ROUNDS)
    print("| way | images/s | aspk is faster by |\n|---|---|---|")
    for way, each in seconds.items():
        print(f"| {way} | {BATCH / each:.2f} | {each / seconds['aspk']:.2f} |")
    show_rates(trainer, step)


def main() -> None:
    """Print `results/training_rivals.md`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", required=True, help="the folder of CIFAR-10")
    parser.add_argument("--after", type=int, default=300, help="steps of training before")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    recipe = make_recipe(options.data)
    if options.memory:
        show_memory(options.memory[0], Path(options.memory[1]), recipe)
        return
    trainer = make_trainer(recipe)
    step = make_step(trainer)
    for _ in range(options.after):
        step()
    print(f"# A training step of Spikformer 4-384, after {options.after} steps\n\n{machine()}; batch {BATCH}, T 4\n")
    print_speed(trainer)
    with TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        torch.save(trainer.supernet.state_dict(), weights)
        memory = {who: memory_of(who, weights, options.data) for who in ("ours", "theirs")}
    print("\n| MiB | aspk | SpikingJelly | ratio |\n|---|---|---|---|")
    for what, ours, theirs in zip(
        ("kept for backward", "peak of a step"), memory["ours"], memory["theirs"], strict=True
    ):
        print(f"| {what} | {ours:.0f} | {theirs:.0f} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()
