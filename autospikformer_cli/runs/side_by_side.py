"""Several searches of one run, priced and scored by the same rules, and how they went. Nothing is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from heapq import heappush, heappushpop

from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Recipe, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions, setting_values
from autospikformer_cli.runs.results import SearchResults, require_ranked, score_population
from autospikformer_cli.runs.searching.archive import measured_alike
from autospikformer_cli.runs.searching.naming import without_seed
from autospikformer_cli.runs.searching.search_files import WORDS
from autospikformer_cli.runs.selection import recipe_problem
from autospikformer_cli.say import Say
from autospikformer_cli.search.hypervolume import reference_of, shares_by_evaluation
from autospikformer_cli.search.problem import Problem
from autospikformer_cli.store.population import Population, load_population
from autospikformer_cli.store.searches import search_names
from autospikformer_cli.wording import shortened


def read_next_to(results: SearchResults, name: str, say: Say) -> SearchResults:
    """Another search of the same run, priced and scored by the rules of `results`, so that the two share axes.

    Its own limits stay. Remarks on what it measured otherwise. Raises UserError if there is no such search, and if its
    limits leave it no candidate.
    """
    population = load_population(results.path, name)
    differing = _conditions(results.population).differ_in(_conditions(population))
    if differing:
        named = ", ".join(dict.fromkeys(WORDS.get(each, each) for each in differing))
        say.remark(f"{name} was measured with other {named}: not all that differs is due to the search")
    return require_ranked(_scored_as(results, population))


def results_alike(results: SearchResults, say: Say) -> list[SearchResults]:
    """All searches of the run that measured as the one of `results` did, scored by its rules. Remarks on the others."""
    own = results.population.name
    populations = list(measured_alike(results.path, _conditions(results.population), say))
    others = sorted(set(search_names(results.path)) - {population.name for population in populations})
    if others:
        say.remark(f"left out, measured otherwise than {own}: {shortened(others)}")
    return [results if each.name == own else _scored_as(results, each) for each in populations]


def _scored_as(results: SearchResults, population: Population) -> SearchResults:
    """A search with the prices and the fitness of another one, and its own limits."""
    searched, other = recipe_of(population), results.recipe
    rules = ("alpha", "normalise", "bounds", "percentile", "objectives")
    search = searched.search.model_copy(update={key: getattr(other.search, key) for key in rules})
    recipe = searched.model_copy(update={"energy": other.energy, "search": search})
    return score_population(results.path, population, recipe)


def recipe_of(population: Population) -> Recipe:
    """The recipe that a search was made with."""
    return recipe_from_toml(population.recipe_toml, population.recipe_name)


def _conditions(population: Population) -> Conditions:
    return Conditions.of(population.provenance, recipe_of(population))


def _problem(results: SearchResults) -> Problem:
    population = results.population
    return recipe_problem(results.recipe, recipe_of(population), population.objectives, results.prices)


@dataclass(frozen=True)
class Course:
    """A number after each evaluation of a search. None: there is no such number yet."""

    search: str
    recipe: Recipe
    values: tuple[float | None, ...]


def hypervolume_courses(searches: Sequence[SearchResults]) -> list[Course]:
    """The share of the box that each search's candidates dominate. The first search's baseline fixes the box of all.

    Raises UserError if there is no box.
    """
    first = searches[0]
    reference = reference_of(_problem(first), first.population.baseline)
    if reference is None:
        what = f"{first.title} has no usable baseline, which says what a hypervolume is a share of"
        raise UserError(what, None, "; ".join(first.unknown) or "search again: it measures the baseline")
    return [
        Course(
            results.population.name,
            recipe_of(results.population),
            tuple(shares_by_evaluation(_problem(results), reference, results.population.candidates)),
        )
        for results in searches
    ]


def fitness_courses(searches: Sequence[SearchResults], best: int = 1) -> list[Course]:
    """The mean F_AEB of the best N that each search has found, under bounds that all of them share.

    Each search ranks by its own limits. Fewer than N candidates have no such mean. Bounds by generation, which no two
    searches share, are replaced by those of all candidates.
    """
    by_id = {scored.id: scored.candidate for results in searches for scored in results.scores.ranked}
    fitness = replace(_problem(searches[0]).fitness, refuses=lambda candidate: None)
    if fitness.normalise == "generation":
        fitness = replace(fitness, normalise="archive")
    values = {scored.id: scored.fitness for scored in fitness.score(list(by_id.values())).ranked}
    courses = []
    for results in searches:
        ranked = {scored.id for scored in results.scores.ranked}
        found = (values[each.id] if each.id in ranked else None for each in results.population.candidates)
        courses.append(Course(results.population.name, recipe_of(results.population), _best_means(list(found), best)))
    return courses


def _best_means(values: Sequence[float | None], best: int) -> tuple[float | None, ...]:
    """After each value, the mean of the `best` largest so far."""
    largest: list[float] = []
    means: list[float | None] = []
    for value in values:
        if value is not None and len(largest) < best:
            heappush(largest, value)
        elif value is not None:
            heappushpop(largest, value)
        means.append(sum(largest) / best if len(largest) == best else None)
    return tuple(means)


@dataclass(frozen=True)
class CourseBand:
    """The courses of searches that differ in nothing but their seeds: median and range, as far as all of them go."""

    courses: tuple[Course, ...]

    @property
    def label(self) -> str:
        """The search's name; of several, without the seed, and what is drawn of them."""
        name = self.courses[0].search
        if len(self.courses) == 1:
            return name
        return f"{without_seed(name, self.courses[0].recipe.seed)}, median and range of {len(self.courses)} seeds"

    def over_seeds(self, function: Callable[[Sequence[float]], float]) -> list[tuple[int, float]]:
        """The number of evaluations, and a function of all courses' values there; from where all have one."""
        rows = enumerate(zip(*(course.values for course in self.courses), strict=False), 1)
        found = ((number, [value for value in row if value is not None]) for number, row in rows)
        return [(number, function(values)) for number, values in found if len(values) == len(self.courses)]


def bands_over_seeds(courses: Sequence[Course]) -> list[CourseBand]:
    """The courses, those that differ in nothing but their seeds together, in the order of the first of each."""
    groups: list[dict[int, Course]] = []
    settings: list[dict[str, object]] = []
    for course in courses:
        setting, seed = setting_values(course.recipe), course.recipe.seed
        same = (group for group, its in zip(groups, settings, strict=True) if its == setting and seed not in group)
        group = next(same, None)
        if group is None:
            groups.append({seed: course})
            settings.append(setting)
        else:
            group[seed] = course
    return [CourseBand(tuple(group.values())) for group in groups]
