"""The energy of one network: of a subnet at given rates or from what it measured, or of a module of the user's."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

from autospikformer_cli.cli.session import Session
from autospikformer_cli.data.description import describe
from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.networks import ORDERS, CountedNetwork, as_ann, counted_subnet
from autospikformer_cli.energy.rates import rates_from_file, uniform_rates
from autospikformer_cli.energy.tracing.inputs import layout_for, module_inputs, parse_shape
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import EnergyConfig, Recipe, differing_keys, load_recipe, option_text, recipe_from_toml
from autospikformer_cli.report.energy_report import ModuleWork, NetworkEnergy
from autospikformer_cli.runs.assembly import TrainedRun, network_shape, open_searched
from autospikformer_cli.runs.searching.search import provenance, select_subnet, selected_on
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.store import population as stored
from autospikformer_cli.store.population import load_population
from autospikformer_cli.store.runs import resolve_run


def with_energy_options(session: Session, profile: str | None, convention: str | None) -> Session:
    """The session with --profile and --convention as --set would give them."""
    named: Mapping[str, str | None] = {"profile": profile, "convention": convention}
    options = [option_text(f"--{key}", f"energy.{key}", value) for key, value in named.items() if value is not None]
    return replace(session, overrides=(*session.overrides, *options))


def given_energy(
    session: Session, recipe_name: str | None, subnet: str | None, rate: float | None, rates: Path | None
) -> NetworkEnergy:
    """Energy of a recipe's or a run's subnet at given input rates. Raises UserError for impossible ones."""
    if recipe_name is None:
        run = open_searched(resolve_run(session.run), session)
        recipe, path = run.recipe, run.path
    else:
        recipe, path = load_recipe(recipe_name, session.overrides), None
    chosen = select_subnet(subnet or "baseline", recipe, path)
    shape = network_shape(recipe, describe(recipe.data))
    counted = operations(shape, chosen)
    given = rates_from_file(rates, counted) if rates else uniform_rates(rate or 0.0, counted)
    source = f"given by {rates}" if rates else f"{rate:g} for every layer, given"
    return _of_subnet(chosen, counted_subnet(shape, chosen, OperationCounts.given(given)), recipe, source)


def measured_energy(session: Session, subnet: str | None) -> NetworkEnergy:
    """Energy of a run's subnet from its counts: stored ones of the search, else measured now on validation."""
    run = open_searched(resolve_run(session.run), session)
    has_population = (run.path / stored.POPULATION_FILE).is_file()
    named = subnet or ("best" if has_population else "baseline")
    chosen = select_subnet(named, run.recipe, run.path)
    measurement, source = _measurement(run, chosen, has_population)
    network = counted_subnet(run.energy.shape, chosen, OperationCounts.of(measurement), _firing_rates(measurement))
    found = _of_subnet(chosen, network, run.recipe, source, run.engine.name)
    return replace(found, selected_on=selected_on(named, run.path))


def _firing_rates(measurement: Measurement) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """Of every LIF layer, the share of its neurons that fired, by time step."""
    return tuple(
        (layer.layer, tuple(spikes / (layer.neurons * measurement.images) for spikes in layer.spikes))
        for layer in measurement.spikes
    )


def _measurement(run: TrainedRun, subnet: Subnet, has_population: bool) -> tuple[Measurement, str]:
    if has_population:
        population = load_population(run.path)
        images = run.images(run.recipe.search.split, run.recipe.search.images)
        known = [*population.candidates, *([population.baseline] if population.baseline else [])]
        searched = recipe_from_toml(population.recipe_toml)
        same_network = not any(key.startswith("model.") for key in differing_keys(searched, run.recipe))
        if same_network and population.provenance == provenance(run, images):
            for candidate in known:
                if candidate.subnet == subnet and not run.energy.lacks(candidate.measurement):
                    return candidate.measurement, f"measured by the search on {len(images)} {images.split} images"
    images = run.images("validation", run.recipe.search.images)
    evaluator = run.evaluator()
    with run.session.progress(f"measuring {subnet}", len(images)) as progress:
        measurement = evaluator.measure(subnet, images, progress.advance).measurement
    return measurement, f"measured now on {len(images)} validation images"


def _of_subnet(
    subnet: Subnet, network: CountedNetwork, recipe: Recipe, source: str, engine: str | None = None
) -> NetworkEnergy:
    if recipe.model.network == "transformer":
        source = "none, an ANN reads real values"
    return NetworkEnergy(str(subnet), network, recipe.energy, source, subnet, recipe, engine)


def module_energy(
    session: Session, module: str, shape: str | None, layout: str | None, time_step: int | None, inputs: Path | None
) -> NetworkEnergy:
    """Energy of a PyTorch module of the user's: it runs once, on an .npy file or on seeded random numbers.

    Raises UserError where it cannot be imported or run, or where --set has keys other than energy.*.
    """
    import torch

    from autospikformer_cli.energy.tracing.loading import load_module
    from autospikformer_cli.energy.tracing.tracer import SEED, trace

    energy = _energy_keys(session)
    frames, described = module_inputs(None if shape is None else parse_shape(shape), inputs, *session.torch_device())
    letters = layout_for(tuple(frames.shape), layout)
    torch.manual_seed(SEED)  # a factory that draws weights draws the same every time
    with redirect_stdout(sys.stderr):  # what the module prints is no part of the document
        traced = trace(load_module(module).to(frames), frames, letters, time_step)
    network = CountedNetwork(
        dict.fromkeys(ORDERS, traced.operations),
        as_ann(traced.operations),
        traced.counts,
        traced.params,
        traced.time_step,
        traced.step_rates,
    )
    work = ModuleWork(traced.not_counted, traced.unattributed)
    source = f"counted on {described}, read as {letters}"
    return NetworkEnergy(module, network, energy, source, module=work)


def _energy_keys(session: Session) -> EnergyConfig:
    """The [energy] keys of --set, which are all that a module takes."""
    plain, given = load_recipe("quickstart"), load_recipe("quickstart", session.overrides)
    others = [key for key in differing_keys(plain, given) if not key.startswith("energy.")]
    if others:
        raise UserError(f"{others[0]} means nothing for a module", "--set", "only energy.* acts with --module")
    return given.energy
