"""What searches found, scored and priced by a recipe; nothing is measured."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autospikformer_cli.cli.session import Session
from autospikformer_cli.energy.counts import MissingCounts
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Measurement
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.report.alpha_sweep import ALPHAS, AlphaSweep
from autospikformer_cli.report.provenance import Provenance as ShownProvenance
from autospikformer_cli.runs.assembly import energy_model
from autospikformer_cli.runs.searching.archive import Conditions, whole_archive
from autospikformer_cli.search.fitness import Scored, Scores
from autospikformer_cli.search.hypervolume import Hypervolumes, reference_of, shares_by_generation
from autospikformer_cli.search.objectives import Price
from autospikformer_cli.search.problem import Problem, make_problem
from autospikformer_cli.store.population import Population
from autospikformer_cli.store.supernet import read_training


def recipe_problem(recipe: Recipe) -> Problem:
    """What a recipe's search is for: its space, its limits, its objectives, and F_AEB as it asks for it."""
    energy = energy_model(recipe)
    priced: dict[str, tuple[Measurement, Price]] = {}

    def price_of(candidate: Candidate) -> Price:
        known = priced.get(candidate.id)
        if known is None or known[0] is not candidate.measurement:
            report = energy.of(candidate.subnet, candidate.measurement)
            priced[candidate.id] = known = (candidate.measurement, Price(report.energy_j, report.sops))
        return known[1]

    return make_problem(recipe.search, recipe.space.search_space(), energy.shape, price_of)


@dataclass(frozen=True)
class SearchResults:
    """A population scored and priced by a recipe. hypervolume: None where no baseline says what it is of."""

    scores: Scores
    baseline: Scored | None
    provenance: ShownProvenance
    hypervolume: Hypervolumes | None


@contextmanager
def counts_of(path: Path) -> Iterator[None]:
    """Raises UserError where a convention needs counts that a stored population lacks."""
    try:
        yield
    except MissingCounts as missing:
        raise UserError(
            f"its candidates were stored before synaptic events were counted: {missing.what}",
            str(path),
            f"aspk search --recount --run {path} measures them again, or choose another convention",
        ) from None


def score_population(path: Path, population: Population, recipe: Recipe) -> SearchResults:
    """Results of a stored population under a recipe's fitness and energy rules; nothing is measured again."""
    problem = recipe_problem(recipe)
    fitness = problem.fitness
    with counts_of(path):
        scores = fitness.score(population.candidates)
        hypervolume = _hypervolumes(problem, population)
    measured = population.provenance
    shown = ShownProvenance(
        dataset=recipe.data.dataset,
        split=measured.split,
        images=measured.images,
        batchnorm=measured.batchnorm,
        calibration_images=measured.calibration_images or None,
        fidelity=measured.fidelity,
        energy_profile=recipe.energy.hardware.name,
        energy_convention=recipe.energy.named_convention.name,
        algorithm=str(population.state["algorithm"]),
        alpha=recipe.search.alpha,
        normalise=recipe.search.normalise,
        bounds=scores.bounds,
        seed=recipe.seed,
        limits=tuple(map(str, problem.limits.limits)),
        epochs=measured.epochs,
        engine=measured.engine,
        events=_events_text(recipe, measured.frames),
        imported_from=origin.file if (origin := read_training(path).origin) else "",
        switches=recipe.switches(),
        resolved=recipe.resolved_switches(),
        note=str(population.state.get("note", "")),
    )
    baseline = fitness.of_outsider(population.baseline, scores) if population.baseline else None
    return SearchResults(scores, baseline, shown, hypervolume)


def _hypervolumes(problem: Problem, population: Population) -> Hypervolumes | None:
    reference = reference_of(problem, population.baseline)
    if reference is None:
        return None
    done = range(int(str(population.state["generation"])))
    return Hypervolumes(reference, tuple(shares_by_generation(problem, reference, population.candidates, done)))


def sweep_alpha(
    path: Path, population: Population, recipe: Recipe, session: Session
) -> tuple[AlphaSweep, SearchResults]:
    """The best subnet for every alpha, of all that the run's searches measured as the present one did.

    Fitness is scaled over the whole archive, where the recipe would scale it by generations.
    """
    searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
    archive = whole_archive(path, Conditions.of(population.provenance, searched), session)
    if recipe.search.normalise == "generation":
        recipe = recipe_from_toml(recipe.to_toml(), recipe.name, ['search.normalise="archive"'])
    results = score_population(path, replace(population, candidates=archive.candidates), recipe)
    fitness = recipe_problem(recipe).fitness
    ranked = [(alpha, replace(fitness, alpha=alpha).score(archive.candidates).ranked) for alpha in ALPHAS]
    best = tuple((alpha, scored[0]) for alpha, scored in ranked if scored)
    shown = replace(results, provenance=replace(results.provenance, alpha=None, note=""))
    return AlphaSweep(best, results.scores.ranked, archive.num_searches), shown


def _events_text(recipe: Recipe, frames: int) -> str:
    if not frames:
        return ""
    how = f"{frames} frames a recording, of equal {recipe.data.split_by}; polarities {recipe.data.polarity}"
    return f"{how}; a subnet with T steps reads T of them, evenly"
