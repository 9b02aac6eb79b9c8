"""The effects of genes over a run's archive: all that its searches measured alike. Nothing is measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite
from pathlib import Path

from autospikformer_cli.analysis.gene_claims import ClaimedOf, JudgedClaim
from autospikformer_cli.analysis.gene_effects import GeneEffect, GeneEffects, gene_effects
from autospikformer_cli.analysis.gene_shares import ValueShare, value_shares
from autospikformer_cli.analysis.ranking_noise import RESAMPLES
from autospikformer_cli.errors import UserError
from autospikformer_cli.measurement import Provenance
from autospikformer_cli.recipe import Overrides, Recipe, changed, recipe_from_toml
from autospikformer_cli.runs.conditions import Conditions, rescored
from autospikformer_cli.runs.prices import require_prices, unpriced_operations
from autospikformer_cli.runs.results import stand_ins, unknown_parts
from autospikformer_cli.runs.searched_supernet import weights_remark
from autospikformer_cli.runs.searching.archive import whole_archive
from autospikformer_cli.runs.selection import counts_of, recipe_problem
from autospikformer_cli.say import SILENT, Say
from autospikformer_cli.search.alike import different
from autospikformer_cli.search.fitness import Scored
from autospikformer_cli.store.population import read_search
from autospikformer_cli.store.runs import RunPath, resolve_run
from autospikformer_cli.wording import quoted

PAPERS_BEST, PAPERS_SHARE = 300, 0.3
"""Section 5.2 looks at the best 300 of 20 generations of 50 candidates."""
UNSELECTED = ("random", "exhaustive")
"""Algorithms whose candidates are not selected by what was measured."""


@dataclass(frozen=True)
class GeneStudy:
    """What a run's archive says of its genes.

    algorithms: of each search, by name. ranked: the candidates with a fitness, best first. left_out: how many others
    have none, by the reason. effects: over all whose values are finite, also those that break a limit. num_best: how
    many of the ranked are the best. shares: of each value among these and among all ranked. unreadable: searches of the
    run that cannot be read. weights_remark: that the run's supernet is another one now, or "".
    """

    path: Path
    recipe: Recipe
    provenance: Provenance
    algorithms: Mapping[str, str]
    ranked: tuple[Scored, ...]
    left_out: Mapping[str, int]
    effects: GeneEffects
    num_best: int
    shares: tuple[ValueShare, ...]
    claims: tuple[JudgedClaim, ...]
    unknown: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()
    weights_remark: str = ""

    @cached_property
    def selecting(self) -> tuple[str, ...]:
        """Searches whose later candidates descend from what did well."""
        return tuple(name for name, algorithm in self.algorithms.items() if algorithm not in UNSELECTED)

    def to_document(self) -> dict[str, object]:
        """As JSON. Energies are in joules, accuracies in percent; what is undecided is null."""
        recipe, measured, effects = self.recipe, self.provenance, self.effects
        return {
            "run": str(self.path),
            "searches": [{"name": name, "algorithm": each} for name, each in self.algorithms.items()],
            "unreadable": list(self.unreadable),
            "weights_remark": self.weights_remark,
            "num_fitted": effects.num_candidates,
            "num_ranked": len(self.ranked),
            "left_out": [{"reason": reason, "num": num} for reason, num in self.left_out.items()],
            "outcomes": [
                {"outcome": fit.outcome, "mean": fit.mean, "deviation": fit.deviation, "r2": fit.r2,
                 "why_not": fit.why_not or None}
                for fit in effects.outcomes
            ],
            "effects": [_effect_document(effect) for effect in effects.effects.values()],
            "untold": [
                {"gene": gene, "outcome": outcome, "why_not": why} for (gene, outcome), why in effects.untold.items()
            ],
            "best_num": self.num_best,
            "values": [_share_document(share) for share in self.shares],
            "claims": [judged.to_document() for judged in self.claims],
            "unknown": list(self.unknown),
            "stand_ins": list(self.stand_ins),
            "seed": effects.seed,
            "resamples": effects.resamples,
            "alpha": recipe.search.alpha,
            "normalise": recipe.search.normalise,
            "dataset": recipe.data.dataset,
            "split": measured.split,
            "images": measured.images,
            "engine": measured.engine,
            "energy_profile": recipe.energy.profile_name,
            "energy_convention": recipe.energy.convention_name,
            "unpriced": list(unpriced_operations(recipe)),
            **recipe.fidelity_document(),
        }  # fmt: skip


def study_genes(
    run: RunPath = None, overrides: Overrides = (), *, search: str | None = None, best: int | None = None,
    seed: int | None = None, resamples: int = RESAMPLES, say: Say = SILENT,
) -> GeneStudy:  # fmt: skip
    """The effects of genes over all that a run's searches measured as one of them did.

    search: that one's name, by default the present one. overrides: keys that decide scores. best: how many of the best
    by F_AEB are compared with all; by default 300, or 30 % if these are fewer. seed: of the resamples, by default the
    recipe's. Raises UserError if nothing was measured, or if `best` are not fewer than all.
    """
    path = resolve_run(run)
    head = read_search(path, search)
    searched = recipe_from_toml(head.recipe_toml, head.recipe_name, shown=f"the recipe stored in {path}")
    recipe = rescored(searched, overrides)
    require_prices(recipe)
    if recipe.search.normalise == "generation":  # several searches have no generations in common
        recipe = changed(recipe, {"search.normalise": "archive"})
    archive = whole_archive(path, Conditions.of(head.provenance, searched), say)
    stored = tuple(each for each in archive.objectives if archive.has_values(each.name))
    problem = recipe_problem(recipe, searched, stored)
    with counts_of(path):
        problem.price_all(archive.candidates)
        candidates = tuple(map(problem.valued, archive.candidates))
        scores = problem.fitness.score(candidates)
        every = replace(problem.fitness, refuses=lambda candidate: None).score(candidates).ranked
    if not every:
        reasons = {each.reason for each in scores.rejected}
        what = f"its searches have no candidate with finite values{': ' if reasons else ''}{'; '.join(sorted(reasons))}"
        raise UserError(what, str(path), f"search on: aspk search --run {quoted(path)}")
    num_best = _num_best(len(scores.ranked), best)
    chosen_seed = recipe.seed if seed is None else seed
    effects = gene_effects(
        [each.subnet for each in every], _outcomes(every), chosen_seed, resamples, _networks(every)
    )  # fmt: skip
    ranked, space = [each.subnet for each in scores.ranked], recipe.space.search_space()
    return GeneStudy(
        path=path,
        recipe=recipe,
        provenance=head.provenance,
        algorithms=dict(zip(archive.searches, archive.algorithms, strict=True)),
        ranked=scores.ranked,
        left_out=Counter(each.reason for each in scores.rejected),
        effects=effects,
        num_best=num_best,
        shares=value_shares(space, ranked, num_best, chosen_seed),
        claims=ClaimedOf(effects, space, ranked, num_best, recipe.baseline()).judged(),
        unknown=unknown_parts(problem, recipe),
        stand_ins=stand_ins(problem, repriced=recipe.energy != searched.energy),
        unreadable=archive.unreadable,
        weights_remark=weights_remark(path, head.provenance),
    )


def _outcomes(measured: tuple[Scored, ...]) -> dict[str, list[float] | None]:
    rates = [each.candidate.measurement.firing_rate for each in measured]
    known = [rate for rate in rates if rate is not None]
    return {
        "firing_rate": known if len(known) == len(rates) else None,
        "energy_j": [each.energy_j for each in measured],
        "top1": [each.top1 for each in measured],
    }


def _networks(measured: tuple[Scored, ...]) -> list[int]:
    """The number of each candidate's network. Candidates that agree in every measured number are one."""
    numbers = {id_: number for number, alike in enumerate(different(measured)) for id_ in alike.ids}
    return [numbers[each.id] for each in measured]


