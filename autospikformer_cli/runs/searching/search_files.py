"""Which file of a run holds a search: the present one, one that was set aside, or none yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions, other_search_keys
from autospikformer_cli.say import Say
from autospikformer_cli.store.population import POPULATION_FILE, read_search, searches, set_aside, take_up

OPTIONS = ("device", "precision", "engine")
WORDS = {
    "weights_hash": "weights", "split_hash": "images", "calibration_hash": "images", "fixed_heads": "space.num_heads",
}  # fmt: skip
"""What messages call a condition."""


@dataclass(frozen=True)
class Head:
    """A stored search: how it measured, and the keys in which the wanted search is another one."""

    conditions: Conditions
    other_keys: tuple[str, ...]


@dataclass(frozen=True)
class SearchFiles:
    """The population files of a run, before one search. conditions: how that search measures."""

    path: Path
    recipe: Recipe
    conditions: Conditions
    say: Say

    def of_this_search(self) -> str | None:
        """The file of this very search; None if it has not begun.

        Raises UserError if the present search differs from it in nothing but how subnets are measured.
        """
        heads = {name: head for name in searches(self.path) if (head := self._head(name)) is not None}
        same = {name: head for name, head in heads.items() if not head.other_keys}
        for name, head in same.items():
            if not head.conditions.differ_in(self.conditions):
                return name
        if POPULATION_FILE in same:
            raise self._measured_otherwise(same[POPULATION_FILE].conditions)
        return None

    def bring_forward(self, name: str | None) -> None:
        """Make a file the present search, or make room for a new one. Remarks on where the one before is kept."""
        if name == POPULATION_FILE:
            return
        present = self._head(POPULATION_FILE) if (self.path / POPULATION_FILE).is_file() else None
        if present is not None:
            what = f"with other {', '.join(present.other_keys)}, " if present.other_keys else ""
            self.say.remark(f"the search before, {what}is kept as {set_aside(self.path)}")
        if name is not None:
            take_up(self.path, name)
            self.say.remark(f"this search has been begun: {name} is {POPULATION_FILE} again")

    def _head(self, name: str) -> Head | None:
        """Raises UserError if the present search cannot be read; None for one that was set aside."""
        try:
            search = read_search(self.path, name)
            before = recipe_from_toml(search.recipe_toml, search.recipe_name)
        except UserError:
            if name == POPULATION_FILE:
                raise
            return None
        return Head(Conditions.of(search.provenance, before), other_search_keys(before, self.recipe))

    def _measured_otherwise(self, before: Conditions) -> UserError:
        differ = before.differ_in(self.conditions)
        go_on = [f"--{name} {getattr(before, name)}" for name in OPTIONS if name in differ]
        if differ == ("engine",):
            what = f"with the engine {before.engine}, not {self.conditions.engine}"
        else:
            what = f"with other {', '.join(dict.fromkeys(WORDS.get(name, name) for name in differ))}"
        anew = "search anew with --fresh (the old population is kept beside)"
        alike = len(go_on) == len(differ)
        return UserError(
            f"the search of this run was begun {what}",
            str(self.path),
            f"go on with {' '.join(go_on)}, or {anew}" if alike else anew,
        )
