"""The table of `aspk finish` as a run keeps it: written once all is tested, and read without any image."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Overrides, Recipe, recipe_from_toml
from autospikformer_cli.recipe.load import named_keys
from autospikformer_cli.runs.conditions import rescored
from autospikformer_cli.runs.finishing.networks import FinishNetwork, FinishRole, Way, chosen_of
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.prices import require_prices
from autospikformer_cli.runs.results import SearchResults, score_population
from autospikformer_cli.runs.retraining import as_transformer
from autospikformer_cli.runs.selection import counts_of
from autospikformer_cli.space import parse_subnet
from autospikformer_cli.store.evaluations import Evaluation, load_evaluations
from autospikformer_cli.store.finished import (
    EvaluationKey,
    FinishedRow,
    FinishedTable,
    FinishedTraining,
    finished_file,
    load_finished,
    write_finished,
)
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.searches import find_search, present_search
from autospikformer_cli.wording import quoted


def keep_finished(found: FinishResults) -> None:
    """Keep which trainings a table has, in the place of an earlier one of the same search."""
    rows = [
        FinishedRow(
            row.network.name,
            str(row.network.subnet),
            row.network.role,
            row.way,
            row.network.candidate.id if row.network.candidate else "",
            row.network.like,
            (
                *(FinishedTraining(each.seed, EvaluationKey.of(each.evaluation)) for each in row.tested),
                *(FinishedTraining(each.seed, None, each.why) for each in row.diverged),
            ),
        )
        for row in found.rows
    ]
    table = FinishedTable(
        found.results.population.name, found.recipe.to_toml(), found.best, found.epochs, found.retrained_epochs,
        found.seeds, found.all_images, found.images, found.train_images, found.classes, tuple(rows),
    )  # fmt: skip
    write_finished(found.path, table)


def is_finished(path: Path, search: str) -> bool:
    """Whether a run keeps the table of a search."""
    return finished_file(path, search).is_file()


def read_finished(path: Path, overrides: Overrides = (), search: str | None = None) -> FinishResults:
    """The table that `aspk finish` made last of a search. Nothing is measured, and no image is read.

    overrides: keys of energies. search: its name; None for the present one. Raises UserError.
    """
    other = next((key for key in named_keys(overrides) if not key.startswith("energy.")), None)
    if other is not None:
        raise UserError(f"{other} decides nothing of the table of aspk finish", "--set", "leave it out")
    name = find_search(path, search)
    table = load_finished(path, name)
    if table is None:
        what = f"no table of aspk finish is stored for search {name}"
        raise UserError(what, str(path), f"retrain and test it: {how_to_finish(path, name)}")
    population = load_population(path, name)
    stored = recipe_from_toml(table.recipe_toml, population.recipe_name, shown=f"the recipe stored in {path}")
    recipe = rescored(stored, overrides)
    require_prices(recipe)
    results = score_population(path, population, stored)
    known = {EvaluationKey.of(each): each for each in load_evaluations(path)}
    with counts_of(path):
        rows = tuple(_row(each, table, results, recipe, known) for each in table.rows)
    return FinishResults(
        path, recipe, results, table.best, rows, table.epochs, table.retrained_epochs, table.seeds, table.all_images,
        table.images, table.train_images, table.classes,
    )  # fmt: skip


def how_to_finish(path: Path, search: str) -> str:
    """The command that makes the table of a search."""
    return f"aspk finish --run {quoted(path)}{search_option(path, search)}"


def search_option(path: Path, search: str) -> str:
    """The option that names a search, to be added to a command; "" for the present one."""
    return "" if present_search(path) == search else f" --search {quoted(search)}"


def new_since(found: FinishResults) -> list[str]:
    """The candidates that the search chose since its table was made, as one that went on does."""
    shown = {row.network.subnet for row in found.rows}
    return [each.id for each in chosen_of(found.results, found.best) if each.subnet not in shown]


def has_other_weights(found: FinishResults) -> bool:
    """Whether the inherited weights that were tested are not those of the search, as after more training."""
    searched = found.results.provenance.weights_hash
    inherited = [each for row in found.rows if row.way == "inherited" for each in row.tested]
    return any(each.evaluation.provenance.weights_hash != searched for each in inherited)


def _row(
    row: FinishedRow, table: FinishedTable, results: SearchResults, recipe: Recipe,
    known: dict[EvaluationKey, Evaluation],
) -> FinishRow:  # fmt: skip
    path, subnet = results.path, parse_subnet(row.subnet)
    again = how_to_finish(path, table.search)
    candidate = next((each for each in results.population.candidates if each.id == row.candidate), None)
    if row.candidate and (candidate is None or candidate.subnet != subnet):
        what = f"search {table.search} was done anew since its table was made: {row.candidate} is another subnet now"
        raise UserError(what, str(finished_file(path, table.search)), f"finish what it found: {again}")
    trainings: list[tuple[int | None, Evaluation | str]] = []
    for each in row.trainings:
        if each.evaluation is not None and each.evaluation not in known:
            what = f"the result of {row.network}, {row.way}, is no longer in its evaluations"
            raise UserError(what, str(path), f"test it again: {again}")
        trainings.append((each.seed, each.why if each.evaluation is None else known[each.evaluation]))
    ways = tuple(cast(Way, each.way) for each in table.rows if each.network == row.network)
    role, way = cast(FinishRole, row.role), cast(Way, row.way)
    network = FinishNetwork(row.network, subnet, role, ways, candidate, row.like)
    return FinishRow.of_trainings(network, way, as_transformer(recipe) if network.is_ann else recipe, trainings)
