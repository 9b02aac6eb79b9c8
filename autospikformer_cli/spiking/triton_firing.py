"""BatchNorm and LIF as one operation on CUDA: what launches the Triton kernels.

torch's CUDA wheels for Linux bring Triton along. Triton needs a C compiler once, for what starts its kernels.

Dimension legend: T time steps (1: the same at every step), B images, P positions, M = B P rows, C channels.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from autospikformer_cli.spiking.backends import Affine, Means
from autospikformer_cli.spiking.neuron import Dynamics, Neuron

TILE_NUMBERS = 1024
"""In a tile, eight a thread. All potentials of a thread are in its registers."""
MANY_STEPS = 8
"""With more steps than these, tiles are smaller."""
WIDEST_TILE = 128
"""Channels of a tile, at most."""
TILES_A_PROGRAM = 8
"""How many tiles one program adds up. It decides the order of sums."""
COMPILER_OPTIONS = {"num_warps": 4, "enable_fp_fusion": False}
"""Of the compiler. A fused multiply-add would change potentials."""


class Tile(NamedTuple):
    """How a layer is divided between programs."""

    rows: int
    channels: int

    @classmethod
    def of(cls, channels: int, steps: int) -> Tile:
        """Powers of 2, as Triton wants them."""
        width = min(1 << (channels - 1).bit_length(), WIDEST_TILE)
        numbers = TILE_NUMBERS if steps <= MANY_STEPS else TILE_NUMBERS // 4
        return cls(max(1, numbers // width), width)

    def grid(self, rows: int, channels: int, tiles: int = 1) -> tuple[int, int]:
        """Programs along the rows and along the channels. tiles: that one program takes."""
        return -(-rows // (self.rows * tiles)), -(-channels // self.channels)


def neuron_constants(neuron: Neuron, dynamics: Dynamics) -> dict[str, Any]:
    """A layer's neuron, as the kernels take it."""
    return {
        "tau": float(neuron.tau),
        "leak": 1 - 1 / float(neuron.tau),
        "threshold": float(neuron.threshold),
        "DECAY_INPUT": dynamics.decay_input,
        "EXCEEDS": dynamics.fires_at == "exceed",
        "HARD": dynamics.reset == "hard",
    }


def launch(kernel: Any, grid: tuple[int, int], *tensors: Tensor, **arguments: Any) -> None:
    """Run a kernel on the tensors' device."""
    with torch.cuda.device_of(tensors[0]):
        kernel[grid](*tensors, **arguments, **COMPILER_OPTIONS)


class TritonKernels:
    """The backend for CUDA. Potentials are float32, whatever the input's precision, or float64 for float64."""

    def potential_dtype(self, x: Tensor) -> torch.dtype:
        """As Backend."""
        return torch.float64 if x.dtype == torch.float64 else torch.float32

    def sums_by_part(self, x_TBPC: Tensor) -> Tensor:
        """As Backend. A part is what one program adds up."""
        from autospikformer_cli.spiking import triton_kernels

        channels = x_TBPC.shape[-1]
        rows, tile = x_TBPC.numel() // channels, Tile.of(channels, 1)
        grid = tile.grid(rows, channels, TILES_A_PROGRAM)
        sums = x_TBPC.new_empty((grid[0], 2, channels), dtype=torch.float64)
        sizes = {"rows": rows, "channels": channels, "TILES": TILES_A_PROGRAM}
        launch(triton_kernels.moment_sums, grid, x_TBPC, sums, **sizes, ROWS=tile.rows, CHANNELS=tile.channels)
        return sums.transpose(0, 1)

    def fire(
        self, x_TMC: Tensor, scale: Tensor, shift: Tensor, time_step: int, neuron: Neuron, dynamics: Dynamics
    ) -> Tensor:
        """As Backend."""
        from autospikformer_cli.spiking import triton_kernels

        spikes = x_TMC.new_empty((time_step, *x_TMC.shape[1:]))
        tile, sizes = self._sizes(x_TMC, time_step)
        grid = tile.grid(*x_TMC.shape[1:])
        arguments = neuron_constants(neuron, dynamics) | sizes
        launch(triton_kernels.fire_tiles, grid, x_TMC, scale, shift, spikes, **arguments)
        return spikes

    def gradient(
        self, x_TMC: Tensor, affine: Affine, grad_spikes: Tensor, neuron: Neuron, dynamics: Dynamics,
        means: Means | None,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """As Backend. The potentials are computed for the sums, and again for x: that moves less than keeping them."""
        from autospikformer_cli.spiking import triton_kernels

        tile, sizes = self._sizes(x_TMC, len(grad_spikes))
        surrogate = {"DETACH": dynamics.detach_reset, "SURROGATE": dynamics.surrogate}
        arguments = neuron_constants(neuron, dynamics) | surrogate | sizes
        rows, channels = x_TMC.shape[1:]
        sums, of_batch = None, affine.scale  # not read without BatchNorm
        if means is not None:
            grid = tile.grid(rows, channels, TILES_A_PROGRAM)
            parts = x_TMC.new_empty((grid[0], 2, channels), dtype=torch.float64)
            arguments_of_sums = arguments | {"TILES": TILES_A_PROGRAM}
            launch(triton_kernels.gradient_sums, grid, x_TMC, *affine, grad_spikes, parts, **arguments_of_sums)
            sums = parts.sum(0)
            of_batch = means(sums)
        grad = torch.empty_like(x_TMC)
        arguments["NORMALISED"] = means is not None
        grid = tile.grid(rows, channels)
        launch(triton_kernels.input_gradient, grid, x_TMC, *affine, grad_spikes, of_batch, grad, **arguments)
        return grad, sums

    def _sizes(self, x_TMC: Tensor, time_step: int) -> tuple[Tile, dict[str, Any]]:
        import triton.language as tl

        given, rows, channels = x_TMC.shape
        tile = Tile.of(channels, time_step)
        precision = tl.float64 if x_TMC.dtype == torch.float64 else tl.float32
        sizes = {"rows": rows, "channels": channels, "ROWS": tile.rows, "CHANNELS": tile.channels, "U": precision}
        return tile, sizes | {"STEPS": time_step, "REPEATS": given == 1}


TRITON = TritonKernels()


@cache
def can_run(device: torch.device) -> bool:
    """Whether the kernels run on a CUDA device. If not, a warning says why, and plain torch runs."""
    try:
        ones, neuron, dynamics = torch.ones((1, 1, 1), device=device), Neuron(2.0, 0.5), Dynamics()
        fired = TRITON.fire(ones, ones[0, 0], ones[0, 0], 1, neuron, dynamics)
        affine = Affine(*(ones[0, 0] for _ in Affine._fields))
        gradient, _ = TRITON.gradient(ones, affine, ones, neuron, dynamics, lambda sums: sums)
        numbers = torch.stack([fired.double(), gradient.double(), TRITON.sums_by_part(ones[None])[0].view(1, 1, 1)])
        return bool((numbers.isfinite().all() & (fired == 1).all()).item())
    except Exception as failure:  # whatever Triton, its compiler or the driver raises
        warnings.warn(f"BatchNorm and LIF run in plain torch, without Triton's kernels: {failure}", stacklevel=2)
        return False
