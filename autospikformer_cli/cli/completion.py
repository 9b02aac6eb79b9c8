"""What a shell offers after TAB: the values of options and arguments. Nothing here imports torch.

Each function takes what was typed so far. Typer keeps the values that begin so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autospikformer_cli.errors import UserError
from autospikformer_cli.registry import Registry

if TYPE_CHECKING:
    from autospikformer_cli.recipe.energy.models import Folder

Offers = list[str | tuple[str, str]]
"""Values, or values with a word about each."""


def complete_run(incomplete: str) -> Offers:
    """The folders of the runs; once one is named by a path of another folder, the folders there."""
    from autospikformer_cli.store.runs import run_folders, runs_folder

    typed = incomplete[: incomplete.rfind(os.sep) + 1]
    try:
        return sorted(map(str, run_folders(Path(typed) if typed else runs_folder())))
    except OSError:
        return []


def complete_search(ctx: typer.Context) -> Offers:
    """The searches of the run that --run names, or of the newest."""
    from autospikformer_cli.store.runs import resolve_run
    from autospikformer_cli.store.searches import search_names

    named = ctx.params.get("run")
    try:
        return list(
            search_names(resolve_run(named[-1] if isinstance(named, list | tuple) and named else named or None))
        )
    except (OSError, UserError):
        return []


def complete_run_or_search(incomplete: str) -> Offers:
    """The runs; after a run and a colon, its searches."""
    from autospikformer_cli.store.runs import named_run
    from autospikformer_cli.store.searches import search_names

    run, colon, _ = incomplete.rpartition(":")
    if not colon:
        return complete_run(incomplete)
    try:
        return [f"{run}:{name}" for name in search_names(named_run(run))]
    except OSError:
        return []


def complete_recipe(incomplete: str) -> Offers:
    """The recipes that come with aspk, with what they are, and files of the user's own."""
    from autospikformer_cli.recipe.shipped import recipe_summary, shipped_recipes

    ours: Offers = [(name, recipe_summary(path)) for name, path in shipped_recipes().items()]
    return [*ours, *_toml_files(incomplete)]


def complete_algorithm() -> Offers:
    """The algorithms of search, ours and plugins'."""
    return list(Registry("algorithms").names())


def complete_executor() -> Offers:
    """The executors, ours and plugins'."""
    return list(Registry("executors").names())


def complete_tracker() -> Offers:
    """The trackers, ours and plugins'."""
    return list(Registry("trackers").names())


def complete_profile(incomplete: str) -> Offers:
    """The hardware profiles, and files of the user's own."""
    return [*_titled("profiles"), *_toml_files(incomplete)]


def complete_convention(incomplete: str) -> Offers:
    """The conventions of counting, and files of the user's own."""
    return [*_titled("conventions"), *_toml_files(incomplete)]


def complete_profile_or_convention() -> Offers:
    """What `aspk profiles show` takes."""
    return [*_titled("profiles"), *_titled("conventions")]


def complete_subnet() -> Offers:
    """The words that name a subnet. Candidates' ids would need the search's file."""
    return [
        ("best", "by the search's fitness"),
        ("largest", "of the search space"),
        ("smallest", "of the search space"),
        ("baseline", "that the search is compared with"),
    ]


def complete_table() -> Offers:
    """The tables of `aspk report --table`."""
    from autospikformer_cli.report.own_tables import TABLE_NAMES

    return list(TABLE_NAMES)


def complete_table_format() -> Offers:
    """Their formats."""
    from autospikformer_cli.report.table_formats import TABLE_FORMATS

    return list(TABLE_FORMATS)


def complete_figure() -> Offers:
    """The figures of a run."""
    from autospikformer_cli.report.figures.catalogue import FIGURES

    return list(FIGURES)


def complete_split() -> Offers:
    """The splits of a data set."""
    from autospikformer_cli.measurement import SPLITS

    return list(SPLITS)


def complete_device() -> Offers:
    """The kinds of device."""
    return ["cpu", "cuda"]


def complete_precision() -> Offers:
    """The precisions."""
    from autospikformer_cli.engine.names import PRECISIONS

    return list(PRECISIONS)


def complete_engine() -> Offers:
    """The engines."""
    from autospikformer_cli.engine.names import ENGINES

    return list(ENGINES)


def complete_key() -> Offers:
    """The recipe keys of --set, each with the equals sign that its value follows."""
    from autospikformer_cli.recipe.whole import effects

    return [f"{key}=" for key in effects()]


def _titled(folder: Folder) -> Iterable[tuple[str, str]]:
    from autospikformer_cli.recipe.energy.models import shipped_convention, shipped_names, shipped_profile

    for name in shipped_names(folder):
        yield name, shipped_profile(name).title if folder == "profiles" else shipped_convention(name).about


def _toml_files(incomplete: str) -> Iterable[str]:
    """TOML files in the folder that was typed, or in the working folder, written as they were begun."""
    typed = incomplete[: incomplete.rfind(os.sep) + 1]
    try:
        found = sorted(path.name for path in Path(typed).expanduser().glob("*.toml"))
    except OSError:
        return []
    return [f"{typed}{name}" for name in found]
