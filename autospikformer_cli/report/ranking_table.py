"""Inherited and retrained accuracy side by side: whether the supernet ranks its subnets truly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval
from autospikformer_cli.analysis.ranking import Ranking
from autospikformer_cli.report.provenance import batchnorm_text
from autospikformer_cli.report.tables import format_accuracy, plain_table

COLUMNS = ("Id", "Candidates", "Inherited\nacc (%)", "Rank", "Retrained\nacc (%)", "Rank", "Moved")


def ranking_table(title: str, ranking: Ranking, notes: Sequence[str] = ()) -> Table:
    """The sample, best inherited accuracy first, with each move in rank. Below are tau and its conditions."""
    table = plain_table(title, "\n".join([*_findings(ranking), *_conditions(ranking), *notes]))
    for name in COLUMNS:
        justified: Literal["left", "right"] = "left" if name in ("Id", "Candidates") else "right"
        table.add_column(name, justify=justified, no_wrap=name != "Candidates", overflow="fold")
    rows = zip(ranking.subnets, ranking.moves, strict=True)
    for each, (before, after, moved) in sorted(rows, key=lambda row: (-row[0].inherited, row[1][1], row[0].id)):
        accuracies = [_accuracy(correct, ranking.images) for correct in (each.inherited, each.retrained)]
        shown = f"{moved:+g}" if moved else "="
        cells = (each.id, str(each.subnet), accuracies[0], f"{before:g}", accuracies[1], f"{after:g}", shown)
        table.add_row(*map(Text, cells))
    return table


def _accuracy(correct: int, images: int) -> str:
    return format_accuracy(100.0 * correct / images, binomial_interval(correct, images))


def _findings(ranking: Ranking) -> list[str]:
    pairs, num = ranking.pairs, len(ranking.subnets)
    lines = [f"Kendall's tau-b {_tau_text(ranking)}"]
    lines.append(
        f"of {num * (num - 1) // 2} pairs of subnets {pairs.alike} are ranked alike, {pairs.reversed} the other way "
        f"round, {pairs.tied} tied"
    )
    return [*lines, ranking.meaning, _noise(ranking)]


def _tau_text(ranking: Ranking) -> str:
    interval = ranking.interval
    if ranking.tau is None or interval is None:
        return "is undefined"
    left_out = interval.drawn - interval.resamples
    without = f", {left_out} without an order left out" if left_out else ""
    return (
        f"{ranking.tau:.3f}, 95 % interval {interval.low:.3f} to {interval.high:.3f} "
        f"({interval.drawn:,} bootstrap resamples of the subnets{without})"
    )


def _noise(ranking: Ranking) -> str:
    spans = [100.0 * (max(column) - min(column)) / ranking.images for column in ranking.columns]
    intervals = [binomial_interval(each.retrained, ranking.images) for each in ranking.subnets]
    width = sum(high - low for low, high in intervals) / len(intervals)
    return (
        f"Accuracies span {spans[0]:.1f} points inherited and {spans[1]:.1f} retrained; the interval of one is "
        f"{width:.1f} points wide. Tau's interval knows the draw of subnets, not that of images or of training's seed."
    )


def _conditions(ranking: Ranking) -> list[str]:
    epochs = f"{ranking.epochs} epoch{'s' * (ranking.epochs != 1)} of {ranking.train_images:,} training images"
    if ranking.from_scratch:
        start = "from first weights"
    else:
        start = "from the inherited weights, which leans towards the inherited order (--from-scratch does not)"
    num = len(ranking.searches)
    searches = f"{num} search{'es' * (num != 1)}"
    sample = f"{len(ranking.subnets)} of {ranking.archive} candidates of {searches}"
    batchnorm = batchnorm_text(ranking.batchnorm, ranking.images, {}, ranking.calibration_images)
    return [
        f"retrained alone for {epochs}, {start}",
        f"sample: {sample}, stratified by inherited accuracy; seed {ranking.seed}",
        f"both accuracies: the same {ranking.images:,} {ranking.split} images; interval: 95 %, binomial (Wilson)",
        f"BatchNorm: {batchnorm}; engine: {ranking.engine}",
        "rank 1: most accurate, ties share their mean rank; moved: ranks gained by retraining",
    ]
