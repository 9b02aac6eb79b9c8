"""The phases of a retraining, in proportion to those of the training."""

from __future__ import annotations

import pytest

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.runs.retraining import shortened_phases


@pytest.mark.parametrize(
    ("schedule", "asked", "phases"),
    [
        ("after_warmup", 300, (300, 20, 10)),
        ("after_warmup", 30, (30, 2, 1)),
        ("after_warmup", 1, (1, 20 / 300, 10 / 300)),
        ("timm", 310, (300, 20, 10)),
        ("timm", 31, (30, 2, 1)),
        ("timm", 1, (1, 20 / 300, 0)),
    ],
)
def test_a_retraining_has_as_many_epochs_as_asked(schedule: str, asked: int, phases: tuple[float, ...]) -> None:
    found = shortened_phases(TrainConfig(epochs=300, schedule=schedule), asked)
    assert list(found) == ["train.epochs", "train.warmup_epochs", "train.cooldown_epochs"]
    assert tuple(found.values()) == pytest.approx(phases)
    short = {key.removeprefix("train."): value for key, value in found.items()}
    assert TrainConfig(**short, schedule=schedule).total_epochs == asked


def test_one_epoch_is_trained_even_if_most_of_a_training_is_cool_down() -> None:
    found = shortened_phases(TrainConfig(epochs=2, warmup_epochs=0, cooldown_epochs=8, schedule="timm"), 1)
    assert found == {"train.epochs": 1, "train.warmup_epochs": 0, "train.cooldown_epochs": 0}
