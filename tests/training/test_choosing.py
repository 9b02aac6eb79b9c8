"""Which weights a training ends with: of which epoch, averaged or not, and when it ends early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.store.supernet import EpochRecord
from autospikformer_cli.training.choosing import best_choice, ends_early, measured_subnets, weights_at_end

SPACE = SearchSpace(
    depth=(1, 2),
    mlp_ratio=(Decimal(2), Decimal(3)),
    num_heads=(1, 2),
    threshold=(Decimal(1),),
    tau=(Decimal(2),),
    time_step=(2, 3),
    embed_dim=(8, 16),
)
AVERAGE, OWN = (40.0, 60.0, 60.0, 50.0, 55.0), (50.0, 45.0, 61.0, 61.0, 55.0)


def history(means: Sequence[float], unaveraged: Sequence[float | None] = ()) -> tuple[EpochRecord, ...]:
    own = (*unaveraged, *[None] * (len(means) - len(unaveraged)))
    return tuple(
        EpochRecord(epoch, 3, 1.0, 1.0, mean, mean, 1.0, mean, other, other, other)
        for epoch, (mean, other) in enumerate(zip(means, own, strict=True), 1)
    )


@pytest.mark.parametrize(
    ("means", "unaveraged", "best"),
    [
        (AVERAGE, (), (2, False)),
        (AVERAGE, OWN, (3, True)),
        ((60.0, 60.0), (60.0, 60.0), (1, False)),
        ((0.0, 0.0), (), (1, False)),
        ((0.0,), (0.1,), (1, True)),
    ],
)
def test_the_best_is_the_first_of_the_highest_mean(
    means: tuple[float, ...], unaveraged: tuple[float, ...], best: tuple[int, bool]
) -> None:
    assert best_choice(history(means, unaveraged)) == best


@pytest.mark.parametrize(
    ("final", "epochs", "chosen"),
    [
        ("best", 5, (3, True)), ("best", 2, (2, False)), ("best", 1, (1, True)),
        ("last", 1, (1, True)), ("last", 2, (2, False)), ("last", 4, (4, True)), ("last", 5, (5, False)),
    ],
)  # fmt: skip
def test_the_chosen_weights(final: str, epochs: int, chosen: tuple[int, bool]) -> None:
    config = TrainConfig.model_validate({"epochs": 5, "final": final, "ema_half_life": 0.1, "ema_choice": "validation"})
    assert weights_at_end(history(AVERAGE[:epochs], OWN[:epochs]), config) == chosen


@pytest.mark.parametrize(
    ("patience", "ends"),
    [(0, [False] * 6), (1, [False, False, False, True, True, True]), (2, [False] * 4 + [True] * 2)],
)
def test_it_ends_after_so_many_epochs_without_a_better_one(patience: int, ends: list[bool]) -> None:
    """The best epoch is the third; the same accuracy again is none better."""
    means, config = (40.0, 50.0, 60.0, 60.0, 59.0, 10.0), TrainConfig(epochs=9, patience=patience)
    assert [ends_early(history(means[:epochs]), config) for epochs in range(1, 7)] == ends


def test_the_measured_subnets_are_distinct_and_the_seeds() -> None:
    subnets = measured_subnets(SPACE, 3, 5)
    assert subnets[:2] == (SPACE.largest(), SPACE.smallest())
    assert len(set(subnets)) == 7
    assert all(not list(SPACE.faults(subnet)) for subnet in subnets)
    assert measured_subnets(SPACE, 3, 5) == subnets
    assert measured_subnets(SPACE, 4, 5)[2:] != subnets[2:]
    assert measured_subnets(SPACE, 3, 2) == subnets[:4]
    assert measured_subnets(SPACE, 3, 0) == subnets[:2]


def test_a_small_space_has_no_more_subnets_than_it_has() -> None:
    two = replace(SPACE, depth=(1,), mlp_ratio=(Decimal(2),), num_heads=(1,), time_step=(2,))
    assert measured_subnets(two, 3, 5) == (two.largest(), two.smallest())
    one = replace(two, embed_dim=(8,))
    assert measured_subnets(one, 3, 5) == (one.largest(),)
