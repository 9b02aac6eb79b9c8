"""Networks that compute no numbers are told from those that answer badly."""

from __future__ import annotations

from decimal import Decimal

import pytest
import torch

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.choice import EngineName, make_engine
from autospikformer_cli.evaluation.evaluator import Evaluator
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet

SPACE = SearchSpace((1,), (Decimal(2),), (2,), (Decimal(1),), (Decimal(2),), (2,), (16,))


def images(number: int) -> ImageSet:
    generator = torch.Generator().manual_seed(number)
    pixels = torch.randint(0, 256, (number, 8, 8, 1), dtype=torch.uint8, generator=generator)
    return ImageSet(pixels, torch.zeros(number, dtype=torch.int64), torch.arange(number), "validation", "0")


@pytest.mark.parametrize("broken", ["", "patch_embed.proj_conv.weight", "block.0.attn.q_linear.weight", "head.weight"])
@pytest.mark.parametrize("engine", ["event_driven", "dense"])
def test_images_without_finite_results_are_counted(broken: str, engine: EngineName) -> None:
    supernet = Supernet(NetworkConfig(NetworkShape(8, 1, 3, 16, (4,)), SPACE))
    if broken:
        with torch.no_grad():
            supernet.get_parameter(broken).view(-1)[0] = float("nan")
    description = DataDescription(3, 1, 8, (0.5,), (0.5,))
    evaluator = Evaluator(make_engine(supernet, 1, engine), description, images(12), "recalibrate", 64)
    assert evaluator.measure(SPACE.largest(), images(5)).measurement.non_finite == (5 if broken else 0)
