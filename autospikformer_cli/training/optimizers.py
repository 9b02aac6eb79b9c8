"""The optimizers of a training, which act as one, and their state as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm
from torch.optim.optimizer import Optimizer

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.spiking.elastic import ElasticConvolution, ElasticLinear
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training.muon import Muon

BETAS = (0.9, 0.999)
"""AdamW's."""


class Optimizers:
    """Optimizers that move disjoint parameters. lr_factor of a group: its learning rate over the recipe's."""

    def __init__(self, *parts: Optimizer) -> None:
        self.parts = parts
        self._part_of = {each: part for part in parts for group in part.param_groups for each in group["params"]}

    @property
    def param_groups(self) -> Iterator[dict[str, Any]]:
        """The groups of all."""
        return chain.from_iterable(part.param_groups for part in self.parts)

    def set_rate(self, rate: float) -> None:
        """Set every group's learning rate. rate: the recipe's, at a point of training."""
        for group in self.param_groups:
            group["lr"] = rate * group["lr_factor"]

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for part in self.parts:
            part.zero_grad()

    def gradient_norm(self) -> Tensor:
        """The Euclidean norm of all gradients as one vector. Parameters that no subnet has used have none."""
        return get_total_norm([each.grad for each in self._part_of if each.grad is not None])

    def clip(self, most: float, norm: Tensor) -> None:
        """Scale gradients of a larger norm down to a norm of `most`. norm: theirs, as `gradient_norm` returns it."""
        clip_grads_with_norm_(self._part_of, most, norm)

    def step(self, halted: Tensor | None = None) -> None:
        """Move all parameters. halted: a flag on their device; if it is set, nothing moves, their state neither."""
        for part in self.parts:
            # torch's fused optimizers and Muon ask for it, as torch's GradScaler tells them.
            part.found_inf = None if halted is None else halted.float()  # type: ignore[attr-defined]
            part.step()

    def state_of(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """A parameter's state, by key. It can be written to."""
        state: dict[str, Tensor] = self._part_of[parameter].state[parameter]
        return state


def make_optimizer(supernet: Supernet, config: TrainConfig) -> Optimizers:
    """AdamW, or by config.optimizer Muon for all matrices but the classifier's, and AdamW for the rest.

    Biases and BatchNorm's parameters do not decay (timm's rule, which Spikformer uses). BatchNorm's biases have a
    learning rate of their own.
    """
    matrices = list(_hidden_matrices(supernet)) if config.optimizer == "muon" else []
    shifts = [module.bias for module in supernet.modules() if isinstance(module, ElasticBatchNorm)]
    apart = {*matrices, *shifts}
    others = [parameter for parameter in supernet.parameters() if parameter not in apart]
    groups = [
        {"params": [p for p in others if p.ndim > 1], "weight_decay": config.weight_decay, "lr_factor": 1.0},
        {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0, "lr_factor": 1.0},
        {"params": shifts, "weight_decay": 0.0, "lr_factor": config.norm_bias_lr_factor},
    ]
    adamw = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    if not matrices:
        return Optimizers(adamw)
    group = {"params": matrices, "lr_factor": config.matrix_lr / config.lr}
    return Optimizers(adamw, Muon([group], config.matrix_lr, config.matrix_weight_decay))


def _hidden_matrices(supernet: Supernet) -> Iterator[nn.Parameter]:
    """The weights of all convolutions and linear layers but the classifier."""
    for module in supernet.modules():
        if isinstance(module, ElasticConvolution | ElasticLinear) and module is not supernet.head:
            yield module.weight


def optimizer_arrays(supernet: Supernet, optimizer: Optimizers) -> dict[str, np.ndarray]:
    """The optimizers' state, as NAME/KEY -> array. NAME is a parameter, KEY is exp_avg, momentum and so on."""
    return {
        f"{name}/{key}": value.detach().cpu().numpy()
        for name, parameter in supernet.named_parameters()
        for key, value in optimizer.state_of(parameter).items()
    }


def restore_optimizer(supernet: Supernet, optimizer: Optimizers, arrays: dict[str, np.ndarray]) -> None:
    """Restore the state that `optimizer_arrays` returned. What it had is forgotten."""
    for part in optimizer.parts:
        part.state.clear()
    parameters = dict(supernet.named_parameters())
    for path, array in arrays.items():
        name, _, key = path.rpartition("/")
        parameter = parameters[name]
        optimizer.state_of(parameter)[key] = torch.from_numpy(array.copy()).to(parameter.device)
