"""What `aspk runs` lists: the runs, newest first, and the searches of one run."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.store.evaluations import EVALUATIONS_FILE
from autospikformer_cli.store.kept_checkpoints import kept_epochs, kept_path
from autospikformer_cli.store.population import SearchProgress, load_population, read_search
from autospikformer_cli.store.runs import last_written, run_folders
from autospikformer_cli.store.searches import RENAME, misnamed_files, present_search, search_file, search_names
from autospikformer_cli.store.similarity import SIMILARITY_FILE
from autospikformer_cli.store.soundness import require_sound
from autospikformer_cli.store.supernet import SUPERNET_FILE, Training, read_training


@dataclass(frozen=True)
class SearchSummary:
    """A search in one line.

    state: how far it is. candidates: number of measured ones. rejected: how many of them the search rejects; None
    if that is not known. best_top1: of the most accurate of the others, in percent; None if there is none. best: id
    of the candidate that the search chose, chosen_top1: its accuracy; None without one, or if it was not asked for.
    provenance: None if the file is damaged. present: whether commands take it if none is named. written_as: its
    name before a user renamed its file.
    """

    name: str
    present: bool
    state: str
    date: datetime
    candidates: int = 0
    rejected: int | None = None
    best_top1: float | None = None
    provenance: Provenance | None = None
    best: str | None = None
    chosen_top1: float | None = None
    written_as: str | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether its file cannot be used."""
        return self.provenance is None

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        measured = self.provenance
        conditions = ("split", "images", "batchnorm", "engine", "precision", "device")
        return {
            "name": self.name,
            "present": self.present,
            "state": self.state,
            "date": self.date.isoformat(timespec="seconds"),
            "candidates": self.candidates,
            "rejected": self.rejected,
            "best": self.best,
            "chosen_top1": self.chosen_top1,
            "best_top1": self.best_top1,
            "written_as": self.written_as,
            **{each: None if measured is None else getattr(measured, each) for each in conditions},
        }


@dataclass(frozen=True)
class RunSummary:
    """A run in one line.

    recipe: None if it cannot be read. state: of its training, or of its present search. date: of the last write.
    best: the search with the most accurate candidate; None if no search has any. damaged: its damaged files.
    """

    name: str
    recipe: str | None
    state: str
    date: datetime
    searches: tuple[SearchSummary, ...] = ()
    best: SearchSummary | None = None
    damaged: tuple[str, ...] = ()

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        best = self.best
        return {
            "name": self.name,
            "recipe": self.recipe,
            "state": self.state,
            "date": self.date.isoformat(timespec="seconds"),
            "best_top1": None if best is None else best.best_top1,
            "split": None if best is None or best.provenance is None else best.provenance.split,
            "best_search": None if best is None else best.name,
            "searches": len(self.searches),
            "damaged": list(self.damaged),
        }


@dataclass(frozen=True)
class Unusable:
    """A file of a run that cannot be used, and why."""

    file: str
    what: str

    def to_document(self) -> dict[str, object]:
        """As JSON."""
        return {"file": self.file, "what": self.what}


def list_runs() -> list[RunSummary]:
    """All runs, newest first. A run with a damaged file is listed as damaged, as far as the file's structure shows."""
    return [_run_summary(run) for run in run_folders()]


def list_searches(run: Path) -> list[SearchSummary]:
    """A run's searches, those of an older aspk first, then by name, each with its best. A damaged one is listed so.

    All of each file is read.
    """
    return [_with_best(run, search) for search in _summaries(run)]


def list_unusable(run: Path) -> list[Unusable]:
    """The files of a run that cannot be used: damaged ones besides its searches, and searches that have no such name.

    All of each file is read.
    """
    misnamed = [
        Unusable(str(path.relative_to(run)), f"its name is none of a search, {RENAME}") for path in misnamed_files(run)
    ]
    return [*_damaged(run, whole=True), *misnamed]


def _damaged(run: Path, *, whole: bool) -> Iterator[Unusable]:
    kinds = {SUPERNET_FILE: "supernet", EVALUATIONS_FILE: "evaluations", SIMILARITY_FILE: "similarity"}
    kinds |= {str(kept_path(run, epoch).relative_to(run)): "supernet" for epoch in kept_epochs(run)}
    for file, kind in kinds.items():
        try:
            if (run / file).is_file():
                require_sound(run / file, kind, whole=whole)
        except UserError as error:
            yield Unusable(file, error.what)


def _summaries(run: Path) -> list[SearchSummary]:
    present = present_search(run)
    return [_search_summary(run, name, name == present) for name in search_names(run)]


