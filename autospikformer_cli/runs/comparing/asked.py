"""Which searches are to be compared: RUN:SEARCH, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.store.runs import is_run, named_run, resolve_run
from autospikformer_cli.store.searches import find_search, search_names
from autospikformer_cli.wording import quoted

OPERAND = "RUN[:SEARCH]"


def asked_searches(texts: Sequence[str]) -> list[tuple[Path, str]]:
    """The run and the name of each search.

    A single run stands for all of its searches; without any, the newest run. Next to others, a run stands for its
    present search. Raises UserError for a run or a search that is not there, and for fewer than two searches.
    """
    asked = [_split(text) for text in texts] or [(None, None)]
    runs = [(resolve_run(run, OPERAND), name) for run, name in asked]
    if len(runs) == 1 and runs[0][1] is None:
        path = runs[0][0]
        names = search_names(path)
        found = [(path, name) for name in names or [find_search(path)]]
    else:
        found = [(path, find_search(path, name, OPERAND)) for path, name in runs]
    twice = next((each for each in found if found.count(each) > 1), None)
    if twice is not None:
        raise UserError(f"{twice[0]}:{twice[1]} is given twice", OPERAND, "name each search once")
    if len(found) == 1:
        path, name = found[0]
        rest = [other for other in search_names(path) if other != name]
        fix = f"search otherwise: aspk search --run {quoted(path)} --seeds 2"
        if rest:
            fix = f"name another: {quoted(f'{path}:{rest[0]}')}"
        raise UserError(f"{path}:{name} is one search, there is nothing to compare it with", OPERAND, fix)
    return found


def _split(text: str) -> tuple[str | None, str | None]:
    """A run and a search; None for the newest run, and for what is not named."""
    if is_run(named_run(text)):
        return text, None
    run, colon, name = text.rpartition(":")
    return (run or None, name or None) if colon else (text, None)
