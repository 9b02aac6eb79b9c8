"""The report of `aspk analyze genes`: effects, values among the best, the paper's claims, and what it all rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from math import floor, log10

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.gene_effects import SMALL, Estimate, OutcomeFit
from autospikformer_cli.analysis.gene_shares import DRAWS, GENES, ValueShare
from autospikformer_cli.analysis.paired import SIGNIFICANCE, p_text
from autospikformer_cli.report.figures.genes import GENE_NAMES
from autospikformer_cli.report.provenance import energy_facts, fidelity_notes
from autospikformer_cli.report.tables import plain_table
from autospikformer_cli.runs.genes import GeneStudy
from autospikformer_cli.runs.selection import selection_notes, unknown_notes
from autospikformer_cli.space import plain
from autospikformer_cli.units import ABSENT, EnergyUnit, energy_unit
from autospikformer_cli.wording import counted, shortened

OUTCOME_TITLES = {"firing_rate": "firing rate", "energy_j": "energy", "top1": "accuracy"}
MOST_VALUES = 8
"""Values of a gene in the table; of more, those that differ most from chance."""
CURVED, BEYOND_CHANCE = "~", "*"


def genes_report(study: GeneStudy, verbose: bool = False) -> RenderableType:
    """Everything that `aspk analyze genes` prints; it fits into 80 columns. verbose: list every switch."""
    num = study.effects.num_candidates
    several = len(study.algorithms)
    searches = "1 search" if several == 1 else f"{several} searches"
    parts: list[RenderableType] = [
        Text(f"Genes of {study.path}: {num:,} candidates of {searches}", style="bold"),
        *(_effects_table(study, fit) for fit in study.effects.outcomes),
        *_values_table(study),
        _claims(study),
        Text("How these numbers were obtained\n" + "\n".join(f"- {line}" for line in _conditions(study, verbose))),
        Text("What these numbers do not show\n" + "\n".join(f"- {line}" for line in _not_shown(study))),
    ]
    return Group(*(line for part in parts for line in (part, Text())))


def _effects_table(study: GeneStudy, fit: OutcomeFit) -> Group:
    """A row for each gene that varies; below, why others have none."""
    effects = study.effects
    title = f"Effects on {OUTCOME_TITLES[fit.outcome]}"
    if fit.why_not:
        return Group(Text(title, style="bold"), Text(f"undecided: {fit.why_not}"))
    told = [effects.effects[gene, fit.outcome] for gene in GENES if (gene, fit.outcome) in effects.effects]
    unit = energy_unit([max((abs(each.slope.value) for each in told), default=0.0)])
    notes = [
        f"{GENE_NAMES[gene]}: undecided, {effects.untold[gene, fit.outcome]}"
        for gene in GENES
        if (gene, fit.outcome) in effects.untold
    ]
    if not told:
        return Group(Text(title, style="bold"), *map(Text, notes))
    table = plain_table()
    table.add_column("Gene", overflow="fold")
    for head in (f"Slope a unit{_unit_text(fit, unit)} (95 %)", "Standardised (95 %)"):
        table.add_column(head, justify="right", overflow="fold")
    for each in told:
        slope = each.slope.scaled(1 / unit.joules) if fit.outcome == "energy_j" else each.slope
        curved = f" {CURVED}" if each.is_curved else "  "
        table.add_row(GENE_NAMES[each.gene], _estimate_text(slope), _estimate_text(each.standardised, 2) + curved)
    bent = [f"{CURVED} curved: the slope is the mean trend"] if any(each.is_curved for each in told) else []
    return Group(Text(f"{title}: {_spread_text(fit)}", style="bold"), table, *map(Text, bent + notes))


def _unit_text(fit: OutcomeFit, unit: EnergyUnit) -> str:
    return {"firing_rate": "", "energy_j": f", {unit.symbol}", "top1": ", points"}[fit.outcome]


def _spread_text(fit: OutcomeFit) -> str:
    """Mean, standard deviation, and how much of it the model explains."""
    mean, deviation = fit.mean or 0.0, fit.deviation or 0.0
    if fit.outcome == "energy_j":
        unit = energy_unit([mean])
        numbers = [f"{unit.number(each)} {unit.symbol}" for each in (mean, deviation)]
    elif fit.outcome == "firing_rate":
        numbers = [f"{each:.3f}" for each in (mean, deviation)]
    else:
        numbers = [f"{mean:.2f} %", f"{deviation:.2f} points"]
    return f"mean {numbers[0]}, sd {numbers[1]}, R² {ABSENT if fit.r2 is None else f'{fit.r2:.2f}'}"


def _estimate_text(figure: Estimate, decimals: int | None = None) -> str:
    """A number with its interval, three digits of the number unless `decimals` are given."""
    if decimals is None:
        size = max(map(abs, figure))
        decimals = min(9, max(0, 2 - floor(log10(size)))) if size else 0
    value, low, high = (f"{each:+.{decimals}f}" for each in figure)
    return f"{value} ({low} to {high})"


def _values_table(study: GeneStudy) -> Iterator[Group]:
    """Shares among the best and among all, gene by gene."""
    if not study.shares or not study.num_best:
        return
    table = plain_table()
    table.add_column("Gene", overflow="fold")
    for head in ("Value", "All (%)", "Best (%)", "Lift", "By chance", "p"):
        table.add_column(head, justify="right", overflow="fold")
    hidden = []
    for gene, members in groupby(study.shares, key=lambda share: share.gene):
        shares = list(members)
        shown = _most_telling(shares)
        if len(shown) < len(shares):
            hidden.append(f"{len(shares) - len(shown)} more values of {GENE_NAMES[gene]} differ less: --json")
        for number, share in enumerate(shown):
            table.add_row(GENE_NAMES[gene] if number == 0 else "", *_value_cells(share))
        table.add_section()
    title = f"Values among the best {study.num_best:,} by F_AEB, of {len(study.ranked):,}"
    notes = [
        "lift: share among the best / among all; by chance: 95 % of as many drawn by lot",
        f"p: two-sided, exact or of {DRAWS:,} draws, Holm's correction; {BEYOND_CHANCE} p < {SIGNIFICANCE:g}",
        *hidden,
    ]
    yield Group(Text(title, style="bold"), table, *map(Text, notes))


def _most_telling(shares: Sequence[ValueShare]) -> list[ValueShare]:
    """At most 8 values, in their order: those that are least by chance, and of these, that differ most."""

    def by_chance(share: ValueShare) -> tuple[float, float]:
        probability = share.test.probability if share.test else 1.0
        return probability, -abs(share.share_best - share.share_all)

    kept = {share.value for share in sorted(shares, key=by_chance)[:MOST_VALUES]}
    return [share for share in shares if share.value in kept]


def _value_cells(share: ValueShare) -> tuple[str, ...]:
    test = share.test
    shares = (f"{100 * each:.1f}" for each in (share.share_all, share.share_best))
    if test is None or share.corrected is None:
        return (plain(share.value), *shares, ABSENT, ABSENT, f"{ABSENT}  ")
    mark = f" {BEYOND_CHANCE}" if share.corrected < SIGNIFICANCE else "  "
    chance = "{:.2f}–{:.2f}".format(*test.chance)
    return (plain(share.value), *shares, f"{test.lift:.2f}", chance, f"{p_text(share.corrected)}{mark}")


def _claims(study: GeneStudy) -> Table:
    """A line for each claim of the paper, and under it the figure that decides."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row("", Text("Claims of the paper, by section", style="bold"))
    for judged in study.claims:
        line = Text.assemble(f"{judged.claim.says}: ", (judged.verdict, "bold"), f", {judged.because}")
        grid.add_row(judged.claim.section, line)
    return grid


