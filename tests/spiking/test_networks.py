"""The forms of the network: Spikformer for CIFAR, for ImageNet and for event cameras, and the ANN of the same shape."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.spiking.layout import NetworkShape, even_frames, num_params, operations
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

EVERY_STAGE = (1, 2, 3, 4)


def handmade(depth: int, dim: int, heads: int, time_step: int = 4) -> Subnet:
    one, two = Decimal(1), Decimal(2)
    return Subnet((Decimal(4),) * depth, (heads,) * depth, (one,) * depth, (two,) * depth, time_step, dim)


def space_of(subnet: Subnet) -> SearchSpace:
    genes = ("mlp_ratio", "num_heads", "threshold", "tau")
    return SearchSpace(
        depth=(subnet.depth,), time_step=(subnet.time_step,), embed_dim=(subnet.embed_dim,),
        **{gene: tuple(sorted(set(getattr(subnet, gene)))) for gene in genes},
    )  # fmt: skip


PUBLISHED = [
    pytest.param(NetworkShape(32, 3, 10, 384), handmade(4, 384, 12), 9_325, 64, id="CIFAR, 4-384"),
    pytest.param(
        NetworkShape(128, 2, 10, 256, EVERY_STAGE, qkv_bias=False, reads_events=True), handmade(2, 256, 16), 2_567, 64,
        id="CIFAR10-DVS, 2-256",
    ),
    pytest.param(
        NetworkShape(224, 3, 1000, 512, EVERY_STAGE, qkv_bias=False), handmade(8, 512, 8), 29_689, 196,
        id="ImageNet, 8-512",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("shape", "subnet", "thousands", "tokens"), PUBLISHED)
def test_published_sizes(shape: NetworkShape, subnet: Subnet, thousands: int, tokens: int) -> None:
    supernet = Supernet(NetworkConfig(shape, space_of(subnet)))
    params = sum(parameter.numel() for parameter in supernet.parameters())
    assert round(params / 1000) == thousands
    assert num_params(shape, subnet) == params
    assert shape.num_tokens == tokens
    has_bias = "block.0.attn.q_linear.bias" in supernet.state_dict()
    assert has_bias is shape.qkv_bias


def test_224_pixels_become_14_by_14_tokens(watcher: Any) -> None:
    shape = NetworkShape(224, 3, 7, 16, EVERY_STAGE, qkv_bias=False)
    subnet = handmade(1, 16, 2, time_step=2)
    supernet = Supernet(NetworkConfig(shape, space_of(subnet)))
    images = torch.randn(1, 2, 224, 224, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        run = watcher.on(supernet.in_torch(subnet, RunningStatistics()))
        assert supernet.run(images, subnet, run).shape == (2, 7)
    assert watcher.inputs["block.0.attn.q_linear"].shape == (2, 2, 14 * 14, 16)


# Frames of events


def test_even_frames() -> None:
    assert even_frames(16, 16) == list(range(16))
    assert even_frames(16, 8) == list(range(0, 16, 2))
    for frames in range(1, 12):
        for steps in range(1, frames + 1):
            taken = even_frames(frames, steps)
            assert taken[0] == 0
            gaps = np.diff([*taken, frames])
            assert gaps.min() >= 1
            assert gaps.max() - gaps.min() <= 1


def test_a_subnet_reads_as_many_frames_as_it_has_steps(make_lively: Any, space: SearchSpace) -> None:
    shape = NetworkShape(8, 2, 5, 16, (3,), qkv_bias=False, reads_events=True)
    supernet = make_lively(shape=shape)
    counts = torch.randint(0, 4, (6, 3, 8, 8, 2), generator=torch.Generator().manual_seed(1)).double()
    subnet = replace(space.largest(), time_step=4)
    with torch.no_grad():
        logits = supernet(counts, subnet, RunningStatistics())
        assert torch.equal(logits, supernet(counts[[0, 1, 3, 4]], subnet, RunningStatistics()))
        changed = counts.clone()
        changed[[2, 5]] += 3
        assert torch.equal(logits, supernet(changed, subnet, RunningStatistics()))
        changed[4] += 1
        assert not torch.equal(logits, supernet(changed, subnet, RunningStatistics()))


# The ANN


def by_torch(state: dict[str, Tensor], images_BHWC: Tensor, subnet: Subnet, pooled: tuple[int, ...]) -> Tensor:
    """The transformer from torch's own layers, with running statistics."""

    def norm(name: str, x: Tensor) -> Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{name}.{key}"] for key in keys))

    def linear(name: str, x_BND: Tensor) -> Tensor:
        y = functional.linear(x_BND, state[f"{name}_linear.weight"], state[f"{name}_linear.bias"])
        return norm(f"{name}_bn", y.flatten(0, 1)).view_as(y)

    x = images_BHWC.permute(0, 3, 1, 2)
    for stage, suffix in enumerate(("", "1", "2", "3"), 1):
        x = functional.conv2d(x, state[f"patch_embed.proj_conv{suffix}.weight"], padding=1)
        x = norm(f"patch_embed.proj_bn{suffix}", x).relu()
        x = functional.max_pool2d(x, 3, 2, 1) if stage in pooled else x
    x = x + norm("patch_embed.rpe_bn", functional.conv2d(x, state["patch_embed.rpe_conv.weight"], padding=1)).relu()
    x = x.flatten(2).transpose(1, 2)
    for block in range(subnet.depth):
        prefix, heads = f"block.{block}", subnet.num_heads[block]
        q, k, v = (linear(f"{prefix}.attn.{name}", x).unflatten(2, (heads, -1)) for name in "qkv")
        scores = torch.einsum("bnhd,bmhd->bhnm", q, k) / (subnet.embed_dim / heads) ** 0.5
        x = x + linear(f"{prefix}.attn.proj", torch.einsum("bhnm,bmhd->bnhd", scores.softmax(-1), v).flatten(2))
        x = x + linear(f"{prefix}.mlp.fc2", functional.gelu(linear(f"{prefix}.mlp.fc1", x)))
    return functional.linear(x.mean(1), state["head.weight"], state["head.bias"])


