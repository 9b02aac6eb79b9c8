"""Subnets of the supernet: against an independent implementation, against themselves, and each gene's effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.space import SearchSpace, Subnet, parse_subnet
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.normalisation import (
    BatchStatistics,
    FixedStatistics,
    RecordedStatistics,
    RunningStatistics,
    Statistics,
)
from autospikformer_cli.spiking.passes import multiply_heads
from autospikformer_cli.spiking.supernet import Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-9
BASE = parse_subnet("(2, 2, 3, 2, 4, 0.8, 1, 2, 1.25, 3, 16)")
NARROW = parse_subnet("(2, 1.3, 2, 4, 2, 1, 0.6, 1.5, 2, 4, 12)")
SHALLOW = parse_subnet("(1, 2, 2, 0.6, 1.25, 2, 12)")
MODES = ["running", "batch", "recalibrated"]


def subnets(space: SearchSpace) -> list[Subnet]:
    return [BASE, NARROW, SHALLOW, space.largest(), space.smallest(), *(space.sample(Random(s)) for s in range(4))]


def close(logits: Tensor, expected: Tensor) -> bool:
    return logits.shape == expected.shape and float((logits - expected).abs().max()) < TOLERANCE


def logits_of(
    supernet: Supernet, images: Tensor, subnet: Subnet, statistics: Statistics | None = None, watcher: Any = None
) -> Tensor:
    with torch.no_grad():
        run = supernet.in_torch(subnet, statistics or RunningStatistics())
        return supernet.run(images[None], subnet, watcher.on(run) if watcher else run)


def recalibrated(supernet: Supernet, images: Tensor, subnet: Subnet) -> FixedStatistics:
    recorded = RecordedStatistics()
    logits_of(supernet, images, subnet, recorded)
    return FixedStatistics(recorded.by_layer)


def statistics_of(mode: str, supernet: Supernet, calibration: Tensor, subnet: Subnet) -> Statistics:
    if mode == "recalibrated":
        return recalibrated(supernet, calibration, subnet)
    return RunningStatistics() if mode == "running" else BatchStatistics()


def moments_of(mode: str, reference: Any, supernet: Supernet, calibration: Tensor, subnet: Subnet) -> Any:
    weights = supernet.state_dict()
    if mode == "recalibrated":
        return reference.recalibrated(weights, supernet.config, subnet, calibration)
    return reference.running(weights) if mode == "running" else reference.of_the_batch(weights)


@pytest.fixture(scope="module")
def calibration() -> Tensor:
    return torch.randn(9, 8, 8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(8))


def test_every_layer_of_the_tested_networks_fires(
    lively: Supernet, images: Tensor, space: SearchSpace, calibration: Tensor, watcher: Any
) -> None:
    """What the other tests rest on: between 5 and 60 % of the neurons of every layer, in every subnet."""
    for subnet in subnets(space):
        for mode in MODES:
            logits_of(lively, images, subnet, statistics_of(mode, lively, calibration, subnet), watcher)
            rates = watcher.rates()
            assert len(rates) == 5 + 7 * space.depth[-1] or subnet.depth < space.depth[-1]
            assert min(rates.values()) > 0.05, (subnet, mode, rates)
            assert max(rates.values()) < 0.6, (subnet, mode, rates)


# Against the independent implementation


@pytest.mark.parametrize("mode", MODES)
def test_the_reference_agrees(
    lively: Supernet, images: Tensor, space: SearchSpace, calibration: Tensor, reference: Any, watcher: Any, mode: str
) -> None:
    for subnet in subnets(space):
        moments = moments_of(mode, reference, lively, calibration, subnet)
        network = reference.network(lively.state_dict(), lively.config, subnet, moments)
        logits = logits_of(lively, images, subnet, statistics_of(mode, lively, calibration, subnet), watcher)
        assert close(logits, network(images))
        assert all(torch.equal(watcher.spikes[name], spikes) for name, spikes in network.spikes.items())
        for name in set(network.inputs) - {"patch_embed.proj_conv", "head"}:
            assert torch.equal(watcher.inputs[name], network.inputs[name])


@pytest.mark.parametrize("fires_at", ["reach", "exceed"])
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("decay_input", [True, False])
@pytest.mark.parametrize("choices", [{}, {"threshold_scope": "fc1", "fixed_heads": 4}], ids=["own", "fixed"])
def test_the_reference_agrees_under_every_switch(
    make_lively: Callable[..., Supernet], images: Tensor, reference: Any, watcher: Any, fires_at: Any, reset: Any,
    decay_input: bool, choices: dict[str, Any],
) -> None:  # fmt: skip
    supernet = make_lively(dynamics=Dynamics(decay_input, fires_at, reset), **choices)
    for subnet in (BASE, NARROW):
        network = reference.network(
            supernet.state_dict(), supernet.config, subnet, reference.of_the_batch(supernet.state_dict())
        )
        assert close(logits_of(supernet, images, subnet, BatchStatistics(), watcher), network(images))
        assert min(watcher.rates().values()) > 0.01
        assert max(watcher.rates().values()) < 0.95


@pytest.mark.parametrize("pooled", [(), (4,), (3, 4), (1, 2, 3)])
def test_the_reference_agrees_on_other_stems(
    make_lively: Callable[..., Supernet], images: Tensor, reference: Any, pooled: tuple[int, ...]
) -> None:
    """Down to one token, where the product of q and k comes first; seven pixels are pooled to four."""
    for size in (7, 8):
        supernet = make_lively()
        shape = replace(supernet.config.shape, image_size=size, pooled_stages=pooled)
        supernet.patch_embed.shape = shape
        cut = images[:, :size, :size]
        config = replace(supernet.config, shape=shape)
        network = reference.network(
            supernet.state_dict(), config, NARROW, reference.of_the_batch(supernet.state_dict())
        )
        assert close(logits_of(supernet, cut, NARROW, BatchStatistics()), network(cut))


# Against itself


def test_subnets_do_not_disturb_each_other(lively: Supernet, images: Tensor, space: SearchSpace) -> None:
    chosen = subnets(space)
    before = {name: value.clone() for name, value in lively.state_dict().items()}
    alone = [logits_of(lively, images, subnet) for subnet in chosen]
    order = [0, 1, 0, 2, 3, 1, 0, 4, 8, 5, 6, 3, 7]
    assert all(torch.equal(logits_of(lively, images, chosen[i]), alone[i]) for i in order)
    assert all(torch.equal(value, before[name]) for name, value in lively.state_dict().items())


def test_images_do_not_disturb_each_other(lively: Supernet, images: Tensor, calibration: Tensor) -> None:
    permutation = torch.tensor([3, 5, 0, 1, 4, 2])
    for subnet in (BASE, NARROW, SHALLOW):
        for statistics in (RunningStatistics(), recalibrated(lively, calibration, subnet)):
            logits = logits_of(lively, images, subnet, statistics)
            assert close(logits_of(lively, images[permutation], subnet, statistics), logits[permutation])
            assert close(logits_of(lively, images[2:3], subnet, statistics), logits[2:3])
            assert len({tuple(row) for row in logits.tolist()}) == len(images)


def test_a_batchs_own_statistics_disturb(lively: Supernet, images: Tensor) -> None:
    logits = logits_of(lively, images, BASE, BatchStatistics())
    assert not close(logits_of(lively, images[:3], BASE, BatchStatistics()), logits[:3])


# Slices


def slices_of(weights: Mapping[str, Tensor], subnet: Subnet) -> Iterator[tuple[str, Tensor]]:
    """Views of exactly the weights that a subnet has, written out layer by layer."""
    dim = subnet.embed_dim
    for name, value in weights.items():
        parts = name.split(".")
        if parts[0] == "head":
            yield name, value[:, :dim] if name == "head.weight" else value
        elif parts[0] == "patch_embed":
            last = parts[1] in ("proj_conv3", "proj_bn3", "rpe_conv", "rpe_bn")
            value = value[:dim] if last else value
            yield name, value[:, :dim] if parts[1] == "rpe_conv" else value
        elif int(parts[1]) < subnet.depth:
            hidden = int(subnet.mlp_ratio[int(parts[1])] * dim)
            outputs = hidden if parts[3].startswith("fc1") else dim
            inputs = hidden if parts[3] == "fc2_linear" else dim
            yield name, value[:outputs, :inputs] if value.ndim == 2 else value[:outputs]


@pytest.mark.parametrize("mode", MODES)
def test_a_subnet_is_a_network_of_its_slices(
    lively: Supernet, images: Tensor, space: SearchSpace, calibration: Tensor, reference: Any, mode: str
) -> None:
    """A stand-alone network holding copies: nothing wider is there to be read."""
    for subnet in subnets(space):
        copies = {name: value.clone() for name, value in slices_of(lively.state_dict(), subnet)}
        moments = reference.running(copies) if mode == "running" else reference.of_the_batch(copies)
        if mode == "recalibrated":
            moments = reference.recalibrated(copies, lively.config, subnet, calibration)
        expected = reference.network(copies, lively.config, subnet, moments)(images)
        assert close(logits_of(lively, images, subnet, statistics_of(mode, lively, calibration, subnet)), expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_subnet_is_a_supernet_of_a_space_of_one(
    lively: Supernet, images: Tensor, calibration: Tensor, mode: str
) -> None:
    subnet = parse_subnet("(1, 2, 2, 0.8, 1.25, 3, 16)")
    only = SearchSpace(*((getattr(subnet, gene),) if gene in ("depth", "time_step", "embed_dim")
                         else getattr(subnet, gene) for gene in SearchSpace.__slots__))  # fmt: skip
    assert list(only.members()) == [subnet]
    single = Supernet(replace(lively.config, space=only)).double()
    copies = {name: value.clone() for name, value in slices_of(lively.state_dict(), subnet)}
    single.load_state_dict(copies)
    expected = logits_of(single, images, subnet, statistics_of(mode, single, calibration, subnet))
    assert close(logits_of(lively, images, subnet, statistics_of(mode, lively, calibration, subnet)), expected)


def test_nothing_outside_the_slices_is_read(make_lively: Callable[..., Supernet], images: Tensor) -> None:
    for subnet in (NARROW, SHALLOW):
        supernet = make_lively()
        expected = logits_of(supernet, images, subnet)
        kept = dict(supernet.state_dict())
        views = {name: view.clone() for name, view in slices_of(kept, subnet)}
        for name, value in kept.items():
            value.fill_(torch.nan)
            if name in views:
                value[tuple(slice(0, side) for side in views[name].shape)] = views[name]
        assert torch.equal(logits_of(supernet, images, subnet), expected)


# Attention


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize(("tokens", "dim", "heads"), [(16, 8, 1), (16, 8, 4), (4, 16, 1), (4, 16, 2), (64, 96, 12)])
def test_both_orders_of_the_attention_product_are_exact(dtype: torch.dtype, tokens: int, dim: int, heads: int) -> None:
    generator = torch.Generator().manual_seed(4)
    q, k, v = (torch.randint(2, (2, 3, tokens, dim), generator=generator).to(dtype) for _ in range(3))
    whole = [x.long().unflatten(-1, (heads, -1)) for x in (q, k, v)]
    exact = torch.einsum("tbnhd,tbmhd,tbmhe->tbnhe", *whole).flatten(-2)
    assert torch.equal(multiply_heads(q, k, v, heads).long(), exact)
    split = [x.unflatten(-1, (heads, -1)).transpose(2, 3) for x in (q, k, v)]
    first = (split[0] @ split[1].mT) @ split[2]
    second = split[0] @ (split[1].mT @ split[2])
    assert torch.equal(first, second)
    assert torch.equal(multiply_heads(q, k, v, heads) * 0.125, second.transpose(2, 3).flatten(3) * 0.125)
