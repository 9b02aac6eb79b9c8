"""Inherited beside retrained accuracy: whether the supernet ranks its subnets truly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import factorial
from typing import Literal

from rich.table import Table
from rich.text import Text

from autospikformer_cli.analysis.correlation import binomial_interval, kendall_tau
from autospikformer_cli.analysis.ranking import (
    CONFIDENCE,
    RESAMPLES,
    PairCounts,
    TauInterval,
    bootstrap_tau,
    pair_counts,
    ranks,
)
from autospikformer_cli.report.provenance import batchnorm_text
from autospikformer_cli.report.tables import format_accuracy, plain_table
from autospikformer_cli.space import Subnet

COLUMNS = ("Id", "Candidates", "Inherited\nacc (%)", "Rank", "Retrained\nacc (%)", "Rank", "Moved")


@dataclass(frozen=True)
class Retrained:
    """A subnet's correct answers with inherited weights, and after it was retrained alone."""

    id: str
    subnet: Subnet
    inherited: int
    retrained: int


@dataclass(frozen=True)
class Ranking:
    """A sample of an archive, retrained.

    images: measured on, of split. calibration_images: None where BatchNorm was not recalibrated. epochs, train_images,
    from_scratch: of the retraining. archive: candidates that were sampled from, of so many searches. seed: of
    sample, retraining and bootstrap.
    """

    subnets: tuple[Retrained, ...]
    split: str
    images: int
    batchnorm: str
    calibration_images: int | None
    engine: str
    epochs: int
    train_images: int
    from_scratch: bool
    archive: int
    searches: int
    seed: int

    @cached_property
    def columns(self) -> tuple[list[int], list[int]]:
        """Correct answers, inherited and retrained."""
        return [each.inherited for each in self.subnets], [each.retrained for each in self.subnets]

    @cached_property
    def tau(self) -> float | None:
        """Kendall's tau-b; None where all subnets of a column are equally accurate."""
        return kendall_tau(*self.columns)

    @cached_property
    def interval(self) -> TauInterval | None:
        """Bootstrapped over the subnets of the sample."""
        return bootstrap_tau(*self.columns, self.seed)

    @cached_property
    def pairs(self) -> PairCounts:
        """How the two columns order each pair of subnets."""
        return pair_counts(*self.columns)

    @cached_property
    def moves(self) -> list[tuple[float, float, float]]:
        """Of each subnet its rank as inherited and as retrained, and by how many it rose."""
        return [(before, after, before - after) for before, after in zip(*map(ranks, self.columns), strict=True)]


def ranking_table(title: str, ranking: Ranking, notes: Sequence[str] = ()) -> Table:
    """The sample, best inherited accuracy first, with every move in rank; below it tau and what it rests on."""
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
    return [*lines, meaning(ranking), _noise(ranking)]


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


def meaning(ranking: Ranking) -> str:
    """What tau and its interval say about the supernet, in a sentence."""
    num, interval = len(ranking.subnets), ranking.interval
    if ranking.tau is None or interval is None:
        flat = [name for name, column in zip(("inherited", "retrained"), ranking.columns, strict=True) if _flat(column)]
        return (
            f"These {num} subnets do not tell how the supernet ranks: in {' and in '.join(flat)} accuracy they are all "
            "equal. Take a larger --sample, or search on more images."
        )
    if interval.low == interval.high:
        order = "the same order" if ranking.tau > 0 else "the opposite order"
        return (
            f"All pairs are in {order}, so all resamples agree and the interval is no measure of doubt: by chance "
            f"{num} subnets fall so once in {factorial(num):,} times. A larger --sample puts it to the test."
        )
    if interval.low <= 0 <= interval.high:
        return (
            f"So {num} subnets do not tell whether the supernet ranks better than chance: 0 lies in the interval. "
            "About 4 times as many would halve it."
        )
    how = "better" if interval.low > 0 else "worse"
    return (
        f"So the supernet ranks {how} than chance; by how much, {num} subnets tell only to within the interval. "
        "About 4 times as many would halve it."
    )


def _flat(column: Sequence[int]) -> bool:
    return len(set(column)) < 2


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
    searches = f"{ranking.searches} search{'es' * (ranking.searches != 1)}"
    sample = f"{len(ranking.subnets)} of {ranking.archive} candidates of {searches}"
    batchnorm = batchnorm_text(ranking.batchnorm, ranking.images, {}, ranking.calibration_images)
    return [
        f"retrained alone for {epochs}, {start}",
        f"sample: {sample}, stratified by inherited accuracy; seed {ranking.seed}",
        f"both accuracies: the same {ranking.images:,} {ranking.split} images; interval: 95 %, binomial (Wilson)",
        f"BatchNorm: {batchnorm}; engine: {ranking.engine}",
        "rank 1: most accurate, ties share their mean rank; moved: ranks gained by retraining",
    ]


def ranking_document(ranking: Ranking) -> dict[str, object]:
    """The sample as JSON, in the order in which it was drawn; accuracies in percent, what is undefined is null."""
    interval, pairs = ranking.interval, ranking.pairs
    return {
        "kendall_tau": ranking.tau,
        "tau_interval": None if interval is None else [interval.low, interval.high],
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "resamples_with_an_order": 0 if interval is None else interval.resamples,
        "pairs": {"alike": pairs.alike, "reversed": pairs.reversed, "tied": pairs.tied},
        "meaning": meaning(ranking),
        "split": ranking.split,
        "images": ranking.images,
        "batchnorm": ranking.batchnorm,
        "calibration_images": ranking.calibration_images,
        "engine": ranking.engine,
        "epochs": ranking.epochs,
        "train_images": ranking.train_images,
        "from_scratch": ranking.from_scratch,
        "seed": ranking.seed,
        "num_candidates": ranking.archive,
        "num_searches": ranking.searches,
        "subnets": [
            {
                "id": each.id,
                "subnet": each.subnet.to_numbers(),
                "inherited": _accuracy_document(each.inherited, ranking.images, move[0]),
                "retrained": _accuracy_document(each.retrained, ranking.images, move[1]),
                "moved": move[2],
            }
            for each, move in zip(ranking.subnets, ranking.moves, strict=True)
        ],
    }


def _accuracy_document(correct: int, images: int, rank: float) -> dict[str, object]:
    interval = list(binomial_interval(correct, images))
    return {"top1": 100.0 * correct / images, "top1_interval": interval, "correct": correct, "rank": rank}
