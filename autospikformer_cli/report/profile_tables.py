"""Tables of the hardware profiles and the conventions that come with aspk."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from autospikformer_cli.recipe.energy.models import (
    Convention,
    HardwareProfile,
    shipped_convention,
    shipped_names,
    shipped_profile,
)
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.units import ABSENT


def profiles_table() -> Table:
    """Each profile's energies of single operations; under the table, where they are published."""
    profiles = [shipped_profile(name) for name in shipped_names("profiles")]
    sources = [f"{profile.name}: {' '.join(profile.source.split())}" for profile in profiles]
    table = plain_table("Hardware profiles, pJ an operation", "\n".join([*_memory_notes(profiles), *sources]))
    table.add_column("Profile", no_wrap=True)
    table.add_column("Hardware", overflow="fold")
    heads = ("MAC", "AC", "8-bit\nMAC", "8-bit\nAC", "Neuron\nupdate", "Bit\nread", "Bit\nwritten")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for profile in profiles:
        hardware = f"{profile.title} ({profile.process})"
        table.add_row(profile.name, Text(hardware), *(_picojoules(profile, each) for each in _figures(profile)))
    return table


def _figures(profile: HardwareProfile) -> tuple[float | None, ...]:
    """In the order of the columns; None for a figure that the profile does not have."""
    bytes_ = (None, None) if profile.int8 is None else (profile.int8.mac, profile.int8.ac)
    bits = (None, None) if profile.memory is None else (profile.memory.read, profile.memory.write)
    return (profile.mac, profile.ac, *bytes_, profile.neuron_update, *bits)


def _picojoules(profile: HardwareProfile, figure: float | None) -> str:
    return ABSENT if figure is None else f"{figure * profile.joules / 1e-12:g}"


def _memory_notes(profiles: list[HardwareProfile]) -> Iterator[str]:
    yield f"{ABSENT}: no such figure, or it costs nothing there; aspk profiles show NAME says which"
    for profile in profiles:
        if profile.memory is not None:
            bits = profile.memory
            yield (
                f"{profile.name} moves weights of {bits.weight_bits} bits, activations of {bits.activation_bits} and "
                f"potentials of {bits.potential_bits}"
            )


def rules_table() -> Table:
    """Each convention with what it stands for, and the rules in which it differs from the first."""
    conventions = [shipped_convention(name) for name in shipped_names("conventions")]
    table = plain_table("Conventions of counting", "docs/energy.md derives every rule")
    table.add_column("Convention", no_wrap=True)
    table.add_column("What it stands for", overflow="fold")
    table.add_column("Rules", overflow="fold")
    for convention in conventions:
        table.add_row(convention.name, Text(convention.about), Text(_rules(convention, conventions[0])))
    return table


def _rules(convention: Convention, first: Convention) -> str:
    """All rules of the first convention, and of another those that differ from it."""
    others = {name: value for name, value in convention.rules().items() if value != first.rules()[name]}
    shown = convention.rules() if convention == first else others
    return ", ".join(f"{name} = {toml_value(value)}" for name, value in shown.items())
