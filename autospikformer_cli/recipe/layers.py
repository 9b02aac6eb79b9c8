"""The layers of a recipe: files that extend each other, then --set options. Each knows where its keys are written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import tomli

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe.fidelity import Fidelity, is_fidelity, profile_keys
from autospikformer_cli.recipe.shipped import shipped_recipes
from autospikformer_cli.recipe.source import Path as KeyPath
from autospikformer_cli.recipe.source import key_lines, key_parts
from autospikformer_cli.recipe.toml_text import toml_string, toml_value
from autospikformer_cli.wording import did_you_mean, nearest_names, quoted

LAID_BY_KEY = {("search", "limits")}
"""Tables in a section that are merged key by key."""


@dataclass(frozen=True)
class Override:
    """A value laid over a recipe. path: its key, as ("search", "alpha"). shown: where the user gave it."""

    path: tuple[str, ...]
    value: Any
    shown: str

    @property
    def key(self) -> str:
        """The key's path as a user writes it, such as search.alpha."""
        return ".".join(self.path)


Overrides = Sequence[str | Override] | Mapping[str, object]
"""Texts KEY=VALUE as of --set, values of options, or values by key: {"search.alpha": 0.3}. None stands for "none"."""


def option_override(option: str, key: str, value: float | str) -> Override:
    """The key that an option stands for, such as search.alpha of --alpha."""
    shown = value if isinstance(value, str) else format(value, ".15g")
    return Override(tuple(key.split(".")), value, f"{option} {shown}")


def listed(overrides: Overrides) -> Sequence[str | Override]:
    """Overrides in the order in which they are laid."""
    if isinstance(overrides, str):
        return [overrides]
    if not isinstance(overrides, Mapping):
        return overrides
    return [
        Override(tuple(key.split(".")), "none" if value is None else value, f"{key} = {value!r}")
        for key, value in ((key, _plain(value)) for key, value in overrides.items())
    ]


def _plain(value: Any) -> Any:
    """A value with Python's own numbers and lists in the place of those of numpy and torch."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class TomlLayer:
    """One source of keys.

    shown: the file or option, as the user knows it
    lines: the line of each key of a file
    profile: the fidelity that sets these keys; None for keys that somebody wrote
    folder: the folder of relative paths
    resolved: whether it writes every key itself, as a store's text does, so that its fidelity sets none
    """

    document: dict[str, Any]
    shown: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    profile: Fidelity | None = None
    folder: Path = Path()
    resolved: bool = False

    def line(self, path: KeyPath) -> int:
        """The line of the path, or of the innermost key around it; 0 if there is none."""
        known = (self.lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.lines)
        return next(known, 0)

    def where(self, path: KeyPath) -> str:
        """The path's place for a message: file:line, the file or the store alone, or the option.

        A store's text is no file that a user can open, so its lines say nothing.
        """
        line = 0 if self.resolved else self.line(path)
        return f"{self.shown}:{line}" if line else self.shown


def text_layer(text: str, shown: str) -> TomlLayer:
    """The layer of one TOML text, floats as Decimal. Raises UserError if the text is not TOML."""
    try:
        return TomlLayer(tomli.loads(text, parse_float=Decimal), shown, key_lines(text.replace("\r\n", "\n")))
    except tomli.TOMLDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        raise UserError(f"not valid TOML: {reason} (column {error.colno})", f"{shown}:{error.lineno}") from None
    except RecursionError:
        raise UserError("not valid TOML: nested too deeply", shown) from None
    except ValueError:
        raise UserError("not valid TOML: a number has too many digits", shown) from None


def file_layers(name_or_path: str) -> list[TomlLayer]:
    """A recipe file and all that it extends, the base first. Raises UserError."""
    return _with_bases(_find(name_or_path), None)


def extended_layers(layer: TomlLayer, folder: Path) -> list[TomlLayer]:
    """The layers that a text extends, then its own. Relative paths start from the folder."""
    base = _base_of(layer, folder)
    return [*(_with_bases(base, None) if base else []), layer]


def override_layer(override: str | Override) -> TomlLayer:
    """The layer of one override. Raises UserError if a text is not KEY=VALUE."""
    given = parsed(override) if isinstance(override, str) else override
    document = given.value
    for part in reversed(given.path):
        document = {part: document}
    return TomlLayer(document, given.shown)


def parsed(text: str) -> Override:
    """The key and the TOML value of one --set KEY=VALUE. Raises UserError if it is not of that form."""
    where = f"--set {text}"
    key, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"{text or 'the option'} has no value", where, f"write --set {text or 'KEY'}=VALUE")
    try:
        parts = key_parts(key)
    except ValueError:
        raise UserError(
            f"{toml_string(key)} cannot be a key", where, "write KEY=VALUE, for example --set search.alpha=0.3"
        ) from None
    if parts[0] == "extends":
        raise UserError("extends stands in recipe files only", where)
    try:
        document: Any = tomli.loads(f"value = {value}", parse_float=Decimal)
    except (ValueError, RecursionError):
        document = {}
    if list(document) != ["value"]:
        raise UserError(f"{key.strip()}: {toml_string(value)} is not a TOML value", where, _quoting(key.strip(), value))
    return Override(parts, document["value"], where)


def given_twice(given: Sequence[Override]) -> tuple[str, Override, Override] | None:
    """A key that two overrides give a value, one of which would be dropped, and the two; None if there is none.

    search={alpha=0.5} and search.alpha=0.3 collide, search={images=9} and search.alpha=0.3 do not.
    """
    laid = [(override, path, value) for override in given for path, value in _values(override)]
    for (first, earlier, value), (second, later, _) in combinations(laid, 2):
        common = min(len(earlier), len(later))
        # limits="none" drops those of files. A limit that follows it is in force, and so are both overrides.
        adds = earlier in LAID_BY_KEY and value == "none" and len(later) > common
        if first is not second and earlier[:common] == later[:common] and not adds:
            return ".".join(earlier if len(earlier) > len(later) else later), first, second
    return None


def _values(override: Override) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values that an override lays as a whole, each with its path."""
    for name, section in override_layer(override).document.items():
        if not isinstance(section, dict):
            yield (name,), section
            continue
        for key, value in section.items():
            if (name, key) in LAID_BY_KEY and isinstance(value, dict):
                yield from (((name, key, inner), each) for inner, each in value.items())
            else:
                yield (name, key), value


