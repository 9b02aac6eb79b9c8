"""Conventions of counting: named sets of the rules by which operations become joules."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from importlib.resources import files
from typing import Literal

import tomli

from autospikformer_cli.recipe import EnergyConfig
from autospikformer_cli.spiking.layout import Order


@dataclass(frozen=True, slots=True)
class Convention:
    """Rules of counting.

    first_layer_steps: the layer that reads pixels multiplies "once" an image, or at "every" time step.
    residual: an integer n in a residual sum costs n accumulates ("ac"), or one multiply-accumulate ("mac").
    order: the attention products that are counted, (q k^T) v or q (k^T v). event_input: a pixel of n events costs the
    first layer n accumulates, or one multiply-accumulate whatever n. head: whether the classifier is counted.
    """

    first_layer_steps: Literal["once", "every"] = "once"
    residual: Literal["ac", "mac"] = "ac"
    order: Order = "qk_v"
    event_input: Literal["ac", "mac"] = "ac"
    head: bool = True


CONVENTIONS = {"sound": Convention(), "paper": Convention(event_input="mac", head=False)}
"""paper: Equation 3 names no classifier, and gives the first layer, whatever it reads, multiply-accumulates."""


def convention_of(config: EnergyConfig) -> Convention:
    """The convention that a recipe names, with the keys beside it laid over."""
    overrides = {rule.name: getattr(config, rule.name, None) for rule in fields(Convention)}
    given = {key: value for key, value in overrides.items() if value is not None}
    return replace(CONVENTIONS[config.convention], **given)


@dataclass(frozen=True, slots=True)
class HardwareProfile:
    """Energy of one operation, in picojoules: a multiply-accumulate, an accumulate."""

    name: str
    e_mac_pj: float
    e_ac_pj: float


def hardware_profile(name: str) -> HardwareProfile:
    """A profile that comes with aspk, by name."""
    text = files("autospikformer_cli.energy").joinpath(f"profiles/{name}.toml").read_text(encoding="utf-8")
    return HardwareProfile(name, **tomli.loads(text))
