"""Inherited and retrained accuracy side by side: whether the supernet ranks its subnets truly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from rich.console import Group
from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.ranked_answers import NoInterval, TauInterval
from autospikformer_cli.analysis.ranking import Ranking
from autospikformer_cli.report.provenance import batchnorm_text
from autospikformer_cli.report.tables import format_accuracy, noted, plain_table
from autospikformer_cli.units import ABSENT
from autospikformer_cli.wording import counted

COLUMNS = ("Candidates", "Inherited\nacc (%)", "Rank", "Retrained\nacc (%)", "Rank", "Moved")
NOT_TOLD = "cannot be told: the noise explains nearly all of the ranking's spread, or more"
MORE_IMAGES = "Take more images, or hold out more of them in a new training: data.validation"
ONE_SEED = "(one seed cannot know how far other seeds would move accuracies)"


def ranking_table(title: str, ranking: Ranking, notes: Sequence[str] = ()) -> Group:
    """The sample, best inherited accuracy first, with each move in rank. Then other ways, tau and its conditions."""
    table = plain_table(title)
    for name in COLUMNS:
        justified: Literal["left", "right"] = "left" if name == "Candidates" else "right"
        table.add_column(name, justify=justified, no_wrap=name != "Candidates", overflow="fold")
    rows = zip(ranking.subnets, *ranking.columns, ranking.moves, strict=True)
    for subnet, inherited, retrained, (before, after, moved) in sorted(rows, key=lambda row: (-row[1], row[3][1])):
        accuracies = [_accuracy(correct, ranking.images) for correct in (inherited, retrained)]
        shown = f"{moved:+g}" if moved else "="
        table.add_row(*map(Text, (str(subnet), accuracies[0], f"{before:g}", accuracies[1], f"{after:g}", shown)))
    lines = [*_findings(ranking), *_conditions(ranking), *notes]
    if ranking.ways:
        return Group(table, noted(_ways_table(ranking), ["", *lines]))
    return noted(table, lines)


def _ways_table(ranking: Ranking) -> Table:
    table = plain_table("\nOther ways of measuring the same subnets")
    for name in ("Way", "tau-b", "Corrected", "Change (95 %)"):
        table.add_column(name, justify="left" if name == "Way" else "right", overflow="fold")
    answers = ranking.answers
    corrected = None if isinstance(answers.corrected_interval, NoInterval) else answers.corrected
    table.add_row(*map(Text, ("inherited weights as they are", _number(answers.tau), _number(corrected), "")))
    for way in ranking.ways:
        found = way.change
        change = ABSENT if found.change is None else f"{found.change:+.3f} {_range(found.interval, '+') or ABSENT}"
        table.add_row(*map(Text, (way.name, _number(found.tau), _number(found.corrected), change)))
    return table


def _number(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.3f}"


def _range(interval: TauInterval | NoInterval, sign: str = "") -> str:
    """Empty for no interval."""
    return "" if isinstance(interval, NoInterval) else f"({interval.low:{sign}.3f} to {interval.high:{sign}.3f})"


def _accuracy(correct: float, images: int) -> str:
    return format_accuracy(100.0 * correct / images, binomial_interval(correct, images))


def _findings(ranking: Ranking) -> Iterator[str]:
    pairs, num, answers = ranking.pairs, len(ranking.subnets), ranking.answers
    several = len(ranking.seeds) > 1
    yield f"Kendall's tau-b {_tau_text(ranking)}"
    if answers.ceiling is not None:
        c = answers.ceiling
        noise = "this noise of images and seeds" if several else f"this noise of images {ONE_SEED}"
        yield f"ceiling: with {noise}, a perfect ranking would show {c.mean:.3f} (95 %: {c.low:.3f} to {c.high:.3f})"
        if ranking.is_above_ceiling:
            yield f"tau lies above its ceiling, which is chance: {num} subnets are too few to know either"
    if answers.corrected is not None:
        of = "images and seeds" if several else f"images {ONE_SEED}"
        found = answers.corrected_interval
        interval = f"(no interval: {found.why})" if isinstance(found, NoInterval) else _range(found)
        yield f"tau-b without noise {answers.corrected:.3f} {interval}: of {of}"
    elif answers.tau is not None:
        yield f"tau-b without noise {NOT_TOLD}. {MORE_IMAGES}"
    yield (
        f"of {num * (num - 1) // 2} pairs of subnets {pairs.alike} are ranked alike, {pairs.reversed} the other way "
        f"round, {pairs.tied} tied"
    )
    yield ranking.meaning
    yield _noise(ranking)


def _tau_text(ranking: Ranking) -> str:
    tau, interval = ranking.answers.tau, ranking.answers.interval
    if tau is None:
        return "is undefined"
    if isinstance(interval, NoInterval):
        return f"{tau:.3f}, no interval: {interval.why}"
    left_out = interval.drawn - interval.resamples
    without = f", {left_out} without an order left out" if left_out else ""
    return (
        f"{tau:.3f}, 95 % interval {interval.low:.3f} to {interval.high:.3f} "
        f"({interval.drawn:,} bootstrap resamples of the subnets{without}); an interval of about "
        f"±{ranking.expected_half_width:.2f} is expected from {len(ranking.subnets)} subnets"
    )


def _noise(ranking: Ranking) -> str:
    found = ranking.deviations
    seeds = found["seed_noise"]
    by_seeds = "" if seeds is None else f", and by seeds {seeds:.2f}"
    return (
        f"Standard deviations in points: inherited accuracies {found['inherited']:.2f}, of these by images "
        f"{found['inherited_noise']:.2f}; retrained {found['retrained']:.2f}, by images "
        f"{found['retrained_noise']:.2f}{by_seeds}."
    )


def _conditions(ranking: Ranking) -> list[str]:
    epochs = f"{counted(ranking.epochs, 'epoch')} of {ranking.train_images:,} training images"
    if ranking.from_scratch:
        start = "from first weights"
    else:
        start = "from the inherited weights, which leans towards the inherited order (--from-scratch does not)"
    first, last = ranking.seeds[0], ranking.seeds[-1]
    seeds = f"with seed {first}" if first == last else f"with {len(ranking.seeds):,} seeds, {first} to {last}"
    batchnorm = batchnorm_text(ranking.batchnorm, ranking.images, {}, ranking.calibration_images)
    span = f"points that span the space (Sobol sequence, seed {ranking.seed})"
    sampled = len(ranking.subnets) + len(ranking.diverged)
    diverged = [f"! left out, as its retraining diverged: {subnet}" for subnet in ranking.diverged]
    return [
        *diverged,
        f"retrained alone for {epochs}, {seeds}, {start}",
        f"sample: {sampled} of {ranking.space_size:,} subnets: the largest, the smallest, and {span}",
        f"both accuracies: the same {ranking.images:,} {ranking.split} images; interval: 95 %, binomial (Wilson)",
        f"BatchNorm: {batchnorm}; engine: {ranking.engine}",
        "rank 1: most accurate, ties share their mean rank; moved: ranks gained by retraining",
    ]
