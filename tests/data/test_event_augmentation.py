"""Augmentation of recordings of events: against torchvision's operations and a loop over pixels, and its statistics."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from autospikformer_cli.data.augmentation import augment, resample_counts
from autospikformer_cli.data.description import DataDescription
from autospikformer_cli.data.plan import EVENT_OPERATIONS, ImageOp, Plan, event_plan_for
from autospikformer_cli.data.torchvision_import import torchvision

reference = torchvision.transforms.v2.functional
SIDE, FRAMES = 24, 3
EVENTS = DataDescription(10, 2, SIDE, (0.0, 0.0), (1.0, 1.0), num_frames=FRAMES)
run = partial(augment, kind="events", seed=3, epoch=5, description=EVENTS, device="cpu", dtype=torch.float32)


def counts(batch: int, dtype: torch.dtype = torch.uint8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (batch, FRAMES, SIDE, SIDE, 2), generator=generator).to(dtype)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return event_plan_for(np.arange(60_000), seed=0, epoch=0, height=128, width=128)


def near(share: float, expected: float, of: int = 60_000) -> bool:
    """Within five standard deviations of a binomial share."""
    return abs(share - expected) < 5 * (expected * (1 - expected) / of) ** 0.5


# The plan


def test_half_are_flipped_and_six_operations_are_equally_likely(plan: Plan) -> None:
    assert near(plan.flip.mean(), 1 / 2)
    assert len(EVENT_OPERATIONS) == 6
    for operation in EVENT_OPERATIONS:
        assert near((plan.operation == operation).mean(), 1 / 6)
        assert near((plan.flip & (plan.operation == operation)).mean(), 1 / 12)


@pytest.mark.parametrize(
    ("operation", "entry", "most"),
    [
        (ImageOp.SHEAR_X, (0, 1), 0.3),
        (ImageOp.TRANSLATE_X, (0, 2), 5.0),
        (ImageOp.TRANSLATE_Y, (1, 2), 5.0),
        (ImageOp.ROTATE, (1, 0), None),
    ],
)
def test_sizes_are_uniform_to_the_published_ones(plan: Plan, operation, entry, most) -> None:
    values = plan.matrix[plan.operation == operation][:, *entry]
    size = values / most if most else np.degrees(np.arcsin(values)) / 30
    assert 0.995 < np.abs(size).max() < 1
    np.testing.assert_allclose(np.quantile(size, [0.1, 0.25, 0.5, 0.75, 0.9]), [-0.8, -0.5, 0, 0.5, 0.8], atol=0.04)


@pytest.mark.parametrize("operation", [ImageOp.SHEAR_X, ImageOp.ROTATE])
def test_the_centre_stays(plan: Plan, operation: ImageOp) -> None:
    matrix = plan.matrix[plan.operation == operation]
    np.testing.assert_allclose(matrix @ np.array([64, 64, 1]), np.full((len(matrix), 2), 64.0), atol=1e-12)


def test_other_sides_are_translated_by_the_same_share() -> None:
    wide, narrow = (event_plan_for(np.arange(500), 0, 0, side, side) for side in (128, 16))
    moved = (wide.operation == ImageOp.TRANSLATE_X) | (wide.operation == ImageOp.TRANSLATE_Y)
    np.testing.assert_allclose(wide.matrix[moved, :, 2] / 8, narrow.matrix[moved, :, 2], rtol=1e-12)


def test_cutouts_are_squares_inside_of_the_published_area(plan: Plan) -> None:
    cut = plan.operation == ImageOp.CUTOUT
    top, left, height, width = plan.box.T
    assert (plan.box[~cut, 2:] == 0).all()
    assert (height == width).all()
    area = (height * width)[cut] / 128**2
    assert area.min() < 0.0015
    assert 0.105 < area.max() < 0.115
    assert abs(area.mean() - 0.0555) < 0.001
    assert top[cut].min() == left[cut].min() == 0
    assert (top + height)[cut].max() == (left + width)[cut].max() == 128


def test_what_is_not_moved_has_the_identity(plan: Plan) -> None:
    still = np.isin(plan.operation, [ImageOp.NONE, ImageOp.CUTOUT])
    assert (plan.matrix[still] == np.eye(2, 3)).all()


# Resampling


@pytest.mark.parametrize("level", [-0.93, -0.37, 0.11, 0.83])
def test_affine_operations_are_torchvisions_of_nearest_pixels(level: float) -> None:
    frames = counts(2).double().transpose(0, 1)
    planes = frames.permute(0, 1, 4, 2, 3)
    nearest = torchvision.transforms.InterpolationMode.NEAREST
    affine = partial(reference.affine, planes, angle=0.0, scale=1.0, interpolation=nearest)
    sheared = affine(translate=[0, 0], shear=[float(np.degrees(np.arctan(0.3 * level))), 0.0])
    turned = reference.rotate(planes, 30.0 * level, interpolation=nearest)
    cos, sin = np.cos(np.radians(30 * level)), np.sin(np.radians(30 * level))
    half, shear = SIDE / 2, 0.3 * level
    for expected, matrix in (
        (sheared, [[1, shear, -shear * half], [0, 1, 0]]),
        (turned, [[cos, -sin, half - half * cos + half * sin], [sin, cos, half - half * sin - half * cos]]),
        (affine(translate=[-3, 2], shear=[0.0, 0.0]), [[1, 0, 3], [0, 1, -2]]),
    ):
        moved = resample_counts(frames, torch.tensor([matrix, matrix], dtype=torch.float64))
        assert torch.equal(moved.permute(0, 1, 4, 2, 3), expected)


def nearest_by_loop(recording: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Each output pixel copies the input pixel that its centre falls into."""
    moved = np.zeros_like(recording)
    for y in range(SIDE):
        for x in range(SIDE):
            column, row = np.floor(matrix @ np.array([x + 0.5, y + 0.5, 1.0])).astype(int)
            if 0 <= column < SIDE and 0 <= row < SIDE:
                moved[:, y, x] = recording[:, row, column]
    return moved