def _quoting(key: str, value: str) -> str:
    if value.lower() in ("true", "false"):
        return f"write {value.lower()}"
    return f"quote a string: --set {quoted(f'{key}={toml_string(value)}')}"


def _find(name_or_path: str) -> Path:
    """The file of a recipe: a path if it ends in .toml or has a separator, else a shipped recipe's name."""
    if _is_path(name_or_path):
        return Path(name_or_path)
    shipped = shipped_recipes()
    if name_or_path not in shipped:
        raise UserError(f"there is no recipe {toml_string(name_or_path)}", None, _names_near(name_or_path))
    return shipped[name_or_path]


def _is_path(name_or_path: str) -> bool:
    return name_or_path.endswith(".toml") or os.sep in name_or_path or "/" in name_or_path


def _names_near(name: str) -> str:
    near = nearest_names(name, shipped_recipes(), most=3)
    otherwise = "`aspk recipes` lists those that come with aspk; the path of a file of yours ends in .toml"
    return did_you_mean(near) or otherwise


def _with_bases(path: Path, extended_at: str | None) -> list[TomlLayer]:
    layers: list[TomlLayer] = []
    seen: list[Path] = []
    base: Path | None = path
    while base is not None:
        layer = read_layer(base, "extends", extended_at)
        seen.append(base.resolve())
        layers.insert(0, layer)
        extended_at = layer.where(("extends",))
        base = _base_of(layer, base.parent)
        if base is not None and base.resolve() in seen:
            circle = [shown_path(link) for link in [*seen[seen.index(base.resolve()) :], base]]
            what = f"extends goes in a circle: {' -> '.join(circle)}"
            raise UserError(what, extended_at, "remove one extends of them")
    return layers


def _base_of(layer: TomlLayer, folder: Path) -> Path | None:
    """The file that a layer extends. Removes the key from its document."""
    base = layer.document.pop("extends", None)
    where = layer.where(("extends",))
    if base is None:
        return None
    if not isinstance(base, str):
        raise UserError(f"extends must be a string, not {toml_value(base)}", where)
    if _is_path(base):
        return folder / base
    if base not in shipped_recipes():
        raise UserError(f"extends: there is no recipe {toml_string(base)}", where, _names_near(base))
    return shipped_recipes()[base]


