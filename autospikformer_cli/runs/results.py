"""What searches found, scored and priced by a recipe. Nothing is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from autospikformer_cli.analysis.answers import answers_of
from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau
from autospikformer_cli.analysis.noise import RankingNoise, ranking_noise
from autospikformer_cli.analysis.paired import mcnemar_of
from autospikformer_cli.analysis.selection_bias import CorrectedAccuracy, selection_bias
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Candidate, Provenance
from autospikformer_cli.recipe import Decides, Recipe, changed, differing_keys, recipe_from_toml
from autospikformer_cli.runs.building import unknown_components
from autospikformer_cli.runs.conditions import Conditions
from autospikformer_cli.runs.predictor_quality import PredictorQuality, stored_quality
from autospikformer_cli.runs.prices import (
    Prices,
    prices_of,
    pricing_faults,
    require_prices,
    unpriced_operations,
)
from autospikformer_cli.runs.searched_supernet import weights_remark
from autospikformer_cli.runs.searching.archive import whole_archive
from autospikformer_cli.runs.selection import (
    best_candidate,
    counts_of,
    newly_broken,
    own_prices,
    recipe_problem,
    require_feasible,
)
from autospikformer_cli.say import Say
from autospikformer_cli.search.alike import Alike, different
from autospikformer_cli.search.fitness import Bounds, Scored, Scores, make_fitness
from autospikformer_cli.search.fronts import count_points, pareto_front
from autospikformer_cli.search.hypervolume import Hypervolumes, reference_of, shares_by_generation
from autospikformer_cli.search.objectives import Objective
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.store.population import Population
from autospikformer_cli.store.supernet import read_training
from autospikformer_cli.units import json_number

ALPHAS = tuple(step / 10 for step in range(11))
MOST_RIVALS = 2000
"""Of the best candidates, those that its accuracy is corrected for having been chosen among."""


@dataclass(frozen=True)
class SearchResults:
    """A population, scored and priced by a recipe.

    path: the run's folder. limits: what subnets had to keep to, in words. best: what the search itself chose; None if
    no candidate keeps its limits. price_remarks: limits that candidates break under these prices alone.
    hypervolume: None if no baseline says what it is of. imported_from: the file of imported weights, or "".
    unknown: what of its recipe is not known here, and why, in words; what it would decide is left out. stand_ins: the
    objectives whose plugin is not there, and whose stored values stand in, in words. objectives: those of plugins, in
    which candidates have their `plugin_values`.
    best_num: how many of the best by F_AEB are taken for tau, front and tables; None for all. prices: the recipe's, of
    what is priced already. weights_remark: that the run's supernet is another one now, or "".
    """

    path: Path
    population: Population
    recipe: Recipe
    scores: Scores
    baseline: Scored | None
    hypervolume: Hypervolumes | None
    limits: tuple[str, ...] = ()
    imported_from: str = ""
    best: Candidate | None = None
    price_remarks: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    objectives: tuple[Objective, ...] = ()
    best_num: int | None = None
    weights_remark: str = ""
    prices: Prices | None = field(default=None, compare=False, repr=False)

    @property
    def provenance(self) -> Provenance:
        """How the population was measured."""
        return self.population.provenance

    @property
    def title(self) -> str:
        """The run and the search."""
        return f"{self.path}, search {self.population.name}"

    @property
    def note(self) -> str:
        """Why a search ended before its budget; "" if it did not."""
        return str(self.population.state.get("note", ""))

    @property
    def predictor(self) -> PredictorQuality | None:
        """How well the search's predictor predicts; None for an algorithm without one, and before its end."""
        return stored_quality(self.population.state)

    @property
    def taken(self) -> tuple[Scored, ...]:
        """The ranked candidates that tau, front and tables are of, best first."""
        return self.scores.ranked[: self.best_num]

    @cached_property
    def different(self) -> tuple[Alike, ...]:
        """Every different result of those taken, best first. Candidates that agree in every measured number are one."""
        return different(self.taken)

    @cached_property
    def different_front(self) -> list[Alike]:
        """The non-dominated of the different results; none if nothing can be priced."""
        return pareto_front(self.different) if self.is_priced else []

    @cached_property
    def is_priced(self) -> bool:
        """Whether the profile and the convention are known here, and price any operation."""
        return not pricing_faults(self.recipe)

    @property
    def front(self) -> list[Scored]:
        """A non-dominated candidate for each different result."""
        return [alike.best for alike in self.different_front]

    @property
    def num_pareto_points(self) -> int:
        """Distinct points of the front: results with equal accuracy and energy are one."""
        return count_points(self.different_front)

    @cached_property
    def kendall_tau(self) -> float | None:
        """Between accuracy and energy over all different results; None if it is undefined."""
        found = self.different if self.is_priced else ()
        return json_number(kendall_tau([each.top1 for each in found], [each.energy_j for each in found]))

    @cached_property
    def ranking_noise(self) -> RankingNoise | None:
        """How far chance decides the order of the candidates taken by accuracy; None for fewer than two."""
        return ranking_noise([scored.candidate.measurement for scored in self.taken])

    @cached_property
    def best_corrected(self) -> CorrectedAccuracy | None:
        """The accuracy of the first of `scores.ranked`, corrected for having been chosen among them.

        None without rivals, if answers by image are not stored, and if each generation has bounds of its own: F_AEB
        then compares candidates of a generation alone. The rivals are the `MOST_RIVALS` best: those further behind
        hardly win.
        """
        rivals, bounds = self.scores.ranked[:MOST_RIVALS], self.scores.bounds
        answers = answers_of([each.candidate.measurement for each in rivals])
        if answers is None or min(answers.shape) < 2 or self.scores.generation_bounds:
            return None
        choose = make_fitness(self.recipe.search, None).choices_among(rivals, bounds)
        return selection_bias(answers, choose, self.recipe.seed).best

    @property
    def events(self) -> str:
        """How recordings of events became frames; "" for images."""
        frames, data = self.provenance.frames, self.recipe.data
        if not frames:
            return ""
        how = f"{frames} frames a recording, of equal {data.split_by}; polarities {data.polarity}"
        return f"{how}; a subnet with T steps reads T of them, evenly"

    def provenance_document(self) -> dict[str, object]:
        """What the numbers rest on, as JSON."""
        measured, recipe = self.provenance, self.recipe
        return {
            "dataset": recipe.data.dataset,
            "split": measured.split,
            "images": measured.images,
            "batchnorm": measured.batchnorm,
            "calibration_images": measured.calibration_images or None,
            "fidelity": measured.fidelity,
            "energy_profile": recipe.energy.profile_name,
            "energy_convention": recipe.energy.convention_name,
            "unpriced": list(unpriced_operations(recipe)),
            "algorithm": str(self.population.state.get("algorithm", recipe.search.algorithm)),
            "normalise": recipe.search.normalise,
            "seed": recipe.seed,
            "epochs": measured.epochs,
            "engine": measured.engine,
            "imported_from": self.imported_from,
            "events": self.events,
            "note": self.note,
            "limits": self.limits,
            "unknown": self.unknown,
            "stand_ins": self.stand_ins,
            "switches": recipe.switches(),
            "resolved": recipe.resolved_switches(),
        }

    def to_document(self) -> dict[str, object]:
        """Candidates best first, front, baseline, correlation, hypervolume by generation, and what they rest on.

        top1 in percent, energy_j in joules an image; what is undefined is null.
        """
        scores = self.scores
        generations = {str(number): bounds_document(bounds) for number, bounds in scores.generation_bounds.items()}
        return {
            "run": str(self.path),
            "search": self.population.name,
            "best": None if self.best is None else self.best.id,
            "first_corrected": None if self.best_corrected is None else self.best_corrected.to_document(),
            "price_remarks": list(self.price_remarks),
            "weights_remark": self.weights_remark,
            "objectives": self.objectives_document(),
            "candidates": [self.ranked_document(scored) for scored in self.taken],
            "best_num": self.best_num,
            "num_ranked": len(scores.ranked),
            "num_different": len(self.different),
            "pareto": [scored.id for scored in self.front],
            "num_pareto_points": self.num_pareto_points,
            "baseline": None if self.baseline is None else candidate_document(self.baseline),
            "kendall_tau": self.kendall_tau,
            "ranking_noise": None if self.ranking_noise is None else self.ranking_noise.to_document(),
            "predictor": None if self.predictor is None else self.predictor.to_document(),
            "hypervolume": None if self.hypervolume is None else self.hypervolume.to_document(),
            "alpha": self.recipe.search.alpha,
            "bounds": bounds_document(scores.bounds),
            "generation_bounds": generations or None,
            "rejected": [
                {
                    "id": each.candidate.id,
                    "subnet": each.candidate.subnet.to_numbers(),
                    "reason": each.reason,
                    "objectives": _values_document(each.candidate),
                }
                for each in scores.rejected
            ],
            "provenance": self.provenance_document(),
        }

    def objectives_document(self) -> list[dict[str, object]]:
        """The objectives of plugins, as JSON."""
        return [
            {"name": each.name, "label": each.label, "unit": each.unit, "better": each.better}
            for each in self.objectives
        ]

    @cached_property
    def _alike(self) -> dict[str, tuple[str, ...]]:
        """The ids that share a result, by each of these ids."""
        return {id_: alike.ids for alike in self.different for id_ in alike.ids}

    def ranked_document(self, scored: Scored) -> dict[str, object]:
        """A ranked candidate as JSON: with those that are equal, and its test against the baseline."""
        answers = scored.candidate.measurement.answers
        baseline = None if self.baseline is None else self.baseline.candidate.measurement.answers
        tested = None if answers is None or baseline is None else mcnemar_of(answers, baseline)
        equal = [id_ for id_ in self._alike[scored.id] if id_ != scored.id]
        return {**candidate_document(scored), "equal": equal, "p_baseline": tested}


