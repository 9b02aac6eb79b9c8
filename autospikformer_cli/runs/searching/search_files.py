"""Which file of a run holds a search: the present one, one that was set aside, or none yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from autospikformer_cli.cli.session import Session
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.runs.assembly import MOVABLE_KEYS
from autospikformer_cli.store.population import POPULATION_FILE, Provenance, read_search, searches, set_aside, take_up

NOT_OF_A_SEARCH = (*MOVABLE_KEYS, "model.evaluation_memory")
"""Keys that change nothing that a search finds; nor do those of [train], behind the weights."""


@dataclass(frozen=True)
class Head:
    """A stored search: how it measured, and the keys in which this one is another."""

    provenance: Provenance
    other_keys: tuple[str, ...]


@dataclass(frozen=True)
class SearchFiles:
    """The population files of a run, before one search."""

    path: Path
    recipe: Recipe
    measured_as: Provenance
    session: Session

    def of_this_search(self) -> str | None:
        """The file of this very search; None where it has not begun.

        Raises UserError where the present search differs from it in nothing but how subnets are measured.
        """
        heads = {name: head for name in searches(self.path) if (head := self._head(name)) is not None}
        same = {name: head for name, head in heads.items() if not head.other_keys}
        measured_alike = [name for name, head in same.items() if head.provenance == self.measured_as]
        if measured_alike:
            return measured_alike[0]
        if POPULATION_FILE in same:
            raise self._measured_otherwise(same[POPULATION_FILE].provenance)
        return None

    def bring_forward(self, name: str | None) -> None:
        """Make a file the present search, or make room for a new one; says where the one before is kept."""
        if name == POPULATION_FILE:
            return
        present = self._head(POPULATION_FILE) if (self.path / POPULATION_FILE).is_file() else None
        if present is not None:
            what = f"with other {', '.join(present.other_keys)}, " if present.other_keys else ""
            self.session.remark(f"the search before, {what}is kept as {set_aside(self.path)}")
        if name is not None:
            take_up(self.path, name)
            self.session.remark(f"this search has been begun: {name} is {POPULATION_FILE} again")

    def _head(self, name: str) -> Head | None:
        """Raises UserError where the present search cannot be read; None for one that was set aside."""
        try:
            search = read_search(self.path, name)
            before = recipe_from_toml(search.recipe_toml, search.recipe_name)
        except UserError:
            if name == POPULATION_FILE:
                raise
            return None
        keys = (key for key in differing_keys(before, self.recipe) if key not in NOT_OF_A_SEARCH)
        return Head(search.provenance, tuple(key for key in keys if not key.startswith("train.")))

    def _measured_otherwise(self, before: Provenance) -> UserError:
        if replace(self.measured_as, engine=before.engine) == before:
            what = f"with the engine {before.engine}, not {self.measured_as.engine}"
            go_on = f"go on with --engine {before.engine}"
        else:
            what, go_on = "with other weights, images, precision or device", "go on with the same"
        return UserError(
            f"the search of this run was begun {what}",
            str(self.path),
            f"{go_on}, or search anew with --fresh (the old population is kept beside)",
        )
