"""A whole recipe: its sections together, written as TOML, compared key by key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, PrivateAttr

from autospikformer_cli.recipe.choices import WholeRange
from autospikformer_cli.recipe.sections import (
    Bounds,
    DataConfig,
    EnergyConfig,
    Keys,
    MeanStd,
    ModelConfig,
    SearchConfig,
    SpaceConfig,
    TrainConfig,
)
from autospikformer_cli.recipe.toml_text import toml_choices, toml_value
from autospikformer_cli.recipe.values import Whole
from autospikformer_cli.space import Subnet, subnet_from_tuple

FIDELITY_KEYS = (
    "decay_input",
    "threshold_scope",
    "searched_heads",
    "fires_at",
    "reset",
    "detach_reset",
    "surrogate",
    "attention_scale",
)
"""Keys of [model] that a fidelity decides."""
CONVENTION_KEYS = ("first_layer_steps", "residual", "order")
"""Keys of [energy] that a convention decides."""


class Recipe(Keys):
    """Everything that decides a run. Equal recipes have equal keys; the name does not count."""

    seed: Whole = 0
    """Seed of every random choice."""
    fidelity: Literal["sound"] = "sound"
    """The set of readings of the paper in force."""
    data: DataConfig
    model: ModelConfig
    space: SpaceConfig
    train: TrainConfig
    search: SearchConfig
    energy: EnergyConfig
    _name: str = PrivateAttr(default="recipe")

    @property
    def name(self) -> str:
        """The recipe file's stem; no key of it."""
        return self._name

    def named(self, name: str) -> Recipe:
        """This recipe under a name."""
        copy = self.model_copy()
        copy._name = name
        return copy

    def baseline(self) -> Subnet:
        """The subnet that the search is compared with."""
        if self.search.baseline is None:
            return self.space.search_space().handmade()
        return subnet_from_tuple(self.search.baseline)

    def switches(self) -> tuple[str, ...]:
        """The keys of [model] and [energy] that differ from what fidelity and convention say, as TOML."""
        model = [key for key in FIDELITY_KEYS if getattr(self.model, key) != ModelConfig.model_fields[key].default]
        energy = [key for key in CONVENTION_KEYS if getattr(self.energy, key) is not None]
        sections = [("model", self.model, model), ("energy", self.energy, energy)]
        return tuple(
            f"{name}.{key} = {toml_value(getattr(section, key))}" for name, section, keys in sections for key in keys
        )

    def to_toml(self) -> str:
        """Every key with its value, without extends; loads again to an equal recipe."""
        lines = [f"seed = {self.seed}", f"fidelity = {toml_value(self.fidelity)}"]
        for section in SECTIONS:
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_written(section, value)}" for key, value in getattr(self, section)]
        return "\n".join(lines) + "\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and not differing_keys(self, other)

    def __hash__(self) -> int:
        return hash(self.to_toml())


SECTIONS: dict[str, type[Keys]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "space": SpaceConfig,
    "train": TrainConfig,
    "search": SearchConfig,
    "energy": EnergyConfig,
}


def differing_keys(first: Recipe, second: Recipe) -> list[str]:
    """Key paths, such as search.alpha, whose values differ, in the recipe's order."""
    top = [key for key in ("seed", "fidelity") if getattr(first, key) != getattr(second, key)]
    return top + [
        f"{section}.{key}"
        for section, model in SECTIONS.items()
        for key in model.model_fields
        if getattr(getattr(first, section), key) != getattr(getattr(second, section), key)
    ]


def known_keys() -> dict[str, list[str]]:
    """The keys of every table, by its dotted path; the top level's under ""."""
    tables: dict[str, type[BaseModel]] = {**SECTIONS, "data.normalise": MeanStd, "search.bounds": Bounds}
    tables |= {f"space.{gene}": WholeRange for gene in SpaceConfig.model_fields}
    return {"": ["extends", *Recipe.model_fields], **{path: list(model.model_fields) for path, model in tables.items()}}


def _written(section: str, value: Any) -> str:
    if section == "space":
        return toml_choices(value)
    return toml_value(value.model_dump() if isinstance(value, BaseModel) else value)
