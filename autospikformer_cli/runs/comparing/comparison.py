"""The comparison of searches: what was found, what stands against it, and what the numbers do not show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.paired import SIGNIFICANCE, least_probability
from autospikformer_cli.errors import UserError
from autospikformer_cli.recipe import Overrides
from autospikformer_cli.recipe.load import named_keys
from autospikformer_cli.runs.comparing.asked import asked_searches
from autospikformer_cli.runs.comparing.comparability import require_comparable, require_some_kept, warnings_of
from autospikformer_cli.runs.comparing.contrasts import Contrast, SearchSetting, contrasts_of, settings_of
from autospikformer_cli.runs.comparing.searches import (
    CommonScale,
    ComparedSearch,
    common_scale,
    read_searches,
    scored_search,
)
from autospikformer_cli.runs.prices import unpriced_operations
from autospikformer_cli.runs.results import bounds_document, candidate_document
from autospikformer_cli.search.sorting import coverage

ENOUGH_PAIRS = next(num for num in range(1, 64) if least_probability(num) < SIGNIFICANCE)
"""With fewer pairs, no difference is more than chance, whatever the numbers are."""
OWN_SCALE = ("search.normalise", "search.bounds", "search.percentile")
"""Keys that scale the F_AEB of one search."""
TAU_METHOD = "infinitesimal jackknife"
"""How the interval of tau is computed: `analysis.correlation`: `tau_interval`."""


@dataclass(frozen=True)
class SearchComparison:
    """Searches under one scale. best_num: how many of the best are taken for tau, front and means; None for all."""

    searches: tuple[ComparedSearch, ...]
    scale: CommonScale
    best_num: int | None

    @cached_property
    def settings(self) -> list[SearchSetting]:
        """Searches that differ in seeds alone, together."""
        return settings_of(self.searches)

    @cached_property
    def contrasts(self) -> list[Contrast]:
        """Every two settings."""
        return contrasts_of(self.settings)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What makes the comparison less fair than it looks."""
        return warnings_of(self.searches)

    @property
    def findings(self) -> list[str]:
        """A sentence for each two settings that differ in a measure, those with measures that disagree first."""
        ordered = sorted(self.contrasts, key=lambda contrast: not contrast.disagrees)
        return [contrast.finding for contrast in ordered if contrast.finding]

    def title_of(self, search: ComparedSearch) -> str:
        """A search's name; if there are several runs, with its run in a line before."""
        one_run = len({each.stored.path for each in self.searches}) == 1
        name = search.stored.population.name
        return name if one_run else f"{search.stored.path}:\n{name}"

    def coverage(self, by: ComparedSearch, of: ComparedSearch) -> float | None:
        """The share of one front that another one covers; None without a front."""
        return coverage(by.front_costs, of.front_costs)

    @property
    def not_shown(self) -> list[str]:
        """What the numbers do not show, in sentences."""
        return [*_of_the_supernet(self.searches), *_of_the_images(self.searches), *_of_seeds(self), *_of_measures(self)]

    def to_document(self) -> dict[str, object]:
        """All of it in JSON types; what is undefined is null."""
        recipe = self.searches[0].stored.recipe
        reference = self.scale.reference
        return {
            "findings": self.findings,
            "warnings": list(self.warnings),
            "not_shown": self.not_shown,
            "best_num": self.best_num,
            "energy_profile": recipe.energy.profile_name,
            "energy_convention": recipe.energy.convention_name,
            "unpriced": list(unpriced_operations(recipe)),
            "bounds": bounds_document(self.scale.bounds),
            "reference": None if reference is None else reference.to_document(),
            "tau_method": TAU_METHOD,
            "searches": [self._search_document(each) for each in self.searches],
            "coverage": [[self.coverage(by, of) for of in self.searches] for by in self.searches],
            "differences": [contrast.to_document() for contrast in self.contrasts],
        }

    def _search_document(self, search: ComparedSearch) -> dict[str, object]:
        stored, interval = search.stored, search.tau_interval
        setting = next(each for each in self.settings if search in each.searches.values())
        return {
            "run": str(stored.path),
            "search": stored.population.name,
            "setting": setting.label,
            "alpha": search.alpha,
            "seed": stored.searched.seed,
            "trained_seed": stored.trained_seed,
            "finished": stored.finished,
            "num_candidates": search.num_candidates,
            "num_rejected": search.rejected,
            "num_taken": len(search.taken(search.alpha)),
            "num_different": len(search.different),
            "pareto": [alike.best.id for alike in search.front],
            "num_pareto_points": len(search.front_costs),
            "hypervolume": search.hypervolume,
            "kendall_tau": search.kendall_tau,
            "tau_interval": None if interval is None else list(interval),
            "fitness": [
                {
                    "alpha": alpha,
                    "best": search.best_fitness(alpha),
                    "mean_of_best": search.mean_of_best(alpha),
                    "mean": search.mean_fitness(alpha),
                }
                for alpha in self.scale.alphas
            ],
            "best": None if search.best is None else candidate_document(search.best),
        }


