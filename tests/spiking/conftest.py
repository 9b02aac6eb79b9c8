"""An independent Spikformer written from its equations in plain loops, and small networks whose neurons are all alive.

Dimension legend: T time steps, B images, C channels, H W rows and columns, N tokens, D embedding dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm, RecordedStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

Moments = Callable[[str, Tensor], tuple[Tensor, Tensor]]
STEM = ("proj_conv", "proj_conv1", "proj_conv2", "proj_conv3")
STEM_TAU, STEM_THRESHOLD, ATTENTION_THRESHOLD = 2.0, 1.0, 0.5


def _smooth_step(distance: Tensor, surrogate: str) -> Tensor:
    """The function whose derivative is the surrogate gradient."""
    if surrogate == "sigmoid":
        return torch.sigmoid(4 * distance)
    if surrogate == "arctan":
        return torch.atan(math.pi * distance) / math.pi
    return torch.where(distance.abs() < 0.5, distance, distance.detach())


def loop_lif(current_T: Tensor | Sequence[Tensor], tau: float, threshold: float, dynamics: Dynamics) -> Tensor:
    """LIF neurons, step by step; autograd sees a step function with the smooth step's derivative."""
    potential = torch.zeros_like(current_T[0])
    spikes = []
    for current in current_T:
        if dynamics.decay_input:
            potential = potential + (current - potential) / tau
        else:
            potential = potential * (1 - 1 / tau) + current
        hard_step = potential >= threshold if dynamics.fires_at == "reach" else potential > threshold
        smooth = _smooth_step(potential - threshold, dynamics.surrogate)
        spike = hard_step.to(potential.dtype) + (smooth - smooth.detach())
        spikes.append(spike)
        reset = spike.detach() if dynamics.detach_reset else spike
        potential = (1 - reset) * potential if dynamics.reset == "hard" else potential - reset * threshold
    return torch.stack(spikes)


