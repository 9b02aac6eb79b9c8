"""On a CUDA device: the same network as on the CPU."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest
import torch
from torch import Tensor

from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.normalisation import BatchStatistics
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.5"), Decimal(2)),
    time_step=(2, 4),
    embed_dim=(16, 24),
)


IMAGES = NetworkShape(8, 3, 5, 24, (4,))
FORMS = {
    "images": NetworkConfig(IMAGES, SPACE),
    "events": NetworkConfig(replace(IMAGES, in_channels=2, qkv_bias=False, reads_events=True), SPACE),
    "plif": NetworkConfig(IMAGES, SPACE, neuron=ParametricLIFKind),
    "transformer": NetworkConfig(replace(IMAGES, network="transformer"), SPACE),
}


def make(form: str) -> Supernet:
    return Supernet(FORMS[form]).double()


def frames_of(form: str) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    if form == "events":
        return torch.randint(0, 4, (4, 6, 8, 8, 2), generator=generator).double()
    return torch.randn(1, 6, 8, 8, 3, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("form", FORMS)
def test_logits_equal_the_cpus_in_float64(form: str) -> None:
    frames, supernet = frames_of(form), make(form)
    for seed in range(5):
        subnet = SPACE.sample(Random(seed))
        with torch.no_grad():
            here = supernet.cpu()(frames, subnet, BatchStatistics())
            there = supernet.cuda()(frames.cuda(), subnet, BatchStatistics()).cpu()
        assert torch.allclose(here, there, rtol=0, atol=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_gradients_equal_the_cpus_in_float64(form: str) -> None:
    frames, subnet = frames_of(form), SPACE.sample(Random(7))
    gradients = []
    for device in ("cpu", "cuda"):
        supernet = make(form).to(device)
        supernet(frames.to(device), subnet).square().sum().backward()
        gradients.append({name: p.grad.cpu() for name, p in supernet.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        assert torch.allclose(gradient, gradients[1][name], rtol=1e-7, atol=1e-9), name
