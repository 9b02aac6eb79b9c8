"""The table of a retrained sample, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from rich.console import RenderableType

from autospikformer_cli.analysis.ranking import Ranking, Retrained
from autospikformer_cli.report.ranking_table import ranking_table
from autospikformer_cli.space import parse_subnet

Render = Callable[[RenderableType, int], list[str]]


def ranking(*correct: tuple[int, int]) -> Ranking:
    """Correct answers of each subnet, inherited and retrained, of 100 images."""
    subnet = parse_subnet("(1, 2, 2, 1, 2, 2, 16)")
    return Ranking(
        subnets=tuple(Retrained(f"c{place}", subnet, *pair) for place, pair in enumerate(correct)),
        split="validation",
        images=100,
        batchnorm="recalibrate",
        calibration_images=32,
        engine="event_driven",
        epochs=1,
        train_images=1079,
        from_scratch=False,
        archive=40,
        searches=("a", "b"),
        seed=7,
    )


def test_rows_tell_the_moves(render: Render) -> None:
    lines = render(ranking_table("Title", ranking((70, 80), (90, 85), (80, 85), (60, 95))), 100)
    rows = [line.split() for line in lines if line.startswith("c")]
    assert [(row[0], row[10], row[-2], row[-1]) for row in rows] == [
        ("c1", "1", "2.5", "-1.5"), ("c2", "2", "2.5", "-0.5"), ("c0", "3", "4", "-1"), ("c3", "4", "1", "+3"),
    ]  # fmt: skip
    text = " ".join(lines)
    for said in (
        "of 6 pairs of subnets 2 are ranked alike, 3 the other way round, 1 tied",
        "retrained alone for 1 epoch of 1,079 training images, from the inherited weights, which leans towards",
        "sample: 4 of 40 candidates of 2 searches, stratified by inherited accuracy; seed 7",
        "both accuracies: the same 100 validation images",
        "BatchNorm: recalibrate on 32 training images; engine: event_driven",
        "Kendall's tau-b -0.183, 95 % interval -1.000 to",
        "(2,000 bootstrap resamples of the subnets",
        "Accuracies span 30.0 points inherited and 15.0 retrained; the interval of one is 13.",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        (((50, 60), (60, 60), (70, 60)), "These 3 subnets do not tell how the supernet ranks: in retrained accuracy"),
        (((50, 60), (50, 60), (50, 60)), "in inherited and in retrained accuracy they are all equal."),
        (((50, 60), (60, 61), (70, 65)), "All pairs are in the same order, so all resamples agree"),
        (((50, 60), (60, 61), (70, 65)), "no measure of doubt: by chance 3 subnets fall so once in 6 times."),
        (((50, 65), (60, 61), (70, 60)), "All pairs are in the opposite order"),
        (((50, 61), (60, 60), (70, 65)), "So 3 subnets do not tell whether the supernet ranks better than chance: 0"),
        (tuple((n, n + n % 2 * 3) for n in range(50, 62)), "So the supernet ranks better than chance; by how much, 12"),
        (tuple((n, 99 - n + n % 2 * 3) for n in range(50, 62)), "So the supernet ranks worse than chance"),
    ],
)
def test_what_it_means(correct: tuple[tuple[int, int], ...], said: str) -> None:
    assert said in ranking(*correct).meaning


def test_what_is_undefined_is_null(render: Render) -> None:
    flat = ranking((50, 60), (60, 60), (70, 60))
    document = flat.to_document()
    assert (document["kendall_tau"], document["tau_interval"], document["resamples_with_an_order"]) == (None, None, 0)
    assert document["pairs"] == {"alike": 0, "reversed": 0, "tied": 3}
    assert "Kendall's tau-b is undefined" in " ".join(render(ranking_table("Title", flat), 100))