def _conditions(study: GeneStudy, verbose: bool) -> Iterator[str]:
    recipe, measured, effects = study.recipe, study.provenance, study.effects
    if study.weights_remark:
        yield f"! {study.weights_remark}"
    yield from (line.removeprefix("! ") for line in unknown_notes(study.unknown, study.stand_ins))
    by_algorithm = Counter(study.algorithms.values())
    numbers = ", ".join(f"{num} {algorithm}" for algorithm, num in by_algorithm.items())
    yield f"searches: {numbers} ({shortened(study.algorithms, most=6)})"
    if study.unreadable:
        yield f"! left out, as they cannot be read: {', '.join(study.unreadable)}"
    for reason, num in study.left_out.items():
        told = "no F_AEB, but fitted" if reason.startswith("breaks ") else "left out"
        yield f"{told}: {counted(num, 'candidate')}, {reason}"
    yield (
        "model: outcome = a + sum of slope x gene, all genes together (least squares); a gene with a value for each "
        "block is its mean over blocks"
    )
    yield (
        "slope: for one more block, head, time step, channel, or unit of ratio and threshold; standardised: in "
        f"standard deviations of both, below {SMALL:g} is small"
    )
    if effects.resamples:
        yield (
            f"intervals: 95 %, percentiles of {effects.resamples:,} resamples of the candidates, seed {effects.seed}; "
            "those with equal results are drawn together"
        )
    yield f"accuracy: {measured.images:,} {measured.split} images of {recipe.data.dataset}; engine: {measured.engine}"
    yield f"energy: {'; '.join(energy_facts(recipe))}"
    yield f"F_AEB: alpha {recipe.search.alpha:g}, min-max scaled ({recipe.search.normalise})"
    yield from fidelity_notes(recipe, verbose)


def _not_shown(study: GeneStudy) -> Iterator[str]:
    if study.selecting:
        yield (
            f"{len(study.selecting)} of {len(study.algorithms)} searches select: their candidates descend from what "
            "did well. That biases effects, often towards 0. A random search has no such bias: "
            "aspk search --algorithm random"
        )
    yield "All is of one supernet with inherited weights."
    yield "Intervals know the draw of candidates, not that of images or of a training."
    yield "Each claim stands alone: of 20 such intervals or tests, one errs by chance."
    yield "An additive model has no interplay of genes: what it leaves unexplained is 1 - R²."
    yield from (line.removeprefix("! ") for line in selection_notes(study.provenance.split))
