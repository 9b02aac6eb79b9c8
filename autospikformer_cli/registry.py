"""Components by name, from the entry points of installed distributions; loaded on first use."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import redirect_stdout
from functools import cached_property
from importlib.metadata import EntryPoint, distributions, entry_points

from autospikformer_cli.errors import UserError
from autospikformer_cli.wording import did_you_mean, nearest_names

DISTRIBUTION = "autospikformer-cli"
"""This distribution. Its components take precedence over a plugin's of the same name; if one fails, it is our bug."""

REMARKS: dict[str, None] = {}
"""What a user should know of installed plugins, in the order found. The command line shows it and forgets it."""

NOBODY: Mapping[str, str] = {}
"""No component has been given by a plugin, or none is known to have been."""


class Registry:
    """The components of one kind, such as "commands". Their names are known without importing any of them.

    kind: a plural noun. Every distribution, ours too, adds components through the entry-point group `aspk.<kind>`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.group = f"aspk.{kind}"
        self._resolved: dict[str, object] = {}
        self._shadowed: dict[str, list[EntryPoint]] = {}

    @cached_property
    def providers(self) -> Mapping[str, tuple[EntryPoint, ...]]:
        """Name -> the entry points that provide it. Several, if plugins chose the same name."""
        ours: dict[str, list[EntryPoint]] = {}
        strangers: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=self.group):
            (ours if is_ours(point) else strangers).setdefault(point.name, []).append(point)
        self._shadowed = {name: strangers[name] for name in ours if name in strangers}
        return {name: tuple(points) for name, points in (strangers | ours).items()}

    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self.providers))

    def __contains__(self, name: object) -> bool:
        return name in self.providers

    def giver(self, name: str) -> str | None:
        """The plugin that gives a component here, with its version: "aspk-ray 0.2". None for ours, and if none does."""
        points = [point for point in self.providers.get(name, ()) if not is_ours(point)]
        return " or ".join(sorted(f"{owner_of(point)} {_version_of(point)}" for point in points)) or None

    def get(self, name: str, where: str | None = None, given_by: Mapping[str, str] = NOBODY) -> object:
        """The component. Raises UserError, located at `where`, if the name is unknown or its plugin does not load.

        given_by: the plugin that once gave it, by KIND.NAME, for a message if it is not installed any more.
        """
        if name not in self._resolved:
            self._resolved[name] = self._load(self._provider(name, where, given_by), where)
        for point in self._shadowed.get(name, ()):
            REMARKS[f"the {self._noun} {name} of {owner_of(point)} is not used: aspk has one of that name"] = None
        return self._resolved[name]

    def _provider(self, name: str, where: str | None, given_by: Mapping[str, str]) -> EntryPoint:
        points = self.providers.get(name, ())
        if not points:
            plugin = given_by.get(f"{self.kind}.{name}")
            raise self._unknown(name, where) if plugin is None else self._gone(name, plugin, where)
        if len(points) > 1:
            owners = sorted(owner_of(point) for point in points)
            raise UserError(
                f"{self._noun} {name} is given by {len(owners)} distributions: {', '.join(owners)}",
                where,
                "uninstall all but one of them",
            )
        return points[0]

    def _load(self, point: EntryPoint, where: str | None) -> object:
        if is_ours(point):
            return point.load()
        try:
            with redirect_stdout(sys.stderr):  # what it prints while it is imported is no part of a document
                return point.load()
        except KeyboardInterrupt as stop:  # ours or its own, nobody can tell
            what = f"while {self._noun} {point.name} of {owner_of(point)} was imported"
            raise KeyboardInterrupt(what) from stop
        except BaseException as error:
            raise unusable(self._noun, point, f"{type(error).__name__}: {error}", where) from error

    def _unknown(self, name: str, where: str | None) -> UserError:
        fix = did_you_mean(nearest_names(name, self.names())) or f"the {self.kind} are {', '.join(self.names())}"
        return UserError(f"{name!r} is not one of the {self.kind}", where, fix)

    def _gone(self, name: str, plugin: str, where: str | None) -> UserError:
        what = f"the {self._noun} {name} is not known here: it needs {plugin}"
        return UserError(what, where, f"install {plugin}, or choose another: {', '.join(self.names())}")

    @property
    def _noun(self) -> str:
        return self.kind.removesuffix("s")


def owner_of(point: EntryPoint) -> str:
    """The name of the distribution that provides an entry point."""
    return (point.dist and point.dist.metadata["Name"]) or "a distribution without a name"


def _version_of(point: EntryPoint) -> str:
    return (point.dist and point.dist.metadata["Version"]) or "of no version"


def plugins_in(modules: Iterable[str]) -> list[str]:
    """The plugins, with their versions, that some modules are of, by their names: for the message about a bug."""
    packages = {module.partition(".")[0] for module in modules}
    points = (point for distribution in distributions() for point in distribution.entry_points)
    strangers = (point for point in points if point.group.startswith("aspk.") and not is_ours(point))
    found = [point for point in strangers if point.module.partition(".")[0] in packages]
    return sorted({f"{owner_of(point)} {_version_of(point)}" for point in found})


def is_ours(point: EntryPoint) -> bool:
    """Whether this distribution provides a component."""
    return owner_of(point) == DISTRIBUTION


def unusable(noun: str, point: EntryPoint, reason: str, where: str | None = None) -> UserError:
    """The error for a plugin's component that does not work. It names the plugin's distribution."""
    owner = owner_of(point)
    return UserError(
        f"{noun} {point.name} of {owner} does not load: {reason}",
        where,
        f"repair or uninstall {owner}; everything else works without it",
    )
