"""A run that another process works at, as it is seen from outside: read again whenever one of its files has changed.

Nothing is locked and nothing is written. Files are replaced as a whole, so each reading is of one moment.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Overrides, Recipe, recipe_from_toml
from autospikformer_cli.runs.conditions import rescored
from autospikformer_cli.runs.prices import require_prices
from autospikformer_cli.runs.results import SearchResults, score_population
from autospikformer_cli.runs.sight import Sight, WatchStage, trained_recipe
from autospikformer_cli.store.holder import Holder, read_holder
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.runs import RunPath, is_run, named_run, resolve_run, runs_folder
from autospikformer_cli.store.searches import is_search_name, present_search, search_file, search_names
from autospikformer_cli.store.supernet import SUPERNET_FILE, Training, read_training
from autospikformer_cli.wording import did_you_mean, nearest_names, quoted

SEARCHES_NOT = ("aspk train", "aspk import")
"""Commands that lock a run and search nothing. A script of the Python API may do both."""
TRAINS_NOT = ("aspk search",)


class Stamp(NamedTuple):
    """What a file's replacement changes: when it was written, and which file it is."""

    written_ns: int
    inode: int
    size: int

    @classmethod
    def of(cls, path: Path) -> Stamp | None:
        """None if there is no such file."""
        try:
            found = path.stat()
        except OSError:
            return None
        return cls(found.st_mtime_ns, found.st_ino, found.st_size)


class Signs(NamedTuple):
    """All that can be seen of a run without reading a store. Equal signs: nothing has changed.

    search: the watched one's name; None without any. worker: the process that writes to the run, or wrote to it
    before and still runs; None if there is none. holds: whether it holds the lock. left: a process that was killed.
    """

    supernet: Stamp | None
    search: str | None
    file: Stamp | None
    worker: Holder | None
    holds: bool
    left: Holder | None


@dataclass
class Watch:
    """Looks at a run. name: the search; None for the present one. overrides, best: as `read_results` takes them."""

    run: Path
    overrides: Overrides = ()
    name: str | None = None
    best: int | None = None
    _worker: Holder | None = field(default=None, init=False)
    _read: tuple[str, Stamp, SearchResults] | None = field(default=None, init=False)

    def signs(self) -> Signs:
        """What there is to see now. It reads no store."""
        holder = read_holder(self.run)
        holds = holder is not None and holder.lives
        if holder is not None and holds:
            self._worker = holder
        elif self._worker is not None and not (self._worker.command == "aspk search" and self._worker.lives):
            self._worker = None
        try:
            search = self.name or present_search(self.run)
        except OSError:  # a file that was removed just then
            search = None
        file = None if search is None else Stamp.of(search_file(self.run, search))
        left = holder if not holds else None
        return Signs(Stamp.of(self.run / SUPERNET_FILE), search, file, self._worker, holds, left)

    def look(self, signs: Signs) -> Sight:
        """Read what the signs are of. Raises UserError if it cannot be read, or is under no such overrides."""
        if signs.supernet is None:
            if signs.worker is None:
                raise UserError(f"{self.run} is not a run, it has no {SUPERNET_FILE}", "--run", "list them: aspk runs")
            return Sight(self.run, WatchStage.TRAINING, f"{signs.worker} has saved no epoch yet", self.name)
        training, written_s = read_training(self.run), signs.supernet.written_ns / 1e9
        if _is_training(signs, training):
            says = f"training, {_epochs_text(training)}"
            self._rescored(training.recipe_toml, training.recipe_name)
            return Sight(self.run, WatchStage.TRAINING, says, self.name, None, training, None, written_s)
        if signs.search is None or signs.file is None:
            self._rescored(training.recipe_toml, training.recipe_name)
            says = self._waits_for(training, signs.worker)
            return Sight(self.run, WatchStage.WAITING, says, self.name, None, training)
        results, written_s = self._results(signs.search, signs.file), signs.file.written_ns / 1e9
        stage, says = _stage_of(signs, bool(results.population.state["finished"]), self.name is not None)
        if stage is WatchStage.WAITING:
            return Sight(self.run, stage, says, signs.search, None, training)
        resume = _resume_command(self.run, results) if stage is WatchStage.STOPPED else None
        return Sight(self.run, stage, says, signs.search, results, training, resume, written_s)

    def _results(self, search: str, file: Stamp) -> SearchResults:
        if self._read is None or self._read[:2] != (search, file):
            population = load_population(self.run, search)
            recipe = self._rescored(population.recipe_toml, population.recipe_name)
            results = replace(score_population(self.run, population, recipe), best_num=self.best)
            self._read = search, file, results
        return self._read[2]

    def _rescored(self, recipe_toml: str, name: str) -> Recipe:
        """A stored recipe under the overrides. While there is no search, that of the training says what is wrong."""
        recipe = rescored(recipe_from_toml(recipe_toml, name, shown=f"the recipe stored in {self.run}"), self.overrides)
        if self.best is not None:
            require_prices(recipe)
        return recipe

    def _waits_for(self, training: Training, worker: Holder | None) -> str:
        run = quoted(self.run)
        if worker is not None and worker.command not in SEARCHES_NOT:
            return f"{worker} has saved no subnet yet"
        if _has_ended(training):
            return f"{self._nothing_yet()}; search: aspk search --run {run}"
        stopped = f"the training has stopped, {_epochs_text(training)}"
        return f"{stopped}; go on with it: aspk train --run {run}"

    def _nothing_yet(self) -> str:
        names = search_names(self.run)
        if self.name is None or not names:
            return f"{self.run} has no search yet"
        near = did_you_mean(nearest_names(self.name, names)) or f"its searches: {', '.join(names)}"
        return f"{self.run} has no search {self.name} yet, {near}"


