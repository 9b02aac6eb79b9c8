"""Mixup, smoothed targets, and the order of an epoch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.data.streams import Purpose, stream

mix = partial(mixup, num_classes=10, alpha=0.5, smoothing=0.1, seed=0, epoch=0, step=0)
LABELS = torch.tensor([3, 0, 9, 9, 1])


def frames(size: int = 5) -> torch.Tensor:
    return torch.randn(size, 4, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_without_mixup_targets_are_smoothed_labels() -> None:
    same, targets = mix(frames(), LABELS, alpha=0)
    assert torch.equal(same, frames())
    expected = torch.full((5, 10), 0.01, dtype=torch.float64)
    expected[range(5), LABELS] = 0.91
    torch.testing.assert_close(targets, expected)
    torch.testing.assert_close(targets.sum(1), torch.ones(5, dtype=torch.float64))


def test_without_smoothing_targets_are_one_hot() -> None:
    _, targets = mix(frames(), LABELS, alpha=0, smoothing=0)
    assert torch.equal(targets, torch.nn.functional.one_hot(LABELS, 10).double())


def test_a_batch_is_mixed_with_its_reverse_by_one_share() -> None:
    mixed, targets = mix(frames(), LABELS)
    share = stream(Purpose.MIXUP, 0, 0, 0).beta(0.5, 0.5)
    assert 0 < share < 1
    torch.testing.assert_close(mixed, share * frames() + (1 - share) * frames().flip(0))
    plain = mix(frames(), LABELS, alpha=0)[1]
    torch.testing.assert_close(targets, share * plain + (1 - share) * plain.flip(0))
    torch.testing.assert_close(mixed[2], frames()[2])  # the middle image is its own partner


def test_mixup_is_fixed_by_seed_epoch_and_step() -> None:
    first = mix(frames(), LABELS)[0]
    assert torch.equal(first, mix(frames(), LABELS)[0])
    for change in ({"seed": 1}, {"epoch": 1}, {"step": 1}):
        assert not torch.equal(first, mix(frames(), LABELS, **change)[0])


def test_shares_follow_the_beta_distribution() -> None:
    shares = np.array([stream(Purpose.MIXUP, 0, 1, step).beta(0.5, 0.5) for step in range(4000)])
    assert abs(shares.mean() - 0.5) < 5 * (0.125 / 4000) ** 0.5
    assert abs(shares.var() - 0.125) < 0.01
    assert abs((shares < 0.1).mean() - 2 / np.pi * np.arcsin(0.1**0.5)) < 0.03


def test_targets_have_the_dtype_of_the_frames() -> None:
    mixed, targets = mix(frames().float(), LABELS)
    assert mixed.dtype == targets.dtype == torch.float32


@pytest.mark.parametrize("num_images", [1, 10, 1295])
def test_an_epoch_visits_every_image_once(num_images: int) -> None:
    order = epoch_order(num_images, 0, 0)
    assert order.dtype == torch.int64
    assert sorted(order.tolist()) == list(range(num_images))


def test_an_order_is_fixed_by_seed_and_epoch() -> None:
    orders = [epoch_order(100, seed, epoch).tolist() for seed, epoch in ((0, 0), (0, 1), (1, 0), (1, 1))]
    assert orders[0] == epoch_order(100, 0, 0).tolist()
    assert len({tuple(order) for order in orders}) == 4


def test_streams_of_different_purposes_differ() -> None:
    draws = {stream(purpose, 0, 0).random() for purpose in Purpose}
    assert len(draws) == len(Purpose)
    assert stream(Purpose.ORDER, -1, 0).random() != stream(Purpose.ORDER, 1, 0).random()
