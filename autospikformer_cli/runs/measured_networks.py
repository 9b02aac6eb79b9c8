"""What a run has measured that can stand in a table of the literature: its search's best, and what was evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal, TypedDict

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Measurement, Provenance
from autospikformer_cli.recipe import Decides, Overrides, Recipe, differing_keys, recipe_from_toml
from autospikformer_cli.recipe.toml_text import toml_value
from autospikformer_cli.runs.building import energy_model
from autospikformer_cli.runs.conditions import rescored
from autospikformer_cli.runs.retraining import as_transformer, values_of_tuning
from autospikformer_cli.runs.selection import best_candidate, counts_of
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.evaluations import Evaluation, FineTuning, load_evaluations
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.searches import present_search
from autospikformer_cli.store.supernet import Training, read_training, stored_weights_hash
from autospikformer_cli.wording import counted, quoted

NETWORK_KEY = "model.network"
Role = Literal["found", "baseline", "named"]
"""A candidate of the run's search, what that search is compared with, or a subnet that the user named."""


@dataclass(frozen=True)
class MeasuredNetwork:
    """One network with its numbers.

    candidate: its id in the search; "" for none. weights: whose they are, in words. alone: how it was trained without
    the other subnets, in a word or two; "" for inherited weights. measurement: of the first of its trainings, and
    others: of those with other seeds. energy_j: of an image, the mean over trainings. selected_on: the split of the
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
    others: tuple[Measurement, ...] = ()

    @property
    def top1(self) -> float:
        """Accuracy in percent, the mean over its trainings."""
        return fmean(self._tops)

    @property
    def _tops(self) -> list[float]:
        return [each.top1 for each in (self.measurement, *self.others)]

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
        images = f"{self.measurement.images:,} {self.provenance.split} images"
        chosen = ", which it was selected on" if self.selected_on == self.provenance.split else ""
        if self.others:
            mean = f"mean of {len(self._tops)} trainings, standard deviation {stdev(self._tops):.2f} points"
            return f"{self.dataset}: {images} of {self.run}{chosen}, {mean}"
        low, high = binomial_interval(self.measurement.correct, self.measurement.images)
        return f"{self.dataset}: {images} of {self.run}{chosen}, 95 % interval {low:.2f} to {high:.2f} %"


@dataclass(frozen=True)
class NetworksOfRun:
    """All such networks of a run. left_out: which of its evaluations are not among them, and why, in words."""

    path: Path
    recipe: Recipe
    networks: tuple[MeasuredNetwork, ...]
    left_out: tuple[str, ...] = ()


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
    recipe.energy.require_known_names()
    kept, left_out = _usable(path, recipe, load_evaluations(path))
    with counts_of(path):
        found = [*_evaluated(path, recipe, training, population, kept)]
        known = {each.first.subnet for each in kept if each.first.finetuned is None}
        if population is not None:
            found += [each for each in _searched(path, recipe, training, population) if each.subnet not in known]
    if not found:
        fix = f"aspk search --run {quoted(path)}, or aspk evaluate --subnet baseline --run {quoted(path)}"
        raise UserError("it has no search and no test evaluation", str(path), fix)
    return NetworksOfRun(path, recipe, tuple(found), left_out)


@dataclass(frozen=True)
class _Alike:
    """Test evaluations of one network whose weights differ by the seed of their training alone.

    trained_by: what their training has otherwise than one under the run's own recipe has, in words.
    """

    by_seed: tuple[Evaluation, ...]
    trained_by: tuple[str, ...]

    @property
    def first(self) -> Evaluation:
        return self.by_seed[0]


def _usable(
    path: Path, recipe: Recipe, evaluations: tuple[Evaluation, ...]
) -> tuple[list[_Alike], tuple[str, ...]]:  # fmt: skip
    """The test evaluations under the recipe's own keys, or of the ANN of the same shape; and what is left out.

    Weights are alike if all that decides them is, but for the seed: the keys of their training, its precision, and
    the weights that it began with. Of several with a seed, that of the most images is taken, then the last.
    """
    weights = _WeightsOfRun(path)
    recipes = {text: recipe_from_toml(text, recipe.name) for text in {each.recipe_toml for each in evaluations}}
    alike: dict[tuple[object, ...], tuple[tuple[str, ...], dict[int | None, Evaluation]]] = {}
    keys: dict[str, None] = {}
    num_earlier = 0
    for each in (one for one in evaluations if one.split == "test"):
        own = recipes[each.recipe_toml]
        differing = differing_keys(own, recipe, Decides.NETWORK | Decides.MEASUREMENT)
        if differing and (differing != [NETWORK_KEY] or own.model.network != "transformer"):
            keys |= dict.fromkeys(differing)
            continue
        if weights.are_earlier(each):
            num_earlier += 1
            continue
        tuning = each.finetuned
        trained_by = () if tuning is None else weights.trained_otherwise(each, own, recipe)
        network = (each.subnet, tuning.label if tuning else None, own.model.network, trained_by)
        _, by_seed = alike.setdefault(network, (trained_by, {}))
        seed = tuning.seed if tuning else None
        before = by_seed.get(seed)
        if before is None or before.measurement.images <= each.measurement.images:
            by_seed[seed] = each
    left_out = [f"evaluations under other keys are left out: {', '.join(keys)}"] if keys else []
    if num_earlier:
        are = "is" if num_earlier == 1 else "are"
        left_out.append(f"{counted(num_earlier, 'evaluation')} of earlier weights of the supernet {are} left out")
    found = [_Alike(_of_equal_images(list(by_seed.values())), trained_by) for trained_by, by_seed in alike.values()]
    return found, tuple(left_out)


@dataclass(frozen=True)
class _WeightsOfRun:
    """What decides the weights that a run's evaluations measured."""

    path: Path

    @cached_property
    def _hash(self) -> str:
        return stored_weights_hash(self.path)

    @cached_property
    def _precision(self) -> str:
        return read_training(self.path).environment.get("precision", "float32")

    def are_earlier(self, evaluation: Evaluation) -> bool:
        """Whether they are the supernet's, or began with it, before it was trained on."""
        tuning = evaluation.finetuned
        begun = evaluation.provenance.weights_hash if tuning is None else tuning.first_weights
        return bool(begun) and begun != self._hash

    def trained_otherwise(self, evaluation: Evaluation, own: Recipe, recipe: Recipe) -> tuple[str, ...]:
        """What a retraining has otherwise than one under the run's recipe has. own: that it was measured under."""
        tuning = evaluation.finetuned
        assert tuning is not None
        usual = as_transformer(recipe) if own.model.network != recipe.model.network else recipe
        trained, expected = values_of_tuning(own, tuning), values_of_tuning(usual, tuning)
        precision = evaluation.provenance.precision
        words = [] if precision == self._precision else [f"in {precision}"]
        differing = (key for key in trained if trained[key] != expected[key])
        return (*(f"{key} = {toml_value(trained[key])}" for key in differing), *words)