def require_ranked(results: SearchResults) -> SearchResults:
    """The results. Raises UserError if limits, or values that are not finite, leave none of the search's candidates."""
    population = results.population
    if population.candidates and not results.scores.ranked:
        searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
        require_feasible(recipe_problem(results.recipe, searched, population.objectives), population)
    return results


@dataclass(frozen=True)
class AlphaSweep:
    """The best subnet for each of some weights of energy, of all that a run's searches measured under equal conditions.

    best: by alpha. results: of the whole archive. searches: names of those that it is of.
    """

    best: tuple[tuple[float, Scored], ...]
    results: SearchResults
    searches: tuple[str, ...]

    @property
    def archive(self) -> tuple[Scored, ...]:
        """Every ranked candidate."""
        return self.results.scores.ranked

    @property
    def found(self) -> list[str]:
        """Ids of the distinct subnets that some alpha finds."""
        return list(dict.fromkeys(scored.id for _, scored in self.best))

    def provenance_document(self) -> dict[str, object]:
        """What the numbers rest on, as JSON. What each search has of its own is null or left out."""
        recipe = self.results.recipe
        resolved = recipe.resolved_switches()
        return {
            **self.results.provenance_document(),
            "algorithm": None,
            "seed": None,
            "note": "",
            "switches": of_all_searches(recipe.switches()),
            "resolved": {key: resolved[key] for key in of_all_searches(list(resolved))},
        }

    def to_document(self) -> dict[str, object]:
        """The best subnet of each alpha, the front that they are chosen from, and what they rest on."""
        baseline = self.results.baseline
        return {
            "run": str(self.results.path),
            "searches": list(self.searches),
            "objectives": self.results.objectives_document(),
            "alpha_sweep": [{"alpha": alpha, **self.results.ranked_document(scored)} for alpha, scored in self.best],
            "pareto": [_of_no_alpha(self.results.ranked_document(scored)) for scored in self.results.front],
            "num_candidates": len(self.archive),
            "num_searches": len(self.searches),
            "weights_remark": self.results.weights_remark,
            "ranking_noise": None if self.results.ranking_noise is None else self.results.ranking_noise.to_document(),
            "baseline": None if baseline is None else _of_no_alpha(candidate_document(baseline)),
            "bounds": bounds_document(self.results.scores.bounds),
            "provenance": self.provenance_document(),
        }


