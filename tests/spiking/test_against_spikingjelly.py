"""Neurons in float64 against SpikingJelly's multi-step LIFNode: spikes, and gradients to whatever is learned.

What computes: plain torch (`neuron.lif`), and the compiled loops as layers use them, alone and behind BatchNorm.
SpikingJelly fires where u reaches the threshold, and has no rectangular surrogate: that one is held against its
formula, put into SpikingJelly as a surrogate of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from autospikformer_cli.spiking.firing import normalise_and_fire, scale_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm

neuron = pytest.importorskip("spikingjelly.activation_based.neuron")
surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")

pytestmark = pytest.mark.usefixtures("one_thread")

TOLERANCE = 1e-9
"""Of gradients, absolute, whatever their size. Spikes are the same to the bit."""
IMAGES, POSITIONS, CHANNELS = 3, 7, 4
Fire = Callable[..., Tensor]

dynamics_of_spikingjelly = st.builds(
    Dynamics,
    decay_input=st.booleans(),
    fires_at=st.just("reach"),
    reset=st.sampled_from(["hard", "soft"]),
    detach_reset=st.booleans(),
    surrogate=st.sampled_from(["sigmoid", "arctan", "rectangular"]),
)
neurons = st.builds(
    Neuron,
    tau=st.one_of(st.sampled_from([1.25, 2.0, 10.0]), st.floats(1.25, 10)),
    threshold=st.one_of(st.sampled_from([0.6, 1.0, 2.0]), st.floats(0.6, 2)),
)
over_inputs = settings(max_examples=100)


class _Rectangle(torch.autograd.Function):
    """A step whose derivative is 1 where |x| < 1/2, else 0."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.where((x > -0.5) & (x < 0.5), gradients[0], 0.0)


def theirs(dynamics: Dynamics, own: Neuron) -> Any:
    """SpikingJelly's neuron of the same equations."""
    surrogates = {
        "sigmoid": surrogate.Sigmoid(alpha=4.0),
        "arctan": surrogate.ATan(alpha=2.0),
        "rectangular": _Rectangle.apply,
    }
    return neuron.LIFNode(
        tau=own.tau,
        decay_input=dynamics.decay_input,
        v_threshold=own.threshold,
        v_reset=0.0 if dynamics.reset == "hard" else None,
        surrogate_function=surrogates[dynamics.surrogate],
        detach_reset=dynamics.detach_reset,
        step_mode="m",
    )


def currents(seed: int, time_step: int, dynamics: Dynamics, own: Neuron) -> Tensor:
    """Random input (T, images, positions, channels) of the size that makes the neuron fire now and then."""
    gain = own.threshold * (own.tau if dynamics.decay_input else 1)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(time_step, IMAGES, POSITIONS, CHANNELS, dtype=torch.float64, generator=generator)
    return gain * (0.7 * noise + 0.3)


def run(fire: Fire, *leaves: Tensor) -> list[Tensor]:
    """Spikes, and the gradient of their sum, weighed at random, to each leaf."""
    own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    spikes = fire(*own)
    weight = torch.randn(spikes.shape, dtype=spikes.dtype, generator=torch.Generator().manual_seed(9))
    return [spikes.detach(), *torch.autograd.grad((spikes * weight).sum(), own)]


def assert_equal(found: list[Tensor], expected: list[Tensor]) -> None:
    """Spikes to the bit, gradients to 1e-9, whatever their size."""
    assert torch.equal(found[0], expected[0])
    for ours, others in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(ours, others, rtol=0, atol=TOLERANCE)


@over_inputs
@given(dynamics=dynamics_of_spikingjelly, own=neurons, time_step=st.integers(1, 16), seed=st.integers(0, 2**32))
@example(dynamics=Dynamics(), own=Neuron(2.0, 1.0), time_step=4, seed=0)
@example(dynamics=Dynamics(decay_input=False, reset="soft"), own=Neuron(10.0, 0.6), time_step=16, seed=1)
def test_plain_and_compiled_neurons(dynamics: Dynamics, own: Neuron, time_step: int, seed: int) -> None:
    x_TMC = currents(seed, time_step, dynamics, own).flatten(1, 2)
    expected = run(theirs(dynamics, own), x_TMC)
    assert_equal(run(lambda x: lif(x, time_step=time_step, dynamics=dynamics, **own._asdict()), x_TMC), expected)
    assert_equal(run(lambda x: scale_and_fire(x, 1.0, LIFKind(dynamics), time_step, own), x_TMC), expected)
    with torch.no_grad():
        assert torch.equal(scale_and_fire(x_TMC, 1.0, LIFKind(dynamics), time_step, own), expected[0])


@over_inputs
@given(dynamics=dynamics_of_spikingjelly, own=neurons, time_step=st.integers(1, 16), seed=st.integers(0, 2**32))
def test_neurons_behind_batchnorm_in_training(dynamics: Dynamics, own: Neuron, time_step: int, seed: int) -> None:
    """BatchNorm's weight and bias learn too; torch's own BatchNorm stands before SpikingJelly's neuron."""
    x_TBPC = currents(seed, time_step, dynamics, own)
    gain = own.threshold * (own.tau if dynamics.decay_input else 1)
    generator = torch.Generator().manual_seed(seed % 1000)
    weight, bias = (gain * torch.rand(CHANNELS, dtype=torch.float64, generator=generator) for _ in range(2))

    def ours(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        norm = ElasticBatchNorm(CHANNELS, "norm").double()
        del norm.weight, norm.bias
        norm.weight, norm.bias = weight, bias  # type: ignore[assignment]
        return normalise_and_fire(x, norm, LIFKind(dynamics), None, time_step, own)

    def others(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        current = functional.batch_norm(x.flatten(0, 2), None, None, weight, bias, training=True)
        fired: Tensor = theirs(dynamics, own)(current.view_as(x))
        return fired

    assert_equal(run(ours, x_TBPC, weight, bias), run(others, x_TBPC, weight, bias))


@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize("decay_input", [True, False])
def test_potentials_that_meet_the_threshold_exactly(decay_input: bool, reset: Any) -> None:
    """Eighths with tau 2, as behind attention: every potential is a binary fraction, and a tenth of them are ties."""
    dynamics, own = Dynamics(decay_input=decay_input, reset=reset), Neuron(2.0, 0.5)
    eighths = torch.randint(0, 17, (6, 400, 3), generator=torch.Generator().manual_seed(3)).double() / 8
    expected = run(theirs(dynamics, own), eighths)
    assert_equal(run(lambda x: lif(x, time_step=6, dynamics=dynamics, **own._asdict()), eighths), expected)
    assert_equal(run(lambda x: scale_and_fire(x, 1.0, LIFKind(dynamics), 6, own), eighths), expected)
    exceeding = Dynamics(decay_input=decay_input, reset=reset, fires_at="exceed")
    assert not torch.equal(lif(eighths, time_step=6, dynamics=exceeding, **own._asdict()), expected[0])


def test_the_inputs_make_neurons_fire() -> None:
    """What the comparisons above rest on."""
    for tau in (1.25, 2.0, 10.0):
        for decay_input in (True, False):
            dynamics, own = Dynamics(decay_input=decay_input), Neuron(tau, 0.8)
            x_TMC = currents(0, 16, dynamics, own).flatten(1, 2)
            assert 0.1 < float(lif(x_TMC, time_step=16, dynamics=dynamics, **own._asdict()).mean()) < 0.7
