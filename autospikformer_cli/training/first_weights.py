"""The weights that a training starts from, as [train] asks for them: functions of recipe, seed and images."""

from __future__ import annotations

import torch

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.data.streams import Purpose, stream
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.spiking.elastic import ElasticLinear
from autospikformer_cli.spiking.supernet import Supernet
from autospikformer_cli.training.whitening import whiten_stem


def set_first_weights(
    supernet: Supernet, config: TrainConfig, images: ImageSet, description: DataDescription, seed: int
) -> None:
    """Set a new supernet's weights. By default they stay Spikformer's, which it has.

    images: those of the training.
    """
    if config.initial_weights == "fan_in":
        _scale_by_fan_in(supernet, seed)
    if config.whitened_stem:
        whiten_stem(supernet, images, description)


def _scale_by_fan_in(supernet: Supernet, seed: int) -> None:
    """Linear weights but the classifier's: normal with deviation 1/sqrt(fan-in), which keeps the inputs' variance."""
    normal = stream(Purpose.INITIAL_WEIGHTS, seed, 0)
    for module in supernet.modules():
        if isinstance(module, ElasticLinear) and module is not supernet.head:
            weight = torch.from_numpy(normal.standard_normal(tuple(module.weight.shape)))
            with torch.no_grad():
                module.weight.copy_(weight * module.weight.shape[1] ** -0.5)