def test_the_ann_is_a_transformer_of_the_same_shape() -> None:
    shape = NetworkShape(8, 2, 5, 16, (4,), network="transformer")
    subnet = handmade(2, 16, 4)
    supernet = Supernet(NetworkConfig(shape, space_of(subnet))).double()
    generator = torch.Generator().manual_seed(3)
    for tensor in supernet.state_dict().values():
        tensor.copy_(
            torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + (0.5 if tensor.ndim == 1 else -0.5)
        )
    images = torch.randn(3, 8, 8, 2, dtype=torch.float64, generator=generator)
    with torch.no_grad():
        logits = supernet(images[None], subnet, RunningStatistics())
        expected = by_torch(supernet.state_dict(), images, subnet, (4,))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-9)
    spiking = NetworkShape(8, 2, 5, 16, (4,))
    assert num_params(shape, subnet) == num_params(spiking, subnet)
    macs = [[operation.macs for operation in operations(each, subnet)] for each in (shape, spiking)]
    assert macs[0] == macs[1]


def test_the_ann_learns_and_reads_the_mean_of_frames() -> None:
    shape = NetworkShape(8, 1, 2, 16, (4,), network="transformer")
    subnet = handmade(1, 16, 4)
    supernet = Supernet(NetworkConfig(shape, space_of(subnet)))
    generator = torch.Generator().manual_seed(5)
    images, labels = torch.randn(32, 8, 8, 1, generator=generator), torch.arange(32) % 2
    images[labels == 1, :, :4] += 1.0
    optimizer = torch.optim.AdamW(supernet.parameters(), lr=1e-2)
    losses = []
    for _ in range(20):
        loss = functional.cross_entropy(supernet(images[None], subnet), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
    with torch.no_grad():
        frames = torch.stack([images - 1, images + 1])
        torch.testing.assert_close(
            supernet(frames, subnet, RunningStatistics()), supernet(images[None], subnet, RunningStatistics())
        )


@pytest.mark.parametrize("network", ["transformer", "spikformer"])
def test_one_token_of_one_image_is_trained_on(network: Any) -> None:
    """BatchNorm of a single row leaves its bias; a last batch of one image must not stop a training."""
    shape = NetworkShape(8, 1, 2, 16, (2, 3, 4), network=network)
    subnet = handmade(1, 16, 4, time_step=1)
    supernet = Supernet(NetworkConfig(shape, space_of(subnet), neuron=ParametricLIFKind))
    loss = functional.cross_entropy(supernet(torch.randn(1, 1, 8, 8, 1), subnet), torch.tensor([1]))
    loss.backward()
    assert bool(loss.isfinite())
    assert float(supernet.head.bias.grad.abs().max()) > 0
    assert all(bool(tensor.isfinite().all()) for tensor in supernet.state_dict().values())
