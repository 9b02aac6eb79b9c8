"""One-shot architecture search for spiking vision transformers. `docs/python.md` shows these functions at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autospikformer_cli.api import (
        compare_searches,
        evaluate_subnet,
        finish_search,
        load_subnet,
        price_subnet,
        read_results,
        read_training_log,
        search_several,
        search_subnets,
        train_supernet,
    )
    from autospikformer_cli.engine.compute import make_compute
    from autospikformer_cli.errors import UserError
    from autospikformer_cli.recipe import load_recipe

__all__ = [
    "UserError",
    "compare_searches",
    "evaluate_subnet",
    "finish_search",
    "load_recipe",
    "load_subnet",
    "make_compute",
    "price_subnet",
    "read_results",
    "read_training_log",
    "search_several",
    "search_subnets",
    "train_supernet",
]

_ELSEWHERE = {"UserError": "errors", "load_recipe": "recipe", "make_compute": "engine.compute"}
"""Modules of the names that are not in `api`."""


def __getattr__(name: str) -> object:
    """A name of the API, imported when it is first used: the command line starts in a tenth of a second."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'api')}"), name)
