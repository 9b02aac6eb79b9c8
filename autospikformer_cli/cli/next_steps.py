"""What to type next, as the last line on standard error."""

from __future__ import annotations

from pathlib import Path

from autospikformer_cli.recipe import Recipe
from autospikformer_cli.say import Say
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.wording import quoted


def after_search(say: Say, run: Path) -> None:
    """The report; and of several searches of a run, their comparison."""
    several = f", or aspk compare {quoted(run)}" if len(search_names(run)) > 1 else ""
    say.remark(f"next: aspk report --run {quoted(run)}{several}")


def after_report(say: Say, run: Path, search: str, split: str) -> None:
    """Test images, if the search chose without them."""
    if split != "test":
        say.remark(f"next: aspk evaluate --run {quoted(run)} --search {quoted(search)} --subnet best")


def after_evaluation(say: Say, run: Path, recipe: Recipe) -> None:
    """A search, or if there is one, what a paper compares with what it found. Both need validation images."""
    from autospikformer_cli.data.sources import has_validation

    if not has_validation(recipe.data):
        return
    of = f"--run {quoted(run)}"
    say.remark(f"next: aspk finish {of} --dry-run" if search_names(run) else f"next: aspk search {of}")


def after_finish(say: Say, run: Path, search: str) -> None:
    """The table and the figures for a paper."""
    from autospikformer_cli.runs.finishing.stored import search_option

    of = f"--run {quoted(run)}{search_option(run, search)}"
    say.remark(f"next: aspk report --table finish --to finish.tex {of}; aspk report --figures figures {of}")
