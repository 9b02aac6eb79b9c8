"""Kinds of neuron: what follows a layer's normalisation. `model.neuron` chooses one.

A plugin adds a kind: a subclass of NeuronKind in the entry-point group `aspk.neurons`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from autospikformer_cli.spiking.neuron import Dynamics, Neuron, lif


class NeuronKind(nn.Module, ABC):
    """The neurons of one layer: a module from currents to spikes.

    Its parameters, if it has any, are learned. All subnets share them.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        super().__init__()
        self.dynamics = dynamics

    @abstractmethod
    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        """Spikes (T, M, C), 0 or 1, with gradient. current: (T, M, C), or (1, M, C) for one that stays the same.

        neuron: the subnet's own tau and threshold for this layer. Potentials start at 0 and last for this call only.
        """

    def as_lif(self, neuron: Neuron) -> Neuron | None:
        """The LIF neuron with the same spikes, for compiled loops. None if there is none.

        Compiled loops also train a kind that has such a neuron and no parameters.
        """
        return None


class LIFKind(NeuronKind):
    """Leaky integrate-and-fire, `neuron.lif`."""

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        """As `neuron.lif`."""
        return lif(current_TMC, time_step=time_step, dynamics=self.dynamics, **neuron._asdict())

    def as_lif(self, neuron: Neuron) -> Neuron:
        """The neuron itself."""
        return neuron


class ParametricLIFKind(NeuronKind):
    """LIF with a learnable tau (PLIF; Fang et al., ICCV 2021): 1 / tau = sigmoid(w - log(tau_0 - 1)).

    tau_0 is the subnet's own. w is one number a layer. It starts at 0, where tau = tau_0. A tau_0 of 1 stays 1.
    """

    def __init__(self, dynamics: Dynamics) -> None:
        super().__init__(dynamics)
        self.w = nn.Parameter(torch.zeros(()))

    def tau(self, neuron: Neuron) -> Tensor:
        """The time constant in force, in time steps, a scalar."""
        if neuron.tau == 1:
            return torch.ones_like(self.w)
        return 1 + (neuron.tau - 1) * torch.exp(-self.w)

    def forward(self, current_TMC: Tensor, time_step: int, neuron: Neuron) -> Tensor:
        """As `neuron.lif`, with the time constant in force."""
        return lif(
            current_TMC, time_step=time_step, tau=self.tau(neuron), threshold=neuron.threshold, dynamics=self.dynamics
        )

    def as_lif(self, neuron: Neuron) -> Neuron:
        """LIF with the time constant in force."""
        return Neuron(float(self.tau(neuron).detach()), neuron.threshold)


OURS = (LIFKind, ParametricLIFKind)
"""Kinds that are known to spike and that torch can trace. Any other kind comes from a plugin."""
