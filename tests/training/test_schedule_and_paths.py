"""The learning rate at the edges of its phases, and the subnets that training steps draw."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from autospikformer_cli.recipe import TrainConfig
from autospikformer_cli.space import SearchSpace, Subnet
from autospikformer_cli.training.paths import one_path, sampled_paths, space_at
from autospikformer_cli.training.schedule import learning_rate, uses_mixup

OURS = TrainConfig(epochs=300)
TIMM = TrainConfig(epochs=300, schedule="timm")
"""Spikformer's published settings."""
SPACE = SearchSpace(
    depth=(1, 2, 3),
    mlp_ratio=(Decimal(3), Decimal(4)),
    num_heads=(2, 4),
    threshold=(Decimal("0.6"), Decimal(1)),
    tau=(Decimal("1.25"), Decimal(2)),
    time_step=(2, 4),
    embed_dim=(8, 16),
)


def drawn_by(space: SearchSpace, seed: int, sampling: Any) -> Callable[[int], Sequence[Subnet]]:
    """The subnets of each step, without a curriculum."""
    paths = sampled_paths(space, seed, TrainConfig(epochs=1, sampling=sampling))
    return lambda step: paths(step, 0.5)


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
def test_our_schedule(epoch: float, rate: float) -> None:
    assert learning_rate(OURS, epoch) == pytest.approx(rate, rel=1e-12)


def test_the_schedule_has_no_jumps_and_one_peak() -> None:
    rates = [learning_rate(OURS, n / 100) for n in range(30_001)]
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


def test_a_straight_line_may_end_at_zero() -> None:
    config = TrainConfig(
        epochs=10, warmup_epochs=2, cooldown_epochs=0, lr=0.8, lr_start=0.0, lr_end=0.0, schedule="linear"
    )
    rates = [learning_rate(config, epoch) for epoch in (0, 1, 2, 3, 6, 9.9, 10)]
    assert rates == pytest.approx([0, 0.4, 0.8, 0.7, 0.4, 0.01, 0], abs=1e-15)
    rest = config.model_copy(update={"cooldown_epochs": 4.0, "lr_end": 0.4})
    assert [learning_rate(rest, epoch) for epoch in (2, 4, 6, 8)] == pytest.approx([0.8, 0.6, 0.4, 0.4])
    assert config.total_epochs == 10


def rates_of_the_published_script(
    epochs: int, warmup: int, cooldown: int, lr: float, low: float, first: float
) -> list[float]:
    """The rate of each epoch, as its loop sets it: an optimizer at the warm-up's rate, then a step after each epoch.

    A cosine from 1 to 0 over half a turn is the squared cosine over a quarter.
    """
    rates, rate = [], first if warmup else lr
    for done in range(1, epochs + cooldown + 1):
        rates.append(rate)
        if done < warmup:
            rate = first + done * ((lr - first) / warmup)
        elif done < epochs:
            rate = low + (lr - low) * math.cos(math.pi / 2 * done / epochs) ** 2
        else:
            rate = low
    return rates


@pytest.mark.parametrize(("epochs", "warmup", "cooldown"), [(300, 20, 10), (2000, 20, 10), (7, 0, 3), (5, 5, 0)])
def test_the_timm_schedule_is_that_of_the_published_script(epochs: int, warmup: int, cooldown: int) -> None:
    config = TrainConfig(epochs=epochs, warmup_epochs=warmup, cooldown_epochs=cooldown, schedule="timm")
    published = rates_of_the_published_script(epochs, warmup, cooldown, 5e-4, 1e-5, 1e-5)
    assert config.total_epochs == len(published) == epochs + cooldown
    for epoch, rate in enumerate(published):
        for step in (0.0, 0.5, 0.999):
            assert learning_rate(config, epoch + step) == pytest.approx(rate, rel=1e-12), epoch


