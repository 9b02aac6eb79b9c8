"""Leaky integrate-and-fire neurons over time: the reference in plain torch.

Dimension legend: T time steps, M rows (images x positions), C channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

Surrogate = Literal["sigmoid", "arctan", "rectangular"]
SIGMOID_SLOPE = 4.0
ARCTAN_SLOPE = 2.0
RECTANGLE_WIDTH = 1.0


class Neuron(NamedTuple):
    """A layer's own neuron.

    tau: membrane time constant in time steps.
    threshold: potential at which it fires.
    """

    tau: float
    threshold: float


@dataclass(frozen=True, slots=True)
class Dynamics:
    """How every LIF neuron of a network integrates, fires and resets. tau and threshold are a layer's own.

    decay_input: u <- u + (I - u) / tau (Spikformer's code), else u <- (1 - 1/tau) u + I (paper, Equation 1).
    fires_at: "reach" for u >= threshold, "exceed" for u > threshold.
    reset: "hard" sets u to 0 after a spike, "soft" subtracts the threshold.
    detach_reset: whether the reset stays out of the gradient.
    """

    decay_input: bool = True
    fires_at: Literal["reach", "exceed"] = "reach"
    reset: Literal["hard", "soft"] = "hard"
    detach_reset: bool = True
    surrogate: Surrogate = "sigmoid"


def surrogate_gradient(distance: Tensor, surrogate: Surrogate) -> Tensor:
    """The derivative that replaces the step function's, at distance = u - threshold.

    sigmoid: a s (1 - s), s = sigmoid(a x), a = 4; arctan: (a/2) / (1 + (pi a x / 2)^2), a = 2;
    rectangular: 1 / w for |x| < w / 2, w = 1.
    """
    if surrogate == "sigmoid":
        s = torch.sigmoid(SIGMOID_SLOPE * distance)
        return SIGMOID_SLOPE * s * (1 - s)
    if surrogate == "arctan":
        return (ARCTAN_SLOPE / 2) / (1 + (math.pi / 2 * ARCTAN_SLOPE * distance) ** 2)
    return (distance.abs() < RECTANGLE_WIDTH / 2).to(distance.dtype) / RECTANGLE_WIDTH


class Spike(torch.autograd.Function):
    """The step function, with a surrogate gradient."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, threshold: float, dynamics: Dynamics) -> Tensor:
        """1 at potentials that fire, else 0."""
        ctx.save_for_backward(potential)
        ctx.threshold, ctx.dynamics = threshold, dynamics
        fired = potential >= threshold if dynamics.fires_at == "reach" else potential > threshold
        return fired.to(potential.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """The gradient times the surrogate's slope."""
        (potential,) = ctx.saved_tensors
        slope = surrogate_gradient(potential - ctx.threshold, ctx.dynamics.surrogate)
        return gradients[0] * slope, None, None


def lif(current_TMC: Tensor, *, time_step: int, tau: float | Tensor, threshold: float, dynamics: Dynamics) -> Tensor:
    """Spikes of LIF neurons over time, from a potential of 0.

    u <- u + (I - u) / tau;  y = 1 if u >= u_th, else 0;  u <- 0 if y = 1
    (Spikformer, Zhou et al. 2022; Auto-Spikformer, Equation 1; the other forms: see Dynamics).
    Shapes: current (T, M, C), or (1, M, C) for a current that stays the same; spikes (T, M, C), 0 or 1.
    Units: tau in time steps; u, I and u_th dimensionless.
    """
    potential = torch.zeros_like(current_TMC[0])
    spikes = []
    for step in range(time_step):
        current = current_TMC[min(step, len(current_TMC) - 1)]
        if dynamics.decay_input:
            potential = potential + (current - potential) / tau
        else:
            potential = potential * (1 - 1 / tau) + current
        spike: Tensor = Spike.apply(potential, threshold, dynamics)  # type: ignore[no-untyped-call]
        spikes.append(spike)
        reset = spike.detach() if dynamics.detach_reset else spike
        potential = potential * (1 - reset) if dynamics.reset == "hard" else potential - reset * threshold
    return torch.stack(spikes)
