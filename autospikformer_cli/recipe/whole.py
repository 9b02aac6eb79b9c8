"""A whole recipe: its sections together, written as TOML, compared key by key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, PrivateAttr

from autospikformer_cli.recipe.choices import WholeRange
from autospikformer_cli.recipe.components import comment_lines, components
from autospikformer_cli.recipe.effects import NOTHING, SEARCH, TRAINING, Decides, declared
from autospikformer_cli.recipe.energy.models import (
    RULES,
    Convention,
    HardwareProfile,
    Memory,
    Widths,
    shipped_convention,
)
from autospikformer_cli.recipe.fidelity import (
    NETWORK_KEYS,
    PROFILE_SWITCHES,
    Fidelity,
    Value,
)
from autospikformer_cli.recipe.keys import Keys
from autospikformer_cli.recipe.search_section import FixedBounds, SearchConfig
from autospikformer_cli.recipe.sections import (
    DataConfig,
    EnergyConfig,
    KnownImages,
    MeanStd,
    ModelConfig,
    SpaceConfig,
    TrainConfig,
)
from autospikformer_cli.recipe.toml_text import toml_choices, toml_value
from autospikformer_cli.recipe.values import Whole
from autospikformer_cli.registry import NOBODY
from autospikformer_cli.space import Subnet, subnet_from_tuple

UNKNOWN = "not known"
"""In the place of a rule of a convention that this aspk lacks."""


class Recipe(Keys):
    """Everything that decides a run. Equal recipes have equal keys; the name does not count."""

    seed: Annotated[Whole, TRAINING | SEARCH] = 0
    """Seed of every random choice."""
    fidelity: Annotated[Fidelity, NOTHING] = "sound"
    """Readings of the paper in force: ours, the text as printed, or the authors' published code. It sets the keys of
    fidelity.md; a key written next to it, or given by --set, overrides it."""
    data: DataConfig
    model: ModelConfig
    space: SpaceConfig
    train: TrainConfig
    search: SearchConfig
    energy: EnergyConfig
    _name: str = PrivateAttr(default="recipe")
    _given_by: Mapping[str, str] = PrivateAttr(default=NOBODY)

    @property
    def name(self) -> str:
        """The recipe file's stem; no key of it."""
        return self._name

    def named(self, name: str) -> Recipe:
        """This recipe under a name."""
        copy = self.model_copy()
        copy._name = name
        return copy

    def with_givers(self, given_by: Mapping[str, str]) -> Recipe:
        """This recipe with the plugins that its store's text says gave its components."""
        copy = self.model_copy()
        copy._given_by = given_by
        return copy

    def with_images(self, known: KnownImages | None) -> Recipe:
        """This recipe with the shape of its data set's images, for when its files are gone."""
        return self.model_copy(update={"data": self.data.with_images(known)})

    @property
    def given_by(self) -> dict[str, str]:
        """The plugin that gives each component, with its version, by KIND.NAME; none for ours.

        That of an installed one, else the one that the store names. A store of an aspk before 0.2 names none.
        """
        named = components(self.model.neuron, self.search.algorithm, [*self.search.objectives, *self.search.limits])
        givers = {
            f"{registry.kind}.{name}": registry.giver(name) or self._given_by.get(f"{registry.kind}.{name}")
            for registry, name in named
            if name not in registry or registry.giver(name)
        }
        return {name: giver for name, giver in givers.items() if giver is not None}

    def baseline(self) -> Subnet:
        """The subnet that the search is compared with."""
        if self.search.baseline is None:
            return self.space.search_space().handmade()
        return subnet_from_tuple(self.search.baseline)

    def resolved_switches(self) -> dict[str, Value]:
        """Every switch of fidelity and energy convention with its value in force, by key; network and hardware."""
        keys = [*NETWORK_KEYS, *(switch.key for switch in PROFILE_SWITCHES)]
        values: dict[str, Value] = {key: self.value(key) for key in keys}
        values["energy.convention"] = self.energy.convention_name
        values["energy.profile"] = self.energy.profile_name
        if "energy.convention" in self.energy.unknown:
            own = {rule: getattr(self.energy, rule) for rule in RULES}
            return values | {f"energy.{rule}": UNKNOWN if own[rule] is None else own[rule] for rule in RULES}
        return values | _rule_keys(self.energy.rules)

    def switches(self) -> tuple[str, ...]:
        """The switches in force that differ from what fidelity and energy convention say, as TOML."""
        said: dict[str, Value | None] = {switch.key: switch.value(self.fidelity) for switch in PROFILE_SWITCHES}
        if "energy.convention" in self.energy.unknown:
            said |= {f"energy.{rule}": UNKNOWN for rule in RULES}
        else:
            said |= _rule_keys(self.energy.named_convention)
        resolved = self.resolved_switches()
        return tuple(
            f"{key} = {toml_value(resolved[key])}"
            for key in said
            if said[key] is not None and resolved[key] != said[key]
        )

    def fidelity_document(self) -> dict[str, object]:
        """The readings in force as JSON: the fidelity's name, the switches that differ from it, all of them."""
        return {"fidelity": self.fidelity, "switches": list(self.switches()), "resolved": self.resolved_switches()}

    def value(self, key: str) -> Any:
        """The value of a key by its path, such as search.alpha."""
        section, _, name = key.rpartition(".")
        return getattr(getattr(self, section) if section else self, name)

    def value_toml(self, key: str) -> str:
        """The same as TOML."""
        return _written(key.partition(".")[0], self.value(key))

    def without_local_paths(self) -> Recipe:
        """This recipe with the defaults of the keys that say where files lie on this machine."""
        default = {key: field.default for key, field in DataConfig.model_fields.items() if key in ("root", "cache")}
        return self.model_copy(update={"data": self.data.model_copy(update=default)}).named(self.name)

    def with_values_of(self, other: Recipe, keys: Iterable[str]) -> Recipe:
        """This recipe with another's values of some keys, of which both are right already."""
        copy = self
        for key in keys:
            section, _, name = key.rpartition(".")
            table = getattr(copy, section).model_copy(update={name: other.value(key)})
            copy = copy.model_copy(update={section: table})
        return copy.named(self.name)

    def to_toml(self) -> str:
        """Every key with its value, without extends; loads again to an equal recipe.

        Comments at its end say which plugins give its components.
        """
        lines = [f"seed = {self.seed}", f"fidelity = {toml_value(self.fidelity)}"]
        for section in SECTIONS:
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_written(section, value)}" for key, value in getattr(self, section)]
        return "\n".join([*lines, *comment_lines(self.given_by, self.data.known_images)]) + "\n"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and not differing_keys(self, other)

    def __hash__(self) -> int:
        return hash(tuple(repr(self.value(key)) for key in effects()))


