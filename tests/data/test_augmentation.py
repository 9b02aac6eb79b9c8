"""Augmentation against torchvision's and Pillow's operations, its statistics, and its independence of the batch."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from autospikformer_cli.data.augmentation import augment, equalize, erase, resample
from autospikformer_cli.data.description import KNOWN, describe
from autospikformer_cli.data.frames import to_frames
from autospikformer_cli.data.plan import ImageOp, Plan, affine_maps, plan_for
from autospikformer_cli.data.torchvision_import import torchvision

reference = torchvision.transforms.v2.functional
CIFAR10 = KNOWN["cifar10"]
run = partial(augment, kind="spikformer", seed=3, epoch=5, description=CIFAR10, device="cpu", dtype=torch.float64)


def noise(*shape: int, levels: int = 256) -> torch.Tensor:
    return torch.randint(levels, shape, generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def planes(frames: torch.Tensor) -> torch.Tensor:
    return frames.permute(0, 3, 1, 2)


# Operations


@pytest.mark.parametrize("size", [15, 16, 17, 32, 64])
@pytest.mark.parametrize("levels", [1, 2, 7, 100, 256])
def test_equalize_is_torchvisions(size: int, levels: int) -> None:
    images = noise(4, size, size, 3, levels=levels)
    assert torch.equal(planes(equalize(images)), reference.equalize(planes(images)))


def test_equalize_is_pillows() -> None:
    images = torch.minimum(noise(3, 32, 32, 3), noise(3, 32, 32, 3).flip(0))
    expected = [np.asarray(ImageOps.equalize(Image.fromarray(image.numpy()))) for image in images]
    assert np.array_equal(equalize(images).numpy(), np.stack(expected))


@pytest.mark.shared
def test_equalize_of_real_images(shared_data: Path) -> None:
    with np.load(shared_data / "cifar10-mini.npz") as mini:
        images = torch.from_numpy(mini["x_test"])
    assert torch.equal(planes(equalize(images)), reference.equalize(planes(images)))


def moved(frames: torch.Tensor, operation: ImageOp, level: float) -> torch.Tensor:
    height, width = frames.shape[1:3]
    matrix = affine_maps(np.full(len(frames), operation), np.full(len(frames), level), height, width)
    return resample(frames, torch.from_numpy(matrix))


@pytest.mark.parametrize("shape", [(2, 32, 32, 3), (2, 24, 40, 1)])
@pytest.mark.parametrize("level", [-1.0, -0.4, 0.0, 0.37, 0.9, 1.0])
def test_affine_operations_are_torchvisions(shape: tuple[int, ...], level: float) -> None:
    frames = noise(*shape).double() / 255 - 0.5
    height, width = shape[1:3]
    affine = partial(reference.affine, angle=0.0, translate=[0, 0], scale=1.0, shear=[0.0, 0.0])
    bilinear = torchvision.transforms.InterpolationMode.BILINEAR
    shear = float(np.degrees(np.arctan(0.3 * level)))
    expected = {
        ImageOp.ROTATE: reference.rotate(planes(frames), 30.0 * level, interpolation=bilinear),
        ImageOp.SHEAR_X: affine(planes(frames), shear=[shear, 0.0], center=[0, 0], interpolation=bilinear),
        ImageOp.TRANSLATE_X: affine(planes(frames), translate=[-0.45 * level * width, 0], interpolation=bilinear),
        ImageOp.TRANSLATE_Y: affine(planes(frames), translate=[0, -0.45 * level * height], interpolation=bilinear),
    }
    for operation, result in expected.items():
        torch.testing.assert_close(planes(moved(frames, operation, level)), result, rtol=0, atol=1e-12)


def test_a_shear_is_pillows_away_from_the_border() -> None:
    image = noise(1, 32, 32, 3)
    mine = (moved(image.double(), ImageOp.SHEAR_X, 0.9)).round()
    pillow = Image.fromarray(image[0].numpy()).transform(
        (32, 32), Image.Transform.AFFINE, (1, 0.27, 0, 0, 1, 0), Image.Resampling.BILINEAR
    )
    inside = slice(None), slice(0, 22)
    assert np.abs(mine[0].numpy()[inside] - np.asarray(pillow, dtype=float)[inside]).max() <= 1


def test_a_translation_by_whole_pixels_copies_them_and_fills_with_the_mean() -> None:
    frames = noise(1, 20, 20, 3).double() + 1
    result = moved(frames, ImageOp.TRANSLATE_X, 1.0)  # 9 pixels to the left
    torch.testing.assert_close(result[:, :, :11], frames[:, :, 9:])
    assert (result[:, :, 11:] == 0).all()


def test_erasing_sets_a_box_to_the_mean_colour() -> None:
    frames = torch.ones(1, 2, 6, 5, 3)
    erased = erase(frames, torch.tensor([[1, 2, 3, 2], [4, 0, 0, 0]]))
    expected = torch.ones(1, 2, 6, 5, 3)
    expected[0, 0, 1:4, 2:4] = 0
    assert torch.equal(erased, expected)


# The plan: statistics over many images


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_for(np.arange(60_000), seed=0, epoch=0, height=32, width=32)


def near(share: float, expected: float, of: int = 60_000) -> bool:
    """Within five standard deviations of a binomial share."""
    return abs(share - expected) < 5 * (expected * (1 - expected) / of) ** 0.5


def test_half_are_flipped(plan: Plan) -> None:
    assert near(plan.flip.mean(), 0.5)


def test_half_get_an_operation_each_kind_as_often(plan: Plan) -> None:
    assert near((plan.operation == ImageOp.NONE).mean(), 0.5)
    for operation in range(5):
        assert near((plan.operation == operation).mean(), 0.1)


def test_choices_are_independent(plan: Plan) -> None:
    erased = plan.box[:, 2] > 0
    assert near((plan.flip & erased).mean(), 0.125)
    assert near((plan.flip & (plan.operation == ImageOp.ROTATE)).mean(), 0.05)


@pytest.mark.parametrize(
    ("operation", "entry", "unit"),
    [
        (ImageOp.SHEAR_X, (0, 1), 0.3),
        (ImageOp.TRANSLATE_X, (0, 2), 0.45 * 32),
        (ImageOp.TRANSLATE_Y, (1, 2), 0.45 * 32),
        (ImageOp.ROTATE, (1, 0), None),
    ],
)
def test_magnitudes_are_normal_with_random_sign(plan: Plan, operation, entry, unit) -> None:
    values = plan.matrix[plan.operation == operation][:, *entry]
    magnitude = 10 * np.abs(values / unit if unit else np.degrees(np.arcsin(values)) / 30)
    assert near((values < 0).mean(), 0.5, of=len(values))
    assert abs(np.median(magnitude) - 9) < 0.03
    assert abs(np.percentile(magnitude, 15.87) - 8.6) < 0.04
    assert magnitude.max() == pytest.approx(10)
    assert magnitude.min() > 6.5


def test_an_image_without_an_affine_operation_stays_in_place(plan: Plan) -> None:
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert (plan.matrix[plan.operation <= ImageOp.EQUALIZE] == identity).all()


def test_boxes(plan: Plan) -> None:
    top, left, height, width = plan.box.T
    erased = height > 0
    assert near(erased.mean(), 0.25)
    assert min(top.min(), left.min()) == 0
    assert max((top + height).max(), (left + width).max()) == 32
    area = (height * width)[erased] / 1024
    assert 0.015 < area.min() < 0.025
    assert 0.32 < area.max() < 0.36
    aspect = (height / np.maximum(width, 1))[erased & (height * width > 100)]
    assert 0.25 < aspect.min() < 0.33
    assert 3 < aspect.max() < 4
    assert top[erased].min() == left[erased].min() == 0
    assert (top + height)[erased].max() == (left + width)[erased].max() == 32


# The whole


def test_a_result_does_not_depend_on_the_batch() -> None:
    images, index = noise(96, 32, 32, 3), torch.arange(96) * 17
    for dtype in (torch.float32, torch.float64):
        together = run(images, index, dtype=dtype)
        order = torch.randperm(96, generator=torch.Generator().manual_seed(2))
        assert torch.equal(run(images[order], index[order], dtype=dtype), together[:, order])
        for size in (1, 7, 32):
            parts = [run(images[i : i + size], index[i : i + size], dtype=dtype) for i in range(0, 96, size)]
            assert torch.equal(torch.cat(parts, dim=1), together)


def test_a_plan_does_not_depend_on_how_far_it_was_drawn() -> None:
    index = np.array([0, 5, 1023])
    short, long = (plan_for(np.append(index, last), 1, 2, 32, 32) for last in (7, 100_000))
    for name in ("flip", "operation", "matrix", "box"):
        assert np.array_equal(getattr(short, name)[:3], getattr(long, name)[:3])


def test_seed_epoch_and_index_each_matter() -> None:
    images = noise(1, 32, 32, 3).expand(64, -1, -1, -1)
    index = torch.arange(64)
    first = run(images, index)
    assert torch.equal(first, run(images, index))
    for other in (run(images, index, seed=4), run(images, index, epoch=6), run(images, index + 64)):
        assert not torch.equal(first, other)
    assert len({frame.numpy().tobytes() for frame in first[0]}) > 25


def test_the_images_given_are_left_alone() -> None:
    images = noise(64, 32, 32, 3)
    before = images.clone()
    run(images, torch.arange(64))
    assert torch.equal(images, before)


def test_each_image_goes_through_its_own_operations() -> None:
    images, index = noise(200, 32, 32, 3, levels=100), torch.arange(200)
    plan = plan_for(index.numpy(), 3, 5, 32, 32)
    expected = []
    for place in range(200):
        image = images[place : place + 1]
        image = image.flip(2) if plan.flip[place] else image
        image = equalize(image) if plan.operation[place] == ImageOp.EQUALIZE else image
        frame = to_frames(image, CIFAR10, "cpu", torch.float64)
        if plan.operation[place] >= ImageOp.ROTATE:
            frame = resample(frame[0], torch.from_numpy(plan.matrix[place : place + 1]))[None]
        top, left, height, width = plan.box[place]
        frame[:, :, top : top + height, left : left + width] = 0
        expected.append(frame)
    assert torch.equal(run(images, index), torch.cat(expected, dim=1))


def test_flip_and_none() -> None:
    images, index = noise(64, 32, 32, 3), torch.arange(64)
    plain = to_frames(images, CIFAR10, "cpu", torch.float64)
    assert torch.equal(run(images, index, kind="none"), plain)
    flipped = run(images, index, kind="flip")
    mirrored = torch.from_numpy(plan_for(index.numpy(), 3, 5, 32, 32).flip)
    assert 0 < mirrored.sum() < 64
    assert torch.equal(flipped[:, mirrored], plain[:, mirrored].flip(3))
    assert torch.equal(flipped[:, ~mirrored], plain[:, ~mirrored])


@pytest.mark.parametrize("kind", ["crop", "events"])
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"^augmentation '{kind}' is not one of spikformer, translate, flip, none$"):
        run(noise(1, 32, 32, 3), torch.zeros(1, dtype=torch.int64), kind=kind)


def test_grey_images_of_eight_pixels(config) -> None:
    frames = run(noise(300, 8, 8, 1), torch.arange(300), description=describe(config()))
    assert frames.shape == (1, 300, 8, 8, 1)
    assert torch.isfinite(frames).all()


def test_frames_are_normalised_by_channel() -> None:
    images = noise(2, 4, 4, 3)
    expected = (images.numpy() / 255 - np.array(CIFAR10.mean)) / np.array(CIFAR10.std)
    frames = to_frames(images, CIFAR10, "cpu", torch.float64)
    np.testing.assert_allclose(frames.numpy(), expected[None], rtol=1e-14)
    assert to_frames(images, CIFAR10, "cpu", torch.float32).dtype == torch.float32
