"""What a methods section says of a training: all that is not the default, and nothing that was not done."""

from __future__ import annotations

import pytest

from autospikformer_cli.recipe import load_recipe
from autospikformer_cli.report.training_methods import augmentation_of, batches_of, optimizer_of, training_sentences

UNIFORM = "Each step trained one subnet, drawn uniformly from the search space."


def said(**keys: object) -> list[str]:
    return list(training_sentences(load_recipe("quickstart", {f"train.{key}": value for key, value in keys.items()})))


def test_a_training_by_default_has_no_more_to_say() -> None:
    assert said() == [UNIFORM]


def test_the_optimizers_are_named() -> None:
    assert optimizer_of(load_recipe("quickstart").train) == "AdamW"
    muon = load_recipe("quickstart", {"train.optimizer": "muon", "train.matrix_lr": 0.02}).train
    assert optimizer_of(muon) == "Muon for matrices (learning rate 0.02, weight decay 0.006), AdamW for the rest,"


def test_the_batches_of_a_step_are_counted() -> None:
    assert batches_of(load_recipe("quickstart", {"train.batch": 32}).train) == "batches of 32 images"
    four = load_recipe("quickstart", {"train.batch": 32, "train.accumulate": 4}).train
    assert batches_of(four) == "batches of 32 images (4 a step)"


def test_the_augmentation_is_named() -> None:
    def named(**keys: object) -> str:
        return augmentation_of(load_recipe("quickstart", {f"data.{key}": value for key, value in keys.items()}).data)

    assert named() == "no augmentation"
    assert named(augment="flip") == "augmentation flip"
    assert named(augment="translate", translation=4) == "augmentation translate by up to 4 pixels"


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"sampling": "fair"},
            "Each step trained one subnet, whose genes took each of their choices equally often, in random order.",
        ),
        (
            {"sampling": "sandwich", "distillation": "soft_labels"},
            "The largest learned from the labels, and the others from its softmax.",
        ),
        (
            {"neuron_curriculum": 0.5},
            "The first 50 % of the training widened the choices of thresholds and taus, those nearest 1 and 2 first.",
        ),
        (
            {"time_step_curriculum": 0.25},
            "The first 25 % of the training widened the choices of time steps, the smallest first.",
        ),
        (
            {"initial_weights": "fan_in"},
            "First weights of linear layers were normal, with deviation 1/sqrt(inputs).",
        ),
        (
            {"whitened_stem": True},
            "Filters of the first convolution started as whitening directions of patches of training images.",
        ),
        (
            {"schedule": "linear", "lr_end": 0},
            "After the warm-up, the learning rate fell along a straight line to 0.",
        ),
        (
            {"ema_half_life": 0.02},
            "The weights are an exponential moving average with a half-life of 2 % of the training.",
        ),
        ({"norm_bias_lr_factor": 4}, "Biases of BatchNorm had 4 times that learning rate."),
        ({"clip_norm": 0.5}, "The norm of all gradients of a step was clipped at 0.5."),
        (
            {"unused_weights": "stay"},
            "Weights that no subnet of a step used were left as they were, without decay or momentum.",
        ),
    ],
)
def test_what_is_not_the_default_is_said(keys: dict[str, object], sentence: str) -> None:
    assert sentence in said(**keys)
