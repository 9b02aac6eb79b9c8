"""The components that a recipe names, ours and plugins', and the comments of its text that say more about them.

    # plugin objectives.latency: aspk-latency 1.0
    # images: classes 4, channels 3, image_size 32

The first says who gave one. The second is the shape of the data set's images, for when its files are gone, or its name
is not known any more. Recordings of events have frames, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autospikformer_cli.recipe.layers import Merged
from autospikformer_cli.recipe.search_section import ALGORITHMS, OBJECTIVES
from autospikformer_cli.recipe.sections import NEURONS, KnownImages
from autospikformer_cli.registry import Registry

_GIVER = re.compile(r"^# plugin (\S+): (.+)$", re.MULTILINE)
_IMAGES = re.compile(r"^# images: classes (\d+), channels (\d+), image_size (\d+)(?:, frames (\d+))?$", re.MULTILINE)
_CLASSES = re.compile(r"^# classes: (\d+)$", re.MULTILINE)
"""An earlier commit wrote the number of classes alone, of data sets whose files alone tell it."""


def components(neuron: Any, algorithm: Any, objectives: Iterable[Any]) -> Iterator[tuple[Registry, str]]:
    """The registry and the name of each component. Values that are not text are passed over."""
    named = ((NEURONS, neuron), (ALGORITHMS, algorithm), *((OBJECTIVES, name) for name in objectives))
    return ((registry, name) for registry, name in named if isinstance(name, str))


def stored_components(merged: Merged) -> frozenset[str]:
    """What a store's text names, as KIND.NAME, so that it need not be known here: components, and what comes with aspk.

    All but objectives only if nothing is laid over them. Objectives also if others are: the store may have their
    values, which another limit can read.
    """

    def stored(section: str, key: str) -> Any:
        table = merged.tree.get(section)
        return table.get(key) if isinstance(table, dict) and _is_stored(merged, (section, key)) else None

    texts = [layer.document.get("search") for layer in merged.layers if layer.resolved]
    tables = [text.get(key) for text in texts if isinstance(text, dict) for key in ("objectives", "limits")]
    objectives = [name for each in tables if isinstance(each, list | dict) for name in each]
    named = components(stored("model", "neuron"), stored("search", "algorithm"), objectives)
    shipped = {
        "datasets": stored("data", "dataset"),
        "profiles": stored("energy", "profile"),
        "conventions": stored("energy", "convention"),
    }
    return frozenset(
        [f"{registry.kind}.{name}" for registry, name in named]
        + [f"{kind}.{name}" for kind, name in shipped.items() if isinstance(name, str)]
    )


def _is_stored(merged: Merged, path: tuple[str, ...]) -> bool:
    index = merged.origins.get(path)
    return index is not None and merged.layers[index].resolved


def comment_lines(given_by: Mapping[str, str], images: KnownImages | None) -> list[str]:
    """The comments for the end of a recipe's text; none without plugins and known images."""
    lines = [f"# plugin {name}: {giver}" for name, giver in sorted(given_by.items())]
    if images is not None and not images.channels:
        lines.append(f"# classes: {images.classes}")
    elif images is not None:
        frames = f", frames {images.frames}" if images.frames else ""
        shape = f"classes {images.classes}, channels {images.channels}, image_size {images.image_size}"
        lines.append(f"# images: {shape}{frames}")
    return ["", *lines] if lines else []


def images_in(text: str) -> KnownImages | None:
    """What a store's text says of the images of its data set; None if it does not say."""
    whole, classes = _IMAGES.search(text), _CLASSES.search(text)
    if whole is not None:
        return KnownImages(*(int(number or 0) for number in whole.groups()))
    return None if classes is None else KnownImages(int(classes[1]))


def givers_in(text: str) -> dict[str, str]:
    """The plugins that a text's comments name, by KIND.NAME."""
    return dict(_GIVER.findall(text))