def compare_stored(texts: Sequence[str], overrides: Overrides, best_num: int | None) -> SearchComparison:
    """The searches that texts RUN[:SEARCH] name. Raises UserError for what cannot be compared."""
    own_scale = [key for key in named_keys(overrides) if key in OWN_SCALE]
    if own_scale:
        fix = f"leave it out; aspk report --set {own_scale[0]}=... shows one search so"
        raise UserError("all searches are scaled by their common extremes", f"--set {own_scale[0]}", fix)
    stored = read_searches(asked_searches(texts), overrides)
    require_comparable(stored)
    require_some_kept(stored)
    scale = common_scale(stored)
    return SearchComparison(tuple(scored_search(each, scale, best_num) for each in stored), scale, best_num)


def _of_the_supernet(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    hashes = {each.stored.population.provenance.weights_hash for each in searches}
    if len(hashes) == 1:
        yield "All are of one supernet, with inherited weights: another training may order them otherwise."
    else:
        yield "Accuracies are of inherited weights: subnets that are trained alone may come in another order."


def _of_the_images(searches: Sequence[ComparedSearch]) -> Iterator[str]:
    measured = [each.best.candidate.measurement for each in searches if each.best is not None]
    if not measured:
        return
    best = max(measured, key=lambda each: each.top1)
    low, high = binomial_interval(best.correct, best.images)
    split = searches[0].stored.population.provenance.split
    yield (
        f"The searches selected by these {best.images:,} {split} images, which flatters the best. The interval of "
        f"{best.top1:.2f} %, {low:.1f} to {high:.1f} %, does not know that: aspk evaluate measures on test images."
    )


def _of_seeds(comparison: SearchComparison) -> Iterator[str]:
    paired = [len(each.seeds) for each in comparison.contrasts if each.seeds]
    most = max(paired, default=0)
    if len(comparison.settings) < 2:
        yield "These searches differ in the seed alone: they show how much one seed differs from another."
    elif most < ENOUGH_PAIRS:
        pairs = f"{most} pair{'s' * (most != 1)} of seeds" if most else "no pair of equal seeds"
        least = f": the smallest p is {least_probability(most):.2g}" if most > 1 else ""
        yield (
            f"With {pairs}, no difference can be told from chance{least}. "
            f"{ENOUGH_PAIRS} or more can (aspk search --seeds {ENOUGH_PAIRS})."
        )
    elif len(comparison.contrasts) > 1:
        yield "Each p is of one comparison: of twenty by chance, one is below 0.05."


def _of_measures(comparison: SearchComparison) -> Iterator[str]:
    if any(each.disagrees for each in comparison.contrasts):
        yield (
            "Hypervolume and coverage are of a whole front, F_AEB of one point of it: they do not say which of these "
            "you need."
        )
    yield "F_AEB and hypervolume are scaled by the extremes of these searches: with another search, they change."
    if any(each.tau_interval for each in comparison.searches):
        yield (
            "Tau's interval takes candidates as drawn one by one. An evolution's candidates descend from each other: "
            "there it is rather too narrow."
        )
