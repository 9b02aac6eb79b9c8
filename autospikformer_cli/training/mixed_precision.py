"""Training whose weighted sums are computed in fewer bits: bfloat16, float16, or TF32.

Weights, BatchNorm, membrane potentials, the attention product, the loss and the optimizer stay in float32. So do all
measurements: a validation computes as any other evaluation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HALF_FORMATS: dict[str, torch.dtype | None] = {"none": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""Of weighted sums, by `train.mixed_precision`. None: that of the weights."""
LOSS_SCALE = "loss_scale"
"""The scale's group of numbers in a store."""


@contextmanager
def tf32_products(on: bool) -> Iterator[None]:
    """Within it, a GPU may round the factors of float32 products to 10 bits (TF32). Outside, it is as it was."""
    if not on:
        yield
        return
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before


class LossScale:
    """A factor of the loss in float16, without which small gradients would be 0 (Micikevicius et al. 2018).

    Gradients are divided by it before they are used. It is a power of two, so neither changes a digit. After a step
    with a gradient that is not finite it is halved, after `GROWTH_STEPS` others it is doubled. It stays on its device.
    """

    FIRST = 2.0**16
    LEAST = 1.0
    GROWTH_STEPS = 2000

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.full((), self.FIRST, device=device)
        self.sound_steps = torch.zeros((), dtype=torch.int64, device=device)

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients by the scale."""
        inverse = self.scale.reciprocal()
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.mul_(inverse)

    def update(self, finite: Tensor) -> None:
        """Adapt the scale after a step. finite: a flag on the device, whether the gradient was."""
        grown = self.sound_steps + 1 == self.GROWTH_STEPS
        factor = torch.where(finite, torch.where(grown, 2.0, 1.0), 0.5)
        self.scale = (self.scale * factor).clamp_min(self.LEAST)
        self.sound_steps = torch.where(finite & ~grown, self.sound_steps + 1, 0)

    def arrays(self) -> dict[str, np.ndarray[Any, Any]]:
        """Its state, as a store keeps it next to the optimizers'."""
        numbers = {"scale": self.scale, "sound_steps": self.sound_steps}
        return {f"{LOSS_SCALE}/{name}": number.cpu().numpy() for name, number in numbers.items()}

    def restore(self, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Take over what `arrays` returned."""
        device = self.scale.device
        self.scale, self.sound_steps = (
            torch.from_numpy(arrays[f"{LOSS_SCALE}/{name}"].copy()).to(device) for name in ("scale", "sound_steps")
        )