@pytest.mark.parametrize(
    ("epoch", "rate", "ours_above"),
    [
        (0, 1e-5, 0.0),
        (19, 1e-5 + 4.9e-4 * 19 / 20, 0.0),
        (20, 1e-5 + 2.45e-4 * (1 + math.cos(math.pi / 15)), 0.0108),
        (150, 2.55e-4, 0.0559),
        (250, 4.28237761e-5, -0.1579),
        (299, 1.00134335e-5, -0.0013),
    ],
)
def test_how_far_ours_is_from_the_published_one(epoch: int, rate: float, ours_above: float) -> None:
    assert learning_rate(TIMM, epoch) == pytest.approx(rate, rel=1e-8)
    assert learning_rate(OURS, epoch) / rate - 1 == pytest.approx(ours_above, abs=5e-5)


def test_the_published_script_trains_310_epochs_and_ours_300() -> None:
    assert (TIMM.total_epochs, OURS.total_epochs) == (310, 300)
    assert [learning_rate(TIMM, epoch) for epoch in range(300, 310)] == [1e-5] * 10


@pytest.mark.parametrize(
    ("end", "epochs", "mixed"),
    [(0.6667, 300, 200), (200, 300, 200), (200, 2000, 200), (200, 30, 30), (0, 9, 0), (1, 9, 9)],
)
def test_mixup_ends_at_a_share_or_at_an_epoch(end: float, epochs: int, mixed: int) -> None:
    config = TrainConfig(epochs=epochs, mixup_epochs=end, warmup_epochs=0, cooldown_epochs=0)
    assert [uses_mixup(config, epoch) for epoch in range(epochs)] == [True] * mixed + [False] * (epochs - mixed)


def test_timms_cool_down_is_no_share_of_mixup() -> None:
    """310 epochs are trained, and 0.6667 is of the 300."""
    assert sum(uses_mixup(TIMM, epoch) for epoch in range(310)) == 200


def test_paths_are_functions_of_seed_and_step() -> None:
    paths, same, other = (drawn_by(SPACE, seed, "single") for seed in (5, 5, 6))
    drawn = [paths(step) for step in range(50)]
    assert [same(step) for step in reversed(range(50))] == drawn[::-1]
    assert [other(step) for step in range(50)] != drawn
    assert all(len(subnets) == 1 and subnets[0] in SPACE for subnets in drawn)
    assert len({subnets[0] for subnets in drawn}) > 40


def test_paths_are_uniform() -> None:
    """Each choice as often as the others, within 5 deviations."""
    paths = drawn_by(SPACE, 0, "single")
    drawn = [paths(step)[0] for step in range(3000)]
    for gene in ("depth", "time_step", "embed_dim"):
        ways = len(getattr(SPACE, gene))
        for number in Counter(getattr(subnet, gene) for subnet in drawn).values():
            assert abs(number - 3000 / ways) < 5 * (3000 / ways) ** 0.5
    first = Counter((subnet.mlp_ratio[0], subnet.num_heads[0], subnet.threshold[0], subnet.tau[0]) for subnet in drawn)
    assert len(first) == 16
    assert all(abs(number - 3000 / 16) < 5 * (3000 / 16) ** 0.5 for number in first.values())


def test_a_sandwich_has_both_ends_and_two_drawn_ones() -> None:
    paths = drawn_by(SPACE, 2, "sandwich")
    for step in range(20):
        largest, smallest, *drawn = paths(step)
        assert (largest, smallest) == (SPACE.largest(), SPACE.smallest())
        assert len(drawn) == 2
        assert all(subnet in SPACE for subnet in drawn)
        assert paths(step)[2:] == drawn
    assert len({subnet for step in range(20) for subnet in paths(step)[2:]}) > 30


def test_fair_paths_take_each_choice_once_in_a_cycle() -> None:
    space = replace(
        SPACE, depth=(3,), tau=(Decimal(1), Decimal(2), Decimal(3)), threshold=tuple(map(Decimal, range(1, 6)))
    )
    paths = drawn_by(space, 5, "fair")
    drawn = [paths(step)[0] for step in range(60)]
    assert all(subnet in space for subnet in drawn)
    for gene in ("mlp_ratio", "num_heads", "threshold", "tau", "time_step", "embed_dim"):
        choices = getattr(space, gene)
        for block in range(3):
            values = [getattr(subnet, gene) for subnet in drawn]
            values = [value[block] if isinstance(value, tuple) else value for value in values]
            cycles = [tuple(values[at : at + len(choices)]) for at in range(0, 60, len(choices))]
            assert all(sorted(cycle) == list(choices) for cycle in cycles), gene
            assert len(set(cycles)) > 1, gene


