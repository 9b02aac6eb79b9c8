"""Training mode: gradients of a whole subnet against autograd through the independent implementation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.space import parse_subnet
from autospikformer_cli.spiking.neuron import Dynamics
from autospikformer_cli.spiking.supernet import Supernet

pytestmark = pytest.mark.usefixtures("one_thread")

NARROW = parse_subnet("(1, 1.3, 2, 0.8, 1.25, 3, 12)")
WHOLE = parse_subnet("(2, 2, 3, 2, 4, 0.8, 1, 2, 1.25, 3, 16)")
TARGETS = torch.tensor([0, 1, 2, 3, 4, 0])


def trained(supernet: Supernet, images: Tensor, subnet: Any) -> dict[str, Tensor]:
    """Gradients by parameter, zero where there is none."""
    supernet.zero_grad()
    functional.cross_entropy(supernet(images[None], subnet), TARGETS).backward()
    parameters = supernet.named_parameters()
    return {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in parameters}


@pytest.mark.parametrize("subnet", [NARROW, WHOLE], ids=str)
@pytest.mark.parametrize(
    "dynamics",
    [
        Dynamics(),
        Dynamics(detach_reset=False),
        Dynamics(decay_input=False, reset="soft", surrogate="arctan"),
        Dynamics(fires_at="exceed", reset="soft", detach_reset=False, surrogate="rectangular"),
    ],
    ids=str,
)
def test_gradients_are_autograds(
    make_lively: Callable[..., Supernet], images: Tensor, reference: Any, dynamics: Dynamics, subnet: Any
) -> None:
    supernet = make_lively(dynamics=dynamics)
    leaves = {name: value.clone() for name, value in supernet.state_dict().items()}
    for name, _ in supernet.named_parameters():
        leaves[name].requires_grad_()
    network = reference.network(leaves, supernet.config, subnet, reference.two_pass)
    functional.cross_entropy(network(images), TARGETS).backward()
    for name, grad in trained(supernet, images, subnet).items():
        expected = torch.zeros_like(grad) if leaves[name].grad is None else leaves[name].grad
        largest = max(1.0, float(expected.abs().max()))
        torch.testing.assert_close(grad, expected, rtol=0, atol=1e-9 * largest, msg=lambda text, n=name: f"{n}: {text}")


def test_gradients_reach_the_slices_edges_and_nothing_beyond(
    make_lively: Callable[..., Supernet], images: Tensor
) -> None:
    grads = trained(make_lively(), images, NARROW)
    used = {
        "patch_embed.proj_conv.weight": (2, 2),
        "patch_embed.proj_conv2.weight": (8, 4),
        "patch_embed.proj_conv3.weight": (12, 8),
        "patch_embed.rpe_conv.weight": (12, 12),
        "patch_embed.proj_bn3.weight": (12,),
        "patch_embed.rpe_bn.bias": (12,),
        "block.0.attn.q_linear.weight": (12, 12),
        "block.0.attn.k_linear.weight": (12, 12),
        "block.0.attn.v_linear.weight": (12, 12),
        "block.0.attn.proj_linear.weight": (12, 12),
        "block.0.attn.proj_bn.weight": (12,),
        "block.0.mlp.fc1_linear.weight": (15, 12),
        "block.0.mlp.fc1_bn.bias": (15,),
        "block.0.mlp.fc2_linear.weight": (12, 15),
        "head.weight": (5, 12),
        "head.bias": (5,),
    }
    for name, shape in used.items():
        inside = tuple(slice(0, side) for side in shape)
        outside = grads[name].clone()
        outside[inside] = 0
        assert float(outside.abs().max()) == 0, name
        for axis in range(len(shape)):
            edge = grads[name][inside].select(axis, shape[axis] - 1)
            assert float(edge.abs().max()) > 1e-6, name
    assert all(float(grad.abs().max()) == 0 for name, grad in grads.items() if name.startswith("block.1"))


def test_training_moves_the_running_statistics_of_the_slices(
    make_lively: Callable[..., Supernet], images: Tensor, reference: Any
) -> None:
    supernet = make_lively()
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    seen: dict[str, Tensor] = {}

    def moments(name: str, x_RC: Tensor) -> tuple[Tensor, Tensor]:
        seen[name] = x_RC
        return reference.two_pass(name, x_RC)

    with torch.no_grad():
        reference.network(before, supernet.config, NARROW, moments)(images)
    trained(supernet, images, NARROW)
    after = supernet.state_dict()
    assert len(seen) == 5 + 6
    for name, x_RC in seen.items():
        # The first convolution of a static image runs once.
        rows = x_RC[: len(x_RC) // NARROW.time_step] if name == "patch_embed.proj_bn" else x_RC
        channels = rows.shape[1]
        for kind, value in (("running_mean", rows.mean(0)), ("running_var", rows.var(0, correction=1))):
            moved = 0.9 * before[f"{name}.{kind}"][:channels] + 0.1 * value
            torch.testing.assert_close(after[f"{name}.{kind}"][:channels], moved, rtol=1e-9, atol=1e-12)
            assert torch.equal(after[f"{name}.{kind}"][channels:], before[f"{name}.{kind}"][channels:])