def _of_equal_images(evaluations: list[Evaluation]) -> tuple[Evaluation, ...]:
    """Those on the same images, the most and of these the last, by seed: only these have a mean."""
    most = max(reversed(evaluations), key=lambda each: each.measurement.images).provenance
    kept = (
        each
        for each in evaluations
        if (each.provenance.images, each.provenance.split_hash) == (most.images, most.split_hash)
    )
    return tuple(sorted(kept, key=lambda each: -1 if each.finetuned is None else each.finetuned.seed or 0))


class _Weights(TypedDict):
    """Of a MeasuredNetwork: whose weights it has, and how it was trained alone."""

    weights: str
    alone: str


def _weights(
    training: Training, recipe: Recipe, epochs: int, tuned: FineTuning | None = None, trained_by: Sequence[str] = ()
) -> _Weights:
    """Of a MeasuredNetwork. epochs: of the training of these weights. tuned: its retraining."""
    if tuned is not None:
        label = ", ".join([tuned.label, *trained_by])
        return {"weights": label, "alone": "trained alone" if tuned.from_scratch else "retrained"}
    if training.origin is not None:
        return {"weights": f"imported from {training.origin.file}", "alone": "imported"}
    trained = counted(epochs, "epoch")
    if recipe.space.search_space().size() == 1:
        return {"weights": f"trained alone for {trained}", "alone": "trained alone"}
    return {"weights": f"inherited from a supernet of {trained}", "alone": ""}


def _algorithm(recipe: Recipe, population: Population | None) -> str:
    """What searched."""
    return str((population.state if population else {}).get("algorithm", recipe.search.algorithm))


def _evaluated(
    path: Path, recipe: Recipe, training: Training, population: Population | None, networks: Sequence[_Alike]
) -> Iterator[MeasuredNetwork]:
    ids = {} if population is None else {each.subnet: each.id for each in population.candidates}
    for alike in networks:
        evaluations, first = alike.by_seed, alike.first
        network = recipe_from_toml(first.recipe_toml, recipe.name).model.network
        is_ann = network != recipe.model.network
        own = as_transformer(recipe) if is_ann else recipe
        energy = energy_model(own)
        baseline = first.subnet == recipe.baseline() and not is_ann
        candidate = "" if baseline or is_ann else ids.get(first.subnet, "")
        yield MeasuredNetwork(
            run=path,
            recipe=own,
            subnet=first.subnet,
            role="baseline" if baseline else "found" if candidate else "named",
            candidate=candidate,
            **_weights(training, recipe, first.provenance.epochs, first.finetuned, alike.trained_by),
            algorithm=_algorithm(recipe, population),
            measurement=first.measurement,
            provenance=first.provenance,
            energy_j=fmean(energy.of(each.subnet, each.measurement).energy_j for each in evaluations),
            selected_on=population.provenance.split if population is not None and candidate else "",
            others=tuple(each.measurement for each in evaluations[1:]),
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
                **_weights(training, recipe, population.provenance.epochs),
                algorithm=_algorithm(recipe, population),
                measurement=candidate.measurement,
                provenance=population.provenance,
                energy_j=energy.of(candidate.subnet, candidate.measurement).energy_j,
                selected_on=population.provenance.split if role == "found" else "",
            )
