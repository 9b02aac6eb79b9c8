"""A run with an archive of any size: made-up counts in the form that a search stores, of a real supernet's recipe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from autospikformer_cli.measurement import Candidate, InputCount, Measurement, SpikeCount, SynapseCount
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, firing_names, num_params, operations
from autospikformer_cli.store.population import load_population, save_population
from autospikformer_cli.store.searches import make_present

SEARCHES = ("first", "second")
PER_GENERATION = 250
SHARE_ALIKE = 0.05
"""Of candidates with the measurement of another one: their genes differ where no spike arrives."""
ACCURACIES = (0.94, 0.98)
"""Within one interval of accuracy, as of a search whose order is mostly chance: then every candidate is tested."""

Counts = tuple[int, ...]


def make_archive(template: Path, run: Path, num: int, seed: int = 0) -> None:
    """Copy a searched run, and give it two searches with `num` distinct candidates each, and no others.

    The second has measured the subnets of the first in the reverse order.
    """
    shutil.copytree(template, run, ignore=shutil.ignore_patterns("searches", "finetuned"))
    found = load_population(template)
    recipe = recipe_from_toml(found.recipe_toml, found.recipe_name)
    candidates = tuple(_candidates(recipe, num, found.provenance.images, seed))
    ids = {"asked": {}, "last": num}
    state = {**found.state, "generation": -(-num // PER_GENERATION), "finished": True, "ids": ids, "samples": num}
    population = replace(found, candidates=candidates, state=state, hypervolume=None)
    reverse = tuple(
        replace(each, generation=place // PER_GENERATION) for place, each in enumerate(reversed(candidates))
    )
    save_population(run, replace(population, candidates=reverse, name=SEARCHES[1]))
    save_population(run, replace(population, name=SEARCHES[0]))
    make_present(run, SEARCHES[0])


def _candidates(recipe: Recipe, num: int, images: int, seed: int) -> Iterator[Candidate]:
    shape, space = network_shape(recipe), recipe.space.search_space()
    draws, numbers = Random(seed), np.random.default_rng(seed)
    seen: set[Subnet] = set()
    measured: list[tuple[Subnet, Measurement]] = []
    while len(seen) < num:
        subnet, measurement = space.sample(draws), None
        if measured and draws.random() < SHARE_ALIKE:
            like, measurement = draws.choice(measured)
            subnet = replace(like, tau=tuple(draws.choice(space.tau) for _ in like.tau))
        if subnet in seen:
            continue
        if measurement is None:
            measurement = _measurement(shape, subnet, images, numbers)
            measured.append((subnet, measurement))
        yield Candidate(f"c{len(seen) + 1:04d}", subnet, len(seen) // PER_GENERATION, measurement)
        seen.add(subnet)


def _measurement(shape: NetworkShape, subnet: Subnet, images: int, numbers: np.random.Generator) -> Measurement:
    both = {each.name: each for order in ("qk_v", "q_kv") for each in operations(shape, subnet, order)}
    counted = operations(shape, subnet)
    readers = {each.reads: each for each in counted}
    steps, rates = subnet.time_step, numbers.uniform(0.02, 0.3, len(readers))
    inputs = [
        _input(each, images, _around(rate * each.inputs * images, steps, numbers))
        for each, rate in zip(readers.values(), rates, strict=True)
    ]
    by_name = {each.layer: each for each in inputs}
    synapses = [_synapses(each, by_name[each.reads], images) for each in both.values() if each.input_kind != "real"]
    feeding = {each.name: each.neurons for each in counted}
    spikes = [
        SpikeCount(layer, _around(0.1 * feeding[name] * images, steps, numbers), feeding[name])
        for layer, name in firing_names(counted).items()
    ]
    right = numbers.permutation(images) < round(images * numbers.uniform(*ACCURACIES))
    return Measurement(
        int(right.sum()), images, num_params(shape, subnet), tuple(inputs), tuple(spikes), int(numbers.integers(9)),
        synapses=tuple(synapses), answers=np.packbits(right).tobytes(),
    )  # fmt: skip


def _around(mean: float, steps: int, numbers: np.random.Generator) -> Counts:
    return tuple((mean * numbers.uniform(0.5, 1.5, steps)).astype(np.int64).tolist())


def _input(operation: Operation, images: int, sums: Counts) -> InputCount:
    """A sum of n spikes has fewer values that are not 0."""
    if operation.input_kind == "real":
        return InputCount(operation.reads, (), (), operation.inputs * images, operation.macs)
    nonzeros = sums if operation.largest_input == 1 else tuple(each * 2 // 3 for each in sums)
    return InputCount(operation.reads, sums, nonzeros, operation.inputs * images, operation.macs)


def _synapses(operation: Operation, read: InputCount, images: int) -> SynapseCount:
    reached = operation.reached_macs / (operation.inputs * images) * images
    events, passes = (tuple(int(each * reached) for each in counts) for counts in (read.sums, read.nonzeros))
    return SynapseCount(operation.name, events, passes)
