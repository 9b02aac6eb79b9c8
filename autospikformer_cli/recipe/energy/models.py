"""Conventions of counting and hardware profiles: the TOML files that come with aspk, and a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from autospikformer_cli.recipe.values import Flag, PositiveReal, PositiveWhole, broken_rule

FirstLayerSteps = Literal["once", "every"]
Residual = Literal["ac", "mac"]
Order = Literal["qk_v", "q_kv"]
EventInput = Literal["ac", "mac"]
Rate = Literal["layer", "mean"]
Border = Literal["ignored", "exact"]

Folder = Literal["conventions", "profiles"]
Written = Annotated[
    str, StringConstraints(strict=True, strip_whitespace=True, min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")
]
"""A line that says something."""
Paragraph = Annotated[str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)]
"""Lines that say something."""
Figure = Annotated[PositiveReal, Field(le=1e9)]
Bits = Annotated[PositiveWhole, Field(le=1024)]
PICO = {"fJ": 1e-3, "pJ": 1.0, "nJ": 1e3}
"""Picojoules of the units that a profile may be written in."""


class Convention(BaseModel):
    """Rules of counting. A rule that a file does not write is that of `sound`. Derivations: docs/energy.md."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Written
    """Its file's name, without .toml if it comes with aspk."""
    about: Written = "a convention of your own"
    """What it stands for, in a few words."""
    first_layer_steps: FirstLayerSteps = "once"
    """A layer that reads the same pixels at every time step multiplies once per image, or at every step."""
    residual: Residual = "ac"
    """An integer n in a residual sum costs n accumulates, or one multiply-accumulate."""
    order: Order = "qk_v"
    """The attention products that are counted: (q k) v or q (k v)."""
    event_input: EventInput = "ac"
    """A pixel of n events costs the first layer n accumulates, or one multiply-accumulate whatever n."""
    rate: Rate = "layer"
    """Each operation has the rate of its own input, or all have the mean over all their inputs' elements."""
    border: Border = "ignored"
    """SOPs are rate x T x MACs; or each value times the outputs that it reaches, which are fewer at a convolution's
    border. A term of an attention product then counts only if both of its factors are there."""
    batchnorm_folded: Flag = True
    """BatchNorm's affine part is in the weights; or it costs one multiply-accumulate for each output and time step."""
    head: Flag = True
    """Whether the classifier is counted."""

    def rules(self) -> dict[str, str | bool]:
        """Every rule with its value."""
        return {name: getattr(self, name) for name in RULES}


RULES = tuple(name for name in Convention.model_fields if name not in ("name", "about"))
"""The names of a convention's rules, which are keys of [energy]."""


class Widths(BaseModel):
    """Energies of operations on numbers of another width."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    mac: Figure
    """A multiplication of two such numbers, and its accumulation."""
    ac: Figure
    """The accumulation of one such number."""


class Memory(BaseModel):
    """Energies of moving bits, and how many bits a number has."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    read: Figure
    """Reading a bit."""
    write: Figure
    """Writing a bit."""
    weight_bits: Bits
    """Bits of a weight."""
    activation_bits: Bits
    """Bits of a real value: a pixel, a mean, an ANN's activation."""
    potential_bits: Bits
    """Bits of a membrane potential, and of a sum."""


class HardwareProfile(BaseModel):
    """Energies of operations on one kind of hardware, in its own unit.

    left_out names a figure that a profile does not have, and the reason; mac and int8 must be given or left out.
    Operations of that figure are then not priced, and every table says so.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Written
    """Its file's name, without .toml if it comes with aspk."""
    title: Written
    """The hardware, in a few words."""
    process: Written
    """The process, such as 45 nm CMOS at 0.9 V."""
    unit: Literal["fJ", "pJ", "nJ"]
    """The unit of every figure."""
    source: Paragraph
    """Where the figures are published."""
    mac: Figure | None = None
    """A multiply-accumulate."""
    ac: Figure
    """An accumulate; on a neuromorphic chip, a synaptic event."""
    neuron_update: Figure | None = None
    """Updating one neuron for one time step; none: free."""
    int8: Widths | None = None
    """The same with 8-bit weights and activations."""
    memory: Memory | None = None
    """What moving weights, potentials, activations and spikes costs; none: free."""
    left_out: Mapping[Written, Written] = Field(default_factory=dict)
    """Figures that the profile does not have, and why."""

    @model_validator(mode="after")
    def _says_what_is_missing(self) -> HardwareProfile:
        for figure in ("mac", "int8"):
            if getattr(self, figure) is None and figure not in self.left_out:
                raise broken_rule(f".{figure} is missing", f"write it, or say why there is none: left_out.{figure}")
        for figure in self.left_out:
            if figure in type(self).model_fields and getattr(self, figure) is not None:
                raise broken_rule(f".{figure} has a figure, and is left out", f"remove one of the two: {figure}")
        return self

    def at_8_bits(self) -> HardwareProfile | None:
        """The hardware with 8-bit weights and activations; sums keep their width. None if it has no figures."""
        if self.int8 is None:
            return None
        memory = self.memory and self.memory.model_copy(update={"weight_bits": 8, "activation_bits": 8})
        return self.model_copy(update={"mac": self.int8.mac, "ac": self.int8.ac, "memory": memory})

    @property
    def joules(self) -> float:
        """Joules of the profile's unit."""
        return PICO[self.unit] * 1e-12


def shipped_names(folder: Folder) -> tuple[str, ...]:
    """Conventions or profiles that come with aspk, `sound` and `cmos45` first."""
    found = (file.name for file in files("autospikformer_cli.recipe.energy").joinpath(folder).iterdir())
    names = sorted(name.removesuffix(".toml") for name in found if name.endswith(".toml"))
    return tuple(sorted(names, key=lambda name: name not in ("sound", "cmos45")))


def shipped_text(folder: Folder, name: str) -> str:
    """The file of a convention or a profile that comes with aspk, with its comments."""
    return files("autospikformer_cli.recipe.energy").joinpath(folder, f"{name}.toml").read_text(encoding="utf-8")


def _shipped(folder: Folder, name: str) -> dict[str, object]:
    return {"name": name, **tomli.loads(shipped_text(folder, name))}


@cache
def shipped_convention(name: str) -> Convention:
    """A convention that comes with aspk, by name."""
    return Convention.model_validate(_shipped("conventions", name))


@cache
def shipped_profile(name: str) -> HardwareProfile:
    """A hardware profile that comes with aspk, by name."""
    return HardwareProfile.model_validate(_shipped("profiles", name))
