"""The input of a user's module: an array from a file, or seeded random numbers of a given shape."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from autospikformer_cli.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

LAYOUTS = {2: "NF", 3: "TNF", 4: "NCHW", 5: "TNCHW"}
"""Number of dimensions -> their layout, unless --input-layout names one."""
MOST_NUMBERS = 2**28
"""Of a random input: a gigabyte."""
UNREADABLE: dict[type[Exception], str] = {
    FileNotFoundError: "it does not exist",
    IsADirectoryError: "it is a folder",
    PermissionError: "reading it is not allowed",
    MemoryError: "it does not fit into memory",
    EOFError: "it is empty",
}


def parse_shape(text: str) -> tuple[int, ...]:
    """Dimensions from a text such as 4,8,3,32,32. Raises UserError if it is not a shape, or is too large."""
    text = text.replace(" ", "")
    if not re.fullmatch(r"[1-9][0-9]{0,17}([,x][1-9][0-9]{0,17})*", text):
        fix = "write the dimensions of forward's input, such as 1,3,32,32"
        raise UserError(f"{text!r} is not a shape", "--input-shape", fix)
    shape = tuple(map(int, re.split("[,x]", text)))
    if prod(shape) > MOST_NUMBERS:
        raise UserError(f"an input of {prod(shape):,} numbers is too large", "--input-shape", "count fewer images")
    return shape


def layout_for(shape: tuple[int, ...], layout: str | None) -> str:
    """The dimensions' letters: N images, T time steps, and others. Raises UserError if there are no usual ones."""
    letters = layout or LAYOUTS.get(len(shape))
    if letters is None:
        fix = "name the dimensions, N for images and T for time steps: --input-layout TNCHW"
        raise UserError(f"{len(shape)} dimensions have no usual layout", "--input-shape", fix)
    return letters


def module_inputs(
    shape: tuple[int, ...] | None, file: Path | None, device: torch.device, dtype: torch.dtype
) -> tuple[Tensor, str]:
    """The input, and its description for readers. Raises UserError if the file does not hold such an array."""
    import torch

    from autospikformer_cli.energy.tracing.tracer import SEED

    if file is None:
        if shape is None:
            fix = "write --input-shape 1,3,32,32, or give an array: --input FILE.npy"
            raise UserError("a module needs an input", "aspk energy module", fix)
        generator = torch.Generator().manual_seed(SEED)
        numbers = torch.rand(shape, generator=generator, dtype=torch.float32)
        return numbers.to(device, dtype), f"random numbers from 0 to 1, seed {SEED}, of shape {_shown(shape)}"
    array = _array(file)
    if shape is not None and array.shape != shape:
        raise UserError(f"{file} has the shape {_shown(tuple(array.shape))}, not {_shown(shape)}", "--input")
    if not bool(array.isfinite().all()):
        raise UserError(f"{file} has values that are not finite", "--input", "repair the array")
    return array.to(device, dtype), f"{file}, of shape {_shown(tuple(array.shape))}"


def _array(file: Path) -> Tensor:
    import numpy as np
    import torch

    fix = "write one with numpy.save, of numbers"
    try:
        array = np.load(file, allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf" or array.size == 0:
            raise UserError(f"{file} is no array of numbers", "--input", fix)
        return torch.from_numpy(array.astype(np.float64))
    except (OSError, ValueError, EOFError, MemoryError) as error:
        reason = next((why for kind, why in UNREADABLE.items() if isinstance(error, kind)), "it is no array of numbers")
        raise UserError(f"{file} cannot be read: {reason}", "--input", fix) from error


def _shown(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape))
