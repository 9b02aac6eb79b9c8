"""The learning rate at the edges of its phases, and the subnets that training steps draw."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import pairwise

import pytest

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace
from autospikformer_cli.training.paths import one_path, sampled_paths
from autospikformer_cli.training.schedule import learning_rate

PUBLISHED = TrainConfig(epochs=300)
SPACE = SearchSpace(
    depth=(1, 2, 3),
    mlp_ratio=(Decimal(3), Decimal(4)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 4),
    embed_dim=(8, 16),
)


@pytest.mark.parametrize(
    ("epoch", "rate"),
    [
        (0, 1e-5),
        (10, (1e-5 + 5e-4) / 2),
        (20, 5e-4),
        (20 + 67.5, 1e-5 + 4.9e-4 * (1 + 0.5**0.5) / 2),
        (20 + 135, (1e-5 + 5e-4) / 2),
        (290, 1e-5),
        (299.99, 1e-5),
        (300, 1e-5),
    ],
)
def test_published_schedule(epoch: float, rate: float) -> None:
    assert learning_rate(PUBLISHED, epoch) == pytest.approx(rate, rel=1e-12)


def test_the_schedule_has_no_jumps_and_one_peak() -> None:
    rates = [learning_rate(PUBLISHED, n / 100) for n in range(30_001)]
    assert max(abs(b - a) for a, b in pairwise(rates)) < 3e-7
    peak = rates.index(max(rates))
    assert peak == 2000
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_phases_may_be_empty() -> None:
    only_cosine = TrainConfig(epochs=10, warmup_epochs=0, cooldown_epochs=0, lr=1.0, lr_end=0.0)
    assert [learning_rate(only_cosine, epoch) for epoch in (0, 5, 10)] == pytest.approx([1, 0.5, 0], abs=1e-15)
    no_cosine = TrainConfig(epochs=10, warmup_epochs=4, cooldown_epochs=6, lr=1.0, lr_start=0.0, lr_end=0.25)
    assert [learning_rate(no_cosine, epoch) for epoch in (0, 2, 4, 9.9)] == [0, 0.5, 0.25, 0.25]
    constant = TrainConfig(epochs=1, warmup_epochs=0, cooldown_epochs=0, lr=0.1, lr_end=0.1)
    assert learning_rate(constant, 0.7) == pytest.approx(0.1)


def test_paths_are_functions_of_seed_and_step() -> None:
    paths, same, other = (sampled_paths(SPACE, seed, "single") for seed in (5, 5, 6))
    drawn = [paths(step) for step in range(50)]
    assert [same(step) for step in reversed(range(50))] == drawn[::-1]
    assert [other(step) for step in range(50)] != drawn
    assert all(len(subnets) == 1 and subnets[0] in SPACE for subnets in drawn)
    assert len({subnets[0] for subnets in drawn}) > 40


def test_paths_are_uniform() -> None:
    """Each choice as often as the others, within 5 deviations."""
    paths = sampled_paths(SPACE, 0, "single")
    drawn = [paths(step)[0] for step in range(3000)]
    for gene in ("depth", "time_step", "embed_dim"):
        ways = len(getattr(SPACE, gene))
        for number in Counter(getattr(subnet, gene) for subnet in drawn).values():
            assert abs(number - 3000 / ways) < 5 * (3000 / ways) ** 0.5
    first = Counter((subnet.mlp_ratio[0], subnet.num_heads[0], subnet.threshold[0], subnet.tau[0]) for subnet in drawn)
    assert len(first) == 16
    assert all(abs(number - 3000 / 16) < 5 * (3000 / 16) ** 0.5 for number in first.values())


def test_a_sandwich_has_both_ends_and_two_drawn_ones() -> None:
    paths = sampled_paths(SPACE, 2, "sandwich")
    for step in range(20):
        largest, smallest, *drawn = paths(step)
        assert (largest, smallest) == (SPACE.largest(), SPACE.smallest())
        assert len(drawn) == 2
        assert all(subnet in SPACE for subnet in drawn)
        assert paths(step)[2:] == drawn
    assert len({subnet for step in range(20) for subnet in paths(step)[2:]}) > 30


def test_fine_tuning_has_one_path() -> None:
    subnet = SPACE.largest()
    assert [one_path(subnet)(step) for step in (0, 7)] == [[subnet], [subnet]]