SECTIONS: dict[str, type[Keys]] = {
    "data": DataConfig,
    "model": ModelConfig,
    "space": SpaceConfig,
    "train": TrainConfig,
    "search": SearchConfig,
    "energy": EnergyConfig,
}


def default_switches() -> dict[str, Value]:
    """Every switch with the value that it has if no file, option or fidelity sets it, by key."""
    keys = [*NETWORK_KEYS, *(switch.key for switch in PROFILE_SWITCHES), "energy.profile"]
    paths = ((key, *key.split(".")) for key in keys)
    values: dict[str, Value] = {key: SECTIONS[section].model_fields[name].default for key, section, name in paths}
    return values | _rule_keys(shipped_convention(str(values["energy.convention"])))


def _rule_keys(convention: Convention) -> dict[str, Value]:
    return {f"energy.{rule}": value for rule, value in convention.rules().items()}


def effects() -> dict[str, Decides]:
    """What each key decides, by its path, such as search.alpha, in the recipe's order."""
    tables: dict[str, type[Keys]] = {"": Recipe, **SECTIONS}
    return {
        f"{section}.{key}".lstrip("."): effect
        for section, model in tables.items()
        for key, field in model.model_fields.items()
        if (effect := declared(field)) is not None
    }


def differing_keys(first: Recipe, second: Recipe, decide: Decides | None = None) -> list[str]:
    """Paths of the keys whose values differ, in the recipe's order. decide: of those that decide any of this alone."""
    return [
        key
        for key, effect in effects().items()
        if (decide is None or effect & decide) and first.value(key) != second.value(key)
    ]


def known_keys() -> dict[str, list[str]]:
    """The keys of every table, by its dotted path; the top level's under ""."""
    tables: dict[str, type[BaseModel]] = {**SECTIONS, "data.normalise": MeanStd, "search.bounds": FixedBounds}
    tables |= {"energy.profile": HardwareProfile, "energy.profile.int8": Widths, "energy.profile.memory": Memory}
    tables |= {"energy.convention": Convention}
    tables |= {f"space.{gene}": WholeRange for gene in SpaceConfig.model_fields}
    return {"": ["extends", *Recipe.model_fields], **{path: list(model.model_fields) for path, model in tables.items()}}


def _written(section: str, value: Any) -> str:
    if section == "space":
        return toml_choices(value)
    return toml_value(value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value)