def test_each_recording_goes_through_its_own_operations() -> None:
    recordings, index = counts(60), torch.arange(60)
    plan = event_plan_for(index.numpy(), 3, 5, SIDE, SIDE)
    assert set(plan.operation) == set(EVENT_OPERATIONS)
    result = run(recordings, index).numpy()
    for place, recording in enumerate(recordings.numpy()):
        expected = recording[:, :, ::-1] if plan.flip[place] else recording
        expected = nearest_by_loop(expected, plan.matrix[place])
        top, left, height, width = plan.box[place]
        expected[:, top : top + height, left : left + width] = 0
        assert np.array_equal(result[:, place], expected)


# The whole


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_counts_are_not_normalised_and_stay_whole(dtype: torch.dtype) -> None:
    recordings, index = counts(50, dtype) * (1 if dtype == torch.uint8 else 200), torch.arange(50)
    plain = run(recordings, index, kind="none")
    assert plain.shape == (FRAMES, 50, SIDE, SIDE, 2)
    assert torch.equal(plain, recordings.float().transpose(0, 1))
    augmented = run(recordings, index)
    assert augmented.shape == plain.shape
    assert set(augmented.unique().tolist()) <= {0.0, *plain.unique().tolist()}


def test_all_frames_and_polarities_move_together() -> None:
    image = counts(100)[:, :1, ..., :1]
    result = run(image.expand(-1, FRAMES, -1, -1, 2), torch.arange(100))
    assert torch.equal(result, result[:1, ..., :1].expand_as(result))
    assert not torch.equal(result[0], run(image.expand(-1, FRAMES, -1, -1, 2), torch.arange(100), kind="none")[0])


def test_flip_mirrors_all_frames_of_half_the_recordings() -> None:
    recordings, index = counts(64), torch.arange(64)
    plain, flipped = run(recordings, index, kind="none"), run(recordings, index, kind="flip")
    mirrored = torch.from_numpy(event_plan_for(index.numpy(), 3, 5, SIDE, SIDE).flip)
    assert 0 < mirrored.sum() < 64
    assert torch.equal(flipped[:, mirrored], plain[:, mirrored].flip(3))
    assert torch.equal(flipped[:, ~mirrored], plain[:, ~mirrored])


def test_a_result_does_not_depend_on_the_batch() -> None:
    recordings, index = counts(96), torch.arange(96) * 17
    together = run(recordings, index)
    order = torch.randperm(96, generator=torch.Generator().manual_seed(2))
    assert torch.equal(run(recordings[order], index[order]), together[:, order])
    for size in (1, 7, 32):
        parts = [run(recordings[i : i + size], index[i : i + size]) for i in range(0, 96, size)]
        assert torch.equal(torch.cat(parts, dim=1), together)


def test_seed_epoch_and_index_each_matter() -> None:
    recordings, index = counts(1).expand(64, -1, -1, -1, -1), torch.arange(64)
    first = run(recordings, index)
    assert torch.equal(first, run(recordings, index))
    for other in (run(recordings, index, seed=4), run(recordings, index, epoch=6), run(recordings, index + 64)):
        assert not torch.equal(first, other)


def test_the_recordings_given_are_left_alone() -> None:
    recordings = counts(64)
    before = recordings.clone()
    run(recordings, torch.arange(64))
    assert torch.equal(recordings, before)


@pytest.mark.parametrize("kind", ["crop", "spikformer"])
def test_another_kind_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"^augmentation '{kind}' is not one of events, flip, none$"):
        run(counts(1), torch.zeros(1, dtype=torch.int64), kind=kind)