def read_layer(path: Path, key: str, named_at: str | None) -> TomlLayer:
    """A TOML file. named_at: where the file is named, None if the user gave it directly. Raises UserError."""
    shown = shown_path(path)
    what = shown if named_at in (None, key) else f"{key}: {shown}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{what} does not exist", named_at) from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise UserError(f"{what} cannot be read: {reason}", named_at) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UserError("not valid TOML: not UTF-8", f"{shown}:{line}", "save the file as UTF-8") from None
    return replace(text_layer(text, shown), folder=path.parent)


def energy_layers(layer: TomlLayer) -> list[TomlLayer]:
    """Layers of the profile and the convention that a layer names by path, which override it. Raises UserError."""
    section = layer.document.get("energy")
    named = section if isinstance(section, dict) else {}
    found = []
    for key in ("profile", "convention"):
        value = named.get(key)
        if isinstance(value, str) and _is_path(value):
            file = read_layer(layer.folder / Path(value).expanduser(), f"energy.{key}", layer.where(("energy", key)))
            lines: dict[KeyPath, int] = {("energy", key, *path): line for path, line in file.lines.items()}
            table = {**file.document, "name": Path(value).name}
            found.append(TomlLayer({"energy": {key: table}}, file.shown, lines))
    return found


def shown_path(path: Path) -> str:
    """A path as a user reads it: relative if it lies in the working folder, else absolute."""
    resolved = Path(os.path.normpath(Path.cwd() / path))
    return str(resolved.relative_to(Path.cwd()) if resolved.is_relative_to(Path.cwd()) else resolved)


@dataclass(frozen=True)
class Merged:
    """Layers merged into one.

    tree: the keys in force
    origins: the layer that set a path last: (section,), (section, key), and deeper in the tables LAID_BY_KEY
    main: the layer of the recipe's own file, where a key that nobody wrote is missed
    """

    tree: dict[str, Any]
    origins: dict[KeyPath, int]
    layers: Sequence[TomlLayer]
    main: int

    def layer_of(self, path: KeyPath, written: bool) -> int:
        """The layer to blame for a path; for an unwritten key, the recipe's own file."""
        for length in (3, 2):
            if path[:length] in self.origins:
                return self.origins[path[:length]]
        return self.origins.get(path[:1], self.main) if written else self.main


def merge(files: Sequence[TomlLayer], overrides: Sequence[TomlLayer]) -> Merged:
    """Merge section by section and key by key. A later value replaces an earlier one, except in tables LAID_BY_KEY.

    A fidelity's keys override the files that its file extends; the file's own keys override them. If --set names the
    fidelity, its keys override all files, and every other --set overrides them.
    """
    written = [layer for file in files for layer in (*profile_layers(file), file, *energy_layers(file))]
    named = [override for override in overrides if "fidelity" in override.document]
    over = [layer for override in overrides for layer in (override, *energy_layers(override))]
    layers = [*written, *(profile_layers(named[-1]) if named else ()), *over]
    tree: dict[str, Any] = {}
    origins: dict[KeyPath, int] = {}
    for index, layer in enumerate(layers):
        for name, value in layer.document.items():
            origins[(name,)] = index
            if isinstance(value, dict):
                section = tree[name] if isinstance(tree.get(name), dict) else {}
                origins.update({(name, key): index for key in value})
                laid = dict(value)
                for key in value:
                    if (name, key) in LAID_BY_KEY and isinstance(value[key], dict):
                        under = section.get(key)
                        laid[key] = {**(under if isinstance(under, dict) else {}), **value[key]}
                        origins.update({(name, key, inner): index for inner in value[key]})
                tree[name] = {**section, **laid}
            else:
                tree[name] = value
    return Merged(tree, origins, layers, layers.index(files[-1]))


def profile_layers(layer: TomlLayer) -> list[TomlLayer]:
    """The layer of the keys that a layer's fidelity sets; none if it is resolved, or names no known fidelity."""
    name = layer.document.get("fidelity")
    if layer.resolved or not is_fidelity(name):
        return []
    return [TomlLayer(profile_keys(name), layer.where(("fidelity",)), profile=name)]