def sights(watch: Watch, pause: Callable[[], None]) -> Iterator[Sight]:
    """What is seen of a run now, and again after each change, until there is nothing more to see.

    pause: called between two looks; it waits. Raises UserError for what cannot be read.
    """
    seen: Signs | None = None
    while True:
        signs = watch.signs()
        if signs != seen:
            seen = signs
            try:
                sight = watch.look(signs)
            except UserError:
                if watch.signs() == signs:
                    raise
                continue  # it was replaced or removed while it was read: the next look tells
            yield sight
            if sight.is_last:
                return
        pause()


def watched_run(run: RunPath, search: str | None) -> Path:
    """The run to watch: as `resolve_run` has it, or one whose training has not saved anything yet.

    Without `run`, it is the one that a command began to write to last, if any still does. Raises UserError.
    """
    path = _found(run)
    if search is not None and not is_search_name(search) and search not in search_names(path):
        raise UserError(
            f"{search!r} cannot be the name of a search", "--search", f"list them: aspk runs show {quoted(path)}"
        )
    return path


def _found(run: RunPath) -> Path:
    if run is None:
        busy = [(holder.since_ns, path) for path, holder in _holders(runs_folder()) if holder.lives]
        return max(busy)[1] if busy else resolve_run(None)
    if not is_run(named_run(run)):
        begun = ((path, read_holder(path)) for path in (Path(run), runs_folder() / run))
        found = next((path for path, holder in begun if holder is not None and holder.lives), None)
        if found is not None:
            return found
    return resolve_run(run)


def _holders(folder: Path) -> Iterator[tuple[Path, Holder]]:
    for path in folder.iterdir() if folder.is_dir() else ():
        holder = read_holder(path)
        if holder is not None:
            yield path, holder


def _epochs_text(training: Training) -> str:
    return f"{training.state.epoch} of {trained_recipe(training).train.total_epochs} epochs done"


def _has_ended(training: Training) -> bool:
    return training.state.finished or training.origin is not None


def _is_training(signs: Signs, training: Training) -> bool:
    """Whether the process that holds the run trains. A script that has written a search since does not."""
    if not signs.holds or signs.worker is None or signs.worker.command in TRAINS_NOT or _has_ended(training):
        return False
    return signs.file is None or signs.file.written_ns < signs.worker.since_ns


def _stage_of(signs: Signs, finished: bool, is_named: bool) -> tuple[WatchStage, str]:
    """Where a search is, and what is said of it. is_named: whether no other search would be watched."""
    worker = signs.worker if signs.worker is None or signs.worker.command not in SEARCHES_NOT else None
    if finished and (is_named or worker is None):
        return WatchStage.FINISHED, "finished"
    if worker is None:
        killed = signs.left if signs.left and signs.left.command not in SEARCHES_NOT else None
        return WatchStage.STOPPED, f"{killed} has ended without finishing it" if killed else "stopped before its end"
    if finished:
        return WatchStage.WAITING, f"{signs.search} is finished; waiting for the next search of {worker}, or its end"
    if not signs.holds:
        return WatchStage.WAITING, f"{worker} no longer writes to it; waiting for its end"
    if signs.file is not None and signs.file.written_ns < worker.since_ns:
        return WatchStage.WAITING, f"{worker} has saved nothing new of {signs.search} yet"
    unseen = "" if worker.is_here else f"; whether {worker} still runs cannot be seen from here"
    return WatchStage.SEARCHING, f"searching{unseen}"


def _resume_command(run: Path, results: SearchResults) -> str:
    """The command that goes on with a search as it was measured."""
    measured, name = results.provenance, results.population.name
    words = ["aspk", "search", "--run", str(run)]
    if name != present_search(run):
        words += ["--name", name]
    if measured.device != "cpu":
        words += ["--device", measured.device]
    if measured.precision != "float32":
        words += ["--precision", measured.precision]
    return shlex.join(words)
