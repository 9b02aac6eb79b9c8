"""What stands under a table of a search's subnets: marks, what each column is, and what a reader must know."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.recipe import Recipe
from autospikformer_cli.report.provenance import bounds_text, changed_rules
from autospikformer_cli.report.rows import HIGHER, LOWER, NOT_APART, UNTESTED, CandidateRow, equal_looking_notes
from autospikformer_cli.report.sheets import Footnote
from autospikformer_cli.runs.prices import unpriced_notes
from autospikformer_cli.runs.results import SearchResults
from autospikformer_cli.runs.selection import noise_fact, noise_notes, selection_notes, unknown_notes
from autospikformer_cli.units import EnergyUnit

PARENTHESES = (
    "(depth, MLP ratios, numbers of heads, thresholds, taus, T, embedding dimension). Depth is the number "
    "of blocks; each block has a ratio, a number of heads, a threshold and a tau. Thresholds and taus (in time steps) "
    "are those of its neurons. T is the number of time steps"
)
CANDIDATE = f"Candidate: {PARENTHESES}"
FIRING_RATE_NOTE = "Fr: mean firing rate, in spikes a neuron and time step, over all layers of spiking neurons"
TIME_STEPS = "T: number of time steps"
SCALED_OVER = {
    "archive": "between the least and the most of all ranked subnets",
    "generation": "between the least and the most of each generation",
    "fixed": "between fixed bounds, and clipped",
    "percentile": "between two percentiles of all ranked subnets, and clipped",
}
"""What search.normalise says, in words."""
_TEST = f"McNemar's exact test, p < {SIGNIFICANCE:g}"
MARK_TEXTS = {
    HIGHER: f"accuracy higher than the baseline's ({_TEST})",
    NOT_APART: f"accuracy not told apart from the baseline's (McNemar's exact test, p >= {SIGNIFICANCE:g})",
    LOWER: f"accuracy lower than the baseline's ({_TEST})",
    UNTESTED: "accuracy not tested against the baseline's, as answers by image are not stored",
}


def own_notes(
    results: SearchResults, rows: Sequence[CandidateRow], baseline: CandidateRow | None, unit: EnergyUnit
) -> list[Footnote]:
    """The footnotes of `aspk report --table front` and top. unit: of the table's energies."""
    facts = (
        *unknown_notes(results.unknown, results.stand_ins),
        noise_fact(results.ranking_noise, results.provenance.split),
        *selection_notes(results.provenance.split),
    )
    told = (fact.removeprefix("! ") for fact in facts if fact)
    lines = [*_columns(results, rows, baseline, unit), *(f"{each[:1].upper()}{each[1:]}" for each in told)]
    return [*mark_notes(rows, baseline), *(Footnote("", f"{line}.") for line in lines)]


def advice_on(results: SearchResults) -> tuple[str, ...]:
    """What the user may do about a table's weakness. It is said next to the table, and is no part of it."""
    return noise_notes(results.ranking_noise, results.provenance.split, results.recipe)


def priced(recipe: Recipe) -> str:
    """What energies are under, in words."""
    return "; ".join([f"energies under {_prices(recipe, 'profile', 'convention')}", *unpriced_notes(recipe)])


def _prices(recipe: Recipe, profile: str, convention: str) -> str:
    named = f"{profile} {recipe.energy.profile_name}, {convention} {recipe.energy.convention_name}"
    return ", ".join([named, *changed_rules(recipe)])


def fitness_facts(results: SearchResults, unit: EnergyUnit | None = None) -> str:
    """F_AEB with its alpha, and between which bounds its two terms are scaled."""
    search, bounds = results.recipe.search, results.scores.bounds
    scaled = f"min-max scaled {SCALED_OVER[search.normalise]}"
    shown = f" ({bounds_text(bounds, unit)})" if bounds and results.is_priced else ""
    return f"alpha (1 - E) + (1 - alpha) A, with alpha {search.alpha:g}, and energy E and accuracy A {scaled}{shown}"


def mark_notes(rows: Sequence[CandidateRow], baseline: CandidateRow | None) -> Iterator[Footnote]:
    """What the marks of these rows say, and no more."""
    found = {row.mark(baseline) for row in rows}
    yield from (Footnote(mark, text) for mark, text in MARK_TEXTS.items() if mark in found)


def _columns(
    results: SearchResults, rows: Sequence[CandidateRow], baseline: CandidateRow | None, unit: EnergyUnit
) -> Iterator[str]:
    measured, recipe = results.provenance, results.recipe
    every = [*rows, *([] if baseline is None else [baseline])]
    compared = "" if baseline is None else "; baseline: the network that they are compared with, no part of the search"
    yield f"Id: a subnet's number among those that the search measured{compared}"
    if any(row.num_alike > 1 for row in rows):
        yield "xN: N candidates that agree in every measured number"
    yield from equal_looking_notes(rows)
    yield CANDIDATE
    if any(row.firing_rate is not None for row in every):
        yield FIRING_RATE_NOTE
    if results.is_priced:
        prices = _prices(recipe, "hardware profile", "counting convention")
        yield "; ".join([f"Energy: of the inference of one image, under {prices}", *unpriced_notes(recipe)])
    images = f"{measured.images:,} {measured.split} images of {recipe.data.dataset}"
    yield f"Acc: top-1 accuracy on {images}; Acc from, Acc to: its 95 % Wilson interval"
    for each in results.objectives:
        yield f"{each.label}: {each.name}, measured by a plugin; {each.better} is better"
    yield "Params: number of parameters"
    if results.is_priced:
        yield f"F_AEB: {fitness_facts(results, unit)}"
