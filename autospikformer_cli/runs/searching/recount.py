"""The counts that an older aspk did not store, measured for the subnets that it found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autospikformer_cli.cli.interruption import Interruption
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import differing_keys, recipe_from_toml
from autospikformer_cli.runs.assembly import TrainedRun
from autospikformer_cli.runs.searching.search import provenance
from autospikformer_cli.space import Subnet
from autospikformer_cli.store.population import Population, Provenance, load_population, save_population


def recount(run: TrainedRun) -> Population:
    """Measure again what an older aspk stored without synaptic events, each subnet in its place.

    Raises UserError where it would be measured otherwise, or counts differ; KeyboardInterrupt when stopped, with
    what is done saved.
    """
    session = run.session
    population = load_population(run.path)
    images = run.images(run.recipe.search.split, run.recipe.search.images)
    _require_same_network(run, population, provenance(run, images))
    baseline = population.baseline
    stored_ones = [*population.candidates, *([baseline] if baseline else [])]
    spiking = run.recipe.model.network == "spikformer"
    lacking = [candidate for candidate in stored_ones if spiking and not candidate.measurement.synapses]
    if not lacking:
        session.remark(f"every subnet of {run.path} has all counts")
        return population
    evaluator = run.evaluator()
    anew: dict[Subnet, Measurement] = {}
    subnets = list(dict.fromkeys(candidate.subnet for candidate in lacking))
    with Interruption(session.remark) as interruption, session.progress("measuring again", len(subnets)) as progress:
        for part in evaluator.measure_many(subnets, images):
            anew |= {subnet: result.measurement for subnet, result in part.items()}
            progress.advance(len(part))
            if interruption.requested:
                break

    def counted(candidate: Candidate) -> Candidate:
        measured = anew.get(candidate.subnet)
        if measured is None:
            return candidate
        _require_same_counts(candidate, measured, run.path)
        return replace(candidate, measurement=measured)

    population = replace(
        population,
        candidates=tuple(map(counted, population.candidates)),
        baseline=None if baseline is None else counted(baseline),
    )
    save_population(run.path, population)
    if len(anew) < len(subnets):
        session.remark(f"stopped and saved after {len(anew)} of {len(subnets)} subnets")
        raise KeyboardInterrupt
    return population


def _require_same_network(run: TrainedRun, population: Population, measured_as: Provenance) -> None:
    searched = recipe_from_toml(population.recipe_toml)
    keys = [key for key in differing_keys(searched, run.recipe) if key.startswith(("model.", "space."))]
    if keys or population.provenance != measured_as:
        engine = population.provenance.engine
        raise UserError(
            "the subnets were measured with another engine, network, images, weights, precision or device",
            str(run.path),
            f"leave --set out and try --engine {engine}, or search anew with --fresh",
        )


def _require_same_counts(before: Candidate, measured: Measurement, path: Path) -> None:
    stored_as = before.measurement
    if (measured.correct, measured.inputs, measured.spikes) != (stored_as.correct, stored_as.inputs, stored_as.spikes):
        raise UserError(
            f"{before.id} measures otherwise now than it did, on other threads or with another torch",
            str(path),
            "search anew with --fresh (the old population is kept beside)",
        )
