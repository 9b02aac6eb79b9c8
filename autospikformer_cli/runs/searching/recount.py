"""The counts that an older aspk did not store, measured for the subnets that it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autospikformer_cli.errors import UserError
from autospikformer_cli.evaluation.executors import ExecutorOptions, make_executor
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.runs.searching.archive import stored_candidates
from autospikformer_cli.runs.trained_run import TrainedRun
from autospikformer_cli.say import Interruptible
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, load_population, save_population


def recount(
    run: TrainedRun, executor: str, options: ExecutorOptions, interruptible: Interruptible, search: str | None = None
) -> Population:
    """Measure again what an older aspk stored without synaptic events or answers by image, each subnet in its place.

    search: its name; by default the present one. Raises UserError if it would be measured otherwise, or counts differ;
    KeyboardInterrupt when stopped, after what is done was saved.
    """
    population = load_population(run.path, search)
    images = run.searched_images()
    _require_same_conditions(run.path, population, run.conditions(images))
    spiking = run.recipe.model.network == "spikformer"
    lacking = [
        each
        for each in stored_candidates(population)
        if each.measurement.answers is None or (spiking and not each.measurement.synapses)
    ]
    if not lacking:
        run.say.remark(f"every subnet of {run.path} has all counts")
        return population
    anew: dict[Subnet, Measurement] = {}
    subnets = list(dict.fromkeys(candidate.subnet for candidate in lacking))
    measuring = make_executor(executor, run.workload(images), options)
    with measuring, interruptible() as stop, run.say.progress("measuring again", len(subnets)) as progress:
        for part in measuring.measure(subnets):
            anew |= part
            progress.advance(len(part))
            if stop():
                break

    def counted(candidate: Candidate) -> Candidate:
        measured = anew.get(candidate.subnet)
        if measured is None:
            return candidate
        _require_same_counts(candidate, measured, run.path)
        return replace(candidate, measurement=measured)

    baseline = population.baseline
    population = replace(
        population,
        candidates=tuple(map(counted, population.candidates)),
        baseline=None if baseline is None else counted(baseline),
    )
    save_population(run.path, population)
    if len(anew) < len(subnets):
        run.say.remark(f"stopped and saved after {len(anew)} of {len(subnets)} subnets")
        raise KeyboardInterrupt
    return population


def _require_same_conditions(path: Path, population: Population, now: Conditions) -> None:
    before = Conditions.of(population.provenance, recipe_from_toml(population.recipe_toml, population.recipe_name))
    wrong = before.differ_in(now)
    if wrong:
        raise UserError(
            f"the subnets were measured under other conditions: {', '.join(wrong)}",
            str(path),
            f"leave --set out and try --engine {before.engine}, or search anew with --fresh",
        )


def _require_same_counts(before: Candidate, measured: Measurement, path: Path) -> None:
    stored_as = before.measurement
    if (measured.correct, measured.inputs, measured.spikes) != (stored_as.correct, stored_as.inputs, stored_as.spikes):
        raise UserError(
            f"{before.id} measures otherwise now than it did, on other threads or with another torch",
            str(path),
            "search anew with --fresh (the old population is kept beside)",
        )