def of_all_searches(switches: Sequence[str]) -> list[str]:
    """The switches that hold for all searches of a sweep: without those by which each one selected.

    >>> of_all_searches(["model.decay_input = false", "search.alpha = 0.3", 'search.split = "test"'])
    ['model.decay_input = false', 'search.split = "test"']
    """
    kept = ("search.split", "search.normalise")
    return [switch for switch in switches if not switch.startswith("search.") or switch.startswith(kept)]


def score_population(path: Path, population: Population, recipe: Recipe) -> SearchResults:
    """Results of a stored population under a recipe's fitness and energy rules. Nothing is measured again."""
    training = read_training(path)
    found = _scored(path, population, recipe)
    best = found.best or best_candidate(path, population)
    return replace(
        found,
        best=best,
        imported_from=training.origin.file if training.origin else "",
        weights_remark=weights_remark(path, population.provenance),
    )


def score_again(results: SearchResults, recipe: Recipe) -> SearchResults:
    """The same results under another recipe's fitness and energy rules. The choice of the search stays."""
    found = _scored(results.path, results.population, recipe)
    return replace(
        found,
        best=results.best,
        imported_from=results.imported_from,
        best_num=results.best_num,
        weights_remark=results.weights_remark,
    )


def _scored(path: Path, population: Population, recipe: Recipe) -> SearchResults:
    """What the prices decide. best: if they are those of the search."""
    searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
    prices = prices_of(recipe)
    with counts_of(path):
        problem = recipe_problem(recipe, searched, population.objectives, prices)
        problem.price_all(population.candidates)
        valued = _valued(problem, population)
        scores = problem.fitness.score(valued.candidates)
        hypervolume = _hypervolumes(problem, valued)
        broken = newly_broken(searched, recipe, [scored.candidate for scored in scores.ranked])
    return SearchResults(
        path=path,
        population=valued,
        recipe=recipe,
        scores=scores,
        baseline=problem.fitness.of_outsider(valued.baseline, scores) if valued.baseline else None,
        hypervolume=hypervolume,
        limits=tuple(map(str, problem.limits.limits)),
        best=_own_best(problem, scores) if _scores_alike(recipe, searched) else None,
        price_remarks=tuple(
            f"under these prices {count} of {len(scores.ranked)} candidates break {limit}; {own_prices(searched)}"
            for limit, count in broken.items()
        ),
        unknown=unknown_parts(problem, recipe),
        stand_ins=stand_ins(problem, repriced=recipe.energy != searched.energy),
        objectives=problem.plugins,
        prices=prices,
    )


