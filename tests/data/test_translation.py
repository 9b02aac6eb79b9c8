"""Translation against torch's reflected padding, flips that alternate, and independence of the batch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch.nn import functional

from autospikformer_cli.data.augmentation import augment
from autospikformer_cli.data.description import KNOWN
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.translation import translate_and_flip

Place = tuple[bool, int, int]


def noise(*shape: int) -> torch.Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def moved(images: torch.Tensor, index: torch.Tensor, *, most: int = 2, seed: int = 3, epoch: int = 5) -> torch.Tensor:
    return translate_and_flip(images, index.numpy(), most=most, seed=seed, epoch=epoch)


def windows(image: torch.Tensor, most: int) -> dict[bytes, Place]:
    """What may come of an image (H, W, C): the bytes of each flip and distance, by torch's padding."""
    height, width = image.shape[:2]
    found = {}
    for is_flipped in (False, True):
        plane = (image.flip(1) if is_flipped else image).permute(2, 0, 1).float()
        padded = functional.pad(plane[None], (most,) * 4, mode="reflect")[0].permute(1, 2, 0).to(torch.uint8)
        for top in range(2 * most + 1):
            for left in range(2 * most + 1):
                window = padded[top : top + height, left : left + width].contiguous()
                found[window.numpy().tobytes()] = (is_flipped, top - most, left - most)
    return found


def places(most: int, number: int, *, epoch: int, size: tuple[int, int, int] = (11, 12, 3)) -> list[Place]:
    """How each of many copies of one image was moved. Fails for one that no padding makes."""
    image = noise(*size)
    possible = windows(image, most)
    copies = image.expand(number, -1, -1, -1)
    return [possible[one.numpy().tobytes()] for one in moved(copies, torch.arange(number), most=most, epoch=epoch)]


@pytest.mark.parametrize("most", [0, 1, 4])
def test_every_result_is_a_window_of_the_padded_image(most: int) -> None:
    found = Counter(places(most, 3000, epoch=0))
    ways = 2 * (2 * most + 1) ** 2
    assert len(found) == ways
    expected = 3000 / ways
    assert all(abs(number - expected) < 5 * expected**0.5 for number in found.values())


def test_flips_alternate_for_each_image() -> None:
    first, second, third = ([flip for flip, _, _ in places(1, 2000, epoch=epoch)] for epoch in (4, 5, 6))
    assert first == third
    assert [not flip for flip in first] == second
    assert abs(sum(first) - 1000) < 5 * 500**0.5


def test_distances_are_new_in_each_epoch() -> None:
    one, other = places(2, 200, epoch=0), places(2, 200, epoch=2)
    alike = sum(a[1:] == b[1:] for a, b in zip(one, other, strict=True))
    assert alike < 40  # of 25 ways, each as likely: 8


def test_a_result_does_not_depend_on_the_batch() -> None:
    images, index = noise(60, 8, 8, 1), torch.arange(60) * 41
    together = moved(images, index)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(2))
    assert torch.equal(moved(images[order], index[order]), together[order])
    parts = [moved(images[i : i + 7], index[i : i + 7]) for i in range(0, 60, 7)]
    assert torch.equal(torch.cat(parts), together)
    assert not torch.equal(moved(images, index, seed=4), together)
    assert not torch.equal(moved(images, index + 1), together)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_farther_than_an_image_is_wide(size: int) -> None:
    """As numpy's padding, which reflects as often as needed."""
    image = noise(1, size, size, 1)
    padded = np.pad(image[0, :, :, 0].numpy(), 9, mode="reflect")
    possible = {
        window.tobytes()
        for flipped in (padded, padded[:, ::-1])
        for window in (flipped[top : top + size, left : left + size].copy() for top in range(19) for left in range(19))
    }
    for epoch in range(30):
        result = moved(image, torch.tensor([3]), most=9, epoch=epoch)
        assert result[0, :, :, 0].numpy().tobytes() in possible


def test_augment_normalises_what_was_moved() -> None:
    images, index = noise(9, 32, 32, 3), torch.arange(9)
    cifar = KNOWN["cifar10"]
    found = augment(
        images, index, kind="translate", seed=3, epoch=5, description=cifar, device="cpu", dtype=torch.float32,
        translation=2,
    )  # fmt: skip
    assert torch.equal(found, to_frames(moved(images, index), cifar, "cpu", torch.float32))
