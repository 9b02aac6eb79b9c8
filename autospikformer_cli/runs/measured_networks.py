"""What a run has measured that can stand in a table of the literature: its search's best, and what was evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement, Provenance
from autospikformer_cli.recipe import Decides, Overrides, Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.runs.conditions import rescored
from autospikformer_cli.runs.selection import best_candidate, counts_of
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.evaluations import Evaluation, FineTuning, load_evaluations
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.searches import present_search
from autospikformer_cli.store.supernet import Training, read_training
from autospikformer_cli.wording import counted

Role = Literal["found", "baseline", "named"]
"""A candidate of the run's search, what that search is compared with, or a subnet that the user named."""


@dataclass(frozen=True)
class MeasuredNetwork:
    """One network with its numbers.

    candidate: its id in the search; "" for none. weights: whose they are, in words. alone: how it was trained without
    the other subnets, in a word or two; "" for inherited weights. energy_j: of an image. selected_on: the split of the
    search that has the candidate; "" without.
    """

    run: Path
    recipe: Recipe
    subnet: Subnet
    role: Role
    candidate: str
    weights: str
    alone: str
    algorithm: str
    measurement: Measurement
    provenance: Provenance
    energy_j: float
    selected_on: str = ""

    @property
    def dataset(self) -> str:
        """The data set."""
        return self.recipe.data.dataset

    @property
    def is_spiking(self) -> bool:
        """Whether it is no ANN."""
        return self.recipe.model.network != "transformer"

    @property
    def time_step(self) -> int:
        """Time steps; 1 for an ANN."""
        return self.subnet.time_step if self.is_spiking else 1

    @property
    def description(self) -> str:
        """How it was measured, in words."""
        low, high = binomial_interval(self.measurement.correct, self.measurement.images)
        images = f"{self.measurement.images:,} {self.provenance.split} images"
        chosen = ", which it was selected on" if self.selected_on == self.provenance.split else ""
        return f"{self.dataset}: {images} of {self.run}{chosen}, 95 % interval {low:.2f} to {high:.2f} %"


@dataclass(frozen=True)
class NetworksOfRun:
    """All such networks of a run. left_out: what was evaluated under other keys, in words; "" for nothing."""

    path: Path
    recipe: Recipe
    networks: tuple[MeasuredNetwork, ...]
    left_out: str = ""


def measured_networks(path: Path, overrides: Overrides = (), search: str | None = None) -> NetworksOfRun:
    """The test evaluations of a run; and its search's best and baseline, if no test evaluation has them.

    overrides: keys that decide scores. search: its name; None for the present one, if there is any. Raises UserError.
    """
    training = read_training(path)
    named = search is not None or present_search(path) is not None
    population = load_population(path, search) if named else None
    stored = training if population is None else population
    shown = f"the recipe stored in {path}"
    recipe = rescored(recipe_from_toml(stored.recipe_toml, stored.recipe_name, shown=shown), overrides)
    recipe.energy.require_priced()
    kept, others = _usable(recipe, load_evaluations(path))
    with counts_of(path):
        found = [*_evaluated(path, recipe, training, population, kept)]
        known = {each.subnet for each in kept if each.finetuned is None}
        if population is not None:
            found += [each for each in _searched(path, recipe, training, population) if each.subnet not in known]
    if not found:
        fix = f"aspk search --run {path}, or aspk evaluate --subnet baseline --run {path}"
        raise UserError("it has no search and no test evaluation", str(path), fix)
    return NetworksOfRun(path, recipe, tuple(found), others)


def _usable(recipe: Recipe, evaluations: tuple[Evaluation, ...]) -> tuple[list[Evaluation], str]:
    """The test evaluations under the recipe's own keys: of each network that of the most images, then the last."""
    newest: dict[tuple[Subnet, str | None], Evaluation] = {}
    keys: dict[str, None] = {}
    for each in evaluations:
        if each.split != "test":
            continue
        differing = differing_keys(
            recipe_from_toml(each.recipe_toml, recipe.name), recipe, Decides.NETWORK | Decides.MEASUREMENT
        )
        if differing:
            keys |= dict.fromkeys(differing)
            continue
        network = (each.subnet, each.finetuned.label if each.finetuned else None)
        before = newest.get(network)
        if before is None or before.measurement.images <= each.measurement.images:
            newest[network] = each
    return list(newest.values()), ", ".join(keys)


def _weights(training: Training, recipe: Recipe, tuned: FineTuning | None = None) -> dict[str, str]:
    """Of a MeasuredNetwork: whose weights it has, and how it was trained alone. tuned: its retraining."""
    if tuned is not None:
        return {"weights": tuned.label, "alone": "trained alone" if tuned.from_scratch else "retrained"}
    if training.origin is not None:
        return {"weights": f"imported from {training.origin.file}", "alone": "imported"}
    trained = counted(training.state.epoch, "epoch")
    if recipe.space.search_space().size() == 1:
        return {"weights": f"trained alone for {trained}", "alone": "trained alone"}
    return {"weights": f"inherited from a supernet of {trained}", "alone": ""}


def _algorithm(recipe: Recipe, population: Population | None) -> str:
    """What searched."""
    return str((population.state if population else {}).get("algorithm", recipe.search.algorithm))


def _evaluated(
    path: Path, recipe: Recipe, training: Training, population: Population | None, evaluations: list[Evaluation]
) -> Iterator[MeasuredNetwork]:
    ids = {} if population is None else {each.subnet: each.id for each in population.candidates}
    energy = energy_model(recipe)
    for each in evaluations:
        baseline = each.subnet == recipe.baseline()
        yield MeasuredNetwork(
            run=path,
            recipe=recipe,
            subnet=each.subnet,
            role="baseline" if baseline else "found" if each.subnet in ids else "named",
            candidate="" if baseline else ids.get(each.subnet, ""),
            **_weights(training, recipe, each.finetuned),
            algorithm=_algorithm(recipe, population),
            measurement=each.measurement,
            provenance=each.provenance,
            energy_j=energy.of(each.subnet, each.measurement).energy_j,
            selected_on=population.provenance.split if population is not None and each.subnet in ids else "",
        )


def _searched(path: Path, recipe: Recipe, training: Training, population: Population) -> Iterator[MeasuredNetwork]:
    energy = energy_model(recipe)
    for role, candidate in (("baseline", population.baseline), ("found", best_candidate(path, population))):
        if candidate is not None:
            yield MeasuredNetwork(
                run=path,
                recipe=recipe,
                subnet=candidate.subnet,
                role="baseline" if role == "baseline" else "found",
                candidate="" if role == "baseline" else candidate.id,
                **_weights(training, recipe),
                algorithm=_algorithm(recipe, population),
                measurement=candidate.measurement,
                provenance=population.provenance,
                energy_j=energy.of(candidate.subnet, candidate.measurement).energy_j,
                selected_on=population.provenance.split if role == "found" else "",
            )
