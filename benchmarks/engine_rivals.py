"""SpikingJelly's `spikformer_cifar10` with the weights and statistics of our network, in several settings.

SpikingJelly pools a convolution's sums before the neurons; we pool the spikes, as Spikformer's own code for CIFAR-10.
It is timed as it is published, which spares it three of four neurons of those layers; `disagreement` moves the pooling.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from engine_network import SUBNET, Workload
from spikingjelly.activation_based import functional
from spikingjelly.activation_based.layer import SeqToANNContainer
from spikingjelly.activation_based.model.spikformer import Spikformer, SpikformerBlock, spikformer_cifar10
from torch import Tensor, nn

from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.normalisation import FixedStatistics, Moments
from autospikformer_cli.spiking.passes import Layer
from autospikformer_cli.spiking.supernet import Supernet

IMAGES_COMPARED = 4


def spikingjelly_network(supernet: Supernet, moments: FixedStatistics) -> Spikformer:
    """SpikingJelly's network, as published, with the same weights, BatchNorm biases and moments."""
    model = spikformer_cifar10(T=SUBNET.time_step).eval().to(supernet.head.weight.dtype)
    _take_over(supernet, model, lambda layer: moments.by_layer[layer.norm.name])
    return model


def spikingjelly_subnet(supernet: Supernet, subnet: Subnet) -> Spikformer:
    """SpikingJelly's network in the shape of a subnet, with its weights and the statistics of training."""
    dim, ratios = subnet.embed_dim, [float(ratio) for ratio in subnet.mlp_ratio]
    model = Spikformer(
        subnet.time_step, 3, 32, 32, 4, supernet.head.weight.shape[0], dim, subnet.num_heads[0], ratios[0], subnet.depth
    )
    for block, (heads, ratio) in enumerate(zip(subnet.num_heads, ratios, strict=True)):
        model.blocks[block] = SpikformerBlock(dim=dim, num_heads=heads, mlp_ratio=ratio)
    functional.set_step_mode(model, "m")
    model = model.eval().to(supernet.head.weight.dtype)
    _take_over(supernet, model, lambda layer: Moments(layer.norm.running_mean, layer.norm.running_var))
    return model


def _take_over(supernet: Supernet, model: Spikformer, moments_of: Callable[[Layer], Moments]) -> None:
    """Copy the first channels of the weights, of BatchNorm and of its moments."""
    for layers, (weights, norm, *_) in _counterparts(supernet, model):
        outputs, inputs = weights.weight.shape[0] // len(layers), weights.weight.shape[1]
        measured = [moments_of(layer).first(outputs) for layer in layers]
        biases = [0.0 if layer.weights.bias is None else layer.weights.bias[:outputs] for layer in layers]
        sliced = torch.cat([layer.weights.weight[:outputs, :inputs] for layer in layers])
        weights.weight.copy_(sliced.view_as(weights.weight))
        norm.weight.copy_(torch.cat([layer.norm.weight[:outputs] for layer in layers]))
        norm.bias.copy_(torch.cat([layer.norm.bias[:outputs] for layer in layers]))
        norm.running_mean.copy_(torch.cat([m.mean - bias for m, bias in zip(measured, biases, strict=True)]))
        norm.running_var.copy_(torch.cat([m.variance for m in measured]))
    model.head.weight.copy_(supernet.head.weight[:, : model.head.in_features])
    model.head.bias.copy_(supernet.head.bias)


def _counterparts(supernet: Supernet, model: Spikformer) -> Iterator[tuple[list[Layer], SeqToANNContainer]]:
    """Our layers, and SpikingJelly's container of the same weights and BatchNorm."""
    stages = [*model.patch_embed.stages, model.patch_embed.positional_encoding]
    for ours, theirs in zip(supernet.patch_embed.convolutions, stages, strict=True):
        yield [ours], theirs.conv_bn.block
    for block, their_block in zip(supernet.block, model.blocks, strict=False):  # a subnet has the first
        yield [block.attn.layer(name) for name in "qkv"], their_block.attn.qkv_conv_bn
        yield [block.attn.layer("proj")], their_block.attn.proj_conv_bn
        yield [block.mlp.layer("fc1")], their_block.mlp.fc1
        yield [block.mlp.layer("fc2")], their_block.mlp.fc2


def logits_of(model: Callable[[Tensor], Tensor], network: Spikformer, images_BCHW: Tensor) -> Tensor:
    """Means over time steps, as its users take them, and the potentials put back."""
    logits = model(images_BCHW).mean(0)
    functional.reset_net(network)
    return logits


def disagreement(workload: Workload) -> float:
    """Largest difference of a logit in float64 between their network, with the pooling behind the neurons, and ours."""
    supernet = copy.deepcopy(workload.supernet).double()
    frames = workload.frames[:, :IMAGES_COMPARED].double()
    model = spikingjelly_network(supernet, workload.statistics)
    for stage in model.patch_embed.stages:
        weights, norm, *pools = stage.conv_bn.block
        stage.conv_bn.block = SeqToANNContainer(weights, norm)
        stage.neuron = nn.Sequential(stage.neuron, *(SeqToANNContainer(pool) for pool in pools))
    theirs = logits_of(model, model, frames[0].permute(0, 3, 1, 2).contiguous())
    return float((theirs - supernet(frames, SUBNET, workload.statistics)).abs().max())


def published_rate(workload: Workload) -> float:
    """Mean over layers of the mean input value in SpikingJelly's network as published."""
    model = spikingjelly_network(workload.supernet, workload.statistics)
    rates: list[float] = []

    def keep(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        rates.extend([float(inputs[0].double().mean())] * (3 if layer in joined else 1))

    joined = {block.attn.qkv_conv_bn[0] for block in model.blocks}
    for layer in list(model.modules()):
        if isinstance(layer, nn.Conv1d | nn.Conv2d):
            layer.register_forward_pre_hook(keep)
    logits_of(model, model, workload.frames[0].permute(0, 3, 1, 2).contiguous())
    return statistics.mean(rates[1:])


@dataclass
class Rival:
    """One setting of SpikingJelly's network; compiled: options of torch.compile, None to run it eagerly."""

    name: str
    memory_format: torch.memory_format
    compiled: dict[str, bool] | None = None
    compile_s: list[float] = field(default_factory=list)
    error: str = ""

    def prepare(self, workload: Workload) -> Callable[[], Tensor] | None:
        """What runs it on the batch, compiled before; None, and the error kept, where it cannot be compiled."""
        network = spikingjelly_network(workload.supernet, workload.statistics).to(memory_format=self.memory_format)
        images = workload.frames[0].permute(0, 3, 1, 2).contiguous(memory_format=self.memory_format)
        if self.compiled is None:
            return lambda: logits_of(network, network, images)
        model = torch.compile(network, dynamic=False, options=self.compiled)
        begun = time.perf_counter()
        try:
            for _ in range(2):  # what the second call compiles anew counts, too
                logits_of(model, network, images)
        except Exception as error:  # whatever keeps it from compiling belongs in the report
            self.error = f"{type(error).__name__}: {str(error).splitlines()[0]}"
            return None
        self.compile_s.append(time.perf_counter() - begun)
        return lambda: logits_of(model, network, images)


def rivals(with_compiler: bool) -> list[Rival]:
    """As its users run it, and every setting that may be faster."""
    last = torch.channels_last
    eager = [Rival("eager", torch.contiguous_format), Rival("eager, channels last", last)]
    # In its plain memory format, or with frozen weights, it is not faster (24.6 and 25.2 against 25.4 images/s).
    compiled = [Rival("torch.compile, channels last", last, {})]
    return eager + compiled if with_compiler else eager
