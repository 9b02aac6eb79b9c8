"""What stands under the table of `aspk finish`, on a console as in a paper: its columns, its tests, and what failed."""

from __future__ import annotations

from collections.abc import Iterator

from autospikformer_cli.analysis.paired import SIGNIFICANCE
from autospikformer_cli.energy.pricing import unpriced_text
from autospikformer_cli.runs.finishing.results import FinishResults, FinishRow
from autospikformer_cli.runs.finishing.stored import has_other_weights, new_since
from autospikformer_cli.runs.prices import MOST_UNPRICED
from autospikformer_cli.units import ABSENT
from autospikformer_cli.wording import counted, shortened

MORE_THAN_CHANCE = "*"
HAS_DIVERGED = "!"
GUESSING = "?"
MOST_NEW = 5


def network_notes(found: FinishResults, *, in_columns: bool = False) -> Iterator[str]:
    """What the columns of a network are. in_columns: whether the ends of an interval are columns of their own."""
    of_one = f"{'Acc from, Acc to: its' if in_columns else 'in parentheses its'} 95 % interval (Wilson)"
    several = any(row.deviation is not None for row in found.rows)
    trained = counted(len(found.seeds), "training")
    if not several:
        yield f"Acc: test accuracy; {of_one}"
    elif in_columns:
        yield f"Acc: test accuracy, the mean of {trained}, one a seed; SD: its standard deviation in points"
        yield f"Of one result, {of_one}"
    else:
        yield f"Acc: mean ± standard deviation of {trained}, one a seed; of one result, {of_one}"
    yield "of base: share of the baseline's energy, with weights of the same kind"
    yield from _unpriced(found)
    yield "Weights: inherited from the supernet, retrained from these, or trained alone from scratch"


def comparison_notes(found: FinishResults, *, in_columns: bool = False) -> Iterator[str]:
    """What the differences are, and over what chance. in_columns: as `network_notes` takes it."""
    comparisons = [each for each in found.comparisons if each is not None]
    if not comparisons:
        return
    head = "Diff" if in_columns else "Acc - base"
    where = "Diff from, Diff to: its" if in_columns else "in parentheses its"
    yield (
        f"{head}: accuracy minus the baseline's with weights of the same kind, on the same images, in points; "
        f"{where} 95 % interval, of each comparison alone"
    )
    methods = dict.fromkeys(each.difference.method.partition(" of ")[0] for each in comparisons)
    yield f"Interval and p: {'; '.join(methods)}"
    on_p = []
    if len(comparisons) > 1:
        on_p.append(f"adjusted for {counted(len(comparisons), 'comparison')} (Holm), which the intervals are not")
    if not in_columns and any(each.is_more_than_chance for each in comparisons):
        on_p.append(f"{MORE_THAN_CHANCE} more than chance (p < {SIGNIFICANCE:g})")
    if on_p:
        yield f"p: {'; '.join(on_p)}"


def fault_notes(found: FinishResults) -> Iterator[str]:
    """What diverged, what only guesses, and what the table lacks."""
    for row in found.rows:
        for each in row.diverged:
            yield f"{HAS_DIVERGED} {named_training(row, each.seed)}: {each.why}"
    if found.has_diverged:
        yield f"  less than {found.recipe.train.rates_text} may help, by --set, and trains all anew"
    yield from _guessing_notes(found)
    yield from (f"! {line}" for line in since_notes(found))


def _guessing_notes(found: FinishResults) -> Iterator[str]:
    """The rows that are marked, and those with a mean of which only some trainings guess."""
    guessing = [row for row in found.rows if found.guessing(row)]
    for mark, marked in ((f"{GUESSING} ", True), ("", False)):
        rows = [row for row in guessing if found.only_guesses(row) == marked]
        if rows:
            yield f"{mark}{guessing_text(found)}: {'; '.join(named_guessing(row, found) for row in rows)}"


def since_notes(found: FinishResults) -> Iterator[str]:
    """What the search chose after the table was made, and whether it measured the same weights."""
    if has_other_weights(found):
        yield "the search measured other weights of the supernet than those that are tested here as inherited"
    added = new_since(found)
    if added:
        names = shortened(added, most=MOST_NEW)
        yield f"the search has gone on since: it chose {names}, too; the same aspk finish adds what is missing"


def trainings_text(found: FinishResults) -> str:
    """How long networks were trained, on which images, and with which seeds."""
    on = "validation images too" if found.all_images else "without validation images"
    if found.recipe.data.train_images is not None:
        on = f"as many as data.train_images takes, {on}"
    lengths = f"{counted(found.retrained_epochs, 'epoch')} retrained"
    if found.epochs is not None:
        lengths = f"{counted(found.epochs, 'epoch')} from scratch, {lengths}"
    seeds = f"seed{'s' * (len(found.seeds) > 1)} {', '.join(map(str, found.seeds))}"
    return f"{lengths}, on {found.train_images:,} images ({on}); {seeds}"


def guessing_text(found: FinishResults) -> str:
    """What such a training is."""
    share = 100 / found.classes
    return f"no better than guessing one of {found.classes:,} classes (its 95 % interval reaches {share:.3g} %)"


def named_guessing(row: FinishRow, found: FinishResults) -> str:
    """A row, and its trainings that guess."""
    which = guessing_seeds(row, found)
    return f"{row.label}, {which}" if which else row.label


def guessing_seeds(row: FinishRow, found: FinishResults) -> str:
    """Which trainings of a row guess, and of how many; empty for inherited weights."""
    seeds = [str(each.seed) for each in found.guessing(row) if each.seed is not None]
    if not seeds:
        return ""
    of = f" of {len(row.tested)} trainings" if len(row.tested) > 1 else ""
    return f"seed{'s' * (len(seeds) > 1)} {', '.join(seeds)}{of}"


def named_training(row: FinishRow, seed: int | None) -> str:
    """One training of a row."""
    return row.label if seed is None else f"{row.label}, seed {seed}"


def _unpriced(found: FinishResults) -> Iterator[str]:
    """Which operations are in no energy, and which networks have none at all."""
    rows = [row for row in found.rows if row.unpriced and row.tested]
    partly = dict.fromkeys(name for row in rows if row.energy_j is not None for name in row.unpriced)
    nothing = dict.fromkeys(row.network.name for row in rows if row.energy_j is None)
    if rows:
        names = list(partly) or rows[0].unpriced
        yield unpriced_text(found.recipe.energy.hardware, names, MOST_UNPRICED)
    if nothing:
        yield f"{ABSENT} no operation is priced of {', '.join(nothing)}"


def flattery_notes(found: FinishResults) -> Iterator[str]:
    """What choosing adds, and what is to be read against it."""
    measured, num = found.results.provenance, len(found.results.different)
    rule = "best by F_AEB" if found.best is not None else "front"
    yield (
        f"Flattery: what having been chosen by these {measured.images:,} {measured.split} images adds on average; many "
        "halves of them choose, the other halves judge"
    )
    yield f"Corrected: what the {rule} of {num:,} candidates has on other images like these, with the 95 % interval"
    fell = found.baseline_row("inherited")
    if fell is not None and found.validation_of(fell) is not None:
        images = "nobody chose the baseline, so its change is that of the images alone"
        yield f"Test - {measured.split}: difference in points; {images}"