def test_fair_paths_are_functions_of_seed_and_step_and_genes_are_independent() -> None:
    paths, same, other = (drawn_by(SPACE, seed, "fair") for seed in (5, 5, 6))
    drawn = [paths(step) for step in range(48)]
    assert [same(step) for step in reversed(range(48))] == drawn[::-1]
    assert [other(step) for step in range(48)] != drawn
    assert Counter(subnet.depth for (subnet,) in drawn) == {1: 16, 2: 16, 3: 16}
    pairs = Counter((subnet.mlp_ratio[0], subnet.tau[0]) for step in range(2000) for subnet in paths(step))
    assert all(abs(number - 500) < 5 * 500**0.5 for number in pairs.values())
    blocks = Counter((s.tau[0], s.tau[1]) for step in range(3000) for s in paths(step) if s.depth > 1)
    assert all(abs(number - 500) < 5 * 500**0.5 for number in blocks.values())


def test_fine_tuning_has_one_path() -> None:
    subnet = SPACE.largest()
    assert [one_path(subnet)(step, 0.5) for step in (0, 7)] == [[subnet], [subnet]]


WIDE = SearchSpace(
    depth=(1,),
    mlp_ratio=(Decimal(3),),
    num_heads=(2,),
    threshold=tuple(Decimal(tenths) / 10 for tenths in (6, 8, 10, 12, 14)),
    tau=tuple(map(Decimal, ("1.25", "1.5", "2", "3", "5"))),
    time_step=(1, 2, 4),
    embed_dim=(8,),
)


@pytest.mark.parametrize(
    ("progress", "thresholds", "taus"),
    [
        (0, ["1"], ["2"]),
        (0.0999, ["1"], ["2"]),
        (0.1, ["0.8", "1"], ["1.5", "2"]),
        (0.2, ["0.8", "1", "1.2"], ["1.25", "1.5", "2"]),
        (0.3, ["0.6", "0.8", "1", "1.2"], ["1.25", "1.5", "2", "3"]),
        (0.4, ["0.6", "0.8", "1", "1.2", "1.4"], ["1.25", "1.5", "2", "3", "5"]),
        (0.9, ["0.6", "0.8", "1", "1.2", "1.4"], ["1.25", "1.5", "2", "3", "5"]),
    ],
)
def test_neurons_widen_from_their_defaults(progress: float, thresholds: list[str], taus: list[str]) -> None:
    at = space_at(WIDE, TrainConfig(epochs=1, neuron_curriculum=0.5), progress)
    assert at.threshold == tuple(map(Decimal, thresholds))
    assert at.tau == tuple(map(Decimal, taus))
    assert at.time_step == WIDE.time_step


@pytest.mark.parametrize(
    ("progress", "steps"), [(0, (1,)), (0.29, (1,)), (0.3, (1, 2)), (0.59, (1, 2)), (0.6, (1, 2, 4)), (1, (1, 2, 4))]
)
def test_time_steps_widen_from_the_smallest(progress: float, steps: tuple[int, ...]) -> None:
    at = space_at(WIDE, TrainConfig(epochs=1, time_step_curriculum=0.9), progress)
    assert at == replace(WIDE, time_step=steps)


def test_without_a_curriculum_all_choices_are_drawn_from_the_start() -> None:
    assert space_at(WIDE, TrainConfig(epochs=1), 0) == WIDE


@pytest.mark.parametrize("sampling", ["single", "fair", "sandwich"])
def test_every_sampling_keeps_to_the_curricula(sampling: Any) -> None:
    config = TrainConfig(epochs=1, sampling=sampling, neuron_curriculum=0.5, time_step_curriculum=0.9)
    paths = sampled_paths(WIDE, 3, config)
    for progress in (0.0, 0.15, 0.4, 1.0):
        at = space_at(WIDE, config, progress)
        drawn = [subnet for step in range(200) for subnet in paths(step, progress)]
        assert all(subnet in at for subnet in drawn)
        assert {subnet.tau[0] for subnet in drawn} == set(at.tau)
        assert {subnet.time_step for subnet in drawn} == set(at.time_step)
