"""The report of a comparison: findings and warnings first, then the searches, their best, and pairs over seeds."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.paired import p_text
from autospikformer_cli.report.provenance import energy_facts
from autospikformer_cli.report.rows import candidate_row
from autospikformer_cli.report.tables import CandidateTable, plain_table
from autospikformer_cli.runs.comparing.comparison import SearchComparison
from autospikformer_cli.runs.comparing.contrasts import Contrast
from autospikformer_cli.runs.comparing.searches import MEAN_OF, ComparedSearch
from autospikformer_cli.search.objectives import Objective
from autospikformer_cli.units import ABSENT, format_energy

MOST_FINDINGS = 6
MOST_IN_A_MATRIX = 8
"""Searches in the table of coverages: with more, it is wider than a page."""
ALPHAS_A_TABLE = 2
HIGHEST = "*"


def comparison_report(comparison: SearchComparison) -> RenderableType:
    """Everything that `aspk compare` prints, at most 100 columns wide."""
    parts: list[RenderableType] = [
        Text(_title(comparison), style="bold"),
        *_head(comparison),
        _searches_table(comparison),
        *_fitness_tables(comparison),
        *_best_table(comparison),
        *_coverage_table(comparison),
        *(_contrast_table(each) for each in comparison.contrasts if len(each.seeds) > 1),
        Text("What these numbers do not show\n" + "\n".join(f"- {line}" for line in comparison.not_shown)),
    ]
    return Group(*(line for part in parts for line in (part, Text())))


def _title(comparison: SearchComparison) -> str:
    runs = list(dict.fromkeys(str(each.stored.path) for each in comparison.searches))
    return f"{len(comparison.searches)} searches of {', '.join(runs)}"


def _head(comparison: SearchComparison) -> Iterator[Text]:
    """What must be seen at once."""
    found, num = comparison.findings, len(comparison.findings)
    disagree = sum(each.disagrees for each in comparison.contrasts)
    if found:
        shown = [*(Text(f"! {line}", style="bold") for line in found[:disagree]), *map(Text, found[disagree:])]
        more = [Text(f"and {num - MOST_FINDINGS} more pairs: --json")] if num > MOST_FINDINGS else []
        yield Text("\n").join([*shown[:MOST_FINDINGS], *more])
    if comparison.warnings:
        yield Text("\n".join(f"! {line}" for line in comparison.warnings))


def _titled(title: str, table: Table, *notes: str) -> Group:
    """A table between its title and its notes, which are as wide as the console, not as the table."""
    return Group(Text(title, style="bold"), table, *map(Text, notes))


def _searches_table(comparison: SearchComparison) -> Group:
    """The numbers of candidates have a column only if they differ: a search's name has no room otherwise."""
    table = plain_table()
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("Search", overflow="fold")
    numbers = () if len(_nums_taken(comparison)) == 1 else ("Sub-\nnets",)
    for head in (*numbers, "Front", "Hyper-\nvolume", "Tau (95 %)"):
        table.add_column(head, justify="right", no_wrap=True)
    for number, search in enumerate(comparison.searches, 1):
        cells = [
            comparison.title_of(search),
            *([str(len(search.taken(search.alpha)))] if numbers else []),
            str(len(search.front_costs)),
            _number(search.hypervolume),
            _tau_text(search),
        ]
        table.add_row(str(number), *map(Text, cells))
    return _titled(_taken_text(comparison), table, *_legend(comparison))


def _means(search: ComparedSearch, alpha: float) -> list[float | None]:
    """Mean F_AEB of the best MEAN_OF, and of those taken."""
    return [search.mean_of_best(alpha), search.mean_fitness(alpha)]


def _fitness_cell(best: str, mark: str, mean_of_best: str, mean: str) -> str:
    """Three numbers in columns of their own, or their heads."""
    return f"{best:>6}{mark} {mean_of_best:>7} {mean:>6}"


def _nums_taken(comparison: SearchComparison) -> set[int]:
    return {len(search.taken(search.alpha)) for search in comparison.searches}


def _taken_text(comparison: SearchComparison) -> str:
    nums = sorted({search.num_candidates for search in comparison.searches})
    ranked = str(nums[0]) if len(nums) == 1 else f"{nums[0]} to {nums[-1]}"
    if comparison.best_num is None or comparison.best_num >= nums[-1]:
        return f"All {ranked} candidates of each search"
    return f"The best {comparison.best_num} by F_AEB of {ranked} candidates of each search"


def _legend(comparison: SearchComparison) -> Iterator[str]:
    scale, recipe = comparison.scale, comparison.searches[0].stored.recipe
    box = scale.reference
    taken = "" if comparison.best_num is None else "; of all candidates, like Best"
    if box is None:
        yield "no hypervolume: an objective is not known here, or is the same for all candidates"
    else:
        worst, ideal = (", ".join(map(_shown, box.objectives, corner)) for corner in (box.point, box.ideal))
        yield f"Hypervolume: share of the box from {worst} to {ideal}, the extremes of these searches{taken}"
    yield "Front: its distinct points, so candidates with equal objectives count once"
    yield f"energy: {'; '.join(energy_facts(recipe))}"
    yield "Tau: Kendall's, between accuracy and energy over different results; interval: infinitesimal jackknife"


