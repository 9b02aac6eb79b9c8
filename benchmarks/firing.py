"""BatchNorm and LIF, forward and backward: compiled loops against plain torch. Usage: python benchmarks/firing.py"""

from __future__ import annotations

import torch
from timing import machine, medians
from torch import Tensor

from autospikformer_cli.engine.allocation import keep_freed_memory
from autospikformer_cli.spiking.firing import normalise_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm

STEPS, IMAGES, ROUNDS = 4, 32, 7
LAYERS = {"32 x 32, 48 channels": (1024, 48), "16 x 16, 96 channels": (256, 96), "64 tokens, 384 channels": (64, 384)}
NEURON = Neuron(tau=2.0, threshold=1.0)
NODE = LIFKind(Dynamics())


def plain(x_TBPC: Tensor, norm: ElasticBatchNorm) -> Tensor:
    """The same in plain torch."""
    current = torch.nn.functional.batch_norm(
        x_TBPC.flatten(0, 2), norm.running_mean, norm.running_var, norm.weight, norm.bias, training=True
    )
    return lif(current.view(STEPS, -1, x_TBPC.shape[-1]), time_step=STEPS, dynamics=Dynamics(), **NEURON._asdict())


def main() -> None:
    """Print the table of `results/firing.md`."""
    keep_freed_memory()
    print(f"# BatchNorm and LIF\n\n{machine()}; T {STEPS}, {IMAGES} images, medians of {ROUNDS}\n")
    print("| layer | plain torch (ms) | compiled (ms) | ratio |\n|---|---|---|---|")
    for name, (positions, channels) in LAYERS.items():
        x = torch.randn(STEPS, IMAGES, positions, channels, requires_grad=True)
        gradient = torch.randn(STEPS, IMAGES * positions, channels)
        norm = ElasticBatchNorm(channels, "bn")
        seconds = medians(
            {
                "plain": lambda x=x, norm=norm, g=gradient: plain(x, norm).backward(g),
                "compiled": lambda x=x, norm=norm, g=gradient: normalise_and_fire(x, norm, NODE, None, STEPS, NEURON)
                .flatten(1, 2).backward(g),
            },
            ROUNDS,
        )  # fmt: skip
        ratio = seconds["plain"] / seconds["compiled"]
        print(f"| {name} | {seconds['plain'] * 1e3:.1f} | {seconds['compiled'] * 1e3:.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
