"""The gradient of a step, summed over ranks: one exchange of the slices of weights that the step's subnets used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training.ranks import Ranks
from autospikformer_cli.training.used_weights import used_extents


def sum_gradients(supernet: Supernet, subnets: Sequence[Subnet], ranks: Ranks, along: Tensor) -> Tensor:
    """Replace each gradient by its sum over ranks. Returns the sums of the numbers that travel along."""
    gradients = [part for part in used_gradients(supernet, subnets) if part.numel()]
    total = ranks.sum(torch.cat([*(gradient.flatten() for gradient in gradients), along.to(gradients[0].dtype)]))
    summed = total.split([*(gradient.numel() for gradient in gradients), len(along)])
    for gradient, values in zip(gradients, summed[:-1], strict=True):
        gradient.copy_(values.view_as(gradient))
    sums_along: Tensor = summed[-1]
    return sums_along


def used_gradients(supernet: Supernet, subnets: Sequence[Subnet]) -> Iterator[Tensor]:
    """Views of the gradients, without what none of the subnets reaches: there, each rank's gradient is zero."""
    extents = used_extents(supernet, subnets)
    for parameter in supernet.parameters():
        if parameter.grad is not None:
            extent = extents.get(parameter, ())
            yield parameter.grad[tuple(slice(size) for size in extent)]


def average_statistics(supernet: Supernet, ranks: Ranks, share: float) -> None:
    """Make BatchNorm's running statistics, which each rank moved by its own images, their mean over ranks.

    share: this rank's, of the images of the step.
    """
    buffers = [buffer for buffer in supernet.buffers() if buffer.is_floating_point()]
    total = ranks.sum(torch.cat([share * buffer.flatten() for buffer in buffers]))
    for buffer, values in zip(buffers, total.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))