def _num_best(num_ranked: int, asked: int | None) -> int:
    """How many are the best. Raises UserError if all that are ranked were asked for."""
    if asked is None:
        return min(PAPERS_BEST, max(1, int(PAPERS_SHARE * num_ranked)), num_ranked)
    if asked >= num_ranked:
        raise UserError(
            f"the best {asked:,} of {num_ranked:,} candidates are all of them: there is nothing to compare",
            "--best",
            f"ask for fewer than {num_ranked:,}" if num_ranked > 1 else "leave it out",
        )
    return asked


def _effect_document(effect: GeneEffect) -> dict[str, object]:
    bend = effect.bend
    return {
        "gene": effect.gene,
        "outcome": effect.outcome,
        "slope": effect.slope.value,
        "slope_interval": [effect.slope.low, effect.slope.high],
        "standardised": effect.standardised.value,
        "standardised_interval": [effect.standardised.low, effect.standardised.high],
        "bend": None if bend is None else bend.value,
        "bend_interval": None if bend is None else [bend.low, bend.high],
        "curved": effect.is_curved,
    }


def _share_document(share: ValueShare) -> dict[str, object]:
    test = share.test
    return {
        "gene": share.gene,
        "value": float(share.value),
        "share_all": share.share_all if isfinite(share.share_all) else None,
        "share_best": share.share_best if isfinite(share.share_best) else None,
        "lift": None if test is None else test.lift,
        "lift_by_chance": None if test is None else list(test.chance),
        "p": None if test is None else test.probability,
        "p_holm": share.corrected,
    }