def _max_pool(x_TBCHW: Tensor) -> Tensor:
    """3 x 3 windows, stride 2, one row and column of nothing around; of equals the first has the gradient (torch)."""
    padded = functional.pad(x_TBCHW, (1, 1, 1, 1), value=-1e9)
    rows, columns = ((size + 1) // 2 for size in x_TBCHW.shape[-2:])
    windows = [
        padded[..., top : top + 2 * rows - 1 : 2, left : left + 2 * columns - 1 : 2]
        for top in range(3)
        for left in range(3)
    ]
    pooled = windows[0]
    for window in windows[1:]:
        pooled = torch.where(window > pooled, window, pooled)
    return pooled


@dataclass
class Reference:
    """One subnet's forward pass over weights with Spikformer's names: whole arrays, of which it takes the first ones.

    moments(name, x (rows, channels)) gives a BatchNorm's mean and variance. inputs and spikes: what layers read and
    emitted, (T, B, ..., channels last).
    """

    weights: Mapping[str, Tensor]
    config: NetworkConfig
    subnet: Subnet
    moments: Moments
    inputs: dict[str, Tensor] = field(default_factory=dict)
    spikes: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, images_BHWC: Tensor) -> Tensor:
        """Logits (B, classes); images are convolved at every time step."""
        subnet, shape = self.subnet, self.config.shape
        x = images_BHWC.permute(0, 3, 1, 2)[None].repeat(subnet.time_step, 1, 1, 1, 1)
        for stage, name in enumerate(STEM, 1):
            outputs = subnet.embed_dim if stage == 4 else len(self.weights[f"patch_embed.{name}.weight"])
            x = self._convolution(f"patch_embed.{name}", x, outputs)
            x = _max_pool(x) if stage in shape.pooled_stages else x
        x = x + self._convolution("patch_embed.rpe_conv", x, subnet.embed_dim)
        x = x.flatten(3).transpose(2, 3)
        for block in range(subnet.depth):
            x = x + self._attention(f"block.{block}.attn", x, block)
            x = x + self._mlp(f"block.{block}.mlp", x, block)
        mean_BD = x.mean((0, 2))
        self.inputs["head"] = mean_BD
        return mean_BD @ self.weights["head.weight"][:, : subnet.embed_dim].T + self.weights["head.bias"]

    def _convolution(self, name: str, x_TBCHW: Tensor, outputs: int) -> Tensor:
        self.inputs[name] = x_TBCHW.permute(0, 1, 3, 4, 2)
        weight = self.weights[f"{name}.weight"][:outputs, : x_TBCHW.shape[2]]
        current = torch.stack([functional.conv2d(x, weight, padding=1) for x in x_TBCHW])
        norm = name.replace("conv", "bn")
        spikes = self._fire(norm, current.permute(0, 1, 3, 4, 2), STEM_TAU, STEM_THRESHOLD)
        return spikes.permute(0, 1, 4, 2, 3)

    def _linear(self, name: str, x_TBNC: Tensor, outputs: int, tau: float, threshold: float) -> Tensor:
        self.inputs[f"{name}_linear"] = x_TBNC
        weight = self.weights[f"{name}_linear.weight"][:outputs, : x_TBNC.shape[-1]]
        current = torch.einsum("tbnc,dc->tbnd", x_TBNC, weight) + self.weights[f"{name}_linear.bias"][:outputs]
        return self._fire(f"{name}_bn", current, tau, threshold)

    def _fire(self, norm: str, x_TBPC: Tensor, tau: float, threshold: float) -> Tensor:
        channels = x_TBPC.shape[-1]
        mean, variance = self.moments(norm, x_TBPC.reshape(-1, channels))
        weight, bias = (self.weights[f"{norm}.{kind}"][:channels] for kind in ("weight", "bias"))
        current = (x_TBPC - mean) / torch.sqrt(variance + 1e-5) * weight + bias
        self.spikes[norm] = loop_lif(current, tau, threshold, self.config.dynamics)
        return self.spikes[norm]

    def _attention(self, prefix: str, x_TBND: Tensor, block: int) -> Tensor:
        dim, tau = self.subnet.embed_dim, float(self.subnet.tau[block])
        threshold = float(self.subnet.threshold[block]) if self.config.threshold_scope == "block" else STEM_THRESHOLD
        heads = self.config.shape.fixed_heads or self.subnet.num_heads[block]
        q, k, v = (self._linear(f"{prefix}.{name}", x_TBND, dim, tau, threshold) for name in "qkv")
        self.inputs[f"{prefix}.q"], self.inputs[f"{prefix}.v"] = q, v
        width = dim // heads
        parts = []
        for head in range(heads):
            own = slice(head * width, (head + 1) * width)
            scores = torch.einsum("tbnd,tbmd->tbnm", q[..., own], k[..., own])
            parts.append(torch.einsum("tbnm,tbmd->tbnd", scores, v[..., own]))
        mixed = torch.cat(parts, -1) * self.config.attention_scale
        spikes = loop_lif(mixed, tau, ATTENTION_THRESHOLD, self.config.dynamics)
        self.spikes[f"{prefix}.attn"] = spikes
        return self._linear(f"{prefix}.proj", spikes, dim, tau, threshold)

    def _mlp(self, prefix: str, x_TBND: Tensor, block: int) -> Tensor:
        subnet, tau, searched = self.subnet, float(self.subnet.tau[block]), float(self.subnet.threshold[block])
        others = searched if self.config.threshold_scope == "block" else STEM_THRESHOLD
        hidden = math.floor(subnet.embed_dim * subnet.mlp_ratio[block])
        spikes = self._linear(f"{prefix}.fc1", x_TBND, hidden, tau, searched)
        return self._linear(f"{prefix}.fc2", spikes, subnet.embed_dim, tau, others)


def two_pass(name: str, x_RC: Tensor) -> tuple[Tensor, Tensor]:
    """Moments of the batch: the mean first, then the mean square distance from it."""
    mean = x_RC.mean(0)
    return mean, (x_RC - mean).square().mean(0)