def _with_best(run: Path, search: SearchSummary) -> SearchSummary:
    """A search with what --subnet best means with it: None if there is none, or if it cannot be told."""
    from autospikformer_cli.runs.selection import best_candidate

    if search.is_damaged:
        return search
    try:
        population = load_population(run, search.name)
    except UserError:
        return _damaged_search(run, search.name, search.present)
    try:
        best = best_candidate(run, population)
    except UserError:
        return search
    return search if best is None else replace(search, best=best.id, chosen_top1=best.measurement.top1)


def _run_summary(run: Path) -> RunSummary:
    date = _date(last_written(run))
    try:
        training = read_training(run)
    except UserError:
        return RunSummary(run.name, None, f"damaged ({SUPERNET_FILE})", date, damaged=(SUPERNET_FILE,))
    searches = tuple(_summaries(run))
    state = next((search.state for search in searches if search.present), _training_state(training))
    damaged = [each.file for each in _damaged(run, whole=False)]
    damaged += [str(search_file(run, search.name).relative_to(run)) for search in searches if search.is_damaged]
    if SUPERNET_FILE in damaged:
        state = f"damaged ({SUPERNET_FILE})"
    return RunSummary(run.name, training.recipe_name, state, date, searches, _best_of(searches), tuple(damaged))


def _best_of(searches: tuple[SearchSummary, ...]) -> SearchSummary | None:
    """The search whose best candidate is most accurate; of equal ones, the present one."""
    found = [search for search in searches if search.best_top1 is not None]
    return max(found, key=lambda search: (search.best_top1 or 0.0, search.present), default=None)


def _search_summary(run: Path, name: str, present: bool) -> SearchSummary:
    try:
        require_sound(search_file(run, name), "population")
        search = read_search(run, name)
        accepted = _accepted(run, search)
    except UserError:
        return _damaged_search(run, name, present)
    found = SearchSummary(
        name, present, _search_state(search), _search_date(run, name), search.num_candidates,
        provenance=search.provenance, written_as=search.written_as,
    )  # fmt: skip
    if accepted is None:
        return found
    return replace(found, rejected=search.num_candidates - len(accepted), best_top1=max(accepted, default=None))


def _damaged_search(run: Path, name: str, present: bool) -> SearchSummary:
    file = search_file(run, name).relative_to(run)
    return SearchSummary(name, present, f"damaged ({file})", _search_date(run, name))


def _search_date(run: Path, name: str) -> datetime:
    return _date(search_file(run, name).stat().st_mtime_ns)


def _accepted(run: Path, search: SearchProgress) -> list[float] | None:
    """Accuracies of the candidates that a search does not reject. None if limits that it had cannot be read.

    Raises UserError if its file is damaged.
    """
    usable = [(id_, top1) for id_, top1 in zip(search.ids, search.top1s, strict=True) if top1 is not None]
    if not _has_limits(search.recipe_toml):
        return [top1 for _, top1 in usable]
    from autospikformer_cli.recipe import recipe_from_toml
    from autospikformer_cli.runs.selection import recipe_problem

    population = load_population(run, search.name)
    try:
        recipe = recipe_from_toml(search.recipe_toml, search.recipe_name)
        problem = recipe_problem(recipe, stored=population.objectives)
        problem.require_limits()
        problem.price_all(population.candidates)
        kept = {candidate.id for candidate in population.candidates if problem.feasible(candidate)}
    except UserError:
        return None
    return [top1 for id_, top1 in usable if id_ in kept]


def _has_limits(recipe_toml: str) -> bool:
    try:
        return bool(tomllib.loads(recipe_toml).get("search", {}).get("limits"))
    except tomllib.TOMLDecodeError:
        return False


def _date(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9).astimezone()


def _training_state(training: Training) -> str:
    if training.origin is not None:
        return "imported"
    if training.state.finished:
        return "trained"
    return f"training, epoch {training.state.epoch}{_of(training.recipe_toml, 'train', 'epochs')}"


def _search_state(search: SearchProgress) -> str:
    if search.state.get("finished"):
        return "searched"
    generation = search.state.get("generation", 0)
    return f"searching, generation {generation}{_of(search.recipe_toml, 'search', 'generations')}"


def _of(recipe_toml: str, section: str, key: str) -> str:
    """' of 30' from a recipe's key; an empty text if the recipe lacks it."""
    try:
        return f" of {tomllib.loads(recipe_toml)[section][key]}"
    except (tomllib.TOMLDecodeError, KeyError, TypeError):
        return ""
