"""Activations that are computed again: the same numbers, statistics that move once, and less that is stored."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.engine.trained import training_pass
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape, num_params
from autospikformer_cli.spiking.memory import checkpointed_bytes, training_bytes
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.normalisation import ElasticBatchNorm
from autospikformer_cli.spiking.stages import Attend, Classify, Fire
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.store.supernet import TrainState
from autospikformer_cli.training.activation_checkpointing import run_checkpointed, segments
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.loop import Recorder, Trainer, TrainingData
from autospikformer_cli.training.optimizers import make_optimizer
from autospikformer_cli.training.paths import sampled_paths

pytestmark = pytest.mark.usefixtures("one_thread")

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(1, 2),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 4),
    embed_dim=(8, 16),
)
BASE: dict[str, Any] = {"image_size": 16, "in_channels": 1, "num_classes": 4, "widest_dim": 16}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "pooled after": ({"pooled_stages": (3, 4)}, {}),
    "pooled before": ({"pooled_stages": (1, 2), "pool": "before"}, {}),
    "learned tau": ({"pooled_stages": (4,)}, {"neuron": ParametricLIFKind}),
    "events": ({"pooled_stages": (1, 2, 3), "reads_events": True}, {}),
    "ANN": ({"pooled_stages": (3, 4), "network": "transformer"}, {}),
}


def supernet_of(network: str) -> Supernet:
    shape, keys = NETWORKS[network]
    return Supernet(NetworkConfig(NetworkShape(**BASE, **shape), SPACE, **keys), seed=1)


def frames_of(network: str) -> Tensor:
    return torch.rand((4 if network == "events" else 1, 6, 16, 16, 1), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("network", NETWORKS)
def test_all_numbers_are_the_same_bits(network: str, dense: bool) -> None:
    """After two steps, so that statistics which moved twice in the first would show in the second, too."""
    ends = []
    for checkpointed in (False, True):
        supernet, logits = supernet_of(network), []
        for subnet in (SPACE.largest(), SPACE.smallest()):
            run = supernet.in_torch(subnet) if dense else training_pass(supernet, subnet)
            forward = run_checkpointed if checkpointed else Supernet.run
            logits.append(forward(supernet, frames_of(network), subnet, run))
            logits[-1].square().sum().backward()
        gradients = {name: each.grad for name, each in supernet.named_parameters()}
        ends.append((logits, gradients, dict(supernet.named_buffers())))
    (plain, plain_gradients, plain_buffers), (again, gradients, buffers) = ends
    assert all(torch.equal(*pair) for pair in zip(plain, again, strict=True))
    assert plain_gradients.keys() == gradients.keys()
    for name, expected in plain_gradients.items():
        found = gradients[name]
        assert (expected is None) == (found is None), name
        assert expected is None or torch.equal(expected, found), name
    assert buffers.keys() == plain_buffers.keys()
    assert all(torch.equal(buffers[name], plain_buffers[name]) for name in buffers)
    moved = [norm for norm in supernet_of(network).modules() if isinstance(norm, ElasticBatchNorm)]
    assert moved
    assert not any(torch.equal(buffers[f"{norm.name}.running_mean"], norm.running_mean) for norm in moved[:4])


def test_the_stored_activations_are_few() -> None:
    """Bytes of all that the forward pass leaves for the backward pass, each tensor once."""

    def stored(checkpointed: bool) -> int:
        supernet, subnet, sizes = supernet_of("pooled after"), SPACE.largest(), {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        run, forward = training_pass(supernet, subnet), run_checkpointed if checkpointed else Supernet.run
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            logits = forward(supernet, frames_of("pooled after").repeat(1, 8, 1, 1, 1), subnet, run)
        assert logits.requires_grad
        return sum(sizes.values())

    assert stored(True) < stored(False) / 3  # the streams between segments


def test_the_estimate_is_of_the_largest_segment_and_the_streams() -> None:
    """By hand, of 128 x 128 pixels, 16 steps and 128 channels: the first layer is the largest segment."""
    space = replace(SPACE, depth=(8,), mlp_ratio=(Decimal(4),), time_step=(16,), embed_dim=(128,))
    shape, subnet = NetworkShape(128, 2, 11, 128, (1, 2, 3, 4), reads_events=True), space.largest()
    first, tokens = 16 * 128**2, 8 * 8 * 128
    streams = 16 * 64**2 + 32 * 32**2 + 64 * 16**2 + tokens + 2 * 8 * tokens
    weights = 4 * num_params(shape, subnet)
    assert checkpointed_bytes(shape, subnet, 3, 4) == 4 * (weights + (6 * first + streams) * 16 * 3)
    shallow = replace(space, depth=(1,)).largest()
    assert checkpointed_bytes(shape, shallow, 3, 4) <= training_bytes(shape, shallow, 3, 4)


@pytest.mark.parametrize("network", NETWORKS)
def test_segments_are_layers_of_the_stem_and_branches(network: str) -> None:
    supernet, subnet = supernet_of(network), SPACE.largest()
    stages = list(supernet.stages(subnet))
    found = segments(stages)
    assert [stage for segment in found for stage in segment] == stages
    assert len(found) == 5 + 2 * 2 + 1
    assert [isinstance(segment[0], Classify) for segment in found] == [False] * 9 + [True]
    for segment in found[:-1]:
        assert isinstance(segment[0], Fire)
        fires = [stage for stage in segment if isinstance(stage, Fire)]
        assert len(fires) == (1 if fires[0].gives != "branch" else 2)
    assert sum(isinstance(stage, Attend) for stage in stages) == 2


def test_a_whole_training_is_the_same() -> None:
    shape = NetworkShape(**{**BASE, "image_size": 8}, pooled_stages=(4,))
    generator = torch.Generator().manual_seed(4)
    images = torch.randint(256, (40, 8, 8, 1), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (40,), generator=generator)
    found = []
    for checkpointed in (False, True):
        config = TrainConfig(
            epochs=2, batch=8, accumulate=2, warmup_epochs=0, cooldown_epochs=0, sampling="sandwich", ema_half_life=0.2,
            distillation="soft_labels", activation_checkpointing=checkpointed,
        )  # fmt: skip
        supernet = Supernet(NetworkConfig(shape, SPACE), 0)
        data = TrainingData(
            ImageSet(images, labels, torch.arange(40), "train", "0" * 64),
            DataDescription(num_classes=4, in_channels=1, image_size=8, mean=(0.5,), std=(0.25,)),
            "spikformer",
        )
        paths = sampled_paths(SPACE, 3, config)
        trainer = Trainer(supernet, make_optimizer(supernet, config), data, config, paths=paths, seed=3)
        reports: list[Any] = []
        recorder = Recorder(reports.append, lambda state: None, lambda state: None, lambda: False, Accuracies)
        end = trainer.run(TrainState(0, 0, False, (), 0.0, 0, 0.0), recorder)
        assert end.finished
        found.append(
            ({name: value.numpy().copy() for name, value in trainer.weights().items()}, trainer.arrays(), reports)
        )
    (weights, arrays, reports), (weights_again, arrays_again, reports_again) = found
    assert reports == reports_again
    assert len(reports) == 6
    for one, other in ((weights, weights_again), (arrays, arrays_again)):
        assert one.keys() == other.keys()
        assert all(np.array_equal(one[name], other[name]) for name in one)
