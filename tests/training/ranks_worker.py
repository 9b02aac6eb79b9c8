"""One process of toy trainings, for `test_ranks`: python ranks_worker.py OUT IMAGES CASE... Alone, without a launcher.

It writes OUT/RANK.npz: of case losses, gradient norms, the last weights and running statistics, and a hash of
these after each step.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.images import ImageSet
from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.spiking.layout import NetworkShape
from autospikformer_cli.spiking.neuron_kinds import ParametricLIFKind
from autospikformer_cli.spiking.supernet import NetworkConfig, Supernet
from autospikformer_cli.store.supernet import TrainState
from autospikformer_cli.training.choosing import Accuracies
from autospikformer_cli.training.launcher import read_launch
from autospikformer_cli.training.loop import Recorder, Trainer, TrainingData
from autospikformer_cli.training.optimizers import make_optimizer
from autospikformer_cli.training.paths import sampled_paths
from autospikformer_cli.training.ranks import ONE_RANK, Ranks
from autospikformer_cli.training.readings import StepReport
from autospikformer_cli.training.together import ranks_of

SPACE = SearchSpace(
    depth=(1, 2), mlp_ratio=(Decimal(2), Decimal(3)), num_heads=(1, 2), threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)), time_step=(2, 3), embed_dim=(8, 16),
)  # fmt: skip
SHAPE = NetworkShape(image_size=8, in_channels=1, num_classes=4, widest_dim=16, pooled_stages=(4,))
DESCRIPTION = DataDescription(num_classes=4, in_channels=1, image_size=8, mean=(0.5,), std=(0.25,))
CASES: dict[str, dict[str, Any]] = {
    "spiking": {"batch": 8, "accumulate": 2, "clip_norm": 0.05},
    "pooled": {"shape": {"pool": "before"}},
    "ann": {"shape": {"network": "transformer"}},
    "learnable tau": {"neuron": ParametricLIFKind},
    "sandwich": {"sampling": "sandwich", "distillation": "soft_labels", "ema_half_life": 0.3, "optimizer": "muon"},
    "few weights": {"activation_checkpointing": True, "unused_weights": "stay", "optimizer": "muon", "matrix_lr": 0.02},
    "unsynced": {"sync_batchnorm": False},
}
"""Keys of [train], but for shape and neuron. Batches of 16 if nothing else is said."""


def images(number: int) -> ImageSet:
    """Noise with random labels."""
    generator = torch.Generator().manual_seed(4)
    pixels = torch.randint(256, (number, 8, 8, 1), generator=generator, dtype=torch.uint8)
    labels = torch.randint(4, (number,), generator=generator)
    return ImageSet(pixels, labels, torch.arange(number), "train", "0" * 64)


def trainer(case: str, ranks: Ranks, number: int) -> Trainer:
    """In float64."""
    keys = dict(CASES[case])
    shape, neuron = replace(SHAPE, **keys.pop("shape", {})), keys.pop("neuron", None)
    config = NetworkConfig(shape, SPACE) if neuron is None else NetworkConfig(shape, SPACE, neuron=neuron)
    given = {
        "epochs": 1,
        "batch": 16,
        "warmup_epochs": 0.5,
        "cooldown_epochs": 0.5,
        "lr": 3e-3,
        "mixup_epochs": 1.0,
    } | keys
    train, supernet = TrainConfig(**given), Supernet(config, 0).double()
    data, paths = TrainingData(images(number), DESCRIPTION, "spikformer"), sampled_paths(SPACE, 3, train)
    return Trainer(supernet, make_optimizer(supernet, train), data, train, paths=paths, seed=3, ranks=ranks)


def digest(supernet: Supernet) -> str:
    """Of all weights and statistics."""
    arrays = (value.numpy().tobytes() for value in supernet.state_dict().values())
    return hashlib.sha256(b"".join(arrays)).hexdigest()


def trained(case: str, ranks: Ranks, number: int) -> dict[str, np.ndarray]:
    """What a training of three steps leaves."""
    training = trainer(case, ranks, number)
    told: list[StepReport] = []
    hashes: list[str] = []

    def step(report: StepReport) -> None:
        told.append(report)
        hashes.append(digest(training.supernet))

    start = TrainState(epoch=0, step=0, finished=False, history=(), loss_sum=0.0, images=0, seconds=0.0)
    quiet = Recorder(step, lambda state: None, lambda state: None, lambda: False, Accuracies)
    training.run(start, quiet)
    weights = {f"weights/{name}": value.numpy() for name, value in training.supernet.state_dict().items()}
    losses, norms = [each.loss for each in told], [each.gradient_norm for each in told]
    return weights | {"losses": np.array(losses), "norms": np.array(norms), "hashes": np.array(hashes)}


def main() -> None:
    """Train the cases, one after the other."""
    torch.set_num_threads(1)
    out, number, *cases = sys.argv[1:]
    launch = read_launch()
    alone = nullcontext(ONE_RANK)
    with alone if launch is None else ranks_of(launch, lambda: torch.device("cpu")) as ranks:
        results = {
            f"{case}:{name}": array for case in cases for name, array in trained(case, ranks, int(number)).items()
        }
        np.savez(Path(out) / f"{ranks.rank}.npz", **results)


if __name__ == "__main__":
    main()