def _shown(objective: Objective, value: float) -> str:
    """A corner's value, as energies are written elsewhere in this report."""
    shown = format_energy(value) if objective.unit == "J" and value else objective.to_text(value)
    return f"{objective.label} {shown}"


def _fitness_tables(comparison: SearchComparison) -> Iterator[Group]:
    """F_AEB under each alpha that a search has: how well the search for one alpha serves another."""
    alphas = comparison.scale.alphas
    for begin in range(0, len(alphas), ALPHAS_A_TABLE):
        shown = alphas[begin : begin + ALPHAS_A_TABLE]
        table = plain_table()
        table.add_column("", justify="right", no_wrap=True)
        table.add_column("Search", overflow="fold")
        for alpha in shown:
            heads = _fitness_cell("Best", " ", f"Best {MEAN_OF}", "Mean")
            table.add_column(f"{f'alpha {alpha:g}':<{len(heads)}}\n{heads}", justify="right", no_wrap=True)
        tops = [max((each.best_fitness(alpha) or 0.0 for each in comparison.searches), default=0.0) for alpha in shown]
        for number, search in enumerate(comparison.searches, 1):
            cells = []
            for alpha, top in zip(shown, tops, strict=True):
                best = search.best_fitness(alpha)
                mark = HIGHEST if best is not None and best == top else " "
                cells.append(Text(_fitness_cell(_number(best), mark, *map(_number, _means(search, alpha)))))
            table.add_row(str(number), Text(comparison.title_of(search)), *cells)
        yield _titled("F_AEB of each search", table, *_fitness_legend(comparison))


def _fitness_legend(comparison: SearchComparison) -> Iterator[str]:
    if comparison.scale.bounds is not None:
        (low, high), energies = comparison.scale.bounds.top1, comparison.scale.bounds.energy_j
        span = f"{format_energy(energies[0])} to {format_energy(energies[1])}"
        yield f"F_AEB: accuracy {low:.2f} to {high:.2f} % and energy {span} are 0 to 1"
    mean = "all candidates" if comparison.best_num is None else f"the best {comparison.best_num}"
    yield f"Best {MEAN_OF}: mean of the best {MEAN_OF}, or of all if there are fewer; Mean: of {mean}"
    yield f"{HIGHEST} the highest of these; another seed may turn the order"


def _best_table(comparison: SearchComparison) -> Iterator[CandidateTable]:
    """The best subnet of each search by F_AEB, with its own alpha."""
    found = [(number, each.best) for number, each in enumerate(comparison.searches, 1) if each.best is not None]
    if found:
        rows = [candidate_row(best) for _, best in found if best is not None]
        notes = ["F_AEB: each with its search's own alpha"] if len(comparison.scale.alphas) > 1 else []
        numbers = [str(number) for number, _ in found]
        yield CandidateTable("The best by F_AEB of each search", rows, notes=notes, lead=("Search", numbers))


def _coverage_table(comparison: SearchComparison) -> Iterator[RenderableType]:
    """The shares in the form that findings and differences have them in, too."""
    searches = comparison.searches
    if not any(each.front for each in searches):
        return
    if len(searches) > MOST_IN_A_MATRIX:
        yield Text(
            f"Coverage of each front by each other one: left out, since {len(searches)} searches are too many for a "
            f"table (more than {MOST_IN_A_MATRIX}); --json has it as coverage"
        )
        return
    table = plain_table()
    table.add_column("", justify="right")
    for number in range(1, len(searches) + 1):
        table.add_column(str(number), justify="right")
    for number, by in enumerate(searches, 1):
        shares = (None if by is of else comparison.coverage(by, of) for of in searches)
        table.add_row(str(number), *(_number(share) for share in shares))
    title = "Coverage: the share of a column's front that a row's front covers"
    how = "covers: equal or better in every objective (Zitzler's C); equal points count both ways"
    yield _titled(title, table, how)


def _contrast_table(contrast: Contrast) -> Group:
    num, least = len(contrast.seeds), contrast.least_probability
    table = plain_table()
    table.add_column("", overflow="fold")
    for head in ("First", "Second", "Difference (95 %)", "Better", "p"):
        table.add_column(head, justify="right", no_wrap=True)
    for measure in contrast.measures:
        means = [sum(values) / num for values in (measure.first, measure.second)]
        better = "{}, {}".format(*measure.wins)
        interval = measure.difference_interval
        within = "" if interval is None else " ({:+.4f} to {:+.4f})".format(*interval)
        cells = (*(f"{mean:.4f}" for mean in means), f"{measure.mean_difference:+.4f}{within}", better)
        table.add_row(Text(measure.name), *cells, p_text(measure.probability))
    return _titled(
        f"{contrast.first.label} against {contrast.second.label}: {num} pairs, seeds {contrast.seeds_text}",
        table,
        "means over the seeds; difference: first minus second, with Student's interval of its mean. Better: in "
        "how many pairs the first, the second",
        f"p: Wilcoxon's signed-rank test, exact, two-sided; with {num} pairs it is at least {least:.2g}",
    )


def _tau_text(search: ComparedSearch) -> str:
    if search.kendall_tau is None:
        return ABSENT
    interval = search.tau_interval
    return f"{search.kendall_tau:.2f}" + ("" if interval is None else " ({:.2f}–{:.2f})".format(*interval))


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.4f}"
