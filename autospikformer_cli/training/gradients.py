"""The gradient of a step, summed over ranks: one exchange of the slices of weights that the step's subnets used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.stages import Attend, Classify, Fire
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training.ranks import Ranks


def sum_gradients(
    supernet: Supernet, subnets: Sequence[Subnet], ranks: Ranks, numbers: Sequence[float | Tensor]
) -> list[float]:
    """Replace each gradient by its sum over ranks. Returns the sums of the numbers, which travel along."""
    gradients = [part for part in used_gradients(supernet, subnets) if part.numel()]
    along = torch.stack([gradients[0].new_tensor(float(number)) for number in numbers])
    total = ranks.sum(torch.cat([*(gradient.flatten() for gradient in gradients), along]))
    *summed, along = total.split([*(gradient.numel() for gradient in gradients), len(along)])
    for gradient, values in zip(gradients, summed, strict=True):
        gradient.copy_(values.view_as(gradient))
    return [float(number) for number in along.tolist()]


def used_gradients(supernet: Supernet, subnets: Sequence[Subnet]) -> Iterator[Tensor]:
    """Views of the gradients, without what none of the subnets reaches: there, each rank's gradient is zero."""
    extents = used_extents(supernet, subnets)
    for parameter in supernet.parameters():
        if parameter.grad is not None:
            extent = extents.get(parameter, ())
            yield parameter.grad[tuple(slice(size) for size in extent)]


def used_extents(supernet: Supernet, subnets: Sequence[Subnet]) -> dict[nn.Parameter, tuple[int, ...]]:
    """How many outputs, or outputs and inputs, of each layer's parameters the widest of the subnets uses."""
    extents: dict[nn.Parameter, tuple[int, ...]] = {}

    def use(parameter: nn.Parameter | None, *extent: int) -> None:
        if parameter is not None:
            before = extents.get(parameter, (0,) * len(extent))
            extents[parameter] = tuple(map(max, before, extent))

    for subnet in subnets:
        stream, branch = supernet.config.shape.in_channels, None
        for stage in supernet.stages(subnet):
            if isinstance(stage, Fire):
                inputs = stream if branch is None else branch
                for layer in stage.layers:
                    use(layer.weights.weight, stage.outputs, inputs)
                    use(layer.weights.bias, stage.outputs)
                    use(layer.norm.weight, stage.outputs)
                    use(layer.norm.bias, stage.outputs)
                stream = stage.outputs if stage.gives == "stream" else stream
                branch = stage.outputs if stage.gives == "branch" else None
            elif isinstance(stage, Classify):
                use(stage.head.weight, stage.classes, stream)
                use(stage.head.bias, stage.classes)
            else:
                assert branch is None or isinstance(stage, Attend)
    return extents


def average_statistics(supernet: Supernet, ranks: Ranks, share: float) -> None:
    """Make BatchNorm's running statistics, which each rank moved by its own images, their mean over ranks.

    share: this rank's, of the images of the step.
    """
    buffers = [buffer for buffer in supernet.buffers() if buffer.is_floating_point()]
    total = ranks.sum(torch.cat([share * buffer.flatten() for buffer in buffers]))
    for buffer, values in zip(buffers, total.split([buffer.numel() for buffer in buffers]), strict=True):
        buffer.copy_(values.view_as(buffer))
