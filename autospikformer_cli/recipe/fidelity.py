"""Fidelity: which reading of the paper is in force, as keys and values under each named profile.

`docs/readings.toml` says what each switch changes, and why; `docs/fidelity.md` is made from both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeGuard

from autospikformer_cli.recipe.energy.models import RULES, shipped_convention

Value = bool | int | float | str
Fidelity = Literal["sound", "paper", "authors"]


@dataclass(frozen=True, slots=True)
class Switch:
    """One choice between readings of the paper.

    key: the recipe key that decides
    sound: the value that we hold to be right
    paper: the value of the text as printed
    authors: the value of the published code
    A source that says nothing has the value of sound. None: the profile leaves the recipe's own value, which depends on
    the data set.
    """

    key: str
    sound: Value | None
    paper: Value | None
    authors: Value

    def value(self, name: Fidelity) -> Value | None:
        """The value under a profile; None if the profile leaves the recipe's own."""
        return {"sound": self.sound, "paper": self.paper, "authors": self.authors}[name]


PROFILE_SWITCHES = (
    Switch("model.decay_input", sound=True, paper=False, authors=True),
    Switch("model.fires_at", sound="reach", paper="exceed", authors="reach"),
    Switch("model.stem_threshold", sound=1.0, paper=0.5, authors=1.0),
    Switch("model.attention_threshold", sound=0.5, paper=0.5, authors=0.5),
    Switch("model.reset", sound="hard", paper="hard", authors="hard"),
    Switch("model.detach_reset", sound=True, paper=True, authors=True),
    Switch("model.surrogate", sound="sigmoid", paper="sigmoid", authors="sigmoid"),
    Switch("model.threshold_scope", sound="block", paper="block", authors="fc1"),
    Switch("model.searched_heads", sound=True, paper=True, authors=False),
    Switch("model.batchnorm", sound="recalibrate", paper="recalibrate", authors="batch"),
    Switch("train.sampling", sound="single", paper="single", authors="single"),
    Switch("train.schedule", sound="after_warmup", paper="timm", authors="timm"),
    Switch("train.mixup_epochs", sound=None, paper=None, authors=200),
    Switch("search.split", sound="validation", paper="test", authors="test"),
    Switch("search.alpha", sound=0.5, paper=0.5, authors=0.0),
    Switch("search.normalise", sound="archive", paper="archive", authors="archive"),
    Switch("search.parents", sound=20, paper=20, authors=10),
    Switch("search.mutation", sound="each_gene", paper="one_gene", authors="each_gene"),
    Switch("search.p_depth", sound=0.3, paper=0.3, authors=0.4),
    Switch("search.p_mutation", sound=0.4, paper=0.4, authors=0.2),
    Switch("energy.convention", sound="sound", paper="paper", authors="sound"),
)
"""What a profile sets. The values of sound are the recipe's defaults."""


def _rule_switch(rule: str) -> Switch:
    """A rule of counting, with the values of the conventions sound and paper (recipe/energy/conventions)."""
    sound, paper = (shipped_convention(convention).rules()[rule] for convention in ("sound", "paper"))
    return Switch(f"energy.{rule}", sound=sound, paper=paper, authors=sound)


CONVENTION_SWITCHES = tuple(map(_rule_switch, RULES))
"""What energy.convention decides while the key is "none"."""

NETWORK_KEYS = ("model.network", "model.neuron", "model.attention_scale", "model.evaluation_batch")
"""Keys that no profile sets, but that every result names next to the switches."""


def is_fidelity(name: object) -> TypeGuard[Fidelity]:
    """Whether a value names a profile."""
    return name in ("sound", "paper", "authors")


def profile_keys(name: Fidelity) -> dict[str, dict[str, Value]]:
    """The keys that a profile sets, by section.

    >>> profile_keys("authors")["search"]["parents"]
    10
    """
    tables: dict[str, dict[str, Value]] = {}
    for switch in PROFILE_SWITCHES:
        value = switch.value(name)
        if value is not None:
            section, key = switch.key.split(".")
            tables.setdefault(section, {})[key] = value
    return tables
