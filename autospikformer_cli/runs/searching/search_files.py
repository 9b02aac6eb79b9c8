"""Which of a run's searches is the wanted one: the present one, an earlier one, or none yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions, other_search_keys
from autospikformer_cli.runs.searching.naming import free_name, made_name
from autospikformer_cli.runs.selection import is_emptied
from autospikformer_cli.say import Say
from autospikformer_cli.store.population import load_population, read_search, save_population
from autospikformer_cli.store.searches import (
    is_search_name,
    make_present,
    present_search,
    rename_search,
    search_names,
)
from autospikformer_cli.store.supernet import read_training

OPTIONS = ("device", "precision", "engine")
WORDS = {
    "weights_hash": "weights", "split_hash": "images", "calibration_hash": "images", "fixed_heads": "space.num_heads",
}  # fmt: skip
"""What messages call a condition."""


@dataclass(frozen=True)
class Head:
    """A stored search. now: how the wanted one measures. other_keys: in which that is another one."""

    conditions: Conditions
    now: Conditions
    other_keys: tuple[str, ...]


@dataclass(frozen=True)
class SearchFiles:
    """The searches of a run, before one search.

    conditions: how that search measures; next to a stored search, which may have read the same images. wanted: the name
    it is given.
    """

    path: Path
    recipe: Recipe
    conditions: Callable[[Provenance], Conditions]
    say: Say
    wanted: str | None = None

    def of_this_search(self, fresh: bool = False) -> str | None:
        """The name of this very search; None if it has not begun. fresh: it shall not have begun.

        Raises UserError if the wanted search is another one, or if the present search, or the wanted one, differs from
        this one in nothing but how subnets are measured.
        """
        names = search_names(self.path)
        if self.wanted is not None and self.wanted not in names:
            require_search_name(self.wanted)
        if fresh:
            self._require_free(names)
            return None
        first = self._first()
        heads = {name: head for name in sorted(names, key=lambda name: name != first) if (head := self._head(name))}
        if first is not None and first == self.wanted:
            self._require_this(first, heads[first].other_keys)
        same = {name: head for name, head in heads.items() if not head.other_keys}
        for name, head in same.items():
            if not head.conditions.differ_in(head.now):
                self._require_no_other_name(name)
                return name
        if first in same:
            raise self._measured_otherwise(same[first])
        return None

    def _first(self) -> str | None:
        """The search that is asked first: the wanted one if the run has it, else the present one."""
        return self.wanted if self.wanted in search_names(self.path) else present_search(self.path)

    def _require_free(self, names: Sequence[str]) -> None:
        if self.wanted is not None and self.wanted in names and not self._may_give_up(self.wanted):
            raise UserError(f"{self.path} has a search {self.wanted}", "--name", "choose another name with --fresh")

    def _require_this(self, name: str, other_keys: Sequence[str]) -> None:
        if other_keys and not self._may_give_up(name):
            keys = ", ".join(other_keys)
            fix = f"choose another name, or leave out what changes {keys} to go on with {name}"
            raise UserError(f"the search {name} is another one: it differs in {keys}", "--name", fix)

    def _require_no_other_name(self, name: str) -> None:
        if self.wanted not in (None, name):
            fix = f"go on with it: --name {name}, or search anew: --fresh --name {self.wanted}"
            raise UserError(f"this search has been begun, it is called {name}", "--name", fix)

    def _may_give_up(self, name: str) -> bool:
        """Whether a search leaves its name to another one: limits left it no candidate."""
        return is_search_name(name) and is_emptied(self.path, load_population(self.path, name))

    def new_name(self) -> str:
        """The name of this search, which has not begun. A search that left the wanted name gets another one."""
        training = read_training(self.path)
        trained = recipe_from_toml(training.recipe_toml, training.recipe_name)
        if self.wanted is None:
            return free_name(self.path, made_name(self.recipe, trained))
        if self.wanted in search_names(self.path):
            emptied = read_search(self.path, self.wanted)
            before = recipe_from_toml(emptied.recipe_toml, emptied.recipe_name)
            other = free_name(self.path, made_name(before, trained))
            rename_search(self.path, self.wanted, other)
            save_population(self.path, load_population(self.path, other))
            self.say.remark(f"limits left no candidate to the search {self.wanted}: it is called {other} now")
        return self.wanted

    def bring_forward(self, name: str, begun: bool) -> None:
        """Make a search the present one. Remarks on its name and on the search before. begun: whether it had begun."""
        before = present_search(self.path)
        make_present(self.path, name)
        if before is not None and before != name:
            head = self._head(before)
            keys = f", which differs in {', '.join(head.other_keys)}," if head and head.other_keys else ""
            state = "has been begun, it is" if begun else "is called"
            self.say.remark(f"this search {state} {name}; the one before{keys} is {before}")

    def _head(self, name: str) -> Head | None:
        """Raises UserError if the search that is asked first cannot be read; None for another one."""
        try:
            search = read_search(self.path, name)
            before = recipe_from_toml(search.recipe_toml, search.recipe_name)
        except UserError:
            if name == self._first():
                raise
            return None
        now = self.conditions(search.provenance)
        return Head(Conditions.of(search.provenance, before), now, other_search_keys(before, self.recipe))

    def _measured_otherwise(self, head: Head) -> UserError:
        before, now = head.conditions, head.now
        differ = before.differ_in(now)
        go_on = [f"--{name} {getattr(before, name)}" for name in OPTIONS if name in differ]
        if differ == ("engine",):
            what = f"with the engine {before.engine}, not {now.engine}"
        else:
            what = f"with other {', '.join(dict.fromkeys(WORDS.get(name, name) for name in differ))}"
        anew = "search anew with --fresh (the old population is kept beside)"
        alike = len(go_on) == len(differ)
        return UserError(
            f"the search of this run was begun {what}",
            str(self.path),
            f"go on with {' '.join(go_on)}, or {anew}" if alike else anew,
        )


def require_search_name(name: str) -> None:
    """Raises UserError if a new search cannot have this name."""
    if not is_search_name(name):
        what = f"{name!r} cannot be the name of a search"
        raise UserError(what, "--name", "use letters, digits and . _ + -, first a letter or digit; not population-N")
