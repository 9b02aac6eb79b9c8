"""Pools before neurons: the whole network, and its gradients, against SpikingJelly's own Spikformer in float64."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
import torch
from torch import Tensor

from autospikformer_cli.engine.dense import Dense
from autospikformer_cli.engine.event_driven import EventDriven
from autospikformer_cli.engine.tally import Untallied
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking import passes
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.normalisation import RunningStatistics
from autospikformer_cli.spiking.pooling import max_pool
from autospikformer_cli.spiking.published import Entry, translate
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

spikformer = pytest.importorskip("spikingjelly.activation_based.model.spikformer")

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS, DIM, HEADS, DEPTH, CLASSES, IMAGES = 4, 24, 3, 2, 5, 8


def spikingjelly(patch_size: int, size: int) -> Any:
    """Its network in float64, with random weights and statistics such that every layer fires."""
    generator = torch.Generator().manual_seed(patch_size)
    network = spikformer.Spikformer(
        T=STEPS, in_channels=3, img_size_h=size, img_size_w=size, patch_size=patch_size, num_classes=CLASSES,
        embed_dims=DIM, num_heads=HEADS, mlp_ratio=3.0, depths=DEPTH,
    ).double()  # fmt: skip
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
            if name.endswith("running_var"):
                tensor.abs_().mul_(0.2).add_(0.1)
            elif name.endswith("running_mean"):
                tensor.mul_(0.1)
            elif tensor.ndim > 1:
                tensor.div_(tensor[0].numel() ** 0.5)
            elif name.endswith(".weight"):
                tensor.mul_(0.5).add_(tensor.sign())
            elif name.endswith("1.bias"):
                tensor.mul_(0.3).add_(0.9)
    return network.eval()


def ours(theirs: Any, patch_size: int, size: int) -> Supernet:
    """The same network with its weights."""
    space = SearchSpace((DEPTH,), (Decimal(3),), (HEADS,), (Decimal(1),), (Decimal(2),), (STEPS,), (DIM,))
    stages = (3, 4) if patch_size == 4 else (1, 2, 3, 4)
    shape = NetworkShape(size, 3, CLASSES, DIM, stages, qkv_bias=False, pool="before")
    supernet = Supernet(NetworkConfig(shape, space)).double()
    state = theirs.state_dict()
    found = translate({name: tuple(tensor.shape) for name, tensor in state.items()})
    assert found.is_spikingjelly
    supernet.load_state_dict({name: values(state, entry) for name, entry in found.entries.items()})
    return supernet


def values(state: dict[str, Tensor], entry: Entry) -> Tensor:
    """The values of one of our tensors."""
    if not entry.source:
        return torch.zeros(entry.shape, dtype=torch.float64)
    rows = entry.shape[0]
    first = rows * (entry.third or 0)
    return state[entry.source][first : first + rows].reshape(entry.shape)


@pytest.fixture(params=[(4, 16), (16, 33)], ids=["CIFAR", "ImageNet, odd sides"])
def networks(request: pytest.FixtureRequest) -> tuple[Any, Supernet, Tensor]:
    """SpikingJelly's network, ours, and images (B, C, H, W)."""
    patch_size, size = request.param
    theirs = spikingjelly(patch_size, size)
    x = torch.randn(IMAGES, 3, size, size, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).mul(0.3)
    return theirs, ours(theirs, patch_size, size), x


@torch.no_grad()
def test_logits_are_those_of_spikingjelly(networks: tuple[Any, Supernet, Tensor], watcher: Any) -> None:
    theirs, supernet, x = networks
    expected = theirs(x).mean(0)
    subnet, frames = supernet.config.space.largest(), x.permute(0, 2, 3, 1)[None].contiguous()
    supernet.run(frames, subnet, watcher.on(supernet.in_torch(subnet, RunningStatistics())))
    rates = watcher.rates()
    assert min(rates.values()) > 0.01, rates
    assert max(rates.values()) < 0.9, rates
    assert float(expected.std(0).min()) > 1e-2
    for engine in (Dense(supernet), EventDriven(supernet, 1)):
        logits = engine.logits(frames, subnet, RunningStatistics(), Untallied())
        assert float((logits - expected).abs().max()) < 1e-9


@pytest.fixture
def no_ties(monkeypatch: pytest.MonkeyPatch) -> None:
    """Max-pools, both networks', that add up to 1e-6 to each position before they choose.

    Equal patches of spikes have equal currents but for the last bit, which depends on the processor's vectors. It would
    decide which of them a gradient flows to.
    """
    plain = torch.nn.functional.max_pool2d

    def noise(height: int, width: int) -> Tensor:
        generator = torch.Generator().manual_seed(3)
        return torch.rand((height, width), dtype=torch.float64, generator=generator) * 1e-6

    def pool(x_BCHW: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return plain(x_BCHW + noise(*x_BCHW.shape[-2:]), *arguments, **options)

    monkeypatch.setattr(torch.nn.functional, "max_pool2d", pool)
    monkeypatch.setattr(passes, "max_pool", lambda x: max_pool(x + noise(*x.shape[2:4])[..., None]))


@pytest.mark.usefixtures("no_ties")
def test_training_is_that_of_spikingjelly(networks: tuple[Any, Supernet, Tensor]) -> None:
    """Logits, running statistics and gradients of one step, of the images that SpikingJelly repeats at each step."""
    theirs, supernet, x = networks
    subnet = supernet.config.space.largest()
    logits = supernet(x.permute(0, 2, 3, 1)[None].contiguous(), subnet)
    expected = theirs.train()(x).mean(0)
    assert float((logits - expected).detach().abs().max()) < 1e-9
    weights = torch.randn(logits.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    (logits * weights).sum().backward()
    (expected * weights).sum().backward()
    state = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    found = translate({name: tuple(gradient.shape) for name, gradient in state.items()})
    gradients = {name: parameter.grad for name, parameter in supernet.named_parameters()}
    for name, entry in found.entries.items():
        if entry.source:
            theirs_own, our_own = values(state, entry), gradients[name]
            assert our_own is not None
            assert float((our_own - theirs_own).abs().max()) < 1e-9 * max(1.0, float(theirs_own.abs().max())), name
