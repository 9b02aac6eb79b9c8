"""Traces computed by hand, held against everything here that computes neurons, the tests' references included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from autospikformer_cli.spiking.firing import scale_and_fire
from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif
from autospikformer_cli.spiking.neuron_kinds import LIFKind, ParametricLIFKind

pytestmark = pytest.mark.usefixtures("one_thread")

EIGHTHS = (Neuron(2.0, 0.5), True, [8 / 8, 4 / 8, 8 / 8, 2 / 8, 7 / 8])
SLOW = (Neuron(4.0, 1.0), True, [4.0, 3.0, 1.0, 5.0, 2.5])
PLAIN = (Neuron(4.0, 1.0), False, [0.5, 0.625, 0.25, 0.75, 1.0, 0.5])
TRACES = [
    # u <- u + (I - u) / 2, threshold 0.5: every sum is exact, and 0.5 is met exactly.
    # 0.5 fires -> 0, 0.25, 0.625 fires -> 0, 0.125, 0.5 fires
    (EIGHTHS, "hard", "reach", [1, 0, 1, 0, 1]),
    # 0.5, 0.5, 0.75 fires -> 0, 0.125, 0.5
    (EIGHTHS, "hard", "exceed", [0, 0, 1, 0, 0]),
    # 0.5 fires -> 0, 0.25, 0.625 fires -> 0.125, 0.1875, 0.53125 fires
    (EIGHTHS, "soft", "reach", [1, 0, 1, 0, 1]),
    # 0.5, 0.5, 0.75 fires -> 0.25, 0.25, 0.5625 fires
    (EIGHTHS, "soft", "exceed", [0, 0, 1, 0, 1]),
    # u <- u + (I - u) / 4, threshold 1.
    # 1 fires -> 0, 0.75, 0.8125, 1.859375 fires -> 0, 0.625
    (SLOW, "hard", "reach", [1, 0, 0, 1, 0]),
    # 1, 1.5 fires -> 0, 0.25, 1.4375 fires -> 0, 0.625
    (SLOW, "hard", "exceed", [0, 1, 0, 1, 0]),
    # 1 fires -> 0, 0.75, 0.8125, 1.859375 fires -> 0.859375, 1.26953125 fires
    (SLOW, "soft", "reach", [1, 0, 0, 1, 1]),
    # 1, 1.5 fires -> 0.5, 0.625, 1.71875 fires -> 0.71875, 1.1640625 fires
    (SLOW, "soft", "exceed", [0, 1, 0, 1, 1]),
    # u <- 3/4 u + I, threshold 1.
    # 0.5, 1 fires -> 0, 0.25, 0.9375, 1.703125 fires -> 0, 0.5
    (PLAIN, "hard", "reach", [0, 1, 0, 0, 1, 0]),
    # 0.5, 1, 1, 1.5 fires -> 0, 1, 1.25 fires
    (PLAIN, "hard", "exceed", [0, 0, 0, 1, 0, 1]),
    # 0.5, 1 fires -> 0, 0.25, 0.9375, 1.703125 fires -> 0.703125, 1.02734375 fires
    (PLAIN, "soft", "reach", [0, 1, 0, 0, 1, 1]),
    # 0.5, 1, 1, 1.5 fires -> 0.5, 1.375 fires -> 0.375, 0.78125
    (PLAIN, "soft", "exceed", [0, 0, 0, 1, 1, 0]),
]
Compute = Callable[[list[float], Neuron, Dynamics], Any]


def plain(currents: list[float], own: Neuron, dynamics: Dynamics) -> Any:
    current_TMC = torch.tensor(currents, dtype=torch.float64)[:, None, None]
    return lif(current_TMC, time_step=len(currents), dynamics=dynamics, **own._asdict())


def compiled(currents: list[float], own: Neuron, dynamics: Dynamics) -> Any:
    current_TMC = torch.tensor(currents, dtype=torch.float64)[:, None, None]
    with torch.no_grad():
        return scale_and_fire(current_TMC, 1.0, LIFKind(dynamics), len(currents), own)


def compiled_in_training(currents: list[float], own: Neuron, dynamics: Dynamics) -> Any:
    current_TMC = torch.tensor(currents, dtype=torch.float64)[:, None, None].requires_grad_()
    return scale_and_fire(current_TMC, 1.0, LIFKind(dynamics), len(currents), own).detach()


def compiled_in_float32(currents: list[float], own: Neuron, dynamics: Dynamics) -> Any:
    current_TMC = torch.tensor(currents, dtype=torch.float32)[:, None, None]
    with torch.no_grad():
        return scale_and_fire(current_TMC, 1.0, LIFKind(dynamics), len(currents), own)


def parametric(currents: list[float], own: Neuron, dynamics: Dynamics) -> Any:
    """Before anything is learned."""
    current_TMC = torch.tensor(currents, dtype=torch.float64)[:, None, None]
    return ParametricLIFKind(dynamics).double()(current_TMC, len(currents), own).detach()


@pytest.mark.parametrize("compute", [plain, compiled, compiled_in_training, compiled_in_float32, parametric])
@pytest.mark.parametrize(("case", "reset", "fires_at", "expected"), TRACES)
def test_ours(compute: Compute, case: Any, reset: Any, fires_at: Any, expected: list[int]) -> None:
    own, decay_input, currents = case
    dynamics = Dynamics(decay_input=decay_input, fires_at=fires_at, reset=reset)
    assert compute(currents, own, dynamics).flatten().tolist() == expected


@pytest.mark.parametrize(("case", "reset", "fires_at", "expected"), TRACES)
def test_the_numpy_reference(numpy_spikformer: Any, case: Any, reset: str, fires_at: str, expected: list[int]) -> None:
    own, decay_input, currents = case
    switches = numpy_spikformer.Switches(decay_input=decay_input, fires_at=fires_at, reset=reset)
    found = numpy_spikformer.lif([np.array([value]) for value in currents], own.tau, own.threshold, switches)
    assert np.concatenate(found).tolist() == expected


@pytest.mark.parametrize(("case", "reset", "fires_at", "expected"), [each for each in TRACES if each[2] == "reach"])
def test_spikingjelly(case: Any, reset: str, fires_at: str, expected: list[int]) -> None:
    nodes = pytest.importorskip("spikingjelly.activation_based.neuron")
    own, decay_input, currents = case
    node = nodes.LIFNode(
        tau=own.tau,
        decay_input=decay_input,
        v_threshold=own.threshold,
        v_reset=0.0 if reset == "hard" else None,
        step_mode="m",
    )
    assert node(torch.tensor(currents, dtype=torch.float64)).tolist() == expected
