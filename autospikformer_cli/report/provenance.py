"""How numbers were obtained: what each report says next to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from rich.panel import Panel
from rich.text import Text

from autospikformer_cli.recipe import Recipe
from autospikformer_cli.recipe.fidelity import Value
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.recipe.whole import default_switches
from autospikformer_cli.report.tables import MAX_WIDTH, PageTable
from autospikformer_cli.runs.prices import unpriced_notes
from autospikformer_cli.runs.results import SearchResults, of_all_searches
from autospikformer_cli.runs.selection import selection_notes
from autospikformer_cli.search.fitness import Bounds
from autospikformer_cli.units import EnergyUnit, energy_unit, format_energy
from autospikformer_cli.wording import counted

_NAMED_RULES = ("energy.convention", "energy.profile")
"""Keys that name rules and prices."""
_FRAME = len("│ BatchNorm  ") + len(" │")
"""Columns of the panel that are not its text."""


def fidelity_text(fidelity: str, switches: Sequence[str]) -> str:
    """A fidelity, with the switches that differ from it.

    >>> fidelity_text("sound", ["model.decay_input = false", "search.alpha = 0.3"])
    'sound, but model.decay_input = false, search.alpha = 0.3'
    """
    return f"{fidelity}, but {', '.join(switches)}" if switches else fidelity


def switches_text(resolved: Mapping[str, Value]) -> str:
    """The value of each switch, section by section.

    >>> switches_text({"model.reset": "hard", "model.decay_input": True, "search.alpha": 0.5})
    'model: reset hard, decay_input true; search: alpha 0.5'
    """
    parts = []
    for section, keys in groupby(resolved, key=lambda key: key.split(".")[0]):
        values = (f"{key.split('.')[1]} {toml_value(resolved[key]).strip(chr(34))}" for key in keys)
        parts.append(f"{section}: {', '.join(values)}")
    return "; ".join(parts)


def switches_in_force(resolved: Mapping[str, Value], verbose: bool) -> str:
    """The switches that differ from their defaults. verbose: all switches.

    >>> switches_in_force({"model.reset": "hard", "model.decay_input": False}, verbose=False)
    'all at their defaults, except model: decay_input false (--verbose lists all)'
    """
    if verbose:
        return switches_text(resolved)
    default = default_switches()
    differing = {key: value for key, value in resolved.items() if value != default[key]}
    rest = f", except {switches_text(differing)}" if differing else ""
    return f"all at their defaults{rest} (--verbose lists all)"


def changed_rules(recipe: Recipe) -> list[str]:
    """The rules of counting that differ from the recipe's convention, as TOML."""
    return [each for each in recipe.switches() if each.startswith("energy.") and not each.startswith(_NAMED_RULES)]


def of_the_network(switches: Sequence[str]) -> list[str]:
    """The switches that decide the result of one network, without those of training and search.

    >>> of_the_network(["model.decay_input = false", "search.alpha = 0.3"])
    ['model.decay_input = false']
    """
    return [switch for switch in switches if switch.startswith(("model.", "energy."))]


def network_switches_text(recipe: Recipe, verbose: bool = False) -> str:
    """The switches that decide the result of one network, as far as `switches_in_force` lists them."""
    resolved = recipe.resolved_switches()
    return f"switches: {switches_in_force({key: resolved[key] for key in of_the_network(list(resolved))}, verbose)}"


def fidelity_notes(recipe: Recipe, verbose: bool = False) -> list[str]:
    """Notes under the table of one network: the fidelity with what differs from it, and the switches in force."""
    named = fidelity_text(recipe.fidelity, of_the_network(recipe.switches()))
    return [f"fidelity: {named}", network_switches_text(recipe, verbose)]


def batchnorm_text(
    batchnorm: str, images: int, resolved: Mapping[str, Value], calibration_images: int | None = None
) -> str:
    """Whose statistics normalise, and of how many images; with those of a batch, results depend on its size.

    >>> batchnorm_text("batch", 1000, {"model.evaluation_batch": 64})
    'batch (statistics of each batch of 64 images: results depend on its size)'
    """
    if batchnorm == "batch":
        batch = resolved.get("model.evaluation_batch")
        size = f" of {min(int(batch), images)} images" if batch else ""
        return f"batch (statistics of each batch{size}: results depend on its size)"
    return f"{batchnorm} on {calibration_images} training images" if calibration_images else batchnorm


