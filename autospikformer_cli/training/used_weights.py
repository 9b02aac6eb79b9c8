"""Weights that the subnets of a step used. Those that none used can be kept from moving."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.extraction import layer_widths, norm_after
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training.optimizers import Optimizers


@contextmanager
def unused_stay(supernet: Supernet, optimizer: Optimizers, subnets: Sequence[Subnet]) -> Iterator[None]:
    """Inside it, an optimizer's step moves only what a subnet of the step used: of weights, and of its own moments.

    The rest is put back. Adam corrects its moments by the number of steps that used the layer. Muon's direction is
    that of a layer's whole momentum.
    """
    kept = []
    for parameter, is_used in used_parts(supernet, subnets):
        moments = (each for each in optimizer.state_of(parameter).values() if each.shape == parameter.shape)
        kept += [(each, is_used, each.detach().clone()) for each in (parameter, *moments)]
    yield
    with torch.no_grad():
        for each, is_used, before in kept:
            each.copy_(torch.where(is_used, each, before))


def used_parts(supernet: Supernet, subnets: Sequence[Subnet]) -> Iterator[tuple[nn.Parameter, Tensor]]:
    """Parameters of used layers of which a part is in no subnet. With each a mask of its shape: true where it is used.

    Layers of blocks that no subnet has are left out: they have no gradient, so no optimizer moves them.
    """
    for layer, norm, extents in _used_layers(supernet, subnets):
        outputs = max(out for _, out in extents)
        # Whether a part is used is known from the widths: a look at the mask would make the host wait for a GPU.
        if (layer.weight.shape[1], layer.weight.shape[0]) not in extents:
            is_used = torch.zeros_like(layer.weight, dtype=torch.bool)
            for inputs, out in extents:
                is_used[:out, :inputs] = True
            yield layer.weight, is_used
        for vector in _vectors(layer, norm):
            if outputs < len(vector):
                yield vector, torch.arange(len(vector), device=vector.device) < outputs


def used_extents(supernet: Supernet, subnets: Sequence[Subnet]) -> dict[nn.Parameter, tuple[int, ...]]:
    """Of parameters of used layers, how many outputs, or outputs and inputs, contain all that the subnets use."""
    found: dict[nn.Parameter, tuple[int, ...]] = {}
    for layer, norm, extents in _used_layers(supernet, subnets):
        inputs, outputs = (max(sizes) for sizes in zip(*extents, strict=True))
        found[layer.weight] = (outputs, inputs)
        found.update((vector, (outputs,)) for vector in _vectors(layer, norm))
    return found


UsedLayer = tuple[ElasticConvolution | ElasticLinear, ElasticBatchNorm | None, list[tuple[int, int]]]
"""A layer, the BatchNorm after it, and the inputs and outputs that each subnet uses which has the layer."""


def _used_layers(supernet: Supernet, subnets: Sequence[Subnet]) -> Iterator[UsedLayer]:
    widths = [layer_widths(supernet.config.shape, subnet) for subnet in subnets]
    modules = {str(each.name): each for each in supernet.modules() if hasattr(each, "name")}
    for name in dict.fromkeys(name for each in widths for name in each):
        layer, norm = modules[name], modules.get(norm_after(name))
        assert isinstance(layer, ElasticConvolution | ElasticLinear)
        yield (
            layer,
            norm if isinstance(norm, ElasticBatchNorm) else None,
            [each[name] for each in widths if name in each],
        )


def _vectors(layer: ElasticConvolution | ElasticLinear, norm: ElasticBatchNorm | None) -> list[nn.Parameter]:
    vectors = [layer.bias] if norm is None else [layer.bias, norm.weight, norm.bias]
    return [vector for vector in vectors if vector is not None]
