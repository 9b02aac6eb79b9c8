"""The energy of one network: of a subnet at given rates or from what it measured, or of a module of the user's."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from autospikformer_cli.energy.counts import OperationCounts
from autospikformer_cli.energy.networks import CountedNetwork, counted_module, counted_subnet
from autospikformer_cli.energy.rates import rates_from_file, uniform_rates
from autospikformer_cli.energy.results import NetworkEnergy
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement
from autospikformer_cli.recipe import (
    Decides,
    EnergyConfig,
    Overrides,
    Recipe,
    differing_keys,
    load_recipe,
    recipe_from_toml,
)
from autospikformer_cli.runs.building import network_shape, neuron_kind
from autospikformer_cli.runs.searched_supernet import weights_remark
from autospikformer_cli.runs.searching.archive import known_subnets, stored_candidates
from autospikformer_cli.runs.selection import Selection, select, select_of
from autospikformer_cli.runs.trained_run import TrainedRun, stored_recipe
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import operations
from autospikformer_cli.store.population import load_population, read_search
from autospikformer_cli.store.searches import present_search
from autospikformer_cli.wording import quoted

if TYPE_CHECKING:
    from autospikformer_cli.data.images import ImageSet, Split
    from autospikformer_cli.engine.compute import Compute


class SubnetCounts(NamedTuple):
    """What a subnet measured, where that is from, the engine, and the split of the images."""

    measurement: Measurement
    source: str
    engine: str
    split: str


def given_energy(
    recipe: Recipe, path: Path | None, subnet: str | None, rate: float | None, rates: Path | None,
    search: str | None = None,
) -> NetworkEnergy:  # fmt: skip
    """Energy of a recipe's or a run's subnet at given input rates. Raises UserError for impossible ones.

    path: the run whose searches know candidates; None for a recipe alone. search: whose best is meant.
    """
    recipe.energy.require_known_names()
    selection = select(subnet or "baseline", recipe, path, search)
    chosen = selection.subnet
    shape = network_shape(recipe)
    counted = operations(shape, chosen)
    given = rates_from_file(rates, counted) if rates else uniform_rates(rate or 0.0, counted)
    source = f"given by {rates}" if rates else f"{rate:g} for every layer, given"
    found = _of_subnet(chosen, counted_subnet(shape, chosen, OperationCounts.given(given)), recipe, source)
    return replace(found, origin=f"recipe {recipe.name}" if path is None else selection.origin(path))


def measured_energy(run: TrainedRun, subnet: str | None) -> NetworkEnergy:
    """Energy of a run's subnet from its counts: those that a search stored, else measured now on validation."""
    run.recipe.energy.require_known_names()
    has_search = present_search(run.path) is not None
    chosen = select_of(run, subnet or ("best" if has_search else "baseline"))
    measurement, source, engine, _ = subnet_counts(run, chosen.subnet)
    counts, rates = OperationCounts.of(measurement), measurement.step_rates
    network = counted_subnet(run.energy.shape, chosen.subnet, counts, rates, measurement.params)
    found = _of_subnet(chosen.subnet, network, run.recipe, source, engine)
    remarks = chosen.remarks(run.recipe)
    return replace(found, selected_on=chosen.selected_on, origin=chosen.origin(run.path), remarks=remarks)


def subnet_counts(run: TrainedRun, subnet: Subnet) -> SubnetCounts:
    """What a search of the run measured, if it would be measured alike now; else measured now. Raises UserError."""
    neuron_is_known = run.energy.shape.neuron_params is not None
    return (_measurement if neuron_is_known else _stored_measurement)(run, subnet)


def stored_counts(path: Path, chosen: Selection, named: str, search: str | None, fix: str) -> SubnetCounts:
    """What a search of a run measured of a subnet: that which found it, else the present one. Nothing is measured.

    named: the subnet as the user named it. search: the one to take for the present one. Raises UserError for an ANN,
    and, with that fix, if the search did not measure the subnet.
    """
    population = load_population(path, chosen.search or search)
    stored = stored_candidates(population) if chosen.candidate is None else (chosen.candidate,)
    found = next((each.measurement for each in stored if each.subnet == chosen.subnet), None)
    if found is None:
        raise UserError(f"no search has measured {named}", "--subnet", fix)
    if not found.spikes:
        raise UserError("an ANN has no firing rates", str(path), "choose a run of a spiking network")
    measured = population.provenance
    source = f"measured by the search on {measured.images} {measured.split} images"
    remark = weights_remark(path, measured)
    return SubnetCounts(found, f"{source} ({remark})" if remark else source, measured.engine, measured.split)


def stored_rates(path: Path, subnet: str, search: str | None = None) -> tuple[tuple[str, tuple[float, ...]], ...]:
    """The firing rates of a run's subnet by layer and time step, as a search measured them. Nothing is measured.

    Layers have the names of energy tables. search: the one whose best is meant, by default the present one. Raises
    UserError if no search measured the subnet.
    """
    chosen = select(subnet, stored_recipe(path, (), search=search), path, search)
    fix = f"aspk energy --run {quoted(path)} --subnet {quoted(subnet)} --heatmap FILE measures it now"
    return stored_counts(path, chosen, subnet, search, fix).measurement.operation_rates


