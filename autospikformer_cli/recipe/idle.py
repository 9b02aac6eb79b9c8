"""Keys that other keys of a recipe leave without effect.

They are told, not refused: a recipe that extends another one has that one's keys, and a stored recipe must be readable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from autospikformer_cli.recipe.fidelity import PROFILE_SWITCHES
from autospikformer_cli.recipe.whole import SECTIONS, Recipe


@dataclass(frozen=True, slots=True)
class Need:
    """Keys that act only if something holds of the whole recipe. needs: that, in words."""

    keys: tuple[str, ...]
    holds: Callable[[Recipe], bool]
    needs: str


def _stem_has_pairs(recipe: Recipe) -> bool:
    """Whether the first convolution, an eighth of the stem, has a filter for a direction and one for its negative."""
    width = recipe.model.stem_dim or recipe.space.embed_dim[-1]
    return width // 8 >= 2


def _may_have_validation(recipe: Recipe) -> bool:
    """Whether there can be validation images. Folders of a user's own may hold some without any share."""
    return recipe.data.validation > 0 or recipe.data.dataset == "folder"


NEEDS = (
    Need(
        ("train.matrix_lr", "train.matrix_weight_decay"),
        lambda recipe: recipe.train.optimizer == "muon",
        'train.optimizer = "muon"',
    ),
    Need(("data.translation",), lambda recipe: recipe.data.augment == "translate", 'data.augment = "translate"'),
    Need(("train.whitened_stem",), _stem_has_pairs, "a stem of 16 channels or more: model.stem_dim"),
    Need(("train.mixup_probability", "train.mixup_epochs"), lambda recipe: recipe.train.mixup > 0, "train.mixup > 0"),
    Need(
        ("train.mixup", "train.mixup_probability"),
        lambda recipe: recipe.train.mixup_epochs > 0,
        "train.mixup_epochs > 0",
    ),
    Need(
        ("train.mixup", "train.mixup_epochs"),
        lambda recipe: recipe.train.mixup_probability > 0,
        "train.mixup_probability > 0",
    ),
    Need(
        ("train.time_step_curriculum",),
        lambda recipe: len(recipe.space.search_space().time_step) > 1,
        "several choices of space.time_step",
    ),
    Need(
        ("train.neuron_curriculum",),
        lambda recipe: max(len(recipe.space.search_space().threshold), len(recipe.space.search_space().tau)) > 1,
        "several choices of space.threshold or space.tau",
    ),
    Need(("train.lr_start",), lambda recipe: recipe.train.warmup_epochs > 0, "train.warmup_epochs > 0"),
    Need(("train.validation_images",), _may_have_validation, "data.validation > 0"),
    Need(("train.ema_choice",), lambda recipe: recipe.train.ema_half_life > 0, "train.ema_half_life > 0"),
    Need(
        ("train.measured_subnets",),
        lambda recipe: bool(recipe.train.chooses),
        'train.final = "best", train.patience > 0, or train.ema_choice = "validation"',
    ),
)


def idle_remarks(recipe: Recipe, named: Collection[str] | None = None) -> list[str]:
    """What is said of each key that decides nothing with the other keys of a recipe.

    named: the keys that are asked about; None for all whose value is neither the default nor what the fidelity sets.
    """
    return [
        f"{key} decides nothing here: it needs {need.needs}"
        for need in NEEDS
        if not need.holds(recipe)
        for key in need.keys
        if (key in named if named is not None else recipe.value(key) not in _unasked(recipe, key))
    ]


def _unasked(recipe: Recipe, key: str) -> tuple[object, ...]:
    """The values that a key has without anybody writing it."""
    section, _, name = key.partition(".")
    default = SECTIONS[section].model_fields[name].default
    return (default, *(switch.value(recipe.fidelity) for switch in PROFILE_SWITCHES if switch.key == key))