def _scores_alike(recipe: Recipe, searched: Recipe) -> bool:
    """Whether a search's own choice follows from a score by this recipe."""
    return not differing_keys(searched, recipe, Decides.SCORE)


def _own_best(problem: Problem, scores: Scores) -> Candidate | None:
    try:
        problem.require_best()
    except UserError:
        return None
    return next((scored.candidate for scored in scores.ranked), None)


def _valued(problem: Problem, population: Population) -> Population:
    """A population whose candidates have their values in the objectives of the problem's plugins."""
    baseline = population.baseline
    return replace(
        population,
        candidates=tuple(map(problem.valued, population.candidates)) if problem.plugins else population.candidates,
        baseline=None if baseline is None else problem.valued(baseline),
        objectives=tuple(objective.to_stored() for objective in problem.plugins),
    )


def unknown_parts(problem: Problem, recipe: Recipe) -> tuple[str, ...]:
    """What of a search's recipe is not known here, and why, in words."""
    return (*(f"{each.key}: {each.error.what}" for each in problem.unknown), *unknown_components(recipe))


def stand_ins(problem: Problem, repriced: bool) -> tuple[str, ...]:
    """What is said of each objective whose stored values stand in. repriced: whether the search had other prices."""
    prices = ", computed under the search's own prices" if repriced else ""
    whats = dict.fromkeys(each.error.what for each in problem.absent if each.stored)
    return tuple(f"{what}; its stored values stand in{prices}" for what in whats)


def sweep_alpha(path: Path, population: Population, recipe: Recipe, say: Say) -> AlphaSweep:
    """The best subnet for every alpha, of all that the run's searches measured as the present one did.

    If the recipe scales fitness by generations, it is scaled over the whole archive here.
    """
    require_prices(recipe)
    searched = recipe_from_toml(population.recipe_toml, population.recipe_name)
    archive = whole_archive(path, Conditions.of(population.provenance, searched), say)
    if recipe.search.normalise == "generation":
        recipe = changed(recipe, {"search.normalise": "archive"})
    stored = tuple(each for each in population.objectives if archive.has_values(each.name))
    population = replace(population, candidates=archive.candidates, objectives=stored)
    results = require_ranked(score_population(path, population, recipe))
    fitness = recipe_problem(recipe, searched, stored).fitness
    candidates = results.population.candidates
    ranked = [(alpha, replace(fitness, alpha=alpha).score(candidates).ranked) for alpha in ALPHAS]
    best = tuple((alpha, scored[0]) for alpha, scored in ranked if scored)
    return AlphaSweep(best, results, archive.searches)


def candidate_document(scored: Scored) -> dict[str, object]:
    """One candidate as JSON."""
    measured = scored.candidate.measurement
    return {
        "id": scored.id,
        "subnet": scored.subnet.to_numbers(),
        "top1": scored.top1,
        "top1_interval": list(binomial_interval(measured.correct, measured.images)),
        "energy_j": json_number(scored.energy_j),
        "params": measured.params,
        "fitness": json_number(scored.fitness),
        "generation": scored.candidate.generation,
        "firing_rate": measured.firing_rate,
        "silent_channels": measured.silent_channels,
        "silent_layers": list(measured.silent_layers),
        "silent_blocks": list(measured.silent_blocks),
        "correct": measured.correct,
        "images": measured.images,
        "objectives": _values_document(scored.candidate),
    }


def _values_document(candidate: Candidate) -> dict[str, float | None]:
    """Its values in the objectives of plugins, as JSON."""
    return {name: json_number(value) for name, value in candidate.plugin_values.items()}


def bounds_document(bounds: Bounds | None) -> dict[str, list[float]] | None:
    """Bounds as JSON: top-1 in percent, energy in joules."""
    return None if bounds is None else {"top1": list(bounds.top1), "energy_j": list(bounds.energy_j)}


def _of_no_alpha(document: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in document.items() if key != "fitness"}


def _hypervolumes(problem: Problem, population: Population) -> Hypervolumes | None:
    reference = reference_of(problem, population.baseline)
    if reference is None:
        return None
    done = range(int(str(population.state["generation"])))
    return Hypervolumes(reference, tuple(shares_by_generation(problem, reference, population.candidates, done)))