def counts_alike(run: TrainedRun, subnet: Subnet) -> SubnetCounts | None:
    """What a search measured on the images that the recipe asks for; None if no search did.

    No image is read: its keys are those of that search, and what is stored was measured on what the search read.
    """
    name = run.search or present_search(run.path)
    if name is None:
        return None
    head = read_search(run.path, name)
    before = recipe_from_toml(head.recipe_toml, head.recipe_name)
    conditions = run.conditions_as_stored(head.provenance)
    if conditions is None or differing_keys(before, run.recipe, Decides.IMAGES | Decides.NETWORK):
        return None
    known = known_subnets(run.path, conditions, run.say, lambda each: not run.energy.lacks(each)).measurements
    if subnet not in known:
        return None
    source = f"measured by the search on {head.provenance.images} {head.provenance.split} images"
    return SubnetCounts(known[subnet], source, run.engine_name, head.provenance.split)


def _stored_measurement(run: TrainedRun, subnet: Subnet) -> SubnetCounts:
    """As `_measurement`, of a run whose neuron is not known here: what its search measured.

    Raises UserError if it did not measure that subnet, or under another recipe.
    """
    recipe = run.recipe
    if present_search(run.path) is not None:
        population = load_population(run.path, run.search)
        searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
        found = next((each for each in stored_candidates(population) if each.subnet == subnet), None)
        differing = differing_keys(searched, recipe, Decides.NETWORK | Decides.MEASUREMENT | Decides.IMAGES)
        if found is not None and not differing:
            measured = population.provenance
            source = f"measured by the search on {measured.images} {measured.split} images"
            return SubnetCounts(found.measurement, source, measured.engine, measured.split)
    neuron_kind(recipe.model.neuron, recipe.given_by)  # nothing is stored, and nothing can be measured: it says why
    what = f"the search of {run.path} did not measure {subnet}"
    raise UserError(what, "--subnet", "choose one of its candidates")


def _measurement(run: TrainedRun, subnet: Subnet) -> SubnetCounts:
    """What a search of the run measured, if it would be measured alike now; else measured now."""
    stored = counts_alike(run, subnet)
    if stored is not None:
        return stored
    if present_search(run.path) is not None:
        images = _images(run, run.recipe.search.split, subnet)
        known = known_subnets(run.path, run.conditions(images), run.say, lambda each: not run.energy.lacks(each))
        if subnet in known.measurements:
            source = f"measured by the search on {len(images)} {images.split} images"
            return SubnetCounts(known.measurements[subnet], source, run.engine_name, images.split)
    images = _images(run, run.sample_split, subnet)
    evaluator = run.evaluator()
    with run.say.progress(f"measuring {subnet}", len(images), unit="images") as progress:
        measurement = evaluator.measure(subnet, images, progress.advance).measurement
    source = f"measured now on {len(images)} {images.split} images"
    return SubnetCounts(measurement, source, run.engine_name, images.split)


def _images(run: TrainedRun, split: Split, subnet: Subnet) -> ImageSet:
    """The images that a search of the run would measure on. Raises UserError if they are gone, with both remedies."""
    try:
        return run.first_images(split, "search.images")
    except UserError as error:
        what = f"nothing that {run.path} stores prices {subnet}, and the images to measure it on cannot be read"
        remedies = [error.fix] if error.fix else []
        fix = "; ".join([*remedies, "or without images, at rates that you give: --firing-rate 0.2, or --rates FILE"])
        raise UserError(f"{what}: {error.what}", error.where, fix) from error


def _of_subnet(
    subnet: Subnet, network: CountedNetwork, recipe: Recipe, source: str, engine: str | None = None
) -> NetworkEnergy:
    if recipe.model.network == "transformer":
        source = "none, an ANN reads real values"
    return NetworkEnergy(str(subnet), network, recipe.energy, source, subnet, recipe, engine)


def module_energy(
    module: str,
    shape: str | None,
    layout: str | None,
    time_step: int | None,
    inputs: Path | None,
    overrides: Overrides,
    compute: Compute,
) -> NetworkEnergy:
    """Energy of a PyTorch module of the user's: its first run, on an .npy file or on seeded random numbers.

    Raises UserError if it cannot be imported or run, or if overrides have keys other than energy.*.
    """
    import torch

    from autospikformer_cli.energy.tracing.inputs import layout_for, module_inputs, parse_shape
    from autospikformer_cli.energy.tracing.loading import load_module
    from autospikformer_cli.energy.tracing.tracer import SEED, trace

    energy = _energy_keys(overrides)
    wanted = None if shape is None else parse_shape(shape)
    frames, described = module_inputs(wanted, inputs, compute.torch_device, compute.dtype)
    letters = layout_for(tuple(frames.shape), layout)
    torch.manual_seed(SEED)  # a factory that draws weights draws the same every time
    with redirect_stdout(sys.stderr):  # what the module prints is no part of the document
        traced = trace(load_module(module).to(frames), frames, letters, time_step)
    source = f"counted on {described}, read as {letters}"
    return NetworkEnergy(module, counted_module(traced), energy, source, module=traced)


def _energy_keys(overrides: Overrides) -> EnergyConfig:
    """The [energy] keys of --set, which are all that a module takes."""
    plain, given = load_recipe("quickstart"), load_recipe("quickstart", overrides)
    others = [key for key in differing_keys(plain, given) if not key.startswith("energy.")]
    if others:
        raise UserError(f"{others[0]} means nothing for a module", "--set", "only energy.* acts on a module")
    return given.energy
