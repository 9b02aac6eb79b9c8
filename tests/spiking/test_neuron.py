"""LIF neurons: a trace by hand, both forms of decay, reset and threshold, and gradients against other formulations."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autospikformer_cli.spiking.neuron import Dynamics, lif, surrogate_gradient

pytestmark = pytest.mark.usefixtures("one_thread")

ALL = [
    Dynamics(*choices)
    for choices in product(
        (True, False), ("reach", "exceed"), ("hard", "soft"), (True, False), ("sigmoid", "arctan", "rectangular")
    )
]


def spikes(currents: list[float], *, tau: float = 2.0, threshold: float = 1.0, **dynamics: Any) -> list[int]:
    current_TMC = torch.tensor(currents, dtype=torch.float64)[:, None, None]
    fired = lif(current_TMC, time_step=len(currents), tau=tau, threshold=threshold, dynamics=Dynamics(**dynamics))
    return [int(value) for value in fired.flatten()]


NINE = [1.0, 1.0, 2.0, 2.0, 0.0, 3.0, -1.0, 1.5, 1.5]


def test_input_decay_by_hand() -> None:
    # u <- (u + I) / 2: 0.5, 0.75, 1.375 fires -> 0, 1 fires (reached) -> 0, 0, 1.5 fires -> 0, -0.5, 0.5, 1 fires
    assert spikes(NINE) == [0, 0, 1, 1, 0, 1, 0, 0, 1]
    # exceeding: ... 1.375 fires -> 0, 1 does not, 0.5, 1.75 fires -> 0, -0.5, 0.5, 1 does not
    assert spikes(NINE, fires_at="exceed") == [0, 0, 1, 0, 0, 1, 0, 0, 0]


def test_input_decay_with_soft_reset_by_hand() -> None:
    # 0.5, 0.75, 1.375 fires -> 0.375, 1.1875 fires -> 0.1875, 0.09375, 1.546875 fires -> 0.546875, -0.2265625,
    # 0.63671875, 1.068359375 fires
    assert spikes(NINE, reset="soft") == [0, 0, 1, 1, 0, 1, 0, 0, 1]
    # 1.5 fires -> 0.5, 0.5, 0.5: the rest is carried, but never enough
    assert spikes([3.0, 0.5, 0.5, 1.5], reset="soft") == [1, 0, 0, 1]
    assert spikes([3.0, 0.5, 0.5, 1.5], reset="hard") == [1, 0, 0, 0]


def test_plain_decay_by_hand() -> None:
    # u <- u / 2 + I, quarters of NINE: 0.25, 0.375, 0.6875, 0.84375, 0.421875, 0.9609375, 0.23046875, ...
    assert spikes([value / 4 for value in NINE], decay_input=False) == [0] * 9
    # halves: 0.5, 0.75, 1.375 fires -> 0, 1 fires -> 0, 0, 1.5 fires -> 0, -0.5, 0.5, 1 fires
    assert spikes([value / 2 for value in NINE], decay_input=False) == [0, 0, 1, 1, 0, 1, 0, 0, 1]


@pytest.mark.parametrize(("fires_at", "fired"), [("reach", 1), ("exceed", 0)])
@pytest.mark.parametrize("threshold", [0.5, 0.6, 1.0, 1.4])
def test_exactly_at_the_threshold(fires_at: Any, fired: int, threshold: float) -> None:
    assert spikes([threshold], decay_input=False, threshold=threshold, fires_at=fires_at) == [fired]


def test_a_repeating_current_is_the_same_as_copies() -> None:
    current = torch.randn(1, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) + 1
    once = lif(current, time_step=6, tau=2.5, threshold=0.7, dynamics=Dynamics())
    assert torch.equal(once, lif(current.repeat(6, 1, 1), time_step=6, tau=2.5, threshold=0.7, dynamics=Dynamics()))


def test_surrogates_are_their_formulas() -> None:
    x = np.concatenate([np.linspace(-6, 6, 241), [-0.5, 0.5]])
    logistic = 1 / (1 + np.exp(-4 * x))
    formulas = {
        "sigmoid": 4 * logistic * (1 - logistic),
        "arctan": 1 / (1 + (math.pi * x) ** 2),
        "rectangular": (np.abs(x) < 0.5).astype(float),
    }
    for surrogate, expected in formulas.items():
        np.testing.assert_allclose(surrogate_gradient(torch.from_numpy(x), surrogate), expected, rtol=1e-12, atol=1e-14)


def test_surrogates_are_as_steep_as_a_step() -> None:
    x = torch.linspace(-200, 200, 800_001, dtype=torch.float64)
    for surrogate, tail in {"sigmoid": 1e-6, "arctan": 2e-3, "rectangular": 1e-3}.items():
        assert float(torch.trapezoid(surrogate_gradient(x, surrogate), x)) == pytest.approx(1, abs=tail)


@pytest.mark.parametrize("dynamics", ALL, ids=str)
def test_gradients_are_those_of_a_smooth_step(reference: Any, dynamics: Dynamics) -> None:
    generator = torch.Generator().manual_seed(2)
    current = torch.randn(5, 4, 3, dtype=torch.float64, generator=generator) + 0.8
    weight = torch.randn(5, 4, 3, dtype=torch.float64, generator=generator)

    def gradient(fire: Any) -> tuple[Tensor, Tensor]:
        leaf = current.clone().requires_grad_()
        fired = fire(leaf)
        (fired * weight).sum().backward()
        return fired.detach(), leaf.grad

    fired, grad = gradient(lambda x: lif(x, time_step=5, tau=1.75, threshold=0.8, dynamics=dynamics))
    expected_fired, expected = gradient(lambda x: reference.lif(x, 1.75, 0.8, dynamics))
    assert torch.equal(fired, expected_fired)
    assert 0.2 < float(fired.mean()) < 0.95
    torch.testing.assert_close(grad, expected, rtol=0, atol=1e-12)


def test_gradient_of_two_steps_by_hand() -> None:
    """The chain rule written out: I = (1, 1.5), tau 2, hard reset, sigmoid; u = (0.5, 1)."""

    def slope(x: float) -> float:
        s = 1 / (1 + math.exp(-4 * x))
        return 4 * s * (1 - s)

    for detach in (True, False):
        current = torch.tensor([1.0, 1.5], dtype=torch.float64)[:, None, None].requires_grad_()
        fired = lif(current, time_step=2, tau=2.0, threshold=1.0, dynamics=Dynamics(detach_reset=detach))
        fired[1].sum().backward()
        second = slope(0.0) / 2
        through_reset = 0 if detach else -slope(-0.5) * 0.5
        first = slope(0.0) / 2 * (1 + through_reset) / 2
        assert current.grad.flatten().tolist() == pytest.approx([first, second], rel=1e-12)
