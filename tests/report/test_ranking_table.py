"""The table of a retrained sample, and what it says in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import RenderableType

from autospikformer_cli.analysis.ranked_answers import RankedAnswers
from autospikformer_cli.analysis.ranking import MeasuredWay, Ranking
from autospikformer_cli.report.ranking_table import ranking_table
from autospikformer_cli.space import parse_subnet

Render = Callable[[RenderableType, int], list[str]]


IMAGES = 100


def answers(correct: int) -> NDArray[np.float64]:
    """To 100 images: the first ones are right."""
    return (np.arange(IMAGES) < correct).astype(np.float64)


def ranking(*correct: tuple[int, ...]) -> Ranking:
    """Correct answers of each subnet of 100 images: inherited, and after retraining with each seed."""
    found = RankedAnswers(
        np.array([answers(each[0]) for each in correct]),
        np.array([[answers(number) for number in each[1:]] for each in correct]),
        seed=7,
    )
    subnets = [parse_subnet(f"(1, {2 + place}, 2, 1, 2, 2, 16)") for place in range(len(correct))]
    return Ranking(
        subnets=tuple(subnets),
        diverged=(),
        answers=found,
        ways=(),
        split="validation",
        batchnorm="recalibrate",
        calibration_images=32,
        engine="event_driven",
        epochs=1,
        train_images=1079,
        from_scratch=False,
        space_size=4000,
        seeds=tuple(range(7, 6 + len(correct[0]))),
        seed=7,
    )


def test_rows_tell_the_moves(render: Render) -> None:
    lines = render(ranking_table("Title", ranking((70, 80), (90, 85), (80, 85), (60, 95))), 100)
    rows = [line.split() for line in lines if line.startswith("(1, ")]
    assert [(row[1], row[9], row[-2], row[-1]) for row in rows] == [
        ("3,", "1", "2.5", "-1.5"), ("4,", "2", "2.5", "-0.5"), ("2,", "3", "4", "-1"), ("5,", "4", "1", "+3"),
    ]  # fmt: skip
    text = " ".join(" ".join(lines).split())
    for said in (
        "of 6 pairs of subnets 2 are ranked alike, 3 the other way round, 1 tied",
        "does not) sample: 4 of 4,000 subnets: the largest, the smallest, and points that span the space",
        "(Sobol sequence, seed 7)",
        "retrained alone for 1 epoch of 1,079 training images, with seed 7, from the inherited weights",
        "both accuracies: the same 100 validation images",
        "BatchNorm: recalibrate on 32 training images; engine: event_driven",
        "Kendall's tau-b -0.183, no interval: 4 subnets are too few, 10 are needed",
        "4 subnets are too few for a verdict on the ranking: it needs 10 at least, and 45 for an interval of about ",
        "Standard deviations in points: inherited accuracies 12.91, of these by images",
        "(one seed cannot know how far other seeds would move accuracies)",
    ):
        assert said in text


def test_accuracies_are_means_over_seeds(render: Render) -> None:
    found = ranking((70, 80, 84), (90, 85, 86), (80, 85, 90))
    assert found.columns == ([70, 90, 80], [82, 85.5, 87.5])
    document = found.to_document()
    rows = document["subnets"]
    assert isinstance(rows, list)
    assert rows[0]["retrained"]["top1"] == 82.0
    assert rows[0]["by_seed"] == [
        {"seed": 7, "correct": 80, "top1": 80.0}, {"seed": 8, "correct": 84, "top1": 84.0},
    ]  # fmt: skip
    text = " ".join(" ".join(render(ranking_table("Title", found), 100)).split())
    assert "with 2 seeds, 7 to 8, from" in text
    assert ", and by seeds " in text


def test_what_diverged_is_named(render: Render) -> None:
    lost = parse_subnet("(1, 9, 2, 1, 2, 2, 16)")
    found = replace(ranking((70, 80), (90, 85), (80, 85)), diverged=(lost,))
    text = " ".join(" ".join(render(ranking_table("Title", found), 100)).split())
    assert "left out, as its retraining diverged: (1, 9, 2, 1, 2, 2, 16)" in text
    assert "sample: 4 of 4,000 subnets" in text
    assert found.to_document()["diverged"] == [[1, 9, 2, 1, 2, 2, 16]]


def test_other_ways_stand_below_the_plain_one(render: Render) -> None:
    plain = ranking((70, 80), (90, 85), (80, 85), (60, 95))
    other = plain.answers.compared(plain.answers.retrained_NSI[:, 0])
    found = replace(plain, ways=(MeasuredWay("as they should be", other),))
    lines = render(ranking_table("Title", found), 100)
    (first,) = (line for line in lines if line.startswith("inherited weights as they are"))
    (second,) = (line for line in lines if line.startswith("as they should be"))
    assert "-0.183" in first
    assert " 1.000 " in second
    assert "+1.183 –" in second


@pytest.mark.parametrize(
    ("correct", "said"),
    [
        (((50, 60), (60, 60), (70, 60)), "These 3 subnets do not say how the supernet ranks: in retrained accuracy"),
        (((50, 60), (50, 60), (50, 60)), "in inherited and in retrained accuracy they are all equal."),
        (((50, 60), (60, 61), (70, 65)), "3 subnets are too few for a verdict on the ranking: it needs 10 at least"),
        (tuple((n, n) for n in range(50, 59)), "9 subnets are too few for a verdict"),
        (tuple((n, n) for n in range(50, 60)), "ranks better than chance: all pairs are in the same order, as 10"),
        (tuple((n, 99 - n) for n in range(50, 60)), "ranks worse than chance: all pairs are in the opposite order"),
        (tuple((n, 50 + n * 7 % 12) for n in range(50, 62)), "So 12 subnets do not say whether the supernet ranks"),
        (tuple((n, n + n % 2 * 3) for n in range(50, 62)), "So the supernet ranks better than chance; by how much, 12"),
        (tuple((n, 99 - n + n % 2 * 3) for n in range(50, 62)), "So the supernet ranks worse than chance"),
    ],
)
def test_what_it_means(correct: tuple[tuple[int, int], ...], said: str) -> None:
    assert said in ranking(*correct).meaning


def test_an_impossible_tau_without_noise_is_not_shown(render: Render) -> None:
    """All pairs are in the same order, though the noise of the images would hide such an order."""
    found = ranking(*((40 + 2 * n, 40 + 2 * n) for n in range(12)))
    others = RankedAnswers(found.answers.inherited_NI, found.answers.retrained_NSI[:, :, ::-1], seed=7)
    found = replace(found, answers=others, ways=(MeasuredWay("as they are", others.compared(others.inherited_NI)),))
    text = " ".join(" ".join(render(ranking_table("Title", found), 100)).split())
    assert "tau-b without noise cannot be told: the noise explains nearly all of the ranking's spread, or more." in text
    assert "as they are 1.000 – " in text
    document = found.to_document()
    assert (document["kendall_tau"], document["corrected_tau"], document["corrected_interval"]) == (1.0, None, None)
    assert document["ways"][0]["corrected_tau"] is None


def test_what_is_undefined_is_null(render: Render) -> None:
    flat = ranking((50, 60), (60, 60), (70, 60))
    document = flat.to_document()
    assert (document["kendall_tau"], document["tau_interval"], document["resamples_with_an_order"]) == (None, None, 0)
    assert (document["no_interval"], document["verdict"]) == ("tau is undefined", None)
    assert document["pairs"] == {"alike": 0, "reversed": 0, "tied": 3}
    assert "Kendall's tau-b is undefined" in " ".join(render(ranking_table("Title", flat), 100))
