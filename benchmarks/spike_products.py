"""Products of training: loops over spikes against torch's dense ones, by layer and by share of inputs that are not 0.

Usage: python benchmarks/spike_products.py

CPU milliseconds of one thread, the least of rounds in which all ways take turns.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from engine_network import print_table
from timing import machine

from autospikformer_cli.engine import trained
from autospikformer_cli.engine.compute import own_process

STEPS, IMAGES, ROUNDS = 4, 64, 5
LAYERS = {
    "conv 24 -> 48, 16 x 16": (16, 24, 48, 3),
    "conv 48 -> 96, 8 x 8": (8, 48, 96, 3),
    "conv 96 -> 96, 8 x 8": (8, 96, 96, 3),
    "linear 96 -> 96, 64 tokens": (8, 96, 96, 1),
    "linear 96 -> 384, 64 tokens": (8, 96, 384, 1),
    "linear 384 -> 96, 64 tokens": (8, 384, 96, 1),
    "linear 384 -> 1536, 64 tokens": (8, 384, 1536, 1),
}
RATES = (0.05, 0.1, 0.2, 0.3)


def least(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU milliseconds of each way."""
    best = dict.fromkeys(ways, float("inf"))
    for number in range(ROUNDS + 1):
        for name, run in ways.items():
            began = time.process_time()
            run()
            if number:
                best[name] = min(best[name], (time.process_time() - began) * 1e3)
    return best


def row(name: str, rate: float) -> tuple[str, ...]:
    """Time one layer."""
    side, channels, outputs, kernel = LAYERS[name]
    places = (side, side) if kernel == 3 else (side * side,)
    x = (torch.rand(STEPS, IMAGES, *places, channels) < rate).float()
    weight = torch.randn(outputs, channels, *((kernel, kernel) if kernel == 3 else ())).requires_grad_()
    read = trained._Read(is_binary=True, side=x.shape[-2], kernel=kernel)
    grad = torch.randn(*x.shape[:-1], outputs)

    def forward() -> torch.Tensor:
        sums: tuple[torch.Tensor, ...] = trained._SpikeProducts.apply(x, read, weight)  # type: ignore[no-untyped-call]
        return sums[0]

    times = {}
    for way, densest in (("dense", -1.0), ("spikes", 1.0)):
        trained.DENSEST_FORWARD, trained.DENSEST_GRADIENT = densest, dict.fromkeys((1, 3), densest)
        sums = forward()
        times[way] = least(
            {"sums": forward, "gradient": lambda sums=sums: torch.autograd.grad(sums, weight, grad, retain_graph=True)}  # type: ignore[misc]
        )
    cells = [f"{rate}"]
    for part in ("sums", "gradient"):
        dense, spikes = times["dense"][part], times["spikes"][part]
        cells += [f"{dense:.1f}", f"{spikes:.1f}", f"{dense / spikes:.1f}"]
    return (name, *cells)


def main() -> None:
    """Print `results/spike_products.md`."""
    own_process(threads=1)
    print(f"# Products of training\n\n{machine()}; T {STEPS}, {IMAGES} images\n")
    header = (
        "layer",
        "not 0",
        "sums dense (ms)",
        "over spikes",
        "ratio",
        "gradient dense (ms)",
        "over spikes",
        "ratio",
    )
    print_table(header, [row(name, rate) for name in LAYERS for rate in RATES])


if __name__ == "__main__":
    main()
