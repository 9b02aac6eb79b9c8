"""PLIF: the learnable tau against SpikingJelly's ParametricLIFNode and its own equation."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from autospikformer_cli.spiking.firing import scale_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind

neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-9
"""Of gradients, absolute, whatever their size. Spikes are the same to the bit."""
FIRST = Neuron(2.0, 1.0)


def currents(seed: int, time_step: int, gain: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return gain * (0.7 * torch.randn(time_step, 50, 3, dtype=torch.float64, generator=generator) + 0.3)


def run(node: Any, x: Tensor, *arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Spikes, and the gradients to the input and to w."""
    leaf = x.clone().requires_grad_()
    spikes = node(leaf, *arguments)
    weight = torch.randn(spikes.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(9))
    to_input, to_w = torch.autograd.grad((spikes * weight).sum(), [leaf, node.w])
    return spikes.detach(), to_input, to_w


@settings(max_examples=100)
@given(
    tau=st.one_of(st.sampled_from([1.25, 2.0, 10.0]), st.floats(1.25, 10)),
    threshold=st.floats(0.6, 2),
    learned=st.one_of(st.just(0.0), st.floats(-2, 2)),
    time_step=st.integers(1, 16),
    seed=st.integers(0, 2**32),
    dynamics=st.builds(
        Dynamics,
        decay_input=st.booleans(),
        fires_at=st.just("reach"),
        reset=st.sampled_from(["hard", "soft"]),
        detach_reset=st.booleans(),
        surrogate=st.sampled_from(["sigmoid", "arctan"]),
    ),
)
def test_spikes_and_gradients_are_spikingjellys(
    tau: float, threshold: float, learned: float, time_step: int, seed: int, dynamics: Dynamics
) -> None:
    ours = ParametricLIFKind(dynamics).double()
    theirs = neuron.ParametricLIFNode(
        init_tau=tau,
        decay_input=dynamics.decay_input,
        v_threshold=threshold,
        v_reset=0.0 if dynamics.reset == "hard" else None,
        surrogate_function=surrogate.Sigmoid(4.0) if dynamics.surrogate == "sigmoid" else surrogate.ATan(2.0),
        detach_reset=dynamics.detach_reset,
        step_mode="m",
    ).double()
    with torch.no_grad():
        ours.w.fill_(learned)
        theirs.w.fill_(learned - math.log(tau - 1))
    x_TMC = currents(seed, time_step, threshold * (tau if dynamics.decay_input else 1))
    found, expected = run(ours, x_TMC, time_step, Neuron(tau, threshold)), run(theirs, x_TMC)
    assert torch.equal(found[0], expected[0])
    for gradient, other in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(gradient, other, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("tau", [1.0, 1.25, 2.0, 10.0])
def test_at_first_it_is_lif(tau: float) -> None:
    x_TMC, own = currents(1, 6, tau), Neuron(tau, 1.0)
    spikes = ParametricLIFKind(Dynamics()).double()(x_TMC, 6, own)
    assert 0.1 < float(spikes.detach().mean()) < 0.9
    assert torch.equal(spikes, lif(x_TMC, time_step=6, dynamics=Dynamics(), **own._asdict()))


@pytest.mark.parametrize("decay_input", [True, False])
def test_a_learned_tau_is_that_of_the_equation(decay_input: bool) -> None:
    """1 / tau = sigmoid(w - log(tau_0 - 1)) acts with and without gradient, compiled or not; a tau of 1 stays."""
    dynamics = Dynamics(decay_input=decay_input)
    node = ParametricLIFKind(dynamics).double()
    with torch.no_grad():
        node.w.fill_(-0.7)
    tau = 1 + math.exp(-(-0.7 - math.log(2.0 - 1)))
    x_TMC = currents(2, 5, 2.0 if decay_input else 1.0)
    expected = lif(x_TMC, time_step=5, tau=tau, threshold=1.0, dynamics=dynamics)
    assert not torch.equal(expected, lif(x_TMC, time_step=5, dynamics=dynamics, **FIRST._asdict()))
    assert torch.equal(node(x_TMC, 5, FIRST), expected)
    assert torch.equal(scale_and_fire(x_TMC, 1.0, node, 5, FIRST), expected)
    with torch.no_grad():
        assert torch.equal(scale_and_fire(x_TMC, 1.0, node, 5, FIRST), expected)
    assert float(node.tau(Neuron(1.0, 1.0))) == 1.0
