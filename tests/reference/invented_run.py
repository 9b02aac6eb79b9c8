"""Runs with searches that nobody made: candidates of any number, with counts that could be those of images.

A page, a table or a figure of thousands of candidates is tested on these, since a search of so many takes hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np

from autospikformer_cli.measurement import (
    Candidate,
    InputCount,
    Measurement,
    Provenance,
    SpikeCount,
    StoredObjective,
    SynapseCount,
)
from autospikformer_cli.recipe import Recipe, load_recipe
from autospikformer_cli.runs.building import network_shape
from autospikformer_cli.space import Subnet
from autospikformer_cli.spiking.layout import NetworkShape, Operation, firing_names, num_params, operations
from autospikformer_cli.store.population import Population, save_population
from autospikformer_cli.store.supernet import Checkpoint, EpochRecord, TrainState, save_checkpoint

IMAGES = 400
EPOCHS = 12
SPACE: Mapping[str, object] = {"data.validation": 0.1, "search.images": IMAGES}


@dataclass(frozen=True)
class InventedRun:
    """A run's folder, and the name of its search."""

    path: Path
    search: str


def invented_run(
    path: Path, num: int, recipe: str | Path = "cifar10-small", overrides: Mapping[str, object] = SPACE, *,
    alike: int = 0, not_finite: int = 0, seed: int = 0, name: str = "invented", without_synapses: bool = False,
    objectives: Iterable[StoredObjective] = (), changes: Mapping[str, str] = {},
) -> InventedRun:  # fmt: skip
    """Make a run with a search of so many candidates, four generations of them.

    alike: of these, how many measure what another one did. not_finite: how many compute no finite values.
    without_synapses: as an aspk before 0.2 stored them. objectives: those of plugins that are not here, in which
    all have some value. changes: of the stored recipe's text.
    """
    loaded, random = load_recipe(recipe, overrides), Random(seed)
    space, shape = loaded.space.search_space(), network_shape(loaded)
    subnets: dict[Subnet, None] = {}
    while len(subnets) < num - alike:
        subnets[space.sample(random)] = None
    measured = [invented_measurement(shape, subnet, random, without_synapses) for subnet in subnets]
    for place, subnet in enumerate(list(subnets)[:alike]):
        higher = max(space.threshold) + place + 1
        subnets[replace(subnet, threshold=(higher,) * subnet.depth)] = None
        measured.append(measured[place])
    for place in range(not_finite):
        measured[2 * place + 1] = replace(measured[2 * place + 1], non_finite=3)
    stored, text = tuple(objectives), loaded.to_toml()
    named = ", ".join(f'"{name}"' for name in ("top1", "energy", *(each.name for each in stored)))
    for before, after in {'objectives = ["top1", "energy"]': f"objectives = [{named}]", **changes}.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    values = [{each.name: random.gauss(10, 3) for each in stored} for _ in range(num + 1)]
    values[num - alike : num] = values[:alike]
    candidates = tuple(
        Candidate(f"c{place + 1:04}", subnet, place * 4 // max(1, num), measurement, values[place])
        for place, (subnet, measurement) in enumerate(zip(subnets, measured, strict=True))
    )
    baseline = invented_measurement(shape, loaded.baseline(), random, without_synapses)
    path.mkdir(parents=True)
    save_checkpoint(path, _checkpoint(loaded))
    population = Population(
        recipe_name=loaded.name, recipe_toml=text, provenance=_provenance(loaded), candidates=candidates,
        baseline=Candidate("baseline", loaded.baseline(), -1, baseline, values[-1]),
        state={"algorithm": "evolution", "generation": 4, "finished": True, "ids": {"last": num, "asked": {}}},
        name=name, objectives=stored,
    )  # fmt: skip
    save_population(path, population)
    return InventedRun(path, name)


def invented_measurement(
    shape: NetworkShape, subnet: Subnet, random: Random, without_synapses: bool = False
) -> Measurement:
    """What a subnet could have measured on IMAGES images: larger ones answer a little better, and fire as often."""
    in_order = {order: operations(shape, subnet, order) for order in ("qk_v", "q_kv")}
    rates: dict[str, float] = {}
    inputs: dict[str, InputCount] = {}
    for each in in_order["qk_v"]:
        shared = each.name.replace(".k_linear", ".q_linear").replace(".v_linear", ".q_linear")  # they read one input
        rate = rates.setdefault(shared if each.reads == each.name else each.reads, random.uniform(0.03, 0.35))
        inputs.setdefault(each.reads, _input(each, rate, subnet.time_step))
    synapses = {
        each.name: _synapses(each, inputs[each.reads])
        for found in in_order.values()
        for each in found
        if each.input_kind != "real" and not without_synapses
    }
    neurons = {each.name: each.neurons for each in in_order["qk_v"]}
    spikes = tuple(
        SpikeCount(layer, tuple(random.randrange(neurons[name] * IMAGES // 4) for _ in range(subnet.time_step)),
                   neurons[name])
        for layer, name in firing_names(in_order["qk_v"]).items()
    )  # fmt: skip
    right = [random.random() < 0.55 + 0.02 * subnet.depth + 0.0003 * subnet.embed_dim for _ in range(IMAGES)]
    return Measurement(
        correct=sum(right), images=IMAGES, params=num_params(shape, subnet), inputs=tuple(inputs.values()),
        spikes=spikes, silent_channels=random.randrange(3), synapses=tuple(synapses.values()),
        answers=np.packbits(right).tobytes(),
    )  # fmt: skip


def _input(operation: Operation, rate: float, time_step: int) -> InputCount:
    size = operation.inputs * IMAGES
    if operation.input_kind == "real":
        return InputCount(operation.reads, (), (), size, operation.macs)
    nonzeros = tuple(int(size * rate * (1 - 0.1 * step)) for step in range(time_step))
    sums = tuple(int(count * (1 if operation.largest_input == 1 else 1.3)) for count in nonzeros)
    return InputCount(operation.reads, sums, nonzeros, size, operation.macs)


def _synapses(operation: Operation, read: InputCount) -> SynapseCount:
    """Each value reaches as many outputs as one does on average, without those over a border."""
    reach = operation.reached_macs / operation.inputs
    events, passes = (tuple(int(each * reach) for each in values) for values in (read.sums, read.nonzeros))
    return SynapseCount(operation.name, events, passes)


def _checkpoint(recipe: Recipe) -> Checkpoint:
    history = tuple(
        EpochRecord(epoch, 7, 2.3 / epoch, 123.4, 90 - 60 / epoch, 80 - 60 / epoch, 8.5)
        for epoch in range(1, EPOCHS + 1)
    )
    return Checkpoint(
        recipe_name=recipe.name, recipe_toml=recipe.to_toml(), state=TrainState(EPOCHS, 0, True, history, 0.0, 0, 0.0),
        splits={}, environment={}, weights={"head.weight": np.zeros(1, np.float32)},
        optimizer={"step": np.zeros(1)},
    )  # fmt: skip


def _provenance(recipe: Recipe) -> Provenance:
    return Provenance(
        "validation", "a" * 64, IMAGES, "b" * 64, 256, recipe.model.batchnorm, recipe.fidelity, "c" * 64, "float32",
        "cpu", EPOCHS, engine="event_driven",
    )  # fmt: skip
