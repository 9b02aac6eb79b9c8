"""The operations of a user's own PyTorch module, counted in one forward pass on real inputs.

A place is a weight operator in a module. It becomes one operation, however often the module calls it, or one for each
kind of input that its calls read (`rows.py`). Two things show how its calls share the time steps. The number of calls:
a loop over T steps makes a multiple of T calls. And what each call covers (`operators.Axes.order`): a layer over whole
sequences flattens T and N into its leading dimension. If neither shows it, the place counts as running once for each
image, with all its work in one step. T uses of the same weights without a loop, and T tokens, look like time steps,
too. Zeros from F.pad count as inputs of a convolution, not as its padding.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from autospikformer_cli.energy.traced import TracedNetwork
from autospikformer_cli.energy.tracing.assembly import assembled
from autospikformer_cli.energy.tracing.copies import copied
from autospikformer_cli.energy.tracing.dispatch import Tracer
from autospikformer_cli.energy.tracing.loading import OPTION, told
from autospikformer_cli.energy.tracing.operators import Axes
from autospikformer_cli.energy.tracing.second_run import Ran, outputs_of, second_run
from autospikformer_cli.errors import UserError

SEED = 0


def trace(module: nn.Module, frames: Tensor, layout: str, time_step: int | None) -> TracedNetwork:
    """Count what a module does on an input.

    layout: a letter for each axis of frames, such as "NCHW" or "TNCHW": N images, T time steps, any others. Without T
    the network itself repeats its input. time_step: how often it does (default: the size of T, or 1). A copy of the
    module runs in evaluation mode, without gradients, from a fixed seed. It runs once more, to see whether it keeps a
    state. Raises UserError if the layout does not fit, or if the module fails.
    """
    axes = _axes(frames, layout, time_step)
    with _fixed_randomness(frames.device), torch.no_grad():

        def run(network: nn.Module) -> Ran:
            return _run(network, frames, axes, layout)

        network = copied(module)
        first = run(network)
        return replace(first[0], second_run=second_run(network, first, run, lambda: copied(module)))


def _run(network: nn.Module, frames: Tensor, axes: Axes, layout: str) -> Ran:
    """Run a network from the seed, and count."""
    torch.manual_seed(SEED)
    random.seed(SEED)
    np.random.seed(SEED)
    own_frames = frames.clone()  # forward may overwrite its input
    tracer = Tracer(network, own_frames, axes)
    try:
        with tracer:
            result = network(own_frames)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        shape = " x ".join(map(str, frames.shape))
        what = f"{type(network).__name__} raises {told(error)}"
        raise UserError(what, OPTION, f"its input was {shape}, axes {layout}") from error
    return assembled(tracer, axes, network), outputs_of(result)


@contextmanager
def _fixed_randomness(device: torch.device) -> Iterator[None]:
    """Put back the states of all random number generators afterwards."""
    own, arrays = random.getstate(), np.random.get_state()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            random.setstate(own)
            np.random.set_state(arrays)


def _axes(frames: Tensor, layout: str, time_step: int | None) -> Axes:
    letters = layout.upper()
    fix = "a letter for each axis, N for images, T for time steps if the input has them, such as NCHW or TNCHW"
    if not letters.isascii() or not letters.isalpha() or "N" not in letters or len(set(letters)) != len(letters):
        raise UserError(f"{layout!r} is no layout", "--input-layout", fix)
    if len(letters) != frames.ndim:
        raise UserError(f"{layout} has {len(letters)} axes, the input {frames.ndim}", "--input-layout", fix)
    if not frames.numel():
        raise UserError("the input has no elements", "--input-shape", "every axis has at least one")
    in_layout = frames.shape[letters.index("T")] if "T" in letters else None
    if time_step is not None and in_layout is not None and time_step != in_layout:
        raise UserError(f"{time_step} time steps, but the input has {in_layout}", "--time-steps", "leave it out")
    steps = in_layout or time_step or 1
    images_first = in_layout is not None and letters.index("N") < letters.index("T")
    return Axes(frames.shape[letters.index("N")], steps, images_first)
