"""Mixup, smoothed targets, and the order of an epoch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from autospikformer_cli.data.mixing import mixup
from autospikformer_cli.data.order import epoch_order
from autospikformer_cli.data.streams import Purpose, stream

mix = partial(mixup, num_classes=10, alpha=0.5, probability=1.0, smoothing=0.1, seed=0, epoch=0, step=0)
LABELS = torch.tensor([3, 0, 9, 9, 1])


def frames(num_frames: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num_frames, 5, 4, 4, 3, dtype=torch.float64, generator=generator)


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


@pytest.mark.parametrize("num_frames", [1, 3])
def test_a_batch_is_mixed_with_its_reverse_by_one_share(num_frames: int) -> None:
    mixed, targets = mix(frames(num_frames), LABELS)
    share = stream(Purpose.MIXUP, 0, 0, 0).beta(0.5, 0.5)
    assert 0 < share < 1
    torch.testing.assert_close(mixed, share * frames(num_frames) + (1 - share) * frames(num_frames).flip(1))
    plain = mix(frames(), LABELS, alpha=0)[1]
    torch.testing.assert_close(targets, share * plain + (1 - share) * plain.flip(0))
    middle = frames(num_frames)[:, 2]
    torch.testing.assert_close(mixed[:, 2], middle)  # the middle image is its own partner


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


def test_a_share_of_the_batches_is_mixed() -> None:
    plain = mix(frames(), LABELS, alpha=0)
    is_mixed = []
    for step in range(400):
        some, whole = mix(frames(), LABELS, step=step, probability=0.3), mix(frames(), LABELS, step=step)
        is_mixed.append(torch.equal(some[0], whole[0]))
        for value, expected in zip(some, whole if is_mixed[-1] else plain, strict=True):
            assert torch.equal(value, expected)
        assert not torch.equal(whole[0], plain[0])
    assert abs(np.mean(is_mixed) - 0.3) < 5 * (0.3 * 0.7 / 400) ** 0.5
    assert not torch.equal(torch.tensor(is_mixed[:200]), torch.tensor(is_mixed[200:]))


def test_probability_0_never_mixes() -> None:
    for step in range(20):
        assert torch.equal(mix(frames(), LABELS, step=step, probability=0.0)[0], frames())


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
