"""Whether the order of networks by accuracy is mostly chance: the widest interval next to the spread."""

from __future__ import annotations

import pytest

from autospikformer_cli.analysis.noise import RankingNoise, ranking_noise
from autospikformer_cli.analysis.paired import mcnemar
from autospikformer_cli.measurement import Measurement

IMAGES = 100
WIDEST = 19.233693926800868
"""Wilson's interval of 50 right of 100: 40.38 to 59.62 %."""


def measured(correct: int, answers: bytes | None = None) -> Measurement:
    return Measurement(correct, IMAGES, 1000, (), (), 0, answers=answers)


def answering(*right: range) -> Measurement:
    """A network that is right on the images of these ranges."""
    places = {place for each in right for place in each}
    bits = sum(1 << (103 - place) for place in places)  # 13 bytes, the first image in the highest bit
    return measured(len(places), bits.to_bytes(13))


BEST = answering(range(60))
LIKE_BEST = answering(range(30, 80))
"""50 right: 20 that the best has wrong, while 30 of the best's are wrong here. McNemar: p = 0.203."""
WORSE = answering(range(50))
"""50 right, all of them the best's, too. McNemar: p = 2 / 2^10."""


@pytest.mark.parametrize(("highest", "spread", "chance"), [(69, 19.0, True), (70, 20.0, False)])
def test_the_spread_is_compared_with_the_widest_interval(highest: int, spread: float, chance: bool) -> None:
    noise = ranking_noise([measured(highest), measured(60), measured(50)])
    assert noise is not None
    assert (noise.networks, noise.images, noise.num_apart) == (3, IMAGES, None)
    assert noise.widest == pytest.approx(WIDEST, abs=1e-12)
    assert noise.spread == pytest.approx(spread)
    assert noise.mostly_chance == chance


def test_a_spread_as_wide_as_the_interval_is_within_it() -> None:
    assert RankingNoise(3, IMAGES, 10.0, 10.0, None).mostly_chance


@pytest.mark.parametrize(
    ("others", "num_apart", "chance"),
    [
        ([LIKE_BEST], 0, True),
        ([WORSE], 1, False),
        ([WORSE, LIKE_BEST], 1, False),
        ([LIKE_BEST, WORSE, LIKE_BEST], 1, True),
        ([LIKE_BEST, WORSE, WORSE], 2, False),
    ],
)
def test_less_than_half_differ_from_the_best_if_the_order_is_chance(
    others: list[Measurement], num_apart: int, chance: bool
) -> None:
    assert (mcnemar(30, 20) > 0.2, mcnemar(10, 0)) == (True, 2 / 2**10)
    noise = ranking_noise([*others, BEST])
    assert noise is not None
    assert noise.spread == pytest.approx(10.0)
    assert (noise.num_apart, noise.mostly_chance) == (num_apart, chance)
    assert noise.to_document() == {
        "widest_interval": pytest.approx(WIDEST), "spread": pytest.approx(10.0), "num_apart": num_apart,
        "mostly_chance": chance,
    }  # fmt: skip


def test_without_the_answers_of_all_none_are_tested() -> None:
    for networks in ([BEST, WORSE, measured(55)], [measured(65), WORSE]):
        noise = ranking_noise(networks)
        assert noise is not None
        assert (noise.num_apart, noise.mostly_chance) == (None, True)


@pytest.mark.parametrize("networks", [[], [BEST]])
def test_one_network_has_no_order(networks: list[Measurement]) -> None:
    assert ranking_noise(networks) is None
