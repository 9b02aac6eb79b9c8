"""The components that a recipe names, ours and plugins', and the comments of its text that say who gave them.

    # plugin objectives.latency: aspk-latency 1.0
    # classes: 4

The second comment says what only the files of a data set know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autospikformer_cli.recipe.layers import Merged
from autospikformer_cli.recipe.search_section import ALGORITHMS, OBJECTIVES
from autospikformer_cli.recipe.sections import NEURONS
from autospikformer_cli.registry import Registry

_GIVER = re.compile(r"^# plugin (\S+): (.+)$", re.MULTILINE)
_CLASSES = re.compile(r"^# classes: (\d+)$", re.MULTILINE)


def components(neuron: Any, algorithm: Any, objectives: Iterable[Any]) -> Iterator[tuple[Registry, str]]:
    """The registry and the name of each component. Values that are not text are passed over."""
    named = ((NEURONS, neuron), (ALGORITHMS, algorithm), *((OBJECTIVES, name) for name in objectives))
    return ((registry, name) for registry, name in named if isinstance(name, str))


def stored_components(merged: Merged) -> frozenset[str]:
    """The components that a store's text names, as KIND.NAME, so that their plugin may be gone.

    A neuron and an algorithm only if nothing is laid over them. Objectives also if others are: the store may have
    their values, which another limit can read.
    """

    def stored(section: str, key: str) -> Any:
        table = merged.tree.get(section)
        return table.get(key) if isinstance(table, dict) and _is_stored(merged, (section, key)) else None

    texts = [layer.document.get("search") for layer in merged.layers if layer.resolved]
    tables = [text.get(key) for text in texts if isinstance(text, dict) for key in ("objectives", "limits")]
    objectives = [name for each in tables if isinstance(each, list | dict) for name in each]
    named = components(stored("model", "neuron"), stored("search", "algorithm"), objectives)
    return frozenset(f"{registry.kind}.{name}" for registry, name in named)


def _is_stored(merged: Merged, path: tuple[str, ...]) -> bool:
    index = merged.origins.get(path)
    return index is not None and merged.layers[index].resolved


def comment_lines(given_by: Mapping[str, str], num_classes: int | None) -> list[str]:
    """The comments for the end of a recipe's text; none without plugins and a known number of classes."""
    lines = [f"# plugin {name}: {giver}" for name, giver in sorted(given_by.items())]
    lines += [] if num_classes is None else [f"# classes: {num_classes}"]
    return ["", *lines] if lines else []


def classes_in(text: str) -> int | None:
    """The number of classes that a store's text says its data set had; None if it does not say."""
    found = _CLASSES.search(text)
    return None if found is None else int(found[1])


def givers_in(text: str) -> dict[str, str]:
    """The plugins that a text's comments name, by KIND.NAME."""
    return dict(_GIVER.findall(text))