def pricing_text(recipe: Recipe) -> str:
    """What energies are under."""
    return f"profile {recipe.energy.profile_name}, convention {recipe.energy.convention_name}"


def energy_facts(recipe: Recipe) -> tuple[str, ...]:
    """What an energy is, in words, and which operations it lacks. Nothing says how joules are computed without it."""
    return (f"joules an image, {pricing_text(recipe)}", *unpriced_notes(recipe))


def fitness_text(alpha: float | None, normalise: str) -> str:
    """Equation 6 as it was computed. alpha: None for any."""
    weights = ("alpha", "(1 - alpha)") if alpha is None else (f"alpha {alpha:g}", f"{1 - alpha:g}")
    return f"{weights[0]} (1 - energy) + {weights[1]} accuracy, min-max scaled ({normalise})"


def provenance_panel(
    results: SearchResults, unit: EnergyUnit | None = None, sweep: Sequence[str] = (), verbose: bool = False
) -> Panel:
    """The panel 'How these numbers were obtained', one fact a line.

    sweep: names of the searches that a sweep of alpha is of; none for one search. verbose: list every switch.
    """
    grid = PageTable.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold", max_width=MAX_WIDTH - _FRAME)
    for name, value in provenance_lines(results, unit, sweep, verbose):
        grid.add_row(Text(name, style="bold"), Text(value))
    return Panel(grid, title="How these numbers were obtained", title_align="left", expand=False)


def provenance_lines(
    results: SearchResults, unit: EnergyUnit | None = None, sweep: Sequence[str] = (), verbose: bool = False
) -> list[tuple[str, str]]:
    """The lines of the panel: of each fact its name and its text."""
    p, recipe = results.provenance, results.recipe
    switches, changed = recipe.resolved_switches(), list(recipe.switches())
    if sweep:
        switches, changed = {key: switches[key] for key in of_all_searches(list(switches))}, of_all_searches(changed)
    lines = [
        *([("events", results.events)] if results.events else []),
        ("accuracy", f"{p.images} {p.split} images of {recipe.data.dataset}; interval: 95 %, binomial (Wilson)"),
        ("BatchNorm", batchnorm_text(p.batchnorm, p.images, switches, p.calibration_images or None)),
        ("energy", "; ".join(energy_facts(recipe)) if results.is_priced else f"not known: {pricing_text(recipe)}"),
        ("fidelity", fidelity_text(p.fidelity, changed)),
        ("F_AEB", fitness_text(None if sweep else recipe.search.alpha, recipe.search.normalise)),
        *([("bounds", bounds_text(results.scores.bounds, unit))] if results.is_priced else []),
        _search_line(results, sweep),
        *([("limits", ", ".join(results.limits))] if results.limits else []),
        ("engine", p.engine),
        ("weights", _weights_text(results)),
        ("switches", switches_in_force(switches, verbose)),
    ]
    notes = ("" if sweep else results.note, *selection_notes(p.split))
    return lines + [("note", note) for note in notes if note]


def _search_line(results: SearchResults, sweep: Sequence[str]) -> tuple[str, str]:
    recipe = results.recipe
    if sweep:
        return "searches", f"{', '.join(sweep)}; each with an algorithm, a seed and an alpha of its own"
    return "search", f"{results.population.state.get('algorithm', recipe.search.algorithm)}, seed {recipe.seed}"


def _weights_text(results: SearchResults) -> str:
    measured = results.provenance
    if results.imported_from:
        trained_on = f"which may have been trained on these {measured.split} images"
        return f"inherited from the imported {results.imported_from}, {trained_on}; not retrained"
    few = results.recipe.data.train_images
    on = "" if few is None else f" on {few:,} training images"
    asked = results.recipe.train.total_epochs
    epochs = counted(asked, "epoch")
    trained = epochs if measured.epochs >= asked else f"{measured.epochs} of {epochs} (not finished)"
    return f"inherited from a supernet of {trained}{on}, not retrained"


def bounds_text(bounds: Bounds | None, unit: EnergyUnit | None) -> str:
    """The values that are scaled to 0 and 1. unit: of the energies; by default, that of the bounds."""
    if bounds is None:
        return "each generation's own"
    unit = unit or energy_unit(bounds.energy_j)
    low, high = bounds.energy_j
    return (
        f"accuracy {bounds.top1[0]:.2f} to {bounds.top1[1]:.2f} %, "
        f"energy {unit.number(low)} to {format_energy(high, unit)}"
    )