def running(weights: Mapping[str, Tensor]) -> Moments:
    """The moments of training."""

    def moments(name: str, x_RC: Tensor) -> tuple[Tensor, Tensor]:
        channels = x_RC.shape[-1]
        return weights[f"{name}.running_mean"][:channels], weights[f"{name}.running_var"][:channels]

    return moments


def of_the_batch(weights: Mapping[str, Tensor]) -> Moments:
    """The batch's own moments, but training's in the three layers that no subnet slices."""

    def moments(name: str, x_RC: Tensor) -> tuple[Tensor, Tensor]:
        whole = name in ("patch_embed.proj_bn", "patch_embed.proj_bn1", "patch_embed.proj_bn2")
        return (running(weights) if whole else two_pass)(name, x_RC)

    return moments


class References:
    """What the tests use of this file's reference."""

    lif = staticmethod(loop_lif)
    two_pass = staticmethod(two_pass)
    running = staticmethod(running)
    of_the_batch = staticmethod(of_the_batch)
    network = Reference

    @staticmethod
    def recalibrated(
        weights: Mapping[str, Tensor], config: NetworkConfig, subnet: Subnet, images_BHWC: Tensor,
        network: type[Reference] = Reference,
    ) -> Moments:  # fmt: skip
        """The subnet's own moments on calibration images, layer after layer."""
        found: dict[str, tuple[Tensor, Tensor]] = {}

        def record(name: str, x_RC: Tensor) -> tuple[Tensor, Tensor]:
            found[name] = two_pass(name, x_RC)
            return found[name]

        network(weights, config, subnet, record)(images_BHWC)
        return lambda name, x_RC: found[name]


@pytest.fixture(scope="session")
def reference() -> References:
    """The independent implementation."""
    return References()


SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal("1.3"), Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal("0.8"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal("1.5"), Decimal(2)),
    time_step=(2, 3, 4),
    embed_dim=(12, 16),
)
SHAPE = NetworkShape(image_size=8, in_channels=2, num_classes=5, widest_dim=16, pooled_stages=(3,))
NUM_IMAGES = 6
MakeLively = Callable[..., Supernet]


@pytest.fixture(scope="session")
def space() -> SearchSpace:
    """A space of small subnets; 12 x 1.3 is no whole number."""
    return SPACE


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Random images (6, 8, 8, 2)."""
    return torch.randn(NUM_IMAGES, 8, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session")
def make_lively(images: Tensor) -> MakeLively:
    """Float64 networks with random weights and statistics such that neurons fire often, but not always."""

    def make(seed: int = 4, fixed_heads: int | None = None, **choices: Any) -> Supernet:
        shape = replace(choices.pop("shape", SHAPE), fixed_heads=fixed_heads)
        config = NetworkConfig(**{"shape": shape, "space": SPACE, "attention_scale": 0.5, **choices})
        supernet = Supernet(config).double()
        generator = torch.Generator().manual_seed(seed)
        gain = 1.0 if config.dynamics.decay_input else 0.5
        with torch.no_grad():
            for name, parameter in supernet.named_parameters():
                if "_bn" in name:
                    low, high = (1.0, 8.0) if name.endswith("weight") else (-5.0, 3.0)
                    parameter.uniform_(low * gain, high * gain, generator=generator)
                else:
                    parameter.normal_(0, 1, generator=generator)
            recorded = RecordedStatistics()
            supernet(images[None], config.space.largest(), recorded)
            for norm in supernet.modules():
                if isinstance(norm, ElasticBatchNorm):
                    mean, variance = recorded.by_layer[norm.name]
                    norm.running_mean.copy_(mean).mul_(0.9)
                    norm.running_var.copy_(variance).mul_(1.1)
        return supernet

    return make


@pytest.fixture(scope="session")
def lively(make_lively: MakeLively) -> Supernet:
    """One such network, not to be changed."""
    return make_lively()
